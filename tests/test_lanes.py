"""Lanes: a job's picture depends neither on its mates nor on its lane, to the last bit."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from tiny import tiny

import vizjax as vz


def channel(acts, unit):
    return vz.objectives.channel(acts["block"], unit)


def renderer(objective=channel, image=vz.images.fourier(16), **settings):
    return vz.renderer(objective, **{"image": image, "optimizer": optax.adam(0.05), "steps": 6} | settings)


def test_identical_lanes_stay_identical():
    draw = renderer()
    state = vz.init(draw, jnp.full(8, 5))
    for _ in range(64):
        state = vz.step(draw, tiny(), state)
    for leaf in jax.tree.leaves((state.params, state.optimizer_state)):
        np.testing.assert_array_equal(leaf, np.broadcast_to(np.asarray(leaf)[:1], leaf.shape))


@pytest.mark.parametrize("image", [vz.images.pixels(16), vz.images.fourier(16, n=2), vz.images.pyramid(16)])
def test_a_picture_does_not_depend_on_its_mates_or_its_lane(image):
    draw = renderer(image=image, batch=4, steps=20)
    alone = draw(tiny(), jnp.array([5])).images[0]
    first = draw(tiny(), jnp.array([5, 1, 2, 3])).images[0]
    last = draw(tiny(), jnp.array([7, 6, 0, 4, 3, 5])).images[5]
    np.testing.assert_array_equal(first, alone)
    np.testing.assert_array_equal(last, alone)


class Wide(nnx.Module):
    """Wide convolutions of large and small maps: Winograd's scheme takes pictures alone and together."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.convs = nnx.List(
            nnx.Conv(i, o, (3, 3), s, rngs=rngs) for i, o, s in ((3, 128, 1), (128, 256, 1), (256, 128, 4), (128, 256, 1))
        )  # fmt: skip

    def __call__(self, images, rectify=vz.nn.plain):
        x = 4 * images - 2
        for i, conv in enumerate(self.convs):
            x = yield f"conv{i}", conv(x)
            x = rectify(jax.nn.relu, x)
        return x


def wide_channel(acts, unit):
    return vz.objectives.channel(jnp.square(acts["conv3"]), unit)


@pytest.fixture(scope="module")
def wide() -> Wide:
    return Wide(rngs=nnx.Rngs(0))


def test_identical_lanes_of_wide_nets_stay_identical(wide):
    draw = renderer(wide_channel, image=vz.images.fourier(24), batch=4, steps=32)
    many = draw(wide, jnp.full(4, 5), ids=jnp.zeros(4, int))
    np.testing.assert_array_equal(many.images, np.broadcast_to(many.images[:1], many.images.shape))
    last = draw(wide, jnp.array([7, 8, 5]), ids=jnp.array([1, 2, 0]))
    np.testing.assert_array_equal(last.images[2], many.images[0])


def test_winograds_rounding_does_not_cost_a_picture_its_score(wide):
    settings = {"image": vz.images.fourier(24), "steps": 32}
    fast = renderer(wide_channel, **settings)(wide, jnp.arange(4))
    with vz.nn.lax_only():
        plain = renderer(wide_channel, **settings)(wide, jnp.arange(4))
    np.testing.assert_allclose(fast.baseline, plain.baseline, rtol=1e-3, atol=1e-4)
    # single pictures part ways in so many steps, in either direction
    np.testing.assert_allclose(fast.final.mean(), plain.final.mean(), rtol=0.05)
    assert (plain.final > 2 * plain.baseline).all()
