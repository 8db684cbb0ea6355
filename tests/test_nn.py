"""Operators against lax and scipy, and the rules for non-linearities against their definitions."""

import contextlib
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from scipy import ndimage

from vizjax import nn
from vizjax.errors import InputError

# (h, w), kernel, strides, padding: both strides, odd and even sizes, every kind of padding
CONVOLUTIONS = [
    ((8, 8), (3, 3), (1, 1), "SAME"),
    ((9, 10), (3, 3), (2, 2), "SAME"),
    ((10, 9), (5, 5), (2, 2), "SAME"),
    ((9, 9), (5, 5), (1, 1), "VALID"),
    ((8, 11), (3, 5), (2, 1), "VALID"),
    ((7, 8), (3, 3), (2, 2), ((1, 0), (0, 2))),
    ((6, 6), (5, 3), (1, 2), ((2, 2), (1, 1))),
]


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_lax(x: Any, kernel: Any, strides: tuple, padding: Any) -> jax.Array:
    return lax.conv_general_dilated(
        x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1], precision="highest",
    )  # fmt: skip


@pytest.mark.parametrize(("size", "window", "strides", "padding"), CONVOLUTIONS, ids=str)
def test_depthwise_conv_equals_lax(size: tuple, window: tuple, strides: tuple, padding: Any):
    """Forward, both gradients, under vmap, and in forward mode inside lax_only."""
    x, kernel = normal(0, 2, 2, *size, 4), normal(1, *window, 1, 4)
    weights = normal(2, 2, *jax.eval_shape(lambda x: by_lax(x, kernel, strides, padding), x[0]).shape)

    def run(convolve: Callable) -> tuple:
        def one(x: jax.Array, kernel: jax.Array, weights: jax.Array) -> tuple:
            out, back = jax.vjp(lambda x, k: convolve(x, k, strides, padding), x, kernel)
            return out, *back(weights)

        return jax.jit(jax.vmap(one, (0, None, 0)))(x, kernel, weights)

    expected = run(by_lax)
    for found, plain in zip(run(nn.depthwise_conv), expected, strict=True):
        np.testing.assert_allclose(found, plain, atol=2e-5)
    with nn.lax_only():
        convolve = lambda x, k: nn.depthwise_conv(x, k, strides, padding)  # noqa: E731
        way = (normal(3, *x[0].shape), normal(4, *kernel.shape))
        forward = jax.jit(lambda *a: jax.jvp(convolve, a[:2], a[2:]))
        out, rise = forward(x[0], kernel, *way)
    np.testing.assert_allclose(out, expected[0][0], atol=2e-5)
    # <J v, w> = <v, Jᵀ w>
    backward = [np.sum(way[0] * expected[1][0]), np.sum(way[1] * expected[2][0])]
    np.testing.assert_allclose(np.sum(rise * weights[0]), sum(backward), rtol=1e-3, atol=1e-3)


def test_depthwise_conv_keeps_the_dtype():
    out = nn.depthwise_conv(jnp.ones((1, 4, 4, 2), jnp.bfloat16), jnp.ones((3, 3, 1, 2), jnp.bfloat16))
    assert out.dtype == jnp.bfloat16
    assert out[0, 1, 1, 0] == 9


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
