"""Goldens of the zoo: the references' weights, by the seeded recipe of ``goldens/zoo.py``."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

GOLDENS = Path(__file__).parent / "goldens"
SIBLINGS = {
    *(
        "efficientnet_lite1",
        "efficientnet_lite2",
        "vgg13",
        "vgg13_bn",
        "vgg16_bn",
        "vgg19_bn",
        "squeezenet1_0",
    ),
    *("resnet34", "resnet101", "resnet152", "wide_resnet101_2", "resnext101_32x8d", "resnext101_64x4d"),
}
"""Models that differ from another one by depth or width alone: they are among the slow tests."""


def marked(names):
    """Names for parametrize, siblings marked slow."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in SIBLINGS else name for name in names]


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
