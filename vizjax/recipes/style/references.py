"""What styles and contents are compared by: Gram matrices, activations, and masks in layers' sizes."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from vizjax import objectives
from vizjax.pictures import fitted_size, resized
from vizjax.recipes.seeing import seen
from vizjax.recipes.style.inputs import Inputs
from vizjax.recipes.style.losses import References, factors
from vizjax.recipes.style.masks import fitted_masks


def mean_grams(
    net: Any, styles: Sequence[np.ndarray], layers: tuple[str, ...], blend: Sequence[float], apart: bool
) -> tuple[Array, ...]:
    """Gram matrices of styles, divided by the number of positions.

    Args:
        net: a net.
        styles: pictures h w c.
        layers: names of layers.
        blend: shares of the styles, of sum 1.
        apart: a matrix for each style; otherwise their mean by shares, whose loss is lowest where the
            sum of the losses of all is.

    Returns:
        For each layer, styles c c or 1 c c.

    Example:
        >>> import vizjax as vz
        >>> styles = [np.zeros((32, 32, 3), np.float32), np.ones((48, 32, 3), np.float32)]
        >>> [g.shape for g in mean_grams(vz.load("efficientnet_lite0"), styles, ("stem",), (0.5, 0.5), True)]
        [(2, 32, 32)]
    """
    acts = [seen(net, style[None], layers) for style in styles]
    found = []
    for xs in zip(*acts, strict=True):
        each = jnp.concatenate([objectives.gram(x) / x[0, ..., 0].size for x in xs])
        found.append(each if apart else jnp.tensordot(jnp.asarray(blend, jnp.float32), each, 1)[None])
    return tuple(found)


def references(
    net: Any, inputs: Inputs, size: tuple[int, int], ratio: float, convention: str, scale: float
) -> References:
    """What a picture of a size is compared with.

    Args:
        net: a net.
        inputs: the pictures.
        size: (height, width) in pixels.
        ratio: α/β.
        convention: see `vizjax.recipes.style.losses.factors`.
        scale: the styles' longer side by that of ``size``.

    Returns:
        The references; β is 1.

    Example:
        >>> import vizjax as vz
        >>> net, picture = vz.load("efficientnet_lite0"), np.ones((32, 32, 3), np.float32)
        >>> inputs = Inputs(picture, (picture,), (1.0,), None, ("stem",), ("stem",), (1.0,))
        >>> references(net, inputs, (48, 48), 1.0, "paper", 1.0).content[0].shape
        (1, 24, 24, 32)
    """
    longer = scale * max(size)
    styles = [resized(s, fitted_size(s.shape, longer)) for s in inputs.styles]
    picture, layers, masks = resized(inputs.content, size), inputs.style_layers, None
    content = seen(net, picture[None], inputs.content_layers)
    grams = mean_grams(net, styles, layers, inputs.blend, apart=inputs.masks is not None)
    if inputs.masks is not None:
        masks = fitted_masks(net, picture, inputs.masks, layers)
    of_content, of_style = factors(convention, content, grams)
    shares = jnp.array(inputs.blend if masks else [1.0])
    weights = jnp.array(inputs.layer_weights)[:, None] * shares * of_style
    return References(content, grams, masks, ratio * of_content, weights)
