"""Deep visualization (Yosinski et al., 2015): nine classes from four starts each, and layers from 8 to 1.

The third of the four published settings, of which most of the paper's figures are made, in fewer steps;
the contrast of each picture is stretched.
Run ``python examples/yosinski.py``; it writes ``gallery/yosinski_*.png`` beside itself in four minutes.
With ``--quick`` the pictures are small and unfinished, and go to a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import vizjax as vz

CLASSES = [
    *("flamingo", "pelican", "hartebeest", "pool table", "ground beetle"),
    *("Indian cobra", "beach wagon", "black swan", "goose"),
]
LAYERS = {  # eight to one
    "logits": [984, 951, 76, 130],
    "head": [3, 40, 90, 200],
    "blocks.14": [2, 9, 30, 60],
    "blocks.10": [2, 5, 11, 24],
    "blocks.7": [1, 7, 12, 40],
    "blocks.4": [1, 5, 9, 23],
    "blocks.2": [4, 9, 15, 21],
    "stem": [1, 5, 9, 13],
}


def main(quick: bool) -> None:
    vz.keep_memory()
    net = vz.load("efficientnet_lite0")
    names = vz.unit_names(net)
    out = Path(tempfile.mkdtemp()) if quick else Path(__file__).parent / "gallery"
    settings = {"size": 48, "steps": 3} if quick else {"size": 112, "steps": 150}

    units = [names.index(name) for name in CLASSES[: 2 if quick else None]]
    result = vz.recipes.visualize(net, "logits", units, "yosinski-3", starts=2 if quick else 4, **settings)
    ranks = vz.activations(net, result.images[:, 0, 0])["logits"].argmax(-1)
    print(f"{np.mean(ranks == np.array(units)):.0%} of the classes come first")
    shown = vz.color.stretched(result.images[:, :, 0])
    vz.save(result._replace(images=shown), out / "yosinski_classes.png")

    rows = []
    for layer, channels in list(LAYERS.items())[6 if quick else 0 :]:
        chosen = channels[: 1 if quick else None]
        revived = {"rectify": vz.nn.redirected(16)}  # units of head are dead at the start
        rows.append(vz.recipes.visualize(net, layer, chosen, "yosinski-3", **settings, **revived))
        print(f"{layer}: {rows[-1].baseline.mean():.2f} -> {rows[-1].final.mean():.2f}", flush=True)
    pictures = vz.color.stretched(np.stack([row.images[:, 0] for row in rows]))  # one row a layer
    vz.save(rows[0]._replace(images=pictures), out / "yosinski_layers.png")
    print(out / "yosinski_layers.png")


if __name__ == "__main__":
    main("--quick" in sys.argv)
