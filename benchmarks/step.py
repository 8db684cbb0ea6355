"""Where a step's time goes: the parts of the default recipe taken away one by one, interleaved.

Run ``python -m benchmarks.step``.
"""

import jax
import jax.numpy as jnp

import vizjax as vz
from benchmarks.operators import milliseconds

VARIANTS = {
    "the default recipe, first 16 steps": ({}, 0),
    "the default recipe, later steps": ({}, 64),
    "plain ReLU6": ({"rectify": vz.nn.plain}, 64),
    "plain ReLU6, padded instead of transformed": (
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


def channel(acts, unit):
    return vz.objectives.channel(acts["blocks.4"], unit)


def main() -> None:
    net = vz.load("efficientnet_lite0")
    steps = []
    for settings, step in VARIANTS.values():
        draw = vz.renderer(channel, **settings)
        state = vz.init(draw, jnp.arange(8))._replace(step=jnp.full(8, step))
        steps.append(lambda draw=draw, state=state: jax.block_until_ready(vz.step(draw, net, state)))
    for name, time in zip(VARIANTS, milliseconds(*steps), strict=True):
        print(f"{name:45s} {time:6.0f} ms")


if __name__ == "__main__":
    main()
