"""Nets that compute in bfloat16: what is so, what stays float32, and that it is told."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny import tiny

import vizjax as vz
from vizjax import cli
from vizjax.models import MODELS
from vizjax.models.weights import blank
from vizjax.precision import compute_in, dtype_of

FAMILIES = [
    "efficientnet_lite0", "vgg11_bn", "resnet18", "resnext50_32x4d", "inceptionv1", "googlenet", "inception_v3",
    "alexnet", "caffenet", "squeezenet1_1", "mobilenet_v2", "densenet121", "convnext_tiny",
]  # fmt: skip


@functools.cache
def half():
    """The tiny net in bfloat16."""
    return compute_in(jax.tree.map(lambda x: x, tiny()), "bfloat16")


def channel(acts, unit):
    return vz.objectives.channel(acts["block"], unit)


def module(name):
    build = MODELS[name].build
    return getattr(build, "func", build).__module__


def test_every_family_is_tried():
    assert {module(name) for name in FAMILIES} == {module(name) for name in MODELS}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_net_computes_in_bfloat16_from_end_to_end(name):
    """Every activation on the way, in the net's own hands: nothing widens it silently."""
    net = compute_in(blank(MODELS[name]), "bfloat16")
    seen = {}

    def run(net, picture):
        assert net.preprocess(picture).dtype == jnp.float32
        running, reply = net(picture), None
        try:
            while True:
                layer, reply = running.send(reply)
                seen[layer] = reply.dtype.name
        except StopIteration:
            return vz.activations(net, picture)["logits"]

    out = jax.eval_shape(run, net, jax.ShapeDtypeStruct((1, *net.input_shape), jnp.float32))
    assert {layer: dtype for layer, dtype in seen.items() if dtype != "bfloat16"} == {}
    assert out.dtype == jnp.float32  # as it is handed out
    assert {leaf.dtype.name for leaf in jax.tree.leaves(net)} == {"float32"}


def test_activations_are_near_those_in_float32():
    @jax.jit
    def found(net, picture):
        acts = vz.activations(net, picture)
        return {layer: acts[layer] for layer in ("stem", "blocks.2")}

    picture = jax.random.uniform(jax.random.key(0), (1, 32, 32, 3))
    exact, close = (found(vz.load("efficientnet_lite0", dtype=d), picture) for d in ("float32", "bfloat16"))
    for layer, value in exact.items():
        error = jnp.sqrt(jnp.mean((close[layer] - value) ** 2) / jnp.mean(value**2))
        assert 1e-4 < error < 0.04, layer
        assert close[layer].dtype == jnp.float32


def test_statistics_of_normalizations_are_not_rounded():
    norm = nnx.BatchNorm(1, use_running_average=True, epsilon=0.0, rngs=nnx.Rngs(0))
    norm.mean[...] = jnp.array([1.001953125])  # 1 + 2⁻⁹, which bfloat16 cannot hold
    x = jnp.ones((1, 1), jnp.bfloat16)
    assert compute_in(norm, "bfloat16")(x).item() == pytest.approx(-(2**-9), rel=0.01)


def test_edits_are_given_float32_and_the_net_goes_on_in_its_own():
    net, seen = half(), []

    def run(delta, picture):
        acts = vz.activations(net, picture, edit={"relu1": lambda x: seen.append(x.dtype) or x + delta})
        assert acts["relu1"].dtype == delta.dtype == jnp.float32
        seen.append(acts._reply.dtype)
        return acts["pool"].sum()

    slope = jax.eval_shape(jax.grad(run), jnp.zeros((1, 8, 8, 8)), jnp.full((1, 16, 16, 3), 0.3))
    assert seen == [jnp.float32, jnp.bfloat16]
    assert slope.dtype == jnp.float32


def test_pictures_attain_what_they_do_in_float32():
    settings = {"image": vz.images.pixels(16), "transform": None, "rectify": vz.nn.plain, "steps": 24}
    exact, close = (vz.render(net, channel, jnp.arange(4), **settings) for net in (tiny(), half()))
    np.testing.assert_allclose(close.final, exact.final, rtol=0.03)
    assert (close.final > 2 * close.baseline).all()
    assert close.images.dtype == close.scores.dtype == np.float32
    assert (close.final != exact.final).all()
    assert (exact.recipe["dtype"], close.recipe["dtype"]) == ("float32", "bfloat16")


def test_facts_about_layers_are_the_same():
    assert vz.layers(half()) == vz.layers(tiny())


def test_an_unknown_dtype_is_answered_before_anything_is_read():
    with pytest.raises(vz.InputError, match="unknown dtype 'float16': .* There are: float32, bfloat16"):
        vz.load("efficientnet_lite0", "nowhere.pth", dtype="float16")
    with pytest.raises(vz.UnknownName, match="unknown dtype"):
        compute_in(tiny(), "half")


def test_an_atlas_keeps_its_dtype(tmp_path):
    settings = {"units": range(2), "size": 16, "steps": 2, "batch": 2}
    atlas = vz.atlas.build(half(), ["block"], tmp_path, **settings)
    assert atlas.recipe["dtype"] == "bfloat16"
    with pytest.raises(
        vz.InputError, match="another model or recipe .*dtype: 'bfloat16' there, 'float32' now"
    ):
        vz.atlas.build(tiny(), ["block"], tmp_path, **settings)
    # one from before there was a choice goes on in float32
    about = json.loads((tmp_path / "atlas.json").read_text())
    about["recipe"].pop("dtype")
    (tmp_path / "atlas.json").write_text(json.dumps(about))
    vz.atlas.build(tiny(), ["block"], tmp_path, **settings)
    with pytest.raises(vz.InputError, match="dtype: 'float32' there, 'bfloat16' now"):
        vz.atlas.build(half(), ["block"], tmp_path, **settings)


@pytest.mark.parametrize("verb", ["atlas efficientnet_lite0", "render efficientnet_lite0 stem 3"])
def test_the_command_line_takes_it(verb, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "_use_cache", lambda: None)
    monkeypatch.chdir(tmp_path)
    assert cli.main([*verb.split(), "--dtype", "float33"]) == 2
    assert "unknown dtype 'float33': did you mean 'float32'" in capsys.readouterr().err
    loaded = []

    def stop(*arguments):
        loaded.append(arguments)
        raise vz.InputError("enough")

    monkeypatch.setattr(vz, "load", stop)
    cli.main([*verb.split(), "--dtype", "bfloat16"])
    assert loaded == [("efficientnet_lite0", None, "bfloat16")]
    assert not list(tmp_path.iterdir())


def test_what_is_no_net_of_ours_has_float32():
    assert dtype_of(lambda images: images) == "float32"
    assert dtype_of(nnx.Linear(1, 1, dtype=jnp.bfloat16, rngs=nnx.Rngs(0))) == "bfloat16"
