"""Spans of time: who is told, and what they cover."""

import jax
import numpy as np
import pytest

from vizjax.timing import Span, listening, spent, timed


def named(spans, name):
    return [span for span in spans if span.name == f"/vizjax/{name}"]


def test_each_call_and_each_failure_is_told():
    @timed("work", layer="conv1")
    def work(fails):
        if fails:
            raise ValueError("it failed")

    with listening() as spans:
        work(False)
        with pytest.raises(ValueError, match="it failed"):
            work(True)
    work(False)  # nobody listens any more
    assert [span.about for span in named(spans, "work")] == [{"layer": "conv1"}] * 2


def test_compiling_is_told_once_a_program():
    program = jax.jit(lambda x: 3 * x + 2)
    with listening() as spans:
        program(1.5).block_until_ready()
        first = [span.name for span in spans]
        program(2.5).block_until_ready()
    assert "/jax/core/compile/backend_compile_duration" in first
    assert len(spans) == len(first)


def test_time_is_counted_once():
    """Against a clock of a hundred ticks, each of which is covered or not."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        ends = np.sort(rng.integers(0, 100, (9, 2)), axis=1)
        spans = [Span("", float(a), float(b), {}) for a, b in ends]
        covered = np.zeros((2, 100), bool)
        for i, (a, b) in enumerate(ends):
            covered[int(i >= 5), a:b] = True
        assert spent(spans[:5]) == covered[0].sum()
        assert spent(spans[:5], without=spans[5:]) == (covered[0] & ~covered[1]).sum()
    assert spent([]) == 0
