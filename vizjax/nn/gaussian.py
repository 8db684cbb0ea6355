"""Gaussian blur, its kernel cut where the density has fallen to a given value."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vizjax.errors import InputError
from vizjax.nn.convolution import conv


def gaussian_radius(sigma: float, epsilon: float = 1e-3) -> float:
    """Distance in pixels at which a Gaussian of width ``sigma`` has fallen to ``epsilon``.

    The solution x of G(x) = ε for G(x) = exp(−x²/2σ²) / (σ√2π); a kernel that keeps everything
    above ε has 2⌈x⌉ + 1 taps.

    Args:
        sigma: standard deviation in pixels, > 0.
        epsilon: density below which the tail is dropped, > 0.

    Returns:
        The distance in pixels.

    Raises:
        InputError: where the Gaussian is nowhere as high as ε (εσ√2π ≥ 1).

    References:
        Palacio et al., What do deep networks like to see?, CVPR 2018.

    Example:
        >>> round(gaussian_radius(2.0), 4)
        6.5089
    """
    if sigma <= 0 or epsilon <= 0 or epsilon * sigma * math.sqrt(2 * math.pi) >= 1:
        raise InputError(
            f"a Gaussian of sigma {sigma} never reaches {epsilon}: the rule is "
            f"0 < epsilon * sigma * sqrt(2 pi) < 1; choose a smaller epsilon or a positive sigma"
        )
    return sigma * math.sqrt(-2 * (math.log(epsilon * sigma) + math.log(math.sqrt(2 * math.pi))))


def gaussian_blur(
    x: Float[Array, "*batch h w c"], sigma: float | Float[Array, ""], largest: float | None = None
) -> Float[Array, "*batch h w c"]:
    """Gaussian blur with mirrored edges (d c b a | a b c d | d c b a).

    Args:
        x: pictures.
        sigma: standard deviation in pixels; may be traced where ``largest`` is given.
        largest: the largest ``sigma`` that will come, from which the number of taps is taken.

    Returns:
        Pictures of the same shape.

    Raises:
        InputError: where `gaussian_radius` does.

    Example:
        >>> gaussian_blur(jnp.ones((1, 8, 8, 3)), 1.0).max().round(3).item()
        1.0
    """
    radius = math.ceil(gaussian_radius(float(sigma) if largest is None else largest))
    offsets = np.arange(-radius, radius + 1)
    taps = jnp.exp(-(offsets**2) / (2 * jnp.square(jnp.asarray(sigma, x.dtype))))
    taps = jnp.broadcast_to((taps / taps.sum())[:, None, None, None], (*offsets.shape, 1, 1, x.shape[-1]))
    flat = x.reshape(-1, *x.shape[-3:])
    flat = jnp.pad(flat, ((0, 0), (radius, radius), (radius, radius), (0, 0)), mode="symmetric")
    for filters in (taps, taps.swapaxes(0, 1)):
        flat = conv(flat, filters, padding="VALID", feature_group_count=x.shape[-1])
    return flat.reshape(x.shape)
