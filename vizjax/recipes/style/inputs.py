"""What style transfer is given: checked, with defaults filled in, and in the colours that were asked for."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from vizjax.errors import InputError
from vizjax.recipes.style.masks import regions
from vizjax.recipes.style.plans import chosen_layers

Picture = Float[np.ndarray, "h w 3"]


class Inputs(NamedTuple):
    """Pictures, and what is taken of them.

    Attributes:
        content: a picture.
        styles: pictures of any sizes.
        blend: share of each style, of sum 1.
        masks: the region of each style, h w in [0, 1]; None for everything.
        content_layers: where content is compared.
        style_layers: where styles are compared.
        layer_weights: factor of each style layer.
    """

    content: Picture
    styles: tuple[Picture, ...]
    blend: tuple[float, ...]
    masks: tuple[np.ndarray, ...] | None
    content_layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    layer_weights: tuple[float, ...]


def checked(
    net: Any, content: np.ndarray, styles: Any, content_layers: Sequence[str] | None,
    style_layers: Sequence[str] | None, layer_weights: Sequence[float] | None,
    blend: Sequence[float] | None, masks: Sequence[np.ndarray] | None,
) -> Inputs:  # fmt: skip
    """Arguments of `vizjax.recipes.style.stylize`, checked, with defaults filled in.

    Args:
        net: whose family the default layers are of.
        content: a picture.
        styles: a picture or several.
        content_layers: names; None for the family's.
        style_layers: names; None for the family's.
        layer_weights: factor of each style layer; None for 1.
        blend: parts of the styles, of any sum; None for equal ones.
        masks: of the styles, or of all but the last.

    Returns:
        The inputs.

    Raises:
        InputError: where they do not fit each other, or nothing is known of the net's family.

    Example:
        >>> import vizjax as vz
        >>> picture = np.zeros((32, 32, 3), np.float32)
        >>> net = vz.load("efficientnet_lite0")
        >>> checked(net, picture, picture, None, None, None, None, None).content_layers
        ('blocks.7',)
    """
    several = tuple(styles[None] if isinstance(styles, np.ndarray) and styles.ndim == 3 else styles)
    for picture in (content, *several):
        if np.ndim(picture) != 3 or np.shape(picture)[-1] != 3 or picture.dtype.kind != "f":
            raise InputError(
                f"contents and styles are h w 3 of floats in [0, 1], not {np.shape(picture)} of "
                f"{picture.dtype}; read them with vizjax.read_picture"
            )
    content_layers, style_layers = chosen_layers(net, content_layers, style_layers)
    style_layers = style_layers if several else ()
    factors = tuple(layer_weights or [1.0] * len(style_layers))
    shares = tuple(blend or [1.0] * len(several))
    for name, given, wanted in (("blend", shares, several), ("layer_weights", factors, style_layers)):
        if len(given) != len(wanted) or min(given, default=1) < 0 or (wanted and not sum(given) > 0):
            raise InputError(f"{name} must be {len(wanted)} numbers of 0 or more, not {given}")
    if not content_layers and not style_layers:
        raise InputError("there is neither content nor style to follow; give a style, or content layers")
    whole = sum(shares)
    areas = None if masks is None or not several else regions(masks, len(several))
    parts = tuple(share / whole for share in shares)
    return Inputs(content, several, parts, areas, content_layers, style_layers, factors)
