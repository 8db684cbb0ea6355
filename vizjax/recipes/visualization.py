"""Pictures of what units respond to, by a preset."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import optax
from jaxtyping import Array

from vizjax.ascent import Result
from vizjax.errors import InputError, unknown
from vizjax.images import with_alpha
from vizjax.recipes.presets import PRESETS
from vizjax.recipes.presets.units import Preset, unit_objective
from vizjax.render import render


def visualize(
    net: Any, layer: str, units: Sequence[int] | np.ndarray | Array, preset: str | Preset = "best", *,
    size: int | None = None, **settings: Any,
) -> Result:  # fmt: skip
    """What units of a layer respond to, with the settings of a paper or library.

    ``"logits"`` is the layer of class models; of ``"probabilities"``, rivals are lowered too.

    Args:
        net: a net.
        layer: a layer's name.
        units: channel numbers; each is a job.
        preset: a name of ``PRESETS``, or a preset of your own.
        size: side of the pictures in pixels; by default the preset's.
        **settings: of `vizjax.render`, in place of the preset's.

    Returns:
        The pictures, whose recipe names the preset.

    Raises:
        UnknownName: at a preset that is not there.

    References:
        Olah et al., Feature Visualization, Distill 2017; those of the presets.

    Example:
        >>> import vizjax as vz
        >>> net = vz.load("efficientnet_lite0")
        >>> visualize(net, "stem", [3, 5], "lucid", size=32, steps=2).images.shape
        (2, 1, 32, 32, 3)
    """
    chosen = preset if isinstance(preset, Preset) else named(preset, size)
    objective = unit_objective(layer, chosen.measure, chosen.penalty)
    name = preset if isinstance(preset, str) else "own"
    about = {"preset": name, "layer": layer, "units": np.asarray(units).tolist()}
    return render(net, objective, np.asarray(units), about=about, **(chosen.settings | settings))


def named(preset: str, size: int | None = None) -> Preset:
    """A preset by its name.

    Args:
        preset: a name of ``PRESETS``.
        size: side of the pictures in pixels; None for the preset's own.

    Returns:
        The preset.

    Raises:
        UnknownName: at a name that is not there.

    Example:
        >>> named("lucid", 64).settings["steps"]
        512
    """
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    return PRESETS[preset]() if size is None else PRESETS[preset](size)


def transparent(result: Result, percentiles: tuple[float, float] = (0.0, 80.0)) -> Result:
    """A result's pictures, transparent where nothing mattered during the run.

    Args:
        result: of `visualize` with the preset ``"maco"``, ``"horama"`` or ``"faccent"``, or of another
            run whose optimizer has `vizjax.updates.importance`.
        percentiles: of each picture's importance, at which alpha is 0 and 1.

    Returns:
        The same result with pictures of four channels.

    Raises:
        InputError: where the run has not kept the importance.

    References:
        Fel et al., Unlocking Feature Visualization for Deeper Networks, NeurIPS 2023.

    Example:
        >>> import vizjax as vz
        >>> net = vz.load("efficientnet_lite0")
        >>> result = visualize(net, "stem", [3], PRESETS["maco"](32, view=32), steps=2, samples=2)
        >>> transparent(result).images.shape
        (1, 1, 32, 32, 4)
    """
    importance = optax.tree_utils.tree_get(result.optimizer_state, "importance")
    if importance is None:
        raise InputError(
            f"transparency needs vizjax.updates.importance(image) in the optimizer, which was "
            f"{result.recipe.get('optimizer')}; chain the two with vizjax.updates.chain"
        )
    images = with_alpha(result.images, importance, percentiles)
    about = {"alpha": f"importance between percentiles {percentiles}"}
    return result._replace(images=images, recipe=result.recipe | about)
