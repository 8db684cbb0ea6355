"""What a representation does not change under, beside how badly it can be inverted."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.activations import Coroutine
from vizjax.ascent import Result
from vizjax.factory import factory
from vizjax.features import Representation
from vizjax.recipes.inversion.changes import CHANGES, Change
from vizjax.recipes.inversion.inverting import invert
from vizjax.recipes.inversion.measures import mean_pairwise_square, squared_error
from vizjax.recipes.seeing import seen

Values = Array | np.ndarray


class Invariance(NamedTuple):
    """How a layer takes changes of pictures, and what it keeps of them.

    Attributes:
        changes: by how much the representation moves under each change, as a share of the distance
            between different pictures.
        invariance: 1 minus the mean of these.
        error: of the reconstructions' representation, as a share of the same distance.
        picture_error: of the reconstructions themselves, as a share of the distance between pictures.
        result: the reconstructions.
    """

    changes: dict[str, float]
    invariance: float
    error: float
    picture_error: float
    result: Result


def measure_invariance(
    net: Any, pictures: Float[Values, "jobs h w c"], layer: str, others: Float[Values, "n h w c"],
    *, changes: Mapping[str, Change] = CHANGES, **settings: Any,
) -> Invariance:  # fmt: skip
    """How invariant a layer is, and how badly it inverts.

    Args:
        net: a net, also a classical representation of `vizjax.features`.
        pictures: in [0, 1], that are changed and inverted.
        layer: of the net.
        others: different pictures, two or more, whose mean distance is the unit of all measures.
        changes: name -> function of pictures n h w c.
        **settings: as in `vizjax.recipes.invert`.

    Returns:
        The measures, root mean squares over the pictures (and starts).

    Raises:
        InputError: where an argument does not fit.

    References:
        Mahendran & Vedaldi, Understanding Deep Image Representations by Inverting Them, CVPR 2015.

    Example:
        >>> x = jnp.linspace(0, 1, 3 * 32 * 32).reshape(3, 32, 32, 1) ** 2
        >>> found = measure_invariance(gaussian(2.0), x[:1], "blur", x, steps=4)
        >>> sorted(found.changes), 0 < found.invariance < 1
        (['blur', 'contrast', 'rotation', 'scale', 'shift'], True)
    """
    pictures, others = jnp.asarray(pictures), jnp.asarray(others)
    unit = mean_pairwise_square(seen(net, others, layer))
    reference = seen(net, pictures, layer)

    def apart(x: Array, y: Array, unit: float) -> float:
        return float(np.sqrt(squared_error(x, y).mean() / unit))

    moved = {name: apart(seen(net, f(pictures), layer), reference, unit) for name, f in changes.items()}
    result = invert(net, pictures, layer, **settings)
    found = jnp.asarray(result.images).reshape(len(pictures), -1, *pictures.shape[1:])
    each = jnp.repeat(pictures, found.shape[1], axis=0)
    found = found.reshape(each.shape)
    target = jnp.repeat(reference, len(each) // len(pictures), axis=0)
    return Invariance(
        moved, 1 - float(np.mean(list(moved.values()))), apart(seen(net, found, layer), target, unit),
        apart(found, each, mean_pairwise_square(others)), result,
    )  # fmt: skip


@factory
def gaussian(sigma: float = 2.0) -> Representation:
    """Grey pictures, blurred, as a net: invariance and loss of detail that are known beforehand.

    Args:
        sigma: standard deviation in pixels.

    Returns:
        A net with the layers ``grey`` and ``blur``.

    Example:
        >>> import vizjax as vz
        >>> vz.activations(gaussian(1.0), jnp.ones((1, 16, 16, 3)))["blur"].shape
        (1, 16, 16, 1)
    """

    def layers(images: Array) -> Coroutine:
        x = yield "grey", images
        return (yield "blur", nn.gaussian_blur(x, sigma))

    return Representation("blur", layers, 64)
