"""How far apart pictures, or their representations, are."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vizjax.errors import InputError
from vizjax.nn import conv

Values = Array | np.ndarray


def mean_pairwise_square(representations: Float[Values, "n *places c"]) -> float:
    """The mean of ‖Φᵢ − Φⱼ‖² over pairs: what errors of representations are measured by.

    Args:
        representations: of several different pictures.

    Returns:
        The mean over all pairs i ≠ j.

    Raises:
        InputError: at fewer than two, or where all are the same.

    References:
        Mahendran & Vedaldi, Understanding Deep Image Representations by Inverting Them, CVPR 2015.

    Example:
        >>> mean_pairwise_square(jnp.array([[0.0], [1.0], [3.0]])).__round__(3)
        4.667
    """
    flat = np.asarray(representations, np.float64).reshape(len(representations), -1)
    square = 2 * len(flat) / (len(flat) - 1) * np.sum(np.var(flat, axis=0)) if len(flat) > 1 else 0
    if not square > 0:
        raise InputError("errors are measured by what several pictures differ by; give two or more that do")
    return float(square)


def squared_error(
    found: Float[Values, "n *places c"], reference: Float[Values, "#n *places c"]
) -> Float[np.ndarray, " n"]:
    """‖found − reference‖² of each.

    Args:
        found: representations, or pictures.
        reference: what they should be, each or all of them.

    Returns:
        One number each.

    Example:
        >>> squared_error(jnp.ones((2, 3)), jnp.zeros((1, 3))).tolist()
        [3.0, 3.0]
    """
    difference = np.asarray(found, np.float64) - np.asarray(reference, np.float64)
    return np.sum(np.square(difference), axis=tuple(range(1, difference.ndim)))


def psnr(found: Float[Values, "n h w c"], reference: Float[Values, "#n h w c"]) -> Float[np.ndarray, " n"]:
    """Peak signal-to-noise ratio of pictures in [0, 1].

    Args:
        found: pictures.
        reference: what they should be.

    Returns:
        Decibels of each; higher is nearer.

    Example:
        >>> psnr(jnp.full((2, 4, 4, 3), 0.1), jnp.zeros((2, 4, 4, 3))).round(3).tolist()
        [20.0, 20.0]
    """
    mean = squared_error(found, reference) / np.prod(found.shape[1:])
    return -10 * np.log10(np.maximum(mean, 1e-12))


@jax.jit
def ssim(found: Float[Values, "n h w c"], reference: Float[Values, "#n h w c"]) -> Float[Array, " n"]:
    """Structural similarity of pictures in [0, 1], with Gaussian windows of σ = 1.5.

    As ``skimage.metrics.structural_similarity(..., gaussian_weights=True, use_sample_covariance=False)``:
    the mean over the windows that lie within the picture, and over colours.

    Args:
        found: pictures of 11 pixels or more.
        reference: what they should be.

    Returns:
        1 for equal pictures, about 0 for unrelated ones.

    Raises:
        InputError: at smaller pictures.

    References:
        Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, 2004.

    Example:
        >>> ssim(jnp.ones((1, 16, 16, 3)), jnp.ones((1, 16, 16, 3))).tolist()
        [1.0]
    """
    if min(found.shape[1:3]) < 11:
        raise InputError(f"windows of SSIM are 11 pixels wide, and the pictures {found.shape[1:3]}")
    x, y = jnp.broadcast_arrays(jnp.asarray(found), jnp.asarray(reference))
    taps = jnp.exp(-jnp.square(jnp.arange(-5.0, 6)) / (2 * 1.5**2))
    taps = jnp.broadcast_to((taps / taps.sum())[:, None, None, None], (11, 1, 1, x.shape[-1]))

    def smooth(values: Array) -> Array:
        for filters in (taps, taps.swapaxes(0, 1)):
            values = conv(values, filters, padding="VALID", feature_group_count=x.shape[-1])
        return values

    a, b = smooth(x), smooth(y)
    aa, bb, ab = smooth(x * x) - a * a, smooth(y * y) - b * b, smooth(x * y) - a * b
    light = (2 * a * b + 0.01**2) / (a * a + b * b + 0.01**2)
    return jnp.mean(light * (2 * ab + 0.03**2) / (aa + bb + 0.03**2), axis=(1, 2, 3))
