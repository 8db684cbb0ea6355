"""What the objectives share: the shapes they speak of, and how places and channels are chosen."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Activation = Float[Array, "n *places c"]
"""``n h w c``, ``n t c`` or ``n c``; n is a group of pictures that are optimized together."""

Scalar = Float[Array, ""]


def channel_means(x: Array) -> Array:
    return x.reshape(x.shape[0], -1, x.shape[-1]).mean(1)


def at_position(x: Array, position: Sequence[int] | Array | None) -> Array:
    h, w = x.shape[1:3]
    row, column = (h // 2, w // 2) if position is None else position
    place = jax.nn.one_hot(row, h)[:, None] * jax.nn.one_hot(column, w)
    return jnp.sum(x * place[..., None], axis=(1, 2))
