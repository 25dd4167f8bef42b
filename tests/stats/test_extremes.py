"""The largest of several quantities and their spread: bounds that hold whether or not they share rows."""

import numpy as np
import pytest

from audit import stats
from audit.evidence_statistics import Extreme


def means(values):
    return {str(i): stats.mean(row, low=-20.0, high=20.0) for i, row in enumerate(values)}


def test_values_and_bounds_by_hand():
    each = {
        name: stats.normal(value, se, 100, method="m")
        for name, value, se in (("a", 1.0, 0.1), ("b", 3.0, 0.2), ("c", 2.9, 0.5))
    }
    largest, spread = stats.largest(each, n=300), stats.spread(each, n=300)
    z = {
        alpha: stats.high_bound(stats.normal(0.0, 1.0, 9, method="m").statistic, alpha)
        for alpha in (0.05, 0.05 / 3, 0.025, 0.05 / 6)
    }
    assert largest.value == 3.0 and spread.value == 2.0 and largest.n == 300
    assert stats.high_bound(largest.statistic, 0.05) == pytest.approx(2.9 + 0.5 * z[0.05])
    assert stats.low_bound(largest.statistic, 0.05) == pytest.approx(3.0 - 0.2 * z[0.05 / 3])
    assert stats.high_bound(spread.statistic, 0.05) == pytest.approx(
        2.9 + 0.5 * z[0.025] - (1 - 0.1 * z[0.025])
    )
    assert stats.low_bound(spread.statistic, 0.05) == pytest.approx(
        3.0 - 0.2 * z[0.05 / 6] - (1 + 0.1 * z[0.05 / 6])
    )
    assert Extreme.model_validate_json(spread.statistic.model_dump_json()) == spread.statistic


@pytest.mark.parametrize("of", [stats.largest, stats.spread])
@pytest.mark.parametrize("limit", [0.05, 0.3, 0.9])
def test_p_fail_is_the_level_at_which_the_bound_meets_the_limit(of, limit):
    rng = np.random.default_rng(0)
    s = of(means(rng.normal([[0.0], [0.2], [0.5]], 1, (3, 60))), n=180).statistic
    p = stats.p_fail(s, limit, at_most=True)
    if p < 0.5:
        assert stats.low_bound(s, p) == pytest.approx(limit, abs=1e-6)
    else:
        assert stats.low_bound(s, 0.5) <= limit + 1e-6


def test_names_come_in_any_order_and_a_lost_one_is_a_reason():
    each = means(np.random.default_rng(1).normal(size=(3, 30)))
    assert stats.largest(each, n=90) == stats.largest(dict(reversed(each.items())), n=90)
    lost = stats.spread({**each, "few": stats.not_estimable("12 rows")}, n=90)
    assert lost.value is None and lost.reason == "few: 12 rows"
    assert "1 to compare" in stats.largest({"0": each["0"]}, n=30).reason
    point = stats.largest({**each, "ece": stats.descriptive(0.1, 9, "m")}, n=90)
    assert point.value is None and "no bounds" in point.reason


def test_truths_and_rows_that_would_decide_are_told():
    s = stats.largest(means(np.random.default_rng(2).normal([[0.0], [0.3]], 1, (2, 400))), n=800).statistic
    passes = stats.detectable(s, 0.5, "PASS", at_most=True)
    fails = stats.detectable(s, 0.1, "FAIL", at_most=True)
    assert 0.1 < passes < 0.5 and 0.1 < fails < 0.6


@pytest.mark.parametrize("alike", [0.0, 0.95])
@pytest.mark.parametrize("truth", [(0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)])
def test_bounds_of_extremes_err_rarely_for_dependent_quantities(alike, truth):
    rng, wrong, runs = np.random.default_rng(3), np.zeros(4), 60
    for _ in range(runs):
        shared, own = rng.normal(size=(1, 40)), rng.normal(size=(4, 40))
        values = np.sqrt(alike) * shared + np.sqrt(1 - alike) * own + np.array(truth)[:, None]
        each = {
            str(i): stats.normal(v.mean(), v.std(ddof=1) / np.sqrt(40), 40, df=39, method="t")
            for i, v in enumerate(values)
        }
        for j, (made, target) in enumerate(
            ((stats.largest(each, n=160), max(truth)), (stats.spread(each, n=160), max(truth) - min(truth)))
        ):
            wrong[2 * j] += stats.low_bound(made.statistic, 0.05) > target + 1e-12
            wrong[2 * j + 1] += stats.high_bound(made.statistic, 0.05) < target
    assert wrong.max() / runs <= 0.1
