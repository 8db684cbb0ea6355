"""What three layers of EfficientNet-Lite0 see in three pictures, exaggerated.

Run ``python examples/caricatures.py``; it writes ``gallery/caricatures.jpg`` beside itself in about two
minutes: in each row a picture, then its caricatures at ``blocks.2``, ``blocks.4`` and ``blocks.10``.
With ``--quick`` the pictures are small and unfinished, and go to a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from skimage import data, transform
from sklearn.datasets import load_sample_image

import vizjax as vz
from vizjax.recipes.caricatures import caricature

LAYERS = ("blocks.2", "blocks.4", "blocks.10")


def squares(size):
    """Three pictures, cropped to squares."""
    crops = (
        data.astronaut()[:360, 40:400],
        data.chelsea()[:300, 75:375],
        load_sample_image("flower.jpg")[:400, 100:500],
    )
    return np.stack([transform.resize(p, (size, size), anti_aliasing=True) for p in crops]).astype(np.float32)


def main(quick: bool) -> None:
    vz.keep_memory()
    net = vz.load("efficientnet_lite0")
    pictures = squares(48 if quick else 224)
    columns = [pictures]
    for layer in LAYERS[:1] if quick else LAYERS:
        result = caricature(net, pictures, layer, steps=4 if quick else 48)
        print(f"{layer}: {result.baseline.mean():.1f} -> {result.final.mean():.1f}")
        columns.append(result.images[:, 0])
    out = Path(tempfile.mkdtemp()) if quick else Path(__file__).parent / "gallery"
    rows = np.stack(columns, axis=1).reshape(-1, *pictures.shape[1:])
    sheet = vz.files.sheet(vz.files.to_bytes(rows), len(columns), gap=2)
    sheet.save(out / "caricatures.jpg", quality=90)
    print(out / "caricatures.jpg")


if __name__ == "__main__":
    main("--quick" in sys.argv)
