"""What style transfer is given: checked, with defaults filled in, and in the colours that were asked for."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from vizjax.errors import InputError, check_counts

Picture = Float[np.ndarray, "h w 3"]

LAYERS = {
    # Gatys et al., 2015, whose conv1_1 is what Caffe leaves there: after its ReLU
    "vgg": (("relu4_2",), ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")),
    # chosen by looks
    "efficientnet_lite": (("blocks.7",), ("stem", "blocks.0", "blocks.2", "blocks.4", "blocks.7")),
}
"""Family of models -> layers of content and of style."""


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
    content_layers, style_layers = _layers(net, content_layers, style_layers)
    style_layers = style_layers if several else ()
    factors = tuple(layer_weights or [1.0] * len(style_layers))
    shares = tuple(blend or [1.0] * len(several))
    for name, given, wanted in (("blend", shares, several), ("layer_weights", factors, style_layers)):
        if len(given) != len(wanted) or min(given, default=1) < 0 or (wanted and not sum(given) > 0):
            raise InputError(f"{name} must be {len(wanted)} numbers of 0 or more, not {given}")
    if not content_layers and not style_layers:
        raise InputError("there is neither content nor style to follow; give a style, or content layers")
    whole = sum(shares)
    regions = None if masks is None or not several else _regions(masks, len(several))
    parts = tuple(share / whole for share in shares)
    return Inputs(content, several, parts, regions, content_layers, style_layers, factors)


def planned(steps: int | Sequence[int] | None, side: int) -> list[int]:
    """How many steps to take at which size, each size twice the one before.

    Args:
        steps: of each size, the smallest first; a number for one size; None for the default.
        side: the longer one of the picture in pixels.

    Returns:
        The steps; by default 160 at up to 256 px, and half as many at each further size.

    Raises:
        InputError: at a count below 1, or none.

    Example:
        >>> planned(None, 200), planned(None, 1024), planned((9, 3), 64)
        ([160], [160, 80, 40], [9, 3])
    """
    if steps is None:
        stages = max(1, math.ceil(math.log2(side / 256)) + 1)
        return [max(1, 160 >> stage) for stage in range(stages)]
    counts = [steps] if isinstance(steps, int) else list(steps)
    check_counts(sizes=len(counts), **{f"steps[{i}]": count for i, count in enumerate(counts)})
    return counts


def _layers(
    net: Any, content: Sequence[str] | None, style: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    family = next((f for f in LAYERS if getattr(net, "name", "").startswith(f)), None)
    if family is None and (content is None or style is None):
        raise InputError(
            f"layers for content and style are known of {' and '.join(LAYERS)}, not of "
            f"{getattr(net, 'name', type(net).__name__)!r}; give content_layers and style_layers "
            f"(vizjax.layers(net) lists them)"
        )
    defaults = LAYERS[family] if family else ((), ())
    return tuple(defaults[0] if content is None else content), tuple(defaults[1] if style is None else style)


def _regions(masks: Sequence[np.ndarray], styles: int) -> tuple[np.ndarray, ...]:
    found = [np.asarray(mask, np.float32) for mask in masks]
    if len(found) == styles - 1:
        sizes = {mask.shape for mask in found}
        if len(sizes) == 1:
            found.append(np.clip(1 - sum(found), 0, 1))
    if len(found) != styles or any(m.ndim != 2 or not m.max() > 0 for m in found):
        shapes = [m.shape for m in found]
        raise InputError(
            f"masks are h w in [0, 1], not black all over, one for each of {styles} styles or, of one size, "
            f"for all but the last; not {shapes}"
        )
    return tuple(found)
