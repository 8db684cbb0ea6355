"""Contracts that every parameterization keeps, and what each of them is, in numpy."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from vizjax import color, images, nn
from vizjax.errors import InputError

LUCID = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
LUCID = LUCID / np.sqrt(0.26**2 + 0.27**2 + 0.27**2)


class Row(NamedTuple):
    """One parameterization: its arguments, what else it takes, and its pictures in numpy."""

    make: Callable
    options: dict
    oracle: Callable  # (params, shape n h w c) -> pictures
    range: tuple[float, float] = (0.0, 1.0)  # of whatever params


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def colored(x: np.ndarray) -> np.ndarray:
    return sigmoid(x @ LUCID.T if x.shape[-1] == 3 else x)


def waves(params: np.ndarray, shape: tuple, decay: float = 1.0) -> np.ndarray:
    _, h, w, _ = shape
    f = np.sqrt(np.fft.fftfreq(h)[:, None] ** 2 + np.fft.fftfreq(w)[: w // 2 + 1] ** 2)
    scale = np.sqrt(w * h) / np.maximum(f, 1 / max(w, h)) ** decay
    spectrum = (params[..., 0] + 1j * params[..., 1]) * scale
    return colored(np.moveaxis(np.fft.irfft2(spectrum, (h, w)) / 4, 1, -1))


def levels(params: tuple, shape: tuple) -> np.ndarray:
    return colored(sum(grown(level, shape) for level in params))


def grown(x: np.ndarray, shape: tuple) -> np.ndarray:
    """Bilinear, pixel centres at .5, edges repeated."""
    for axis in (1, 2):
        at = (np.arange(shape[axis]) + 0.5) * x.shape[axis] / shape[axis] - 0.5
        at = np.clip(at, 0, x.shape[axis] - 1)
        low = np.minimum(np.floor(at).astype(int), max(x.shape[axis] - 2, 0))
        high = np.minimum(low + 1, x.shape[axis] - 1)
        part = (at - low).reshape([-1 if i == axis else 1 for i in range(4)])
        x = (1 - part) * x.take(low, axis) + part * x.take(high, axis)
    return x


TABLE: dict[str, Row] = {
    "pixels": Row(images.pixels, {"sd": 0.02}, lambda p, shape: p, (-np.inf, np.inf)),
    "fourier": Row(images.fourier, {}, waves),
    "pyramid": Row(images.pyramid, {"levels": 3}, levels),
}
# sizes, odd and even and neither square nor divisible; pictures; channels
SHAPES = [((8, 8), 1, 3), ((9, 9), 2, 1), ((8, 11), 1, 2), ((7, 10), 2, 3), ((10, 5), 1, 4), ((1, 1), 1, 5)]

every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_image = pytest.mark.parametrize("name", TABLE)


def made(name: str, shape: tuple = SHAPES[3]) -> images.Parameterization:
    size, n, channels = shape
    return TABLE[name].make(size, n=n, channels=channels, **TABLE[name].options)


def drawn(image: images.Parameterization, sd: float = 0.05) -> Any:
    """Parameters by numpy, in a moment."""
    rng, shapes = np.random.default_rng(0), jax.eval_shape(image.init, jax.random.key(0))
    return jax.tree.map(lambda x: jnp.asarray(sd * rng.normal(size=x.shape), x.dtype), shapes)


def doubles(params: Any) -> Any:
    return jax.tree.map(lambda x: np.asarray(x, np.float64), params)


def test_every_parameterization_has_a_row():
    members = inspect.getmembers(images, inspect.isfunction)
    public = {n for n, f in members if f.__module__ == images.__name__ and not n.startswith("_")}
    assert set(TABLE) == public


@every_image
@every_shape
def test_it_is_what_it_says(name: str, shape: tuple):
    """Any size and number of channels; like numpy's; in range."""
    image, ((h, w), n, channels) = made(name, shape), shape
    params = drawn(image)
    pictures = jax.jit(image.decode)(params)
    assert pictures.shape == (n, h, w, channels)
    assert pictures.dtype == jnp.float32
    expected = TABLE[name].oracle(doubles(params), pictures.shape)
    np.testing.assert_allclose(pictures, expected, atol=1e-5)
    low, high = TABLE[name].range
    assert low <= pictures.min() <= pictures.max() <= high
    first = jax.eval_shape(image.init, jax.random.key(0))
    assert {x.dtype for x in jax.tree.leaves(first)} == {jnp.dtype(jnp.float32)}


@every_image
def test_jit_agrees_with_eager(name: str):
    image, key = made(name), jax.random.key(0)
    eager, jitted = image.init(key), jax.jit(image.init)(key)
    for a, b in zip(jax.tree.leaves(eager), jax.tree.leaves(jitted), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    np.testing.assert_allclose(image.decode(eager), jax.jit(image.decode)(eager), atol=1e-6)


@every_image
def test_size_may_be_one_number(name: str):
    image = TABLE[name].make(6)
    assert jax.eval_shape(lambda: image.decode(image.init(jax.random.key(0)))).shape == (1, 6, 6, 3)


@every_image
def test_keys_and_pictures_of_a_group_differ(name: str):
    image = made(name)
    picture = jax.jit(lambda key: image.decode(image.init(key)))
    first, other = (picture(jax.random.key(k)) for k in (0, 1))
    assert np.array_equal(first, picture(jax.random.key(0)))
    assert np.abs(first - other).max() > 1e-3
    assert np.abs(first[0] - first[1]).max() > 1e-3


@every_image
@every_shape
def test_gradient_is_finite_and_complete(name: str, shape: tuple):
    """Every level moves the picture: at a random point and from flat grey."""
    image = made(name, shape)
    params, ((h, w), n, channels) = drawn(image), shape
    weights = np.random.default_rng(0).normal(size=(n, h, w, channels)).astype(np.float32)
    slope = jax.jit(jax.grad(lambda p: jnp.sum(weights * image.decode(p))))
    for point in (params, jax.tree.map(jnp.zeros_like, params)):
        for leaf in jax.tree.leaves(slope(point)):
            assert np.isfinite(leaf).all()
            assert np.abs(leaf).max() > 0


@every_image
@pytest.mark.parametrize(("size", "channels"), [((12, 12), 1), ((11, 14), 3), ((13, 9), 4)])
def test_a_start_comes_back(name: str, size: tuple[int, int], channels: int):
    image = made(name, (size, 2, channels))
    picture = np.random.default_rng(0).uniform(0.02, 0.98, size=(2, *size, channels)).astype(np.float32)
    there_and_back = jax.jit(lambda start: image.decode(image.init(jax.random.key(0), start)))
    np.testing.assert_allclose(there_and_back(picture), picture, atol=2 / 255)
    both = there_and_back(picture[0])  # one picture for the whole group
    np.testing.assert_allclose(both, np.stack([picture[0]] * 2), atol=2 / 255)


@every_image
def test_black_and_white_starts_stay_finite(name: str):
    image = made(name, ((6, 6), 1, 3))
    picture = jnp.zeros((6, 6, 3)).at[:, 3:].set(1.0)
    found = image.decode(image.init(jax.random.key(0), picture))
    np.testing.assert_allclose(found[0], picture, atol=2 / 255)


@every_image
def test_equal_lanes_are_equal_to_the_last_bit(name: str):
    """Optimization would amplify any difference. XLA's batched FFT has some on CPU from 56 px on."""
    image = made(name, ((112, 96), 1, 3))
    params = drawn(image)
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(1, 112, 96, 3)), jnp.float32)

    def both(params: Any) -> tuple[jax.Array, Any]:
        picture, back = jax.vjp(image.decode, params)
        return picture, back(weights)[0]

    wide = jax.tree.map(lambda x: jnp.broadcast_to(x, (8, *x.shape)), params)
    for leaf in jax.tree.leaves(jax.jit(jax.vmap(both))(wide)):
        assert np.array_equal(leaf, np.broadcast_to(leaf[:1], leaf.shape))


@every_image
def test_vmap_agrees_with_a_loop(name: str):
    image = made(name)
    keys = jax.random.split(jax.random.key(0), 3)
    init, decode = jax.jit(image.init), jax.jit(image.decode)
    params = jax.jit(jax.vmap(image.init))(keys)
    pictures = jax.jit(jax.vmap(image.decode))(params)
    for lane, key in enumerate(keys):
        alone = init(key)
        for mine, theirs in zip(jax.tree.leaves(alone), jax.tree.leaves(params), strict=True):
            assert np.array_equal(mine, theirs[lane])
        np.testing.assert_allclose(pictures[lane], decode(alone), atol=1e-6)


@every_image
def test_own_gradients_equal_those_of_plain_operators(name: str):
    image = made(name, ((9, 12), 2, 3))
    params = drawn(image)
    weights = np.random.default_rng(0).normal(size=(2, 9, 12, 3)).astype(np.float32)

    def slope() -> list:  # traced anew at each call
        return jax.tree.leaves(jax.jit(jax.grad(lambda p: jnp.sum(weights * image.decode(p))))(params))

    own = slope()
    with nn.lax_only():
        plain = slope()
    for a, b in zip(own, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@every_image
def test_forward_mode_in_lax_only(name: str):
    image = made(name, ((9, 12), 1, 3))
    params, decode = drawn(image), jax.jit(image.decode)
    way = jax.tree.map(jnp.ones_like, params)
    with nn.lax_only():
        picture, rise = jax.jit(lambda p, v: jax.jvp(image.decode, (p,), (v,)))(params, way)
    step = 1e-2
    ahead, behind = (decode(jax.tree.map(lambda p, v, s=s: p + s * v, params, way)) for s in (step, -step))
    np.testing.assert_allclose(rise, (ahead - behind) / (2 * step), atol=0.02 * np.abs(rise).max())
    np.testing.assert_allclose(picture, decode(params), atol=1e-6)


@pytest.mark.parametrize(("decay", "expected"), [(1.0, -1.0), (1.5, -1.5), (0.0, 0.0)])
def test_amplitudes_fall_with_frequency(decay: float, expected: float):
    """Radial amplitude slope of the initial picture before colour and sigmoid: −decay ± .1."""
    size = 64
    image = images.fourier(size, n=4, decay=decay)
    pictures = np.asarray(image.decode(image.init(jax.random.key(0))), np.float64)
    x = np.log(pictures / (1 - pictures)) @ np.linalg.inv(LUCID.T)
    amplitude = np.abs(np.fft.fft2(x, axes=(1, 2))).mean((0, 3))
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    rings = np.arange(2, size // 2)
    radial = ndimage.mean(amplitude, np.round(f * size), rings)
    slope = np.polyfit(np.log(rings), np.log(radial), 1)[0]
    assert slope == pytest.approx(expected, abs=0.1)


def test_the_initial_spectrum_has_the_published_spread():
    params = images.fourier(64, n=4).init(jax.random.key(0))
    assert params.shape == (4, 3, 64, 33, 2)
    assert np.std(params) == pytest.approx(0.01, rel=0.02)
    assert np.mean(params) == pytest.approx(0, abs=1e-4)
    assert np.std(images.fourier(64, sd=0.1).init(jax.random.key(0))) == pytest.approx(0.1, rel=0.05)


def test_pixels_start_as_grey_with_noise():
    noise = images.pixels(64, sd=0.05).init(jax.random.key(0))
    assert np.mean(noise) == pytest.approx(0.5, abs=0.002)
    assert np.std(noise) == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize("make", [images.fourier, images.pyramid])
def test_colours_are_a_choice(make: Callable):
    params = drawn(make(8))
    free, lucid, maco = (make(8, color=c).decode(params) for c in (None, "default", color.MACO))
    x = np.log(free / (1 - free))
    np.testing.assert_allclose(lucid, sigmoid(x @ LUCID.T), atol=1e-5)
    np.testing.assert_allclose(maco, sigmoid(x @ np.array(color.MACO)), atol=1e-5)


@every_image
def test_equal_arguments_give_the_same_object(name: str):
    make = TABLE[name].make
    assert make(16) is make(size=16, n=1, channels=3)
    assert make(16) is not make(17)


@every_image
@pytest.mark.parametrize("bad", [{"size": 0}, {"size": (4, -1)}, {"n": 0}, {"channels": 0}], ids=str)
def test_sizes_below_one(name: str, bad: dict):
    with pytest.raises(InputError, match=r"size, n and channels must be 1 or more.*such as 128"):
        TABLE[name].make(**({"size": 4} | bad))


@every_image
def test_a_start_of_another_shape(name: str):
    with pytest.raises(InputError, match=r"the pictures' shape \(7, 10, 3\).*not \(7, 9, 3\); resize it"):
        made(name).init(jax.random.key(0), jnp.zeros((7, 9, 3)))


@pytest.mark.parametrize("make", [images.fourier, images.pyramid])
def test_colours_that_do_not_fit(make: Callable):
    with pytest.raises(InputError, match="colour matrix of 2 channels is 2 x 2, not 3 x 3"):
        make(8, channels=2, color=color.MACO)
    with pytest.raises(InputError, match="must be a matrix, None or 'default', not 'maco'"):
        make(8, color="maco")
    with pytest.raises(InputError, match=r"arguments of .* must be hashable"):
        make(8, color=[[1.0]])


def test_a_pyramid_without_levels():
    with pytest.raises(InputError, match="a pyramid has 1 or more levels, not 0"):
        images.pyramid(8, levels=0)
