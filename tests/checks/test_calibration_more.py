"""calibration.classwise, groups, scores and selective: what they find where the truth is known."""

import jax
import numpy as np
import pytest

from audit.checks.calibration_classwise import ClasswiseOptions, classwise
from audit.checks.calibration_groups import CalibrationGroupsOptions, calibration_groups
from audit.checks.calibration_reliability import ReliabilityOptions, reliability
from audit.checks.calibration_scores import ScoresOptions, calibration_scores
from audit.checks.calibration_selective import SelectiveOptions, selective_prediction
from audit.errors import ConfigError
from audit.registry import Context
from audit.subject import Dataset, Model, Split, Subject

CONTEXT = Context(key=jax.random.key(0), seed=5, quick=True)


def subject(outputs, y, kind="probabilities", groups=None, cluster=None, calibration=None):
    """A stored-score subject; calibration is (outputs, y) of those rows."""
    k = outputs.shape[1]
    parts = {"test": (outputs, y)} | ({} if calibration is None else {"calibration": calibration})
    splits = {
        name: Split(np.zeros((len(t), 1), np.float32), t, np.arange(len(t)),
                    groups=groups if name == "test" and groups else {}, cluster=cluster if name == "test" else None)
        for name, (_, t) in parts.items()
    }  # fmt: skip
    data = Dataset(
        "toy", "multiclass" if k > 2 else "binary", "table", splits, classes=tuple("abcd"[: max(k, 2)])
    )
    return Subject(
        Model("toy", None, outputs=kind), data, {name: np.asarray(o) for name, (o, _) in parts.items()}
    )


def multi(seed, n, classes=3):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes), n)
    return p, (p.cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1).astype(np.int32)


def binary(seed, n, sharpen=1.0):
    rng = np.random.default_rng(seed)
    logit = rng.normal(0, 1.2, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.int32)
    return (sharpen * logit)[:, None], y


def one(findings, name, **where):
    (found,) = [m.estimate for m in findings.measurements if m.name == name and m.where == where]
    return found


# ---------------------------------------------------------------- classwise


def test_a_class_is_found_out_though_the_most_probable_one_is_right():
    """Probability moved between the two less likely classes alone: confidence stays right, classes do not."""
    p, y = multi(0, 6000)
    bad = p.copy()
    rest = np.argsort(p, axis=1)[:, :2]
    rows = np.arange(len(p))
    total = p[rows, rest[:, 0]] + p[rows, rest[:, 1]]
    bad[rows, rest.min(axis=1)] = np.minimum(0.95 * total, 0.99 * p.max(axis=1))
    bad[rows, rest.max(axis=1)] = total - bad[rows, rest.min(axis=1)]
    good, found = (classwise(subject(q, y), ClasswiseOptions(), CONTEXT) for q in (p, bad))
    assert one(good, "worst_calibration_error").high < 0.05
    assert one(found, "worst_calibration_error").low > 0.08
    top = reliability(subject(bad, y), ReliabilityOptions(), CONTEXT)
    assert one(top, "calibration_error").high < 0.05
    names = ("a", "b", "c")
    each = [one(found, "class_calibration_error", **{"class": name}).value for name in names]
    assert one(found, "worst_calibration_error").value == pytest.approx(max(each))
    assert sum(one(found, "class_confidence_gap", **{"class": c}).value for c in names) == pytest.approx(0)
    assert one(found, "classwise_ece").kind == "descriptive"


# ---------------------------------------------------------------- groups


def by_group(shift_a, shift_b, n=4000):
    logit, y = binary(2, n)
    rng = np.random.default_rng(9)
    race, sex = np.where(rng.random(n) < 0.5, "a", "b"), np.where(rng.random(n) < 0.5, "f", "m")
    moved = logit[:, 0] + np.where((race == "a") & (sex == "f"), shift_a, shift_b)
    return subject(moved[:, None], y, "logits", {"race": race, "sex": sex})


def test_a_gap_that_only_a_crossing_has_is_found_there():
    even = calibration_groups(by_group(0.0, 0.0), CalibrationGroupsOptions(), CONTEXT)
    found = calibration_groups(by_group(1.5, 0.0), CalibrationGroupsOptions(), CONTEXT)
    where = {"attribute": "race x sex"}
    assert one(even, "crossed_confidence_gap_difference", **where).low == 0
    assert one(even, "crossed_calibration_error_gap", **where).high < 0.12
    assert one(found, "crossed_confidence_gap_difference", **where).low > 0.1
    worst = one(found, "crossed_worst_calibration_error", **where)
    each = {
        m.where["group"]: m.estimate.value
        for m in found.measurements
        if m.name == "crossed_calibration_error"
    }
    assert set(each) == {"a x f", "a x m", "b x f", "b x m"} and max(each, key=each.get) == "a x f"
    assert worst.value == each["a x f"] and worst.low > 0.05
    spread = one(found, "crossed_calibration_error_gap", **where)
    assert spread.value == pytest.approx(max(each.values()) - min(each.values()))


def test_small_groups_are_named_and_asked_crossings_are_those_made():
    case = by_group(0.0, 0.0, n=600)
    case.data.test.groups["sex"][:20] = "x"
    found = calibration_groups(case, CalibrationGroupsOptions(intersections="none"), CONTEXT)
    assert "Not compared: sex = x, with 20 rows under group_rows=100." in found.not_measured
    assert not [m for m in found.measurements if m.name.startswith("crossed_")]
    asked = CalibrationGroupsOptions(intersections=(("sex", "race"),))
    assert {m.where["attribute"] for m in calibration_groups(case, asked, CONTEXT).measurements} == {
        "race", "sex", "sex x race",
    }  # fmt: skip
    for wrong in (("sex", "rase"), ("sex",)):
        with pytest.raises(ConfigError, match="intersections"):
            calibration_groups(case, CalibrationGroupsOptions(intersections=(wrong,)), CONTEXT)


# ---------------------------------------------------------------- scores


def test_scores_hang_together_and_clipping_is_said():
    logits, y = binary(3, 1500, sharpen=3.0)
    found = calibration_scores(subject(logits, y, "logits"), ScoresOptions(), CONTEXT)
    parts = [one(found, name).value for name in ("miscalibration", "discrimination", "uncertainty")]
    assert parts[0] - parts[1] + parts[2] == pytest.approx(one(found, "brier").value, abs=1e-12)
    assert parts[0] > 0.02 and one(found, "spiegelhalter_p").value < 1e-6
    assert one(found, "smooth_ece").value > 0.08 and one(found, "ks_error").kind == "descriptive"
    (table,) = found.tables
    bands = {row[1]: row[3:5] for row in table.rows if row[0] == "if calibrated"}
    outside = [x for row in table.rows if row[0] == "recalibrated" for x in [row[1]] if row[2] < bands[x][0]]
    assert any(x > 0.8 for x in outside)
    certain = np.tile([[1.0, 0.0]], (50, 1))
    loss = one(calibration_scores(subject(certain, np.arange(50) % 2), ScoresOptions(), CONTEXT), "log_loss")
    assert "25 rows" in loss.note and loss.value == pytest.approx(-np.log(np.finfo(float).eps) / 2)


def test_no_rows_own_probability_is_told_and_clusters_leave_no_test():
    logits, y = binary(4, 400)
    found = calibration_scores(
        subject(logits, y, "logits", cluster=np.arange(400) // 2), ScoresOptions(), CONTEXT
    )
    assert all(row[1] == round(row[1], 3) for row in found.tables[0].rows)
    assert "share clusters" in one(found, "spiegelhalter_z").reason


# ---------------------------------------------------------------- selective


def test_thresholds_come_from_the_calibration_rows_and_the_rates_from_the_test_rows():
    (test, y), (other, z) = multi(5, 3000), multi(6, 500)
    found = selective_prediction(
        subject(test, y, calibration=(other, z)), SelectiveOptions(coverages=(0.5,)), CONTEXT
    )
    least = np.sort(other.max(axis=1))[::-1][249]
    given = test.max(axis=1) >= least
    right = test.argmax(axis=1) == y
    assert one(found, "answered", coverage=0.5).value == pytest.approx(given.mean())
    accuracy = one(found, "selective_accuracy", coverage=0.5)
    assert accuracy.value == pytest.approx(right[given].mean()) and accuracy.n == given.sum()
    assert accuracy.low > right.mean()
    alone = selective_prediction(subject(test, y), SelectiveOptions(coverages=(0.5,)), CONTEXT)
    assert "no calibration rows" in one(alone, "selective_accuracy", coverage=0.5).reason
    assert any("no calibration rows" in said for said in alone.not_measured)
    assert one(alone, "aurc") == one(found, "aurc") and one(alone, "augrc").low > 0


def test_a_model_without_an_error_has_no_area_but_a_reason():
    found = selective_prediction(
        subject(np.eye(3)[[0, 1, 2] * 9], np.array([0, 1, 2] * 9)), SelectiveOptions(), CONTEXT
    )
    assert "none of 27 rows is wrong" in one(found, "augrc").reason


# ---------------------------------------------------------------- squashed twice


def test_probabilities_squashed_twice_bar_a_pass_but_no_fail():
    p, y = multi(7, 3000)
    right, twice = subject(p, y), subject(p, y, "logits")
    for check, options in (
        (reliability, ReliabilityOptions()),
        (classwise, ClasswiseOptions()),
        (calibration_scores, ScoresOptions()),
        (selective_prediction, SelectiveOptions()),
    ):
        assert not any(m.estimate.doubt for m in check(right, options, CONTEXT).measurements)
        for m in check(twice, options, CONTEXT).measurements:
            bounded = m.estimate.kind == "bounded" and m.estimate.value is not None
            assert ("squashed a second time" in m.estimate.doubt) == bounded, m.name
