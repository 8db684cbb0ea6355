"""SqueezeNet 1.0 and 1.1, as torchvision names and builds them."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine, scope
from vizjax.models import blocks
from vizjax.models.model import Layout, Model, torchvision

# first convolution (channels, side), places of the pools, places of the fire modules in order
VERSIONS = {
    "1_0": ((96, 7), (2, 6, 11), (3, 4, 5, 7, 8, 9, 10, 12)),
    "1_1": ((64, 3), (2, 5, 8), (3, 4, 6, 7, 9, 10, 11, 12)),
}
FIRE = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
"""Channels of each fire module's squeeze, and of each of its two expansions."""


class Fire(nnx.Module):
    """Few channels by 1×1, then many by 1×1 beside as many by 3×3.

    Args:
        into: channels of the input.
        squeeze: channels in between.
        expand: channels of each half of the output.
        rngs: where random weights come from.

    Example:
        >>> fire = Fire(8, 2, 4, rngs=nnx.Rngs(0))
        >>> import vizjax as vz
        >>> list(vz.activations(fire, jnp.ones((1, 4, 4, 8))))[:2]
        ['squeeze', 'squeeze_activation']
    """

    def __init__(self, into: int, squeeze: int, expand: int, *, rngs: nnx.Rngs):
        self.squeeze = blocks.conv(into, squeeze, 1, 1, 0, bias=True, rngs=rngs)
        self.expand1x1 = blocks.conv(squeeze, expand, 1, 1, 0, bias=True, rngs=rngs)
        self.expand3x3 = blocks.conv(squeeze, expand, 3, 1, 1, bias=True, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Yields every activation on the way and returns the block's output."""
        x = yield "squeeze", self.squeeze(x)
        x = yield "squeeze_activation", rectify(jax.nn.relu, x)
        halves = []
        for name in ("expand1x1", "expand3x3"):
            half = yield name, getattr(self, name)(x)
            half = yield f"{name}_activation", rectify(jax.nn.relu, half)
            halves.append(half)
        return jnp.concatenate(halves, -1)


class SqueezeNet(nnx.Module):
    """SqueezeNet for pictures ``n h w 3`` in [0, 1]; preprocessing is inside.

    Names, as torchvision numbers them: ``features.0`` to ``features.12``, in the fire modules
    ``.squeeze .squeeze_activation .expand1x1 .expand1x1_activation .expand3x3 .expand3x3_activation``,
    ``classifier.1 classifier.2`` (``n h w c``: a map of each class), ``logits probabilities``.

    Args:
        version: a key of `VERSIONS`.
        classes: number of outputs.
        rngs: where random weights come from.

    References:
        Iandola et al., SqueezeNet: AlexNet-level accuracy with 50x fewer parameters, 2016.

    Example:
        >>> net = nnx.eval_shape(lambda: SqueezeNet("1_1", rngs=nnx.Rngs(0)))
        >>> net.features["12"].expand3x3.kernel.shape
        (3, 3, 64, 256)
    """

    input_shape = (224, 224, 3)

    def __init__(self, version: str, classes: int = 1000, *, rngs: nnx.Rngs):
        self.preprocess = blocks.IMAGENET
        (into, side), self.pools, places = VERSIONS[version]
        self.features: Any = nnx.Dict({"0": blocks.conv(3, into, side, 2, 0, bias=True, rngs=rngs)})
        for place, (squeeze, expand) in zip(places, FIRE, strict=True):
            self.features[str(place)] = Fire(into, squeeze, expand, rngs=rngs)
            into = 2 * expand
        self.classifier = nnx.Dict({"1": blocks.conv(into, classes, 1, 1, 0, bias=True, rngs=rngs)})

    def __call__(self, images: Float[Array, "n h w 3"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out every named activation in order and takes back the value to go on with."""
        x = yield "features.0", self.features["0"](self.preprocess(images))
        x = yield "features.1", rectify(jax.nn.relu, x)
        for i in range(2, 13):
            if i in self.pools:
                x = yield f"features.{i}", nn.max_pool(x, 3, 2, ceil=True)
            else:
                x = yield from scope(f"features.{i}", self.features[str(i)](x, rectify))
        x = yield "classifier.1", self.classifier["1"](x)
        x = yield "classifier.2", rectify(jax.nn.relu, x)
        return (yield from blocks.outputs(jnp.mean(x, axis=(1, 2))))


def _model(version: str, file: str) -> Model:
    build = partial(SqueezeNet, version)
    return Model(build, [Layout()], torchvision(file), "features.8", "classifier.1")


MODELS = {
    "squeezenet1_0": _model("1_0", "squeezenet1_0-b66bff10.pth"),
    "squeezenet1_1": _model("1_1", "squeezenet1_1-b8a52dc0.pth"),
}
