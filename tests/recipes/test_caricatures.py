"""Caricatures: of where things are, and of Mahendran and Vedaldi."""

import jax.numpy as jnp
import numpy as np
import pytest
from skimage import data, transform
from tiny import tiny

import vizjax as vz
from vizjax.recipes.caricatures import caricature
from vizjax.recipes.exaggeration import exaggerate
from vizjax.recipes.seeing import seen


def natural(size):
    crops = data.astronaut()[:300, 75:375], data.chelsea()[:300, 75:375], data.coffee()[:400, 100:500]
    return np.stack([transform.resize(p, (size, size), anti_aliasing=True) for p in crops]).astype(np.float32)


def likeness(net, pictures, others, layer):
    """Projection of the others' features on the pictures', as a share of these, and the cosine."""
    a, b = (np.asarray(seen(net, jnp.asarray(p), layer), np.float64) for p in (pictures, others))
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    dot = (a * b).sum(1)
    return dot / (a * a).sum(1), dot / np.sqrt((a * a).sum(1) * (b * b).sum(1))


def test_features_turn_towards_the_pictures():
    pictures = natural(24)
    result = caricature(tiny(), pictures, "conv2", steps=32)
    assert result.images.shape == (3, 1, 24, 24, 3)
    assert (result.final > result.baseline).all()
    assert result.recipe["layer"] == "conv2"
    before = likeness(tiny(), pictures, np.full_like(pictures, 0.4), "conv2")
    after = likeness(tiny(), pictures, result.images[:, 0], "conv2")
    assert (after[0] > before[0]).all()
    own, crossed = (
        likeness(tiny(), p, result.images[:, 0], "conv2")[1] for p in (pictures, pictures[[1, 2, 0]])
    )
    assert own.mean() > crossed.mean()


def test_places_matter():
    """What is on the left of the picture is on the left of its caricature."""
    picture = np.full((1, 16, 32, 3), 0.5, np.float32)
    picture[:, :, :16, 0] = 1
    result = caricature(tiny(), picture, "block", image=vz.images.pixels((16, 32)), steps=24)
    left, right = (np.abs(half - 0.5).mean() for half in np.split(result.images[0, 0], 2, axis=1))
    assert left != pytest.approx(right, rel=0.05)
    mirrored = caricature(tiny(), picture[:, :, ::-1], "block", image=vz.images.pixels((16, 32)), steps=24)
    assert (
        likeness(tiny(), picture, result.images[:, 0], "block")[1]
        > likeness(tiny(), picture, mirrored.images[:, 0], "block")[1]
    )


def test_one_trace_serves_all_pictures(monkeypatch):
    traces, real = [], vz.objectives.caricature
    monkeypatch.setattr(vz.objectives, "caricature", lambda *args: traces.append(1) or real(*args))
    for i in range(3):
        caricature(tiny(), natural(16)[i : i + 1], "relu1", power=0.5, steps=2, image=vz.images.fourier(16))
    assert len(traces) == 2


@pytest.mark.parametrize("settings", [{"image": vz.images.fourier(24)}, {"transform": vz.transforms.pad(4)}])
def test_a_canvas_of_another_size_is_refused(settings):
    with pytest.raises(
        vz.InputError, match="give a canvas of the picture's size and a transform that keeps it"
    ):
        caricature(tiny(), natural(16)[:1], "block", **settings)


def test_exaggeration_starts_from_the_picture_and_makes_its_features_grow():
    picture = natural(24)[1]
    result = exaggerate(tiny(), picture, "block", steps=40)
    features = np.maximum(vz.activations(tiny(), picture[None])["block"], 0)
    weights = features / np.sum(features**2)
    grown = np.sum(weights * vz.activations(tiny(), result.images[0])["block"])
    assert grown >= 1.5
    assert np.corrcoef(result.images[0, 0].ravel(), picture.ravel())[0, 1] > 0.3
    still = exaggerate(tiny(), picture, "block", steps=1).baseline
    assert still < 1  # ⟨w, Φ₀⟩ is 1, less what the priors cost


def test_what_cannot_be_exaggerated_is_refused():
    with pytest.raises(vz.InputError, match=r"must be square, not \(16, 24\); crop it"):
        exaggerate(tiny(), np.zeros((16, 24, 3), np.float32), "block")
    with pytest.raises(vz.InputError, match="nothing in the picture makes layer 'relu2' positive"):
        exaggerate(dead(), natural(16)[0], "relu2")


def dead():
    """The tiny net with a second convolution that nothing gets through."""
    import copy

    net = copy.deepcopy(tiny())
    net.conv2.bias[...] = jnp.full(16, -1e3)
    return net


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["blocks.4", "blocks.10"])
def test_caricatures_of_lite0(layer):
    """From grey, features come to be as large along the picture's as these are, and much alike."""
    net, pictures = vz.load("efficientnet_lite0"), natural(96)
    result = caricature(net, pictures, layer)
    share, cosine = likeness(net, pictures, result.images[:, 0], layer)
    others = likeness(net, pictures, pictures[[1, 2, 0]], layer)[1]
    print(
        f"{layer}: projection {share.round(2)}, cosine {cosine.round(2)}; of another picture {others.round(2)}"
    )
    assert share.min() >= 0.9
    assert (cosine >= others + 0.2).all()


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["blocks.4", "blocks.10"])
def test_exaggeration_of_lite0(layer):
    net, picture = vz.load("efficientnet_lite0"), natural(64)[1]
    result = exaggerate(net, picture, layer)
    features = np.maximum(vz.activations(net, picture[None])[layer], 0)
    share = float(np.sum(features * vz.activations(net, result.images[0])[layer]) / np.sum(features**2))
    alike = np.corrcoef(result.images[0, 0].ravel(), picture.ravel())[0, 1]
    print(f"{layer}: features grow {share:.2f} times; correlation with the picture {alike:.2f}")
    assert share >= 1.25
    assert alike >= 0.5
