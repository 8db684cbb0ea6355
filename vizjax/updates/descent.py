"""Ways downhill: from a gradient to a step."""

import optax

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
