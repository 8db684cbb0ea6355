"""Facts about layers, held to brute force: gradients, broken weights, XLA's count, convolutions by hand.

A family joins by a row in `FAMILIES`.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax
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
            16, 16, (3, 3), 2, feature_group_count=16, conv_general_dilated=nn.depthwise_conv, rngs=rngs
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
    """A row of the table: how a net is made, and the side of the pictures that it is tried on."""

    build: Callable[[], Any]
    size: int


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
FAMILIES = SMALL | {
    "efficientnet_lite0": Family(real("efficientnet_lite0"), 128),
}
CHECKED = 6
"""Layers of a large net that are tried, evenly spread."""


@functools.cache
def net_of(family: str) -> Any:
    """With random weights, and the family's size as its own."""
    net = random(FAMILIES[family].build())
    net.input_shape = (FAMILIES[family].size,) * 2 + (3,)
    return net


@functools.cache
def facts_of(family: str) -> dict[str, Layer]:
    return vz.layers(net_of(family))


def pictures(family: str, n: int = 1) -> jax.Array:
    return jax.random.uniform(jax.random.key(0), (n, *net_of(family).input_shape))


def spread(names: list[str], family: str) -> list[str]:
    """All of a small net's, some of a large one's, both ends among them."""
    if family in SMALL or len(names) <= CHECKED:
        return names
    return [names[i] for i in np.linspace(0, len(names) - 1, CHECKED).astype(int)]


# --- what a position sees ------------------------------------------------------------------------


def seen(family: str, layer: str, positions: list[int]) -> list[tuple[int, int] | None]:
    """First and last row of the pixels that a layer's positions (i, i) have a gradient to; None for none.

    Non-linearities are left out, and pictures differ, so that nothing is cut off by chance.
    """

    def strength(x: jax.Array, net: Any, i: jax.Array) -> jax.Array:
        linear = lambda f, x, step=0: x  # noqa: E731
        return (vz.activations(net, x, linear)[layer][:, i, i] ** 2).sum()

    slope = jax.jit(jax.grad(strength))
    found = []
    for i in positions:
        reached = np.asarray(slope(pictures(family, 4), net_of(family), i) != 0).any((0, 3))
        rows, columns = (np.flatnonzero(reached.any(axis)) for axis in (1, 0))
        spans = [(int(x.min()), int(x.max())) if x.size else None for x in (rows, columns)]
        assert spans[0] == spans[1]
        found.append(spans[0])
    return found


def tried() -> list[tuple[str, str]]:
    """Layers whose field fits into the picture, some that see more, and all small nets' layers."""
    found = []
    for family, row in FAMILIES.items():
        local = {name: fact for name, fact in facts_of(family).items() if fact.stride}
        fits = [name for name, fact in local.items() if fact.receptive_field <= row.size // 2]
        beyond = [name for name in local if name not in fits]
        names = spread(fits, family) + (beyond if family in SMALL else beyond[:: max(1, len(beyond) // 2)])
        assert len(names) >= 5, family
        found += [(family, name) for name in names]
    return found


@pytest.mark.parametrize(("family", "layer"), tried())
def test_stride_field_and_centre_are_those_of_gradients(family: str, layer: str):
    fact, side = facts_of(family)[layer], FAMILIES[family].size
    length = fact.shape[0]
    assert length == fact.shape[1]
    positions = sorted({0, length // 2, length // 2 + 1, length - 1} & set(range(length)))
    spans = dict(zip(positions, seen(family, layer, positions), strict=True))
    whole = {}
    for i, span in spans.items():
        low = fact.center + i * fact.stride - (fact.receptive_field - 1) / 2
        high = low + fact.receptive_field - 1
        assert low.is_integer()
        if high < 0 or low >= side:
            assert span is None
            continue
        first, last = span
        # what is cut off at the border may have a gap there
        assert first == low if low >= 0 else first >= 0
        assert last == high if high < side else last <= side - 1
        if low >= 0 and high < side:
            whole[i] = (first + last) / 2
    if fact.receptive_field <= side // 2 - fact.stride:
        assert len(whole) > 1
        (i, a), (j, b), *_ = whole.items()
        assert (b - a) / (j - i) == fact.stride
        assert a - i * fact.stride == fact.center


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


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_are_those_that_matter(family: str):
    """Each array in turn is NaN; a layer depends on it where anything changes."""
    net, x = net_of(family), pictures(family)
    structure, state = nnx.split(net)
    flat = nnx.to_flat_state(state)

    @jax.jit
    def run(values: list, x: jax.Array) -> dict[str, jax.Array]:
        filled = [(path, leaf.replace(v)) for (path, leaf), v in zip(flat, values, strict=True)]
        return dict(vz.activations(nnx.merge(structure, nnx.from_flat_state(filled)), x))

    values = [leaf[...] for _, leaf in flat]
    plain = run(values, x)
    # a pool may turn NaN into −inf, and ReLU that into 0: different from before all the same
    differ = jax.jit(lambda acts: {name: (a != plain[name]).any() for name, a in acts.items()})
    assert all(np.isfinite(a).all() for a in plain.values())
    counts = dict.fromkeys(facts_of(family), 0)
    for i, (_, leaf) in enumerate(flat):
        if isinstance(leaf, nnx.Param):
            broken = [jnp.full_like(v, jnp.nan) if i == j else v for j, v in enumerate(values)]
            for name, differs in differ(run(broken, x)).items():
                counts[name] += leaf[...].size * bool(differs)
    assert {name: fact.parameters for name, fact in facts_of(family).items()} == counts
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


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in SMALL])
def test_multiply_adds_are_half_of_xlas_operations(family: str):
    """XLA counts what is element-wise as well and padding not: 10 % for those, in deeper layers."""
    net = FAMILIES[family].build()  # at its own size, where padding is little
    facts = vz.layers(net)
    names, picture = list(facts), jax.ShapeDtypeStruct((1, *net.input_shape), jnp.float32)
    for name in (names[0], *spread(names[len(names) // 2 :], family)):
        with nn.lax_only():
            layer = jax.jit(lambda net, x, name=name: vz.activations(net, x)[name])
            operations = layer.lower(net, picture).cost_analysis()["flops"]
        assert operations / 2 == pytest.approx(facts[name].multiply_adds, rel=0.1), name


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


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name in MODELS])
def test_whole_models_have_the_published_figures(name: str):
    *_, last = vz.layers(real(name)()).values()
    parameters, billions = PUBLISHED[name]
    assert last.parameters == parameters
    assert last.multiply_adds / 1e9 == pytest.approx(billions, abs=0.0051)


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


@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_is_linear_in_its_kernel_channel_by_channel(family: str):
    """Without the kernel only the bias is left; an output's filter changes that output alone."""
    net, facts, x = net_of(family), facts_of(family), pictures(family)
    structure, state = nnx.split(net)
    flat = dict(nnx.to_flat_state(state))
    paths = {".".join(map(str, path)): path for path in flat}
    for name in spread([name for name, fact in facts.items() if fact.kernel], family):
        path = paths[facts[name].kernel]
        kernel = flat[path][...]
        assert kernel.shape == facts[name].kernel_shape
        if (family, name) == ("groups", "twice"):
            continue  # the filters are used before as well

        @jax.jit
        def layer(kernel: jax.Array, name: str = name, path: tuple = path) -> jax.Array:
            filled = flat | {path: flat[path].replace(kernel)}
            net = nnx.merge(structure, nnx.from_flat_state(list(filled.items())))
            return vz.activations(net, x)[name]

        bias, plain = layer(0 * kernel), layer(kernel)
        assert (bias == bias[:, :1, ...]).all()
        assert bias.shape[-1] == facts[name].channels
        scale = abs(plain).max()
        np.testing.assert_allclose(layer(3 * kernel) - bias, 3 * (plain - bias), atol=1e-4 * scale)
        moved = abs(layer(kernel.at[..., 1].set(0)) - plain).max(range(plain.ndim - 1)) / scale
        assert moved[1] > 1e-3
        assert jnp.delete(moved, 1).max() < 1e-6


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
