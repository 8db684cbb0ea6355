"""From one unit of EfficientNet-Lite0's ``blocks.10`` to another, in six frames that are aligned.

Run ``python examples/interpolation.py``; it writes ``gallery/interpolation.png`` beside itself in about
a minute. With ``--quick`` the frames are small and unfinished, and go to a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import vizjax as vz
from vizjax.recipes.interpolation import interpolate

PAIRS = np.array([[2, 11], [36, 75], [24, 101]])


def main(quick: bool) -> None:
    vz.keep_memory()
    net = vz.load("efficientnet_lite0")
    image = vz.images.shared(48 if quick else 144)
    result = interpolate(net, "blocks.10", PAIRS, image=image, steps=4 if quick else 80)
    for pair, frames in zip(PAIRS, result.images, strict=True):
        x = vz.activations(net, frames)["blocks.10"].mean((1, 2))
        ends = x[0, pair[0]], x[-1, pair[1]]
        print(f"{pair[0]} -> {pair[1]}: {ends[0]:.1f} at the first frame, {ends[1]:.1f} at the last")
    out = Path(tempfile.mkdtemp()) if quick else Path(__file__).parent / "gallery"
    vz.save(result, out / "interpolation.png")
    print(out / "interpolation.png")


if __name__ == "__main__":
    main("--quick" in sys.argv)
