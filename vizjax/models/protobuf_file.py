"""Reads what Caffe and TensorFlow wrote in their day: ``.caffemodel`` files and frozen graphs.

Protocol Buffers do the parsing, from the few fields that hold weights. Packed numbers are declared as
bytes, which they equal on the wire, so that no number ever becomes a Python object.
"""

import functools
import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

_LARGEST = 2 << 30
"""Bytes: the limit of Protocol Buffers themselves."""

# message -> field -> (number, its type: a message, "bytes", "string", "int64"; repeated?)
_CAFFE = {
    "Net": {"layers": (2, "OldLayer", True), "layer": (100, "Layer", True)},
    "OldLayer": {"name": (4, "string", False), "blobs": (6, "Blob", True)},
    "Layer": {"name": (1, "string", False), "blobs": (7, "Blob", True)},
    "Blob": {
        "num": (1, "int64", False), "channels": (2, "int64", False), "height": (3, "int64", False),
        "width": (4, "int64", False), "data": (5, "bytes", False), "shape": (7, "Shape", False),
    },
    "Shape": {"dim": (1, "int64", True)},
}  # fmt: skip
_TENSORFLOW = {
    "Graph": {"node": (1, "Node", True)},
    "Node": {"name": (1, "string", False), "op": (2, "string", False), "attr": (5, "Entry", True)},
    "Entry": {"key": (1, "string", False), "value": (2, "Value", False)},
    "Value": {"tensor": (8, "Tensor", False)},
    "Tensor": {"dtype": (1, "int64", False), "shape": (2, "Dims", False), "content": (4, "bytes", False)},
    "Dims": {"dim": (2, "Dim", True)},
    "Dim": {"size": (1, "int64", False)},
}
_FLOAT = 1
"""TensorFlow's number of float32."""


def caffemodel(path: Path) -> dict[str, np.ndarray]:
    """The weights of a Caffe model.

    Args:
        path: a ``.caffemodel`` file, of the format of 2014 or later.

    Returns:
        ``layer.weight`` and ``layer.bias`` of each layer that has any, in Caffe's axis order, which
        is PyTorch's.

    Raises:
        ValueError: where it is none.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "empty.caffemodel"
        >>> path.write_bytes(b"")
        0
        >>> caffemodel(path)
        Traceback (most recent call last):
        ValueError: it holds no weights
    """
    net = _parse(_CAFFE, "Net", path.read_bytes())
    arrays = {}
    for layer in (*net.layers, *net.layer):
        for kind, blob in zip(("weight", "bias"), layer.blobs, strict=False):
            dims = tuple(blob.shape.dim) or (blob.num, blob.channels, blob.height, blob.width)
            array = _floats(blob.data, dims)
            # What was fully connected, or one number a channel, had ones in front.
            arrays[f"{layer.name}.{kind}"] = array.reshape(dims[2:] if dims[:2] == (1, 1) else dims)
            if kind == "bias":
                arrays[f"{layer.name}.bias"] = array.reshape(-1)
    return _some(arrays)


def frozen_graph(path: Path) -> dict[str, np.ndarray]:
    """The constants of a frozen TensorFlow graph.

    Args:
        path: a ``.pb`` file, or a ``.zip`` archive that holds one.

    Returns:
        Each float32 constant's name and values, in TensorFlow's axis order, which is ours.

    Raises:
        ValueError: where it is none.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "empty.pb"
        >>> path.write_bytes(b"")
        0
        >>> frozen_graph(path)
        Traceback (most recent call last):
        ValueError: it holds no weights
    """
    data = _unzipped(path) if zipfile.is_zipfile(path) else path.read_bytes()
    arrays = {}
    for node in _parse(_TENSORFLOW, "Graph", data).node:
        values = {entry.key: entry.value for entry in node.attr} if node.op == "Const" else {}
        if "value" in values and values["value"].tensor.dtype == _FLOAT:
            tensor = values["value"].tensor
            dims = tuple(dim.size for dim in tensor.shape.dim)
            if len(tensor.content) == 4 * math.prod(dims):  # others are single settings, not weights
                arrays[node.name] = _floats(tensor.content, dims)
    return _some(arrays)


def _unzipped(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".pb")]
        if len(members) != 1 or members[0].file_size > _LARGEST:
            raise ValueError(f"its archive holds {len(members)} graphs (*.pb) of at most 2 GB, not one")
        with archive.open(members[0]) as file:
            return io.BytesIO(file.read(members[0].file_size)).getvalue()


def _floats(data: bytes, dims: tuple[int, ...]) -> np.ndarray:
    if min(dims, default=1) < 0 or len(data) != 4 * math.prod(dims):
        raise ValueError(f"an array of {len(data) // 4} numbers is said to be {dims}")
    return np.frombuffer(data, "<f4").reshape(dims)


def _some(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if not arrays:
        raise ValueError("it holds no weights")
    return arrays


def _parse(schema: dict[str, dict[str, tuple[int, str, bool]]], root: str, data: bytes) -> Any:
    message = _messages(tuple(schema), root)()
    message.ParseFromString(data)
    return message


@functools.cache
def _messages(names: tuple[str, ...], root: str) -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    schema: dict[str, Any] = _CAFFE if root == "Net" else _TENSORFLOW
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name=f"vizjax_{root}.proto", package="vizjax", syntax="proto2")
    for name in names:
        message = file.message_type.add(name=name)
        for field, (number, kind, repeated) in schema[name].items():
            label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            if kind in schema:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".vizjax.{kind}"
            else:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"vizjax.{root}"))
