"""fairness.flip against a loop over people, on models that read the attribute, and on those that do not."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from audit.checks.fairness_flip import FlipOptions, fairness_flip
from audit.errors import ConfigError
from audit.subject import Dataset, Feature, Model, Split, observe

RACES = ("a", "b", "c")
FEATURES = (
    Feature("skill", low=-5, high=5),
    Feature("age", low=18, high=90),
    Feature("race", kind="categorical", categories=("(missing)", *RACES)),
)


def _split(n, seed):
    rng = np.random.default_rng(seed)
    age, race = rng.uniform(20, 80, n).round(), rng.integers(1, 5, n)
    x = np.stack([rng.normal(size=n), age, race], axis=1).astype(np.float32)
    groups = {
        "race": np.array(["(missing)", *RACES])[race - 1],
        "age": np.where(age < 50, "under 50", "50 and over"),
        "faith": rng.choice(["x", "y"], n),
    }
    return Split(
        x, rng.integers(0, 2, n).astype(np.int32), np.array([f"{seed}-{i}" for i in range(n)]), groups
    )


def _logits(params, x):
    by_race = params["race"][x[:, 2].astype(jnp.int32)]
    return (x[:, 0] + params["age"] * (x[:, 1] - 50) + by_race)[:, None]


def _subject(race=(0.0, 0.0, 0.0, 0.0, 0.0), age=0.0, favourable=1, cluster=None):
    """A model of skill, age and race; race holds the worth of codes 0 to 4."""
    test = replace(_split(300, 1), cluster=cluster)
    data = Dataset(
        name="people",
        task="binary",
        modality="table",
        splits={"train": _split(200, 0), "test": test},
        classes=("no", "yes"),
        favourable=favourable,
        features=FEATURES,
    )
    params = {"race": jnp.asarray(race, jnp.float32), "age": jnp.float32(age)}
    return observe(Model("score", _logits, params, outputs="logits"), data)


def _found(subject, context, **options):
    findings = fairness_flip(subject, FlipOptions(**options), context)
    return {(m.name, *m.where.values()): m.estimate for m in findings.measurements}, findings


WORTH = (0.0, 9.0, 0.0, 0.5, -1.0)  # a missing race would be worth 9, were it ever set


def test_every_rate_is_that_of_a_loop_over_people(context):
    subject = _subject(WORTH, age=0.02)
    found, findings = _found(subject, context)
    test, train = subject.data.test, subject.data.splits["train"]

    def decide(person):
        z = person[0] + 0.02 * (person[1] - 50) + WORTH[int(person[2])]
        return z >= 0, 1 / (1 + np.exp(-z))

    values = {
        name: np.median(train.x[train.groups["age"] == name, 1]) for name in ("under 50", "50 and over")
    }
    for attribute, place, settings in (("race", 2, {"a": 2, "b": 3, "c": 4}), ("age", 1, values)):
        flipped, lost, change, pairs = [], [], [], {}
        for person, own in zip(test.x.astype(float), test.groups[attribute], strict=True):
            if own not in settings:
                continue
            (before, score), turned, moved = decide(person), [], []
            for other, value in settings.items():
                if other != own:
                    made_up = np.array(person)
                    made_up[place] = value
                    after, moved_to = decide(made_up)
                    turned.append(after != before)
                    moved.append(abs(moved_to - score))
                    pairs.setdefault((own, other), []).append(after != before)
            flipped.append(any(turned))
            lost.append(before and any(turned))
            change.append(max(moved))
        rate = found["flip_rate", attribute]
        assert (rate.value, rate.n) == (pytest.approx(np.mean(flipped)), len(flipped))
        assert 0 < rate.low < rate.value
        assert found["lost_favourable", attribute].value == pytest.approx(np.mean(lost))
        gained = found["gained_favourable", attribute].value
        assert gained + np.mean(lost) == pytest.approx(np.mean(flipped))
        assert found["score_change", attribute].value == pytest.approx(np.mean(change), abs=1e-6)
        for (own, other), turns in pairs.items():
            assert found["pair_flip_rate", attribute, own, other].value == pytest.approx(np.mean(turns))
    missing = int((test.groups["race"] == "(missing)").sum())
    assert (
        f"Flips of {missing} rows whose race is missing or was not seen in training." in findings.not_measured
    )
    assert not any("missing" in str(row[2]) for row in findings.tables[0].rows)


def test_a_model_that_does_not_read_the_column_never_flips(context):
    found, findings = _found(_subject(), context)
    assert found["flip_rate", "race"].value == 0 and 0 < found["flip_rate", "race"].high < 0.03
    assert found["score_change", "race"].value == 0
    assert any("Kusner" in note for note in findings.not_measured)
    assert "not counterfactual fairness" in fairness_flip.__doc__


def test_an_attribute_that_is_no_feature_says_so(context):
    found, _ = _found(_subject(), context, attributes=("faith",))
    assert found["flip_rate", "faith"].value is None
    assert "kept out of the features" in found["flip_rate", "faith"].reason
    with pytest.raises(ConfigError, match="perhaps 'race'"):
        _found(_subject(), context, attributes=("rase",))


def test_decisions_beside_the_model_cannot_be_flipped(context):
    subject = _subject(WORTH)
    model = replace(subject.model, decisions={"test": subject.predictions()})
    found, _ = _found(replace(subject, model=model), context)
    assert "thresholds of each group" in found["flip_rate", "race"].reason


def test_without_a_favourable_class_no_direction_is_claimed(context):
    found, findings = _found(_subject(WORTH, favourable=None), context)
    assert ("flip_rate", "race") in found and ("lost_favourable", "race") not in found
    assert any("no favourable class" in note for note in findings.not_measured)


def test_rows_of_one_person_widen_the_flip_rate(context):
    plain = _found(_subject(WORTH), context)[0]["flip_rate", "race"]
    few = _found(_subject(WORTH, cluster=np.arange(300) // 60), context)[0]["flip_rate", "race"]
    assert few.value == pytest.approx(plain.value)
    assert few.high - few.low > plain.high - plain.low


def test_a_number_has_a_score_change_and_no_flip_rate(context):
    subject = _subject((0, 0, 0, 2.0, 0))
    data = replace(subject.data, task="regression", classes=(), favourable=None)
    subject = observe(replace(subject.model, outputs="values"), data)
    found, _ = _found(subject, context, attributes=("race", "faith"))
    assert set(found) == {("score_change", "race"), ("score_change", "faith")}
    assert found["score_change", "race"].value == pytest.approx(
        2.0
    )  # as b each other gains 2, as any other b loses 2
