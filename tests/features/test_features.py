"""HOG and dense SIFT: equal to numpy and scikit-image, symmetric, differentiable, nets like others."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy_features as plain
import optax
import pytest
from skimage import data
from skimage.feature import hog as skimage_hog

import vizjax as vz
from vizjax.features import FEATURES, gradients

PICTURES = {
    "camera": data.camera()[192:320, 192:320, None] / 255,
    "chelsea": data.chelsea()[60:188, 160:288] / 255,
    "odd": data.camera()[100:183, 50:127, None] / 255,
    "odd colours": data.coffee()[80:151, 120:205] / 255,
}
NETS = {name: make() for name, make in FEATURES.items()}
every_net = pytest.mark.parametrize("name", NETS)
# what mostly compiles: the two kinds by default, the variants among the slow ones
SLOW = [n if n in ("hogb", "dsift") else pytest.param(n, marks=pytest.mark.slow) for n in NETS]
some_nets = pytest.mark.parametrize("name", SLOW)


@jax.jit
def compiled(net: Any, x: jax.Array) -> jax.Array:
    return vz.activations(net, x)[net.name]


def last(net: Any, x: Any) -> jax.Array:
    return compiled(net, jnp.asarray(x))


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Pictures without two equal pixels: no gradient is as near to one direction as to another."""
    return np.random.default_rng(seed).uniform(size=shape)


# --- equal to what they are defined as ---------------------------------------------------------


ORACLES = {"hog": plain.hog, "dsift": plain.dsift, "vlfeat": plain.vlfeat}
CASES: list[tuple[str, str, dict]] = [
    *(("hog", picture, {}) for picture in PICTURES),
    *(("hog", picture, {"soft": True}) for picture in PICTURES),
    *(("dsift", picture, {}) for picture in PICTURES),
    *(("vlfeat", picture, {}) for picture in PICTURES),
    ("hog", "odd", {"cell": 6, "orientations": 8}),
    ("hog", "odd", {"cell": 4, "orientations": 4, "soft": True, "border": 0.5}),
    ("dsift", "odd", {"cell": 8}),
    ("dsift", "odd", {"cell": 4, "orientations": 3}),
    ("vlfeat", "odd", {"soft": True}),
    ("vlfeat", "odd", {"cell": 5, "orientations": 4}),
]


@pytest.mark.parametrize(("name", "picture", "settings"), CASES, ids=str)
def test_equal_to_numpy(name: str, picture: str, settings: dict):
    shown = PICTURES[picture]
    expected = ORACLES[name](shown, **settings)
    with jax.enable_x64(True):
        found = last(getattr(vz.features, name)(**settings), shown[None])[0]
    assert found.dtype == np.float64
    assert found.shape == expected.shape
    assert np.max(expected) > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-11)


@every_net
def test_single_precision_is_enough(name: str):
    with jax.enable_x64(True):
        expected = last(NETS[name], PICTURES["camera"][None])
    found = last(NETS[name], PICTURES["camera"][None].astype(np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize(
    ("picture", "settings"),
    [
        *((picture, (8, 9, 3)) for picture in PICTURES),
        *(("odd", settings) for settings in ((8, 9, 2), (6, 8, 2), (16, 9, 1), (5, 6, 4), (7, 1, 2))),
    ],
    ids=str,
)
def test_dalal_triggs_equal_to_scikit_image(picture: str, settings: tuple[int, int, int]):
    shown = PICTURES[picture]
    cell, orientations, block = settings
    expected = skimage_hog(
        plain.grey(shown), orientations, (cell, cell), (block, block), feature_vector=False
    )
    with jax.enable_x64(True):
        found = np.asarray(last(vz.features.dalal_triggs(*settings), shown[None]))[0]
    assert found.shape == (*expected.shape[:2], block * block * orientations)
    error = np.linalg.norm(found - expected.reshape(found.shape)) / np.linalg.norm(expected)
    assert error < 1e-6


def test_directions_are_symmetric_to_the_last_bit():
    for count in (2, 4, 6, 8, 10, 12, 16, 18, 20, 24, 36):
        cosine, sine = gradients.directions(count).T
        k = np.arange(count)
        np.testing.assert_allclose(
            np.angle(cosine + 1j * sine) % (2 * np.pi), 2 * np.pi * k / count, atol=1e-15
        )
        assert np.array_equal(cosine, cosine[-k])
        assert np.array_equal(sine, -sine[-k])
        assert np.array_equal(cosine, -cosine[(count // 2 - k) % count])
        assert np.array_equal(sine, sine[(count // 2 - k) % count])
        if count % 4 == 0:
            assert np.array_equal(cosine, sine[(count // 4 - k) % count])


@pytest.mark.parametrize("orientations", [1, 2, 3, 6, 9, 10])
def test_of_two_directions_that_are_equally_near_the_lower_one_counts(orientations: int):
    """All gradients to neighbours of eight; those that the bisector of two directions goes through too."""
    x, y = np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0])
    angle = np.arctan2(y, x)[..., None]
    apart = abs(angle - np.arange(2 * orientations) * np.pi / orientations)
    apart = np.minimum(apart, abs(2 * np.pi - apart)).round(9)
    expected = np.eye(2 * orientations)[apart.argmin(-1)] * np.hypot(x, y)[..., None]
    field = jnp.asarray(np.stack([x, y], -1)[None], jnp.float32)
    for run in (gradients.hard_orientations, jax.jit(gradients.hard_orientations, static_argnums=2)):
        found = run(field, gradients.magnitude(field), orientations)
        np.testing.assert_allclose(found[0], expected, atol=1e-6)


# --- symmetric ---------------------------------------------------------------------------------


def order(name: str, change: str, orientations: int) -> np.ndarray:
    """Channel c of the changed picture is channel ``order[c]`` of the picture."""
    k = np.arange(2 * orientations)
    directed = {
        "right": orientations - k, "down": -k, "turned": k + orientations // 2,
    }[change] % (2 * orientations)  # fmt: skip
    undirected = directed[:orientations] % orientations
    if name == "dsift":
        bins = np.arange(16).reshape(4, 4)
        bins = {"right": bins[:, ::-1], "down": bins[::-1], "turned": np.rot90(bins)}[change]
        return (bins.reshape(16, 1) * 2 * orientations + directed).ravel()
    if name == "dalal_triggs":
        k = np.arange(orientations)
        ranges = orientations - 1 - k if change != "turned" else (k + orientations // 2) % orientations
        cells = np.arange(9).reshape(3, 3)
        cells = {"right": cells[:, ::-1], "down": cells[::-1], "turned": np.rot90(cells)}[change]
        return (cells.reshape(9, 1) * orientations + ranges).ravel()
    texture = np.arange(4).reshape(2, 2)
    texture = {"right": texture[:, ::-1], "down": texture[::-1], "turned": np.rot90(texture)}[change]
    texture = texture.ravel() + 3 * orientations if name == "vlfeat" else texture[:0].ravel()
    return np.concatenate([directed, undirected + 2 * orientations, texture])


@every_net
@pytest.mark.parametrize("change", ["right", "down", "turned"])
def test_flipping_and_turning_permutes(name: str, change: str):
    orientations = {"turned": 4}.get(change, 9 if name != "dsift" else 4)
    side = 42 if name == "dsift" else 48  # whole descriptors, whole cells
    changed = {"right": np.fliplr, "down": np.flipud, "turned": np.rot90}[change]
    picture = noise(side, side, 1)
    net = FEATURES[name](orientations=orientations)
    with jax.enable_x64(True):
        before, after = (np.asarray(last(net, x[None]))[0] for x in (picture, changed(picture).copy()))
    if name == "dalal_triggs":  # at the edge of the picture gradients are along it, at no mirrored angle
        before, after = before[1:-1, 1:-1], after[1:-1, 1:-1]
    channels = order(name, change, orientations)
    assert sorted(channels) == list(range(before.shape[-1]))
    np.testing.assert_allclose(after, changed(before)[..., channels], atol=1e-12)
    assert np.ptp(before, axis=-1).min() > 0.01  # no symmetry of its own


# --- differentiable ----------------------------------------------------------------------------

FLAT = {
    "black": np.zeros((36, 36)),
    "grey": np.full((36, 36), 0.5),
    "white": np.ones((36, 36)),
    "columns": np.tile(np.linspace(0, 1, 36), (36, 1)),
    "rows": np.tile(np.linspace(0, 1, 36)[:, None], (1, 36)),
    "diagonal": np.add.outer(np.arange(36), np.arange(36)) / 72,
    "edge": np.tile(np.arange(36) > 17.0, (36, 1)),
    "faint": 1e-22 * noise(36, 36),
    "fainter": 1e-37 * noise(36, 36),
    "camera": PICTURES["camera"][:36, :36, 0],
}


@every_net
@pytest.mark.parametrize("double", [False, True])
def test_values_and_gradients_are_finite(name: str, double: bool):
    with jax.enable_x64(double):
        x = jnp.asarray(np.stack(list(FLAT.values()))[..., None])
        weight = np.random.default_rng(1).normal(size=jax.eval_shape(last, NETS[name], x).shape)
        slope, value = jax.jit(jax.grad(lambda x: total(NETS[name], x, weight), has_aux=True))(x)
    assert value.dtype == slope.dtype == (np.float64 if double else np.float32)
    value, slope = np.asarray(value), np.asarray(slope)
    for i, picture in enumerate(FLAT):
        assert np.isfinite(value[i]).all(), picture
        assert np.isfinite(slope[i]).all(), picture
        # nothing is too steep to be followed: values are at most 1, for differences of 1/255 or so
        assert abs(slope[i]).max() < 1e4 or "faint" in picture, picture
    assert abs(slope[-1]).max() > 0.01


def total(net: Any, x: jax.Array, weight: np.ndarray) -> tuple[jax.Array, jax.Array]:
    value = last(net, x)
    return jnp.vdot(jnp.asarray(weight, value.dtype), value), value


@every_net
@pytest.mark.parametrize("layer", ["gradient", "cells"])
def test_gradients_at_inner_layers_are_finite_where_they_are_zero(name: str, layer: str):
    x = jnp.zeros((1, 32, 32, 1))

    @jax.jit
    @jax.grad
    def slope(values: jax.Array) -> jax.Array:
        return jnp.sum(vz.activations(NETS[name], x, edit={layer: lambda _: values})[name])

    nothing = jnp.zeros((1, *vz.activations(NETS[name], x)[layer].shape[1:]))
    assert np.isfinite(slope(nothing)).all()


@pytest.mark.parametrize("net", ["hogb", "dsift", "vlfeat soft"])
@pytest.mark.parametrize("channels", [1, 3])
def test_soft_gradients_equal_finite_differences(net: str, channels: int):
    net = FEATURES["vlfeat"](soft=True) if net == "vlfeat soft" else NETS[net]
    with jax.enable_x64(True):
        x, way = noise(1, 48, 48, channels), noise(1, 48, 48, channels, seed=1) - 0.5
        weight = np.random.default_rng(2).normal(size=jax.eval_shape(last, net, x).shape)

        def along(step: Any) -> jax.Array:
            return jnp.vdot(weight, last(net, x + step * way))

        along = jax.jit(along)
        slope = jax.jit(jax.grad(along))(0.0)
        rise = (along(1e-7) - along(-1e-7)) / 2e-7
    np.testing.assert_allclose(slope, rise, rtol=1e-5)


@pytest.mark.parametrize("name", ["hog", "vlfeat", "dalal_triggs"])
def test_hard_gradients_go_through_the_magnitude_alone(name: str):
    """As if each pixel's direction were given."""
    net = NETS[name]
    with jax.enable_x64(True):
        x = jnp.asarray(noise(1, 32, 32, 1))
        weight = np.random.default_rng(2).normal(size=jax.eval_shape(last, net, x).shape)

        def slopes(x: jax.Array) -> tuple[jax.Array, jax.Array]:
            chosen = vz.activations(net, x)["orientations"] > 0

            def given(x: jax.Array) -> jax.Array:
                length = vz.activations(net, x)["magnitude"]
                edit = {"orientations": lambda _: jnp.where(chosen, length, 0)}
                return jnp.vdot(weight, vz.activations(net, x, edit=edit)[name])

            return jax.grad(lambda x: total(net, x, weight)[0])(x), jax.grad(given)(x)

        slope, expected = map(np.asarray, jax.jit(slopes)(x))
    np.testing.assert_allclose(slope, expected, atol=1e-12)
    assert abs(slope).max() > 0.01


# --- nets like others --------------------------------------------------------------------------


def test_every_name_makes_its_net():
    for name, make in FEATURES.items():
        net = make(cell=4, orientations=5)
        assert net is make(cell=4, orientations=5)  # a repeated call is not compiled again
        assert net.name == name == list(vz.layers(net))[-1]
    assert vz.features.hog().name == "hog"
    assert vz.features.hog(soft=True) is NETS["hogb"]


@every_net
def test_layers(name: str):
    facts = vz.layers(NETS[name])
    assert list(facts) == ["grey", "gradient", "magnitude", "orientations", "cells", name]
    cell = 5 if name == "dsift" else 8
    assert facts["cells"].stride == cell
    assert facts["gradient"].receptive_field == facts["orientations"].receptive_field == 3
    assert facts["cells"].receptive_field == (10 if name == "dalal_triggs" else 2 * cell + 2)
    expected = {"hog": (34, 8), "hogb": (34, 8), "dsift": (27, 15), "dalal_triggs": (26, 8)}
    if name in expected:
        assert (facts[name].receptive_field, facts[name].stride) == expected[name]
    assert facts[name].channels == {"vlfeat": 31, "dsift": 128, "dalal_triggs": 81}.get(name, 27)


@some_nets
def test_jit_and_vmap_change_nothing(name: str):
    net = NETS[name]
    with jax.enable_x64(True):
        x = jnp.asarray(np.stack([PICTURES[p][:40, :40, :1] for p in ("camera", "chelsea")])[:, None])
        weight = np.random.default_rng(2).normal(size=jax.eval_shape(last, net, x[0]).shape)
        f = jax.grad(lambda x: total(net, x, weight), has_aux=True)
        eager, one, both = vz.activations(net, x[0])[name], jax.jit(f), jax.jit(jax.vmap(f))(x)
        slopes, values = map(np.stack, zip(one(x[0]), one(x[1]), strict=True))
        np.testing.assert_allclose(values[0], eager, atol=1e-12)
    np.testing.assert_allclose(both[1], values, atol=1e-12)
    np.testing.assert_allclose(both[0], slopes, atol=1e-9)


@some_nets
def test_plain_operators_compute_the_same(name: str):
    """And allow forward mode."""
    with jax.enable_x64(True):
        x = jnp.asarray(PICTURES["camera"][None, :40, :40])
        fast = last(NETS[name], x)
        with vz.nn.lax_only():
            value, slope = jax.jit(
                lambda x: jax.jvp(lambda x: vz.activations(NETS[name], x)[name], (x,), (x,))
            )(x)
    np.testing.assert_allclose(value, fast, atol=1e-12)
    assert np.isfinite(np.asarray(slope)).all()


def distance(acts: Any, target: jax.Array, name: str) -> jax.Array:
    return -jnp.sum(jnp.square(acts[name] - target)) / jnp.sum(jnp.square(target))


@functools.cache
def inverted(name: str, steps: int) -> Any:
    """Eight jobs that are one and the same, by its identity too."""
    target = last(NETS[name], PICTURES["camera"][None, 32:72, 32:72].astype(np.float32))
    targets = np.repeat(target[None], 8, axis=0)
    return vz.render(
        NETS[name], functools.partial(distance, name=name), targets, ids=[0] * 8, steps=steps,
        image=vz.images.pixels(40, channels=1, sd=0.05), transform=None, optimizer=optax.adam(0.02),
    )  # fmt: skip


@some_nets
def test_equal_lanes_stay_equal_while_the_distance_shrinks(name: str):
    result = inverted(name, 16)
    assert (result.images == result.images[:1]).all()
    assert result.final[0] > 0.8 * result.baseline[0]  # both below zero
    assert result.final[0] > result.baseline[0]
    assert result.recipe["model"] == NETS[name].recipe


@every_net
def test_edits_are_gone_on_with(name: str):
    x = jnp.asarray(PICTURES["camera"][None, :32, :32], jnp.float32)

    def edited(x: jax.Array) -> list[jax.Array]:
        layers = ("grey", "gradient", "magnitude", "orientations", "cells")
        return [vz.activations(NETS[name], x, edit={layer: jnp.zeros_like})[name] for layer in layers]

    assert not any(found.any() for found in jax.jit(edited)(x))


@pytest.mark.parametrize("channels", [4, 5])
def test_pictures_are_grey_or_coloured(channels: int):
    with pytest.raises(vz.InputError, match=rf"1 or 3 channels, not {channels}; pass those channels alone"):
        vz.activations(NETS["hog"], jnp.ones((1, 32, 32, channels)))


def test_colours_count_as_the_grey_that_they_are():
    x = PICTURES["chelsea"][None]
    grey = plain.grey(x)[..., None]
    with jax.enable_x64(True):
        for net in NETS.values():
            np.testing.assert_allclose(last(net, x), last(net, grey), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "side", "rule"),
    [
        ("hog", 15, r"blocks of 2 x 2 cells; of these there are \(1, 1\)"),
        ("dsift", 26, "takes 27 x 27 pixels"),
        ("dalal_triggs", 23, r"a block has 3 x 3 cells; of these there are \(2, 2\)"),
        ("vlfeat", 3, "a cell has 4 x 4 pixels of the picture"),
    ],
)
def test_pictures_that_are_too_small(name: str, side: int, rule: str):
    with pytest.raises(vz.InputError, match=rule + ".*use larger ones"):
        jax.eval_shape(last, NETS[name], jnp.ones((1, side, side, 1)))
    jax.eval_shape(last, NETS[name], jnp.ones((1, side + 1, side + 1, 1)))


@every_net
@pytest.mark.parametrize("settings", [{"cell": 0}, {"orientations": -1}])
def test_sizes_are_whole_numbers(name: str, settings: dict):
    with pytest.raises(vz.InputError, match="must be a whole number of 1 or more"):
        FEATURES[name](**settings)
