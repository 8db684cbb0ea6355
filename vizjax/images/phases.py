"""Pictures whose magnitudes are those of photographs: only phases are optimized."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from vizjax import color as colors
from vizjax.color import Matrix
from vizjax.errors import InputError
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
from vizjax.images.measured import Magnitudes

UNIFORM = math.pi / math.sqrt(3)
"""Standard deviation of phases of which none is likelier than another."""


@factory
def phase(
    size: Size, n: int = 1, channels: int = 3, sd: float = UNIFORM, decay: float = 1.0,
    magnitudes: Magnitudes | None = None, color: Matrix | str | None = "default",
    values: tuple[float, float] = (0.0, 1.0),
) -> Parameterization:  # fmt: skip
    """The phases of a spectrum whose magnitudes are fixed, as MACO optimizes them.

    Phases are standardized, so that the same step of the optimizer moves them less and less as they
    spread. The picture is standardized too, coloured, and squashed into a range.

    Args:
        size: side or (height, width) in pixels.
        n: pictures in the group.
        channels: of a picture, any number.
        sd: standard deviation to which phases are standardized. The authors' code has 1, from normal
            initial phases, which agree enough to leave a bright spot in the corners; by default they
            are uniform.
        decay: exponent of the 1/f magnitudes.
        magnitudes: of `vizjax.images.magnitudes`, in place of the 1/f law.
        color: as in `fourier`; the default for three channels is `vizjax.color.MACO`.
        values: the range of the picture; what is outside of [0, 1] is clipped in the end, which
            makes for stronger contrast.

    Returns:
        A parameterization with params ``n c h w/2+1``: phases. From a start it takes the phases, which
        standardizing shifts a little; the magnitudes remain what they are.

    Raises:
        InputError: at a size or count below 1, a matrix of another channel count, magnitudes of
            another size, or an empty range.

    References:
        MACO: Fel et al., Unlocking Feature Visualization for Deeper Networks, NeurIPS 2023.

    Example:
        >>> image = phase(32)
        >>> image.decode(image.init(jax.random.key(0))).shape
        (1, 32, 32, 3)
    """
    shape, (low, high) = shape_of(size, n, channels), values
    if isinstance(color, str) and color == "default":
        color = {3: colors.MACO, 4: colors.with_alpha(colors.MACO)}.get(channels)
    (_, h, w, _), matrix = shape, matrix_of(color, channels)
    spectrum = (channels, h, w // 2 + 1)
    if magnitudes is not None and magnitudes.shape != spectrum:
        raise InputError(
            f"the magnitudes of these pictures have the shape {spectrum}, not {magnitudes.shape}; measure "
            f"them with vizjax.images.magnitudes(pictures, {(h, w)})"
        )
    if low >= high or sd <= 0:
        raise InputError(f"values are a range low < high, and sd is positive, not {values}, {sd}")
    fixed = falling(h, w, decay) if magnitudes is None else magnitudes.array

    def init(key: Key[Array, ""], start: Array | np.ndarray | None = None) -> Array:
        if start is None and sd == UNIFORM:
            return jax.random.uniform(key, (n, *spectrum), minval=-math.pi, maxval=math.pi)
        if start is None:
            return sd * jax.random.normal(key, (n, *spectrum))
        x = unsquashed((start_of(start, shape) - low) / (high - low), matrix)
        return jnp.angle(jnp.fft.rfft2(jnp.moveaxis(x, -1, 1)))

    def decode(params: Array) -> Array:
        phases = sd * standardized(params)
        waves = jnp.asarray(fixed)[..., None] * jnp.stack([jnp.cos(phases), jnp.sin(phases)], -1)
        x = jnp.moveaxis(inverse_fft(waves, w), 1, -1)
        return low + (high - low) * squashed(standardized(x), matrix)

    return Parameterization(init, decode)
