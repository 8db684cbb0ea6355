"""DeepDream: what layers see in a cat, what they find when a flower guides them, and a flight into a dream.

Run ``python examples/dreams.py``; it writes ``gallery/dreams.png`` and ``gallery/dreams.gif`` beside
itself in about two minutes. With ``--quick`` the pictures are small, and go to a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from skimage import data
from sklearn.datasets import load_sample_image

import vizjax as vz
from vizjax.recipes.dreams import dream
from vizjax.recipes.zooms import zoom


def square(pixels: np.ndarray, side: int) -> np.ndarray:
    """The middle of a picture of skimage or scikit-learn, as floats."""
    return np.asarray(ImageOps.fit(Image.fromarray(pixels), (side, side)), np.float32) / 255


def main(quick: bool) -> None:
    vz.keep_memory()
    net = vz.load("efficientnet_lite0")
    side, options = (64, {"octaves": 1, "steps": 2}) if quick else (320, {})
    cat, flower = square(data.chelsea(), side), square(load_sample_image("flower.jpg"), side)
    dreams = []
    for layer, guide in (("blocks.4", None), ("blocks.10", None), ("blocks.8", flower)):
        dreams.append(dream(net, cat, layer, guide=guide, **options))
        print(f"{layer}: {dreams[-1].baseline[0]:.1f} -> {dreams[-1].final[0]:.1f}")
    out = Path(tempfile.mkdtemp()) if quick else Path(__file__).parent / "gallery"
    images = np.stack([result.images[0] for result in dreams], axis=1)
    vz.save(dreams[-1]._replace(images=images), out / "dreams.png")
    china = square(load_sample_image("china.jpg"), side * 3 // 5)
    flight = zoom(net, china, "blocks.10", frames=2 if quick else 30, **options)
    vz.save(flight, out / "dreams.gif")
    print(out / "dreams.png", out / "dreams.gif")


if __name__ == "__main__":
    main("--quick" in sys.argv)
