"""Units of four layers of EfficientNet-Lite0, side by side: the picture on top of the README.

Run ``python examples/layers.py``; it writes ``gallery/layers.png`` beside itself in a few minutes.
With ``--quick`` the pictures are small and unfinished, and go to a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np

import vizjax as vz

UNITS = {
    "blocks.2": [1, 4, 5, 9, 14, 15, 17, 21],
    "blocks.4": [0, 1, 4, 5, 7, 9, 23, 29],
    "blocks.10": [2, 5, 11, 24, 36, 60, 75, 101],
    "logits": [1, 72, 107, 285, 309, 817, 950, 980],
}


def main(quick: bool) -> None:
    vz.keep_memory()
    net = vz.load("efficientnet_lite0")
    rows = []
    for layer, units in UNITS.items():
        result = vz.render(
            net,
            lambda acts, unit, layer=layer: vz.objectives.channel(acts[layer], unit),
            jnp.array(units[:2] if quick else units),
            image=vz.images.fourier(48 if quick else 160),
            steps=4 if quick else 96,
        )
        print(f"{layer}: {result.baseline.mean():.2f} -> {result.final.mean():.2f}")
        rows.append(result.images)
    out = Path(tempfile.mkdtemp()) if quick else Path(__file__).parent / "gallery"
    images = np.stack(rows)  # one row a layer
    vz.save(result._replace(images=images.reshape(len(rows), -1, *images.shape[3:])), out / "layers.png")
    print(out / "layers.png")


if __name__ == "__main__":
    main("--quick" in sys.argv)
