"""Spectra of pictures: frequencies, the 1/f law, and an inverse FFT that is bit-equal in every lane."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from vizjax import nn


def falling(h: int, w: int, decay: float = 1.0) -> Float[np.ndarray, "h w2"]:
    """Amplitudes that fall with frequency: √(h·w) / max(f, 1 / max(h, w))^decay.

    Args:
        h: height in pixels.
        w: width.
        decay: the exponent.

    Returns:
        One amplitude for each frequency of the half spectrum, h × (w // 2 + 1).

    Example:
        >>> falling(4, 4).round(1).tolist()[0]
        [16.0, 16.0, 8.0]
    """
    f = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None])
    return (math.sqrt(w * h) / np.maximum(f, 1 / max(w, h)) ** decay).astype(np.float32)


def inverse_fft(parts: Float[Array, "*batch h w2 2"], width: int) -> Float[Array, "*batch h w"]:
    """The real picture of a half spectrum, the same in every lane under vmap.

    Args:
        parts: real and imaginary parts.
        width: of the picture.

    Returns:
        Pictures; numpy's ``irfft2``.

    Example:
        >>> parts = jnp.zeros((4, 3, 2)).at[0, 0, 0].set(16.0)
        >>> inverse_fft(parts, 4)[0].tolist()
        [1.0, 1.0, 1.0, 1.0]
    """

    def inverse(parts: Array) -> Array:
        return _irfft2(parts, width)

    if nn.uses_lax_only():
        return inverse(parts)
    transposed = jax.linear_transpose(inverse, jax.ShapeDtypeStruct(parts.shape, parts.dtype))
    forward = jax.custom_vjp(_one_lane_at_a_time(inverse))
    backward = _one_lane_at_a_time(lambda g: transposed(g)[0])
    forward.defvjp(lambda parts: (forward(parts), None), lambda _, g: (backward(g),))
    return forward(parts)


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
