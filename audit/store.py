"""Run folders: written whole or not at all, read, listed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from audit import manifest
from audit.errors import StoreError
from audit.evidence import SCHEMA, Record

EVIDENCE = "evidence.json"
VERDICT = "verdict.json"
PARTIAL = ".partial-"
REMEDIES = "remedies"


def run_name(record: Record) -> str:
    """Return the folder name of a run: time, name, digest."""
    when = record.volatile.started
    stamp = f"{when:%Y%m%dT%H%M%S}{when.microsecond // 1000:03d}Z" if when else "undated"
    slug = re.sub(r"[^a-z0-9]+", "-", record.name.lower()).strip("-")[:40] or "audit"
    return f"{stamp}-{slug}-{record.digest[:10]}"


def prepared(out: Path) -> Path:
    """Return the folder of the runs, made if absent; StoreError, before any work, if it can't be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise StoreError(
            f"{out} cannot be written ({error.strerror})", "a folder of yours", "give --out"
        ) from error
    return out


def write(
    out: Path, record: Record, files: dict[str, bytes], fill: Callable[[Path], object] | None = None
) -> Path:
    """Write the record, its verdict and files into a new run folder; it appears complete or not at all.

    `files` maps a path inside the folder to bytes; `fill` may write more (a checkpoint). Raises StoreError
    when the folder cannot be written.
    """
    target = out / run_name(record)
    try:
        with whole(target) as partial:
            if fill:
                fill(partial)
            for path, data in {**files, **documents(record)}.items():
                (partial / path).parent.mkdir(parents=True, exist_ok=True)
                write_bytes(partial / path, data)
            for inner in (
                *(partial / REMEDIES).glob("*/"),
                partial,
            ):  # a folder's manifest covers those within
                _write_manifest(inner)
    except OSError as error:
        raise StoreError(
            f"{out} cannot be written ({error.strerror})", "a folder of yours", "give --out"
        ) from error
    return target


def documents(record: Record) -> dict[str, bytes]:
    """Return a run folder's own two files, the record and its verdict, as bytes by name."""
    verdict = json.dumps(verdict_of(record), indent=1, sort_keys=True) + "\n"
    return {EVIDENCE: record.to_bytes(), VERDICT: verdict.encode()}


def read_record(folder: Path) -> tuple[Record, dict[str, Any]]:
    """Return the record of a run folder and its plain values as stored, unchecked; StoreError where it is none.

    Readers go through audit.opening.open_run, which checks digests and judges again.
    """
    path = folder / EVIDENCE if folder.is_dir() else folder
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text, parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise StoreError(f"{folder} holds no {EVIDENCE}", "a run folder", "see runs/") from None
    except (ValueError, OSError, RecursionError) as error:  # not UTF-8, not JSON, nested too deep
        raise StoreError(f"{path} cannot be read ({error})", "a record as written") from None
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise StoreError(
            f"{path} has schema {schema!r}", SCHEMA, "use the version of jax-audit that wrote it"
        )
    try:
        record = Record.model_validate_json(text)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise StoreError(f"{path} is not a valid record at {where}", "a record as written") from None
    return record, value


def list_runs(out: Path) -> list[Path]:
    """Return the run folders of a folder, oldest first."""
    return sorted(path.parent for path in out.glob(f"*/{VERDICT}") if not path.parent.name.startswith("."))


@contextlib.contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside the target and rename it to the target if nothing was raised."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=target.parent))
    try:
        yield partial
        os.chmod(partial, 0o755)
        if target.exists():
            raise FileExistsError(17, "exists already", str(target))
        os.rename(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes and push them to the disk; returns nothing."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, in place of what is there; StoreError when it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{PARTIAL}{os.getpid()}-{path.name}")
        write_bytes(partial, data)
        os.replace(partial, path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror})", "a folder of yours") from error


def verdict_of(record: Record) -> dict[str, Any]:
    """Return the values of the small file that a pipeline reads beside the exit code."""
    judged = record.volatile.judged
    return {
        "verdict": record.verdict,
        "exit_code": record.exit_code,
        "name": record.name,
        "record": record.digest,
        "test": record.digests.get("test", ""),
        "judged": judged.isoformat() if judged else None,
    }


def stated(verdict: Path) -> dict[str, Any]:
    """Return what a verdict file states, or nothing where it cannot be read."""
    try:
        value = json.loads(verdict.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _refuse_constant(name: str) -> None:
    """Refuse NaN and infinities, which JSON has none of and no record holds."""
    raise ValueError(f"it holds {name}")


def _write_manifest(folder: Path) -> None:
    """Write the manifest of a finished folder; one without a record (weights alone) has none."""
    if (folder / EVIDENCE).is_file():
        value = json.loads((folder / EVIDENCE).read_bytes())
        write_bytes(folder / manifest.MANIFEST, manifest.of(folder, value))


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
