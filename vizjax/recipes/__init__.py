"""The literature's methods, composed from the library's parts with their authors' settings."""

from vizjax.recipes.presets import PRESETS
from vizjax.recipes.unit_objectives import Preset
from vizjax.recipes.visualization import transparent, visualize

__all__ = ["PRESETS", "Preset", "transparent", "visualize"]
