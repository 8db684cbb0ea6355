"""The literature's methods, composed from the library's parts with their authors' settings."""

from vizjax.recipes.presets import PRESETS

__all__ = ["PRESETS"]
