"""Contracts that every parameterization keeps, and what each of them is, in numpy."""

import inspect
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from vizjax import color, images, nn
from vizjax.errors import InputError
from vizjax.factory import recipe

LUCID = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
LUCID = LUCID / np.sqrt(0.26**2 + 0.27**2 + 0.27**2)


class Row(NamedTuple):
    """One parameterization: its arguments, what else it takes, and its pictures in numpy."""

    make: Callable
    options: dict
    oracle: Callable  # (params, shape n h w c) -> pictures
    range: tuple[float, float] = (0.0, 1.0)  # of whatever params
    n: int = 1  # pictures by default
    returns: bool = True  # a picture that it starts from
    spread: float = 0.05  # of parameters that it meets in a run
    moves: tuple[float, ...] = (1.0, 0.0)  # times such parameters, where every leaf moves the picture


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def colored(x: np.ndarray) -> np.ndarray:
    colors = x[..., :3] @ LUCID.T if x.shape[-1] in (3, 4) else x  # the fourth is transparency
    return sigmoid(np.concatenate([colors, x[..., 3:]], -1) if x.shape[-1] == 4 else colors)


def waves(params: np.ndarray, shape: tuple, decay: float = 1.0) -> np.ndarray:
    _, h, w, _ = shape
    f = np.sqrt(np.fft.fftfreq(h)[:, None] ** 2 + np.fft.fftfreq(w)[: w // 2 + 1] ** 2)
    scale = np.sqrt(w * h) / np.maximum(f, 1 / max(w, h)) ** decay
    spectrum = (params[..., 0] + 1j * params[..., 1]) * scale
    return colored(np.moveaxis(np.fft.irfft2(spectrum, (h, w)) / 4, 1, -1))


def levels(params: tuple, shape: tuple) -> np.ndarray:
    return colored(sum(grown(level, shape) for level in params))


def grown(x: np.ndarray, shape: tuple) -> np.ndarray:
    """Bilinear, pixel centres at .5, edges repeated; along the group too."""
    for axis in (0, 1, 2):
        at = (np.arange(shape[axis]) + 0.5) * x.shape[axis] / shape[axis] - 0.5
        at = np.clip(at, 0, x.shape[axis] - 1)
        low = np.minimum(np.floor(at).astype(int), max(x.shape[axis] - 2, 0))
        high = np.minimum(low + 1, x.shape[axis] - 1)
        part = (at - low).reshape([-1 if i == axis else 1 for i in range(4)])
        x = (1 - part) * x.take(low, axis) + part * x.take(high, axis)
    return x


def standardized(x: np.ndarray) -> np.ndarray:
    mean, spread = (f(x, axis=(1, 2, 3), keepdims=True) for f in (np.mean, np.std))
    return (x - mean) / np.maximum(spread, 1e-5)


def phases(params: np.ndarray, shape: tuple, decay: float = 1.0, sd: float = np.pi / 3**0.5) -> np.ndarray:
    _, h, w, c = shape
    f = np.sqrt(np.fft.fftfreq(h)[:, None] ** 2 + np.fft.fftfreq(w)[: w // 2 + 1] ** 2)
    waves = np.exp(1j * sd * standardized(params)) / np.maximum(f, 1 / max(w, h)) ** decay
    x = standardized(np.moveaxis(np.fft.irfft2(waves, (h, w)), 1, -1))
    if c not in (3, 4):
        return sigmoid(x)
    return sigmoid(np.concatenate([x[..., :3] @ np.array(color.MACO), x[..., 3:]], -1))


def network(params: list, shape: tuple) -> np.ndarray:
    n, h, w, _ = shape
    edge = math.sqrt(3) / max(h - 1, w - 1, 1)
    y, x = (edge * np.arange(1 - length, length, 2) for length in (h, w))
    at = np.stack([np.tile(x, h), np.repeat(y, w)], -1)
    pictures = []
    for own in range(n):
        values = at
        for weights, biases in params[:-1]:
            angle = np.arctan(values @ weights[own] + biases[own])
            values = np.hstack([angle / 0.67, angle**2 / 0.6])
        pictures.append(sigmoid(values @ params[-1][0][own] + params[-1][1][own]).reshape(h, w, -1))
    return np.stack(pictures)


def in_common(params: tuple, shape: tuple) -> np.ndarray:
    own, parts = params
    _, h, w, _ = shape
    f = np.sqrt(np.fft.fftfreq(h)[:, None] ** 2 + np.fft.fftfreq(w)[: w // 2 + 1] ** 2)
    spectrum = (own[..., 0] + 1j * own[..., 1]) * np.sqrt(w * h) / np.maximum(f, 1 / max(w, h)) / 4
    return colored(np.moveaxis(np.fft.irfft2(spectrum, (h, w)), 1, -1) + sum(grown(p, shape) for p in parts))


TABLE: dict[str, Row] = {
    "pixels": Row(images.pixels, {"sd": 0.02}, lambda p, shape: p, (-np.inf, np.inf)),
    "fourier": Row(images.fourier, {}, waves),
    "pyramid": Row(images.pyramid, {"levels": 3}, levels),
    "phase": Row(images.phase, {}, phases, returns=False, spread=2.0, moves=(1.0,)),
    "cppn": Row(images.cppn, {"layers": 3}, network, returns=False, spread=0.4, moves=(1.0,)),
    "shared": Row(images.shared, {"parts": ((1, 2), (2, 4))}, in_common, n=6),
}
OTHERS = {"magnitudes", "with_alpha"}  # what pictures have, or are given in the end
# sizes, odd and even and neither square nor divisible; pictures; channels
SHAPES = [((8, 8), 1, 3), ((9, 9), 2, 1), ((8, 11), 1, 2), ((7, 10), 2, 3), ((10, 5), 1, 4), ((1, 1), 1, 5)]

every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_image = pytest.mark.parametrize("name", TABLE)
every_that_returns = pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.returns])
every_that_starts = pytest.mark.parametrize("name", [name for name in TABLE if name != "cppn"])


def made(name: str, shape: tuple = SHAPES[3]) -> images.Parameterization:
    size, n, channels = shape
    return TABLE[name].make(size, n=n, channels=channels, **TABLE[name].options)


def drawn(image: images.Parameterization, sd: float, seed: int = 0) -> Any:
    """Parameters by numpy, in a moment."""
    rng, shapes = np.random.default_rng(seed), jax.eval_shape(image.init, jax.random.key(0))
    return jax.tree.map(lambda x: jnp.asarray(sd * rng.normal(size=x.shape), x.dtype), shapes)


def doubles(params: Any) -> Any:
    return jax.tree.map(lambda x: np.asarray(x, np.float64), params)


def test_every_parameterization_has_a_row():
    public = {name for name, _ in inspect.getmembers(images, inspect.isfunction)}
    assert set(TABLE) | OTHERS == public


@every_image
@every_shape
def test_it_is_what_it_says(name: str, shape: tuple):
    """Any size and number of channels; like numpy's; in range."""
    image, ((h, w), n, channels) = made(name, shape), shape
    params = drawn(image, TABLE[name].spread)
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
    row = TABLE[name]
    image = row.make(6)
    assert jax.eval_shape(lambda: image.decode(image.init(jax.random.key(0)))).shape == (row.n, 6, 6, 3)


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
    """Every level moves the picture: at a random point, and mostly from flat grey."""
    image = made(name, shape)
    params, ((h, w), n, channels) = drawn(image, TABLE[name].spread), shape
    weights = np.random.default_rng(0).normal(size=(n, h, w, channels)).astype(np.float32)
    slope = jax.jit(jax.grad(lambda p: jnp.sum(weights * image.decode(p))))
    for times in (1.0, 0.0):
        for leaf in jax.tree.leaves(slope(jax.tree.map(lambda p, t=times: t * p, params))):
            assert np.isfinite(leaf).all()
            moves = times in TABLE[name].moves and (name, h * w) != ("cppn", 1)  # whose coordinates are 0
            assert np.abs(leaf).max() > 0 or not moves


@every_that_returns
@pytest.mark.parametrize(("size", "channels"), [((12, 12), 1), ((11, 14), 3), ((13, 9), 4)])
def test_a_start_comes_back(name: str, size: tuple[int, int], channels: int):
    image = made(name, (size, 2, channels))
    picture = np.random.default_rng(0).uniform(0.02, 0.98, size=(2, *size, channels)).astype(np.float32)
    there_and_back = jax.jit(lambda start: image.decode(image.init(jax.random.key(0), start)))
    np.testing.assert_allclose(there_and_back(picture), picture, atol=2 / 255)
    both = there_and_back(picture[0])  # one picture for the whole group
    np.testing.assert_allclose(both, np.stack([picture[0]] * 2), atol=2 / 255)


@every_that_returns
def test_black_and_white_starts_stay_finite(name: str):
    image = made(name, ((6, 6), 1, 3))
    picture = jnp.zeros((6, 6, 3)).at[:, 3:].set(1.0)
    found = image.decode(image.init(jax.random.key(0), picture))
    np.testing.assert_allclose(found[0], picture, atol=2 / 255)


@every_image
def test_equal_lanes_are_equal_to_the_last_bit(name: str):
    """Optimization would amplify any difference. XLA's batched FFT has some on CPU from 56 px on."""
    image = made(name, ((112, 96), 1, 3))
    params = drawn(image, TABLE[name].spread)
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
    params = drawn(image, TABLE[name].spread)
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
    params, decode = drawn(image, TABLE[name].spread), jax.jit(image.decode)
    way = drawn(image, TABLE[name].spread, seed=1)
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
    params = drawn(make(8), 0.05)
    free, lucid, maco = (make(8, color=c).decode(params) for c in (None, "default", color.MACO))
    x = np.log(free / (1 - free))
    np.testing.assert_allclose(lucid, sigmoid(x @ LUCID.T), atol=1e-5)
    np.testing.assert_allclose(maco, sigmoid(x @ np.array(color.MACO)), atol=1e-5)


@every_image
def test_equal_arguments_give_the_same_object(name: str):
    make = TABLE[name].make
    assert make(16) is make(size=16, n=TABLE[name].n, channels=3)
    assert make(16) is not make(17)


@every_image
@pytest.mark.parametrize("bad", [{"size": 0}, {"size": (4, -1)}, {"n": 0}, {"channels": 0}], ids=str)
def test_sizes_below_one(name: str, bad: dict):
    with pytest.raises(InputError, match=r"size, n and channels must be 1 or more.*such as 128"):
        TABLE[name].make(**({"size": 4} | bad))


@every_that_starts
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


MACO = np.array(color.MACO)


def photographs(h: int = 24, w: int = 30) -> list[np.ndarray]:
    """With less in high frequencies than in low ones, and edges."""
    rng = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(rng.normal(size=(4, h, w, 3)), (0, 2, 2, 0))
    return [0.5 + 0.45 * np.tanh(8 * p).astype(np.float32) for p in noise]


def test_magnitudes_are_the_mean_of_pictures():
    """In the channels that the matrix makes independent, at the pictures' own size."""
    found = images.magnitudes(photographs(), (24, 30))
    x = np.stack(photographs()).astype(np.float64)
    channels = np.log(x / (1 - x)) @ np.linalg.inv(MACO)
    expected = np.abs(np.fft.rfft2(channels, axes=(1, 2))).mean(0).transpose(2, 0, 1)
    assert found.shape == found.array.shape == (3, 24, 16)
    np.testing.assert_allclose(found.array, expected, rtol=1e-3, atol=1e-2)


def test_magnitudes_of_pictures_of_any_size():
    """The middle is cut to the same proportions, and scaled."""
    large = [np.kron(p, np.ones((2, 2, 1), np.float32)) for p in photographs()]
    beside = [np.pad(p, ((0, 0), (7, 7), (0, 0))) for p in large]
    expected = images.magnitudes(large, (24, 30))
    assert images.magnitudes(beside, (24, 30)) == expected
    assert expected.shape == (3, 24, 16)


def test_magnitudes_are_values():
    """Equal ones are one to caches and jit; recipes name them briefly."""
    one, same = (images.magnitudes(photographs(), (24, 30)) for _ in range(2))
    other = images.magnitudes(photographs()[1:], (24, 30))
    assert images.phase((24, 30), magnitudes=one) is images.phase((24, 30), magnitudes=same)
    assert images.phase((24, 30), magnitudes=other) is not images.phase((24, 30), magnitudes=one)
    said = recipe(images.phase((24, 30), magnitudes=one))
    assert said == f"phase((24, 30), magnitudes={one!r})"
    assert re.fullmatch(r"Magnitudes\(3 x 24 x 16, sha256 [0-9a-f]{12}\)", repr(one))
    assert repr(other) != repr(one)


def test_magnitudes_stay_what_they_are():
    """Before colour and squashing; whatever the phases."""
    measured = images.magnitudes(photographs(), (24, 30))
    image = images.phase((24, 30), n=2, magnitudes=measured)
    for seed in (0, 1):
        pictures = np.asarray(image.decode(image.init(jax.random.key(seed))), np.float64)
        x = np.log(pictures / (1 - pictures)) @ np.linalg.inv(MACO)
        found = np.abs(np.fft.rfft2(x, axes=(1, 2))).transpose(0, 3, 1, 2)
        inner = (slice(None), slice(None), slice(1, 12), slice(1, 15))  # which have free phases
        ratio = found[inner] / measured.array[None][inner]
        for own in ratio:
            np.testing.assert_allclose(own, own.mean(), rtol=2e-3)


def test_phases_of_a_start_are_kept():
    """With its own magnitudes it nearly comes back, standardized; with the 1/f law its shapes do."""
    picture = photographs(64, 48)[0]
    own = images.magnitudes([picture], (64, 48))

    def channels(p: np.ndarray) -> np.ndarray:
        return (np.log(p / (1 - p)) @ np.linalg.inv(MACO)).ravel()

    for measured, alike in ((own, 0.98), (None, 0.4)):
        image = images.phase((64, 48), magnitudes=measured)
        found = np.asarray(image.decode(image.init(jax.random.key(0), jnp.asarray(picture)))[0])
        assert np.corrcoef(channels(found), channels(picture))[0, 1] > alike
    flat = images.phase(8).init(jax.random.key(0), jnp.full((8, 8, 3), 0.5))
    assert np.isfinite(images.phase(8).decode(flat)).all()


def test_phases_begin_uniform_or_as_the_authors_have_them():
    uniform = np.asarray(images.phase(32, n=2).init(jax.random.key(0)))
    assert np.abs(uniform).max() <= np.pi
    assert np.std(uniform) == pytest.approx(np.pi / 3**0.5, rel=0.01)
    one = images.phase(32, sd=1.0)
    params = one.init(jax.random.key(0))
    assert np.std(params) == pytest.approx(1.0, rel=0.03)
    np.testing.assert_allclose(one.decode(params), phases(doubles(params), (1, 32, 32, 3), sd=1.0), atol=1e-5)
    np.testing.assert_allclose(one.decode(7 * params + 1), one.decode(params), atol=1e-4)


def test_phases_fill_a_range_of_values():
    params = drawn(images.phase(16), 2.0)
    plain, wide = (images.phase(16, values=v).decode(params) for v in ((0.0, 1.0), (-0.5, 1.5)))
    np.testing.assert_allclose(wide, 2 * plain - 0.5, atol=1e-5)
    steep = images.phase(16, decay=2.0).decode(params)
    np.testing.assert_allclose(steep, phases(doubles(params), (1, 16, 16, 3), decay=2.0), atol=1e-5)


def test_a_network_draws_at_any_size():
    """The same picture: every third pixel of the finer one, corners on corners."""
    params = images.cppn(10).init(jax.random.key(0))
    params[-1] = (30 * params[-1][0], params[-1][1])
    coarse, fine = (np.asarray(images.cppn(size).decode(params)) for size in (10, 28))
    np.testing.assert_allclose(fine[:, ::3, ::3], coarse, atol=1e-5)
    assert coarse.std() > 0.05


def test_a_network_is_the_published_one():
    params = images.cppn(8, n=2).init(jax.random.key(0))
    assert [w.shape for w, _ in params] == [(2, 2, 24), *[(2, 48, 24)] * 7, (2, 48, 3)]
    assert [b.shape for _, b in params] == [(2, 24)] * 8 + [(2, 3)]
    for weights, biases in params[1:-1]:
        assert np.std(weights) == pytest.approx(48**-0.5, rel=0.1)
        assert np.std(biases) == pytest.approx(0.1, rel=0.4)
    assert not params[-1][1].any()
    picture = images.cppn(8, n=2).decode(params)
    assert 0.001 < np.abs(picture - 0.5).max() < 0.1  # nearly grey


def test_a_network_cannot_start_from_a_picture():
    with pytest.raises(InputError, match=r"a cppn cannot start from a picture.*leave start out"):
        images.cppn(8).init(jax.random.key(0), jnp.zeros((8, 8, 3)))


def test_shared_parts_are_shared():
    """One of a single picture moves all alike; one of two moves the first and the last apart."""
    image = images.shared(8, n=4, parts=((1, 2), (2, 4)), color=None)
    own, (one, two) = jax.tree.map(jnp.zeros_like, image.init(jax.random.key(0)))
    alike = image.decode((own, (one.at[0, 1, 1].set(1.0), two)))
    np.testing.assert_array_equal(alike, np.broadcast_to(alike[:1], alike.shape))
    assert alike.max() > 0.6
    apart = np.asarray(image.decode((own, (one, two.at[1].set(1.0)))))
    assert (np.diff(apart.mean((1, 2, 3))) >= 0).all()
    assert apart[0].max() == 0.5 < apart[-1].min()


def test_shared_parts_bring_a_group_together():
    """Its pictures begin more alike than those without them."""

    def likeness(parts: tuple) -> float:
        image = images.shared(32, n=4, parts=parts)
        own, common = image.init(jax.random.key(0))
        pictures = np.asarray(image.decode((own, tuple(10 * part for part in common)))).reshape(4, -1)
        return np.corrcoef(pictures).mean()

    assert likeness(((1, 2), (1, 4), (1, 8))) > likeness(()) + 0.2


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: images.magnitudes([], 8), r"one or more pictures h w c.*not from shapes \[\]"),
        (lambda: images.magnitudes([np.zeros((8, 8))], 8), r"not from shapes \[\(8, 8\)\]"),
        (lambda: images.magnitudes([np.zeros((8, 8, 1))], 8), "channels of the colour matrix, 3.*color=None"),
        (lambda: images.phase(9, magnitudes=images.magnitudes(photographs(), 8)),
         r"magnitudes of these pictures have the shape \(3, 9, 5\), not \(3, 8, 5\); measure"),
        (lambda: images.phase(8, values=(1.0, 0.0)), r"values are a range low < high"),
        (lambda: images.phase(8, sd=0.0), "sd is positive"),
        (lambda: images.cppn(8, layers=0), "layers and width must be 1 or more, not 0, 24"),
        (lambda: images.shared(8, parts=((0, 2),)), r"a shared part is .*not \(\(0, 2\),\)"),
        (lambda: images.with_alpha(np.zeros((4, 4, 3)), np.zeros((4, 5, 3))), r"importance: \(4, 4, 3\), not"),
        (lambda: images.with_alpha(np.zeros((4, 4, 3)), np.zeros((4, 4, 3)), (50, 50)), "0 <= low < high <= 100"),
    ],
)  # fmt: skip
def test_what_does_not_fit(make: Callable, text: str):
    with pytest.raises(InputError, match=text):
        make()


def test_alpha_is_the_range_between_percentiles():
    """Of each picture for itself, of the mean over its colours."""
    rng = np.random.default_rng(0)
    pictures, importance = rng.uniform(size=(2, 2, 1, 8, 9, 3)).astype(np.float32)
    importance[1] *= 100
    found = images.with_alpha(pictures, importance, (10, 80))
    assert found.shape == (2, 1, 8, 9, 4)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[..., :3], pictures)
    for alpha, weight in zip(found[..., 3], importance.mean(-1), strict=True):
        low, high = np.percentile(weight, [10, 80])
        np.testing.assert_allclose(alpha, np.clip((weight - low) / (high - low), 0, 1), atol=1e-5)
        assert np.mean(alpha == 1) == pytest.approx(0.2, abs=0.02)
    even = images.with_alpha(pictures, np.ones_like(pictures))
    assert np.isfinite(even).all()


@pytest.mark.parametrize("name", ["fourier", "pyramid", "phase", "shared"])
def test_transparency_is_independent_of_colour(name: str):
    """The fourth channel moves alone, and no colour moves it."""
    image = TABLE[name].make(8, n=1, channels=4)
    flat = jax.tree.map(jnp.zeros_like, image.init(jax.random.key(0), jnp.full((8, 8, 4), 0.5)))
    start = jnp.full((8, 8, 4), 0.5).at[2:4, 3:5, 3].set(0.9)
    if name == "phase":  # is standardized as a whole
        flat = image.init(jax.random.key(0), start)
        moved = np.asarray(image.decode(flat.at[:, 3].add(drawn(image, 0.5)[:, 3])))
        before = np.asarray(image.decode(flat))
        x, y = (np.log(p / (1 - p))[..., :3] for p in (before, moved))
        assert np.corrcoef(x.ravel(), y.ravel())[0, 1] > 0.999
        return
    found = np.asarray(image.decode(image.init(jax.random.key(0), start)))
    np.testing.assert_allclose(found[..., :3], 0.5, atol=1e-5)
    np.testing.assert_allclose(found[0, ..., 3], start[..., 3], atol=1e-4)
    own_matrix = TABLE[name].make(8, n=1, channels=4, color=color.LUCID)
    np.testing.assert_array_equal(own_matrix.decode(flat), image.decode(flat))


def test_a_pyramid_without_levels():
    with pytest.raises(InputError, match="a pyramid has 1 or more levels, not 0"):
        images.pyramid(8, levels=0)
