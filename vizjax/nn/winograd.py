"""Winograd's minimal filtering: 3×3 convolutions with a quarter of the multiplications."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float


class Scheme(NamedTuple):
    """F(m×m, 3×3): m² values of the result from (m + 2)² of the input.

    Attributes:
        inputs: Bᵀ, (m + 2) × (m + 2): what is made of a tile of the input, along one axis.
        filters: G, (m + 2) × 3.
        outputs: Aᵀ, m × (m + 2).
    """

    inputs: np.ndarray
    filters: np.ndarray
    outputs: np.ndarray


SCHEMES = {
    2: Scheme(
        np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]),
        np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]),
        np.array([[1, 1, 1, 0], [0, 1, -1, -1]]),
    ),
    4: Scheme(
        np.array([
            [4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1],
        ]),
        np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24,
        np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]),
    ),
}  # fmt: skip
"""By m; a larger one multiplies less and rounds more: relative errors 5e-6 and 1e-4."""

ENOUGH = 128
"""Tiles that are multiplied together at least: fewer leave a matrix product idle."""


def winograd_filters(kernel: Float[Array, "3 3 i o"], tile: int = 4) -> Float[Array, "t t i o"]:
    """Filters as `winograd_conv` needs them.

    Args:
        kernel: of a 3×3 convolution.
        tile: m of the scheme, 2 or 4.

    Returns:
        (m + 2)² / 9 times as many numbers.

    Example:
        >>> winograd_filters(jnp.ones((3, 3, 8, 16))).shape
        (6, 6, 8, 16)
    """
    g, t = SCHEMES[tile].filters, tile + 2
    both = jnp.asarray(np.einsum("ai,bj->abij", g, g).reshape(t, t, 9), kernel.dtype)
    product = jnp.dot(both, kernel.reshape(9, -1), precision=lax.Precision.HIGHEST)
    return product.reshape(t, t, *kernel.shape[2:])


@jax.custom_batching.custom_vmap
def winograd_conv(x: Float[Array, "n h w i"], filters: Float[Array, "t t i o"]) -> Float[Array, "n h w o"]:
    """3×3 convolution of stride 1, padded by 1 pixel; differentiating it is slow.

    A few pictures are filtered at a time, so that what is between the products stays in the caches.

    Args:
        x: activations.
        filters: `winograd_filters` of the kernel.

    Returns:
        The filtered array.

    References:
        Lavin & Gray, Fast algorithms for convolutional neural networks, CVPR 2016.

    Example:
        >>> x, filters = jnp.ones((1, 4, 4, 1)), winograd_filters(jnp.ones((3, 3, 1, 1)))
        >>> winograd_conv(x, filters)[0, 1, :, 0].round().tolist()
        [6.0, 9.0, 9.0, 6.0]
    """
    m = len(filters) - 2
    n, h, w, _ = x.shape
    tall, wide = -(-h // m), -(-w // m)
    count = min(n, -(-ENOUGH // (tall * wide)))
    blocks = -(-n // count)
    pads = ((0, blocks * count - n), (1, (tall + 1) * m - h - 1), (1, (wide + 1) * m - w - 1), (0, 0))
    x = jnp.pad(x, pads).reshape(blocks, count, tall + 1, m, (wide + 1) * m, -1)
    y = _tiles(x[0], filters)[None] if blocks == 1 else lax.map(lambda x: _tiles(x, filters), x)
    return y.reshape(blocks * count, tall * m, wide * m, -1)[:n, :h, :w]


@winograd_conv.def_vmap
def _(size: int, batched: Sequence[bool], x: Array, filters: Array) -> tuple[Array, bool]:
    if batched[1]:
        x = x if batched[0] else jnp.broadcast_to(x, (size, *x.shape))
        return lax.map(lambda pair: winograd_conv(*pair), (x, filters)), True
    y = winograd_conv(x.reshape(-1, *x.shape[2:]), filters)
    return y.reshape(size, -1, *y.shape[1:]), True


def _tiles(x: Float[Array, "n tall m w i"], u: Float[Array, "t t i o"]) -> Array:
    t = len(u)
    m = t - 2
    scheme = SCHEMES[m]
    n, tall, _, w, _ = x.shape
    tall, wide = tall - 1, w // m - 1
    rows = _combined(scheme.inputs, [x[:, :-1, r] if r < m else x[:, 1:, r - m] for r in range(t)])
    values = []
    for row in rows:
        row = row.reshape(n, tall, wide + 1, m, -1)
        columns = [row[:, :, :-1, s] if s < m else row[:, :, 1:, s - m] for s in range(t)]
        values += _combined(scheme.inputs, columns)
    v = jnp.stack(values).reshape(t * t, n * tall * wide, -1)
    y = lax.dot_general(v, u.reshape(t * t, *u.shape[2:]), (((2,), (1,)), ((0,), (0,))))
    y = y.reshape(t, t, n, tall, wide, -1)
    rows = _combined(scheme.outputs, [y[r] for r in range(t)])
    pixels = [_combined(scheme.outputs, [row[s] for s in range(t)]) for row in rows]
    return jnp.stack([jnp.stack(row, 3) for row in pixels], 2).reshape(n, tall * m, wide * m, -1)


def _combined(matrix: np.ndarray, parts: Sequence[Array]) -> list[Array]:
    """The product with a small matrix, written out as sums."""
    sums = []
    for row in matrix:
        terms = [float(c) * part for c, part in zip(row, parts, strict=True) if c]
        sums.append(functools.reduce(jnp.add, terms))
    return sums
