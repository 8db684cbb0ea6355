"""How pictures were made, as text and numbers: what travels inside saved files."""

import inspect
from typing import Any

import jax

from vizjax.ascent import Objective, Settings
from vizjax.factory import recipe
from vizjax.precision import dtype_of


def described(objective: Objective, settings: Settings, steps: int, net: Any) -> dict[str, Any]:
    """How a rendering makes pictures.

    Args:
        objective: what is maximized.
        settings: of the run.
        steps: number of updates.
        net: a net, or a pytree of nets.

    Returns:
        Name -> text or number; the objective is its source code, where that can be found, unless it
        comes from a factory.

    Example:
        >>> import vizjax as vz
        >>> draw = vz.renderer(lambda acts, unit: vz.objectives.channel(acts["stem"], unit))
        >>> described(draw.objective, draw.settings, 64, vz.load("efficientnet_lite0"))["image"]
        'fourier(128)'
    """
    nets = jax.tree.leaves(net, is_leaf=callable)
    return {
        "model": ", ".join(getattr(n, "recipe", getattr(n, "name", type(n).__name__)) for n in nets),
        "dtype": ", ".join(map(dtype_of, nets)),
        "objective": _source(objective),
        "image": recipe(settings.image),
        "transform": recipe(settings.transform),
        "optimizer": recipe(settings.optimizer),
        "steps": steps,
        "samples": settings.samples,
        "rectify": recipe(settings.rectify),
    }


def _source(objective: Objective) -> str:
    function = getattr(objective, "func", objective)
    try:
        source = inspect.cleandoc(inspect.getsource(function))
    except (OSError, TypeError):
        source = ""
    return recipe(function) if hasattr(function, "recipe") or not source else source
