"""What parts of a representation matter."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float

from vizjax.errors import InputError


def focus(
    shape: Sequence[int], *, side: int | None = None, channels: Iterable[int] | None = None
) -> Float[np.ndarray, "*places c"]:  # fmt: skip
    """A mask of what matters of a representation, for ``invert(..., mask=focus(...))``.

    Args:
        shape: of one picture's representation.
        side: of a square of positions in the middle; None for all positions.
        channels: numbers; None for all.

    Returns:
        1 where it matters, 0 elsewhere.

    Raises:
        InputError: at a square or channels that are not there.

    References:
        Mahendran & Vedaldi, CVPR 2015, figures 9 and 10.

    Example:
        >>> focus((4, 4, 8), side=2, channels=range(4)).sum().item()
        16.0
    """
    mask, chosen = np.zeros(shape, np.float32), list(range(shape[-1]) if channels is None else channels)
    if not chosen or not 0 <= min(chosen) <= max(chosen) < shape[-1]:
        raise InputError(f"channels are 0 ... {shape[-1] - 1} here, not {chosen}; choose some of these")
    if side is not None and (len(shape) != 3 or not 1 <= side <= min(shape[:2])):
        raise InputError(f"a representation of {tuple(shape)} has no square of {side} x {side} positions")
    places = [slice((n - side) // 2, (n - side) // 2 + side) if side else slice(None) for n in shape[:-1]]
    mask[(*places, chosen)] = 1
    return mask
