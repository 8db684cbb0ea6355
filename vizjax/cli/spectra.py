"""The verb spectrum."""

import sys
from pathlib import Path
from typing import Annotated, Any

import jax
from rich.table import Table
from tyro.conf import arg

import vizjax as vz
from vizjax.cli.common import Answer, Dtype, OptionalModel, Output, Seed, Weights
from vizjax.errors import InputError, check_counts
from vizjax.files import encoded, write
from vizjax.models import DEFAULT
from vizjax.recipes.spectra.measuring import Spectrum, measure_spectrum
from vizjax.recipes.spectra.peaks import peaks
from vizjax.recipes.spectra.sheets import draw_spectra


def spectrum(
    model: OptionalModel = DEFAULT,
    *,
    layer: Annotated[
        tuple[str, ...], arg(metavar="L …", help="layers; else the first of each stride up to 16")
    ] = (),
    picture: Annotated[Path | None, arg(metavar="PICTURE", help="where; else near-grey 1/f noise")] = None,
    units: Annotated[int, arg(metavar="N", help="channels that are averaged")] = 8,
    size: Annotated[int, arg(metavar="PX", help="side of the picture")] = 128,
    seed: Seed = 0,
    weights: Weights = None,
    dtype: Dtype = "float32",
    out: Annotated[Path | None, arg(metavar="FILE", help="a .png of the spectra, too")] = None,
    output: Answer = Output(),
) -> None:
    """Measure where high frequencies come from: the spectrum of layers' gradients, and its peaks.

    A layer of stride s marks its gradient at the multiples of 1/s cycles a pixel. The table says how far
    these stand out from what is around them (1 is not at all), by denominator, and in brackets what is
    left of that in the same layer computed at stride 1.

    For example:

    * vizjax spectrum efficientnet_lite0
    * vizjax spectrum resnet50 --layer conv1 layer1 layer2 --picture cat.jpg --out spectra.png
    """
    check_counts(units=units, size=size)
    if out and (out.suffix.lower() != ".png" or out.is_dir()):
        raise InputError(f"{out}: spectra are drawn as PNG; give the name of a .png file")
    given: Any = None if picture is None else vz.read_picture(picture, size)[None]
    net = vz.load(model, weights, dtype)
    if given is None:
        image = vz.images.fourier(size)
        given = image.decode(image.init(jax.random.key(seed)))
    found: list[Spectrum] = []
    for name in layer or _first_of_each_stride(net):
        print(f"{model}, {name}: {units} units, {size} px", file=sys.stderr)
        found.append(measure_spectrum(net, name, given, units=units))
    rows: list[dict[str, Any]] = [
        {
            "layer": s.layer,
            "stride": s.stride,
            "peaks": peaks(s.power, s.stride),
            "control": peaks(s.control, s.stride),
        }
        for s in found
    ]
    if out:
        names = [s.layer for s in found]
        about = {"model": model, "layers": names, "units": units, "size": size, "seed": seed}
        write(out, encoded(draw_spectra(found), "PNG", about))
    output.tell(_table(rows), {"layers": rows, "file": out and str(out)})
    if out and not output.json:
        print(out)


def _first_of_each_stride(net: Any) -> list[str]:
    first: dict[int, str] = {}
    for name, fact in vz.layers(net).items():
        if fact.stride and 1 < fact.stride <= 16:
            first.setdefault(fact.stride, name)
    return list(first.values())


def _table(rows: list[dict[str, Any]]) -> Table:
    orders = sorted({order for row in rows for order in row["peaks"]})
    table = Table(box=None)
    for title in ("layer", "stride", *(f"peaks at k/{order}" for order in orders)):
        table.add_column(title, no_wrap=True, justify="left" if title == "layer" else "right")
    for row in rows:
        power, control = row["peaks"], row["control"]
        cells = (f"{power[d]:,.1f} ({control[d]:.1f})" if d in power else "" for d in orders)
        table.add_row(row["layer"], str(row["stride"]), *cells)
    return table
