"""Transforms that look at a random part of the picture."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from vizjax.errors import InputError
from vizjax.factory import factory
from vizjax.transforms.composing import Picture, Resized, Transform
from vizjax.warps import resampled


@factory
def crop(
    size: int | tuple[int, int], side: tuple[float, float] = (0.5, 0.05), side_sd: float = 0.05,
    center_sd: float = 0.15, fill: float = 0.5,
) -> Transform:  # fmt: skip
    """Random crops in the picture's shape, scaled to one size, that shrink through the run.

    Args:
        size: side or (height, width) of the result in pixels.
        side: mean side of the crop at the run's start and end, as a share of the picture's.
        side_sd: standard deviation of the side.
        center_sd: standard deviation of the crop's centre about .5.
        fill: what is seen beyond the picture's edge.

    Returns:
        A transform of pictures of any size to ``size``.

    References:
        MACO: Fel et al., Unlocking Feature Visualization for Deeper Networks, NeurIPS 2023.

    Example:
        >>> crop(16)(jax.random.key(0), jnp.zeros((32, 32, 3)), 0.0).shape
        (16, 16, 3)
    """
    out = size if isinstance(size, tuple) else (size, size)

    def transform(key: Key[Array, ""], picture: Picture, progress: Array | float) -> Resized:
        side_key, center_key = jax.random.split(key)
        mean = side[0] + (side[1] - side[0]) * progress
        share = jnp.clip(mean + side_sd * jax.random.normal(side_key), 0.02, 1.0)
        center = 0.5 + center_sd * jax.random.normal(center_key, (2,))
        return _enlarged(picture, share, jnp.clip(center - share / 2, 0, 1 - share), out, fill)

    return transform


@factory
def boxes(
    size: int | tuple[int, int], side: tuple[float, float] = (0.05, 0.99), center_sd: float | None = None,
    fill: float = 0.5,
) -> Transform:  # fmt: skip
    """Random crops in the picture's shape, scaled to one size, whose sides are drawn uniformly.

    Args:
        size: side or (height, width) of the result in pixels.
        side: smallest and largest side of the crop, as a share of the picture's.
        center_sd: standard deviation of the crop's centre about .5; None for anywhere.
        fill: what is seen beyond the picture's edge.

    Returns:
        A transform of pictures of any size to ``size``.

    Raises:
        InputError: unless 0 < smallest ≤ largest ≤ 1.

    References:
        Hamblin et al., Feature Accentuation, 2024; Horama.

    Example:
        >>> boxes(16)(jax.random.key(0), jnp.zeros((32, 32, 3)), 0.0).shape
        (16, 16, 3)
    """
    if not 0 < side[0] <= side[1] <= 1:
        raise InputError(f"sides of boxes are shares 0 < smallest <= largest <= 1, not {side}")
    out = size if isinstance(size, tuple) else (size, size)

    def transform(key: Key[Array, ""], picture: Picture, progress: Array | float) -> Resized:
        side_key, center_key = jax.random.split(key)
        share = jax.random.uniform(side_key, (), minval=side[0], maxval=side[1])
        if center_sd is None:
            corner = (1 - share) * jax.random.uniform(center_key, (2,))
        else:
            center = 0.5 + center_sd * jax.random.normal(center_key, (2,))
            corner = jnp.clip(center - share / 2, 0, 1 - share)
        return _enlarged(picture, share, corner, out, fill)

    return transform


def _enlarged(picture: Array, share: Array, corner: Array, size: tuple[int, int], fill: float) -> Array:
    """The box of a side and a corner, both as shares of the picture's, in another size."""
    size_in = jnp.array(picture.shape[:2], picture.dtype)
    factor = jnp.array(size, picture.dtype) / (share * size_in)
    return resampled(picture, size, factor, -corner * size_in * factor, fill, antialias=True)
