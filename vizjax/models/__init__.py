"""The models by name, and `load`, which makes one ready to be looked into."""

import os
from pathlib import Path
from typing import Any

from vizjax.activations import layers
from vizjax.errors import unknown
from vizjax.models import (
    alexnet,
    convnext,
    densenet,
    efficientnet_lite,
    googlenet,
    inception_v3,
    inceptionv1,
    labels,
    mobilenet_v2,
    resnet,
    squeezenet,
    vgg,
)
from vizjax.models.formats import read
from vizjax.models.model import Model
from vizjax.models.sources import fetch
from vizjax.models.weights import blank, convert, random
from vizjax.precision import DTYPES, compute_in

_FAMILIES = (
    efficientnet_lite, vgg, resnet, inceptionv1, googlenet, inception_v3, alexnet, squeezenet, mobilenet_v2,
    densenet, convnext,
)  # fmt: skip

MODELS: dict[str, Model] = {name: model for family in _FAMILIES for name, model in family.MODELS.items()}
DEFAULT = "efficientnet_lite0"


def load(name: str, weights: str | os.PathLike | None = None, dtype: str = "float32") -> Any:
    """A net by name, with its weights, ready for `vizjax.activations` and `vizjax.render`.

    Args:
        name: one of `MODELS`.
        weights: a file of this model (``.safetensors``, ``.pth``, ``.pt``, ``.npz``, ``.caffemodel``,
            ``.pb``, ``.zip``) or an Orbax folder, in any of the layouts that the family knows and
            with any number of classes; ``"random"`` (seeded, always the same); None for the
            published weights, which are downloaded once and kept. The file's layout decides what
            pictures the net takes (``net.preprocess``, which may be set); a file in our own names
            leaves that as it is for the published weights.
        dtype: what the net computes in, ``"float32"`` or ``"bfloat16"`` (see `vizjax.precision`);
            parameters are float32 in either case, and so is what objectives are given.

    Returns:
        The net, a Flax NNX module; ``net.name`` is its name, ``net.dtype`` what it computes in.

    Raises:
        UnknownName: where there is no such model or dtype.
        InputError: where the file cannot be read or downloaded, or holds other names or shapes.

    Example:
        >>> load("efficientnet_lite0").name
        'efficientnet_lite0'
    """
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    if dtype not in DTYPES:  # before a download
        raise unknown("dtype", dtype, DTYPES)
    model = MODELS[name]
    if weights == "random":
        net = random(blank(model))
    else:
        path = fetch(*model.sources) if weights is None else Path(weights)
        net = convert(model, read(path), str(path))
    net.name = name
    return compute_in(net, dtype)


def unit_names(net: Any, layer: str = "logits") -> tuple[str, ...]:
    """The names of a layer's units, where they are classes that have any.

    Args:
        net: a net.
        layer: a layer's name.

    Returns:
        A name for each unit ("" for one that has none); nothing where the units are not the classes
        of the model's published weights.

    Raises:
        UnknownName: where the net has no such layer.

    Example:
        >>> net = load("efficientnet_lite0")
        >>> unit_names(net)[282], unit_names(net, "blocks.4")
        ('tiger cat', ())
    """
    facts = layers(net)
    if layer not in facts:
        raise unknown("layer", layer, facts, "vizjax.layers(net) lists them")
    model = MODELS.get(getattr(net, "name", ""))
    names = labels.read(model.labels) if model else ()
    return names if facts[layer].shape == (len(names),) else ()
