"""Contracts that every transform keeps, and what each of them is, against numpy and scipy."""

import functools
import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import ndimage

import vizjax as vz
from vizjax import nn, transforms
from vizjax.errors import InputError

H, W, C = 16, 13, 3
KEYS = jax.random.split(jax.random.key(0), 4)


class Row(NamedTuple):
    """One transform: the shape of what it makes of H × W, and whether it draws anything."""

    transform: Callable
    shape: tuple[int, int] = (H, W)
    draws: bool = True
    grey: bool = True  # leaves a grey picture grey
    affine: bool = True  # in the picture
    taken: int = 0  # channels that the result lacks


t = transforms
TABLE: dict[str, Row] = {
    "compose": Row(t.compose(t.pad(2), t.jitter(3), t.noise(0.01)), (H + 1, W + 1), grey=False),
    "standard": Row(t.standard(), (H + 24, W + 24)),
    "gentle": Row(t.gentle(3, (0.8, 1.1))),
    "pad": Row(t.pad(3), (H + 6, W + 6), draws=False),
    "jitter": Row(t.jitter(5), (H - 5, W - 5)),
    "roll": Row(t.roll(3)),
    "scale": Row(t.scale((0.7, 0.9, 1.1, 1.3))),
    "rotate": Row(t.rotate((-40, -10, 5, 20))),
    "crop": Row(t.crop((10, 12)), (10, 12)),
    "boxes": Row(t.boxes((10, 12), (0.3, 0.9)), (10, 12)),
    "flip": Row(t.flip()),
    "blur": Row(t.blur(0.5, 1.5)),
    "noise": Row(t.noise(0.1, 0.1), grey=False),
    "background": Row(t.background(), grey=False, affine=False, taken=1),
}

every_transform = pytest.mark.parametrize("name", TABLE)


def picture(seed: int = 0, h: int = H, w: int = W, channels: int = C) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(h, w, channels)).astype(np.float32)


def smooth(h: int, w: int) -> np.ndarray:
    """Without symmetry, and slow enough that every interpolation finds the same."""
    y, x = np.mgrid[:h, :w]
    phase = 2 * np.pi * (0.9 * x / w + 0.5 * y / h)
    return np.stack([0.5 + 0.4 * np.sin(phase + k) for k in range(3)], -1).astype(np.float32)


def both_ways(name: str) -> Callable:
    """The picture, and the pull of random weights back onto the input."""
    row = TABLE[name]
    weights = np.random.default_rng(1).normal(size=(*row.shape, C - row.taken)).astype(np.float32)

    def run(key: jax.Array, x: jax.Array, progress: Any) -> tuple[jax.Array, jax.Array]:
        out, back = jax.vjp(lambda x: row.transform(key, x, progress), x)
        return out, back(jnp.asarray(weights))[0]

    return run


@functools.cache
def alone(name: str) -> Callable:
    return jax.jit(both_ways(name))


def test_every_transform_has_a_row():
    members = inspect.getmembers(transforms, inspect.isfunction)
    public = {name for name, _ in members}
    assert set(TABLE) == public


@every_transform
def test_signature_and_shape(name: str):
    """``(key, picture, progress)``; one shape whatever is drawn; progress plain or traced."""
    transform = TABLE[name].transform
    assert list(inspect.signature(transform).parameters) == ["key", "picture", "progress"]
    x = jnp.asarray(picture())
    for progress in (0.0, 0.5, 1):
        shape = jax.eval_shape(lambda key, p=progress: transform(key, x, p), KEYS[0])
        assert shape.shape == (*TABLE[name].shape, C - TABLE[name].taken)
        assert shape.dtype == jnp.float32
    if name not in ("compose", "standard"):  # made of the others
        eager = transform(KEYS[0], x, 0.5)
        np.testing.assert_allclose(alone(name)(KEYS[0], x, 0.5)[0], eager, atol=1e-5)
    fewest = 1 + TABLE[name].taken
    assert jax.eval_shape(lambda key: transform(key, x[..., :fewest], 0.5), KEYS[0]).shape[-1] == 1


@every_transform
def test_vmap_agrees_with_a_loop(name: str):
    """Each picture of a batch draws its own, as it would alone; its gradient too."""
    xs, progress = np.stack([picture()] * 4), np.linspace(0, 1, 4, dtype=np.float32)
    outs, pulls = jax.jit(jax.vmap(both_ways(name)))(KEYS, xs, progress)
    for lane, key in enumerate(KEYS):
        out, pull = alone(name)(key, xs[lane], progress[lane])
        np.testing.assert_allclose(outs[lane], out, atol=1e-5)
        np.testing.assert_allclose(pulls[lane], pull, atol=1e-5)
    different = {o.tobytes() for o in np.asarray(outs)}
    assert (len(different) > 1) == TABLE[name].draws


@every_transform
def test_keys_decide(name: str):
    x, out = picture(), lambda key: np.asarray(alone(name)(key, picture(), 0.3)[0])
    first = out(KEYS[0])
    np.testing.assert_array_equal(out(KEYS[0]), first)
    others = [np.abs(out(key) - first).max() for key in jax.random.split(jax.random.key(9), 6)]
    assert (max(others) > 1e-3) == TABLE[name].draws
    assert np.isfinite(out(KEYS[1])).all()
    assert x.shape == (H, W, C)


@every_transform
def test_own_gradients_equal_those_of_plain_operators(name: str):
    """Which also have a forward mode."""
    x, v = picture(), picture(1)

    @jax.jit
    def plain(key: jax.Array, x: jax.Array, v: jax.Array) -> tuple:
        rise = jax.jvp(lambda x: TABLE[name].transform(key, x, 0.2), (x,), (v,))[1]
        return *both_ways(name)(key, x, 0.2), rise

    found = [alone(name)(key, x, 0.2) for key in KEYS]
    with nn.lax_only():
        expected = [plain(key, x, v) for key in KEYS]
    for key, (out, pull), (plain_out, plain_pull, rise) in zip(KEYS, found, expected, strict=True):
        assert np.isfinite(pull).all()
        assert np.abs(pull).max() > 0
        np.testing.assert_allclose(out, plain_out, atol=1e-5)
        np.testing.assert_allclose(pull, plain_pull, atol=1e-5)
        if TABLE[name].affine:  # the slope along v is the difference
            np.testing.assert_allclose(rise, alone(name)(key, x + v, 0.2)[0] - out, atol=1e-5)


@every_transform
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float64])
def test_the_dtype_is_kept(name: str, dtype: Any):
    """Of the picture, and of the gradient."""
    with jax.enable_x64(dtype == jnp.float64):
        x = jnp.asarray(picture(), dtype)

        def run(x: jax.Array) -> tuple[jax.Array, jax.Array]:
            out, back = jax.vjp(lambda x: TABLE[name].transform(KEYS[0], x, 0.5), x)
            return out, back(out)[0]

        out, pull = jax.eval_shape(run, x)
        assert out.dtype == dtype
        assert pull.dtype == dtype


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.grey])
def test_grey_stays_grey(name: str):
    """Exactly: what comes in from outside is .5 as well."""
    x = np.full((H, W, C), 0.5, np.float32)
    found = np.stack([alone(name)(key, x, 0.5)[0] for key in jax.random.split(jax.random.key(1), 16)])
    assert np.abs(found - 0.5).max() <= (1e-6 if name == "blur" else 0)


@pytest.mark.parametrize("name", ["standard", "gentle", "crop", "roll"])
def test_no_gathers(name: str):
    """They are slow on TPU, and their gradients are slow everywhere."""
    xs = np.stack([picture()] * 4)
    program = jax.jit(jax.vmap(both_ways(name), (0, 0, None))).lower(KEYS, xs, 0.5).as_text()
    assert "stablehlo.dot_general" in program or name == "roll"
    assert "gather" not in program
    assert "scatter" not in program


class Mirror(nnx.Module):
    """A net that shows what it was shown."""

    def __call__(self, images: jax.Array, rectify: Callable = nn.plain) -> Iterator:
        return (yield "seen", images)


def test_pictures_of_a_group_draw_their_own():
    """Through `render`: the same picture twice in a group is seen in two ways."""

    def apart(acts: Any, _: None) -> jax.Array:
        return jnp.mean((acts["seen"][0] - acts["seen"][1]) ** 2)

    def difference(transform: Callable) -> float:
        image = vz.images.pixels((H, W), n=2)
        return vz.render(Mirror(), apart, start=picture(), image=image, transform=transform, steps=1).scores[
            0
        ]

    assert difference(t.jitter(5)) > 1e-2
    assert difference(t.pad(5)) == 0


# --- what each of them is ------------------------------------------------------------------------


def applied(transform: Callable, x: np.ndarray, keys: jax.Array, progress: float = 0.0) -> np.ndarray:
    return np.asarray(jax.jit(jax.vmap(transform, (0, None, None)))(keys, x, progress))


def once(transform: Callable, x: Any) -> np.ndarray:
    return np.asarray(jax.jit(transform)(KEYS[0], x, 0.0))


def test_composition_runs_in_order_with_keys_of_its_own():
    x, key = jnp.asarray(picture()), jax.random.key(3)
    found = t.compose(t.jitter(4), t.jitter(4), t.pad(1, fill=0.0))(key, x, 0.0)
    by_hand = t.jitter(4)(jax.random.fold_in(key, 0), x, 0.0)
    by_hand = t.jitter(4)(jax.random.fold_in(key, 1), by_hand, 0.0)
    np.testing.assert_array_equal(found, np.pad(by_hand, ((1, 1), (1, 1), (0, 0))))
    np.testing.assert_array_equal(t.compose()(key, x, 0.0), x)


def test_pad_is_numpys():
    x = picture()
    for fill in (0.5, 0.0):
        expected = np.pad(x, ((3, 3), (3, 3), (0, 0)), constant_values=fill)
        np.testing.assert_array_equal(once(t.pad(3, fill), x), expected)
    np.testing.assert_array_equal(once(t.pad(0), x), x)


def test_jitter_is_an_exact_crop():
    """Of every offset along both axes, and all of them come up."""
    x, pixels = picture(), 2
    crops = {
        x[i : i + H - pixels, j : j + W - pixels].tobytes(): (i, j)
        for i in range(pixels + 1) for j in range(pixels + 1)
    }  # fmt: skip
    drawn = [crops[out.tobytes()] for out in applied(t.jitter(pixels), x, jax.random.split(KEYS[0], 64))]
    assert set(drawn) == set(crops.values())


@pytest.mark.parametrize("pixels", [0, 2, 20])
def test_roll_is_numpys(pixels: int):
    """Every move along both axes comes up where there are few, and nothing else; exactly, in every lane."""
    x, moves = picture(), range(-pixels, pixels + 1)
    rolled = {np.roll(x, (i, j), (0, 1)).tobytes(): (i % H, j % W) for i in moves for j in moves}
    drawn = [rolled[out.tobytes()] for out in applied(t.roll(pixels), x, jax.random.split(KEYS[0], 200))]
    if pixels < 20:
        assert set(drawn) == set(rolled.values())
    else:
        assert {i for i, _ in drawn} == set(range(H))


@pytest.mark.parametrize("factor", [0.8, 0.95, 1.0, 1.25])
def test_scale_equals_scipy(factor: float):
    x = picture(h=24, w=21)
    found = once(t.scale((factor,)), x)
    center = (np.array(x.shape[:2]) - 1) / 2
    matrix = np.diag([1 / factor, 1 / factor])
    expected = np.stack(
        [
            ndimage.affine_transform(p, matrix, center - matrix @ center, order=1)
            for p in np.moveaxis(x, -1, 0)
        ],
        -1,
    )
    y, x_ = np.mgrid[:24, :21]
    away = np.maximum(np.abs(y - center[0]) - factor * 12, np.abs(x_ - center[1]) - factor * 10.5)
    np.testing.assert_allclose(found[away < -factor], expected[away < -factor], atol=1e-5)
    assert np.all(found[away > 0.01] == 0.5)  # what comes in from outside


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_gentle_is_jitter_and_scale(factor: float):
    """Of a padded picture; every move along both axes comes up, and nothing else.

    At the edge jitter has cut away what a smaller scale would show: away from it."""
    x, pixels = picture(), 2
    padded = np.pad(x, ((pixels, pixels), (pixels, pixels), (0, 0)), constant_values=0.5)
    moved = [padded[i : i + H, j : j + W] for i in range(2 * pixels + 1) for j in range(2 * pixels + 1)]
    expected = np.stack([once(t.scale((factor,)), crop) for crop in moved])
    found = applied(t.gentle(pixels, (factor,)), x, jax.random.split(KEYS[0], 200))
    inner = (..., slice(4, -4), slice(4, -4), slice(None))
    same = np.abs(np.stack(list(found))[:, None][inner] - expected[inner]).max((2, 3, 4)) < 1e-4
    assert same.any(1).all()
    assert same.any(0).all()


def test_every_factor_comes_up():
    x, factors = smooth(24, 24), (0.5, 1.0, 2.0)
    single = {once(t.scale((f,)), x).mean().round(4): f for f in factors}
    found = [single[o.mean().round(4)] for o in applied(t.scale(factors), x, jax.random.split(KEYS[0], 60))]
    assert min(found.count(f) for f in factors) > 10


@pytest.mark.parametrize(
    ("size", "degrees"), [((24, 24), 10), ((21, 26), -15), ((26, 21), 30), ((24, 23), -60), ((20, 27), 90)]
)
def test_rotate_equals_scipy(size: tuple[int, int], degrees: float):
    """Wherever scipy finds the picture, a pixel away from its edge."""
    x = smooth(*size)
    found = once(t.rotate((degrees,)), x)
    expected = ndimage.rotate(x, degrees, order=1, reshape=False)
    inside = ndimage.rotate(np.ones(size), degrees, order=1, reshape=False) > 0.999
    inside = ndimage.binary_erosion(inside, iterations=2)
    assert inside.sum() > 150
    np.testing.assert_allclose(np.asarray(found)[inside], expected[inside], atol=0.02)


def test_rotate_is_counter_clockwise():
    """As for scikit-image and scipy, and as people see it: what is on the right goes up."""
    x = np.zeros((21, 21, 1), np.float32)
    x[10, 18] = 1
    found = once(t.rotate((90,), fill=0.0), x)
    assert found[2, 10, 0] == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(found, np.rot90(x), atol=1e-4)
    y, x_, _ = ndimage.center_of_mass(once(t.rotate((30,), fill=0.0), x))
    assert (y, x_) == pytest.approx(
        (10 - 8 * math.sin(math.pi / 6), 10 + 8 * math.cos(math.pi / 6)), abs=0.05
    )


def test_rotate_keeps_every_pixel_of_a_quarter_turn():
    x = picture(h=13, w=13)  # around a pixel; around a corner, shears are by half pixels
    for degrees, turns in ((90, 1), (-90, -1)):
        found = once(t.rotate((degrees,)), x)
        np.testing.assert_allclose(found, np.rot90(x, turns), atol=1e-5)


def test_rotate_by_nothing_changes_nothing():
    """Also where larger angles might have been drawn; .5 is taken away and added, and no more."""
    x = picture()
    expected = (x - np.float32(0.5)) + np.float32(0.5)
    np.testing.assert_array_equal(once(t.rotate((0,)), x), expected)
    found = applied(t.rotate((0, 10)), x, jax.random.split(KEYS[0], 8))
    still = [np.array_equal(out, expected) for out in found]
    assert any(still)
    assert not all(still)


@pytest.mark.parametrize("name", ["scale", "rotate", "crop"])
def test_outside_is_fill(name: str):
    options: dict[str, tuple] = {"scale": ((0.5,),), "rotate": ((45,),), "crop": (8, (1.0, 1.0), 0.0, 0.0)}
    for fill in (0.5, 0.25):
        x = jnp.full((20, 20, 1), fill)  # what lies outside cannot be told from the picture
        out = once(getattr(t, name)(*options[name], fill=fill), x)
        np.testing.assert_allclose(out, fill, atol=1e-6)
    corner = {"scale": 0.5, "rotate": 0.5, "crop": 1.0}[name]  # a whole crop has no outside
    out = once(getattr(t, name)(*options[name]), jnp.ones((20, 20, 1)))
    np.testing.assert_allclose(out[0, 0, 0], corner, atol=1e-6)


def sides_and_centers(transform: Callable, progress: float) -> tuple[np.ndarray, np.ndarray]:
    """Of 256 crops, read off a picture whose colours are its coordinates in 0 … 1."""
    size = 40
    at = (np.arange(size) + 0.5) / size
    ramps = np.stack(np.meshgrid(at, at, indexing="ij"), -1).astype(np.float32)
    out = applied(transform, ramps, jax.random.split(jax.random.key(5), 256), progress)
    n = out.shape[1]
    middle = out[:, n // 4 : -n // 4, n // 4 : -n // 4]  # the ramp is straight away from the edge
    steps = np.stack(
        [np.diff(middle[..., 0], axis=1).mean((1, 2)), np.diff(middle[..., 1], axis=2).mean((1, 2))]
    )
    return steps.T * n, middle.mean((1, 2))


@pytest.mark.parametrize(("progress", "mean"), [(0.0, 0.5), (0.5, 0.275), (1.0, 0.05)])
def test_crops_shrink_through_the_run(progress: float, mean: float):
    sides, centers = sides_and_centers(t.crop(16), progress)
    np.testing.assert_allclose(sides[:, 0], sides[:, 1], atol=0.02)  # square
    drawn = np.clip(np.random.default_rng(0).normal(mean, 0.05, 100_000), 0.02, 1)
    assert sides[:, 0].mean() == pytest.approx(drawn.mean(), abs=0.01)
    assert sides[:, 0].std() == pytest.approx(drawn.std(), rel=0.2)
    np.testing.assert_allclose(centers.mean(0), 0.5, atol=0.03)
    if mean < 0.3:  # few are held back by the picture's edge
        np.testing.assert_allclose(centers.std(0), 0.15, rtol=0.15)


def test_crops_stay_inside():
    sides, centers = sides_and_centers(t.crop(16, (0.8, 0.8), 0.1, 0.5), 0.0)
    assert (centers - sides / 2).min() > -0.02
    assert (centers + sides / 2).max() < 1.02


def test_a_whole_crop_is_a_resize():
    x = picture(h=24, w=24)
    out = once(t.crop(8, (1.0, 1.0), 0.0, 0.0), x)
    expected = jax.image.resize(x, (8, 8, 3), "linear")  # with averaging
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_flip_mirrors_half_of_them():
    x = picture()
    found = applied(t.flip(), x, jax.random.split(KEYS[0], 100))
    mirrored = [np.array_equal(out, x[:, ::-1]) for out in found]
    assert all(m or np.array_equal(out, x) for m, out in zip(mirrored, found, strict=True))
    assert 30 < sum(mirrored) < 70


def test_blur_equals_scipy():
    x, radius = picture(), math.ceil(nn.gaussian_radius(1.2))
    expected = ndimage.gaussian_filter(x, (1.2, 1.2, 0), mode="reflect", radius=(radius, radius, 0))
    np.testing.assert_allclose(once(t.blur(1.2, 1.2), x), expected, atol=1e-5)


def behind(picture: np.ndarray, keys: jax.Array, **options: float) -> np.ndarray:
    """What is seen through it."""
    return applied(t.background(**options), picture, keys)


def test_a_background_shows_where_a_picture_is_transparent():
    rgb, keys = picture(h=32, w=27), jax.random.split(KEYS[0], 8)
    alpha = np.linspace(0, 1, 27, dtype=np.float32)[:, None] * np.ones((32, 27, 1), np.float32)
    clear = behind(np.concatenate([rgb, 0 * alpha], -1), keys)
    np.testing.assert_allclose(behind(np.concatenate([rgb, 0 * alpha + 1], -1), keys), [rgb] * 8, atol=1e-6)
    np.testing.assert_allclose(
        behind(np.concatenate([rgb, alpha], -1), keys), alpha * rgb + (1 - alpha) * clear, atol=1e-6
    )


def test_backgrounds_are_coloured_noise():
    """Lucid's: a random spectrum that falls with frequency, through its colours and the sigmoid."""
    size, sd, keys = 64, 0.5, jax.random.split(KEYS[1], 24)
    nothing = np.zeros((size, size, 4), np.float32)
    found = behind(nothing, keys, sd=sd).astype(np.float64)
    assert 0 < found.min() < 0.2 < 0.8 < found.max() < 1
    x = np.log(found / (1 - found)) @ np.linalg.inv(np.array(vz.color.LUCID))
    spectrum = np.fft.rfft2(x, axes=(1, 2))[:, 1:, 1:-1] * 4 / size  # of which no part is fixed
    f = np.hypot(np.fft.fftfreq(size)[1:, None], np.fft.rfftfreq(size)[1:-1])
    relative = spectrum * np.maximum(f, 1 / size)[None, ..., None]
    for part in (relative.real, relative.imag):
        assert np.std(part) == pytest.approx(sd, rel=0.02)
    assert np.corrcoef(x.reshape(-1, 3).T)[np.triu_indices(3, 1)] == pytest.approx(0, abs=0.2)
    flat, rough = (behind(nothing, keys, decay=d) for d in (2.0, 0.0))
    changes = [np.abs(np.diff(p, axis=1)).mean() / p.std() for p in (flat, rough)]
    assert 10 * changes[0] < changes[1]


def test_equal_lanes_see_equal_backgrounds():
    """To the last bit, or pictures of a batch would depend on their place."""
    keys = jnp.broadcast_to(KEYS[0], 8)
    found = behind(np.zeros((112, 96, 4), np.float32), keys)
    np.testing.assert_array_equal(found, np.broadcast_to(found[:1], found.shape))


@pytest.mark.parametrize(("normal", "uniform"), [(0.1, 0.0), (0.0, 0.2), (0.1, 0.2)])
def test_noise_has_its_spread(normal: float, uniform: float):
    x = picture(h=60, w=60)
    added = once(t.noise(normal, uniform), x) - x
    assert added.mean() == pytest.approx(0, abs=0.01)
    assert added.std() == pytest.approx(math.sqrt(normal**2 + uniform**2 / 3), rel=0.05)
    if not normal:
        assert np.abs(added).max() <= uniform + 1e-6


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: t.pad(-1), "padding must be 0 pixels or more, not -1"),
        (lambda: t.jitter(-1), "jitter must be 0 pixels or more, not -1"),
        (
            lambda: t.jitter(8)(KEYS[0], jnp.zeros((8, 9, 3)), 0.0),
            r"jitter by 8 needs a larger.*pad it first",
        ),
        (lambda: t.roll(-1), "roll moves by 0 pixels or more, not -1"),
        (lambda: t.gentle(-1), "gentle moves by 0 pixels or more"),
        (lambda: t.gentle(8, (0.0,)), "scales by positive factors, not 8"),
        (lambda: t.scale(()), "scale draws from one or more positive factors"),
        (lambda: t.scale((1.0, 0.0)), "scale draws from one or more positive factors"),
        (lambda: t.rotate(()), "rotate draws from one or more angles within -90 ... 90"),
        (lambda: t.rotate((91,)), "rotate draws from one or more angles within -90 ... 90"),
        (
            lambda: t.background()(KEYS[0], jnp.zeros((8, 9, 1)), 0.0),
            "last channel of alpha beside its colours.*channels=4",
        ),
        (lambda: t.blur(0.0, 1.0), "blur draws sigma from a range 0 < low <= high"),
        (lambda: t.blur(2.0, 1.0), "blur draws sigma from a range 0 < low <= high"),
        (lambda: t.scale([1.0]), "arguments of scale must be hashable"),
    ],
)
def test_bad_arguments(make: Callable, text: str):
    with pytest.raises(InputError, match=text):
        make()


def test_equal_arguments_give_the_same_object():
    assert t.standard() is t.standard()
    assert t.jitter(8) is t.jitter(pixels=8)
    assert t.compose(t.pad(1), t.flip()) is t.compose(t.pad(1), t.flip())
    assert t.compose(t.pad(1), t.flip()) is not t.compose(t.flip(), t.pad(1))
