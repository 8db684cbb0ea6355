"""Atlases: every unit of a layer or of a whole network, rendered at once."""

from vizjax.atlas.building import build
from vizjax.atlas.reading import Atlas, Layer
from vizjax.atlas.reading import open_atlas as open

__all__ = ["Atlas", "Layer", "build", "open"]
