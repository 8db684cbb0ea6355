"""What HOG and SIFT are made of: image gradients, their orientations, and pooling into cells."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.errors import InputError

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey, of ITU-R recommendation BT.601."""

LARGEST = 0.2
"""What normalized histograms are cut off at."""

NEAREST = math.acos(1 - 1e-7)
"""The smallest angle to a direction that is told from 0: the arc cosine is without slope beyond."""


def grey(images: Float[Array, "n h w c"]) -> Float[Array, "n h w 1"]:
    """Grey pictures of grey or coloured ones, by the weights of ITU-R BT.601.

    Args:
        images: pictures of 1 or 3 channels.

    Returns:
        Pictures of one channel.

    Raises:
        InputError: at another number of channels.

    Example:
        >>> grey(jnp.ones((1, 2, 2, 3))).shape
        (1, 2, 2, 1)
    """
    channels = images.shape[-1]
    if channels not in (1, 3):
        raise InputError(
            f"HOG and SIFT are computed from grey or RGB pictures, of 1 or 3 channels, not {channels};"
            f" pass those channels alone, such as images[..., :3]"
        )
    if channels == 1:
        return images
    red, green, blue = jnp.split(images, 3, axis=-1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def gradient(x: Float[Array, "n h w 1"]) -> Float[Array, "n h2 w2 2"]:
    """Differences between the right and the left, and the lower and the upper neighbour of a pixel.

    Args:
        x: grey pictures.

    Returns:
        Both differences of all pixels but the outermost: two less along h and w.

    Example:
        >>> gradient(jnp.arange(9.0).reshape(1, 3, 3, 1)).tolist()
        [[[[2.0, 6.0]]]]
    """
    along = x[:, 1:-1, 2:] - x[:, 1:-1, :-2]
    down = x[:, 2:, 1:-1] - x[:, :-2, 1:-1]
    return jnp.concatenate([along, down], axis=-1)


def magnitude(gradient: Float[Array, "n h w 2"]) -> Float[Array, "n h w 1"]:
    """Length of the gradient, whose own gradient is zero where the length is.

    Args:
        gradient: of each pixel.

    Returns:
        Its length.

    Example:
        >>> magnitude(jnp.array([[[[3.0, 4.0]]]])).item()
        5.0
    """
    square = jnp.sum(jnp.square(gradient), axis=-1, keepdims=True)
    steep = square > _least(square)
    return jnp.where(steep, jnp.sqrt(jnp.where(steep, square, 1)), 0)


def hard_orientations(
    gradient: Float[Array, "n h w 2"], magnitude: Float[Array, "n h w 1"], orientations: int
) -> Float[Array, "n h w k"]:
    """The magnitude in the direction nearest to the gradient's, among 2 · orientations of them.

    Direction k has the angle 2πk / (2 · orientations), from right to down; of two that are equally
    near the lower one is taken. Which one it is has no gradient.

    Args:
        gradient: of each pixel.
        magnitude: its length.
        orientations: number of directions in half a turn.

    Returns:
        A channel for each direction.

    Example:
        >>> down = jnp.array([[[[0.0, 1.0]]]])
        >>> hard_orientations(down, magnitude(down), 4)[0, 0, 0].tolist()
        [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    nearest = _nearest(jax.lax.stop_gradient(gradient), orientations)
    return jnp.where(nearest == jnp.arange(2 * orientations), magnitude, 0)


def _nearest(gradient: Array, orientations: int) -> Array:
    """Which direction that is, by comparing products alone: compilers may round sums in several ways."""
    x, y = jnp.split(gradient, 2, axis=-1)
    up = y < 0
    left = (x < 0) | ((x == 0) & up & (orientations > 1))
    against = left != up  # counted against the directions' order, in which ties go to the higher one
    count = jnp.zeros(x.shape, jnp.int32)
    for i, (cosine, sine) in enumerate(directions(4 * orientations)[1 : 2 * (orientations // 2) : 2]):
        above, level = abs(y) * cosine, abs(x) * sine
        # but from below the horizontal to direction 0, which is the lowest of all
        ties = against if i else against & left
        count += jnp.where(ties, above >= level, above > level)
    whole = jnp.where(left, orientations, jnp.where(up, 2 * orientations, 0))
    return jnp.where(against, whole - count, whole + count) % (2 * orientations)


def soft_orientations(
    gradient: Float[Array, "n h w 2"], magnitude: Float[Array, "n h w 1"], orientations: int
) -> Float[Array, "n h w k"]:
    """The magnitude, shared between the two directions nearest to the gradient's.

    The share of direction k falls from 1 to 0 as the angle to it grows to that between neighbours.
    Angles below `NEAREST` count as that.

    Args:
        gradient: of each pixel.
        magnitude: its length.
        orientations: number of directions in half a turn.

    Returns:
        A channel for each direction.

    Example:
        >>> between = jnp.array([[[[1.4142, 1.4142]]]])
        >>> soft_orientations(between, magnitude(between), 2)[0, 0, 0].round().tolist()
        [1.0, 1.0, 0.0, 0.0]
    """
    steep = jnp.sum(jnp.square(gradient), axis=-1, keepdims=True) > _least(gradient)
    x, y = jnp.split(jnp.where(steep, gradient, 1), 2, axis=-1)
    steps = jnp.arctan2(y, x) * (orientations / math.pi)
    lower = jnp.floor(jax.lax.stop_gradient(steps))
    least = NEAREST * orientations / math.pi
    found = jnp.zeros((), magnitude.dtype)
    for direction, apart in ((lower, steps - lower), (lower + 1, lower + 1 - steps)):
        share = magnitude * (1 - jnp.maximum(apart, least))
        k = direction.astype(jnp.int32) % (2 * orientations)
        found += jnp.where(k == jnp.arange(2 * orientations), share, 0)
    return found


def undirected_orientations(
    gradient: Float[Array, "n h w 2"], magnitude: Float[Array, "n h w 1"], orientations: int
) -> Float[Array, "n h w k"]:
    """The magnitude in the range of angles that the gradient's line is in, among ``orientations`` of them.

    Range k goes from the angle πk / orientations, which belongs to it, to that of the next. Which one it is
    has no gradient.

    Args:
        gradient: of each pixel.
        magnitude: its length.
        orientations: number of ranges in half a turn.

    Returns:
        A channel for each range.

    Example:
        >>> up = jnp.array([[[[0.0, -1.0]]]])
        >>> undirected_orientations(up, magnitude(up), 4)[0, 0, 0].tolist()
        [0.0, 0.0, 1.0, 0.0]
    """
    x, y = jnp.split(jax.lax.stop_gradient(gradient), 2, axis=-1)
    turned = (y < 0) | ((y == 0) & (x < 0))
    x, y = jnp.where(turned, -x, x), jnp.where(turned, -y, y)
    starts = directions(2 * orientations)[1:orientations]
    reached = sum((y * cosine >= x * sine for cosine, sine in starts), jnp.zeros(x.shape, jnp.int32))
    return jnp.where(reached == jnp.arange(orientations), magnitude, 0)


def directions(count: int) -> np.ndarray:
    """Cosines and sines of the angles 2πk / count.

    Angles that mirror each other share the same numbers, to the last bit: what is symmetric in a
    picture stays so.

    Args:
        count: number of angles.

    Returns:
        An array (count, 2).

    Example:
        >>> directions(4).tolist()
        [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
    """
    # in quarters of a step, so that a quarter of a turn is whole for any count
    return np.array([[_cosine(4 * k, 4 * count), _cosine(4 * k - count, 4 * count)] for k in range(count)])


def _cosine(k: int, count: int) -> float:
    k = min(k % count, -k % count)
    if 4 * k > count:
        return -_cosine(count // 2 - k, count)
    if 8 * k > count:
        return math.sin(2 * math.pi * (count // 4 - k) / count)
    return math.cos(2 * math.pi * k / count)


def triangular_pool(
    x: Float[Array, "n h w c"], cell: int, side: int, padding: tuple[tuple[int, int], tuple[int, int]]
) -> Float[Array, "n h2 w2 c"]:
    """Sums of cells: pixels count less the farther they are from the centre, nothing ``cell`` pixels away.

    Args:
        x: an array.
        cell: pixels from one cell to the next.
        side: taps of the filter: 2 · cell, or one less to be centred on a pixel.
        padding: zeros before and after, along h and w.

    Returns:
        The sums.

    Example:
        >>> triangular_pool(jnp.ones((1, 4, 4, 1)), 2, 4, ((0, 0), (0, 0))).tolist()
        [[[[4.0]]]]
    """
    taps = jnp.asarray(1 - abs(np.arange(side) - (side - 1) / 2) / cell, x.dtype)
    taps = jnp.broadcast_to(taps[:, None, None, None], (side, 1, 1, x.shape[-1]))
    down, along = padding
    x = nn.conv(x, taps, (cell, 1), (down, (0, 0)), feature_group_count=x.shape[-1])
    return nn.conv(x, taps.swapaxes(0, 1), (1, cell), ((0, 0), along), feature_group_count=x.shape[-1])


def _least(x: Array) -> float:
    """The square of a length that counts as zero: below it, one over it would be infinite."""
    return float(jnp.finfo(x.dtype).tiny)
