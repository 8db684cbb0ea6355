"""Ways downhill: from a gradient to a step."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from vizjax.errors import InputError
from vizjax.factory import factory


@factory
def adam(learning_rate: float, b1: float = 0.9, b2: float = 0.999) -> optax.GradientTransformation:
    """Optax's Adam, the same object for the same numbers, which recipes can name.

    Pictures want little momentum: with ``b1=0.5`` they reach in 64 steps what takes several times as
    many with .9, and look cleaner (``benchmarks/RESULTS.md``).

    Args:
        learning_rate: size of the steps.
        b1: decay of the mean of gradients, the momentum.
        b2: decay of the mean of their squares.

    Returns:
        An Optax transformation.

    References:
        Kingma & Ba, Adam: a method for stochastic optimization, ICLR 2015.

    Example:
        >>> adam(0.15, b1=0.5) is adam(0.15, b1=0.5)
        True
    """
    return optax.adam(learning_rate, b1=b1, b2=b2)


@factory
def nadam(learning_rate: float, b1: float = 0.9, b2: float = 0.999) -> optax.GradientTransformation:
    """Optax's NAdam, the same object for the same numbers, which recipes can name.

    Args:
        learning_rate: size of the steps.
        b1: decay of the mean of gradients, the momentum.
        b2: decay of the mean of their squares.

    Returns:
        An Optax transformation.

    References:
        Dozat, Incorporating Nesterov Momentum into Adam, ICLR 2016 workshop.

    Example:
        >>> nadam(1.0) is nadam(1.0, b1=0.9)
        True
    """
    return optax.nadam(learning_rate, b1=b1, b2=b2)


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
def normalized(step: float) -> optax.GradientTransformation:
    """Steps of one size, however steep it is: −step · g / mean|g|, all parameters together.

    Args:
        step: how far a value moves on average, > 0. Of pictures in [0, 1], DeepDream's 1.5 is 1.5 / 255.

    Returns:
        An Optax transformation; where the gradient is zero, nothing moves.

    Raises:
        InputError: at a step that is not positive.

    References:
        Mordvintsev et al., Inceptionism: Going Deeper into Neural Networks, 2015.

    Example:
        >>> rule = normalized(0.5)
        >>> rule.update(jnp.array([1.0, -3.0]), rule.init(jnp.zeros(2)))[0].tolist()
        [-0.25, 0.75]
    """
    if step <= 0:
        raise InputError(f"a step is positive, not {step}")

    def init(params: Any) -> optax.EmptyState:
        return optax.EmptyState()

    def update(grads: Any, state: optax.EmptyState, params: Any = None) -> tuple[Any, optax.EmptyState]:
        leaves = jax.tree.leaves(grads)
        mean = sum(jnp.sum(jnp.abs(g)) for g in leaves) / sum(g.size for g in leaves)
        return jax.tree.map(lambda g: jnp.where(mean > 0, -step * g / mean, 0), grads), state

    return optax.GradientTransformation(init, update)
