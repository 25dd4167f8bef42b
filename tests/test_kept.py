"""Finished work is taken up only as it was kept: sealed by a secret key under its own name, else done again."""

import hashlib
import json
import os
import stat

import numpy as np
import pytest

import audit
from audit import cache_key
from audit import kept as finished
from audit.errors import StoreError
from audit.evidence import Artifact, CheckResult, Findings, Measurement
from audit.kept import Kept
from audit.stats import rate_of

KEY = b"a secret of the tests"


@pytest.fixture
def said():
    """What the user is told."""
    return []


@pytest.fixture
def kept(tmp_path, said):
    return Kept(tmp_path, KEY, said.append)


def result(right=900, data=b"bytes"):
    """A check's result with one rate and one sidecar file."""
    artifact = Artifact(name="f", media_type="x/y", path="c/f.bin", sha256=hashlib.sha256(data).hexdigest())
    measured = Measurement(name="accuracy", label="Accuracy", estimate=rate_of(right, 1000))
    findings = Findings(measurements=(measured,), artifacts=(artifact,))
    return CheckResult(check="c", area="data", title="c", status="ok", findings=findings)


def test_a_kept_result_comes_back(kept, said):
    assert kept.result("d") is None
    kept.keep("d", result(), {"c/f.bin": b"bytes"})
    assert kept.result("d") == (result(), {"c/f.bin": b"bytes"})
    assert said == []


@pytest.mark.parametrize("change", ["result.json", "c/f.bin", "hmac.sha256", "added", "absent", "link"])
def test_a_changed_entry_is_removed_said_and_kept_again(kept, said, tmp_path, change):
    kept.keep("d", result(700), {"c/f.bin": b"bytes"})
    entry = tmp_path / ".finished" / "d"
    if change == "result.json":  # what would turn FAIL into PASS
        (entry / change).write_bytes(result(999).model_dump_json().encode())
    elif change == "absent":
        (entry / "c/f.bin").unlink()
    elif change == "link":
        (entry / "c/f.bin").rename(tmp_path / "same")
        (entry / "c/f.bin").symlink_to(tmp_path / "same")
    else:
        (entry / change).write_bytes(b"other")
    assert kept.result("d") is None and not entry.exists()
    assert len(said) == 1 and "done again" in said[0] and str(entry) in said[0]
    kept.keep("d", result(700), {"c/f.bin": b"bytes"})
    assert kept.result("d") == (result(700), {"c/f.bin": b"bytes"})


def test_an_entry_copied_under_another_name_is_not_taken(kept, said, tmp_path):
    kept.keep("good", result(999), {"c/f.bin": b"bytes"})
    (tmp_path / ".finished/good").rename(tmp_path / ".finished/bad")
    assert kept.result("bad") is None and len(said) == 1
    kept.keep("good", result(999), {"c/f.bin": b"bytes"})
    (tmp_path / ".finished/bad").symlink_to("good")
    assert kept.result("bad") is None and kept.result("good") is not None


def test_another_key_takes_nothing_and_says_so_once(kept, tmp_path, said):
    for name in ("d", "e"):
        kept.keep(name, result(), {"c/f.bin": b"bytes"})
    other = Kept(tmp_path, b"another secret", said.append)
    assert other.result("d") is None and other.folder_of("e") is None
    assert len(said) == 1


def test_folders_of_weights_and_choices_are_sealed_too(kept, said, tmp_path):
    def fill(place):
        (place / "weights/d").mkdir(parents=True)
        (place / "weights/d/0").write_bytes(b"1234")

    kept.keep_folder("weights-1", fill)
    assert kept.folder_of("weights-1") == tmp_path / ".finished/weights-1"
    (tmp_path / ".finished/weights-1/weights/d/0").write_bytes(b"1235")
    assert kept.folder_of("weights-1") is None and len(said) == 1
    kept.keep_folder("weights-1", fill)
    assert kept.folder_of("weights-1") is not None


# ---------------------------------------------------------------- the key


@pytest.fixture
def state(tmp_path, monkeypatch):
    """The key's file in an empty state folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state/jax-audit/cache.key"


def test_a_key_is_made_once_for_its_owner_alone(state, said):
    first = cache_key.key(said.append)
    assert first and cache_key.key(said.append) == first and said == []
    assert stat.S_IMODE(state.stat().st_mode) == 0o600 and len(first) == 65
    assert [path.name for path in state.parent.iterdir()] == ["cache.key"]


def test_a_key_of_the_environment_comes_first(state, said, monkeypatch):
    monkeypatch.setenv("JAX_AUDIT_CACHE_KEY", "0123456789abcdef")
    assert cache_key.key(said.append) == b"0123456789abcdef" and not state.exists()
    monkeypatch.setenv("JAX_AUDIT_CACHE_KEY", "")  # a secret that a pipeline does not hand to a fork
    assert cache_key.key(said.append) == state.read_bytes()
    monkeypatch.setenv("JAX_AUDIT_CACHE_KEY", "short")
    with pytest.raises(StoreError, match="of 5 characters; expected a secret of 16 or more"):
        cache_key.key(said.append)


@pytest.mark.parametrize("mode, content", [(0o644, None), (0o620, None), (0o600, b""), (0o600, b"guess\n")])
def test_a_key_that_others_can_read_or_that_is_none_is_replaced(state, said, mode, content):
    old = cache_key.key(said.append)
    if content is not None:
        state.write_bytes(content)
    state.chmod(mode)
    new = cache_key.key(said.append)
    assert new and new != old and new == state.read_bytes()
    assert len(said) == 1 and "replaced by a new key" in said[0] and "done again" in said[0]
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert cache_key.key(said.append) == new and len(said) == 1


def test_a_link_in_the_keys_place_is_replaced_not_followed(state, said, tmp_path):
    (tmp_path / "theirs").write_text("0" * 64 + "\n")
    state.parent.mkdir(parents=True)
    state.symlink_to(tmp_path / "theirs")
    assert cache_key.key(said.append) != (tmp_path / "theirs").read_bytes()
    assert not state.is_symlink() and len(said) == 1


def test_another_users_key_is_never_used(state, said, monkeypatch):
    cache_key.key(said.append)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert cache_key.key(said.append) is None
    assert len(said) == 1 and "belongs to another user" in said[0] and "is not kept" in said[0]


def test_without_a_place_for_the_key_nothing_is_kept_and_a_line_says_so(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert finished.opened(tmp_path) is None
    assert "finished work is not kept" in capsys.readouterr().err


# ---------------------------------------------------------------- a run

CONFIG = """
name: kept
policy: {name: p, rules: [{id: A, measure: accuracy.overall.accuracy, at_least: 0.9, because: a test}]}
data:
  source: table
  path: rows.csv
  columns: {target: y, positive: "yes", favourable: "yes", numeric: [x, z]}
model: {network: mlp, options: {hidden: [4]}, train: {epochs: 1}}
checks: {accuracy.overall: {}}
"""


def test_a_result_edited_from_fail_to_pass_is_measured_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = (f"{x:.6f},{z:.6f},{'yes' if u < 0.5 else 'no'}\n" for x, z, u in rng.random((400, 3)))
    (tmp_path / "rows.csv").write_text("x,z,y\n" + "".join(rows))
    (tmp_path / "audit.yaml").write_text(CONFIG)
    first = audit.run("audit.yaml", out="runs")
    assert first.exit_code == 1
    (file,) = [p for p in tmp_path.glob("runs/.finished/*/result.json") if "accuracy" in p.read_text()]
    value = json.loads(file.read_text())
    for m in value["findings"]["measurements"]:
        if m["name"] == "accuracy":
            n = m["estimate"]["n"]
            m["estimate"] |= rate_of(n, n).model_dump(mode="json")
    file.write_text(json.dumps(value))
    again = audit.run("audit.yaml", out="runs")
    assert again.exit_code == 1 and again.results == first.results
    assert "accuracy.overall" not in again.volatile.reused
    assert "done again" in capsys.readouterr().err
    third = audit.run("audit.yaml", out="runs")
    assert third.volatile.reused == ("accuracy.overall",)  # honest work is taken up
    assert capsys.readouterr().err == ""
    (weights,) = tmp_path.glob("runs/.finished/weights-*")
    (weights / "history.json").write_text(
        (weights / "history.json").read_text().replace('"notes": []', '"notes": ["x"]')
    )
    assert audit.run("audit.yaml", out="runs").to_bytes(volatile=False) == third.to_bytes(volatile=False)
    assert "done again" in capsys.readouterr().err
