"""Presets of libraries: their defaults, read from their code."""

import math
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from vizjax import color, images, regularizers, transforms, updates
from vizjax.factory import factory
from vizjax.images import Parameterization
from vizjax.recipes.unit_objectives import Preset, settings, weighted
from vizjax.transforms import Transform, compose, crop, jitter, pad, rotate, scale

LEVEL = 1 / 255
"""A grey level of 8 bits."""

VIEW = 224
"""Side in pixels of what nets are shown of other pictures: their usual input size."""

LUCID = compose(
    pad(12), jitter(8), scale(tuple(1 + (i - 5) / 50 for i in range(11))),
    rotate((*range(-10, 11), *[0] * 5)), jitter(4),
)  # fmt: skip
"""Lucid's transforms on a canvas that stays as large as it is padded."""

SCALES = (1.0, 0.975, 1.025, 0.95, 1.05)


def lucent(size: int = 128, view: int = VIEW) -> Preset:
    """Lucent's defaults: Lucid's, but small pictures are enlarged, and gradients are plain.

    Args:
        size: side in pixels.
        view: side of what the net is shown of a smaller picture.

    Returns:
        The preset.

    Example:
        >>> import jax
        >>> lucent(64).settings["transform"](jax.random.key(0), jnp.zeros((64, 64, 3)), 0.0).shape
        (224, 224, 3)
    """
    seen = compose(LUCID, resized(view)) if size < view else LUCID
    return Preset(settings(images.fourier(size), seen, updates.adam(0.05), 512))


def captum(size: int = 224) -> Preset:
    """The defaults of Captum's optim module.

    Its spectrum is not divided by 4: here start and steps are 4 times as large instead.

    Args:
        size: side in pixels.

    Returns:
        The preset.

    Example:
        >>> captum().settings["steps"]
        512
    """
    seen = compose(scale(SCALES), pad(8, "reflect"), jitter(16))
    return Preset(settings(images.fourier(size, sd=4 / 50), seen, updates.adam(4 * 0.025), 512))


def dreamlens(size: int = 256) -> Preset:
    """The defaults of Dreamlens and torch-dreams.

    Args:
        size: side in pixels.

    Returns:
        The preset.

    Example:
        >>> dreamlens().settings["steps"]
        120
    """
    seen = compose(scale(tuple(0.5 + 0.1 * i for i in range(8))), rotate(tuple(range(-15, 16))))
    optimizer = updates.chain(updates.clip_gradient(1.0), updates.adamw(9e-3))
    return Preset(settings(images.fourier(size), seen, optimizer, 120))


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


def resized(size: int) -> Transform:
    """The whole picture in another size.

    Args:
        size: side in pixels.

    Returns:
        A transform of pictures of any size.

    Example:
        >>> import jax
        >>> resized(8)(jax.random.key(0), jnp.ones((4, 4, 1)), 0.0).shape
        (8, 8, 1)
    """
    return crop(size, (1.0, 1.0), side_sd=0, center_sd=0)


def _absolute_variation(x: Array) -> Array:
    down, right = (jnp.sum(jnp.abs(jnp.diff(x, axis=axis))) for axis in (1, 2))
    return (down + right) / x.shape[0]
