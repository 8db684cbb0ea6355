"""The verb invert."""

from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from tyro.conf import Positional, arg

import vizjax as vz
from vizjax.cli.common import Draw, Drawing, Layers, Square, drawn
from vizjax.cli.representations import (
    Folder,
    Net,
    Starts,
    Steps,
    default_layer,
    depth,
    load_net,
    other_pictures,
    parse_numbers,
    read_for,
)
from vizjax.errors import InputError, check_counts
from vizjax.models import DEFAULT
from vizjax.recipes.inversion.foci import focus
from vizjax.recipes.inversion.inverting import invert_layers
from vizjax.recipes.inversion.methods import METHODS
from vizjax.recipes.inversion.reconstruction import reconstruct
from vizjax.recipes.inversion.reports import report_inversion, report_target
from vizjax.units import find_units, parse_units


def invert(
    picture: Annotated[Positional[Path | None], arg(metavar="[PICTURE]", help="what is looked at")] = None,
    *,
    net: Net = DEFAULT,
    layer: Layers = (),
    starts: Starts = 1,
    start: Annotated[Path | None, arg(metavar="PICTURE", help="start from it instead of noise")] = None,
    target: Annotated[str | None, arg(metavar="one-hot:CLASS", help="instead of a picture's values")] = None,
    scale: Annotated[str, arg(metavar="S,…", help="of the one-hot vector")] = "10",
    channels: Annotated[str | None, arg(metavar="A:B", help="that matter, such as 0:48; else all")] = None,
    side: Annotated[int | None, arg(metavar="N", help="only a square of N x N positions matters")] = None,
    tv: Annotated[float | None, arg(metavar="λ", help="weight of total variation, as in the paper")] = None,
    method: Annotated[str, arg(metavar="NAME", help=" or ".join(METHODS))] = "cvpr2015",
    report: Annotated[bool, arg(help="say what the errors mean")] = False,
    others: Folder = None,
    size: Square = 128,
    steps: Steps = None,
    draw: Draw = Drawing(),
) -> None:
    """Make pictures that a layer cannot tell from a given one, or that it gives a class's values.

    With --report, errors of the representation (beside its norm, and normalized by the distance of the
    pictures of --set), PSNR, SSIM, and a row of pictures: the original, the best, the one nearest to the
    mean error, the worst. With --set, the inverse by ridge regression is measured too; without, parts
    of the picture stand in for other pictures.

    For example:

    * vizjax invert cat.jpg --net hogb --starts 4 --report
    * vizjax invert cat.jpg --layer stem blocks.4 blocks.10 --out strip.png
    * vizjax invert --target one-hot:"tabby" --scale 1,3,10,30
    """
    if (picture is None) == (target is None):
        raise InputError("invert takes a picture, or --target one-hot:CLASS: one of the two")
    check_counts(starts=starts, size=size, steps=steps)
    name = picture.stem if picture else str(target).partition(":")[2]
    out = draw.target(f"{name}-{net}-inverted.png")
    loaded = load_net(net, draw.weights, draw.dtype)
    names = list(layer) or [default_layer(net) if picture else "logits"]
    options: dict[str, Any] = {
        "method": method, "starts": starts,
        "start": None if start is None else read_for(loaded, start, size),
        "mask": _mask(loaded, names, size, channels, side),
    } | ({"steps": steps} if steps else {}) | ({"weights": {"tv": tv}} if tv is not None else {})  # fmt: skip
    about: dict[str, Any]
    if picture:
        shown = read_for(loaded, picture, size)
        different = other_pictures(loaded, others, size, shown) if report else None
        jobs, about = len(names), {"picture": picture.name}
    else:
        scales = parse_numbers(scale)
        values = np.array(scales, np.float32)[:, None] * _one_hot(loaded, names[0], str(target))
        shape = (size, size, depth(loaded))
        jobs, about = len(scales), {"target": target, "scales": scales}

    def make(**run: Any) -> vz.Result:
        if picture:
            return invert_layers(loaded, shown, names, **options, **run)
        return reconstruct(loaded, values, names[0], shape, **options, **run)

    def rows(result: vz.Result) -> list[dict[str, Any]]:
        if picture:
            found = _reported(loaded, names, shown, result, different, others is not None)
            _save_report(shown, result, found, out.with_name(f"{out.stem}-report.png"))
            return found
        each = zip(values, np.asarray(result.images), strict=True)
        return [report_target(loaded, names[0], _flat(images), value) for value, images in each]

    drawn(
        make, out, draw, title=f"{net}, {', '.join(names)}: {name}, {size} px", steps=steps or 400,
        jobs=jobs * starts, about=about, rows=rows if report or not picture else None,
    )  # fmt: skip


def _one_hot(net: Any, layer: str, target: str) -> np.ndarray:
    kind, _, unit = target.partition(":")
    if kind != "one-hot" or not unit:
        raise InputError(f"a target is one-hot:CLASS, not {target!r}; try one-hot:281")
    shape = vz.layers(net)[layer].shape if layer in vz.layers(net) else ()
    (number,) = find_units(net, layer, [unit])
    if len(shape) != 1:
        raise InputError(f"one-hot targets are of layers without positions, such as logits, not {layer!r}")
    return np.asarray(jax.nn.one_hot(number, shape[0]))


def _mask(net: Any, layers: list[str], size: int, channels: str | None, side: int | None) -> Any:
    if channels is None and side is None:
        return 1.0
    if len(layers) > 1:
        raise InputError("--channels and --side are of one layer; name one")
    picture = jax.ShapeDtypeStruct((1, size, size, depth(net)), jnp.float32)
    shape = jax.eval_shape(lambda x: vz.activations(net, x)[layers[0]], picture).shape[1:]
    chosen = parse_units(channels)
    units = range(shape[-1])[chosen] if isinstance(chosen, slice) else chosen
    return focus(shape, side=side, channels=units)


def _flat(images: Any) -> np.ndarray:
    return images.reshape(-1, *images.shape[-3:])


def _reported(
    net: Any, layers: list[str], picture: Any, result: vz.Result, others: Any, baseline: bool
) -> list[dict[str, Any]]:
    rows = []
    for name, images in zip(layers, np.asarray(result.images), strict=True):
        row = report_inversion(net, name, _flat(images), picture, others, baseline)
        rows.append({"layer": name} | row)
    return rows


def _save_report(picture: Any, result: vz.Result, rows: list[dict], out: Path) -> None:
    """A row of pictures for each layer: the original, the best, the one of middling error, the worst."""
    shown = []
    for row, images in zip(rows, np.asarray(result.images), strict=True):
        errors: np.ndarray = np.asarray(row["error"])
        chosen = [np.argmin(errors), np.argmin(np.abs(errors - errors.mean())), np.argmax(errors)]
        shown.append(np.stack([picture, *_flat(images)[chosen]])[:, None])
    vz.save(result._replace(images=np.stack(shown), frames=None), out)
