"""Activation grids: what a layer sees at each place of a picture, drawn in that place."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from vizjax import images, nn, objectives, transforms
from vizjax.activations import Coroutine
from vizjax.ascent import Objective, Result
from vizjax.errors import InputError, check_counts
from vizjax.factory import factory
from vizjax.recipes.seeing import seen
from vizjax.render import render


class Windows(nnx.Module):
    """A net that is shown a canvas in overlapping windows, as a group of pictures, row by row.

    Args:
        net: what looks at the windows.
        cell: side in pixels of the cells that the canvas is divided into.
        margin: by how much a window is larger than its cell, on each side; grey beyond the canvas.

    Example:
        >>> import vizjax as vz
        >>> net = Windows(vz.load("efficientnet_lite0"), 16, 8)
        >>> vz.activations(net, jnp.ones((1, 32, 48, 3)))["stem"].shape
        (6, 16, 16, 32)
    """

    def __init__(self, net: Any, cell: int, margin: int):
        check_counts(cell=cell, margin=margin + 1)
        self.net, self.cell, self.margin = net, cell, margin
        self.name, self.dtype = getattr(net, "name", type(net).__name__), getattr(net, "dtype", "float32")

    def __call__(self, images: Float[Array, "n h w c"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out the inner net's activations of all windows."""
        side, sizes = self.cell + 2 * self.margin, images.shape[1:3]
        around = [(self.margin, self.margin + -size % self.cell) for size in sizes]
        cut = jnp.pad(images, ((0, 0), *around, (0, 0)), constant_values=0.5)
        for axis, size in enumerate(sizes, 1):  # slices, for indices would make the gradient a scatter
            places = range(0, size, self.cell)
            cut = jnp.stack([lax.slice_in_dim(cut, i, i + side, axis=axis - 4) for i in places], axis)
        return (yield from self.net(cut.reshape(-1, *cut.shape[3:]), rectify=rectify))


def draw_grid(
    net: Any, picture: Float[Array | np.ndarray, "h w c"], layer: str, *,
    cell: int = 32, margin: int = 16, power: float = 2.0, **settings: Any,
) -> Result:  # fmt: skip
    """One canvas of cells, each of which shows the activation at its position of the picture.

    All cells are optimized jointly: what the net is shown of each reaches into its neighbours, which so
    go on in each other. (For cells that do not touch, draw the positions' vectors by `maximize`.)

    Args:
        net: a net.
        picture: in [0, 1].
        layer: where it is looked at.
        cell: side of a cell in pixels.
        margin: by how much a cell's window is larger, on each side.
        power: weight of the angle, as in `vizjax.objectives.direction`.
        **settings: of `vizjax.render`, except ``image``; the transform moves all of the canvas.

    Returns:
        The canvas.

    Raises:
        InputError: at a layer without positions, or an ``image``.

    References:
        Olah et al., The Building Blocks of Interpretability, Distill 2018 (activation grids).

    Example:
        >>> import vizjax as vz
        >>> net, picture = vz.load("efficientnet_lite0"), jnp.ones((32, 32, 3))
        >>> draw_grid(net, picture, "blocks.4", cell=16, steps=2).images.shape
        (1, 1, 64, 64, 3)
    """
    windows = Windows(net, cell, margin)
    reference = seen(net, jnp.asarray(picture)[None], layer)
    if reference.ndim != 4 or "image" in settings:
        raise InputError(
            f"a grid is of a layer with positions, on a canvas of its own, but layer {layer!r} is "
            f"{reference.shape[1:]}, with {sorted(settings)}; choose another layer, and cell= for image="
        )
    rows, columns, channels = reference.shape[1:]
    canvas = images.fourier((rows * cell, columns * cell))
    defaults: dict[str, Any] = {"transform": transforms.gentle(cell // 8, (1.0,))}
    vectors = reference.reshape(1, rows * columns, channels)
    about = {"layer": layer, "cell": cell, "margin": margin, "power": power}
    objective, settings = _each_its_own(layer, power), defaults | settings
    return render(windows, objective, vectors, image=canvas, about=about, **settings)


@factory
def _each_its_own(layer: str, power: float) -> Objective:
    def objective(acts: Any, vectors: Array) -> Array:
        x = acts[layer]
        return objectives.caricature(x, jnp.broadcast_to(vectors[:, None, None], x.shape), power)

    return objective
