"""Regions of styles, and their sizes in layers."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from vizjax.errors import InputError
from vizjax.pictures import resized
from vizjax.recipes.seeing import seen


def regions(masks: Sequence[np.ndarray], styles: int) -> tuple[np.ndarray, ...]:
    """A region for each style.

    Args:
        masks: h w in [0, 1]; for each style, or for all but the last, which gets the rest.
        styles: how many there are.

    Returns:
        The regions.

    Raises:
        InputError: at another number of masks, or one that is black all over.

    Example:
        >>> regions([np.eye(2)], 2)[1].tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    found = [np.asarray(mask, np.float32) for mask in masks]
    if len(found) == styles - 1:
        sizes = {mask.shape for mask in found}
        if len(sizes) == 1:
            found.append(np.clip(1 - sum(found), 0, 1))
    if len(found) != styles or any(m.ndim != 2 or not m.max() > 0 for m in found):
        shapes = [m.shape for m in found]
        raise InputError(
            f"masks are h w in [0, 1], not black all over, one for each of {styles} styles or, of one size, "
            f"for all but the last; not {shapes}"
        )
    return tuple(found)


def fitted_masks(
    net: Any, picture: np.ndarray, masks: Sequence[np.ndarray], layers: tuple[str, ...]
) -> tuple[Array, ...]:
    """Masks of regions in the sizes that layers have.

    Args:
        net: a net.
        picture: h w c, of the size that is rendered.
        masks: a region each, h w in [0, 1].
        layers: names of layers.

    Returns:
        For each layer, regions h w.

    Example:
        >>> import vizjax as vz
        >>> net, picture = vz.load("efficientnet_lite0"), np.zeros((32, 32, 3), np.float32)
        >>> [m.shape for m in fitted_masks(net, picture, [np.ones((64, 64))], ("stem", "blocks.4"))]
        [(1, 16, 16), (1, 4, 4)]
    """
    shapes = [x.shape[1:3] for x in jax.eval_shape(lambda net, p: seen(net, p[None], layers), net, picture)]
    return tuple(
        # a little weight everywhere, so that a region that a coarse layer misses is no division by zero
        jnp.clip(jnp.stack([jnp.asarray(resized(m[..., None], s)[..., 0]) for m in masks]), 1e-6, 1)
        for s in shapes
    )
