"""L-BFGS whose line search takes the outer steps: it converges, takes back what went wrong, and is vmapped."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from vizjax import updates
from vizjax.errors import InputError
from vizjax.factory import recipe


def rosenbrock(x: jax.Array) -> jax.Array:
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def bowl(x: jax.Array) -> jax.Array:
    return jnp.sum(jnp.array([1.0, 10.0, 100.0]) * x**2)


def ran(loss: Callable, x: jax.Array, steps: int, memory: int = 10) -> tuple[jax.Array, jax.Array]:
    """The last parameters, and the losses that were seen."""
    rule = updates.lbfgs(memory)

    def one(carry: Any, _: None) -> tuple[Any, jax.Array]:
        x, state = carry
        value, slope = jax.value_and_grad(loss)(x)
        change, state = rule.update(slope, state, x, value=value)
        return (x + change, state), value

    (x, _), values = jax.lax.scan(one, (x, rule.init(x)), length=steps)
    return x, values


@pytest.mark.parametrize("memory", [3, 10])
def test_it_finds_the_minimum_of_a_bent_valley(memory: int):
    """As SciPy's does, with at most three times as many gradients."""
    start = np.array([-1.2, 1.0])
    theirs = optimize.minimize(
        lambda x: float(rosenbrock(jnp.asarray(x))), start, method="L-BFGS-B",
        jac=lambda x: np.asarray(jax.grad(rosenbrock)(jnp.asarray(x)), float), tol=1e-6,
    )  # fmt: skip
    x, values = jax.jit(lambda x: ran(rosenbrock, x, 3 * theirs.nfev, memory))(
        jnp.asarray(start, jnp.float32)
    )
    assert values.min() < 1e-4
    np.testing.assert_allclose(x, theirs.x, atol=0.02)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_loss_may_have_any_size(scale: float):
    _, values = ran(lambda x: scale * bowl(x), jnp.array([3.0, -2.0, 1.0]), 20)
    assert values[-1] < 1e-4 * values[0]


def test_what_went_wrong_is_taken_back():
    """Beyond |x| = 2 the loss is a cliff, or nothing at all: later steps start where it was good."""
    for cliff in (1e6, jnp.nan, jnp.inf):

        def loss(x: jax.Array, cliff: Any = cliff) -> jax.Array:
            return jnp.where(jnp.abs(x[0]) > 2, cliff, jnp.sum((x - 1.9) ** 4) + 0.1)

        x, values = ran(loss, jnp.array([-1.9]), 60)
        np.testing.assert_allclose(x, 1.9, atol=0.3)
        assert values[-1] < 0.12


def test_losses_that_are_not_convex_do_not_lead_uphill():
    x, values = ran(lambda x: jnp.sum(jnp.cos(x) + 0.01 * x**2) + 2, jnp.array([0.3, -0.2, 2.0, 5.0]), 40)
    accepted = np.minimum.accumulate(values)
    assert accepted[-1] < 0.5 * values[0]
    np.testing.assert_allclose(jax.grad(lambda x: jnp.sum(jnp.cos(x) + 0.01 * x**2))(x), 0, atol=1e-2)


def test_vmap_agrees_with_a_loop():
    starts = jnp.array([[3.0, -2.0, 1.0], [0.1, 0.2, -5.0], [1.0, 1.0, 1.0]])
    together, _ = jax.jit(jax.vmap(lambda x: ran(rosenbrock, x, 15)))(starts)
    for start, found in zip(starts, together, strict=True):
        np.testing.assert_allclose(found, jax.jit(lambda x: ran(rosenbrock, x, 15))(start)[0], rtol=1e-4)


def test_trees_and_where_nothing_moves():
    rule = updates.lbfgs()
    params = {"a": jnp.ones(2), "b": (jnp.ones((2, 2)),)}
    still = jax.tree.map(jnp.zeros_like, params)
    change, state = rule.update(still, rule.init(params), params, value=jnp.ones(()))
    for _ in range(2):
        assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(change))
        change, state = rule.update(still, state, params, value=jnp.ones(()))


def test_it_has_a_name_and_is_the_same_object():
    assert updates.lbfgs() is updates.lbfgs(memory=10)
    assert recipe(updates.lbfgs(5)) == "lbfgs(memory=5)"
    with pytest.raises(InputError, match="a memory is 1 step or more, not 0; the usual one is 10"):
        updates.lbfgs(0)
