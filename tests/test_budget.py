"""Work that is left out: when no verdict can change, when time is out; and what makes kept work stale."""

from dataclasses import replace

import numpy as np

import audit
from audit import stats
from audit.digests import dataset_digest
from audit.evidence import Measurement, Policy, Rule
from audit.gate_settled import settled


def _robust(k: int, eps: float = 0.1) -> Measurement:
    """Return a robust accuracy of k in 500."""
    estimate = stats.rate_of(k, 500, side="at most")
    return Measurement(name="robust_accuracy", label="r", estimate=estimate, where={"eps": eps})


def _policy(**changes) -> Policy:
    rule = Rule(
        id="R1",
        measure="robustness.pgd.robust_accuracy",
        where={"eps": 0.1},
        at_least=0.5,
        because="a test",
        **changes,
    )
    return Policy(name="test", budget="verdict", rules=(rule,))


def test_an_attack_may_stop_once_fail_is_certain_and_only_where_the_policy_allows():
    assert settled("robustness.pgd", _robust(100), _policy())
    assert not settled("robustness.pgd", _robust(100), _policy().model_copy(update={"budget": "full"}))
    assert not settled("robustness.pgd", _robust(250), _policy())  # neither way yet
    assert not settled("robustness.pgd", _robust(490), _policy())  # a PASS so far: more work may undo it


def test_certain_means_at_the_strictest_level_that_holm_may_ask():
    k = next(
        k for k in range(250, 0, -1) if stats.p_fail(_robust(k).estimate.statistic, 0.5, at_least=True) < 0.01
    )
    assert not settled("robustness.pgd", _robust(k), _policy())
    assert settled("robustness.pgd", _robust(k), _policy(severity="advisory"))


def test_a_number_that_no_rule_speaks_of_is_settled():
    assert settled("robustness.pgd", _robust(490, eps=0.2), _policy())
    assert settled("robustness.autoattack", _robust(490), _policy())


def test_what_bounds_the_truth_from_the_wrong_side_never_settles():
    estimate = stats.rate_of(100, 500, side="at least")
    assert not settled("robustness.pgd", _robust(0).model_copy(update={"estimate": estimate}), _policy())


def test_nothing_begins_after_the_time_budget_and_nothing_passes(tmp_path, table_subject):
    config = {
        "name": "late",
        "checks": {"accuracy.overall": {}},
        "policy": {
            "name": "test",
            "rules": [
                {"id": "A", "measure": "accuracy.overall.accuracy", "at_least": 0.1, "because": "a test"}
            ],
        },
    }
    given = {"data": table_subject.data, "model": table_subject.model, "out": tmp_path}
    late = audit.run(config, time_budget=0.0, **given)
    assert (late.verdict, late.exit_code) == ("NOT-ESTIMABLE", 3)
    assert late.results[0].status == "skipped" and "time budget" in late.results[0].reason
    assert audit.run(config, time_budget=3600.0, **given).verdict == "PASS"


def test_kept_work_is_stale_when_a_feature_may_no_longer_move(table_subject):
    data = table_subject.data
    fixed = replace(data, features=tuple(replace(f, mutable=not f.mutable) for f in data.features))
    finer = replace(data, features=tuple(replace(f, scale=f.scale / 2) for f in data.features))
    digests = {dataset_digest(d)["data"] for d in (data, fixed, finer)}
    assert len(digests) == 3 and np.isfinite(data.features[0].scale)
