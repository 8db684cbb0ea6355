"""A net for contract tests: what real nets have, small enough that a test compiles in a moment."""

import functools

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine, scope


class TinyBlock(nnx.Module):
    """A residual block: depthwise 3 × 3, 1 × 1, and the sum of both ends.

    Args:
        channels: of input and output.
        rngs: where random weights come from.
    """

    def __init__(self, channels: int, *, rngs: nnx.Rngs):
        self.depthwise = nnx.Conv(
            channels, channels, (3, 3), padding="SAME", feature_group_count=channels,
            conv_general_dilated=nn.conv, rngs=rngs,
        )  # fmt: skip
        self.project = nnx.Conv(channels, channels, (1, 1), rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Yields the raw outputs of the convolutions and returns the block's output."""
        start = x
        x = yield "depthwise", self.depthwise(x)
        x = rectify(jax.nn.relu6, x)
        x = yield "project", self.project(x)
        return rectify(jax.nn.relu, x + start)


class TinyNet(nnx.Module):
    """Two strided convolutions with a residual block between them, tokens, and ten classes.

    Names: ``conv1 relu1 block.depthwise block.project block conv2 relu2 tokens pool logits
    probabilities``. Strides 2 (to ``block``) and 4 (``conv2``, ``relu2``); 8 and 16 channels;
    ``tokens`` is ``n t c``, the later ones ``n c``. Pictures of any size.

    Args:
        rngs: where random weights come from.
    """

    input_shape = (32, 32, 3)

    def __init__(self, *, rngs: nnx.Rngs):
        self.conv1 = nnx.Conv(3, 8, (3, 3), 2, padding="SAME", rngs=rngs)
        self.block = TinyBlock(8, rngs=rngs)
        self.conv2 = nnx.Conv(8, 16, (3, 3), 2, padding="SAME", rngs=rngs)
        self.classifier = nnx.Linear(16, 10, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out every named activation in order and takes back the value to go on with."""
        x = 4 * images - 2
        x = yield "conv1", self.conv1(x)
        x = yield "relu1", rectify(jax.nn.relu, x)
        x = yield from scope("block", self.block(x, rectify))
        x = yield "conv2", self.conv2(x)
        x = yield "relu2", rectify(jax.nn.relu6, x)
        x = yield "tokens", x.reshape(x.shape[0], -1, x.shape[-1])
        x = yield "pool", jnp.mean(x, axis=1)
        x = yield "logits", self.classifier(x)
        return (yield "probabilities", jax.nn.softmax(x))


@functools.cache
def tiny() -> TinyNet:
    """The net with seeded random weights, made once."""
    return jax.jit(lambda: TinyNet(rngs=nnx.Rngs(0)))()
