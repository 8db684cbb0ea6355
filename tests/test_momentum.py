"""The updates of the inversion papers against numpy in levels 0 … 255, and the contract of updates."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny import tiny

import vizjax as vz
from vizjax import updates
from vizjax.errors import InputError
from vizjax.factory import recipe

STAGES = ((40.0, 3), (4.0, 2), (0.4, 2))
NAMES = ("staged_momentum", "adagrad_momentum")

every_update = pytest.mark.parametrize("name", NAMES)


def slopes(steps: int = 9) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(steps, 1, 4, 5, 3))


def rates(steps: int) -> list[float]:
    flat = [rate for rate, count in STAGES for _ in range(count)]
    return (flat + [flat[-1]] * steps)[:steps]


def in_levels(name: str, gradients: np.ndarray) -> list[np.ndarray]:
    """The papers' updates of a picture in levels: what each step adds."""
    m, total, last, added = 0.0, 0.0, None, []
    for rate, g in zip(rates(len(gradients)), gradients, strict=True):
        if name == "staged_momentum":
            m = (0.9 * m if rate == last else 0.0) - rate * g
        else:
            total = 0.9 * total + g**2
            m = 0.9 * m - g / (1 / rate + np.sqrt(total))
        last = rate
        added.append(m)
    return added


def ran(update: optax.GradientTransformation, gradients: jax.Array) -> jax.Array:
    state = update.init(gradients[0])
    return jax.lax.scan(lambda s, g: update.update(g, s)[::-1], state, gradients)[1]


@every_update
def test_it_is_the_papers_in_levels(name: str):
    """A slope for one level is a 255th of the slope for the whole range, and so is a move."""
    g = slopes()
    found = ran(getattr(updates, name)(STAGES), jnp.asarray(255 * g, jnp.float32))
    np.testing.assert_allclose(255 * found, in_levels(name, g), rtol=1e-4, atol=1e-5)


@every_update
def test_the_unit_is_an_argument(name: str):
    g = slopes()
    found = ran(getattr(updates, name)(STAGES, unit=1.0), jnp.asarray(g, jnp.float32))
    np.testing.assert_allclose(found, in_levels(name, g), rtol=1e-4, atol=1e-5)


@every_update
def test_any_parameters_vmapped_and_by_themselves(name: str):
    update = getattr(updates, name)(STAGES)
    g = jnp.asarray(slopes(3), jnp.float32)
    tree = {"a": g, "b": (g[..., 0],)}
    states = jax.vmap(update.init)(tree)
    together, _ = jax.vmap(update.update)(tree, states)
    for i in range(3):
        one = jax.tree.map(lambda x: x[i], tree)  # noqa: B023
        alone, _ = update.update(one, update.init(one))
        np.testing.assert_allclose(together["a"][i], alone["a"], rtol=1e-6)
        np.testing.assert_allclose(together["b"][0][i], alone["b"][0], rtol=1e-6)


@every_update
def test_it_goes_down_and_stays_finite_without_a_slope(name: str):
    update = getattr(updates, name)(((100.0, 40),))
    still, _ = update.update(jnp.zeros(3), update.init(jnp.zeros(3)))
    np.testing.assert_array_equal(still, 0)
    result = vz.render(
        tiny(), lambda acts, _: -jnp.sum(jnp.square(acts["image"] - 0.7)), image=vz.images.pixels(8),
        transform=None, optimizer=update, steps=40,
    )  # fmt: skip
    assert result.final[0] > 0.5 * result.baseline[0] > result.baseline[0]


@every_update
def test_equal_stages_give_the_same_object_with_a_name(name: str):
    make = getattr(updates, name)
    assert make(STAGES) is make(STAGES, decay=0.9)
    assert recipe(make(((1.0, 2),))) == f"{name}(((1.0, 2),))"


@every_update
@pytest.mark.parametrize("stages", [(), ((0.0, 3),), ((1.0, 0),)])
def test_bad_stages(name: str, stages: tuple):
    with pytest.raises(InputError, match=r"stages are \(learning rate > 0, steps >= 1\), one or more, not"):
        getattr(updates, name)(stages)


@pytest.mark.parametrize("steps", [1, 2, 7, 70, 700])
def test_shortened_stages_keep_their_proportion(steps: int):
    short = updates.shortened(STAGES, steps)
    assert sum(count for _, count in short) == steps
    assert all(count > 0 for _, count in short)
    assert updates.shortened(STAGES, None) == STAGES
    if steps == 700:
        assert short == tuple((rate, 100 * count) for rate, count in STAGES)
