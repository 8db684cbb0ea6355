"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation, with ReLU6 everywhere."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine, scope

# expansion, kernel, stride, channels, blocks: the stages of EfficientNet-B0, which Lite0 keeps
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)

_conv = partial(nnx.Conv, padding="SAME", use_bias=False)
_norm = partial(nnx.BatchNorm, use_running_average=True, epsilon=1e-3)


class Block(nnx.Module):
    """An inverted residual: widen by 1×1, filter each channel, narrow by 1×1.

    Args:
        into: channels of the input.
        out: channels of the output.
        expansion: factor by which the block widens; 1 leaves that convolution out.
        kernel: side of the depthwise filters in pixels.
        stride: step of the depthwise filters.
        rngs: where random weights come from.

    Example:
        >>> block = scope("block", Block(16, 24, 6, 3, 2, rngs=nnx.Rngs(0))(jnp.ones((1, 8, 8, 16))))
        >>> next(block)[0]
        'block.expand'
    """

    def __init__(self, into: int, out: int, expansion: int, kernel: int, stride: int, *, rngs: nnx.Rngs):
        wide = into * expansion
        if expansion > 1:
            self.expand = _conv(into, wide, (1, 1), rngs=rngs)
            self.expand_norm = _norm(wide, rngs=rngs)
        self.depthwise = _conv(
            wide, wide, (kernel, kernel), stride, feature_group_count=wide,
            conv_general_dilated=nn.depthwise_conv, rngs=rngs,
        )  # fmt: skip
        self.depthwise_norm = _norm(wide, rngs=rngs)
        self.project = _conv(wide, out, (1, 1), rngs=rngs)
        self.project_norm = _norm(out, rngs=rngs)
        self.residual = stride == 1 and into == out

    def __call__(self, x: Float[Array, "n h w c"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Yields the raw outputs of the convolutions and returns the block's output."""
        start = x
        if hasattr(self, "expand"):
            x = yield "expand", self.expand(x)
            x = rectify(jax.nn.relu6, self.expand_norm(x))
        x = yield "depthwise", self.depthwise(x)
        x = rectify(jax.nn.relu6, self.depthwise_norm(x))
        x = yield "project", self.project(x)
        x = self.project_norm(x)
        return x + start if self.residual else x


class EfficientNetLite(nnx.Module):
    """EfficientNet-Lite0 for pictures ``n h w 3`` in [0, 1]; preprocessing is inside.

    Names: ``stem.conv stem``, ``blocks.0`` to ``blocks.15`` with their raw convolutions
    ``.expand .depthwise .project``, ``head.conv head pool logits probabilities``.

    Args:
        classes: number of outputs.
        rngs: where random weights come from.

    References:
        Tan & Le, EfficientNet, ICML 2019; the Lite variants of the TensorFlow TPU models.

    Example:
        >>> net = nnx.eval_shape(lambda: EfficientNetLite(rngs=nnx.Rngs(0)))
        >>> len(net.blocks), net.classifier.kernel.shape
        (16, (1280, 1000))
    """

    input_shape = (224, 224, 3)

    def __init__(self, classes: int = 1000, *, rngs: nnx.Rngs):
        self.stem = _conv(3, 32, (3, 3), 2, rngs=rngs)
        self.stem_norm = _norm(32, rngs=rngs)
        self.blocks: nnx.List = nnx.List([])
        into = 32
        for expansion, kernel, stride, out, count in STAGES:
            for i in range(count):
                step = stride if i == 0 else 1
                self.blocks.append(Block(into, out, expansion, kernel, step, rngs=rngs))
                into = out
        self.head = _conv(into, 1280, (1, 1), rngs=rngs)
        self.head_norm = _norm(1280, rngs=rngs)
        self.classifier = nnx.Linear(1280, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out every named activation in order and takes back the value to go on with."""
        x = (255 * images - 127) / 128
        x = yield "stem.conv", self.stem(x)
        x = yield "stem", rectify(jax.nn.relu6, self.stem_norm(x))
        for i, block in enumerate(self.blocks):
            x = yield from scope(f"blocks.{i}", block(x, rectify))
        x = yield "head.conv", self.head(x)
        x = yield "head", rectify(jax.nn.relu6, self.head_norm(x))
        x = yield "pool", jnp.mean(x, axis=(1, 2))
        x = yield "logits", self.classifier(x)
        return (yield "probabilities", jax.nn.softmax(x))
