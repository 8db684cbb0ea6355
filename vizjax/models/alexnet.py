"""AlexNet as torchvision has it, and CaffeNet, which the early work on visualization looked into."""

import jax
from flax import nnx
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine
from vizjax.models import blocks
from vizjax.models.model import Layout, Model, torchvision
from vizjax.models.sources import Url


class AlexNet(nnx.Module):
    """AlexNet in one tower for pictures ``n h w 3`` in [0, 1]; preprocessing is inside.

    Names, as torchvision numbers them: ``features.0`` (the first convolution) to ``features.12`` (the
    last pool), ``avgpool``, ``classifier.1`` and ``.4`` with their non-linearities ``.2`` and ``.5``,
    ``classifier.6 logits probabilities``.

    Args:
        classes: number of outputs.
        rngs: where random weights come from.

    References:
        Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014.

    Example:
        >>> net = nnx.eval_shape(lambda: AlexNet(rngs=nnx.Rngs(0)))
        >>> net.features["3"].kernel.shape
        (5, 5, 64, 192)
    """

    input_shape = (224, 224, 3)

    def __init__(self, classes: int = 1000, *, rngs: nnx.Rngs):
        self.preprocess = blocks.IMAGENET
        sizes = {0: (3, 64, 11, 4, 2), 3: (64, 192, 5, 1, 2), 6: (192, 384, 3, 1, 1)}
        sizes |= {8: (384, 256, 3, 1, 1), 10: (256, 256, 3, 1, 1)}
        self.features = nnx.Dict(
            {str(i): blocks.conv(*size, bias=True, rngs=rngs) for i, size in sizes.items()}
        )
        self.classifier = nnx.Dict({
            "1": blocks.conv(256, 4096, 6, 1, 0, bias=True, rngs=rngs),
            "4": blocks.linear(4096, 4096, rngs=rngs),
            "6": blocks.linear(4096, classes, rngs=rngs),
        })  # fmt: skip

    def __call__(self, images: Float[Array, "n h w 3"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out every named activation in order and takes back the value to go on with."""
        x = self.preprocess(images)
        for i in range(13):
            if str(i) in self.features:
                x = self.features[str(i)](x)
            elif i in (2, 5, 12):
                x = nn.max_pool(x, 3, 2)
            else:
                x = rectify(jax.nn.relu, x)
            x = yield f"features.{i}", x
        x = yield "avgpool", nn.adaptive_avg_pool(x, 6)
        x = yield "classifier.1", self.classifier["1"](x)[:, 0, 0]
        x = yield "classifier.2", rectify(jax.nn.relu, x)
        x = yield "classifier.4", self.classifier["4"](x)
        x = yield "classifier.5", rectify(jax.nn.relu, x)
        return (yield from blocks.outputs(self.classifier["6"](x), "classifier.6"))


class CaffeNet(nnx.Module):
    """The reference CaffeNet for pictures ``n h w 3`` in [0, 1]; preprocessing is inside.

    AlexNet in two groups, each pool before its normalization. Names: ``conv1 relu1 pool1 norm1 conv2
    relu2 pool2 norm2 conv3 relu3 conv4 relu4 conv5 relu5 pool5 fc6 relu6 fc7 relu7 fc8 logits
    probabilities``. Its own size is 227 pixels.

    Args:
        classes: number of outputs.
        rngs: where random weights come from.

    References:
        Jia et al., Caffe: convolutional architecture for fast feature embedding, 2014; the
        ``bvlc_reference_caffenet`` of its model zoo.

    Example:
        >>> net = nnx.eval_shape(lambda: CaffeNet(rngs=nnx.Rngs(0)))
        >>> net.conv2.kernel.shape
        (5, 5, 48, 256)
    """

    input_shape = (227, 227, 3)

    def __init__(self, classes: int = 1000, *, rngs: nnx.Rngs):
        self.preprocess = blocks.CAFFENET
        self.conv1 = blocks.conv(3, 96, 11, 4, 0, bias=True, rngs=rngs)
        self.conv2 = blocks.conv(96, 256, 5, 1, 2, groups=2, bias=True, rngs=rngs)
        self.conv3 = blocks.conv(256, 384, 3, 1, 1, bias=True, rngs=rngs)
        self.conv4 = blocks.conv(384, 384, 3, 1, 1, groups=2, bias=True, rngs=rngs)
        self.conv5 = blocks.conv(384, 256, 3, 1, 1, groups=2, bias=True, rngs=rngs)
        self.fc6 = blocks.conv(256, 4096, 6, 1, 0, bias=True, rngs=rngs)
        self.fc7 = blocks.linear(4096, 4096, rngs=rngs)
        self.fc8 = blocks.linear(4096, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out every named activation in order and takes back the value to go on with."""
        x = self.preprocess(images)
        for i in range(1, 6):
            x = yield f"conv{i}", getattr(self, f"conv{i}")(x)
            x = yield f"relu{i}", rectify(jax.nn.relu, x)
            if i in (1, 2, 5):
                x = yield f"pool{i}", nn.max_pool(x, 3, 2, ceil=True)
            if i in (1, 2):
                x = yield f"norm{i}", nn.local_response_norm(x, 5, 1e-4, 0.75)
        x = yield "fc6", self.fc6(nn.adaptive_avg_pool(x, 6))[:, 0, 0]
        x = yield "relu6", rectify(jax.nn.relu, x)
        x = yield "fc7", self.fc7(x)
        x = yield "relu7", rectify(jax.nn.relu, x)
        return (yield from blocks.outputs(self.fc8(x), "fc8"))


MODELS = {
    "alexnet": Model(
        AlexNet, [Layout()], torchvision("alexnet-owt-7be5be79.pth"), "features.6", "classifier.6"
    ),
    "caffenet": Model(
        CaffeNet,
        [Layout()],
        [
            Url(
                "http://dl.caffe.berkeleyvision.org/bvlc_reference_caffenet.caffemodel",
                "sha1:4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46",
            )
        ],
        layer="conv4",
        head="fc8",
    ),
}
