"""Loading: by name, from files in every format and layout, and what wrong weights are answered with."""

import hashlib
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.flax
from flax import nnx
from reference import golden, reference_arrays

import vizjax as vz
from vizjax.models import MODELS, blocks, formats, torch_file
from vizjax.models.sources import Url, fetch
from vizjax.models.weights import blank, convert, random

SOURCE = fetch(*MODELS["efficientnet_lite0"].sources)
SMALL = "squeezenet1_1"


def probe(net):
    picture = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    return np.asarray(vz.activations(net, picture)["logits"])


def leaves_equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


@pytest.fixture(scope="module")
def small():
    return reference_arrays(SMALL), convert(MODELS[SMALL], reference_arrays(SMALL), "golden")


def test_random_weights_are_the_same_every_time_and_alive():
    first, second = (vz.load("efficientnet_lite0", "random") for _ in range(2))
    assert leaves_equal(first, second)
    acts = vz.activations(first, np.random.default_rng(0).random((1, 64, 64, 3), np.float32))
    assert 0.01 < float(acts["blocks.10"].std()) < 100


def test_a_local_file_is_the_packaged_one(tmp_path):
    copy = tmp_path / "mine.pth"
    copy.write_bytes(SOURCE.read_bytes())
    one, other = vz.load("efficientnet_lite0"), vz.load("efficientnet_lite0", copy)
    assert jax.tree.structure(one) == jax.tree.structure(other)
    assert leaves_equal(one, other)


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("efficientnet_lite", None, "unknown model 'efficientnet_lite': did you mean 'efficientnet_lite"),
        ("efficientnet_lite0", "weights.txt", r"weights.txt: weights are a .safetensors, .pth, .pt, .npz"),
        ("efficientnet_lite0", "nowhere.pth", "nowhere.pth"),
        ("resnet50", "nowhere.safetensors", "nowhere.safetensors: not a safetensors file"),
    ],
)
def test_wrong_names_are_answered(name, weights, message):
    with pytest.raises(vz.InputError, match=message):
        vz.load(name, weights)


# --- formats --------------------------------------------------------------------------------------


def save_safetensors(path, arrays):
    safetensors.flax.save_file({k: jnp.asarray(v) for k, v in arrays.items()}, path)


def save_npz(path, arrays):
    np.savez(path, **arrays)


@pytest.mark.parametrize(("suffix", "save"), [(".safetensors", save_safetensors), (".npz", save_npz)])
def test_formats_hold_the_same_net(tmp_path, small, suffix, save):
    arrays, net = small
    save(tmp_path / f"a{suffix}", arrays)
    found = vz.load(SMALL, tmp_path / f"a{suffix}")
    assert leaves_equal(found, net)
    assert found.preprocess == blocks.IMAGENET


def test_halves_become_float32(tmp_path, small):
    arrays, net = small
    halves = {name: jnp.asarray(array, jnp.bfloat16) for name, array in arrays.items()}
    safetensors.flax.save_file(halves, tmp_path / "a.safetensors")
    found = vz.load(SMALL, tmp_path / "a.safetensors")
    kernel = found.classifier["1"].kernel[...]
    assert kernel.dtype == jnp.float32
    np.testing.assert_array_equal(kernel, net.classifier["1"].kernel[...].astype(jnp.bfloat16))


@pytest.mark.parametrize("as_dict", [True, False], ids=["dict", "state"])
def test_an_orbax_folder_holds_a_net_in_our_own_names(tmp_path, as_dict):
    import orbax.checkpoint

    net = vz.load("squeezenet1_1", "random")
    state = nnx.state(net)
    with orbax.checkpoint.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "net", nnx.to_pure_dict(state) if as_dict else state)
    assert leaves_equal(vz.load("squeezenet1_1", tmp_path / "net"), net)


def test_our_own_names_are_taken_as_they_are(tmp_path):
    net = vz.load(SMALL, "random")
    flat = {
        ".".join(map(str, path)): np.asarray(leaf[...]) for path, leaf in nnx.to_flat_state(nnx.state(net))
    }
    np.savez(tmp_path / "ours.npz", **flat)
    assert leaves_equal(vz.load(SMALL, tmp_path / "ours.npz"), net)


# --- layouts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod."])
def test_wrappers_leave_prefixes(small, prefix):
    arrays, net = small
    found = convert(MODELS[SMALL], {prefix + name: array for name, array in arrays.items()}, "wrapped")
    assert leaves_equal(found, net)


FAMILIES = {
    model.build.func if isinstance(model.build, partial) else model.build: name
    for name, model in reversed(MODELS.items())
    if name != "efficientnet_lite0"
}
"""The first model of each that has goldens of its own name."""


@pytest.mark.parametrize("name", FAMILIES.values())
def test_a_head_may_have_any_number_of_classes(name):
    model, file = MODELS[name], golden(name)
    classes = 1008 if name == "inceptionv1" else 1000
    arrays = {}
    for path, text in zip(file["names"], file["shapes"], strict=True):
        shape = tuple(map(int, text.split()))
        shape = (7, *shape[1:]) if shape[:1] == (classes,) else shape
        arrays[str(path)] = np.broadcast_to(np.float32(0), shape)
    net = convert(model, arrays, "7 classes")
    shape = jax.eval_shape(
        lambda net: vz.activations(net, jnp.zeros((1, *net.input_shape)))["logits"], net
    ).shape
    assert shape == (1, 7)


@pytest.mark.parametrize(("name", "pattern"), [("googlenet", r"aux[12]\."), ("inception_v3", r"AuxLogits\.")])
def test_auxiliary_heads_may_be_there_or_not(name, pattern):
    arrays = reference_arrays(name)
    without = {k: v for k, v in arrays.items() if not re.match(pattern, k)}
    assert len(without) < len(arrays)
    assert leaves_equal(convert(MODELS[name], arrays, "a"), convert(MODELS[name], without, "b"))


def test_old_files_of_densenet_have_other_names():
    arrays = reference_arrays("densenet121")
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", k): v for k, v in arrays.items()}
    assert set(old) != set(arrays)
    assert leaves_equal(convert(MODELS["densenet121"], old, "a"), convert(MODELS["densenet121"], arrays, "b"))


def test_the_authors_names_of_convnext():
    arrays = reference_arrays("timm_convnext_tiny")
    theirs = {}
    for name, array in arrays.items():
        name = re.sub(r"^stem\.", "downsample_layers.0.", name)
        name = re.sub(r"^stages\.(\d)\.downsample\.", r"downsample_layers.\1.", name)
        name = re.sub(r"\.blocks\.", ".", name).replace("conv_dw", "dwconv").replace("mlp.fc", "pwconv")
        theirs[name.replace("head.norm", "norm").replace("head.fc", "head")] = array
    model = MODELS["convnext_tiny"]
    assert leaves_equal(convert(model, theirs, "a"), convert(model, arrays, "b"))


def vgg_of_the_authors(numbered):
    arrays = reference_arrays("vgg16")
    if numbered:  # as converted from Torch: without a place for what flattens
        new = {"classifier.0.": "classifier.1.", "classifier.3.": "classifier.4."}
        return {re.sub(r"^classifier\.[03]\.", lambda m: new[m[0]], k): v for k, v in arrays.items()}
    paths = {name: place.path for name, place in places("vgg16", arrays).items()}
    return {f"{paths[k].rpartition('.')[0]}.{k.rpartition('.')[2]}": v for k, v in arrays.items()}


def places(name, arrays):
    from vizjax.models import weights

    wanted = weights._paths(blank(MODELS[name]))
    return {k: weights._place(k, MODELS[name].layouts[0], wanted) for k in arrays}


@pytest.mark.parametrize("numbered", [True, False])
def test_vgg_in_its_authors_names_takes_caffes_pictures(numbered):
    theirs = vgg_of_the_authors(numbered)
    net = convert(MODELS["vgg16"], theirs, "caffe")
    other = convert(MODELS["vgg16"], reference_arrays("vgg16"), "torchvision")
    assert leaves_equal(net, other)
    assert (net.preprocess, other.preprocess) == (blocks.VGG, blocks.IMAGENET)
    red = jnp.asarray([[[[1.0, 0.0, 0.0]]]])
    np.testing.assert_allclose(net.preprocess(red)[0, 0, 0], [-103.939, -116.779, 255 - 123.68], rtol=1e-5)


def test_caffenet_is_caffes():
    net = convert(MODELS["caffenet"], reference_arrays("caffenet"), "caffe")
    assert net.preprocess == blocks.CAFFENET


# --- what does not fit ------------------------------------------------------------------------------


def test_a_mismatch_lists_every_difference_with_the_nearest():
    model = MODELS["efficientnet_lite0"]
    arrays = dict(torch_file.read(SOURCE))
    arrays["_blocks.4._expand_conw.weight"] = arrays.pop("_blocks.4._expand_conv.weight")
    arrays["_fc.weight"] = arrays["_fc.weight"][:10]
    with pytest.raises(vz.InputError) as caught:
        convert(model, arrays, "mine.pth")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("mine.pth: names and shapes must be the model's, 3 differ")
    assert len(lines) == 4
    assert "    missing blocks.4.expand.kernel (1, 1, 40, 240)" in lines
    wrong = "_blocks.4._expand_conw.weight (240, 40, 1, 1)"
    assert any(f"unexpected {wrong}, nearest blocks.4.expand.kernel" in line for line in lines)
    assert any("_fc.weight" in line and "(1280, 1000)" in line for line in lines)


def test_other_models_weights_are_refused(small):
    with pytest.raises(vz.InputError, match=r"x: names and shapes must be the model's, \d+ differ"):
        convert(MODELS["squeezenet1_0"], small[0], "x")


def test_two_arrays_for_one_place_are_refused(small):
    arrays = dict(small[0])
    arrays["classifier.1.kernel"] = np.zeros((1, 1, 512, 1000), np.float32)
    with pytest.raises(vz.InputError, match=r"is a second classifier\.1\.kernel"):
        convert(MODELS[SMALL], arrays, "x")


@pytest.mark.parametrize("name", ["efficientnet_lite0", SMALL, "timm_vgg11", "timm_tf_efficientnet_lite0"])
def test_conversion_leaves_nothing_to_chance(name):
    """Every array of the net comes from another array of the file."""
    arrays = torch_file.read(SOURCE) if name == "efficientnet_lite0" else reference_arrays(name)
    counted = {k: np.full(v.shape, i + 1.0) for i, (k, v) in enumerate(arrays.items())}
    model = {"timm_vgg11": "vgg11", "timm_tf_efficientnet_lite0": "efficientnet_lite0"}.get(name, name)
    net = convert(MODELS[model], counted, "counted")
    values = [float(leaf.ravel()[0]) for leaf in jax.tree.leaves(net)]
    assert len(set(values)) == len(values)
    assert random(blank(MODELS[model])) is not None


# --- broken and hostile files ---------------------------------------------------------------------------


def broken(tmp_path, small):
    """(file, what it is answered with)."""
    arrays, _ = small
    save_safetensors(whole := tmp_path / "whole.safetensors", arrays)
    save_npz(packed := tmp_path / "whole.npz", arrays)

    def file(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    data, zipped = whole.read_bytes(), packed.read_bytes()
    yield file("empty.safetensors", b""), "not a safetensors file"
    yield file("cut.safetensors", data[: len(data) // 2]), "not a safetensors file"
    yield file("head.safetensors", b"\xff" * 8 + data[8:]), "not a safetensors file"
    yield file("long.safetensors", data + b"more"), "not a safetensors file"
    yield file("text.safetensors", b"hello" * 9), "not a safetensors file"
    yield file("empty.npz", b""), "not an .npz file"
    yield file("cut.npz", zipped[: len(zipped) // 2]), "not an .npz file"
    yield file("text.npz", b"hello"), "not an .npz file"
    np.savez(tmp_path / "objects.npz", a=np.array([print, {}], object))
    yield tmp_path / "objects.npz", "not an .npz file"
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(300_000_000, np.uint8))
    yield tmp_path / "bomb.npz", "unpacks to far more"
    (tmp_path / "folder").mkdir()
    yield tmp_path / "folder", "not an Orbax checkpoint"
    yield tmp_path / "absent.npz", "absent.npz: not an .npz file"


def test_broken_files_are_refused_in_one_line(tmp_path, small):
    for path, message in broken(tmp_path, small):
        with pytest.raises(vz.InputError, match=re.escape(message)) as caught:
            vz.load(SMALL, path)
        assert len(str(caught.value).splitlines()) == 1
        assert path.name in str(caught.value)


def test_every_reader_is_of_a_suffix_that_the_errors_name():
    assert set(formats._READERS) >= {".safetensors", ".pth", ".pt", ".npz", ".caffemodel", ".pb", ".zip"}


def test_a_model_comes_from_its_source_once(tmp_path, monkeypatch, small):
    """The whole way: downloaded from a server, checked, kept, and found again without the server."""
    arrays, net = small
    save_safetensors(tmp_path / "net.safetensors", arrays)
    digest = hashlib.sha256((tmp_path / "net.safetensors").read_bytes()).hexdigest()
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    monkeypatch.setenv("VIZJAX_CACHE", str(tmp_path / "cache"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source = Url(f"http://127.0.0.1:{server.server_port}/net.safetensors", digest)
        monkeypatch.setitem(MODELS, SMALL, MODELS[SMALL]._replace(sources=[source]))
        assert leaves_equal(vz.load(SMALL), net)
        server.shutdown()
    assert leaves_equal(vz.load(SMALL), net)


def test_vgg_with_average_pools():
    """For style transfer: another pool is put into the net."""
    net = vz.load("vgg11", "random")
    acts = vz.activations(net, np.random.default_rng(0).random((1, 32, 32, 3), np.float32))
    largest, relu = np.asarray(acts["pool1"]), np.asarray(acts["relu1_1"])
    net.pool = vz.nn.avg_pool
    mean = np.asarray(
        vz.activations(net, np.random.default_rng(0).random((1, 32, 32, 3), np.float32))["pool1"]
    )
    blocks_ = relu.reshape(1, 16, 2, 16, 2, 64)
    np.testing.assert_allclose(mean, blocks_.mean((2, 4)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(largest, blocks_.max((2, 4)))
