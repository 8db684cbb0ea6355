"""Time to quality: how soon vizjax attains what torch-lucent attains in 512 steps, in one run.

Run ``python -m benchmarks.quality --torch PYTHON [--layers L ...] [--pictures FOLDER]``; PYTHON is that
of ``benchmarks.peers``. Channels 0 to 7 of EfficientNet-Lite0 with its real weights, 224 px: torch-lucent
with its standard transforms and Adam .05, vizjax with its preset ``best``. Both are judged by the mean
activation of the final picture as it is, without transforms, by the same net. Our time is everything
from the call to the pictures, once with compilation and once without.
"""

import argparse
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

import vizjax as vz
from benchmarks.peers import BATCH, SIZE, Peers

MODEL = "efficientnet_lite0"


def attained(net, layer: str, pictures: np.ndarray) -> float:
    """Mean activation of picture i's channel i."""
    channels = jnp.arange(len(pictures))
    return float(vz.activations(net, jnp.asarray(pictures))[layer][channels, :, :, channels].mean())


def timed(draw: vz.Renderer, net) -> tuple[float, np.ndarray]:
    begin = time.perf_counter()
    result = draw(net, jnp.arange(BATCH))
    return time.perf_counter() - begin, result.images[:, 0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--torch", required=True, metavar="PYTHON")
    parser.add_argument("--layers", nargs="*", default=["blocks.4", "blocks.10"])
    parser.add_argument("--steps", type=int, nargs="*", default=[48, 64, 96])
    parser.add_argument("--pictures", type=Path, default=Path(tempfile.mkdtemp()))
    arguments = parser.parse_args()
    arguments.pictures.mkdir(parents=True, exist_ok=True)
    net, peers = vz.load(MODEL), Peers(arguments.torch)
    for layer in arguments.layers:
        rows = []
        for steps in arguments.steps:
            jax.clear_caches()
            draw = vz.renderer(
                lambda acts, unit, layer=layer: vz.objectives.channel(acts[layer], unit),
                image=vz.images.fourier(SIZE), batch=BATCH, steps=steps,
            )  # fmt: skip
            (cold, _), (warm, pictures) = timed(draw, net), timed(draw, net)
            rows.append(pictures)
            score = attained(net, layer, pictures)
            print(
                f"{layer} vizjax {steps:4d} steps {score:6.2f}   {warm:6.1f} s, cold {cold:.1f} s", flush=True
            )
        file = str(arguments.pictures / f"{layer}.npy")
        reply = peers.ask(side="lucent pictures", model=MODEL, module=f"_{layer}", steps=512, file=file)
        rows.append(np.load(file))
        score = attained(net, layer, rows[-1])
        print(f"{layer} lucent  512 steps {score:6.2f}   {reply['seconds']:6.1f} s", flush=True)
        grid = (np.concatenate([np.concatenate(row, 1) for row in rows]) * 255).round().astype(np.uint8)
        Image.fromarray(grid).save(arguments.pictures / f"{layer}.png")
        print(arguments.pictures / f"{layer}.png")


if __name__ == "__main__":
    main()
