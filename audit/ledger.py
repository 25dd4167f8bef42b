"""How often rows were judged before, by which models and policies: kept in the user's state folder, never in a record.

A set of rows is known by digests of its rows' content, so neither the seed, the draw of the split, the order of the
file nor the folder of the runs makes rows new. What is kept is one file a row set and one a model and policy on it.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from audit import state
from audit.evidence import Concern, Policy, Record, canonical

SHARED = 0.1  # of the smaller set's rows: from which on two sets are the same rows drawn again
SHARED_CONTENTS = 0.25  # as far as contents tell: rows of coarse features agree by chance
FOLDER, ROWS = "judgements", "rows.npz"
NAME = "earlier_judgements"
# What a policy asks; its name, its sentences and the order of its rules make no other policy.
ASKS = {"rules", "requires", "minimum_group_share", "alpha", "power", "budget"}
SAID = ("because", "source", "controls", "id", "severity")


class Known(NamedTuple):
    """By what test rows are known again: digests (uint64) of their lines in a file, and of their content as declared.

    Either is empty where there is none: rows without a file; lines or contents so coarse that other rows share them.
    """

    lines: np.ndarray
    contents: np.ndarray


@dataclass(frozen=True, eq=False)
class Look:
    """A model judged under a policy on rows, by digests; looks are those that the policy declares.

    rows: that of `rows_digest`. model: that of `row_digests.of_judged`. kept: the rows' own digests.
    """

    rows: str
    model: str
    policy: str
    looks: int = 1
    kept: Known | None = None

    @property
    def name(self) -> str:
        """Return what this look has in common with a repetition of it."""
        return f"{self.model[:32]}-{self.policy[:32]}"


@dataclass(frozen=True)
class Before:
    """How many other models or policies judged the rows before a look, and how many looks may be taken at them.

    allowed: the least that the look's own policy and that of the first look at these rows declare.
    """

    earlier: int
    allowed: int


def look(rows: Known, model: str, policy: Policy) -> Look:
    """Return the look of a model (its digest) under a policy at rows with these digests."""
    return Look(rows_digest(rows), model, policy_digest(policy), policy.looks, rows)


def rows_digest(rows: Known) -> str:
    """Return the digest of what rows are known by, nothing where they cannot be told from others."""
    parts = [np.sort(part).tobytes() for part in rows]
    return hashlib.sha256(b"".join(parts)).hexdigest() if any(parts) else ""


def policy_digest(policy: Policy) -> str:
    """Return the digest of what decides a PASS: blocking rules, levels, requirements; not names, waivers or looks."""
    asked = policy.model_dump(mode="json", include=ASKS)
    rules = [rule for rule in asked["rules"] if rule["severity"] == "blocking"]
    plain = [{key: value for key, value in rule.items() if key not in SAID} for rule in rules]
    asked["rules"] = sorted(plain, key=lambda rule: canonical(rule))
    return hashlib.sha256(canonical(asked)).hexdigest()


def before(asked: Look) -> Before | None:
    """Return what came before this look at its rows; None where nothing is counted.

    A look that was made before keeps its place: a repetition of it is no new judgement. Nothing is counted where there
    is no state folder, or where rows are too coarse to be known again.
    """
    folder = _folder()
    if folder is None or not asked.rows or not (folder / asked.rows).is_dir():
        return None
    looks: dict[str, tuple[int, int]] = {}
    for same in _same(folder, asked):
        for path in same.glob("look-*"):
            name, told = path.name.removeprefix("look-"), _told(path)
            looks[name] = min(told, looks.get(name, told))
    first = min(looks.values(), default=(0, asked.looks))[1]
    mine = looks.pop(asked.name, None)
    return Before(sum(mine is None or when < mine[0] for when, _ in looks.values()), min(first, asked.looks))


def add(asked: Look) -> None:
    """Remember a look; one that is known keeps its time and the looks that were declared then."""
    folder = _folder()
    if folder is None or not asked.rows:
        return
    place = folder / asked.rows
    with contextlib.suppress(OSError):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if asked.kept is not None and not (place / ROWS).exists():
            _write(place / ROWS, asked.kept)
        with open(place / f"look-{asked.name}", "x") as file:
            file.write(f"{time.time_ns()} {asked.looks}")


def _told(path: Path) -> tuple[int, int]:
    """Return a look's time and the looks declared then; of one that cannot be read, the earliest and one."""
    try:
        when, declared = map(int, path.read_text().split())
    except (OSError, ValueError):
        return 0, 1
    return when, declared


def judged_again(record: Record, policy: Policy) -> tuple[tuple[Concern, ...], int | None]:
    """Return a stored record's concerns under a policy, and how many looks came before.

    Another policy than its own is a look of its own at the rows, remembered unless the record is not verified. Where
    the rows are not known here, what the record says of looks before it, and those that its policy allows, stay.
    """
    if policy_digest(policy) == policy_digest(record.policy) and policy.looks == record.policy.looks:
        return record.concerns, record.volatile.earlier_judgements
    rows, model = record.digests.get("rows", ""), record.digests.get("judged", "")
    asked = Look(rows, model, policy_digest(policy), policy.looks)
    found = before(asked) or Before(0, policy.looks)
    if not record.unverified and found.earlier:
        add(asked)
    stored = (record.volatile.earlier_judgements or 0) + (asked.policy != policy_digest(record.policy))
    found = Before(max(found.earlier, stored), min(found.allowed, record.policy.looks))
    others = tuple(concern for concern in record.concerns if concern.name != NAME)
    return (*others, *concerns(found, policy.looks)), found.earlier


def concerns(found: Before | None, looks: int) -> tuple[Concern, ...]:
    """Return the concern that rows judged more models or policies than may be, or nothing."""
    if found is None or found.earlier < found.allowed:
        return ()
    judged = f"{found.earlier} other model{'s or policies' if found.earlier != 1 else ' or policy'}"
    who = "the policy" if found.allowed == looks else "the policy of the first of them"
    said = "one look" if found.allowed == 1 else f"{found.allowed} looks"
    return (
        Concern(
            name=NAME,
            says=f"these test rows have judged {judged} before, and {who} allows {said} at them",
            todo="judge rows that have judged nothing yet; for those, `looks: N` declares beforehand how many models "
            "or policies they will judge (alpha is divided by N)",
            touches=("*",),
            evidence={"earlier": found.earlier, "looks": found.allowed},
        ),
    )


def _folder() -> Path | None:
    """Return the folder of judgements."""
    found = state.folder()
    return None if found is None else found / FOLDER


def _same(folder: Path, asked: Look) -> Iterator[Path]:
    """Yield the folders of row sets that share rows with the look's."""
    own = asked.kept or _read(folder / asked.rows / ROWS)
    for place in sorted(folder.glob("*/")):
        if place.name == asked.rows or (own and (there := _read(place / ROWS)) and _alike(own, there)):
            yield place


def _alike(a: Known, b: Known) -> bool:
    """Return whether two sets of rows are of the same rows, by their lines or by their contents."""
    for one, other, least in zip(a, b, (SHARED, SHARED_CONTENTS), strict=True):
        few = min(len(one), len(other))
        if few and len(np.intersect1d(one, other)) >= least * few:
            return True
    return False


def _read(path: Path) -> Known | None:
    """Return stored row digests, or None where they cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return Known(stored["lines"], stored["contents"])
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None


def _write(path: Path, rows: Known) -> None:
    """Write row digests whole or not at all."""
    partial = path.with_name(f".{time.time_ns()}.npz")
    np.savez(partial, lines=rows.lines, contents=rows.contents)
    partial.replace(path)
