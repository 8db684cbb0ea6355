"""What the pictures of a real network must show, on EfficientNet-Lite0 (``pytest -m slow``).

Each test prints its figures (``-s`` shows them); ``benchmarks/RESULTS.md`` keeps the last ones.
"""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import data, transform

import vizjax as vz
from vizjax import files

pytestmark = pytest.mark.slow


@functools.cache
def net():
    return vz.load("efficientnet_lite0")


@functools.cache
def channel_of(layer):
    return lambda acts, unit: vz.objectives.channel(acts[layer], unit)


@functools.cache
def natural(size):
    """Scikit-image's colour pictures."""
    sources = (data.astronaut, data.chelsea, data.coffee, data.rocket, data.immunohistochemistry, data.retina)
    return np.stack([transform.resize(f(), (size, size), anti_aliasing=True) for f in sources]).astype(
        np.float32
    )


def gram_cosine(x):
    return float(vz.objectives.diversity(x)) / (x.shape[0] - 1)


@pytest.mark.parametrize("layer", ["blocks.4", "blocks.10"])
def test_attained_activation_is_five_deviations_above_natural_pictures(layer):
    units = jnp.arange(0, 40, 5)
    result = vz.render(net(), channel_of(layer), units, image=vz.images.fourier(96))
    means = np.asarray(vz.activations(net(), natural(224))[layer]).mean((1, 2))[:, units]
    deviations = (result.final - means.mean(0)) / means.std(0)
    print(f"{layer}: {deviations.round(1)} deviations above the mean")
    assert deviations.min() >= 5


def test_no_unit_of_the_head_stays_grey():
    units = jnp.arange(0, 1280, 20)
    result = vz.render(net(), channel_of("head"), units, image=vz.images.fourier(96), batch=8)
    deviation = result.images.mean(-1).std((-1, -2))[:, 0] * 255
    print(f"head: smallest luminance deviation {deviation.min():.1f} of 255, {result.alive.mean():.0%} alive")
    assert deviation.min() >= 8
    plain = vz.render(
        net(),
        channel_of("head"),
        units[:8],
        image=vz.images.fourier(96),
        rectify=vz.nn.plain,
    )
    grey = plain.images.mean(-1).std((-1, -2))[:, 0] * 255 < 8
    print(f"head: with plain ReLU6 {grey.sum()} of 8 stay grey")
    assert grey.any()


@functools.cache
def _group(layer, weight):
    def objective(acts, unit):
        x = acts[layer]
        return vz.objectives.channel(x, unit) - weight * vz.objectives.diversity(x)

    return objective


def test_diversity():
    layer, units = "blocks.6", jnp.arange(6)
    settings = {"image": vz.images.fourier(96, n=4), "batch": 2}
    same, diverse = (vz.render(net(), _group(layer, weight), units, **settings) for weight in (0.0, 3.0))
    kept, lowered = [], []
    for unit, a, b in zip(units, same.images, diverse.images, strict=True):
        before, after = (vz.activations(net(), pictures)[layer] for pictures in (a, b))
        kept.append(float(vz.objectives.channel(after, unit) / vz.objectives.channel(before, unit)))
        lowered.append(gram_cosine(before) - gram_cosine(after))
    print(f"diversity: Gram cosine lowered by {np.round(lowered, 2)}, activation kept {np.round(kept, 2)}")
    assert np.mean(lowered) >= 0.1
    assert np.mean(kept) >= 0.8


def high_frequencies(pictures):
    """Share of the luminance's energy above a quarter of the sampling rate."""
    spectrum = (
        np.abs(np.fft.fft2(pictures.mean(-1) - pictures.mean((-1, -2, -3), keepdims=True)[..., 0])) ** 2
    )
    f = np.hypot(np.fft.fftfreq(spectrum.shape[-2])[:, None], np.fft.fftfreq(spectrum.shape[-1]))
    return float(spectrum[..., f > 0.25].sum() / spectrum.sum())


def test_fourier_and_transforms_have_less_high_frequency_than_pixels():
    units = jnp.arange(8)
    robust = vz.render(net(), channel_of("blocks.10"), units, image=vz.images.fourier(96))
    naive = vz.render(
        net(),
        channel_of("blocks.10"),
        units,
        image=vz.images.pixels(96),
        optimizer=vz.updates.adam(0.05),
        transform=None,
    )
    shares = high_frequencies(robust.images), high_frequencies(naive.images)
    print(f"high frequencies: {shares[0]:.3f} of the energy, naive pixels {shares[1]:.3f}")
    assert shares[0] < shares[1] / 2


def test_logits_rise_higher_by_logits_and_rivals_stay_lower_by_softmax():
    units = np.array([1, 72, 285, 309, 817, 950, 967, 980])
    of = {
        "logit": lambda acts, unit: vz.objectives.logit(acts["logits"], unit),
        "probability": lambda acts, unit: vz.objectives.probability(acts["logits"], unit),
    }

    def scored(pictures):
        logits = np.asarray(vz.activations(net(), pictures)["logits"])
        rivals = np.array([np.delete(row, unit) for row, unit in zip(logits, units, strict=True)])
        return logits[np.arange(8), units].mean(), rivals.mean(), np.sort(rivals, 1)[:, -10:].mean()

    own, fall, strongest = {}, {}, {}
    for name, objective in of.items():
        draw = vz.renderer(objective, image=vz.images.fourier(96))
        first = jax.vmap(draw.settings.image.decode)(vz.init(draw, units).params)[:, 0]
        before, after = scored(first), scored(draw(net(), units).images[:, 0])
        own[name], strongest[name] = after[0], after[2]
        fall[name] = (before[1] - after[1]) / (after[0] - before[0])
    print(
        f"attained logit {own}; fall of the mean rival for each unit gained {fall}; ten strongest {strongest}"
    )
    assert own["logit"] > own["probability"]
    assert fall["probability"] > fall["logit"]
    assert strongest["probability"] < strongest["logit"]


@pytest.mark.parametrize(("layer", "least"), [("blocks.4", 35.2), ("blocks.10", 35.5)])
def test_attained_activation_at_224_pixels(layer, least):
    """What torch-lucent attains in 512 steps."""
    draw = vz.renderer(channel_of(layer), image=vz.images.fourier(224))
    means = [draw(net(), jnp.arange(8), key=jax.random.key(seed)).final.mean() for seed in range(3)]
    print(f"{layer}: {np.mean(means):.1f} ± {np.std(means, ddof=1):.1f} over three seeds")
    assert np.mean(means) >= least


def test_lanes_are_equal_to_the_last_pixel(tmp_path):
    draw = vz.renderer(channel_of("blocks.10"), image=vz.images.fourier(96), batch=4)
    places = [[5, 1, 2, 3], [40, 5, 41, 42], [77, 78, 79, 5]]
    pictures = [draw(net(), jnp.array(units)).images[units.index(5)] for units in places]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    np.testing.assert_array_equal(pictures[0], pictures[2])


def test_a_resumed_atlas_has_the_same_pixels(tmp_path):
    settings = {"size": 96, "steps": 64, "batch": 4}
    whole = vz.atlas.build(net(), ["blocks.10"], tmp_path / "whole", units=range(8), **settings)

    class Stop(Exception):
        pass

    def stop(progress):
        if progress.now > 5.5:
            raise Stop

    with pytest.raises(Stop):
        vz.atlas.build(net(), ["blocks.10"], tmp_path / "cut", units=range(8), on_progress=stop, **settings)
    assert vz.atlas.open(tmp_path / "cut")["blocks.10"].units.tolist() == [0, 1, 2, 3]
    resumed = vz.atlas.build(
        net(), ["blocks.10"], tmp_path / "cut", units=[6, 7, 5, 4, *range(4)], **settings
    )
    np.testing.assert_array_equal(resumed["blocks.10"].images, whole["blocks.10"].images)
    assert not list(tmp_path.rglob(f"*{files.TEMPORARY}*"))


def test_one_compilation_for_a_layer():
    objective_traces = 0

    def objective(acts, unit):
        nonlocal objective_traces
        objective_traces += 1
        return vz.objectives.channel(acts["blocks.4"], unit)

    draw = vz.renderer(objective, image=vz.images.fourier(96), steps=8, batch=8)
    times = []
    for units in (range(8), range(8, 16), range(16, 40)):
        begin = time.perf_counter()
        draw(net(), jnp.array(units))
        times.append(time.perf_counter() - begin)
    print(f"first batch {times[0]:.1f} s, second {times[1]:.1f} s; traced {objective_traces} times")
    assert objective_traces == 2
