"""The manifest of a run folder: the digest of every file, and of every part of the record (no JAX)."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.evidence import canonical

MANIFEST = "manifest.json"
SIGNATURE = "signature.dsse.json"
SCHEMA = "jax-audit/manifest/1"
ABSENT = f"{MANIFEST} is absent: no file's digest is known"
_KEYS = {"schema", "record", "files", "parts", "self"}
_OWN = ("evidence.json", "verdict.json")  # a run folder's own files, without which there is no run
_DIGEST = re.compile("[0-9a-f]{64}")
_LISTED = {
    "results": "check",
    "decisions": "rule",
    "remedies": "remedy",
}  # lists of the record, what names an item


def of(folder: Path, record: Mapping[str, Any]) -> bytes:
    """Return the manifest of a folder that holds this record (as plain values), as canonical JSON.

    record: the digest of the record without its volatile block. files: SHA-256 by path, the manifest and a
    signature apart. parts: SHA-256 of each part of the record by its name, so that a changed one can be named.
    self: that of the rest of the manifest.
    """
    files = {path: of_file(folder / path) for path in listed(folder)}
    value = {"schema": SCHEMA, "record": record_digest(record), "files": files, "parts": parts(record)}
    return canonical({**value, "self": _of(value)})


def listed(folder: Path) -> list[str]:
    """Return the files of a folder by path, sorted, its manifest and signature apart; links count as files."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    return [name for name in names if name not in (MANIFEST, SIGNATURE)]


def of_file(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record_digest(record: Mapping[str, Any]) -> str:
    """Return the digest of a record as stored: the volatile block apart, fields unknown at its time absent."""
    return _of({key: part for key, part in record.items() if key != "volatile"})


def parts(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each part of a record by its name: 'verdict', 'facts.data', 'decisions.F1'."""
    found: dict[str, str] = {}
    for key, part in record.items():
        if key in _LISTED and isinstance(part, list):
            found |= {f"{key}.{name}": _of(item) for name, item in _named(part, _LISTED[key]).items()}
        elif key == "facts" and isinstance(part, dict):
            found |= {f"facts.{name}": _of(item) for name, item in part.items()}
        else:
            found[key] = _of(part)
    return found


def read(data: bytes) -> dict[str, Any]:
    """Return a manifest's values; ValueError, with what is wrong, for what `of` cannot have written."""
    try:
        value = json.loads(data)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"it cannot be read ({error})") from None
    if not isinstance(value, dict) or value.get("schema") != SCHEMA or set(value) != _KEYS:
        raise ValueError(f"it is no {SCHEMA}")
    listed = [value[key] for key in ("files", "parts") if isinstance(value[key], dict)]
    digests = [value["record"], value["self"], *(digest for one in listed for digest in one.values())]
    if len(listed) < 2 or not all(isinstance(d, str) and _DIGEST.fullmatch(d) for d in digests):
        raise ValueError("it lists what is no SHA-256")
    absent = [name for name in _OWN if name not in value["files"]]
    if absent:
        raise ValueError(f"it does not list {' and '.join(absent)}")
    rest = {key: part for key, part in value.items() if key != "self"}
    if canonical(value) != data or value["self"] != _of(rest):
        raise ValueError("its own digest is another")
    return value


def _named(items: list[Any], key: str) -> dict[str, Any]:
    """Return a list's items by what names them, numbered where a name comes again."""
    found: dict[str, Any] = {}
    seen: Counter[str] = Counter()
    for item in items:
        named = item.get(key) if isinstance(item, dict) else None
        name = str(named.get("id") if isinstance(named, dict) else named)
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} #{seen[name]}"] = item
    return found


def _of(value: Any) -> str:
    """Return the SHA-256 of plain values."""
    return hashlib.sha256(canonical(value)).hexdigest()
