"""What happens to parameters in a step, as Optax transformations."""

from vizjax.updates.descent import adam, nadam
from vizjax.updates.momentum import adagrad_momentum, staged_momentum
from vizjax.updates.pixels import (
    clip_pixels,
    clip_small_contribution,
    clip_small_norm,
    decay,
    periodic_blur,
    project_norm_ball,
)
from vizjax.updates.rates import adamw, chain, clip_gradient, importance, progress, rmsprop

__all__ = [
    "adagrad_momentum",
    "adam",
    "adamw",
    "chain",
    "clip_gradient",
    "clip_pixels",
    "clip_small_contribution",
    "clip_small_norm",
    "decay",
    "importance",
    "nadam",
    "periodic_blur",
    "progress",
    "project_norm_ball",
    "rmsprop",
    "staged_momentum",
]
