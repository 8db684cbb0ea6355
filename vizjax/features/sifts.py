"""Dense SIFT."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from vizjax.activations import Coroutine
from vizjax.errors import InputError, check_counts
from vizjax.factory import factory
from vizjax.features.gradients import LARGEST, gradient, magnitude, soft_orientations, triangular_pool
from vizjax.features.representation import Representation

BINS = 4
"""Bins along each side of a descriptor."""

STEP = 3
"""Bins from one descriptor to the next."""


@factory
def dsift(cell: int = 5, orientations: int = 4) -> Representation:
    """Dense SIFT as the network of Mahendran and Vedaldi.

    Layers: ``grey``, ``gradient`` (n h−2 w−2 2: half of the central differences, to the right and down),
    ``magnitude``, ``orientations`` (n h−2 w−2 2·orientations: a pixel counts in the two nearest
    directions), ``cells`` (a histogram of directions for each bin) and ``dsift``: 4 × 4 bins each
    three, of rows, columns and then directions (16 · 2 · orientations channels), weighted by a Gaussian of
    1.5 bins, normalized and cut off at 0.2.

    Args:
        cell: side of a bin in pixels: 5 in the paper of 2015, 8 in that of 2016.
        orientations: directions in half a turn.

    Returns:
        A net.

    Raises:
        InputError: where ``cell`` or ``orientations`` is below 1.

    References:
        Lowe, Distinctive image features from scale-invariant keypoints, IJCV 2004.
        Mahendran and Vedaldi, Understanding deep image representations by inverting them, CVPR 2015.
        Mahendran and Vedaldi, Visualizing deep convolutional neural networks using natural
        pre-images, IJCV 2016.

    Example:
        >>> import vizjax as vz
        >>> vz.activations(dsift(), jnp.ones((1, 64, 64, 1)))["dsift"].shape
        (1, 3, 3, 128)
    """
    check_counts(cell=cell, orientations=orientations)

    def layers(images: Array) -> Coroutine:
        x = yield "grey", images
        x = yield "gradient", gradient(x) / 2
        length = yield "magnitude", magnitude(x)
        x = yield "orientations", soft_orientations(x, length, orientations)
        if min(x.shape[1:3]) < 2 * cell + (BINS - 1) * cell:
            raise InputError(f"a descriptor of SIFT takes {5 * cell + 2} x {5 * cell + 2} pixels")
        x = yield "cells", triangular_pool(x, cell, 2 * cell, ((0, 0), (0, 0)))
        x = _weighted_bins(x)
        x = x / jnp.sqrt(1e-6 + jnp.sum(jnp.square(x), axis=-1, keepdims=True))
        return (yield "dsift", jnp.minimum(x, LARGEST))

    return Representation("dsift", layers, 16 * cell)


def _weighted_bins(cells: Array) -> Array:
    """Descriptors before normalization."""
    (tall, wide), at = cells.shape[1:3], np.arange(BINS)
    weight = np.exp(-((at - (BINS - 1) / 2) ** 2) / (2 * 1.5**2))
    ends = [length - BINS + 1 for length in (tall, wide)]
    return jnp.concatenate(
        [
            cells[:, i : i + ends[0] : STEP, j : j + ends[1] : STEP] * (weight[i] * weight[j])
            for i in at
            for j in at
        ],
        axis=-1,
    )
