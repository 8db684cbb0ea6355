"""Pictures as spectra, whose high frequencies are scaled down."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from vizjax.color import Matrix
from vizjax.factory import factory
from vizjax.frequencies import falling, inverse_fft
from vizjax.images.common import (
    Parameterization,
    Size,
    matrix_of,
    shape_of,
    squashed,
    standardized,
    start_of,
    unsquashed,
)


@factory
def fourier(
    size: Size, n: int = 1, channels: int = 3, sd: float = 0.01, decay: float = 1.0,
    color: Matrix | str | None = "default", standardize: bool = False,
) -> Parameterization:  # fmt: skip
    """A spectrum whose high frequencies are scaled down, with decorrelated colour.

    Args:
        size: side or (height, width) in pixels.
        n: pictures in the group.
        channels: of a picture, any number.
        sd: standard deviation of the initial spectrum's real and imaginary parts.
        decay: exponent of the 1/f amplitude.
        color: a matrix of `vizjax.color`, None for independent channels, ``"default"`` for the
            published one where there are three channels, or four, of which the last is transparency.
        standardize: whether each picture is brought to mean 0 and deviation 1 before its colours are
            mixed and squashed, so that its contrast is fixed.

    Returns:
        A parameterization with params ``n c h w/2+1 2``: real and imaginary parts.

    Raises:
        InputError: at a size or count below 1, or a matrix of another channel count.

    References:
        Olah et al., Feature Visualization, Distill 2017; Lucid.

    Example:
        >>> image = fourier(32)
        >>> image.decode(image.init(jax.random.key(0))).shape
        (1, 32, 32, 3)
    """
    shape = shape_of(size, n, channels)
    (_, h, w, _), matrix = shape, matrix_of(color, channels)
    scale = falling(h, w, decay) / 4
    spectrum = (n, channels, *scale.shape, 2)

    def init(key: Key[Array, ""], start: Array | np.ndarray | None = None) -> Array:
        if start is None:
            return sd * jax.random.normal(key, spectrum)
        waves = jnp.fft.rfft2(jnp.moveaxis(unsquashed(start_of(start, shape), matrix), -1, 1))
        return jnp.stack([waves.real, waves.imag], -1) / scale[..., None]

    def decode(params: Array) -> Array:
        x = jnp.moveaxis(inverse_fft(params * scale[..., None], w), 1, -1)
        return squashed(standardized(x) if standardize else x, matrix)

    return Parameterization(init, decode)
