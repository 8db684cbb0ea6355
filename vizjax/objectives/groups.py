"""Objectives of a group of pictures that are optimized together."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from vizjax.objectives.common import Activation, Scalar, channel_means, one_hot
from vizjax.objectives.references import gram


def diversity(x: Activation) -> Scalar:
    """How alike a group's pictures are: Σ_{i≠j} cos(Gram_i, Gram_j) / n, to be *subtracted*.

    Args:
        x: an activation of a group of n pictures.

    Returns:
        0 for groups without anything in common, n − 1 for equal ones. A weight of a tenth of the
        attained activation makes a difference and costs little: 3 for EfficientNet-Lite0 (Lucid, for
        InceptionV1, uses 100).

    References:
        Olah et al., Feature Visualization, Distill 2017.

    Example:
        >>> round(diversity(jnp.ones((4, 2, 2, 3))).item(), 3)
        3.0
    """
    grams = gram(x).reshape(x.shape[0], -1)
    unit = grams * jax.lax.rsqrt(jnp.sum(jnp.square(grams), axis=1, keepdims=True) + 1e-12)
    cosines = jnp.matmul(unit, unit.T, precision="highest")
    return (jnp.sum(cosines) - jnp.trace(cosines)) / x.shape[0]


def alignment(x: Activation, decay: float = 2.0) -> Scalar:
    """How near neighbours of a group are: −Σ mean (x_i − x_j)² / decay^|i−j| over |i − j| ≤ 4.

    Args:
        x: an activation of a group in order, such as frames.
        decay: by how much a distance counts less for each further step between the two.

    Returns:
        A number ≤ 0.

    References:
        Lucid's ``alignment``; Mordvintsev et al., Differentiable Image Parameterizations, 2018.

    Example:
        >>> alignment(jnp.arange(2.0).reshape(2, 1)).item()
        -0.5
    """
    total = jnp.zeros((), x.dtype)
    for distance in range(1, min(5, x.shape[0])):
        apart = jnp.square(x[distance:] - x[:-distance])
        total -= jnp.sum(apart) / (x[0].size * decay**distance)
    return total


def interpolation(x: Activation, pair: Int[Array, " 2"] | Sequence[int]) -> Scalar:
    """From one channel to another through a group: picture i of n wants both, (n−1−i) : i.

    Args:
        x: an activation of a group of n ≥ 2 pictures.
        pair: the numbers of the first and the last picture's channel.

    Returns:
        The mean over the group of the weighted channel means.

    References:
        Olah et al., Feature Visualization, Distill 2017 (interaction between neurons).

    Example:
        >>> interpolation(jnp.array([[1.0, 0.0], [0.0, 3.0]]), (0, 1)).item()
        2.0
    """
    share = jnp.linspace(0.0, 1.0, x.shape[0])[:, None]
    first, last = (one_hot(unit, x.shape[-1]) for unit in pair)
    return jnp.sum(channel_means(x) * ((1 - share) * first + share * last)) / x.shape[0]
