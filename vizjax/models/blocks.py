"""What the families are built of: convolutions, normalizations, the way in and the way out of a net."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine


class Preprocess(NamedTuple):
    """How pictures in [0, 1] become what a set of weights was trained on: (x − mean) / std.

    Attributes:
        mean: of red, green and blue, in units of the picture's range.
        std: divisor of each.
        bgr: whether the net takes blue first.

    Example:
        >>> Preprocess((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))(jnp.ones((1, 1, 1, 3)))[0, 0, 0].tolist()
        [1.0, 1.0, 1.0]
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    bgr: bool = False

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
        """The net's input for pictures in [0, 1]."""
        mean, std = (np.asarray(values, images.dtype) for values in (self.mean, self.std))
        x = (images - mean) / std
        return jnp.flip(x, -1) if self.bgr else x


IMAGENET = Preprocess((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""torchvision's: mean and deviation of ImageNet's pictures."""

PLUS_MINUS_ONE = Preprocess((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""Google's: from −1 to 1."""

VGG = Preprocess((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3, bgr=True)
"""That of VGG's authors, in Caffe: blue first, from 0 to 255, less ImageNet's mean."""

CAFFENET = Preprocess((122.67891434 / 255, 116.66876762 / 255, 104.00698793 / 255), (1 / 255,) * 3, bgr=True)
"""Caffe's own, which has a slightly different mean."""


def conv(
    into: int,
    out: int,
    kernel: int | tuple[int, int],
    stride: int = 1,
    padding: int | tuple[int, int] | str = "SAME",
    *,
    groups: int = 1,
    bias: bool = False,
    rngs: nnx.Rngs,
) -> nnx.Conv:
    """A convolution, by the fastest operator for its kind.

    Args:
        into: channels of the input.
        out: channels of the output.
        kernel: side of the filters in pixels, or (height, width).
        stride: step of the filters.
        padding: pixels on each side, or (above and below, left and right), or ``"SAME"``.
        groups: of channels that do not mix; ``into`` makes it depthwise.
        bias: whether a number is added to each channel.
        rngs: where random weights come from.

    Returns:
        The layer.

    Example:
        >>> conv(3, 8, 3, 2, rngs=nnx.Rngs(0))(jnp.ones((1, 8, 8, 3))).shape
        (1, 4, 4, 8)
    """
    h, w = (kernel, kernel) if isinstance(kernel, int) else kernel
    if isinstance(padding, int):
        padding = (padding, padding)
    pads = padding if isinstance(padding, str) else tuple((p, p) for p in padding)
    return nnx.Conv(
        into, out, (h, w), stride, padding=pads, feature_group_count=groups, use_bias=bias,
        kernel_init=nnx.initializers.zeros_init(), conv_general_dilated=nn.conv, rngs=rngs,
    )  # fmt: skip


def linear(into: int, out: int, *, rngs: nnx.Rngs) -> nnx.Linear:
    """A fully connected layer.

    Args:
        into: channels of the input.
        out: channels of the output.
        rngs: where random weights come from.

    Returns:
        The layer.

    Example:
        >>> linear(2, 3, rngs=nnx.Rngs(0))(jnp.ones((1, 2))).shape
        (1, 3)
    """
    return nnx.Linear(into, out, kernel_init=nnx.initializers.zeros_init(), rngs=rngs)


def batch_norm(channels: int, epsilon: float = 1e-5, *, rngs: nnx.Rngs) -> nnx.BatchNorm:
    """Batch normalization with the statistics that were kept in training.

    Args:
        channels: of the input.
        epsilon: what is added to the variance.
        rngs: where random weights come from.

    Returns:
        The layer.

    Example:
        >>> batch_norm(2, rngs=nnx.Rngs(0))(jnp.ones((1, 1, 1, 2))).shape
        (1, 1, 1, 2)
    """
    return nnx.BatchNorm(channels, use_running_average=True, epsilon=epsilon, rngs=rngs)


class ConvNorm(nnx.Module):
    """A convolution, batch normalization and a non-linearity, in PyTorch's usual names.

    Args:
        conv: the convolution.
        epsilon: of the normalization.
        names: of the convolution and the normalization.
        function: the non-linearity; None for none.
        rngs: where random weights come from.

    Example:
        >>> block = ConvNorm(conv(3, 8, 3, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(0))
        >>> import vizjax as vz
        >>> list(vz.activations(block, jnp.ones((1, 4, 4, 3))))
        ['conv', 'bn']
    """

    def __init__(
        self,
        conv: nnx.Conv,
        epsilon: float = 1e-5,
        names: tuple[str, str] = ("conv", "bn"),
        function: Callable[[Array], Array] | None = jax.nn.relu,
        *,
        rngs: nnx.Rngs,
    ):
        self.names, self.function = names, function
        setattr(self, names[0], conv)
        setattr(self, names[1], batch_norm(conv.out_features, epsilon, rngs=rngs))

    def __call__(self, x: Float[Array, "n h w c"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Yields the raw and the normalized convolution and returns the block's output."""
        for name in self.names:
            x = yield name, getattr(self, name)(x)
        return x if self.function is None else rectify(self.function, x)


def outputs(x: Float[Array, "n c"], *names: str) -> Coroutine:
    """The end of a classifier: its last layer's output under all its names, and what it means.

    Args:
        x: output of the last layer.
        *names: its names besides ``logits``.

    Returns:
        A generator for ``return (yield from outputs(x, "fc"))``; it yields x under each name, then
        as ``logits``, then its softmax as ``probabilities``.

    Example:
        >>> next(outputs(jnp.ones((1, 2)), "fc"))[0]
        'fc'
    """
    for name in (*names, "logits"):
        x = yield name, x
    return (yield "probabilities", jax.nn.softmax(x))
