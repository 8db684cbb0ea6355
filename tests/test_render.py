"""Rendering: one trace serves all units, keys come from identity and step, the loop can be opened."""

import signal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.tree_util import Partial
from tiny import tiny

import vizjax as vz
from vizjax.keys import job_keys, named_key

IMAGE = vz.images.fourier(16)
OPTIMIZER = optax.adam(0.05)


def channel(acts, unit):
    return vz.objectives.channel(acts["block"], unit)


def counted(objective):
    """An objective that knows how often it was traced."""

    def counting(*args):
        counting.traces += 1
        return objective(*args)

    counting.traces = 0
    return counting


def renderer(objective=channel, **settings):
    return vz.renderer(objective, **{"image": IMAGE, "optimizer": OPTIMIZER, "steps": 6} | settings)


def test_scores_rise_and_shapes_are_the_contract():
    result = renderer(steps=24)(tiny(), jnp.arange(3))
    assert result.images.shape == (3, 1, 16, 16, 3)
    assert result.scores.shape == (3, 24)
    assert result.final.shape == result.baseline.shape == result.alive.shape == (3,)
    assert (result.final > result.baseline).all()
    assert result.images.min() >= 0
    assert result.images.max() <= 1


def test_starts_add_an_axis_and_the_first_is_the_picture_without_others():
    one = renderer()(tiny(), jnp.arange(2))
    three = renderer(starts=3)(tiny(), jnp.arange(2))
    assert three.images.shape == (2, 3, 1, 16, 16, 3)
    assert three.scores.shape == (2, 3, 6)
    assert three.final.shape == (2, 3)
    np.testing.assert_allclose(three.images[:, 0], one.images, atol=1e-3)
    assert np.abs(three.images[:, 0] - three.images[:, 1]).max() > 0.01


def test_one_trace_for_all_units_and_calls():
    objective = counted(channel)
    draw = renderer(objective, batch=4)
    draw(tiny(), jnp.arange(8))
    first = objective.traces
    assert first == 2  # one for the step, one for the score of finished pictures
    for i in range(10):
        vz.render(tiny(), objective, jnp.array([i % 8] * 4), image=vz.images.fourier(16), steps=3 + i,
                  optimizer=OPTIMIZER, batch=4)  # fmt: skip
    assert objective.traces == first


def test_a_second_layer_costs_its_own_trace_only():
    traces = {}

    def of(layer):
        return counted(lambda acts, unit: vz.objectives.channel(acts[layer], unit))

    for layer in ("conv1", "block"):
        objective = of(layer)
        for units in (jnp.arange(4), jnp.arange(4, 8)):
            renderer(objective, batch=4)(tiny(), units)
        traces[layer] = objective.traces
    assert traces == {"conv1": 2, "block": 2}


def test_ids_decide_the_keys():
    draw = renderer(batch=2)
    by_unit = draw(tiny(), jnp.array([3, 4])).images
    by_name = draw(tiny(), jnp.array([3, 4]), ids=["a", "b"]).images
    other_place = draw(tiny(), jnp.array([4, 3]), ids=["b", "a"]).images
    assert np.abs(by_unit - by_name).max() > 0.01
    np.testing.assert_array_equal(other_place[::-1], by_name)
    with pytest.raises(vz.InputError, match="one id a job: 2, not 1"):
        draw(tiny(), jnp.array([3, 4]), ids=[1])


def test_keys_are_folded_from_identity_and_step():
    key = jax.random.key(7)
    keys = job_keys(key, np.array([9, 2]), None, 2)
    assert (keys[0] == jax.random.fold_in(key, 9)) & (keys[1] == jax.random.fold_in(key, 2))
    positions = job_keys(key, {"a": np.zeros(2)}, None, 2)
    assert positions[1] == jax.random.fold_in(key, 1)
    assert job_keys(key, None, [-1], 1)[0] == jax.random.fold_in(key, 2**32 - 1)
    assert named_key(key, "conv") == jax.random.fold_in(key, 0x4D1D1E4F) or named_key(key, "conv") != key


def test_key_logic_is_exact_in_float64_across_widths():
    # In float32 other widths round differently, and optimization amplifies that. In float64 only a
    # wrong key can make pictures differ visibly.
    with jax.enable_x64(True):
        image = vz.images.pixels(16, sd=0.02)
        net = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), tiny())
        settings = {"image": image, "optimizer": optax.sgd(0.5), "steps": 12, "rectify": vz.nn.plain}
        pictures = {w: renderer(**settings, batch=w)(net, jnp.arange(6)).images for w in (1, 2, 6)}
    for width in (1, 2):
        np.testing.assert_allclose(pictures[width], pictures[6], atol=1e-5)


def test_lanes_have_their_own_step_and_may_rest():
    draw = renderer(steps=8)
    both = vz.init(draw, jnp.array([1, 2]))
    for _ in range(3):
        both = vz.step(draw, tiny(), both)
    rested = both._replace(active=jnp.array([True, False]))
    for _ in range(2):
        rested = vz.step(draw, tiny(), rested)
    assert rested.step.tolist() == [5, 3]
    for before, after in zip(jax.tree.leaves(both.params), jax.tree.leaves(rested.params), strict=True):
        np.testing.assert_array_equal(before[1], after[1])
        assert np.abs(before[0] - after[0]).max() > 0
    resumed = vz.step(draw, tiny(), rested._replace(active=jnp.array([False, True])))
    straight = vz.step(draw, tiny(), both)
    for a, b in zip(jax.tree.leaves(resumed.params), jax.tree.leaves(straight.params), strict=True):
        np.testing.assert_array_equal(a[1], b[1])


def test_the_opened_loop_is_the_same_loop_and_keeps_the_callers_state():
    draw = renderer(steps=5)
    result = draw(tiny(), jnp.arange(2))
    state = begin = vz.init(draw, jnp.arange(2))
    scores = []
    for _ in range(5):
        state = vz.step(draw, tiny(), state)
        scores.append(state.score)
    pictures = jax.vmap(draw.settings.image.decode)(state.params)
    np.testing.assert_allclose(np.stack(scores, 1), result.scores, rtol=1e-5)
    np.testing.assert_allclose(np.clip(pictures, 0, 1), result.images, atol=1e-5)
    assert np.isfinite(jax.tree.leaves(begin.params)[0]).all()  # not donated


def test_samples_are_averaged_and_change_the_gradient():
    one, many = (renderer(samples=s, steps=3)(tiny(), jnp.arange(2)) for s in (1, 4))
    assert many.images.shape == one.images.shape
    assert np.abs(many.images - one.images).max() > 1e-3
    still = [renderer(samples=s, steps=3, transform=None)(tiny(), jnp.arange(2)) for s in (1, 4)]
    np.testing.assert_allclose(still[0].images, still[1].images, atol=1e-4)


def test_partial_objectives_carry_arrays_without_a_new_trace():
    base = counted(lambda probe, acts, _: vz.objectives.direction(acts["block"], probe))
    results = [
        vz.render(tiny(), Partial(base, probe), None, image=IMAGE, steps=3, optimizer=OPTIMIZER)
        for probe in (jnp.eye(8)[0], jnp.eye(8)[3])
    ]
    assert base.traces == 2
    assert results[0].images.shape == (1, 1, 16, 16, 3)
    assert np.abs(results[0].images - results[1].images).max() > 0.01


def test_targets_may_be_any_tree_and_nets_several():
    def objective(acts, target):
        a = vz.objectives.channel(acts["a"]["block"], target["unit"])
        return a - vz.objectives.direction(acts["b"]["conv2"], target["away"]) + 0 * acts["a"]["image"].sum()

    targets = {"unit": jnp.arange(2), "away": jnp.eye(16)[:2]}
    result = renderer(objective, steps=12)({"a": tiny(), "b": tiny()}, targets)
    assert (result.final > result.baseline).all()
    assert result.recipe["model"] == "TinyNet, TinyNet"


def test_a_start_is_where_it_starts():
    start = np.random.default_rng(0).uniform(0.2, 0.8, (16, 16, 3)).astype(np.float32)
    draw = renderer(steps=1, optimizer=optax.sgd(0.0), batch=1)
    np.testing.assert_allclose(draw(tiny(), jnp.arange(1), start=start).images[0, 0], start, atol=2e-3)
    with pytest.raises(vz.InputError, match="resize it"):
        draw(tiny(), jnp.arange(1), start=start[:8])


def test_optimizers_get_value_gradients_and_the_loss():
    lbfgs = optax.lbfgs(memory_size=3, linesearch=optax.scale_by_backtracking_linesearch(10))
    result = renderer(optimizer=lbfgs, transform=None, rectify=vz.nn.plain, steps=8)(tiny(), jnp.arange(2))
    assert (result.final > result.baseline).all()
    clip = optax.chain(optax.sgd(1.0), vz.updates.clip_small_contribution(50.0))
    pixels = renderer(image=vz.images.pixels(16), optimizer=clip, transform=None)(tiny(), jnp.arange(2))
    assert (pixels.images == 0.5).all(-1).mean() == pytest.approx(0.5, abs=0.05)


def test_dead_units_are_told_and_redirected_ones_revive():
    def buried(acts, unit):  # a channel far below zero: no gradient comes through a plain ReLU
        return vz.objectives.channel(acts["image"], unit) * 0.0

    result = renderer(buried, steps=24)(tiny(), jnp.arange(2))
    assert not result.alive.any()
    assert renderer(steps=24)(tiny(), jnp.arange(2)).alive.all()


def test_forward_mode_through_a_run():
    """How the attained activation depends on the size of the steps, by forward over reverse mode."""
    image = vz.images.fourier(8)
    with jax.enable_x64(True), vz.nn.lax_only():
        net = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), tiny())
        begin = image.init(jax.random.key(0))

        def attained(size):
            def score(params):
                return channel(vz.activations(net, image.decode(params)), 1)

            params = begin
            for _ in range(3):
                params = params + size * jax.grad(score)(params)
            return score(params)

        _, slope = jax.jvp(attained, (0.1,), (1.0,))
        difference = (attained(0.1 + 1e-6) - attained(0.1 - 1e-6)) / 2e-6
    assert float(slope) == pytest.approx(float(difference), rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps must be a whole number of 1 or more, not 0"),
        ({"samples": -1}, "samples must be"),
        ({"starts": 0}, "starts must be a whole number"),
        ({"batch": 0}, "batch must be"),
    ],
)
def test_bad_numbers_are_answered(settings, message):
    with pytest.raises(vz.InputError, match=message):
        vz.renderer(channel, **settings)


@pytest.mark.parametrize(
    "targets", [jnp.array(3), jnp.zeros((0,), int), {"a": jnp.arange(2), "b": jnp.arange(3)}]
)
def test_targets_without_a_common_leading_axis_are_answered(targets):
    with pytest.raises(vz.InputError, match="leading axis of targets is the jobs"):
        renderer()(tiny(), targets)


def test_an_objective_must_return_one_number():
    with pytest.raises(vz.InputError, match="returns one number, not shape"):
        renderer(lambda acts, unit: acts["block"].mean((0, 1)))(tiny(), jnp.arange(1))


def test_unknown_layers_are_answered_with_the_closest():
    with pytest.raises(vz.UnknownName, match="unknown layer 'blok': did you mean 'block'"):
        renderer(lambda acts, unit: vz.objectives.channel(acts["blok"], unit))(tiny(), jnp.arange(1))


def test_the_recipe_says_how():
    recipe = renderer(rectify=vz.nn.redirected(4))(tiny(), jnp.arange(1)).recipe
    assert recipe["image"] == "fourier(16)"
    assert recipe["transform"] == "gentle()"
    assert recipe["rectify"] == "redirected(steps=4)"
    assert "vz.objectives.channel" in recipe["objective"]
    assert recipe["steps"] == 6


# snapshots and interruptions


def test_snapshots_are_the_start_each_so_manieth_step_and_the_end():
    draw = renderer(transform=None, steps=5, starts=2)
    result = draw(tiny(), np.arange(3), every=2)
    assert result.frames.shape == (3, 2, 4, *result.images.shape[2:])  # 0, 2, 4 and 5 steps
    np.testing.assert_array_equal(result.frames[:, :, -1], result.images)
    shorter = renderer(transform=None, steps=2, starts=2)
    np.testing.assert_array_equal(result.frames[:, :, 1], shorter(tiny(), np.arange(3)).images)
    assert draw(tiny(), np.arange(3)).frames is None
    with pytest.raises(vz.InputError, match="every must be a whole number of 1 or more, not 0"):
        draw(tiny(), np.arange(3), every=0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_gives_its_pictures(number):
    draw = renderer(transform=None, steps=6, batch=2)
    asked, before = [], signal.getsignal(number)

    def stop(jobs, scores):
        asked.append(jobs)
        if len(asked) == 9:  # the third step of the second batch
            signal.raise_signal(number)

    def answer(*_):
        raise KeyboardInterrupt

    signal.signal(number, answer)
    try:
        with pytest.raises(vz.Interrupted) as caught:
            draw(tiny(), np.arange(5), on_step=stop, every=2)
        assert signal.getsignal(number) is answer, "the signals are answered as before"
    finally:
        signal.signal(number, before)
    result = caught.value.result
    assert caught.value.number == number
    assert len(result.images) == 4, "the third batch had not begun"
    whole = draw(tiny(), np.arange(5), every=2)
    np.testing.assert_array_equal(result.images[:2], whole.images[:2])
    np.testing.assert_array_equal(result.scores[2:, :3], whole.scores[2:4, :3])
    assert np.isnan(result.scores[2:, 3:]).all()
    assert not np.isnan(result.scores[:2]).any()


def test_a_second_interruption_ends_a_run_at_once():
    draw = renderer(transform=None, steps=4)
    asked = []

    def stop(jobs, scores):
        asked.append(jobs)
        if len(asked) == 2:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        draw(tiny(), np.arange(2), on_step=stop)
    assert not isinstance(caught.value, vz.Interrupted)


def test_what_the_optimizer_records_is_in_the_result():
    draw = renderer(transform=None, steps=3, starts=2)
    state = draw(tiny(), np.arange(3)).optimizer_state
    counts = optax.tree_utils.tree_get(state, "count")
    assert counts.shape == (3, 2)
    assert (counts == 3).all()


def test_networks_are_drawn_anew_at_another_size():
    small, large = vz.images.cppn(16, layers=2, width=4), vz.images.cppn(32, layers=2, width=4)
    result = renderer(image=small, transform=None, steps=3)(tiny(), np.arange(2))
    drawn = jax.vmap(large.decode)(result.params)
    assert drawn.shape == (2, 1, 32, 32, 3)
    np.testing.assert_allclose(drawn[:, :, 0, 0], result.images[:, :, 0, 0], atol=1e-5)  # corners coincide
