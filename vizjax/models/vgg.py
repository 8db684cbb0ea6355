"""VGG with and without batch normalization, in the layer names of the literature."""

from functools import partial

import jax
from flax import nnx
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine
from vizjax.models import blocks
from vizjax.models.model import AS_NAMED, Layout, Model, Table, torchvision

DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""3×3 convolutions between two pools."""


class VGG(nnx.Module):
    """VGG for pictures ``n h w 3`` in [0, 1]; preprocessing is inside.

    Names: ``conv1_1 (norm1_1) relu1_1`` to ``relu5_4``, ``pool1`` to ``pool5``, ``fc6 relu6 fc7 relu7
    fc8 logits probabilities``. For style transfer, average pooling: ``net.pool = vz.nn.avg_pool``.

    Args:
        depth: number of layers with weights, a key of `DEPTHS`.
        norm: whether each convolution is followed by batch normalization.
        classes: number of outputs.
        rngs: where random weights come from.

    References:
        Simonyan & Zisserman, Very deep convolutional networks for large-scale image recognition,
        ICLR 2015. Pictures of other sizes reach ``fc6`` through torchvision's adaptive pooling.

    Example:
        >>> net = nnx.eval_shape(lambda: VGG(11, rngs=nnx.Rngs(0)))
        >>> net.conv5_2.kernel.shape, net.fc8.kernel.shape
        ((3, 3, 512, 512), (4096, 1000))
    """

    input_shape = (224, 224, 3)

    def __init__(self, depth: int, norm: bool = False, classes: int = 1000, *, rngs: nnx.Rngs):
        self.preprocess, self.pool = blocks.IMAGENET, nn.max_pool
        self.depths, self.norm = DEPTHS[depth], norm
        into = 3
        for stage, count in enumerate(self.depths, start=1):
            out = min(64 << (stage - 1), 512)
            for i in range(1, count + 1):
                setattr(self, f"conv{stage}_{i}", blocks.conv(into, out, 3, 1, 1, bias=True, rngs=rngs))
                if norm:
                    setattr(self, f"norm{stage}_{i}", blocks.batch_norm(out, rngs=rngs))
                into = out
        self.fc6 = blocks.conv(512, 4096, 7, 1, 0, bias=True, rngs=rngs)
        self.fc7 = blocks.linear(4096, 4096, rngs=rngs)
        self.fc8 = blocks.linear(4096, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out every named activation in order and takes back the value to go on with."""
        x = self.preprocess(images)
        for stage, count in enumerate(self.depths, start=1):
            for i in range(1, count + 1):
                x = yield f"conv{stage}_{i}", getattr(self, f"conv{stage}_{i}")(x)
                if self.norm:
                    x = yield f"norm{stage}_{i}", getattr(self, f"norm{stage}_{i}")(x)
                x = yield f"relu{stage}_{i}", rectify(jax.nn.relu, x)
            x = yield f"pool{stage}", self.pool(x, 2, 2)
        x = yield "fc6", self.fc6(nn.adaptive_avg_pool(x, 7))[:, 0, 0]
        x = yield "relu6", rectify(jax.nn.relu, x)
        x = yield "fc7", self.fc7(x)
        x = yield "relu7", rectify(jax.nn.relu, x)
        return (yield from blocks.outputs(self.fc8(x), "fc8"))


def _table(depth: int, norm: bool) -> Table:
    """torchvision's and timm's names: features are numbered, non-linearities and pools included."""
    rows, place = [], 0
    for stage, count in enumerate(DEPTHS[depth], start=1):
        for i in range(1, count + 1):
            rows.append((rf"features\.{place}", f"conv{stage}_{i}"))
            if norm:
                rows.append((rf"features\.{place + 1}", f"norm{stage}_{i}"))
            place += 3 if norm else 2
        place += 1
    rows.append((r"classifier\.0|pre_logits\.fc1", "fc6"))
    rows.append((r"classifier\.3|pre_logits\.fc2", "fc7"))
    return [*rows, (r"classifier\.6|head\.fc", "fc8")]


def _caffe(depth: int) -> Table:
    """Names of networks that were converted from the authors' own."""
    features = [row for row in _table(depth, False) if row[0].startswith("features")]
    return [
        *features,
        (r"classifier\.1", "fc6"),
        (r"classifier\.4", "fc7"),
        (r"classifier\.6", "fc8"),
        *AS_NAMED,
    ]


def _model(depth: int, file: str) -> Model:
    norm = "_bn" in file
    layouts = [Layout(_table(depth, norm)), Layout(_caffe(depth), blocks.VGG)]
    return Model(partial(VGG, depth, norm), layouts, torchvision(file, on_hub=True), "conv4_1", "fc8")


MODELS = {
    "vgg11": _model(11, "vgg11-8a719046.pth"),
    "vgg11_bn": _model(11, "vgg11_bn-6002323d.pth"),
    "vgg13": _model(13, "vgg13-19584684.pth"),
    "vgg13_bn": _model(13, "vgg13_bn-abd245e5.pth"),
    "vgg16": _model(16, "vgg16-397923af.pth"),
    "vgg16_bn": _model(16, "vgg16_bn-6c64b313.pth"),
    "vgg19": _model(19, "vgg19-dcbb9e9d.pth"),
    "vgg19_bn": _model(19, "vgg19_bn-c79401a0.pth"),
}
