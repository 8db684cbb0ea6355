"""ConvNeXt, as torchvision names and builds it."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine, scope
from vizjax.models import blocks
from vizjax.models.model import Layout, Model, Table, torchvision

DEPTHS, WIDTHS = (3, 3, 9, 3), (96, 192, 384, 768)

_gelu = partial(jax.nn.gelu, approximate=False)


def _norm(channels: int, *, rngs: nnx.Rngs) -> nnx.LayerNorm:
    # The fast variance E[x²] − E[x]² loses digits where the mean is large.
    return nnx.LayerNorm(channels, epsilon=1e-6, use_fast_variance=False, rngs=rngs)


class Block(nnx.Module):
    """A 7×7 depthwise convolution, then a perceptron at each position, beside a shortcut.

    Args:
        channels: of the input and the output.
        rngs: where random weights come from.

    Example:
        >>> block = Block(8, rngs=nnx.Rngs(0))
        >>> import vizjax as vz
        >>> list(vz.activations(block, jnp.ones((1, 8, 8, 8))))
        ['block.0', 'block.2', 'block.3', 'block.4', 'block.5']
    """

    def __init__(self, channels: int, *, rngs: nnx.Rngs):
        self.block = nnx.Dict({
            "0": blocks.conv(channels, channels, 7, 1, 3, groups=channels, bias=True, rngs=rngs),
            "2": _norm(channels, rngs=rngs),
            "3": blocks.linear(channels, 4 * channels, rngs=rngs),
            "5": blocks.linear(4 * channels, channels, rngs=rngs),
        })  # fmt: skip
        self.layer_scale = nnx.Param(jnp.ones(channels))

    def __call__(self, x: Float[Array, "n h w c"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Yields every activation on the way and returns the block's output."""
        start = x
        for i in ("0", "2", "3"):
            x = yield f"block.{i}", self.block[i](x)
        x = yield "block.4", rectify(_gelu, x)
        x = yield "block.5", self.block["5"](x)
        return start + self.layer_scale[...].astype(x.dtype) * x


class Patches(nnx.Module):
    """Side-by-side patches become positions, normalized after (the stem) or before (in between).

    Args:
        into: channels of the input.
        out: channels of the output.
        size: side of a patch in pixels.
        norm_first: whether the normalization comes before the convolution.
        rngs: where random weights come from.

    Example:
        >>> patches = Patches(3, 8, 4, norm_first=False, rngs=nnx.Rngs(0))
        >>> import vizjax as vz
        >>> [(name, x.shape) for name, x in vz.activations(patches, jnp.ones((1, 8, 8, 3))).items()]
        [('0', (1, 2, 2, 8)), ('1', (1, 2, 2, 8))]
    """

    def __init__(self, into: int, out: int, size: int, norm_first: bool, *, rngs: nnx.Rngs):
        conv = blocks.conv(into, out, size, size, 0, bias=True, rngs=rngs)
        norm = _norm(into if norm_first else out, rngs=rngs)
        self.parts = nnx.List([norm, conv] if norm_first else [conv, norm])

    def __call__(self, x: Float[Array, "n h w c"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Yields every activation on the way and returns the block's output."""
        for i, part in enumerate(self.parts):
            x = yield str(i), part(x)
        return x


class ConvNeXt(nnx.Module):
    """ConvNeXt tiny for pictures ``n h w 3`` in [0, 1]; preprocessing is inside.

    Names: the stem ``features.0``, stages ``features.1 .3 .5 .7`` with blocks ``features.5.8`` and
    their parts ``.block.0`` (raw depthwise convolution), ``.block.2`` (normalized), ``.block.3``,
    ``.block.4`` (after GELU), ``.block.5``, what lies between stages ``features.2 .4 .6``, ``avgpool
    classifier.0 classifier.2 logits probabilities``.

    Args:
        classes: number of outputs.
        rngs: where random weights come from.

    References:
        Liu et al., A ConvNet for the 2020s, CVPR 2022.

    Example:
        >>> net = nnx.eval_shape(lambda: ConvNeXt(rngs=nnx.Rngs(0)))
        >>> net.features["5"][8].block["3"].kernel.shape
        (384, 1536)
    """

    input_shape = (224, 224, 3)

    def __init__(self, classes: int = 1000, *, rngs: nnx.Rngs):
        self.preprocess = blocks.IMAGENET
        features: dict[str, nnx.Module] = {}
        into = 3
        for stage, (depth, width) in enumerate(zip(DEPTHS, WIDTHS, strict=True)):
            size, norm_first = (4, False) if stage == 0 else (2, True)
            features[str(2 * stage)] = Patches(into, width, size, norm_first, rngs=rngs)
            features[str(2 * stage + 1)] = nnx.List([Block(width, rngs=rngs) for _ in range(depth)])
            into = width
        self.features: Any = nnx.Dict(features)
        self.classifier = nnx.Dict(
            {"0": _norm(into, rngs=rngs), "2": blocks.linear(into, classes, rngs=rngs)}
        )

    def __call__(self, images: Float[Array, "n h w 3"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out every named activation in order and takes back the value to go on with."""
        x = self.preprocess(images)
        for stage in range(0, 2 * len(DEPTHS), 2):
            x = yield from scope(f"features.{stage}", self.features[str(stage)](x, rectify))
            for i, block in enumerate(self.features[str(stage + 1)]):
                x = yield from scope(f"features.{stage + 1}.{i}", block(x, rectify))
            x = yield f"features.{stage + 1}", x
        x = yield "avgpool", jnp.mean(x, axis=(1, 2))
        x = yield "classifier.0", self.classifier["0"](x)
        return (yield from blocks.outputs(self.classifier["2"](x), "classifier.2"))


_PARTS = {
    "conv_dw|dwconv": "block.0",
    "norm": "block.2",
    "mlp.fc1|pwconv1": "block.3",
    "mlp.fc2|pwconv2": "block.5",
}


def _others(stage: int) -> Table:
    """timm's names of a stage, and those of the paper's authors."""
    ours, between = f"features.{2 * stage + 1}", f"features.{2 * stage}.parts"
    blocks_ = rf"stages\.{stage}\.(?:blocks\.)?(\d+)"
    rows = [(rf"{blocks_}\.(?:{theirs})", rf"{ours}.\1.{part}") for theirs, part in _PARTS.items()]
    rows.append((rf"{blocks_}\.gamma", rf"{ours}.\1.layer_scale"))
    first = rf"(?:stages\.{stage}\.downsample|downsample_layers\.{stage}{'|stem' if stage == 0 else ''})"
    return [*rows, (rf"{first}\.(\d)", rf"{between}.\1")]


_OTHERS: Table = [
    *(row for stage in range(len(DEPTHS)) for row in _others(stage)),
    (r"head\.norm|norm", "classifier.0"),
    (r"head\.fc|head", "classifier.2"),
]
_TORCHVISION: Table = [(r"features\.([0246])\.(\d)", r"features.\1.parts.\2"), (r"(.*)", r"\1")]

MODELS = {
    "convnext_tiny": Model(
        ConvNeXt,
        [Layout(_TORCHVISION), Layout(_OTHERS)],
        torchvision("convnext_tiny-983f1562.pth"),
        layer="features.3",
        head="classifier.2",
    ),
}
