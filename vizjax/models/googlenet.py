"""GoogLeNet, as torchvision names and builds it.

The network that Google trained, with other widths and names, is in ``inceptionv1.py``.
"""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine, scope
from vizjax.models import blocks
from vizjax.models.inception import Branch, Conv, Inception, Pool, unit
from vizjax.models.model import Layout, Model, torchvision

# 1×1; 3×3 reduce, 3×3; "5×5" (which is 3×3 in torchvision) reduce, itself; after the pool
GOOGLENET = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}


def _branches(widths: tuple[int, ...]) -> list[Branch]:
    one, reduce3, three, reduce5, five, pooled = widths
    return [
        [Conv("branch1", one)],
        [Conv("branch2.0", reduce3), Conv("branch2.1", three, 3, 1, 1)],
        [Conv("branch3.0", reduce5), Conv("branch3.1", five, 3, 1, 1)],
        [Pool("branch4.0", "max"), Conv("branch4.1", pooled)],
    ]


class GoogLeNet(nnx.Module):
    """GoogLeNet with batch normalization for pictures ``n h w 3`` in [0, 1]; preprocessing is inside.

    Names: ``conv1 maxpool1 conv2 conv3 maxpool2``, ``inception3a`` to ``inception5b`` with branches
    ``.branch1 .branch2.0 .branch2.1 .branch2 .branch3.0 .branch3.1 .branch3 .branch4.0 .branch4.1
    .branch4``, ``maxpool3
    maxpool4 avgpool fc logits probabilities``; of each unit also the raw convolution ``.conv`` and its
    normalization ``.bn``.

    Args:
        classes: number of outputs.
        rngs: where random weights come from.

    References:
        Szegedy et al., Going deeper with convolutions, CVPR 2015. As in torchvision, the branch of
        5×5 filters has 3×3 ones, and the published weights take pictures from −1 to 1.

    Example:
        >>> net = nnx.eval_shape(lambda: GoogLeNet(rngs=nnx.Rngs(0)))
        >>> net.inception4a.out, net.fc.kernel.shape
        (512, (1024, 1000))
    """

    input_shape = (224, 224, 3)

    def __init__(self, classes: int = 1000, *, rngs: nnx.Rngs):
        self.preprocess = blocks.PLUS_MINUS_ONE
        self.conv1 = unit(3, 64, 7, 2, 3, rngs=rngs)
        self.conv2 = unit(64, 64, rngs=rngs)
        self.conv3 = unit(64, 192, 3, 1, 1, rngs=rngs)
        into = 192
        for name, widths in GOOGLENET.items():
            setattr(self, name, block := Inception(into, _branches(widths), rngs=rngs))
            into = block.out
        self.fc = blocks.linear(into, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out every named activation in order and takes back the value to go on with."""
        x = yield from scope("conv1", self.conv1(self.preprocess(images), rectify))
        x = yield "maxpool1", nn.max_pool(x, 3, 2, ceil=True)
        x = yield from scope("conv2", self.conv2(x, rectify))
        x = yield from scope("conv3", self.conv3(x, rectify))
        x = yield "maxpool2", nn.max_pool(x, 3, 2, ceil=True)
        for name in GOOGLENET:
            x = yield from scope(name, getattr(self, name)(x, rectify))
            if name == "inception3b":
                x = yield "maxpool3", nn.max_pool(x, 3, 2, ceil=True)
            if name == "inception4e":
                x = yield "maxpool4", nn.max_pool(x, 2, 2, ceil=True)
        x = yield "avgpool", jnp.mean(x, axis=(1, 2))
        return (yield from blocks.outputs(self.fc(x), "fc"))


MODELS = {
    "googlenet": Model(
        GoogLeNet,
        [Layout(ignored=r"aux[12]\.")],
        torchvision("googlenet-1378be20.pth"),
        layer="inception4a",
        head="fc",
    ),
}
