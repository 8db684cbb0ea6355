"""Inversion: pictures that a layer cannot tell from given ones."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vizjax.ascent import Result
from vizjax.errors import InputError
from vizjax.recipes.inversion.reconstruction import reconstruct
from vizjax.recipes.moments import seen

Values = Array | np.ndarray


def invert(net: Any, pictures: Float[Values, "*jobs h w c"], layer: str, **settings: Any) -> Result:
    """Pictures that look to a layer like the given ones.

    Args:
        net: a net, also a classical representation of `vizjax.features`.
        pictures: in [0, 1], one or several; each is a job.
        layer: whose representation is inverted.
        **settings: of `vizjax.recipes.reconstruct` and `vizjax.render`; ``starts=4`` makes four
            reconstructions of each, which differ by the noise they start from alone; ``start=`` another
            picture leads to one of the same representation that stays near it (Tatu et al.).

    Returns:
        The reconstructions; ``-result.final`` are their energies.

    Raises:
        InputError: where an argument does not fit.

    References:
        Mahendran & Vedaldi, Understanding Deep Image Representations by Inverting Them, CVPR 2015.
        Tatu et al., Exploring the representation capabilities of the HOG descriptor, ICCV workshops 2011.

    Example:
        >>> import vizjax as vz
        >>> picture = jnp.linspace(0, 1, 32 * 32).reshape(32, 32, 1)
        >>> invert(vz.features.hog(), picture, "hog", steps=3, starts=2).images.shape
        (1, 2, 1, 32, 32, 1)
    """
    pictures = jnp.asarray(pictures)
    pictures = pictures[None] if pictures.ndim == 3 else pictures
    _, h, w, channels = pictures.shape
    return reconstruct(net, seen(net, pictures, layer=layer), layer, (h, w, channels), **settings)


def invert_layers(
    net: Any, picture: Float[Values, "h w c"], layers: Sequence[str], **settings: Any
) -> Result:
    """One picture as seen by several layers: a strip from shallow to deep.

    Args:
        net: a net.
        picture: in [0, 1].
        layers: names; each is compiled by itself.
        **settings: as in `invert`.

    Returns:
        The reconstructions, ``layers [starts] 1 h w c``; its recipe says method and weights of each layer.

    Raises:
        InputError: without layers, or where `invert` does.

    References:
        Mahendran & Vedaldi, CVPR 2015, figure 6.

    Example:
        >>> import vizjax as vz
        >>> picture = jnp.linspace(0, 1, 32 * 32).reshape(32, 32, 1)
        >>> invert_layers(vz.features.hog(), picture, ["cells", "hog"], steps=3).images.shape
        (2, 1, 32, 32, 1)
    """
    if not len(layers):
        raise InputError("a strip is of one or more layers; name some, such as ['stem', 'blocks.4']")
    results = [invert(net, picture, layer, **settings) for layer in layers]
    told = {name: [result.recipe[name] for result in results] for name in ("layer", "method", "weights")}

    def joined(name: str) -> Any:
        parts = [getattr(r, name) for r in results]
        return None if parts[0] is None else np.concatenate(parts)

    arrays = {name: joined(name) for name in ("images", "scores", "final", "baseline", "alive", "frames")}
    return Result(**arrays, recipe=results[0].recipe | told)


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
