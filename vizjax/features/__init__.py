"""Classical representations as nets: HOG and SIFT, to be looked into, and inverted, as any other net."""

from collections.abc import Callable
from functools import partial

from vizjax.features.hogs import dalal_triggs, hog, vlfeat
from vizjax.features.representation import Representation
from vizjax.features.sifts import dsift

FEATURES: dict[str, Callable[..., Representation]] = {
    "hog": hog,
    "hogb": partial(hog, soft=True),
    "dsift": dsift,
    "vlfeat": vlfeat,
    "dalal_triggs": dalal_triggs,
}
"""Name -> what makes the net; each takes ``cell`` and ``orientations``."""

__all__ = ["FEATURES", "Representation", "dalal_triggs", "dsift", "hog", "vlfeat"]
