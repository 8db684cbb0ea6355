"""The lazy mapping, edits on the way, and facts about layers, held to brute force."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax
from tiny import TinyNet, tiny

import vizjax as vz
from vizjax import nn
from vizjax.activations import layer_names, scope
from vizjax.errors import InputError, UnknownName
from vizjax.program import flat
from vizjax.receptive_field import receptive_fields

NAMES = [
    "conv1", "relu1", "block.depthwise", "block.project", "block", "conv2", "relu2", "tokens", "pool",
    "logits", "probabilities",
]  # fmt: skip


def pictures(n: int = 2, size: int = 16) -> jax.Array:
    return jax.random.uniform(jax.random.key(0), (n, size, size, 3))


def after(name: str, edit: Any = None, rectify: Callable = nn.plain) -> Callable:
    return lambda net, x: vz.activations(net, x, rectify, edit)[name]


# --- the mapping ---------------------------------------------------------------------------------


REACHED: list[str] = []


class Watched(nnx.Module):
    """A net that tells how far it ran, and whose tail breaks on every picture."""

    input_shape = (8, 8, 3)

    def __call__(self, images: jax.Array, rectify: Callable = nn.plain) -> Iterator:
        x = images
        for name in ("first", "second", "third"):
            x = yield name, 2 * x
            REACHED.append(name)
        raise RuntimeError("the tail is broken")


def test_transparent_pictures_are_seen_on_grey():
    """One channel more than the net takes is alpha; ``acts["image"]`` keeps it."""
    x = jnp.concatenate([pictures(), jnp.linspace(0, 1, 256).reshape(1, 16, 16, 1).repeat(2, 0)], -1)
    acts = vz.activations(tiny(), x)
    expected = vz.activations(tiny(), x[..., 3:] * x[..., :3] + (1 - x[..., 3:]) / 2)
    np.testing.assert_allclose(acts["conv2"], expected["conv2"], atol=1e-6)
    np.testing.assert_array_equal(acts["image"], x)
    opaque = jnp.concatenate([pictures(), jnp.ones((2, 16, 16, 1))], -1)
    seen = vz.activations(tiny(), opaque)["conv1"]
    np.testing.assert_allclose(seen, vz.activations(tiny(), pictures())["conv1"], atol=1e-6)


def test_nothing_deeper_is_traced():
    REACHED.clear()
    x = pictures(1, 8)
    slope = jax.jit(jax.grad(lambda x: vz.activations(Watched(), x)["second"].sum()))
    np.testing.assert_array_equal(slope(x), jnp.full_like(x, 4))
    assert REACHED == ["first"]
    with pytest.raises(RuntimeError, match="the tail is broken"):
        list(vz.activations(Watched(), x))


def test_what_nobody_asks_for_is_not_computed():
    program = jax.make_jaxpr(after("relu1"))(tiny(), pictures())
    text = str(program)
    assert text.count("conv_general_dilated[") == 1
    assert str(jax.make_jaxpr(after("relu2"))(tiny(), pictures())).count("conv_general_dilated[") > 2


def test_names_come_in_the_nets_order():
    acts = vz.activations(tiny(), pictures())
    assert list(acts) == NAMES == layer_names(tiny())
    assert list(vz.layers(tiny())) == NAMES
    assert len(acts) == len(NAMES)
    acts["logits"]
    assert list(acts) == NAMES  # whatever was asked for before


def test_an_activation_is_computed_once():
    acts = vz.activations(tiny(), pictures())
    late = acts["relu2"]
    assert acts["relu2"] is late
    assert acts["relu1"] is acts["relu1"]
    np.testing.assert_array_equal(acts["relu2"], acts["tokens"].reshape(late.shape))


def test_the_picture_is_among_them():
    x, other = pictures(), pictures(1, 12)
    assert vz.activations(tiny(), x)["image"] is x
    assert vz.activations(tiny(), x, image=other)["image"] is other
    assert "image" not in list(vz.activations(tiny(), x))


def test_jit_vmap_and_grad():
    x = pictures()
    eager = vz.activations(tiny(), x)
    for name in ("relu1", "tokens", "probabilities"):
        jitted = jax.jit(after(name))
        np.testing.assert_allclose(jitted(tiny(), x), eager[name], atol=1e-5)
    lanes = jax.jit(jax.vmap(after("logits"), (None, 0)))(tiny(), x[:, None])
    np.testing.assert_allclose(lanes[:, 0], eager["logits"], atol=1e-5)
    np.testing.assert_allclose(eager["probabilities"].sum(1), 1, rtol=1e-5)


def test_unknown_names():
    acts = vz.activations(tiny(), pictures())
    with pytest.raises(
        UnknownName, match=r"unknown layer 'relu3': did you mean 'relu[12]' or .*layers\(net\)"
    ):
        acts["relu3"]
    with pytest.raises(KeyError):  # as of any mapping
        acts["nothing like it"]
    assert "relu3" not in acts
    with pytest.raises(UnknownName, match=r"unknown layer to edit 'blok': did you mean 'block'"):
        vz.activations(tiny(), pictures(), edit={"blok": jnp.zeros_like})


class Fixed(nnx.Module):
    """A net with a place for each of the 4 × 4 tokens of its own size."""

    input_shape = (8, 8, 3)

    def __call__(self, images: jax.Array, rectify: Callable = nn.plain) -> Iterator:
        x = yield "half", images[:, ::2, ::2]
        tokens = x.reshape(x.shape[0], -1, 3)
        return (yield "placed", tokens + jnp.arange(16.0)[:, None])


def test_pictures_that_are_too_small():
    acts = vz.activations(Fixed(), pictures(1, 6))
    assert acts["half"].shape == (1, 3, 3, 3)
    with pytest.raises(
        InputError, match=r"'placed' cannot be computed on pictures of \(6, 6\) .*own size is \(8, 8\)"
    ):
        acts["placed"]
    with pytest.raises(UnknownName, match="did you mean 'placed'"):  # the closest, whatever the canvas
        vz.activations(Fixed(), pictures(1, 6))["plced"]


class Shrinking(nnx.Module):
    """A net whose valid convolutions leave nothing of a small picture, of which it takes a mean."""

    input_shape = (16, 16, 3)

    def __call__(self, images: jax.Array, rectify: Callable = nn.plain) -> Iterator:
        x = yield "first", convolved(images, 2, "VALID")
        x = yield "second", convolved(x, 2, "VALID")
        return (yield "mean", x.mean((1, 2)))


def test_pictures_of_which_nothing_is_left():
    acts = vz.activations(Shrinking(), pictures(1, 5))
    assert acts["first"].shape == (1, 2, 2, 3)
    for name in ("second", "mean"):
        with pytest.raises(InputError, match=rf"'{name}' cannot be computed on pictures of \(5, 5\)"):
            vz.activations(Shrinking(), pictures(1, 5))[name]
    assert np.isfinite(vz.activations(Shrinking(), pictures(1, 7))["mean"]).all()


@pytest.mark.parametrize(
    "x", [np.zeros((8, 8, 3), np.float32), np.zeros((1, 8, 8, 3), np.uint8)], ids=["one", "8 bits"]
)
def test_pictures_that_are_none(x: np.ndarray):
    with pytest.raises(
        InputError, match=r"pictures are n h w c of floats in \[0, 1\].*divide 8-bit ones by 255"
    ):
        vz.activations(tiny(), x)


def test_several_nets():
    other = jax.tree.map(lambda w: 2 * w, tiny())
    x = pictures()
    acts = vz.activations({"a": tiny(), "b": other}, x)
    assert set(acts) == {"a", "b"}
    np.testing.assert_allclose(acts["a"]["conv1"] * 2, acts["b"]["conv1"], rtol=1e-5)
    assert acts["b"]["image"] is x
    pair = vz.activations((tiny(), other), x)
    np.testing.assert_array_equal(pair[1]["logits"], acts["b"]["logits"])


def test_scopes_nest_and_hand_everything_on():
    def inner(x: float) -> Iterator:
        x = yield "twice", 2 * x
        return x + 1

    def outer(x: float) -> Iterator:
        x = yield from scope("in", inner(x))
        return 10 * x

    def net(x: float) -> Iterator:
        return (yield from scope("out", outer(x)))

    def run(edit: dict) -> tuple[dict, float]:
        running, reply, seen = net(1.0), None, {}
        while True:
            try:
                name, x = running.send(reply)
            except StopIteration as end:
                return seen, end.value
            seen[name] = reply = edit.get(name, x)

    assert run({}) == ({"out.in.twice": 2.0, "out.in": 3.0, "out": 30.0}, 30.0)
    assert run({"out.in.twice": 5.0})[1] == 60.0
    assert run({"out.in": 0.0})[1] == 0.0
    assert run({"out": 7.0})[1] == 7.0


# --- edits ---------------------------------------------------------------------------------------


def test_an_edit_counts_from_its_layer_on():
    x, plain = pictures(), vz.activations(tiny(), pictures())
    edited = vz.activations(tiny(), x, edit={"block": lambda a: 0 * a + 1})
    np.testing.assert_array_equal(edited["relu1"], plain["relu1"])
    np.testing.assert_array_equal(edited["block.project"], plain["block.project"])
    assert (edited["block"] == 1).all()
    assert np.abs(edited["conv2"] - plain["conv2"]).max() > 1e-3
    patched = vz.activations(tiny(), x, edit={"block": lambda a: plain["block"]})
    np.testing.assert_array_equal(patched["logits"], plain["logits"])


def test_an_edit_inside_a_block_reaches_its_end():
    x = pictures()
    acts = vz.activations(tiny(), x, edit={"block.project": jnp.zeros_like})
    np.testing.assert_array_equal(acts["block"], acts["relu1"])  # the residual alone


def test_several_nets_are_edited_alike():
    acts = vz.activations([tiny(), tiny()], pictures(), edit={"relu1": jnp.zeros_like})
    np.testing.assert_array_equal(acts[0]["logits"], acts[1]["logits"])
    assert not acts[1]["relu1"].any()


def test_ablations_side_by_side():
    """Sixteen channels taken out, one in each lane: what a loop over them gives."""

    def without(channel: jax.Array, x: jax.Array) -> jax.Array:
        kept = {"relu2": lambda a: a * (1 - jax.nn.one_hot(channel, 16))}
        return after("logits", kept)(tiny(), x)

    x, one = pictures(), jax.jit(without)
    together = jax.jit(jax.vmap(without, (0, None)))(jnp.arange(16), x)
    np.testing.assert_allclose(together, [one(c, x) for c in range(16)], atol=1e-5)
    weights = tiny().classifier.kernel[...]  # after the pool all is linear
    lost = after("pool")(tiny(), x)[None] * np.eye(16)[:, None] @ weights
    np.testing.assert_allclose(after("logits")(tiny(), x) - together, lost, atol=1e-5)


def inner_gradient(net: Any, x: jax.Array, name: str, unit: int) -> jax.Array:
    def logit(added: jax.Array) -> jax.Array:
        return after("logits", {name: lambda a: a + added})(net, x)[:, unit].sum()

    return jax.grad(logit)(jnp.zeros_like(after(name)(net, x)))


@pytest.mark.parametrize("name", ["conv1", "block.project", "relu2", "tokens"])
def test_the_gradient_at_an_inner_layer(name: str):
    """That of an added zero, against finite differences in double precision."""
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).uniform(size=(1, 8, 8, 3)))
        slope = jax.jit(lambda x: inner_gradient(tiny(), x, name, 3))(x)
        assert slope.dtype == jnp.float64
        way = jnp.asarray(np.random.default_rng(1).normal(size=slope.shape))
        moved = jax.jit(lambda step: after("logits", {name: lambda a: a + step * way})(tiny(), x)[0, 3])
        rise = (moved(1e-6) - moved(-1e-6)) / 2e-6
        np.testing.assert_allclose(jnp.vdot(slope, way), rise, rtol=1e-6)


def test_grad_cam():
    """In a few lines: channels weighted by their mean gradient, summed, and what is positive of it."""

    def grad_cam(net: Any, x: jax.Array, name: str, unit: int) -> jax.Array:
        weights = inner_gradient(net, x, name, unit).mean((1, 2), keepdims=True)
        return jax.nn.relu((weights * after(name)(net, x)).sum(-1))

    x = pictures()
    seen = jax.jit(lambda x: grad_cam(tiny(), x, "relu2", 5))(x)
    # behind relu2 lie a mean over 16 positions and a linear layer
    weights = tiny().classifier.kernel[...][:, 5] / 16
    expected = np.maximum(after("relu2")(tiny(), x) @ weights, 0)
    np.testing.assert_allclose(seen, expected, atol=1e-6)
    assert expected.max() > 0


def test_the_rule_for_nonlinearities_reaches_every_layer():
    asked: list = []

    def rule(f: Callable, x: jax.Array, step: Any = 0) -> jax.Array:
        asked.append(f)
        return f(x)

    vz.activations(tiny(), pictures(), rule)["logits"]
    assert asked == [jax.nn.relu, jax.nn.relu6, jax.nn.relu, jax.nn.relu6]


# --- facts about layers --------------------------------------------------------------------------


def brute_force(f: Callable, rows: int, columns: int = 8, channels: int = 3) -> dict[str, tuple]:
    """Stride, size and centre of the receptive field of every output: which rows a row of NaN reaches."""
    x = np.broadcast_to(0.5, (rows, rows, columns, channels)).astype(np.float32).copy()
    x[np.arange(rows), np.arange(rows)] = np.nan
    with nn.lax_only():  # fast forms of a convolution may mix neighbours
        outputs = jax.jit(jax.vmap(lambda x: f(x[None])))(x)
    found = {}
    for name, out in outputs.items():
        reached = np.isnan(np.asarray(out)).any((1, *range(3, out.ndim)))  # input row, output row
        spans = [(i, np.flatnonzero(column)) for i, column in enumerate(reached.T)]
        # of the middle ones, those whose window ends before the picture does
        middle = spans[len(spans) // 3 : -(len(spans) // 3)]
        whole = [(i, s.min(), s.max()) for i, s in middle if s.min() > 0 and s.max() < rows - 1]
        assert len(whole) > 1, name
        (stride,) = set(np.diff([low for _, low, _ in whole]).tolist())
        (field,) = {int(high - low) + 1 for _, low, high in whole}
        (center,) = {float(low + high) / 2 - i * stride for i, low, high in whole}
        found[name] = (stride, field, center)
    return found


def test_layer_facts_of_the_tiny_net():
    facts, shown = vz.layers(tiny()), NAMES[: NAMES.index("tokens")]
    found = brute_force(lambda x: {name: vz.activations(tiny(), x)[name] for name in shown}, 32)
    assert {name: facts[name][2:5] for name in shown} == found
    assert found["relu2"] == (4, 11, 3.0)
    for name in ("pool", "logits", "probabilities"):
        assert facts[name][2:5] == (None, None, None)
    acts = vz.activations(tiny(), pictures(1, 32))
    assert {name: fact.shape for name, fact in facts.items()} == {n: acts[n].shape[1:] for n in NAMES}
    assert all(fact.channels == fact.shape[-1] for fact in facts.values())


def test_layer_facts_of_a_real_net():
    net = vz.load("efficientnet_lite0", weights="random")
    shown = ["stem.conv", "stem", "blocks.0", "blocks.2.depthwise", "blocks.4"]
    facts = vz.layers(net)

    def seen(x: jax.Array) -> dict:
        acts = vz.activations(net, x)
        return {name: acts[name] for name in shown}

    assert {n: facts[n][2:5] for n in shown} == brute_force(seen, 112)
    assert facts["blocks.4"].shape == (28, 28, 40)


KERNEL = np.random.default_rng(0).normal(size=(3, 3, 3, 3)).astype(np.float32)


def convolved(x: Any, stride: int = 1, padding: Any = "SAME", dilation: int = 1) -> Any:
    return lax.conv_general_dilated(
        x, KERNEL, (stride, stride), padding, rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )  # fmt: skip


def pooled(x: Any, window: int, stride: int) -> Any:
    return lax.reduce_window(x, 0.0, lax.add, (1, window, window, 1), (1, stride, stride, 1), "VALID")


LOCAL: dict[str, Callable] = {
    "strided": lambda x: convolved(x, 2),
    "asymmetric padding": lambda x: convolved(x, 2, ((3, 0), (1, 1))),
    "dilated": lambda x: convolved(x, 1, "SAME", 3),
    "three in a row": lambda x: convolved(convolved(convolved(x, 2), 1), 2),
    "pool": lambda x: pooled(convolved(x), 3, 2),
    "residual": lambda x: x + convolved(convolved(x)),
    "looking back": lambda x: x + convolved(x, 1, ((3, -1), (1, 1))),
    "concatenated": lambda x: jnp.concatenate([convolved(x, 2, ((1, 1), (1, 1))), x[:, ::2, ::2]], -1),
    "padded and cut": lambda x: convolved(jnp.pad(x, ((0, 0), (4, 2), (0, 0), (0, 0)))[:, 3::2]),
    "matrix product": lambda x: jnp.matmul(convolved(x, 2), KERNEL[0, 0]),
    "normalized": lambda x: convolved(x) / jnp.sqrt(1 + jnp.sum(x**2, -1, keepdims=True)),
    "jitted": lambda x: jax.jit(lambda y: convolved(y, 2))(convolved(x)),
    "shifted slices": lambda x: x[:, :-4] + x[:, 4:],
    "even filter, lopsided": lambda x: pooled(jnp.pad(x, ((0, 0), (0, 3), (0, 1), (0, 0))), 4, 2),
    "looking far back": lambda x: convolved(x, 2, ((9, -8), (1, 1))),
    "there and back": lambda x: convolved(x.transpose(0, 2, 3, 1).transpose(0, 3, 1, 2), 2),
    "in another order": lambda x: convolved(x)[..., np.array([2, 0, 1])],
    "shuffled": lambda x: (
        jnp.concatenate([x, convolved(x)], -1)
        .reshape(*x.shape[:3], 2, 3)
        .swapaxes(3, 4)
        .reshape(*x.shape[:3], 6)
    ),
    "banded": lambda x: jnp.einsum("cd,nhwd->nhwc", KERNEL[0, 0], convolved(x)),
    "matrix from the left": lambda x: jnp.tensordot(KERNEL[0, 0], convolved(x), (1, 3)).transpose(1, 2, 3, 0),
    "a matrix for each row": lambda x: jnp.einsum(
        "nhwc,hcd->nhwd", x, jnp.broadcast_to(KERNEL[0, 0], (40, 3, 3))
    ),
    "layer norm": lambda x: jax.nn.gelu(jax.nn.standardize(convolved(x)), approximate=False),
    "tiled": lambda x: jnp.tile(convolved(x), (1, 1, 1, 2)),
    "split": lambda x: sum(jnp.split(convolved(x, 2), 3, -1)),
    "checkpointed": lambda x: jax.checkpoint(lambda y: jax.nn.silu(convolved(y, 2)))(x),
    "sorted channels": lambda x: jnp.cumsum(jnp.sort(convolved(x)[..., ::-1], -1), 2).sum(-1),
}
GLOBAL: dict[str, Callable] = {
    "mean": lambda x: x - x.mean((1, 2), keepdims=True),
    "pooled to one": lambda x: x.mean((1, 2)),
    "flattened": lambda x: x.reshape(x.shape[0], -1),
    "mirrored": lambda x: x[:, ::-1],
    "transposed": lambda x: x.swapaxes(1, 2),
    "attention": lambda x: jnp.einsum("nhwc,nkwc->nhkw", x, x),
    "different strides": lambda x: x[:, ::2][:, :8] + x[:, :8],
    "cumulative": lambda x: jnp.cumsum(x, 1),
    "sorted": lambda x: jnp.sort(x, 1),
    "found": lambda x: jnp.argmax(x, 1),
    "one picture": lambda x: x[0],
    "one row for all": lambda x: x + convolved(x)[:, 3:4],
    "tiled": lambda x: jnp.tile(x, (1, 2, 1, 1)),
    "repeated": lambda x: jnp.repeat(x, 2, axis=1),
    "reshaped to as many rows": lambda x: x.reshape(4, 16, 4, 3),
    "patches": lambda x: x.reshape(1, 4, 4, 16, 3),
    "spread": lambda x: lax.conv_general_dilated(
        x, KERNEL, (1, 1), ((1, 2), (1, 2)), lhs_dilation=(2, 2), dimension_numbers=("NHWC", "HWIO", "NHWC")
    ),
    "matrix over rows": lambda x: jnp.einsum("ih,nhwc->niwc", jnp.eye(16), x),
    "shuffled rows": lambda x: x.reshape(1, 2, 8, 16, 3).swapaxes(1, 2).reshape(1, 16, 16, 3),
    "triangular": lambda x: jnp.linalg.cholesky(x[..., 0])[..., None] + 0 * x,
    "turned": lambda x: jnp.fft.fft(x, axis=1).real,
    "picked": lambda x: x[:, np.arange(16)[::-1].copy()],
    "cut at random": lambda x: lax.dynamic_slice(x, (0, jnp.argmax(x[0, 0, 0]), 0, 0), (1, 16, 8, 3)),
    "one by one": lambda x: lax.scan(lambda s, row: (s + row, s), x[0, 0], x[0])[1],
    "filtered by itself": lambda x: (
        convolved(x) * 0
        + lax.conv_general_dilated(
            x, x[:, :3, :3, :].reshape(3, 3, 3, 1), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    ),
    "branched": lambda x: lax.cond(x[0, 0, 0, 0] > 0, lambda x: x[:, ::-1], lambda x: x, x),
}


@pytest.mark.parametrize("kind", LOCAL)
def test_receptive_fields_agree_with_brute_force(kind: str):
    program = flat(jax.make_jaxpr(LOCAL[kind])(jnp.zeros((1, 40, 40, 3))))
    assert receptive_fields(program, 0) == [brute_force(lambda x: {"": LOCAL[kind](x)}, 40, 40)[""]]


@pytest.mark.parametrize("kind", GLOBAL)
def test_what_is_not_local_has_no_receptive_field(kind: str):
    program = flat(jax.make_jaxpr(GLOBAL[kind])(jnp.zeros((1, 16, 16, 3))))
    assert receptive_fields(program, 0) == [(None, None, None)]


def test_facts_touch_no_weight():
    abstract = nnx.eval_shape(lambda: TinyNet(rngs=nnx.Rngs(0)))
    assert vz.layers(abstract) == vz.layers(tiny())
