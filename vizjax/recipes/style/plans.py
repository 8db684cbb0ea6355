"""Where content and style are compared, and how many steps are taken at which size."""

import math
from collections.abc import Sequence
from typing import Any

from vizjax.errors import InputError, check_counts

LAYERS = {
    # Gatys et al., 2015, whose conv1_1 is what Caffe leaves there: after its ReLU
    "vgg": (("relu4_2",), ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")),
    # chosen by looks
    "efficientnet_lite": (("blocks.7",), ("stem", "blocks.0", "blocks.2", "blocks.4", "blocks.7")),
}
"""Family of models -> layers of content and of style."""


def chosen_layers(
    net: Any, content: Sequence[str] | None, style: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The layers that content and style are compared at.

    Args:
        net: a net, whose family the defaults are of.
        content: names; None for the family's.
        style: names; None for the family's.

    Returns:
        Both.

    Raises:
        InputError: where a default is wanted and nothing is known of the family.

    Example:
        >>> import vizjax as vz
        >>> chosen_layers(vz.load("efficientnet_lite0"), None, ["stem"])
        (('blocks.7',), ('stem',))
    """
    family = next((f for f in LAYERS if getattr(net, "name", "").startswith(f)), None)
    if family is None and (content is None or style is None):
        raise InputError(
            f"layers for content and style are known of {' and '.join(LAYERS)}, not of "
            f"{getattr(net, 'name', type(net).__name__)!r}; give content_layers and style_layers "
            f"(vizjax.layers(net) lists them)"
        )
    defaults = LAYERS[family] if family else ((), ())
    return tuple(defaults[0] if content is None else content), tuple(defaults[1] if style is None else style)


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
