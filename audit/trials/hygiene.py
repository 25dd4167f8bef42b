"""Is the attack itself in order? Signs without which its failure proves nothing, probed on a sample of rows.

Carlini et al. (2019), On evaluating adversarial robustness; Pintor et al. (2022), Indicators of attack failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from audit.attacks.balls import Norm
from audit.attacks.local import fall_rows, margin_rows
from audit.attacks.losses import Loss
from audit.attacks.mapped import fgsm_rows, gradient_rows, noise_rows
from audit.attacks.walks import Budget, budgeted_walk
from audit.attacks.walks_search import square_walk
from audit.devices import map_examples
from audit.metrics import sanity
from audit.metrics.sampling import sample
from audit.metrics.sanity import Sign
from audit.subject import decide, run_model
from audit.trials.search import BATCH, Found, Search, attack_rows, rows_of, shared_of, walk_rows

SAMPLE = 128  # rows probed
QUERIES = 500  # of the probe without gradients
STEPS = 50  # of the probing Auto-PGD
TINY = 0.01  # of eps: noise that no decision should notice
ENDLESS = 100.0  # units that stand for a side of the box that has no end
AGAIN = 4  # times that the model is asked again
WIDER = (0.5, 1.0, 2.0)  # of eps: success should not fall from one to the next


class Probed(NamedTuple):
    """The signs, the target's rows[n] that a probe felled at the radius, and the evaluations spent."""

    signs: list[Sign]
    felled: np.ndarray
    forward: int
    gradient: int


def general(s: Search) -> Probed:
    """Return the signs that do not depend on norm and radius: gradient there, same answer again, logits."""
    right = _probed(s)
    measure = gradient_rows(s.subject.model.apply, s.loss)
    sizes = _map(measure, shared_of(s, 0.0), s, right) if len(right) else np.zeros(0)
    signs = [*sanity.gradients(sizes), _repeatable(s, right), _not_probabilities(s)]
    return Probed(signs, np.zeros(len(s.target.y), bool), (AGAIN + 1) * len(right), len(right))


def probe(s: Search, norm: Norm, eps: float, standing: np.ndarray) -> Probed:
    """Return the signs at a norm and radius; standing[n]: rows on which the audit's own attack found nothing.

    Probes that attack harder or otherwise (more steps and starts, one step, noise, no gradient) should fell
    few of those; what they fell is proof all the same, and is returned.
    """
    right = _probed(s)
    left = right[standing[right]]
    half, full = (_apgd(s, norm, eps, right, steps, on=True) for steps in (STEPS // 2, STEPS))
    signs = [
        _promise(s, norm, eps, right),
        _stopped(s, right, half, full)._replace(norm=norm),
        _rises(s, norm, eps, right, full),
        _reaches_all(s, norm, right),
        _stable(s, norm, eps, right),
    ]
    felled = np.zeros(len(s.target.y), bool)
    felled[right] |= half.felled | full.felled
    signs.append(_finite(s, norm, eps, right, full))
    for what, found in _harder(s, norm, eps, left):
        felled[left] |= found.felled
        signs.append(sanity.few(what, norm, found.felled, len(right)))
    forward = 10 * len(right) + (QUERIES + 5) * len(left)
    gradient = round((2.5 + len(WIDER)) * STEPS + 2) * len(right) + (4 * STEPS + 1) * len(left)
    return Probed(signs, felled & standing, forward, gradient)


def _probed(s: Search) -> np.ndarray:
    """Return the rows that are probed: drawn by the seed from those decided correctly, every class among them."""
    right = np.flatnonzero(s.target.correct)
    return right[sample(s.target.number[right], SAMPLE, s.ctx.seed, s.target.y[right])]


def together(probes: Sequence[Probed]) -> tuple[list[Sign], dict[str, int]]:
    """Return all that several probes said, and what they spent."""
    cost = {"forward": sum(p.forward for p in probes), "gradient": sum(p.gradient for p in probes)}
    return [sign for p in probes for sign in p.signs], cost


def _harder(s: Search, norm: Norm, eps: float, left: np.ndarray) -> list[tuple[str, Found]]:
    """Return what should fell few of the rows that stand, and what it found."""
    apply = s.subject.model.apply
    made = [
        ("twice the steps and starts fell no more rows", _apgd(s, norm, eps, left, 2 * STEPS, 2)),
        ("a single step fells no more rows", attack_rows(s, fgsm_rows(apply, norm, s.loss), norm, eps, left)),
        ("noise fells no more rows", attack_rows(s, noise_rows(norm), norm, eps, left)),
    ]
    if norm != "l1":
        blind = square_walk(apply, norm, s.loss, QUERIES)
        made.append(("a search without gradients fells no more rows", walk_rows(s, blind, norm, eps, left)))
    return made


def _apgd(
    s: Search, norm: Norm, eps: float, at: np.ndarray, steps: int, restarts: int = 1, *, on: bool = False
) -> Found:
    """Return what Auto-PGD finds on rows `at` with this budget, all of which is spent on every row if `on`."""
    budget = Budget(shared_of(s, eps), np.int32(steps), np.int32(restarts), np.bool_(on))
    return walk_rows(s, budgeted_walk(s.subject.model.apply, norm, s.loss), norm, eps, at, shared=budget)


def _promise(s: Search, norm: Norm, eps: float, at: np.ndarray) -> Sign:
    """Say whether small steps along the gradient change the margin as it promises."""
    if not len(at):
        return sanity.promise(np.zeros((0, 1)), np.zeros((0, 1)), norm)
    margin = Loss("margin", s.loss.outputs, s.loss.threshold)
    found = _map(fall_rows(s.subject.model.apply, norm, margin), shared_of(s, eps), s, at)
    return sanity.promise(found.promised, found.come, norm)


def _stopped(s: Search, at: np.ndarray, half: Found, full: Found) -> Sign:
    """Say whether the second half of the steps still lowers the margin by much."""
    if not len(at):
        return sanity.stopped(np.zeros(0), np.zeros(0), np.zeros(0))
    model, rows = s.subject.model, rows_of(s, at)
    measure = margin_rows(model.apply, s.loss)
    places = (rows, rows._replace(x=half.moved), rows._replace(x=full.moved))
    return sanity.stopped(*(map_examples(measure, model.params, r, batch=BATCH) for r in places))


def _rises(s: Search, norm: Norm, eps: float, at: np.ndarray, full: Found) -> Sign:
    """Say whether the attack fells more rows the larger eps."""
    felled = [(full if times == 1 else _apgd(s, norm, times * eps, at, STEPS)).felled for times in WIDER]
    return sanity.does_not_fall(norm, felled)


def _reaches_all(s: Search, norm: Norm, at: np.ndarray) -> Sign:
    """Say whether an attack that may go anywhere in the box fells every row; not where features are fixed."""
    if not (len(at) and np.all(s.target.scale > 0)):
        return sanity.reaches_all(np.zeros(0), norm)
    return sanity.reaches_all(_apgd(s, norm, _everywhere(s, norm), at, STEPS).felled, norm)


def _stable(s: Search, norm: Norm, eps: float, at: np.ndarray) -> Sign:
    """Say whether decisions stay the same under noise of a hundredth of eps."""
    felled = attack_rows(s, noise_rows(norm), norm, TINY * eps, at).felled
    return sanity.few("noise of a hundredth of eps changes no decision", norm, felled)


def _repeatable(s: Search, at: np.ndarray) -> Sign:
    """Say whether the model decides the same again, and in other company (randomness, batch statistics)."""
    what, model, x = "the model decides the same again", s.subject.model, s.target.x[at]
    if not len(at):
        return sanity.none(what, np.zeros(0, bool))
    first = decide(run_model(model, x, batch=BATCH), model)
    changed = np.zeros(len(at), bool)
    for k in range(1, AGAIN + 1):
        order = np.roll(np.arange(len(at)), k * len(at) // (AGAIN + 1))
        changed[order] |= decide(run_model(model, x[order], batch=BATCH), model) != first[order]
    return sanity.none(what, changed)


def _not_probabilities(s: Search) -> Sign:
    """Say whether outputs declared as logits look like probabilities already."""
    logits = s.subject.model.outputs == "logits"
    alike = sanity.like_probabilities(s.subject.outputs["test"]) if logits else np.zeros(0, bool)
    return sanity.few("the outputs are no probabilities passed as logits", "", alike)


def _finite(s: Search, norm: Norm, eps: float, at: np.ndarray, full: Found) -> Sign:
    """Say whether the gradient is finite at random points and where the attack ended, on rows that stand."""
    noise = attack_rows(s, noise_rows(norm), norm, eps, at)
    stands = ~(full.felled | noise.felled)
    if not stands.any():
        return sanity.finite_where_tried(np.zeros(0), norm)
    measure, rows = gradient_rows(s.subject.model.apply, s.loss), rows_of(s, at[stands])
    places = (rows._replace(x=found.moved[stands]) for found in (noise, full))
    sizes = [map_examples(measure, shared_of(s, eps), r, batch=BATCH) for r in places]
    return sanity.finite_where_tried(np.sum(sizes, axis=0), norm)


def _everywhere(s: Search, norm: Norm) -> float:
    """Return a radius from which the whole box is in reach."""
    t = s.target
    sides = (t.high.astype(np.float64) - t.low) / t.scale
    sides = np.where(np.isfinite(sides), sides, ENDLESS)
    return float({"linf": sides.max(), "l2": np.sqrt((sides**2).sum()), "l1": sides.sum()}[norm])


def _map(measure: Any, shared: Any, s: Search, at: np.ndarray) -> Any:
    """Return the measure on rows `at`."""
    return map_examples(measure, shared, rows_of(s, at), batch=BATCH)
