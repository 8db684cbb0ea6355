"""What ``blocks.10`` of EfficientNet-Lite0 sees at each place of a picture: an activation grid.

Run ``python examples/activation_grid.py``; it writes ``gallery/activation_grid.jpg`` beside itself in
about two minutes: the picture, and one canvas of 12 × 12 cells that are optimized jointly. With
``--quick`` the canvas is small and unfinished, and goes to a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from skimage import data, transform

import vizjax as vz
from vizjax.recipes.grids import draw_grid


def main(quick: bool) -> None:
    vz.keep_memory()
    net = vz.load("efficientnet_lite0")
    crop = data.chelsea()[:300, 75:375]
    picture = transform.resize(crop, (64, 64) if quick else (192, 192), anti_aliasing=True).astype(np.float32)
    result = draw_grid(net, picture, "blocks.10", steps=4 if quick else 32)
    print(f"{result.baseline[0]:.1f} -> {result.final[0]:.1f}")
    drawn = result.images[0, 0]
    beside = transform.resize(crop, drawn.shape[:2], anti_aliasing=True).astype(np.float32)
    out = Path(tempfile.mkdtemp()) if quick else Path(__file__).parent / "gallery"
    sheet = vz.files.sheet(vz.files.to_bytes(np.stack([beside, drawn])), 2, gap=4)
    sheet.save(out / "activation_grid.jpg", quality=90)
    print(out / "activation_grid.jpg")


if __name__ == "__main__":
    main("--quick" in sys.argv)
