"""Small changes of pictures, which a representation may be invariant to: ``CHANGES``."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from vizjax import nn
from vizjax.transforms import Transform, rotate, scale

Change = Callable[[Array], Array]


def still(transform: Transform) -> Change:
    """A transform that draws from one value, as a function of pictures whose edges go on.

    Args:
        transform: of `vizjax.transforms`, which keeps the shape.

    Returns:
        A function of pictures n h w c.

    Example:
        >>> still(scale((2.0,)))(jnp.arange(4.0).reshape(1, 1, 4, 1)).ravel().tolist()
        [0.75, 1.25, 1.75, 2.25]
    """

    def change(x: Array) -> Array:
        h, w = x.shape[1:3]
        wide = jnp.pad(x, ((0, 0), (h, h), (w, w), (0, 0)), mode="edge")
        return jax.vmap(lambda p: transform(jax.random.key(0), p, 0.0))(wide)[:, h : 2 * h, w : 2 * w]

    return change


CHANGES: dict[str, Change] = {
    "shift": lambda x: jnp.pad(x, ((0, 0), (2, 0), (2, 0), (0, 0)), mode="edge")[:, :-2, :-2],
    "rotation": still(rotate((5,))),
    "scale": still(scale((1.05,))),
    "blur": lambda x: nn.gaussian_blur(x, 1.0),
    "contrast": lambda x: 0.5 + 0.8 * (x - 0.5),
}
"""What pictures are put through: 2 pixels, 5°, 5 %, σ = 1 pixel, 80 % of the contrast."""
