"""Contracts that every regularizer keeps, and what each of them is, in numpy."""

import functools
import inspect
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from vizjax import nn, regularizers
from vizjax.errors import InputError

N, H, W, C = 2, 9, 12, 3


def differences(x: np.ndarray) -> np.ndarray:
    squares = np.zeros_like(x)
    squares[:, :-1] += (x[:, 1:] - x[:, :-1]) ** 2
    squares[:, :, :-1] += (x[:, :, 1:] - x[:, :, :-1]) ** 2
    return squares


def blurred(x: np.ndarray, sigma: float) -> np.ndarray:
    radius = math.ceil(nn.gaussian_radius(sigma))
    return ndimage.gaussian_filter(x, (0, sigma, sigma, 0), mode="reflect", radius=(0, radius, radius, 0))


def frame(x: np.ndarray, width: int) -> np.ndarray:
    mask = np.ones(x.shape[1:3], bool)
    mask[width:-width, width:-width] = False
    return x[:, mask]


class Row(NamedTuple):
    """One regularizer with its arguments, its sum in numpy, and the value that costs nothing."""

    options: dict
    oracle: Callable


TABLE: dict[str, list[Row]] = {
    "total_variation": [
        Row({}, lambda x: np.sqrt(differences(x)).sum()),
        Row({"exponent": 1.5}, lambda x: (differences(x) ** 0.75).sum()),
        Row({"exponent": 2.0}, lambda x: differences(x).sum()),
    ],
    "alpha_norm": [
        Row({}, lambda x: ((x - 0.5) ** 6).sum()),
        Row({"alpha": 3.0, "center": 0.25}, lambda x: (np.abs(x - 0.25) ** 3).sum()),
    ],
    "l1": [Row({}, lambda x: np.abs(x - 0.5).sum())],
    "l2": [Row({}, lambda x: ((x - 0.5) ** 2).sum())],
    "blur": [Row({"sigma": s}, lambda x, s=s: ((x - blurred(x, s)) ** 2).sum() / 2) for s in (0.5, 1.0)],
    "boundary": [Row({"width": k}, lambda x, k=k: ((frame(x, k) - 0.5) ** 2).sum()) for k in (1, 4)],
}
CASES = [(name, i) for name, rows in TABLE.items() for i in range(len(rows))]

every_case = pytest.mark.parametrize(("name", "i"), CASES)


def pictures(seed: int = 0, shape: tuple = (N, H, W, C)) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


def term(name: str, i: int) -> Callable:
    return functools.partial(getattr(regularizers, name), **TABLE[name][i].options)


@functools.cache
def slope(name: str, i: int) -> Callable:
    return jax.jit(jax.value_and_grad(term(name, i)))


def test_every_regularizer_has_a_row():
    members = inspect.getmembers(regularizers, inspect.isfunction)
    public = {n for n, f in members if f.__module__ == regularizers.__name__ and not n.startswith("_")}
    assert set(TABLE) == public


@every_case
def test_it_is_what_it_says(name: str, i: int):
    x = pictures()
    value = term(name, i)(jnp.asarray(x))
    assert value.shape == ()
    # the mean over the group: published weights keep their meaning
    np.testing.assert_allclose(value, TABLE[name][i].oracle(x.astype(np.float64)) / N, rtol=1e-5)
    np.testing.assert_allclose(slope(name, i)(x)[0], value, rtol=1e-6)


@every_case
def test_vmap_agrees_with_a_loop(name: str, i: int):
    jobs = pictures(shape=(3, N, H, W, C))
    together = jax.jit(jax.vmap(term(name, i)))(jobs)
    np.testing.assert_allclose(together, [slope(name, i)(x)[0] for x in jobs], rtol=1e-5)


@every_case
def test_gradient_is_finite_and_lowers_it(name: str, i: int):
    x = pictures()
    before, gradient = slope(name, i)(x)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0
    lower, _ = slope(name, i)(x - 0.01 * np.linalg.norm(x) / np.linalg.norm(gradient) * gradient)
    assert 0 < lower < before


@every_case
@pytest.mark.parametrize("level", [0.0, 0.25, 0.5, 1.0])
def test_flat_pictures_have_finite_gradients(name: str, i: int, level: float):
    value, gradient = slope(name, i)(np.full((N, H, W, C), level, np.float32))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    if level == TABLE[name][i].options.get("center", 0.5):  # grey costs nothing
        assert value < 1e-9
        assert np.abs(gradient).max() < 1e-6


@pytest.mark.parametrize("exponent", [1.0, 1.5, 2.0])
def test_total_variation_has_the_slope_of_finite_differences(exponent: float):
    """On a picture that is flat in places, where the root's own slope is infinite."""

    def rough(x: np.ndarray) -> float:
        return np.sum(differences(x) ** (exponent / 2))

    x = np.zeros((1, 4, 4, 1))
    x[0, :2, :2, 0] = [[1.0, 2.0], [4.0, 1.5]]
    with jax.enable_x64(True):
        gradient = jax.grad(lambda x: regularizers.total_variation(x, exponent))(jnp.asarray(x))
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = 1e-6
        slope = (rough(x + step) - rough(x - step)) / 2e-6  # 0 by symmetry where it has a kink
        assert gradient[place] == pytest.approx(slope, rel=1e-3, abs=2e-2)


def test_total_variation_grows_with_noise_and_forgets_the_level():
    x, roughness = pictures(), slope("total_variation", 0)
    assert roughness(x)[0] > 4 * roughness(blurred(x, 1.5))[0]
    np.testing.assert_allclose(roughness(x + 3)[0], roughness(x)[0], rtol=1e-4)


def test_blur_pulls_towards_the_blurred_picture():
    x = pictures()
    gradient = jax.grad(lambda x: regularizers.blur(x, 1.0))(x)
    np.testing.assert_allclose(N * gradient, x - blurred(x, 1.0), atol=1e-5)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_boundary_is_a_frame(width: int):
    gradient = jax.grad(lambda x: regularizers.boundary(x, width))(np.zeros((1, H, W, 1), np.float32))
    expected = np.ones((H, W))
    expected[width:-width, width:-width] = 0
    np.testing.assert_array_equal(gradient[0, :, :, 0] != 0, expected == 1)


def test_a_frame_of_the_whole_picture():
    x = jnp.asarray(pictures(shape=(1, 6, 6, 1)))
    np.testing.assert_allclose(regularizers.boundary(x, 3), regularizers.l2(x), rtol=1e-6)


@pytest.mark.parametrize("width", [0, -1, 5])
def test_a_frame_must_fit(width: int):
    with pytest.raises(InputError, match=rf"must be 1 ... 4 pixels wide, not {width}"):
        regularizers.boundary(jnp.zeros((1, H, W, 3)), width)


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("name", TABLE)
def test_any_number_of_channels(name: str, channels: int):
    x = pictures(shape=(1, H, W, channels))
    np.testing.assert_allclose(
        term(name, 0)(jnp.asarray(x)), TABLE[name][0].oracle(x.astype(np.float64)), rtol=1e-5
    )
