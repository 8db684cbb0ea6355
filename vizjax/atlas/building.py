"""Building an atlas: which shards are open, who renders them, and the page about them."""

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vizjax import files
from vizjax.activations import layers as layer_facts
from vizjax.atlas import manifest as manifests
from vizjax.atlas import page, store
from vizjax.atlas.jobs import LARGEST_SHEET, Facet, Shard, facet, render_shard, settings
from vizjax.atlas.reading import Atlas, open_atlas
from vizjax.errors import InputError, check_counts, spelled, unknown
from vizjax.models import MODELS
from vizjax.timing import timed

PAGE_PAUSE = 20.0
"""Seconds after which a growing atlas's page is written again, so that it can be watched."""


class Progress(NamedTuple):
    """How far a build is.

    Attributes:
        layer: what is being rendered.
        before: units times facets that earlier runs had finished.
        total: units times facets.
        now: rendered in this run, in fractions for those under way.
    """

    layer: str
    before: int
    total: int
    now: float


def build(
    net: Any,
    layers: Sequence[str] | None = None,
    out: str | Path = "atlas",
    *,
    units: Iterable[int] | slice | None = None,
    facets: Sequence[str] = ("positive",),
    size: int = 128,
    steps: int = 64,
    batch: int | None = None,
    seed: int = 0,
    executor: Executor | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Atlas:
    """Renders every unit of layers into a folder that a person browses; continues if interrupted.

    Args:
        net: a net.
        layers: names; by default the model's own choice.
        out: the atlas's folder. What is committed there is never done again; layers, units and
            facets can be added later.
        units: channel numbers, or a slice of them; None for all.
        facets: ``"positive"``, ``"negative"``, ``"diverse"`` (see `facet`).
        size: side of the pictures in pixels.
        steps: of optimization.
        batch: the width W; by default chosen once and stored with the atlas.
        seed: what all randomness comes from.
        executor: any `concurrent.futures.Executor` (of processes, or Dask's on a cluster) that
            renders the shards; by default this process does.
        on_progress: called with a `Progress` as it goes on.

    Returns:
        The atlas, opened. It names the units that are classes; one from before there were names gets
        them when it goes on.

    Raises:
        InputError: at unknown layers, facets or units, sizes or steps below 1, an atlas of another
            model or recipe in the folder, or where a file cannot be written. Nothing that was
            committed before is lost.

    References:
        Olah et al., Feature Visualization, Distill 2017.

    Example:
        >>> import tempfile, vizjax as vz
        >>> net = vz.load("efficientnet_lite0")
        >>> atlas = build(net, ["stem"], tempfile.mkdtemp(), units=range(2), size=32, steps=2)
        >>> atlas["stem"].images.shape
        (2, 1, 32, 32, 3)
    """
    out = Path(out)
    chosen = _chosen_units(net, layers, units)
    kinds = [facet(name) for name in dict.fromkeys(facets)]
    if not kinds:
        raise InputError("an atlas needs one or more facets, such as 'positive'")
    check_counts(size=size, steps=steps, batch=batch)
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise InputError(f"seed must be a whole number of 0 or more, not {seed!r}")
    if size > LARGEST_SHEET:
        raise InputError(
            f"size must be {LARGEST_SHEET} pixels or less, the largest a sheet can hold, not {size}"
        )
    about = manifests.begin(net, out, chosen, kinds, settings(net, size, steps), batch, seed)
    files.remove_temporaries(out)
    files.write(out / manifests.MANIFEST, manifests.to_json(about))
    plan = Shard(str(out), "", "", (), size, steps, about["width"], seed)
    shards = list(_open_shards(plan, chosen, kinds))
    total = sum(map(len, chosen.values())) * len(kinds)
    before = total - sum(len(shard.units) for shard in shards)
    try:
        _render_all(net, shards, executor, on_progress, before, total)
    finally:
        _write_page(out)
    return open_atlas(out)


def _chosen_units(net: Any, layers: Sequence[str] | None, units: Any) -> dict[str, list[int]]:
    facts = layer_facts(net)
    if layers is None:
        name = getattr(net, "name", None)
        if name not in MODELS:
            raise InputError(
                "this net has no default layer; name some, such as layers=['…'], of vizjax.layers(net)"
            )
        layers = [MODELS[name].layer]
    chosen = {}
    for layer in layers:
        if layer not in facts:
            raise unknown("layer", layer, facts, "`vizjax layers MODEL` lists them")
        numbers = range(facts[layer].channels)
        wanted = (
            list(numbers[units])
            if isinstance(units, slice)
            else [int(u) for u in (numbers if units is None else units)]
        )
        wrong = [u for u in wanted if u not in numbers]
        if wrong or not wanted:
            raise InputError(
                f"units of layer {layer!r} are 0 ... {len(numbers) - 1}, one or more of them, not "
                f"{spelled(wrong)}; choose with such as 0:{len(numbers)}"
            )
        chosen[layer] = list(dict.fromkeys(wanted))
    return {name: chosen[name] for name in facts if name in chosen}


def _open_shards(plan: Shard, chosen: Mapping[str, list[int]], kinds: list[Facet]) -> Iterable[Shard]:
    """The shards that are not committed yet.

    Which units share a shard follows from what is asked for alone, not from what is there: several
    processes that share a folder agree on it.
    """
    for layer, units in chosen.items():
        rows = store.committed(Path(plan.out), layer, skip_broken=True)
        there = {(r.facet, unit) for r in rows for unit in r.units}
        for kind in kinds:
            for first in range(0, len(units), plan.width):
                block = units[first : first + plan.width]
                missing = tuple(u for u in block if (kind.name, u) not in there)
                if missing:
                    yield plan._replace(layer=layer, facet=kind.name, units=missing)


def _render_all(
    net: Any,
    shards: list[Shard],
    executor: Executor | None,
    on_progress: Callable | None,
    before: int,
    total: int,
) -> None:
    finished, page_at = 0, time.monotonic()

    def report(shard: Shard, under_way: float = 0.0) -> None:
        if on_progress:
            on_progress(Progress(shard.layer, before, total, finished + under_way))

    for shard in _rendered(net, shards, executor, report):
        finished += len(shard.units)
        if time.monotonic() - page_at > PAGE_PAUSE:
            _write_page(Path(shard.out))
            page_at = time.monotonic()
        report(shard)


def _rendered(
    net: Any, shards: list[Shard], executor: Executor | None, report: Callable[[Shard, float], None]
) -> Iterator[Shard]:
    """Renders the shards, here or wherever the executor does, and hands out each that is committed."""
    if executor is None:
        for shard in shards:
            render_shard(net, shard, functools.partial(report, shard))
            yield shard
        return
    futures = {executor.submit(render_shard, net, shard): shard for shard in shards}
    try:
        for future in as_completed(futures):
            future.result()
            yield futures[future]
    finally:
        for future in futures:
            future.cancel()


@timed("page")
def _write_page(out: Path) -> None:
    manifest = manifests.read(out)
    for name in manifest["layers"]:
        shards = [rows._asdict() for rows in store.committed(out, name, skip_broken=True)]
        layer = {"name": name, "size": manifest["recipe"]["size"], "shards": shards}
        script = page.layer_script(layer | {"facets": manifest["layers"][name]["facets"]})
        files.write(store.folder(out, name) / "layer.js", script)
    files.write(out / "index.html", page.html(manifest))
