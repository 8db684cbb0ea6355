"""Contracts that every objective keeps, and what each of them is, in numpy."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vizjax import objectives
from vizjax.errors import InputError

GROUP, HIGH, WIDE, CHANNELS = 6, 5, 4, 5
SHAPES = {
    "nhwc": (GROUP, HIGH, WIDE, CHANNELS),
    "ntc": (GROUP, HIGH * WIDE, CHANNELS),
    "nc": (GROUP, CHANNELS),
}
UNITS = [0, 3, 4]


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def dot_cosine(x: np.ndarray, v: np.ndarray, power: float) -> float:
    dot = (x * v).sum(-1)
    cosine = dot / np.sqrt((x**2).sum(-1) * (v**2).sum(-1))
    return (dot * np.maximum(cosine, 0.1) ** power).mean()


def grams(x: np.ndarray) -> np.ndarray:
    flat = x.reshape(len(x), -1, x.shape[-1])
    return flat.swapaxes(1, 2) @ flat


def mean_cosine(x: np.ndarray, _: Any) -> float:
    flat = [g.ravel() / np.linalg.norm(g) for g in grams(x)]
    return sum(a @ b for i, a in enumerate(flat) for j, b in enumerate(flat) if i != j) / len(x)


def neighbours_apart(x: np.ndarray, _: Any) -> float:
    n = len(x)
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n) if j - i <= 4]
    return -sum(np.mean((x[i] - x[j]) ** 2) / 2.0 ** (j - i) for i, j in pairs)


def along_a_group(x: np.ndarray, pair: np.ndarray) -> float:
    means = x.reshape(len(x), -1, x.shape[-1]).mean(1)
    n = len(x) - 1
    return np.mean([((n - i) * m[pair[0]] + i * m[pair[1]]) / n for i, m in enumerate(means)])


def unit(rng: np.random.Generator, shape: tuple) -> np.ndarray:
    return np.int32(rng.integers(shape[-1]))


def vector(rng: np.random.Generator, shape: tuple) -> np.ndarray:
    return rng.normal(size=shape[-1]).astype(np.float32)


def reference(rng: np.random.Generator, shape: tuple) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


class Row(NamedTuple):
    """One objective: what of it is traced, how it is called, and what it is."""

    target: Callable | None
    call: Callable
    oracle: Callable
    layouts: tuple[str, ...] = ("nhwc", "ntc", "nc")
    sign: int = 1  # -1: to be subtracted


o = objectives
PICTURES, TABLES = ("nhwc",), ("nc",)
TABLE: dict[str, Row] = {
    "channel": Row(unit, o.channel, lambda x, u: x[..., u].mean()),
    "neuron": Row(unit, o.neuron, lambda x, u: x[:, HIGH // 2, WIDE // 2, u].mean(), PICTURES),
    "logit": Row(unit, o.logit, lambda x, u: x[:, u].mean(), TABLES),
    "probability": Row(unit, o.probability, lambda x, u: softmax(x)[:, u].mean(), TABLES),
    "deepdream": Row(None, lambda x, _: o.deepdream(x), lambda x, _: (x**2).mean()),
    "direction": Row(vector, lambda x, v: o.direction(x, v, power=2.0), lambda x, v: dot_cosine(x, v, 2.0)),
    "direction_at": Row(
        lambda rng, shape: (vector(rng, shape), rng.integers([HIGH, WIDE])),
        lambda x, t: o.direction_at(x, t[0], t[1], power=1.0),
        lambda x, t: dot_cosine(x[:, t[1][0], t[1][1]], t[0], 1.0),
        PICTURES,
    ),
    "tensor_direction": Row(
        lambda rng, shape: rng.normal(size=(2, 3, shape[-1])).astype(np.float32),
        lambda x, t: o.tensor_direction(x, t, power=2.0),
        lambda x, t: dot_cosine(x[:, 1:3, 0:3], t, 2.0),
        PICTURES,
    ),
    "whitened_direction": Row(
        lambda rng, shape: (vector(rng, shape), reference(rng, (CHANNELS, CHANNELS))),
        lambda x, t: o.whitened_direction(x, *t, power=1.0),
        lambda x, t: dot_cosine(x, t[1] @ t[0], 1.0),
    ),
    "caricature": Row(reference, o.caricature, lambda x, r: dot_cosine(x, r, 1.0)),
    "activation_difference": Row(
        reference,
        lambda x, r: o.activation_difference(x, r, norm=1.5),
        lambda x, r: -np.mean(np.abs(x - r) ** 1.5),
    ),
    "best_match": Row(
        lambda rng, shape: reference(rng, (1, 3, shape[-1])),
        o.best_match,
        lambda x, g: (x @ g.reshape(-1, CHANNELS).T).max(-1).mean(),
    ),
    "content_loss": Row(reference, o.content_loss, lambda x, r: 0.5 * ((x - r) ** 2).sum() / len(x), sign=-1),
    "style_loss": Row(
        lambda rng, shape: grams(reference(rng, shape)),
        o.style_loss,
        lambda x, a: (
            np.mean(((grams(x) - a) ** 2).sum((1, 2))) / (4 * CHANNELS**2 * (x[0].size / CHANNELS) ** 2)
        ),
        sign=-1,
    ),
    "diversity": Row(None, lambda x, _: o.diversity(x), mean_cosine, sign=-1),
    "alignment": Row(None, lambda x, _: o.alignment(x), neighbours_apart),
    "interpolation": Row(
        lambda rng, shape: rng.permutation(shape[-1])[:2].astype(np.int32), o.interpolation, along_a_group
    ),
}
CASES = [(name, layout) for name, row in TABLE.items() for layout in row.layouts]
HELPERS = {"gram"}  # what style and diversity are made of

every_case = pytest.mark.parametrize(("name", "layout"), CASES)


def sample(name: str, layout: str, seed: int = 0) -> tuple[np.ndarray, Any]:
    rng, shape = np.random.default_rng(seed), SHAPES[layout]
    x, row = rng.normal(size=shape).astype(np.float32), TABLE[name]
    return x, None if row.target is None else row.target(rng, shape)


@functools.cache
def slope(name: str) -> Callable:
    return jax.jit(jax.value_and_grad(TABLE[name].call))


def test_every_objective_has_a_row():
    public = {name for name in objectives.__all__ if inspect.isfunction(getattr(objectives, name))}
    assert set(TABLE) | HELPERS == public


@every_case
def test_it_is_what_it_says(name: str, layout: str):
    x, target = sample(name, layout)
    value = TABLE[name].call(jnp.asarray(x), jax.tree.map(jnp.asarray, target))
    assert value.shape == ()
    doubles = x.astype(np.float64)
    np.testing.assert_allclose(value, TABLE[name].oracle(doubles, target), rtol=2e-5, atol=1e-6)
    jitted, _ = slope(name)(x, target)
    np.testing.assert_allclose(jitted, value, rtol=1e-5, atol=1e-6)


@every_case
def test_the_target_is_data(name: str, layout: str):
    """Three targets: one trace, and under vmap what a loop gives."""
    row, traces = TABLE[name], []

    def counted(x: jax.Array, target: Any) -> jax.Array:
        traces.append(name)
        return row.call(x, target)

    xs = np.stack([sample(name, layout, seed)[0] for seed in UNITS])
    targets = [sample(name, layout, seed)[1] for seed in UNITS]
    if row.target is unit:
        targets = [np.int32(u) for u in UNITS]
    one = jax.jit(counted)
    loop = [one(x, target) for x, target in zip(xs, targets, strict=True)]
    assert len(traces) == 1
    stacked = None if row.target is None else jax.tree.map(lambda *a: np.stack(a), *targets)
    together = jax.jit(jax.vmap(row.call))(xs, stacked)
    np.testing.assert_allclose(together, loop, rtol=1e-5, atol=1e-6)
    assert len(set(np.asarray(loop).tolist())) == len(UNITS)


@every_case
def test_gradient_is_finite_and_moves(name: str, layout: str):
    x, target = sample(name, layout)
    value, gradient = slope(name)(x, target)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0
    # a small step along the gradient changes the value by its squared norm
    step = 1e-3 * np.linalg.norm(x) / np.linalg.norm(gradient)
    raised, _ = slope(name)(x + step * gradient, target)
    np.testing.assert_allclose(raised - value, step * np.sum(np.square(gradient)), rtol=0.05)


@every_case
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_gradient_is_finite_on_constant_activations(name: str, layout: str, level: float):
    x, target = sample(name, layout)
    value, gradient = slope(name)(np.full_like(x, level), target)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@every_case
def test_ascent_raises_it(name: str, layout: str):
    """Losses and diversity, which are subtracted, are lowered."""
    x, target = sample(name, layout)
    before, _ = slope(name)(x, target)
    for _ in range(5):
        _, gradient = slope(name)(x, target)
        x = x + TABLE[name].sign * 0.02 * np.linalg.norm(x) / np.linalg.norm(gradient) * gradient
    after, _ = slope(name)(x, target)
    assert TABLE[name].sign * (after - before) > 1e-4 * abs(before)


@pytest.mark.parametrize(
    ("size", "center"), [((5, 5), (2, 2)), ((4, 4), (2, 2)), ((4, 7), (2, 3)), ((1, 2), (0, 1))]
)
def test_neuron_is_one_position(size: tuple[int, int], center: tuple[int, int]):
    x = jnp.arange(size[0] * size[1] * 2.0).reshape(1, *size, 2)
    assert objectives.neuron(x, 1) == x[0, *center, 1]
    corner = (size[0] - 1, 0)
    assert objectives.neuron(x, 1, corner) == x[0, *corner, 1]
    assert objectives.direction_at(x, jnp.array([0.0, 1.0])) == x[0, *center, 1]


def test_positions_may_be_traced():
    x = jnp.arange(24.0).reshape(1, 3, 4, 2)
    places = jnp.array([(0, 0), (2, 3), (1, 2)])
    found = jax.jit(jax.vmap(objectives.neuron, (None, None, 0)))(x, 1, places)
    assert found.tolist() == [x[0, r, c, 1] for r, c in places]


@pytest.mark.parametrize("power", [1.0, 2.0, 4.0])
def test_the_angle_has_a_floor(power: float):
    """A direction that points away still has a slope: dot · .1 ^ power."""
    x, away = jnp.array([[[[3.0, 4.0]]]]), jnp.array([-4.0, -3.0])
    np.testing.assert_allclose(objectives.direction(x, away, power), -24 * 0.1**power, rtol=1e-6)
    np.testing.assert_allclose(objectives.direction(x, -away, power), 24 * (24 / 25) ** power, rtol=1e-5)


@pytest.mark.parametrize(
    ("size", "inner", "corner"),
    [((4, 4), (2, 2), (1, 1)), ((5, 5), (2, 2), (1, 1)), ((6, 5), (3, 5), (1, 0))],
)
def test_a_tensor_lies_in_the_middle(size: tuple, inner: tuple, corner: tuple):
    gradient = jax.grad(objectives.tensor_direction)(jnp.zeros((1, *size, 2)), jnp.ones((*inner, 2)))
    seen = np.argwhere(np.any(gradient[0] != 0, axis=-1))
    assert seen.min(0).tolist() == list(corner)
    assert (seen.max(0) - seen.min(0) + 1).tolist() == list(inner)


def test_a_tensor_must_fit():
    with pytest.raises(InputError, match=r"must fit into the activation \(1, 2, 2, 3\); crop it"):
        objectives.tensor_direction(jnp.zeros((1, 2, 2, 3)), jnp.zeros((2, 3, 3)))


@pytest.mark.parametrize("n", [2, 4])
def test_diversity_of_equal_and_of_different_pictures(n: int):
    equal = jnp.broadcast_to(jax.random.normal(jax.random.key(0), (1, 3, 3, n)), (n, 3, 3, n))
    np.testing.assert_allclose(objectives.diversity(equal), n - 1, rtol=1e-5)
    apart = jnp.broadcast_to(jnp.eye(n)[:, None, None, :], (n, 3, 3, n))
    np.testing.assert_allclose(objectives.diversity(apart), 0, atol=1e-6)


def test_gram_matrices_know_no_places():
    x = jax.random.normal(jax.random.key(0), (2, 3, 4, 6))
    found = objectives.gram(x)
    np.testing.assert_allclose(found, grams(np.asarray(x, np.float64)), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found, found.swapaxes(1, 2))
    assert np.linalg.eigvalsh(np.asarray(found, np.float64)).min() > -1e-5
    order = np.random.default_rng(0).permutation(12)
    shuffled = x.reshape(2, 12, 6)[:, order].reshape(x.shape)
    np.testing.assert_allclose(objectives.gram(shuffled), found, rtol=1e-5, atol=1e-5)
    style = objectives.gram(jax.random.normal(jax.random.key(1), (1, 3, 4, 6)))
    np.testing.assert_allclose(
        objectives.style_loss(shuffled, style), objectives.style_loss(x, style), rtol=1e-5
    )


def test_style_has_the_published_gradient():
    """∂E/∂F = (G − A) F / (N² M²)."""
    rng = np.random.default_rng(0)
    places, channels = 12, 6
    x, other = rng.normal(size=(2, 1, 3, 4, channels)).astype(np.float32)
    style = grams(other)
    gradient = jax.grad(objectives.style_loss)(jnp.asarray(x), jnp.asarray(style))
    flat = x.reshape(places, channels).astype(np.float64)
    expected = flat @ (flat.T @ flat - style[0]) / (channels**2 * places**2)
    np.testing.assert_allclose(gradient.reshape(places, channels), expected, rtol=1e-4, atol=1e-6)


def test_interpolation_ends_are_pure():
    x = jnp.stack([jnp.eye(3)[0], jnp.zeros(3), jnp.eye(3)[2]])
    assert objectives.interpolation(x, (0, 2)) == pytest.approx(2 / 3)
    assert objectives.interpolation(x, (2, 0)) == 0


def test_a_group_without_neighbours_is_aligned():
    assert objectives.alignment(jnp.ones((1, 2, 2, 3))) == 0


def test_nothing_pulls_where_the_reference_is_reached():
    x = jnp.arange(6.0).reshape(1, 2, 1, 3)
    for difference in (objectives.activation_difference, objectives.content_loss):
        assert not jax.grad(difference)(x, x).any()


@pytest.mark.parametrize("unit", [-1, 5, 99])
def test_a_plain_number_out_of_range_is_answered(unit):
    with pytest.raises(InputError, match="units and positions are 0 ... 4 here, not"):
        objectives.channel(jnp.ones((1, 2, 2, 5)), unit)
    with pytest.raises(InputError, match="not 7"):
        objectives.neuron(jnp.ones((1, 2, 2, 5)), 0, (7, 0))
