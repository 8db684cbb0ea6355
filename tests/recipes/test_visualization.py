"""Units by presets: what is composed, what the pictures hold, and what the papers found, on Lite0."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny import tiny

import vizjax as vz
from vizjax import nn, objectives, regularizers, updates
from vizjax.recipes import PRESETS, Preset, transparent, visualize
from vizjax.recipes.presets.units import middle_unit, settings, unit_objective, weighted

FAST = settings(vz.images.pixels(12), None, updates.adam(0.05), 4)


def test_it_is_render_with_the_presets_settings():
    result = visualize(tiny(), "block", [1, 5], Preset(FAST))
    objective = unit_objective("block")
    again = vz.render(tiny(), objective, jnp.array([1, 5]), **FAST)
    np.testing.assert_array_equal(result.images, again.images)
    assert result.recipe == again.recipe | {"preset": "own", "layer": "block", "units": [1, 5]}
    assert (result.final > result.baseline).all()


def test_settings_of_the_call_win_and_the_size_is_the_presets():
    result = visualize(tiny(), "block", [1], "yosinski-3", size=10, steps=3, starts=2)
    assert result.images.shape == (1, 2, 1, 10, 10, 3)
    assert result.scores.shape == (1, 2, 3)
    assert np.abs(result.images[0, 0] - result.images[0, 1]).max() > 0.01
    assert result.recipe["preset"] == "yosinski-3"
    assert result.recipe["objective"] == "unit_objective('block', measure=middle_unit)"


def test_repeated_calls_compile_once():
    traces = 0

    def counting(x, unit):
        nonlocal traces
        traces += 1
        return objectives.channel(x, unit)

    preset = Preset(FAST, counting, weighted((0.1, regularizers.l2)))
    for unit in (1, 2, 3):
        visualize(tiny(), "block", [unit], preset)
    assert traces == 2  # the step, and the score of finished pictures


def test_penalties_are_subtracted_and_weights_add():
    acts = {"x": jnp.ones((1, 4)), "image": jnp.full((1, 2, 2, 3), 0.75)}
    penalty = weighted((2.0, regularizers.l2), (1.0, regularizers.l1, 0.0))
    expected = 1 - 2 * 12 / 16 - 12 * 0.75
    assert unit_objective("x", penalty=penalty)(acts, 3) == pytest.approx(expected)
    assert unit_objective("x")(acts, 3) == 1
    transparent_acts = acts | {"image": jnp.full((1, 2, 2, 4), 0.25)}
    assert unit_objective("x")(transparent_acts, 3) == pytest.approx(0.75)


def test_units_of_other_layers_are_channels():
    tokens = jnp.arange(12.0).reshape(1, 3, 4)
    assert middle_unit(tokens, 1) == 5
    assert middle_unit(jnp.arange(4.0)[None], 3) == 3


def test_importance_becomes_transparency():
    image = vz.images.pixels(12)
    kept = FAST | {"optimizer": updates.chain(updates.adam(0.05), updates.importance(image))}
    result = visualize(tiny(), "conv1", [3], Preset(kept, middle_unit))
    seen = transparent(result, (50.0, 100.0))
    assert seen.images.shape == (1, 1, 12, 12, 4)
    np.testing.assert_array_equal(seen.images[..., :3], result.images)
    importance = optax.tree_utils.tree_get(result.optimizer_state, "importance").mean(-1)
    assert ((seen.images[..., 3] > 0) == (importance > np.percentile(importance, 50))).all()
    assert seen.images[..., 3].max() == 1
    assert "percentiles (50.0, 100.0)" in seen.recipe["alpha"]
    with pytest.raises(vz.InputError, match=r"needs vizjax\.updates\.importance\(image\) in the optimizer"):
        transparent(visualize(tiny(), "conv1", [3], Preset(FAST)))


def test_alpha_is_optimized_with_the_colours():
    """MACO's picture of four channels: what the unit at the centre does not see fades away."""
    preset = PRESETS["maco"](16, view=16, transparent=True)
    result = visualize(tiny(), "conv1", [3], preset, steps=3, samples=2)
    assert result.images.shape == (1, 1, 16, 16, 4)
    assert np.isfinite(result.images).all()
    assert result.recipe["transform"].startswith("compose(background(), crop(16), ")


def test_an_unknown_preset_is_named_with_the_closest():
    with pytest.raises(vz.UnknownName, match="unknown preset 'lucit'.*lucid"):
        visualize(tiny(), "block", [0], "lucit")


# Lite0


@functools.cache
def net():
    return vz.load("efficientnet_lite0")


def logits(pictures):
    return np.asarray(vz.activations(net(), jnp.asarray(pictures))["logits"])


def high_energy(pictures):
    """Energy of the luminance above a quarter of the sampling rate."""
    grey = np.asarray(pictures, np.float64).mean(-1)
    spectrum = np.abs(np.fft.fft2(grey - grey.mean((-2, -1), keepdims=True))) ** 2
    f = np.hypot(np.fft.fftfreq(grey.shape[-2])[:, None], np.fft.fftfreq(grey.shape[-1]))
    return spectrum[..., f > 0.25].sum() / grey.size


CLASSES = [1, 76, 281, 985]


@pytest.mark.slow
@pytest.mark.parametrize("row", [1, 2, 3, 4])
def test_yosinskis_classes_come_first_within_100_iterations(row):
    """At some step: the second row's decay of .3 leaves no picture longer than three steps."""
    result = visualize(net(), "logits", CLASSES, f"yosinski-{row}", size=128, steps=100, every=2)
    first = [
        (logits(frames[:, 0]).argmax(-1) == unit).nonzero()[0]
        for unit, frames in zip(CLASSES, result.frames, strict=True)
    ]
    told = [f"from {2 * steps[0]}, {len(steps)} of 51" if len(steps) else "never" for steps in first]
    print(f"yosinski-{row}: first {told}")
    assert all(len(steps) for steps in first)


@pytest.mark.slow
def test_yosinskis_starts_are_different_pictures():
    result = visualize(net(), "logits", [281], "yosinski-3", size=128, steps=150, starts=4)
    correlations = np.corrcoef(result.images[0, :, 0].reshape(4, -1))[np.triu_indices(4, 1)]
    print(f"yosinski-3: correlations of four starts {correlations.round(2)}")
    assert correlations.max() < 0.5


@pytest.mark.slow
def test_yosinskis_third_row_has_no_high_frequencies():
    preset = PRESETS["yosinski-3"](128)
    free = updates.chain(updates.progress(2.0, 100.0), updates.clip_pixels())
    smooth, rough = (
        visualize(net(), "logits", CLASSES[:2], preset, steps=150, **other).images[:, 0]
        for other in ({}, {"optimizer": free})
    )
    shares = high_energy(smooth) / high_energy(rough)
    print(f"yosinski-3: high-frequency energy {shares:.3f} of the unregularized run's")
    assert shares <= 0.1


@pytest.mark.slow
def test_simonyans_class_models_are_certain():
    result = visualize(net(), "logits", CLASSES, "simonyan", size=128)
    own = np.asarray(jax.nn.softmax(logits(result.images[:, 0])))[np.arange(4), CLASSES]
    print(f"simonyan: probabilities {own.round(4)}")
    assert own.min() > 0.9


@pytest.mark.slow
def test_logits_rise_higher_than_by_probabilities():
    runs = {
        layer: visualize(net(), layer, CLASSES, "best", size=96).images[:, 0]
        for layer in ("logits", "probabilities")
    }
    found = {layer: logits(pictures) for layer, pictures in runs.items()}
    own = {layer: x[np.arange(4), CLASSES] for layer, x in found.items()}
    rivals = {layer: (x.sum(1) - own[layer]) / (x.shape[1] - 1) for layer, x in found.items()}
    print(f"attained logits by {own}; mean of the rivals' {rivals}")
    assert (own["logits"] > own["probabilities"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("row", [1, 4])
def test_most_of_the_picture_stays_grey(row):
    result = visualize(net(), "logits", [281], f"yosinski-{row}", size=128, steps=60)
    share = np.all(np.abs(result.images - 0.5) < 1e-6, axis=-1).mean()
    print(f"yosinski-{row}: {share:.3f} of the pixels are grey")
    assert share == pytest.approx({1: 0.5, 4: 0.9}[row], abs=1e-3)
    assert nn.plain is PRESETS[f"yosinski-{row}"](8).settings["rectify"]
