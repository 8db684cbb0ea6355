"""Caffe's and TensorFlow's files: real structures load, and hostile or broken ones are refused.

All files are put together here, field by field, as caffe.proto, graph.proto, node_def.proto,
attr_value.proto, tensor.proto and tensor_shape.proto number them.
"""

import io
import os
import pathlib
import struct
import tempfile
import time
import tracemalloc
import zipfile

import jax
import numpy as np
import pytest
from flax import nnx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import edited_bytes
from reference import reference_arrays

import vizjax as vz
from vizjax.models import MODELS, formats, protobuf_file
from vizjax.models.weights import convert
from vizjax.precision import compute_in

SECONDS, BYTES = 2, 200e6

# --- the wire format -----------------------------------------------------------------------------


def varint(value):
    value, out = value % (1 << 64), b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def packed(number, values):
    return field(number, b"".join(map(varint, values)))


# --- Caffe ---------------------------------------------------------------------------------------


def old_blob(values, *dims):
    """num, channels, height, width and packed data, ones in front of what has fewer axes."""
    dims = dims or (1,) * (4 - np.ndim(values)) + np.shape(values)
    head = b"".join(field(i + 1, n) for i, n in enumerate(dims))
    return head + field(5, np.asarray(values, "<f4").tobytes())


def new_blob(values, *dims):
    return field(5, np.asarray(values, "<f4").tobytes()) + field(7, packed(1, dims or np.shape(values)))


def old_layer(name, *blobs):
    """V1LayerParameter: bottom, top, name, type, blobs, blobs_lr, weight_decay, convolution_param."""
    body = field(2, "data") + field(3, name) + field(4, name) + field(5, 4)
    body += b"".join(field(6, blob) for blob in blobs)
    return field(2, body + field(7, 1.0) + field(8, 0.0) + field(10, field(1, 96) + field(6, 2)))


def new_layer(name, *blobs):
    """LayerParameter: name, type, bottom, top, param, blobs, phase."""
    body = field(1, name) + field(2, "Convolution") + field(3, "data") + field(4, name)
    body += field(6, field(3, 1.0)) + b"".join(field(7, blob) for blob in blobs) + field(10, 1)
    return field(100, body)


CAFFE = {"old": (old_layer, old_blob), "new": (new_layer, new_blob)}


def caffe_net(arrays, kind):
    """A whole .caffemodel: a data layer, and one for each weight with its bias."""
    layer, blob = CAFFE[kind]
    yield field(1, "CaffeNet") + field(3, "data") + field(4, 10) + layer("data")
    for name, values in arrays.items():
        stem, _, leaf = name.rpartition(".")
        if leaf == "weight":
            yield layer(stem, blob(values), blob(arrays[f"{stem}.bias"]))
            yield layer(f"relu_{stem}")


def some_arrays(*shapes):
    draws = np.random.default_rng(0)
    return [draws.standard_normal(shape, np.float32) for shape in shapes]


CONV, BIAS, LINEAR, LINEAR_BIAS = some_arrays((4, 3, 2, 5), (4,), (6, 8), (6,))
CAFFE_ARRAYS = {"conv1.weight": CONV, "conv1.bias": BIAS, "fc.weight": LINEAR, "fc.bias": LINEAR_BIAS}
GOOD_CAFFE = {kind: b"".join(caffe_net(CAFFE_ARRAYS, kind)) for kind in CAFFE}

# --- TensorFlow ----------------------------------------------------------------------------------


def tensor(dims, dtype=1, content=None, listed=None):
    shape = b"".join(field(2, field(1, n)) for n in dims)
    body = field(1, dtype) + field(2, shape) + (b"" if content is None else field(4, content))
    return body + (b"" if listed is None else field(5, np.asarray(listed, "<f4").tobytes()))


def attribute(name, value):
    return field(5, field(1, name) + field(2, value))


def const(name, value, dtype=1):
    attributes = attribute("dtype", field(6, dtype)) + attribute("value", field(8, value))
    return field(1, field(1, name) + field(2, "Const") + field(4, "/cpu:0") + attributes)


def array_const(name, values):
    return const(name, tensor(np.shape(values), content=np.asarray(values, "<f4").tobytes()))


OTHERS = (
    field(1, field(1, "input") + field(2, "Placeholder") + attribute("dtype", field(6, 1)))
    + field(1, field(1, "relu") + field(2, "Relu") + field(3, "conv2d0_w") + attribute("T", field(6, 1)))
    + const("avgpool0/reshape/shape", tensor((2,), 3, struct.pack("<2i", -1, 1024)), 3)
    + const("localresponsenorm0/beta", tensor((), listed=[0.5]))
    + field(4, field(1, 21))  # versions: producer
)
HWIO, OUT = some_arrays((2, 3, 4, 5), (5,))
GRAPH_ARRAYS = {"conv_w": HWIO, "conv_b": OUT}
GOOD_GRAPH = OTHERS + b"".join(array_const(name, values) for name, values in GRAPH_ARRAYS.items())


def archive(members, **options):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as file:
        for key, data in members.items():
            file.writestr(key, data)
    return out.getvalue()


GOOD_ZIP = archive({"LICENSE": b"", "a/graph.pb": GOOD_GRAPH}, compression=zipfile.ZIP_DEFLATED)


@pytest.fixture
def load(tmp_path):
    def load(data, suffix):
        (tmp_path / f"weights.{suffix}").write_bytes(data)
        return formats.read(tmp_path / f"weights.{suffix}")

    return load


def assert_same(got, want):
    assert list(got) == list(want)
    for name, values in want.items():
        np.testing.assert_array_equal(got[name], values, strict=True)


# --- what loads ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CAFFE)
def test_caffes_arrays_come_back(load, kind):
    assert_same(load(GOOD_CAFFE[kind], "caffemodel"), CAFFE_ARRAYS)


def test_caffes_lists_may_be_packed_or_not_and_double(load):
    singles = b"".join(field(5, float(value)) for value in BIAS)
    halves = field(5, BIAS[:1].tobytes()) + field(5, BIAS[1:].tobytes())
    lone = field(7, field(1, 4))  # a shape that is not packed either
    doubles = field(8, BIAS.astype("<f8").tobytes())
    for blob in (singles + lone, halves + lone, doubles + lone):
        got = load(new_layer("a", new_blob(BIAS), blob), "caffemodel")
        np.testing.assert_array_equal(got["a.bias"], BIAS)


def test_only_old_shapes_lose_the_ones_in_front(load):
    one = np.ones((1, 1, 3, 3), np.float32)
    assert load(new_layer("a", new_blob(one)), "caffemodel")["a.weight"].shape == (1, 1, 3, 3)
    assert load(old_layer("a", old_blob(one)), "caffemodel")["a.weight"].shape == (3, 3)
    assert load(old_layer("a", old_blob(np.ones((1, 9)))), "caffemodel")["a.weight"].shape == (1, 9)


@pytest.mark.parametrize(("suffix", "data"), [("pb", GOOD_GRAPH), ("zip", GOOD_ZIP)])
def test_a_graphs_float_constants_come_back(load, suffix, data):
    scalar = {"localresponsenorm0/beta": np.float32(0.5)}
    assert_same(load(data, suffix), scalar | GRAPH_ARRAYS)


@pytest.mark.parametrize(
    ("listed", "want"),
    [(None, [0] * 5), ([], [0] * 5), ([3], [3] * 5), ([1, 2, 3], [1, 2, 3, 3, 3]), (range(5), range(5))],
)
def test_a_graphs_listed_numbers_go_on_with_the_last(load, listed, want):
    got = load(const("a_b", tensor((5,), listed=listed)), "pb")
    np.testing.assert_array_equal(got["a_b"], np.array(want, np.float32), strict=True)


def test_arrays_do_not_keep_the_file_in_memory(load):
    big = np.zeros(1_000_000, np.float32)
    got = load(GOOD_GRAPH + array_const("big", big), "pb")
    owner = got["conv_b"]
    while isinstance(owner, np.ndarray) and owner.base is not None:
        owner = owner.base
    assert len(owner) == OUT.nbytes


def test_reading_takes_at_most_thrice_the_file(tmp_path):
    shapes = {f"conv{i}.weight": (256, 256, 3, 3) for i in range(20)}
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    arrays |= {f"conv{i}.bias": np.zeros(256, np.float32) for i in range(20)}
    files = {"a.caffemodel": b"".join(caffe_net(arrays, "new"))}
    files["a.pb"] = b"".join(array_const(name, values) for name, values in arrays.items())
    files["a.zip"] = archive({"a.pb": files["a.pb"]})
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        assert peak_bytes(tmp_path / name) < 2.1 * len(data)


# --- whole nets ----------------------------------------------------------------------------------


def assert_equal_nets(net, other):
    assert jax.tree.structure(net) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(net), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def caffenet():
    arrays = reference_arrays("caffenet")
    net = compute_in(convert(MODELS["caffenet"], arrays, "golden"), "float32")
    net.name = "caffenet"
    return arrays, net


@pytest.mark.parametrize("kind", ["old", pytest.param("new", marks=pytest.mark.slow)])
def test_a_caffemodel_is_caffenet(tmp_path, caffenet, kind):
    arrays, net = caffenet
    path = tmp_path / "net.caffemodel"
    with open(path, "wb") as file:
        file.writelines(caffe_net(arrays, kind))
    assert path.stat().st_size > 240e6
    start = time.process_time()
    assert_equal_nets(vz.load("caffenet", path), net)
    assert time.process_time() - start < 10
    path.unlink()


def test_a_graph_is_inceptionv1(tmp_path):
    net = vz.load("inceptionv1", "random")
    nodes = [OTHERS]
    draws = np.random.default_rng(0)
    for path, leaf in nnx.to_flat_state(nnx.state(net)):
        module, kind = path
        if kind == "bias":  # which random nets have none of
            leaf[...] = draws.standard_normal(leaf.shape, np.float32) * (module != "conv2d1")
        nodes.append(array_const(f"{module}_{'w' if kind == 'kernel' else 'b'}", leaf[...]))
        if module == "conv2d1" and kind == "bias":
            nodes[-1] = const("conv2d1_b", tensor(leaf.shape, listed=[0]))
        nnx.update(net, nnx.from_flat_state([(path, leaf)]))
    auxiliary = {"head0_bottleneck_w": (1, 1, 508, 128), "head0_bottleneck_b": (128,), "nn0_w": (2048, 1024)}
    auxiliary |= {"nn1_b": (1024,), "softmax0_w": (1024, 1008), "softmax1_b": (1008,)}
    for name, shape in auxiliary.items():
        nodes.append(array_const(name, np.ones(shape)))
    graph = b"".join(nodes)
    (tmp_path / "a.pb").write_bytes(graph)
    (tmp_path / "a.zip").write_bytes(archive({"a.pb": graph, "labels.txt": b"dummy"}, compression=8))
    assert_equal_nets(vz.load("inceptionv1", tmp_path / "a.pb"), net)
    assert_equal_nets(vz.load("inceptionv1", tmp_path / "a.zip"), net)


# --- what is refused -----------------------------------------------------------------------------


def outcome(path):
    try:
        return formats.read(path)
    except vz.InputError as error:
        return error


def peak_bytes(path):
    tracemalloc.start()
    outcome(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.fixture
def refused(tmp_path):
    """Checks that a file is refused in one line that names it, soon and in little memory."""

    def refused(data, suffix, match, path=None):
        path = path or tmp_path / f"weights.{suffix}"
        if data is not None:
            path.write_bytes(data)
        start = time.process_time()
        with pytest.raises(vz.InputError, match=match) as caught:
            formats.read(path)
        seconds = time.process_time() - start
        message = str(caught.value)
        assert message.isprintable(), message
        assert message.startswith(f"{path}: not a"), message
        assert len(message) < 500 + len(str(path)), message
        assert seconds < SECONDS, f"{seconds:.1f} s: {message}"
        if "fields" not in match:  # which are slow to trace, and one of them is traced below
            peak = peak_bytes(path)
            assert peak < BYTES, f"{peak / 1e6:.0f} MB: {message}"

    return refused


def nested(number, levels):
    data = b""
    for _ in range(levels):
        data = field(number, data)
    return data


def blob_of(dims, data=b""):
    return new_layer("a", field(5, data) + field(7, packed(1, dims)))


ANYWHERE = {
    "empty": (b"", "no weights"),
    "text": (b"version https://git-lfs.github.com/spec/v1\n", "not made|cut short"),
    "a web page": (b"<!DOCTYPE html><html></html>", "not made|cut short"),
    "zeros": (bytes(100_000), "not made"),
    "ones": (b"\xff" * 100_000, "no end"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(99), "not made|cut short"),
    "an archive": (GOOD_ZIP, "not made|cut short"),
    "a pickle": (b"\x80\x02}q\0X\3\0\0\0abcq\1K\1s.", "not made|cut short"),
    "a group": (b"\x0b\x0c", "not made"),
    "field 0": (b"\2\0", "not made"),
    "a huge field": (varint(1 << 32 | 2) + b"\0", "not made"),
    "a lying length": (b"\x0a" + varint(1 << 40), "cut short"),
    "the longest length": (b"\x0a" + varint(-1), "cut short"),
    "a length without an end": (b"\x0a" + b"\xff" * 100_000, "no end"),
    "half a float": (b"\x0d\0\0", "cut short"),
    "very many numbers": (field(99, 1) * 3_000_000, "fields"),
    "a million fields": (b"".join(field(i, b"") for i in range(1, 1_000_000)), "fields"),
}
CAFFEMODELS = {
    "a graph": (GOOD_GRAPH, "no weights|cut short|not made"),
    "no blobs": (old_layer("a") + new_layer("b"), "no weights"),
    "a layer that is a number": (field(2, 7) + field(100, 7), "no weights"),
    "blobs that are numbers": (field(2, field(6, 7)), "no weights"),
    "a blob without data": (new_layer("a", field(7, packed(1, (3,)))), r"0 numbers is said to be \[3\]"),
    "a blob without a shape": (new_layer("a", field(5, bytes(12))), r"3 numbers .* \[0, 0, 0, 0\]"),
    "numbers too few": (blob_of((2, 3), bytes(20)), r"5 numbers is said to be \[2, 3\]"),
    "numbers too many": (blob_of((2, 3), bytes(28)), r"7 numbers is said to be \[2, 3\]"),
    "no whole numbers": (blob_of((2, 3), bytes(23)), "multiple"),
    "a negative size": (blob_of((-2, -3), bytes(24)), "6 numbers"),
    "a negative old size": (old_layer("a", old_blob(np.ones(6), 1, 1, -2, -3)), "6 numbers"),
    "a negative size beside 0": (blob_of((0, -3)), "dimension|large"),
    "a huge size": (blob_of((1 << 62,), bytes(24)), "6 numbers"),
    "a huge size beside 0": (blob_of((0, 1 << 62, 1 << 62)), "large|dimension"),
    "a product of 2**64": (blob_of((1 << 32, 1 << 32)), "0 numbers"),
    "nine axes": (blob_of((1,) * 9, bytes(4)), "1 numbers"),
    "a million axes": (blob_of((1 << 62,) * 1_000_000, bytes(24)), "6 numbers"),
    "a million ones": (new_layer("a", field(7, field(1, 1) * 1_000_000)), "fields"),
    "a shape cut short": (new_layer("a", field(7, field(1, b"\xff"))), "no end"),
    "a layer twice": (old_layer("a", old_blob(BIAS)) * 2, "a.weight twice"),
    "a layer in both formats": (old_layer("a", old_blob(BIAS)) + new_layer("a", new_blob(BIAS)), "twice"),
    "a name not of letters": (new_layer(b"\xff\xfe", new_blob(BIAS)), "utf-8"),
    "odd letters": (new_layer("\x1b[31m\n\u202e", new_blob(BIAS)) * 2, "twice"),
    "an endless name": (new_layer("a" * 9_000_000, new_blob(BIAS)) * 2, "twice|aaa"),
    "nested": (nested(2, 5_000), "cut short|not made|no weights"),
    "empty layers": (b"\x12\0" * 2_000_000, "fields"),
    "new empty layers": (field(100, b"") * 2_000_000, "fields"),
    "empty blobs": (field(2, b"\x32\0" * 2_000_000), "fields"),
    "layers of blobs": (old_layer("a", *[b"\x08\1" * 100] * 1000) * 50, "twice"),
}
GRAPHS = {
    "a Caffe model": (GOOD_CAFFE["old"], "no weights|cut short|not made"),
    "no constants": (OTHERS[: OTHERS.index(b"avgpool0") - 6], "no weights|cut short"),
    "no floats": (const("a", tensor((2,), 3, bytes(8))), "no weights"),
    "numbers too few": (const("a", tensor((2, 3), content=bytes(20))), r"5 numbers is said to be \[2, 3\]"),
    "numbers too many": (const("a", tensor((2, 3), content=bytes(28))), r"7 numbers is said to be \[2, 3\]"),
    "too many listed": (const("a", tensor((2,), listed=[1, 2, 3])), r"3 numbers is said to be \[2\]"),
    "a negative size": (const("a", tensor((-1, 3), content=bytes(12))), "3 numbers"),
    "a negative size, listed": (const("a", tensor((-1, 3), listed=[1])), "far more room"),
    "a huge size": (const("a", tensor((1 << 40,), listed=[1])), "far more room"),
    "a huge size, nothing listed": (const("a", tensor((1 << 62, 1 << 62))), "far more room"),
    "many expanded": (
        b"".join(const(f"{i}", tensor((200_000,), listed=[1])) for i in range(999)),
        "far more",
    ),
    "many axes": (const("a", tensor((1 << 62,) * 10_000, listed=[1])), "far more room"),
    "very many axes": (const("a", tensor((1,) * 200_000)), "fields"),
    "a node twice": (const("a", tensor((), listed=[1])) * 2, "a twice"),
    "values twice": (
        field(1, field(2, "Const") + attribute("value", field(8, tensor(()))) * 2),
        "twice",
    ),
    "nested": (nested(1, 5_000), "cut short|not made|no weights"),
    "empty nodes": (b"\x0a\0" * 2_000_000, "fields"),
    "empty attributes": (field(1, field(2, "Const") + b"\x2a\0" * 2_000_000), "fields"),
}


def in_directory(at, value):
    """An archive whose directory lies about its last member, at an offset into the entry."""
    data = bytearray(GOOD_ZIP)
    at += data.rindex(b"PK\1\2")
    data[at : at + len(value)] = value
    return bytes(data)


def bomb(claimed=None):
    data = bytearray(archive({"a.pb": bytes(300_000_000)}, compression=zipfile.ZIP_DEFLATED))
    if claimed is not None:
        for at in (data.index(b"PK\3\4") + 22, data.rindex(b"PK\1\2") + 24):
            data[at : at + 4] = struct.pack("<I", claimed)
    return bytes(data)


ARCHIVES = {
    "empty": (lambda: b"", "not a zip"),
    "a graph": (lambda: GOOD_GRAPH, "not a zip"),
    "no graph": (lambda: archive({"a.txt": b"", "b.pbtxt": b""}), "0 graphs"),
    "two graphs": (lambda: archive({"a.pb": GOOD_GRAPH, "b/a.pb": GOOD_GRAPH}), "2 graphs"),
    "a folder": (lambda: archive({"a.pb/": b""}), "0 graphs"),
    "another file": (lambda: archive({"a.pb": b"hello"}), "not made|cut short"),
    "a bomb": (bomb, "unpacks to far more"),
    "a bomb that claims little": (lambda: bomb(10_000_000), "CRC|checksum|cut"),
    "a claim of much": (lambda: in_directory(24, struct.pack("<I", 1 << 31)), "unpacks to far more"),
    "offset lies": (lambda: in_directory(42, struct.pack("<I", 1 << 31)), "zip|seek|BadZip|magic"),
    "checksum lies": (lambda: in_directory(16, b"abcd"), "CRC"),
    "encrypted": (lambda: in_directory(8, b"\1\0"), "encrypted"),
    "an unknown method": (lambda: in_directory(10, b"\x63\0"), "compression"),
    "cut short": (lambda: GOOD_ZIP[:-30], "not a zip"),
}


@pytest.mark.parametrize("case", ANYWHERE)
def test_broken_files_are_refused(refused, case):
    data, match = ANYWHERE[case]
    for suffix in ("caffemodel", "pb") if len(data) < 1e6 else ("pb",):
        refused(data, suffix, match)


def test_a_field_takes_little_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(protobuf_file, "_MOST_FIELDS", 5_000)
    (tmp_path / "a.pb").write_bytes(b"".join(field(i, b"") for i in range(1, 6_000)))
    peak = peak_bytes(tmp_path / "a.pb")
    monkeypatch.undo()
    assert peak / 5_000 * protobuf_file._MOST_FIELDS < BYTES / 2


@pytest.mark.parametrize("case", CAFFEMODELS)
def test_hostile_caffemodels_are_refused(refused, case):
    refused(CAFFEMODELS[case][0], "caffemodel", CAFFEMODELS[case][1])


@pytest.mark.parametrize("case", GRAPHS)
def test_hostile_graphs_are_refused(refused, case):
    refused(GRAPHS[case][0], "pb", GRAPHS[case][1])


@pytest.mark.parametrize("case", ARCHIVES)
def test_hostile_archives_are_refused(refused, case):
    refused(ARCHIVES[case][0](), "zip", ARCHIVES[case][1])


def test_what_is_no_file_is_refused(refused, tmp_path):
    (tmp_path / "folder.pb").mkdir()
    refused(None, "pb", "No such file", tmp_path / "missing.pb")
    refused(None, "pb", "not an Orbax", tmp_path / "folder.pb")
    if hasattr(os, "mkfifo"):
        for suffix in ("pb", "zip", "caffemodel", "npz", "safetensors"):
            os.mkfifo(tmp_path / f"pipe.{suffix}")
            refused(None, suffix, "device", tmp_path / f"pipe.{suffix}")
    with pytest.raises(vz.InputError, match="null"):
        formats.read("a\0b.pb")


@pytest.mark.parametrize("suffix", ["caffemodel", "pb"])
def test_a_file_beyond_2_gb_is_refused_unread(refused, tmp_path, suffix):
    with open(tmp_path / f"weights.{suffix}", "wb") as file:
        file.truncate((2 << 30) + 1)  # of which the disk holds nothing
    refused(None, suffix, "larger than 2 GB")


def test_a_file_name_of_several_lines_stays_on_one(tmp_path):
    for name in ("a\nb\x1b.pb", "a\nb\x1b.txt"):
        with pytest.raises(vz.InputError) as caught:
            formats.read(tmp_path / name)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("values", [["a", "b"], [1j], np.zeros(2, "V2")])
def test_an_npz_file_of_other_things_is_refused(refused, tmp_path, values):
    np.savez(tmp_path / "weights.npz", a=values)
    refused(None, "npz", "a is of")


@pytest.mark.parametrize("suffix", ["caffemodel", "pb", "zip"])
def test_a_file_cut_short_anywhere_is_refused_or_lacks_the_rest(tmp_path, suffix):
    data = {"caffemodel": GOOD_CAFFE["new"], "pb": GOOD_GRAPH, "zip": GOOD_ZIP}[suffix]
    path = tmp_path / f"weights.{suffix}"
    path.write_bytes(data)
    whole, refusals = formats.read(path), 0
    for length in range(0, len(data), 3):
        path.write_bytes(data[:length])
        got = outcome(path)
        if isinstance(got, vz.InputError):
            refusals += 1
            assert str(got).startswith(f"{path}: not a")
        else:  # cut between two layers
            assert len(got) <= len(whole)
            assert_same(got, {name: whole[name] for name in got})
    assert refusals > 0.8 * len(data) / 3


# --- any bytes at all ----------------------------------------------------------------------------

FRAGMENTS = [
    *(new_layer("b", new_blob(BIAS)), old_layer("b", old_blob(BIAS)), new_blob(BIAS), old_blob(BIAS)),
    *(
        const("b", tensor((9,), listed=[1])),
        tensor((2,), content=bytes(8)),
        tensor((-1,)),
        attribute("value", b""),
    ),
    *(
        packed(1, (1 << 62, 3)),
        field(1, -1),
        field(2, b""),
        field(5, 1.5),
        varint(-1),
        b"\x12",
        b"\x0a",
        b"\x08",
    ),
]
FILES = [("caffemodel", data) for data in GOOD_CAFFE.values()] + [("pb", GOOD_GRAPH), ("zip", GOOD_ZIP)]


@st.composite
def edited(draw):
    suffix, source = draw(st.sampled_from(FILES))
    return suffix, edited_bytes(draw, source, FRAGMENTS)


SUFFIXES = st.sampled_from(("caffemodel", "pb", "zip"))
ANY_FILE = st.one_of(
    edited(),
    edited(),
    st.tuples(SUFFIXES, st.binary(max_size=300)),
    st.tuples(SUFFIXES, st.lists(st.sampled_from(FRAGMENTS), max_size=20).map(b"".join)),
)
FUZZ = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


def check_any_file(suffix, data):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, f"weights.{suffix}")
        path.write_bytes(data)
        start = time.process_time()
        got = outcome(path)
        assert time.process_time() - start < SECONDS
        assert os.listdir(folder) == [path.name]
    if isinstance(got, vz.InputError):
        assert str(got).startswith(f"{path}: not a")
        assert str(got).isprintable()
        assert "TypeCheck" not in str(got)  # which would be a fault of the reader, not of the file
    else:
        assert got
        assert all(type(k) is str and type(v) is np.ndarray for k, v in got.items())
        assert sum(v.nbytes for v in got.values()) < 2e6 + 16 * len(data)


@settings(max_examples=200, **FUZZ)
@given(ANY_FILE)
def test_any_file_loads_or_is_refused(file):
    check_any_file(*file)


@pytest.mark.slow
@settings(max_examples=10_000, **FUZZ)
@given(ANY_FILE)
def test_any_of_very_many_files_loads_or_is_refused(file):
    check_any_file(*file)
