"""The linear inverse of a representation, learned from pictures: what inversion is compared with."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from vizjax.activations import layers
from vizjax.errors import InputError, unknown
from vizjax.recipes.seeing import seen

Values = Array | np.ndarray


Inverse = Callable[[Array], Array]
"""Representations ``n *places c`` -> pictures ``n h w c``."""


def fit_ridge(
    net: Any, pictures: Float[Values, "n h w c"], layer: str, penalty: float = 0.1
) -> Inverse:  # fmt: skip
    """The linear map from a layer to pictures that is best for given pictures.

    A patch of two strides is predicted from the 3 × 3 positions about its centre; from representations
    without positions, the whole picture is.

    Args:
        net: a net, also a classical representation of `vizjax.features`.
        pictures: in [0, 1], to learn from.
        layer: to be inverted.
        penalty: of the weights' squares, as a share of the features' mean variance, > 0.

    Returns:
        The inverse: representations ``n *places c`` -> pictures of the given ones' size. Where patches
        overlap they are averaged, and what none covers is grey.

    Raises:
        InputError: at an unknown layer, or a penalty that is not positive.

    References:
        Hoerl & Kennard, Ridge regression, 1970; as a baseline of inversion: Vondrick et al., HOGgles:
        visualizing object detection features, ICCV 2013.

    Example:
        >>> import vizjax as vz
        >>> x = jax.random.uniform(jax.random.key(0), (4, 64, 64, 1))
        >>> inverse = fit_ridge(vz.features.hog(), x, "hog")
        >>> inverse(vz.activations(vz.features.hog(), x)["hog"]).shape
        (4, 64, 64, 1)
    """
    if penalty <= 0:
        raise InputError(f"the penalty of a ridge regression must be positive, not {penalty}; try 0.1")
    facts = layers(net)
    if layer not in facts:
        raise unknown("layer", layer, facts, "vizjax.layers(net) lists them")
    pictures = jnp.asarray(pictures)
    representation = seen(net, pictures, layer)
    fact, size = facts[layer], pictures.shape[1:]
    patches = _patches(size, representation.shape[1:-1], fact.stride, fact.center)
    x, y = (
        np.asarray(a, np.float64).reshape(-1, a.shape[-1])
        for a in (_neighbourhoods(representation), patches(pictures))
    )
    middle, mean = x.mean(0), y.mean(0)
    x, y = x - middle, y - mean
    loaded = penalty * np.mean(np.square(x)) * len(x)
    if x.shape[1] <= len(x):
        weights = np.linalg.solve(x.T @ x + loaded * np.eye(x.shape[1]), x.T @ y)
    else:  # the same, with a matrix of positions in place of one of features
        weights = x.T @ np.linalg.solve(x @ x.T + loaded * np.eye(len(x)), y)
    return _inverse(jnp.float32(weights), jnp.float32(mean - middle @ weights), patches, (1, *size))


def _inverse(weights: Array, offset: Array, patches: Callable, shape: tuple[int, ...]) -> Inverse:
    spread = jax.linear_transpose(patches, jax.ShapeDtypeStruct(shape, jnp.float32))
    (cover,) = spread(jnp.ones_like(patches(jnp.zeros(shape))))

    def inverse(representation: Array) -> Array:
        found = _neighbourhoods(jnp.asarray(representation)) @ weights + offset
        summed = jnp.concatenate([spread(x[None])[0] for x in found])
        return jnp.where(cover > 0, jnp.clip(summed / jnp.maximum(cover, 1), 0, 1), 0.5)

    return inverse


def _neighbourhoods(x: Float[Array, "n *places c"]) -> Array:
    if x.ndim != 4:
        return x.reshape(len(x), 1, 1, -1)
    return lax.conv_general_dilated_patches(
        x, (3, 3), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _patches(size: tuple, places: tuple, stride: int | None, center: float | None) -> Any:
    """A function of pictures: the patches of two strides about each position's centre."""
    if stride is None or center is None or len(places) != 2:
        return lambda x: x.reshape(len(x), 1, 1, -1)
    side = 2 * stride
    first = math.floor(center - (side - 1) / 2)
    last = [first + (n - 1) * stride + side for n in places]
    padding = [(-first, end - length) for end, length in zip(last, size[:2], strict=True)]

    def patches(x: Array) -> Array:
        return lax.conv_general_dilated_patches(
            x, (side, side), (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    return patches
