"""The ways to invert a layer, as data: ``METHODS``."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from vizjax import transforms, updates
from vizjax.ascent import Objective
from vizjax.recipes.inversion.energies import energy, noise

STAGES = {
    "net": ((1.0, 100), (0.1, 200), (0.01, 100)),
    "features": ((1.0, 200), (0.1, 200), (0.01, 200), (0.001, 200)),
    "focus": ((0.1, 200), (0.01, 200), (0.001, 200)),
    "start": ((0.1, 400), (0.01, 200), (0.001, 200)),
}
"""(rate as a share of .004, steps) of the CVPR paper: for nets, for HOG and SIFT, for a part of a layer.
The last is ours: from a picture, of which the paper's rate for noise would leave little."""

TV_BY_FIELD = ((51, 1.0), (131, 10.0), (float("inf"), 100.0))
"""Largest receptive field -> λ_TV: CaffeNet's layers 1-6, 7-12 and 13-20 in the CVPR paper."""

Size = tuple[int, int, int]


class Plan(NamedTuple):
    """One paper's way to invert a layer.

    Attributes:
        weights: of the energy's terms ``error``, ``tv`` and ``alpha``, as the paper writes them.
        units: what 1 of these weights is, for pictures of this size.
        objective: minus the energy, of a layer's name.
        settings: of `vizjax.render`.
        spare: by how many pixels the canvas is larger than the picture, for jitter.
        largest: weight of ``tv`` with which the updates still converge.
    """

    weights: dict[str, float]
    units: dict[str, float]
    objective: Callable[[str], Objective]
    settings: dict[str, Any]
    spare: int = 0
    largest: float = math.inf


def cvpr2015(size: Size, stride: int, field: float, stages: str, steps: int | None = None) -> Plan:
    """The plan of the CVPR paper: momentum from noise, in stages.

    Args:
        size: (h, w, channels) of the picture.
        stride: of the layer in pixels, not used.
        field: side of the layer's receptive field in pixels.
        stages: which of `STAGES`.
        steps: to which all stages are shortened alike; None for the paper's number.

    Returns:
        The plan.

    References:
        Mahendran & Vedaldi, Understanding Deep Image Representations by Inverting Them, CVPR 2015.

    Example:
        >>> cvpr2015((227, 227, 3), 8, 51, "net").weights["tv"]
        1.0
    """
    h, w, channels = size
    square = 68.9**2 * h * w * channels
    tv = next(weight for largest, weight in TV_BY_FIELD if field <= largest)
    rates = updates.shortened([(0.004 * square * rate, count) for rate, count in STAGES[stages]], steps)
    settings = {
        "image": noise((h, w), channels, "normal"),
        "transform": None,
        "optimizer": updates.staged_momentum(rates),
        "steps": sum(count for _, count in rates),
    }
    units = {"error": 1.0, "tv": 0.5 / square, "alpha": 0.5 / square}
    # Momentum .9 converges where rate · curvature < 2 · 1.9, and Σ(d₁² + d₂²)/2 curves by 8 at most.
    largest = 3.8 / 8 / (0.004 * STAGES[stages][0][0])
    return Plan({"error": 1.0, "tv": tv, "alpha": 8e-10}, units, energy, settings, 0, largest)


def ijcv2016(size: Size, stride: int, field: float, stages: str, steps: int | None = None) -> Plan:
    """The plan of the IJCV paper: 300 steps that withstand jitter, 50 more without, colours in a ball.

    Args:
        size: (h, w, channels) of the picture.
        stride: of the layer in pixels; jitter is a quarter of it.
        field: side of the layer's receptive field in pixels, not used.
        stages: which of `STAGES`, not used.
        steps: to which all stages are shortened alike; None for the paper's number.

    Returns:
        The plan.

    References:
        Mahendran & Vedaldi, Visualizing Deep Convolutional Neural Networks Using Natural
        Pre-Images, IJCV 2016.

    Example:
        >>> ijcv2016((64, 64, 3), 16, 100, "net").settings["steps"]
        350
    """
    (h, w, channels), spare = size, max(round(stride / 4), 1) - 1
    rate = h * w * 0.05 * 80**2 / 6
    rates = updates.shortened([(rate, 300), (0.1 * rate, 50)], steps)
    ball = updates.project_norm_ball(160 / 255, each_pixel=True)
    settings = {
        "image": noise((h + spare, w + spare), channels, "uniform"),
        "transform": transforms.jitter(spare, until=6 / 7),
        "optimizer": updates.chain(updates.adagrad_momentum(rates), ball),
        "steps": sum(count for _, count in rates),
    }
    units = {"error": 1.0, "tv": (6.5 / 80) ** 2 / (h * w), "alpha": 80.0**-6 / (h * w)}
    objective = functools.partial(energy, each_pixel=True)
    return Plan({"error": 100.0, "tv": 1.0, "alpha": 1.0}, units, objective, settings, spare)


METHODS: dict[str, Callable[..., Plan]] = {"cvpr2015": cvpr2015, "ijcv2016": ijcv2016}
