"""Invariance beside inversion: a control whose answer is known beforehand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import vizjax as vz
from vizjax.recipes.inversion.changes import CHANGES, still
from vizjax.recipes.inversion.invariance import gaussian, measure_invariance
from vizjax.recipes.inversion.measures import mean_pairwise_square


@pytest.fixture(scope="module")
def pictures() -> jax.Array:
    """Random pictures with detail of all sizes."""
    keys = jax.random.split(jax.random.key(0), 4)
    x = sum(
        jax.image.resize(jax.random.normal(key, (4, side, side, 1)), (4, 32, 32, 1), "linear") / 2**i
        for i, (key, side) in enumerate(zip(keys, (4, 8, 16, 32), strict=True))
    )
    return jax.nn.sigmoid(2 * x)


def test_invariance_and_inversion_error_rise_with_blur(pictures):
    found = [
        measure_invariance(
            gaussian(s), pictures[:1], "blur", pictures, starts=2, steps=120, weights={"tv": 0.01}
        )
        for s in (0.5, 1.0, 2.0, 4.0)
    ]
    assert (np.diff([row.invariance for row in found]) > 0).all()
    assert (np.diff([row.picture_error for row in found]) > 0).all()
    assert (np.diff([row.changes["blur"] for row in found]) < 0).all()
    assert found[0].result.images.shape == (1, 2, 1, 32, 32, 1)


def test_measures_are_what_they_say(pictures):
    """The grey picture as a representation of itself."""
    found = measure_invariance(
        gaussian(1.0), pictures[:2], "grey", pictures, steps=20, changes={"darker": lambda x: x - 0.1}
    )
    unit = mean_pairwise_square(pictures)
    np.testing.assert_allclose(found.changes["darker"], np.sqrt(0.01 * 32 * 32 / unit), rtol=1e-4)
    assert found.invariance == 1 - found.changes["darker"]
    apart = np.square(found.result.images[:, 0] - np.asarray(pictures[:2])).sum((1, 2, 3)).mean()
    np.testing.assert_allclose(found.picture_error, np.sqrt(apart / unit), rtol=1e-4)
    np.testing.assert_allclose(found.error, found.picture_error, rtol=1e-4)


def test_nothing_but_contrast_changes_an_even_picture():
    even = jnp.full((1, 16, 20, 3), 0.25)
    for name, change in CHANGES.items():
        assert change(even).shape == even.shape
        np.testing.assert_allclose(change(even), 0.3 if name == "contrast" else 0.25, atol=1e-5)


def test_changes_are_as_large_as_they_say():
    ramp = jnp.broadcast_to(jnp.linspace(0, 1, 33)[:, None], (33, 33))[None, ..., None]
    np.testing.assert_allclose(CHANGES["shift"](ramp)[0, 2:], ramp[0, :-2], atol=1e-6)
    larger = CHANGES["scale"](ramp)
    np.testing.assert_allclose((larger - 0.5)[0, 4:-4], (ramp - 0.5)[0, 4:-4] / 1.05, atol=2e-3)
    turned = CHANGES["rotation"](ramp)[0, 16, :, 0]
    np.testing.assert_allclose(np.abs(np.diff(turned[8:-8])), np.sin(np.deg2rad(5)) / 32, atol=2e-3)
    twice = still(vz.transforms.scale((2.0,)))(ramp)
    np.testing.assert_allclose((twice - 0.5)[0, 4:-4], (ramp - 0.5)[0, 4:-4] / 2, atol=2e-2)
