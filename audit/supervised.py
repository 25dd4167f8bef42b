"""`jax-audit run`: the audit in a child process, and an exit code only from the record that it leaves, read back here.

A network's file runs in the child. Whatever it prints, however it ends the process, this process then reads the run
folder, verifies it, compares it with what it took down before and judges again.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.config import Loaded, load
from audit.configured_files import data_digest, digests
from audit.errors import AuditError, StoreError
from audit.evidence import Record

START = (  # this process's own path, lest the folder that the command is called in stands in for our packages
    "import json, sys; sys.path[:] = json.load(open(sys.argv[1]))['path']; "
    "import audit.supervised_child as child; child.main(sys.argv[1])"
)
REQUEST, ANSWER = "request.json", "answer.json"
INTERRUPTED = "interrupted; what is finished is kept, run the same command again to go on"
PATIENCE = (1.0, 10.0)  # seconds that an interrupted audit is given before it is interrupted again, and ended


@dataclass(frozen=True)
class Ended:
    """How an audit ended: a verified record and its folder, or one line why there is none, with the exit code."""

    code: int
    record: Record | None = None
    folder: Path | None = None
    says: str = ""


@dataclass(frozen=True)
class Taken:
    """What was taken down before the audit began, to hold its record against."""

    loaded: Loaded
    quick: bool
    nonce: str
    files: dict[str, str]
    began: dt.datetime


def run(
    config: str,
    overrides: tuple[str, ...] = (),
    *,
    out: Path | None = None,
    quick: bool = False,
    reuse: bool = True,
    silent: bool = False,
    time_budget: float | None = None,
) -> Ended:
    """Return how the audit of a configuration's file or shipped name ended; arguments are those of `audit.run`.

    silent: without progress. What the audit prints goes to standard error. Raises AuditError for what the user can
    mend before the audit, in it, and for a record or files that are not what they were.
    """
    began = time.time()
    loaded = load(config, overrides, options=False)
    folder = loaded.runs(out)
    taken = Taken(loaded, quick, secrets.token_hex(16), digests(config, loaded), dt.datetime.now(dt.UTC))
    request = {
        "path": sys.path,
        "began": began,
        "silent": silent,
        "run": {
            "config": config,
            "overrides": overrides,
            "out": str(folder.absolute()),
            "quick": quick,
            "reuse": reuse,
            "time_budget": time_budget,
            "nonce": taken.nonce,
        },
    }
    try:
        code, answer = _audited(request)
    except KeyboardInterrupt:
        return Ended(130, says=INTERRUPTED)
    if answer.get("interrupted"):
        return Ended(130, says=INTERRUPTED)
    if answer.get("mistake"):
        raise AuditError(str(answer["mistake"]))
    if code != 0 or "run" not in answer:
        return Ended(4, says=answer.get("error") or _without_record(code))
    record = _read_back(folder / Path(str(answer["run"])).name, taken)
    now = digests(config, loaded)
    if now != taken.files:
        raise StoreError(_changed(taken.files, now), "files that stay as they are", "run it again")
    return Ended(_judged(record, taken), record, folder / record.volatile.run_id)


def _audited(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return how the child that audits ended, and its answer; it is not left running, whatever happens here."""
    with tempfile.TemporaryDirectory(prefix="jax-audit-") as place, _stopped_by_sigterm():
        file = Path(place) / REQUEST
        file.write_text(json.dumps(request))
        child = subprocess.Popen([sys.executable, "-P", "-c", START, str(file)], stdout=2)
        try:
            import audit.gate
            import audit.verify  # noqa: F401  (a second of imports, while the child works)

            code = child.wait()
        except KeyboardInterrupt:
            _interrupted(child)
            raise
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()
        return code, _answer(Path(place) / ANSWER)


def _answer(file: Path) -> dict[str, Any]:
    """Return what the child answered, or nothing."""
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _interrupted(child: subprocess.Popen[bytes]) -> None:
    """Let an interrupted child end by itself: Ctrl-C reaches it too, a signal to this process alone does not."""
    for seconds in PATIENCE:
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            child.wait(seconds)
        if child.poll() is None and os.name == "posix":
            child.send_signal(signal.SIGINT)


@contextlib.contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end this process by an exception, so that the child ends too."""
    try:
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _without_record(code: int) -> str:
    """Return the line that says how a child ended that left no record."""
    if code < 0:
        names = {one.value: one.name for one in signal.Signals}
        how = f"the audit was ended by {names.get(-code, f'signal {-code}')}"
        why = "out of memory, or a crash in native code" if -code != signal.SIGTERM else "somebody ended it"
    else:
        how, why = (
            f"the audit ended (exit {code}) without a finished record",
            "code of yours may have called exit",
        )
    return f"{how}: nothing was judged; {why}"


def _read_back(folder: Path, taken: Taken) -> Record:
    """Return the record of a run folder; StoreError unless it is as written and of this very audit."""
    from audit.verify import verify

    found = verify(folder)
    if found.problems or found.record is None:
        raise StoreError(f"{folder}: {found.problems[0]}", "a run as it was written", "nothing was judged")
    record, loaded = found.record, taken.loaded
    judged = record.volatile.judged
    expected = data_digest(loaded, taken.files)
    today = dt.datetime.now(dt.UTC).date()
    same = {
        "nonce": record.volatile.nonce == taken.nonce,
        "configuration": record.config == loaded.config.model_dump(mode="json", exclude={"out"}),
        "policy": record.policy.model_dump(mode="json") == loaded.policy.model_dump(mode="json"),
        "--quick": record.quick == taken.quick,
        "data file": expected in (None, record.facts.data.sha256),
        "date": judged is not None and taken.began.date() <= judged.date() <= today,
    }
    other = [name for name, equal in same.items() if not equal]
    if other:
        raise StoreError(f"{folder} has another {other[0]} than this audit", "its own record", "run it again")
    return record


def _changed(before: dict[str, str], after: dict[str, str]) -> str:
    """Return which files are no longer what they were."""
    names = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return f"{', '.join(names)} changed during the audit"


def _judged(record: Record, taken: Taken) -> int:
    """Return the exit code of the record's numbers under the policy that was taken down."""
    from audit import gate

    assert record.volatile.judged is not None
    on = record.volatile.judged.date()
    _, verdict, code = gate.judge(
        record.results, taken.loaded.policy, on=on, quick=taken.quick, concerns=record.concerns
    )
    if (verdict, code) != (record.verdict, record.exit_code):
        raise StoreError(f"the record says {record.verdict}", f"{verdict}, judged again", "run it again")
    return code
