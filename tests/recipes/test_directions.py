"""Directions: measured on pictures, whitened, drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import tiny

import vizjax as vz
from vizjax.recipes.directions import maximize
from vizjax.recipes.moments import Moments, inverse_covariance, measure_moments
from vizjax.recipes.seeing import seen

SMALL = {"image": vz.images.fourier(16), "steps": 8}


def pictures(n=5):
    return jax.random.uniform(jax.random.key(3), (n, 16, 16, 3))


@pytest.mark.parametrize("layer", ["block", "tokens", "pool"])
@pytest.mark.parametrize("batch", [2, 8])
def test_moments_are_numpys(layer, batch):
    found = measure_moments(tiny(), pictures(), layer, batch)
    x = np.asarray(vz.activations(tiny(), pictures())[layer], np.float64)
    x = x.reshape(-1, x.shape[-1])
    assert found.positions == len(x)
    np.testing.assert_allclose(found.mean, x.mean(0), atol=1e-6)
    np.testing.assert_allclose(found.covariance, np.cov(x.T, bias=True), atol=1e-6)


def test_the_inverse_is_of_the_covariance_with_a_ridge():
    moments = measure_moments(tiny(), pictures(), "block")
    ridge = 0.1 * np.trace(moments.covariance) / 8
    expected = np.linalg.inv(moments.covariance + ridge * np.eye(8))
    np.testing.assert_allclose(inverse_covariance(moments, 0.1), expected, rtol=1e-9)
    np.testing.assert_allclose(inverse_covariance(moments, 0.0) @ moments.covariance, np.eye(8), atol=1e-6)


@pytest.mark.parametrize("ridge", [0.0, -1.0])
def test_a_covariance_without_inverse_is_refused(ridge):
    flat = Moments(np.zeros(3), np.diag([1.0, 1.0, 0.0]), 7)
    with pytest.raises(
        vz.InputError, match=rf"of 3 channels, from 7 positions, has no inverse with ridge={ridge}"
    ):
        inverse_covariance(flat, ridge)


def test_a_unit_is_a_direction():
    one_hot = maximize(tiny(), "block", jnp.eye(8)[2:4], **SMALL, ids=[2, 3])
    unit = vz.render(
        tiny(), lambda acts, unit: vz.objectives.channel(acts["block"], unit), jnp.array([2, 3]), **SMALL
    )
    np.testing.assert_allclose(one_hot.final, unit.final, rtol=1e-4)
    np.testing.assert_allclose(one_hot.images, unit.images, atol=1e-3)


@pytest.mark.parametrize("power", [0.0, 2.0])
def test_whitened_vectors_maximize_the_whitened_objective(power):
    whitening = inverse_covariance(measure_moments(tiny(), pictures(), "block"))
    vector = jax.random.normal(jax.random.key(0), (8,))
    result = maximize(tiny(), "block", vector[None], power=power, whitening=whitening, **SMALL)
    x = vz.activations(tiny(), result.images[0])["block"]
    inverse = jnp.asarray(whitening, jnp.float32)
    expected = vz.objectives.whitened_direction(x, vector, inverse, power)
    np.testing.assert_allclose(result.final, expected, rtol=1e-4)
    assert result.final > result.baseline
    assert result.recipe["whitened"]
    assert result.recipe["layer"] == "block"


def test_whitening_turns_away_from_what_is_frequent():
    """Of two directions asked for alike, the one that varies less is what remains."""
    moments = Moments(np.zeros(2), np.diag([100.0, 1.0]), 9)
    turned = np.ones(2) @ inverse_covariance(moments, 0.0)
    assert turned[1] == pytest.approx(100 * turned[0])


def test_the_difference_of_two_pictures_leads_from_one_to_the_other():
    a, b = seen(tiny(), pictures(2), "block").mean((1, 2))
    result = maximize(tiny(), "block", (b - a)[None], image=SMALL["image"], steps=24)
    found = vz.activations(tiny(), result.images[0])["block"].mean((0, 1, 2))
    along = (found - a) @ (b - a) / jnp.sum((b - a) ** 2)
    assert along > 1  # beyond b


def test_one_trace_serves_all_vectors(monkeypatch):
    traces, real = [], vz.objectives.direction
    monkeypatch.setattr(vz.objectives, "direction", lambda *args: traces.append(1) or real(*args))
    for i in range(3):
        maximize(tiny(), "relu1", jnp.eye(8)[i : i + 1], power=1.5, **SMALL)
    assert len(traces) == 2  # for the step, and for finished pictures


def test_a_vector_of_another_length_is_refused():
    with pytest.raises(
        vz.InputError, match=r"of layer 'block' are 8 numbers long, not of shape \(5,\); give jobs x 8"
    ):
        maximize(tiny(), "block", jnp.ones((1, 5)), **SMALL)
