"""Verbs about atlases: atlas, view, export."""

import webbrowser
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

import vizjax as vz
from vizjax.atlas.profile import profiled, summary
from vizjax.cli.common import Answer, Dtype, Layers, OptionalModel, Output, Seed, Size, Steps, Units, Weights
from vizjax.errors import InputError
from vizjax.models import DEFAULT, MODELS
from vizjax.progress import Reporter
from vizjax.timing import listening, timed
from vizjax.units import parse_units


def atlas(
    model: OptionalModel = DEFAULT,
    *,
    layer: Layers = (),
    units: Units = None,
    facets: Annotated[tuple[str, ...], arg(metavar="F …", help="positive, negative, diverse[N]")] = (
        "positive",
    ),
    size: Size = 128,
    steps: Steps = 64,
    batch: Annotated[int | None, arg(metavar="W", help="jobs side by side; else chosen and kept")] = None,
    seed: Seed = 0,
    weights: Weights = None,
    dtype: Dtype = "float32",
    out: Annotated[Path, arg(metavar="DIR", help="the atlas's folder")] = Path("atlas"),
    profile: Annotated[bool, arg(help="say where the time went; traces go into DIR/profile")] = False,
    output: Answer = Output(),
) -> None:
    """Render every unit of layers into a folder to browse; the same command continues it.

    With --profile, compiling and files are timed throughout. When all is rendered, three more steps of
    each layer and facet are traced, of the four that took longest: how the time of all steps divides
    is taken from there. Perfetto (https://ui.perfetto.dev) shows the traces, *.trace.json.gz.

    For example:

    * vizjax atlas
    * vizjax atlas efficientnet_lite0 --layer blocks.10 head --units 0:64
    * vizjax atlas --facets positive negative diverse --out my-atlas
    """
    net = vz.load(model, weights, dtype)
    layers = list(layer or [MODELS[model].layer])
    title = f"{model}, {', '.join(layers)}: {size} px, {steps} steps, into {out}"
    with Reporter(title) as reporter, listening() as spans, timed("build"):
        built = vz.atlas.build(
            net, layers, out, units=parse_units(units), facets=facets, size=size, steps=steps,
            batch=batch, seed=seed, on_progress=reporter.report,
        )  # fmt: skip
    where = profiled(net, built, spans, out / "profile") if profile else None
    rows = [row for row in built.table() if row["layer"] in layers]
    odd = [f"{r['layer']}/{r['unit']} {r['facet']} {r['status']}" for r in rows if r["status"] != "ok"]
    page = (out / "index.html").resolve()
    note = f"{len(odd)} of {len(rows)} did not come alive: {', '.join(odd[:8])}\n" if odd else ""
    answer = {"page": str(page), "pictures": len(rows), "not_ok": odd}
    if where:
        note, answer = f"{summary(where)}\n{note}", answer | {"profile": where._asdict()}
    output.tell(f"{note}{page}", answer)


def view(folder: Positional[Path] = Path("atlas"), *, output: Answer = Output()) -> None:
    """Open an atlas in the browser, and print where its page is.

    For example:

    * vizjax view atlas
    """
    page = (vz.atlas.open(folder).path / "index.html").resolve()
    if not page.is_file():
        raise InputError(
            f"{page} is not there; run the `vizjax atlas` command of this atlas again to write it"
        )
    opened = not output.json and webbrowser.open(page.as_uri())
    output.tell(str(page), {"page": str(page), "opened": bool(opened)})


def export(
    folder: Positional[Path],
    *,
    layer: Annotated[str, arg(metavar="L", help="a layer of the atlas")],
    units: Units = None,
    out: Annotated[Path, arg(metavar="FOLDER", help="where the PNG files go")],
    output: Answer = Output(),
) -> None:
    """Write single pictures of an atlas as PNG files with their recipe inside.

    For example:

    * vizjax export atlas --layer blocks.4 --units 0:8 --out pictures
    """
    opened = vz.atlas.open(folder)
    chosen = parse_units(units)
    if isinstance(chosen, slice):
        chosen = opened[layer].units[chosen].tolist()
    paths = opened.export(layer, chosen, out)
    output.tell(f"{len(paths)} pictures in {out}", {"files": list(map(str, paths))})
