"""Is a run folder as it was written, and does its verdict follow from its numbers? Every difference by name."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import gate_again, manifest, store
from audit.errors import StoreError
from audit.evidence import Decision, Record, policy_digest
from audit.rendering import PAGES

WEIGHTS = "weights/digest.json"


@dataclass(frozen=True)
class Verified:
    """What a run folder holds and every way in which it is not as it was written.

    files: how many files were compared with their digests. record: None where it cannot be read.
    """

    files: int
    problems: tuple[str, ...]
    record: Record | None = None


def verify(folder: Path) -> Verified:
    """Return every difference of a run folder from what was written, in sentences that name file and field.

    Compared are each file's digest with the manifest, the record with its digest part by part, the verdict
    file, sidecar files, weights and remedied models' folders with the record, and the verdict with a second
    judgement of the stored numbers. Raises StoreError for what is no run folder or has another schema.
    """
    if not folder.is_dir() or not (
        (folder / store.EVIDENCE).exists() or (folder / manifest.MANIFEST).exists()
    ):
        raise StoreError(f"{folder} holds no {store.EVIDENCE}", "a run folder", "see runs/")
    listed, problems = _manifest(folder)
    problems += _files(folder, listed["files"])
    try:
        record, value = store.read_record(folder)
    except StoreError as error:
        if not problems:
            raise
        return Verified(len(listed["files"]), (*problems, f"the record cannot be judged: {error}"))
    problems += _parts(listed, value)
    problems += _against_record(folder, record, manifest.record_digest(value))
    problems += judged_again(record)
    return Verified(len(listed["files"]), tuple(dict.fromkeys(problems)), record)


def _manifest(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the manifest's values, empty where it cannot be used, and what is wrong with it."""
    nothing = {"record": None, "files": {}, "parts": {}}
    path = folder / manifest.MANIFEST
    if not path.is_file():
        return nothing, [manifest.ABSENT]
    try:
        return manifest.read(path.read_bytes()), []
    except ValueError as error:
        return nothing, [f"{manifest.MANIFEST} was changed: {error}"]


def _files(folder: Path, known: dict[str, str]) -> list[str]:
    """Return the files that are absent, changed, links or not of the run."""
    if not known:
        return []
    there = manifest.listed(folder)
    problems = [f"{path} is absent" for path in known if path not in there]
    for path in there:
        if (folder / path).is_symlink():
            problems.append(f"{path} is a link, not a file of the run")
        elif path not in known and not _rebuilt(folder / path):
            problems.append(f"{path} was added after the run: the manifest does not list it")
        elif path in known and manifest.of_file(folder / path) != known[path] and not _rebuilt(folder / path):
            problems.append(f"{path} was changed: its sha256 is not {known[path][:12]}...")
    return problems


def _rebuilt(path: Path) -> bool:
    """Tell whether a file is a report as this version rebuilds it from the record beside it."""
    render = PAGES.get(path.name)
    if render is None or not (path.parent / store.EVIDENCE).is_file():
        return False
    try:
        return render(store.read_record(path.parent)[0]) == path.read_bytes()
    except (StoreError, ValueError):
        return False


def _parts(listed: dict[str, Any], value: dict[str, Any]) -> list[str]:
    """Return the parts of the record that are not as the manifest knows them."""
    if listed["record"] is None:
        return []
    known, found = listed["parts"], manifest.parts(value)
    problems = [f"{store.EVIDENCE}: {part} was changed" for part in found if known.get(part) != found[part]]
    problems += [f"{store.EVIDENCE}: {part} is missing" for part in known if part not in found]
    if listed["record"] != manifest.record_digest(value):
        problems.append(f"{store.EVIDENCE}: the record is not the one with digest {listed['record'][:12]}...")
    return problems


def _against_record(folder: Path, record: Record, digest: str) -> list[str]:
    """Return what differs from the record: verdict file, sidecar files, weights, remedied models' folders."""
    problems = []
    stated, own = store.stated(folder / store.VERDICT), {**store.verdict_of(record), "record": digest}
    for key in own.keys() | stated.keys():
        if stated.get(key) != own.get(key):
            problems.append(
                f"{store.VERDICT}: {key} is {stated.get(key)!r}, the record says {own.get(key)!r}"
            )
    sidecars = {a.path: a.sha256 for result in record.results for a in result.findings.artifacts}
    sidecars |= {path: sha for path, sha in record.digests.items() if "/" in path}
    for path, sha in sidecars.items():
        if not (folder / path).is_file() or manifest.of_file(folder / path) != sha:
            problems.append(f"{path} is absent or is not the file of the record (sha256 {sha[:12]}...)")
    named = record.digests.get("weights")
    if named and store.stated(folder / WEIGHTS).get("sha256") != named:
        problems.append(f"{WEIGHTS}: the weights are not those that the record names")
    return sorted(problems) + [
        text for tried in record.remedies if tried.folder for text in _inner(folder, tried)
    ]


def _inner(folder: Path, tried: Any) -> Iterator[str]:
    """Yield what is wrong with a remedied model's folder."""
    if Path(tried.folder).parts[:1] != (store.REMEDIES,) or ".." in Path(tried.folder).parts:
        yield f"{tried.folder} is no folder of {store.REMEDIES}/"
        return
    try:
        inside = verify(folder / tried.folder)
    except StoreError as error:
        yield f"{tried.folder}: {error}"
        return
    yield from (f"{tried.folder}: {problem}" for problem in inside.problems)
    if inside.record and (inside.record.digest, inside.record.verdict) != (tried.record, tried.verdict):
        yield f"{tried.folder}: its record or verdict is not the one that {store.EVIDENCE} names"


def judged_again(record: Record) -> Iterator[str]:
    """Yield where a record contradicts its own numbers: estimates, decisions, verdict, exit code, policy digest."""
    judged = record.volatile.judged
    on = judged.date() if judged else dt.datetime.now(dt.UTC).date()
    made = gate_again.judged(record, record.policy, on, record.concerns)
    again = f"judged again by {record.tool.partition(' ')[0]}"
    yield from gate_again.estimates(record)
    if len(made.decisions) != len(record.decisions):
        yield f"decisions: {len(record.decisions)} stored, {len(made.decisions)} {again}"
    for stored, own in zip(record.decisions, made.decisions, strict=False):
        if _shown(stored) != _shown(own):
            yield f"decisions.{stored.rule.id}: {_told(stored)} stored, {_told(own)} {again}"
        elif not _close(stored.bound, own.bound):
            yield f"decisions.{stored.rule.id}: bound {stored.bound} stored, {own.bound} {again}"
    for name in ("verdict", "exit_code", "unmet"):
        old, new = getattr(record, name), getattr(made, name)
        if old != new:
            yield f"{name}: {old} stored, {new} {again}"
    if record.digests.get("policy", policy_digest(record.policy)) != policy_digest(record.policy):
        yield f"{store.EVIDENCE}: digests.policy is not the digest of its policy"


def _shown(d: Decision) -> tuple[Any, ...]:
    """Return what a decision says, its floating-point bound apart."""
    return d.rule, d.verdict, tuple(sorted(d.where.items())), d.estimate, d.excluded_groups, d.waiver


def _told(d: Decision) -> str:
    """Return a decision's word, with its value where it has one."""
    value = d.estimate.value if d.estimate else None
    return d.verdict if value is None else f"{d.verdict} at {value:.6g}"


def _close(a: float | None, b: float | None) -> bool:
    """Tell whether two bounds are one number but for the last digits of another machine."""
    return a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9))
