"""What styles and contents are compared by: Gram matrices, activations, and masks in layers' sizes."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vizjax import objectives
from vizjax.activations import activations
from vizjax.pictures import resized
from vizjax.recipes.style_inputs import Inputs
from vizjax.recipes.style_losses import References, factors


@functools.partial(jax.jit, static_argnames="layers")
def seen_at(
    net: Any, picture: Float[Array | np.ndarray, "h w c"], layers: tuple[str, ...]
) -> tuple[Array, ...]:
    """A picture's activations at several layers, compiled.

    Args:
        net: a net.
        picture: in [0, 1].
        layers: their names.

    Returns:
        Activations of one picture each.

    Example:
        >>> import vizjax as vz
        >>> [x.shape for x in seen_at(vz.load("efficientnet_lite0"), jnp.ones((32, 32, 3)), ("stem",))]
        [(1, 16, 16, 32)]
    """
    acts = activations(net, picture[None])
    return tuple(acts[name] for name in layers)


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
    seen = [seen_at(net, style, layers) for style in styles]
    found = []
    for xs in zip(*seen, strict=True):
        each = jnp.concatenate([objectives.gram(x) / x[0, ..., 0].size for x in xs])
        found.append(each if apart else jnp.tensordot(jnp.asarray(blend, jnp.float32), each, 1)[None])
    return tuple(found)


def fitted_masks(
    net: Any, picture: np.ndarray, masks: Sequence[np.ndarray], layers: tuple[str, ...]
) -> tuple[Array, ...]:
    """Masks of regions in the sizes that layers have.

    Args:
        net: a net.
        picture: h w c, of the size that is rendered.
        masks: a region each, h w in [0, 1].
        layers: names of layers.

    Returns:
        For each layer, regions h w.

    Example:
        >>> import vizjax as vz
        >>> net, picture = vz.load("efficientnet_lite0"), np.zeros((32, 32, 3), np.float32)
        >>> [m.shape for m in fitted_masks(net, picture, [np.ones((64, 64))], ("stem", "blocks.4"))]
        [(1, 16, 16), (1, 4, 4)]
    """
    shapes = [x.shape[1:3] for x in jax.eval_shape(lambda net, p: seen_at(net, p, layers), net, picture)]
    return tuple(
        # a little weight everywhere, so that a region that a coarse layer misses is no division by zero
        jnp.clip(jnp.stack([jnp.asarray(resized(m[..., None], s)[..., 0]) for m in masks]), 1e-6, 1)
        for s in shapes
    )


def references(
    net: Any, inputs: Inputs, size: tuple[int, int], ratio: float, convention: str, scale: float
) -> References:
    """What a picture of a size is compared with.

    Args:
        net: a net.
        inputs: the pictures.
        size: (height, width) in pixels.
        ratio: α/β.
        convention: see `vizjax.recipes.style_losses.factors`.
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
    styles = [
        resized(s, tuple(max(1, round(n * longer / max(s.shape[:2]))) for n in s.shape[:2]))
        for s in inputs.styles
    ]
    picture, layers, masks = resized(inputs.content, size), inputs.style_layers, None
    content = seen_at(net, picture, inputs.content_layers)
    grams = mean_grams(net, styles, layers, inputs.blend, apart=inputs.masks is not None)
    if inputs.masks is not None:
        masks = fitted_masks(net, picture, inputs.masks, layers)
    of_content, of_style = factors(convention, content, grams)
    shares = jnp.array(inputs.blend if masks else [1.0])
    weights = jnp.array(inputs.layer_weights)[:, None] * shares * of_style
    return References(content, grams, masks, ratio * of_content, weights)
