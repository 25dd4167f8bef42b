"""From which truth on a word is shown: against simulation, against `rows_needed` and against `audit plan`."""

import numpy as np
import pytest
from scipy.stats import binom

from audit import stats
from audit.evidence import GroupRates, Moments, Normal, Rate, RatePair, Rule
from audit.plan import _nearest
from audit.plan_worlds import _extreme, _gap
from audit.stats.power import reaches, samples

WORDS = ("PASS", "FAIL")
TEN = tuple(f"g{i}" for i in range(10))


def shown(s, limit, word, *, at_least, alpha=0.05):
    """Whether the bound shows the word, as the gate reads it."""
    low = at_least == (word == "PASS")
    bound = (stats.low_bound if low else stats.high_bound)(s, alpha)
    return (
        (bound >= limit if low else bound <= limit)
        if word == "PASS"
        else (bound > limit if low else bound < limit)
    )


def groups(of, n, p=0.3):
    n = tuple(float(m) for m in n)
    return GroupRates(of=of, groups=TEN[: len(n)], k=tuple(p * m for m in n), n=n, sizes=n)


# ---------------------------------------------------------------- rates: exact


@pytest.mark.parametrize("n", [20, 150, 3000])
@pytest.mark.parametrize("at_least", [True, False])
@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("limit", [0.3, 0.8, 0.97])
def test_a_rate_shows_the_word_with_just_the_power(n, at_least, word, limit):
    truth = stats.detectable(Rate(k=n // 2, n=n), limit, word, at_least=at_least, at_most=not at_least)
    counts = np.arange(n + 1)
    shows = np.array([shown(Rate(k=k, n=n), limit, word, at_least=at_least) for k in counts.tolist()])
    if truth is None:
        ideal = n if at_least == (word == "PASS") else 0
        assert not shows[ideal]
        return
    assert binom.pmf(counts, n, truth)[shows].sum() == pytest.approx(0.8, abs=1e-6)


def test_a_sharper_level_or_more_power_is_farther_from_the_limit_and_more_rows_nearer():
    s = Rate(k=80, n=100)
    plain = stats.detectable(s, 0.75, "FAIL", at_least=True)
    assert stats.detectable(s, 0.75, "FAIL", at_least=True, alpha=0.005) < plain < 0.75
    assert stats.detectable(s, 0.75, "FAIL", at_least=True, power=0.9) < plain
    assert plain < stats.detectable(Rate(k=800, n=1000), 0.75, "FAIL", at_least=True) < 0.75
    with pytest.raises(ValueError, match="exactly one"):
        stats.detectable(s, 0.75, "FAIL")


def test_limits_that_all_keep_or_none_can():
    assert stats.detectable(Rate(k=1, n=9), 0.0, "PASS", at_least=True) == 0.0
    assert stats.detectable(Rate(k=1, n=9), 1.0, "PASS", at_most=True) == 1.0
    assert stats.detectable(Rate(k=1, n=9), 1.0, "PASS", at_least=True) is None
    assert stats.detectable(Rate(k=1, n=9), 0.0, "FAIL", at_least=True) is None


# ---------------------------------------------------------------- groups: simulated, and as the plan says


CASES = [
    (groups("difference", [400, 400]), {"at_most": 0.15}),
    (groups("difference", np.linspace(500, 4500, 10)), {"at_most": 0.15}),
    (groups("ratio", [900, 2000, 3000], 0.5), {"at_least": 0.8}),
    (groups("minimum", [300] * 4, 0.9), {"at_least": 0.8}),
    (groups("mean", [100] * 5, 0.9), {"at_least": 0.8}),
]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(("s", "rule"), CASES, ids=lambda v: getattr(v, "of", ""))
def test_groups_show_the_word_with_about_the_power(s, rule, word):
    at_least, (limit,) = "at_least" in rule, rule.values()
    truth = stats.detectable(s, limit, word, at_least=at_least, at_most=not at_least)
    world = _extreme if s.of in ("minimum", "mean") else None
    p, small = sum(s.k) / sum(s.n), int(np.argmin(s.n))
    counts = world(s, small, truth, word) if world else _gap(s, small, p, truth, word)
    rates, sizes = np.divide(counts.k, counts.n), np.array(s.n, int)
    rng, hits = np.random.default_rng(0), 0
    for _ in range(300):
        drawn = s.model_copy(update={"k": tuple(map(float, rng.binomial(sizes, rates)))})
        hits += shown(drawn, limit, word, at_least=at_least)
    assert 0.65 <= hits / 300 <= 0.97


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(("s", "rule"), CASES, ids=lambda v: getattr(v, "of", ""))
def test_it_is_what_the_plan_finds_by_samples(s, rule, word):
    at_least, (limit,) = "at_least" in rule, rule.values()
    sides = {"at_least": at_least, "at_most": not at_least}
    p, small = sum(s.k) / sum(s.n), int(np.argmin(s.n))

    def likely(value):
        if s.of in ("minimum", "mean"):
            truth = _extreme(s, small, value, word)
        else:
            truth = _gap(s, small, p, value, word)
        return reaches(0.8, samples(truth), limit, word, **sides)

    ideal = 1.0 if at_least else 0.0
    end = ideal if word == "PASS" else (0.0 if at_least else 1 - p)
    planned = _nearest(likely, end, limit)
    assert stats.detectable(s, limit, word, **sides) == pytest.approx(
        planned, abs=0.2 * abs(planned - limit) + 0.006
    )


def test_too_few_rows_show_nothing_at_any_truth():
    assert stats.detectable(groups("difference", [20, 20]), 0.1, "PASS", at_most=True) is None
    assert stats.detectable(groups("ratio", [20, 20]), 0.8, "PASS", at_least=True) is None


# ---------------------------------------------------------------- consistent with the rows needed


@pytest.mark.parametrize(
    ("estimate", "limit", "at_least"),
    [
        (stats.rate_of(84, 100), 0.8, True),
        (stats.rate_of(70, 100), 0.8, True),
        (stats.groups("ab", [30, 30], [100, 100], [100, 100], of="difference"), 0.1, False),
        (stats.groups("ab", [30, 55], [100, 100], [100, 100], of="difference"), 0.1, False),
        (stats.mean(np.linspace(0, 0.4, 40), low=0.0, high=1.0), 0.3, False),
        (stats.root_mean(np.linspace(0, 0.4, 40)), 0.4, False),
        (stats.normal(0.3, 0.2, 30, method="m"), 0.4, False),
        (stats.normal(0.3, 0.2, 30, link="logit", method="m"), 0.5, True),
        (stats.f1(np.r_[np.ones(80), np.zeros(20)], np.ones(100)), 0.85, True),
    ],
    ids=lambda v: v.statistic.family if hasattr(v, "statistic") else "",
)
def test_with_the_rows_needed_the_estimate_is_the_truth_that_is_shown(estimate, limit, at_least):
    sides = {"at_least": at_least, "at_most": not at_least}
    rows = stats.rows_needed(estimate, limit, **sides)
    grown = _grown(estimate.statistic, rows / estimate.n)
    word = "PASS" if (estimate.value > limit) == at_least else "FAIL"
    truth = stats.detectable(grown, limit, word, **sides)
    assert truth - limit == pytest.approx(estimate.value - limit, rel=0.12)


def _grown(s, growth):
    from audit.stats.power import _grown as grown

    return grown(s, growth)


def test_a_mean_and_a_normal_show_the_word_with_about_the_power():
    rng, limit = np.random.default_rng(1), 0.3
    first = stats.mean(rng.beta(2, 5, 200)).statistic
    assert isinstance(first, Moments)
    for word in WORDS:
        truth = stats.detectable(first, limit, word, at_most=True)
        hits = sum(
            shown(stats.mean(rng.beta(2, 5, 200) + truth - 2 / 7).statistic, limit, word, at_least=False)
            for _ in range(300)
        )
        assert 0.7 <= hits / 300 <= 0.9
    normal = Normal(value=0.2, se=0.05, link="square")
    truth = stats.detectable(normal, 0.5, "PASS", at_most=True)
    drawn = rng.normal(truth**2, 0.05, 2000)
    hits = sum(shown(Normal(value=v, se=0.05, link="square"), 0.5, "PASS", at_least=False) for v in drawn)
    assert hits / 2000 == pytest.approx(0.8, abs=0.03)
    assert stats.detectable(normal, 0.2, "PASS", at_most=True) is None  # even a truth of 0


def test_a_pair_of_rates_moves_its_first():
    pair = RatePair(of="difference", k1=30, n1=300, k2=60, n2=300)
    truth = stats.detectable(pair, 0.0, "FAIL", at_most=True)
    rng, p = np.random.default_rng(2), 0.2
    hits = sum(
        shown(stats.difference(k, 300, m, 300).statistic, 0.0, "FAIL", at_least=False)
        for k, m in zip(rng.binomial(300, p + truth, 400), rng.binomial(300, p, 400), strict=True)
    )
    assert 0.72 <= hits / 400 <= 0.9


# ---------------------------------------------------------------- rows of each group


def test_only_the_groups_that_hold_it_back_need_rows():
    found = stats.groups(
        ["big", "mid", "tiny"], [1500, 300, 12], [5000, 1000, 40], [5000, 1000, 40], of="difference"
    )
    rows = stats.rows_by_group(found.statistic, 0.1, "PASS", at_least=False)
    assert set(rows) == {"tiny"} and 200 < rows["tiny"] < 1000
    assert rows["tiny"] * 3 < stats.rows_needed(found, 0.1, at_most=True)


@pytest.mark.parametrize("at_least, limit, k", [(False, 0.1, (300, 310, 29)), (False, 0.1, (300, 450, 30))])
def test_with_the_rows_of_each_group_the_word_is_shown_with_about_the_power(at_least, limit, k):
    n = np.array([1000, 1000, 100])
    s = stats.groups("abc", k, n, n, of="difference").statistic
    word = "PASS" if np.ptp(np.divide(k, n)) < limit else "FAIL"
    rows = stats.rows_by_group(s, limit, word, at_least=at_least)
    grown = np.array([rows.get(name, m) for name, m in zip("abc", n, strict=True)])
    assert (grown >= n).all() and (grown > n).any()
    rng, hits = np.random.default_rng(3), 0
    for _ in range(300):
        drawn = stats.groups(
            "abc", rng.binomial(grown, np.divide(k, n)), grown, grown, of="difference"
        ).statistic
        hits += shown(drawn, limit, word, at_least=at_least)
    assert 0.7 <= hits / 300 <= 0.97


def test_what_is_of_no_groups_or_at_the_limit_has_no_rows_by_group():
    assert stats.rows_by_group(Rate(k=1, n=2), 0.5, "PASS", at_least=True) == {}
    even = stats.groups("ab", [30, 40], [100, 100], [100, 100], of="difference").statistic
    assert stats.rows_by_group(even, 0.1, "PASS", at_least=False) == {}


def test_a_rule_of_the_gate_gives_the_same_numbers():
    from audit.evidence import Policy
    from audit.gate_rows import truths

    rule = Rule(id="r", measure="a.b", at_least=0.8, because="x")
    estimate = stats.rate_of(85, 100)
    found = truths(rule, estimate, 0.01, Policy(name="p"), fails=True)
    assert found == {
        "passes_at": stats.detectable(estimate.statistic, 0.8, "PASS", at_least=True),
        "fails_at": stats.detectable(estimate.statistic, 0.8, "FAIL", at_least=True, alpha=0.01),
    }
    assert truths(rule, estimate, 0.01, Policy(name="p"), fails=False)["fails_at"] is None
