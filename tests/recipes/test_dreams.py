"""Dreams and zooms: the notebook's arithmetic, guides, tiles, frames, interruptions."""

import os
import signal
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import tiny

import vizjax as vz
from vizjax.pictures import resized
from vizjax.recipes.dreams import dream
from vizjax.recipes.seeing import seen
from vizjax.recipes.zooms import zoom


def picture(h: int = 24, w: int = 32, seed: int = 0) -> np.ndarray:
    """Smooth, within .2 … .8."""
    coarse = np.random.default_rng(seed).uniform(0.2, 0.8, (6, 8, 3)).astype(np.float32)
    return np.clip(resized(coarse, (h, w)), 0.2, 0.8)


def score(x: Any, guide: Any = None) -> jax.Array:
    layer = vz.activations(tiny(), x)["block"]
    if guide is None:
        return jnp.mean(layer**2)
    return jnp.mean(jnp.max(layer.reshape(-1, 8) @ guide.reshape(-1, 8).T, axis=1))


def by_the_notebook(x: np.ndarray, octaves: int, ratio: float, steps: int, guide: Any = None) -> np.ndarray:
    """Its loop, without the rolls."""
    bases = [resized(x, tuple(round(n / ratio**k) for n in x.shape[:2])) for k in range(octaves)]
    detail = np.zeros_like(bases[-1])
    for base in bases[::-1]:
        now = base + resized(detail, base.shape[:2])
        for _ in range(steps):
            slope = np.asarray(jax.grad(score)(jnp.asarray(now)[None], guide))[0]
            now = np.clip(now + 1.5 / 255 * slope / np.abs(slope).mean(), 0, 1)
        detail = now - base
    return now


still = {"transform": vz.transforms.roll(0)}


@pytest.mark.parametrize("guided", [False, True])
def test_it_is_the_notebooks(guided: bool):
    x, other = picture(), picture(20, 20, seed=1)
    guide = np.asarray(seen(tiny(), other[None], "block"))[0] if guided else None
    found = dream(tiny(), x, "block", guide=other if guided else None, octaves=2, steps=2, **still)
    expected = by_the_notebook(x, 2, 1.4, 2, guide)
    assert found.images.shape == (1, 1, *x.shape)
    np.testing.assert_allclose(found.images[0, 0], expected, atol=2e-3)
    assert np.abs(expected - x).mean() > 0.01
    assert found.scores.shape == (1, 4)
    assert found.scores[0, 0] == pytest.approx(found.baseline[0], rel=1e-4)
    assert found.final[0] > found.baseline[0]


def test_a_step_is_of_one_mean_size():
    """In levels of 0 … 255, where nothing is clipped."""
    x = picture()
    found = dream(tiny(), x, "block", octaves=1, steps=1, step=3.0).images[0, 0]
    assert 255 * np.abs(found - x).mean() == pytest.approx(3, rel=0.01)


def test_keys_decide_and_pictures_stay_in_range():
    x = np.clip(1.6 * picture() - 0.3, 0, 1)
    one, again, other = (
        dream(tiny(), x, "block", octaves=1, steps=3, step=40, key=jax.random.key(k)) for k in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.images, again.images)
    assert np.abs(one.images - other.images).max() > 0.01
    assert one.images.min() == 0
    assert one.images.max() == 1


def test_each_size_is_compiled_once(monkeypatch: pytest.MonkeyPatch):
    """Not for another picture or key; a guide is data, too."""
    traces: list[str] = []
    dreamt, matched = vz.objectives.deepdream, vz.objectives.best_match
    monkeypatch.setattr(vz.objectives, "deepdream", lambda x: traces.append("dream") or dreamt(x))
    monkeypatch.setattr(vz.objectives, "best_match", lambda x, g: traces.append("match") or matched(x, g))
    options = {"octaves": 1, "steps": 1}
    dream(tiny(), picture(30, 30), "conv2", **options)
    count = len(traces)
    assert count > 0
    dream(tiny(), picture(30, 30, seed=1), "conv2", key=jax.random.key(1), **options)
    assert len(traces) == count
    dream(tiny(), picture(30, 30), "conv2", guide=picture(24, 24), **options)
    count = len(traces)
    dream(tiny(), picture(30, 30), "conv2", guide=picture(24, 24, seed=3), **options)
    assert len(traces) == count


def test_a_guide_draws_features_to_its_own():
    x, other = picture(), picture(20, 20, seed=1)
    guide = seen(tiny(), other[None], "block")[0]
    options = {"octaves": 2, "steps": 6} | still
    with_it = dream(tiny(), x, "block", guide=other, **options)
    without = dream(tiny(), x, "block", **options)
    assert with_it.recipe["guided"]
    matches = [float(score(jnp.asarray(p), guide)) for p in (x[None], without.images[0], with_it.images[0])]
    assert matches[2] > matches[1]
    assert matches[2] > 1.02 * matches[0]


def test_large_pictures_are_tiled():
    """And rolled by half a tile: no edge is left where tiles met."""
    x = np.full((32, 48, 3), 0.5, np.float32) + 0.01 * picture(32, 48)
    options = {"octaves": 1, "steps": 20, "tile": 16}
    rolled = dream(tiny(), x, "conv2", **options)
    assert rolled.recipe["transform"] == "roll(8)"
    assert rolled.final[0] > rolled.baseline[0]

    def seam(images: np.ndarray) -> float:
        """Steps between columns where tiles meet, over those elsewhere."""
        steps = np.abs(np.diff(images[0, 0], axis=1)).mean((0, 2))
        meets = np.isin(np.arange(47), [15, 31])
        return steps[meets].mean() / steps[~meets].mean()

    assert 0.8 < seam(rolled.images) < 1.25
    assert seam(dream(tiny(), x, "conv2", **options, **still).images) < 0.6


def test_frames_of_all_sizes_are_full_size():
    found = dream(tiny(), picture(), "block", octaves=2, steps=4, every=2, **still)
    assert found.frames.shape == (1, 2 * 3, 1, 24, 32, 3)
    np.testing.assert_allclose(found.frames[0, -1], found.images[0], atol=1e-6)
    assert np.abs(found.frames[0, 0, 0] - picture()).mean() < 0.02


def after(count: int) -> Any:
    """Ctrl-C after so many steps."""
    made = []

    def on_step(jobs: int, scores: Any) -> None:
        made.append(jobs)
        if len(made) == count:
            signal.raise_signal(signal.SIGINT)

    return on_step


def test_an_interrupted_dream_is_of_full_size():
    with pytest.raises(vz.Interrupted) as stop:
        dream(tiny(), picture(), "block", octaves=2, steps=4, on_step=after(2), **still)
    found = stop.value.result
    assert found.images.shape == (1, 1, 24, 32, 3)
    assert np.isfinite(found.scores).sum() == 2
    assert 0.001 < np.abs(found.images[0, 0] - picture()).mean() < 0.05


# --- zooms ----------------------------------------------------------------------------------------


def test_a_zoom_flies_into_the_middle():
    x = picture(32, 32)
    found = zoom(tiny(), x, "block", frames=3, growth=32 / 26, octaves=1, steps=1, step=0.01)
    assert found.frames.shape == (1, 4, 1, 32, 32, 3)
    frames = found.frames[0, :, 0]
    np.testing.assert_array_equal(frames[0], x)
    np.testing.assert_array_equal(frames[-1], found.images[0, 0])
    np.testing.assert_allclose(frames[1], x, atol=0.001)  # the first dream is of the picture itself
    middle = resized(x[3:-3, 3:-3], (32, 32))
    np.testing.assert_allclose(frames[2], middle, atol=0.03)
    assert np.abs(frames[2] - x).mean() > 0.02
    assert found.scores.shape == (1, 3)
    assert found.recipe["growth"] == 32 / 26


@pytest.mark.parametrize(("count", "frames"), [(2, 2), (3, 3), (4, 3)])
def test_an_interrupted_zoom_keeps_its_frames(count: int, frames: int):
    """The picture and those finished, also where a frame's first step was interrupted."""
    with pytest.raises(vz.Interrupted) as stop:
        zoom(tiny(), picture(), "block", frames=5, octaves=1, steps=2, on_step=after(count), **still)
    assert stop.value.result.frames.shape == (1, frames, 1, 24, 32, 3)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: dream(tiny(), picture(), "block", octaves=0), "octaves must be a whole number of 1 or more"),
        (lambda: dream(tiny(), picture(), "block", ratio=1.0), "octaves grow by a ratio above 1, not 1.0"),
        (lambda: dream(tiny(), picture(), "block", step=0.0), "a step is positive, not 0.0"),
        (lambda: dream(tiny(), picture(), "blok", octaves=1), "unknown layer 'blok'"),
        (lambda: zoom(tiny(), picture(), "block", frames=0), "frames must be a whole number of 1 or more"),
        (lambda: zoom(tiny(), picture(), "block", growth=1.0), "a zoom grows by a factor above 1, not 1.0"),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, text: str):
    with pytest.raises(vz.InputError, match=text):
        call()


FULL = """
import numpy as np
import vizjax as vz
from vizjax.recipes.dreams import dream
from vizjax.pictures import resized
from sklearn.datasets import load_sample_image

china = resized(load_sample_image("china.jpg").astype(np.float32) / 255, (1080, 1920)).clip(0, 1)
result = dream(vz.load("efficientnet_lite0"), china, "blocks.10", steps=2)
lines = dict(line.split(":") for line in open("/proc/self/status"))
print(1024 * int(lines["VmHWM"].split()[0]), result.final[0] > result.baseline[0], *result.images.shape)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="measures by Linux's /proc")
def test_full_hd_takes_less_than_4_gb():
    """All octaves, in a process of its own; 1.2 GB were measured."""
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    told = subprocess.run(
        [sys.executable, "-c", FULL], env=environment, capture_output=True, text=True, check=True
    )
    peak, rose, *shape = told.stdout.split()
    assert int(peak) < 4e9
    assert rose == "True"
    assert shape == ["1", "1", "1080", "1920", "3"]
