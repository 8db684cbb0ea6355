"""A layer of large pictures, tile by tile, in the memory that one tile takes."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine, activations, layer_names
from vizjax.errors import InputError, check_counts, unknown


@functools.partial(jax.tree_util.register_dataclass, data_fields=["net"], meta_fields=["layer", "tile"])
@dataclasses.dataclass(frozen=True)
class Tiled:
    """A net of one layer, computed tile by tile; made by `tiled`."""

    net: Any
    layer: str
    tile: int

    def __getattr__(self, name: str) -> Any:
        """Its dtype, input_shape and name are the net's."""
        if name not in ("dtype", "input_shape", "name"):
            raise AttributeError(name)
        return getattr(self.net, name)

    def __call__(self, images: Float[Array, "n h w c"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out the one layer."""
        n, h, w, c = images.shape
        rows, columns = -(-h // self.tile), -(-w // self.tile)
        high, wide = -(-h // rows), -(-w // columns)
        rest = [(0, 0), (0, rows * high - h), (0, columns * wide - w), (0, 0)]
        cut = jnp.pad(images, rest, "wrap").reshape(n, rows, high, columns, wide, c)
        tiles = cut.transpose(1, 3, 0, 2, 4, 5).reshape(-1, n, high, wide, c)

        @jax.checkpoint
        def one(tile: Array) -> Array:
            return activations(self.net, tile, rectify)[self.layer]

        found = jax.lax.map(one, tiles)
        if found.ndim != 5:
            raise InputError(
                f"tiles are put together along h and w, which layer {self.layer!r} has not; choose one before"
            )
        grid = found.reshape(rows, columns, *found.shape[1:]).transpose(2, 0, 3, 1, 4, 5)
        joined = grid.reshape(n, rows * found.shape[2], columns * found.shape[3], -1)
        return (yield self.layer, joined)


def tiled(net: Any, layer: str, tile: int = 512) -> Tiled:
    """A net for pictures whose activations do not fit into memory.

    A picture is cut into equal tiles that are seen one after the other, each without its neighbours, and
    computed once more for the gradient: memory is bounded by one of them. `vizjax.transforms.roll`
    moves the seams in each step. A size that does not divide is continued cyclically by a few pixels.

    Args:
        net: a net.
        layer: the one layer that it has then, of shape n h w c.
        tile: the largest side of a tile in pixels.

    Returns:
        A net with the one layer.

    Raises:
        UnknownName: at a layer that the net does not have.
        InputError: at a side below 1; when run, at a layer without h and w.

    Example:
        >>> import vizjax as vz
        >>> large = tiled(vz.load("efficientnet_lite0"), "blocks.4", tile=64)
        >>> vz.activations(large, jnp.ones((1, 128, 160, 3)))["blocks.4"].shape
        (1, 16, 21, 40)
    """
    check_counts(tile=tile)
    if layer not in (names := layer_names(net)):
        raise unknown("layer", layer, names, "vizjax.layers(net) lists them")
    return Tiled(net, layer, tile)
