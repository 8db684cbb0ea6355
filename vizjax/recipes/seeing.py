"""What layers make of pictures."""

import functools
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from vizjax.activations import activations


@functools.partial(jax.jit, static_argnames="layer")
def seen(net: Any, pictures: Float[Array | np.ndarray, "n h w c"], layer: str | tuple[str, ...]) -> Any:
    """A layer's activation of pictures, or those of several, compiled.

    Args:
        net: a net.
        pictures: in [0, 1].
        layer: a name, or a tuple of names.

    Returns:
        The activation ``n … c``, or a tuple of them.

    Raises:
        InputError: at an unknown layer or unfit pictures.

    Example:
        >>> import jax.numpy as jnp, vizjax as vz
        >>> seen(vz.load("efficientnet_lite0"), jnp.ones((1, 32, 32, 3)), "stem").shape
        (1, 16, 16, 32)
    """
    acts = activations(net, pictures)
    return jax.tree.map(lambda name: acts[name], layer)
