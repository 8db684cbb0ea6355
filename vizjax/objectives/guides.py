"""Nearness to whatever in a guide's activations suits each position."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from vizjax.objectives.common import Activation, Scalar


def best_match(x: Activation, guide: Float[Array, "*others c"]) -> Scalar:
    """How well each position agrees with the position of a guide that suits it best.

    Args:
        x: an activation.
        guide: the activation of one picture at that layer, of any size.

    Returns:
        The mean over positions of the largest dot product with a position of the guide.

    References:
        Mordvintsev et al., the notebook of DeepDream, 2015 ("controlling dreams").

    Example:
        >>> best_match(jnp.eye(2)[None], jnp.array([[3.0, 0.0], [0.0, 1.0]])).item()
        2.0
    """
    products = jnp.einsum("...c,tc->...t", x, guide.reshape(-1, guide.shape[-1]))
    return jnp.mean(jnp.max(products, axis=-1))
