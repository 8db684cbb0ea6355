"""Inversion: pictures that a layer cannot tell from given ones."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vizjax.ascent import Result
from vizjax.errors import InputError
from vizjax.recipes.inversion.reconstruction import reconstruct
from vizjax.recipes.seeing import seen
from vizjax.recipes.stages import staged

Values = Array | np.ndarray


def invert(net: Any, pictures: Float[Values, "*jobs h w c"], layer: str, **settings: Any) -> Result:
    """Pictures that look to a layer like the given ones.

    Args:
        net: a net, also a classical representation of `vizjax.features`.
        pictures: in [0, 1], one or several; each is a job.
        layer: whose representation is inverted.
        **settings: of `vizjax.recipes.reconstruct` and `vizjax.render`; ``starts=4`` makes four
            reconstructions of each, which differ by the noise they start from alone; ``start=`` another
            picture leads to one of the same representation that stays near it (Tatu et al.).

    Returns:
        The reconstructions; ``-result.final`` are their energies.

    Raises:
        InputError: where an argument does not fit.

    References:
        Mahendran & Vedaldi, Understanding Deep Image Representations by Inverting Them, CVPR 2015.
        Tatu et al., Exploring the representation capabilities of the HOG descriptor, ICCV workshops 2011.

    Example:
        >>> import vizjax as vz
        >>> picture = jnp.linspace(0, 1, 32 * 32).reshape(32, 32, 1)
        >>> invert(vz.features.hog(), picture, "hog", steps=3, starts=2).images.shape
        (1, 2, 1, 32, 32, 1)
    """
    pictures = jnp.asarray(pictures)
    pictures = pictures[None] if pictures.ndim == 3 else pictures
    _, h, w, channels = pictures.shape
    return reconstruct(net, seen(net, pictures, layer), layer, (h, w, channels), **settings)


def invert_layers(
    net: Any, picture: Float[Values, "h w c"], layers: Sequence[str], **settings: Any
) -> Result:
    """One picture as seen by several layers: a strip from shallow to deep.

    Args:
        net: a net.
        picture: in [0, 1].
        layers: names; each is compiled by itself.
        **settings: as in `invert`.

    Returns:
        The reconstructions, ``layers [starts] 1 h w c``; its recipe says method and weights of each layer.

    Raises:
        InputError: without layers, or where `invert` does.
        Interrupted: at Ctrl-C, with the layers until then.

    References:
        Mahendran & Vedaldi, CVPR 2015, figure 6.

    Example:
        >>> import vizjax as vz
        >>> picture = jnp.linspace(0, 1, 32 * 32).reshape(32, 32, 1)
        >>> invert_layers(vz.features.hog(), picture, ["cells", "hog"], steps=3).images.shape
        (2, 1, 32, 32, 1)
    """
    if not len(layers):
        raise InputError("a strip is of one or more layers; name some, such as ['stem', 'blocks.4']")
    return staged((invert(net, picture, layer, **settings) for layer in layers), _strip)


def _strip(parts: list[Result]) -> Result:
    told = {name: [part.recipe[name] for part in parts] for name in ("layer", "method", "weights")}
    shown = [part._replace(recipe={}, optimizer_state=None, params=None) for part in parts]
    strip = jax.tree.map(lambda *layers: np.concatenate(layers), *shown)
    return strip._replace(recipe=parts[0].recipe | told)
