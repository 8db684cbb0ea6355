"""The compiled step on other platforms, without them: which operators it has there."""

import collections
import contextlib
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from tiny import tiny

import vizjax as vz
from vizjax.ascent import compiled

PLATFORMS = ("cpu", "tpu", "cuda")
LANES = 4


def channel(acts, unit):
    return vz.objectives.channel(acts["block"], unit)


@functools.cache
def programs(image):
    """The step of the default recipe, and what it is given."""
    draw = vz.renderer(channel, image=image, steps=8)
    leaves, programs = compiled(draw.settings, tiny(), draw.objective)
    return programs, (leaves, vz.init(draw, jnp.arange(LANES)), jnp.asarray(8))


@functools.cache
def lowered(image, *platforms):
    """The step's StableHLO for platforms of which there may be none here."""
    there, arguments = programs(image)
    return export.export(there.step, platforms=platforms)(*arguments).mlir_module()


def operations(text):
    return collections.Counter(re.findall(r"\bstablehlo\.(\w+)", text))


FOURIER, PIXELS = vz.images.fourier(16), vz.images.pixels(16)
GATHERS = {"gather", "dynamic_gather", "scatter", "select_and_scatter"}
SLICES = {"dynamic_slice", "dynamic_update_slice", "real_dynamic_slice"}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_step_gathers_nothing(platform):
    """Nothing is picked by index in transforms, net, objective, redirected ReLU, random keys or Adam."""
    found = operations(lowered(PIXELS, platform))
    assert found["dot_general"] >= 4  # the transforms are matrix products
    assert not (GATHERS | SLICES) & found.keys()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_fourier_image_gathers_nothing(platform):
    """Its inverse transform loops over the lanes on CPU: one slice in and one out, there and back.

    Everywhere JAX writes the two ones into the weights 1 2 2 … 2 1 of that transform's transpose, at
    fixed places of a vector of constants.
    """
    text = lowered(FOURIER, platform)
    found = operations(text)
    assert found["fft"] >= 2
    assert not GATHERS & found.keys()
    lines = [line for line in text.splitlines() if re.search(r"stablehlo\.dynamic_(update_)?slice", line)]
    constant = [line for line in lines if re.search(r": \(tensor<9xcomplex<f32>>, tensor<1xcomplex", line)]
    assert len(constant) == 2
    assert len(lines) - len(constant) == (4 if platform == "cpu" else 0)


def test_one_export_serves_all_platforms():
    found = operations(lowered(FOURIER, *PLATFORMS))
    assert not GATHERS & found.keys()
    assert found["case"] > operations(lowered(FOURIER, "tpu"))["case"]  # what differs is chosen there


@pytest.mark.parametrize("platform", PLATFORMS)
def test_depthwise_convolutions_take_the_platforms_form(platform):
    """Sums of shifted slices on CPU; `lax`' grouped convolution, and its gradient's, elsewhere."""
    grouped = re.findall(r"stablehlo\.convolution.*feature_group_count = (\d+)", lowered(PIXELS, platform))
    assert [int(n) for n in grouped if int(n) > 1] == ([] if platform == "cpu" else [8, 8])


@pytest.mark.parametrize("platform", PLATFORMS)
def test_pools_take_the_platforms_form(platform):
    """Comparisons of slices on CPU; windows, and a choice within them for the gradient, elsewhere."""

    def pooled(x):
        return jax.grad(lambda x: vz.nn.max_pool(x, 3, 2, padding=1).sum())(x)

    module = export.export(jax.jit(pooled), platforms=[platform])(jnp.ones((1, 8, 8, 2))).mlir_module()
    assert operations(module)["select_and_scatter"] == (platform != "cpu")


@pytest.mark.slow
def test_an_exported_step_runs():
    there, (leaves, state, steps) = programs(FOURIER)
    called = export.export(there.step, platforms=PLATFORMS)(leaves, state, steps).call(leaves, state, steps)
    straight = there.step(leaves, jax.tree.map(jnp.copy, state), steps)
    np.testing.assert_allclose(called.params, straight.params, atol=1e-5)


def test_nothing_is_sent_to_the_device_or_asked_of_it_within_the_loop():
    # a transform that asks for the run's progress: what a step does not need is never sent
    draw = vz.renderer(channel, image=PIXELS, transform=vz.transforms.crop(16), rectify=vz.nn.plain, steps=6)
    with contextlib.ExitStack() as guarded:
        done = []

        def on_step(count, scores):
            done.append(count)
            if len(done) == 1:  # from the second step on
                guarded.enter_context(jax.transfer_guard("disallow"))
            elif len(done) == draw.steps:  # the pictures are fetched after the last
                guarded.close()

        result = draw(tiny(), np.arange(LANES), on_step=on_step)
    assert done == [LANES] * 6
    assert np.isfinite(result.scores).all()


def test_a_steps_state_is_given_away():
    there, (leaves, state, steps) = programs(FOURIER)
    given = jax.tree.map(jnp.copy, state)
    there.step(leaves, given, steps)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(given))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((leaves, steps)))
