"""Memory of computations on CPU that stays with the process."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import vizjax as vz
if "keep" in sys.argv:
    vz.keep_memory()
import jax
import jax.numpy as jnp

@jax.jit
def step(x):
    between = jax.lax.optimization_barrier(2 * x)  # is written out: 64 MB
    return jnp.sum(between * between)

x = jnp.ones(1 << 24)
for _ in range(3):
    step(x).block_until_ready()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    step(x).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(*arguments: str) -> int:
    """Pages of memory that the system had to clear for eight steps."""
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it does nothing")
def test_steps_ask_for_no_new_pages():
    kept, freed = pages("keep"), pages()
    assert kept < freed / 8, (kept, freed)
