"""Verbs about units: render, layers."""

from pathlib import Path
from typing import Annotated

import jax
from tyro.conf import Positional, arg

import vizjax as vz
from vizjax.cli.common import (
    Answer,
    Dtype,
    Every,
    Layer,
    Model,
    OptionalModel,
    Out,
    Output,
    Seed,
    UnitNames,
    Weights,
    check_output,
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
    every: Every = None,
    seed: Seed = 0,
    weights: Weights = None,
    dtype: Dtype = "float32",
    out: Out = None,
    output: Answer = Output(),
) -> None:
    """Render some units of a layer into one picture, or animation, that carries its recipe.

    After Ctrl-C the pictures are saved as they are then.

    For example:

    * vizjax render efficientnet_lite0 blocks.4 7
    * vizjax render efficientnet_lite0 logits "tiger cat" --starts 4 --size 224 --out cat.png
    * vizjax render efficientnet_lite0 blocks.10 5 --out dots.gif
    * vizjax render efficientnet_lite0 logits goldfish --preset yosinski-3 --starts 4
    """
    if out:
        check_output(out, every)
    chosen = named(preset, size)
    net = vz.load(model, weights, dtype)
    numbers = find_units(net, layer, units)
    names = vz.unit_names(net, layer)
    settings = {"starts": starts, "steps": chosen.settings["steps"] if steps is None else steps}
    about = {"seed": seed, **({"names": [names[unit] for unit in numbers]} if names else {})}
    drawn(
        lambda **run: vz.recipes.visualize(
            net, layer, numbers, preset, size=size, key=jax.random.key(seed), **settings, **run
        ),
        out or Path(f"{layer}-{'-'.join(map(str, numbers))}.png".replace("/", "_")), output,
        title=f"{model}, {layer}: {len(numbers)} units, {settings['steps']} steps",
        steps=settings["steps"], jobs=len(numbers) * starts, every=every, about=about,
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
