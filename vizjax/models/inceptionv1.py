"""InceptionV1 as Google trained it, the network that the field's articles are about."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine
from vizjax.models import blocks
from vizjax.models.model import Layout, Model
from vizjax.models.sources import Url

# 1×1; 3×3 bottleneck, 3×3; 5×5 bottleneck, 5×5; after the pool
MIXED = {
    "mixed3a": (64, 96, 128, 16, 32, 32),
    "mixed3b": (128, 128, 192, 32, 96, 64),
    "mixed4a": (192, 96, 204, 16, 48, 64),
    "mixed4b": (160, 112, 224, 24, 64, 64),
    "mixed4c": (128, 128, 256, 24, 64, 64),
    "mixed4d": (112, 144, 288, 32, 64, 64),
    "mixed4e": (256, 160, 320, 32, 128, 128),
    "mixed5a": (256, 160, 320, 48, 128, 128),
    "mixed5b": (384, 192, 384, 48, 128, 128),
}
_POOLED_AFTER = {"mixed3b": "maxpool4", "mixed4e": "maxpool10"}


class InceptionV1(nnx.Module):
    """InceptionV1 for pictures ``n h w 3`` in [0, 1]; preprocessing is inside.

    Names, as in Google's graph: ``conv2d0 maxpool0 localresponsenorm0 conv2d1 conv2d2
    localresponsenorm1 maxpool1``, ``mixed3a`` to ``mixed5b`` with branches ``mixed3a_1x1
    mixed3a_3x3_bottleneck mixed3a_3x3 mixed3a_5x5_bottleneck mixed3a_5x5 mixed3a_pool
    mixed3a_pool_reduce``, ``maxpool4 maxpool10 avgpool0 softmax2_pre_activation logits
    probabilities``; ``…_pre_relu`` is a convolution's raw output. The 1008 outputs have an order of
    their own.

    Args:
        classes: number of outputs.
        rngs: where random weights come from.

    References:
        Szegedy et al., Going deeper with convolutions, CVPR 2015; TensorFlow's "inception5h". Olah et
        al., Feature Visualization, Distill 2017, is about its units.

    Example:
        >>> net = nnx.eval_shape(lambda: InceptionV1(rngs=nnx.Rngs(0)))
        >>> net.mixed4a_3x3.kernel.shape
        (3, 3, 96, 204)
    """

    input_shape = (224, 224, 3)

    def __init__(self, classes: int = 1008, *, rngs: nnx.Rngs):
        self.preprocess = blocks.Preprocess((117 / 255,) * 3, (1 / 255,) * 3)
        # TensorFlow: depth radius 5, bias 2, alpha 1e-4 for each of the 11 channels, beta 0.5
        self.norm = (11, 11 * 1e-4, 0.5, 2.0)

        def conv(name: str, into: int, out: int, size: int = 1, stride: int = 1) -> None:
            setattr(self, name, blocks.conv(into, out, size, stride, bias=True, rngs=rngs))

        conv("conv2d0", 3, 64, 7, 2)
        conv("conv2d1", 64, 64)
        conv("conv2d2", 64, 192, 3)
        into = 192
        for name, (one, reduce3, three, reduce5, five, pooled) in MIXED.items():
            conv(f"{name}_1x1", into, one)
            conv(f"{name}_3x3_bottleneck", into, reduce3)
            conv(f"{name}_3x3", reduce3, three, 3)
            conv(f"{name}_5x5_bottleneck", into, reduce5)
            conv(f"{name}_5x5", reduce5, five, 5)
            conv(f"{name}_pool_reduce", into, pooled)
            into = one + three + five + pooled
        self.softmax2 = blocks.linear(into, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out every named activation in order and takes back the value to go on with."""

        def conv(name: str, x: Array) -> Coroutine:
            x = yield f"{name}_pre_relu", getattr(self, name)(x)
            return (yield name, rectify(jax.nn.relu, x))

        x = yield from conv("conv2d0", self.preprocess(images))
        x = yield "maxpool0", nn.max_pool(x, 3, 2, "SAME")
        x = yield "localresponsenorm0", nn.local_response_norm(x, *self.norm)
        x = yield from conv("conv2d1", x)
        x = yield from conv("conv2d2", x)
        x = yield "localresponsenorm1", nn.local_response_norm(x, *self.norm)
        x = yield "maxpool1", nn.max_pool(x, 3, 2, "SAME")
        for name in MIXED:
            one = yield from conv(f"{name}_1x1", x)
            three = yield from conv(f"{name}_3x3_bottleneck", x)
            three = yield from conv(f"{name}_3x3", three)
            five = yield from conv(f"{name}_5x5_bottleneck", x)
            five = yield from conv(f"{name}_5x5", five)
            pooled = yield f"{name}_pool", nn.max_pool(x, 3, 1, "SAME")
            pooled = yield from conv(f"{name}_pool_reduce", pooled)
            x = yield name, jnp.concatenate([one, three, five, pooled], -1)
            if name in _POOLED_AFTER:
                x = yield _POOLED_AFTER[name], nn.max_pool(x, 3, 2, "SAME")
        x = yield "avgpool0", jnp.mean(x, axis=(1, 2))
        return (yield from blocks.outputs(self.softmax2(x), "softmax2_pre_activation"))


# Google's graph itself, and the conversion that torch-lucent loads.
_GRAPH = Layout(
    [(r"(.*)_w", r"\1.kernel"), (r"(.*)_b", r"\1.bias")], ignored=r"head|nn|softmax[01]|.*(?<!_[wb])$"
)
_LUCENT = Layout([(r"(.*)_pre_relu_conv", r"\1"), ("softmax2_pre_activation_matmul", "softmax2")])
_LUCENT_FILE = "pytorch-old-tensorflow-models/raw/f8187b60fca8a3f5cfa541406dcbcefb80db5c78/inception5h.pth"

MODELS = {
    "inceptionv1": Model(
        InceptionV1,
        [_LUCENT, _GRAPH],
        [
            Url(
                "https://storage.googleapis.com/download.tensorflow.org/models/inception5h.zip",
                "d13569f6a98159de37e92e9c8ec4dae8f674fbf475f69fe6199b514f756d4364",
            ),
            Url(
                f"https://github.com/ProGamerGov/{_LUCENT_FILE}",
                "git:119f77db85c8352960933e025312b507d9a96ed7",
            ),
        ],
        layer="mixed4a",
        head="softmax2",
        labels="inception5h",
    ),
}
