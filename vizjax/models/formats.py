"""Reading files of weights, whatever their format."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vizjax.errors import InputError
from vizjax.models import protobuf_file, torch_file


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
    reader = _orbax if path.is_dir() else _READERS.get(path.suffix)
    if reader is None:
        raise InputError(
            f"{path}: weights are a {', '.join(_READERS)} file or an Orbax folder, 'random', or left out"
            f" for the model's own"
        )
    return reader(path)


def _guarded(kind: str, path: Path, read: Callable[[Path], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    try:
        return read(path)
    except Exception as error:  # a damaged file breaks the libraries in many ways
        told = getattr(error, "strerror", None) or " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"{path}: not {kind} ({told}); check the path and its permissions, or download it again"
        ) from error


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import safe_open

    def arrays(path: Path) -> dict[str, np.ndarray]:
        # As JAX arrays, for numpy has no bfloat16.
        with safe_open(path, framework="flax") as file:
            return {name: np.asarray(file.get_tensor(name), np.float32) for name in file.keys()}  # noqa: SIM118

    return _guarded("a safetensors file", path, arrays)


def _npz(path: Path) -> dict[str, np.ndarray]:
    def arrays(path: Path) -> dict[str, np.ndarray]:
        with zipfile.ZipFile(path) as archive:
            claimed = sum(member.file_size for member in archive.infolist())
        if claimed > 64 * path.stat().st_size + (16 << 20):
            raise ValueError("it unpacks to far more than a network's weights would")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    return _guarded("an .npz file of numbers", path, arrays)


def _orbax(path: Path) -> dict[str, np.ndarray]:
    import orbax.checkpoint

    def arrays(path: Path) -> dict[str, np.ndarray]:
        with orbax.checkpoint.StandardCheckpointer() as checkpointer:
            return _flat(checkpointer.restore(path.absolute()))

    return _guarded("an Orbax checkpoint", path, arrays)


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


def _graph(path: Path) -> dict[str, np.ndarray]:
    return _guarded("a frozen TensorFlow graph", path, protobuf_file.frozen_graph)


_READERS: dict[str, Callable[[Path], dict[str, np.ndarray]]] = {
    ".safetensors": _safetensors,
    ".pth": torch_file.read,
    ".pt": torch_file.read,
    ".npz": _npz,
    ".caffemodel": lambda path: _guarded("a Caffe model", path, protobuf_file.caffemodel),
    ".pb": _graph,
    ".zip": _graph,
}
