"""EfficientNet-Lite0 equals its PyTorch definition, layer by layer, with the real weights."""

import functools
import importlib.util
import zlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import vizjax as vz

HERE = Path(__file__).parent.parent / "goldens"
GOLDENS = np.load(HERE / "efficientnet_lite0.npz")
SIZES = (224, 160, 161)


def _script():
    spec = importlib.util.spec_from_file_location("make_goldens", HERE / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def pictures(size):
    return np.stack([_script().picture(name, size) for name in ("chelsea", "coffee")])


@functools.cache
def all_activations(size):
    run = jax.jit(lambda net, x: [*vz.activations(net, x).values()])
    net = vz.load("efficientnet_lite0")
    names = list(vz.layers(net))
    return dict(zip(names, map(np.asarray, run(net, pictures(size) / np.float32(255))), strict=True))


def sampled(size, row, acts):
    return acts.reshape(2, -1)[:, GOLDENS[f"{size}/index"][row]]


def test_every_golden_layer_is_a_layer():
    assert list(GOLDENS["layers"]) == list(vz.layers(vz.load("efficientnet_lite0")))


@pytest.mark.parametrize("size", SIZES)
def test_pictures_are_those_of_the_goldens(size):
    assert [zlib.crc32(p.tobytes()) for p in pictures(size)] == GOLDENS[f"{size}/crc32"].tolist()


@pytest.mark.parametrize("size", SIZES)
def test_activations_equal_the_reference(size):
    acts = all_activations(size)
    worst = {}
    for row, name in enumerate(GOLDENS["layers"]):
        error = np.abs(sampled(size, row, acts[name]) - GOLDENS[f"{size}/values"][row]).max()
        worst[name] = error / GOLDENS[f"{size}/scale"][row]
    assert max(worst.values()) < 1e-4, worst
    np.testing.assert_allclose(
        acts["logits"], GOLDENS[f"{size}/logits"], atol=1e-4 * np.abs(acts["logits"]).max()
    )
    np.testing.assert_array_equal(np.argsort(-acts["logits"], axis=1)[:, :5], GOLDENS[f"{size}/top5"])


def test_channel_means_equal_the_reference():
    means = np.split(GOLDENS["224/means"], np.cumsum(GOLDENS["channels"])[:-1], axis=1)
    for row, (name, x) in enumerate(all_activations(224).items()):
        ours = x.reshape(2, -1, x.shape[-1]).mean(1)
        np.testing.assert_allclose(ours, means[row], atol=1e-4 * GOLDENS["224/scale"][row], err_msg=name)


def test_goldens_can_fail():
    """Swapped pictures or colours change every golden by far more than the tolerance."""
    acts = all_activations(224)
    net = vz.load("efficientnet_lite0")
    swapped = vz.activations(net, jnp.asarray(pictures(224)[..., ::-1] / np.float32(255)))
    for row, name in enumerate(GOLDENS["layers"][:12]):
        limit = 10 * 1e-4 * GOLDENS["224/scale"][row]
        expected = GOLDENS["224/values"][row]
        assert np.abs(sampled(224, row, acts[name][::-1]) - expected).max() > limit
        assert np.abs(sampled(224, row, np.asarray(swapped[name])) - expected).max() > limit


def test_it_knows_cats_and_coffee():
    classes = np.argsort(-all_activations(224)["probabilities"], axis=1)
    assert {281, 282, 285} == set(classes[0, :3].tolist())
    assert classes[1, 0] == 967
    assert all_activations(224)["probabilities"][1, 967] > 0.85
