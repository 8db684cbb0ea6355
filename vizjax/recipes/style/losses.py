"""What style transfer compares a picture with, and how its losses are weighed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from vizjax import objectives
from vizjax.ascent import Objective
from vizjax.errors import unknown
from vizjax.factory import factory

CONVENTIONS = ("relative", "paper", "code")


class References(NamedTuple):
    """What the losses compare a picture with, and their weights.

    Attributes:
        content: the content's activation, of each content layer.
        grams: a Gram matrix divided by its number of positions for each region, of each style layer.
        masks: what positions weigh in each region, of each style layer; None for one region, all of it.
        content_weights: of `vizjax.objectives.content_loss`, by layer.
        style_weights: of `vizjax.objectives.style_loss`, by layer and region.
    """

    content: tuple[Float[Array, "1 h w c"], ...]
    grams: tuple[Float[Array, "regions c c"], ...]
    masks: tuple[Float[Array, "regions h w"], ...] | None
    content_weights: Float[Array, " layers"]
    style_weights: Float[Array, "layers2 regions"]


@factory
def style_objective(content_layers: tuple[str, ...], style_layers: tuple[str, ...]) -> Objective:
    """Minus the weighed sum of all losses, for `References` as targets.

    Args:
        content_layers: names of layers; none for style alone.
        style_layers: names of layers; none for content alone.

    Returns:
        An objective.

    References:
        Gatys et al., A Neural Algorithm of Artistic Style, 2015, equations 1 to 7.

    Example:
        >>> style_objective(("relu4_2",), ()) is style_objective(("relu4_2",), ())
        True
    """

    def objective(acts: Any, to: References) -> Array:
        total = jnp.zeros(())
        for i, name in enumerate(content_layers):
            total += to.content_weights[i] * objectives.content_loss(acts[name], to.content[i])
        for i, name in enumerate(style_layers):
            for region, gram in enumerate(to.grams[i]):
                mask = None if to.masks is None else to.masks[i][region]
                places = acts[name][0, ..., 0].size if mask is None else jnp.sum(mask)
                loss = objectives.style_loss(acts[name], gram[None] * places, mask)
                total += to.style_weights[i, region] * loss
        return -total

    return objective


def factors(convention: str, content: Sequence[Array], grams: Sequence[Array]) -> tuple[Array, Array]:
    """What a convention multiplies the paper's losses L_c and E_l by, where α and β are 1.

    ``"paper"`` takes them as they are, and the mean over style layers. ``"code"``, the authors' later
    one, takes mean squares of differences of activations and of Gram matrices over H·W, and of these
    1/N² in each layer: 2/(NM) L_c and 4/N² E_l. ``"relative"`` divides each loss by what it would be
    for activations of zero, so that α/β means the same for every net and layer.

    Args:
        convention: one of the three.
        content: the content's activation, of each content layer.
        grams: regions c c, divided by positions, of each style layer.

    Returns:
        Factors by content layer, and by style layer and region.

    Raises:
        UnknownName: at another convention.

    References:
        Gatys et al., A Neural Algorithm of Artistic Style, 2015; leongatys/PytorchNeuralStyleTransfer.

    Example:
        >>> content, style = factors("code", [jnp.ones((1, 2, 2, 3))], [jnp.ones((1, 3, 3))])
        >>> round(content.item(), 3), round(style.item(), 3)
        (0.167, 0.444)
    """
    if convention == "paper":
        of_content = jnp.ones(len(content))
        of_style = [jnp.full(len(g), 1 / len(grams)) for g in grams]
    elif convention == "code":
        of_content = jnp.array([2 / p.size for p in content])
        of_style = [jnp.full(len(g), 4 / g.shape[-1] ** 2) for g in grams]
    elif convention == "relative":
        of_content = jnp.array([2 / _size(p, None) for p in content])
        sizes = [_size(g, (1, 2)) for g in grams]
        of_style = [4 * g.shape[-1] ** 2 / s / len(grams) for g, s in zip(grams, sizes, strict=True)]
    else:
        raise unknown("convention", convention, CONVENTIONS)
    return of_content, jnp.stack(of_style) if of_style else jnp.zeros((0, 1))


def _size(x: Array, axes: tuple[int, ...] | None) -> Array:
    square = jnp.sum(jnp.square(x), axis=axes)
    return jnp.where(square > 0, square, 1.0)
