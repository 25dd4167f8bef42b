"""What sets two records apart, in plain words: why their numbers cannot be compared, or with what care."""

from __future__ import annotations

from typing import Any

from audit.evidence import CheckResult, Record

SIZES = ("rows", "batch")  # how many rows are drawn, or run at a time: the interval's width, not the quantity
SAME_ROWS = (
    "Where a measure is not paired its interval takes the runs' errors as independent; on the same rows that is "
    "conservative as long as both models tend to be right on the same rows."
)
OTHER_ROWS = (
    "The runs judged different test rows (their digests differ): a change may come from the rows, not from the "
    "model."
)
SAME_IDS = "The same rows were judged, but their content differs: other features, groups or values."


def apart(a: Record, b: Record) -> str:
    """Return why no number of two records can be compared, or nothing."""
    x, y = a.facts.data, b.facts.data
    told = {
        "task": (x.task, y.task),
        "target": (x.target, y.target),
        "classes": (", ".join(x.classes), ", ".join(y.classes)),
        "favourable outcome": (x.favourable, y.favourable),
    }
    said = [
        f"the {what} is {p!r} in the first run, {q!r} in the second"
        for what, (p, q) in told.items()
        if p != q
    ]
    return "; ".join(said)


def unlike(a: Record, b: Record, x: CheckResult, y: CheckResult) -> str:
    """Return why a check's numbers are not of the same quantity in both runs, or nothing.

    A single-valued option that differs makes them so; a list (eps, norms, attributes) only chooses where to
    measure, and `rows` and `batch` only how much.
    """
    said = [
        f"option {name} is {p!r} in the first run, {q!r} in the second"
        for name, p, q in _differing(x, y)
        if name not in SIZES and not (isinstance(p, list) and isinstance(q, list))
    ]
    if a.quick != b.quick:
        said.append(f"the {'first' if a.quick else 'second'} run alone was quick")
    if x.area in ("robustness", "explanation") and _inputs(a) != _inputs(b):
        said.append("the models take different features")
    if x.area == "robustness" and a.facts.data.unit != b.facts.data.unit:
        units = [d.unit or "a unit that the record does not name" for d in (a.facts.data, b.facts.data)]
        said.append("eps counts {} in the first run, {} in the second".format(*units))
    return "; ".join(said)


def notes(a: Record, b: Record, unequal: str, lone: int) -> tuple[str, ...]:
    """Return sentences on all that a reader must know before believing a change.

    unequal: why the rows were not paired, or nothing. lone: how many measurements one run alone has.
    """
    said = [f"Nothing can be compared: {apart(a, b)}."] if apart(a, b) else []
    said.append(SAME_ROWS if _same(a, b, "test") else OTHER_ROWS if unequal else SAME_IDS)
    if unequal:
        said.append(f"No row was paired: {unequal}.")
    if _same(a, b, "model"):
        said.append("Both runs audit the same model.")
    for x, y in _both(a, b):
        for name, p, q in _differing(x, y):
            said.append(f"{x.check} had other options: {name} {p!r} in the first run, {q!r} in the second.")
    for which, record in (("first", a), ("second", b)):
        if record.unverified:
            said.append(
                f"The {which} run is not verified: it was read from a bare record, without a manifest."
            )
    if a.quick or b.quick:
        said.append("A quick run spends too little to show that nothing got worse.")
    if a.policy != b.policy:
        said.append("The policies differ; the blocking rules of both count.")
    if a.config.get("seed") != b.config.get("seed"):
        said.append("The seeds differ, so attacks and explanations drew different rows.")
    if not _same(a, b, "source"):
        said.append("Other source code of this suite measured each run.")
    if lone:
        said.append(f"{lone:,} {'measurements are' if lone > 1 else 'measurement is'} in one run only.")
    return tuple(said)


def _same(a: Record, b: Record, digest: str) -> bool:
    """Tell whether both records have this digest, and the same one."""
    return digest in a.digests and a.digests[digest] == b.digests.get(digest)


def _both(a: Record, b: Record) -> list[tuple[CheckResult, CheckResult]]:
    """Return each check's results where both records have one."""
    second = {result.check: result for result in b.results}
    return [(result, second[result.check]) for result in a.results if result.check in second]


def _differing(x: CheckResult, y: CheckResult) -> list[tuple[str, Any, Any]]:
    """Return the options that differ, with both values."""
    names = sorted({*x.options, *y.options})
    return [(n, x.options.get(n), y.options.get(n)) for n in names if x.options.get(n) != y.options.get(n)]


def _inputs(record: Record) -> list[tuple[str, str, bool]]:
    """Return what the model's inputs are."""
    return [(f.name, f.kind, f.mutable) for f in record.facts.data.features]
