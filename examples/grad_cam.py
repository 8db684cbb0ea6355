"""Grad-CAM in a few lines: which places of a layer speak for a class (Selvaraju et al., ICCV 2017).

An edit that adds zero makes the activation itself an argument, so that its gradient can be taken.
Run ``python examples/grad_cam.py``; it writes ``gallery/grad_cam.png`` beside itself. With
``--quick`` the picture goes to a temporary folder.
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


def grad_cam(net, picture, layer, unit):
    """A map h × w of the layer's places, ≥ 0."""

    def score(added):
        acts = vz.activations(net, picture, edit={layer: lambda x: x + added})
        return vz.objectives.logit(acts["logits"], unit), acts[layer]

    zeros = jnp.zeros_like(vz.activations(net, picture)[layer])
    slope, x = jax.grad(score, has_aux=True)(zeros)
    return jax.nn.relu((x * slope.mean((1, 2), keepdims=True)).sum(-1))[0]


def main(quick: bool) -> None:
    vz.keep_memory()
    net = vz.load("efficientnet_lite0")
    picture = jnp.asarray(data.chelsea()[:300, 75:375] / 255.0, jnp.float32)[None]
    picture = jax.image.resize(picture, (1, 224, 224, 3), "linear")
    heat = grad_cam(net, picture, "head", 285)
    heat = jax.image.resize(heat / heat.max(), (224, 224), "cubic")[..., None].clip(0, 1)
    shaded = picture[0] * (0.25 + 0.75 * heat)
    both = np.asarray(jnp.concatenate([picture[0], shaded], axis=1) * 255).astype(np.uint8)
    out = Path(tempfile.mkdtemp()) if quick else Path(__file__).parent / "gallery"
    Image.fromarray(both).save(out / "grad_cam.png")
    print(out / "grad_cam.png")


if __name__ == "__main__":
    main("--quick" in sys.argv)
