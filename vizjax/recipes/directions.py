"""Pictures along any directions of a layer's activation space, of which a unit is one."""

from typing import Any

import numpy as np
from jaxtyping import Array, Float

from vizjax import objectives
from vizjax.ascent import Objective, Result
from vizjax.errors import InputError
from vizjax.factory import factory
from vizjax.render import render

Values = Array | np.ndarray


def maximize(
    net: Any, layer: str, vectors: Float[Values, "jobs c"], *,
    power: float = 0.0, whitening: Float[Values, "c c"] | None = None, **settings: Any,
) -> Result:  # fmt: skip
    """Pictures along directions of a layer, such as the difference of two pictures' activations.

    Args:
        net: a net.
        layer: its name.
        vectors: the directions.
        power: weight of the angle, as in `vizjax.objectives.direction`; 2 in activation atlases.
        whitening: an inverse covariance, of `inverse_covariance`: frequent directions then count less.
        **settings: of `vizjax.render`.

    Returns:
        The pictures.

    Raises:
        InputError: where the vectors are not as long as the layer has channels.

    References:
        Olah et al., Feature Visualization, Distill 2017; Carter et al., Activation Atlas, Distill 2019.

    Example:
        >>> import jax.numpy as jnp, vizjax as vz
        >>> from vizjax.recipes.seeing import seen
        >>> net, picture = vz.load("efficientnet_lite0"), jnp.ones((1, 32, 32, 3))
        >>> vector = (seen(net, picture, "stem") - seen(net, 0 * picture, "stem")).mean((1, 2))
        >>> maximize(net, "stem", vector, image=vz.images.fourier(32), steps=2).images.shape
        (1, 1, 32, 32, 3)
    """
    vectors = np.asarray(vectors, np.float32)
    if whitening is not None:
        vectors = vectors @ np.asarray(whitening, np.float32)
    about = {"layer": layer, "power": power, "whitened": whitening is not None}
    return render(net, _along(layer, power), vectors, about=about, **settings)


@factory
def _along(layer: str, power: float) -> Objective:
    def objective(acts: Any, vector: Array) -> Array:
        x = acts[layer]
        if vector.shape != x.shape[-1:]:
            raise InputError(
                f"directions of layer {layer!r} are {x.shape[-1]} numbers long, not of shape {vector.shape};"
                f" give jobs x {x.shape[-1]}"
            )
        return objectives.direction(x, vector, power)

    return objective
