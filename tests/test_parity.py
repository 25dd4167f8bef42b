"""Thresholds of each group: as fairlearn's own, drawn by row, refused where they cannot be fitted; the remedy."""

import numpy as np
import pandas as pd
import pytest
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.base import BaseEstimator

import audit
from audit.errors import ConfigError, ModelError
from audit.opening import open_run
from audit.parity import with_parity
from audit.remedies.options import Parity
from audit.subject import Dataset, DecisionRule, Model, Split, observe


class Scores(BaseEstimator):
    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return X[:, 0]

    def __sklearn_is_fitted__(self):
        return True


def _split(n, seed, groups=("f", "m")):
    rng = np.random.default_rng(seed)
    group = rng.choice(groups, n)
    z = rng.normal(0.8 * (group == "m"), 1.0)
    y = (rng.random(n) < 1 / (1 + np.exp(-2 * z + 0.5))).astype(int)
    ids = np.array([f"{seed}-{i}" for i in range(n)])
    return Split(z[:, None].astype(np.float32), y, ids, groups={"sex": group})


def _data(**changes):
    splits = {"calibration": _split(3000, 1), "validation": _split(500, 2), "test": _split(4000, 3)}
    known = {"classes": ("no", "yes"), "favourable": 1, **changes}
    return Dataset("d", "binary", "table", splits, **known)


MODEL = Model("m", lambda p, x: 2 * x - 0.5, outputs="logits", decision=DecisionRule("threshold"))


def _rates(subject):
    chosen, group = subject.predictions() == subject.data.favourable, subject.data.test.groups["sex"]
    return np.array([chosen[group == g].mean() for g in ("f", "m")])


@pytest.mark.parametrize("constraint", ["demographic_parity", "equalized_odds", "true_positive_rate_parity"])
@pytest.mark.parametrize("favourable", [0, 1])
def test_the_chance_of_each_row_is_fairlearn_s(constraint, favourable):
    data = _data(favourable=favourable)
    how = Parity(attribute="sex", constraint=constraint)
    after = observe(with_parity(MODEL, data, how, seed=0), data)
    fit, test = data.splits["calibration"], data.test
    score = [1 / (1 + np.exp(-(2 * s.x - 0.5).astype(np.float64))) for s in (fit, test)]
    score = score if favourable else [1 - s for s in score]
    known = ThresholdOptimizer(
        estimator=Scores(), constraints=constraint, prefit=True, predict_method="predict"
    ).fit(score[0], (fit.y == favourable).astype(int), sensitive_features=fit.groups["sex"])
    drawn = known._pmf_predict(score[1], sensitive_features=test.groups["sex"])[:, 1]
    chosen = after.predictions() == favourable
    assert (chosen[(drawn == 1)]).all() and not chosen[drawn == 0].any()
    for group in ("f", "m"):
        at = test.groups["sex"] == group
        assert chosen[at].mean() == pytest.approx(drawn[at].mean(), abs=0.02)


def test_selection_rates_of_the_groups_come_together_and_scores_stay():
    data = _data()
    before = observe(MODEL, data)
    model = with_parity(MODEL, data, Parity(attribute="sex"), seed=0)
    after = observe(model, data)
    assert abs(np.diff(_rates(before))[0]) > 0.2 and abs(np.diff(_rates(after))[0]) < 0.06
    np.testing.assert_array_equal(after.outputs["test"], before.outputs["test"])
    assert "gradient" in before.has and "gradient" not in after.has and "function" in after.has
    assert "demographic parity by sex" in model.notes[-1] and "were decided by a draw" in model.notes[-1]


def test_a_draw_belongs_to_the_row_and_the_seed():
    data = _data()
    how = Parity(attribute="sex", constraint="equalized_odds")
    first, again, other = (with_parity(MODEL, data, how, seed).decisions["test"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert 0 < (first != other).sum() < len(first) / 4
    half = data.test.take(np.arange(len(data.test))[::2])
    part = with_parity(MODEL, _data_with(half), how, 0)
    np.testing.assert_array_equal(part.decisions["test"], first[::2])


def _data_with(test):
    data = _data()
    return Dataset("d", "binary", "table", {**data.splits, "test": test}, classes=("no", "yes"), favourable=1)


def test_a_group_not_met_in_fitting_is_decided_by_the_model_itself():
    data = _data_with(_split(900, 5, groups=("f", "m", "x")))
    model = with_parity(MODEL, data, Parity(attribute="sex"), seed=0)
    at = data.test.groups["sex"] == "x"
    own = observe(MODEL, data).predictions()
    np.testing.assert_array_equal(model.decisions["test"][at], own[at])
    assert f"{at.sum()} of groups not met in fitting" in model.notes[-1]


def test_what_cannot_be_fitted_is_refused():
    how = Parity(attribute="sex")
    with pytest.raises(ConfigError, match="one declared favourable"):
        with_parity(MODEL, _data(favourable=None), how, 0)
    with pytest.raises(ConfigError, match=r"attribute='age'.*sensitive attribute \(sex\)"):
        with_parity(MODEL, _data(), Parity(attribute="age"), 0)
    one = _split(50, 1)
    one.y[one.groups["sex"] == "f"] = 1
    lone = Dataset(
        "d", "binary", "table", {"calibration": one, "test": one}, classes=("a", "b"), favourable=1
    )
    with pytest.raises(ModelError, match="both classes in each group"):
        with_parity(MODEL, lone, how, 0)
    scores = Model("s", None, outputs="probabilities", scores={"test": np.full((4000, 1), 0.5)})
    with pytest.raises(ModelError, match="scores without calibration rows"):
        with_parity(scores, _data(), how, 0)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A table of people of whom women are chosen less often, with a policy against that."""
    rng = np.random.default_rng(0)
    n = 4000
    sex = rng.choice(["f", "m"], n)
    a, b = rng.normal(0.9 * (sex == "m"), 1.0), rng.normal(size=n)
    y = np.where(rng.random(n) < 1 / (1 + np.exp(-1.5 * a - b)), "hired", "not")
    path = tmp_path_factory.mktemp("data") / "people.csv"
    pd.DataFrame({"a": a, "b": b, "sex": sex, "y": y}).to_csv(path, index=False)
    columns = {"target": "y", "positive": "hired", "favourable": "hired", "numeric": ["a", "b"]}
    rule = {
        "id": "F",
        "measure": "fairness.groups.impact_ratio",
        "where": {"attribute": "sex"},
        "at_least": 0.8,
        "because": "x",
    }

    def made(**changes):
        return {
            "name": "people",
            "data": {
                "source": "table",
                "task": "binary",
                "path": str(path),
                "columns": {**columns, "sensitive": ["sex"]},
                "split": {"test": 0.4, "validation": 0.15, "calibration": 0.2},
            },
            "model": {"network": "mlp", "options": {"hidden": [8], "bins": 0}, "train": {"epochs": 6}},
            "checks": {
                "accuracy.overall": {},
                "fairness.groups": {},
                "robustness.fgsm": {"norms": ["linf"], "eps": [0.1]},
            },
            "policy": {"name": "p", "rules": [rule]},
            "remedies": [{"thresholds": {"candidates": [{"attribute": "sex"}], "accuracy_loss": 0.1}}],
            **changes,
        }

    return made


def _value(record, name):
    return next(m.estimate.value for r in record.results for m in r.findings.measurements if m.name == name)


def test_the_remedy_is_audited_on_the_test_rows_and_says_who_is_moved(config, tmp_path):
    record = audit.run(config(), out=tmp_path)
    (tried,) = record.remedies
    assert tried.status == "audited", tried.reason
    after = open_run(tmp_path / record.volatile.run_id / tried.folder)
    assert _value(record, "impact_ratio") < 0.75 < 0.85 < _value(after, "impact_ratio")
    assert record.verdict == "FAIL" and after.verdict in ("PASS", "INCONCLUSIVE")
    skipped = next(r for r in after.results if r.check == "robustness.fgsm")
    assert skipped.status == "skipped" and "gradients" in skipped.reason
    moved = tried.tables[2]
    every, women, men = (dict(zip([c.name for c in moved.columns], row, strict=True)) for row in moved.rows)
    assert every["rows"] == women["rows"] + men["rows"] == 1600
    assert women["gained"] > women["lost"] and men["lost"] > men["gained"]
    assert after.config["decision"]["parity"]["attribute"] == "sex"
    again = audit.run({k: v for k, v in after.config.items() if v is not None}, out=tmp_path)
    assert again.digests["model"] == after.digests["model"] and again.results == after.results


def test_a_second_set_of_thresholds_is_refused(config, tmp_path):
    with pytest.raises(ConfigError, match=r"remedies: thresholds with decision\.parity"):
        audit.run(config(decision={"parity": {"attribute": "sex"}}), out=tmp_path)
