"""Pictures whose values are themselves the parameters."""

import jax
import numpy as np
from jaxtyping import Array, Key

from vizjax.factory import factory
from vizjax.images.common import Parameterization, Size, shape_of, start_of


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
    shape = shape_of(size, n, channels)

    def init(key: Key[Array, ""], start: Array | np.ndarray | None = None) -> Array:
        if start is not None:
            return start_of(start, shape)
        return 0.5 + sd * jax.random.normal(key, shape)

    return Parameterization(init, lambda params: params)
