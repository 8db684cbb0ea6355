"""What a layer sees in a picture, exaggerated."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vizjax import images, objectives, transforms
from vizjax.ascent import Objective, Result
from vizjax.errors import InputError
from vizjax.factory import factory
from vizjax.recipes.seeing import seen
from vizjax.render import render


def caricature(
    net: Any, pictures: Float[Array | np.ndarray, "jobs h w c"], layer: str, *,
    power: float = 1.0, **settings: Any,
) -> Result:  # fmt: skip
    """Pictures in which a layer finds what it found in others, and more of it.

    Each position's activation is a direction, which the same position of the new picture follows as far
    as it can: dot · max(cos, .1)^power, the mean over positions.

    Args:
        net: a net.
        pictures: in [0, 1]; each is a job.
        layer: where the pictures are looked at.
        power: weight of the angle; 0 is the dot product alone.
        **settings: of `vizjax.render`; the canvas is as large as the pictures unless told otherwise, and
            moves little, so that what is seen stays in its place.

    Returns:
        The caricatures.

    Raises:
        InputError: where canvas or transform make the layer of another size than the pictures'.

    References:
        Olah et al., The Building Blocks of Interpretability, Distill 2018; Lucid's caricatures.

    Example:
        >>> import vizjax as vz
        >>> picture = np.linspace(0, 1, 32 * 32 * 3, dtype=np.float32).reshape(1, 32, 32, 3)
        >>> caricature(vz.load("efficientnet_lite0"), picture, "stem", steps=2).images.shape
        (1, 1, 32, 32, 3)
    """
    pictures = jnp.asarray(pictures)
    reference = seen(net, pictures, layer)
    still = transforms.gentle(4, (0.98, 1.0, 1.02))
    h, w = pictures.shape[1:3]
    defaults: dict[str, Any] = {"image": images.fourier((h, w)), "transform": still}
    about = {"layer": layer, "power": power}
    return render(net, _seen_again(layer, power), reference[:, None], about=about, **defaults | settings)


@factory
def _seen_again(layer: str, power: float) -> Objective:
    def objective(acts: Any, reference: Array) -> Array:
        x = acts[layer]
        if x.shape[1:] != reference.shape[1:]:
            raise InputError(
                f"layer {layer!r} is {x.shape[1:]} of the canvas after its transform, but "
                f"{reference.shape[1:]} of the picture; give a canvas of the picture's size and a "
                f"transform that keeps it, such as vizjax.transforms.gentle()"
            )
        return objectives.caricature(x, reference, power)

    return objective
