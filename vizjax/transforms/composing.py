"""The type of transforms, and their composition."""

from collections.abc import Callable

import jax
from jaxtyping import Array, Float, Key

from vizjax.factory import factory

Picture = Float[Array, "h w c"]
Resized = Float[Array, "h2 w2 c"]
Transform = Callable[[Array, Array, Array | float], Array]
"""``(key, picture h w c, progress in [0, 1] through the run) -> picture``."""


@factory
def compose(*transforms: Transform) -> Transform:
    """Transforms one after the other; without any, the picture as it is.

    Args:
        *transforms: the first is applied first; each draws from a key of its own.

    Returns:
        A transform.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from vizjax.transforms import jitter, pad
        >>> both = compose(pad(4), jitter(8))
        >>> both(jax.random.key(0), jnp.zeros((32, 32, 3)), 0.0).shape
        (32, 32, 3)
    """

    def transform(key: Key[Array, ""], picture: Picture, progress: Array | float) -> Float[Array, "h2 w2 c2"]:
        for i, part in enumerate(transforms):
            picture = part(jax.random.fold_in(key, i), picture, progress)
        return picture

    return transform
