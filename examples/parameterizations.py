"""One unit through every parameterization of a picture: what is optimized decides how it looks.

Run ``python examples/parameterizations.py``; it writes ``gallery/parameterizations.png`` beside itself in a
few minutes. From left to right: pixels, Fourier, pyramid, phases (MACO), a network of coordinates (CPPN),
and a Fourier picture whose transparency is optimized too, on a white background. With ``--quick`` the
pictures are small and unfinished, and go to a temporary folder.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

import vizjax as vz
from vizjax import images, transforms, updates
from vizjax.recipes.presets.units import unit_objective


def settings(size: int, steps: int) -> dict[str, dict[str, Any]]:
    """What each parameterization goes best with."""
    crops = transforms.compose(transforms.crop(size, (0.6, 0.2)), transforms.noise(0.04, 0.02))
    clear = transforms.compose(transforms.background(), transforms.gentle())
    return {
        "pixels": {"image": images.pixels(size), "optimizer": updates.adam(0.02)},
        "fourier": {"image": images.fourier(size)},
        "pyramid": {"image": images.pyramid(size), "optimizer": updates.adam(0.05, b1=0.5)},
        "phase": {
            "image": images.phase(size, decay=1.5, values=(-0.2, 1.2)), "transform": crops,
            "optimizer": updates.nadam(1.0), "samples": 4,
        },
        "cppn": {"image": images.cppn(size), "optimizer": updates.adam(0.005), "steps": 2 * steps},
        "transparent": {
            "image": images.fourier(size, channels=4, decay=1.5), "transform": clear,
            "optimizer": updates.adam(0.05),
        },
    }  # fmt: skip


def main(quick: bool) -> None:
    vz.keep_memory()
    net, columns = vz.load("efficientnet_lite0"), []
    layer, units = ("blocks.1", [1, 2]) if quick else ("logits", [309, 980])  # a bee, and a volcano
    size, steps = (32, 2) if quick else (128, 64)
    objective = unit_objective(layer)  # of a transparent picture it also wants to be seen through
    for name, chosen in settings(size, steps).items():
        result = vz.render(net, objective, jnp.array(units), **{"steps": steps} | chosen)
        print(f"{name}: {result.baseline.mean():.2f} -> {result.final.mean():.2f}")
        picture = result.images
        if picture.shape[-1] == 4:
            picture = 1 + picture[..., 3:] * (picture[..., :3] - 1)
        columns.append(picture)
    out = Path(tempfile.mkdtemp()) if quick else Path(__file__).parent / "gallery"
    vz.save(result._replace(images=np.stack(columns, axis=1)), out / "parameterizations.png")
    print(out / "parameterizations.png")


if __name__ == "__main__":
    main("--quick" in sys.argv)
