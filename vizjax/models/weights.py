"""How the arrays of a weights file get into a net."""

import difflib
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from vizjax.errors import InputError

Table = Sequence[tuple[str, str]]
"""Rows (pattern of a module's name in the file, its path in our net)."""

_LEAVES = {
    "weight": ("kernel", "scale"),
    "bias": ("bias",),
    "running_mean": ("mean",),
    "running_var": ("var",),
}
_DROPPED = "num_batches_tracked"


def convert(net: Any, arrays: Mapping[str, np.ndarray], table: Table, source: str) -> Any:
    """Fills a net with the arrays of a PyTorch state dict.

    Args:
        net: an abstract net (`flax.nnx.eval_shape`) or a real one.
        arrays: PyTorch name -> array, in PyTorch's layouts.
        table: the first row that fits a module's name gives its path in the net.
        source: what the arrays came from, for the error.

    Returns:
        A net of the same structure with float32 weights.

    Raises:
        InputError: a summary line and *all* missing, unexpected and differently shaped names.

    Example:
        >>> net = nnx.Dict(head=nnx.Linear(2, 3, rngs=nnx.Rngs(0)))
        >>> arrays = {"fc.weight": np.ones((3, 2)), "fc.bias": np.zeros(3)}
        >>> convert(net, arrays, [("fc", "head")], "test").head.kernel.shape
        (2, 3)
    """
    structure, state = nnx.split(net)
    flat = nnx.to_flat_state(state)
    wanted = {".".join(map(str, path)): leaf for path, leaf in flat}
    found: dict[str, np.ndarray] = {}
    problems = []
    for name, array in arrays.items():
        path = _path(name, table, wanted)
        if path is None:
            problems.append(f"unexpected {name} {array.shape}{_nearest(name, table, wanted)}")
        elif path != _DROPPED:
            found[path] = _our_layout(array, wanted[path].shape)
            if found[path].shape != wanted[path].shape:
                problems.append(f"{name} is {array.shape}, {path} wants {wanted[path].shape}")
    problems += [f"missing {path} {wanted[path].shape}" for path in wanted.keys() - found.keys()]
    if problems:
        lines = "".join(f"\n    {problem}" for problem in sorted(problems))
        raise InputError(
            f"{source}: names and shapes must be the model's, {len(problems)} differ; "
            f"give weights of this model:{lines}"
        )
    filled = [(path, leaf.replace(jnp.asarray(found[name], jnp.float32)))
              for (path, leaf), name in zip(flat, wanted, strict=True)]  # fmt: skip
    return nnx.merge(structure, nnx.from_flat_state(filled))


def _path(name: str, table: Table, wanted: Mapping) -> str | None:
    module, _, leaf = name.rpartition(".")
    if leaf == _DROPPED:
        return _DROPPED
    for pattern, ours in table:
        if match := re.fullmatch(pattern, module):
            candidates = [f"{match.expand(ours)}.{option}" for option in _LEAVES.get(leaf, ())]
            return next((path for path in candidates if path in wanted), None)
    return None


def _nearest(name: str, table: Table, wanted: Mapping) -> str:
    guess = name
    for pattern, ours in table:
        if match := re.match(pattern, name):
            guess = match.expand(ours) + name[match.end() :]
    close = difflib.get_close_matches(guess, wanted, n=1)
    return f", nearest {close[0]}" if close else ""


def _our_layout(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if array.ndim == len(shape) == 4:
        return array.transpose(2, 3, 1, 0)  # out in h w -> h w in out
    if array.ndim == len(shape) == 2:
        return array.T
    return array


def random(net: Any) -> Any:
    """Fills a net with random weights, the same ones on every machine.

    Args:
        net: an abstract net.

    Returns:
        A net of the same structure: kernels of variance 2 / fan-in, neutral normalization.

    Example:
        >>> random(nnx.eval_shape(lambda: nnx.Linear(2, 3, rngs=nnx.Rngs(0)))).kernel.shape
        (2, 3)
    """
    structure, state = nnx.split(net)
    filled = []
    for path, leaf in nnx.to_flat_state(state):
        name = ".".join(map(str, path))
        draws = np.random.default_rng(zlib.crc32(name.encode()))
        neutral = np.ones if path[-1] in ("scale", "var") else np.zeros
        value = neutral(leaf.shape)
        if path[-1] == "kernel":
            value = draws.normal(0, math.sqrt(2 / math.prod(leaf.shape[:-1])), leaf.shape)
        filled.append((path, leaf.replace(jnp.asarray(value, jnp.float32))))
    return nnx.merge(structure, nnx.from_flat_state(filled))
