"""Goldens of the zoo: the references' weights, by the seeded recipe of ``goldens/zoo.py``."""

import importlib.util
from pathlib import Path

import numpy as np

GOLDENS = Path(__file__).parent / "goldens"


def script(name):
    """A script beside the goldens, as a module."""
    spec = importlib.util.spec_from_file_location(name, GOLDENS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ZOO, MAKE = script("zoo"), script("make")


def golden(name):
    """The golden file of a model."""
    return np.load(GOLDENS / "zoo" / f"{name}.npz")


def reference_arrays(name):
    """The reference's state dict, whose names and shapes are the reference's own."""
    if name == "efficientnet_lite0":
        name = "timm_tf_efficientnet_lite0"
    file = golden(name)
    shapes = [tuple(map(int, shape.split())) for shape in file["shapes"]]
    return ZOO.weights(list(file["names"]), shapes, file["statistics"])


def pictures(size):
    """The pictures that the goldens were made from, (2, size, size, 3) in [0, 1]."""
    return np.stack([MAKE.picture(name, size) for name in ZOO.PICTURES]) / np.float32(255)
