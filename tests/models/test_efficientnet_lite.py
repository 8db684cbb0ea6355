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


def grad_cam(net, picture, layer, unit):
    def score(added):
        acts = vz.activations(net, picture, edit={layer: lambda x: x + added})
        return vz.objectives.logit(acts["logits"], unit), acts[layer]

    zeros = jnp.zeros_like(vz.activations(net, picture)[layer])
    slope, x = jax.grad(score, has_aux=True)(zeros)
    return jax.nn.relu((x * slope.mean((1, 2), keepdims=True)).sum(-1))[0]


def test_grad_cam_finds_what_speaks_for_the_class():
    net, (cat, coffee) = vz.load("efficientnet_lite0"), pictures(224) / np.float32(255)
    both = jnp.concatenate([cat, coffee], axis=1)[None]
    find = jax.jit(grad_cam, static_argnums=2)
    for unit, half in ((285, np.s_[:, :7]), (967, np.s_[:, 7:])):
        middle, heat = find(net, both, "blocks.10", unit), find(net, both, "head", unit)
        assert middle.shape == (14, 28)
        assert middle.max() > 0
        assert heat.shape == (7, 14)
        share = float(heat[half].sum() / heat.sum())
        print(f"class {unit}: {share:.0%} of the head's Grad-CAM lies in its half")
        assert share > 0.75


def test_the_gradient_at_an_inner_layer_is_that_of_finite_differences():
    net, picture = vz.load("efficientnet_lite0"), jnp.asarray(pictures(160)[:1] / np.float32(255))

    @jax.jit
    def score(added):
        acts = vz.activations(net, picture, edit={"blocks.10": lambda x: x + added})
        return vz.objectives.logit(acts["logits"], 285)

    direction = jax.random.normal(jax.random.key(0), (1, 10, 10, 112))
    slope = float(jnp.sum(jax.grad(score)(jnp.zeros_like(direction)) * direction))
    step = 2e-3
    difference = float(score(step * direction) - score(-step * direction)) / (2 * step)
    assert slope == pytest.approx(difference, rel=0.05, abs=0.02)


def test_sixteen_channels_ablated_at_once():
    net, picture = vz.load("efficientnet_lite0"), jnp.asarray(pictures(160)[:1] / np.float32(255))

    def ablated(channel):
        keep = 1 - jax.nn.one_hot(channel, 112)
        return vz.activations(net, picture, edit={"blocks.10": lambda x: x * keep})["logits"][0]

    together = jax.jit(jax.vmap(ablated))(jnp.arange(16))
    assert together.shape == (16, 1000)
    alone = jax.jit(ablated)
    for channel in (0, 7, 15):
        np.testing.assert_allclose(together[channel], alone(channel), atol=1e-3)
    assert np.abs(together - together[:1]).max() > 0.01
