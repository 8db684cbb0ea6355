"""Nearness to the activations of a given picture: content, style, inversion."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from vizjax.objectives.common import Activation, Scalar

Mask = Float[Array, " *places"]
"""A weight of every position, such as h w."""


def activation_difference(x: Activation, reference: Activation, norm: float = 1.0) -> Scalar:
    """How near an activation is to a reference: minus the mean of |x − reference|^norm.

    Args:
        x: an activation.
        reference: the one to come near to.
        norm: the exponent.

    Returns:
        A number ≤ 0.

    References:
        Lucid's ``activation_difference``.

    Example:
        >>> activation_difference(jnp.ones((1, 3)), jnp.zeros((1, 3))).item()
        -1.0
    """
    difference = jnp.where(x == reference, 0, jnp.abs(x - reference))  # the slope of jnp.abs at 0 is 1
    return -jnp.mean(difference if norm == 1 else difference**norm)


def gram(x: Activation, mask: Mask | None = None) -> Float[Array, "n c c"]:
    """Gram matrix of each picture's activation: products of channels, summed over positions.

    Args:
        x: an activation.
        mask: weight of each position in the sum; None for 1.

    Returns:
        F Fᵀ, not normalized.

    References:
        Gatys et al., A Neural Algorithm of Artistic Style, 2015; Controlling Perceptual Factors in
        Neural Style Transfer, CVPR 2017 (masks; theirs is the root of this one).

    Example:
        >>> gram(jnp.ones((1, 2, 2, 3)))[0, 0].tolist()
        [4.0, 4.0, 4.0]
        >>> gram(jnp.ones((1, 2, 2, 1)), jnp.array([[1.0, 0.5], [0.0, 0.0]])).item()
        1.5
    """
    flat = x.reshape(x.shape[0], -1, x.shape[-1])
    if mask is not None:
        flat = flat * jnp.sqrt(mask.reshape(-1, 1))
    return jnp.einsum("ntc,ntd->ncd", flat, flat)


def content_loss(x: Activation, reference: Activation) -> Scalar:
    """Distance of an activation to a picture's: ½ Σ (x − reference)², to be subtracted.

    Args:
        x: an activation.
        reference: the picture's.

    Returns:
        The loss, the mean over the group.

    References:
        Gatys et al., A Neural Algorithm of Artistic Style, 2015, equation 1.

    Example:
        >>> content_loss(jnp.ones((1, 2, 2, 1)), jnp.zeros((1, 2, 2, 1))).item()
        2.0
    """
    return 0.5 * jnp.sum(jnp.square(x - reference)) / x.shape[0]


def style_loss(x: Activation, reference: Float[Array, "#n c c"], mask: Mask | None = None) -> Scalar:
    """Distance of the Gram matrix to a style's: Σ (G − A)² / (4 N² M²), to be subtracted.

    Args:
        x: an activation with N channels and M positions.
        reference: A, the style's Gram matrix *for the same M*.
        mask: weight of each position, for the style of a region; M is their sum.

    Returns:
        The loss, the mean over the group.

    References:
        Gatys et al., A Neural Algorithm of Artistic Style, 2015, equation 4.

    Example:
        >>> style_loss(jnp.ones((1, 2, 2, 1)), jnp.zeros((1, 1, 1))).item()
        0.25
    """
    n, channels = x.shape[0], x.shape[-1]
    places = x.size // (n * channels) if mask is None else jnp.sum(mask)
    return jnp.sum(jnp.square((gram(x, mask) - reference) / places)) / (4 * channels**2) / n
