"""Loading: by name, from files, and what wrong weights are answered with."""

import jax
import numpy as np
import pytest
from flax import nnx

import vizjax as vz
from vizjax.models import MODELS, torch_file
from vizjax.models.weights import convert, random

SOURCE = MODELS["efficientnet_lite0"].source()


def test_random_weights_are_the_same_every_time_and_alive():
    first, second = (vz.load("efficientnet_lite0", "random") for _ in range(2))
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)
    acts = vz.activations(first, np.random.default_rng(0).random((1, 64, 64, 3), np.float32))
    assert 0.01 < float(acts["blocks.10"].std()) < 100


def test_a_local_file_is_the_packaged_one(tmp_path):
    copy = tmp_path / "mine.pth"
    copy.write_bytes(SOURCE.read_bytes())
    one, other = vz.load("efficientnet_lite0"), vz.load("efficientnet_lite0", copy)
    assert jax.tree.structure(one) == jax.tree.structure(other)
    np.testing.assert_array_equal(one.classifier.bias[...], other.classifier.bias[...])


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("efficientnet_lite", None, "unknown model 'efficientnet_lite': did you mean 'efficientnet_lite0'"),
        ("efficientnet_lite0", "weights.txt", "weights are a .pth or .pt file, 'random', or left out"),
        ("efficientnet_lite0", "nowhere.pth", "nowhere.pth"),
    ],
)
def test_wrong_names_are_answered(name, weights, message):
    with pytest.raises(vz.InputError, match=message):
        vz.load(name, weights)


def test_a_mismatch_lists_every_difference_with_the_nearest():
    model = MODELS["efficientnet_lite0"]
    arrays = dict(torch_file.read(SOURCE))
    arrays["_blocks.4._expand_conw.weight"] = arrays.pop("_blocks.4._expand_conv.weight")
    arrays["_fc.weight"] = arrays["_fc.weight"][:10]
    blank = nnx.eval_shape(lambda: model.build(rngs=nnx.Rngs(0)))
    with pytest.raises(vz.InputError) as caught:
        convert(blank, arrays, model.table, "mine.pth")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("mine.pth: names and shapes must be the model's, 3 differ")
    assert "    missing blocks.4.expand.kernel (1, 1, 40, 240)" in lines
    assert any("unexpected _blocks.4._expand_conw.weight" in line for line in lines)
    assert any("_fc.weight" in line and "(1280, 1000)" in line for line in lines)


def test_conversion_leaves_nothing_to_chance():
    model = MODELS["efficientnet_lite0"]
    arrays = {k: np.full(v.shape, i + 1.0) for i, (k, v) in enumerate(torch_file.read(SOURCE).items())}
    blank = nnx.eval_shape(lambda: model.build(rngs=nnx.Rngs(0)))
    net = convert(blank, arrays, model.table, "counted")
    values = [float(leaf.ravel()[0]) for leaf in jax.tree.leaves(net)]
    assert len(set(values)) == len(values)  # every array of the net came from another array of the file
    assert random(blank).stem.kernel.shape == (3, 3, 3, 32)
