"""Interactions of users with items -> Dataset: each user's last liked items are held out, in the order of time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from audit.data import catalogue, columns, delimited, files, frames, splits
from audit.data.interaction_roles import InteractionRoles, ItemRoles, UserRoles
from audit.data.roles import Roles, require
from audit.errors import DataError
from audit.names import MISSING
from audit.subject import Dataset, Provenance, Split

NOTES = (
    "each user's last liked items are the test row, those before them the validation row, in the order of time; "
    "what is older trains",
    "time is each user's own: other users' training rows may be younger than a user's held-out item",
)


@dataclass(frozen=True, eq=False)
class Events:
    """Interactions in the order of (user, time): codes of users and items from 0, and whether each is liked.

    tied: whether an interaction shares its time with the same user's one before it.
    """

    user: np.ndarray
    item: np.ndarray
    liked: np.ndarray
    tied: np.ndarray
    users: tuple[str, ...]
    items: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Row:
    """A row to rank for: the user's code, the liked items before, all items before, and the held-out ones.

    tied: whether a held-out item shares its time with the interaction before it.
    """

    user: int
    history: np.ndarray
    seen: np.ndarray
    held: np.ndarray
    tied: bool


def load(
    name: str,
    roles: InteractionRoles,
    users: UserRoles | None = None,
    items: ItemRoles | None = None,
    *,
    seed: int = 0,
    obtain: str = "",
    licence: str = "",
    sha256: str | None = None,
) -> Dataset:
    """Return the ranking dataset of one file of interactions, with files of users and of items where given.

    A test row is a user: x["history"][n, window] holds the codes of the liked items before the held-out ones, 0
    first where there are fewer, x["seen"][n, s] every item met before them, and y[n, held_out] the held-out codes.
    A train row is a piece of a history whose y[n, window] is what came next, 0 where nothing did. Code i + 1 is
    item i. Interactions of one time are in an order drawn by `seed`. Raises DataError.
    """
    given = [one.file for one in (roles, users, items) if one is not None]
    paths = [files.find(one.path, obtain) for one in given]
    digest, source = files.digest(*paths), ", ".join(path.name for path in paths)
    files.verify(digest, sha256, source)
    frame = delimited.read(roles.file)
    events, dropped, notes = in_order(frame, roles, seed)
    rows = {"test": ranked(events, roles.held_out, 1), "validation": ranked(events, roles.held_out, 2)}
    if not rows["test"]:
        raise DataError(
            f"no user has {2 * roles.held_out + 1} liked items",
            "users with held-out items and a history before them",
            "lower held_out or positive",
        )
    taught = _taught(events, rows["validation"])
    counts = np.bincount(np.concatenate([*taught, np.zeros(0, np.int64)]), minlength=len(events.items))
    listed, remarks = catalogue.of(events.items, counts, items)
    salt = splits.salt_of("\n".join(sorted(map("\x1f".join, frame.astype(str).to_numpy()))).encode())
    groups, unknown = _groups(events.users, users)
    made = {
        "train": _train(taught, roles.window, events.users, salt),
        **{one: _split(rows[one], one, roles.window, events.users, groups, salt) for one in rows},
    }
    made["calibration"] = made["test"].take(np.arange(0))
    return Dataset(
        name=name,
        task="ranking",
        modality="interactions",
        splits={one: made[one] for one in reversed(splits.NAMES)},
        target=f"next liked {roles.item}" if roles.positive is not None else f"next {roles.item}",
        catalogue=listed,
        provenance=Provenance(
            source=source,
            licence=licence,
            sha256=digest,
            dropped=dropped,
            notes=(*NOTES, *notes, *remarks, *unknown, *_short(events, rows["test"], counts)),
            salt=salt,
        ),
    )


def in_order(
    frame: pd.DataFrame, roles: InteractionRoles, seed: int
) -> tuple[Events, dict[str, int], list[str]]:
    """Return the interactions by user and time, how many were dropped and why, and remarks."""
    wanted = [column for column in (roles.user, roles.item, roles.time, roles.rating) if column]
    for column in wanted:
        require(column, frame.columns, "column")
    text = frames.as_text(frame, wanted, ())
    whole = np.all([text[column] != MISSING for column in wanted], axis=0)
    text = {column: values[whole] for column, values in text.items()}
    if not whole.any():
        raise DataError("every interaction lacks its user, item, time or rating", "whole rows")
    liked = np.ones(int(whole.sum()), bool)
    if roles.rating is not None and roles.positive is not None:
        liked = frames.numbers(text[roles.rating], roles.rating) >= roles.positive
    time = columns.times(text[roles.time], roles.time)
    drawn = _drawn(text[roles.user], text[roles.item], seed)
    users, user = np.unique(text[roles.user].astype(str), return_inverse=True)
    items, item = np.unique(text[roles.item].astype(str), return_inverse=True)
    order = np.lexsort((drawn, time, user))
    user, item, liked, time = user[order], item[order], liked[order], time[order]
    _, first = np.unique(user * len(items) + item, return_index=True)
    keep = np.zeros(len(user), bool)
    keep[first] = True  # of a pair met twice, the earliest
    user, item, liked, time = user[keep], item[keep], liked[keep], time[keep]
    tied = np.r_[False, (user[1:] == user[:-1]) & (time[1:] == time[:-1])]
    dropped = {
        "missing user, item, time or rating": int((~whole).sum()),
        "a user's later interaction with the same item": int((~keep).sum()),
    }
    notes = [
        f"{int(tied.sum())} interactions share their time with the same user's one before: their order is drawn"
    ]
    events = Events(user, item, liked, tied, tuple(map(str, users)), tuple(map(str, items)))
    return events, {why: n for why, n in dropped.items() if n}, notes if tied.any() else []


def ranked(events: Events, held_out: int, back: int) -> list[_Row]:
    """Return the rows whose held-out items are the last block of liked ones (back=1), or the one before (2).

    Users with fewer than 2 * held_out + 1 liked items have none, for either.
    """
    starts = np.searchsorted(events.user, np.arange(len(events.users) + 1))
    rows = []
    for user, (begin, end) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
        item, liked = events.item[begin:end], np.flatnonzero(events.liked[begin:end])
        if len(liked) < 2 * held_out + 1:
            continue
        at = liked[len(liked) - back * held_out :][:held_out]
        rows.append(
            _Row(
                user, item[liked[liked < at[0]]], item[: at[0]], item[at], bool(events.tied[begin + at].any())
            )
        )
    return rows


def _taught(events: Events, validation: list[_Row]) -> list[np.ndarray]:
    """Return each user's liked items that train: all before the validation row's, or all of a user without one."""
    held = {row.user: row.history for row in validation}
    starts = np.searchsorted(events.user, np.arange(len(events.users) + 1))
    pieces = []
    for user, (begin, end) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
        every = events.item[begin:end][events.liked[begin:end]]
        pieces.append(held.get(user, every))
    return pieces


def _train(taught: list[np.ndarray], window: int, users: tuple[str, ...], salt: str) -> Split:
    """Return the train rows: each history cut from its end into pieces of `window` steps, and what came next."""
    history, following, ids, owner = [], [], [], []
    for user, items in enumerate(taught):
        for end in range(len(items) - 1, 0, -window):
            begin = max(end - window, 0)
            history.append(_padded(items[begin:end] + 1, window))
            following.append(_padded(items[begin + 1 : end + 1] + 1, window))
            ids.append(f"train:{users[user]}:{begin}")
            owner.append(users[user])
    if not ids:
        raise DataError("no user has two liked items to train on", "longer histories", "lower positive")
    y = np.stack(following)
    return Split(
        x={"history": np.stack(history)},
        y=y,
        id=splits.hash_ids(ids, salt),
        cluster=splits.hash_ids(owner, salt),
        weight=(y > 0).sum(axis=1).astype(np.float64),  # so that every step counts the same
    )


def _split(
    rows: list[_Row],
    name: str,
    window: int,
    users: tuple[str, ...],
    groups: Mapping[str, np.ndarray],
    salt: str,
) -> Split:
    """Return rows to rank for, one a user."""
    longest = max((len(row.seen) for row in rows), default=1)
    who = np.array([row.user for row in rows], np.int64)
    return Split(
        x={
            "history": np.stack([_padded(row.history[-window:] + 1, window) for row in rows]),
            "seen": np.stack([_padded(row.seen + 1, longest) for row in rows]),
        },
        y=np.stack([row.held + 1 for row in rows]).astype(np.int32),
        id=splits.hash_ids([f"{name}:{users[row.user]}" for row in rows], salt),
        groups={attribute: values[who] for attribute, values in groups.items()},
    )


def _padded(codes: np.ndarray, length: int) -> np.ndarray:
    """Return codes[length], 0 before the given ones."""
    return np.concatenate([np.zeros(length - len(codes), np.int32), codes.astype(np.int32)])


def _drawn(user: np.ndarray, item: np.ndarray, seed: int) -> np.ndarray:
    """Return a number for each pair that orders those of one time, whatever the order of rows."""
    pairs = (f"{seed}:{u}:{i}" for u, i in zip(user, item, strict=True))
    return np.array([int(hashlib.sha256(pair.encode()).hexdigest()[:15], 16) for pair in pairs], np.int64)


def _groups(users: tuple[str, ...], roles: UserRoles | None) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return each user's groups by attribute, '(missing)' for users that the file does not know, and a remark."""
    if roles is None:
        return {}, []
    frame = delimited.read(roles.file)
    for column in (roles.id, *roles.sensitive):
        require(column, frame.columns, "column of the users file")
    text = frames.as_text(frame, [roles.id, *roles.sensitive], roles.missing)
    splits.refuse_repeats(text[roles.id], f"users: id column {roles.id!r}")
    place = {one: i for i, one in enumerate(text[roles.id].tolist())}
    at = np.array([place.get(user, -1) for user in users])
    as_table = Roles(target=roles.id, sensitive=roles.sensitive, bands=roles.bands)
    found = {}
    for column in roles.sensitive:
        values = np.where(at < 0, MISSING, text[column][at]).astype(object)
        found[column] = columns.groups(values, column, as_table)
    lost = int((at < 0).sum())
    return found, [f"{lost} users are not in the users file: their groups are missing"] if lost else []


def _short(events: Events, test: list[_Row], counts: np.ndarray) -> list[str]:
    """Return remarks on users without a test row, drawn held-out items, and held-out items never trained on."""
    notes = []
    left = len(events.users) - len(test)
    if left:
        notes.append(f"{left} users have too few liked items for a test row: they only train")
    tied = sum(row.tied for row in test)
    if tied:
        notes.append(
            f"{tied} test rows hold out an item of the same time as the one before: which is last was drawn"
        )
    cold = sum(bool((counts[row.held] == 0).any()) for row in test)
    if cold:
        notes.append(f"{cold} test rows hold out an item that no training history has")
    never = int((counts == 0).sum())
    if never:
        notes.append(f"{never} of {len(counts)} items are in no training history")
    return notes
