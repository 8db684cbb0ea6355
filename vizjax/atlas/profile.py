"""Where the time of a build goes: compiling, the parts of a step, files; and how fast the net is.

Compiling, storing and the page are timed throughout the build. The parts of a step are told apart in
a trace of a few more steps of the same compiled programs, after it; the time that rendering took
divides as that trace does.
"""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from vizjax import nn
from vizjax.activations import activations
from vizjax.ascent import compiled
from vizjax.atlas.jobs import Shard, facet, shard_renderer
from vizjax.atlas.reading import Atlas
from vizjax.atlas.store import slug
from vizjax.costs import costs
from vizjax.program import flat, weights_of
from vizjax.render import Renderer
from vizjax.render import init as first_state
from vizjax.timing import Span, spent
from vizjax.trace import OTHER, recorded, seconds_by_scope

SCOPES = ("net", "transform", "decode", "update")
"""The parts of a step, as it names them."""

WINDOW = 3
"""Steps of each program that are traced: each is a megabyte, or several of a deep net."""

MOST = 4
"""Programs, one for each layer and facet, that are traced; those that took longest."""

_ROWS = {
    "compile": "compiling, or finding what was compiled before",
    "net": "the net, forward and gradient",
    "transform": "transforms and their gradient",
    "decode": "pictures from their parameters, and the gradient",
    "update": "the optimizer",
    "store": "sheets of finished pictures",
    "page": "the page",
    OTHER: "all else, and waiting",
}


class Profile(NamedTuple):
    """Where the time of a build went.

    Attributes:
        seconds: part of the build -> seconds; together all that it took.
        steps: of optimization, of a whole batch each.
        milliseconds: of a step.
        net: operations a second in the net, in 10⁹ (GFLOP/s): two for each multiply-add of direct
            convolutions, in every lane, forward and for the picture's gradient.
        product: operations a second in a product of matrices, the same way.
        folder: of the traces.
    """

    seconds: dict[str, float]
    steps: int
    milliseconds: float
    net: float
    product: float
    folder: str


def profiled(net: Any, atlas: Atlas, spans: Sequence[Span], folder: Path) -> Profile:
    """Where the time of a build went, of which spans were collected.

    Args:
        net: that was rendered.
        atlas: that was built.
        spans: that were collected by `vizjax.timing.listening`; the whole build's is named "build".
        folder: where traces go, one for each layer and facet.

    Returns:
        A `Profile`. Where nothing was rendered, or elsewhere, by an executor, there are no steps and
        no rates.
    """
    compiling = [span for span in spans if span.name.startswith("/jax/core/compile/")]
    draws = defaultdict(list)
    for span in spans:
        if span.name == "/vizjax/render":
            draws[str(span.about["layer"]), str(span.about["facet"])].append(span)
    took = {program: spent(draws[program], without=compiling) for program in draws}
    steps, work, parts = atlas.recipe["steps"], 0, Counter[str]()
    for program in sorted(took, key=took.__getitem__, reverse=True)[:MOST]:
        shares, operations = _traced(net, _shard(atlas, *program), folder)
        parts.update({part: took[program] * share for part, share in shares.items()})
        work += operations * steps * len(draws[program])
    rendering, number = sum(took.values()), steps * sum(map(len, draws.values()))
    # what was not traced is taken for like the rest
    found = {scope: rendering * parts[scope] / max(parts.total(), 1e-9) for scope in SCOPES}
    found |= {part: spent(s for s in spans if s.name == f"/vizjax/{part}") for part in ("store", "page")}
    found["compile"] = spent(compiling)
    found[OTHER] = spent(s for s in spans if s.name == "/vizjax/build") - sum(found.values())
    return Profile(
        seconds={part: found[part] for part in _ROWS},
        steps=number,
        milliseconds=1e3 * rendering / max(number, 1),
        net=work / parts["net"] / 1e9 if parts["net"] else 0.0,
        product=product_rate() if number else 0.0,
        folder=str(folder),
    )


def summary(profile: Profile) -> str:
    """A profile for people, in a dozen lines.

    Args:
        profile: of `profiled`.

    Returns:
        Text.

    Example:
        >>> print(summary(Profile({"compile": 6.0, "net": 2.0}, 256, 7.8, 60.0, 200.0, "atlas/profile")))
        compile      6.00 s   75 %  compiling, or finding what was compiled before
        net          2.00 s   25 %  the net, forward and gradient
        total        8.00 s
        256 steps, 7.8 ms each
        net: 60.0 GFLOP/s of direct convolutions, 30 % of the 200 of a matrix product in float32
        traces of 3 more steps: atlas/profile
    """
    total = sum(profile.seconds.values())
    rows = [
        f"{part:<10} {seconds:>6.2f} s {100 * seconds / total:>4.0f} %  {_ROWS[part]}"
        for part, seconds in profile.seconds.items()
    ]
    rows.append(f"{'total':<10} {total:>6.2f} s")
    if not profile.steps:
        return "\n".join([*rows, "nothing was left to render, so no step was traced"])
    net, product = _three(profile.net), _three(profile.product)
    share = f"{100 * profile.net / profile.product:.0f} % of the {product} of a matrix product in float32"
    # the cache of compiled programs does not look at names: an older version's program has other ones
    unnamed = (
        "no part of a step is named in its program; the cache of compiled programs may be of another version"
    )
    rows += [
        f"{profile.steps} steps, {profile.milliseconds:.1f} ms each",
        f"net: {net} GFLOP/s of direct convolutions, {share}" if profile.net else unnamed,
        f"traces of {WINDOW} more steps: {profile.folder}",
    ]
    return "\n".join(rows)


def multiply_adds(net: Any, layer: str, shape: tuple[int, ...]) -> int:
    """What computing a layer takes for one picture of a size, counted as `vizjax.layers` does.

    Args:
        net: a net.
        layer: one of its layers.
        shape: of the picture, h w c.

    Returns:
        Multiplications with an addition, forward.

    Example:
        >>> import vizjax as vz
        >>> net = vz.load("efficientnet_lite0")
        >>> [multiply_adds(net, "stem", (side, side, 3)) for side in (224, 112)]
        [10838016, 2709504]
    """
    structure = jax.tree.structure(net)
    weights, order = weights_of(net)

    def run(values: list[Array], picture: Array) -> Array:
        return activations(jax.tree.unflatten(structure, [values[i] for i in order]), picture)[layer]

    picture = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    with nn.lax_only():  # the direct form, whichever one is run
        program = flat(jax.make_jaxpr(run)([weight.value for weight in weights], picture))
    return costs(program, len(weights))[0].multiply_adds


def product_rate(side: int = 2048, repetitions: int = 5) -> float:
    """How fast this device multiplies matrices, at the precision that convolutions get too.

    Args:
        side: of the matrices of float32.
        repetitions: the fastest of which counts.

    Returns:
        Operations a second in 10⁹, two for each multiply-add.

    Example:
        >>> product_rate(64, 2) > 0
        True
    """
    a, product = jnp.ones((side, side)), jax.jit(jnp.matmul)
    product(a, a).block_until_ready()
    took = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        product(a, a).block_until_ready()
        took.append(time.perf_counter() - begin)
    return 2 * side**3 / min(took) / 1e9


def _three(rate: float) -> str:
    """Three digits, without an exponent."""
    number = float(f"{rate:.3g}")
    return f"{number:,.{max(0, 2 - math.floor(math.log10(number or 1)))}f}"


def _shard(atlas: Atlas, layer: str, kind: str) -> Shard:
    about, recipe = atlas.manifest, atlas.recipe
    return Shard("", layer, kind, (0,), recipe["size"][0], recipe["steps"], about["width"], about["seed"])


def _traced(net: Any, shard: Shard, folder: Path) -> tuple[dict[str, float], int]:
    """The shares of a step's parts, in a trace of some steps, and the operations of the net in a step."""
    draw = shard_renderer(net, shard)
    leaves, programs = compiled(draw.settings, net, draw.objective)
    state = first_state(draw, np.zeros(shard.width, int))
    step: Any = programs.step  # jitted: calling it has compiled it already
    program = step.lower(leaves, state, shard.steps).compile().as_text()
    state = jax.block_until_ready(step(leaves, state, shard.steps))
    place = folder / f"{slug(shard.layer)}-{shard.facet}"
    with recorded(place):
        for _ in range(WINDOW):
            state = step(leaves, state, shard.steps)
        jax.block_until_ready(state)
    seconds = seconds_by_scope(place, program, SCOPES)
    total = sum(seconds.values())
    pictures = shard.width * facet(shard.facet).pictures * draw.settings.samples
    once = multiply_adds(net, shard.layer, _seen(draw))
    # two operations for each multiply-add, and as many again for the gradient
    return {part: took / total for part, took in seconds.items()}, 4 * once * pictures


def _seen(draw: Renderer) -> tuple[int, ...]:
    """The shape in which the net sees a picture, after transforms."""

    def view(key: Array) -> Array:
        picture = draw.settings.image.decode(draw.settings.image.init(key, None))[0]
        return draw.settings.transform(key, picture, jnp.float32(0))

    return jax.eval_shape(view, jax.random.key(0)).shape
