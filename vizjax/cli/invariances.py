"""The verb invariance."""

from typing import Annotated, Any

import numpy as np
from tyro.conf import Positional, arg

import vizjax as vz
from vizjax.cli.common import Draw, Drawing, Layers, Picture, Square, drawn
from vizjax.cli.representations import (
    CLASSICAL,
    Folder,
    Net,
    Starts,
    Steps,
    default_layer,
    load_net,
    other_pictures,
    parse_numbers,
    read_for,
)
from vizjax.errors import InputError, check_counts
from vizjax.recipes.inversion.invariance import Invariance, measure_invariance


def invariance(
    picture: Positional[Picture],
    *,
    net: Net = "hog",
    layer: Layers = (),
    vary: Annotated[
        str | None, arg(metavar="NAME=A,B,…", help="a parameter of the net, such as cell")
    ] = None,
    others: Folder = None,
    starts: Starts = 1,
    size: Square = 128,
    steps: Steps = None,
    draw: Draw = Drawing(),
) -> None:
    """Show how little a representation changes with the picture, beside how badly it can be inverted.

    A row for each value of the parameter, or each layer: by how much the representation moves under shift
    (2 px), rotation (5°), scale (5 %), blur (σ = 1) and contrast (80 %), 1 minus their mean, and the errors
    of the reconstructions, all as shares of the distance between different pictures: those of --set, or
    parts of the picture. The saved picture has the original and then the reconstructions.

    For example:

    * vizjax invariance cat.jpg --net hogb --vary cell=4,8,16
    * vizjax invariance cat.jpg --net efficientnet_lite0 --layer stem blocks.4 blocks.10
    """
    check_counts(starts=starts, size=size, steps=steps)
    if draw.every:
        raise InputError("invariance shows finished pictures alone; leave out --every")
    out = draw.target(f"{picture.stem}-{net}-invariance.png")
    cases = _cases(net, draw, layer, vary)
    shown = read_for(cases[0][1], picture, size)
    different = other_pictures(cases[0][1], others, size, shown)
    found: list[Invariance] = []
    options: dict[str, Any] = {"starts": starts} | ({"steps": steps} if steps else {})

    def make(every: int | None, **run: Any) -> vz.Result:
        for _, loaded, name in cases:
            found.append(measure_invariance(loaded, shown[None], name, different, **options, **run))
        rows = [np.asarray(row.result.images).reshape(starts, *shown.shape) for row in found]
        images = np.stack([np.broadcast_to(shown, rows[0].shape), *rows], 1)
        return found[0].result._replace(images=images, final=np.array([row.error for row in found]))

    def rows(_: vz.Result) -> list[dict[str, Any]]:
        return [_measures(label, row) for (label, *_), row in zip(cases, found, strict=True)]

    drawn(
        make, out, draw, title=f"{net}: {len(cases)} inversions of {picture.name}, {size} px",
        steps=steps or 400, jobs=len(cases) * starts, about={"picture": picture.name}, rows=rows,
    )  # fmt: skip


def _cases(net: str, draw: Drawing, layers: tuple[str, ...], vary: str | None) -> list[tuple]:
    """(label, net, layer) of each row."""
    if vary is None:
        loaded = load_net(net, draw.weights, draw.dtype)
        return [(name, loaded, name) for name in layers or (default_layer(net),)]
    parameter, _, values = vary.partition("=")
    if net not in CLASSICAL or not values:
        raise InputError(
            f"--vary is NAME=A,B of {', '.join(CLASSICAL)}, not {vary!r} of {net}; try cell=4,8,16"
        )
    name = layers[0] if layers else default_layer(net)
    options: list[dict[str, Any]] = [
        {parameter: int(v) if v.is_integer() else v} for v in parse_numbers(values)
    ]
    nets = [load_net(net, draw.weights, draw.dtype, **option) for option in options]
    return [(f"{parameter}={o[parameter]}", loaded, name) for o, loaded in zip(options, nets, strict=True)]


def _measures(label: str, row: Invariance) -> dict[str, Any]:
    measures = {"invariance": row.invariance, "error": row.error, "picture_error": row.picture_error}
    return {"case": label} | row.changes | measures
