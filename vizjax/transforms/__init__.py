"""Random transforms that a picture must withstand: ``(key, picture h w c, progress) -> picture``.

Output shapes are fixed, and every picture draws its own.
"""

from vizjax.transforms.backgrounds import background
from vizjax.transforms.changing import blur, noise
from vizjax.transforms.composing import Transform, compose
from vizjax.transforms.cropping import boxes, crop
from vizjax.transforms.moving import flip, gentle, jitter, pad, roll, rotate, scale, standard

__all__ = [
    "Transform",
    "background",
    "blur",
    "boxes",
    "compose",
    "crop",
    "flip",
    "gentle",
    "jitter",
    "noise",
    "pad",
    "roll",
    "rotate",
    "scale",
    "standard",
]
