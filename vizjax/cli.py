"""The command line: atlas, render, layers, view, export."""

import dataclasses
import json
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro
from rich.console import Console
from tyro.conf import FlagCreatePairsOff, Positional, arg

import vizjax as vz
from vizjax.atlas.building import Progress
from vizjax.atlas.profile import profiled, summary
from vizjax.errors import InputError, unknown
from vizjax.models import DEFAULT, MODELS
from vizjax.models.sources import cache_folder
from vizjax.progress import Reporter
from vizjax.recipes import PRESETS
from vizjax.tables import layer_table
from vizjax.timing import listening, timed
from vizjax.units import find_units, parse_units

Weights = Annotated[
    str | None, arg(metavar="FILE|random", help="a file of weights, or 'random'; else the model's own")
]
Dtype = Annotated[str, arg(metavar="TYPE", help="float32 or bfloat16: what the net computes in")]
Units = Annotated[str | None, arg(metavar="A:B[:STEP]", help="channels, such as 0:40, 3 or 1,5,9; else all")]


@dataclasses.dataclass
class Output:
    """How a verb answers."""

    json: Annotated[bool, arg(help="answer as JSON on standard output")] = False
    debug: Annotated[bool, arg(help="show the traceback of an error")] = False

    def tell(self, text: str, answer: dict[str, Any]) -> None:
        """Prints the answer for people, or for programs."""
        print(json.dumps(answer) if self.json else text)


Answer = Annotated[Output, arg(name="")]


def atlas(
    model: Positional[str] = DEFAULT,
    *,
    layer: Annotated[tuple[str, ...], arg(metavar="L …", help="layers; else the model's own choice")] = (),
    units: Units = None,
    facets: Annotated[tuple[str, ...], arg(metavar="F …", help="positive, negative, diverse[N]")] = (
        "positive",
    ),
    size: Annotated[int, arg(metavar="PX", help="side of the pictures")] = 128,
    steps: Annotated[int, arg(metavar="N", help="of optimization")] = 64,
    batch: Annotated[int | None, arg(metavar="W", help="jobs side by side; else chosen and kept")] = None,
    seed: Annotated[int, arg(metavar="S", help="what all randomness comes from")] = 0,
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


def render(
    model: Positional[str],
    layer: Positional[str],
    units: Annotated[
        Positional[tuple[str, ...]], arg(metavar="UNIT …", help="channel numbers, or names of classes")
    ],
    *,
    preset: Annotated[str, arg(metavar="NAME", help="best (64 steps) or lucid (512)")] = "best",
    starts: Annotated[int, arg(metavar="N", help="pictures of each unit from other random starts")] = 1,
    size: Annotated[int, arg(metavar="PX", help="side of the pictures")] = 128,
    steps: Annotated[int | None, arg(metavar="N", help="of optimization; else the preset's")] = None,
    seed: Annotated[int, arg(metavar="S", help="what all randomness comes from")] = 0,
    weights: Weights = None,
    dtype: Dtype = "float32",
    out: Annotated[Path | None, arg(metavar="FILE", help="a .png; else named after layer and units")] = None,
    output: Answer = Output(),
) -> None:
    """Render some units of a layer into one PNG that carries its recipe.

    For example:

    * vizjax render efficientnet_lite0 blocks.4 7
    * vizjax render efficientnet_lite0 logits "tiger cat" --starts 4 --size 224 --out cat.png
    """
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    if out and out.suffix.lower() != ".png":
        raise InputError(f"{out}: results are saved as PNG, which keeps every value; name it .png")
    net = vz.load(model, weights, dtype)
    numbers = find_units(net, layer, units)
    target = out or Path(f"{layer}-{'-'.join(map(str, numbers))}.png".replace("/", "_"))
    draw = vz.renderer(
        lambda acts, unit: vz.objectives.channel(acts[layer], unit),
        image=vz.images.fourier(size), starts=starts,
        **PRESETS[preset] | ({} if steps is None else {"steps": steps}),
    )  # fmt: skip
    with Reporter(f"{model}, {layer}: {len(numbers)} units, {size} px, {draw.steps} steps") as reporter:
        total, now = len(numbers) * starts, 0.0

        def on_step(count: int) -> None:
            nonlocal now
            now += count / draw.steps
            reporter.report(Progress(layer, 0, total, now))

        result = draw(net, np.array(numbers), key=jax.random.key(seed), on_step=on_step)
    names = vz.unit_names(net, layer)
    about = {
        "layer": layer,
        "units": numbers,
        **({"names": [names[unit] for unit in numbers]} if names else {}),
        "seed": seed,
        "size": size,
        "objective": "mean activation of the channel",
    }
    vz.save(result._replace(recipe=result.recipe | about), target)
    output.tell(str(target), {"file": str(target), "units": numbers, "final": result.final.tolist()})


def layers(model: Positional[str] = DEFAULT, *, weights: Weights = None, output: Answer = Output()) -> None:
    """List the layers of a model: what they see, in pixels, and what computing each takes.

    Shape; stride, side and centre (that of position 0, from the first pixel's) of the receptive
    field; trained parameters; multiply-adds for one picture; shape of the filters whose raw output
    the layer is.

    For example:

    * vizjax layers efficientnet_lite0
    * vizjax layers efficientnet_lite0 --weights mine.pth --json
    """
    found = vz.layers(vz.load(model, weights))
    if output.json:
        print(json.dumps({name: fact._asdict() for name, fact in found.items()}))
        return
    Console(width=None if sys.stdout.isatty() else 132).print(layer_table(found))


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


class Terminated(KeyboardInterrupt):
    """The process was asked to end, by SIGTERM."""


def _terminate(*_: object) -> None:
    raise Terminated


def _send_again(ignored: Any) -> None:
    """An interruption may fall into a callback whose exceptions Python ignores, such as JAX's at the
    garbage collector: it is sent once more, a moment later."""
    if isinstance(ignored.exc_value, KeyboardInterrupt):
        number = signal.SIGTERM if isinstance(ignored.exc_value, Terminated) else signal.SIGINT
        threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
    else:
        sys.__unraisablehook__(ignored)


def _use_cache() -> None:
    """Keeps compiled programs in the user's cache folder, so that the next run starts at once."""
    folder = os.environ.get("JAX_COMPILATION_CACHE_DIR") or cache_folder() / "xla"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: of the command line, without the program's name; by default the process's own.

    Returns:
        The exit status: 0; 2 after a mistake; 130 or 143 after an interruption.

    Example:
        >>> main(["layers", "nonesuch"])
        2
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    verbs: dict[str, Any] = {v.__name__: v for v in (atlas, render, layers, view, export)}
    about = "Pictures of what a vision network has learned."
    signal.signal(signal.SIGTERM, _terminate)
    hook, sys.unraisablehook = sys.unraisablehook, _send_again
    _use_cache()
    try:
        tyro.extras.subcommand_cli_from_dict(
            verbs,
            prog="vizjax",
            description=about,
            args=words,
            config=(FlagCreatePairsOff,),
        )
    except (InputError, KeyboardInterrupt) as stop:
        if "--debug" in words:
            raise
        if isinstance(stop, InputError):
            print(f"vizjax: {stop}", file=sys.stderr)
            return 2
        print("vizjax: stopped; what is finished is kept, and the same command continues", file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130
    finally:
        sys.unraisablehook = hook
    return 0
