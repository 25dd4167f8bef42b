"""Reductions: fairlearn's own gap around another learner, weights and relabelled rows honoured, favourable class 0."""

import numpy as np
import pytest
from fairlearn import reductions
from sklearn.linear_model import LogisticRegression

from audit.errors import ModelError
from audit.reductions import _Oracle, reduced
from audit.remedies.options import Reduction
from audit.subject import Dataset, Split
from models.build import build
from models.mixture import mixture
from models.recipe import Recipe
from models.train import fit

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:fairlearn")  # its own use of pandas


def people(n, seed):
    rng = np.random.default_rng(seed)
    group = rng.choice(["f", "m"], n)
    x = np.stack([rng.normal(size=n), rng.normal(size=n) - 1.2 * (group == "f")], axis=1)
    y = (x @ [1.0, 1.0] + rng.logistic(size=n) > 0).astype(np.int32)
    return Split(x.astype(np.float32), y, np.arange(n).astype(str), groups={"sex": group})


TRAIN = people(1200, 0)
RECIPE = Recipe(epochs=15, batch=200, learning_rate=0.1, weight_decay=0.0, patience=None, schedule="cosine")
NETWORK = build("mlp", shape=(2,), outputs=1, seed=0, options={"hidden": [], "bins": 0}, x_train=TRAIN.x)
FAIRLEARN = {
    "demographic_parity": reductions.DemographicParity,
    "equalized_odds": reductions.EqualizedOdds,
    "true_positive_rate_parity": reductions.TruePositiveRateParity,
    "false_positive_rate_parity": reductions.FalsePositiveRateParity,
    "error_rate_parity": reductions.ErrorRateParity,
}


def dataset(favourable=1, split=TRAIN):
    return Dataset(
        "d", "binary", "table", {"train": split, "test": split}, classes=("no", "yes"), favourable=favourable
    )


def train(y, weight):
    """Train the logistic network on these labels and weights."""
    return fit(NETWORK, (TRAIN.x, y, weight), None, "binary", RECIPE).network


def decided(network):
    return (np.asarray(network.apply(network.params, TRAIN.x))[:, 0] >= 0).astype(int)


@pytest.mark.parametrize(
    ("constraint", "favourable"),
    [("demographic_parity", 1), ("demographic_parity", 0), ("equalized_odds", 1)],
)
def test_the_mixture_reaches_the_error_and_the_gap_of_fairlearn_around_logistic_regression(
    constraint, favourable
):
    how = Reduction(attribute="sex", constraint=constraint, difference_bound=0.02, max_iter=12)
    found = reduced(dataset(favourable), how, train, decided)
    y = (TRAIN.y == favourable).astype(int)
    known = reductions.ExponentiatedGradient(
        LogisticRegression(), FAIRLEARN[constraint](difference_bound=0.02), eps=0.02, max_iter=12
    ).fit(TRAIN.x, y, sensitive_features=TRAIN.groups["sex"])

    def figures(chance):
        moment = FAIRLEARN[constraint](difference_bound=0.02)
        moment.load_data(TRAIN.x, y, sensitive_features=TRAIN.groups["sex"])
        return np.abs(chance - y).mean(), moment.gamma(lambda _: chance).max()

    ours = (
        sum(m.share * (decided(m.network) == favourable) for m in found.members) + found.constant[favourable]
    )
    (error, violation), (their_error, theirs) = figures(ours), figures(known._pmf_predict(TRAIN.x)[:, 1])
    plain = figures((decided(train(TRAIN.y, np.ones(len(y)))) == favourable).astype(float))
    assert plain[1] > 0.06
    assert violation == pytest.approx(theirs, abs=0.01) and violation < 0.04
    assert error == pytest.approx(their_error, abs=0.02)
    for m in found.members:
        chosen = (decided(m.network) == favourable).astype(int)
        assert (m.error, m.violation) == pytest.approx(figures(chosen), abs=1e-9)
    assert sum(m.share for m in found.members) + sum(found.constant) == pytest.approx(1)
    mixed = mixture(
        NETWORK, [m.network.params for m in found.members], [m.share for m in found.members], found.constant
    )
    assert np.isfinite(mixed.apply(mixed.params, TRAIN.x)).all()
    assert "would draw one network for each decision" in found.says and "0.02" in found.says


@pytest.mark.parametrize("favourable", [1, 0])
def test_every_call_trains_on_what_fairlearn_gives_and_equal_calls_once(favourable):
    seen = []

    def told(y, weight):
        seen.append((y, weight))
        return len(seen)

    oracle = _Oracle(told, lambda network: np.array([network % 2, 0, 1]), favourable)
    rows, y, weight = np.arange(3)[:, None], np.array([1, 0, 1]), np.array([0.5, 2.0, 0.0])
    oracle.fit(rows, y, sample_weight=weight)
    np.testing.assert_array_equal(seen[0][0], y if favourable else 1 - y)
    np.testing.assert_array_equal(seen[0][1], weight)
    expected = np.array([1, 0, 1]) if favourable else np.array([0, 1, 0])
    np.testing.assert_array_equal(oracle.predict(rows), expected)
    np.testing.assert_array_equal(oracle.predict(rows[::-1]), expected[::-1])
    oracle.__deepcopy__(None).fit(rows, y, sample_weight=weight.copy())
    oracle.fit(rows, y, sample_weight=2 * weight)
    assert len(seen) == 2


def test_a_mixture_without_a_network_is_refused():
    split = people(200, 3)
    split.y[:] = 1
    with pytest.raises(ModelError, match="constant answer"):
        reduced(dataset(split=split), Reduction(attribute="sex", max_iter=1), train, decided)
