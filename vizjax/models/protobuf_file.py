"""Reads what Caffe and TensorFlow wrote in their day: ``.caffemodel`` files and frozen graphs.

Both are Protocol Buffers, of which a few fields hold weights. The wire format is walked here: the
library makes objects of all that a file claims to hold, which 10 hostile megabytes turn into gigabytes.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

_MOST_FIELDS = 50_000
"""Far above any real network (some thousands), low enough for a moment's work."""
_MOST_AXES = 8
_FLOAT = 1
"""TensorFlow's number of float32."""


def caffemodel(data: bytes) -> dict[str, np.ndarray]:
    """The weights of a Caffe model.

    Args:
        data: a ``.caffemodel`` file, of the format of 2014 or later.

    Returns:
        ``layer.weight`` and ``layer.bias`` of each layer that has any, in Caffe's axis order, which
        is PyTorch's.

    Raises:
        ValueError: where it is none.

    Example:
        >>> caffemodel(b"")
        Traceback (most recent call last):
        ValueError: it holds no weights
    """
    return _named(_blobs(_Message(data)))


def frozen_graph(data: bytes) -> dict[str, np.ndarray]:
    """The constants of a frozen TensorFlow graph.

    Args:
        data: a ``.pb`` file.

    Returns:
        Each float32 constant's name and values, in TensorFlow's axis order, which is ours.

    Raises:
        ValueError: where it is none.

    Example:
        >>> frozen_graph(b"")
        Traceback (most recent call last):
        ValueError: it holds no weights
    """
    return _named(_constants(_Message(data), room=len(data) + (1 << 20)))


class _Message:
    """The fields of a message by their numbers; the messages within it wait until they are asked for.

    Args:
        data: the message.
        count: counts the fields of the whole file.
    """

    def __init__(self, data: bytes | memoryview, count: Iterator[int] | None = None) -> None:
        self.count = itertools.count() if count is None else count
        self.numbers = defaultdict[int, list[int]](list)
        self.parts = defaultdict[int, list[memoryview]](list)  # messages, texts, packed numbers, floats
        view, at = memoryview(data), 0
        while at < len(view):
            if next(self.count) >= _MOST_FIELDS:
                raise ValueError(f"it has more than {_MOST_FIELDS} fields, and no network has")
            key, at = _varint(view, at)
            field, kind = key >> 3, key & 7
            if kind not in (0, 1, 2, 5) or not 0 < field < 1 << 29:
                raise ValueError("it is not made of fields as Protocol Buffers are")
            number, at = (8 if kind == 1 else 4, at) if kind in (1, 5) else _varint(view, at)
            if kind == 0:
                self.numbers[field].append(number)
                continue
            if number > len(view) - at:
                raise ValueError("it is cut short")
            self.parts[field].append(view[at : at + number])
            at += number

    def messages(self, field: int) -> Iterator["_Message"]:
        return (_Message(part, self.count) for part in self.parts[field])

    def message(self, field: int) -> "_Message":
        return _Message(self.parts[field][-1] if self.parts[field] else b"", self.count)

    def text(self, field: int) -> str:
        return str(b"".join(self.parts[field][-1:]), "utf-8")

    def number(self, field: int) -> int:
        return self.numbers[field][-1] if self.numbers[field] else 0

    def packed(self, field: int) -> list[int]:
        """A list of whole numbers, packed or not, as far as an array can have that many axes."""
        found, view, at = self.numbers[field][:], memoryview(b"".join(self.parts[field])), 0
        while at < len(view) and len(found) <= _MOST_AXES:
            number, at = _varint(view, at)
            found.append(number)
        return found

    def floats(self, field: int, dtype: str = "<f4") -> np.ndarray:
        """A list of floats, packed or not; a copy, for a view would keep the file in memory."""
        return np.frombuffer(b"".join(self.parts[field]), dtype)


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at a position, and where it ends."""
    value = 0
    for place, byte in enumerate(view[at : at + 10]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise ValueError("it is cut short, or a number in it has no end")


def _blobs(net: _Message) -> Iterator[tuple[str, np.ndarray]]:
    old = ((layer.text(4), layer.messages(6)) for layer in net.messages(2))
    new = ((layer.text(1), layer.messages(7)) for layer in net.messages(100))
    for name, blobs in itertools.chain(old, new):
        for kind, blob in zip(("weight", "bias"), blobs, strict=False):
            values = blob.floats(5) if blob.parts[5] else blob.floats(8, "<f8")
            shape = blob.message(7).packed(1)
            array = _shaped(values, shape or [blob.number(axis) for axis in (1, 2, 3, 4)])
            if kind == "bias":
                array = array.reshape(-1)
            elif not shape and array.shape[:2] == (1, 1):  # it was fully connected
                array = array[0, 0]
            yield f"{name}.{kind}", array


def _constants(graph: _Message, room: int) -> Iterator[tuple[str, np.ndarray]]:
    for node in graph.messages(1):
        for attribute in node.messages(5) if node.text(2) == "Const" else ():
            tensor = attribute.message(2).message(8)
            if attribute.text(1) != "value" or tensor.number(1) != _FLOAT:
                continue
            axes = itertools.islice(tensor.message(2).messages(2), _MOST_AXES + 1)
            dims = [axis.number(1) for axis in axes]
            values = tensor.floats(4)
            if not values.size:  # they are listed, and the last stands for all that follow
                values = tensor.floats(5)
                more = max(0, math.prod(dims) - values.size)
                room -= 4 * more
                if room < 0:
                    raise ValueError("its constants would take far more room than the file does")
                last = values[-1] if values.size else 0
                values = np.concatenate([values, np.full(more, last, values.dtype)])
            yield node.text(1), _shaped(values, dims)


def _shaped(values: np.ndarray, dims: list[int]) -> np.ndarray:
    if len(dims) > _MOST_AXES or values.size != math.prod(dims):
        raise ValueError(f"an array of {values.size} numbers is said to be {dims}")
    return values.reshape(dims)


def _named(found: Iterable[tuple[str, np.ndarray]]) -> dict[str, np.ndarray]:
    arrays = dict[str, np.ndarray]()
    for name, array in found:
        if name in arrays:
            raise ValueError(f"it holds {name} twice")
        arrays[name] = array
    if not arrays:
        raise ValueError("it holds no weights")
    return arrays
