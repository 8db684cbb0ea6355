"""Operators against lax and scipy, and the rules for non-linearities against their definitions."""

import contextlib
import functools
import gc
import math
import weakref
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax
from scipy import ndimage

from vizjax import nn
from vizjax.errors import InputError

# (h, w), kernel, strides, padding: both strides, odd and even sizes, every kind of padding
PLACES = [
    ((8, 8), (3, 3), (1, 1), "SAME"),
    ((9, 10), (3, 3), (2, 2), "SAME"),
    ((10, 9), (5, 5), (2, 2), "SAME"),
    ((9, 9), (5, 5), (1, 1), "VALID"),
    ((8, 11), (3, 5), (2, 1), "VALID"),
    ((7, 8), (3, 3), (2, 2), ((1, 0), (0, 2))),
    ((6, 6), (5, 3), (1, 2), ((2, 2), (1, 1))),
]
# (height, width), kernel, strides, padding, channels, outputs, groups
CONVOLUTIONS = {
    **{f"depthwise {place}": (*place, 4, 4, 4) for place in PLACES},
    **{f"pictures {place}": (*place, 3, 5, 1) for place in PLACES},
    **{f"groups {place}": (*place, 8, 12, 4) for place in PLACES[:3]},
    "groups wider than a block": ((5, 5), (3, 3), (1, 1), "SAME", 72, 36, 2),
    "groups in several blocks": ((5, 5), (3, 3), (2, 2), "SAME", 72, 72, 9),
    "a multiplier for each channel": ((5, 5), (3, 3), (1, 1), "SAME", 4, 8, 4),
    "filters as large as the map": ((4, 4), (4, 4), (1, 1), "VALID", 5, 6, 1),
    "filters larger than their positions": ((7, 6), (5, 5), (2, 1), "VALID", 5, 6, 1),
    "nothing for the last pixels": ((9, 8), (2, 2), (4, 4), "VALID", 3, 4, 1),
    "plain": ((6, 6), (1, 1), (1, 1), "SAME", 5, 6, 1),
    "strided": ((9, 8), (3, 3), (2, 2), "SAME", 6, 5, 1),
    "strided along one side": ((7, 8), (1, 5), (1, 3), ((0, 0), (2, 1)), 6, 5, 1),
    "strided beyond the filters": ((7, 8), (1, 1), (2, 3), "VALID", 6, 5, 1),
    "strided, cropped": ((9, 8), (3, 3), (2, 2), ((-1, 0), (1, -2)), 6, 5, 1),
    "depthwise, cropped": ((9, 8), (3, 3), (2, 2), ((-1, 0), (1, -2)), 4, 4, 4),
    "strided patches": ((8, 8), (2, 2), (2, 2), "VALID", 3, 5, 1),
    "strided, of many numbers": ((4, 5), (3, 3), (2, 2), "SAME", 80, 5, 1),
    "of many numbers": ((4, 5), (3, 3), (1, 1), "SAME", 80, 5, 1),
    "filters for wide layers": ((7, 9), (3, 3), (1, 1), "SAME", 6, 5, 1),
}


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_lax(x: Any, kernel: Any, strides: tuple, padding: Any, feature_group_count: int = 1) -> jax.Array:
    return lax.conv_general_dilated(
        x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=feature_group_count, precision="highest",
    )  # fmt: skip


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_conv_equals_lax(case: str):
    """Forward, both gradients, under vmap, and in forward mode inside lax_only."""
    size, window, strides, padding, channels, outputs, groups = CONVOLUTIONS[case]
    x, kernel = normal(0, 2, 2, *size, channels), normal(1, *window, channels // groups, outputs)
    options = {"feature_group_count": groups}
    weights = normal(
        2, 2, *jax.eval_shape(lambda x: by_lax(x, kernel, strides, padding, **options), x[0]).shape
    )

    def run(convolve: Callable) -> tuple:
        def one(x: jax.Array, kernel: jax.Array, weights: jax.Array) -> tuple:
            out, back = jax.vjp(lambda x, k: convolve(x, k, strides, padding, **options), x, kernel)
            return out, *back(weights)

        return jax.jit(jax.vmap(one, (0, None, 0)))(x, kernel, weights)

    expected = run(by_lax)
    for found, plain in zip(run(nn.conv), expected, strict=True):
        np.testing.assert_allclose(found, plain, atol=5e-5)
    with nn.lax_only():
        convolve = lambda x, k: nn.conv(x, k, strides, padding, **options)  # noqa: E731
        way = (normal(3, *x[0].shape), normal(4, *kernel.shape))
        forward = jax.jit(lambda *a: jax.jvp(convolve, a[:2], a[2:]))
        out, rise = forward(x[0], kernel, *way)
    np.testing.assert_allclose(out, expected[0][0], atol=5e-5)
    # <J v, w> = <v, Jᵀ w>
    backward = [np.sum(way[0] * expected[1][0]), np.sum(way[1] * expected[2][0])]
    np.testing.assert_allclose(np.sum(rise * weights[0]), sum(backward), rtol=1e-3, atol=1e-3)


def test_a_dilated_convolution_is_one():
    x, kernel = (jnp.asarray(normal(i, *shape)) for i, shape in enumerate([(1, 9, 9, 3), (3, 3, 3, 3)]))
    found = nn.conv(x, kernel, (2, 2), "VALID", lhs_dilation=(1, 1), rhs_dilation=(2, 2))
    expected = lax.conv_general_dilated(
        x, kernel, (2, 2), "VALID", rhs_dilation=(2, 2), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )  # fmt: skip
    np.testing.assert_allclose(found, expected, atol=5e-5)


def test_conv_keeps_the_dtype():
    kernel = jnp.ones((3, 3, 1, 2), jnp.bfloat16)
    out = nn.conv(jnp.ones((1, 4, 4, 2), jnp.bfloat16), kernel, feature_group_count=2)
    assert out.dtype == jnp.bfloat16
    assert out[0, 1, 1, 0] == 9


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize("size", [(1, 1), (4, 4), (7, 9), (30, 22)], ids=str)
def test_winograd_equals_lax(size: tuple, tile: int):
    x, kernel = normal(0, 3, *size, 16), normal(1, 3, 3, 16, 8) / 12
    found = nn.winograd_conv(jnp.asarray(x), nn.winograd_filters(jnp.asarray(kernel), tile))
    error = np.abs(found - by_lax(x, kernel, (1, 1), "SAME")).max()
    assert error < (1e-5 if tile == 2 else 2e-4)


def test_winograd_of_many_filters_at_once():
    x, kernels = normal(0, 1, 5, 5, 4), normal(1, 3, 3, 3, 4, 4)
    made = jax.vmap(nn.winograd_filters)(kernels)
    found = jax.vmap(nn.winograd_conv, (None, 0))(jnp.asarray(x), made)
    expected = [by_lax(x, kernel, (1, 1), "SAME") for kernel in kernels]
    np.testing.assert_allclose(found, np.stack(expected), atol=1e-3)


# --- nets made ready ------------------------------------------------------------------------------

# window, channels, options: what is prepared, by Winograd's scheme or directly, and what is not
LAYERS = {
    "wide": ((3, 3), 192, {}, (6, 6)),
    "wide, padded by 1": ((3, 3), 192, {"padding": 1}, (6, 6)),
    "narrow": ((3, 3), 8, {"padding": ((1, 1), (1, 1))}, (3, 3)),
    "1 x 1": ((1, 1), 8, {"padding": "VALID"}, None),
    "1 x 1, not padded": ((1, 1), 8, {"padding": 0}, (1, 1)),
    "1 x 7": ((1, 7), 8, {"padding": "SAME"}, (1, 7)),
    "strided": ((3, 3), 192, {"strides": 2}, None),
    "not padded": ((3, 3), 192, {"padding": "VALID"}, None),
    "padded by 2": ((3, 3), 192, {"padding": 2}, None),
    "even": ((2, 2), 8, {}, None),
    "dilated": ((3, 3), 192, {"kernel_dilation": 2}, None),
    "groups": ((3, 3), 192, {"feature_group_count": 2}, None),
    "masked": ((3, 3), 192, {"mask": jnp.zeros((3, 3, 192, 192))}, None),
    "around": ((3, 3), 192, {"padding": "CIRCULAR"}, None),
    "its own operator": (
        (3, 3),
        192,
        {"conv_general_dilated": lambda x, kernel, *_, **__: x * kernel[0, 0, 0]},
        None,
    ),
    "half precision": ((3, 3), 192, {"dtype": jnp.bfloat16}, (6, 6)),
}


@pytest.mark.parametrize("case", LAYERS)
def test_a_prepared_net_computes_the_same(case: str):
    """Values and all gradients, those of weights too; the net that was given stays as it was."""
    window, channels, options, form = LAYERS[case]
    layer = nnx.Conv(channels, channels, window, rngs=nnx.Rngs(0), **options)
    ready, leaves = nn.prepared(layer), len(jax.tree.leaves(layer))
    filters = jax.tree.leaves(ready)[1:-1] if form else []
    assert [array.shape[:2] for array in filters] == [form] * (2 if form else 0)
    assert len(jax.tree.leaves(layer)) == leaves

    @jax.jit
    def run(layer: nnx.Conv, x: jax.Array) -> tuple:
        slopes = jax.grad(lambda layer, x: jnp.sum(jnp.square(layer(x))), (0, 1))(layer, x)
        return layer(x), slopes[0].kernel[...], slopes[1]

    x = jnp.asarray(normal(0, 2, 6, 7, channels))
    for found, expected in zip(run(ready, x), run(layer, x), strict=True):
        scale = 2e-3 if options.get("dtype") is None else 5e-2
        np.testing.assert_allclose(found, expected, atol=scale * float(jnp.std(expected)) + 1e-9)


def test_preparing_again_costs_nothing_until_the_weights_change():
    layer = nnx.Conv(8, 8, (3, 3), rngs=nnx.Rngs(0))
    first, again = (jax.tree.leaves(nn.prepared(layer)) for _ in range(2))
    assert all(a is b for a, b in zip(first, again, strict=True))
    layer.kernel[...] = 2 * layer.kernel[...]
    assert not np.array_equal(jax.tree.leaves(nn.prepared(layer))[2], first[2])


def test_what_was_prepared_goes_with_the_weights():
    layer = nnx.Conv(8, 8, (3, 3), rngs=nnx.Rngs(0))
    kept = weakref.ref(jax.tree.leaves(nn.prepared(layer))[2])
    assert kept() is not None
    del layer
    gc.collect()
    assert kept() is None


def test_nothing_is_prepared_for_lax_only():
    layer = nnx.Conv(8, 8, (3, 3), rngs=nnx.Rngs(0))
    with nn.lax_only():
        assert nn.prepared(layer) is layer


def smoothed(x: np.ndarray, sigma: float) -> np.ndarray:
    radius = math.ceil(nn.gaussian_radius(sigma))
    axes, width = (-3, -2), (radius, radius)
    return ndimage.gaussian_filter(x.astype(np.float64), sigma, mode="reflect", axes=axes, radius=width)


@pytest.mark.parametrize(("sigma", "shape"), [(0.5, (1, 9, 12, 3)), (1.0, (2, 7, 8, 1)), (2.0, (16, 15, 2))])
def test_gaussian_blur_equals_scipy(sigma: float, shape: tuple):
    x = normal(0, *shape)
    expected = smoothed(x, sigma)
    np.testing.assert_allclose(nn.gaussian_blur(jnp.asarray(x), sigma), expected, atol=1e-5)
    traced = jax.jit(functools.partial(nn.gaussian_blur, largest=sigma))
    np.testing.assert_allclose(traced(x, sigma), expected, atol=1e-5)


def test_gaussian_blur_of_many_widths():
    """With ``largest`` the width is data; of two widths both have the larger one's taps."""
    x, sigmas = normal(0, 9, 12, 3), np.array([0.5, 1.0], np.float32)
    blur = jax.jit(jax.vmap(lambda s: nn.gaussian_blur(jnp.asarray(x), s, largest=1.0)))
    for found, sigma in zip(blur(sigmas), (0.5, 1.0), strict=True):
        np.testing.assert_allclose(found, smoothed(x, sigma), atol=2e-3)


@pytest.mark.parametrize(
    ("sigma", "distance", "width"), [(0.5, 1.8278, 5), (1, 3.4609, 9), (2, 6.5089, 15), (5, 14.7976, 31)]
)
def test_gaussian_radius_has_the_published_figures(sigma: float, distance: float, width: int):
    x = nn.gaussian_radius(sigma)
    assert x == pytest.approx(distance, abs=5e-5)
    assert 2 * math.ceil(x) + 1 == width
    assert math.exp(-(x**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi)) == pytest.approx(1e-3)
    impulse = jnp.zeros((1, 63, 63, 1)).at[0, 31, 31].set(1.0)
    blurred = jax.jit(lambda x: nn.gaussian_blur(x, float(sigma)))(impulse)
    seen = np.flatnonzero(np.asarray(blurred).sum((0, 2, 3)))
    assert seen.max() - seen.min() + 1 == width


@pytest.mark.parametrize(
    ("sigma", "epsilon"), [(400.0, 1e-3), (1.0, 0.4), (0.0, 1e-3), (-1.0, 1e-3), (1.0, 0.0)]
)
def test_a_gaussian_that_is_nowhere_so_high(sigma: float, epsilon: float):
    with pytest.raises(InputError, match=rf"sigma {sigma} never reaches {epsilon}.*choose a smaller epsilon"):
        nn.gaussian_radius(sigma, epsilon)


def test_lax_only_ends():
    assert not nn.uses_lax_only()
    with nn.lax_only():
        assert nn.uses_lax_only()
    with contextlib.suppress(ZeroDivisionError), nn.lax_only():
        raise ZeroDivisionError
    assert not nn.uses_lax_only()


# --- rules for non-linearities --------------------------------------------------------------------

RELU, RELU6 = jax.nn.relu, jax.nn.relu6
SHAPE = (2, 3, 4, 5)  # two pictures


def revived(f: Callable, x: np.ndarray, g: np.ndarray, on: bool) -> np.ndarray:
    """The definition, picture by picture; g is the cotangent of a loss that is minimized."""
    out = np.zeros_like(g)
    for i, (a, b) in enumerate(zip(x, g, strict=True)):
        live = (a > 0) & (a < 6) if f is RELU6 else a > 0
        out[i] = np.where(live, b, 0)
        if on and not np.any(out[i]):
            through = (a <= 0) & (b < 0)
            if f is RELU6:
                through |= (a >= 6) & (b > 0)
            out[i] = np.where(through, b, 0)
    return out


def pulled(f: Callable, x: Any, g: Any, step: Any) -> jax.Array:
    rule = nn.redirected(16)
    return jax.vjp(lambda x: rule(f, x, step), x)[1](g)[0]


@functools.cache
def backward(f: Callable) -> Callable:
    return jax.jit(functools.partial(pulled, f))


def scenes() -> dict[str, np.ndarray]:
    x = 0.2 + np.abs(normal(0, *SHAPE))
    mixed = normal(0, *SHAPE)
    mixed[0] = -np.abs(mixed[0])
    both = np.where(normal(1, *SHAPE) > 0, -x, 6 + x).astype(np.float32)
    return {
        "below": -x, "above": 6 + x, "below and above": both, "alive": normal(0, *SHAPE),
        "one picture of two": mixed, "one live value": np.where(np.arange(120).reshape(SHAPE) % 60, -x, x),
    }  # fmt: skip


@pytest.mark.parametrize("f", [RELU, RELU6], ids=["relu", "relu6"])
@pytest.mark.parametrize("step", [0, 15, 16, 400])
@pytest.mark.parametrize("scene", scenes())
def test_redirected_is_what_it_says(f: Callable, step: int, scene: str):
    """Signs; only where a whole picture's gradient is zero; per picture; plain from step 16 on."""
    x, g = scenes()[scene], normal(5, *SHAPE)
    found = backward(f)(x, g, step)
    np.testing.assert_array_equal(found, revived(f, x, g, on=step < 16))
    np.testing.assert_array_equal(nn.redirected(16)(f, jnp.asarray(x), step), f(x))
    if step >= 16:
        np.testing.assert_array_equal(found, jax.vjp(f, jnp.asarray(x))[1](jnp.asarray(g))[0])


@pytest.mark.parametrize("f", [RELU, RELU6], ids=["relu", "relu6"])
def test_ascent_revives_a_dead_unit(f: Callable):
    """Ascent leads from below 0 up and from above 6 down; with the plain rule it leads nowhere."""
    for start in (-0.5, 6.5) if f is RELU6 else (-0.5,):
        goal = 1 if start < 0 else -1  # of what is maximized: the unit, or its absence
        for rule, moves in ((nn.redirected(16), True), (nn.plain, False)):
            slope = jax.grad(lambda x, rule=rule, goal=goal: -goal * jnp.sum(rule(f, x, 0)))
            x = jnp.full((1, 2, 2, 1), start)
            moved = x - slope(x)
            assert bool(jnp.all((moved > 0) & (moved < 6))) == moves


def test_a_gradient_away_from_life_stays_blocked():
    x = -jnp.ones((1, 2, 2, 1))
    assert not backward(RELU)(x, jnp.ones_like(x), 0).any()
    assert backward(RELU)(x, -jnp.ones_like(x), 0).all()
    assert not backward(RELU6)(x + 8, -jnp.ones_like(x), 0).any()
    assert backward(RELU6)(x + 8, jnp.ones_like(x), 0).all()


@pytest.mark.parametrize("f", [RELU, RELU6], ids=["relu", "relu6"])
def test_every_lane_has_its_own_step(f: Callable):
    steps = np.array([0, 20, 15, 16])
    x = np.stack([scenes()[k] for k in ("below", "below", "one picture of two", "one picture of two")])
    g = normal(6, *x.shape)
    together = jax.jit(jax.vmap(functools.partial(pulled, f)))
    np.testing.assert_array_equal(
        together(x, g, steps), [backward(f)(*lane) for lane in zip(x, g, steps, strict=True)]
    )
    done = np.full(4, 16)  # nobody asks any more
    np.testing.assert_array_equal(
        together(x, g, done), [backward(f)(a, b, 16) for a, b in zip(x, g, strict=True)]
    )


def test_views_of_lanes():
    """As `render` nests them, lanes with their steps outside, views inside; and the other way."""
    steps = np.array([3, 99, 15])
    x = np.stack([np.stack([scenes()[k] for k in ("below", "one picture of two")])] * 3)
    g = normal(7, *x.shape)
    expected = [[backward(RELU)(x[i, j], g[i, j], s) for j in range(2)] for i, s in enumerate(steps)]
    pull = functools.partial(pulled, RELU)
    inside = jax.jit(jax.vmap(jax.vmap(pull, (0, 0, None))))
    np.testing.assert_array_equal(inside(x, g, steps), expected)
    outside = jax.jit(jax.vmap(jax.vmap(pull, (0, 0, 0)), (1, 1, None), 1))
    np.testing.assert_array_equal(outside(x, g, steps), expected)


def test_unbatched_inputs_under_vmap():
    x, g = jnp.asarray(scenes()["below"]), jnp.asarray(normal(5, *SHAPE))
    steps = np.array([0, 20])
    expected = [backward(RELU)(x, g, s) for s in steps]
    np.testing.assert_array_equal(jax.jit(jax.vmap(lambda s: pulled(RELU, x, g, s)))(steps), expected)
    slopes = jnp.stack([g, -g])
    expected = [backward(RELU)(x, b, 0) for b in slopes]
    np.testing.assert_array_equal(jax.jit(jax.vmap(lambda b: pulled(RELU, x, b, 0)))(slopes), expected)


@pytest.mark.parametrize("f", [jax.nn.gelu, jax.nn.silu, jnp.tanh, jax.nn.softplus], ids=lambda f: f.__name__)
def test_others_have_nothing_to_redirect(f: Callable):
    x, g = -np.abs(normal(0, *SHAPE)), normal(5, *SHAPE)
    expected = jax.jit(lambda x, g: jax.vjp(f, x)[1](g)[0])(x, g)
    np.testing.assert_allclose(backward(f)(x, g, 0), expected, rtol=1e-5, atol=1e-6)


def test_tokens_and_vectors_have_pictures_too():
    for shape in ((2, 6, 5), (2, 5)):
        x, g = -np.abs(normal(0, *shape)), normal(5, *shape)
        x[0] *= -1  # the first picture lives
        np.testing.assert_array_equal(backward(RELU)(x, g, 0), revived(RELU, x, g, on=True))


def test_rules_are_cached_and_plain_is_plain():
    assert nn.redirected(16) is nn.redirected()
    assert nn.redirected(8) is not nn.redirected()
    x = jnp.array([-1.0, 2.0])
    assert nn.plain(RELU, x, step=3).tolist() == [0.0, 2.0]
    assert jax.grad(lambda x: nn.plain(RELU, x).sum())(x).tolist() == [0.0, 1.0]


# size, window, stride, padding, ceil: odd and even, lopsided, SAME, a last window over the edge
POOLS = [
    ((8, 8), 2, 2, 0, False),
    ((9, 7), 2, 2, 0, True),
    ((12, 13), 3, 2, 1, False),
    ((12, 13), 3, 2, 0, True),
    ((12, 13), 3, 2, "SAME", False),
    ((7, 6), 3, 1, "SAME", False),
    ((7, 6), 3, 1, 1, False),
    ((10, 9), 2, 3, ((0, 1), (1, 0)), False),
    ((3, 3), 3, 2, 0, True),
]


@pytest.mark.parametrize(("size", "window", "stride", "padding", "ceil"), POOLS, ids=str)
@pytest.mark.parametrize("ties", [False, True])
def test_max_pool_equals_lax(size, window, stride, padding, ceil, ties):
    """Forward and gradient, under vmap, exactly: where values are equal the first one wins."""
    x = normal(0, 2, 2, *size, 3)
    x = np.maximum(x.round(), 0) if ties else x

    def run():
        pool = lambda x: nn.max_pool(x, window, stride, padding, ceil)  # noqa: E731
        return jax.jit(jax.vmap(lambda x: (pool(x), jax.grad(lambda x: jnp.sum(jnp.sin(pool(x))))(x))))(x)

    found = run()
    with nn.lax_only():
        for ours, plain in zip(found, run(), strict=True):
            np.testing.assert_allclose(ours, plain, rtol=1e-6, atol=1e-6)
    assert found[0].size


@pytest.mark.parametrize(
    ("size", "window", "stride", "padding", "ceil"), [p for p in POOLS if not p[4]], ids=str
)
def test_avg_pool_equals_lax(size, window, stride, padding, ceil):
    x = normal(0, 2, *size, 3)

    def run():
        pool = lambda x: nn.avg_pool(x, window, stride, padding)  # noqa: E731
        return jax.jit(lambda x: (pool(x), jax.grad(lambda x: jnp.sum(jnp.sin(pool(x))))(x)))(x)

    found = run()
    with nn.lax_only():
        for ours, plain in zip(found, run(), strict=True):
            np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("place", range(4))
def test_max_pool_passes_nan_on(place):
    x = np.ones((1, 2, 2, 1), np.float32)
    x[0, place // 2, place % 2] = np.nan
    assert np.isnan(nn.max_pool(jnp.asarray(x), 2, 2)).all()


def test_a_picture_smaller_than_a_window_leaves_nothing():
    assert nn.max_pool(jnp.ones((1, 2, 5, 1)), 3, 2).shape == (1, 0, 2, 1)


def test_adaptive_pool_is_torchs():
    """Region i runs from the floor of i·h/size to the ceiling of (i + 1)·h/size."""
    x = normal(0, 1, 10, 5, 2)
    found = nn.adaptive_avg_pool(jnp.asarray(x), 7)
    for i in range(7):
        for j in range(7):
            rows = slice(i * 10 // 7, -(-(i + 1) * 10 // 7))
            columns = slice(j * 5 // 7, -(-(j + 1) * 5 // 7))
            np.testing.assert_allclose(found[0, i, j], x[0, rows, columns].mean((0, 1)), rtol=1e-5, atol=1e-6)
    assert nn.adaptive_avg_pool(found, 7) is found


def test_local_response_norm_by_hand():
    x = normal(0, 1, 2, 2, 6)
    found = np.asarray(nn.local_response_norm(jnp.asarray(x), 3, 0.6, 0.75, 2.0))
    for c in range(6):
        total = (x[..., max(0, c - 1) : c + 2] ** 2).sum(-1)
        np.testing.assert_allclose(found[..., c], x[..., c] / (2 + 0.2 * total) ** 0.75, rtol=1e-5)
