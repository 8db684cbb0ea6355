"""What the objectives share: the shapes they speak of, and how places and channels are chosen."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vizjax.errors import InputError

Activation = Float[Array, "n *places c"]
"""``n h w c``, ``n t c`` or ``n c``; n is a group of pictures that are optimized together."""

Scalar = Float[Array, ""]


def one_hot(index: Array | np.ndarray | int, count: int) -> Float[Array, " count"]:
    """The vector that chooses one of ``count`` by a product.

    Args:
        index: from 0 on; may be traced, and then nobody can tell whether it is in range.
        count: how many there are.

    Returns:
        1 at the index, 0 elsewhere.

    Raises:
        InputError: at a plain number out of range.

    Example:
        >>> one_hot(1, 3).tolist()
        [0.0, 1.0, 0.0]
    """
    if isinstance(index, int) and not 0 <= index < count:
        raise InputError(f"units and positions are 0 ... {count - 1} here, not {index}; choose one of these")
    return jax.nn.one_hot(index, count)


def channel_means(x: Activation) -> Float[Array, "n c"]:
    """The mean of each channel over positions.

    Args:
        x: an activation.

    Returns:
        One value a picture and channel.

    Example:
        >>> channel_means(jnp.arange(8.0).reshape(1, 2, 2, 2)).tolist()
        [[3.0, 4.0]]
    """
    return x.reshape(x.shape[0], -1, x.shape[-1]).mean(1)


def at_position(x: Float[Array, "n h w c"], position: Sequence[int] | Array | None) -> Float[Array, "n c"]:
    """What lies at one position, chosen by a product, so that it may be traced.

    Args:
        x: an activation.
        position: (row, column); None for the centre, of even sizes the cell below and right of it.

    Returns:
        One value a picture and channel.

    Example:
        >>> at_position(jnp.arange(16.0).reshape(1, 4, 4, 1), None).item()
        10.0
    """
    h, w = x.shape[1:3]
    row, column = (h // 2, w // 2) if position is None else position
    place = one_hot(row, h)[:, None] * one_hot(column, w)
    return jnp.sum(x * place[..., None], axis=(1, 2))
