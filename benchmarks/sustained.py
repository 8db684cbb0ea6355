"""The rate that a whole network's atlas sustains, beside that of a matrix product in the same run.

Run ``python -m benchmarks.sustained [MODEL ...]``. An atlas of every stage's units at the default settings
is steps of some layers, each as often as the layer has units: the steps are timed, later ones (after the
redirected rule), whole, with transforms and update; matrix products of 2048³ in float32 take turns with
them. Operations are those of direct convolutions, forward and gradient. Random weights.
"""

import statistics
import sys
import time

import jax
import jax.numpy as jnp

import vizjax as vz
from vizjax.ascent import compiled
from vizjax.atlas.profile import multiply_adds, product_rate

LAYERS = {
    "vgg16": ["relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"],
    "resnet50": ["layer1", "layer2", "layer3", "layer4"],
}
SIZE, WIDTH, ROUNDS = 128, 8, 7


def main() -> None:
    for model in sys.argv[1:] or LAYERS:
        net = vz.load(model, "random")
        facts = vz.layers(net)
        operations, seconds, rates = 0.0, 0.0, []
        for layer in LAYERS[model]:
            draw = vz.renderer(
                lambda acts, unit, layer=layer: vz.objectives.channel(acts[layer], unit),
                image=vz.images.fourier(SIZE), batch=WIDTH,
            )  # fmt: skip
            leaves, programs = compiled(draw.settings, net, draw.objective)
            state = vz.init(draw, jnp.arange(WIDTH))._replace(step=jnp.full(WIDTH, 32))
            state = programs.step(leaves, state, draw.steps)
            took = []
            for _ in range(ROUNDS):
                rates.append(product_rate(repetitions=1))
                begin = time.perf_counter()
                state = jax.block_until_ready(programs.step(leaves, state, draw.steps))
                took.append(time.perf_counter() - begin)
            step = statistics.median(took)
            count = 4 * WIDTH * multiply_adds(net, layer, (SIZE, SIZE, 3))
            print(
                f"{model} {layer:8s} {1e3 * step:6.0f} ms a step, {count / step / 1e9:6.0f} GFLOP/s",
                flush=True,
            )
            operations += facts[layer].channels * count
            seconds += facts[layer].channels * step
        rate, product = operations / seconds / 1e9, statistics.median(rates)
        share = f"{rate / product:.0%} of the {product:.0f} of a matrix product"
        print(f"{model}: {rate:.0f} GFLOP/s sustained, {share}")


if __name__ == "__main__":
    main()
