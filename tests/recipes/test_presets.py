"""Presets: each runs on any net, says how, and is what its authors wrote, in numpy."""

import inspect
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from tiny import tiny

import vizjax as vz
from vizjax import color, nn
from vizjax.factory import recipe
from vizjax.recipes import PRESETS
from vizjax.recipes.presets.tensorflow import stretched
from vizjax.recipes.presets.units import Preset
from vizjax.recipes.visualization import named, visualize

VIEWED = {"faccent", "horama", "lucent", "maco", "xplique"}  # those that show nets a part, enlarged
OWN = {  # size, steps, samples: the authors'
    "best": (128, 64, 1),
    "captum": (224, 512, 1),
    "distill": (128, 2560, 1),
    "dreamlens": (256, 120, 1),
    "faccent": (512, 99, 16),
    "horama": (1280, 1000, 6),
    "lucent": (128, 512, 1),
    "lucid": (128, 512, 1),
    "maco": (512, 256, 32),
    "mahendran-2015": (227, 400, 1),
    "mahendran-2016": (224, 300, 1),
    "simonyan": (224, 200, 1),
    "tf-keras-vis": (224, 200, 1),
    "xplique": (512, 256, 1),
    "yosinski-1": (227, 499, 1),
    "yosinski-2": (227, 749, 1),
    "yosinski-3": (227, 999, 1),
    "yosinski-4": (227, 999, 1),
}


def small(name: str) -> Preset:
    return PRESETS[name](16, view=16) if name in VIEWED else PRESETS[name](16)


# of each kind one by default: most of it is compiling
OFTEN = ("best", "maco", "lucid", "simonyan", "yosinski-1", "mahendran-2015", "xplique")


@pytest.mark.parametrize(
    "name", [n if n in OFTEN else pytest.param(n, marks=pytest.mark.slow) for n in PRESETS]
)
def test_every_preset_draws(name: str):
    """Two steps on a net of any kind: finite, moved, and the recipe says how."""
    preset = small(name)
    settings = {"steps": 2, "samples": min(2, preset.settings["samples"])}
    result = visualize(tiny(), "conv1", [3], preset, every=1, **settings)
    assert np.isfinite(result.images).all()
    assert np.isfinite(result.scores).all()
    assert np.abs(result.frames[0, 0] - result.images[0]).max() > 1e-4
    for part in ("image", "transform", "optimizer", "rectify"):
        assert result.recipe[part] == recipe(preset.settings[part] or vz.transforms.compose())
        assert " at 0x" not in result.recipe[part]
        assert "<" not in result.recipe[part]
    assert "<" not in result.recipe["objective"]
    json_safe = (str, int, float, list, type(None))
    assert all(isinstance(value, json_safe) for value in result.recipe.values())


def test_the_table_is_complete():
    assert set(OWN) == set(PRESETS)
    assert sorted(PRESETS) == list(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_sizes_and_steps_are_the_authors(name: str):
    size, steps, samples = OWN[name]
    preset = named(name)
    shapes = jax.eval_shape(
        lambda key: preset.settings["image"].decode(preset.settings["image"].init(key)), jax.random.key(0)
    )
    spare = 7 if name == "mahendran-2016" else 0  # a canvas for jitter
    assert shapes.shape == (1, size + spare, size + spare, 3)
    assert (preset.settings["steps"], preset.settings["samples"]) == (steps, samples)
    assert named(name).settings == preset.settings  # equal parts are the same: nothing is traced again
    assert (preset.settings["rectify"] is nn.plain) == (name not in ("best", "lucid", "distill"))


def test_best_is_what_render_does_by_itself():
    defaults = {k: p.default for k, p in inspect.signature(vz.renderer).parameters.items()}
    assert named("best").settings == {name: defaults[name] for name in named("best").settings}


SHOWN = {  # side of what the net sees, of a picture of 64
    "lucid": 64 + 24 - 8 - 4,
    "lucent": 64 + 24 - 8 - 4,  # which is larger than the view
    "distill": 64,
    "captum": 64,
    "xplique": 48,
    "maco": 48,
    "horama": 48,
    "faccent": 48,
    "best": 64,
    "dreamlens": 64,
    "tf-keras-vis": 64,
    "mahendran-2016": 64,
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_nets_are_shown(name: str):
    preset = PRESETS[name](64, view=48) if name in VIEWED else PRESETS[name](64)
    side = 71 if name == "mahendran-2016" else 64
    key, picture = jax.random.key(0), jax.ShapeDtypeStruct((side, side, 3), jnp.float32)
    shown = jax.eval_shape(lambda x: preset.settings["transform"](key, x, 0.5), picture)
    assert shown.shape == (SHOWN[name], SHOWN[name], 3)


def test_distills_last_cut_is_the_middle_pixel_by_pixel():
    picture = np.random.default_rng(0).random((24, 24, 3)).astype(np.float32)
    cut = vz.transforms.crop(16, (16 / 24,) * 2, side_sd=0, center_sd=0)
    found = cut(jax.random.key(1), jnp.asarray(picture), 0.0)
    np.testing.assert_allclose(found, picture[4:20, 4:20], atol=1e-5)


def test_reflecting_pads_are_numpys():
    picture = np.random.default_rng(0).random((9, 7, 3)).astype(np.float32)
    found = vz.transforms.pad(4, "reflect")(jax.random.key(0), jnp.asarray(picture), 0.0)
    np.testing.assert_array_equal(found, np.pad(picture, ((4, 4), (4, 4), (0, 0)), "reflect"))


def test_macos_crops_shrink_from_a_half_to_a_twentieth():
    """Seen through the transform itself: how far apart two columns of a ramp are shown."""
    ramp = jnp.broadcast_to(jnp.linspace(0, 1, 256)[None, :, None], (256, 256, 1))
    crop = vz.transforms.crop(32)

    def side(progress: float) -> np.ndarray:
        keys = jax.random.split(jax.random.key(0), 300)
        seen = jax.vmap(lambda key: crop(key, ramp, progress))(keys)
        return np.asarray(seen[:, 16, 24, 0] - seen[:, 16, 8, 0]) * 2

    for progress, mean in ((0.0, 0.5), (0.5, 0.275)):
        sides = side(progress)
        assert abs(sides.mean() - mean) < 0.01
        assert abs(sides.std() - 0.05) < 0.01
    assert "crop(224), noise(normal=0.04, uniform=0.02)" in recipe(named("maco").settings["transform"])


@pytest.mark.parametrize("center_sd", [None, 0.15])
def test_boxes_are_uniform(center_sd: float | None):
    ramp = jnp.stack(jnp.meshgrid(*[jnp.linspace(0, 1, 128)] * 2), -1)
    boxes = vz.transforms.boxes(32, (0.2, 0.6), center_sd)
    keys = jax.random.split(jax.random.key(0), 400)
    seen = np.asarray(jax.vmap(lambda key: boxes(key, ramp, 0.0))(keys))
    sides = (seen[:, 16, 24, 0] - seen[:, 16, 8, 0]) * 2
    assert abs(sides.mean() - 0.4) < 0.02
    assert abs(sides.std() - 0.4 / math.sqrt(12)) < 0.01
    assert sides.min() > 0.18
    assert sides.max() < 0.62
    middle = seen[:, 15:17, 15:17].mean((1, 2))
    assert np.abs(middle.mean(0) - 0.5).max() < 0.03
    assert seen.min() >= 0  # inside of the picture, everywhere
    spread = 0.6 / math.sqrt(12) if center_sd is None else 0.15
    assert abs(middle.std() - spread) < 0.03
    with pytest.raises(vz.InputError, match="0 < smallest <= largest <= 1, not"):
        vz.transforms.boxes(8, (0.5, 1.1))


def fourier_in_numpy(
    params: np.ndarray, size: int, decay: float, matrix: np.ndarray, fixed: bool
) -> np.ndarray:
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    scale = size / np.maximum(f, 1 / size) ** decay / 4
    x = np.fft.irfft2((params[..., 0] + 1j * params[..., 1]) * scale, (size, size))
    x = np.moveaxis(x, 1, -1)
    if fixed:
        x = (x - x.mean()) / x.std()
    return 1 / (1 + np.exp(-(x @ matrix)))


def test_fourier_pictures_of_the_maco_family_are_numpys():
    rng, matrix = np.random.default_rng(0), np.array(color.MACO)
    for name, decay in (("horama", 1.5), ("faccent", 1.0), ("xplique", 0.85)):
        image = small(name).settings["image"]
        params = 0.1 * rng.normal(size=(1, 3, 16, 9, 2))
        expected = fourier_in_numpy(params, 16, decay, matrix, fixed=name == "horama")
        if name == "xplique":
            expected = (expected - expected.min()) / (expected.max() - expected.min())
        found = image.decode(jnp.asarray(params, jnp.float32))
        np.testing.assert_allclose(found, expected, atol=2e-5, err_msg=name)


def test_divisors_of_spectra_are_steps_and_starts():
    """Adam does not feel the scale of a gradient: a spectrum over 5 is one over 4 with 4/5 of the step."""
    key = jax.random.key(0)
    for name, divisor, sd in (("faccent", 5, 0.01), ("captum", 1, 1 / 50)):
        settings = small(name).settings
        start = np.asarray(settings["image"].init(key))
        assert abs(start.std() / 4 - sd / divisor) < 0.1 * sd / divisor
    assert recipe(named("captum").settings["optimizer"]) == "adam(0.1)"  # .025 · 4
    assert recipe(named("faccent").settings["optimizer"]).startswith("chain(adam(0.04), ")  # .05 · 4/5


def test_stretched_pictures_fill_the_range_each_for_itself():
    image = stretched(vz.images.fourier(8, n=3))
    pictures = image.decode(image.init(jax.random.key(0)))
    np.testing.assert_allclose(pictures.min((1, 2, 3)), 0, atol=1e-7)
    np.testing.assert_allclose(pictures.max((1, 2, 3)), 1, atol=1e-6)


PAPER = {  # decay, sigma, every, small norm %, small contribution %, whether the rate is constant
    1: (0.0, 0.5, 4, 50, 0, False),
    2: (0.3, 0.0, 0, 20, 0, True),
    3: (1e-4, 1.0, 4, 0, 0, True),
    4: (0.0, 0.5, 4, 0, 90, False),
}


def blurred(x: np.ndarray, sigma: float) -> np.ndarray:
    radius = math.ceil(nn.gaussian_radius(sigma))
    return ndimage.gaussian_filter(x, (sigma, sigma, 0), mode="reflect", radius=(radius, radius, 0))


def yosinski_step(
    x: np.ndarray, g: np.ndarray, i: int, row: int, rate: float | None, gain: float
) -> np.ndarray:
    """The paper's order, in grey levels about the mean: x and the slope g of one level, h w c."""
    decay, sigma, every, norm, contribution, constant = PAPER[row]
    x = x + (rate if rate and constant else min(rate or 1e8, gain / np.sum(g * g))) * g
    x = x * (1 - decay)
    if sigma and i % every == 0:
        x = blurred(x, sigma)
    if norm:
        norms = np.linalg.norm(x, axis=-1)
        x = np.where((norms < np.percentile(norms, norm))[..., None], 0, x)
    if contribution:
        shares = np.abs((g * x).sum(-1))
        x = np.where((shares < np.percentile(shares, contribution))[..., None], 0, x)
    return np.clip(x + 127.5, 0, 255) - 127.5


@pytest.mark.parametrize("row", PAPER)
@pytest.mark.parametrize("rate", [None, 100.0])
def test_yosinskis_steps_are_numpys_in_the_papers_order(row: int, rate: float | None):
    preset, rng = PRESETS[f"yosinski-{row}"](12, rate=rate, gain=2.0), np.random.default_rng(row)
    optimizer = preset.settings["optimizer"]
    picture = jnp.asarray(0.5 + rng.normal(scale=40 / 255, size=(1, 12, 12, 3)), jnp.float32)
    state, update = (
        optimizer.init(picture),
        jax.jit(lambda g, s, x: optimizer.update(g, s, x, image_gradient=g)),
    )
    for i in range(6):
        slope = rng.normal(size=(1, 12, 12, 3)).astype(np.float32)
        before = 255 * (np.asarray(picture[0], np.float64) - 0.5)
        change, state = update(-jnp.asarray(slope), state, picture)
        picture = picture + change
        expected = yosinski_step(before, slope[0].astype(np.float64) / 255, i, row, rate, 2.0)
        np.testing.assert_allclose(255 * (picture[0] - 0.5), expected, atol=255e-5)
    if row == 1:
        assert np.all(picture == 0.5, axis=-1).mean() == 0.5


def test_yosinski_looks_at_the_centre_of_convolutions_and_starts_ten_levels_from_grey():
    preset = named("yosinski-3")
    x = np.random.default_rng(0).random((1, 5, 6, 4)).astype(np.float32)
    assert preset.measure(jnp.asarray(x), 2) == x[0, 2, 3, 2]
    assert preset.measure(jnp.asarray(x[:, 0, 0]), 2) == x[0, 0, 0, 2]
    start = preset.settings["image"].init(jax.random.key(0))
    assert abs(255 * np.std(start) - 10) < 0.1
    assert abs(255 * (np.mean(start) - 0.5)) < 0.1


def test_penalties_are_the_papers_energies():
    rng, size = np.random.default_rng(0), 9
    picture = rng.random((1, size, size, 3)).astype(np.float32)
    y = 255 * (np.asarray(picture[0], np.float64) - 0.5)  # grey levels about the mean
    down, right = np.diff(y, axis=0, append=y[-1:]), np.diff(y, axis=1, append=y[:, -1:])
    squares = down**2 + right**2
    variation = np.abs(np.diff(y, axis=0)).sum() + np.abs(np.diff(y, axis=1)).sum()
    sigma2 = 68.9**2 * y.size
    expected = {
        "simonyan": np.sum((y / 255) ** 2),
        "mahendran-2015": (30 / 2 * squares.sum() + 8e-10 / 2 * np.sum(y**6)) / sigma2 / 0.003,
        "mahendran-2016": (
            (6.5 / 80) ** 2 * squares.sum() + 80.0**-6 * np.sum(np.linalg.norm(y, axis=-1) ** 6)
        ) / size**2 / 0.02,
        "tf-keras-vis": variation / y.size + 0.3 * 255 * picture.mean(),
    }  # fmt: skip
    for name, value in expected.items():
        found = PRESETS[name](size).penalty(jnp.asarray(picture))
        np.testing.assert_allclose(found, value, rtol=1e-5, err_msg=name)


def momentum_2015(g: np.ndarray, rates: list[float]) -> np.ndarray:
    m, x = np.zeros_like(g), np.zeros_like(g)
    for i, rate in enumerate(rates):
        m = (0.9 if i and rate == rates[i - 1] else 0.0) * m - rate * g
        x = x + m
    return x


def momentum_2016(g: np.ndarray, rate: float, steps: int) -> np.ndarray:
    m, total, x = np.zeros_like(g), np.zeros_like(g), np.zeros_like(g)
    for _ in range(steps):
        total = 0.9 * total + g**2
        m = 0.9 * m - g / (1 / rate + np.sqrt(total))
        x = x + m
    return x


def test_momenta_are_the_papers():
    """Of one slope again and again, in grey levels about the mean."""
    size, rng = 6, np.random.default_rng(0)
    slope = 1e-3 * rng.normal(size=(1, size, size, 3))  # of the loss, for a level
    scale = 0.003 * 68.9**2 * 3 * size**2
    rates = [
        0.004 * scale * share for share, steps in ((1, 100), (0.1, 200), (0.01, 100)) for _ in range(steps)
    ]
    expected = {
        "mahendran-2015": momentum_2015(slope, rates[:120]),
        "mahendran-2016": momentum_2016(slope, 0.02 * size**2 * 0.05 * 80**2 / 6, 20),
    }
    for name, moved in expected.items():
        optimizer, steps = PRESETS[name](size).settings["optimizer"], {"mahendran-2015": 120}.get(name, 20)

        def step(carry: Any, _: None, optimizer: Any = optimizer) -> tuple[Any, None]:
            x, state = carry
            change, state = optimizer.update(255 * jnp.asarray(slope, jnp.float32), state, x)
            return (x + change, state), None

        grey = jnp.full(slope.shape, 0.5)
        (found, _), _ = jax.lax.scan(step, (grey, optimizer.init(grey)), length=steps)
        if name == "mahendran-2016":
            norm = np.linalg.norm(moved, axis=-1, keepdims=True)
            assert norm.max() < 160  # the ball is not reached here
        np.testing.assert_allclose(255 * (found - 0.5), moved, rtol=2e-3, atol=2e-3, err_msg=name)


def test_colours_stay_in_the_ball_of_2016():
    optimizer = PRESETS["mahendran-2016"](4).settings["optimizer"]
    grey = jnp.full((1, 4, 4, 3), 0.5)
    state, x = optimizer.init(grey), grey
    for _ in range(120):
        change, state = optimizer.update(-100 * jnp.ones_like(grey), state, x)
        x = x + change
    np.testing.assert_allclose(np.linalg.norm(255 * (x - 0.5), axis=-1), 160, rtol=1e-4)
