"""Transforms that belong together."""

from vizjax.factory import factory
from vizjax.transforms.composing import Transform, compose
from vizjax.transforms.moving import jitter, pad, rotate, scale


@factory
def standard() -> Transform:
    """Lucid's transforms: padding, jitter 8, scale ±10 %, rotation ±10°, jitter 4.

    The canvas is larger than the picture by 12 pixels a side, filled with .5, and stays so.

    Returns:
        A transform of h × w pictures to (h + 24) × (w + 24).

    References:
        Olah et al., Feature Visualization, Distill 2017; Lucid's ``standard_transforms``.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> standard()(jax.random.key(0), jnp.zeros((32, 32, 3)), 0.0).shape
        (56, 56, 3)
    """
    factors = tuple(1 + (i - 5) / 50 for i in range(11))
    degrees = (*range(-10, 11), *[0] * 5)
    return compose(pad(18), jitter(8), scale(factors), rotate(degrees), jitter(4))
