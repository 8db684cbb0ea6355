"""Settings of feature visualization by name: ``vz.renderer(objective, **vz.recipes.PRESETS["lucid"])``."""

from typing import Any

from vizjax import transforms, updates

PRESETS: dict[str, dict[str, Any]] = {
    # the defaults, chosen by what untransformed pictures attain, and by their looks
    "best": {},
    # Olah et al., Feature Visualization, Distill 2017; Lucid's defaults
    "lucid": {"transform": transforms.standard(), "optimizer": updates.adam(0.05), "steps": 512},
}
"""Preset -> what it sets; the parameterization, and with it the size, stays the caller's."""
