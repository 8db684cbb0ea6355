"""Reading files of weights, whatever their format."""

import io
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vizjax.errors import InputError
from vizjax.models import protobuf_file, torch_file

_LARGEST = 2 << 30
"""Bytes: what Protocol Buffers allow."""


def read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of a file of weights; nothing that a file holds is ever run.

    Args:
        path: a ``.safetensors`` or ``.npz`` file, a PyTorch checkpoint (``.pth``, ``.pt``), a
            ``.caffemodel``, a frozen TensorFlow graph (``.pb``, or a ``.zip`` that holds it), or a
            folder written by Orbax.

    Returns:
        Each array's name and values; nested names are joined by dots.

    Raises:
        InputError: where the file cannot be read, in one line that names it.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/weights.npz"
        >>> np.savez(path, a=np.ones(3))
        >>> read(path)["a"].tolist()
        [1.0, 1.0, 1.0]
    """
    path = Path(path)
    kind, reader = ("an Orbax checkpoint", _orbax) if path.is_dir() else _READERS.get(path.suffix, ("", None))
    if reader is None:
        raise InputError(
            f"{_line(path)}: weights are a {', '.join(_READERS)} file or an Orbax folder, 'random', or left"
            f" out for the model's own"
        )
    try:
        path.stat()  # which tells what is wrong with a path that leads nowhere
        if not (path.is_file() or path.is_dir()):  # to open a pipe may wait for ever
            raise ValueError("it is a device, not a file")
        return reader(path)
    except InputError:
        raise
    except Exception as error:  # a damaged file breaks the libraries in many ways
        told = getattr(error, "strerror", None) or _line(error)[:200] or type(error).__name__
        raise InputError(
            f"{_line(path)}: not {kind} ({told}); check the path and its permissions, or download it again"
        ) from error


def _line(text: object) -> str:
    return "".join(c if c.isprintable() else " " for c in str(text)).strip()


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import safe_open

    # As JAX arrays, for numpy has no bfloat16.
    with safe_open(path, framework="flax") as file:
        return {name: np.asarray(file.get_tensor(name), np.float32) for name in file.keys()}  # noqa: SIM118


def _npz(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        _check_members(archive.infolist(), path)
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if odd := [name for name, array in arrays.items() if array.dtype.kind not in "biuf"]:
        raise ValueError(f"{odd[0]} is of {arrays[odd[0]].dtype}")
    return arrays


def _graph(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".pb")]
        if len(members) != 1:
            raise ValueError(f"it holds {len(members)} graphs (*.pb), not one")
        _check_members(members, path)
        content = io.BytesIO()
        with archive.open(members[0]) as file:
            shutil.copyfileobj(file, content, 1 << 20)  # at once, it would unpack more than it claims
    return protobuf_file.frozen_graph(content.getvalue())


def _check_members(members: list[zipfile.ZipInfo], path: Path) -> None:
    if sum(member.file_size for member in members) > 16 * path.stat().st_size + (16 << 20):
        raise ValueError("it unpacks to far more than a network's weights would")


def _content(path: Path) -> bytes:
    if path.stat().st_size > _LARGEST:
        raise ValueError("it is larger than 2 GB")
    return path.read_bytes()


def _orbax(path: Path) -> dict[str, np.ndarray]:
    import orbax.checkpoint

    with orbax.checkpoint.StandardCheckpointer() as checkpointer:
        return _flat(checkpointer.restore(path.absolute()))


def _flat(tree: dict) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            # A saved nnx.State holds each array in a leaf of its own, called "value".
            inner = {"": np.asarray(value["value"])} if set(value) == {"value"} else _flat(value)
            found |= {f"{key}.{name}" if name else str(key): array for name, array in inner.items()}
        else:
            found[str(key)] = np.asarray(value)
    return found


_READERS: dict[str, tuple[str, Callable[[Path], dict[str, np.ndarray]]]] = {
    ".safetensors": ("a safetensors file", _safetensors),
    ".pth": ("a PyTorch checkpoint", torch_file.read),
    ".pt": ("a PyTorch checkpoint", torch_file.read),
    ".npz": ("an .npz file of numbers", _npz),
    ".caffemodel": ("a Caffe model", lambda path: protobuf_file.caffemodel(_content(path))),
    ".pb": ("a frozen TensorFlow graph", lambda path: protobuf_file.frozen_graph(_content(path))),
    ".zip": ("an archive of a frozen TensorFlow graph", _graph),
}
