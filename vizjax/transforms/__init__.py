"""Random transforms that a picture must withstand: ``(key, picture h w c, progress) -> picture``.

Output shapes are fixed, and every picture draws its own.
"""

from vizjax.transforms.changing import blur, noise
from vizjax.transforms.composing import Transform, compose
from vizjax.transforms.moving import crop, flip, gentle, jitter, pad, rotate, scale
from vizjax.transforms.sets import standard

__all__ = [
    "Transform",
    "blur",
    "compose",
    "crop",
    "flip",
    "gentle",
    "jitter",
    "noise",
    "pad",
    "rotate",
    "scale",
    "standard",
]
