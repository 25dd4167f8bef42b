"""fairness.inequality over rows, as naively as its definitions read."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from audit.checks.fairness_inequality import InequalityOptions, fairness_inequality
from audit.registry import Context

CONTEXT = Context(key=None, seed=0)


def _at_place(findings, name, **where):
    (found,) = [m.estimate for m in findings.measurements if m.name == name and m.where == where]
    return found


def test_indices_are_the_definitions_over_the_rows(table_subject):
    found, test = fairness_inequality(table_subject, InequalityOptions(), CONTEXT), table_subject.data.test
    truth, decision = (test.y == 0).astype(int), (table_subject.predictions() == 0).astype(int)
    b = decision - truth + 1.0
    mean = b.mean()
    squared = np.mean((b / mean) ** 2 - 1) / 2
    assert _at_place(found, "generalised_entropy").value == pytest.approx(squared, abs=1e-12)
    theil = sum(x / mean * math.log(x / mean) for x in b if x) / len(b)
    assert _at_place(found, "theil").value == pytest.approx(theil, abs=1e-12)
    for attribute, group in test.groups.items():
        means = sum(b[group == name].mean() * (group == name) for name in np.unique(group))
        between = np.mean((means / mean) ** 2 - 1) / 2
        ours = _at_place(found, "between_groups_entropy", attribute=attribute).value
        assert ours == pytest.approx(between, abs=1e-12)
        assert ours <= squared  # the rest lies within groups
    keys = np.array([" x ".join(pair) for pair in zip(*test.groups.values(), strict=True)])
    for attribute, group in {**test.groups, "sex x age": keys}.items():
        shares = [
            (decision[group == name].sum() + 0.5) / ((group == name).sum() + 1) for name in np.unique(group)
        ]
        ratios = [
            abs(math.log(f(p) / f(q))) for p, q in product(shares, shares) for f in (float, lambda v: 1 - v)
        ]
        ours = _at_place(found, "differential_fairness", attribute=attribute).value
        assert ours == pytest.approx(max(ratios), abs=1e-12)
    assert all(m.estimate.kind == "descriptive" for m in found.measurements if m.estimate.value is not None)


def test_wrong_labels_widen_the_gap_and_none_leave_it(table_subject):
    options = InequalityOptions(wrong_labels=(0.0, 0.02, 0.3))
    found, test = fairness_inequality(table_subject, options, CONTEXT), table_subject.data.test
    good, selected = test.y == 0, table_subject.predictions() == 0
    rates = [selected[good & (test.groups["sex"] == sex)].mean() for sex in ("female", "male")]
    most = [_at_place(found, "true_positive_rate_difference_at_most", attribute="sex", wrong_labels=w).value
            for w in options.wrong_labels]  # fmt: skip
    least = [_at_place(found, "true_positive_rate_difference_at_least", attribute="sex", wrong_labels=w).value
             for w in options.wrong_labels]  # fmt: skip
    assert [most[0], least[0]] == pytest.approx([abs(rates[0] - rates[1])] * 2)
    assert most[0] < most[1] < most[2] <= 1
    assert least[0] >= least[1] >= least[2] == 0
    (table,) = found.tables
    for row in table.rows:
        assert row[5] <= row[4] <= row[6]


def test_nobody_favoured_or_no_second_group_is_said(table_subject):
    test = table_subject.data.test
    bad = np.flatnonzero(test.y == 1)[:4]
    alone = replace(test.take(bad), groups={"sex": np.array(["female"] * 4)})
    data = replace(table_subject.data, splits={**table_subject.data.splits, "test": alone})
    outputs = {**table_subject.outputs, "test": table_subject.outputs["test"][bad]}
    subject = replace(table_subject, data=data, outputs=outputs)
    found = fairness_inequality(subject, InequalityOptions(wrong_labels=(0.1,)), CONTEXT)
    reasons = {m.name: m.estimate.reason for m in found.measurements}
    assert reasons["differential_fairness"] == "a comparison needs two groups; sex has 1"
    assert reasons["true_positive_rate_difference_at_most"].endswith("two groups; sex has 1")
