"""How strong each frequency is in given pictures."""

import dataclasses
import hashlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from vizjax import color as colors
from vizjax.color import Matrix
from vizjax.errors import InputError
from vizjax.images.common import Size, shape_of, unsquashed


@dataclasses.dataclass(frozen=True)
class Magnitudes:
    """Magnitudes of a half spectrum, compared and hashed by value; made by `magnitudes`.

    Attributes:
        shape: channels, h, w // 2 + 1.
        data: the magnitudes as float32.
    """

    shape: tuple[int, int, int]
    data: bytes

    @property
    def array(self) -> np.ndarray:
        """The magnitudes as an array of `shape`."""
        return np.frombuffer(self.data, np.float32).reshape(self.shape)

    def __repr__(self) -> str:
        """Short, for recipes: the shape, and a hash of the values."""
        digest = hashlib.sha256(self.data).hexdigest()[:12]
        return f"Magnitudes({' x '.join(map(str, self.shape))}, sha256 {digest})"


def magnitudes(pictures: Sequence[np.ndarray], size: Size, color: Matrix | None = colors.MACO) -> Magnitudes:
    """The mean magnitudes of pictures, for `phase`.

    Args:
        pictures: arrays ``h w c`` in [0, 1], of any sizes and one channel count; the middle of each
            is scaled to ``size``. Ten photographs give a usable mean, a hundred a smooth one.
        size: side or (height, width) in pixels of the pictures that will be made.
        color: the matrix that `phase` is given; None where there are other than three channels.

    Returns:
        Magnitudes by channel and frequency; equal ones are one and the same to caches.

    Raises:
        InputError: where there is no picture, or channel counts differ or do not fit the matrix.

    References:
        Fel et al., Unlocking Feature Visualization for Deeper Networks, NeurIPS 2023.

    Example:
        >>> pictures = np.random.default_rng(0).random((2, 40, 50, 3))
        >>> magnitudes(list(pictures), 32).shape
        (3, 32, 17)
    """
    counts = {np.shape(p)[-1] if np.ndim(p) == 3 else 0 for p in pictures}
    wanted = counts if color is None else {len(color)}
    if len(counts) != 1 or 0 in counts or counts != wanted:
        shapes = [np.shape(p) for p in pictures]
        raise InputError(
            f"magnitudes are measured from one or more pictures h w c with the channels of the colour "
            f"matrix, {len(color) if color else 'any, all alike'}, not from shapes {shapes}; give color=None "
            f"for other channels"
        )
    _, h, w, channels = shape_of(size, 1, counts.pop())
    total = np.zeros((channels, h, w // 2 + 1))
    for picture in pictures:
        x = np.asarray(unsquashed(jnp.asarray(_middle(picture, h, w), jnp.float32), color), np.float64)
        total += np.abs(np.fft.rfft2(x, axes=(0, 1))).transpose(2, 0, 1)
    mean = (total / len(pictures)).astype(np.float32)
    return Magnitudes(mean.shape, mean.tobytes())


def _middle(picture: np.ndarray, h: int, w: int) -> jax.Array:
    rows, columns = np.shape(picture)[:2]
    share = min(rows / h, columns / w)
    height, width = max(1, round(h * share)), max(1, round(w * share))
    top, left = (rows - height) // 2, (columns - width) // 2
    cut = jnp.asarray(picture, jnp.float32)[top : top + height, left : left + width]
    return jax.image.resize(cut, (h, w, cut.shape[-1]), "linear")
