"""The penalty on the gap between groups: as its definition, not inflated by small batches, and what it does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.errors import ConfigError
from audit.remedies import parity_rows
from audit.remedies.gap import contrasts, gap
from audit.remedies.options import ParityPenalty, Reduction
from audit.subject import Dataset, Split
from models.adapt import from_function
from models.recipe import Recipe
from models.train import fit

CONSTRAINTS = (
    "demographic_parity",
    "equalized_odds",
    "true_positive_rate_parity",
    "false_positive_rate_parity",
    "error_rate_parity",
)
LINE = from_function(lambda p, x: x @ p["w"] + p["b"], {"w": jnp.zeros((3, 1)), "b": jnp.zeros((1, 1))})


def people(n, seed, groups=("f", "m", "x")):
    """Rows of whom the first group is favourable less often; its sign shows in the second feature."""
    rng = np.random.default_rng(seed)
    group = rng.choice(groups, n, p=[0.4, 0.5, 0.1] if len(groups) == 3 else None)
    low = (group == "f").astype(float)
    x = np.stack([rng.normal(size=n), rng.normal(size=n) - 1.5 * low, rng.normal(size=n)], axis=1)
    y = (x @ [1.0, 0.7, 0.5] + rng.logistic(size=n) > 0).astype(np.int32)
    return Split(x.astype(np.float32), y, np.arange(n).astype(str), groups={"sex": group})


def dataset(favourable=1, **splits):
    known = {"train": people(400, 0), "validation": people(200, 1), "test": people(300, 2), **splits}
    return Dataset("d", "binary", "table", known, classes=("no", "yes"), favourable=favourable)


def by_hand(constraint, favourable, split, logit):
    """Return sum over classes and groups of P(g | class) (mean of group - mean of class)^2, in loops."""
    p = 1 / (1 + np.exp(-logit))
    good = split.y == favourable
    score = p if favourable else 1 - p
    if constraint == "error_rate_parity":
        score = np.where(split.y == 1, 1 - p, p)
    events = {"true_positive_rate_parity": [good], "false_positive_rate_parity": [~good],
              "equalized_odds": [good, ~good]}.get(constraint, [np.ones(len(p), bool)])  # fmt: skip
    total = 0.0
    for event in events:
        for g in np.unique(split.groups["sex"]):
            at = event & (split.groups["sex"] == g)
            total += at.sum() / event.sum() * (score[at].mean() - score[event].mean()) ** 2
    return total


def value(how, data, split, logit, rows=None, filler=0):
    """Return the penalty of these rows, with `filler` copies of the first that do not count."""
    rows = np.arange(len(split)) if rows is None else rows
    at = np.concatenate([rows, np.repeat(rows[:1], filler)])
    extra = {k: jnp.asarray(v[at]) for k, v in contrasts(how, data, split).items()}
    real = jnp.asarray((np.arange(len(at)) < len(rows)).astype(np.float32))
    return float(
        gap(how, data)(jnp.asarray(logit[at, None], jnp.float32), jnp.asarray(split.y[at]), extra, real)
    )


@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize("favourable", [0, 1])
def test_on_all_rows_it_is_the_variance_between_groups_less_what_chance_adds(constraint, favourable):
    data = dataset(favourable, train=people(20_000, 5))
    split, how = data.splits["train"], ParityPenalty(attribute="sex", constraint=constraint, weight=3.0)
    logit = split.x @ np.array([1.0, 1.2, 0.0])
    assert value(how, data, split, logit) == pytest.approx(
        3 * by_hand(constraint, favourable, split, logit), abs=2e-3
    )
    assert value(how, data, split, logit) > 3 * 0.0005


@pytest.mark.parametrize("slope", [1.2, 0.0])
def test_the_mean_over_small_batches_is_that_of_all_rows_where_the_plain_square_is_inflated(slope):
    data = dataset(train=people(6000, 7))
    split, how = data.splits["train"], ParityPenalty(attribute="sex", weight=1.0)
    logit = split.x @ np.array([1.0, slope, 0.0])
    truth, rng = by_hand("demographic_parity", 1, split, logit), np.random.default_rng(0)
    extra = {k: jnp.asarray(v) for k, v in contrasts(how, data, split).items()}
    penalty, outputs, y = gap(how, data), jnp.asarray(logit[:, None], jnp.float32), jnp.asarray(split.y)
    batches = jnp.asarray(np.stack([rng.permutation(6000)[:64] for _ in range(3000)]))

    def one(rows):
        return penalty(outputs[rows], y[rows], {k: v[rows] for k, v in extra.items()}, jnp.ones(64))

    found = np.asarray(jax.jit(lambda b: jax.lax.map(one, b))(batches))
    error = 4 * float(found.std()) / 3000**0.5
    assert float(found.mean()) == pytest.approx(truth, abs=error + 2e-4)
    some = np.asarray(batches)[:200]
    plain = [by_hand("demographic_parity", 1, split.take(rows), logit[rows]) for rows in some]
    assert np.mean(plain) > truth + 0.0008 > found.mean() + error


def test_rows_that_fill_up_a_batch_change_nothing_and_a_batch_of_one_has_no_gap():
    data = dataset()
    split, how = data.splits["train"], ParityPenalty(attribute="sex", weight=1.0)
    logit = split.x @ np.array([1.0, 1.2, 0.0])
    rows = np.arange(50)
    assert value(how, data, split, logit, rows, filler=14) == pytest.approx(
        value(how, data, split, logit, rows), rel=1e-4
    )
    assert value(how, data, split, logit, rows[:1]) == 0.0


def test_a_group_that_a_split_lacks_has_no_part_in_it():
    lone = people(200, 1, groups=("f", "m"))
    data = dataset(validation=lone)
    found = contrasts(ParityPenalty(attribute="sex", weight=1.0), data, lone)
    assert found["contrast"].shape == (200, 3)
    assert not found["contrast"][:, 2].any() and found["contrast"][:, :2].any(axis=0).all()
    np.testing.assert_allclose(found["contrast"].mean(axis=0), 0, atol=1e-5)


def trained(weight, data, batch=64):
    """Return the trained network's history and its favourable rates by group on test, and its accuracy there."""
    train, held = data.splits["train"], data.splits["validation"]
    recipe = Recipe(epochs=30, batch=batch, learning_rate=0.05, weight_decay=0.0, patience=None)
    how = ParityPenalty(attribute="sex", weight=weight) if weight else None
    extra = [contrasts(how, data, s) if how else None for s in (train, held)]
    done = fit(LINE, (train.x, train.y, None, extra[0]), (held.x, held.y, None, extra[1]), "binary", recipe,
               joint=gap(how, data) if how else None)  # fmt: skip
    test = data.test
    chosen = np.asarray(done.network.apply(done.network.params, test.x))[:, 0] > 0
    rates = [chosen[test.groups["sex"] == g].mean() for g in ("f", "m")]
    return done.history, rates[1] - rates[0], (chosen == test.y).mean()


def test_training_with_it_shrinks_a_planted_gap_within_a_stated_loss_of_accuracy():
    data = dataset(train=people(3000, 3), validation=people(800, 4), test=people(4000, 5))
    (plain, before, right), (_, some, kept), (_, most, _) = (trained(w, data) for w in (0.0, 3.0, 30.0))
    assert before > 0.3
    assert most < some < before and most < 0.25 * before
    assert kept > right - 0.05
    assert plain[-1].validation < 0.6


def test_the_loss_on_validation_holds_the_penalty_too():
    data = dataset()
    start = {"params": {"w": jnp.asarray([[1.0], [1.0], [0.5]]), "b": jnp.zeros((1, 1))}, "constants": {}}
    network, split = type(LINE)(LINE.apply, start, LINE.train_apply, "line"), data.splits["validation"]
    how = ParityPenalty(attribute="sex", weight=10.0)
    frozen = Recipe(epochs=1, batch=400, learning_rate=1e-12, optimizer="sgd", weight_decay=0.0)
    train = data.splits["train"]
    rows = [(s.x, s.y, None, contrasts(how, data, s)) for s in (train, split)]
    with_it = fit(network, *rows, "binary", frozen, joint=gap(how, data)).history[0]
    without = fit(network, *rows, "binary", frozen).history[0]
    for found, plain, s in (
        (with_it.train, without.train, train),
        (with_it.validation, without.validation, split),
    ):
        expected = value(how, data, s, s.x @ np.array([1.0, 1.0, 0.5]))
        assert found - plain == pytest.approx(expected, rel=1e-3) and expected > 0.1


@pytest.mark.parametrize(
    ("how", "changes", "says"),
    [
        ({"attribute": "age"}, {}, r"attribute='age'.*a sensitive attribute \(sex\)"),
        ({}, {"favourable": None}, "one declared favourable"),
        ({}, {"train": people(60, 1, groups=("f", "f"))}, "sex is f in every training row"),
        ({}, {"train": Split(np.zeros((2, 3)), np.array([0, 1]), np.array(["a", "b"]))}, "unknown in train"),
    ],
)
@pytest.mark.parametrize("kind", [Reduction, ParityPenalty])
def test_what_has_no_groups_to_compare_is_refused(how, changes, says, kind):
    own = {"weight": 1.0} if kind is ParityPenalty else {}
    with pytest.raises(ConfigError, match=says) as error:
        parity_rows.refuse(dataset(**changes), kind(**{"attribute": "sex", **own, **how}), "here")
    assert "\n" not in str(error.value)


def test_a_group_without_rows_of_a_class_is_refused_only_where_that_class_is_compared():
    train = people(300, 1)
    train.y[train.groups["sex"] == "x"] = 0
    data = dataset(train=train)
    with pytest.raises(ConfigError, match="sex=x has no training row of the favourable class"):
        parity_rows.refuse(data, Reduction(attribute="sex", constraint="equalized_odds"), "here")
    parity_rows.refuse(data, Reduction(attribute="sex", constraint="demographic_parity"), "here")
    parity_rows.refuse(data, Reduction(attribute="sex", constraint="false_positive_rate_parity"), "here")
