"""calibration.scores: proper scores taken apart, and the calibration errors of the literature beside them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from audit import stats
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.metrics import calibration, calibration_errors, isotonic
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject
from audit.trials import claims
from audit.trials.claims import Claims

SHOWN = "none: descriptive"
LEAST = float(np.finfo(np.float64).eps)
POINTS = 51  # quantiles of the confidence at which the diagram is read


class ScoresOptions(Options):
    """Options of calibration.scores."""

    replicates: int = Field(199, ge=19, description="draws of the band that holds under calibration")


@check(
    "calibration.scores",
    area="calibration",
    title="Proper scores and other calibration errors",
    needs=("classes", "probabilities"),
    measures=(
        Measure("log_loss", "lower", "Mean of minus the log of the true class's probability, in nats.",
                "mean over rows", ends=(0, None)),
        Measure("brier", "lower", "Mean squared gap of confidence and outcome, 0 to 1.", "mean over rows", ends=(0, 1)),
        Measure("miscalibration", "lower", "Brier score minus that after isotonic recalibration (MCB).", SHOWN),
        Measure("discrimination", "higher", "What the recalibrated forecasts gain over always stating the base "
                "rate (DSC).", SHOWN),
        Measure("uncertainty", "neither", "Brier score of always stating the base rate (UNC).", SHOWN),
        Measure("smooth_ece", "lower", "Calibration error smoothed at its own scale (smECE).", SHOWN),
        Measure("ece_sweep", "lower", "ECE over the most equal-mass bins whose shares rise.", SHOWN),
        Measure("ks_error", "lower", "Largest gap of summed confidence and summed outcome, over n.", SHOWN),
        Measure("spiegelhalter_z", "neither", "Brier score's distance from a calibrated model's, in standard "
                "deviations of independent rows.", SHOWN, ends=(None, None)),
        Measure("spiegelhalter_p", "neither", "P-value of Spiegelhalter's Z, two-sided.", SHOWN),
    ),
)  # fmt: skip
def calibration_scores(subject: Subject, options: ScoresOptions, ctx: Context) -> Findings:
    """Return the log loss and the Brier score with intervals, and what is shown beside them but never judged.

    Event and confidence are those of calibration.reliability. CORP: Dimitriadis, Gneiting and Jordan (PNAS
    2021): Brier = MCB - DSC + UNC. smECE: Błasiok and Nakkiran (2023). Sweep: Roelofs et al. (2022). KS: Gupta
    et al. (2021). Even of a calibrated model, MCB, smECE, sweep and KS are above 0.
    """
    probabilities = claims.stated(subject)
    found = claims.claims(subject, probabilities)
    made = isotonic.recalibrate(found.confidence, found.correct)
    measured = (
        _log_loss(subject, probabilities),
        _measurement("brier", f"Brier score of {found.words}", _brier(found), "lower"),
        *_shown(found, made),
    )
    replicates = min(options.replicates, 99) if ctx.quick else options.replicates
    return Findings(
        measurements=claims.doubted(measured, claims.doubt(subject)),
        tables=(_diagram(found, made, replicates, ctx.seed),),
        not_measured=(
            "Intervals of MCB, DSC, UNC, smECE, ECE-sweep and KS: none is known that holds near calibration.",
        ),
    )


def _measurement(
    name: str, label: str, estimate: Estimate, better: str = "neither", unit: str = ""
) -> Measurement:
    """Return a measurement."""
    return Measurement.model_validate(
        {"name": name, "label": label, "estimate": estimate, "better": better, "unit": unit}
    )


def _log_loss(subject: Subject, probabilities: np.ndarray) -> Measurement:
    """Return the log loss; a probability of 0 for what came true is endless, so it is clipped, and counted."""
    test = subject.data.test
    loss = calibration.log_loss(probabilities, test.y)
    clipped = int((loss >= -np.log(LEAST)).sum())
    note = f"{clipped} rows gave their class {LEAST:.1e} or less, counted as that" if clipped else ""
    estimate = stats.mean(loss, cluster=test.cluster, low=0.0, note=note)
    return _measurement("log_loss", "Log loss", estimate, "lower", "nats")


def _brier(found: Claims) -> Estimate:
    """Bound the mean squared gap of confidence and outcome."""
    return stats.mean((found.confidence - found.correct) ** 2, cluster=found.cluster, low=0.0, high=1.0)


def _shown(found: Claims, made: isotonic.Recalibrated) -> Iterator[Measurement]:
    """Yield what has no honest interval."""
    n, c, y = len(found.correct), found.confidence, found.correct
    parts = isotonic.decompose(made)
    sweep, bins = calibration_errors.sweep_error(c, y)
    corp = "CORP: isotonic recalibration of the test rows"
    for name, label, better, value, method in (
        ("miscalibration", "Miscalibration (MCB)", "lower", parts.miscalibration, corp),
        ("discrimination", "Discrimination (DSC)", "higher", parts.discrimination, corp),
        ("uncertainty", "Uncertainty (UNC)", "neither", parts.uncertainty, "Brier score of the base rate"),
        ("smooth_ece", "smECE", "lower", calibration_errors.smooth_error(c, y),
         "residuals smoothed by a reflected Gaussian as wide as the error"),
        ("ece_sweep", "ECE-sweep", "lower", sweep, f"{bins} equal-mass bins, the most that rise"),
        ("ks_error", "KS calibration error", "lower", calibration_errors.kolmogorov_smirnov_error(c, y),
         "largest gap of the cumulative sums"),
    ):  # fmt: skip
        yield _measurement(name, label, stats.descriptive(value, n, method), better)
    yield from _spiegelhalter(found)


def _spiegelhalter(found: Claims) -> Iterator[Measurement]:
    """Yield Spiegelhalter's Z and its p-value, for independent rows."""
    n, tested = len(found.correct), calibration_errors.spiegelhalter(found.confidence, found.correct)
    method = "Spiegelhalter 1986, normal"
    if found.dependent:
        both = [
            stats.not_estimable("rows share clusters, and the test needs independent rows", n, method)
        ] * 2
    elif tested is None:
        both = [
            stats.not_estimable("every confidence is 0, 0.5 or 1: the test has no variance", n, method)
        ] * 2
    else:
        both = [stats.descriptive(value, n, method) for value in tested]
    yield _measurement("spiegelhalter_z", "Spiegelhalter's Z", both[0])
    yield _measurement("spiegelhalter_p", "p-value of Spiegelhalter's Z", both[1])


def _diagram(found: Claims, made: isotonic.Recalibrated, replicates: int, seed: int) -> Table:
    """Tabulate the CORP diagram: the recalibrated over the stated rate, and where it would lie under calibration.

    It is read at rounded quantiles of the confidence, so that no row's own number is told.
    """
    at = np.unique(np.round(np.quantile(found.confidence, np.linspace(0, 1, POINTS)), 3))
    low, high = isotonic.consistency_band(made, at, replicates=replicates, seed=seed)
    place = np.clip(np.searchsorted(at, found.confidence), 0, len(at) - 1)
    n = np.bincount(place, minlength=len(at)).tolist()
    rate = isotonic.rate_at(made, made.rate, at).tolist()
    stated = at.tolist()
    rows: list[tuple[Scalar, ...]] = [
        *(("recalibrated", x, r, None, None, k) for x, r, k in zip(stated, rate, n, strict=True)),
        *(
            ("if calibrated", x, x, a, b, k)
            for x, a, b, k in zip(stated, low.tolist(), high.tolist(), n, strict=True)
        ),
    ]
    columns = (
        Column(name="series", label="Rate", kind="text"),
        Column(name="x", label="Stated probability", kind="rate"),
        Column(name="value", label="Value", kind="rate"),
        Column(name="low", label="Band, low", kind="rate"),
        Column(name="high", label="Band, high", kind="rate"),
        Column(name="n", label="Rows from the value before", kind="count"),
    )
    return Table(
        name="corp", title=f"CORP reliability of {found.words}", kind="curve",
        columns=columns, rows=tuple(rows),
        note=f"Isotonic recalibration of the test rows. The band holds the middle 90 % of {replicates} "
        "recalibrations of outcomes drawn from the stated probabilities (consistency resampling), at one place "
        "at a time; rows are taken as independent.",
    )  # fmt: skip
