"""Parameterizations of pictures: what is optimized, and how it becomes a picture."""

from vizjax.images.alpha import with_alpha
from vizjax.images.common import Parameterization, Size
from vizjax.images.cppns import cppn
from vizjax.images.direct import pixels
from vizjax.images.groups import shared
from vizjax.images.measured import Magnitudes, magnitudes
from vizjax.images.phases import phase
from vizjax.images.pyramids import pyramid
from vizjax.images.spectra import fourier

__all__ = [
    "Magnitudes",
    "Parameterization",
    "Size",
    "cppn",
    "fourier",
    "magnitudes",
    "phase",
    "pixels",
    "pyramid",
    "shared",
    "with_alpha",
]
