"""The tables that robustness checks share: accuracy over eps, the attack's sanity, what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from audit.evidence import Column, Estimate, Measurement, Table
from audit.metrics.sanity import Sign
from audit.trials.results import Fallen
from audit.trials.search import NAMES, Search

OUT_OF_TIME = "the time budget ended before it"


def curve(measurements: Sequence[Measurement], title: str, note: str) -> Table:
    """Return robust accuracy against eps, one series a norm; eps 0 is the clean accuracy."""
    clean = next(m.estimate for m in measurements if m.name == "clean_accuracy")
    robust = [m for m in measurements if m.name == "robust_accuracy"]
    rows = []
    for norm in dict.fromkeys(str(m.where["norm"]) for m in robust):
        own = [(float(m.where["eps"]), m.estimate) for m in robust if m.where["norm"] == norm]
        rows += [(norm, x, e) for x, e in [(0.0, clean), *own]]
    return curve_of(rows, f"Accuracy under {title}", note, next((m.eps_unit for m in robust), ""))


def curve_of(rows: Sequence[tuple[str, float, Estimate]], title: str, note: str, unit: str) -> Table:
    """Return a curve table of (norm, eps, accuracy)."""
    columns = (
        Column(name="series", label="Norm", kind="text"),
        Column(name="x", label=f"eps {unit}".strip()),
        Column(name="value", label="Accuracy", kind="rate"),
        Column(name="low", label="Low", kind="rate"),
        Column(name="high", label="High", kind="rate"),
        Column(name="n", label="Rows", kind="count"),
    )
    return Table(
        name="robust_accuracy",
        title=title,
        kind="curve",
        columns=columns,
        rows=tuple((NAMES[norm], x, e.value, e.low, e.high, e.n) for norm, x, e in rows),
        note=note,
    )


def sanity(signs: Iterable[Sign]) -> Table:
    """Return the signs that the attack works as a table."""
    columns = (
        Column(name="what", label="What should hold", kind="text"),
        Column(name="norm", label="Norm", kind="text"),
        Column(name="result", label="Result", kind="text"),
        Column(name="value", label="Seen"),
        Column(name="limit", label="Limit", kind="text"),
        Column(name="n", label="Rows", kind="count"),
    )
    return Table(
        name="sanity",
        title="Does the attack work?",
        columns=columns,
        rows=tuple((s.what, NAMES.get(s.norm, ""), s.result, s.value, s.limit, s.n) for s in signs),
        note="An attack that fails these proves nothing by finding nothing; what it did find stays proof.",
    )


def doubt(signs: Sequence[Sign], *, probed: bool = True) -> str:
    """Return why the attack may be too weak to prove anything, or nothing."""
    if not probed:
        return "the attack was not put to the proof (probes: false)"
    warned = sum(sign.result == "warn" for sign in signs)
    return f"{warned} of {len(signs)} signs that the attack works are missing" if warned else ""


def not_measured(s: Search, norms: Iterable[str]) -> tuple[str, ...]:
    """Return what no attack within these norms' balls on these rows could say."""
    data, tried = s.subject.data, len(s.target.y)
    balls = " and ".join(NAMES[norm] for norm in dict.fromkeys(norms))
    said = [
        f"Attacks beyond {balls} balls: patches, rotations, corruptions.",
        "Certified robustness: no lower bound is given; a stronger attack may lower these accuracies.",
    ]
    if data.features:
        said.append("Whether a perturbed row is plausible: whole numbers and relations between columns.")
    if np.any(s.target.scale == 0):
        said.append(f"Changes of the {int(np.sum(s.target.scale == 0))} inputs held fixed.")
    if tried < len(data.test):
        said.append(f"The {len(data.test) - tried} test rows that were not drawn.")
    return tuple(said)


def unfinished(runs: Iterable[Fallen], title: str, unit: str) -> tuple[str, ...]:
    """Return what a limit kept from being finished, and why."""
    return tuple(f"{title} at {NAMES[r.norm]}, eps {r.eps:g} {unit}: {r.doubt}." for r in runs if r.doubt)
