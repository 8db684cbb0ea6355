"""What the zoo knows of a model: how it is built, where its weights are, and how files name them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from vizjax.models.blocks import Preprocess
from vizjax.models.sources import Hub, Source, Url

Table = Sequence[tuple[str, str]]
"""Rows (pattern of a module's name in a file, its path in our net); the first that fits counts."""

AS_NAMED: Table = [(r"(.*)", r"\1")]
"""The table of a file that names modules as our net does."""


class Layout(NamedTuple):
    """One way in which weights files name a family's arrays.

    Attributes:
        table: names of modules in the file -> paths in our net.
        preprocess: what such weights expect of pictures; None for the net's own.
        ignored: pattern of modules that are of no use here, such as auxiliary heads.
    """

    table: Table = AS_NAMED
    preprocess: Preprocess | None = None
    ignored: str = "(?!)"


class Model(NamedTuple):
    """A model that loads by name.

    Attributes:
        build: makes the net of ``classes`` outputs from random-number streams ``rngs``.
        layouts: of its files; where several fit, the first counts.
        sources: of its default weights; the first that is at hand, or can be downloaded, counts.
        layer: the layer that an atlas shows where none is named.
        head: path of the last layer, whose bias tells a file's number of classes.
        labels: the list that names its classes, a file of ``vizjax/models/labels``.
    """

    build: Callable[..., Any]
    layouts: Sequence[Layout]
    sources: Sequence[Source]
    layer: str
    head: str
    labels: str = "imagenet"


def torchvision(file: str, on_hub: bool = False) -> list[Source]:
    """Where torchvision's weights are.

    Args:
        file: its name, such as ``"resnet50-0676ba61.pth"``, with the leading digits of its SHA-256.
        on_hub: whether timm has the same weights on the hub.

    Returns:
        The sources, torchvision's own first.

    Example:
        >>> torchvision("resnet50-0676ba61.pth", on_hub=True)[1].repository
        'timm/resnet50.tv_in1k'
    """
    name, _, digest = file.removesuffix(".pth").rpartition("-")
    own = Url(f"https://download.pytorch.org/models/{file}", digest)
    return [own, Hub(f"timm/{name.removesuffix('_google')}.tv_in1k")] if on_hub else [own]
