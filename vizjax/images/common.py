"""What parameterizations have in common: their type, their arguments, and colours in [0, 1]."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vizjax import color as colors
from vizjax.color import Matrix
from vizjax.errors import InputError

Size = int | tuple[int, int]


class Parameterization(NamedTuple):
    """A group of n pictures as a function of parameters.

    Attributes:
        init: ``(key, start=None) -> params``; ``start`` is a picture h w c or n h w c in [0, 1].
        decode: ``params -> pictures`` n h w c, nominally in [0, 1].
    """

    init: Callable[..., Any]
    decode: Callable[[Any], Float[Array, "n h w c"]]


def shape_of(size: Size, n: int, channels: int) -> tuple[int, int, int, int]:
    """The shape of a group of pictures.

    Args:
        size: side or (height, width) in pixels.
        n: pictures in the group.
        channels: of a picture.

    Returns:
        n, h, w, channels.

    Raises:
        InputError: at a size or count below 1.

    Example:
        >>> shape_of((24, 32), 2, 3)
        (2, 24, 32, 3)
    """
    h, w = size if isinstance(size, tuple) else (size, size)
    if min(h, w, n, channels) < 1:
        raise InputError(
            f"size, n and channels must be 1 or more, not {size}, {n}, {channels}; give pixels, such as 128"
        )
    return n, h, w, channels


def matrix_of(color: Matrix | str | None, channels: int) -> Matrix | None:
    """The colour matrix that an argument ``color`` means.

    Args:
        color: a matrix of `vizjax.color`; None; or ``"default"``.
        channels: of a picture.

    Returns:
        A matrix channels × channels, or None for independent channels. A matrix for one channel
        less is that of transparent pictures' colours: their last channel stays independent.

    Raises:
        InputError: at a matrix of another channel count.

    Example:
        >>> matrix_of("default", 1) is None
        True
    """
    if color is None:
        return None
    if isinstance(color, str):
        if color != "default":
            raise InputError(
                f"color must be a matrix, None or 'default', not {color!r}; try vizjax.color.MACO"
            )
        return colors.default(channels)
    if np.shape(color) == (channels - 1, channels - 1):
        return colors.with_alpha(color)
    if np.shape(color) != (channels, channels):
        raise InputError(
            f"the colour matrix of {channels} channels is {channels} x {channels}, not "
            f"{' x '.join(map(str, np.shape(color)))}; measure one with vizjax.color.measured"
        )
    return color


def start_of(start: Array | np.ndarray, shape: tuple[int, int, int, int]) -> Array:
    """The pictures to start from, one for each of the group.

    Args:
        start: a picture h w c, or n h w c, of floats in [0, 1].
        shape: n, h, w, c.

    Returns:
        Pictures of that shape.

    Raises:
        InputError: at pictures of another shape, or not of floats.

    Example:
        >>> start_of(np.zeros((4, 4, 3), np.float32), (2, 4, 4, 3)).shape
        (2, 4, 4, 3)
    """
    if not jnp.issubdtype(start.dtype, jnp.floating):
        raise InputError(f"a start is of floats in [0, 1], not {start.dtype}; divide 8-bit pictures by 255")
    if start.shape not in (shape, shape[1:]):
        raise InputError(
            f"a start must have the pictures' shape {shape[1:]} (or {shape}), not {start.shape}; resize it"
        )
    return jnp.broadcast_to(jnp.asarray(start, jnp.float32), shape)


def squashed(x: Float[Array, "*batch c"], matrix: Matrix | None) -> Float[Array, "*batch c"]:
    """Independent channels of any values as colours in [0, 1].

    Args:
        x: an array with channels last.
        matrix: of colours, or None.

    Returns:
        The sigmoid of the correlated channels.

    Example:
        >>> squashed(jnp.zeros(3), None).tolist()
        [0.5, 0.5, 0.5]
    """
    return jax.nn.sigmoid(colors.correlate(x, matrix))


def standardized(x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """Each picture with mean 0 and deviation 1, all of its channels together.

    Args:
        x: pictures of any values.

    Returns:
        An array of the same shape; zeros where all values of a picture are equal.

    Example:
        >>> standardized(jnp.array([1.0, 5.0]).reshape(1, 1, 2, 1)).ravel().round(3).tolist()
        [-1.0, 1.0]
    """
    x = x - jnp.mean(x, axis=(1, 2, 3), keepdims=True)
    return x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=(1, 2, 3), keepdims=True) + 1e-10)


def unsquashed(pictures: Float[Array, "*batch c"], matrix: Matrix | None) -> Float[Array, "*batch c"]:
    """Colours in [0, 1] as independent channels: the inverse of `squashed`.

    Args:
        pictures: an array with channels last.
        matrix: of colours, or None.

    Returns:
        An array of the same shape.

    Example:
        >>> unsquashed(jnp.full(3, 0.5), None).tolist()
        [0.0, 0.0, 0.0]
    """
    # Pure black and white lie at infinity; half a grey level of 8 bits is as near as it matters.
    return colors.decorrelate(jax.scipy.special.logit(jnp.clip(pictures, 1 / 510, 1 - 1 / 510)), matrix)
