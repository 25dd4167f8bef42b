"""Signs that an attack works, without which its failure proves nothing (Carlini et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv

MARGIN = 0.01  # share of rows that is forgiven
FEW = 0.05  # share of rows that a probe may fell beyond the attack
SURE = 0.05  # level at which a probe's share must exceed FEW
SUM = 1e-3  # how far from 1 a row of probabilities may add up
LATE = 0.2  # share of the margin's fall that the second half of the steps may bring
KEPT = (0.5, 2.0)  # what comes of a small step, over what the gradient promised: median over the rows


class Tried(NamedTuple):
    """One radius, and which of the m rows tried there were felled by whom.

    again[m]: felled within a smaller radius already, and tried here once more.
    """

    norm: str
    eps: float
    by_attack: np.ndarray
    by_step: np.ndarray
    by_noise: np.ndarray
    again: np.ndarray


class Sign(NamedTuple):
    """One sanity check: what should hold, where, the number seen on n rows, its limit, pass or warn.

    `value` is None, and `result` "not applicable", where there is nothing to look at.
    """

    what: str
    norm: str
    result: str
    value: float | None
    limit: str
    n: int


def beats(what: str, norm: str, strong: Sequence[np.ndarray], weak: Sequence[np.ndarray]) -> Sign:
    """Return whether the strong attack fells at least as many rows as the weak one at each radius.

    The value is the least lead, a share of the rows tried there.
    """
    leads = [(float(np.mean(s) - np.mean(w)), len(s)) for s, w in zip(strong, weak, strict=True) if len(s)]
    return _at_least(what, norm, *min(leads, default=(None, 0)), -MARGIN)


def still_falls(norm: str, tried: Sequence[Tried]) -> Sign:
    """Return whether rows felled within a smaller radius fall to the attack at a larger one as well.

    It warns where the exact lower 95 % bound of the share that does not exceeds MARGIN.
    """
    again = np.concatenate([t.by_attack[t.again] for t in tried])
    n, missed = len(again), int(np.sum(~again))
    low = float(betaincinv(missed, n - missed + 1, SURE)) if missed else 0.0
    result = "not applicable" if not n else "pass" if low <= MARGIN else "warn"
    limit = f"not below {1 - MARGIN:g}, beyond doubt"
    return Sign(
        "rows felled at a smaller eps fall again", norm, result, 1 - missed / n if n else None, limit, n
    )


def does_not_fall(norm: str, felled: Sequence[np.ndarray]) -> Sign:
    """Return whether the share felled never falls from one radius to the next larger one.

    The value is the least rise. A single step may overshoot, so its success can fall without a fault.
    """
    shares = [float(np.mean(f)) for f in felled if len(f)]
    rises = [b - a for a, b in zip(shares, shares[1:], strict=False)]
    n = len(felled[0]) if rises else 0
    return _at_least(
        "success does not fall with eps (least rise)", norm, min(rises, default=None), n, -MARGIN
    )


def gradients(sizes: np.ndarray) -> tuple[Sign, Sign]:
    """Return whether the largest input derivative[n] of each row is there: not zero, and finite."""
    n = len(sizes)
    zero = float(np.mean(sizes == 0)) if n else None
    lost = float(np.mean(~np.isfinite(sizes))) if n else None
    return (
        _at_most("the gradient does not vanish (share that does)", zero, n, MARGIN),
        _at_most("the gradient is finite (share that is not)", lost, n, 0.0),
    )


def finite_where_tried(sizes: np.ndarray, norm: str) -> Sign:
    """Return whether the largest input derivative[n] is finite where an attack went and found nothing.

    Where it is not the attack stood still, and its finding nothing proves nothing.
    """
    lost = float(np.mean(~np.isfinite(sizes))) if len(sizes) else None
    what = "the gradient is finite where the attack went (share that is not)"
    return _at_most(what, lost, len(sizes), 0.0)._replace(norm=norm)


def promise(promised: np.ndarray, come: np.ndarray, norm: str) -> Sign:
    """Return whether small steps along the gradient lower the margin as it promises: promised, come [n, steps].

    The value is the median ratio of the step where it is farthest from 1. Rows of no promise are left out.
    """
    what = "small steps do what the gradient promises (ratio farthest from 1)"
    limit = f"{KEPT[0]:g} to {KEPT[1]:g}"
    ratios = [
        float(np.median(np.divide(come[held, i], promised[held, i])))
        for i, held in enumerate((np.isfinite(promised) & (promised > 0) & np.isfinite(come)).T)
        if held.any()
    ]
    if not ratios:
        return Sign(what, norm, "not applicable", None, limit, len(promised))
    value = max(ratios, key=lambda r: abs(np.log(r)) if r > 0 else np.inf)
    result = "pass" if KEPT[0] <= value <= KEPT[1] else "warn"
    return Sign(what, norm, result, value, limit, len(promised))


def reaches_all(felled: np.ndarray, norm: str) -> Sign:
    """Return whether an attack that may go anywhere in the box fells every row (none: not applicable)."""
    value = float(np.mean(felled)) if len(felled) else None
    return _at_least("with no bound but the box every row falls", norm, value, len(felled), 1 - FEW)


def stopped(clean: np.ndarray, half: np.ndarray, full: np.ndarray) -> Sign:
    """Return whether the margin[n] has stopped falling: at x, after half the steps, after all of them.

    The value is the share of the whole mean fall that the second half of the steps brought. Rows with a margin that is
    not finite have fallen, and are left out.
    """
    known = np.isfinite(clean) & np.isfinite(half) & np.isfinite(full)
    clean, half, full = clean[known], half[known], full[known]
    what = "the loss has stopped moving (share of the fall in the second half of the steps)"
    whole = float(np.mean(clean - full)) if len(clean) else 0.0
    value = float(np.mean(half - full)) / whole if whole > 0 else None
    return _at_most(what, value, len(clean), LATE)


def few(what: str, norm: str, hit: np.ndarray, among: int | None = None) -> Sign:
    """Return whether something happened to no more than a few of `among` rows (by default, of those in hit).

    It warns where the share's exact lower 95 % bound exceeds FEW: more than chance makes of a few.
    """
    k, n = int(np.sum(hit)), len(hit) if among is None else among
    value = k / n if n else None
    low = float(betaincinv(k, n - k + 1, SURE)) if k else 0.0
    result = "not applicable" if value is None else "pass" if low <= FEW else "warn"
    return Sign(what, norm, result, value, f"at most {FEW:g}, beyond doubt", n)


def like_probabilities(outputs: np.ndarray, *, exclusive: bool = True) -> np.ndarray:
    """Return which rows[n] of outputs[n, k] look like probabilities: in [0, 1], and adding up to 1.

    One column, or several labels a row (exclusive=False), has no sum to go by: then all rows do, or none.
    """
    out = np.asarray(outputs, np.float64)
    inside = ((out >= 0) & (out <= 1)).all(axis=1)
    if exclusive and out.shape[1] > 1:
        return inside & (np.abs(out.sum(axis=1) - 1) <= SUM)
    return np.full(len(out), bool(len(out)) and bool(inside.all()))


def looks_like_probabilities(outputs: np.ndarray, *, exclusive: bool = True) -> bool:
    """Return whether outputs[n, k] that are taken for logits look like probabilities, to be squashed a second time.

    True when every output lies in [0, 1] and, with several columns of which one is true, every row adds up to 1.
    Confidence would then never pass e / (e + k - 1) (0.73 for one column, which is sigmoid(1)), and one column would
    decide every row for class 1.
    """
    rows = like_probabilities(outputs, exclusive=exclusive)
    return bool(len(rows)) and bool(rows.all())


def none(what: str, hit: np.ndarray) -> Sign:
    """Return whether something happened to no row at all."""
    return _at_most(what, float(np.mean(hit)) if len(hit) else None, len(hit), 0.0)


def _at_least(what: str, norm: str, value: float | None, n: int, limit: float) -> Sign:
    """Judge a value that should not be small."""
    result = "not applicable" if value is None else "pass" if value >= limit else "warn"
    return Sign(what, norm, result, value, f"at least {limit:g}", n)


def _at_most(what: str, value: float | None, n: int, limit: float) -> Sign:
    """Judge a value that should not be large."""
    result = "not applicable" if value is None else "pass" if value <= limit else "warn"
    return Sign(what, "", result, value, f"at most {limit:g}", n)
