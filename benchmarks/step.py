"""Where a step's time goes: the parts of the default recipe taken away one by one, interleaved.

Run ``python -m benchmarks.step [MODEL LAYER]``; without published weights at hand, random ones do.
"""

import sys

import jax
import jax.numpy as jnp

import vizjax as vz
from benchmarks.operators import milliseconds

VARIANTS = {
    "the default recipe, first 16 steps": ({}, 0),
    "the default recipe, later steps": ({}, 64),
    "plain ReLU": ({"rectify": vz.nn.plain}, 64),
    "plain ReLU, padded instead of transformed": (
        {"rectify": vz.nn.plain, "transform": vz.transforms.pad(12)},
        64,
    ),
    "the same on pixels": (
        {
            "rectify": vz.nn.plain,
            "transform": vz.transforms.pad(12),
            "image": vz.images.pixels(128),
        },
        64,
    ),
}


def main() -> None:
    name, layer = sys.argv[1:] or ("efficientnet_lite0", "blocks.4")
    net = vz.load(name, None if name.startswith("efficientnet") else "random")

    def channel(acts, unit):
        return vz.objectives.channel(acts[layer], unit)

    steps = []
    for settings, step in VARIANTS.values():
        draw = vz.renderer(channel, **settings)
        state = vz.init(draw, jnp.arange(8))._replace(step=jnp.full(8, step))
        steps.append(lambda draw=draw, state=state: jax.block_until_ready(vz.step(draw, net, state)))
    print(f"{name}, {layer}: 8 units, 128 px")
    for variant, time in zip(VARIANTS, milliseconds(*steps), strict=True):
        print(f"{variant:45s} {time:6.0f} ms")


if __name__ == "__main__":
    main()
