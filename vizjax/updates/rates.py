"""How far to go: learning rates that follow the gradient."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from vizjax.errors import InputError
from vizjax.factory import factory
from vizjax.updates.momentum import LEVEL


class Empty(NamedTuple):
    """The state of what remembers nothing."""


@factory
def progress(
    gain: float, largest: float = math.inf, late: float | None = None, unit: float = LEVEL
) -> optax.GradientTransformationExtraArgs:
    """The step that should raise the objective by a given amount: rate = min(largest, gain / ‖g‖²).

    Args:
        gain: the rise that each step aims at.
        largest: the largest rate.
        late: for probabilities p: the gain is at most late · (1 − p), so that it tapers off near 1.
        unit: in which the parameters are measured: g is the slope for one unit.

    Returns:
        An Optax transformation of any parameters; with ``late`` it needs ``value`` among the extra
        arguments, which `vizjax.render` passes.

    Raises:
        InputError: at a number that is not positive, or with ``late`` and without ``value``.

    References:
        Yosinski et al., Understanding Neural Networks Through Deep Visualization, 2015.
        Nguyen et al., Deep Neural Networks are Easily Fooled, CVPR 2015 (late).

    Example:
        >>> step = progress(2.0)
        >>> change, _ = step.update(jnp.array([-4.0]), step.init(jnp.zeros(1)))
        >>> change.item()
        0.5
    """
    if min(gain, largest, math.inf if late is None else late) <= 0:
        raise InputError(f"progress takes positive numbers, not gain {gain}, largest {largest}, late {late}")

    def update(
        grads: Any, state: Empty, params: Any = None, *, value: Array | None = None, **extra: Any
    ) -> tuple[Any, Empty]:
        wanted: Array | float = gain
        if late is not None:
            if value is None:
                raise InputError("progress with late=… needs value=…; vizjax.render passes it")
            wanted = jnp.minimum(gain, late * (1 + value))  # the value is of the loss, minus p
        squares = jnp.square(optax.tree.norm(grads))
        rate = jnp.minimum(largest * unit**2, wanted / jnp.maximum(squares, 1e-30))
        return jax.tree.map(lambda g: -rate * g, grads), state

    def init(params: Any) -> Empty:
        return Empty()

    return optax.GradientTransformationExtraArgs(init, update)


@factory
def clip_gradient(norm: float) -> optax.GradientTransformation:
    """Shortens gradients that are longer than a norm, all parameters together.

    Args:
        norm: the largest that passes, > 0.

    Returns:
        An Optax transformation, to be followed by an optimizer.

    Raises:
        InputError: at a norm that is not positive.

    Example:
        >>> clip = clip_gradient(2.5)
        >>> clip.update(jnp.array([3.0, 4.0]), clip.init(jnp.zeros(2)))[0].tolist()
        [1.5, 2.0]
    """
    if norm <= 0:
        raise InputError(f"the largest norm of a gradient must be positive, not {norm}")
    inner = optax.clip_by_global_norm(norm)

    def init(params: Any) -> Any:
        return inner.init(params)

    return optax.GradientTransformation(init, inner.update)
