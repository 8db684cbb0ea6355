"""MobileNet v2, as torchvision names and builds it."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine, scope
from vizjax.models import blocks
from vizjax.models.model import Layout, Model, Table, torchvision

# expansion, channels, blocks, stride of the first
STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


def _unit(into: int, out: int, size: int, stride: int = 1, groups: int = 1, *, rngs: nnx.Rngs) -> nnx.Module:
    conv = blocks.conv(into, out, size, stride, size // 2, groups=groups, rngs=rngs)
    return blocks.ConvNorm(conv, names=("0", "1"), function=jax.nn.relu6, rngs=rngs)


class Block(nnx.Module):
    """An inverted residual: widen by 1×1, filter each channel, narrow by 1×1.

    Args:
        into: channels of the input.
        out: channels of the output.
        expansion: factor by which the block widens; 1 leaves that convolution out.
        stride: step of the depthwise filters.
        rngs: where random weights come from.

    Example:
        >>> block = Block(8, 8, 6, 1, rngs=nnx.Rngs(0))
        >>> import vizjax as vz
        >>> list(vz.activations(block, jnp.ones((1, 4, 4, 8))))[-3:]
        ['conv.1', 'conv.2', 'conv.3']
    """

    def __init__(self, into: int, out: int, expansion: int, stride: int, *, rngs: nnx.Rngs):
        wide = into * expansion
        units = [_unit(into, wide, 1, rngs=rngs)] if expansion > 1 else []
        units.append(_unit(wide, wide, 3, stride, wide, rngs=rngs))
        parts = [*units, blocks.conv(wide, out, 1, 1, 0, rngs=rngs), blocks.batch_norm(out, rngs=rngs)]
        self.units, self.residual = len(units), stride == 1 and into == out
        self.conv = nnx.List(parts)

    def __call__(self, x: Float[Array, "n h w c"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Yields every activation on the way and returns the block's output."""
        start = x
        for i, part in enumerate(self.conv):
            if i < self.units:
                x = yield from scope(f"conv.{i}", part(x, rectify))
            else:
                x = yield f"conv.{i}", part(x)
        return x + start if self.residual else x


class MobileNetV2(nnx.Module):
    """MobileNet v2 for pictures ``n h w 3`` in [0, 1]; preprocessing is inside.

    Names: blocks ``features.0`` to ``features.18`` with what is inside (``features.0.0`` the raw
    convolution, ``features.2.conv.1.0`` the raw depthwise one, ``features.2.conv.2`` the narrowing
    one), ``avgpool classifier.1 logits probabilities``.

    Args:
        classes: number of outputs.
        rngs: where random weights come from.

    References:
        Sandler et al., MobileNetV2: inverted residuals and linear bottlenecks, CVPR 2018.

    Example:
        >>> net = nnx.eval_shape(lambda: MobileNetV2(rngs=nnx.Rngs(0)))
        >>> len(net.features), net.classifier["1"].kernel.shape
        (19, (1280, 1000))
    """

    input_shape = (224, 224, 3)

    def __init__(self, classes: int = 1000, *, rngs: nnx.Rngs):
        self.preprocess = blocks.IMAGENET
        into = 32
        features = [_unit(3, into, 3, 2, rngs=rngs)]
        for expansion, out, count, stride in STAGES:
            for i in range(count):
                features.append(Block(into, out, expansion, stride if i == 0 else 1, rngs=rngs))
                into = out
        self.features = nnx.List([*features, _unit(into, 1280, 1, rngs=rngs)])
        self.classifier = nnx.Dict({"1": blocks.linear(1280, classes, rngs=rngs)})

    def __call__(self, images: Float[Array, "n h w 3"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out every named activation in order and takes back the value to go on with."""
        x = self.preprocess(images)
        for i, part in enumerate(self.features):
            x = yield from scope(f"features.{i}", part(x, rectify))
        x = yield "avgpool", jnp.mean(x, axis=(1, 2))
        return (yield from blocks.outputs(self.classifier["1"](x), "classifier.1"))


def _timm() -> Iterator[tuple[str, str]]:
    """timm's names: blocks by stage, their parts by what they do."""
    yield from (("conv_stem", "features.0.0"), ("bn1", "features.0.1"))
    yield from (("conv_head", "features.18.0"), ("bn2", "features.18.1"), ("classifier", "classifier.1"))
    place = 1
    for stage, (expansion, _, count, _) in enumerate(STAGES):
        parts = ["conv_dw", "bn1", "conv_pw", "bn2"]
        paths = ["0.0", "0.1", "1", "2"]
        if expansion > 1:
            parts = ["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"]
            paths = ["0.0", "0.1", "1.0", "1.1", "2", "3"]
        for i in range(count):
            for part, path in zip(parts, paths, strict=True):
                yield rf"blocks\.{stage}\.{i}\.{part}", f"features.{place}.conv.{path}"
            place += 1


_TIMM: Table = list(_timm())

MODELS = {
    "mobilenet_v2": Model(
        MobileNetV2,
        [Layout(), Layout(_TIMM)],
        torchvision("mobilenet_v2-b0353104.pth"),
        layer="features.7",
        head="classifier.1",
    ),
}
