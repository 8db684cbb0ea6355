"""The pictures of style transfer: their colours, where they start, and how they come out."""

import jax.numpy as jnp
import numpy as np

from vizjax import color as colors
from vizjax.errors import unknown
from vizjax.pictures import resized
from vizjax.recipes.style.inputs import Inputs

STARTS = ("content", "style", "noise")
COLORS = ("match", "luminance")


def recolored(inputs: Inputs, color: str | None) -> Inputs:
    """The same with styles in the content's colours, or with all pictures grey.

    Args:
        inputs: as given.
        color: None, ``"match"`` or ``"luminance"``.

    Returns:
        Inputs to be rendered from.

    Raises:
        UnknownName: at another word.

    References:
        Gatys et al., Preserving Color in Neural Artistic Style Transfer, 2016.

    Example:
        >>> picture = np.zeros((2, 2, 3), np.float32)
        >>> inputs = Inputs(picture, (np.ones((2, 2, 3), np.float32),), (1.0,), None, (), (), ())
        >>> recolored(inputs, "match").styles[0].max().round(3).item()
        0.0
    """
    if color is None:
        return inputs
    if color not in COLORS:
        raise unknown("color", color, COLORS)
    content, *styles = map(jnp.asarray, (inputs.content, *inputs.styles))
    if color == "luminance":
        content, *styles = (colors.luminance(p) for p in (content, *styles))
    near = [jnp.clip(colors.matched(style, content), 0, 1) for style in styles]
    shown = [np.broadcast_to(p, (*p.shape[:2], 3)) for p in (content, *near)]
    return inputs._replace(content=shown[0], styles=tuple(shown[1:]))


def started(inputs: Inputs, start: str | np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """The picture to start from.

    Args:
        inputs: the pictures.
        start: ``"content"``, ``"style"``, ``"noise"``, or a picture.
        size: (height, width) in pixels.

    Returns:
        A picture of that size; None for noise.

    Raises:
        UnknownName: at another word.

    Example:
        >>> inputs = Inputs(np.ones((4, 4, 3), np.float32), (), (), None, ("stem",), (), ())
        >>> started(inputs, "content", (2, 2)).shape, started(inputs, "noise", (2, 2))
        ((2, 2, 3), None)
    """
    if isinstance(start, str):
        if start not in STARTS or (start == "style" and not inputs.styles):
            raise unknown("start", start, STARTS)
        if start == "noise":
            return None
        start = inputs.content if start == "content" else inputs.styles[0]
    return resized(np.asarray(start), size)


def colored(picture: np.ndarray, source: np.ndarray | None) -> np.ndarray:
    """A picture as it is shown: in range, and in another's colours where these are kept.

    Args:
        picture: of any range.
        source: in whose colours, of any size; None for its own.

    Returns:
        A picture in [0, 1].

    References:
        Gatys et al., Preserving Color in Neural Artistic Style Transfer, 2016 (luminance only).

    Example:
        >>> colored(np.full((2, 2, 3), 1.5, np.float32), None).max().item()
        1.0
    """
    if source is not None:
        brightness = colors.luminance(jnp.asarray(picture))
        fitted = jnp.asarray(resized(source, picture.shape[:2]))
        picture = np.asarray(colors.with_luminance(fitted, brightness))
    return np.clip(picture, 0, 1)
