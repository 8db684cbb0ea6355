"""Endless zooms: a dream, its middle enlarged, a dream of that, and so on."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from vizjax.ascent import Result
from vizjax.errors import InputError, check_counts
from vizjax.pictures import resized
from vizjax.recipes.dreams import dream
from vizjax.recipes.stages import joined, staged

Picture = Float[np.ndarray, "h w c"]


def zoom(
    net: Any, picture: Picture, layer: str, *, frames: int = 60, growth: float = 1.05,
    key: Array | None = None, **settings: Any,
) -> Result:  # fmt: skip
    """A flight into a picture: each frame is a dream of the frame before, enlarged a little.

    Args:
        net: a net.
        picture: to start from, in [0, 1]; it is the first frame.
        layer: whose mean square is maximized, or which is drawn to the guide.
        frames: dreams after the picture.
        growth: by which the middle of each frame is enlarged for the next, > 1.
        key: what the rolls are drawn from.
        **settings: of `vizjax.recipes.dream` without ``every``; by default two octaves of three steps.

    Returns:
        The last frame with the scores of all; ``frames`` are all pictures, for ``vz.save(result,
        "zoom.gif")``.

    Raises:
        InputError: at counts below 1, a growth that is not above 1, or where a dream does.
        Interrupted: at Ctrl-C, with the frames so far.

    References:
        Mordvintsev et al., Inceptionism: Going Deeper into Neural Networks, 2015.

    Example:
        >>> import vizjax as vz
        >>> picture = np.random.default_rng(0).random((32, 48, 3), np.float32)
        >>> net = vz.load("efficientnet_lite0")
        >>> zoom(net, picture, "stem", frames=2, octaves=1, steps=1).frames.shape
        (1, 3, 1, 32, 48, 3)
    """
    check_counts(frames=frames)
    if growth <= 1:
        raise InputError(f"a zoom grows by a factor above 1, not {growth}; try 1.05")
    key = jax.random.key(0) if key is None else key
    settings = {"octaves": 2, "steps": 3} | settings
    h, w = picture.shape[:2]
    edge = (1 - 1 / growth) / 2
    inner = (edge * w, edge * h, (1 - edge) * w, (1 - edge) * h)

    def frame_by_frame() -> Iterator[Result]:
        now = picture
        for i in range(frames):
            part = dream(net, now, layer, key=jax.random.fold_in(key, i), **settings)
            now = np.clip(resized(part.images[0, 0], (h, w), inner), 0, 1)
            yield part

    def flight(parts: list[Result]) -> Result:
        whole = joined(parts, np.asarray, {"frames": len(parts), "growth": growth})
        shown = [picture, *(part.images[0, 0] for part in parts)]
        return whole._replace(frames=np.stack(shown)[None, :, None])

    return staged(frame_by_frame(), flight)
