"""The layouts of Feature Visualization (Olah et al., Distill 2017), for a net and units of your choice.

``python examples/feature_visualization.py [NET LAYER UNIT UNIT …]`` writes four pictures named
``gallery/feature_visualization_*.png`` in some minutes: units beside the crops of photographs that they
respond to most; diverse pictures of one unit; from one unit to another; and what penalties do as
steps go by. With ``--quick`` they are small and unfinished, and go to a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from skimage import data, transform
from sklearn.datasets import load_sample_images

import vizjax as vz
from vizjax.recipes import Preset, visualize
from vizjax.recipes.diversity import diversify
from vizjax.recipes.interpolation import interpolate
from vizjax.recipes.presets.units import settings, weighted

CHOICE = ("efficientnet_lite0", "blocks.10", "5", "11", "24", "36")
QUICK = ("efficientnet_lite0", "blocks.1", "1", "5", "9", "11")
COUNT, CROP = 3, 80
STEPS = (1, 32, 128, 256)
PENALTIES = {  # Lucid's −.05, −.25 and −1 are for InceptionV1, whose activations are larger
    "none": None,
    "L1": weighted((0.004, vz.regularizers.l1)),
    "total variation": weighted((0.01, vz.regularizers.total_variation)),
    "blur": weighted((0.2, vz.regularizers.blur)),
}


def photographs() -> np.ndarray:
    makers = (data.astronaut, data.chelsea, data.coffee, data.rocket, data.retina, data.immunohistochemistry)
    arrays = [make() for make in makers] + [data.stereo_motorcycle()[0], *load_sample_images().images]
    fitted = [transform.resize(array, (224, 300), anti_aliasing=True) for array in arrays]
    return np.stack(fitted).astype(np.float32)


def best_crops(net, layer: str, units: list[int]) -> np.ndarray:
    """Where each unit responds most: one crop a photograph, the strongest first."""
    fact, pictures = vz.layers(net)[layer], photographs()
    acts = np.asarray(vz.activations(net, jnp.asarray(pictures))[layer])
    rows = []
    for unit in units:
        strongest = np.argsort(-acts[..., unit].max((1, 2)))[:COUNT]
        places = [np.unravel_index(acts[i, ..., unit].argmax(), acts.shape[1:3]) for i in strongest]
        corners = [
            [int(np.clip(fact.center + p * fact.stride - CROP / 2, 0, side - CROP))
             for p, side in zip(place, (224, 300), strict=True)] for place in places
        ]  # fmt: skip
        rows.append([pictures[i][y : y + CROP, x : x + CROP]
                     for i, (y, x) in zip(strongest, corners, strict=True)])  # fmt: skip
    return np.array(rows)


def main(words: list[str], quick: bool) -> None:
    vz.keep_memory()
    model, layer, *texts = words or (QUICK if quick else CHOICE)
    net, units = vz.load(model), [int(text) for text in texts]
    out = Path(tempfile.mkdtemp()) if quick else Path(__file__).parent / "gallery"
    few = {"steps": 2} if quick else {}
    side = CROP if quick else 2 * CROP

    def save(result: vz.Result, images: np.ndarray, name: str) -> None:
        path = out / f"feature_visualization_{name}.png"
        vz.save(result._replace(images=images), path)
        print(path, flush=True)

    result = visualize(net, layer, units, size=side, **few)
    crops = np.kron(best_crops(net, layer, units), np.ones((1, 1, side // CROP, side // CROP, 1)))
    save(result, np.concatenate([result.images, crops], axis=1), "examples")

    image = vz.images.fourier(side, n=4)
    result = diversify(net, layer, np.array(units[:2]), image=image, **few)
    save(result, result.images, "diversity")

    image = vz.images.shared(side, n=6)
    result = interpolate(net, layer, np.array([units[:2]]), image=image, **few)
    save(result, result.images, "interpolation")

    wanted = STEPS[:2] if quick else STEPS
    plain = settings(vz.images.pixels(CROP), None, vz.updates.adam(0.05), wanted[-1])
    rows = []
    for penalty in PENALTIES.values():
        result = visualize(net, layer, units[1:2], Preset(plain, penalty=penalty), every=1)
        rows.append(result.frames[0, list(wanted), 0])
    save(result, np.stack(rows), "penalties")


if __name__ == "__main__":
    main([word for word in sys.argv[1:] if word != "--quick"], "--quick" in sys.argv)
