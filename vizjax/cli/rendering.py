"""Verbs about units: render, layers."""

from typing import Annotated

from tyro.conf import Positional, arg

import vizjax as vz
from vizjax.cli.common import (
    Answer,
    Draw,
    Drawing,
    Layer,
    Model,
    OptionalModel,
    Output,
    UnitNames,
    Weights,
    drawn,
)
from vizjax.models import DEFAULT
from vizjax.recipes import PRESETS
from vizjax.recipes.visualization import named
from vizjax.tables import layer_table
from vizjax.units import find_units


def render(
    model: Positional[Model],
    layer: Positional[Layer],
    units: Positional[UnitNames],
    *,
    preset: Annotated[str, arg(metavar="NAME", help=f"settings: {', '.join(PRESETS)}")] = "best",
    starts: Annotated[int, arg(metavar="N", help="pictures of each unit from other random starts")] = 1,
    size: Annotated[int | None, arg(metavar="PX", help="side of the pictures; else the preset's")] = None,
    steps: Annotated[int | None, arg(metavar="N", help="of optimization; else the preset's")] = None,
    draw: Draw = Drawing(),
) -> None:
    """Render some units of a layer into one picture, or animation, that carries its recipe.

    After Ctrl-C the pictures are saved as they are then.

    For example:

    * vizjax render efficientnet_lite0 blocks.4 7
    * vizjax render efficientnet_lite0 logits "tiger cat" --starts 4 --size 224 --out cat.png
    * vizjax render efficientnet_lite0 blocks.10 5 --out dots.gif
    * vizjax render efficientnet_lite0 logits goldfish --preset yosinski-3 --starts 4
    """
    target = draw.target(f"{layer}-{'-'.join(units)}.png")
    chosen = named(preset, size)
    net = draw.load(model)
    numbers = find_units(net, layer, units)
    names = vz.unit_names(net, layer)
    settings = {"starts": starts, "steps": chosen.settings["steps"] if steps is None else steps}
    about = {"names": [names[unit] for unit in numbers]} if names else {}
    drawn(
        lambda **run: vz.recipes.visualize(
            net, layer, numbers, preset, size=size, **settings, **run
        ),
        target, draw, title=f"{model}, {layer}: {len(numbers)} units, {settings['steps']} steps",
        steps=settings["steps"], jobs=len(numbers) * starts, about=about,
        answer={"units": numbers},
    )  # fmt: skip


def layers(model: OptionalModel = DEFAULT, *, weights: Weights = None, output: Answer = Output()) -> None:
    """List the layers of a model: what they see, in pixels, and what computing each takes.

    Shape; stride, side and centre (that of position 0, from the first pixel's) of the receptive
    field; trained parameters; multiply-adds for one picture; shape of the filters whose raw output
    the layer is.

    For example:

    * vizjax layers efficientnet_lite0
    * vizjax layers efficientnet_lite0 --weights mine.pth --json
    """
    found = vz.layers(vz.load(model, weights))
    output.tell(layer_table(found), {name: fact._asdict() for name, fact in found.items()})
