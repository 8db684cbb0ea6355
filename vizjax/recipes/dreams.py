"""DeepDream: what a layer sees in a picture, amplified from coarse to fine."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from vizjax import images, nn, objectives, transforms, updates
from vizjax.ascent import Objective, Result
from vizjax.errors import InputError, check_counts
from vizjax.factory import factory
from vizjax.pictures import resized
from vizjax.recipes.seeing import seen
from vizjax.recipes.stages import joined, staged
from vizjax.render import render
from vizjax.tiles import tiled

Picture = Float[np.ndarray, "h w c"]


def dream(
    net: Any, picture: Picture, layer: str, *, guide: Float[np.ndarray, "h2 w2 c"] | None = None,
    octaves: int = 4, ratio: float = 1.4, step: float = 1.5, tile: int = 512, key: Array | None = None,
    every: int | None = None, **settings: Any,
) -> Result:  # fmt: skip
    """What a layer sees in a picture, amplified: ten steps at each of several sizes, from small to full.

    At each size, what the smaller one added is scaled up and added to the picture. Pixels move by
    ``step · g / mean|g|``, pictures are rolled by up to 32 pixels before each step, and stay in range.

    Args:
        net: a net.
        picture: to start from, in [0, 1].
        layer: whose mean square is maximized.
        guide: a picture whose features the layer is to find instead: each position is drawn to the
            position of the guide that it agrees with best.
        octaves: number of sizes.
        ratio: between two of them, > 1.
        step: mean move of a value in a step, in levels of 0 … 255.
        tile: side in pixels beyond which pictures are computed tile by tile, to bound memory; they are
            rolled by half a tile then, to hide the seams.
        key: what the rolls are drawn from.
        every: steps between two snapshots, scaled to the full size.
        **settings: of `vizjax.render`; ``steps`` are those of each size, 10 by default.

    Returns:
        The picture, with the scores of all sizes one after the other; ``baseline`` is the score of the
        smallest one before its first step.

    Raises:
        InputError: at counts below 1, a ratio that is not above 1, or sizes too small for the layer.
        Interrupted: at Ctrl-C, with the picture so far in full size.

    References:
        Mordvintsev et al., Inceptionism: Going Deeper into Neural Networks, 2015, and its notebook.

    Example:
        >>> import vizjax as vz
        >>> picture = np.random.default_rng(0).random((48, 64, 3), np.float32)
        >>> dream(vz.load("efficientnet_lite0"), picture, "stem", octaves=2, steps=1).images.shape
        (1, 1, 48, 64, 3)
    """
    check_counts(octaves=octaves)
    if ratio <= 1:
        raise InputError(f"octaves grow by a ratio above 1, not {ratio}; the usual one is 1.4")
    key = jax.random.key(0) if key is None else key
    full, channels = picture.shape[:2], picture.shape[-1]
    large = max(full) > tile
    settings = {
        "steps": 10, "rectify": nn.plain, "transform": transforms.roll(tile // 2 if large else 32),
        "optimizer": updates.chain(updates.normalized(step / 255), updates.clip_pixels()),
    } | settings  # fmt: skip
    wanted = None if guide is None else seen(net, guide[None], layer)
    shown = tiled(net, layer, tile) if large else net
    objective = _dreamt(layer, guide is not None)

    def dreamt_on(dreamt: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The picture in a size, with what another size has added to it."""
        return resized(picture, size) + resized(dreamt - resized(picture, dreamt.shape[:2]), size)

    def octave_by_octave() -> Iterator[Result]:
        now = picture
        for octave in range(octaves):
            size = tuple(max(1, round(side / ratio ** (octaves - 1 - octave))) for side in full)
            run = {"image": images.pixels(size, channels=channels), "every": every} | settings
            run |= {"key": jax.random.fold_in(key, octave), "start": dreamt_on(now, size)}
            part = render(shown, objective, wanted, **run)
            now = part.images[0, 0]
            yield part

    told = {"layer": layer, "octaves": octaves, "ratio": ratio, "guided": guide is not None}
    return staged(
        octave_by_octave(),
        lambda parts: joined(parts, lambda dreamt: np.clip(dreamt_on(dreamt, full), 0, 1), told),
    )


@factory
def _dreamt(layer: str, guided: bool) -> Objective:
    if guided:
        return lambda acts, guide: objectives.best_match(acts[layer], guide)
    return lambda acts, _: objectives.deepdream(acts[layer])
