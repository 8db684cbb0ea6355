"""What a picture is optimized for: plain functions of activations, written to be added up.

``x`` is an activation ``n h w c``, ``n t c`` or ``n c``; n is a group of pictures that are optimized
together, usually of one. Units are chosen by products with one-hot vectors, so that they may be
traced: one compilation serves all units of a layer.
"""

from vizjax.objectives.directions import (
    caricature,
    direction,
    direction_at,
    tensor_direction,
    whitened_direction,
)
from vizjax.objectives.groups import alignment, diversity, interpolation
from vizjax.objectives.guides import best_match
from vizjax.objectives.references import activation_difference, content_loss, gram, style_loss
from vizjax.objectives.units import channel, deepdream, logit, neuron, probability

__all__ = [
    "activation_difference",
    "alignment",
    "best_match",
    "caricature",
    "channel",
    "content_loss",
    "deepdream",
    "direction",
    "direction_at",
    "diversity",
    "gram",
    "interpolation",
    "logit",
    "neuron",
    "probability",
    "style_loss",
    "tensor_direction",
    "whitened_direction",
]
