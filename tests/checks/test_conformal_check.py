"""calibration.conformal: coverage as counted by hand, in all, by class and by group; sets, widths, what is refused."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from audit.check_run import _missing
from audit.checks.calibration_conformal import ConformalOptions, conformal_prediction
from audit.errors import DataError
from audit.registry import Context, find
from audit.subject import Dataset, Model, Split, Subject

CONTEXT = Context(key=jax.random.key(0), seed=5, quick=True)


def subject(parts, task="multiclass", kind="probabilities", groups=None):
    """A stored-score subject of {split: (outputs, y)}; groups of the test rows."""
    splits = {
        name: Split(np.zeros((len(y), 1), np.float32), y, np.asarray([f"{name} {i}" for i in range(len(y))]),
                    groups=(groups or {}) if name == "test" else {})
        for name, (_, y) in parts.items()
    }  # fmt: skip
    data = Dataset("toy", task, "table", splits, classes=("a", "b", "c") if task == "multiclass" else ())
    return Subject(
        Model("toy", None, outputs=kind), data, {name: np.asarray(o) for name, (o, _) in parts.items()}
    )


def drawn(seed, n):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(3, 0.7), n)
    return p, (p.cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1).astype(np.int32)


def one(findings, name, **where):
    (found,) = [m.estimate for m in findings.measurements if m.name == name and m.where == where]
    return found


LAC = {"alpha": 0.1, "method": "lac"}


def test_sets_hold_the_truth_as_often_as_promised_and_the_counts_are_those_of_a_loop():
    parts = {"test": drawn(0, 4000), "calibration": drawn(1, 1000)}
    found = conformal_prediction(subject(parts), ConformalOptions(), CONTEXT)
    p, y = parts["calibration"]
    least = np.sort(1 - p[np.arange(1000), y])[901 - 1]  # ceil(1001 * 0.9)
    p, y = parts["test"]
    sets = [{c for c in range(3) if 1 - row[c] <= least} for row in p]
    hit = np.array([t in s for s, t in zip(sets, y, strict=True)])
    coverage = one(found, "coverage", **LAC)
    assert coverage.value == pytest.approx(hit.mean()) and coverage.n == 4000
    assert coverage.low < 0.9 + 0.02 and coverage.high > 0.9 - 0.02
    size = np.array([len(s) for s in sets])
    assert one(found, "set_size", **LAC).value == pytest.approx(size.mean())
    assert one(found, "single", **LAC).value == pytest.approx((size == 1).mean())
    assert one(found, "empty", **LAC).value == pytest.approx((size == 0).mean())
    assert one(found, "class_coverage", **LAC, **{"class": "b"}).value == pytest.approx(hit[y == 1].mean())
    aps = {"alpha": 0.1, "method": "aps"}
    assert one(found, "coverage", **aps).value == pytest.approx(0.9, abs=0.03)
    assert one(found, "set_size", **aps).value > size.mean()  # LAC's are the smallest there are


def test_a_group_that_the_average_hides_is_found():
    (p, y), calibration = drawn(2, 3000), drawn(3, 800)
    group = np.where(np.arange(3000) < 600, "few", "many")
    wrong = np.where((group == "few") & (np.arange(3000) % 2 == 0), (y + 1) % 3, y).astype(np.int32)
    case = subject({"test": (p, wrong), "calibration": calibration}, groups={"site": group})
    found = conformal_prediction(case, ConformalOptions(methods=("lac",)), CONTEXT)
    few, many = (one(found, "group_coverage", **LAC, attribute="site", group=g) for g in ("few", "many"))
    assert few.high < many.low
    gap = one(found, "coverage_difference", **LAC, attribute="site")
    assert gap.value == pytest.approx(many.value - few.value) and gap.low > 0.15
    assert one(found, "coverage_minimum", **LAC, attribute="site").value == few.value
    few_rows = conformal_prediction(case, ConformalOptions(methods=("lac",), group_rows=700), CONTEXT)
    assert "Not compared: site = few, with 600 rows under group_rows=700." in few_rows.not_measured


def test_intervals_of_numbers_are_as_wide_as_the_quantile_of_residuals():
    rng = np.random.default_rng(4)

    def rows(n):
        truth = rng.normal(size=n)
        return (truth + rng.normal(0, 0.5, n))[:, None], truth

    parts = {"test": rows(3000), "calibration": rows(500)}
    found = conformal_prediction(subject(parts, "regression", "values"), ConformalOptions(), CONTEXT)
    where = {"alpha": 0.1, "method": "residual"}
    half = np.sort(np.abs(parts["calibration"][0][:, 0] - parts["calibration"][1]))[451 - 1]
    width = one(found, "interval_width", **where)
    assert width.value == pytest.approx(2 * half) and width.kind == "descriptive"
    apart = np.abs(parts["test"][0][:, 0] - parts["test"][1])
    assert one(found, "coverage", **where).value == pytest.approx((apart <= half).mean())
    score = 2 * half + 20 * np.maximum(apart - half, 0)
    assert one(found, "interval_score", **where).value == pytest.approx(score.mean())
    assert any("PIT" in said for said in found.not_measured)
    few = {**parts, "calibration": rows(5)}
    endless = conformal_prediction(subject(few, "regression", "values"), ConformalOptions(), CONTEXT)
    assert one(endless, "coverage", **where).value == 1.0
    assert "too few calibration rows" in one(endless, "interval_width", **where).reason


def test_without_calibration_rows_it_is_skipped_in_words_and_values_of_classes_are_refused():
    alone = subject({"test": drawn(5, 50)})
    assert _missing(find("calibration.conformal"), alone) == "it needs calibration rows"
    values = subject({"test": drawn(5, 50), "calibration": drawn(6, 50)}, kind="values")
    with pytest.raises(DataError, match="outputs='values'"):
        conformal_prediction(values, ConformalOptions(), CONTEXT)


def test_a_model_fitted_on_the_calibration_rows_is_said_to_break_the_promise():
    case = subject({"test": drawn(7, 60), "calibration": drawn(8, 60)})
    fitted = replace(case.model, notes=("Logits scaled (temperature) on 60 calibration rows: 1.2.",))
    plain, said = (
        conformal_prediction(Subject(m, case.data, case.outputs), ConformalOptions(), CONTEXT).not_measured
        for m in (case.model, fitted)
    )
    assert len(said) == len(plain) + 1 and any(s.startswith("The promise itself") for s in said)
