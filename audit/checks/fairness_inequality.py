"""fairness.inequality: indices of inequality and differential fairness, and what wrong labels could hide."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
from pydantic import Field

from audit import stats
from audit.attributes import Grouping, attributes, grouping
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.metrics import inequality
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject

BENEFIT = np.array([1.0, 0.0, 2.0, 1.0])  # decision - truth + 1, in the order of the cells
SPEICHER = "over benefits of 0, 1 and 2 (Speicher et al. 2018)"
NO_INTERVAL = "none: descriptive"
NOISE = "exact over every way in which so many labels could be wrong"


class InequalityOptions(Options):
    """What fairness.inequality computes."""

    attributes: tuple[str, ...] = Field(
        default=(), description="sensitive attributes to compare; empty: every one that the data declare"
    )
    concentration: float = Field(
        default=1.0, gt=0, description="rows that the Dirichlet prior of differential fairness is worth"
    )
    wrong_labels: tuple[float, ...] = Field(
        default=(0.01, 0.02, 0.05),
        description="shares of each group's labels that may be wrong, whichever rows they are",
    )


@check(
    "fairness.inequality",
    area="fairness",
    title="Inequality and wrong labels",
    needs=("groups", "classes", "favourable"),
    measures=(
        Measure(
            "generalised_entropy",
            "lower",
            "Generalised entropy index (alpha 2) of the benefits decision - truth + 1; 0 is equality.",
            NO_INTERVAL,
            ends=(0, None),
        ),
        Measure("theil", "lower", "Theil index (alpha 1) of the same benefits.", NO_INTERVAL, ends=(0, None)),
        Measure(
            "between_groups_entropy",
            "lower",
            "Generalised entropy index (alpha 2) were everyone to have the mean benefit of the own group.",
            NO_INTERVAL,
            ends=(0, None),
        ),
        Measure(
            "differential_fairness",
            "lower",
            "Smoothed epsilon: largest log ratio of any outcome's probability between two groups.",
            NO_INTERVAL,
            ends=(0, None),
        ),
        Measure(
            "true_positive_rate_difference_at_most",
            "lower",
            "Largest true positive rate difference that the labels allow, if a share of each group's is wrong.",
            NO_INTERVAL,
        ),
        Measure(
            "true_positive_rate_difference_at_least",
            "lower",
            "Smallest true positive rate difference that the labels allow, if a share of each group's is wrong.",
            NO_INTERVAL,
        ),
    ),
)
def fairness_inequality(subject: Subject, options: InequalityOptions, ctx: Context) -> Findings:
    """Return indices of inequality, differential fairness of every attribute and of all crossed, and label noise.

    The benefit of a row is decision - truth + 1, both 1 where favourable: 2 for an undeserved favour, 1 for a
    right decision, 0 for a denied one (Speicher et al. 2018). None of these has an honest interval here, so all
    are shown and never judged.
    """
    names = attributes("fairness.inequality", options.attributes, subject.data.test.groups)
    alone = [grouping(subject.data.test.groups, (name,)) for name in names]
    crossed = [grouping(subject.data.test.groups, names)] if len(names) > 1 else []
    cell = _cells(subject)
    noise = [(groups, share) for groups in alone for share in options.wrong_labels]
    return Findings(
        measurements=(
            *_overall(cell),
            *(m for groups in alone for m in _between(groups, cell)),
            *(_differential(groups, cell, options.concentration) for groups in (*alone, *crossed)),
            *(m for groups, share in noise for m in _noisy(groups, cell, share)),
        ),
        tables=(_table(noise, cell),) if noise else (),
        not_measured=tuple(_not_measured(subject)),
    )


# ---------------------------------------------------------------- rows to cells to numbers


def _cells(subject: Subject) -> np.ndarray:
    """Return each row's place[n]: truly and decided favourable, truly only, decided only, neither."""
    favourable = subject.data.favourable
    true, decided = subject.data.test.y == favourable, subject.predictions() == favourable
    return np.where(true, np.where(decided, 0, 1), np.where(decided, 2, 3))


def _counts(groups: Grouping, cell: np.ndarray) -> np.ndarray:
    """Return the rows[g, 4] of every group and cell."""
    size = len(groups.names) * 4
    return np.bincount(groups.code * 4 + cell, minlength=size).reshape(-1, 4)


def _overall(cell: np.ndarray) -> Iterator[Measurement]:
    """Yield the two indices over all rows."""
    count = np.bincount(cell, minlength=4)
    for name, label, alpha in (
        ("generalised_entropy", "Generalised entropy index (alpha 2)", 2),
        ("theil", "Theil index", 1),
    ):
        value = inequality.entropy(BENEFIT, count, alpha)
        estimate = _descriptive(value, len(cell), f"index {SPEICHER}")
        yield Measurement(name=name, label=label, estimate=estimate, better="lower")


def _between(groups: Grouping, cell: np.ndarray) -> Iterator[Measurement]:
    """Yield the part of the generalised entropy index that lies between groups."""
    counts = _counts(groups, cell)
    value = inequality.entropy(counts @ BENEFIT / counts.sum(axis=1), counts.sum(axis=1), 2)
    yield Measurement(
        name="between_groups_entropy",
        label=f"Generalised entropy between groups of {groups.attribute}",
        estimate=_descriptive(value, len(cell), f"index of the groups' means, {SPEICHER}"),
        better="lower",
        where={"attribute": groups.attribute},
    )


def _descriptive(value: float, n: int, method: str) -> Estimate:
    """Return an index, or why there is none."""
    if np.isnan(value):
        return stats.not_estimable("no row has any benefit, so there is none to share", n=n, method=method)
    return stats.descriptive(value, n, method)


def _differential(groups: Grouping, cell: np.ndarray, concentration: float) -> Measurement:
    """Return the smoothed differential fairness of the groups."""
    counts, where = _counts(groups, cell), {"attribute": groups.attribute}
    method = f"Dirichlet prior worth {concentration:g} rows (Foulds et al. 2020)"
    if len(groups.names) < 2:
        reason = f"a comparison needs two groups; {groups.attribute} has {len(groups.names)}"
        estimate = stats.not_estimable(reason, n=len(cell), method=method)
    else:
        favoured = counts[:, 0] + counts[:, 2]
        value = inequality.differential(favoured, counts.sum(axis=1), concentration)
        estimate = stats.descriptive(value, len(cell), method, note=f"{len(groups.names)} groups with rows")
    label = f"Differential fairness by {groups.attribute}"
    return Measurement(
        name="differential_fairness", label=label, estimate=estimate, better="lower", where={**where}
    )


# ---------------------------------------------------------------- wrong labels


def _ranges(groups: Grouping, cell: np.ndarray, share: float) -> list[tuple[float, float] | None]:
    """Return each group's lowest and highest true positive rate; None where no row is truly favourable."""
    return [
        inequality.reach(of, int(share * of.sum() + 1e-9)) if of[0] + of[1] else None
        for of in _counts(groups, cell)
    ]


def _noisy(groups: Grouping, cell: np.ndarray, share: float) -> Iterator[Measurement]:
    """Yield the largest and the smallest true positive rate difference with a share of wrong labels."""
    found = _ranges(groups, cell, share)
    known = [of for of in found if of is not None]
    n = int((cell < 2).sum())
    lost = [name for name, of in zip(groups.names, found, strict=True) if of is None]
    reason = f"no row is truly favourable in group {', '.join(lost)}" if lost else ""
    if len(groups.names) < 2:
        reason = f"a comparison needs two groups; {groups.attribute} has {len(groups.names)}"
    for end, which in (("most", "Largest"), ("least", "Smallest")):
        if reason:
            estimate = stats.not_estimable(reason, n=n, method=NOISE)
        else:
            estimate = stats.descriptive(_apart(known, end == "most"), n, NOISE)
        yield Measurement(
            name=f"true_positive_rate_difference_at_{end}",
            label=f"{which} true positive rate difference by {groups.attribute} with {100 * share:g} % wrong labels",
            estimate=estimate,
            better="lower",
            where={"attribute": groups.attribute, "wrong_labels": share},
        )


def _apart(ranges: list[tuple[float, float]], most: bool) -> float:
    """Return how far apart rates within these ranges can be at most, or are at least."""
    pairs = list(permutations(ranges, 2))
    if most:
        return max(max(a[1] - b[0] for a, b in pairs), 0.0)
    return max(max(a[0] - b[1] for a, b in pairs), 0.0)


def _table(noise: list[tuple[Grouping, float]], cell: np.ndarray) -> Table:
    """Return every group's range of true positive rates for every share of wrong labels."""
    columns = (
        Column(name="attribute", label="Attribute", kind="text"),
        Column(name="wrong", label="Wrong labels", kind="rate"),
        Column(name="group", label="Group", kind="text"),
        Column(name="n", label="Truly favourable rows", kind="count"),
        Column(name="recorded", label="True positive rate", kind="rate"),
        Column(name="lowest", label="At least", kind="rate"),
        Column(name="highest", label="At most", kind="rate"),
    )
    rows: list[tuple[Scalar, ...]] = []
    for groups, share in noise:
        ranges = _ranges(groups, cell, share)
        for group, of, found in zip(groups.names, _counts(groups, cell), ranges, strict=True):
            n = int(of[0] + of[1])
            values = (int(of[0]) / n, *found) if found else (None, None, None)
            rows.append((groups.attribute, share, group, n, *values))
    note = (
        "What the true positive rate could be if up to this share of each group's labels were wrong, whichever rows "
        "they are. No statement on how likely that is; sampling noise comes on top."
    )
    title = "True positive rates that wrong labels could hide"
    return Table(name="wrong_labels", title=title, columns=columns, rows=tuple(rows), note=note)


def _not_measured(subject: Subject) -> Iterator[str]:
    """Yield what these numbers leave open."""
    yield "Sampling noise of the inequality indices and of differential fairness: they are shown without interval."
    yield "Which labels are wrong, and how many: the ranges say what a share of wrong labels could hide."
    yield "Other rates under wrong labels: selection rates do not depend on labels, the others do."
    if len(subject.data.classes) > 2:
        kept = subject.data.classes[subject.data.favourable or 0]
        yield f"The other classes one by one: only {kept} against all the others was compared."
