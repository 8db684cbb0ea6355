"""DenseNet, as torchvision names and builds it."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine, scope
from vizjax.models import blocks
from vizjax.models.model import AS_NAMED, Layout, Model, torchvision

DEPTHS = (6, 12, 24, 16)
GROWTH = 32
"""Channels that each layer adds."""


class DenseLayer(nnx.Module):
    """Normalization, ReLU and convolution, twice: 1×1 to four times the growth, 3×3 to the growth.

    Args:
        into: channels of the input.
        rngs: where random weights come from.

    Example:
        >>> layer = DenseLayer(8, rngs=nnx.Rngs(0))
        >>> import vizjax as vz
        >>> list(vz.activations(layer, jnp.ones((1, 4, 4, 8))))
        ['norm1', 'relu1', 'conv1', 'norm2', 'relu2', 'conv2']
    """

    def __init__(self, into: int, *, rngs: nnx.Rngs):
        self.norm1 = blocks.batch_norm(into, rngs=rngs)
        self.conv1 = blocks.conv(into, 4 * GROWTH, 1, 1, 0, rngs=rngs)
        self.norm2 = blocks.batch_norm(4 * GROWTH, rngs=rngs)
        self.conv2 = blocks.conv(4 * GROWTH, GROWTH, 3, 1, 1, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Yields every activation on the way and returns the new channels."""
        for i in ("1", "2"):
            x = yield f"norm{i}", getattr(self, f"norm{i}")(x)
            x = yield f"relu{i}", rectify(jax.nn.relu, x)
            x = yield f"conv{i}", getattr(self, f"conv{i}")(x)
        return x


class Transition(nnx.Module):
    """Halves the channels by 1×1 and the picture by averages.

    Args:
        into: channels of the input.
        rngs: where random weights come from.

    Example:
        >>> transition = Transition(8, rngs=nnx.Rngs(0))
        >>> import vizjax as vz
        >>> list(vz.activations(transition, jnp.ones((1, 4, 4, 8))))
        ['norm', 'relu', 'conv', 'pool']
    """

    def __init__(self, into: int, *, rngs: nnx.Rngs):
        self.norm = blocks.batch_norm(into, rngs=rngs)
        self.conv = blocks.conv(into, into // 2, 1, 1, 0, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Yields every activation on the way and returns the block's output."""
        x = yield "norm", self.norm(x)
        x = yield "relu", rectify(jax.nn.relu, x)
        x = yield "conv", self.conv(x)
        return (yield "pool", nn.avg_pool(x, 2, 2))


class DenseNet(nnx.Module):
    """DenseNet-121 for pictures ``n h w 3`` in [0, 1]; preprocessing is inside.

    Names: ``features.conv0 .norm0 .relu0 .pool0``, ``features.denseblock1`` (all channels) to
    ``features.denseblock4`` with layers ``.denselayer1`` (its new channels) and their parts ``.norm1
    .relu1 .conv1 .norm2 .relu2 .conv2``, ``features.transition1`` to ``3`` with ``.norm .relu .conv
    .pool``, ``features.norm5 relu avgpool classifier logits probabilities``.

    Args:
        classes: number of outputs.
        rngs: where random weights come from.

    References:
        Huang et al., Densely connected convolutional networks, CVPR 2017.

    Example:
        >>> net = nnx.eval_shape(lambda: DenseNet(rngs=nnx.Rngs(0)))
        >>> net.classifier.kernel.shape
        (1024, 1000)
    """

    input_shape = (224, 224, 3)

    def __init__(self, classes: int = 1000, *, rngs: nnx.Rngs):
        self.preprocess = blocks.IMAGENET
        channels = 64
        features: dict[str, nnx.Module] = {
            "conv0": blocks.conv(3, channels, 7, 2, 3, rngs=rngs),
            "norm0": blocks.batch_norm(channels, rngs=rngs),
        }
        for block, depth in enumerate(DEPTHS, start=1):
            layers = {
                f"denselayer{i + 1}": DenseLayer(channels + i * GROWTH, rngs=rngs) for i in range(depth)
            }
            features[f"denseblock{block}"] = nnx.Dict(layers)
            channels += depth * GROWTH
            if block < len(DEPTHS):
                features[f"transition{block}"] = Transition(channels, rngs=rngs)
                channels //= 2
        self.features: Any = nnx.Dict(features | {"norm5": blocks.batch_norm(channels, rngs=rngs)})
        self.classifier = blocks.linear(channels, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out every named activation in order and takes back the value to go on with."""
        features = self.features
        x = yield "features.conv0", features["conv0"](self.preprocess(images))
        x = yield "features.norm0", features["norm0"](x)
        x = yield "features.relu0", rectify(jax.nn.relu, x)
        x = yield "features.pool0", nn.max_pool(x, 3, 2, 1)
        for block, depth in enumerate(DEPTHS, start=1):
            name = f"features.denseblock{block}"
            for i in range(1, depth + 1):
                layer = features[f"denseblock{block}"][f"denselayer{i}"]
                new = yield from scope(f"{name}.denselayer{i}", layer(x, rectify))
                x = jnp.concatenate([x, new], -1)
            x = yield name, x
            if block < len(DEPTHS):
                transition = features[f"transition{block}"]
                x = yield from scope(f"features.transition{block}", transition(x, rectify))
        x = yield "features.norm5", features["norm5"](x)
        x = yield "relu", rectify(jax.nn.relu, x)
        x = yield "avgpool", jnp.mean(x, axis=(1, 2))
        return (yield from blocks.outputs(self.classifier(x), "classifier"))


# The published file is of a time when a layer's parts were called norm.1 and conv.2.
_OLD = (r"(.*\.denselayer\d+\.(?:norm|conv))\.([12])", r"\1\2")

MODELS = {
    "densenet121": Model(
        DenseNet,
        [Layout([_OLD, *AS_NAMED])],
        torchvision("densenet121-a639ec97.pth", on_hub=True),
        layer="features.denseblock2",
        head="classifier",
    ),
}
