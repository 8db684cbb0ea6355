"""What transparent pictures are seen on."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from vizjax import color as colors
from vizjax.errors import InputError
from vizjax.factory import factory
from vizjax.frequencies import falling, inverse_fft
from vizjax.images.common import squashed
from vizjax.transforms.composing import Picture, Transform


@factory
def background(sd: float = 0.5, decay: float = 1.0) -> Transform:
    """Puts a transparent picture, whose last channel is alpha, onto random coloured noise.

    Only what stays visible on any background counts then, and an objective that also rewards
    transparency, such as ``channel(…) * (1 - acts["image"][..., -1].mean())``, makes the rest
    transparent. It comes first in a `compose`.

    Args:
        sd: standard deviation of the noise's spectrum; the larger, the stronger its contrast.
        decay: exponent of its 1/f amplitude: 0 is white noise, 1 like photographs, 2 mostly colour.

    Returns:
        A transform of pictures h w c + 1 to h w c.

    Raises:
        InputError: at a picture of one channel.

    References:
        Mordvintsev et al., Differentiable Image Parameterizations, Distill 2018; Lucid's
        ``collapse_alpha_random``.

    Example:
        >>> background()(jax.random.key(0), jnp.zeros((32, 32, 4)), 0.0).shape
        (32, 32, 3)
    """

    def transform(
        key: Key[Array, ""], picture: Picture, progress: Array | float
    ) -> Float[Array, "h w colors"]:
        h, w, channels = picture.shape
        if channels < 2:
            raise InputError(
                "a transparent picture has a last channel of alpha beside its colours, not one channel in "
                "all; use image=vizjax.images.fourier(128, channels=4)"
            )
        scale = jnp.asarray(sd * falling(h, w, decay) / 4)
        waves = scale[..., None] * jax.random.normal(key, (channels - 1, *scale.shape, 2), jnp.float32)
        noise = squashed(jnp.moveaxis(inverse_fft(waves, w), 0, -1), colors.default(channels - 1))
        alpha = picture[..., -1:]
        return alpha * picture[..., :-1] + (1 - alpha) * noise.astype(picture.dtype)

    return transform
