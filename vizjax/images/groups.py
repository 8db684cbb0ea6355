"""Groups of pictures that share their coarse parts."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from vizjax.color import Matrix
from vizjax.errors import InputError
from vizjax.factory import factory
from vizjax.frequencies import falling, inverse_fft
from vizjax.images.common import Parameterization, Size, matrix_of, shape_of, squashed, start_of, unsquashed

PARTS = ((1, 2), (1, 4), (1, 8), (2, 8), (1, 16), (2, 16))
"""(pictures, by how much smaller than the canvas) of each shared part, as Lucid interpolates."""


@factory
def shared(
    size: Size, n: int = 6, channels: int = 3, sd: float = 0.01, decay: float = 1.0,
    parts: Sequence[tuple[int, int]] = PARTS, color: Matrix | str | None = "default",
) -> Parameterization:  # fmt: skip
    """A group whose pictures keep what they can in common: for interpolation and animation.

    Each picture is a spectrum of its own, as in `fourier`, and a sum of parts that the group shares:
    small arrays of one or a few pictures, scaled up bilinearly along the group, height and width.

    Args:
        size: side or (height, width) in pixels.
        n: pictures in the group.
        channels: of a picture, any number.
        sd: standard deviation of all initial values.
        decay: exponent of the 1/f amplitude of what each picture has of its own.
        parts: (pictures, k) of each shared part: so many along the group, 1/k of the height and width.
        color: as in `fourier`.

    Returns:
        A parameterization with params (spectra ``n c h w/2+1 2``, a tuple of the parts). A start is
        put into the spectra; the parts are 0 then.

    Raises:
        InputError: at a size or count below 1, or a matrix of another channel count.

    References:
        Mordvintsev et al., Differentiable Image Parameterizations, Distill 2018 (aligned
        interpolation); Lucid's ``lowres_tensor``.

    Example:
        >>> image = shared(32, n=6, parts=((1, 2), (2, 8)))
        >>> own, parts = image.init(jax.random.key(0))
        >>> [part.shape for part in parts], image.decode((own, parts)).shape
        ([(1, 16, 16, 3), (2, 4, 4, 3)], (6, 32, 32, 3))
    """
    shape, matrix = shape_of(size, n, channels), matrix_of(color, channels)
    _, h, w, _ = shape
    if any(min(part) < 1 for part in parts):
        raise InputError(f"a shared part is (1 or more pictures, 1/k of the size), not {tuple(parts)}")
    scale = falling(h, w, decay) / 4
    spectra = (n, channels, *scale.shape, 2)
    shapes = [(min(count, n), -(-h // k), -(-w // k), channels) for count, k in parts]

    def init(key: Key[Array, ""], start: Array | np.ndarray | None = None) -> tuple[Array, tuple]:
        if start is not None:
            waves = jnp.fft.rfft2(jnp.moveaxis(unsquashed(start_of(start, shape), matrix), -1, 1))
            own = jnp.stack([waves.real, waves.imag], -1) / scale[..., None]
            return own, tuple(jnp.zeros(s) for s in shapes)
        first, *keys = jax.random.split(key, 1 + len(shapes))
        drawn = (sd * jax.random.normal(k, s) for k, s in zip(keys, shapes, strict=True))
        return sd * jax.random.normal(first, spectra), tuple(drawn)

    def decode(params: tuple[Array, tuple]) -> Array:
        own, common = params
        x = jnp.moveaxis(inverse_fft(own * scale[..., None], w), 1, -1)
        return squashed(sum((jax.image.resize(part, shape, "linear") for part in common), x), matrix)

    return Parameterization(init, decode)
