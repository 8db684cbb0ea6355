"""Where the time of a build goes."""

import jax
import pytest
from tiny import tiny

import vizjax as vz
from vizjax.atlas import profile
from vizjax.atlas.profile import multiply_adds, profiled, summary
from vizjax.timing import Span, listening, spent, timed

SIZE, STEPS, WIDTH = 16, 20, 4


def built(folder):
    with listening() as spans, timed("build"):
        atlas = vz.atlas.build(tiny(), ["conv1"], folder, units=range(6), size=SIZE, steps=STEPS, batch=WIDTH)
    return atlas, spans


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("atlas")
    atlas, spans = built(folder)
    return atlas, spans, profiled(tiny(), atlas, spans, folder / "profile")


def draws(spans):
    return [span for span in spans if span.name == "/vizjax/render"]


def test_the_parts_are_the_whole(run):
    _, spans, found = run
    (whole,) = (span for span in spans if span.name == "/vizjax/build")
    assert sum(found.seconds.values()) == pytest.approx(whole.end - whole.begin)
    assert min(found.seconds.values()) > 0
    steps = sum(found.seconds[part] for part in (*profile.SCOPES,))
    compiling = [span for span in spans if span.name.startswith("/jax/core/compile/")]
    assert 0 < steps <= spent(draws(spans), compiling)


def test_steps_and_operations_are_those_that_were_run(run):
    _, spans, found = run
    assert len(draws(spans)) >= 2  # two batches, and retries
    assert found.steps == STEPS * len(draws(spans))
    assert found.milliseconds * found.steps / 1e3 < sum(found.seconds.values())
    shape = profile._seen(profile.shard_renderer(tiny(), profile._shard(run[0], "conv1", "positive")))
    positions = -(-shape[0] // 2) * -(-shape[1] // 2)  # stride 2; 3 × 3 filters of 3 and to 8 channels
    once = positions * 3 * 3 * 3 * 8
    done = 4 * once * WIDTH * found.steps
    assert found.net * 1e9 * found.seconds["net"] == pytest.approx(done)
    assert found.product > 0


def test_multiply_adds_follow_the_size():
    net = tiny()
    for name, fact in vz.layers(net).items():
        assert multiply_adds(net, name, net.input_shape) == fact.multiply_adds
    assert multiply_adds(net, "conv2", (64, 32, 3)) == 2 * multiply_adds(net, "conv2", (32, 32, 3))


def test_a_slow_transform_is_seen(run, monkeypatch, tmp_path):
    """Fifty times the work in one part of the step, and that part has most of the time."""
    atlas, _, _ = run
    shard = profile._shard(atlas, "conv1", "positive")
    plain, _ = profile._traced(tiny(), shard, tmp_path / "plain")
    real = profile.shard_renderer

    def slow(key, picture, progress):
        def turn(_, x):
            return jax.numpy.sin(x + picture)

        return jax.lax.fori_loop(0, 1000, turn, picture)

    def other(net, shard):
        draw = real(net, shard)
        return draw.__class__(
            draw.objective, draw.settings._replace(transform=slow), draw.steps, draw.starts, draw.batch
        )

    monkeypatch.setattr(profile, "shard_renderer", other)
    slowed, _ = profile._traced(tiny(), shard, tmp_path / "slow")
    assert sum(slowed.values()) == pytest.approx(1)
    assert slowed["transform"] > max(0.7, plain["transform"])


def test_programs_beyond_the_most_are_taken_for_like_the_rest(run, monkeypatch, tmp_path):
    """Three layers, of which only the two longest are traced."""
    shares = {
        "b": {"net": 0.9, "update": 0.0, "other": 0.1},
        "c": {"net": 0.4, "update": 0.6, "other": 0.0},
    }
    monkeypatch.setattr(profile, "MOST", 2)
    monkeypatch.setattr(profile, "_traced", lambda net, shard, folder: (shares[shard.layer], 10**9))
    spans = [
        Span("/vizjax/build", 0, 40, {}),
        Span("/jax/core/compile/backend_compile_duration", 0, 10, {}),
        *(
            Span("/vizjax/render", *when, {"layer": layer, "facet": "positive"})
            for layer, when in [("a", (9, 15)), ("b", (15, 20)), ("b", (20, 25)), ("c", (25, 35))]
        ),
        Span("/vizjax/store", 35, 36, {}),
    ]
    found = profiled(tiny(), run[0], spans, tmp_path)
    assert found.steps == 4 * STEPS
    assert found.milliseconds == pytest.approx(1e3 * 25 / found.steps)
    expected = {"compile": 10, "net": 0.65 * 25, "update": 0.3 * 25, "store": 1, "other": 4 + 0.05 * 25}
    assert {part: s for part, s in found.seconds.items() if s} == pytest.approx(expected)
    assert found.net == pytest.approx(3 * STEPS / 13)  # of b and c, in 9 and 4 seconds


def test_what_was_finished_before_takes_no_steps(run, tmp_path):
    atlas, _, _ = run
    again, spans = built(atlas.path)
    found = profiled(tiny(), again, spans, tmp_path / "profile")
    assert (found.steps, found.net, found.product) == (0, 0, 0)
    assert not (tmp_path / "profile").exists()
    assert "nothing was left to render" in summary(found)


def test_the_summary_fits_a_screen(run):
    text = summary(run[2])
    assert len(text.splitlines()) <= 15
    assert max(map(len, text.splitlines())) <= 100
    for part, seconds in run[2].seconds.items():
        assert f"{part:<10} {seconds:>6.2f} s" in text


def test_a_program_without_names_is_no_fast_net(run, monkeypatch, tmp_path):
    monkeypatch.setattr(profile, "_traced", lambda *_: ({"other": 1.0}, 10**9))
    found = profiled(tiny(), run[0], run[1], tmp_path)
    assert found.net == 0
    assert "no part of a step is named" in summary(found)


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.01234, "0.0123"), (5.4949, "5.49"), (99.96, "100"), (196.3, "196"), (54321, "54,300")],
)
def test_rates_have_three_digits(rate, text):
    assert profile._three(rate) == text
