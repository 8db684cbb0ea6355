"""Pictures of a given representation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import layers
from vizjax.ascent import Result
from vizjax.errors import InputError, check_counts, unknown
from vizjax.recipes.inversion.energies import middle
from vizjax.recipes.inversion.methods import METHODS, Plan
from vizjax.recipes.stages import staged
from vizjax.render import render

Values = Array | np.ndarray
Size = tuple[int, int, int]


def reconstruct(
    net: Any, representation: Float[Values, "jobs *places c"], layer: str, size: Size, *,
    method: str = "cvpr2015", weights: Mapping[str, Any] | None = None, mask: Values | float = 1.0,
    start: Values | None = None, **settings: Any,
) -> Result:  # fmt: skip
    """Pictures of a representation, which need not be any picture's.

    Args:
        net: a net.
        representation: values of the layer; each is a job, and one serves as many as there are weights.
        layer: its name.
        size: (height, width, channels) of the pictures.
        method: ``"cvpr2015"`` or ``"ijcv2016"``: energy, start and updates of that paper.
        weights: of the energy's terms as the paper writes them, a number or one for each job: ``tv``
            (λ_TV; in the CVPR paper by the layer's receptive field), ``alpha`` (λ_α), ``error`` (C).
        mask: what parts of the representation matter, of its shape without jobs; see `focus`.
        start: picture h w c to start from in place of noise.
        **settings: of `vizjax.render`; ``steps`` shortens all stages of the method alike.

    Returns:
        The pictures; ``-result.final`` are their energies.

    Raises:
        InputError: at an unknown method, layer or weight, or where nothing that matters is other than 0.

    References:
        Mahendran & Vedaldi, Understanding Deep Image Representations by Inverting Them, CVPR 2015;
        Visualizing Deep Convolutional Neural Networks Using Natural Pre-Images, IJCV 2016.

    Example:
        >>> import jax.numpy as jnp, vizjax as vz
        >>> net, values = vz.load("efficientnet_lite0"), jnp.ones((1, 16, 16, 32))
        >>> reconstruct(net, values, "stem", (32, 32, 3), steps=3).images.shape
        (1, 1, 32, 32, 3)
    """
    stages = "start" if start is not None else "focus" if np.ndim(mask) else None
    plan = _planned(net, layer, size, method, stages, settings.get("steps"))
    targets, chosen = _targets(plan, np.asarray(representation), np.asarray(mask, np.float32), weights or {})
    settings = plan.settings | {"rectify": nn.plain} | settings
    start = None if start is None else _widened(np.asarray(start), plan.spare)
    about = {"layer": layer, "method": method, "weights": chosen}
    drawn = (render(net, plan.objective(layer), x, start=start, about=about, **settings) for x in [targets])
    return staged(drawn, lambda parts: _cropped(parts[0], size))


def _planned(net: Any, layer: str, size: Size, method: str, stages: str | None, steps: int | None) -> Plan:
    facts = layers(net)
    if layer not in facts:
        raise unknown("layer", layer, facts, "vizjax.layers(net) lists them")
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    check_counts(steps=steps)
    stride = facts[layer].stride or max((fact.stride or 1 for fact in facts.values()), default=1)
    stages = stages or ("net" if facts[layer].parameters else "features")
    field = facts[layer].receptive_field or float("inf")
    return METHODS[method](size, stride, field, stages, steps)


def _targets(plan: Plan, reference: np.ndarray, mask: np.ndarray, weights: Mapping[str, Any]) -> tuple:
    chosen = plan.weights | dict(weights)
    if odd := sorted(set(chosen) - set(plan.weights)):
        raise unknown("weight", odd[0], plan.weights)
    if np.max(chosen["tv"]) >= plan.largest:
        raise InputError(
            f"the updates converge with tv below {plan.largest:.5g}, not {np.max(chosen['tv']):g}; give less,"
            f" or method='ijcv2016'"
        )
    if not np.all(np.any(reference * mask, axis=tuple(range(1, reference.ndim)))):
        raise InputError(
            "the error is relative to the norm of the representation, which is 0; give another picture,"
            " layer or mask"
        )
    jobs = max(len(reference), *(np.size(weight) for weight in chosen.values()))

    def each(x: Any) -> np.ndarray:
        return np.broadcast_to(x, (jobs, *np.shape(x)[1:])).astype(np.float32)

    terms = {name: each(np.atleast_1d(chosen[name]) * unit) for name, unit in plan.units.items()}
    chosen = {name: np.asarray(weight).tolist() for name, weight in chosen.items()}
    return {"reference": each(reference), "mask": each(mask[None]), **terms}, chosen


def _widened(start: np.ndarray, spare: int) -> np.ndarray:
    before = spare // 2
    return np.pad(start, ((before, spare - before), (before, spare - before), (0, 0)), mode="edge")


def _cropped(result: Result, size: Size) -> Result:
    def cropped(x: np.ndarray) -> np.ndarray:
        return middle(x, (*x.shape[:-3], *size))

    frames = None if result.frames is None else cropped(result.frames)
    return result._replace(images=cropped(result.images), frames=frames)
