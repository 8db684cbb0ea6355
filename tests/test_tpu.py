"""The step compiled ahead of time for TPU v5e: no TPU is needed, but PyPI's libtpu (``pytest -m slow``).

Each test prints its figures (``-s`` shows them); ``benchmarks/RESULTS.md`` keeps the last ones.
"""

import functools

import pytest

pytest.importorskip("libtpu", reason="libtpu is not installed: nothing is compiled for TPU")

from benchmarks import tpu

pytestmark = pytest.mark.slow


@functools.cache
def step(*arguments, **options):
    found = tpu.step(*arguments, **options)
    print(f"\n{' '.join(map(str, arguments))} {options or ''}  {found}")
    return found


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("model", "layer"), tpu.CASES)
def test_a_step_gathers_nothing_and_waits_for_nobody(model, layer, dtype):
    found = step(model, layer, dtype)
    assert found.operations["convolution"] > 10  # the names are read right
    assert not found.count(*tpu.GATHERS)
    assert not found.count(*tpu.COLLECTIVES)
    assert found.temporary_mb < 4000  # of a v5e's 16 GB


@pytest.mark.parametrize(("model", "layer"), tpu.CASES)
def test_bfloat16_moves_less(model, layer):
    assert step(model, layer, "bfloat16").moved_gb < 0.75 * step(model, layer, "float32").moved_gb


def test_lanes_spread_over_devices_do_not_wait_for_each_other():
    found = step(*tpu.CASES[0], spread=4)
    assert not found.count(*tpu.COLLECTIVES)
    assert found.moved_gb < 0.5 * step(*tpu.CASES[0], "float32").moved_gb


def test_plain_operators_move_less_than_the_forms_for_cpu():
    for name, (plain, sliced) in tpu.operators().items():
        print(f"\n{name:36s} lax {plain.moved_gb:5.2f} GB   for CPU {sliced.moved_gb:5.2f} GB")
        assert plain.moved_gb < sliced.moved_gb, name
