"""Pictures as sums of ever coarser layers."""

import jax
import numpy as np
from jaxtyping import Array, Key

from vizjax.color import Matrix
from vizjax.errors import InputError
from vizjax.factory import factory
from vizjax.images.common import Parameterization, Size, matrix_of, shape_of, squashed, start_of, unsquashed


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
    shape = shape_of(size, n, channels)
    matrix = matrix_of(color, channels)
    if levels < 1:
        raise InputError(f"a pyramid has 1 or more levels, not {levels}; give levels=5")
    shapes = [(n, -(-shape[1] // 2**k), -(-shape[2] // 2**k), channels) for k in range(levels)]

    def grown(level: Array) -> Array:
        return jax.image.resize(level, shape, "linear")

    def init(key: Key[Array, ""], start: Array | np.ndarray | None = None) -> tuple[Array, ...]:
        if start is None:
            keys = jax.random.split(key, levels)
            return tuple(sd * jax.random.normal(k, s) for k, s in zip(keys, shapes, strict=True))
        rest, found = unsquashed(start_of(start, shape), matrix), []
        for s in reversed(shapes):
            found.append(jax.image.resize(rest, s, "linear"))
            rest = rest - grown(found[-1])
        return tuple(reversed(found))

    def decode(params: tuple[Array, ...]) -> Array:
        return squashed(sum((grown(level) for level in params[1:]), params[0]), matrix)

    return Parameterization(init, decode)
