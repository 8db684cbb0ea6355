"""What the verbs about representations share: nets without weights, and pictures to compare."""

from pathlib import Path
from typing import Annotated, Any

import jax.numpy as jnp
from tyro.conf import arg

import vizjax as vz
from vizjax.errors import InputError, unknown
from vizjax.features import FEATURES
from vizjax.features.gradients import grey
from vizjax.models import MODELS
from vizjax.recipes.inversion.invariance import gaussian
from vizjax.recipes.inversion.reports import crops

CLASSICAL = FEATURES | {"blur": gaussian}
"""Nets without weights, by name."""

Net = Annotated[str, arg(metavar="NET", help=f"{', '.join(CLASSICAL)}, or a model")]
Folder = Annotated[Path | None, arg(name="set", metavar="FOLDER", help="what errors are relative to")]
Starts = Annotated[int, arg(metavar="N", help="reconstructions from different noise")]
Steps = Annotated[int | None, arg(metavar="N", help="of optimization; else the method's")]


def load_net(net: str, weights: str | None, dtype: str = "float32", **options: Any) -> Any:
    """A net by name, with or without weights."""
    if net in CLASSICAL:
        if weights or dtype != "float32":
            raise InputError(f"{net} has no weights and computes in float32; leave out --weights and --dtype")
        try:
            return CLASSICAL[net](**options)
        except TypeError as error:
            raise InputError(
                f"{net} has no such parameter ({error}); hog, hogb and dsift have cell"
            ) from None
    if net not in MODELS:
        raise unknown("net", net, [*CLASSICAL, *MODELS])
    return vz.load(net, weights, dtype)


def default_layer(net: str) -> str:
    """The layer that is inverted where none is named."""
    return CLASSICAL[net]().name if net in CLASSICAL else MODELS[net].layer


def parse_numbers(text: str) -> list[float]:
    """Numbers that are written with commas."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"numbers are written 1,3,10, not {text!r}") from None


def depth(net: Any) -> int:
    """Channels of the pictures that a net takes."""
    return getattr(net, "input_shape", (224, 224, 3))[-1]


def read_for(net: Any, path: Path, size: int) -> Any:
    """A picture, grey where the net takes no other."""
    picture = jnp.asarray(vz.read_picture(path, size))
    return grey(picture[None])[0] if depth(net) == 1 else picture


def other_pictures(net: Any, folder: Path | None, size: int, picture: Any) -> Any:
    """Those of a folder; without one, parts of the picture stand in for them."""
    if folder is None:
        return crops(picture)
    paths = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    if len(paths) < 2:
        raise InputError(f"{folder} is no folder of two or more pictures; give one")
    return jnp.stack([read_for(net, path, size) for path in paths])
