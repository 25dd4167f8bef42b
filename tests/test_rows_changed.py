"""Training on augmented or mixed rows by configuration: what it is kept under, what is told, what is refused."""

import json
from dataclasses import replace

import pytest

import audit
from audit import training
from audit.config import load
from audit.config_training import TrainConfig
from audit.data import embedded
from audit.data.roles import SplitPlan
from audit.errors import ConfigError
from audit.subject import DecisionRule, Feature

DIGITS = {"source": "embedded", "dataset": "digits", "split": {"test": 0.7}}
DIABETES = {"source": "embedded", "dataset": "diabetes", "split": {"test": 0.4}}
AUGMENT = {"shift": 1, "brightness": 0.1}


def config(train, network="classic_cnn", data=DIGITS, **more):
    """A configuration with these changes of the training."""
    return {
        "name": "n",
        "data": data,
        "model": {"network": network, "train": {"epochs": 1, **train}},
        "checks": {"accuracy.overall": {}},
        "policy": {"name": "p", "rules": []},
        **more,
    }


def test_the_record_tells_the_changes_and_kept_checks_are_those_of_the_same_weights(tmp_path):
    plain, changed = (
        audit.run(config(train), out=tmp_path, quick=True)
        for train in ({}, {"augment": AUGMENT, "mixup": 0.3})
    )
    assert plain.digests["model"] != changed.digests["model"] and changed.volatile.reused == ()
    assert plain.facts.model.origin == "trained here" and not plain.facts.model.training.note
    said = " on augmented images (shift 1, brightness 0.1) with mixup (alpha 0.3)"
    assert changed.facts.model.origin == f"trained here{said}"
    assert said in changed.facts.model.training.note


@pytest.mark.parametrize(
    ("train", "more", "says"),
    [
        ({"augment": {}}, {}, "augment that changes nothing"),
        ({"augment": {"shift": -1}}, {}, "model.train.augment.shift=-1"),
        ({"augment": {"shifts": 1}}, {}, "perhaps 'shift'"),
        ({"mixup": -0.1}, {}, "model.train.mixup=-0.1"),
        ({"mixup": 0.2, "adversarial": {"eps": 0.1}}, {}, "mixup and adversarial: one of them"),
        ({"mixup": 0.2, "parity": {"attribute": "sex", "weight": 1}}, {}, "mixup and parity"),
        ({"mixup": 0.2, "reductions": {"attribute": "sex"}}, {}, "mixup and reductions"),
        ({"augment": AUGMENT}, {"network": "mlp", "data": DIABETES}, "model.train.augment of table data"),
        (
            {"mixup": 0.2},
            {
                "network": "mlp",
                "data": DIABETES,
                "checks": {"accuracy.overall": {}, "robustness.pgd": {}},
                "remedies": [{"adversarial_training": {"candidates": [{"eps": 0.1}]}}],
            },
            "adversarial_training with model.train.mixup",
        ),
    ],
)
def test_changes_that_do_not_fit_are_refused_in_one_line_before_training(tmp_path, train, more, says):
    with pytest.raises(ConfigError, match=says) as caught:
        audit.run(config(train, **more), out=tmp_path)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"modality": "text"}, "mixup of text data"),
        ({"modality": "interactions", "task": "ranking"}, "mixup of interactions data"),
        ({"features": (Feature("job", "categorical"),)}, r"mixup with categorical features \(job\)"),
    ],
)
def test_words_items_and_categories_are_not_mixed(changed, says):
    given = load(config({"mixup": 0.2}, "mlp", DIABETES)).config.model
    data = replace(embedded.load("diabetes", SplitPlan()), **changed)
    with pytest.raises(ConfigError, match=says):
        training.refuse(given, data)


def test_the_key_of_kept_weights_follows_every_option():
    data, given = embedded.load("digits", SplitPlan()), load(config({})).config.model
    digests = {"train": "a", "validation": "b"}

    def key(**train):
        how = TrainConfig(**train)
        course = training.Course(given.model_copy(update={"train": how}), how, data, DecisionRule())
        return training.key(course, digests, 0, (), "")

    every = [{}, {"mixup": 0.1}, {"mixup": 0.2}, {"augment": AUGMENT}, {"augment": {**AUGMENT, "shift": 2}}]
    assert len({key(**train) for train in every}) == 5 and key(**every[3]) == key(
        **json.loads(json.dumps(every[3]))
    )
