"""What layers make of a picture."""

import functools
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from vizjax.activations import activations


@functools.partial(jax.jit, static_argnames="layers")
def seen_at(
    net: Any, picture: Float[Array | np.ndarray, "h w c"], layers: tuple[str, ...]
) -> tuple[Array, ...]:
    """A picture's activations at several layers, compiled.

    Args:
        net: a net.
        picture: in [0, 1].
        layers: their names.

    Returns:
        Activations of one picture each.

    Example:
        >>> import jax.numpy as jnp, vizjax as vz
        >>> [x.shape for x in seen_at(vz.load("efficientnet_lite0"), jnp.ones((32, 32, 3)), ("stem",))]
        [(1, 16, 16, 32)]
    """
    acts = activations(net, picture[None])
    return tuple(acts[name] for name in layers)
