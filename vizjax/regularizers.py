"""Terms that an objective subtracts: functions of pictures n h w c.

Each is the literature's sum over a picture's values, and the mean over the group, so that published
weights keep their meaning: ``channel(…) - 0.25 * total_variation(acts["image"])``.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.errors import InputError

Pictures = Float[Array, "n h w c"]
Scalar = Float[Array, ""]


def total_variation(x: Pictures, exponent: float = 1.0) -> Scalar:
    """Roughness: Σ (d₁² + d₂²)^(exponent/2), d the differences to the next row and column.

    Args:
        x: pictures.
        exponent: β; 1 is total variation, 2 the squared gradient. The last row and column have no
            next one: their difference there is 0.

    Returns:
        The sum, the mean over the group.

    References:
        Mahendran & Vedaldi, Understanding Deep Image Representations by Inverting Them, CVPR 2015.

    Example:
        >>> total_variation(jnp.eye(2)[None, :, :, None], 2.0).item()
        4.0
    """
    down = jnp.diff(x, axis=1, append=x[:, -1:])
    right = jnp.diff(x, axis=2, append=x[:, :, -1:])
    squares = jnp.square(down) + jnp.square(right)
    if exponent == 2:
        return _total(squares, x)
    # The power's slope at 0 is infinite: flat places give 0 and pass no gradient.
    flat = squares == 0
    return _total(jnp.where(flat, 0, jnp.where(flat, 1, squares) ** (exponent / 2)), x)


def alpha_norm(
    x: Pictures, alpha: float = 6.0, center: float = 0.5, each_pixel: bool = False
) -> Scalar:  # fmt: skip
    """Keeps values in range: Σ |x − center|^alpha.

    Args:
        x: pictures.
        alpha: the exponent, ≥ 1.
        center: the value that costs nothing.
        each_pixel: whether |·| is the norm of a pixel's colour (IJCV 2016), not each value.

    Returns:
        The sum, the mean over the group.

    References:
        Mahendran & Vedaldi, CVPR 2015; IJCV 2016.

    Example:
        >>> alpha_norm(jnp.full((1, 1, 1, 2), 2.5)).item()
        128.0
    """
    if each_pixel:
        squares = jnp.sum(jnp.square(x - center), axis=-1)
        grey = squares == 0  # where the root's slope is infinite
        return _total(jnp.where(grey, 0, jnp.where(grey, 1, squares) ** (alpha / 2)), x)
    return _total(_distance(x, center) ** alpha, x)


def l1(x: Pictures, center: float = 0.5) -> Scalar:
    """Few values away from grey: Σ |x − center|.

    Args:
        x: pictures.
        center: the value that costs nothing.

    Returns:
        The sum, the mean over the group.

    Example:
        >>> l1(jnp.zeros((2, 2, 2, 1))).item()
        2.0
    """
    return _total(_distance(x, center), x)


def l2(x: Pictures, center: float = 0.5) -> Scalar:
    """Small contrast: Σ (x − center)².

    Args:
        x: pictures.
        center: the value that costs nothing.

    Returns:
        The sum, the mean over the group.

    References:
        Simonyan et al., Deep Inside Convolutional Networks, 2014.

    Example:
        >>> l2(jnp.zeros((2, 2, 2, 1))).item()
        1.0
    """
    return _total(jnp.square(x - center), x)


def blur(x: Pictures, sigma: float = 1.0) -> Scalar:
    """Distance to the blurred picture: ½ Σ (x − blur(x))², the blurred one taken as constant.

    Subtracting it moves each step a little towards the blurred picture.

    Args:
        x: pictures.
        sigma: standard deviation of the Gaussian in pixels.

    Returns:
        The sum, the mean over the group.

    References:
        Lucid's ``blur_input_each_step``.

    Example:
        >>> blur(jnp.ones((1, 8, 8, 1))).round(3).item()
        0.0
    """
    return 0.5 * _total(jnp.square(x - jax.lax.stop_gradient(nn.gaussian_blur(x, sigma))), x)


def boundary(x: Pictures, width: int = 5, center: float = 0.5) -> Scalar:
    """Keeps the border grey: Σ (x − center)² over a frame.

    Args:
        x: pictures.
        width: of the frame in pixels.
        center: the value that costs nothing.

    Returns:
        The sum, the mean over the group.

    Raises:
        InputError: unless 0 < width ≤ half of the picture.

    References:
        Carter et al., Activation Atlas, Distill 2019.

    Example:
        >>> boundary(jnp.zeros((1, 4, 4, 1)), 1).item()
        3.0
    """
    h, w = x.shape[1:3]
    if not 0 < width <= min(h, w) // 2:
        raise InputError(
            f"the frame must be 1 ... {min(h, w) // 2} pixels wide, not {width}; make it narrower"
        )
    inner = jnp.pad(jnp.zeros((h - 2 * width, w - 2 * width)), width, constant_values=1.0)
    return _total(jnp.square(x - center) * inner[..., None], x)


def _distance(x: Array, center: float) -> Array:
    # The slope of jnp.abs at 0 is 1, which would push grey pixels.
    return jnp.where(x == center, 0, jnp.abs(x - center))


def _total(values: Array, x: Array) -> Scalar:
    return jnp.sum(values) / x.shape[0]
