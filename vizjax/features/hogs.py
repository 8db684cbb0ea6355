"""Histograms of oriented gradients: the variant of deformable part models, VLFeat's, and the original."""

import math

import jax.numpy as jnp
from jaxtyping import Array

from vizjax import nn
from vizjax.activations import Coroutine
from vizjax.errors import InputError, check_counts
from vizjax.factory import factory
from vizjax.features.gradients import (
    LARGEST,
    gradient,
    hard_orientations,
    magnitude,
    soft_orientations,
    triangular_pool,
    undirected_orientations,
)
from vizjax.features.representation import Representation


@factory
def hog(cell: int = 8, orientations: int = 9, soft: bool = False, border: float = 0.0) -> Representation:
    """HOG as the network of Mahendran and Vedaldi, without the dimensions of texture.

    Layers: ``grey``, ``gradient`` (n h w 2: half of the central differences, to the right and down),
    ``magnitude``, ``orientations`` (n h w 2·orientations), ``cells`` (a histogram of directions
    for each cell) and ``hog``, or ``hogb`` where ``soft``: 3·orientations channels, those of the
    directions and then those of their sums with the opposite ones, each normalized by the blocks of
    2 × 2 cells that the cell is in, cut off at 0.2, summed and halved. Cells at the edge are in fewer
    blocks.

    Args:
        cell: side of a cell in pixels; pictures have ⌊h / cell⌋ × ⌊w / cell⌋ of them, 2 × 2 or more.
        orientations: directions in half a turn.
        soft: whether a pixel counts in the two nearest directions, by nearness (HOGb), or in the
            nearest one alone, which leaves the gradient to its magnitude.
        border: the grey around the picture, in [0, 1].

    Returns:
        A net.

    Raises:
        InputError: where ``cell`` or ``orientations`` is below 1.

    References:
        Mahendran and Vedaldi, Understanding deep image representations by inverting them, CVPR 2015.
        Felzenszwalb et al., Object detection with discriminatively trained part-based models, 2010.

    Example:
        >>> import vizjax as vz
        >>> vz.activations(hog(), jnp.ones((1, 64, 48, 1)))["hog"].shape
        (1, 8, 6, 27)
    """
    check_counts(cell=cell, orientations=orientations)
    share = soft_orientations if soft else hard_orientations
    name = "hogb" if soft else "hog"

    def layers(images: Array) -> Coroutine:
        x = yield "grey", images
        around = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=border)
        x = yield "gradient", gradient(around) / 2
        length = yield "magnitude", magnitude(x)
        x = yield "orientations", share(x, length, orientations)
        before = after = cell // 2
        x = yield "cells", triangular_pool(x, cell, _taps(cell), ((before, after), (before, after)))
        return (yield name, _halved(_normalized(x, _factors(x))))

    return Representation(name, layers, 16 * cell)


@factory
def vlfeat(cell: int = 8, orientations: int = 9, soft: bool = False) -> Representation:
    """HOG as VLFeat computes it by default: 31 dimensions with 9 orientations.

    Layers as those of `hog`, the last one ``vlfeat``. It differs in its gradients, which are not halved
    and zero at the edge; in that a last cell counts where half of it is in the picture; in the norms,
    for which the outermost cells are repeated; and in four more channels, of texture: the sums over
    the undirected channels for each of the four blocks, upper left, upper right, lower left and
    lower right, divided by √18.

    Args:
        cell: side of a cell in pixels.
        orientations: directions in half a turn.
        soft: whether a pixel counts in the two nearest directions.

    Returns:
        A net.

    Raises:
        InputError: where ``cell`` or ``orientations`` is below 1.

    References:
        Vedaldi and Fulkerson, VLFeat: an open and portable library of computer vision algorithms, 2008.

    Example:
        >>> import vizjax as vz
        >>> vz.activations(vlfeat(), jnp.ones((1, 64, 60, 1)))["vlfeat"].shape
        (1, 8, 8, 31)
    """
    check_counts(cell=cell, orientations=orientations)
    share = soft_orientations if soft else hard_orientations

    def layers(images: Array) -> Coroutine:
        x = yield "grey", images
        x = yield "gradient", jnp.pad(gradient(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
        length = yield "magnitude", magnitude(x)
        x = yield "orientations", share(x, length, orientations)
        before = cell // 2
        if min(x.shape[1:3]) < cell - before:
            raise InputError(f"a cell has {cell - before} x {cell - before} pixels of the picture or more")
        down, along = ((before, (side + before) // cell * cell + before - side) for side in x.shape[1:3])
        x = yield "cells", triangular_pool(x, cell, _taps(cell), (down, along))
        energy = jnp.pad(_energy(x), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        factors = 1 / jnp.sqrt(_blocks(energy) + 1e-4)
        parts = _normalized(x, factors)
        texture = [jnp.sum(part[..., 2 * orientations :], -1, keepdims=True) for part in parts]
        return (yield "vlfeat", jnp.concatenate([_halved(parts), *(t / math.sqrt(18) for t in texture)], -1))

    return Representation("vlfeat", layers, 16 * cell)


@factory
def dalal_triggs(cell: int = 8, orientations: int = 9, block: int = 3) -> Representation:
    """HOG as Dalal and Triggs proposed it, and as `skimage.feature.hog` computes it.

    Layers: ``grey``, ``gradient`` (n h w 2: central differences, zero where there is no neighbour),
    ``magnitude``, ``orientations`` (n h w orientations: a line's, without a direction), ``cells`` (their
    means over each cell) and ``dalal_triggs``: the cells of a block, of rows, columns and then orientations
    (block² · orientations channels), normalized, cut off at 0.2 and normalized again; blocks overlap.

    Args:
        cell: side of a cell in pixels.
        orientations: ranges of angles in half a turn.
        block: side of a block in cells.

    Returns:
        A net.

    Raises:
        InputError: where a number is below 1.

    References:
        Dalal and Triggs, Histograms of oriented gradients for human detection, CVPR 2005.

    Example:
        >>> import vizjax as vz
        >>> vz.activations(dalal_triggs(), jnp.ones((1, 64, 48, 1)))["dalal_triggs"].shape
        (1, 6, 4, 81)
    """
    check_counts(cell=cell, orientations=orientations, block=block)

    def layers(images: Array) -> Coroutine:
        x = yield "grey", images
        along = jnp.pad(x[:, :, 2:] - x[:, :, :-2], ((0, 0), (0, 0), (1, 1), (0, 0)))
        down = jnp.pad(x[:, 2:] - x[:, :-2], ((0, 0), (1, 1), (0, 0), (0, 0)))
        x = yield "gradient", jnp.concatenate([along, down], axis=-1)
        length = yield "magnitude", magnitude(x)
        x = yield "orientations", undirected_orientations(x, length, orientations)
        x = yield "cells", nn.avg_pool(x, cell, cell)
        tall, wide = (side - block + 1 for side in x.shape[1:3])
        if min(tall, wide) < 1:
            raise InputError(f"a block has {block} x {block} cells; of these there are {x.shape[1:3]}")
        parts = [x[:, i : i + tall, j : j + wide] for i in range(block) for j in range(block)]
        x = jnp.minimum(_normal(jnp.concatenate(parts, axis=-1)), LARGEST)
        return (yield "dalal_triggs", _normal(x))

    return Representation("dalal_triggs", layers, 16 * cell)


def _normal(x: Array) -> Array:
    return x / jnp.sqrt(jnp.sum(jnp.square(x), axis=-1, keepdims=True) + 1e-10)


def _taps(cell: int) -> int:
    return 2 * cell - cell % 2


def _undirected(cells: Array) -> Array:
    half = cells.shape[-1] // 2
    return cells[..., :half] + cells[..., half:]


def _energy(cells: Array) -> Array:
    return jnp.sum(jnp.square(_undirected(cells)), axis=-1, keepdims=True)


def _blocks(x: Array) -> Array:
    """Sums of 2 × 2 cells."""
    x = x[:, 1:] + x[:, :-1]
    return x[:, :, 1:] + x[:, :, :-1]


def _factors(cells: Array) -> Array:
    """One over the norm of each block, around all cells: zero where there is no block."""
    if min(cells.shape[1:3]) < 2:
        raise InputError(f"HOG normalizes blocks of 2 x 2 cells; of these there are {cells.shape[1:3]}")
    energy = _blocks(_energy(cells))
    strong = energy > 1e-12  # the norm is taken as 1e-6 or more
    factors = jnp.where(strong, 1 / jnp.sqrt(jnp.where(strong, energy, 1)), 1e6)
    return jnp.pad(factors, ((0, 0), (1, 1), (1, 1), (0, 0)))


def _normalized(cells: Array, factors: Array) -> list[Array]:
    """The cells and their undirected sums, times the factor of each of the four blocks, cut off."""
    x = jnp.concatenate([cells, _undirected(cells)], axis=-1)
    four = (factors[:, i : i + x.shape[1], j : j + x.shape[2]] for i in (0, 1) for j in (0, 1))
    return [jnp.minimum(x * factor, LARGEST) for factor in four]


def _halved(parts: list[Array]) -> Array:
    return sum(parts[1:], parts[0]) / 2
