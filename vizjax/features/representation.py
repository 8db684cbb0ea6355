"""What a classical representation is: a net without weights."""

from collections.abc import Callable

import jax
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine
from vizjax.features.gradients import grey


@jax.tree_util.register_static
class Representation:
    """A hand-made representation of pictures as a net, for `vizjax.activations` and `vizjax.render`.

    It takes pictures ``n h w 1`` or ``n h w 3`` in [0, 1]; its first layer is ``grey``, its last one
    has the representation's name. It is a pytree without leaves.

    Args:
        name: of the representation, and of its last layer.
        layers: runs it on grey pictures.
        side: of the pictures that facts about layers are given for.
    """

    def __init__(self, name: str, layers: Callable[[Array], Coroutine], side: int):
        self.name, self.layers = name, layers
        self.input_shape = (side, side, 1)

    def __call__(self, images: Float[Array, "n h w c"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out every layer; ``rectify`` has nothing to change, there are no units to revive."""
        return self.layers(grey(images))
