"""Faithfulness, ranks, sensitivity and randomisation against naive re-implementations and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import spearmanr

from audit import stats
from audit.attribution import faithfulness, margins, players, randomisation, ranks, sensitivity
from audit.attribution.departure import gradient_times_departure
from audit.attribution.masking import Masking, masked

W = np.array([[2.0], [-1.0], [0.5], [0.0], [1.0]], np.float32)


def linear(params, x):
    return x @ params


def game(n=60, seed=0):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(n, 5)).astype(np.float32), np.zeros((1, 5), np.float32)
    filled = Masking(linear, W, x, z, np.zeros((n, 1), int), players.columns(5), batch=64)
    return x, lambda member: masked(filled, member, margins.identity)[..., 0]


def test_spearman_is_scipys_with_ties_and_says_when_there_is_no_order():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 4, (30, 7)).astype(float), rng.normal(size=(30, 7))
    expected = [spearmanr(*pair).statistic for pair in zip(a, b, strict=True)]
    assert ranks.spearman(a, b) == pytest.approx(expected, abs=1e-12)
    assert ranks.spearman(np.ones((1, 3)), np.full((1, 3), 2.0)) == 1.0
    assert np.isnan(ranks.spearman(np.ones((1, 3)), np.arange(3.0)[None])).all()


def test_top_overlap_is_the_jaccard_index_of_sets():
    a, b = np.array([[3.0, 2.0, 1.0, 0.0]]), np.array([[3.0, 0.0, 2.0, 1.0]])
    assert ranks.top_overlap(a, b, 2) == pytest.approx([1 / 3])
    assert ranks.top_overlap(a, a, 2) == 1.0


def test_ties_fall_at_random_in_every_row():
    found = ranks.places(np.zeros((4000, 3)), np.random.default_rng(0))
    assert np.abs(found.mean(axis=0) - 1).max() < 0.06
    assert (ranks.places(np.array([[1.0, 3.0, 2.0]]), np.random.default_rng(0)) == [[2, 0, 1]]).all()


def test_halves_of_alike_rows_agree_and_clusters_stay_together():
    rng, steady = np.random.default_rng(0), np.tile([3.0, 2.0, 1.0, 0.5], (20, 1))
    assert ranks.half_splits(steady, 2, rng) == (1.0, 1.0)
    assert all(np.isnan(ranks.half_splits(steady, 2, rng, cluster=np.zeros(20))))
    two = np.repeat([[4.0, 3, 2, 1], [1, 2, 3, 4]], 10, axis=0)  # two clusters that disagree entirely
    assert ranks.half_splits(two, 2, rng, cluster=np.repeat([0, 1], 10)) == (-1.0, 0.0)


def test_masking_averages_the_outcome_over_each_rows_own_fills():
    rng = np.random.default_rng(2)
    x, pool = rng.random((3, 4, 4, 2)).astype(np.float32), rng.random((6, 4, 4, 2)).astype(np.float32)
    fills, groups = rng.integers(0, 6, (3, 2)), players.patches(4, 4, 2)
    member = rng.random((3, 5, 4)) < 0.5

    def apply(params, x):
        return jnp.square(x).sum(axis=(1, 2, 3), keepdims=False)[:, None] * params

    found = masked(Masking(apply, 2.0, x, pool, fills, groups, batch=8), member, jnp.sin)
    for i in range(3):
        for k in range(5):
            kept = member[i, k][groups][..., None]
            each = [np.sin(2 * np.square(np.where(kept, x[i], pool[j])).sum()) for j in fills[i]]
            assert found[i, k, 0] == pytest.approx(np.mean(each), abs=1e-4)


def test_curves_and_scores_are_a_naive_loops():
    x, worth = game(n=4)
    order = np.array([[0, 2, 3, 4, 1]] * 4)  # places of the five players
    shares, counts = (0.2, 0.5), faithfulness.grid(5, (0.2, 0.5))
    assert counts.tolist() == [0, 1, 2, 3, 4, 5]
    found = faithfulness.curves(worth, order, counts)
    score = faithfulness.scores(found, shares)
    for i in range(4):
        part = x[i] * W[:, 0]
        without = [part[order[i] >= k].sum() for k in counts]
        alone = [part[order[i] < k].sum() for k in counts]
        assert found.deletion[i] == pytest.approx(without, abs=1e-5)
        assert found.insertion[i] == pytest.approx(alone, abs=1e-5)
        area = sum((a + b) / 2 / 5 for a, b in zip(without, without[1:], strict=False))
        assert score.deletion[i] == pytest.approx(area, abs=1e-5)
        assert score.comprehensiveness[i] == pytest.approx(
            part.sum() - (without[1] + without[3]) / 2, abs=1e-5
        )
        assert score.sufficiency[i] == pytest.approx(part.sum() - (alone[1] + alone[3]) / 2, abs=1e-5)


def test_many_players_are_taken_in_steps_and_shares_round_up():
    assert faithfulness.grid(100, (0.01, 0.5)).tolist() == sorted({*range(0, 101, 5), 1})
    assert faithfulness.counts_of(10, (0.1, 0.11, 0.5)).tolist() == [1, 2, 5]


def _gain(values, x, worth, seed):
    """Gains of an order by these values over five random orders, as the check computes them."""
    rng, counts, shares = np.random.default_rng(seed), faithfulness.grid(5, (0.2, 0.5)), (0.2, 0.5)
    own = faithfulness.scores(faithfulness.curves(worth, ranks.places(values, rng), counts), shares)
    random = [
        faithfulness.scores(faithfulness.curves(worth, ranks.random_places(x.shape, rng), counts), shares)
        for _ in range(5)
    ]
    return faithfulness.gains(own, random)


def test_the_true_explanation_beats_random_orders_and_its_reverse_loses():
    x, worth = game()
    truth = x * W[:, 0]
    for name, gain in _gain(truth, x, worth, 3).items():
        assert stats.mean(gain).low > 0, name
    for name, gain in _gain(-truth, x, worth, 3).items():
        assert stats.mean(gain).high < 0, name


@pytest.mark.parametrize("constant", [False, True])
def test_an_explanation_without_information_is_no_better_than_chance_in_95_of_100_cases(constant):
    """The interval of the gain of a random explainer, and of one whose values all tie, holds 0 about so often."""

    def worth_of(x):
        part = np.exp(0.7 * x) * W[:, 0]  # skewed parts of a probability
        return lambda member: 1 / (1 + np.exp(1.0 - np.einsum("nkp,np->nk", member, part)))

    rng, held, cases = (
        np.random.default_rng(5),
        dict.fromkeys(("deletion", "comprehensiveness", "sufficiency"), 0),
        300,
    )
    for case in range(cases):
        x = rng.normal(size=(50, 5))
        values = np.ones_like(x) if constant else rng.normal(size=x.shape)
        found = _gain(values, x, worth_of(x), case)
        for name in held:
            e = stats.mean(found[name])
            held[name] += e.low <= 0 <= e.high
    assert all(0.9 <= n / cases <= 0.995 for n in held.values()), held


def test_infidelity_of_the_true_linear_explanation_is_zero_and_of_zeros_the_whole_change():
    x, worth = game(n=10)
    kept = np.random.default_rng(0).random((10, 6, 5)) < 0.5
    error, change = sensitivity.infidelity(x * W[:, 0], worth, kept)
    assert np.abs(error).max() < 1e-9
    nothing, same = sensitivity.infidelity(np.zeros((10, 5)), worth, kept)
    assert nothing == pytest.approx(same) and same == pytest.approx(change)
    expected = [np.mean([(x[i] * W[:, 0])[~k].sum() ** 2 for k in kept[i]]) for i in range(10)]
    assert change == pytest.approx(expected, rel=1e-4)


def test_max_sensitivity_is_the_largest_relative_change_and_undefined_of_zeros():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    moved = np.stack([x + [[1, 0]], x + [[0, -2]], x])
    found = sensitivity.max_sensitivity(lambda p, v: p * v, 2.0, x, moved)
    assert found[0] == pytest.approx(2 / 5) and np.isnan(found[1])
    assert sensitivity.max_sensitivity(lambda p, v: np.ones_like(v), 2.0, x, moved) == pytest.approx([0, 0])


def test_gradient_times_departure_is_the_true_explanation_of_a_linear_model():
    rng = np.random.default_rng(4)
    x, w = rng.normal(size=(6, 4, 4, 2)).astype(np.float32), rng.normal(size=(32, 3)).astype(np.float32)
    reference, column = rng.normal(size=(4, 4, 2)).astype(np.float32), np.array([0, 1, 2, 0, 1, 2])

    def apply(params, x):
        return x.reshape(len(x), -1) @ params

    groups = players.patches(4, 4, 2)
    found = gradient_times_departure(
        apply, w, x, reference, groups=groups, margin=margins.identity, column=column, batch=4
    )
    each = (x - reference) * w.T[column].reshape(6, 4, 4, 2)
    for p in range(4):
        assert found[:, p] == pytest.approx(each[:, groups == p].sum(axis=(1, 2)), rel=1e-4, abs=1e-4)


# ---------------------------------------------------------------- randomisation


def deep(params, x):
    hidden = jax.jit(lambda w, x: jnp.tanh(x @ w["kernel"] + w["bias"][None]))(params["params"]["zebra"], x)
    hidden = hidden * (params["constants"] * 2)
    hidden = jax.nn.relu(hidden @ params["params"]["apple"]["kernel"].T)
    return hidden @ params["params"]["middle"]["kernel"]


def deep_params():
    rng = np.random.default_rng(0)
    new = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    return {
        "params": {
            "apple": {"kernel": new(3, 4)},
            "middle": {"kernel": new(3, 2)},
            "zebra": {"kernel": new(5, 4), "bias": new(4)},
        },
        "constants": np.float32(3.0),
    }


def test_layers_come_from_the_output_down_whatever_their_names():
    x = np.ones((3, 5), np.float32)
    found = randomisation.layers(deep, deep_params(), x)
    assert [(layer.name, layer.size) for layer in found] == [("middle", 6), ("apple", 12), ("zebra", 24)]
    assert [[layer.name for layer in step] for step in randomisation.stages(found, 2)] == [
        ["middle", "apple"],
        ["zebra"],
    ]
    (one,) = randomisation.layers(None, deep_params(), x)
    assert one.name == "all parameters" and one.size == 42


def test_redrawing_keeps_scale_and_constants_and_mixes_by_layer():
    params, x = deep_params(), np.ones((3, 5), np.float32)
    params["params"]["empty"] = np.empty(0, np.float32)
    params["params"]["zebra"]["kernel"] = np.full((500, 4), 0.3, np.float32)
    other = randomisation.redrawn(params, np.random.default_rng(1))
    drawn = other["params"]["zebra"]["kernel"]
    assert (
        drawn.std() == pytest.approx(0.3, rel=0.1) and abs(drawn.mean()) < 0.03 and drawn.dtype == np.float32
    )
    assert other["params"].pop("empty").size == params["params"].pop("empty").size == 0
    found = randomisation.layers(deep, deep_params(), x)
    half = randomisation.mixed(params, other, found[:2])
    assert half["constants"] == params["constants"]
    assert (half["params"]["zebra"]["kernel"] == params["params"]["zebra"]["kernel"]).all()
    assert (half["params"]["apple"]["kernel"] == other["params"]["apple"]["kernel"]).all()
    whole = randomisation.mixed(params, other, found)
    assert whole["constants"] == params["constants"]


@pytest.mark.parametrize("params", [None, {"params": None}, np.array([1, 2]), [object()]])
def test_what_holds_no_floating_array_cannot_be_randomised(params):
    with pytest.raises(TypeError, match="the model's parameters hold"):
        randomisation.layers(None, params, np.ones((1, 2)))
