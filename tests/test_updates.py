"""Contracts that every per-step operator keeps, and what each of them is, in numpy."""

import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import ndimage
from tiny import tiny

import vizjax as vz
from vizjax import nn, updates
from vizjax.errors import InputError
from vizjax.factory import recipe

SHAPE = (2, 8, 10, 3)


def below(values: np.ndarray, percent: float) -> np.ndarray:
    """Which pixels lie under the percentile of their group."""
    return values < np.percentile(values, percent)


def blurred(x: np.ndarray, slope: np.ndarray, count: int, sigma: float, every: int) -> np.ndarray:
    radius = math.ceil(nn.gaussian_radius(sigma))
    smooth = ndimage.gaussian_filter(x, (0, sigma, sigma, 0), mode="reflect", radius=(0, radius, radius, 0))
    return smooth if count % every == 0 else x


def small_norm(x: np.ndarray, slope: np.ndarray, count: int, percent: float) -> np.ndarray:
    norms = np.linalg.norm(x - 0.5, axis=-1)
    return np.stack([np.where(below(n, percent)[..., None], 0.5, p) for n, p in zip(norms, x, strict=True)])


def small_contribution(x: np.ndarray, slope: np.ndarray, count: int, percent: float) -> np.ndarray:
    shares = np.abs((slope * (x - 0.5)).sum(-1))
    return np.stack([np.where(below(s, percent)[..., None], 0.5, p) for s, p in zip(shares, x, strict=True)])


def in_ball(x: np.ndarray, slope: np.ndarray, count: int, radius: float, axes: tuple) -> np.ndarray:
    norms = np.sqrt(((x - 0.5) ** 2).sum(axes, keepdims=True))
    return 0.5 + (x - 0.5) * np.minimum(1, radius / norms)


class Row(NamedTuple):
    """One operator with its arguments and its numpy form ``(x, image gradient, count) -> x``."""

    options: dict
    oracle: Callable


OTHERS = {"fourier": vz.images.fourier(8), "pyramid": vz.images.pyramid(8, levels=2)}
PLAIN = {"transform": None, "rectify": nn.plain, "steps": 1}


def brightness(acts: Any, _: None) -> jax.Array:
    return 0.1 * jnp.sum(acts["image"] ** 2)


IMAGE, PIXEL = (1, 2, 3), (3,)
TABLE: dict[str, list[Row]] = {
    "periodic_blur": [
        Row({"sigma": s, "every": k}, lambda x, g, i, s=s, k=k: blurred(x, g, i, s, k))
        for s, k in ((0.5, 1), (1.0, 4))
    ],
    "decay": [Row({"rate": r}, lambda x, g, i, r=r: 0.5 + (1 - r) * (x - 0.5)) for r in (0.0, 0.3, 1e-4)],
    "clip_pixels": [
        Row({}, lambda x, g, i: np.clip(x, 0, 1)),
        Row({"low": 0.2, "high": 0.6}, lambda x, g, i: np.clip(x, 0.2, 0.6)),
    ],
    "clip_small_norm": [
        Row({"percent": p}, lambda x, g, i, p=p: small_norm(x, g, i, p)) for p in (0, 20, 50)
    ],
    "clip_small_contribution": [
        Row({"percent": p}, lambda x, g, i, p=p: small_contribution(x, g, i, p)) for p in (0, 90)
    ],
    "project_norm_ball": [
        Row({"radius": 2.0}, lambda x, g, i: in_ball(x, g, i, 2.0, IMAGE)),
        Row({"radius": 100.0}, lambda x, g, i: x),
        Row({"radius": 0.3, "each_pixel": True}, lambda x, g, i: in_ball(x, g, i, 0.3, PIXEL)),
    ],
}
CASES = [(name, i) for name, rows in TABLE.items() for i in range(len(rows))]

every_case = pytest.mark.parametrize(("name", "i"), CASES)


def made(name: str, i: int) -> optax.GradientTransformationExtraArgs:
    return getattr(updates, name)(**TABLE[name][i].options)


def drawn(seed: int, *lead: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Pictures, updates and image gradients."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(*lead, *SHAPE))
    return tuple(jnp.asarray(a, jnp.float32) for a in (x, *rng.normal(scale=0.1, size=(2, *x.shape))))


def ran(operator: Any, x: Any, change: Any, slope: Any, steps: int = 5) -> jax.Array:
    """The pictures after every step of adding ``change`` and applying the operator."""

    def one(state: Any, _: None) -> tuple[Any, jax.Array]:
        x, inner = state
        found, inner = operator.update(change, inner, x, image_gradient=slope)
        return (x + found, inner), x + found

    return jax.lax.scan(one, (x, operator.init(x)), length=steps)[1]


def test_every_operator_on_pixels_has_a_row():
    members = inspect.getmembers(updates, inspect.isfunction)
    assert set(TABLE) == {name for name, f in members if f.__module__ == "vizjax.updates.pixels"}


def test_adam_is_optax_with_a_name():
    """The same object for the same numbers, so that nothing is traced again; and recipes can say it."""
    ours, params = updates.adam(0.1, b1=0.5, b2=0.9), jnp.ones(3)
    theirs = optax.adam(0.1, b1=0.5, b2=0.9)
    for slope in (jnp.arange(3.0), -jnp.ones(3)):
        found, _ = ours.update(slope, ours.init(params))
        np.testing.assert_array_equal(found, theirs.update(slope, theirs.init(params))[0])
    assert updates.adam(0.1, 0.5, 0.9) is ours
    assert recipe(ours) == "adam(0.1, b1=0.5, b2=0.9)"


def test_normalized_steps_are_of_one_mean_size():
    """−step · g / mean|g|, however small g is; nothing moves where it is zero; all parameters together."""
    rule, (x, slope, _) = updates.normalized(1.5 / 255), drawn(0)
    for scale in (1.0, 1e-12, 1e12):
        found, _ = jax.jit(rule.update)(scale * slope, rule.init(x))
        np.testing.assert_allclose(found, -1.5 / 255 * slope / np.abs(slope).mean(), rtol=1e-4)
    still, _ = rule.update(0 * slope, rule.init(x))
    assert not still.any()
    tree, _ = rule.update({"a": jnp.array([1.0]), "b": jnp.array([0.0, -2.0])}, rule.init(x))
    np.testing.assert_allclose(tree["a"], [-1.5 / 255], rtol=1e-6)
    np.testing.assert_allclose(tree["b"], [0, 3 / 255], rtol=1e-6)
    lanes, _ = jax.vmap(rule.update, (0, None))(jnp.stack([slope, 5 * slope]), rule.init(x))
    np.testing.assert_allclose(lanes[0], lanes[1], rtol=1e-5)
    assert updates.normalized(0.1) is updates.normalized(step=0.1)
    assert recipe(updates.normalized(0.1)) == "normalized(0.1)"
    with pytest.raises(InputError, match="a step is positive, not 0"):
        updates.normalized(0)


@pytest.mark.parametrize(("gain", "largest"), [(2.0, 100.0), (2.0, 1e8), (2.0, float("inf"))])
def test_progress_is_a_rise_per_step(gain: float, largest: float):
    """min(largest, gain / ‖g‖²) · g in grey levels, as the papers count; the linear rise is the gain."""
    slope = np.asarray(drawn(0)[2], np.float64)
    for scale in (1.0, 1e-3, 30.0):
        g = -scale * slope / 255  # of the objective, for a level
        expected = min(largest, gain / np.sum(g * g)) * g / 255
        step = updates.progress(gain, largest)
        found, _ = jax.jit(step.update)(jnp.asarray(scale * slope, jnp.float32), step.init(None))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-12)
        if gain / np.sum(g * g) < largest:
            np.testing.assert_allclose(np.sum(np.asarray(found) * 255 * g), gain, rtol=1e-5)
    still, _ = step.update(0 * drawn(0)[2], step.init(None))
    assert not still.any()
    assert recipe(step) == recipe(updates.progress(gain, largest))


def test_progress_tapers_off_near_certainty():
    """Nguyen et al.: min(early, late · (1 − p)) / ‖g‖², p what is maximized."""
    step, g = updates.progress(0.1, late=0.03, unit=1.0), jnp.array([3.0, 4.0])
    for p, wanted in ((0.0, 0.03), (0.5, 0.015), (0.99, 0.0003)):
        found, _ = step.update(g, step.init(None), value=jnp.asarray(-p))
        np.testing.assert_allclose(found, -wanted / 25 * g, rtol=1e-5)
    early = updates.progress(0.01, late=0.03, unit=1.0).update(g, step.init(None), value=jnp.zeros(()))[0]
    np.testing.assert_allclose(early, -0.01 / 25 * g, rtol=1e-5)
    with pytest.raises(InputError, match=r"needs value=…; vizjax\.render passes it"):
        step.update(g, step.init(None))


def test_gradients_are_clipped_by_their_norm():
    clip = updates.clip_gradient(1.0)
    for g, expected in (([3.0, 4.0], [0.6, 0.8]), ([0.3, 0.4], [0.3, 0.4])):
        found, _ = clip.update({"a": jnp.array(g[:1]), "b": jnp.array(g[1:])}, clip.init(None))
        np.testing.assert_allclose([*found["a"], *found["b"]], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs", "text"),
    [
        (updates.adamw(0.1), optax.adamw(0.1, weight_decay=1e-4), "adamw(0.1)"),
        (updates.rmsprop(0.1, 0.999), optax.rmsprop(0.1, decay=0.999), "rmsprop(0.1, decay=0.999)"),
        (
            updates.chain(updates.clip_gradient(1.0), updates.adamw(0.1)),
            optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.1)),
            "chain(clip_gradient(1.0), adamw(0.1))",
        ),
    ],
)
def test_optimizers_are_optaxs_with_a_name(ours: Any, theirs: Any, text: str):
    params = jnp.ones(3)
    for slope in (jnp.arange(3.0), -jnp.ones(3)):
        found, _ = ours.update(slope, ours.init(params), params)
        np.testing.assert_array_equal(found, theirs.update(slope, theirs.init(params), params)[0])
    assert recipe(ours) == text


def test_importance_adds_up_what_pictures_feel():
    """Σ |∂loss/∂picture| over the steps, whatever the parameters are; the update passes as it is."""
    image = vz.images.fourier(8)
    optimizer = updates.chain(updates.adam(0.05), updates.importance(image))
    result = vz.render(tiny(), brightness, image=image, optimizer=optimizer, **PLAIN | {"steps": 3})
    alone = vz.render(tiny(), brightness, image=image, optimizer=updates.adam(0.05), every=1,
                      **PLAIN | {"steps": 3})  # fmt: skip
    np.testing.assert_allclose(result.images, alone.images, atol=1e-5)
    found = optax.tree_utils.tree_get(result.optimizer_state, "importance")
    np.testing.assert_allclose(found, 0.2 * alone.frames[:, :3].sum(1), rtol=1e-3)
    adding = updates.importance(image)
    with pytest.raises(InputError, match=r"importance needs image_gradient=…; vizjax\.render passes it"):
        adding.update(image.init(jax.random.key(0)), adding.init(image.init(jax.random.key(0))))


@every_case
def test_it_is_what_it_says(name: str, i: int):
    """Alone, behind plain gradient descent, and on the steps that it is meant for (0, 4, …)."""
    x, change, slope = drawn(0)
    operator, oracle = made(name, i), TABLE[name][i].oracle
    found = jax.jit(lambda *a: ran(operator, *a))(x, change, slope)
    expected, state = np.asarray(x, np.float64), operator.init(x)
    for count, picture in enumerate(found):
        expected = oracle(expected + np.asarray(change), np.asarray(slope), count)
        np.testing.assert_allclose(picture, expected, atol=1e-5)
        if count == 0:  # eagerly
            first, state = operator.update(change, state, x, image_gradient=slope)
            np.testing.assert_allclose(x + first, picture, atol=1e-6)
    assert state.steps == 1


@every_case
def test_vmap_agrees_with_a_loop(name: str, i: int):
    lanes, operator = drawn(1, 3), made(name, i)
    run = jax.jit(lambda *a: ran(operator, *a, steps=2))
    together = jax.jit(jax.vmap(lambda *a: ran(operator, *a, steps=2)))(*lanes)
    for lane, found in enumerate(together):
        np.testing.assert_allclose(found, run(*(a[lane] for a in lanes)), atol=1e-6)


@every_case
@pytest.mark.parametrize("optimizer", [optax.sgd(0.5), optax.adam(0.05)], ids=["sgd", "adam"])
def test_it_chains_behind_an_optimizer(name: str, i: int, optimizer: optax.GradientTransformation):
    """It sees the picture as the optimizer leaves it, and the optimizer does not see it."""
    x, _, slope = drawn(2)
    both = optax.chain(optimizer, made(name, i))

    @jax.jit
    def steps(x: jax.Array) -> list:
        chained, alone, found = both.init(x), optimizer.init(x), []
        for _ in range(2):
            change, chained = both.update(slope, chained, x, image_gradient=slope)
            plain, alone = optimizer.update(slope, alone, x)
            found.append((x + plain, x + change))
            x = x + change
        return found

    for count, (moved, changed) in enumerate(steps(x)):
        expected = TABLE[name][i].oracle(np.asarray(moved, np.float64), np.asarray(slope), count)
        np.testing.assert_allclose(changed, expected, atol=1e-5)


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("image", OTHERS.values(), ids=OTHERS)
def test_it_refuses_what_is_not_pixels(name: str, image: vz.images.Parameterization):
    operator = optax.chain(optax.sgd(0.1), made(name, -1))
    params = image.init(jax.random.key(0))
    with pytest.raises(InputError, match=rf"{name} works on pixels.*use image=vizjax.images.pixels"):
        operator.update(params, operator.init(params), params)
    with pytest.raises(InputError, match=rf"{name} works on pixels.*use image=vizjax.images.pixels"):
        operator.update(params, operator.init(params), params, image_gradient=jnp.ones(SHAPE))
    if image is OTHERS["pyramid"] and name != "clip_small_norm":
        return  # once is enough: its start takes a second to compile
    with pytest.raises(InputError, match=rf"{name} works on pixels"):
        vz.render(tiny(), brightness, image=image, optimizer=operator, **PLAIN)


@pytest.mark.parametrize("name", TABLE)
def test_pixels_are_rendered_with_it(name: str):
    """Through the whole loop: the last picture is what the operator lets through."""
    start = drawn(0)[0][0, :8, :8]
    operator = optax.chain(optax.sgd(0.5), made(name, -1))
    image = vz.images.pixels(8)
    result = vz.render(tiny(), brightness, start=start, image=image, optimizer=operator, **PLAIN)
    slope = -0.2 * np.asarray(start, np.float64)[None]  # of the loss
    expected = TABLE[name][-1].oracle(start[None] - 0.5 * slope, slope, 0)
    np.testing.assert_allclose(result.images[0], np.clip(expected, 0, 1), atol=1e-5)


@pytest.mark.parametrize("every", [1, 3])
def test_the_period_starts_with_the_first_step(every: int):
    x, _, slope = drawn(0)
    found = ran(updates.periodic_blur(0.5, every), x, jnp.zeros_like(x), slope, steps=7)
    before = np.concatenate([x[None], found[:-1]])
    changed = [not np.array_equal(a, b) for a, b in zip(before, found, strict=True)]
    assert changed == [i % every == 0 for i in range(7)]


@pytest.mark.parametrize("name", ["clip_small_norm", "clip_small_contribution"])
@pytest.mark.parametrize(("percent", "share"), [(0, 0), (50, 0.5), (25, 0.25), (90, 0.9)])
def test_a_share_of_each_picture_turns_grey(name: str, percent: float, share: float):
    """The share is taken of every picture for itself, however weak its mates."""
    x, change, slope = drawn(3)
    x = jnp.stack([x[0], 0.5 + 0.01 * (x[1] - 0.5)])
    operator = getattr(updates, name)(percent)
    found, _ = operator.update(jnp.zeros_like(change), operator.init(x), x, image_gradient=slope)
    grey = np.all(x + found == 0.5, axis=-1)
    assert grey.sum(axis=(1, 2)).tolist() == [round(80 * share)] * 2


def test_balls_leave_what_is_inside():
    x, change, _ = drawn(4)
    ball = updates.project_norm_ball(1.0)
    inside = 0.5 + 0.05 * (x - 0.5)
    kept, _ = ball.update(jnp.zeros_like(change), ball.init(x), inside)
    assert not kept.any()
    pulled, _ = ball.update(10 * change, ball.init(x), x)
    norms = np.sqrt(np.square(x + pulled - 0.5).sum((1, 2, 3)))
    np.testing.assert_allclose(norms, 1.0, rtol=1e-5)


def test_a_grey_picture_stays_finite():
    x = jnp.full(SHAPE, 0.5)
    for name, i in CASES:
        operator = made(name, i)
        change, _ = operator.update(jnp.zeros(SHAPE), operator.init(x), x, image_gradient=x)
        np.testing.assert_allclose(change, 0, atol=1e-6)


def test_contributions_need_the_gradient():
    x = jnp.zeros(SHAPE)
    clip = updates.clip_small_contribution(50)
    with pytest.raises(InputError, match=r"needs image_gradient=…; vizjax\.render passes it"):
        clip.update(x, clip.init(x), x)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: updates.periodic_blur(1.0, 0), "a period is 1 step or more, not 0"),
        (lambda: updates.periodic_blur(0.0), "a Gaussian of sigma 0.0 never reaches"),
        (lambda: updates.clip_small_norm(101), "a share is 0 ... 100 percent, not 101"),
        (lambda: updates.clip_small_contribution(-1), "a share is 0 ... 100 percent, not -1"),
        (lambda: updates.decay(1.1), "a decay is 0 ... 1 of the picture in each step, not 1.1"),
        (
            lambda: updates.clip_pixels(1.0, 1.0),
            "the range of pixels is from low up to high, not 1.0 ... 1.0",
        ),
        (lambda: updates.progress(0.0), "progress takes positive numbers, not gain 0.0"),
        (lambda: updates.clip_gradient(0.0), "the largest norm of a gradient must be positive, not 0.0"),
        (lambda: updates.project_norm_ball(0.0), "a ball's radius must be positive, not 0.0"),
    ],
)
def test_bad_arguments(make: Callable, text: str):
    with pytest.raises(InputError, match=text):
        make()


@pytest.mark.parametrize("name", TABLE)
def test_equal_arguments_give_the_same_object(name: str):
    assert made(name, 0) is made(name, 0)
    assert made(name, 0) is not made(name, -1)
