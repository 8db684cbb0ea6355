"""What the verbs share: their options, and how they render, answer and save."""

import dataclasses
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

import vizjax as vz
from vizjax.atlas.building import Progress
from vizjax.errors import InputError, check_counts, unknown
from vizjax.models import DEFAULT, MODELS
from vizjax.progress import Reporter

_MODEL = "the net that looks"
Model = Annotated[str, arg(metavar="MODEL", help=_MODEL)]
OptionalModel = Annotated[Positional[str], arg(metavar="[MODEL]", help=_MODEL)]
Weights = Annotated[
    str | None, arg(metavar="FILE|random", help="a file of weights, or 'random'; else the model's own")
]
Dtype = Annotated[str, arg(metavar="TYPE", help="float32 or bfloat16: what the net computes in")]
Layer = Annotated[str, arg(metavar="L", help="the layer that is looked into")]
OptionalLayer = Annotated[str | None, arg(metavar="L", help="the layer looked into; else the net's choice")]
Layers = Annotated[tuple[str, ...], arg(metavar="L …", help="layers; else the net's own choice")]
Units = Annotated[str | None, arg(metavar="A:B[:STEP]", help="channels, such as 0:40, 3 or 1,5,9; else all")]
UnitNames = Annotated[tuple[str, ...], arg(metavar="UNIT …", help="channel numbers, or names of classes")]
Picture = Annotated[Path, arg(metavar="PICTURE", help="what is looked at")]
Size = Annotated[int, arg(metavar="PX", help="side of the pictures")]
Square = Annotated[int, arg(metavar="PX", help="side of the square that pictures are cropped and scaled to")]
Steps = Annotated[int, arg(metavar="N", help="of optimization")]
Seed = Annotated[int, arg(metavar="S", help="what all randomness comes from")]


@dataclasses.dataclass
class Output:
    """How a verb answers."""

    json: Annotated[bool, arg(help="answer as JSON on standard output")] = False
    debug: Annotated[bool, arg(help="show the traceback of an error")] = False

    def tell(self, told: str | Table, answer: dict[str, Any]) -> None:
        """Prints the answer for people, or for programs."""
        if self.json or isinstance(told, str):
            print(json.dumps(answer) if self.json else told)
        else:
            Console(width=None if sys.stdout.isatty() else 132).print(told)


Answer = Annotated[Output, arg(name="")]


@dataclasses.dataclass
class Drawing(Output):
    """How a verb draws, and answers."""

    every: Annotated[
        int | None, arg(metavar="K", help="keep a snapshot each K steps: numbered files, or frames")
    ] = None
    seed: Seed = 0
    weights: Weights = None
    dtype: Dtype = "float32"
    out: Annotated[Path | None, arg(metavar="FILE", help=".png, or an animation: .gif, .webp, .mp4")] = None

    def load(self, model: str) -> Any:
        """A net of the zoo."""
        return vz.load(model, self.weights, self.dtype)

    def target(self, name: str) -> Path:
        """The file that is written: the one asked for, or one named after what is drawn.

        Refuses, before any work, a file that could not be written in the end.
        """
        out = self.out or Path(re.sub(r"[^\w.-]+", "_", name))
        check_counts(every=self.every)
        if out.suffix.lower() not in ENDINGS:
            raise InputError(f"{out}: pictures are saved as {', '.join(ENDINGS)}; give one of these endings")
        if out.is_dir():
            raise InputError(f"{out} is a folder; give the name of a file in it")
        return out


Draw = Annotated[Drawing, arg(name="")]

ENDINGS = (".png", ".gif", ".webp", ".mp4")
"""What pictures are written as; all but the first show how they came about."""

FRAMES = 40
"""Of an animation, about, where ``--every`` is not given."""


def deep_layer(model: str, layer: str | None) -> str:
    """The layer that is looked into where none is named: one that shows eyes and snouts, if it is known.

    Args:
        model: a name of the zoo.
        layer: what was asked for.

    Returns:
        A layer's name.

    Raises:
        UnknownName: at a model that the zoo does not have.

    Example:
        >>> deep_layer("efficientnet_lite0", None), deep_layer("resnet50", None)
        ('blocks.10', 'layer3')
    """
    if model not in MODELS:
        raise unknown("model", model, MODELS)
    return layer or ("blocks.10" if model == DEFAULT else MODELS[model].layer)


def drawn(
    make: Callable[..., vz.Result], out: Path, draw: Drawing, *, title: str, steps: int, jobs: int = 1,
    about: dict[str, Any] | None = None, answer: dict[str, Any] | None = None,
    rows: Callable[[vz.Result], list[dict[str, Any]]] | None = None,
) -> vz.Result:  # fmt: skip
    """Renders with progress, saves what came out, also of an interrupted run, and answers.

    Args:
        make: called with ``key``, ``on_step`` and ``every``, as `vizjax.render` takes them; returns the
            result.
        out: the ``target`` of ``draw``: a PNG with numbered snapshots beside it, or an animation.
        draw: how to draw and to answer.
        title: what is being done.
        steps: of all stages of a job together.
        jobs: how many pictures are made.
        about: what the saved recipe says besides the seed and what `vizjax.render` has written there.
        answer: what a JSON answer says besides the file and the final scores.
        rows: measures the result, once it is saved: a line each for people, ``rows`` in JSON.

    Returns:
        The result.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> none = vz.Result(np.zeros((1, 1, 8, 8, 3)), *[np.zeros(1)] * 4, {})
        >>> made = drawn(lambda **_: none, Path(tempfile.mkdtemp(), "a.png"), Drawing(), title="a", steps=1)
        /.../a.png
    """
    every = draw.every or (None if out.suffix.lower() == ".png" else max(1, steps // FRAMES))
    about = {"seed": draw.seed} | (about or {})
    made = 0

    def on_step(count: int, scores: Any) -> None:
        nonlocal made
        made += count
        reporter.report(Progress("", 0, steps * jobs, made), scores)

    with Reporter(title, counted=False) as reporter:
        try:
            result = make(key=jax.random.key(draw.seed), on_step=on_step, every=every)
        except vz.Interrupted as stop:
            _save(stop.result, out, about)
            stop.add_note(f"the pictures so far are in {out}")
            raise
    files = _save(result, out, about)
    facts = {"file": str(out), "files": list(map(str, files)), "final": np.asarray(result.final).tolist()}
    measured = {"rows": rows(result)} if rows else {}
    lines = [*map(str, files), *map(_line, measured.get("rows", []))]
    draw.tell("\n".join(lines), facts | (answer or {}) | measured)
    return result


def _save(result: vz.Result, out: Path, about: dict[str, Any]) -> list[Path]:
    result = result._replace(recipe=result.recipe | about)
    vz.save(result, out)
    if result.frames is None or out.suffix.lower() != ".png":
        return [out]
    paths = [out.with_stem(f"{out.stem}-{i:03d}") for i in range(result.frames.shape[-5])]
    for i, path in enumerate(paths):
        vz.save(result._replace(images=np.take(result.frames, i, axis=-5)), path)
    return [out, *paths]


def _line(row: dict[str, Any]) -> str:
    return "  ".join(f"{key} {_spelled(value)}" for key, value in row.items())


def _spelled(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_spelled(x)}" for key, x in value.items()) + ")"
    if isinstance(value, list):
        return " ".join(map(_spelled, value))
    return f"{value:.3f}" if isinstance(value, float) else str(value)
