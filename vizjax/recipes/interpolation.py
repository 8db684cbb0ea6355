"""From one unit to another, frame by frame."""

from typing import Any

import numpy as np
from jaxtyping import Array, Int

from vizjax import images, objectives, updates
from vizjax.ascent import Objective, Result
from vizjax.errors import InputError
from vizjax.factory import factory
from vizjax.render import render


def interpolate(
    net: Any, layer: str, pairs: Int[Array | np.ndarray, "jobs 2"], *,
    frames: int = 6, weight: float = 0.01, **settings: Any,
) -> Result:  # fmt: skip
    """Pictures on the way between two units: frame i of n wants both, (n − 1 − i) : i.

    All frames share the coarse parts of their pictures, and neighbours are drawn to each other, so that
    what the frames have in common stays in its place.

    Args:
        net: a net.
        layer: its name.
        pairs: the first and the last frame's channel; each pair is a job.
        frames: pictures in a job, 2 or more.
        weight: of the alignment, −Σ mean (x_i − x_j)² / 2^|i−j| of the layer's activations; 0 for none.
        **settings: of `vizjax.render`; an ``image`` brings the size of its group with it.

    Returns:
        The frames, ``jobs frames h w c``.

    Raises:
        InputError: at less than two frames.

    References:
        Olah et al., Feature Visualization, Distill 2017 (interaction between neurons); Mordvintsev et
        al., Differentiable Image Parameterizations, Distill 2018 (aligned interpolation).

    Example:
        >>> import vizjax as vz
        >>> few = {"image": vz.images.fourier(32, n=4), "steps": 2}
        >>> interpolate(vz.load("efficientnet_lite0"), "stem", np.array([[3, 5]]), **few).images.shape
        (1, 4, 32, 32, 3)
    """
    if frames < 2:
        raise InputError(f"an interpolation has 2 or more frames, not {frames}; give frames=6")
    pairs = np.asarray(pairs)
    targets = {"pair": pairs, "weight": np.full(len(pairs), weight, np.float32)}
    defaults: dict[str, Any] = {
        "image": images.shared(128, n=frames),
        "optimizer": updates.adam(0.04, b1=0.5),
        "steps": 80,
        "ids": [f"{first}-{last}" for first, last in pairs],
    }
    about = {"layer": layer, "pairs": pairs.tolist(), "weight": weight}
    return render(net, _between(layer), targets, about=about, **defaults | settings)


@factory
def _between(layer: str) -> Objective:
    def objective(acts: Any, target: dict[str, Array]) -> Array:
        x = acts[layer]
        near = target["weight"] * objectives.alignment(x)
        return objectives.interpolation(x, target["pair"]) + near

    return objective
