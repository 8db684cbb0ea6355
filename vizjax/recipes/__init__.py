"""The literature's methods, composed from the library's parts with their authors' settings."""

from vizjax.recipes.caricatures import caricature
from vizjax.recipes.directions import maximize
from vizjax.recipes.diversity import diversify
from vizjax.recipes.dreams import dream
from vizjax.recipes.exaggeration import exaggerate
from vizjax.recipes.grids import draw_grid
from vizjax.recipes.interpolation import interpolate
from vizjax.recipes.inversion.foci import focus
from vizjax.recipes.inversion.invariance import measure_invariance
from vizjax.recipes.inversion.inverting import invert, invert_layers
from vizjax.recipes.inversion.reconstruction import reconstruct
from vizjax.recipes.inversion.reports import report_inversion
from vizjax.recipes.inversion.ridge import fit_ridge
from vizjax.recipes.moments import inverse_covariance, measure_moments
from vizjax.recipes.presets import PRESETS
from vizjax.recipes.presets.units import Preset
from vizjax.recipes.spectra.measuring import measure_spectrum
from vizjax.recipes.spectra.sheets import draw_spectra
from vizjax.recipes.style.textures import synthesize
from vizjax.recipes.style.transfer import stylize
from vizjax.recipes.visualization import transparent, visualize
from vizjax.recipes.zooms import zoom

__all__ = [
    "PRESETS",
    "Preset",
    "caricature",
    "diversify",
    "draw_grid",
    "draw_spectra",
    "dream",
    "exaggerate",
    "fit_ridge",
    "focus",
    "interpolate",
    "inverse_covariance",
    "invert",
    "invert_layers",
    "maximize",
    "measure_invariance",
    "measure_moments",
    "measure_spectrum",
    "reconstruct",
    "report_inversion",
    "stylize",
    "synthesize",
    "transparent",
    "visualize",
    "zoom",
]
