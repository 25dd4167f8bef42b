"""How often rows were judged before, by which models and policies: kept in the user's state folder, never in a record.

A set of rows is known by digests of its rows' content, so neither the seed, the draw of the split, the order of the
file nor the folder of the runs makes rows new. What is kept is one file a row set and one a model and policy on it.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audit import state
from audit.evidence import Concern, Policy, Record, canonical

SHARED = 0.1  # of the smaller set's rows: from which on two sets are the same rows drawn again
FOLDER, ROWS = "judgements", "rows.npy"
NAME = "earlier_judgements"
# What a policy asks; its name, its sentences and how many looks it allows make no other policy.
ASKS = {"rules", "requires", "minimum_group_share", "alpha", "power", "budget"}


@dataclass(frozen=True, eq=False)
class Look:
    """A model judged under a policy on rows, by digests: rows is that of `rows_digest`, kept the digests themselves."""

    rows: str
    model: str
    policy: str
    kept: np.ndarray | None = None

    @property
    def name(self) -> str:
        """Return what this look has in common with a repetition of it."""
        return f"{self.model[:32]}-{self.policy[:32]}"


def look(rows: np.ndarray, model: str, policy: Policy) -> Look:
    """Return the look of a model (its digest) under a policy at rows with these digests[n] (uint64)."""
    return Look(rows_digest(rows), model, policy_digest(policy), rows)


def rows_digest(rows: np.ndarray) -> str:
    """Return the digest of a set of row digests[n], whatever their order."""
    return hashlib.sha256(np.sort(rows).tobytes()).hexdigest()


def policy_digest(policy: Policy) -> str:
    """Return the digest of what a policy asks: rules, levels, requirements; not its name, waivers or looks."""
    asked = policy.model_dump(mode="json", include=ASKS)
    for rule in asked["rules"]:
        for word in ("because", "source", "controls", "id"):
            rule.pop(word)
    return hashlib.sha256(canonical(asked)).hexdigest()


def before(asked: Look) -> int | None:
    """Return how many other models or policies judged these rows before this look; None where nothing is counted.

    A look that was made before keeps its place: a repetition of it is no new judgement.
    """
    folder = _folder()
    if folder is None or (asked.kept is None and not (folder / asked.rows / ROWS).exists()):
        return None
    looks: dict[str, int] = {}
    for same in _same(folder, asked):
        for path in same.glob("look-*"):
            with contextlib.suppress(OSError, ValueError):
                name, when = path.name.removeprefix("look-"), int(path.read_text())
                looks[name] = min(when, looks.get(name, when))
    mine = looks.pop(asked.name, None)
    return sum(mine is None or when < mine for when in looks.values())


def add(asked: Look) -> None:
    """Remember a look; one that is known keeps its time."""
    folder = _folder()
    if folder is None:
        return
    place = folder / asked.rows
    with contextlib.suppress(OSError):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if asked.kept is not None and not (place / ROWS).exists():
            _write(place / ROWS, np.sort(asked.kept))
        with open(place / f"look-{asked.name}", "x") as file:
            file.write(str(time.time_ns()))


def judged_again(record: Record, policy: Policy) -> tuple[Concern, ...]:
    """Return a stored record's concerns under a policy; another one than its own is a look of its own, remembered."""
    if policy_digest(policy) == policy_digest(record.policy) and policy.looks == record.policy.looks:
        return record.concerns
    asked = Look(record.digests.get("rows", ""), record.digests.get("model", ""), policy_digest(policy))
    earlier = before(asked) if asked.rows else None
    if earlier is not None:
        add(asked)
    others = tuple(concern for concern in record.concerns if concern.name != NAME)
    return (*others, *concerns(earlier, policy.looks))


def concerns(earlier: int | None, looks: int) -> tuple[Concern, ...]:
    """Return the concern that rows judged more models or policies than the policy allows, or nothing."""
    if earlier is None or earlier < looks:
        return ()
    judged = f"{earlier} other model{'s or policies' if earlier != 1 else ' or policy'}"
    said = "one look" if looks == 1 else f"{looks} looks"
    return (
        Concern(
            name=NAME,
            says=f"these test rows have judged {judged} before, and the policy allows {said} at them",
            todo="judge rows that have judged nothing yet, or declare `looks: N` in the policy before choosing among "
            "models (alpha is divided by N)",
            touches=("*",),
            evidence={"earlier": earlier, "looks": looks},
        ),
    )


def _folder() -> Path | None:
    """Return the folder of judgements."""
    found = state.folder()
    return None if found is None else found / FOLDER


def _same(folder: Path, asked: Look) -> Iterator[Path]:
    """Yield the folders of row sets that share rows with the look's."""
    own = asked.kept
    if own is None:
        with contextlib.suppress(OSError, ValueError):
            own = np.load(folder / asked.rows / ROWS)
    for place in sorted(folder.glob("*/")):
        if place.name == asked.rows:
            yield place
            continue
        with contextlib.suppress(OSError, ValueError):
            there = np.load(place / ROWS)
            least = min(len(there), 0 if own is None else len(own))
            if own is not None and least and len(np.intersect1d(own, there)) >= SHARED * least:
                yield place


def _write(path: Path, rows: np.ndarray) -> None:
    """Write row digests whole or not at all."""
    partial = path.with_name(f".{time.time_ns()}.npy")
    np.save(partial, rows)
    partial.replace(path)
