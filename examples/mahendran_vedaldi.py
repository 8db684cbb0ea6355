"""The figures of Mahendran & Vedaldi (CVPR 2015) with EfficientNet-Lite0, HOG and SIFT.

Run ``python examples/mahendran_vedaldi.py``; it writes beside itself, into ``gallery``:

* ``inversion_layers.png``: a picture, and its inversions from ever deeper layers, two methods;
* ``inversion_starts.png``: what several starts agree on, for a deep layer;
* ``inversion_regularizer.png``: three weights of total variation (columns) for two layers (rows);
* ``inversion_foci.png``: from the central positions alone, and from either half of the channels;
* ``inversion_features.png``: pictures, their inversions from HOG, HOGb and dense SIFT (which forget contrast:
  it is stretched), and the linear one;
* ``inversion_same_hog.png``: a picture, another one, and the latter with the former's HOG (Tatu et al.).

With ``--quick`` the pictures are small and unfinished, and go to a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from skimage import data

import vizjax as vz
from vizjax.features.gradients import grey
from vizjax.recipes.inversion.foci import focus
from vizjax.recipes.inversion.inverting import invert, invert_layers
from vizjax.recipes.inversion.ridge import fit_ridge
from vizjax.recipes.seeing import seen

LAYERS = ("stem", "blocks.2", "blocks.4", "blocks.7", "blocks.10")


def squared(picture: np.ndarray, size: int) -> jax.Array:
    """The middle square of a picture, scaled."""
    picture = np.stack([picture] * 3, -1) if picture.ndim == 2 else picture
    side = min(picture.shape[:2])
    top, left = ((n - side) // 2 for n in picture.shape[:2])
    cut = jnp.asarray(picture[top : top + side, left : left + side] / np.float32(255))
    return jax.image.resize(cut, (size, size, 3), "cubic").clip(0, 1)


def save(path: Path, rows: list) -> None:
    """Rows of pictures h w c as one file."""
    image = jnp.concatenate([jnp.concatenate(list(row), 1) for row in rows])
    image = np.rint(255 * np.asarray(jnp.broadcast_to(image, (*image.shape[:2], 3)))).astype(np.uint8)
    Image.fromarray(image).save(path)
    print(path)


def main(quick: bool) -> None:
    vz.keep_memory()
    size, run = (48, {"steps": 8}) if quick else (96, {})
    out = Path(tempfile.mkdtemp()) if quick else Path(__file__).parent / "gallery"
    net = vz.load("efficientnet_lite0")
    cat = squared(data.chelsea()[:300, 75:375], size)
    names = LAYERS[:2] if quick else LAYERS
    middle, deep = names[len(names) // 2], names[-2]

    rows = [invert_layers(net, cat, names, method=m, **run).images[:, 0] for m in ("cvpr2015", "ijcv2016")]
    save(out / "inversion_layers.png", [[cat, *row] for row in rows])

    several = invert(net, cat, deep, starts=2 if quick else 4, **run)
    save(out / "inversion_starts.png", [[cat, *several.images[0, :, 0]]])

    weights = {"tv": np.array([1.0, 10.0, 100.0])}
    grid = [invert(net, cat, name, weights=weights, **run).images[:, 0] for name in ("stem", middle)]
    save(out / "inversion_regularizer.png", grid)

    shape = seen(net, cat[None], middle).shape[1:]
    halves = np.array_split(range(shape[-1]), 2)
    masks = [focus(shape, side=5), *(focus(shape, channels=half.tolist()) for half in halves)]
    foci = [invert(net, cat, middle, mask=mask, **run).images[0, 0] for mask in masks]
    save(out / "inversion_foci.png", [[cat, *foci]])

    def greys(*arrays: np.ndarray) -> jax.Array:
        return grey(jnp.stack([squared(array, size) for array in arrays]))

    others = greys(data.astronaut(), data.coffee(), data.rocket(), data.coins(), data.moon(), data.brick())
    pictures = greys(data.camera(), data.chelsea()[:300, 75:375])
    columns = [pictures]
    for name, make in {k: vz.features.FEATURES[k] for k in ("hog", "hogb", "dsift")}.items():
        columns.append(vz.color.stretched(invert(make(), pictures, name, **run).images[:, 0]))
    hogb = vz.features.hog(soft=True)
    columns.append(fit_ridge(hogb, others, "hogb")(seen(hogb, pictures, "hogb")))
    save(out / "inversion_features.png", [list(row) for row in zip(*columns, strict=True)])

    same = invert(vz.features.hog(), pictures[0], "hog", start=pictures[1], **run)
    save(out / "inversion_same_hog.png", [[pictures[0], pictures[1], vz.color.stretched(same.images[0, 0])]])


if __name__ == "__main__":
    main("--quick" in sys.argv)
