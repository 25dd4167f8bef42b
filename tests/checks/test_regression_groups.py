"""fairness.regression against NumPy, SciPy and statsmodels, and on groups whose errors differ by a known amount."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import ks_2samp, wasserstein_distance
from scipy.stats import t as student

from audit import stats
from audit.checks.fairness_regression import RegressionOptions, fairness_regression
from audit.errors import ConfigError
from audit.metrics import regression
from audit.subject import Subject


def _measured(subject, context, **options):
    findings = fairness_regression(subject, RegressionOptions(**options), context)
    return {(m.name, *m.where.values()): m.estimate for m in findings.measurements}, findings


def _judging(subject, y, predicted, **groups):
    """The subject with these targets, predictions and groups."""
    n = len(y)
    test = replace(subject.data.test.take(np.arange(n) % len(subject.data.test)), y=y, groups=groups)
    test = replace(test, id=np.arange(n).astype(str))
    data = replace(subject.data, splits={**subject.data.splits, "test": test})
    return Subject(subject.model, data, {"test": np.asarray(predicted, np.float32)[:, None]})


def test_every_figure_of_a_group_is_numpys(regression_subject, context):
    found, _ = _measured(regression_subject, context)
    test, p = regression_subject.data.test, regression_subject.outputs["test"][:, 0].astype(float)
    for name, groups in test.groups.items():
        means = {}
        for group in np.unique(groups):
            rows = groups == group
            error, y = p[rows] - test.y[rows], test.y[rows]
            fit = sm.OLS(y, sm.add_constant(p[rows])).fit(cov_type="HC3")
            expected = {
                "mean_error": error.mean(),
                "mean_absolute_error": np.abs(error).mean(),
                "root_mean_squared_error": np.sqrt((error**2).mean()),
                "r2": 1 - (error**2).sum() / ((y - y.mean()) ** 2).sum(),
                "mean_prediction": p[rows].mean(),
                "calibration_slope": fit.params[1],
                "calibration_intercept": fit.params[0],
            }
            for measure, value in expected.items():
                assert found[measure, name, group].value == pytest.approx(value, rel=1e-6), (measure, group)
            slope = found["calibration_slope", name, group].statistic
            assert slope.se == pytest.approx(fit.bse[1], rel=1e-6)
            means[group] = error.mean()
        assert found["mean_error_difference", name].value == pytest.approx(np.ptp(list(means.values())))
        parts = [p[groups == g] for g in means]
        pairs = [(a, b) for i, a in enumerate(parts) for b in parts[:i]]
        earth = max(wasserstein_distance(a, b) for a, b in pairs)
        assert found["prediction_distance", name].value == pytest.approx(earth)
        assert found["prediction_ks", name].value == pytest.approx(
            max(ks_2samp(a, b).statistic for a, b in pairs)
        )
        assert found["prediction_ks", name].kind == "descriptive"


def test_a_planted_bias_lies_in_its_interval_and_is_shown(regression_subject, context):
    gap = _measured(regression_subject, context)[0]["mean_error_difference", "sex"]
    assert gap.low < 0.4 < gap.high and gap.low > 0  # the fixture's truth is 0.4 lower for one sex
    assert stats.p_fail(gap.statistic, 0.1, at_most=True) < 0.05


@pytest.mark.parametrize("groups", [2, 10, 40])
def test_groups_of_equal_errors_are_not_shown_to_differ(regression_subject, context, groups):
    rng, wrong, runs = np.random.default_rng(groups), 0, 12
    for _ in range(runs):
        y, n = rng.normal(size=groups * 30), groups * 30
        subject = _judging(
            regression_subject, y, y + rng.exponential(1, n), g=rng.integers(0, groups, n).astype(str)
        )
        found = _measured(subject, context)[0]["mean_error_difference", "g"]
        wrong += stats.p_fail(found.statistic, 0.0, at_most=True) < 0.05
    assert wrong <= 3  # of 12 at 5 %: more than 3 has a chance of 0.2 %


def test_the_calibration_errors_are_what_leaving_a_cluster_out_moves(regression_subject):
    rng = np.random.default_rng(0)
    x, cluster = rng.normal(3, 2, 60), np.repeat(np.arange(12), 5)
    y = 1 + 2 * x + rng.normal(size=12)[cluster] * x
    found = regression.line(x, y, cluster)
    whole = np.polyfit(x, y, 1)
    moved = np.array([np.polyfit(x[cluster != c], y[cluster != c], 1) - whole for c in range(12)])
    assert (found.slope, found.intercept) == pytest.approx(tuple(whole))
    assert (found.slope_error, found.intercept_error) == pytest.approx(tuple(np.sqrt((moved**2).sum(axis=0))))
    assert regression.line(np.ones(60), y) is None and regression.line(x[:2], y[:2]) is None
    assert regression.line(np.r_[1.0, np.zeros(9)], y[:10]) is None  # without the first row there is no line


def test_shared_clusters_widen_a_gap_of_errors(regression_subject, context):
    rng = np.random.default_rng(1)
    person = np.repeat(np.arange(80), 5)
    shift = rng.normal(size=80)[person]
    y, sex = rng.normal(size=400), np.where(rng.random(80) < 0.5, "a", "b")[person]
    subject = _judging(regression_subject, y, y + shift + 0.1 * rng.normal(size=400), sex=sex)
    plain = _measured(subject, context)[0]["mean_error_difference", "sex"]
    test = replace(subject.data.test, cluster=person)
    clustered = Subject(
        subject.model, replace(subject.data, splits={**subject.data.splits, "test": test}), subject.outputs
    )
    wide = _measured(clustered, context)[0]["mean_error_difference", "sex"]
    assert wide.value == pytest.approx(plain.value)
    assert wide.high - wide.value > 1.7 * (plain.high - plain.value)


def test_a_group_of_one_leaves_no_gap_unless_it_is_left_out(regression_subject, context):
    rng = np.random.default_rng(2)
    y = rng.normal(size=100)
    subject = _judging(
        regression_subject, y, y + rng.normal(size=100), g=np.r_[["a"] * 50, ["b"] * 49, ["c"]]
    )
    gap = _measured(subject, context)[0]["mean_error_difference", "g"]
    assert gap.value is None and "group c" in gap.reason
    found, findings = _measured(subject, context, minimum_rows=10)
    assert found["mean_error_difference", "g"].value is not None
    assert any("g = c, with 1 rows under minimum_rows=10" in note for note in findings.not_measured)
    with pytest.raises(ConfigError, match="perhaps 'g'|one of g"):
        _measured(subject, context, attributes=("h",))


def test_the_degrees_of_freedom_are_few_where_one_row_decides_the_line():
    """Equal pulls are as many as there are rows; one far row beside many near is worth about one."""
    even = regression.line(np.tile([-1.0, 1.0], 50), np.random.default_rng(3).normal(size=100))
    assert (
        even.slope_df == even.intercept_df == 98
    )  # 100 pulls of one size, capped at two fewer than the rows
    x = np.r_[np.linspace(0, 1, 50), 40.0, 41.0]
    assert 1 <= regression.line(x, x + np.random.default_rng(4).normal(size=52)).slope_df < 2.5


@pytest.mark.slow
def test_calibration_slopes_cover_the_truth_under_unequal_spread(capsys):
    """A slope of 1; normal and exponential predictions, errors of one spread or growing with the prediction."""
    missed = {}
    for n in (30, 200):
        for kind in ("normal", "exponential"):
            for growing in (False, True):
                rng, runs, lines = np.random.default_rng(n), 1500, []
                for _ in range(runs):
                    x = rng.normal(size=n) if kind == "normal" else rng.exponential(1, n)
                    spread = 0.2 + np.abs(x) if growing else np.ones(n)
                    lines.append(regression.line(x, x + rng.normal(size=n) * spread))
                far, df = np.array(
                    [(abs(found.slope - 1) / found.slope_error, found.slope_df) for found in lines]
                ).T
                out = int((far > student.isf(0.025, df)).sum())
                missed[f"n={n}, {kind}, {'growing' if growing else 'one'} spread"] = out / runs
    with capsys.disabled():
        print(f"\ncalibration slope, two-sided 5 %: {missed}")
    assert np.mean(list(missed.values())) <= 0.05 and max(missed.values()) <= 0.07, missed
