"""Integrated gradients, gradient x input and saliency against closed forms, a naive sum and the axioms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.attribution.batching import eagerly
from audit.attribution.explanation import as_explanation
from audit.attribution.gradients import gradient_x_input, integrated_gradients, saliency
from audit.attribution.margins import identity, log_odds
from audit.devices import map_examples


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def linear(w, x):
    return x @ w


def relu_network(params, x):
    for w in params[:-1]:
        x = jax.nn.relu(x @ w)
    return x @ params[-1]


PARAMS = [draw(0, 5, 16), draw(1, 16, 16) / 2, draw(2, 16, 3) / 2]
X, ZERO, START = draw(3, 9, 5), np.zeros((1, 5), np.float32), draw(11, 1, 5)


def test_linear_model_has_weight_times_distance_in_one_step():
    w, z = draw(4, 5, 2), draw(5, 1, 5)
    found = integrated_gradients(linear, w, X, z, margin=identity, steps=1, most=1)
    np.testing.assert_allclose(found.values, (X - z)[:, :, None] * w, atol=1e-5)
    np.testing.assert_allclose(found.outputs, X @ w, atol=1e-5)
    np.testing.assert_allclose(found.base, np.tile(z @ w, (9, 1)), atol=1e-5)
    assert found.completeness.max() < 1e-5 and (found.steps == 1).all()
    assert found.evaluations == 9 * 3 and found.standard_errors is None


def test_a_product_is_shared_equally_from_zero():
    def product(p, x):
        return x[:, :1] * x[:, 1:2] * x[:, 2:3]

    found = integrated_gradients(product, None, X, ZERO, margin=identity)
    each = X[:, :3].prod(axis=1) / 3
    np.testing.assert_allclose(found.values[:, :3, 0], np.tile(each[:, None], 3), atol=1e-6)
    assert not found.values[:, 3:].any()


def test_a_quadratic_form_has_its_closed_form_from_any_baseline():
    q, z = draw(6, 5, 5), draw(7, 9, 5)

    def quadratic(p, x):
        return ((x @ p) * x).sum(axis=1, keepdims=True)

    found = integrated_gradients(quadratic, q, X, z, margin=identity)
    expected = (X - z) * ((X + z) / 2 @ (q + q.T))  # the gradient at the middle of the path
    np.testing.assert_allclose(found.values[:, :, 0], expected, atol=1e-4)
    assert (found.steps == 16).all()


def test_a_naive_riemann_sum_agrees_on_a_network():
    found = integrated_gradients(relu_network, PARAMS, X, ZERO, margin=log_odds, tolerance=1e-3)
    grad = jax.jit(jax.vmap(jax.jacrev(lambda x: log_odds(relu_network(PARAMS, x[None]))[0])))
    sums = np.mean([np.asarray(grad(X * (k + 0.5) / 1000), np.float64) for k in range(1000)], axis=0)
    np.testing.assert_allclose(found.values, X[:, :, None] * sums.transpose(0, 2, 1), atol=0.02)


def test_steps_double_for_the_rows_that_need_them_until_values_add_up():
    found = integrated_gradients(relu_network, PARAMS, X, START, margin=identity, tolerance=0.005)
    size = np.abs(found.values).sum(axis=1)
    assert (found.completeness <= 0.005 * size + 1e-6 * np.abs(found.outputs).max()).all()
    assert set(found.steps) <= {16, 32, 64, 128, 256, 512} and len(set(found.steps)) > 1
    assert found.evaluations == 2 * 9 + sum(2 * s - 16 for s in found.steps)
    total = found.values.sum(axis=1) - (found.outputs - found.base)
    np.testing.assert_allclose(found.completeness, np.abs(total), atol=1e-12)


def test_a_step_function_never_adds_up_and_says_so():
    def stairs(p, x):
        return jnp.floor(x[:, :1])

    found = integrated_gradients(stairs, None, X + 3, ZERO, margin=identity, most=64)
    assert not found.values.any() and (found.steps == 64).all()
    np.testing.assert_allclose(found.completeness, np.floor(X[:, :1] + 3), atol=1e-6)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_dummies_get_nothing_and_twins_the_same(seed):
    params = [draw(seed, 5, 16), draw(seed + 1, 16, 2)]
    params[0][4] = 0.0
    params[0][1] = params[0][0]
    x = draw(seed + 2, 4, 5)
    x[:, 1] = x[:, 0]
    found = integrated_gradients(relu_network, params, x, ZERO, margin=identity)
    assert np.abs(found.values[:, 4]).max() == 0
    np.testing.assert_allclose(found.values[:, 0], found.values[:, 1], atol=1e-5)


def test_one_output_a_row_is_that_column_of_all_outputs():
    column = np.arange(9) % 3
    every = integrated_gradients(relu_network, PARAMS, X, ZERO, margin=log_odds, steps=32, most=32)
    one = integrated_gradients(
        relu_network, PARAMS, X, ZERO, margin=log_odds, steps=32, most=32, column=column
    )
    for name in ("values", "outputs", "base"):
        whole = getattr(every, name)
        chosen = np.stack([whole[i, ..., c] for i, c in enumerate(column)])[..., None]
        np.testing.assert_allclose(getattr(one, name), chosen, atol=1e-5)


def test_an_input_that_does_not_move_gets_nothing_and_the_path_starts_at_its_own_value():
    moves = np.array([True, True, True, False, True])
    found = integrated_gradients(relu_network, PARAMS, X, ZERO, margin=identity, moves=moves)
    start = np.where(moves, 0.0, X).astype(np.float32)
    other = integrated_gradients(relu_network, PARAMS, X, start, margin=identity)
    assert not found.values[:, 3].any()
    np.testing.assert_allclose(found.values, other.values, atol=1e-5)
    np.testing.assert_allclose(found.base, other.base, atol=1e-5)


def test_rows_are_independent_and_batches_change_nothing_in_integrated_gradients():
    options = {"margin": identity, "most": 64}
    whole = integrated_gradients(relu_network, PARAMS, X, START, **options)
    for few in (
        integrated_gradients(relu_network, PARAMS, X[:2], START, **options),
        integrated_gradients(relu_network, PARAMS, X, START, batch=4, over=map_examples, **options),
        integrated_gradients(relu_network, PARAMS, X, START, over=eagerly, **options),
    ):
        n = len(few.values)
        np.testing.assert_allclose(few.values, whole.values[:n], atol=1e-5)
        np.testing.assert_array_equal(few.steps, whole.steps[:n])


def test_no_more_inputs_than_the_batch_are_in_the_model_at_once():
    shapes = set()

    def seen(p, x):
        shapes.add(x.shape)
        return jnp.tanh(x @ p)

    integrated_gradients(seen, draw(0, 5, 2), X, ZERO, margin=identity, batch=4, tolerance=1e-9, most=256)
    assert shapes == {(4, 5)}


def test_a_tree_of_inputs_is_explained_leaf_by_leaf():
    x = {"a": X, "b": draw(8, 9, 2, 2)}
    zero = jax.tree.map(lambda leaf: np.zeros_like(leaf[:1]), x)

    def f(p, x):
        return x["a"][:, :1] * x["b"][:, 0, 1:2]

    found = integrated_gradients(f, None, x, zero, margin=identity)
    half = x["a"][:, 0] * x["b"][:, 0, 1] / 2
    assert found.values["b"].shape == (9, 2, 2, 1)
    np.testing.assert_allclose(found.values["a"][:, 0, 0], half, atol=1e-6)
    np.testing.assert_allclose(found.values["b"][:, 0, 1, 0], half, atol=1e-6)
    held = integrated_gradients(f, None, x, zero, margin=identity, moves={"a": True, "b": False})
    np.testing.assert_allclose(held.values["a"][:, 0, 0], 2 * half, atol=1e-6)
    assert not held.values["b"].any()


def test_gradient_x_input_and_saliency_are_what_their_names_say():
    grad = np.asarray(jax.jit(jax.vmap(jax.jacrev(lambda x: relu_network(PARAMS, x[None])[0])))(X)).transpose(
        0, 2, 1
    )
    found = gradient_x_input(relu_network, PARAMS, X, margin=identity)
    np.testing.assert_allclose(found.values, X[:, :, None] * grad, atol=1e-5)
    np.testing.assert_allclose(saliency(relu_network, PARAMS, X, margin=identity), np.abs(grad), atol=1e-5)
    assert found.completeness.max() < 1e-4  # without biases a ReLU network is linear on every ray from 0


def test_gradients_become_an_explanation_whose_parts_add_up():
    x, w = draw(9, 3, 4, 4, 2), draw(10, 32, 2)

    def f(p, x):
        return jnp.tanh(x.reshape(len(x), -1) @ p)

    zero = np.zeros_like(x[:1])
    found = integrated_gradients(f, w, x, zero, margin=identity, tolerance=1e-5)
    explanation = as_explanation(found, x)
    assert explanation.values.shape == (3, 4, 4, 2, 2)
    np.testing.assert_allclose(
        explanation.values.sum(axis=(1, 2, 3)) + explanation.base_values, found.outputs, atol=1e-3
    )


@pytest.mark.parametrize(
    ("x", "baseline", "options", "message"),
    [
        (X[:0], ZERO, {}, "rows of one shape"),
        (X, np.zeros((1, 4), np.float32), {}, "rows of one shape"),
        (X, np.zeros((2, 5), np.float32), {}, "baseline of 2 rows"),
        (np.ones((9, 5), int), np.zeros((1, 5), int), {}, "floating-point"),
        (X, ZERO, {"steps": 0}, "1 <= steps"),
        (X, ZERO, {"steps": 20, "most": 10}, "1 <= steps"),
        (X, ZERO, {"column": np.zeros(3, int)}, "one output for each"),
    ],
)
def test_paths_that_do_not_fit_are_refused(x, baseline, options, message):
    with pytest.raises(ValueError, match=message):
        integrated_gradients(relu_network, PARAMS, x, baseline, margin=identity, **options)
