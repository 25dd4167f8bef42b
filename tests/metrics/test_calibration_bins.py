"""Calibration summaries against naive loops, textbook values and a perfectly calibrated model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from audit.metrics.calibration import (
    consistency_test,
    log_loss,
    reliability,
    squared_error,
    top_label,
)
from audit.metrics.sanity import looks_like_probabilities


def scores(seed, n, classes=2):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes), n)
    return p, np.array([rng.choice(classes, p=row) for row in p])


def test_bins_of_ten_distinct_rows_by_hand():
    confidence = np.array([0.9, 0.1, 0.2, 0.3, 1.0, 0.5, 0.6, 0.7, 0.8, 0.0])
    correct = np.array([1, 0, 0, 1, 1, 0, 1, 1, 0, 0])
    found = reliability(confidence, correct, 2)
    np.testing.assert_allclose(found.lower, [0.0, 0.6])  # 0.6 is the sixth value of ten
    np.testing.assert_allclose(found.upper, [0.6, 1.0])
    np.testing.assert_array_equal(found.n, [5, 5])
    np.testing.assert_allclose(found.confidence, [0.22, 0.8])
    np.testing.assert_allclose(found.accuracy, [0.2, 0.8])
    np.testing.assert_array_equal(found.index, [1, 0, 0, 0, 1, 0, 1, 1, 1, 0])


def test_confidences_of_exactly_0_and_1_have_bins_of_their_own():
    found = reliability(np.array([1.0] * 4 + [0.0] * 6), np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 1]), 5)
    np.testing.assert_allclose(found.confidence, [0.0, 1.0])
    np.testing.assert_allclose(found.accuracy, [1 / 6, 3 / 4])
    np.testing.assert_array_equal(found.n, [6, 4])


@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), min_size=1, max_size=60), st.integers(2, 20)
)
def test_every_row_has_a_bin_ties_share_it_and_order_is_nothing(values, bins):
    confidence = np.array(values)
    correct = np.arange(len(values)) % 3 == 0
    found = reliability(confidence, correct, bins)
    assert found.n.sum() == len(values) and (found.n > 0).all() and len(found.n) <= bins
    assert (found.lower <= found.confidence + 1e-12).all() and (found.confidence <= found.upper + 1e-12).all()
    for value in set(values):
        assert len(set(found.index[confidence == value])) == 1
    for k in range(len(found.n)):  # the naive loop
        rows = [i for i in range(len(values)) if found.index[i] == k]
        assert found.accuracy[k] == pytest.approx(sum(correct[i] for i in rows) / len(rows))
    order = np.random.default_rng(0).permutation(len(values))
    again = reliability(confidence[order], correct[order], bins)
    np.testing.assert_allclose(again.accuracy, found.accuracy)
    np.testing.assert_array_equal(again.index, found.index[order])


def test_bins_of_a_continuous_score_are_equal_in_size():
    found = reliability(np.random.default_rng(0).random(3001), np.zeros(3001), 15)
    assert len(found.n) == 15 and found.n.max() - found.n.min() <= 1


@pytest.mark.parametrize("confidence", [[], [0.2, 1.1], [-0.1, 0.5], [np.nan, 0.5]])
def test_scores_that_are_no_probabilities_are_refused(confidence):
    with pytest.raises(ValueError, match="values of 0 to 1"):
        reliability(np.array(confidence), np.zeros(len(confidence)), 5)


@pytest.mark.parametrize("classes", [2, 4])
def test_brier_and_log_loss_agree_with_scikit_learn_and_a_loop(classes):
    p, y = scores(1, 300, classes)
    if classes == 2:
        assert squared_error(p, y).mean() == pytest.approx(brier_score_loss(y, p[:, 1]))
    else:
        naive = [sum((p[i, c] - (y[i] == c)) ** 2 for c in range(classes)) for i in range(len(y))]
        np.testing.assert_allclose(squared_error(p, y), naive)
    assert log_loss(p, y).mean() == pytest.approx(sklearn_log_loss(y, p, labels=list(range(classes))))


def test_brier_of_certain_answers_is_0_or_the_most_possible():
    p, y = np.array([[1.0, 0, 0], [1.0, 0, 0]]), np.array([0, 2])
    np.testing.assert_array_equal(squared_error(p, y), [0.0, 2.0])
    np.testing.assert_array_equal(squared_error(p[:, :2], np.array([0, 1])), [0.0, 1.0])
    assert log_loss(p, y)[0] == 0 and np.isfinite(log_loss(p, y)[1])


def test_consistency_test_holds_its_level_on_a_perfect_model():
    rng, ps = np.random.default_rng(3), []
    for seed in range(200):
        confidence = rng.beta(5, 2, 200)
        correct = rng.random(200) < confidence
        ps.append(consistency_test(confidence, correct, bins=10, replicates=99, seed=seed))
    rejected = (np.array(ps) <= 0.05).mean()
    assert rejected <= 0.10  # 0.05 and three standard errors
    assert 0.42 < np.mean(ps) < 0.58


def test_consistency_test_finds_an_overconfident_model_and_ignores_order():
    rng = np.random.default_rng(4)
    truth = rng.uniform(0.3, 0.7, 800)
    correct = rng.random(800) < truth
    shouting = np.where(truth > 0.5, 0.9, 0.1)
    assert consistency_test(shouting, correct, replicates=199) == 1 / 200
    order = rng.permutation(800)
    p = consistency_test(truth, correct, replicates=199, seed=5)
    assert p == consistency_test(truth[order], correct[order], replicates=199, seed=5) > 0.01


def test_consistency_test_of_certain_and_right_answers_never_rejects():
    certain = np.array([0.0] * 20 + [1.0] * 20)
    assert consistency_test(certain, certain.copy(), replicates=19) == 1.0


def test_probabilities_declared_as_logits_are_recognised():
    p, _ = scores(6, 50, 4)
    assert looks_like_probabilities(p) and looks_like_probabilities(p[:, :1])
    assert not looks_like_probabilities(np.log(p))
    assert not looks_like_probabilities(p * 0.5)  # rows do not sum to 1
    assert looks_like_probabilities(p * 0.5, exclusive=False)  # but labels need not
    assert not looks_like_probabilities(np.append(p[:, 0], 1.01)[:, None])
    assert not looks_like_probabilities(np.zeros((0, 1)))
    k = 4
    squashed = np.exp(p) / np.exp(p).sum(axis=1, keepdims=True)
    assert squashed.max() <= np.e / (np.e + k - 1)


@pytest.mark.parametrize(("n", "classes"), [(1, 2), (4096, 3), (9000, 11)])
def test_the_top_label_is_argmax_and_its_softmax(n, classes):
    logits = np.random.default_rng(n).normal(0, 4, (n, classes)).astype(np.float32)
    logits[n // 2, :2] = logits[n // 2].max() + 1  # a tie
    logits[0] = 1e30
    confidence, label = top_label(logits)
    exact = np.exp(logits.astype(float) - logits.max(axis=1, keepdims=True))
    np.testing.assert_array_equal(label, logits.argmax(axis=1))
    np.testing.assert_allclose(confidence, (exact / exact.sum(axis=1, keepdims=True)).max(axis=1), rtol=1e-5)
    assert confidence.dtype == np.float32 and (confidence <= 1).all()
