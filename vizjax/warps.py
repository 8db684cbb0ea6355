"""Geometric warps of a picture as matrix products and sums of shifted slices.

Gathers are slow on TPU, and their gradients are slow everywhere.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from vizjax import nn

Picture = Float[Array, "h w c"]


def resampled(
    picture: Picture, size: tuple[int, int], factor: Float[Array, "2"], shift: Float[Array, "2"],
    fill: float, antialias: bool = False,
) -> Float[Array, "h2 w2 c"]:  # fmt: skip
    """A picture scaled and moved along its axes, linearly interpolated.

    Args:
        picture: any.
        size: (height, width) of the result in pixels.
        factor: by which it grows along h and w; may be traced.
        shift: then of its origin, in pixels of the result; may be traced.
        fill: what lies outside of the picture.
        antialias: whether shrinking averages.

    Returns:
        A picture of ``size``.

    Example:
        >>> resampled(jnp.ones((2, 2, 1)), (4, 4), jnp.array([2.0, 2.0]), jnp.zeros(2), 0.0).sum().item()
        16.0
    """
    shape = (*size, picture.shape[-1])
    moved = jax.image.scale_and_translate(
        picture - fill, shape, (0, 1), factor, shift, "linear", antialias=antialias
    )
    return moved + fill


def rotated(picture: Picture, angle: Float[Array, ""], largest: float) -> Picture:
    """A picture turned about its centre, as three shears.

    Args:
        picture: any; outside of it lies 0.
        angle: counter-clockwise in radians; may be traced.
        largest: the largest angle that will come, to either side, π/2 at most.

    Returns:
        A picture of the same shape.

    References:
        Paeth, A Fast Algorithm for General Raster Rotation, Graphics Interface 1986.

    Example:
        >>> rotated(jnp.eye(3)[..., None], jnp.array(jnp.pi / 2), jnp.pi / 2)[:, :, 0].round(2).tolist()
        [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    h, w, _ = picture.shape
    along = math.tan(largest / 2) * h / 2
    # Between the shears, what comes back in the end lies so far outside.
    margin = math.ceil(min(along, (1 / math.cos(largest) - 1) * w / 2))
    across = math.sin(largest) * (w / 2 + margin)
    x = jnp.pad(picture, ((0, 0), (margin, margin), (0, 0)))
    x = sheared(x, jnp.tan(angle / 2), math.ceil(along), axis=1)
    x = sheared(x, -jnp.sin(angle), math.ceil(across), axis=0)
    return sheared(x, jnp.tan(angle / 2), math.ceil(along), axis=1)[:, margin : margin + w]


def sheared(x: Picture, slope: Float[Array, ""], reach: int, axis: int) -> Picture:
    """Every line along an axis moved by slope · (its distance beyond the middle line).

    Linearly interpolated; what comes in from outside is 0.

    Args:
        x: a picture.
        slope: pixels a line; may be traced.
        reach: the largest move that will come, in pixels.
        axis: 1 moves rows to the right, 0 moves columns down.

    Returns:
        A picture of the same shape.

    Example:
        >>> sheared(jnp.eye(3)[..., None], jnp.array(-1.0), 1, axis=1)[:, :, 0].tolist()
        [[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if nn.uses_lax_only():
        return _shear(x, slope, reach, axis)
    return _shear_with_own_transpose(x, slope, reach, axis)


def _shear(x: Array, slope: Array, reach: int, axis: int) -> Array:
    lines, length = x.shape[1 - axis], x.shape[axis]
    origin = jnp.expand_dims(-slope * (jnp.arange(lines) - (lines - 1) / 2), (axis, 2))
    # Without the barrier XLA would compute what comes before once for every tap.
    padding = [(reach, reach) if i == axis else (0, 0) for i in range(3)]
    padded = lax.optimization_barrier(jnp.pad(x, padding))
    out = jnp.zeros_like(x)
    for k in range(2 * reach + 1):
        tap = jnp.maximum(0, 1 - jnp.abs(origin - (k - reach))).astype(x.dtype)
        out += tap * lax.slice_in_dim(padded, k, k + length, axis=axis)
    return out


# The transpose of a shear is the opposite shear: as fast as the forward pass, where differentiating
# through the slices would add up as many padded arrays as there are taps.
_shear_with_own_transpose = jax.custom_vjp(_shear, nondiff_argnums=(2, 3))
_shear_with_own_transpose.defvjp(
    lambda x, slope, reach, axis: (_shear(x, slope, reach, axis), slope),
    lambda reach, axis, slope, g: (_shear(g, -slope, reach, axis), None),
)
