"""Inception v3, as torchvision names and builds it."""

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine, scope
from vizjax.models import blocks
from vizjax.models.inception import Branch, Conv, Inception, Pool, unit
from vizjax.models.model import Layout, Model, torchvision

WIDE: dict[str, Any] = {"kernel": (1, 7), "padding": (0, 3)}
TALL: dict[str, Any] = {"kernel": (7, 1), "padding": (3, 0)}


def _a(pooled: int) -> list[Branch]:
    return [
        [Conv("branch1x1", 64)],
        [Conv("branch5x5_1", 48), Conv("branch5x5_2", 64, 5, 1, 2)],
        [
            Conv("branch3x3dbl_1", 64),
            Conv("branch3x3dbl_2", 96, 3, 1, 1),
            Conv("branch3x3dbl_3", 96, 3, 1, 1),
        ],
        [Pool("avg_pool", "avg"), Conv("branch_pool", pooled)],
    ]


def _b() -> list[Branch]:
    return [
        [Conv("branch3x3", 384, 3, 2)],
        [Conv("branch3x3dbl_1", 64), Conv("branch3x3dbl_2", 96, 3, 1, 1), Conv("branch3x3dbl_3", 96, 3, 2)],
        [Pool("max_pool", "max", 2, 0)],
    ]


def _c(width: int) -> list[Branch]:
    steps: tuple[tuple[int, dict[str, Any]], ...] = (
        (width, {}),
        (width, TALL),
        (width, WIDE),
        (width, TALL),
        (192, WIDE),
    )
    return [
        [Conv("branch1x1", 192)],
        [Conv("branch7x7_1", width), Conv("branch7x7_2", width, **WIDE), Conv("branch7x7_3", 192, **TALL)],
        [Conv(f"branch7x7dbl_{i}", out, **shape) for i, (out, shape) in enumerate(steps, start=1)],
        [Pool("avg_pool", "avg"), Conv("branch_pool", 192)],
    ]


def _d() -> list[Branch]:
    return [
        [Conv("branch3x3_1", 192), Conv("branch3x3_2", 320, 3, 2)],
        [
            Conv("branch7x7x3_1", 192),
            Conv("branch7x7x3_2", 192, **WIDE),
            Conv("branch7x7x3_3", 192, **TALL),
            Conv("branch7x7x3_4", 192, 3, 2),
        ],
        [Pool("max_pool", "max", 2, 0)],
    ]


def _e() -> list[Branch]:
    wide: dict[str, Any] = {"kernel": (1, 3), "padding": (0, 1)}
    tall: dict[str, Any] = {"kernel": (3, 1), "padding": (1, 0)}
    double = [Conv("branch3x3dbl_1", 448), Conv("branch3x3dbl_2", 384, 3, 1, 1)]
    return [
        [Conv("branch1x1", 320)],
        [Conv("branch3x3_1", 384), Conv("branch3x3_2a", 384, **wide)],
        [Conv("branch3x3_1", 384), Conv("branch3x3_2b", 384, **tall)],
        [*double, Conv("branch3x3dbl_3a", 384, **wide)],
        [*double, Conv("branch3x3dbl_3b", 384, **tall)],
        [Pool("avg_pool", "avg"), Conv("branch_pool", 192)],
    ]


MIXED = {
    "Mixed_5b": _a(32), "Mixed_5c": _a(64), "Mixed_5d": _a(64),
    "Mixed_6a": _b(), "Mixed_6b": _c(128), "Mixed_6c": _c(160), "Mixed_6d": _c(160), "Mixed_6e": _c(192),
    "Mixed_7a": _d(), "Mixed_7b": _e(), "Mixed_7c": _e(),
}  # fmt: skip


class InceptionV3(nnx.Module):
    """Inception v3 for pictures ``n h w 3`` in [0, 1]; preprocessing is inside.

    Names: ``Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 maxpool1 Conv2d_3b_1x1 Conv2d_4a_3x3 maxpool2``,
    ``Mixed_5b`` to ``Mixed_7c`` with their branches (``Mixed_6b.branch7x7dbl_3``), ``avgpool fc logits
    probabilities``; of each unit also the raw convolution ``.conv`` and its normalization ``.bn``. Its
    own size is 299 pixels, the least 75.

    Args:
        classes: number of outputs.
        rngs: where random weights come from.

    References:
        Szegedy et al., Rethinking the Inception architecture for computer vision, CVPR 2016. The
        published weights are Google's and take pictures from −1 to 1.

    Example:
        >>> net = nnx.eval_shape(lambda: InceptionV3(rngs=nnx.Rngs(0)))
        >>> net.Mixed_7c.out, net.Mixed_6b.branch7x7_2.conv.kernel.shape
        (2048, (1, 7, 128, 128))
    """

    input_shape = (299, 299, 3)

    def __init__(self, classes: int = 1000, *, rngs: nnx.Rngs):
        self.preprocess = blocks.PLUS_MINUS_ONE
        self.Conv2d_1a_3x3 = unit(3, 32, 3, 2, rngs=rngs)
        self.Conv2d_2a_3x3 = unit(32, 32, 3, rngs=rngs)
        self.Conv2d_2b_3x3 = unit(32, 64, 3, 1, 1, rngs=rngs)
        self.Conv2d_3b_1x1 = unit(64, 80, rngs=rngs)
        self.Conv2d_4a_3x3 = unit(80, 192, 3, rngs=rngs)
        into = 192
        for name, branches in MIXED.items():
            setattr(self, name, block := Inception(into, branches, rngs=rngs))
            into = block.out
        self.fc = blocks.linear(into, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"], rectify: nn.Rectify = nn.plain) -> Coroutine:
        """Hands out every named activation in order and takes back the value to go on with."""
        x = self.preprocess(images)
        for name in ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3"):
            x = yield from scope(name, getattr(self, name)(x, rectify))
        x = yield "maxpool1", nn.max_pool(x, 3, 2)
        for name in ("Conv2d_3b_1x1", "Conv2d_4a_3x3"):
            x = yield from scope(name, getattr(self, name)(x, rectify))
        x = yield "maxpool2", nn.max_pool(x, 3, 2)
        for name in MIXED:
            x = yield from scope(name, getattr(self, name)(x, rectify))
        x = yield "avgpool", jnp.mean(x, axis=(1, 2))
        return (yield from blocks.outputs(self.fc(x), "fc"))


MODELS = {
    "inception_v3": Model(
        InceptionV3,
        [Layout(ignored=r"AuxLogits\.")],
        torchvision("inception_v3_google-0cc3c7bd.pth", on_hub=True),
        layer="Mixed_6b",
        head="fc",
    ),
}
