"""Random convolutions, pools and whole networks: the rewritten form has the values and gradients of the original."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from models.rewrite.jaxpr import replaceable, rewritten

LAYOUTS = {
    1: [("NHC", "HIO", "NHC"), ("NCH", "OIH", "NCH"), ("HCN", "IHO", "HNC")],
    2: [("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW"), ("HWCN", "IHWO", "CHWN")],
}
FEW, MANY = settings(max_examples=3), settings(max_examples=50)


def _drawn(seed, shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _values(f, args):
    """Value of f and gradients of a nonlinear function of it, in one jit."""

    def both(*args):
        y, pull = jax.vjp(f, *args)
        weights = jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)
        return y, pull(weights * (1 + y))

    return jax.tree.leaves(jax.tree.map(np.asarray, jax.jit(both)(*args)))


def _agree(f, args, tolerance):
    """The original is computed in float64: XLA's own float32 gradient is wrong where paddings are negative."""
    assert replaceable(jax.make_jaxpr(f)(*args).jaxpr)
    got = _values(rewritten(f), args)
    with jax.enable_x64(True):
        expected = _values(f, jax.tree.map(lambda a: np.asarray(a, np.float64), args))
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(np.abs(b).max(initial=0), 1e-6))


@st.composite
def convolutions(draw):
    """A convolution of one or two spatial axes, its kernel and its input."""
    count = draw(st.integers(1, 2))
    layout = draw(st.sampled_from(LAYOUTS[count]))
    groups, each, features = (
        draw(st.sampled_from(options)) for options in ((1, 1, 2, 6), (1, 2, 8, 9), (1, 3, 8))
    )
    sizes, window, strides, dilation, padding = [], [], [], [], []
    for _ in range(count):
        taps, apart = draw(st.integers(1, 4)), draw(st.sampled_from((1, 1, 2, 3)))
        low, high = draw(st.integers(-2, 3)), draw(st.integers(-2, 3))
        reach = (taps - 1) * apart + 1
        smallest = max(1, 1 - low, 1 - high, reach - low - high)
        sizes.append(draw(st.integers(smallest, smallest + 6)))
        for found, value in zip(
            (window, strides, dilation), (taps, draw(st.integers(1, 3)), apart), strict=True
        ):
            found.append(value)
        padding.append((low, high))
    names = dict(zip("HW", sizes, strict=False), N=2, C=groups * each)
    taps = dict(zip("HW", window, strict=False), I=each, O=groups * features)

    def f(kernel, x):
        return lax.conv_general_dilated(
            x,
            kernel,
            strides,
            padding,
            rhs_dilation=dilation,
            dimension_numbers=layout,
            feature_group_count=groups,
        )

    return f, (_drawn(1, [taps[c] for c in layout[1]]), _drawn(2, [names[c] for c in layout[0]]))


@st.composite
def pools(draw):
    """A max- or sum-pool of one or two axes and an input full of ties."""
    count, biggest = draw(st.integers(1, 2)), draw(st.booleans())
    sizes, window, strides, dilation, padding = [2], [1], [1], [1], [(0, 0)]
    for _ in range(count):
        taps, apart = draw(st.integers(1 + (len(window) == 1), 4)), draw(st.integers(1, 2))
        low, high = (draw(st.integers(0, taps - 1)) for _ in range(2))
        sizes.append(draw(st.integers(max(1, (taps - 1) * apart + 1 - low - high), 9)))
        window.append(taps)
        strides.append(draw(st.integers(1, 4)))
        dilation.append(1 if biggest else apart)  # JAX has no gradient of a dilated max-pool
        padding.append((low, high))
    x = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 3, (*sizes, 2)).astype(np.float32)
    start, monoid = (-np.inf, lax.max) if biggest else (0.0, lax.add)
    whole = [(*w, 1) for w in (window, strides, dilation)]

    def f(x):
        return lax.reduce_window(
            x, start, monoid, whole[0], whole[1], (*padding, (0, 0)), window_dilation=whole[2]
        )

    return f, (x,)


def _layers(draw, count):
    """Layers by name: how many channels go out, and the function of (weights, x)."""
    activations = {"tanh": jnp.tanh, "relu": jax.nn.relu, "gelu": jax.nn.gelu}
    made = []
    for _ in range(count):
        kind = draw(st.sampled_from(("conv", "conv", "depthwise", "maxpool", "avgpool", "residual", "twice")))
        made.append(
            (
                kind,
                draw(st.sampled_from((3, 8))),
                draw(st.integers(1, 3)),
                draw(st.integers(1, 2)),
                draw(st.sampled_from(("SAME", "VALID"))),
                activations[draw(st.sampled_from(sorted(activations)))],
            )
        )
    return made


@st.composite
def networks(draw):
    """A network of two to four random layers and a dense one, its weights, and images with a few channels."""
    layers = _layers(draw, draw(st.integers(2, 4)))
    channels = draw(st.sampled_from((1, 3, 8)))
    weights, inside = [], channels
    for number, (kind, features, size, *_) in enumerate(layers):
        out = inside if kind in ("residual", "twice") else features
        shape = (size, size, 1, inside) if kind == "depthwise" else (size, size, inside, out)
        weights.append(_drawn(number, shape) / size if "pool" not in kind else np.zeros(1, np.float32))
        inside = out if kind == "conv" else inside
    dense = _drawn(98, (inside, 3))

    def apply(params, x):
        for (kind, _, size, stride, padding, activation), w in zip(layers, params[:-1], strict=True):
            x = activation(_layer(kind, size, stride, padding, w, x))
        return x.mean((1, 2)) @ params[-1]

    if draw(st.booleans()):
        whole = apply
        apply = jax.vmap(lambda params, x: whole(params, x[None])[0], (None, 0))
    return apply, ([*weights, dense], _drawn(99, (2, 11, 10, channels)))


def _layer(kind, size, stride, padding, w, x):
    def convolved(x, stride=stride, padding=padding):
        return lax.conv_general_dilated(
            x,
            w,
            (stride, stride),
            padding,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=x.shape[-1] // w.shape[2],
        )

    if kind == "maxpool":
        return nnx.max_pool(x, (size, size), (stride, stride), "SAME")
    if kind == "avgpool":
        return nnx.avg_pool(x, (size, size), (stride, stride), "SAME")
    if kind == "residual":
        return x + convolved(x, 1, "SAME")
    if kind == "twice":
        return lax.scan(lambda x, _: (jnp.tanh(convolved(x, 1, "SAME")), None), x, None, length=2)[0]
    return convolved(x, padding="SAME" if min(x.shape[1:3]) < size else padding)


@FEW
@given(convolutions())
def test_convolutions(case):
    _agree(*case, 1e-5)


@pytest.mark.slow
@MANY
@given(convolutions())
def test_many_convolutions(case):
    _agree(*case, 1e-5)


@FEW
@given(pools())
def test_pools(case):
    _agree(*case, 1e-6)


@pytest.mark.slow
@MANY
@given(pools())
def test_many_pools(case):
    _agree(*case, 1e-6)


def _network(case):
    apply, args = case
    if replaceable(jax.make_jaxpr(apply)(*args).jaxpr):
        _agree(apply, args, 1e-4)


@FEW
@given(networks())
def test_networks(case):
    _network(case)


@pytest.mark.slow
@MANY
@given(networks())
def test_many_networks(case):
    _network(case)
