"""Textures: style alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vizjax.ascent import Result
from vizjax.recipes.style.transfer import stylize


def synthesize(
    net: Any, styles: np.ndarray | Sequence[np.ndarray], size: int | tuple[int, int], **options: Any
) -> Result:
    """A new texture from noise: style alone.

    Args:
        net: a net.
        styles: a picture or several.
        size: side or (height, width) in pixels.
        **options: of `stylize`.

    Returns:
        The picture, as of `stylize`.

    Raises:
        InputError: where an argument does not fit.

    References:
        Gatys et al., Texture Synthesis Using Convolutional Neural Networks, NeurIPS 2015.

    Example:
        >>> import vizjax as vz
        >>> style = np.random.default_rng(0).random((48, 48, 3), np.float32)
        >>> few = {"style_layers": ["stem"], "steps": 2}
        >>> synthesize(vz.load("efficientnet_lite0"), style, 48, **few).images.shape
        (1, 1, 48, 48, 3)
    """
    canvas = np.full((*(size if isinstance(size, tuple) else (size, size)), 3), 0.5, np.float32)
    return stylize(net, canvas, styles, **{"content_layers": (), "start": "noise"} | options)
