"""The verb dream."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from tyro.conf import Positional, arg

import vizjax as vz
from vizjax.cli.common import Draw, Drawing, Model, deep_layer, drawn
from vizjax.errors import check_counts
from vizjax.models import DEFAULT
from vizjax.pictures import Picture, fitted_size, resized
from vizjax.recipes.dreams import dream as dream_of
from vizjax.recipes.zooms import zoom as zoom_into


def dream(
    picture: Annotated[Positional[Path], arg(metavar="PICTURE", help="what to start from")],
    *,
    model: Model = DEFAULT,
    layer: Annotated[
        str | None, arg(metavar="L", help="what it amplifies: lines in low layers, animals in high ones")
    ] = None,
    guide: Annotated[Path | None, arg(metavar="PICTURE", help="whose features are to appear")] = None,
    octaves: Annotated[int | None, arg(metavar="N", help="sizes; else 4, in a zoom 2")] = None,
    steps: Annotated[int | None, arg(metavar="N", help="at each size; else 10, in a zoom 3")] = None,
    size: Annotated[int, arg(metavar="PX", help="longer side; larger pictures are scaled down")] = 1024,
    zoom: Annotated[int | None, arg(metavar="FRAMES", help="fly into the picture, so many frames")] = None,
    draw: Draw = Drawing(),
) -> None:
    """Amplify what a layer sees in a picture (DeepDream).

    For example:

    * vizjax dream cat.jpg
    * vizjax dream clouds.jpg --layer blocks.4 --guide flowers.jpg --out garden.png
    * vizjax dream cat.jpg --size 512 --zoom 60 --out flight.mp4
    """
    check_counts(octaves=octaves, steps=steps, size=size, zoom=zoom)
    layer = deep_layer(model, layer)
    target = draw.target(f"{picture.stem}-dream{'.gif' if zoom else '.png'}")
    start = _at_most(vz.read_picture(picture), size)
    wanted = None if guide is None else _at_most(vz.read_picture(guide), min(size, 512))
    net = draw.load(model)
    octaves, steps = octaves or (2 if zoom else 4), steps or (3 if zoom else 10)
    options: dict[str, Any] = {"guide": wanted, "octaves": octaves, "steps": steps}
    h, w = start.shape[:2]
    about = {"picture": picture.name, **({"guide": guide.name} if guide else {})}
    title = f"{model}, {layer}: a dream of {picture.name}, {h} x {w}, {octaves} octaves of {steps} steps"

    def make(every: int | None, **run: Any) -> vz.Result:
        if zoom:
            return zoom_into(net, start, layer, frames=zoom, **options, **run)
        return dream_of(net, start, layer, every=every, **options, **run)

    drawn(
        make, target, draw, title=title + (f", {zoom} frames" if zoom else ""),
        steps=octaves * steps * (zoom or 1), about=about,
    )  # fmt: skip


def _at_most(picture: Picture, size: int) -> np.ndarray:
    side = min(size, max(picture.shape[:2]))
    return resized(picture, fitted_size(picture.shape, side)).clip(0, 1)
