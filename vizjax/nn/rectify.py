"""Rules for non-linearities: nets call ``rectify(f, x)``, and a rule may change the gradient."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from vizjax.factory import factory

Rectify = Callable[..., Array]
"""A rule ``(f, x, step=0) -> f(x)`` that applies a non-linearity and may change its gradient."""


def plain(f: Callable[[Array], Array], x: Array, step: object = 0) -> Array:
    """The rule that leaves non-linearities as they are: ``f(x)``.

    Args:
        f: an element-wise non-linearity.
        x: its input.
        step: unused; every rule takes it.

    Returns:
        ``f(x)``.

    Example:
        >>> plain(jax.nn.relu, jnp.array(-1.0)).item()
        0.0
    """
    return f(x)


@factory
def redirected(steps: int = 16) -> Rectify:
    """The rule that revives dead units: gradients pass saturated non-linearities at first.

    Where the gradient of one non-linearity is zero over a whole picture, it is passed at the
    saturated places where following it leads back into the live range (ReLU below 0, ReLU6 below
    0 and above 6). From ``steps`` on the rule is `plain`.

    Args:
        steps: number of first steps in which the rule acts.

    Returns:
        A rule ``(f, x, step=0) -> f(x)``; ``step`` may be traced, one value a job.

    References:
        Lucid's redirected ReLU; Olah et al., Feature Visualization, Distill 2017.

    Example:
        >>> rule = redirected(16)
        >>> loss = lambda x: -rule(jax.nn.relu, x, 0).sum()
        >>> jax.grad(loss)(-jnp.ones((1, 2, 2, 1))).sum().item()
        -4.0
    """

    def rule(f: Callable[[Array], Array], x: Array, step: object = 0) -> Array:
        return _revived(f, x, jnp.asarray(step) < steps)

    return rule


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _revived(f: Callable[[Array], Array], x: Float[Array, " n *rest"], on: Bool[Array, ""]) -> Array:
    return f(x)


def _revived_backward(f: Callable, saved: tuple, g: Array) -> tuple[Array, None]:
    on, x = saved

    def ordinary(x: Array, g: Array) -> Array:
        return jax.vjp(f, x)[1](g)[0]

    def dead(x: Array, g: Array) -> Array:
        return jnp.all(ordinary(x, g) == 0, axis=range(1, x.ndim), keepdims=True)

    # g belongs to a loss that is minimized: a step along -g raises x where g < 0.
    inward = jnp.where(x <= 0, g < 0, g > 0)
    saturated = ordinary(x, jnp.ones_like(x)) == 0
    revive = _where_any(on, x, g, dead) & saturated & inward
    return jnp.where(revive, g, ordinary(x, g)), None


_revived.defvjp(lambda f, x, on: (f(x), (on, x)), _revived_backward)


def _where_any(on: Array, x: Array, g: Array, found: Callable) -> Array:
    """``on & found(x, g)`` that under vmap computes ``found`` only while any lane is on.

    Looking for dead units costs as much as the rest of a step, and after the first steps nobody asks.
    """

    def none(x: Array) -> Array:
        return jnp.zeros((len(x), *[1] * (x.ndim - 1)), bool)

    @jax.custom_batching.custom_vmap
    def choose(on: Array, x: Array, g: Array) -> Array:
        return lax.cond(on, found, lambda x, g: none(x), x, g)

    @choose.def_vmap
    def _(size: int, batched: list[bool], on: Array, x: Array, g: Array) -> tuple[Array, bool]:
        x, g = (
            a if b else jnp.broadcast_to(a, (size, *a.shape))
            for a, b in zip((x, g), batched[1:], strict=True)
        )
        if not batched[0]:  # more pictures under one flag
            of_all = choose(on, *(a.reshape(-1, *a.shape[2:]) for a in (x, g)))
            return of_all.reshape(size, -1, *of_all.shape[1:]), True

        def some() -> Array:
            return jax.vmap(lambda on, x, g: on & found(x, g))(on, x, g)

        return lax.cond(jnp.any(on), some, lambda: jax.vmap(none)(x)), True

    return choose(on, x, g)
