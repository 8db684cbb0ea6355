"""Parameterizations of pictures: what is optimized, and how it becomes a picture."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Key

from vizjax import color as colors
from vizjax import nn
from vizjax.color import Matrix
from vizjax.errors import InputError
from vizjax.factory import factory

Size = int | tuple[int, int]


class Parameterization(NamedTuple):
    """A group of n pictures as a function of parameters.

    Attributes:
        init: ``(key, start=None) -> params``; ``start`` is a picture h w c or n h w c in [0, 1].
        decode: ``params -> pictures`` n h w c, nominally in [0, 1].
    """

    init: Callable[..., Any]
    decode: Callable[[Any], Float[Array, "n h w c"]]


@factory
def pixels(size: Size, n: int = 1, channels: int = 3, sd: float = 0.01) -> Parameterization:
    """The pixels themselves, starting as grey with a little noise.

    Args:
        size: side or (height, width) in pixels.
        n: pictures in the group.
        channels: of a picture, any number.
        sd: standard deviation of the noise about .5.

    Returns:
        A parameterization whose params are the pictures, n h w c.

    Raises:
        InputError: at a size or count below 1.

    Example:
        >>> image = pixels(32, channels=1)
        >>> image.decode(image.init(jax.random.key(0))).shape
        (1, 32, 32, 1)
    """
    shape = _shape(size, n, channels)

    def init(key: Key[Array, ""], start: Array | np.ndarray | None = None) -> Array:
        if start is not None:
            return _start(start, shape)
        return 0.5 + sd * jax.random.normal(key, shape)

    return Parameterization(init, lambda params: params)


@factory
def fourier(
    size: Size, n: int = 1, channels: int = 3, sd: float = 0.01, decay: float = 1.0,
    color: Matrix | str | None = "default",
) -> Parameterization:  # fmt: skip
    """A spectrum whose high frequencies are scaled down, with decorrelated colour.

    Args:
        size: side or (height, width) in pixels.
        n: pictures in the group.
        channels: of a picture, any number.
        sd: standard deviation of the initial spectrum's real and imaginary parts.
        decay: exponent of the 1/f amplitude.
        color: a matrix of `vizjax.color`, None for independent channels, ``"default"`` for the
            published one where there are three channels.

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
    shape = _shape(size, n, channels)
    (_, h, w, _), matrix = shape, _matrix(color, channels)
    f = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None])
    scale = (math.sqrt(w * h) / np.maximum(f, 1 / max(w, h)) ** decay / 4).astype(np.float32)
    spectrum = (n, channels, *f.shape, 2)

    def init(key: Key[Array, ""], start: Array | np.ndarray | None = None) -> Array:
        if start is None:
            return sd * jax.random.normal(key, spectrum)
        waves = jnp.fft.rfft2(jnp.moveaxis(_unsquashed(_start(start, shape), matrix), -1, 1))
        return jnp.stack([waves.real, waves.imag], -1) / scale[..., None]

    def decode(params: Array) -> Array:
        channels_first = _inverse_fft(params * scale[..., None], w)
        return _squashed(jnp.moveaxis(channels_first, 1, -1), matrix)

    return Parameterization(init, decode)


@factory
def pyramid(
    size: Size, n: int = 1, channels: int = 3, sd: float = 0.1, levels: int = 5,
    color: Matrix | str | None = "default",
) -> Parameterization:  # fmt: skip
    """A Laplacian pyramid: the sum of ever coarser layers, scaled up bilinearly.

    Args:
        size: side or (height, width) in pixels.
        n: pictures in the group.
        channels: of a picture, any number.
        sd: standard deviation of every level's initial values.
        levels: number of layers, each of half the size of the one before.
        color: as in `fourier`.

    Returns:
        A parameterization whose params are a tuple of arrays, finest first.

    Raises:
        InputError: at a size or count below 1, or a matrix of another channel count.

    References:
        Lucid's ``laplacian_pyramid_image``.

    Example:
        >>> image = pyramid((24, 32), levels=3)
        >>> [level.shape for level in image.init(jax.random.key(0))]
        [(1, 24, 32, 3), (1, 12, 16, 3), (1, 6, 8, 3)]
    """
    shape = _shape(size, n, channels)
    matrix = _matrix(color, channels)
    if levels < 1:
        raise InputError(f"a pyramid has 1 or more levels, not {levels}; give levels=5")
    shapes = [(n, -(-shape[1] // 2**k), -(-shape[2] // 2**k), channels) for k in range(levels)]

    def grown(level: Array) -> Array:
        return jax.image.resize(level, shape, "linear")

    def init(key: Key[Array, ""], start: Array | np.ndarray | None = None) -> tuple[Array, ...]:
        if start is None:
            keys = jax.random.split(key, levels)
            return tuple(sd * jax.random.normal(k, s) for k, s in zip(keys, shapes, strict=True))
        rest, found = _unsquashed(_start(start, shape), matrix), []
        for s in reversed(shapes):
            found.append(jax.image.resize(rest, s, "linear"))
            rest = rest - grown(found[-1])
        return tuple(reversed(found))

    def decode(params: tuple[Array, ...]) -> Array:
        return _squashed(sum((grown(level) for level in params[1:]), params[0]), matrix)

    return Parameterization(init, decode)


def _shape(size: Size, n: int, channels: int) -> tuple[int, int, int, int]:
    h, w = size if isinstance(size, tuple) else (size, size)
    if min(h, w, n, channels) < 1:
        raise InputError(
            f"size, n and channels must be 1 or more, not {size}, {n}, {channels}; give pixels, such as 128"
        )
    return n, h, w, channels


def _matrix(color: Matrix | str | None, channels: int) -> Matrix | None:
    if color is None:
        return None
    matrix = colors.default(channels) if isinstance(color, str) else color
    if isinstance(color, str) and color != "default":
        raise InputError(f"color must be a matrix, None or 'default', not {color!r}; try vizjax.color.MACO")
    if matrix is not None and np.shape(matrix) != (channels, channels):
        raise InputError(
            f"the colour matrix of {channels} channels is {channels} x {channels}, not "
            f"{' x '.join(map(str, np.shape(matrix)))}; measure one with vizjax.color.measured"
        )
    return matrix


def _start(start: Array | np.ndarray, shape: tuple[int, int, int, int]) -> Array:
    if not jnp.issubdtype(start.dtype, jnp.floating):
        raise InputError(f"a start is of floats in [0, 1], not {start.dtype}; divide 8-bit pictures by 255")
    if start.shape not in (shape, shape[1:]):
        raise InputError(
            f"a start must have the pictures' shape {shape[1:]} (or {shape}), not {start.shape}; resize it"
        )
    return jnp.broadcast_to(jnp.asarray(start, jnp.float32), shape)


def _squashed(x: Array, matrix: Matrix | None) -> Array:
    return jax.nn.sigmoid(colors.correlate(x, matrix))


def _unsquashed(pictures: Array, matrix: Matrix | None) -> Array:
    # Pure black and white lie at infinity; half a grey level of 8 bits is as near as it matters.
    return colors.decorrelate(jax.scipy.special.logit(jnp.clip(pictures, 1 / 510, 1 - 1 / 510)), matrix)


def _irfft2(parts: Array, width: int) -> Array:
    waves = lax.complex(parts[..., 0], parts[..., 1])
    return jnp.fft.irfft2(waves, s=(parts.shape[-3], width))


def _one_lane_at_a_time(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Under vmap on CPU, maps ``f`` over lanes: batched FFTs round differently from lane to lane."""

    @jax.custom_batching.custom_vmap
    def mapped(x: Array) -> Array:
        return f(x)

    @mapped.def_vmap
    def _(size: int, batched: Any, x: Array) -> tuple[Array, bool]:
        return lax.platform_dependent(x, cpu=lambda x: lax.map(mapped, x), default=jax.vmap(f)), True

    return mapped


def _inverse_fft(parts: Array, width: int) -> Array:
    def inverse(parts: Array) -> Array:
        return _irfft2(parts, width)

    if nn.uses_lax_only():
        return inverse(parts)
    transposed = jax.linear_transpose(inverse, jax.ShapeDtypeStruct(parts.shape, parts.dtype))
    forward = jax.custom_vjp(_one_lane_at_a_time(inverse))
    backward = _one_lane_at_a_time(lambda g: transposed(g)[0])
    forward.defvjp(lambda parts: (forward(parts), None), lambda _, g: (backward(g),))
    return forward(parts)
