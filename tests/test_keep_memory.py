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
    waves = jnp.fft.rfft(x)  # is written out: 64 MB
    return jnp.sum(jnp.abs(waves))

x = jnp.ones((1 << 14, 1 << 10))
for _ in range(6):
    step(x).block_until_ready()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(16):
    step(x).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(*arguments: str) -> int:
    """Pages of memory that the system had to clear for sixteen steps."""
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it does nothing")
def test_steps_ask_for_no_new_pages():
    kept, freed = pages("keep"), pages()
    assert kept < freed / 2, (kept, freed)  # a few while the heap grows
