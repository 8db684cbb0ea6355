"""Verbs about what a layer sees, and what lies between its units: caricature, grid, interpolate."""

from pathlib import Path
from typing import Annotated

import numpy as np
from tyro.conf import Positional, arg

import vizjax as vz
from vizjax.cli.common import (
    Draw,
    Drawing,
    Layer,
    Model,
    OptionalLayer,
    Picture,
    Size,
    Square,
    Steps,
    UnitNames,
    deep_layer,
    drawn,
)
from vizjax.errors import InputError, check_counts
from vizjax.models import DEFAULT
from vizjax.recipes.caricatures import caricature as caricature_of
from vizjax.recipes.grids import draw_grid
from vizjax.recipes.interpolation import interpolate as interpolate_between
from vizjax.units import find_units


def caricature(
    pictures: Annotated[Positional[tuple[Path, ...]], arg(metavar="PICTURE …", help="what is looked at")],
    *,
    model: Model = DEFAULT,
    layer: OptionalLayer = None,
    size: Square = 224,
    steps: Steps = 96,
    draw: Draw = Drawing(),
) -> None:
    """Draw what a layer sees in pictures, exaggerated.

    For example:

    * vizjax caricature cat.jpg
    * vizjax caricature cat.jpg dog.jpg --layer blocks.4 --out strokes.png
    """
    check_counts(size=size, steps=steps)
    layer = deep_layer(model, layer)
    target = draw.target(f"{pictures[0].stem}-{layer}-caricature.png")
    read = np.stack([vz.read_picture(path, size) for path in pictures])
    net = draw.load(model)
    drawn(
        lambda **run: caricature_of(net, read, layer, steps=steps, **run),
        target, draw, title=f"{model}, {layer}: {len(read)} caricatures, {size} px, {steps} steps",
        steps=steps, jobs=len(read),
        about={"pictures": [path.name for path in pictures], "size": size},
    )  # fmt: skip


def grid(
    picture: Positional[Picture],
    *,
    model: Model = DEFAULT,
    layer: OptionalLayer = None,
    size: Square = 224,
    cell: Annotated[int, arg(metavar="PX", help="side of the cell that is drawn for a position")] = 32,
    steps: Steps = 64,
    draw: Draw = Drawing(),
) -> None:
    """Draw what a layer sees at each place of a picture: an activation grid.

    For example:

    * vizjax grid cat.jpg
    * vizjax grid street.jpg --layer blocks.6 --size 128 --out street.png
    """
    check_counts(size=size, cell=cell, steps=steps)
    layer = deep_layer(model, layer)
    target = draw.target(f"{picture.stem}-{layer}-grid.png")
    read = vz.read_picture(picture, size)
    net = draw.load(model)
    drawn(
        lambda **run: draw_grid(net, read, layer, cell=cell, steps=steps, **run),
        target, draw, title=f"{model}, {layer}: a grid of {picture.name}, {size} px, {steps} steps",
        steps=steps, about={"picture": picture.name, "size": size},
    )  # fmt: skip


def interpolate(
    model: Positional[Model],
    layer: Positional[Layer],
    units: Positional[UnitNames],
    *,
    frames: Annotated[int, arg(metavar="N", help="from one unit to the next")] = 6,
    size: Size = 128,
    steps: Steps = 80,
    draw: Draw = Drawing(),
) -> None:
    """Draw the way from one unit to another, frame by frame; of several units, from each to the next.

    For example:

    * vizjax interpolate efficientnet_lite0 blocks.10 11 75
    * vizjax interpolate efficientnet_lite0 logits "tiger cat" goldfish --frames 8 --out between.png
    """
    check_counts(frames=frames, size=size, steps=steps)
    if len(units) < 2:
        raise InputError(f"an interpolation is between two or more units, not {len(units)}; name another")
    target = draw.target(f"{layer}-{'-to-'.join(units)}.png")
    net = draw.load(model)
    numbers = find_units(net, layer, units)
    pairs = np.stack([numbers[:-1], numbers[1:]], axis=1)
    image = vz.images.shared(size, n=frames)
    drawn(
        lambda **run: interpolate_between(
            net, layer, pairs, frames=frames, image=image, steps=steps, **run
        ),
        target, draw, title=f"{model}, {layer}: {frames} frames from unit to unit, {size} px, {steps} steps",
        steps=steps, jobs=len(pairs), about={"units": numbers, "size": size},
        answer={"units": numbers},
    )  # fmt: skip
