"""Neural style: the content of one picture in the style of others, or style alone."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from vizjax import images, nn, updates
from vizjax.ascent import Result
from vizjax.images import Parameterization
from vizjax.pictures import resized
from vizjax.recipes.stages import joined, staged
from vizjax.recipes.style.inputs import checked
from vizjax.recipes.style.losses import style_objective
from vizjax.recipes.style.pictures import colored, recolored, started
from vizjax.recipes.style.plans import planned
from vizjax.recipes.style.references import references
from vizjax.render import render


def stylize(
    net: Any, content: np.ndarray, styles: np.ndarray | Sequence[np.ndarray], *, ratio: float = 0.05,
    convention: str = "relative", content_layers: Sequence[str] | None = None,
    style_layers: Sequence[str] | None = None, layer_weights: Sequence[float] | None = None,
    blend: Sequence[float] | None = None, masks: Sequence[np.ndarray] | None = None,
    color: str | None = None, start: str | np.ndarray = "content", scale: float = 1.0,
    steps: int | Sequence[int] | None = None, image: Callable[[Any], Parameterization] = images.fourier,
    key: Array | None = None, **settings: Any,
) -> Result:  # fmt: skip
    """The content of one picture in the style of others.

    Minimizes ratio · Σ L_c + Σ w E_l (see `vizjax.recipes.style.losses.factors`) over the spectrum of
    the picture by L-BFGS, at one size after the other, each twice the one before.

    Args:
        net: a net; of VGG, the paper takes ``net.pool = vizjax.nn.avg_pool``.
        content: a picture in [0, 1]; the result has its size.
        styles: a picture or several, of any size; none for content alone.
        ratio: α/β, the weight of content; the paper's and the code's is 1e-3.
        convention: ``"relative"``, ``"paper"`` or ``"code"``: what losses are multiplied by.
        content_layers: names; by default those of the net's family; () for style alone.
        style_layers: names, likewise.
        layer_weights: factor of each style layer; None for 1.
        blend: share of each style; None for equal ones.
        masks: where each style goes: for each a picture h w in [0, 1], of any size, or for all but
            the last, which gets what is left. None mixes all styles everywhere.
        color: None for the style's colours; ``"match"`` gives the styles the content's mean and
            covariance first; ``"luminance"`` transfers brightness only, and keeps the content's colours.
        start: ``"content"``, ``"style"``, ``"noise"``, or a picture.
        scale: of the styles: 1 makes their longer side as long as the content's.
        steps: of each size, the smallest first; a number for one size; by default 160 at up to 256 px,
            and half as many at each further size.
        image: what makes a parameterization of a size, such as `vizjax.images.pixels`.
        key: of the noise.
        **settings: of `vizjax.render`; scores are minus the loss.

    Returns:
        The picture, with the scores of all sizes one after the other.

    Raises:
        InputError: where an argument does not fit.
        Interrupted: at Ctrl-C, with the picture so far.

    References:
        Gatys et al., A Neural Algorithm of Artistic Style, 2015; Preserving Color in Neural Artistic
        Style Transfer, 2016; Controlling Perceptual Factors in Neural Style Transfer, CVPR 2017.

    Example:
        >>> import vizjax as vz
        >>> content, style = np.random.default_rng(0).random((2, 48, 64, 3), np.float32)
        >>> few = {"content_layers": ["stem"], "style_layers": ["stem"], "steps": 2}
        >>> stylize(vz.load("efficientnet_lite0"), content, style, **few).images.shape
        (1, 1, 48, 64, 3)
    """
    inputs = checked(net, content, styles, content_layers, style_layers, layer_weights, blend, masks)
    shown = recolored(inputs, color)
    counts, full = planned(steps, max(content.shape[:2])), content.shape[:2]
    objective = style_objective(inputs.content_layers, inputs.style_layers)
    settings = {"transform": None, "optimizer": updates.lbfgs(), "rectify": nn.plain, **settings}

    def size_by_size() -> Iterator[Result]:
        now = None
        for stage, count in enumerate(counts):
            size = tuple(max(1, round(side / 2 ** (len(counts) - 1 - stage))) for side in full)
            target = jax.tree.map(lambda x: x[None], references(net, shown, size, ratio, convention, scale))
            first = started(shown, start, size) if now is None else resized(now, size)
            part = render(
                net, objective, target, start=first, image=image(size), steps=count, key=key, **settings
            )
            now = part.images[0, 0]
            yield part

    def finished(parts: list[Result]) -> Result:
        size = parts[-1].images.shape[2:4]
        kept = content if color == "luminance" else None
        told = {
            "ratio": ratio, "convention": convention, "content_layers": inputs.content_layers,
            "style_layers": inputs.style_layers, "blend": inputs.blend, "masked": masks is not None,
            "color": color, "sizes": [part.images.shape[2:4] for part in parts], "steps": counts,
        }  # fmt: skip
        return joined(parts, lambda picture: colored(resized(picture, size), kept), told)

    return staged(size_by_size(), finished)
