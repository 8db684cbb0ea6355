"""How far to go: learning rates that follow the gradient, and optimizers in the form recipes can name."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from vizjax.errors import InputError
from vizjax.factory import factory
from vizjax.images import Parameterization
from vizjax.updates.momentum import LEVEL


class Empty(NamedTuple):
    """The state of what remembers nothing."""


class Importance(NamedTuple):
    """The state of `importance`: the sum of |∂loss/∂picture| so far, n h w c."""

    importance: Array


@factory
def chain(*parts: optax.GradientTransformation) -> optax.GradientTransformation:
    """One after the other, as `optax.chain`: the same object for the same parts, which recipes can name.

    Args:
        *parts: Optax transformations; the first sees the gradient.

    Returns:
        An Optax transformation.

    Example:
        >>> from vizjax.factory import recipe
        >>> recipe(chain(clip_gradient(1.0), adamw(0.009)))
        'chain(clip_gradient(1.0), adamw(0.009))'
    """
    return optax.chain(*parts)


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


@factory
def adamw(learning_rate: float, weight_decay: float = 1e-4) -> optax.GradientTransformation:
    """Optax's AdamW, the same object for the same numbers, which recipes can name.

    Args:
        learning_rate: size of the steps.
        weight_decay: share of the parameters that each step takes off, times the learning rate.

    Returns:
        An Optax transformation.

    References:
        Loshchilov & Hutter, Decoupled Weight Decay Regularization, ICLR 2019.

    Example:
        >>> adamw(0.01) is adamw(0.01)
        True
    """
    return optax.adamw(learning_rate, weight_decay=weight_decay)


@factory
def rmsprop(learning_rate: float, decay: float = 0.9) -> optax.GradientTransformation:
    """Optax's RMSprop, the same object for the same numbers, which recipes can name.

    Args:
        learning_rate: size of the steps.
        decay: of the mean of the gradients' squares.

    Returns:
        An Optax transformation.

    References:
        Tieleman & Hinton, Lecture 6.5, Coursera: Neural Networks for Machine Learning, 2012.

    Example:
        >>> rmsprop(0.01) is rmsprop(0.01)
        True
    """
    return optax.rmsprop(learning_rate, decay=decay)


@factory
def importance(image: Parameterization) -> optax.GradientTransformationExtraArgs:
    """Adds up |∂loss/∂picture| over the steps, for the alpha of the finished picture; changes nothing.

    `vizjax.recipes.alpha` reads it from a result.

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
