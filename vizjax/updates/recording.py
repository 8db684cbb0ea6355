"""What is noted of a run's gradients, and read from the optimizer's last state."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from vizjax.errors import InputError
from vizjax.factory import factory
from vizjax.images import Parameterization


class Importance(NamedTuple):
    """The state of `importance`: the sum of |∂loss/∂picture| so far, n h w c."""

    importance: Array


@factory
def importance(image: Parameterization) -> optax.GradientTransformationExtraArgs:
    """Adds up |∂loss/∂picture| over the steps, for the alpha of the finished picture; changes nothing.

    `vizjax.recipes.transparent` reads it from a result.

    Args:
        image: the parameterization of the run.

    Returns:
        An Optax transformation; it needs ``image_gradient`` among the extra arguments, which
        `vizjax.render` passes.

    Raises:
        InputError: without ``image_gradient``.

    References:
        MACO: Fel et al., Unlocking Feature Visualization for Deeper Networks, NeurIPS 2023.

    Example:
        >>> from vizjax.images import pixels
        >>> adding, picture = importance(pixels(2)), jnp.zeros((1, 2, 2, 3))
        >>> _, state = adding.update(picture, adding.init(picture), image_gradient=picture - 2)
        >>> state.importance.max().item()
        2.0
    """

    def init(params: Any) -> Importance:
        return Importance(jnp.zeros(jax.eval_shape(image.decode, params).shape))

    def update(
        grads: Any, state: Importance, params: Any = None, image_gradient: Array | None = None, **extra: Any
    ) -> tuple[Any, Importance]:
        if image_gradient is None:
            raise InputError("importance needs image_gradient=…; vizjax.render passes it")
        return grads, Importance(state.importance + jnp.abs(image_gradient))

    return optax.GradientTransformationExtraArgs(init, update)
