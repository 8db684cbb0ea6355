"""What eight inversions from different starts cost, beside one: the median of five, interleaved.

Run ``python -m benchmarks.inversion [--net NET --layer LAYER] [--size PX] [--steps N]``. Both run once
before, so that nothing is compiled while the clock runs; how often the energy was traced is printed as well.
The promise is a ratio of 8.4 or less, and one compilation for all eight.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
from skimage import data

import vizjax as vz
from vizjax import regularizers
from vizjax.features import FEATURES
from vizjax.recipes.inversion import energies
from vizjax.recipes.inversion.inverting import invert

STARTS, ROUNDS = 8, 5


def counted(function):
    """The function, and how often it was called: at each trace of the step and of the final energy."""
    calls: list[None] = []

    def counting(*args):
        calls.append(None)
        return function(*args)

    return counting, calls


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--net", default="hogb")
    parser.add_argument("--layer", default="hogb")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    net = FEATURES[given.net]() if given.net in FEATURES else vz.load(given.net)
    shape = (given.size, given.size, net.input_shape[-1])
    camera = jnp.asarray(data.camera()[..., None] / np.float32(255))
    picture = jnp.broadcast_to(jax.image.resize(camera, (*shape[:2], 1), "linear"), shape)
    energies.regularizers.total_variation, traces = counted(regularizers.total_variation)

    def seconds(starts: int) -> float:
        begin = time.perf_counter()
        invert(net, picture, given.layer, starts=starts, steps=given.steps)
        return time.perf_counter() - begin

    cold = seconds(STARTS)
    compiled = len(traces)
    seconds(1)
    both = len(traces)
    times = np.array([[seconds(starts) for starts in (1, STARTS)] for _ in range(ROUNDS)])
    one, eight = np.median(times, axis=0)
    print(f"{given.net}, {given.layer}: {given.size} px, {given.steps} steps, {jax.default_backend()}")
    print(f"one {one:.3f} s, eight {eight:.3f} s: {eight / one:.2f} x one; the first eight {cold:.1f} s")
    print(f"traces for eight: {compiled}, of the step and of the final score; later {len(traces) - both}")


if __name__ == "__main__":
    main()
