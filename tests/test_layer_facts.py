"""Facts about layers, held to brute force: gradients, broken weights, XLA's count, convolutions by hand.

A family joins by a row in `REAL`. Small nets have its mechanisms, so the default run does without it.
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax
from reference import marked
from tiny import TinyNet

import vizjax as vz
from vizjax import nn
from vizjax.activations import Layer, scope
from vizjax.models import MODELS
from vizjax.models.weights import random

# --- nets that have what families have -----------------------------------------------------------


class Lopsided(nnx.Module):
    """Filters of even size, more padding on one side, and windows that lie outside the picture."""

    def __init__(self, rngs: nnx.Rngs):
        self.two = nnx.Conv(3, 4, (2, 2), padding="SAME", rngs=rngs)
        self.four = nnx.Conv(4, 6, (4, 4), 2, padding="SAME", use_bias=False, rngs=rngs)
        self.late = nnx.Conv(6, 6, (3, 3), padding=((4, 0), (4, 0)), rngs=rngs)
        self.early = nnx.Conv(6, 6, (3, 3), 2, padding=((0, 2), (0, 2)), rngs=rngs)
        self.dilated = nnx.Conv(6, 8, (3, 3), padding="SAME", kernel_dilation=2, rngs=rngs)

    def __call__(self, images: jax.Array, rectify: Callable = nn.plain) -> Iterator:
        x = yield "two", self.two(images)
        x = yield "four", self.four(rectify(jax.nn.relu, x))
        x = yield "late", self.late(x)
        x = yield "early", self.early(rectify(jax.nn.relu, x))
        x = yield "cut", x[:, 1:, 1:]
        return (yield "dilated", self.dilated(x))


class Pools(nnx.Module):
    """Pools of all sorts: Caffe's rounding up, means with and without padding, and to a fixed size."""

    def __init__(self, rngs: nnx.Rngs):
        self.conv = nnx.Conv(3, 4, (3, 3), padding="VALID", rngs=rngs)
        self.norm = nnx.BatchNorm(4, use_running_average=True, rngs=rngs)
        self.fc = nnx.Linear(4, 5, rngs=rngs)

    def __call__(self, images: jax.Array, rectify: Callable = nn.plain) -> Iterator:
        x = yield "conv", self.conv(images)
        x = yield "norm", self.norm(x)
        up = ((0, 0), (0, 1), (0, 1), (0, 0))  # the last window lies half outside
        x = yield "max", lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), up)
        x = yield "padded", nnx.avg_pool(x, (3, 3), (1, 1), ((1, 1), (1, 1)))
        x = yield "counted", nnx.avg_pool(x, (2, 2), (1, 1), "SAME", count_include_pad=False)
        x = yield "same", nnx.max_pool(x, (2, 2), (2, 2), "SAME")
        shares = np.repeat(np.eye(3), 3, 1)[:, : x.shape[1]] / 3
        x = yield "adaptive", jnp.einsum("ih,nhwc,jw->nijc", shares, x, shares)
        return (yield "fc", self.fc(x))


class Branches(nnx.Module):
    """Branches that see differently much, beside one that another layer does without, and two ends."""

    def __init__(self, rngs: nnx.Rngs):
        self.stem = nnx.Conv(3, 4, (3, 3), 2, padding="SAME", rngs=rngs)
        self.one = nnx.Conv(4, 2, (1, 1), use_bias=False, rngs=rngs)
        self.five = nnx.Conv(4, 3, (5, 5), rngs=rngs)
        self.pooled = nnx.Conv(4, 2, (1, 1), rngs=rngs)
        self.side = nnx.Linear(7, 3, rngs=rngs)
        self.down = nnx.Conv(7, 8, (1, 1), 2, rngs=rngs)
        self.main = nnx.Conv(7, 8, (3, 3), 2, padding=1, rngs=rngs)
        self.squeeze = nnx.Linear(8, 8, rngs=rngs)

    def parts(self, x: jax.Array) -> Iterator:
        parts = [(yield "one", self.one(x))]
        parts.append((yield "five", self.five(x)))
        pool = yield "pool", nnx.max_pool(x, (3, 3), (1, 1), "SAME")
        parts.append((yield "pooled", self.pooled(pool)))
        return jnp.concatenate(parts, -1)

    def __call__(self, images: jax.Array, rectify: Callable = nn.plain) -> Iterator:
        x = yield "stem", self.stem(images)
        x = yield from scope("mixed", self.parts(rectify(jax.nn.relu, x)))
        yield "side", self.side(x.mean((1, 2)))
        main = yield "main", self.main(x)
        x = yield "sum", main + self.down(x)
        return (yield "excited", x * jax.nn.sigmoid(self.squeeze(x.mean((1, 2))))[:, None, None])


class Groups(nnx.Module):
    """Grouped, depthwise and pointwise filters, one of them used twice, and shuffled channels."""

    def __init__(self, rngs: nnx.Rngs):
        self.stem = nnx.Conv(3, 8, (3, 3), 2, padding="SAME", use_bias=False, rngs=rngs)
        self.grouped = nnx.Conv(8, 16, (3, 3), feature_group_count=4, use_bias=False, rngs=rngs)
        self.depthwise = nnx.Conv(
            16, 16, (3, 3), 2, feature_group_count=16, conv_general_dilated=nn.conv, rngs=rngs
        )
        self.point = nnx.Conv(16, 16, (1, 1), rngs=rngs)
        self.same = self.point

    def __call__(self, images: jax.Array, rectify: Callable = nn.plain) -> Iterator:
        x = yield "stem", self.stem(images)
        x = yield "grouped", self.grouped(x)
        n, h, w, _ = x.shape
        x = yield "shuffled", x.reshape(n, h, w, 4, 4).swapaxes(3, 4).reshape(n, h, w, 16)
        x = yield "depthwise", self.depthwise(x)
        x = yield "point", self.point(x)
        x = yield "twice", self.same(rectify(jax.nn.relu6, x))
        return (yield "reordered", x[..., np.arange(15, -1, -1)])


class Normalized(nnx.Module):
    """Normalizations over channels in several forms, a matrix product for each pixel, and GELU."""

    def __init__(self, rngs: nnx.Rngs):
        self.patch = nnx.Conv(3, 8, (2, 2), 2, padding="VALID", rngs=rngs)
        self.layer_norm = nnx.LayerNorm(8, rngs=rngs)
        self.depthwise = nnx.Conv(8, 8, (7, 7), feature_group_count=8, rngs=rngs)
        self.wide = nnx.Linear(8, 16, rngs=rngs)
        self.narrow = nnx.Linear(16, 8, use_bias=False, rngs=rngs)
        self.scale = nnx.Param(jnp.ones(8))
        self.position = nnx.Param(jnp.ones((1, 1, 1, 8)))

    def __call__(self, images: jax.Array, rectify: Callable = nn.plain) -> Iterator:
        x = yield "patch", self.patch(images)
        x = yield (
            "window",
            x / (1 + lax.reduce_window(x**2, 0.0, lax.add, (1, 1, 1, 3), (1, 1, 1, 1), "SAME")),
        )
        near = abs(np.arange(8)[:, None] - np.arange(8)) < 2
        x = yield "banded", x * (1 + jnp.dot(x**2, near.astype(np.float32))) ** -0.75
        start = x
        x = yield "depthwise", self.depthwise(x)
        x = yield "layer_norm", self.layer_norm(x)
        x = yield "wide", self.wide(x)
        x = yield "gelu", rectify(lambda y: jax.nn.gelu(y, approximate=False), x)
        x = yield "narrow", self.narrow(x)
        x = yield "sum", start + x * self.scale[...]
        x = yield "tokens", x.reshape(x.shape[0], -1, 8)
        x = yield "placed", x + jnp.broadcast_to(self.position[...], (1, 4, 4, 8)).sum((1, 2))
        return (yield "mean", x.mean(1))


class Family(NamedTuple):
    """A row of the table: how a net is made, and what of it is tried.

    Attributes:
        build: makes the net, without weights.
        size: side of the pictures that are tried; of a real net its own size.
        near: layers of a real net that are tried on such pictures; of a small one they are all tried.
        far: layers that see more, and those that see differently much along w: they are tried along h,
            on pictures that are ``high``.
        high: height of those, for two positions that see nothing of the border.
        ends: layers that see everything.
        least: width of high pictures, and side of those that only show what depends on what.
    """

    build: Callable[[], Any]
    size: int
    near: tuple[str, ...] = ()
    far: tuple[str, ...] = ()
    high: int = 0
    ends: tuple[str, ...] = ("logits",)
    least: int = 64


def real(name: str) -> Callable[[], Any]:
    return lambda: nnx.eval_shape(lambda: MODELS[name].build(rngs=nnx.Rngs(0)))


def small(kind: Any) -> Callable[[], Any]:
    return lambda: nnx.eval_shape(lambda: kind(rngs=nnx.Rngs(0)))


SMALL = {
    "tiny": Family(small(TinyNet), 32),
    "lopsided": Family(small(Lopsided), 31),
    "pools": Family(small(Pools), 30),
    "branches": Family(small(Branches), 32),
    "groups": Family(small(Groups), 33),
    "normalized": Family(small(Normalized), 24),
}
REAL = {
    "efficientnet_lite0": Family(
        real("efficientnet_lite0"), 224,
        ("stem.conv", "blocks.1.depthwise", "blocks.4.project", "blocks.6"),
        ("blocks.10.depthwise", "blocks.15.expand", "head"), 960,
    ),
    "efficientnet_lite2": Family(
        real("efficientnet_lite2"), 260,
        ("stem", "blocks.1.depthwise", "blocks.4.expand", "blocks.7"),
        ("blocks.12.depthwise", "blocks.20.project", "head.conv"), 1216,
    ),
    "vgg11_bn": Family(
        real("vgg11_bn"), 224,
        ("norm2_1", "pool2", "conv3_2", "norm5_2", "pool5"),
    ),
    "resnet18": Family(
        real("resnet18"), 224,
        ("bn1", "maxpool", "layer2.0.downsample", "layer2.0.add", "layer3.0.conv1"),
        ("layer4.0", "layer4"), 544,
    ),
    "resnext50_32x4d": Family(
        real("resnext50_32x4d"), 224,
        ("maxpool", "layer1.0.conv2", "layer2.0.downsample.0", "layer2.0", "layer3.0.conv2"),
        ("layer3.5.bn2", "layer4"), 544,
    ),
    "inceptionv1": Family(
        real("inceptionv1"), 224,
        ("maxpool0", "localresponsenorm1", "mixed3a_5x5_pre_relu", "mixed3b_pool_reduce", "mixed3b"),
        ("maxpool10", "mixed5b"), 832,
    ),
    "googlenet": Family(
        real("googlenet"), 224,
        ("maxpool1", "conv3.bn", "inception3a.branch4", "inception3b", "inception4a.branch2.1.conv"),
        ("maxpool4", "inception5b"), 512,
    ),
    "inception_v3": Family(
        real("inception_v3"), 299,
        ("maxpool1", "Mixed_5b.branch5x5_2.conv", "Mixed_5b.avg_pool", "Mixed_6a"),
        ("Mixed_6b.branch7x7_2.conv", "Mixed_6b.branch7x7_3.bn", "Mixed_7c"), 1440, least=80,
    ),
    "alexnet": Family(
        real("alexnet"), 224,
        ("features.0", "features.2", "features.3", "features.5", "features.8", "features.11"),
        ("features.12",), 320, ("classifier.1", "logits"),
    ),
    "caffenet": Family(
        real("caffenet"), 227,
        ("pool1", "norm1", "conv2", "pool2", "conv4"),
        ("conv5", "pool5"), 320, ("fc6", "logits"),
    ),
    "squeezenet1_1": Family(
        real("squeezenet1_1"), 224,
        ("features.2", "features.3.expand1x1", "features.4", "features.8", "features.9.expand3x3"),
        ("features.12", "classifier.1"), 320,
    ),
    "mobilenet_v2": Family(
        real("mobilenet_v2"), 224,
        ("features.0.0", "features.2.conv.1.0", "features.4.conv.3", "features.6", "features.9.conv.1"),
        ("features.14.conv.1.0", "features.18"), 608,
    ),
    "densenet121": Family(
        real("densenet121"), 224,
        (
            "features.pool0", "features.denseblock1.denselayer4.conv2", "features.denseblock1",
            "features.denseblock2.denselayer4.norm2",
        ),
        ("features.transition2.pool", "features.denseblock3", "features.norm5"), 2208,
    ),
    "convnext_tiny": Family(
        real("convnext_tiny"), 224,
        ("features.1.0.block.0", "features.1.1.block.4", "features.2.0", "features.3.0.block.5"),
        ("features.4.1", "features.5.4", "features.7"), 1824,
    ),
}  # fmt: skip
FAMILIES = SMALL | REAL
EACH = [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in REAL)]


@functools.cache
def blank_of(name: str) -> Any:
    """A family or model without weights."""
    net = FAMILIES[name].build() if name in FAMILIES else real(name)()
    if name in SMALL:
        net.input_shape = (FAMILIES[name].size,) * 2 + (3,)
    return net


@functools.cache
def facts_of(name: str, size: tuple[int, int] | None = None) -> dict[str, Layer]:
    """Of a family or model, at its own size where no other is given."""
    net = blank_of(name)
    if size and net.input_shape != (*size, 3):
        net = FAMILIES[name].build()
        net.input_shape = (*size, 3)
    return vz.layers(net)


@functools.cache
def net_of(family: str) -> Any:
    """With random weights."""
    return random(FAMILIES[family].build())


def pictures(family: str) -> jax.Array:
    side = FAMILIES[family].size if family in SMALL else FAMILIES[family].least
    return jax.random.uniform(jax.random.key(0), (1, side, side, 3))


def tried(family: str) -> list[str]:
    """All of a small net's layers; the named ones of a real net, and some that have filters."""
    row, facts = FAMILIES[family], facts_of(family)
    if family in SMALL:
        return list(facts)
    filters = [name for name, fact in facts.items() if fact.kernel]
    return list(dict.fromkeys([*row.near, *row.far, *row.ends, *spread(filters, 5)]))


def spread(names: list[str], count: int) -> list[str]:
    """Some of them, both ends included."""
    return [names[i] for i in np.linspace(0, len(names) - 1, count).astype(int)]


class Run(NamedTuple):
    """A net as a function of its weights.

    Attributes:
        variables: by path.
        layers: of the weights, by path: what is tried, in one picture.
    """

    variables: dict[str, nnx.Variable]
    layers: Callable[[dict[str, jax.Array]], dict[str, jax.Array]]


@functools.cache
def run_of(family: str) -> Run:
    structure, state = nnx.split(net_of(family))
    paths = {".".join(map(str, path)): path for path, _ in nnx.to_flat_state(state)}
    variables = dict(zip(paths, (leaf for _, leaf in nnx.to_flat_state(state)), strict=True))
    names = tried(family)

    @jax.jit
    def layers(values: dict[str, jax.Array], x: jax.Array) -> dict[str, jax.Array]:
        filled = [(paths[path], variables[path].replace(value)) for path, value in values.items()]
        acts = vz.activations(nnx.merge(structure, nnx.from_flat_state(filled)), x)
        return {name: acts[name] for name in names}

    x = pictures(family)
    return Run(variables, lambda values: layers(values, x))


# --- what a position sees ------------------------------------------------------------------------


Span = tuple[int, int] | None  # first and last; None for none


@functools.cache
def slope_of(names: tuple[str, ...]) -> Callable:
    """The gradient of chosen layers at places (rows and columns), one for each picture.

    Non-linearities are left out, so that nothing is cut off by chance.
    """

    def strength(x: jax.Array, net: Any, chosen: jax.Array, places: jax.Array) -> jax.Array:
        linear = lambda f, x, step=0: x  # noqa: E731
        acts, total = vz.activations(net, x, linear), 0.0
        for i, name in enumerate(names):
            at = acts[name][jnp.arange(len(x)), *places]
            # large numbers: what the corners of a deep net's field pass on is down to 1e-40 of that
            total += chosen[i] * (at @ jax.random.normal(jax.random.key(i), at.shape[-1:])).sum() * 1e12
        return total

    return jax.jit(jax.grad(strength))


def seen(
    family: str, size: tuple[int, int], names: tuple[str, ...], layer: str, positions: list[int]
) -> dict[int, tuple[Span, Span]]:
    """Rows and columns of the pixels that a layer's positions have a gradient to.

    Positions are on the diagonal, and in the middle column of what is higher than wide. Pictures
    differ, for the sake of pools.
    """
    many, (h, w) = (4 if family in SMALL else 1), facts_of(family, size)[layer].shape[:2]
    places = np.repeat([positions, positions if h == w else [w // 2] * len(positions)], many, axis=1)
    x = jax.random.uniform(jax.random.key(0), (places.shape[1], *size, 3))
    found = np.asarray(slope_of(names)(x, net_of(family), np.float32(np.array(names) == layer), places))
    assert np.isfinite(found).all()
    spans = {}
    for i, reached in zip(positions, (found != 0).any(-1).reshape(-1, many, *size), strict=True):
        lines = (np.flatnonzero(reached.any(axes)) for axes in ((0, 2), (0, 1)))
        spans[i] = tuple((int(x.min()), int(x.max())) if x.size else None for x in lines)
    return spans


def shapes_tried(family: str) -> list[tuple[tuple[int, int], tuple[str, ...]]]:
    """Sizes of pictures, and the layers that are tried on them."""
    row = FAMILIES[family]
    square = (row.size, row.size)
    if family in SMALL:
        return [(square, tuple(name for name, fact in facts_of(family).items() if fact.stride))]
    return [(square, row.near), *([((row.high, row.least), row.far)] if row.far else [])]


@pytest.mark.parametrize("family", EACH)
def test_strides_fields_and_centres_are_those_of_gradients(family: str):
    if family == "lopsided" and jax.__version_info__ < (0, 12):
        pytest.skip("before jax 0.12, XLA's gradient of a filter within the padding alone is not zero")
    done = []
    for size, names in shapes_tried(family):
        side = size[0]
        for layer in names:
            fact = facts_of(family, size)[layer]
            length = fact.shape[0]
            low = [fact.center + i * fact.stride - (fact.receptive_field - 1) / 2 for i in range(length)]
            high = [x + fact.receptive_field - 1 for x in low]
            whole = [i for i in range(length) if low[i] >= 0 and high[i] < side]
            if family in REAL or fact.receptive_field <= side // 2 - fact.stride:
                assert len(whole) > 1, layer
            middle = whole[max(0, len(whole) // 2 - 1) :][:2] or [length // 2, length // 2 + 1]
            ends = [0, length - 1] if size[0] == size[1] else []  # as many each time: one compilation
            positions = [min(i, length - 1) for i in (*middle, *ends)]
            for i, (rows, columns) in seen(family, size, names, layer, positions).items():
                assert low[i].is_integer(), layer
                if size[0] == size[1]:
                    assert rows == columns, (layer, i)
                if high[i] < 0 or low[i] >= side:
                    assert rows is None, (layer, i)
                    continue
                first, last = rows
                # what is cut off at the border may have a gap there
                assert first == low[i] if low[i] >= 0 else first >= 0, (layer, i)
                assert last == high[i] if high[i] < side else last <= side - 1, (layer, i)
            done.append(layer)
    assert len(done) >= 5


def test_centres_that_are_known():
    facts = facts_of("lopsided")
    known = {
        "two": (1, 2, 0.5),  # pixels 0 and 1
        "four": (2, 5, 1.0),  # on 31 pixels one is padded before: −1 … 2 of those
        "late": (2, 9, -5.0),  # −4 … −2 of those, which begin at −9 and end at −1: nothing but padding
        "early": (4, 13, -3.0),
        "cut": (4, 13, 1.0),
    }
    assert {name: facts[name][2:5] for name in known} == known


EVERYWHERE = {
    "tiny": ["tokens", "pool", "logits", "probabilities"],
    "lopsided": [],
    "pools": ["adaptive", "fc"],
    "branches": ["side", "excited"],
    "groups": [],
    "normalized": ["tokens", "placed", "mean"],
}


@pytest.mark.parametrize("family", SMALL)
def test_what_sees_all_and_nothing_else_has_no_stride(family: str):
    facts = facts_of(family)
    assert [name for name, fact in facts.items() if fact.stride is None] == EVERYWHERE[family]
    for fact in facts.values():
        assert (fact.stride is None) == (fact.receptive_field is None) == (fact.center is None)


class Oblong(nnx.Module):
    """Filters that are higher than wide, and a mean over columns."""

    input_shape = (16, 16, 3)

    def __init__(self, rngs: nnx.Rngs):
        self.high = nnx.Conv(3, 4, (5, 1), (2, 1), rngs=rngs)

    def __call__(self, images: jax.Array, rectify: Callable = nn.plain) -> Iterator:
        x = yield "high", self.high(images)
        return (yield "row", x - x.mean(2, keepdims=True))


def test_h_is_told_where_w_differs():
    facts = vz.layers(Oblong(nnx.Rngs(0)))
    assert facts["high"][:5] == ((8, 16, 4), 4, 2, 5, 1.0)
    assert facts["row"].stride is facts["row"].center is None  # it sees all along w


# --- what a layer takes --------------------------------------------------------------------------


@pytest.mark.parametrize("family", EACH)
def test_parameters_are_those_that_matter(family: str):
    """Each array in turn is NaN; a layer depends on it where anything changes."""
    variables, run = run_of(family)
    values = {path: variable[...] for path, variable in variables.items()}
    plain = run(values)
    assert all(np.isfinite(a).all() for a in plain.values())
    # a pool may turn NaN into −inf, and ReLU that into 0: different from before all the same
    differ = jax.jit(lambda acts: {name: (a != plain[name]).any() for name, a in acts.items()})
    counts = dict.fromkeys(plain, 0)
    for path, variable in variables.items():
        if isinstance(variable, nnx.Param):
            broken = values | {path: np.full(variable.shape, np.nan, np.float32)}
            for name, differs in differ(run(broken)).items():
                counts[name] += values[path].size * bool(differs)
    assert {name: facts_of(family)[name].parameters for name in counts} == counts
    assert max(counts.values()) > 0


def test_running_statistics_are_no_parameters():
    facts = facts_of("pools")
    assert facts["norm"].parameters == facts["conv"].parameters + 8  # scale and bias, no mean and variance


# by hand: positions × what one of them multiplies
BY_HAND = {
    "tiny": {
        "conv1": (conv1 := 256 * 27 * 8),
        "relu1": conv1,
        "block.depthwise": (depthwise := conv1 + 256 * 9 * 8),
        "block": (block := depthwise + 256 * 8 * 8),
        "conv2": (conv2 := block + 64 * 72 * 16),
        "pool": conv2,
        "logits": conv2 + 160,
    },
    "lopsided": {
        "two": 31**2 * 12 * 4,
        "four": 31**2 * 12 * 4 + 16**2 * 64 * 6,
    },
    "pools": {
        "conv": 28**2 * 27 * 4,
        "adaptive": 28**2 * 27 * 4,  # its shares are constants
        "fc": 28**2 * 27 * 4 + 9 * 20,
    },
    "branches": {
        "stem": (stem := 256 * 27 * 4),
        "mixed.one": stem + 256 * 8,
        "mixed.five": stem + 256 * 100 * 3,
        "mixed.pooled": stem + 256 * 8,
        "mixed": (mixed := stem + 256 * (8 + 300 + 8)),
        "side": mixed + 21,
        "main": mixed + 64 * 63 * 8,
        "sum": mixed + 64 * (63 + 7) * 8,
        "excited": mixed + 64 * (63 + 7) * 8 + 64,
    },
    "groups": {
        "stem": (stem := 17**2 * 27 * 8),
        "grouped": (grouped := stem + 17**2 * 9 * 2 * 16),
        "shuffled": grouped,
        "depthwise": grouped + 81 * 9 * 16,
        "point": grouped + 81 * (9 * 16 + 256),
        "twice": grouped + 81 * (9 * 16 + 2 * 256),
    },
    "normalized": {
        "patch": (patch := 144 * 12 * 8),
        "banded": patch,
        "depthwise": patch + 144 * 49 * 8,
        "wide": patch + 144 * (49 * 8 + 128),
        "mean": patch + 144 * (49 * 8 + 256),
    },
}


@pytest.mark.parametrize("family", BY_HAND)
def test_multiply_adds_by_hand(family: str):
    facts = facts_of(family)
    assert {name: facts[name].multiply_adds for name in BY_HAND[family]} == BY_HAND[family]


def counted(
    x: jax.Array,
    kernel: jax.Array,
    strides: Any,
    padding: Any,
    dimension_numbers: Any,
    feature_group_count: int = 1,
    **plain: Any,
) -> jax.Array:
    """A convolution that XLA counts like any other number what is padded."""
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding)
    assert all(dilation == (1, 1) for key, dilation in plain.items() if "dilation" in key)
    x = lax.pad(x, 0.0, ((0, 0, 0), *((*pads, 0) for pads in padding), (0, 0, 0)))
    return lax.conv_general_dilated(
        x, kernel, strides, "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=feature_group_count,
    )  # fmt: skip


def left_out(product: Callable) -> Callable:
    """Something of the same shape that is made of the same input without an operation."""

    def instead(x: jax.Array, *arguments: Any, **options: Any) -> jax.Array:
        result = jax.eval_shape(lambda x: product(x, *arguments, **options), x)
        # of a concatenation, XLA would else keep the first part alone
        first = lax.optimization_barrier(x)[(..., *[slice(1)] * (x.ndim - 1))]
        return jnp.broadcast_to(first, result.shape)

    return instead


def operations(family: str, layer: str, products: bool) -> float:
    """XLA's count for one picture, in single precision: with learned products, or without."""
    net, wrap = FAMILIES[family].build(), (lambda f: f) if products else left_out
    for _, module in nnx.iter_modules(net):
        if isinstance(module, nnx.Conv):
            module.conv_general_dilated = wrap(counted)
        elif isinstance(module, nnx.Linear):
            module.dot_general = wrap(lax.dot_general)
    picture = jax.ShapeDtypeStruct((1, *net.input_shape), jnp.float32)
    with nn.lax_only():
        run = jax.jit(lambda net, x: vz.activations(net, x)[layer])
        return run.lower(net, picture).cost_analysis()["flops"]


@pytest.mark.slow
@pytest.mark.parametrize("family", REAL)
def test_multiply_adds_are_half_of_xlas_operations(family: str):
    for name in spread(tried(family), 6):
        found = operations(family, name, True) - operations(family, name, False)
        assert found / 2 == pytest.approx(facts_of(family)[name].multiply_adds, rel=1e-5), name


# torchvision's own figures of its model zoo: parameters, and 10⁹ multiply-adds
PUBLISHED = {
    "alexnet": (61100840, 0.71),
    "convnext_tiny": (28589128, 4.46),
    "densenet121": (7978856, 2.83),
    "inception_v3": (23834568, 5.71),  # of 27161264; the rest is the auxiliary head
    "mobilenet_v2": (3504872, 0.30),
    "resnet18": (11689512, 1.81),
    "resnet152": (60192808, 11.51),
    "resnext50_32x4d": (25028904, 4.23),
    "squeezenet1_0": (1248424, 0.82),
    "vgg11": (132863336, 7.61),
    "vgg16_bn": (138365992, 15.47),
}


# of what lies before the last mean or matrices: Araujo, Norris & Sim, Computing receptive fields of
# convolutional neural networks, Distill 2019, where the nets are the same
PUBLISHED_FIELDS = {"alexnet": 195, "vgg16": 212, "inception_v3": 1311}


@pytest.mark.parametrize("name", marked(MODELS))
def test_facts_of_all_models_agree_with_each_other_and_with_what_is_published(name: str):
    net = blank_of(name)
    variables = {".".join(map(str, path)): leaf for path, leaf in nnx.to_flat_state(nnx.state(net))}
    facts = facts_of(name)
    *_, last = facts.values()
    assert facts["logits"][5:7] == last[5:7]
    assert last.parameters == sum(x.size for x in variables.values() if isinstance(x, nnx.Param))

    products = {}
    for fact in facts.values():
        assert fact.channels == fact.shape[-1]
        assert 0 < fact.parameters <= last.parameters
        assert 0 < fact.multiply_adds <= last.multiply_adds
        assert (fact.kernel is None) == (fact.kernel_shape is None)
        if fact.kernel:
            kernel = variables[fact.kernel]
            assert fact.kernel_shape == kernel.shape
            assert fact.kernel_shape[-1] == fact.channels
            products[fact.kernel] = kernel.size * math.prod(fact.shape[:-1])
        assert (fact.stride is None) == (fact.receptive_field is None) == (fact.center is None)
        assert (fact.stride is None) == (len(fact.shape) == 1)
        if fact.stride:
            length, side = fact.shape[0], net.input_shape[0]
            assert -fact.stride < fact.center <= fact.center + (length - 1) * fact.stride < side + fact.stride
            assert (fact.center - (fact.receptive_field - 1) / 2).is_integer()
    # each filter is applied at each place of its layer, and nothing else is multiplied
    assert products.keys() == {path for path in variables if path.endswith(".kernel")}
    assert last.multiply_adds == sum(products.values())

    if name in PUBLISHED:
        parameters, billions = PUBLISHED[name]
        assert last.parameters == parameters
        assert last.multiply_adds / 1e9 == pytest.approx(billions, abs=0.0051)
    if name in PUBLISHED_FIELDS:
        fields = [fact.receptive_field for fact in facts.values() if fact.stride]
        assert fields[-1] == PUBLISHED_FIELDS[name]


# --- which filters -------------------------------------------------------------------------------

KERNELS = {
    "tiny": ["conv1", "block.depthwise", "block.project", "conv2", "classifier=logits"],
    "lopsided": ["two", "four", "late", "early", "dilated"],
    "pools": ["conv", "fc"],
    "branches": ["stem", "one=mixed.one", "five=mixed.five", "pooled=mixed.pooled", "side", "main"],
    "groups": ["stem", "grouped", "depthwise", "point", "point=twice"],
    "normalized": ["patch", "depthwise", "wide", "narrow"],
}


@pytest.mark.parametrize("family", KERNELS)
def test_kernels_of_the_layers_that_have_some(family: str):
    expected = {}
    for entry in KERNELS[family]:
        module, _, layer = entry.partition("=")
        expected[layer or module] = f"{module}.kernel"
    found = {name: fact.kernel for name, fact in facts_of(family).items() if fact.kernel}
    assert found == expected


def test_kernels_of_a_real_net():
    for name, fact in facts_of("efficientnet_lite0").items():
        raw = name.endswith((".conv", ".expand", ".depthwise", ".project"))
        expected = "classifier" if name == "logits" else name.removesuffix(".conv")
        assert fact.kernel == (f"{expected}.kernel" if raw or name == "logits" else None)


@pytest.mark.parametrize("family", EACH)
def test_a_layer_is_linear_in_its_kernel_channel_by_channel(family: str):
    """Without the kernel only the bias is left; an output's filter changes that output alone."""
    variables, run = run_of(family)
    values = {path: variable[...] for path, variable in variables.items()}
    found = 0
    for name in tried(family):
        fact = facts_of(family)[name]
        if not fact.kernel or (family, name) == ("groups", "twice"):  # the filters are used before as well
            continue
        kernel = np.asarray(values[fact.kernel])
        assert kernel.shape == fact.kernel_shape

        def layer(kernel: Any, name: str = name, path: str = fact.kernel) -> np.ndarray:
            return np.asarray(run(values | {path: kernel})[name])

        bias, plain = layer(0 * kernel), layer(kernel)
        assert (bias == bias[:, :1, ...]).all()
        assert bias.shape[-1] == fact.channels
        scale = abs(plain).max()
        np.testing.assert_allclose(layer(3 * kernel) - bias, 3 * (plain - bias), atol=1e-4 * scale)
        most = abs(plain).reshape(-1, fact.channels).max(0).argmax()
        without = kernel.copy()
        without[..., most] = 0
        moved = abs(layer(without) - plain).reshape(-1, fact.channels).max(0) / scale
        assert moved[most] > 0.5
        assert np.delete(moved, most).max() < 1e-6
        found += 1
    assert found >= (2 if family in SMALL else 5)


def by_hand(
    x: jax.Array, kernel: jax.Array, stride: int, pads: Any, groups: int = 1, dilation: int = 1
) -> Any:
    """The convolution as a sum over the filters' pixels, in double precision."""
    x = np.pad(np.asarray(x, np.float64), ((0, 0), pads, pads, (0, 0)))
    k, out = len(kernel), 0.0
    size = (x.shape[1] - (k - 1) * dilation - 1) // stride + 1
    parts = x.reshape(*x.shape[:3], groups, -1)
    filters = np.asarray(kernel, np.float64).reshape(k, k, parts.shape[-1], groups, -1)
    for i in range(k):
        for j in range(k):
            rows, columns = (
                slice(a * dilation, a * dilation + (size - 1) * stride + 1, stride) for a in (i, j)
            )
            out += np.einsum("nhwgc,cgo->nhwgo", parts[:, rows, columns], filters[i, j])
    return out.reshape(*out.shape[:3], -1)


# layer -> what it is computed from, and the rest of by_hand's arguments
CONVOLUTIONS = {
    ("tiny", "block.depthwise"): ("relu1", 1, (1, 1), 8),
    ("tiny", "conv2"): ("block", 2, (0, 1)),
    ("lopsided", "two"): ("image", 1, (0, 1)),
    ("lopsided", "dilated"): ("cut", 1, (2, 2), 1, 2),
    ("pools", "conv"): ("image", 1, (0, 0)),
    ("branches", "mixed.pooled"): ("mixed.pool", 1, (0, 0)),
    ("branches", "main"): ("mixed", 2, (1, 1)),
    ("groups", "grouped"): ("stem", 1, (1, 1), 4),
    ("groups", "depthwise"): ("shuffled", 2, (1, 1), 16),
    ("normalized", "patch"): ("image", 2, (0, 0)),
    ("normalized", "depthwise"): ("banded", 1, (3, 3), 8),
}


@pytest.mark.parametrize(("family", "layer"), CONVOLUTIONS)
def test_a_layer_is_the_convolution_with_its_kernel(family: str, layer: str):
    before, *how = CONVOLUTIONS[family, layer]
    acts, fact = vz.activations(net_of(family), pictures(family)), facts_of(family)[layer]
    array = functools.reduce(getattr, fact.kernel.split("."), net_of(family))[...]
    expected = by_hand(acts[before], array, *how)  # biases are zero
    assert expected.shape[1:] == fact.shape
    np.testing.assert_allclose(acts[layer], expected, atol=1e-5 * abs(expected).max())


class Disguised(nnx.Module):
    """Filters behind views of them and calls, and results that only resemble a raw output."""

    input_shape = (8, 8, 3)

    def __init__(self, rngs: nnx.Rngs):
        self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.flat = nnx.Param(jnp.ones((27, 4)))
        self.matrix = nnx.Param(jnp.ones((5, 4)))
        self.place = nnx.Param(jnp.ones((8, 8, 1)))

    def __call__(self, images: jax.Array, rectify: Callable = nn.plain) -> Iterator:
        jitted = jax.checkpoint(jax.jit(lambda x, k: nnx.Conv.__call__(k, x)), static_argnums=())
        x = yield "called", jitted(images, self.conv)
        kernel = self.flat[...].reshape(3, 3, 3, 4).astype(jnp.bfloat16).astype(jnp.float32)
        bare = functools.partial(lax.conv_general_dilated, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        yield "viewed", bare(images, kernel, (1, 1), "SAME")
        yield "transposed", jnp.dot(x, self.matrix[...].T).reshape(-1, 64, 5)
        custom = jax.custom_vjp(lambda x, k: x @ k.T)
        custom.defvjp(lambda x, k: (x @ k.T, None), lambda saved, g: (None, None))
        yield "custom", custom(x, self.matrix[...])
        yield "left", jnp.einsum("oc,nhwc->nhwo", self.matrix[...], x)
        yield "scaled", bare(images, 2 * kernel, (1, 1), "SAME")
        yield "placed", bare(images, kernel, (1, 1), "SAME") + self.place[...]
        yield "residual", bare(images, kernel, (1, 1), "SAME") + x
        row = x.mean((1, 2))
        yield "rows", row @ self.matrix[...].T + row @ self.matrix[...].T
        yield "constant", bare(images, np.ones((3, 3, 3, 4), np.float32), (1, 1), "SAME")
        yield "attention", jnp.einsum("nhwc,nijc->nhwij", x, x).sum((3, 4))[..., None]
        return x


def test_filters_are_found_in_disguise_and_nothing_else_is_taken_for_them():
    facts = vz.layers(Disguised(nnx.Rngs(0)))
    found = {name: (fact.kernel, fact.kernel_shape) for name, fact in facts.items() if fact.kernel}
    assert found == {
        "called": ("conv.kernel", (3, 3, 3, 4)),
        "viewed": ("flat", (27, 4)),
        "transposed": ("matrix", (5, 4)),
        "custom": ("matrix", (5, 4)),
        "left": ("matrix", (5, 4)),
    }
    assert facts["constant"].multiply_adds == facts["constant"].parameters == 0
    assert facts["attention"].multiply_adds == 64 * 27 * 4 + 64 * 64 * 4
    assert facts["called"].receptive_field == facts["custom"].receptive_field == 3


class Looped(nnx.Module):
    """The same product several times in a loop, and one of two on a condition."""

    input_shape = (8, 8, 3)

    def __init__(self, rngs: nnx.Rngs):
        self.matrix = nnx.Param(jnp.ones((3, 3)))
        self.wide = nnx.Param(jnp.ones((3, 6)))

    def __call__(self, images: jax.Array, rectify: Callable = nn.plain) -> Iterator:
        square, wide = self.matrix[...], self.wide[...]
        x = yield "loop", lax.fori_loop(0, 5, lambda i, x: x @ square, images)
        return (
            yield (
                "choice",
                lax.cond(x.sum() > 0, lambda x: x @ square, lambda x: x @ wide @ wide.T, x),
            )
        )


def test_loops_count_their_rounds_and_conditions_their_dearest_branch():
    facts = vz.layers(Looped(nnx.Rngs(0)))
    assert facts["loop"].multiply_adds == 5 * 64 * 9
    assert facts["choice"].multiply_adds == 5 * 64 * 9 + 64 * 36
    assert (facts["loop"].parameters, facts["choice"].parameters) == (9, 27)
    assert facts["loop"].kernel is facts["loop"].stride is None


class Deep(nnx.Module):
    """As many layers as the deepest nets have."""

    input_shape = (8, 8, 4)

    def __init__(self, rngs: nnx.Rngs):
        self.convs = nnx.List([nnx.Conv(4, 4, (3, 3), rngs=rngs) for _ in range(300)])

    def __call__(self, images: jax.Array, rectify: Callable = nn.plain) -> Iterator:
        x = images
        for i, conv in enumerate(self.convs):
            x = yield f"{i}", conv(x)
            x = yield f"{i}.relu", jax.nn.relu(x)
        return x


def test_deep_nets():
    facts = vz.layers(nnx.eval_shape(lambda: Deep(nnx.Rngs(0))))
    assert len(facts) == 600
    assert facts["299.relu"].parameters == 300 * (9 * 16 + 4)
    assert facts["299"][3:5] == (601, 0.0)
    assert facts["299"].kernel == "convs.299.kernel"
