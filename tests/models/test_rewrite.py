"""The rewritten form of a network: equal values and gradients, the user's own rules kept, a measured choice."""

from dataclasses import replace
from functools import cache

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from models.adapt import from_linen, from_nnx
from models.network import Network
from models.rewrite import choose
from models.rewrite.choose import Choice, faster
from models.rewrite.jaxpr import RULES, replaceable, rewritten

IMAGES, CHANNELS_FIRST = ("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW")
SERIES = ("NHC", "HIO", "NHC")
ZEROS = nnx.initializers.zeros


def _normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _values(f, *args):
    """Value of f and gradients of a nonlinear function of it with respect to every argument, in one jit."""

    def both(*args):
        y, pull = jax.vjp(f, *args)
        weights = jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)
        return y, pull(weights * (1 + y))

    return jax.tree.map(np.asarray, jax.jit(both)(*args))


def _in_double(f, *args):
    """The same of the original f in float64, where XLA has one path and no errors to speak of."""
    with jax.enable_x64(True):
        return _values(f, *jax.tree.map(lambda a: np.asarray(a, np.float64), args))


def _same(got, expected, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(np.abs(b).max(initial=0), 1e-6))


def _count(f, *args):
    return replaceable(jax.make_jaxpr(f)(*args).jaxpr)


def _convolution(layout=IMAGES, strides=(1, 1), padding="SAME", dilation=(1, 1), groups=1):
    def apply(kernel, x):
        return lax.conv_general_dilated(
            x,
            kernel,
            strides,
            padding,
            rhs_dilation=dilation,
            dimension_numbers=layout,
            feature_group_count=groups,
        )

    return apply


CONVOLUTIONS = {
    "plain": ((2, 6, 5, 9), (3, 3, 9, 4), {}),
    "few channels": ((2, 6, 5, 1), (3, 3, 1, 4), {}),
    "few channels, many taps": ((1, 9, 8, 2), (6, 5, 2, 3), {}),
    "few channels, strided": ((2, 9, 8, 3), (5, 4, 3, 6), {"strides": (2, 3)}),
    "patches": ((2, 8, 8, 3), (4, 4, 3, 5), {"strides": (4, 4), "padding": "VALID"}),
    "strided": ((2, 7, 6, 8), (3, 3, 8, 4), {"strides": (2, 2)}),
    "strided projection": ((2, 7, 6, 8), (1, 1, 8, 4), {"strides": (2, 2)}),
    "dilated": ((2, 8, 7, 8), (3, 2, 8, 3), {"dilation": (2, 3)}),
    "strided and dilated": ((1, 11, 9, 8), (3, 3, 8, 2), {"strides": (2, 3), "dilation": (3, 2)}),
    "asymmetric": ((2, 5, 6, 8), (2, 3, 8, 3), {"padding": ((3, 0), (0, 2))}),
    "stride over the edge": ((1, 8, 8, 8), (2, 2, 8, 3), {"strides": (3, 3), "padding": "VALID"}),
    "cut": ((1, 8, 8, 8), (2, 1, 8, 3), {"padding": ((-1, 2), (1, -2))}),
    "depthwise": ((2, 6, 5, 6), (3, 3, 1, 6), {"groups": 6, "strides": (2, 1)}),
    "groups": ((1, 5, 4, 12), (3, 3, 2, 18), {"groups": 6}),
    "large groups": ((1, 5, 4, 40), (2, 2, 20, 4), {"groups": 2}),
    "channels first": ((2, 8, 5, 6), (4, 8, 3, 3), {"layout": CHANNELS_FIRST, "strides": (1, 2)}),
    "odd layout": ((5, 6, 9, 2), (3, 9, 2, 4), {"layout": ("HWCN", "HIWO", "CNHW")}),
}


SLOW = {
    "few channels, many taps",
    "stride over the edge",
    "asymmetric",
    "large groups",
    "odd layout",
    "plain",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in CONVOLUTIONS]
)
def test_convolutions_and_both_gradients_equal_the_originals(name):
    shape, kernel, options = CONVOLUTIONS[name]
    f = _convolution(**options)
    args = _normal(*kernel, seed=1), _normal(*shape)
    assert _count(f, *args)["conv_general_dilated"] == 1
    _same(_values(rewritten(f), *args), _in_double(f, *args))


@pytest.mark.parametrize(
    ("shape", "kernel", "options"),
    [
        ((2, 9, 8), (3, 8, 3), {"strides": (2,), "dilation": (1,), "padding": ((1, 0),)}),
        ((2, 9, 2), (4, 2, 3), {"strides": (1,), "dilation": (2,)}),
        ((2, 8, 9), (1, 9, 2), {"strides": (1,), "dilation": (1,), "padding": ((-1, 1),)}),
    ],
)
def test_one_spatial_axis(shape, kernel, options):
    f = _convolution(layout=SERIES, **options)
    args = _normal(*kernel, seed=1), _normal(*shape)
    _same(_values(rewritten(f), *args), _in_double(f, *args))


@pytest.mark.parametrize(
    "name",
    ["strided", *(pytest.param(name, marks=pytest.mark.slow) for name in CONVOLUTIONS if name != "strided")],
)
def test_second_derivatives_equal_the_originals(name):
    shape, kernel, options = CONVOLUTIONS[name]
    args = _normal(*kernel, seed=1), _normal(*shape)

    def steepness(apply):
        def total(kernel, x):
            return jnp.sin(apply(kernel, x) / 4).sum()

        return lambda *args: sum((g**2).sum() for g in jax.grad(total, (0, 1))(*args))

    f = _convolution(**options)
    _same(_values(steepness(rewritten(f)), *args), _in_double(steepness(f), *args), 1e-4)


@pytest.mark.parametrize(
    ("options", "dtype"),
    [
        ({"lhs_dilation": (2, 2)}, jnp.float32),
        ({"batch_group_count": 2}, jnp.float32),
        ({"preferred_element_type": jnp.float32}, jnp.bfloat16),
    ],
)
def test_other_convolutions_are_left_alone(options, dtype):
    def f(kernel, x):
        return lax.conv_general_dilated(x, kernel, (1, 1), ((0, 0),) * 2, dimension_numbers=IMAGES, **options)

    args = [jnp.asarray(a, dtype) for a in (_normal(3, 3, 4, 4), _normal(2, 6, 6, 4))]
    assert not _count(f, *args)
    np.testing.assert_array_equal(rewritten(f)(*args), f(*args))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_is_rounded_once(dtype):
    f = _convolution(strides=(2, 2))
    args = [jnp.asarray(a, dtype) for a in (_normal(3, 3, 8, 4), _normal(2, 7, 6, 8))]
    got = jax.jit(rewritten(f))(*args)
    exact = f(*(a.astype(jnp.float32) for a in args))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, exact.astype(dtype))


POOLS = {
    "2x2": ((2, 5, 6, 2), (1, 2, 2, 1), (1, 2, 2, 1), ((0, 0),) * 4),
    "3x3 at every other place": ((2, 7, 6, 2), (1, 3, 3, 1), (1, 2, 2, 1), ((0, 0), (1, 1), (0, 1), (0, 0))),
    "3x3 everywhere": ((1, 5, 4, 2), (1, 3, 3, 1), (1, 1, 1, 1), ((0, 0), (1, 1), (1, 1), (0, 0))),
    "gaps": ((1, 8, 9, 2), (1, 2, 2, 1), (1, 3, 4, 1), ((0, 0),) * 4),
    "uneven": ((1, 8, 9, 2), (1, 3, 2, 1), (1, 1, 3, 1), ((0, 0), (2, 0), (0, 1), (0, 0))),
    "series": ((2, 9, 3), (1, 4, 1), (1, 3, 1), ((0, 0), (2, 1), (0, 0))),
    "channels too": ((2, 4, 4, 6), (1, 2, 2, 3), (1, 2, 2, 3), ((0, 0),) * 4),
}


def _reduced(monoid, name, dilation=1):
    _, window, strides, padding = POOLS[name]
    start = -np.inf if monoid is lax.max else 0.0
    spread = tuple(dilation if w > 1 else 1 for w in window)
    return lambda x: lax.reduce_window(x, start, monoid, window, strides, padding, window_dilation=spread)


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("monoid", [lax.max, lax.add])
def test_pools_and_their_gradients_equal_the_originals_where_inputs_tie(monoid, name):
    x = np.random.default_rng(0).integers(0, 3, POOLS[name][0]).astype(np.float32)
    f = _reduced(monoid, name)
    assert _count(f, x).total() == 1
    _same(_values(rewritten(f), x), _values(f, x))


@pytest.mark.parametrize("pool", [nnx.max_pool, nnx.avg_pool])
def test_second_derivatives_through_pools_equal_the_originals(pool):
    def steepness(apply):
        return lambda x: (jax.grad(lambda x: jnp.sin(apply(x)).sum())(x) ** 3).sum()

    def f(x):
        return pool(pool(x**2, (2, 2), (2, 2)), (3, 3), (1, 1), "SAME")

    x = _normal(1, 6, 8, 2)
    assert _count(f, x).total() == 2
    _same(_values(steepness(rewritten(f)), x), _values(steepness(f), x), 1e-4)


def test_the_first_of_tied_maxima_in_row_major_order_gets_the_whole_gradient():
    x = jnp.asarray([[0.0, 5.0, 1.0], [5.0, 5.0, 5.0], [2.0, 0.0, 5.0]])[None, :, :, None]

    def pool(x):
        return nnx.max_pool(x, (3, 3))

    expected = np.zeros((3, 3))
    expected[0, 1] = 1
    np.testing.assert_array_equal(jax.grad(lambda x: rewritten(pool)(x).sum())(x)[0, :, :, 0], expected)


def test_a_dilated_window_is_pooled_as_the_original_does():
    x = _normal(*POOLS["3x3 at every other place"][0])
    f = _reduced(lax.add, "3x3 at every other place", dilation=2)
    _same(_values(rewritten(f), x), _values(f, x))
    f = _reduced(lax.max, "3x3 at every other place", dilation=2)
    np.testing.assert_array_equal(rewritten(f)(x), f(x))


class Residual(nnx.Module):
    """Convolution, batch norm, a strided residual block, dropout, a mean: what image networks are made of."""

    def __init__(self, rngs):
        self.stem = nnx.Conv(3, 8, (3, 3), use_bias=False, kernel_init=ZEROS, rngs=rngs)
        self.norm = nnx.BatchNorm(8, rngs=rngs)
        self.conv = nnx.Conv(8, 12, (3, 3), strides=2, kernel_init=ZEROS, rngs=rngs)
        self.short = nnx.Conv(8, 12, (1, 1), strides=2, kernel_init=ZEROS, rngs=rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)
        self.dense = nnx.Linear(12, 4, kernel_init=ZEROS, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.norm(self.stem(x)))
        x = nnx.max_pool(nnx.relu(self.conv(x) + self.short(x)), (3, 3), (2, 2), "SAME")
        return self.dense(self.dropout(x.mean((1, 2))))


class Linen(nn.Module):
    """The same kind of network in Linen, with an average pool and separable convolutions."""

    @nn.compact
    def __call__(self, x):
        x = nn.avg_pool(nn.gelu(nn.Conv(8, (3, 3), (2, 2))(x)), (2, 2), (2, 2))
        x = nn.Conv(8, (3, 3), feature_group_count=8)(x)
        return nn.Dense(4)(nn.LayerNorm()(nn.Conv(9, (1, 1))(x)).reshape(len(x), -1))


def _filled(shapes):
    """Weights drawn by NumPy: JAX's own initialisers take seconds to compile."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda a: rng.normal(size=a.shape).astype(np.float32) / 4, shapes)


@cache
def _residual():
    network = from_nnx(Residual(nnx.Rngs(0)))
    return replace(network, params={**network.params, "params": _filled(network.params["params"])})


@cache
def _linen():
    return from_linen(Linen(), _filled(jax.eval_shape(Linen().init, jax.random.key(0), _normal(1, 8, 8, 3))))


@pytest.mark.parametrize(("make", "operations"), [(_residual, 4), (_linen, 4)])
def test_networks_have_equal_outputs_and_gradients(make, operations):
    network, x = make(), _normal(3, 8, 8, 3)
    assert _count(network.apply, network.params, x).total() == operations

    def outputs(apply):
        def of(trained, x):
            return apply({**network.params, "params": trained}, x)

        return of

    args = network.params["params"], x
    _same(_values(outputs(rewritten(network.apply)), *args), _values(outputs(network.apply), *args), 1e-4)


def test_training_mode_keeps_dropout_and_batch_statistics():
    network, x, key = _residual(), _normal(3, 8, 8, 3), jax.random.key(1)
    got, expected = (
        jax.jit(f)(network.params, x, key) for f in (rewritten(network.train_apply), network.train_apply)
    )
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    _same(got, expected)


def _scanned(kernel, x):
    def layer(x, k):
        return jnp.tanh(_convolution()(k, x)), x.sum()

    x, sums = lax.scan(layer, x, jnp.stack([kernel, 0.5 * kernel]), unroll=2)
    return x + sums.sum()


def _chosen(kernel, x):
    return lax.cond(
        x.sum() > 0, lambda: _convolution()(kernel, x), lambda: nnx.max_pool(x, (2, 2), None, "SAME")
    )


def _looped(kernel, x):
    return lax.fori_loop(0, 3, lambda _, x: jnp.tanh(_convolution()(kernel, x)), x)


def _numbered(kernel, x):
    """A scan whose carry is a number, a key and an array."""

    def layer(carry, _):
        count, key, x = carry
        key, used = jax.random.split(key)
        return (count + 1, key, jnp.tanh(_convolution()(kernel, x) + jax.random.normal(used))), None

    return lax.scan(layer, (0, jax.random.key(3), x), None, length=2)[0][2]


INSIDE = {
    "jit": jax.jit(_convolution()),
    "remat": jax.checkpoint(lambda k, x: jnp.tanh(_convolution()(k, jnp.sin(_convolution()(k, x))))),
    "scan": _scanned,
    "scan with a key": _numbered,
    "cond": _chosen,
    "fori_loop": _looped,
    "vmap": jax.vmap(lambda k, x: _convolution()(k, x[None])[0], (None, 0)),
    "gradient": lambda k, x: jax.grad(lambda x: jnp.tanh(_convolution()(k, x)).sum())(x),
}


@pytest.mark.parametrize("name", INSIDE)
def test_convolutions_inside_other_operations(name):
    args = _normal(3, 3, 4, 4) / 4, _normal(2, 5, 5, 4, seed=1)
    assert _count(INSIDE[name], *args).total() >= 1
    _same(_values(rewritten(INSIDE[name]), *args), _values(INSIDE[name], *args))


@jax.custom_vjp
def _doubled(kernel, x):
    return _convolution()(kernel, x)


_doubled.defvjp(
    lambda k, x: (_doubled(k, x), (k, x)),
    lambda kept, g: (jnp.zeros_like(kept[0]), 2 * jnp.ones_like(kept[1])),
)


@jax.custom_jvp
def _tripled(x):
    return nnx.max_pool(x, (2, 2), (1, 1), "SAME")


_tripled.defjvp(lambda primals, tangents: (_tripled(*primals), 3 * tangents[0]))


def test_a_user_s_own_derivative_rules_are_kept():
    def f(kernel, x):
        return _tripled(_convolution()(kernel, _doubled(kernel, x)))

    args = _normal(3, 3, 4, 4), _normal(2, 5, 5, 4, seed=1)
    assert _count(f, *args) == {"conv_general_dilated": 1}
    got = _values(rewritten(f), *args)
    _same(got, _values(f, *args))
    np.testing.assert_array_equal(got[1][1], np.full(args[1].shape, 2, np.float32))


def test_it_works_under_vmap_and_inside_a_loop_with_one_trace_for_each_use():
    network, x = _residual(), jnp.asarray(_normal(2, 3, 8, 8, 3))
    calls = []

    def apply(params, x):
        calls.append(x.shape)
        return network.apply(params, x)

    def moved(apply):
        gradient = jax.grad(lambda x, params: (apply(params, x) ** 2).sum())

        @jax.jit
        def run(params, x):
            step = jax.vmap(gradient, (0, None))
            return lax.fori_loop(0, 4, lambda _, x: x - 0.1 * step(x, params), x)

        return run

    run = moved(rewritten(apply))
    expected = moved(network.apply)(network.params, x)
    _same(run(network.params, x), expected, 1e-4)
    traces = len(calls)
    run(network.params, x + 1)
    assert len(calls) == traces <= 2


def test_what_is_not_rewritten_is_called_as_it_is():
    def dense(params, x):
        return x @ params if float(x[0, 0]) > 0 else -(x @ params)  # needs a value: cannot be traced

    def broken(params, x):
        raise KeyError("the user's own")

    x, w = jnp.ones((2, 3)), jnp.ones((3, 1))
    np.testing.assert_array_equal(rewritten(dense)(w, x), x @ w)
    with pytest.raises(KeyError, match="the user's own"):
        rewritten(broken)(w, x)
    with pytest.raises(jax.errors.ConcretizationTypeError):
        jax.jit(rewritten(dense))(w, x)


def test_trees_of_arguments_and_results_keep_their_structure():
    def f(params, x, scale):
        return {"y": _convolution()(params["k"], x["image"]) * scale, "same": (x["row"], None)}

    args = {"k": _normal(3, 3, 4, 4)}, {"image": _normal(2, 5, 5, 4), "row": np.arange(2)}, 2.0
    got, expected = rewritten(f)(*args), f(*args)
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    _same(got, expected)


def test_faster_takes_the_rewritten_form_that_is_faster_and_says_so():
    network, x = _residual(), _normal(5, 8, 8, 3)
    chosen, choice = faster(network, x)
    assert (choice.convolutions, choice.pools) == (3, 1)
    assert choice.before_ms and choice.after_ms and choice.seconds > 0
    assert choice.used == (choice.after_ms <= choose.NEAR * choice.before_ms)
    assert (chosen is not network) == choice.used and choice.reason.endswith(".")
    assert chosen.params is network.params and chosen.name == network.name


@pytest.mark.parametrize(
    ("times", "used"), [((1.0, 0.5), True), ((1.0, 1.04), True), ((1.0, 1.06), False), ((1.0, 9.0), False)]
)
def test_faster_decides_by_the_times_and_prefers_the_rewritten_form_near_equality(monkeypatch, times, used):
    network = _pooled()
    monkeypatch.setattr(choose, "_times", lambda loops, params, x: list(times))
    chosen, choice = faster(network, _normal(3, 4, 4, 2))
    assert choice.used is used and (choice.before_ms, choice.after_ms) == times
    assert (chosen.apply is network.apply) is (chosen.train_apply is network.train_apply) is not used


def _pooled():
    def apply(params, x):
        return nnx.max_pool(x * params["params"], (2, 2), (2, 2)).reshape(len(x), -1)

    return Network(
        apply, {"params": jnp.float32(2), "constants": {}}, lambda p, x, key: (apply(p, x), {}), "p"
    )


def test_faster_can_be_switched_off_and_forced(monkeypatch):
    network, x = _pooled(), _normal(3, 4, 4, 2)
    same, choice = faster(network, x, rewrite=False)
    assert same is network and choice == Choice(False, "Rewriting is switched off.")
    monkeypatch.setattr(choose, "_times", None)  # forced is not timed
    forced, choice = faster(network, x, rewrite=True)
    assert choice.used and choice.before_ms is None and forced.apply is not network.apply
    np.testing.assert_array_equal(forced.apply(network.params, x), network.apply(network.params, x))


def test_faster_changes_nothing_on_an_accelerator_or_where_there_is_nothing_to_rewrite(monkeypatch):
    network, x = _pooled(), _normal(3, 4, 4, 2)
    dense = Network(
        lambda params, x: x @ jnp.ones((4, 2)), {"params": {}, "constants": {}}, lambda *_: None, "d"
    )
    assert faster(dense, _normal(3, 4))[1].reason == "The network has no convolution or pooling to rewrite."
    untraceable = replace(dense, apply=lambda params, x: x if float(x[0, 0]) > 0 else -x)
    assert faster(untraceable, _normal(3, 4), rewrite=True)[1].reason == "JAX cannot trace the network."
    whole = faster(network, np.ones((3, 4, 4, 2), np.int32), rewrite=True)
    assert whole[0] is network and "one array of numbers" in whole[1].reason
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    same, choice = faster(network, x, rewrite=True)
    assert same is network and choice.reason == "Rewriting is for CPUs only."


@pytest.mark.parametrize("rewrite", [None, True])
@pytest.mark.parametrize(("what", "says"), [("value", "outputs differ"), ("gradient", "gradients differ")])
def test_a_wrong_rewrite_is_refused(monkeypatch, rewrite, what, says):
    right = RULES["reduce_window_max"]

    def wrong(operands, params):
        pool = right(operands, params)
        if what == "value":
            return lambda x: pool(x) + 0.01
        return lambda x: pool(x) + 0.01 * (x.sum() - lax.stop_gradient(x.sum()))

    monkeypatch.setitem(RULES, "reduce_window_max", wrong)
    network = _pooled()
    same, choice = faster(network, _normal(40, 4, 4, 2), rewrite=rewrite)
    assert same is network and not choice.used and says in choice.reason


def test_one_unit_at_the_corner_of_its_relu_does_not_refuse_a_rewrite():
    own = np.zeros((64, 2), np.float32), np.ones((64, 4), np.float32)
    new = own[1].copy()
    new[:3, 0] = 0.5
    assert not choose._difference(own, (own[0], new))
    new[:5, 0] = 0.5
    assert choose._difference(own, (own[0], new)) == "its input gradients differ"
    assert choose._difference(own, (own[0] + np.nan, own[1])) == "its outputs differ"
