"""What a layer's activations are like over pictures: mean, covariance, and what whitens them."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float

from vizjax.errors import InputError
from vizjax.recipes.seeing import seen

Values = Array | np.ndarray


class Moments(NamedTuple):
    """What the activations of a layer are like over pictures and positions.

    Attributes:
        mean: of each channel.
        covariance: of the channels, divided by the number of positions.
        positions: how many there were in all pictures.
    """

    mean: Float[np.ndarray, " c"]
    covariance: Float[np.ndarray, "c c"]
    positions: int


def measure_moments(
    net: Any, pictures: Float[Values, "n h w c"], layer: str, batch: int = 8
) -> Moments:  # fmt: skip
    """Mean and covariance of a layer's activations over pictures and positions.

    Args:
        net: a net.
        pictures: in [0, 1].
        layer: its name.
        batch: how many pictures run side by side.

    Returns:
        The moments, summed in float64.

    Example:
        >>> import jax.numpy as jnp, vizjax as vz
        >>> measure_moments(vz.load("efficientnet_lite0"), jnp.ones((2, 32, 32, 3)), "stem").positions
        512
    """
    total, products, count = np.zeros(()), np.zeros(()), 0
    for first in range(0, len(pictures), batch):
        x = np.asarray(seen(net, pictures[first : first + batch], layer), np.float64)
        x = x.reshape(-1, x.shape[-1])
        total, products, count = total + x.sum(0), products + x.T @ x, count + len(x)
    mean = total / count
    return Moments(mean, products / count - np.outer(mean, mean), count)


def inverse_covariance(moments: Moments, ridge: float = 0.01) -> Float[np.ndarray, "c c"]:
    """The matrix that whitens directions, which rare channels would blow up were it not for a ridge.

    Args:
        moments: of the layer.
        ridge: what is added to every variance, as a share of the mean variance, ≥ 0.

    Returns:
        (Σ + ridge · mean variance)⁻¹.

    Raises:
        InputError: at a negative ridge, or where without one there is no inverse.

    References:
        Carter et al., Activation Atlas, Distill 2019.

    Example:
        >>> inverse_covariance(Moments(np.zeros(2), np.diag([1.0, 4.0]), 9), 0.0).tolist()
        [[1.0, 0.0], [0.0, 0.25]]
    """
    channels = len(moments.mean)
    variance = np.trace(moments.covariance) / channels
    loaded = moments.covariance + ridge * variance * np.eye(channels)
    if ridge < 0 or np.linalg.matrix_rank(loaded, hermitian=True) < channels:
        raise InputError(
            f"the covariance of {channels} channels, from {moments.positions} positions, has no inverse with "
            f"ridge={ridge}; measure more pictures, or give a ridge above 0, such as 0.01"
        )
    return np.linalg.inv(loaded)
