"""fairness.conditional on the Berkeley admissions of 1973, against naive sums, and at its edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import StratifiedTable

from audit.checks.fairness_conditional import ConditionalOptions, fairness_conditional
from audit.errors import ConfigError
from audit.registry import Context
from audit.subject import Dataset, Model, Split, Subject, observe

CONTEXT = Context(key=None, seed=0)
# Bickel, Hammel and O'Connell (1975), the six largest departments as tabulated by Freedman, Pisani and Purves:
# men admitted and rejected, women admitted and rejected
BERKELEY = {
    "A": (512, 313, 89, 19),
    "B": (353, 207, 17, 8),
    "C": (120, 205, 202, 391),
    "D": (138, 279, 131, 244),
    "E": (53, 138, 94, 299),
    "F": (22, 351, 24, 317),
}


def _decided(decided, groups, factors, cluster=None, favourable=1) -> Subject:
    decided = np.asarray(decided, int)
    test = Split(
        x=np.zeros((len(decided), 1), np.float32),
        y=decided.astype(np.int32),
        id=np.arange(len(decided)).astype(str),
        groups={name: np.asarray(values) for name, values in groups.items()},
        legitimate={name: np.asarray(values) for name, values in factors.items()},
        cluster=cluster,
    )
    data = Dataset("d", "binary", "table", {"test": test}, classes=("no", "yes"), favourable=favourable)
    scores = {"test": np.eye(2)[decided]}
    return observe(Model("scores", None, outputs="probabilities", scores=scores), data)


@pytest.fixture(scope="module")
def berkeley() -> Subject:
    rows = [
        (department, sex, admitted)
        for department, counts in BERKELEY.items()
        for (sex, admitted), n in zip([("m", 1), ("m", 0), ("f", 1), ("f", 0)], counts, strict=True)
        for _ in range(n)
    ]
    department, sex, admitted = map(np.array, zip(*rows, strict=True))
    return _decided(admitted, {"sex": sex}, {"department": department})


def _estimate_at(findings, name, **where):
    (found,) = [m.estimate for m in findings.measurements if m.name == name and m.where == where]
    return found


def test_berkeleys_women_are_admitted_less_and_within_departments_not(berkeley):
    found = fairness_conditional(berkeley, ConditionalOptions(), CONTEXT)
    raw = _estimate_at(found, "raw_difference", attribute="sex", group="f")
    assert raw.value == pytest.approx(0.30 - 0.45, abs=0.01)  # published: 30 % and 45 %
    assert raw.high < -0.1
    within = _estimate_at(found, "conditional_difference", attribute="sex", group="f")
    top = sum((c[2] * (c[0] + c[1]) - c[0] * (c[2] + c[3])) / sum(c) for c in BERKELEY.values())
    weight = sum((c[0] + c[1]) * (c[2] + c[3]) / sum(c) for c in BERKELEY.values())
    assert within.value == pytest.approx(top / weight, abs=1e-12)
    assert 0 < within.value < 0.05
    tables = StratifiedTable([np.array([[c[0], c[1]], [c[2], c[3]]]) for c in BERKELEY.values()])
    assert tables.oddsratio_pooled == pytest.approx(0.905, abs=1e-3)  # R's mantelhaen.test(UCBAdmissions)
    assert (within.value > 0) == (tables.oddsratio_pooled < 1)
    assert within.low < 0 < within.high  # its test of association has p = 0.22
    gap = _estimate_at(found, "conditional_gap", attribute="sex", group="f", against="m")
    assert gap.value == pytest.approx(within.value, abs=1e-12)
    assert gap.low == 0 and gap.high >= within.high
    table = next(t for t in found.tables if t.name == "differences")
    turned = {row[1:3]: row[9] for row in table.rows}
    assert turned == {("f", "(all others)"): "yes", ("m", "(all others)"): "yes", ("f", "m"): "yes"}


def test_berkeleys_strata_have_the_published_rates(berkeley):
    (table,) = [
        t for t in fairness_conditional(berkeley, ConditionalOptions(), CONTEXT).tables if t.name == "strata"
    ]
    rates = {(row[1], row[2]): (row[3], round(100 * row[4])) for row in table.rows}
    published = {"A": (62, 82), "B": (63, 68), "C": (37, 34), "D": (33, 35), "E": (28, 24), "F": (6, 7)}
    for department, (men, women) in published.items():
        m_in, m_out, f_in, f_out = BERKELEY[department]
        assert rates[f"department {department}", "m"] == (m_in + m_out, men)
        assert rates[f"department {department}", "f"] == (f_in + f_out, women)


def test_strata_without_both_groups_are_named_and_left_out():
    decided = [1, 0, 1, 0, 1, 1, 0, 0]
    subject = _decided(decided, {"g": list("aabbaabb")}, {"job": list("xxxxyyzz")})
    found = fairness_conditional(subject, ConditionalOptions(), CONTEXT)
    within = _estimate_at(found, "conditional_difference", attribute="g", group="a")
    assert (within.value, within.n) == (0.0, 4)
    assert _estimate_at(found, "raw_difference", attribute="g", group="a").value == 0.5
    assert "Differences by g in strata with one group only, left out: job y; job z." in found.not_measured
    table = next(t for t in found.tables if t.name == "differences")
    assert [row[-3:] for row in table.rows] == [(1, 4, 4)] * 3
    apart = _decided([1, 0, 1], {"g": list("aab")}, {"job": list("xxy")})
    none = _estimate_at(
        fairness_conditional(apart, ConditionalOptions(), CONTEXT),
        "conditional_gap", attribute="g", group="a", against="b",
    )  # fmt: skip
    assert none.value is None
    assert none.reason == "no stratum has rows of a and of b"


def test_a_decision_by_the_factor_alone_has_no_gap_within_it():
    rng = np.random.default_rng(4)
    level, group = rng.integers(0, 6, 3000), rng.choice(["a", "b", "c"], 3000)
    level = np.where(group == "a", np.maximum(level - 2, 0), level)
    found = fairness_conditional(
        _decided(level >= 3, {"g": group}, {"level": level.astype(str)}), ConditionalOptions(bands=6), CONTEXT
    )
    assert abs(_estimate_at(found, "raw_difference", attribute="g", group="a").value) > 0.2
    pairs = [m.estimate for m in found.measurements if m.name == "conditional_gap"]
    assert len(pairs) == 3
    assert all(e.value == pytest.approx(0, abs=1e-12) and e.high < 0.05 for e in pairs)
    banded = fairness_conditional(
        _decided(level >= 3, {"g": group}, {"level": level.astype(str)}), ConditionalOptions(bands=2), CONTEXT
    )
    assert any("bands" in note for note in banded.not_measured)


def test_rates_of_few_people_are_not_written_out():
    subject = _decided([1, 0, 1, 0, 1, 1], {"g": list("aaabbb")}, {"job": list("xxxxxy")})
    options = ConditionalOptions(smallest_shown=3)
    table = next(t for t in fairness_conditional(subject, options, CONTEXT).tables if t.name == "strata")
    shown = {(row[1], row[2]): row[4] for row in table.rows}
    assert shown["job x", "a"] == pytest.approx(2 / 3)
    assert shown["job x", "b"] is None and shown["job y", "b"] is None


def test_clustered_rows_are_not_estimable_and_clusters_of_one_row_are():
    groups, factors = {"g": list("abab")}, {"job": list("xxxx")}
    shared = _decided([1, 0, 1, 1], groups, factors, cluster=np.array([1, 1, 2, 2]))
    found = fairness_conditional(shared, ConditionalOptions(), CONTEXT)
    assert all("clusters" in m.estimate.reason for m in found.measurements)
    alone = _decided([1, 0, 1, 1], groups, factors, cluster=np.arange(4))
    found = fairness_conditional(alone, ConditionalOptions(), CONTEXT)
    assert all(m.estimate.value is not None for m in found.measurements)


def test_factors_are_chosen_and_unknown_ones_refused(table_subject):
    found = fairness_conditional(table_subject, ConditionalOptions(factors=("region",)), CONTEXT)
    assert any("Whether region may explain" in note for note in found.not_measured)
    with pytest.raises(ConfigError, match="perhaps 'region'"):
        fairness_conditional(table_subject, ConditionalOptions(factors=("regoin",)), CONTEXT)
    bare = replace(table_subject.data.test, legitimate={})
    data = replace(table_subject.data, splits={**table_subject.data.splits, "test": bare})
    assert "legitimate" not in replace(table_subject, data=data).has
