"""Verbs about what representations keep of pictures: invert, invariance."""

import re
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from tyro.conf import Positional, arg

import vizjax as vz
from vizjax.cli.common import (
    Answer,
    Every,
    Layers,
    Out,
    Output,
    Picture,
    Seed,
    Square,
    Weights,
    check_output,
    drawn,
)
from vizjax.errors import InputError, check_counts, unknown
from vizjax.features import FEATURES
from vizjax.features.gradients import grey
from vizjax.models import DEFAULT, MODELS
from vizjax.recipes.inversion.invariance import Invariance, gaussian, measure_invariance
from vizjax.recipes.inversion.inverting import focus, invert_layers
from vizjax.recipes.inversion.methods import METHODS
from vizjax.recipes.inversion.reconstruction import reconstruct
from vizjax.recipes.inversion.reports import crops, report_inversion, report_target
from vizjax.units import find_units, parse_units

CLASSICAL = FEATURES | {"blur": gaussian}
"""Nets without weights, by name."""

Net = Annotated[str, arg(metavar="NET", help=f"{', '.join(CLASSICAL)}, or a model")]
Folder = Annotated[Path | None, arg(name="set", metavar="FOLDER", help="what errors are relative to")]
Starts = Annotated[int, arg(metavar="N", help="reconstructions from different noise")]
Method = Annotated[str, arg(metavar="NAME", help=" or ".join(METHODS))]
Steps = Annotated[int | None, arg(metavar="N", help="of optimization; else the method's")]


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
    method: Method = "cvpr2015",
    report: Annotated[bool, arg(help="say what the errors mean")] = False,
    others: Folder = None,
    size: Square = 128,
    steps: Steps = None,
    every: Every = None,
    seed: Seed = 0,
    weights: Weights = None,
    out: Out = None,
    output: Answer = Output(),
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
    name = target.partition(":")[2] if target else picture.stem if picture else ""
    out = out or Path(re.sub(r"[^\w.-]+", "_", f"{name}-{net}-inverted.png"))
    check_output(out, every)
    loaded = _loaded(net, weights)
    names = list(layer) or ["logits" if target else _default(net)]
    options: dict[str, Any] = {
        "method": method, "starts": starts, "key": jax.random.key(seed),
        "start": None if start is None else _read(loaded, start, size),
        "mask": _mask(loaded, names, size, channels, side),
    } | ({"steps": steps} if steps else {}) | ({"weights": {"tv": tv}} if tv is not None else {})  # fmt: skip
    if target:
        scales = _numbers(scale)
        values = np.array(scales, np.float32)[:, None] * _one_hot(loaded, names[0], target)
        shape = (size, size, _depth(loaded))
        jobs, about = len(scales), {"target": target, "scales": scales}
    else:
        shown = _read(loaded, picture, size)
        different = _others(loaded, others, size, shown) if report else None
        jobs, about = len(names), {"picture": picture.name if picture else ""}
    facts: dict[str, Any] = {}

    def make(**run: Any) -> vz.Result:
        if target:
            return reconstruct(loaded, values, names[0], shape, **options, **run)
        return invert_layers(loaded, shown, names, **options, **run)

    def answer(result: vz.Result) -> dict[str, Any]:
        if target:
            each = zip(values, np.asarray(result.images), strict=True)
            facts["rows"] = [report_target(loaded, names[0], _flat(found), value) for value, found in each]
        elif report:
            facts["rows"] = _reported(loaded, names, shown, result, different, others is not None)
            _save_report(shown, result, facts["rows"], out.with_name(f"{out.stem}-report.png"))
        return facts

    drawn(
        make, out, output, title=f"{net}, {', '.join(names)}: {name}, {size} px", steps=steps or 400,
        jobs=jobs * starts, every=every, about=about | {"seed": seed}, answer=answer,
    )  # fmt: skip
    if not output.json:
        print(_table(facts.get("rows", [])), end="")


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
    seed: Seed = 0,
    weights: Weights = None,
    out: Out = None,
    output: Answer = Output(),
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
    out = out or Path(f"{picture.stem}-{net}-invariance.png")
    check_output(out)
    cases = _cases(net, weights, layer, vary)
    shown = _read(cases[0][1], picture, size)
    different = _others(cases[0][1], others, size, shown)
    found: list[Invariance] = []
    options: dict[str, Any] = {
        "starts": starts,
        "key": jax.random.key(seed),
        **({"steps": steps} if steps else {}),
    }

    def make(on_step: Any, every: Any) -> vz.Result:
        for _, loaded, name in cases:
            found.append(measure_invariance(loaded, shown[None], name, different, on_step=on_step, **options))
        rows = [np.asarray(row.result.images).reshape(starts, *shown.shape) for row in found]
        images = np.stack([np.broadcast_to(shown, rows[0].shape), *rows], 1)
        return found[0].result._replace(images=images, final=np.array([row.error for row in found]))

    def answer(result: vz.Result) -> dict[str, Any]:
        return {"rows": [_measures(label, row) for (label, *_), row in zip(cases, found, strict=True)]}

    result = drawn(
        make, out, output, title=f"{net}: {len(cases)} inversions of {picture.name}, {size} px",
        steps=steps or 400, jobs=len(cases) * starts, about={"picture": picture.name}, answer=answer,
    )  # fmt: skip
    if not output.json:
        print(_table(answer(result)["rows"]), end="")


def _loaded(net: str, weights: str | None, **options: Any) -> Any:
    if net in CLASSICAL:
        try:
            return CLASSICAL[net](**options)
        except TypeError as error:
            raise InputError(
                f"{net} has no such parameter ({error}); hog, hogb and dsift have cell"
            ) from None
    if net not in MODELS:
        raise unknown("net", net, [*CLASSICAL, *MODELS])
    return vz.load(net, weights)


def _default(net: str) -> str:
    return CLASSICAL[net]().name if net in CLASSICAL else MODELS[net].layer


def _cases(net: str, weights: str | None, layers: tuple[str, ...], vary: str | None) -> list[tuple]:
    """(label, net, layer) of each row."""
    if vary is None:
        loaded = _loaded(net, weights)
        return [(name, loaded, name) for name in layers or (_default(net),)]
    parameter, _, values = vary.partition("=")
    if net not in CLASSICAL or not values:
        raise InputError(
            f"--vary is NAME=A,B of {', '.join(CLASSICAL)}, not {vary!r} of {net}; try cell=4,8,16"
        )
    name = layers[0] if layers else _default(net)
    return [
        (f"{parameter}={v:g}", _loaded(net, None, **{parameter: int(v) if v.is_integer() else v}), name)
        for v in _numbers(values)
    ]


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"numbers are written 1,3,10, not {text!r}") from None


def _depth(net: Any) -> int:
    return getattr(net, "input_shape", (224, 224, 3))[-1]


def _read(net: Any, path: Path | None, size: int) -> Any:
    picture = jnp.asarray(vz.read_picture(path or "", size))
    return grey(picture[None])[0] if _depth(net) == 1 else picture


def _others(net: Any, folder: Path | None, size: int, picture: Any) -> Any:
    if folder is None:
        return crops(picture)
    paths = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    if len(paths) < 2:
        raise InputError(f"{folder} is no folder of two or more pictures; give one")
    return jnp.stack([_read(net, path, size) for path in paths])


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
    picture = jax.ShapeDtypeStruct((1, size, size, _depth(net)), jnp.float32)
    shape = jax.eval_shape(lambda x: vz.activations(net, x)[layers[0]], picture).shape[1:]
    chosen = parse_units(channels)
    numbers = range(shape[-1])[chosen] if isinstance(chosen, slice) else chosen
    return focus(shape, side=side, channels=numbers)


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


def _measures(label: str, row: Invariance) -> dict[str, Any]:
    measures = {"invariance": row.invariance, "error": row.error, "picture_error": row.picture_error}
    return {"case": label} | row.changes | measures


def _table(rows: list[dict[str, Any]]) -> str:
    return "".join("  ".join(f"{key} {_spelled(x)}" for key, x in row.items()) + "\n" for row in rows)


def _spelled(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_spelled(x)}" for key, x in value.items()) + ")"
    if isinstance(value, list):
        return " ".join(map(_spelled, value))
    return f"{value:.3f}" if isinstance(value, float) else str(value)
