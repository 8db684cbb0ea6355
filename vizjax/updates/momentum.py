"""The updates of the inversion papers: momentum by stages, and its form that scales like Adagrad.

Both speak of pictures in grey levels 0 … 255, so that published rates keep their meaning: what they are
given and give back is in [0, 1].
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from vizjax.errors import InputError
from vizjax.factory import factory

LEVEL = 1 / 255
"""One grey level of pictures in [0, 1]."""

Stages = Sequence[tuple[float, int]]
"""(learning rate, steps), one after the other; the last one goes on."""


class Momentum(NamedTuple):
    """The state of `staged_momentum`: updates so far, and the velocity in units."""

    steps: Array
    velocity: Any


class AdagradMomentum(NamedTuple):
    """The state of `adagrad_momentum`: updates so far, velocity, and the running sum of squares."""

    steps: Array
    velocity: Any
    squares: Any


@factory
def staged_momentum(
    stages: Stages, decay: float = 0.9, unit: float = LEVEL
) -> optax.GradientTransformationExtraArgs:
    """Momentum that starts afresh whenever the learning rate changes: m ← decay · m − rate · g.

    Args:
        stages: (learning rate, number of steps) one after the other; the last one goes on.
        decay: of the velocity m.
        unit: in which the parameters are measured: g is the slope for one unit, m is in units.

    Returns:
        An Optax transformation of any parameters.

    Raises:
        InputError: without stages, or at a rate or a number of steps that is not positive.

    References:
        Mahendran & Vedaldi, Understanding Deep Image Representations by Inverting Them, CVPR 2015.

    Example:
        >>> descend = staged_momentum(((0.1, 2), (0.01, 2)), unit=1.0)
        >>> state, moves = descend.init(jnp.zeros(())), []
        >>> for _ in range(4):
        ...     move, state = descend.update(jnp.ones(()), state)
        ...     moves.append(round(move.item(), 3))
        >>> moves
        [-0.1, -0.19, -0.01, -0.019]
    """
    _check(stages)

    def init(params: Any) -> Momentum:
        return Momentum(jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, params))

    def update(grads: Any, state: Momentum, params: Any = None, **extra: Any) -> tuple[Any, Momentum]:
        rate = _rate(stages, state.steps)
        kept = jnp.where(rate == _rate(stages, state.steps - 1), decay, 0.0)
        velocity = jax.tree.map(lambda m, g: kept * m - rate * unit * g, state.velocity, grads)
        return jax.tree.map(lambda m: unit * m, velocity), Momentum(state.steps + 1, velocity)

    return optax.GradientTransformationExtraArgs(init, update)


@factory
def adagrad_momentum(
    stages: Stages, decay: float = 0.9, unit: float = LEVEL
) -> optax.GradientTransformationExtraArgs:
    """Momentum whose steps are scaled by the gradients so far: m ← decay · m − g / (1/rate + √G).

    G ← decay · G + g² comes first. Neither m nor G starts afresh when the rate changes.

    Args:
        stages: (learning rate, number of steps) one after the other; the last one goes on.
        decay: of the velocity m and of the sum of squares G.
        unit: in which the parameters are measured: g is the slope for one unit, m is in units.

    Returns:
        An Optax transformation of any parameters.

    Raises:
        InputError: without stages, or at a rate or a number of steps that is not positive.

    References:
        Mahendran & Vedaldi, Visualizing Deep Convolutional Neural Networks Using Natural
        Pre-Images, IJCV 2016.

    Example:
        >>> descend = adagrad_momentum(((1.0, 2),), unit=1.0)
        >>> move, _ = descend.update(jnp.full((), 3.0), descend.init(jnp.zeros(())))
        >>> move.item()
        -0.75
    """
    _check(stages)

    def init(params: Any) -> AdagradMomentum:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return AdagradMomentum(jnp.zeros((), jnp.int32), zeros, zeros)

    def update(
        grads: Any, state: AdagradMomentum, params: Any = None, **extra: Any
    ) -> tuple[Any, AdagradMomentum]:
        rate = _rate(stages, state.steps)
        slopes = jax.tree.map(lambda g: unit * g, grads)
        squares = jax.tree.map(lambda s, g: decay * s + jnp.square(g), state.squares, slopes)
        velocity = jax.tree.map(
            lambda m, g, s: decay * m - g / (1 / rate + jnp.sqrt(s)), state.velocity, slopes, squares
        )
        moves = jax.tree.map(lambda m: unit * m, velocity)
        return moves, AdagradMomentum(state.steps + 1, velocity, squares)

    return optax.GradientTransformationExtraArgs(init, update)


def shortened(stages: Stages, steps: int | None) -> tuple[tuple[float, int], ...]:
    """Stages of other lengths, in the same proportion.

    Args:
        stages: (learning rate, number of steps) one after the other.
        steps: of all together; None for as many as there are.

    Returns:
        The stages; those of which nothing is left are gone.

    Example:
        >>> shortened(((1.0, 100), (0.1, 200), (0.01, 100)), 6)
        ((1.0, 2), (0.1, 2), (0.01, 2))
    """
    ends = list(itertools.accumulate((count for _, count in stages), initial=0))
    ends = [round(end * (steps or ends[-1]) / ends[-1]) for end in ends]
    counts = (b - a for a, b in itertools.pairwise(ends))
    return tuple((rate, count) for (rate, _), count in zip(stages, counts, strict=True) if count)


def _check(stages: Stages) -> None:
    if not len(stages) or any(rate <= 0 or steps < 1 for rate, steps in stages):
        raise InputError(
            f"stages are (learning rate > 0, steps >= 1), one or more, not {stages}; try ((0.1, 100),)"
        )


def _rate(stages: Stages, step: Array) -> Array:
    """The learning rate at a step, the first stage's before the first."""
    rate, end = jnp.asarray(stages[0][0], jnp.float32), 0
    for (_, steps), (following, _) in itertools.pairwise(stages):
        end += steps
        rate = jnp.where(step >= end, following, rate)
    return rate
