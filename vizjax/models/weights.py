"""How the arrays of a weights file get into a net."""

import difflib
import math
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx

from vizjax.errors import InputError
from vizjax.models.model import Layout, Model

_LEAVES = {
    "weight": ("kernel", "scale"),
    "bias": ("bias",),
    "running_mean": ("mean",),
    "running_var": ("var",),
}
_WRAPPERS = ("module.", "_orig_mod.", "model.")


class Place(NamedTuple):
    """Where an array goes: a path in our net, and whether its axes are in our order already."""

    path: str
    as_ours: bool


NOWHERE = Place("", False)
"""The place of what is of no use here."""


def blank(model: Model, classes: int | None = None) -> Any:
    """A net without weights: shapes alone.

    Args:
        model: a row of `vizjax.models.MODELS`.
        classes: number of outputs; None for the model's own.

    Returns:
        The abstract net.

    Example:
        >>> from vizjax.models import MODELS
        >>> blank(MODELS["efficientnet_lite0"], 10).classifier.kernel.shape
        (1280, 10)
    """
    options = {} if classes is None else {"classes": classes}
    return nnx.eval_shape(lambda: model.build(rngs=nnx.Rngs(0), **options))


def convert(model: Model, arrays: Mapping[str, np.ndarray], source: str) -> Any:
    """A net with the arrays of a file.

    The file may name them in any of the model's layouts, or as our own nets do, under a wrapper's
    prefix (``module.``) or not, and have any number of classes.

    Args:
        model: a row of `vizjax.models.MODELS`.
        arrays: name -> array; in PyTorch's axis order where the names are PyTorch's.
        source: what the arrays came from, for the error.

    Returns:
        The net with float32 weights and the preprocessing that they expect.

    Raises:
        InputError: a summary line and *all* missing, unexpected and differently shaped names.

    Example:
        >>> from vizjax.models import MODELS
        >>> convert(MODELS["efficientnet_lite0"], {"x.weight": np.ones(3)}, "mine.npz")
        Traceback (most recent call last):
        vizjax.errors.InputError: mine.npz: names and shapes must be the model's, 248 differ; ...
    """
    for prefix in _WRAPPERS:
        if all(name.startswith(prefix) for name in arrays):
            arrays = {name.removeprefix(prefix): array for name, array in arrays.items()}
    net = blank(model)
    wanted = _paths(net)
    layout, places = max(
        ((layout, {name: _place(name, layout, wanted) for name in arrays}) for layout in model.layouts),
        key=lambda pair: sum(bool(place and place.path) for place in pair[1].values()),
    )
    names = {place.path: name for name, place in places.items() if place}
    bias = names.get(f"{model.head}.bias")
    if bias and arrays[bias].size != wanted[f"{model.head}.bias"].size:
        net = blank(model, arrays[bias].size)
        wanted = _paths(net)
    _check(arrays, places, layout, wanted, source)

    def value(path: str, shape: tuple[int, ...]) -> np.ndarray:
        array, place = arrays[names[path]], places[names[path]]
        return _our_layout(array, shape, place is not None and place.as_ours)

    net = _filled(net, value)
    if layout.preprocess is not None:
        net.preprocess = layout.preprocess
    return net


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

    def value(path: str, shape: tuple[int, ...]) -> np.ndarray:
        if path.endswith("kernel"):
            draws = np.random.default_rng(zlib.crc32(path.encode()))
            return draws.standard_normal(shape, np.float32) * np.float32(math.sqrt(2 / math.prod(shape[:-1])))
        return np.ones(shape) if path.endswith(("scale", "var")) else np.zeros(shape)

    return _filled(net, value)


def _paths(net: Any) -> dict[str, Any]:
    return {".".join(map(str, path)): leaf for path, leaf in nnx.to_flat_state(nnx.state(net))}


def _filled(net: Any, value: Any) -> Any:
    structure, state = nnx.split(net)
    flat = nnx.to_flat_state(state)
    filled = [
        (path, leaf.replace(jnp.asarray(value(".".join(map(str, path)), leaf.shape), jnp.float32)))
        for path, leaf in flat
    ]
    return nnx.merge(structure, nnx.from_flat_state(filled))


def _place(name: str, layout: Layout, wanted: Mapping) -> Place | None:
    """Where an array of a file goes; None where that is unknown."""
    if name in wanted:
        return Place(name, True)
    module, _, leaf = name.rpartition(".")
    if leaf == "num_batches_tracked" or re.match(layout.ignored, name):
        return NOWHERE
    for pattern, ours in layout.table:
        if (match := re.fullmatch(pattern, name)) and (path := match.expand(ours)) in wanted:
            return Place(path, True)
        if match := re.fullmatch(pattern, module):
            options = (f"{match.expand(ours)}.{option}" for option in _LEAVES.get(leaf, ()))
            if path := next((path for path in options if path in wanted), ""):
                return Place(path, False)
    return None


def _check(arrays: Mapping, places: Mapping, layout: Layout, wanted: Mapping, source: str) -> None:
    problems, seen = [], set()
    missing = wanted.keys() - {place.path for place in places.values() if place}
    for name, place in places.items():
        shape = arrays[name].shape
        if place is None:
            problems.append(f"unexpected {name} {shape}{_nearest(name, layout, missing or wanted)}")
        elif place.path and place.path in seen:
            problems.append(f"{name} is a second {place.path}")
        elif place.path and _theirs(shape, wanted[place.path].shape, place.as_ours) is None:
            problems.append(f"{name} is {shape}, {place.path} wants {wanted[place.path].shape}")
        seen |= {place.path} if place else set()
    problems += [f"missing {path} {wanted[path].shape}" for path in missing]
    if problems:
        lines = "".join(f"\n    {problem}" for problem in sorted(problems))
        raise InputError(
            f"{source}: names and shapes must be the model's, {len(problems)} differ; "
            f"give weights of this model:{lines}"
        )


def _nearest(name: str, layout: Layout, paths: Iterable[str]) -> str:
    guess = name
    for pattern, ours in layout.table:
        if match := re.match(pattern, name):
            guess = match.expand(ours) + name[match.end() :]
    close = difflib.get_close_matches(guess, paths, n=1, cutoff=0.3)
    return f", nearest {close[0]}" if close else ""


# Where our axes stand in PyTorch's order: h w in out <- out in h w, in out <- out in.
_ORDERS = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,), 0: ()}


def _theirs(shape: tuple[int, ...], ours: tuple[int, ...], as_ours: bool) -> tuple[int, ...] | None:
    """What an array of a file is to be reshaped to before its axes are moved; None if it does not fit.

    A fully connected layer may stand as a convolution or the other way round, and one number a
    channel as (c, 1, 1).
    """
    theirs = ours if as_ours else tuple(ours[axis] for axis in _ORDERS[len(ours)])
    if shape == theirs:
        return theirs
    flat = len(theirs) == 1 or not as_ours
    other = flat and len(shape) != len(theirs) and shape[:1] == theirs[:1]
    return theirs if other and math.prod(shape) == math.prod(theirs) else None


def _our_layout(array: np.ndarray, ours: tuple[int, ...], as_ours: bool) -> np.ndarray:
    theirs = _theirs(array.shape, ours, as_ours)
    order = range(len(ours)) if as_ours else np.argsort(_ORDERS[len(ours)])
    return array.reshape(theirs).transpose(*map(int, order))
