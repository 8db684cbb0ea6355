"""vizjax: pictures of what a vision network has learned.

Functional JAX: objectives and regularizers are pure functions of activations, compiled once and
vmapped over thousands of units; the README shows the way in.
"""

from vizjax import atlas, color, features, images, nn, objectives, recipes, regularizers, transforms, updates
from vizjax.activations import Layer, activations, layers, scope
from vizjax.ascent import Result, State
from vizjax.errors import InputError, UnknownName
from vizjax.files import save, show
from vizjax.interruption import Interrupted
from vizjax.memory import keep_memory
from vizjax.models import load, unit_names
from vizjax.pictures import read_picture
from vizjax.render import Renderer, init, render, renderer, step

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "Interrupted",
    "Layer",
    "Renderer",
    "Result",
    "State",
    "UnknownName",
    "activations",
    "atlas",
    "color",
    "features",
    "images",
    "init",
    "keep_memory",
    "layers",
    "load",
    "nn",
    "objectives",
    "read_picture",
    "recipes",
    "regularizers",
    "render",
    "renderer",
    "save",
    "scope",
    "show",
    "step",
    "transforms",
    "unit_names",
    "updates",
]
