"""Presets of TensorFlow libraries: their defaults, read from their code."""

import math
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from vizjax import color, images, regularizers, transforms, updates
from vizjax.factory import factory
from vizjax.images import Parameterization
from vizjax.recipes.presets.pytorch import VIEW, resized
from vizjax.recipes.presets.units import Preset, settings, weighted
from vizjax.transforms import compose, jitter, pad, scale

LEVEL = 1 / 255
"""A grey level of 8 bits."""


def tf_keras_vis(size: int = 224) -> Preset:
    """The defaults of tf-keras-vis, whose start is uniform noise of the same deviation.

    Args:
        size: side in pixels.

    Returns:
        The preset.

    Example:
        >>> tf_keras_vis().settings["steps"]
        200
    """
    level = 255 / (3 * size**2)
    penalty = weighted((level, _absolute_variation), (0.3 * level, regularizers.l1, 0.0))
    seen = transforms.compose(transforms.roll(4), transforms.rotate((-1, -0.5, 0, 0.5, 1)))
    step = updates.chain(updates.rmsprop(LEVEL, 0.999), updates.clip_pixels())
    return Preset(settings(images.pixels(size, sd=1 / math.sqrt(12)), seen, step, 200), penalty=penalty)


def xplique(size: int = 512, view: int = VIEW) -> Preset:
    """Xplique's defaults; its moves are for 512 pixels, and shrink with the picture.

    Args:
        size: side in pixels.
        view: side to which the canvas is scaled in the end.

    Returns:
        The preset.

    References:
        Fel et al., Xplique: A Deep Learning Explainability Toolbox, 2022.

    Example:
        >>> xplique().settings["steps"]
        256
    """
    eighth, sixteenth = jitter(size // 8), jitter(size // 16)
    seen = compose(
        pad(size // 4, 0.0), eighth, eighth, *[jitter(size // 4)] * 3,
        scale(tuple(0.92 + 0.005 * i for i in range(9))), transforms.blur(1.0, 1.1),
        sixteenth, sixteenth, transforms.flip(), resized(view),
    )  # fmt: skip
    image = stretched(images.fourier(size, decay=0.85, color=color.MACO))
    return Preset(settings(image, seen, updates.adam(0.05), 256))


@factory
def stretched(image: Parameterization) -> Parameterization:
    """Another parameterization's pictures, each scaled so that its values fill [0, 1].

    Args:
        image: the other parameterization.

    Returns:
        A parameterization with the same params.

    Example:
        >>> import jax
        >>> image = stretched(images.fourier(16))
        >>> picture = image.decode(image.init(jax.random.key(0)))
        >>> picture.min().item(), picture.max().item()
        (0.0, 1.0)
    """

    def decode(params: Any) -> Array:
        x = image.decode(params)
        x = x - jnp.min(x, axis=(1, 2, 3), keepdims=True)
        return x / jnp.maximum(jnp.max(x, axis=(1, 2, 3), keepdims=True), 1e-6)

    return Parameterization(lambda key, start=None: image.init(key, start), decode)


def _absolute_variation(x: Array) -> Array:
    down, right = (jnp.sum(jnp.abs(jnp.diff(x, axis=axis))) for axis in (1, 2))
    return (down + right) / x.shape[0]
