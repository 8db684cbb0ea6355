"""Max-pooling and its gradient against windows that numpy goes through one by one."""

import functools
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vizjax import nn

# (h, w), window, stride, ((low, high), (low, high)), ceil: what nets have, windows that overlap or leave
# pixels out, windows larger than what is compared pixel by pixel, one position alone
PLACES = [
    ((8, 8), 2, 2, 0, False),
    ((9, 7), 2, 2, 0, True),
    ((9, 8), 3, 2, 0, True),
    ((9, 8), 3, 2, 1, False),
    ((7, 6), 3, 1, 1, False),
    ((9, 10), 3, 2, ((0, 1), (2, 0)), False),
    ((10, 11), 2, 3, 0, False),
    ((7, 8), 4, 3, 1, False),
    ((6, 7), 4, 1, 0, False),
    ((8, 9), 5, 2, 2, False),
    ((5, 6), 1, 2, 0, False),
    ((36, 20), 2, 17, 0, False),
    ((3, 3), 3, 2, 0, False),
]


def around(size: tuple, window: int, stride: int, padding: int | tuple, ceil: bool) -> list:
    """((low, high), (low, high)) of these paddings."""
    if not isinstance(padding, int):
        return list(padding)
    over = [-(length + 2 * padding - window) % stride if ceil else 0 for length in size]
    return [(padding, padding + more) for more in over]


def one_by_one(x: np.ndarray, g: np.ndarray | None, window: int, stride: int, pads: list) -> tuple:
    """Largest values, and each one's cotangent at the first place that has it; NaN is the largest."""
    padded = np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=-np.inf)
    tall, wide = ((length - window) // stride + 1 for length in padded.shape[1:3])
    out = np.zeros((len(x), tall, wide, x.shape[-1]), x.dtype)
    slopes = np.zeros_like(padded)
    for n, i, j, c in itertools.product(*map(range, out.shape)):
        seen = padded[n, i * stride : i * stride + window, j * stride : j * stride + window, c]
        row, column = divmod(int(seen.argmax()), window)
        out[n, i, j, c] = seen[row, column]
        slopes[n, i * stride + row, j * stride + column, c] += 0 if g is None else g[n, i, j, c]
    (top, _), (left, _) = pads
    return out, slopes[:, top : top + x.shape[1], left : left + x.shape[2]]


def pictures(kind: str, *shape: int) -> np.ndarray:
    random = np.random.default_rng(0)
    x = random.normal(size=shape).astype(np.float32)
    if kind == "ties":
        return np.maximum(x.round(), 0)
    if kind == "zeros":
        return np.zeros_like(x)
    if kind == "nan":
        return np.where(random.random(shape) < 0.1, np.float32(np.nan), x.round())
    return x


def cotangent(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def pulled(place: tuple) -> Callable:
    """A function of pictures and cotangents: the pooled values and the gradient."""

    def pull(x: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
        y, back = jax.vjp(lambda x: nn.max_pool(x, *place[1:]), x)
        return y, *back(g)

    return pull


@functools.cache
def compiled(place: tuple) -> list[Callable]:
    """The same for one batch, for lanes of batches, and for several cotangents of one batch."""
    pull = pulled(place)
    return [jax.jit(f) for f in (pull, jax.vmap(pull), jax.vmap(pull, (None, 0)))]


@pytest.mark.parametrize("kind", ["normal", "ties", "zeros", "nan"])
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_the_first_largest_of_every_window(place: tuple, kind: str):
    """Forward and gradient; compiled; under vmap, also of cotangents alone."""
    size, window, stride, _, _ = place
    pads = around(*place)
    x = pictures(kind, 2, 2, *size, 3)
    g = cotangent(2, *one_by_one(x[0], None, window, stride, pads)[0].shape)
    expected = [one_by_one(a, b, window, stride, pads) for a, b in zip(x, g, strict=True)]
    pull, pull_lanes, pull_several = compiled(place)
    lanes = pull_lanes(x, g)
    for lane, (out, slopes) in enumerate(expected):
        for found in (pull(x[lane], g[lane]), [part[lane] for part in lanes]):
            np.testing.assert_array_equal(found[0], out)
            np.testing.assert_allclose(found[1], slopes, rtol=1e-5, atol=1e-6)
    for slopes, b in zip(pull_several(x[0], g)[1], g, strict=True):
        found = one_by_one(x[0], b, window, stride, pads)[1]
        np.testing.assert_allclose(slopes, found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("place", [PLACES[2], PLACES[4]], ids=str)
def test_step_by_step_is_as_compiled(place: tuple):
    x = jnp.asarray(pictures("ties", 1, *place[0], 2))
    g = jnp.asarray(cotangent(*nn.max_pool(x, *place[1:]).shape))
    for eager, jitted in zip(pulled(place)(x, g), compiled(place)[0](x, g), strict=True):
        np.testing.assert_allclose(eager, jitted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("place", [PLACES[0], PLACES[2], PLACES[4]], ids=str)
def test_a_gradients_gradient_equals_laxs(place: tuple):
    x = pictures("normal", 1, *place[0], 2)

    def run() -> jax.Array:
        slope = jax.grad(lambda x: jnp.sum(jnp.sin(nn.max_pool(x, *place[1:]))))
        return jax.jit(jax.grad(lambda x: jnp.sum(jnp.square(slope(x)))))(x)

    found = run()
    assert np.any(found)
    with nn.lax_only():
        np.testing.assert_allclose(found, run(), rtol=1e-4, atol=1e-5)


def test_the_gradient_keeps_the_dtype():
    x = jnp.ones((1, 4, 4, 2), jnp.bfloat16)
    slopes = jax.jit(jax.grad(lambda x: jnp.sum(nn.max_pool(x, 3, 1, 1))))(x)
    assert slopes.dtype == jnp.bfloat16
    assert slopes[0, :, :, 0].tolist() == [[4, 2, 2, 0], [2, 1, 1, 0], [2, 1, 1, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("size", [(2, 5), (1, 1), (5, 2)], ids=str)
def test_no_window_no_gradient(size: tuple):
    pool = jax.jit(jax.grad(lambda x: jnp.sum(nn.max_pool(x, 3, 2))))
    assert not pool(jnp.ones((1, *size, 1))).any()
