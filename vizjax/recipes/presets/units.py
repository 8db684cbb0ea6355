"""What is maximized for a unit, and what a preset is made of."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from vizjax import images, nn, objectives
from vizjax.ascent import Objective
from vizjax.factory import factory
from vizjax.objectives.common import Activation, Scalar


class Preset(NamedTuple):
    """How a unit's picture is made.

    Attributes:
        settings: of `vizjax.renderer`: image, transform, optimizer, steps, samples, rectify.
        measure: ``(activation, unit) -> score``.
        penalty: ``pictures -> number``, which is subtracted; None for nothing.
    """

    settings: dict[str, Any]
    measure: Callable = objectives.channel
    penalty: Callable | None = None


def settings(image: images.Parameterization, transform: Any, optimizer: Any, steps: int, **rest: Any) -> dict:
    """Settings of `vizjax.renderer`, of which one sample and plain gradients need not be said.

    Args:
        image: the parameterization.
        transform: what pictures must withstand, or None.
        optimizer: an Optax transformation.
        steps: number of updates.
        **rest: samples, rectify.

    Returns:
        Name -> setting.

    Example:
        >>> settings(images.pixels(8), None, None, 64)["samples"]
        1
    """
    said = {"image": image, "transform": transform, "optimizer": optimizer, "steps": steps}
    return {"samples": 1, "rectify": nn.plain} | said | rest


@factory
def unit_objective(
    layer: str, measure: Callable = objectives.channel, penalty: Callable | None = None
) -> Objective:
    """The objective of the units of a layer, the same object for equal arguments.

    A transparent picture, of four channels, is also to be transparent where it can: its score is
    multiplied by 1 − mean alpha.

    Args:
        layer: a layer's name.
        measure: ``(activation, unit) -> score``.
        penalty: ``pictures -> number``, which is subtracted; None for nothing.

    Returns:
        An objective ``(acts, unit) -> number``.

    References:
        Olah et al., Feature Visualization, Distill 2017; Mordvintsev et al., Differentiable Image
        Parameterizations, Distill 2018 (alpha).

    Example:
        >>> unit_objective("x")({"x": jnp.ones((1, 2)), "image": jnp.zeros((1, 4, 4, 3))}, 1).item()
        1.0
    """

    def objective(acts: Any, unit: Array | int) -> Scalar:
        score, pictures = measure(acts[layer], unit), acts["image"]
        if pictures.shape[-1] == 4:
            score = score * (1 - jnp.mean(pictures[..., -1]))
        return score if penalty is None else score - penalty(pictures)

    return objective


def middle_unit(x: Activation, unit: Array | int) -> Scalar:
    """A convolutional unit is one neuron at the centre; in other layers it is the whole channel.

    Args:
        x: an activation.
        unit: the channel's number.

    Returns:
        The activation.

    Example:
        >>> middle_unit(jnp.arange(16.0).reshape(1, 4, 4, 1), 0).item()
        10.0
    """
    return objectives.neuron(x, unit) if x.ndim == 4 else objectives.channel(x, unit)


@factory
def weighted(*terms: tuple[float, Callable] | tuple) -> Callable:
    """A penalty: the sum of regularizers with their weights.

    Args:
        *terms: (weight, regularizer, further arguments of the regularizer …).

    Returns:
        A function ``pictures -> number``.

    Example:
        >>> from vizjax.regularizers import l1
        >>> weighted((0.5, l1), (1.0, l1, 0.0))(jnp.ones((1, 2, 2, 1))).item()
        5.0
    """
    return lambda pictures: sum(weight * f(pictures, *rest) for weight, f, *rest in terms)
