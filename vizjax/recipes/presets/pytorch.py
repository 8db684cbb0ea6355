"""Presets of PyTorch libraries: their defaults, read from their code."""

from vizjax import images, updates
from vizjax.recipes.presets.units import Preset, settings
from vizjax.transforms import Transform, compose, crop, jitter, pad, rotate, scale, standard

VIEW = 224
"""Side in pixels of what nets are shown of other pictures: their usual input size."""

SCALES = (1.0, 0.975, 1.025, 0.95, 1.05)


def lucent(size: int = 128, view: int = VIEW) -> Preset:
    """Lucent's defaults: Lucid's, but small pictures are enlarged, and gradients are plain.

    Args:
        size: side in pixels.
        view: side of what the net is shown of a smaller picture.

    Returns:
        The preset.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> lucent(64).settings["transform"](jax.random.key(0), jnp.zeros((64, 64, 3)), 0.0).shape
        (224, 224, 3)
    """
    seen = compose(standard(12), resized(view)) if size < view else standard(12)
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


def resized(size: int) -> Transform:
    """The whole picture in another size.

    Args:
        size: side in pixels.

    Returns:
        A transform of pictures of any size.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> resized(8)(jax.random.key(0), jnp.ones((4, 4, 1)), 0.0).shape
        (8, 8, 1)
    """
    return crop(size, (1.0, 1.0), side_sd=0, center_sd=0)
