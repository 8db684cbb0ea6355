"""Transforms that move pixels: what comes in from outside is ``fill``."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from vizjax import nn
from vizjax.errors import InputError
from vizjax.factory import factory
from vizjax.transforms.composing import Picture, Resized, Transform, compose
from vizjax.warps import resampled, rotated


@factory
def pad(pixels: int, fill: float | str = 0.5) -> Transform:
    """Adds a border.

    Args:
        pixels: width of the border.
        fill: its value, or ``"reflect"`` for the picture mirrored at its outermost pixels.

    Returns:
        A transform of h × w pictures to (h + 2·pixels) × (w + 2·pixels).

    Raises:
        InputError: at a negative width.

    Example:
        >>> pad(2)(jax.random.key(0), jnp.zeros((4, 4, 1)), 0.0).mean().item()
        0.375
    """
    if pixels < 0:
        raise InputError(f"padding must be 0 pixels or more, not {pixels}; jitter and crop make smaller")

    def transform(key: Key[Array, ""], picture: Picture, progress: Array | float) -> Resized:
        widths = ((pixels, pixels), (pixels, pixels), (0, 0))
        if fill == "reflect":
            return jnp.pad(picture, widths, mode="reflect")
        return jnp.pad(picture, widths, constant_values=fill)

    return transform


@factory
def jitter(pixels: int, until: float = 2.0) -> Transform:
    """Crops at a random place.

    Args:
        pixels: by how much the crop is smaller than the picture, and the range of its offset.
        until: share of the run from which on the middle is cropped; above 1 for never.

    Returns:
        A transform of h × w pictures to (h − pixels) × (w − pixels).

    Raises:
        InputError: at a negative range, or a picture that is not larger than it.

    Example:
        >>> jitter(8)(jax.random.key(0), jnp.zeros((32, 32, 3)), 0.0).shape
        (24, 24, 3)
    """
    if pixels < 0:
        raise InputError(f"jitter must be 0 pixels or more, not {pixels}")

    def transform(key: Key[Array, ""], picture: Picture, progress: Array | float) -> Resized:
        h, w = picture.shape[0] - pixels, picture.shape[1] - pixels
        if min(h, w) < 1:
            raise InputError(
                f"jitter by {pixels} needs a larger picture than {picture.shape[:2]}; pad it first"
            )
        offset = jax.random.randint(key, (2,), 0, pixels + 1)
        offset = jnp.where(progress < until, offset, pixels // 2)
        return resampled(picture, (h, w), jnp.ones(2), -offset.astype(picture.dtype), fill=0.0)

    return transform


@factory
def roll(pixels: int) -> Transform:
    """Moves cyclically: what leaves at one edge comes in at the other.

    Args:
        pixels: the farthest move along each axis, to either side.

    Returns:
        A transform that keeps the shape and every value.

    Raises:
        InputError: at a negative range.

    References:
        Mordvintsev et al., Inceptionism: Going Deeper into Neural Networks, 2015 ("jitter").

    Example:
        >>> rolled = roll(2)(jax.random.key(0), jnp.arange(16.0).reshape(4, 4, 1), 0.0)
        >>> sorted(rolled.ravel().tolist()) == list(range(16))
        True
    """
    if pixels < 0:
        raise InputError(f"roll moves by 0 pixels or more, not {pixels}")

    def transform(key: Key[Array, ""], picture: Picture, progress: Array | float) -> Picture:
        offset = jax.random.randint(key, (2,), -pixels, pixels + 1)
        return jnp.roll(picture, offset, (0, 1)) if nn.uses_lax_only() else _rolled(picture, offset)

    return transform


@factory
def scale(factors: Sequence[float], fill: float = 0.5) -> Transform:
    """Scales about the centre by a factor drawn from a list; the size stays.

    Args:
        factors: what is drawn from, each > 0; a repeated one is drawn more often.
        fill: what comes in from outside.

    Returns:
        A transform that keeps the shape.

    Raises:
        InputError: without factors, or at one that is not positive.

    Example:
        >>> scale((0.9, 1.1))(jax.random.key(0), jnp.zeros((32, 32, 3)), 0.0).shape
        (32, 32, 3)
    """
    if not len(factors) or min(factors) <= 0:
        raise InputError(f"scale draws from one or more positive factors, not {tuple(factors)}")

    def transform(key: Key[Array, ""], picture: Picture, progress: Array | float) -> Picture:
        factor = _choice(key, factors)
        h, w, _ = picture.shape
        size = jnp.array((h, w), picture.dtype)
        return resampled(picture, (h, w), factor * jnp.ones(2), size * (1 - factor) / 2, fill)

    return transform


@factory
def gentle(
    pixels: int = 8, factors: Sequence[float] = (0.95, 0.975, 1.0, 1.025, 1.05), fill: float = 0.5
) -> Transform:
    """Moves by whole pixels and scales about the centre: what `render` does unless told otherwise.

    Jitter and scale in one product: beside `standard` it costs a fifth, and fewer steps lead to higher
    activations and clean pictures (``benchmarks/RESULTS.md``).

    Args:
        pixels: the farthest move along each axis.
        factors: what the scale is drawn from, each > 0.
        fill: what comes in from outside.

    Returns:
        A transform that keeps the shape.

    Raises:
        InputError: at a negative range, without factors, or at one that is not positive.

    Example:
        >>> gentle()(jax.random.key(0), jnp.zeros((32, 32, 3)), 0.0).shape
        (32, 32, 3)
    """
    if pixels < 0 or not len(factors) or min(factors) <= 0:
        raise InputError(
            f"gentle moves by 0 pixels or more and scales by positive factors, not {pixels}, {tuple(factors)}"
        )

    def transform(key: Key[Array, ""], picture: Picture, progress: Array | float) -> Picture:
        move, size = jax.random.split(key)
        factor = _choice(size, factors)
        offset = jax.random.randint(move, (2,), -pixels, pixels + 1).astype(picture.dtype)
        h, w, _ = picture.shape
        shift = jnp.array((h, w), picture.dtype) * (1 - factor) / 2 - offset * factor
        return resampled(picture, (h, w), factor * jnp.ones(2), shift, fill)

    return transform


@factory
def rotate(degrees: Sequence[float], fill: float = 0.5) -> Transform:
    """Rotates about the centre by an angle drawn from a list.

    Args:
        degrees: what is drawn from, counter-clockwise, each within ±90.
        fill: what comes in from outside.

    Returns:
        A transform that keeps the shape.

    Raises:
        InputError: without angles, or at one beyond ±90.

    Example:
        >>> rotate((-5, 0, 5))(jax.random.key(0), jnp.zeros((32, 32, 3)), 0.0).shape
        (32, 32, 3)
    """
    if not len(degrees) or max(map(abs, degrees)) > 90:
        raise InputError(f"rotate draws from one or more angles within -90 ... 90, not {tuple(degrees)}")
    largest = math.radians(max(map(abs, degrees)))

    def transform(key: Key[Array, ""], picture: Picture, progress: Array | float) -> Picture:
        return rotated(picture - fill, jnp.deg2rad(_choice(key, degrees)), largest) + fill

    return transform


@factory
def flip() -> Transform:
    """Mirrors left and right half of the time.

    Returns:
        A transform that keeps the shape.

    Example:
        >>> flip()(jax.random.key(0), jnp.zeros((32, 32, 3)), 0.0).shape
        (32, 32, 3)
    """

    def transform(key: Key[Array, ""], picture: Picture, progress: Array | float) -> Picture:
        return jnp.where(jax.random.bernoulli(key), picture[:, ::-1], picture)

    return transform


def _choice(key: Key[Array, ""], values: Sequence[float]) -> Float[Array, ""]:
    index = jax.random.randint(key, (), 0, len(values))
    return jnp.sum(jax.nn.one_hot(index, len(values)) * np.asarray(values, np.float32))


@jax.custom_batching.sequential_vmap
def _moved(x: Array, offset: Array) -> Array:
    return jnp.roll(x, offset, (0, 1))


# Picture by picture, moves are slices; side by side they would be a gather, and its gradient a scatter.
_rolled = jax.custom_vjp(_moved)
_rolled.defvjp(lambda x, offset: (_moved(x, offset), offset), lambda offset, g: (_moved(g, -offset), None))


@factory
def standard(border: int = 18) -> Transform:
    """Lucid's transforms: padding, jitter 8, scale ±10 %, rotation ±10°, jitter 4.

    The canvas is larger than the picture by border − 6 pixels a side, filled with .5, and stays so.

    Args:
        border: width of the padding in pixels; Lucid's own is 12.

    Returns:
        A transform of h × w pictures to (h + 24) × (w + 24), if ``border`` is 18.

    References:
        Olah et al., Feature Visualization, Distill 2017; Lucid's ``standard_transforms``.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> standard()(jax.random.key(0), jnp.zeros((32, 32, 3)), 0.0).shape
        (56, 56, 3)
    """
    factors = tuple(1 + (i - 5) / 50 for i in range(11))
    degrees = (*range(-10, 11), *[0] * 5)
    return compose(pad(border), jitter(8), scale(factors), rotate(degrees), jitter(4))
