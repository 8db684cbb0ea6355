"""Blocks of branches side by side, which GoogLeNet and Inception v3 are made of."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine, scope
from vizjax.models import blocks


class Conv(NamedTuple):
    """A convolution with batch normalization and ReLU in a branch: its name and shape."""

    name: str
    out: int
    kernel: int | tuple[int, int] = 1
    stride: int = 1
    padding: int | tuple[int, int] = 0


class Pool(NamedTuple):
    """A 3×3 pool in a branch: ``max`` or ``avg``."""

    name: str
    kind: str
    stride: int = 1
    padding: int = 1


Branch = Sequence[Conv | Pool]


class Inception(nnx.Module):
    """Branches side by side, their outputs joined channel by channel.

    Args:
        into: channels of the input.
        branches: the steps of each; a convolution named in several of them is computed once.
        rngs: where random weights come from.

    Example:
        >>> mixed = Inception(3, [[Conv("a", 4)], [Pool("pool", "max"), Conv("b", 2)]], rngs=nnx.Rngs(0))
        >>> import vizjax as vz
        >>> [(name, x.shape[-1]) for name, x in vz.activations(mixed, jnp.ones((1, 8, 8, 3))).items()][-2:]
        [('b.bn', 2), ('b', 2)]
    """

    def __init__(self, into: int, branches: Sequence[Branch], *, rngs: nnx.Rngs):
        self.branches = tuple(map(tuple, branches))
        self.out = 0
        for branch in branches:
            width = into
            for step in branch:
                if isinstance(step, Conv):
                    if not hasattr(self, step.name):
                        conv = blocks.conv(width, *step[1:], rngs=rngs)
                        setattr(self, step.name, blocks.ConvNorm(conv, 1e-3, rngs=rngs))
                    width = step.out
            self.out += width

    def __call__(self, x: Float[Array, "n h w c"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Yields every activation on the way and returns the block's output."""
        found: dict[str, Array] = {}
        outputs = []
        for branch in self.branches:
            y = x
            for step in branch:
                if isinstance(step, Pool):
                    pool = nn.max_pool if step.kind == "max" else nn.avg_pool
                    y = yield step.name, pool(y, 3, step.stride, step.padding)
                elif step.name in found:
                    y = found[step.name]
                else:
                    y = yield from scope(step.name, getattr(self, step.name)(y, rectify))
                    found[step.name] = y
            if "." in step.name:  # torchvision's list of steps has a name too
                y = yield step.name.partition(".")[0], y
            outputs.append(y)
        return jnp.concatenate(outputs, -1)


def unit(
    into: int, out: int, kernel: int = 1, stride: int = 1, padding: int = 0, *, rngs: nnx.Rngs
) -> blocks.ConvNorm:
    """A convolution with batch normalization and ReLU, as both nets have them.

    Args:
        into: channels of the input.
        out: channels of the output.
        kernel: side of the filters in pixels.
        stride: step of the filters.
        padding: pixels on each side.
        rngs: where random weights come from.

    Returns:
        The block.

    Example:
        >>> unit(3, 8, 3, rngs=nnx.Rngs(0)).names
        ('conv', 'bn')
    """
    return blocks.ConvNorm(blocks.conv(into, out, kernel, stride, padding, rngs=rngs), 1e-3, rngs=rngs)
