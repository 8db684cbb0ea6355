"""The figures of Gatys et al.: layers by α/β, a row of styles with the colours kept or not, textures.

Run ``python examples/gatys.py``; it writes ``gallery/gatys.jpg`` beside itself in a minute or two.
With ``--quick`` the pictures are small and unfinished, and go to a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage import data
from sklearn.datasets import load_sample_image

import vizjax as vz
from vizjax.pictures import resized
from vizjax.recipes.style.textures import synthesize
from vizjax.recipes.style.transfer import stylize

LAYERS = ("stem", "blocks.0", "blocks.2", "blocks.4", "blocks.7")
RATIOS = (0.01, 0.05, 0.2, 1.0)
PALETTE = np.array(
    [
        (0.05, 0.08, 0.3),
        (0.1, 0.25, 0.6),
        (0.25, 0.5, 0.8),
        (0.75, 0.85, 0.8),
        (1, 0.85, 0.3),
        (0.95, 0.6, 0.1),
    ]
)


def swirls(size: int) -> np.ndarray:
    """A night of brush strokes: noise smeared along a field of directions, in six colours."""
    rng = np.random.default_rng(0)

    def smooth(sigma: float) -> np.ndarray:
        x = ndimage.gaussian_filter(rng.normal(size=(size, size)), sigma, mode="wrap")
        return x / x.std()

    angle, grain, strokes = 3 * smooth(size / 10), smooth(0.9), np.zeros((size, size))
    for way in (1, -1):
        place = np.mgrid[:size, :size].astype(float)
        for _ in range(24):
            strokes += ndimage.map_coordinates(grain, place, order=1, mode="wrap")
            turn = [ndimage.map_coordinates(f(angle), place, order=1, mode="wrap") for f in (np.sin, np.cos)]
            place += way * np.stack(turn)
    shade = smooth(size / 14) + 0.9 * strokes / strokes.std()
    rank = (np.argsort(np.argsort(shade.ravel())) / shade.size).reshape(shape := shade.shape) ** 1.3
    steps = np.arange(len(PALETTE)) / (len(PALETTE) - 1)
    return np.stack([np.interp(rank, steps, c).reshape(shape) for c in PALETTE.T], -1).astype(np.float32)


def square(picture: np.ndarray, size: int) -> np.ndarray:
    h, w = picture.shape[:2]
    top, left, side = max(0, h - w) // 2, max(0, w - h) // 2, min(h, w)
    part = picture[top : top + side, left : left + side].astype(np.float32) / 255
    return resized(part, (size, size)).clip(0, 1)


def main(quick: bool) -> None:
    vz.keep_memory()
    size, steps = (48, 2) if quick else (160, 60)
    net, content = vz.load("efficientnet_lite0"), square(load_sample_image("china.jpg"), size)
    styles = [
        swirls(size),
        *(square(p, size) for p in (data.coffee(), data.immunohistochemistry(), data.retina())),
    ]
    rows = []
    for depth in (1, 3, 5):  # how many of the style layers count
        layers = LAYERS[:depth]
        rows.append([
            stylize(net, content, styles[0], ratio=r, style_layers=layers, steps=steps).images[0, 0]
            for r in RATIOS
        ])  # fmt: skip
    rows.append(styles)
    for color in (None, "luminance"):
        rows.append([stylize(net, content, s, color=color, steps=steps).images[0, 0] for s in styles])
    rows.append([synthesize(net, s, size, steps=2 * steps).images[0, 0] for s in styles])
    out = (Path(tempfile.mkdtemp()) if quick else Path(__file__).parent / "gallery") / "gatys.jpg"
    whole = np.concatenate([np.concatenate(row, 1) for row in rows])
    Image.fromarray((255 * whole).round().astype(np.uint8)).save(out, quality=90)
    print(out)


if __name__ == "__main__":
    main("--quick" in sys.argv)
