"""ResNet, Wide ResNet and ResNeXt, as torchvision names and builds them."""

from collections.abc import Sequence
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


class Block(nnx.Module):
    """Convolutions beside a shortcut: two of 3×3, or a bottleneck of 1×1, 3×3, 1×1.

    Args:
        into: channels of the input.
        widths: channels of each convolution's output.
        stride: of the block, taken by its (first) 3×3 convolution.
        groups: of the 3×3 convolution in a bottleneck.
        rngs: where random weights come from.

    Example:
        >>> block = Block(8, (4, 4, 16), 2, rngs=nnx.Rngs(0))
        >>> import vizjax as vz
        >>> list(vz.activations(block, jnp.ones((1, 8, 8, 8))))[4:]
        ['bn2', 'relu_1', 'conv3', 'bn3', 'downsample.0', 'downsample.1', 'downsample', 'add']
    """

    def __init__(self, into: int, widths: Sequence[int], stride: int, groups: int = 1, *, rngs: nnx.Rngs):
        sizes = (3, 3) if len(widths) == 2 else (1, 3, 1)
        self.length, width = len(widths), into
        for i, (size, out) in enumerate(zip(sizes, widths, strict=True), start=1):
            step, parts = (stride, groups) if i == len(widths) - 1 else (1, 1)  # the first of 3×3
            setattr(self, f"conv{i}", blocks.conv(width, out, size, step, size // 2, groups=parts, rngs=rngs))
            setattr(self, f"bn{i}", blocks.batch_norm(out, rngs=rngs))
            width = out
        if stride > 1 or into != width:
            shortcut = blocks.conv(into, width, 1, stride, 0, rngs=rngs)
            self.downsample = blocks.ConvNorm(shortcut, names=("0", "1"), function=None, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Yields every activation on the way and returns the block's output."""
        start = x
        for i in range(1, self.length + 1):
            x = yield f"conv{i}", getattr(self, f"conv{i}")(x)
            x = yield f"bn{i}", getattr(self, f"bn{i}")(x)
            if i < self.length:
                x = yield "relu" if i == 1 else f"relu_{i - 1}", rectify(jax.nn.relu, x)
        if hasattr(self, "downsample"):
            start = yield from scope("downsample", self.downsample(start))
        x = yield "add", x + start
        return rectify(jax.nn.relu, x)


class ResNet(nnx.Module):
    """Residual network for pictures ``n h w 3`` in [0, 1]; preprocessing is inside.

    Names: ``conv1 bn1 relu maxpool``, blocks ``layer1.0`` to ``layer4.2`` with all that is inside
    (``layer3.5.conv2``, ``.bn2``, ``.relu_1``, ``.downsample.0``, ``.add`` before the last ReLU),
    stages ``layer1`` to ``layer4``, ``avgpool fc logits probabilities``.

    Args:
        depths: blocks of each stage.
        bottleneck: whether blocks are of three convolutions.
        groups: of the 3×3 convolutions in bottlenecks.
        width: channels of each group in the first stage.
        classes: number of outputs.
        rngs: where random weights come from.

    References:
        He et al., Deep residual learning for image recognition, CVPR 2016. Zagoruyko & Komodakis,
        Wide residual networks, BMVC 2016. Xie et al., Aggregated residual transformations for deep
        neural networks, CVPR 2017. The stride sits in the 3×3 convolution, as in torchvision.

    Example:
        >>> net = nnx.eval_shape(lambda: ResNet((2, 2, 2, 2), bottleneck=False, rngs=nnx.Rngs(0)))
        >>> len(net.layer3), net.fc.kernel.shape
        (2, (512, 1000))
    """

    input_shape = (224, 224, 3)

    def __init__(
        self,
        depths: Sequence[int],
        bottleneck: bool = True,
        groups: int = 1,
        width: int = 64,
        classes: int = 1000,
        *,
        rngs: nnx.Rngs,
    ):
        self.preprocess = blocks.IMAGENET
        self.conv1 = blocks.conv(3, 64, 7, 2, 3, rngs=rngs)
        self.bn1 = blocks.batch_norm(64, rngs=rngs)
        into = 64
        for stage, depth in enumerate(depths):
            out, inner = 64 << stage, (groups * width) << stage
            widths = (inner, inner, 4 * out) if bottleneck else (out, out)
            layer: nnx.List = nnx.List([])
            for i in range(depth):
                stride = 2 if stage and i == 0 else 1
                layer.append(Block(into, widths, stride, groups, rngs=rngs))
                into = widths[-1]
            setattr(self, f"layer{stage + 1}", layer)
        self.fc = blocks.linear(into, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out every named activation in order and takes back the value to go on with."""
        x = yield "conv1", self.conv1(self.preprocess(images))
        x = yield "bn1", self.bn1(x)
        x = yield "relu", rectify(jax.nn.relu, x)
        x = yield "maxpool", nn.max_pool(x, 3, 2, 1)
        for stage in ("layer1", "layer2", "layer3", "layer4"):
            for i, block in enumerate(getattr(self, stage)):
                x = yield from scope(f"{stage}.{i}", block(x, rectify))
            x = yield stage, x
        x = yield "avgpool", jnp.mean(x, axis=(1, 2))
        return (yield from blocks.outputs(self.fc(x), "fc"))


def _model(file: str, depths: Sequence[int], **options: Any) -> Model:
    return Model(
        partial(ResNet, depths, **options), [Layout()], torchvision(file, on_hub=True), "layer3", "fc"
    )


MODELS = {
    "resnet18": _model("resnet18-f37072fd.pth", (2, 2, 2, 2), bottleneck=False),
    "resnet34": _model("resnet34-b627a593.pth", (3, 4, 6, 3), bottleneck=False),
    "resnet50": _model("resnet50-0676ba61.pth", (3, 4, 6, 3)),
    "resnet101": _model("resnet101-63fe2227.pth", (3, 4, 23, 3)),
    "resnet152": _model("resnet152-394f9c45.pth", (3, 8, 36, 3)),
    "wide_resnet50_2": _model("wide_resnet50_2-95faca4d.pth", (3, 4, 6, 3), width=128),
    "wide_resnet101_2": _model("wide_resnet101_2-32ee1156.pth", (3, 4, 23, 3), width=128),
    "resnext50_32x4d": _model("resnext50_32x4d-7cdf4587.pth", (3, 4, 6, 3), groups=32, width=4),
    "resnext101_32x8d": _model("resnext101_32x8d-8ba56ff5.pth", (3, 4, 23, 3), groups=32, width=8),
    "resnext101_64x4d": _model("resnext101_64x4d-173b62eb.pth", (3, 4, 23, 3), groups=64, width=4),
}
