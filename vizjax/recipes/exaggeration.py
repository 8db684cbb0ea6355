"""A picture whose features grow while it stays natural."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vizjax import images, transforms
from vizjax.activations import layers
from vizjax.ascent import Result
from vizjax.errors import InputError
from vizjax.recipes.presets.preimages import mahendran_2016
from vizjax.recipes.presets.units import unit_objective
from vizjax.recipes.seeing import seen
from vizjax.render import render


def exaggerate(
    net: Any, picture: Float[Array | np.ndarray, "h w 3"], layer: str, *,
    strength: float = 100.0, **settings: Any,
) -> Result:  # fmt: skip
    """A picture changed so that a layer's features grow, held by priors of natural pictures.

    It starts from the picture and maximizes ⟨w, Φ⟩, w = max(Φ₀, 0) / ‖max(Φ₀, 0)‖², which is 1 there.

    Args:
        net: a net.
        picture: in [0, 1], square.
        layer: where it is looked at; one with a stride.
        strength: C, what the features count against the priors.
        **settings: of `vizjax.render`; otherwise `mahendran_2016`'s, on a canvas of the picture's size that
            moves by a quarter of the layer's stride.

    Returns:
        The picture; its scores are ⟨w, Φ⟩ less what the priors cost.

    Raises:
        InputError: at a picture that is not square.

    References:
        Mahendran & Vedaldi, Visualizing Deep Convolutional Neural Networks Using Natural
        Pre-Images, IJCV 2016 (caricaturization).

    Example:
        >>> import vizjax as vz
        >>> net, picture = vz.load("efficientnet_lite0"), jnp.full((32, 32, 3), 0.4)
        >>> exaggerate(net, picture, "stem", steps=2).images.shape
        (1, 1, 32, 32, 3)
    """
    if picture.shape[0] != picture.shape[1]:
        raise InputError(f"the picture must be square, not {picture.shape[:2]}; crop it")
    features = np.maximum(np.asarray(seen(net, jnp.asarray(picture)[None], layer)), 0)
    if not (square := np.sum(np.square(features))) > 0:
        raise InputError(f"nothing in the picture makes layer {layer!r} positive; choose another layer")
    stride = layers(net)[layer].stride or 1
    preset = mahendran_2016(picture.shape[0], strength, stride)
    defaults: dict[str, Any] = {
        "image": images.pixels(picture.shape[0]),
        "transform": transforms.gentle(round(stride / 4), (1.0,)),
        "start": picture,
    }
    objective = unit_objective(layer, _projection, preset.penalty)
    about = {"layer": layer, "strength": strength}
    return render(net, objective, features / square, about=about, **preset.settings | defaults | settings)


def _projection(x: Array, weights: Array) -> Array:
    return jnp.sum(x[0] * weights)
