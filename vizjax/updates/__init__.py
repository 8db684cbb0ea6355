"""What happens to parameters in a step, as Optax transformations."""

from vizjax.updates.composing import chain
from vizjax.updates.descent import adam, adamw, nadam, normalized, rmsprop
from vizjax.updates.momentum import adagrad_momentum, shortened, staged_momentum
from vizjax.updates.pixels import (
    clip_pixels,
    clip_small_contribution,
    clip_small_norm,
    decay,
    periodic_blur,
    project_norm_ball,
)
from vizjax.updates.quasi_newton import lbfgs
from vizjax.updates.rates import clip_gradient, progress
from vizjax.updates.recording import importance

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
    "lbfgs",
    "nadam",
    "normalized",
    "periodic_blur",
    "progress",
    "project_norm_ball",
    "rmsprop",
    "shortened",
    "staged_momentum",
]
