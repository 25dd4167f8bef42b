"""Forged records and what each reader says of them; the same readers on honest ones. Runs are made once and copied."""

from __future__ import annotations

import atexit
import contextlib
import datetime as dt
import functools
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from hostile import Case

import audit
from audit import cli, expected, manifest, store

YESTERDAY = (dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)).isoformat()
WAIVER = {"rule": "A1", "who": "A. Person", "why": "a test", "until": YESTERDAY}


@functools.cache
def made(name: str) -> Path:
    """The folder of a tiny real run: 'good' passes, 'bad' fails a rule whose waiver ended yesterday."""
    rng = np.random.default_rng(len(name))  # rows of its own
    x = rng.normal(size=(4000, 2)).astype(np.float32)
    y = ((x[:, 0] > 0) ^ (rng.random(4000) < 0.05)).astype(np.int32)
    data = audit.from_arrays("rows", "binary", x, y, classes=("no", "yes"), favourable="yes")
    model = audit.Model("line", lambda params, x: x[:, :1] * params, np.float32(4.0))
    limits = {"good": 0.9, "bad": 0.99}
    rules = [
        {"id": "A1", "measure": "accuracy.overall.accuracy", "at_least": limits[name], "because": "a test"},
        {"id": "A2", "measure": "accuracy.overall.auc", "at_least": 0.8, "because": "a test"},
    ]
    config = {
        "name": name,
        "policy": {"name": "p", "looks": 2, "rules": rules, "waivers": [WAIVER] if name == "bad" else []},
        "checks": {"accuracy.overall": {}},
        "record": {"row_outcomes": True},
    }
    out = Path(tempfile.mkdtemp(prefix="jax-audit-forged-"))
    atexit.register(shutil.rmtree, out, ignore_errors=True)
    record = audit.run(config, data=data, model=model, out=out)
    assert record.exit_code == {"good": 0, "bad": 1}[name], record.decisions
    return out / record.volatile.run_id


def copied(name: str, folder: Path, place: str = "run") -> Path:
    """A copy of a run's folder."""
    return Path(shutil.copytree(made(name), folder / place))


def said(*arguments: object) -> tuple[int, str]:
    """The exit code of the command line in this process, and all that it printed."""
    text, before = io.StringIO(), sys.argv
    sys.argv = ["jax-audit", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            cli.main()
    except SystemExit as stop:
        return int(stop.code or 0), text.getvalue()
    finally:
        sys.argv = before
    raise AssertionError("the command line did not exit")


def opened(run: Path, *, unverified: bool = False) -> tuple[int, str]:
    """What Python says: the exit code of the record that is opened, or the error's line."""
    try:
        record = audit.open_run(run, unverified=unverified)
    except audit.AuditError as error:
        return 2, str(error)
    return record.exit_code, "not verified" if record.unverified else "as written"


READERS: dict[str, Callable[[Path, Path], tuple[int, str]]] = {
    "gate": lambda run, good: said("gate", run),
    "report": lambda run, good: said("report", run, "--out", good.parent / "page.html"),
    "compare": lambda run, good: said("compare", good, run),
    "verify": lambda run, good: said("verify", run),
    "Python": lambda run, good: opened(run),
}
REFUSED = {"gate": 2, "report": 2, "compare": 2, "verify": 1, "Python": 2}

# ---------------------------------------------------------------- how a record is forged


def values(run: Path, path: str, change: Callable[[Any], object]) -> None:
    """Change the plain values of a JSON file of a run."""
    value = json.loads((run / path).read_bytes())
    change(value)
    (run / path).write_text(json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n")


def record(change: Callable[[Any], object]) -> Callable[[Path], None]:
    """Forge the record alone."""
    return lambda run: values(run, store.EVIDENCE, change)


def rebuilt(change: Callable[[Any], object]) -> Callable[[Path], None]:
    """Forge the record, then make its verdict file, report and manifest agree with it."""

    def forge(run: Path) -> None:
        values(run, store.EVIDENCE, change)
        value = json.loads((run / store.EVIDENCE).read_bytes())
        told = {key: value[key] for key in ("verdict", "exit_code", "name")}
        values(run, store.VERDICT, lambda v: v.update(told, record=manifest.record_digest(value)))
        (run / "report.html").unlink()
        (run / manifest.MANIFEST).write_bytes(manifest.of(run, value))

    return forge


def listed(change: Callable[[Any], object]) -> Callable[[Path], None]:
    """Forge the manifest, its own digest made to agree."""

    def forge(run: Path) -> None:
        value = json.loads((run / manifest.MANIFEST).read_bytes())
        change(value)
        rest = {key: part for key, part in value.items() if key != "self"}
        sealed = store.sha256(manifest.canonical(rest))
        (run / manifest.MANIFEST).write_bytes(manifest.canonical({**rest, "self": sealed}))

    return forge


def removed(*names: str) -> Callable[[Path], None]:
    """Remove files of a run."""
    return lambda run: [(run / name).unlink() for name in names] and None


def measured(value: Any, name: str) -> Iterator[Any]:
    """Every estimate that a record holds of a measure: the measurement's, and those of decisions."""
    for m in value["results"][0]["findings"]["measurements"]:
        if m["name"] == name and not m["where"]:
            yield m["estimate"]
    for d in value["decisions"]:
        if d["rule"]["measure"].endswith(f".{name}"):
            yield d["estimate"]


def estimate(value: Any, *, name: str = "accuracy") -> None:
    """Raise the values of a measure's estimates, their statistics left as they are."""
    for e in measured(value, name):
        e.update(value=0.999, low=0.998, high=1.0)


def limit(value: Any) -> None:
    """Lower the limit of the rule that fails."""
    for rule in (value["policy"]["rules"][0], value["decisions"][0]["rule"]):
        rule["at_least"] = 0.5


def dropped(value: Any) -> None:
    """Drop the rule that fails, and its waiver."""
    del value["policy"]["rules"][0], value["decisions"][0]
    value["policy"]["waivers"] = []
    value.update(verdict="PASS", exit_code=0)


def passing(value: Any) -> None:
    """Say PASS wherever the record says FAIL."""
    value["decisions"][0]["verdict"] = "PASS"
    value.update(verdict="PASS", exit_code=0)


def weaker(value: Any) -> None:
    """Lower the limit, and judge by it as the gate would: the policy's digest alone stays behind."""
    limit(value)
    honest = audit.Record.model_validate(value)
    from audit import gate_again

    judged = honest.volatile.judged
    assert judged
    again = gate_again.judged(honest, honest.policy, judged.date(), honest.concerns)
    value.clear()
    value.update(json.loads(again.to_bytes()))


def page_says_pass(page: Path) -> None:
    """Say PASS on a page that says FAIL."""
    page.write_bytes(page.read_bytes().replace(b"FAIL", b"PASS"))


@dataclass(frozen=True)
class Forgery:
    """What a forger does to a run that fails, and words that every reader's line must hold."""

    name: str
    forge: Callable[[Path], None]
    says: str


FORGERIES = (
    Forgery("verdict.json deleted", removed(store.VERDICT), "verdict.json is absent"),
    Forgery("manifest deleted", removed(manifest.MANIFEST), "manifest.json is absent"),
    Forgery("an estimate edited", record(estimate), "evidence.json: decisions.A1 was changed"),
    Forgery("a limit edited", record(limit), "evidence.json: decisions.A1 was changed"),
    Forgery("a rule dropped", record(dropped), "evidence.json: exit_code was changed"),
    Forgery("the verdict's word edited", record(lambda v: v.update(verdict="PASS")), ": verdict was changed"),
    Forgery("exit_code edited", record(lambda v: v.update(exit_code=0)), ": exit_code was changed"),
    Forgery(
        "a decision edited",
        record(lambda v: v["decisions"][0].update(verdict="PASS")),
        "evidence.json: decisions.A1 was changed",
    ),
    Forgery(
        "a waiver prolonged",
        record(lambda v: v["policy"]["waivers"][0].update(until="2999-01-01")),
        "evidence.json: policy was changed",
    ),
    Forgery(
        "verdict.json edited",
        lambda run: values(run, store.VERDICT, lambda v: v.update(verdict="PASS", exit_code=0)),
        "verdict.json was changed",
    ),
    Forgery(
        "a sidecar changed",
        lambda run: (run / "outcomes/test.csv").write_bytes(b"id,label,predicted\n") and None,
        "outcomes/test.csv was changed",
    ),
    Forgery("report.html edited", lambda run: page_says_pass(run / "report.html"), "report.html was changed"),
    Forgery("a manifest of no files", listed(lambda m: m.update(files={})), "does not list evidence.json"),
    Forgery("a manifest of no digests", listed(lambda m: m.update(record=3)), "what is no SHA-256"),
    Forgery("PASS, manifest rebuilt", rebuilt(passing), "FAIL at 0.9"),
    Forgery("an estimate, manifest rebuilt", rebuilt(estimate), "its statistics make 0.9"),
    Forgery(
        "an estimate of no rule, manifest rebuilt",
        rebuilt(lambda v: estimate(v, name="balanced_accuracy")),
        "its statistics make 0.9",
    ),
    Forgery("a weaker policy, manifest rebuilt", rebuilt(weaker), "digests.policy is not the digest"),
)


def forged(forgery: Forgery, reader: str) -> Case:
    """The row of one reader on one forged run."""

    def attempt(folder: Path) -> tuple[int, str]:
        run = copied("bad", folder)
        forgery.forge(run)
        return READERS[reader](run, copied("good", folder, "good"))

    return Case(f"record, {forgery.name}: {reader}", REFUSED[reader], attempt, forgery.says)


# ---------------------------------------------------------------- a bare record


def bare(folder: Path, change: Callable[[Any], object] = lambda value: None, *, name: str = "good") -> Path:
    """A record alone in a folder."""
    place = folder / "bare"
    place.mkdir()
    shutil.copy(made(name) / store.EVIDENCE, place)
    values(place, store.EVIDENCE, change)
    return place


def page(folder: Path, format_: str) -> tuple[int, str]:
    """What a format made of a bare record says of it, and the terminal beside."""
    code, printed = said(
        "report", bare(folder) / store.EVIDENCE, "--format", format_, "--out", folder / "page"
    )
    assert "not verified" in printed
    data = (folder / "page").read_bytes().replace(b"\\", b"")
    if format_ == "parquet":
        from pyarrow import parquet

        data = json.dumps(parquet.read_table(folder / "page").to_pylist()).encode()
    return code, data.decode().lower()


BARE = (
    Case("bare record: gate", 3, lambda f: said("gate", bare(f)), "without --unverified"),
    Case("bare record: gate on the file", 3, lambda f: said("gate", bare(f) / store.EVIDENCE), "not verified"),
    Case("bare record: gate --quiet", 3, lambda f: said("gate", bare(f), "--quiet"), "not verified"),
    Case("bare record: gate --json", 3, lambda f: said("gate", bare(f), "--json"), '"verified": false'),
    Case("bare record: compare", 3, lambda f: said("compare", copied("good", f), bare(f)), "not verified"),
    Case("bare record: compare as the first", 3, lambda f: said("compare", bare(f), made("good")), "first run is"),
    Case("bare record: Python", 2, lambda f: opened(bare(f)), "bare record, not verified"),
    Case("bare record: verify", 1, lambda f: said("verify", bare(f)), "manifest.json is absent"),
    Case("bare record: sign", 2, lambda f: said("sign", bare(f), "--key", keys(f)[0]), "manifest.json is absent"),
    Case("bare record, fails: gate", 1, lambda f: said("gate", bare(f, name="bad"), "--unverified"), "FAIL"),
    Case("bare record, PASS written: gate", 2,
         lambda f: said("gate", bare(f, passing, name="bad"), "--unverified"), "FAIL at 0.9"),
    Case("bare record, PASS written: report", 2,
         lambda f: said("report", bare(f, passing, name="bad")), "judged again"),
    Case("bare record, an estimate edited: gate", 2,
         lambda f: said("gate", bare(f, estimate, name="bad"), "--unverified"), "its statistics make 0.9"),
)  # fmt: skip

# ---------------------------------------------------------------- another run in its place


def keys(folder: Path) -> tuple[Path, Path]:
    """A pair of Ed25519 keys."""
    key = ed25519.Ed25519PrivateKey.generate()
    plain = serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, pkcs8, plain))
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    (folder / "key.pub").write_bytes(key.public_key().public_bytes(pem, spki))
    return folder / "key.pem", folder / "key.pub"


def swapped(folder: Path) -> tuple[int, str]:
    """A signed, passing run verified in the place of another policy's."""
    private, public = keys(folder)
    run, asked = copied("good", folder), expected.digests(audit.open_run(made("bad")))
    assert said("sign", run, "--key", private)[0] == 0
    return said("verify", run, "--key", public, "--expect", f"policy={asked['policy']}")


def expecting(*given: str) -> Callable[[Path], tuple[int, str]]:
    """Verify the run that passes, these digests expected."""
    return lambda folder: said("verify", made("good"), *(f"--expect={one}" for one in given))


EXPECT = (
    Case("another signed run in its place: verify --expect", 1, swapped, "ANOTHER policy: expected"),
    Case("verify --expect of another model", 1, expecting("model=0123456789abcdef"), "the record is about"),
    Case("verify --expect of an unknown key", 2, expecting("modle=01234567"), "perhaps 'model'"),
    Case("verify --expect of a short digest", 2, expecting("model=0123456"), "first 8 digits"),
    Case("verify --expect of no digest", 2, expecting("data"), "expected a SHA-256"),
)

# ---------------------------------------------------------------- honest


def own(folder: Path) -> tuple[int, str]:
    """Verify a run that is about what is expected: whole digests, a prefix, capital letters."""
    asked = expected.digests(audit.open_run(made("good")))
    given = [f"--expect={key}={digest}" for key, digest in asked.items()]
    return said("verify", made("good"), *given, f"--expect=model={asked['model'][:8].upper()}")


def signed(folder: Path) -> tuple[int, str]:
    """A signed run, moved, verified with its key."""
    private, public = keys(folder)
    run = copied("good", folder)
    assert said("sign", run, "--key", private)[0] == 0
    return said("verify", run.rename(folder / "moved"), "--key", public)


def rebuilt_pages(folder: Path) -> tuple[int, str]:
    """Every page and export written into the run's folder again, then verified and judged."""
    run = copied("good", folder)
    for format_ in (
        "html",
        "markdown",
        "sarif",
        "junit",
        "model_card",
        "cyclonedx",
        "intoto",
        "csv",
        "parquet",
    ):
        assert said("report", run, "--format", format_)[0] == 0
    for audience in ("executive", "regulator", "engineer"):
        assert said("report", run, "--audience", audience)[0] == 0
    assert said("gate", run)[0] == 0
    return said("verify", run)


def later(folder: Path) -> tuple[int, str]:
    """A run judged again under another policy than its own."""
    (folder / "policy.yaml").write_text(
        "name: q\nlooks: 2\nrules: [{id: B, measure: accuracy.overall.accuracy, at_least: 0.9, because: a test}]\n"
    )
    return said("gate", copied("bad", folder), "--policy", folder / "policy.yaml")


FORMATS = ("html", "markdown", "sarif", "junit", "model_card", "cyclonedx", "intoto", "csv", "parquet")
HONEST = (
    Case("a run as written: gate", 0, lambda f: said("gate", copied("good", f)), "PASS: good"),
    Case("a run as written: gate on its evidence.json", 0, lambda f: said("gate", copied("good", f) / store.EVIDENCE)),
    Case("a run as written: gate --json", 0, lambda f: said("gate", made("good"), "--json"), '"verified": true'),
    Case("a run as written: report", 0, lambda f: said("report", copied("good", f)), "report.html"),
    Case("a run as written: compare", 0, lambda f: said("compare", made("good"), copied("good", f)), "NO REGRESSION"),
    Case("a run as written: verify", 0, lambda f: said("verify", copied("good", f)), "policy="),
    Case("a run as written: Python", 0, lambda f: opened(copied("good", f)), "as written"),
    Case("a run that fails: verify", 0, lambda f: said("verify", copied("bad", f)), "as written"),
    Case("a signed run, moved: verify --key", 0, signed, "signed with"),
    Case("a run about what is expected: verify --expect", 0, own, "as written"),
    Case("pages rebuilt into the run: verify", 0, rebuilt_pages, "as written"),
    Case("another policy: gate", 0, later, "PASS: bad"),
    Case("bare record: gate --unverified", 0, lambda f: said("gate", bare(f), "--unverified"), "Not verified: "),
    Case("bare record: compare --unverified", 0,
         lambda f: said("compare", made("good"), bare(f), "--unverified"), "second run is not verified"),
    Case("bare record: Python, asked for as unverified", 0,
         lambda f: opened(bare(f), unverified=True), "not verified"),
    *(Case(f"bare record: report --format {one} says so", 0, functools.partial(page, format_=one), "not verified")
      for one in FORMATS),
)  # fmt: skip
CASES = (*(forged(one, reader) for one in FORGERIES for reader in READERS), *BARE, *EXPECT)
