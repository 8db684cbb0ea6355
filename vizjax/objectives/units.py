"""Units of a layer: channels, single neurons, classes, and whatever a layer responds to."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from vizjax.objectives.common import Activation, Scalar, at_position, channel_means, one_hot


def channel(x: Activation, unit: Int[Array, ""] | int) -> Scalar:
    """Mean activation of a channel over all pictures and positions.

    Args:
        x: an activation.
        unit: the channel's number.

    Returns:
        The mean.

    References:
        Olah et al., Feature Visualization, Distill 2017.

    Example:
        >>> channel(jnp.arange(8.0).reshape(1, 2, 2, 2), 1).item()
        4.0
    """
    return jnp.sum(channel_means(x).mean(0) * one_hot(unit, x.shape[-1]))


def neuron(
    x: Float[Array, "n h w c"], unit: Int[Array, ""] | int, position: Sequence[int] | Array | None = None
) -> Scalar:
    """Activation of a channel at one position.

    Args:
        x: an activation.
        unit: the channel's number.
        position: (row, column); by default the centre, which for an even size is the cell below and
            right of the middle: (2, 2) of 4 × 4::

                . . . .
                . . . .
                . . X .
                . . . .

    Returns:
        The activation, the mean over the group.

    Example:
        >>> neuron(jnp.arange(16.0).reshape(1, 4, 4, 1), 0).item()
        10.0
    """
    return jnp.sum(at_position(x, position).mean(0) * one_hot(unit, x.shape[-1]))


def logit(x: Float[Array, "n c"], unit: Int[Array, ""] | int) -> Scalar:
    """Score of a class before the softmax.

    Args:
        x: logits.
        unit: the class's number.

    Returns:
        The score, the mean over the group.

    References:
        Simonyan et al., Deep Inside Convolutional Networks, 2014.

    Example:
        >>> logit(jnp.array([[1.0, 2.0]]), 1).item()
        2.0
    """
    return channel(x, unit)


def probability(x: Float[Array, "n c"], unit: Int[Array, ""] | int) -> Scalar:
    """Probability of a class; its ascent partly works by lowering the other logits.

    Args:
        x: *logits*.
        unit: the class's number.

    Returns:
        The softmax's output in [0, 1], the mean over the group.

    Example:
        >>> probability(jnp.zeros((1, 4)), 1).item()
        0.25
    """
    return channel(jax.nn.softmax(x), unit)


def deepdream(x: Activation) -> Scalar:
    """Whatever a layer already responds to, more of it: the mean square of its activation.

    Args:
        x: an activation.

    Returns:
        mean(x²).

    References:
        Mordvintsev et al., Inceptionism, 2015.

    Example:
        >>> deepdream(jnp.full((1, 2, 2, 3), 2.0)).item()
        4.0
    """
    return jnp.mean(jnp.square(x))
