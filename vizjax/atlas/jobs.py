"""The jobs of an atlas: what a shard is, how it is rendered, and when a unit is tried again."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from vizjax import files, images, objectives
from vizjax.ascent import WARM_UP, Result
from vizjax.atlas import store
from vizjax.errors import unknown
from vizjax.factory import recipe
from vizjax.keys import named_key
from vizjax.precision import dtype_of
from vizjax.render import Renderer, renderer
from vizjax.timing import timed

ATTEMPTS = 3
"""Runs that a dead or diverged unit gets, each with another key."""

FLAT = 8 / 255
"""A picture whose luminance deviates by less is taken for dead."""

DIVERSITY = 3.0
"""Weight of `vizjax.objectives.diversity` in the facet ``diverse``."""

LARGEST_SHEET = 16383
"""Side of the largest WebP picture in pixels."""


class Facet(NamedTuple):
    """A kind of picture of a unit.

    Attributes:
        name: such as ``"positive"``.
        pictures: optimized together for one unit.
        sign: 1 to raise the channel's activation, −1 to lower it.
    """

    name: str
    pictures: int
    sign: int


def facet(name: str) -> Facet:
    """A facet by name.

    Args:
        name: ``"positive"``, ``"negative"``, ``"diverse"`` (4 pictures) or such as ``"diverse6"``.

    Returns:
        The facet.

    Raises:
        UnknownName: at another name.

    Example:
        >>> facet("diverse6")
        Facet(name='diverse6', pictures=6, sign=1)
    """
    if match := re.fullmatch(r"diverse([2-9]|[1-9]\d)?", name):
        return Facet(name, int(match[1] or 4), 1)
    if name not in ("positive", "negative"):
        raise unknown("facet", name, ["positive", "negative", "diverse", "diverse2 ... diverse99"])
    return Facet(name, 1, 1 if name == "positive" else -1)


class Shard(NamedTuple):
    """One batch of jobs: the unit of work, of commit and of distribution."""

    out: str
    layer: str
    facet: str
    units: tuple[int, ...]
    size: int
    steps: int
    width: int
    seed: int


def settings(net: Any, size: int, steps: int) -> dict[str, Any]:
    """How an atlas of these numbers is made, as text and numbers.

    Args:
        net: a net.
        size: side of the pictures in pixels.
        steps: of optimization.

    Returns:
        The recipe that an atlas stores, and by which it knows its own continuation.
    """
    draw = renderer(objectives.channel, image=_image(net, size, 1)).settings
    return {
        "objective": "mean activation of the channel",
        "diversity": DIVERSITY,
        "size": [size, size],
        "steps": steps,
        **{part: recipe(getattr(draw, part)) for part in ("image", "transform", "optimizer", "rectify")},
        "dtype": dtype_of(net),
    }


def render_shard(net: Any, shard: Shard, under_way: Callable[[float], object] | None = None) -> None:
    """Renders one shard and commits it.

    Args:
        net: a net.
        shard: what to render.
        under_way: called after each step with the jobs done, in fractions.

    Raises:
        InputError: where a file cannot be written.
    """
    kind = facet(shard.facet)
    draw = timed("render", layer=shard.layer, facet=shard.facet)(shard_renderer(net, shard))
    key = named_key(named_key(jax.random.key(shard.seed), shard.layer), shard.facet)
    units, steps = np.array(shard.units), 0

    def on_step(*_: object) -> None:
        nonlocal steps
        steps += 1
        if under_way:
            under_way(len(units) * min(1.0, steps / shard.steps))

    best = draw(net, units, key=key, on_step=on_step)
    status, attempts = _status(best, shard.steps), np.ones(len(units), int)
    for attempt in range(1, ATTEMPTS):
        failed = np.flatnonzero(status != "ok")
        if not len(failed):
            break
        other = jax.random.fold_in(named_key(key, "retry"), attempt)
        again = draw(net, units[failed], key=other)
        _keep_better(best, status, again, _status(again, shard.steps), failed)
        attempts[failed] += 1
    rows = store.Rows(
        facet=shard.facet,
        sheet=f"{shard.facet}-{shard.units[0]:06d}.webp",
        columns=min(LARGEST_SHEET // shard.size, len(units) * kind.pictures),
        units=list(shard.units),
        score=_numbers(best.scores[:, -1]),
        final=_numbers(best.final),
        baseline=_numbers(best.baseline),
        status=status.tolist(),
        attempts=attempts.tolist(),
    )
    pictures = files.to_bytes(best.images)
    store.commit(Path(shard.out), shard.layer, rows, pictures.reshape(-1, *pictures.shape[2:]))


def shard_renderer(net: Any, shard: Shard) -> Renderer:
    """The renderer of a shard, the same one for all of a layer and facet.

    Args:
        net: a net.
        shard: of which layer, facet, size, width and number of steps.

    Returns:
        A `vizjax.Renderer`, whose targets are units.
    """
    kind = facet(shard.facet)
    image = _image(net, shard.size, kind.pictures)
    objective = _objective(shard.layer, kind)
    return renderer(objective, image=image, steps=shard.steps, batch=shard.width)


@functools.cache
def _objective(layer: str, kind: Facet) -> Callable[[Any, Any], Any]:
    def objective(acts: Any, unit: Any) -> Any:
        score = kind.sign * objectives.channel(acts[layer], unit)
        if kind.pictures > 1:
            score -= DIVERSITY * objectives.diversity(acts[layer])
        return score

    return objective


def _status(result: Result, steps: int) -> np.ndarray:
    luminance = result.images.mean(-1)
    flat = np.nan_to_num(luminance).std(axis=(-2, -1)).min(-1) < FLAT
    stuck = ~result.alive if steps > WARM_UP else np.zeros_like(flat)
    finite = np.isfinite(result.scores).all(-1) & np.isfinite(result.final)
    finite &= np.isfinite(result.images).all((1, 2, 3, 4))
    return np.where(finite, np.where(flat | stuck, "dead", "ok"), "diverged")


def _keep_better(
    best: Result, status: np.ndarray, again: Result, news: np.ndarray, lanes: np.ndarray
) -> None:
    """Takes over, in place, what a retry made better: alive before dead before diverged, then by score."""
    order = {"ok": 2, "dead": 1, "diverged": 0}
    for i, lane in enumerate(lanes):
        now, was = (order[news[i]], again.final[i]), (order[status[lane]], best.final[lane])
        if now > was:
            status[lane] = news[i]
            for part in ("images", "scores", "final", "baseline", "alive"):
                getattr(best, part)[lane] = getattr(again, part)[i]


def _numbers(values: np.ndarray) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in values]


def _image(net: Any, size: int, pictures: int) -> images.Parameterization:
    return images.fourier(size, n=pictures, channels=getattr(net, "input_shape", (0, 0, 3))[-1])
