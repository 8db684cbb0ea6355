"""Transforms that change the values of pixels where they are."""

import jax
from jaxtyping import Array, Key

from vizjax import nn
from vizjax.errors import InputError
from vizjax.factory import factory
from vizjax.transforms.composing import Picture, Transform


@factory
def blur(low: float, high: float) -> Transform:
    """Gaussian blur of a width drawn uniformly.

    Args:
        low: smallest standard deviation in pixels, > 0.
        high: largest.

    Returns:
        A transform that keeps the shape.

    Raises:
        InputError: unless 0 < low ≤ high.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> blur(1.0, 1.1)(jax.random.key(0), jnp.zeros((32, 32, 3)), 0.0).shape
        (32, 32, 3)
    """
    if not 0 < low <= high:
        raise InputError(f"blur draws sigma from a range 0 < low <= high, not {low} ... {high}")

    def transform(key: Key[Array, ""], picture: Picture, progress: Array | float) -> Picture:
        sigma = jax.random.uniform(key, (), picture.dtype, low, high)
        return nn.gaussian_blur(picture, sigma, largest=high)

    return transform


@factory
def noise(normal: float = 0.08, uniform: float = 0.0) -> Transform:
    """Adds noise to every value.

    Args:
        normal: standard deviation of normal noise.
        uniform: half width of uniform noise about 0.

    Returns:
        A transform that keeps the shape.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> noise(0.1)(jax.random.key(0), jnp.zeros((32, 32, 3)), 0.0).shape
        (32, 32, 3)
    """

    def transform(key: Key[Array, ""], picture: Picture, progress: Array | float) -> Picture:
        first, second = jax.random.split(key)
        picture = picture + normal * jax.random.normal(first, picture.shape, picture.dtype)
        return picture + uniform * jax.random.uniform(second, picture.shape, picture.dtype, -1)

    return transform
