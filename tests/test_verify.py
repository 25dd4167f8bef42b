"""`verify` and `sign`: one changed byte anywhere is caught and named, and only the right key opens the seal."""

import base64
import datetime as dt
import json
import shutil
import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from audit import cli, gate, manifest, signing, stats, store
from audit.errors import AuditError, ConfigError, StoreError
from audit.evidence import (
    Artifact,
    CheckResult,
    DataFacts,
    Facts,
    Findings,
    Measurement,
    ModelFacts,
    Policy,
    Record,
    Remedied,
    Rule,
    Volatile,
    canonical,
)
from audit.opening import open_run
from audit.rendering import RENDER
from audit.verify import verify

WHEN = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
SIDECAR, WEIGHTS = b"id,label\n0,1\n", b'{"sha256": "' + b"7" * 64 + b'"}\n'


def record(right=900, **given):
    """A record whose decisions follow from its numbers: accuracy and the share of one class."""
    found = (
        Measurement(name="accuracy", label="Accuracy", estimate=stats.rate_of(right, 1000)),
        Measurement(name="recall", label="Recall", estimate=stats.rate_of(80, 100), where={"class": "a"}),
    )
    file = Artifact(name="rows", media_type="text/csv", path="c/rows.csv", sha256=store.sha256(SIDECAR))
    result = CheckResult(check="accuracy.overall", area="accuracy", title="Accuracy", status="ok",
                         findings=Findings(measurements=found, artifacts=(file,)))  # fmt: skip
    rules = (
        Rule(id="A1", measure="accuracy.overall.accuracy", at_least=0.8, because="a test"),
        Rule(id="A2", measure="accuracy.overall.recall", at_least=0.5, because="a test", severity="advisory"),
    )
    policy = Policy(name="p", rules=rules)
    decisions, verdict, code = gate.judge((result,), policy, on=WHEN.date())
    data = DataFacts(name="d", task="binary", modality="table", target="y", classes=("a", "b"), favourable="a",
                     splits={"test": 1000}, sha256="5" * 64)  # fmt: skip
    model = ModelFacts(name="m", network="n", parameters=1, outputs="logits", decision="argmax",
                       differentiable=True, sha256="a" * 64)  # fmt: skip
    values = dict(tool="jax-audit 0.1.0", name="run", config={"formats": ["html"]}, results=(result,), policy=policy,
                  facts=Facts(data=data, model=model), decisions=decisions, verdict=verdict, exit_code=code,
                  digests={"test": "b" * 64, "data": "c" * 64, "weights": "7" * 64},
                  volatile=Volatile(run_id="r", started=WHEN, judged=WHEN))  # fmt: skip
    return Record(**{**values, **given})


def files():
    return {"c/rows.csv": SIDECAR, "weights/digest.json": WEIGHTS, "weights/arrays/d/0": bytes(range(64))}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A run folder with a remedied model's inside."""
    inner = record(950, name="inner")
    told = Remedied(remedy="r", title="R", status="audited", verdict=inner.verdict, exit_code=0,
                    record=inner.digest, folder="remedies/1-r")  # fmt: skip
    outer = record(remedies=(told,))
    inside = {f"remedies/1-r/{path}": data for path, data in {**files(), **store.documents(inner)}.items()}
    pages = {name: render(outer) for name, render in (RENDER["html"], RENDER["sarif"])}
    return store.write(tmp_path_factory.mktemp("runs"), outer, {**files(), **pages, **inside})


@pytest.fixture
def folder(stored, tmp_path):
    return shutil.copytree(stored, tmp_path / "run")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Two pairs of Ed25519 keys, a key of another kind and an encrypted one, as PEM files."""
    out = tmp_path_factory.mktemp("keys")
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    kept = serialization.BestAvailableEncryption(b"secret")
    pkcs8, spki = serialization.PrivateFormat.PKCS8, serialization.PublicFormat.SubjectPublicKeyInfo
    for name in ("one", "two"):
        key = ed25519.Ed25519PrivateKey.generate()
        (out / f"{name}.pem").write_bytes(key.private_bytes(pem, pkcs8, plain))
        (out / f"{name}.pub").write_bytes(key.public_key().public_bytes(pem, spki))
    (out / "locked.pem").write_bytes(key.private_bytes(pem, pkcs8, kept))
    other = ec.generate_private_key(ec.SECP256R1())
    (out / "other.pem").write_bytes(other.private_bytes(pem, pkcs8, plain))
    return out


def command(monkeypatch, *argv):
    """The exit code of the command line, run here."""
    monkeypatch.setattr(sys, "argv", ["jax-audit", *map(str, argv)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code or 0


def edited(folder, path, change, *, resealed=False):
    """Change the plain values of a JSON file; resealed: make verdict.json and the manifest agree with it."""
    value = json.loads((folder / path).read_bytes())
    change(value)
    (folder / path).write_text(json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n")
    if resealed:
        verdict = store.stated(folder / store.VERDICT)
        same = {key: value[key] for key in ("verdict", "exit_code", "name")}
        verdict |= same | {"record": manifest.record_digest(value)}
        (folder / store.VERDICT).write_text(json.dumps(verdict, indent=1, sort_keys=True) + "\n")
        (folder / manifest.MANIFEST).write_bytes(manifest.of(folder, value))


def test_a_run_as_written_is_accepted(folder, monkeypatch, capsys):
    assert verify(folder).problems == ()
    assert command(monkeypatch, "verify", folder) == 0
    assert "as written: " in capsys.readouterr().out
    assert verify(folder / "remedies/1-r").problems == ()


def test_the_manifest_lists_every_file_but_itself(folder):
    listed = manifest.read((folder / manifest.MANIFEST).read_bytes())["files"]
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert set(listed) == there - {"manifest.json"}
    assert "remedies/1-r/manifest.json" in listed


def test_one_changed_byte_in_any_file_is_caught_and_named(stored, tmp_path):
    folder = shutil.copytree(stored, tmp_path / "run")
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        every = max(1, len(data) // (40 if path.name in ("manifest.json", "verdict.json") else 3))
        for i in range(0, len(data), every):
            path.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
            named = path.relative_to(folder).as_posix()
            problems = verify(folder).problems
            assert problems, (named, i)
            assert named == "manifest.json" or any(named in problem for problem in problems), (
                named,
                i,
                problems,
            )
        path.write_bytes(data)
    assert verify(folder).problems == ()


def test_absent_added_and_linked_files_are_named(folder):
    (folder / "weights/arrays/d/0").unlink()
    (folder / "extra.txt").write_text("x")
    (folder / "report.html").rename(folder / "kept.html")
    (folder / "report.html").symlink_to("kept.html")
    problems = "\n".join(verify(folder).problems)
    assert "weights/arrays/d/0 is absent" in problems
    assert "extra.txt was added" in problems and "report.html is a link" in problems


def test_a_report_rebuilt_into_the_folder_is_no_change(folder, monkeypatch):
    for format_ in ("junit", "parquet", "html"):
        assert command(monkeypatch, "report", folder, "--format", format_) == 0
    assert verify(folder).problems == ()
    (folder / "junit.xml").write_bytes((folder / "junit.xml").read_bytes().replace(b"A1", b"A9"))
    assert any("junit.xml was added" in p for p in verify(folder).problems)


@pytest.mark.parametrize("format_", RENDER)
def test_an_export_rebuilds_byte_for_byte_from_the_stored_record(stored, tmp_path, monkeypatch, format_):
    assert command(monkeypatch, "report", stored, "--format", format_, "--out", tmp_path / "out") == 0
    outer = open_run(stored)
    assert (tmp_path / "out").read_bytes() == RENDER[format_][1](outer)


def test_an_edited_record_is_named_by_its_part(folder, monkeypatch, capsys):
    edited(folder, "evidence.json", lambda r: r["facts"]["data"].update(licence="mine"))
    problems = verify(folder).problems
    assert "evidence.json: facts.data was changed" in problems
    assert not any("facts.model" in p or "decisions" in p for p in problems)
    assert command(monkeypatch, "verify", folder) == 1
    assert "CHANGED evidence.json" in capsys.readouterr().out


def test_a_verdict_that_disagrees_with_the_record_is_named(folder):
    edited(folder, "verdict.json", lambda v: v.update(verdict="FAIL"))
    assert "verdict.json: verdict is 'FAIL', the record says 'PASS'" in verify(folder).problems


def test_a_resealed_record_is_caught_by_judging_its_numbers_again(stored, tmp_path):
    folder = store.write(tmp_path, record(700), files())
    assert open_run(folder).verdict == "FAIL" and verify(folder).problems == ()

    def pretend(value):
        value["decisions"][0]["verdict"] = value["verdict"] = "PASS"
        value["exit_code"] = 0

    edited(folder, "evidence.json", pretend, resealed=True)
    problems = verify(folder).problems
    assert any(p.startswith("decisions.A1: PASS at 0.7 stored, FAIL at 0.7 judged again") for p in problems)
    assert any(p.startswith("verdict: PASS stored, FAIL") for p in problems)


def test_a_sidecar_resealed_in_the_manifest_alone_is_caught(folder):
    (folder / "c/rows.csv").write_bytes(b"id,label\n0,0\n")
    value = json.loads((folder / "evidence.json").read_bytes())
    (folder / "manifest.json").write_bytes(manifest.of(folder, value))
    assert any("c/rows.csv" in p for p in verify(folder).problems)


@pytest.mark.parametrize("key", ["schema", "record", "files", "parts", "self"])
@pytest.mark.parametrize(
    "value", [None, 3, True, "x", [], [1], {}, {"evidence.json": 3}, {"evidence.json": None}]
)
def test_a_manifest_with_a_value_of_another_type_is_changed(folder, monkeypatch, capsys, key, value):
    listed = json.loads((folder / "manifest.json").read_bytes())
    listed[key] = value
    if key != "self":
        listed["self"] = store.sha256(canonical({k: v for k, v in listed.items() if k != "self"}))
    (folder / "manifest.json").write_bytes(canonical(listed))
    assert command(monkeypatch, "verify", folder) == 1
    said = capsys.readouterr()
    assert "manifest.json was changed" in said.out or "evidence.json: " in said.out
    assert said.err == "" and command(monkeypatch, "gate", folder) == 2


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a": NaN}', b"\xff", b"null", b'{"schema": []}'])
def test_a_hostile_file_of_a_run_is_one_line(folder, monkeypatch, capsys, content):
    for name in ("manifest.json", "verdict.json", "evidence.json"):
        (folder / name).write_bytes(content)
        assert command(monkeypatch, "verify", folder) == 1
        assert "Traceback" not in capsys.readouterr().err
        assert command(monkeypatch, "gate", folder) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("place", [".", "..", "remedies/../..", "/tmp", "other"])
def test_a_remedied_models_folder_elsewhere_is_no_folder_of_the_run(folder, place):
    edited(folder, "evidence.json", lambda r: r["remedies"][0].update(folder=place), resealed=True)
    assert any("is no folder of remedies/" in problem for problem in verify(folder).problems)


def test_an_estimate_that_its_statistics_do_not_give_is_named(folder):
    def change(value):
        value["results"][0]["findings"]["measurements"][1]["estimate"]["value"] = 0.5

    edited(folder, "evidence.json", change, resealed=True)
    wanted = "results.accuracy.overall: recall, class=a is 0.5, its statistics make 0.8"
    assert wanted in verify(folder).problems


def test_an_interval_that_its_statistics_do_not_give_is_named(folder):
    def change(value):
        value["results"][0]["findings"]["measurements"][1]["estimate"]["low"] = 0.79

    edited(folder, "evidence.json", change, resealed=True)
    assert any("recall, class=a is 0.8, its interval's low end 0.79" in p for p in verify(folder).problems)


def test_pages_for_one_audience_are_rebuilt_and_compared(folder, monkeypatch):
    for audience in ("executive", "regulator", "engineer"):
        assert command(monkeypatch, "report", folder, "--audience", audience) == 0
    assert verify(folder).problems == ()
    page = folder / "report-regulator.html"
    page.write_bytes(page.read_bytes().replace(b"PASS", b"FAIL"))
    assert any("report-regulator.html was added" in problem for problem in verify(folder).problems)


def test_other_weights_than_the_records_are_caught(folder):
    (folder / "weights/digest.json").write_text('{"sha256": "' + "8" * 64 + '"}\n')
    value = json.loads((folder / "evidence.json").read_bytes())
    (folder / "manifest.json").write_bytes(manifest.of(folder, value))
    assert verify(folder).problems == (
        "weights/digest.json: the weights are not those that the record names",
    )


def test_a_remedied_model_exchanged_for_another_is_caught(folder):
    other = store.write(folder.parent, record(990, name="inner"), files())
    shutil.rmtree(folder / "remedies/1-r")
    shutil.move(other, folder / "remedies/1-r")
    value = json.loads((folder / "evidence.json").read_bytes())
    (folder / "manifest.json").write_bytes(manifest.of(folder, value))
    assert any("remedies/1-r: its record or verdict" in p for p in verify(folder).problems)


@pytest.mark.parametrize("argv", [["verify"], ["gate"], ["report"]])
def test_a_record_of_a_newer_schema_is_refused_by_every_command(folder, monkeypatch, capsys, argv):
    edited(folder, "evidence.json", lambda r: r.update(schema="jax-audit/record/2", more=1))
    value = json.loads((folder / "evidence.json").read_bytes())
    (folder / "manifest.json").write_bytes(manifest.of(folder, value))
    assert command(monkeypatch, *argv, folder) == 2
    error = capsys.readouterr().err
    assert "jax-audit/record/2" in error and "use the version of jax-audit that wrote it" in error


def test_what_is_no_run_folder_is_exit_2(tmp_path, monkeypatch):
    assert command(monkeypatch, "verify", tmp_path) == 2
    assert command(monkeypatch, "verify", tmp_path / "nowhere") == 2


def test_a_signed_run_verifies_with_its_key_and_no_other(folder, keys, monkeypatch, capsys):
    assert command(monkeypatch, "verify", folder, "--key", keys / "one.pub") == 1
    assert "the run is not signed" in capsys.readouterr().out
    assert command(monkeypatch, "sign", folder, "--key", keys / "one.pem") == 0
    assert command(monkeypatch, "verify", folder, "--key", keys / "one.pub") == 0
    assert command(monkeypatch, "verify", folder, "--key", keys / "two.pub") == 1
    assert "by another key" in capsys.readouterr().out
    assert command(monkeypatch, "verify", folder) == 0  # said, not claimed
    assert "signature not checked" in capsys.readouterr().out


def test_the_envelope_is_dsse_over_an_in_toto_statement_about_every_file(folder, keys):
    data = signing.sign(folder, open_run(folder), keys / "one.pem")
    assert data == signing.sign(folder, open_run(folder), keys / "one.pem")
    envelope = json.loads(data)
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    assert kind == b"application/vnd.in-toto+json"
    sealed = b" ".join([b"DSSEv1", b"%d" % len(kind), kind, b"%d" % len(payload), payload])  # protocol 1.0.2
    public = serialization.load_pem_public_key((keys / "one.pub").read_bytes())
    public.verify(base64.b64decode(envelope["signatures"][0]["sig"]), sealed)
    value = json.loads(payload)
    Statement.copy_from_pb(json_format.ParseDict(value, statement_pb2.Statement())).validate()
    named = {s["name"]: s["digest"]["sha256"] for s in value["subject"]}
    for path in (p for p in folder.rglob("*") if p.is_file()):
        assert named[path.relative_to(folder).as_posix()] == store.sha256(path.read_bytes())
    assert named["jax-audit:record"] == open_run(folder).digest


def test_every_changed_byte_of_a_signature_is_caught(folder, keys):
    record_ = open_run(folder)
    path = folder / manifest.SIGNATURE
    path.write_bytes(signing.sign(folder, record_, keys / "one.pem"))
    data = path.read_bytes()
    assert signing.problems(folder, record_, keys / "one.pub") == []
    for i in range(0, len(data), 23):
        path.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        assert signing.problems(folder, record_, keys / "one.pub"), i


def test_a_file_resealed_after_signing_is_named(folder, keys):
    record_ = open_run(folder)
    (folder / manifest.SIGNATURE).write_bytes(signing.sign(folder, record_, keys / "one.pem"))
    (folder / "weights/arrays/d/0").write_bytes(b"other weights")
    value = json.loads((folder / "evidence.json").read_bytes())
    (folder / "manifest.json").write_bytes(manifest.of(folder, value))
    assert verify(folder).problems == ()  # without the key it looks whole
    problems = signing.problems(folder, record_, keys / "one.pub")
    assert "weights/arrays/d/0 was changed after signing" in problems


def test_a_changed_run_is_not_signed(folder, keys, monkeypatch, capsys):
    (folder / "c/rows.csv").write_bytes(b"other")
    assert command(monkeypatch, "sign", folder, "--key", keys / "one.pem") == 2
    assert "c/rows.csv was changed" in capsys.readouterr().err
    assert not (folder / manifest.SIGNATURE).exists()


@pytest.mark.parametrize("name", ["absent.pem", "other.pem", "locked.pem", "one.pub"])
def test_a_key_that_cannot_sign_is_one_line(folder, keys, name):
    with pytest.raises(ConfigError, match=r"openssl genpkey -algorithm ed25519"):
        signing.sign(folder, open_run(folder), keys / name)


def test_signing_without_its_extra_says_what_to_install(folder, keys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(AuditError, match=r'pip install "jax-audit\[sign\]"'):
        signing.sign(folder, open_run(folder), keys / "one.pem")


def test_a_verdict_file_that_cannot_be_read_is_refused(folder):
    (folder / "verdict.json").write_text("{")
    with pytest.raises(StoreError, match=r"not as it was written: verdict\.json was changed"):
        open_run(folder)
