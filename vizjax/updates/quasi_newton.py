"""L-BFGS at the price of a gradient a step."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from vizjax.errors import InputError
from vizjax.factory import factory

DECREASE = 1e-4
"""Armijo's constant: the part of what the slope promises that a step must gain."""


class Search(NamedTuple):
    """Where the method stands.

    Attributes:
        memory: Optax's: past steps, and the last accepted parameters with their gradient.
        value: of the loss there.
        direction: away from it; parameters move by ``-size * direction``.
        slope: of the loss along the direction, ≥ 0.
        size: of the step that is being tried.
    """

    memory: Any
    value: Float[Array, ""]
    direction: Any
    slope: Float[Array, ""]
    size: Float[Array, ""]


@factory
def lbfgs(memory: int = 10) -> optax.GradientTransformationExtraArgs:
    """L-BFGS with a backtracking line search that is spread over the steps: one gradient each.

    A step that does not lower the loss enough is taken back, and a shorter one tried in the next.
    (`optax.lbfgs` searches within each step, in loops that cost several gradients under `jax.vmap`, and
    without a search it may leave a picture beyond repair: ``benchmarks/RESULTS.md``.) The first step
    goes to where the loss, were it a plane, would be zero. For losses that are not drawn at random: no
    random transform. What is kept are ``2 * memory + 3`` copies of the parameters.

    Args:
        memory: number of past steps that the curvature is known from, ≥ 1.

    Returns:
        An Optax transformation; it needs ``value`` among the extra arguments, which `vizjax.render`
        passes.

    Raises:
        InputError: at a memory below 1.

    References:
        Liu & Nocedal, On the limited memory BFGS method for large scale optimization, 1989; Nocedal &
        Wright, Numerical Optimization, 2006, algorithms 3.1 and 7.5.

    Example:
        >>> rule, x = lbfgs(), jnp.array([3.0, -2.0])
        >>> state = rule.init(x)
        >>> for _ in range(8):
        ...     value, slope = jax.value_and_grad(lambda x: x[0]**2 + 9 * x[1]**2)(x)
        ...     change, state = rule.update(slope, state, x, value=value)
        ...     x = x + change
        >>> bool(jnp.abs(x).max() < 1e-3)
        True
    """
    if memory < 1:
        raise InputError(f"a memory is 1 step or more, not {memory}; the usual one is 10")
    newton = optax.scale_by_lbfgs(memory)

    def init(params: Any) -> Search:
        zero = jnp.zeros(())
        return Search(newton.init(params), zero, jax.tree.map(jnp.zeros_like, params), zero, zero)

    def update(
        grad_now: Any, state: Search, params: Any = None, *, value: Array, **extra: Any
    ) -> tuple[Any, Search]:
        last = state.memory
        promised = state.value - DECREASE * state.size * state.slope
        accepted = (last.count == 0) | (value <= promised)
        step, change = _minus(params, last.params), _minus(grad_now, last.updates)
        curved = (last.count > 0) & (_dot(step, change) > 1e-10 * _dot(change, change))
        # Where the loss is not convex, what is remembered would point uphill: it starts anew.
        known = last._replace(
            count=jnp.where(curved, last.count, 0), weights_memory=jnp.where(curved, last.weights_memory, 0)
        )
        direction, moved = newton.update(grad_now, known, params)
        slope = _dot(grad_now, direction)
        size = jnp.where(curved, 1.0, jnp.abs(value) / jnp.maximum(slope, 1e-30))
        tried = Search(moved, value, direction, slope, size)
        shorter = state._replace(size=state.size * _shrink(state, value))
        new = jax.tree.map(lambda new, old: jnp.where(accepted, new, old), tried, shorter)
        return jax.tree.map(
            lambda base, away, now: base - new.size * away - now, new.memory.params, new.direction, params
        ), new

    return optax.GradientTransformationExtraArgs(init, update)


def _shrink(state: Search, value: Array) -> Array:
    """The factor to the minimum of the parabola through what is known, from .1 to .5."""
    excess = value - state.value + state.size * state.slope
    factor = 0.5 * state.size * state.slope / jnp.maximum(excess, 1e-30)
    return jnp.where(jnp.isfinite(value), jnp.clip(factor, 0.1, 0.5), 0.1)


def _minus(a: Any, b: Any) -> Any:
    return jax.tree.map(jnp.subtract, a, b)


def _dot(a: Any, b: Any) -> Array:
    return sum(jax.tree.leaves(jax.tree.map(jnp.vdot, a, b)), jnp.zeros(()))
