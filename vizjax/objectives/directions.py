"""Directions in activation space, of which a unit is one."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vizjax.errors import InputError
from vizjax.objectives.common import Activation, Scalar, at_position


def direction(x: Activation, vector: Float[Array, " c"], power: float = 0.0) -> Scalar:
    """A direction in activation space: dot · max(cos, .1)^power, the mean over positions.

    Args:
        x: an activation.
        vector: the direction.
        power: weight of the angle; 0 is the dot product alone, activation atlases use 2.

    Returns:
        The mean over pictures and positions.

    References:
        Carter et al., Activation Atlas, Distill 2019; Lucid's ``direction``.

    Example:
        >>> direction(jnp.ones((1, 2, 2, 3)), jnp.array([1.0, 2.0, 0.0])).item()
        3.0
    """
    return jnp.mean(_dot_cosine(x, vector, power))


def direction_at(
    x: Float[Array, "n h w c"], vector: Float[Array, " c"],
    position: Sequence[int] | Array | None = None, power: float = 0.0,
) -> Scalar:  # fmt: skip
    """A direction at one position.

    Args:
        x: an activation.
        vector: the direction.
        position: (row, column); by default the centre as in `neuron`.
        power: as in `direction`.

    Returns:
        The mean over the group.

    Example:
        >>> direction_at(jnp.ones((1, 2, 2, 3)), jnp.array([1.0, 2.0, 0.0])).item()
        3.0
    """
    return direction(at_position(x, position), vector, power)


def tensor_direction(
    x: Float[Array, "n h w c"], tensor: Float[Array, "h2 w2 c"], power: float = 0.0
) -> Scalar:
    """A direction for each position of the layer's central part.

    Args:
        x: an activation.
        tensor: the directions; not larger than the activation.
        power: as in `direction`.

    Returns:
        The mean over pictures and the tensor's positions.

    Raises:
        InputError: where the tensor is larger than the activation.

    References:
        Lucid's ``tensor_direction``.

    Example:
        >>> tensor_direction(jnp.ones((1, 4, 4, 3)), jnp.ones((2, 2, 3))).item()
        3.0
    """
    (h, w), (h2, w2) = x.shape[1:3], tensor.shape[:2]
    if h2 > h or w2 > w:
        raise InputError(f"the tensor {tensor.shape} must fit into the activation {x.shape}; crop it")
    top, left = (h - h2) // 2, (w - w2) // 2
    return jnp.mean(_dot_cosine(x[:, top : top + h2, left : left + w2], tensor, power))


def whitened_direction(
    x: Activation, vector: Float[Array, " c"], inverse_covariance: Float[Array, "c c"], power: float = 0.0
) -> Scalar:
    """A direction in the layer's whitened space, where frequent directions count less.

    Args:
        x: an activation.
        vector: the direction.
        inverse_covariance: of the layer's activations over pictures.
        power: as in `direction`.

    Returns:
        The mean over pictures and positions of x · Σ⁻¹ v, with the angle's weight.

    References:
        Carter et al., Activation Atlas, Distill 2019.

    Example:
        >>> whitened_direction(jnp.ones((1, 1, 1, 2)), jnp.ones(2), 0.5 * jnp.eye(2)).item()
        1.0
    """
    return direction(x, jnp.matmul(inverse_covariance, vector, precision="highest"), power)


def caricature(x: Activation, reference: Activation, power: float = 1.0) -> Scalar:
    """What a layer sees in a picture, exaggerated: a direction for each position.

    Args:
        x: an activation.
        reference: the picture's activation at that layer.
        power: as in `direction`.

    Returns:
        The mean over positions.

    References:
        Lucid's caricatures; Mahendran & Vedaldi, IJCV 2016.

    Example:
        >>> caricature(jnp.ones((1, 2, 2, 4)), jnp.ones((1, 2, 2, 4))).item()
        4.0
    """
    return jnp.mean(_dot_cosine(x, reference, power))


def _dot_cosine(x: Array, vector: Array, power: float) -> Array:
    dot = jnp.sum(x * vector, axis=-1)
    if power == 0:
        return dot
    squares = jnp.sum(jnp.square(x), axis=-1) * jnp.sum(jnp.square(vector), axis=-1)
    cosine = dot * jax.lax.rsqrt(squares + 1e-12)
    return dot * jnp.maximum(cosine, 0.1) ** power
