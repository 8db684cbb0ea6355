"""Class models of EfficientNet-Lite0 (Simonyan et al., 2014): the classes of the paper's first figure.

The contrast of each picture is stretched, as the paper shows them too.
Run ``python examples/simonyan.py``; it writes ``gallery/simonyan.png`` beside itself in two minutes.
With ``--quick`` the pictures are small and unfinished, and go to a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import vizjax as vz

CLASSES = [
    *("washer", "computer keyboard", "kit fox", "goose", "ostrich", "limousine"),
    *("dumbbell", "cup", "dalmatian", "bell pepper", "lemon", "Siberian husky"),
]


def main(quick: bool) -> None:
    vz.keep_memory()
    net = vz.load("efficientnet_lite0")
    names = vz.unit_names(net)
    units = [names.index(name) for name in CLASSES[: 2 if quick else None]]
    settings = {"size": 48, "steps": 3} if quick else {"size": 128}
    result = vz.recipes.visualize(net, "logits", units, "simonyan", **settings)
    logits = vz.activations(net, result.images[:, 0])["logits"]
    for unit, row in zip(units, logits, strict=True):
        print(f"{names[unit]}: logit {row[unit]:.1f}, the strongest rival's {sorted(row)[-2]:.1f}")
    out = Path(tempfile.mkdtemp()) if quick else Path(__file__).parent / "gallery"
    vz.save(result._replace(images=vz.color.stretched(result.images)), out / "simonyan.png")
    print(out / "simonyan.png")


if __name__ == "__main__":
    main("--quick" in sys.argv)
