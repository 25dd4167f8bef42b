"""Auto-PGD in chunks, as functions to be mapped over batches: between chunks the host may take rows out.

    found = clean_rows(...)(shared, rows)
    for run in range(restarts * targets):
        state = start_rows(norm)(Run(shared, run), (rows, found))
        for steps in chunks(total):
            state = advance_rows(...)(Chunk(shared, steps, total), (rows, state))
            (rows whose state.found.margin is below 0 are fooled and may be dropped)
        found = state.found
    moved = place_rows(norm)(shared, (rows, found))

Every row's result is that of `apgd` on it alone, whichever rows keep it company.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from jax import Array
from jax.typing import ArrayLike

from audit.attacks import apgd
from audit.attacks.apgd import Found, State
from audit.attacks.balls import Norm
from audit.attacks.losses import Loss
from audit.attacks.mapped import Rows, Shared, ball_of, keys_of
from audit.attacks.pace import CHECKPOINTS
from audit.attacks.slope import Apply

_KEPT = 32  # functions remembered; each keeps its model's apply alive


class Run(NamedTuple):
    """What the start of a run is given: the shared arguments and the number of the run."""

    shared: Shared
    run: ArrayLike


class Chunk(NamedTuple):
    """What a chunk is given: the shared arguments, the steps to take now, and the steps of the whole run."""

    shared: Shared
    steps: ArrayLike
    total: ArrayLike


def chunks(total: int) -> list[int]:
    """Return the steps of a run of `total` from its start to each checkpoint, and to its end; one more at first."""
    ends = sorted({-(-int(p) * total // 100) for p in CHECKPOINTS} | {total})
    return [end - before for before, end in zip([-1, *ends], ends, strict=False)]


@lru_cache(maxsize=_KEPT)
def clean_rows(
    apply: Apply, norm: Norm, loss: Loss, *, targets: int = 0, draws: int = 0
) -> Callable[[Shared, Rows], Found]:
    """Return f(shared, rows) -> Found before any run."""

    def f(s: Shared, rows: Rows) -> Found:
        b, keys = ball_of(s, rows, norm), keys_of(s, rows)
        return apgd.clean(apply, s.params, b, rows.y, keys, loss=loss, targets=targets, draws=draws)

    return f


@lru_cache(maxsize=_KEPT)
def start_rows(norm: Norm) -> Callable[[Run, tuple[Rows, Found]], State]:
    """Return f(run, (rows, found)) -> State at the start of the run."""

    def f(r: Run, given: tuple[Rows, Found]) -> State:
        (rows, found), s = given, r.shared
        return apgd.start(ball_of(s, rows, norm), keys_of(s, rows), found, r.run)

    return f


@lru_cache(maxsize=_KEPT)
def advance_rows(
    apply: Apply, norm: Norm, loss: Loss, *, draws: int = 0
) -> Callable[[Chunk, tuple[Rows, State]], State]:
    """Return f(chunk, (rows, state)) -> State after the chunk's steps."""

    def f(c: Chunk, given: tuple[Rows, State]) -> State:
        (rows, state), s = given, c.shared
        b, keys = ball_of(s, rows, norm), keys_of(s, rows)
        return apgd.advance(apply, s.params, b, rows.y, keys, state, c.steps, c.total, loss=loss, draws=draws)

    return f


@lru_cache(maxsize=_KEPT)
def place_rows(norm: Norm) -> Callable[[Shared, tuple[Rows, Found]], Array]:
    """Return f(shared, (rows, found)) -> the inputs[n, ...] of smallest margin met."""

    def f(s: Shared, given: tuple[Rows, Found]) -> Array:
        rows, found = given
        return ball_of(s, rows, norm).place(found.u)

    return f
