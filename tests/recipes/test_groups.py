"""Diversity and interpolation: groups that are drawn apart, and together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import tiny

import vizjax as vz
from vizjax.recipes.diversity import WEIGHTS, diversify
from vizjax.recipes.interpolation import interpolate

GROUP = {"image": vz.images.fourier(16, n=4), "steps": 24}


def gram_cosine(x):
    return float(vz.objectives.diversity(jnp.asarray(x))) / (len(x) - 1)


def correlations(frames):
    """Mean pixel correlation of frames 1, 2, … apart."""
    of = np.corrcoef(frames.reshape(len(frames), -1))
    return np.array([np.diag(of, k).mean() for k in range(1, len(frames))])


def test_diversity_draws_a_group_apart():
    units = jnp.array([2, 5])
    same, apart = (diversify(tiny(), "relu1", units, weight=w, **GROUP) for w in (0.0, 3.0))
    assert apart.images.shape == (2, 4, 16, 16, 3)
    assert apart.recipe["weight"] == 3.0
    cosines = [
        [gram_cosine(vz.activations(tiny(), group)["relu1"]) for group in result.images]
        for result in (same, apart)
    ]
    assert np.mean(cosines[1]) < np.mean(cosines[0]) - 0.01


def test_the_weight_is_the_models():
    assert WEIGHTS == {"efficientnet_lite0": 3, "inceptionv1": 100}
    for name, weight in ((None, 3), ("inceptionv1", 100)):
        net = jax.tree.map(lambda x: x, tiny())  # a copy
        if name:
            net.name = name
        found = diversify(net, "relu1", np.array([3]), **GROUP | {"steps": 1})
        assert found.recipe["weight"] == weight


def test_a_group_is_as_large_as_asked_for():
    assert diversify(tiny(), "relu1", np.array([3]), count=3, steps=1).images.shape == (1, 3, 128, 128, 3)


def test_interpolation_goes_from_one_unit_to_the_other():
    image = vz.images.shared(16, n=3)
    result = interpolate(tiny(), "conv2", np.array([[1, 4], [6, 2]]), frames=3, image=image, steps=32)
    assert result.images.shape == (2, 3, 16, 16, 3)
    assert (result.final > result.baseline).all()
    assert result.recipe["pairs"] == [[1, 4], [6, 2]]
    for (a, b), frames in zip([[1, 4], [6, 2]], result.images, strict=True):
        x = np.asarray(vz.activations(tiny(), frames)["conv2"]).mean((1, 2))
        assert x[0, a] > x[-1, a]
        assert x[-1, b] > x[0, b]


def test_alignment_draws_frames_together():
    settings = {"image": vz.images.fourier(16, n=4), "frames": 4, "steps": 24}
    free, aligned = (
        interpolate(tiny(), "block", np.array([[1, 4]]), weight=w, **settings) for w in (0.0, 1.0)
    )

    def apart(result):
        return -vz.objectives.alignment(vz.activations(tiny(), result.images[0])["block"])

    assert apart(aligned) < 0.5 * apart(free)


def test_one_trace_serves_all_units_and_weights(monkeypatch):
    traces, real = [], vz.objectives.diversity
    monkeypatch.setattr(vz.objectives, "diversity", lambda *args: traces.append(1) or real(*args))
    for unit, weight in ((1, 0.5), (2, 1.0), (3, 2.0)):
        diversify(tiny(), "block.project", np.array([unit]), weight=weight, **GROUP)
    assert len(traces) == 2


def test_less_than_two_frames_are_refused():
    with pytest.raises(vz.InputError, match="has 2 or more frames, not 1; give frames=6"):
        interpolate(tiny(), "block", np.array([[1, 4]]), frames=1)


@pytest.mark.slow
def test_diversity_of_lite0():
    net, layer, units = vz.load("efficientnet_lite0"), "blocks.6", np.arange(4)
    settings = {"image": vz.images.fourier(96, n=4), "batch": 2}
    same, apart = (diversify(net, layer, units, weight=w, **settings) for w in (0.0, None))
    kept, lowered = [], []
    for unit, a, b in zip(units, same.images, apart.images, strict=True):
        before, after = (vz.activations(net, pictures)[layer] for pictures in (a, b))
        kept.append(after.mean((0, 1, 2))[unit] / before.mean((0, 1, 2))[unit])
        lowered.append(gram_cosine(before) - gram_cosine(after))
    print(f"diversity: Gram cosine lowered by {np.round(lowered, 2)}, activation kept {np.round(kept, 2)}")
    assert np.mean(lowered) >= 0.1
    assert np.mean(kept) >= 0.8


@pytest.mark.slow
def test_interpolation_of_lite0():
    net, layer, pairs = vz.load("efficientnet_lite0"), "blocks.10", np.array([[11, 75], [24, 101]])
    single = vz.render(
        net,
        lambda acts, unit: vz.objectives.channel(acts[layer], unit),
        pairs.ravel(),
        image=vz.images.fourier(96),
    )
    own = interpolate(net, layer, pairs, weight=0.0, image=vz.images.fourier(96, n=6))
    shared = interpolate(net, layer, pairs, image=vz.images.shared(96, n=6))
    ends, near, far = [], [], []
    for result in (own, shared):
        x = np.stack([vz.activations(net, frames)[layer].mean((1, 2)) for frames in result.images])
        at = np.stack([x[[0, 1], 0, pairs[:, 0]], x[[0, 1], -1, pairs[:, 1]]], axis=1)
        ends.append(at / single.final.reshape(2, 2))
        by_distance = np.mean([correlations(frames) for frames in result.images], axis=0)
        near.append(by_distance[0])
        far.append(by_distance[1:].mean())
        print(f"ends attain {ends[-1].round(2).tolist()}, correlation by distance {by_distance.round(2)}")
    assert np.min(ends[1]) >= 0.8
    assert near[1] > far[1]
    assert near[1] - far[1] > near[0] - far[0]
    assert near[1] > near[0] + 0.2
