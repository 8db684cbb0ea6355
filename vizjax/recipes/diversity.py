"""Several pictures of one unit that are as different as they can be."""

from typing import Any

import numpy as np
from jaxtyping import Array, Int

from vizjax import images, objectives
from vizjax.ascent import Objective, Result
from vizjax.factory import factory
from vizjax.render import render

WEIGHTS = {"efficientnet_lite0": 3.0, "inceptionv1": 100.0}
"""Weight of the penalty by model, about a tenth of the activation that units attain in its blocks."""


def diversify(
    net: Any, layer: str, units: Int[Array | np.ndarray, " jobs"], *,
    count: int = 4, weight: float | None = None, **settings: Any,
) -> Result:  # fmt: skip
    """Groups of pictures that a unit responds to, each group with as little in common as possible.

    Args:
        net: a net.
        layer: its name.
        units: channels of the layer; each is a job.
        count: pictures in a group.
        weight: of the penalty Σ cos(Gram_i, Gram_j) / count, in units of the activation; None for that
            of the model in `WEIGHTS`, or 3.
        **settings: of `vizjax.render`; an ``image`` brings the size of its group with it.

    Returns:
        The groups, ``jobs count h w c``.

    References:
        Olah et al., Feature Visualization, Distill 2017 (diversity).

    Example:
        >>> import vizjax as vz
        >>> few = {"image": vz.images.fourier(32, n=3), "steps": 2}
        >>> diversify(vz.load("efficientnet_lite0"), "stem", np.array([3, 5]), **few).images.shape
        (2, 3, 32, 32, 3)
    """
    if weight is None:
        weight = WEIGHTS.get(getattr(net, "name", ""), 3.0)
    targets = {"unit": np.asarray(units), "weight": np.full(len(units), weight, np.float32)}
    defaults: dict[str, Any] = {"image": images.fourier(128, n=count), "ids": np.asarray(units)}
    about = {"layer": layer, "weight": weight}
    return render(net, _apart(layer), targets, about=about, **defaults | settings)


@factory
def _apart(layer: str) -> Objective:
    def objective(acts: Any, target: dict[str, Array]) -> Array:
        x = acts[layer]
        return objectives.channel(x, target["unit"]) - target["weight"] * objectives.diversity(x)

    return objective
