"""The command line's two processes: light, ended together, and no code but from a record that was read back."""

import dataclasses
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import audit
from audit import configured_files, registry, store, supervised
from audit.config import load
from audit.data import files
from audit.errors import PluginError, StoreError

RULE = {"id": "A", "measure": "accuracy.overall.accuracy", "at_least": 0.1, "because": "a test"}
CONFIG = {
    "name": "small",
    "data": {"source": "embedded", "dataset": "diabetes"},
    "model": {"network": "mlp", "train": {"epochs": 1}},
    "checks": {"accuracy.overall": {}},
    "policy": {"name": "p", "rules": [RULE]},
}


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audit.yaml").write_text(json.dumps(CONFIG))
    return "audit.yaml"


def test_the_process_that_judges_imports_no_jax(config):
    code = (
        "import sys\nfrom audit import AuditError, supervised\n"
        "try: supervised.run('audit.yaml', ('checks.accuracy.overall.colour=red',))\n"
        "except AuditError as error: print(error)\nprint(sorted({'jax', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    mistake, heavy = done.stdout.splitlines()
    assert "colour" in mistake and heavy == "[]", done.stderr


WAITS = """
import os, pathlib, time
pathlib.Path("pid.partial").write_text(str(os.getpid()))
pathlib.Path("pid.partial").rename("pid")
while True:
    time.sleep(0.1)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("sent", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGKILL", -9)])
def test_both_processes_end_when_one_is_told_to(config, tmp_path, sent, code):
    (tmp_path / "net.py").write_text(WAITS)
    command = [sys.executable, "-P", "-m", "audit", "run", config, "--set", "model.network=./net.py:build"]
    parent = subprocess.Popen([*command, "--quiet"], stderr=subprocess.PIPE, text=True)
    child = int(_waited(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    parent.send_signal(getattr(signal, sent))
    said = parent.communicate(timeout=60)[1]  # which ends when the child, too, has closed it
    assert parent.returncode == code
    assert _waited(lambda: not _alive(child))
    assert ("interrupted; what is finished is kept" in said) == (sent == "SIGINT")
    assert "Traceback" not in said
    assert store.list_runs(tmp_path / "runs") == []


def _waited(found, seconds=60):
    """Return what `found` gives once it is true."""
    until = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return value


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A run folder, and what would have been taken down before it."""
    folder = tmp_path_factory.mktemp("written")
    (folder / "audit.yaml").write_text(json.dumps(CONFIG))
    loaded = load(folder / "audit.yaml")
    taken = supervised.Taken(loaded, False, "n", {}, dt.datetime.now(dt.UTC))
    record = audit.run(loaded, out=folder / "runs", nonce="n")
    return folder / "runs" / record.volatile.run_id, taken


def test_a_record_of_this_very_audit_is_judged(written):
    folder, taken = written
    record = supervised._read_back(folder, taken)
    assert supervised._judged(record, taken) == record.exit_code == 0


def _with(taken, **changes):
    """Return what was taken down, with another configuration or policy."""
    if "policy" in changes:
        policy = taken.loaded.policy.model_copy(update={"name": "other"})
        return dataclasses.replace(taken, loaded=dataclasses.replace(taken.loaded, policy=policy))
    config = taken.loaded.config.model_copy(update={"seed": 1})
    return dataclasses.replace(taken, loaded=dataclasses.replace(taken.loaded, config=config))


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (lambda t: dataclasses.replace(t, nonce="m"), "another nonce"),
        (lambda t: dataclasses.replace(t, quick=True), "another --quick"),
        (lambda t: dataclasses.replace(t, began=t.began + dt.timedelta(days=2)), "another date"),
        (lambda t: _with(t, config=True), "another configuration"),
        (lambda t: _with(t, policy=True), "another policy"),
    ],
)
def test_a_record_of_another_audit_is_refused(written, other, says):
    folder, taken = written
    with pytest.raises(StoreError, match=says):
        supervised._read_back(folder, other(taken))


def test_every_file_that_a_configuration_names_has_a_digest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("rows.csv", "held.csv", "net.py", "weights/a/b", "p.yaml", "q.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "p.yaml").write_text(json.dumps({"name": "p", "include": "q.yaml", "rules": [RULE]}))
    (tmp_path / "q.yaml").write_text(json.dumps({"name": "q", "include": ["four_fifths"]}))
    columns = {"target": "y", "positive": "1", "numeric": ["a"]}
    data = {"source": "table", "path": "rows.csv", "test": "held.csv", "columns": columns}
    model = {"network": "./net.py:build", "weights": "weights"}
    (tmp_path / "a.yaml").write_text(json.dumps({**CONFIG, "data": data, "model": model, "policy": "p.yaml"}))
    found = configured_files.digests("a.yaml", load("a.yaml", options=False))
    shipped = [path for path in found if not path.startswith(str(tmp_path))]
    assert [os.path.basename(path) for path in shipped] == ["four_fifths.yaml"]
    named = ["a.yaml", "held.csv", "net.py", "p.yaml", "q.yaml", "rows.csv", "weights/a/b"]
    assert sorted(set(found) - set(shipped)) == [str(tmp_path / name) for name in named]


DATA = {
    "table": {"path": "a.csv", "test": "b.csv", "columns": {"target": "y"}},
    "images": {"path": "a.csv", "labels": "b.csv", "test": "c.csv", "test_labels": "d.csv"},
    "interactions": {"file": {"path": "a.csv"}, "users": {"file": {"path": "b.csv"}, "id": "u", "sensitive": ["s"]},
                     "items": {"file": {"path": "c.csv"}, "id": "i"}},
}  # fmt: skip


@pytest.mark.parametrize("source", DATA)
def test_the_data_digest_is_the_records(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    paths = [
        tmp_path / f"{name}.csv" for name in {"table": "ab", "images": "abcd", "interactions": "abc"}[source]
    ]
    for path in paths:
        path.write_text(path.name)
    (tmp_path / "audit.yaml").write_text(json.dumps({**CONFIG, "data": {"source": source, **DATA[source]}}))
    loaded = load("audit.yaml", options=False)
    found = configured_files.digests("audit.yaml", loaded)
    assert configured_files.data_digest(loaded, found) == files.digest(*paths)


def test_a_plugin_that_exits_is_one_line(monkeypatch):
    class Point:
        name, value = "mine", "mine:checks"

        def load(self):
            sys.exit(0)

    monkeypatch.setattr(registry, "entry_points", lambda group: [Point()])
    with pytest.raises(PluginError, match=r"plugin mine .* does not import: SystemExit"):
        registry._load.__wrapped__()
