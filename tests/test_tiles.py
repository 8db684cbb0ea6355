"""Tiles: what each is of the whole, gradients, and that memory is one tile's."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import tiny

import vizjax as vz
from vizjax import nn
from vizjax.tiles import tiled


def pictures(h: int, w: int, n: int = 1) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).random((n, h, w, 3), np.float32))


def seen(net: Any, x: Any, layer: str = "block") -> jax.Array:
    return vz.activations(net, x)[layer]


def score(net: Any, x: Any) -> jax.Array:
    return jnp.mean(jnp.square(seen(net, x)))


def test_one_tile_is_the_net_itself():
    x = pictures(24, 32)
    np.testing.assert_allclose(seen(tiled(tiny(), "block", 32), x), seen(tiny(), x), atol=1e-6)
    slope = jax.jit(jax.grad(score, argnums=1))
    np.testing.assert_allclose(slope(tiled(tiny(), "block", 32), x), slope(tiny(), x), atol=1e-7)


@pytest.mark.parametrize(("shape", "rows", "columns"), [((32, 48), 2, 3), ((30, 16), 2, 1), ((33, 20), 3, 2)])
def test_tiles_are_equal_parts_put_together_again(shape, rows, columns):
    """What does not divide is continued from the other side."""
    x, net = pictures(*shape, n=2), tiny()
    high, wide = -(-shape[0] // rows), -(-shape[1] // columns)
    rest = (rows * high - shape[0], columns * wide - shape[1])
    cyclic = np.pad(x, ((0, 0), (0, rest[0]), (0, rest[1]), (0, 0)), "wrap")
    parts = [
        [seen(net, jnp.asarray(part)) for part in np.split(row, columns, 2)]
        for row in np.split(cyclic, rows, 1)
    ]
    expected = np.concatenate([np.concatenate(row, 2) for row in parts], 1)
    found = seen(tiled(net, "block", 16), x)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    jitted = jax.jit(seen, static_argnums=2)(tiled(net, "block", 16), x, "block")
    np.testing.assert_allclose(jitted, found, atol=1e-6)


def test_lanes_are_equal_and_gradients_are_those_of_the_tiles():
    x, net = pictures(32, 32), tiled(tiny(), "block", 16)
    slope = jax.jit(jax.grad(score, argnums=1))
    lanes = jax.jit(jax.vmap(jax.grad(score, argnums=1), (None, 0)))(net, jnp.stack([x, 1 - x, x]))
    np.testing.assert_array_equal(lanes[0], lanes[2])
    np.testing.assert_allclose(lanes[0], slope(net, x), atol=1e-7)
    corner = jax.grad(score, argnums=1)(tiny(), x[:, :16, 16:]) / 4
    np.testing.assert_allclose(slope(net, x)[:, :16, 16:], corner, atol=1e-7)


def test_memory_is_one_tiles():
    """Of the compiled gradient: of nine tiles as of one, but for what is as large as the picture."""
    net = vz.load("efficientnet_lite0", "random")

    def bytes_of(net: Any, side: int) -> int:
        slope = jax.grad(lambda net, x: jnp.mean(seen(net, x, "blocks.1")), argnums=1)
        program = jax.jit(slope).lower(net, pictures(side, side)).compile()
        return program.memory_analysis().temp_size_in_bytes

    picture = 4 * 3 * 384**2
    nine, one = (bytes_of(tiled(net, "blocks.1", 128), side) for side in (384, 128))
    assert nine - one < 4 * picture
    assert bytes_of(net, 384) > 3 * nine


def test_a_rendering_takes_it_for_a_net():
    traces = []

    def objective(acts: Any, unit: Any) -> jax.Array:
        traces.append(unit)
        return vz.objectives.channel(acts["block"], unit)

    def drawn(unit: int) -> vz.Result:
        return vz.render(
            tiled(tiny(), "block", 16), objective, np.array([unit]), image=vz.images.pixels(32), steps=3,
            transform=vz.transforms.roll(8), rectify=nn.redirected(2),
        )  # fmt: skip

    result = drawn(1)
    assert result.final[0] > result.baseline[0]
    count = len(traces)
    drawn(2)
    assert len(traces) == count


def test_names():
    net = tiled(vz.load("efficientnet_lite0", "random"), "blocks.4")
    assert (net.name, net.tile, net.input_shape) == ("efficientnet_lite0", 512, (224, 224, 3))
    with pytest.raises(AttributeError):
        _ = net.other


@pytest.mark.parametrize(
    ("layer", "tile", "text"),
    [
        ("blok", 16, "unknown layer 'blok': did you mean 'block'"),
        ("block", 0, "tile must be a whole number of 1 or more, not 0"),
        ("pool", 16, "layer 'pool' has not; choose one before"),
        ("tokens", 16, "layer 'tokens' has not"),
    ],
)
def test_what_is_refused(layer, tile, text):
    with pytest.raises(vz.InputError, match=text):
        seen(tiled(tiny(), layer, tile), pictures(32, 32), layer)


def test_another_layer_is_not_there():
    with pytest.raises(vz.InputError, match="unknown layer 'conv1'"):
        seen(tiled(tiny(), "block", 16), pictures(32, 32), "conv1")
