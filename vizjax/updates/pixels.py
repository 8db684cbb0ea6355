"""Operators on the picture after each step, as Optax transformations.

``optax.chain(optax.sgd(1.0), periodic_blur(0.5, 4), clip_small_norm(50))``: each operator sees the picture
as the ones before it leave it, and changes it further. They work on `vizjax.images.pixels` only.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from vizjax import nn
from vizjax.errors import InputError
from vizjax.factory import factory


class Count(NamedTuple):
    """The state of these operators: the number of updates so far."""

    steps: Array


Operator = Callable[[Array, Array, Any], Array]


def _pixel_operator(name: str, operate: Operator) -> optax.GradientTransformationExtraArgs:
    """``operate(picture after the update, updates so far, image gradient)`` as a transformation."""

    def init(params: Any) -> Count:
        return Count(jnp.zeros((), jnp.int32))

    def update(
        updates: Any, state: Count, params: Any = None, *, image_gradient: Array | float = 0.0, **extra: Any
    ) -> tuple[Any, Count]:
        shape = getattr(params, "shape", ())
        if len(shape) != 4 or jnp.shape(image_gradient) not in ((), shape):
            raise InputError(
                f"{name} works on pixels, and these parameters are something else "
                f"({jax.tree.map(jnp.shape, params)}); use image=vizjax.images.pixels(...)"
            )
        new = operate(params + updates, state.steps, image_gradient)
        return new - params, Count(state.steps + 1)

    init.recipe = name  # type: ignore[attr-defined]
    return optax.GradientTransformationExtraArgs(init, update)


@factory
def periodic_blur(sigma: float, every: int = 4) -> optax.GradientTransformationExtraArgs:
    """Blurs the picture in every so-many-th step, the first included.

    Args:
        sigma: standard deviation in pixels.
        every: the period in steps, ≥ 1.

    Returns:
        An Optax transformation.

    Raises:
        InputError: at a period below 1, where `vizjax.nn.gaussian_radius` does, or on parameters
            that are not pixels.

    References:
        Yosinski et al., Understanding Neural Networks Through Deep Visualization, 2015.

    Example:
        >>> blur = periodic_blur(1.0, every=1)
        >>> picture = jnp.eye(8)[None, :, :, None]
        >>> change, _ = blur.update(0 * picture, blur.init(picture), picture)
        >>> round((picture + change).max().item(), 2)
        0.5
    """
    if every < 1:
        raise InputError(f"a period is 1 step or more, not {every}")
    nn.gaussian_radius(sigma)  # raises now rather than in the first step
    blurred = functools.partial(nn.gaussian_blur, sigma=sigma)
    return _pixel_operator("periodic_blur", lambda x, count, _: jnp.where(count % every == 0, blurred(x), x))


@factory
def decay(rate: float, center: float = 0.5) -> optax.GradientTransformationExtraArgs:
    """Fades the picture towards grey: (pixel − center) · (1 − rate).

    Args:
        rate: share that is lost in each step, 0 … 1.
        center: the grey.

    Returns:
        An Optax transformation.

    Raises:
        InputError: at a rate outside 0 … 1, or on parameters that are not pixels.

    References:
        Yosinski et al., Understanding Neural Networks Through Deep Visualization, 2015 (L2 decay).

    Example:
        >>> fade = decay(0.5)
        >>> picture = jnp.ones((1, 2, 2, 1))
        >>> change, _ = fade.update(0 * picture, fade.init(picture), picture)
        >>> (picture + change)[0, 0, 0].item()
        0.75
    """
    if not 0 <= rate <= 1:
        raise InputError(f"a decay is 0 ... 1 of the picture in each step, not {rate}")
    return _pixel_operator("decay", lambda x, count, _: center + (1 - rate) * (x - center))


@factory
def clip_pixels(low: float = 0.0, high: float = 1.0) -> optax.GradientTransformationExtraArgs:
    """Keeps every value in the range of pictures.

    Args:
        low: the smallest value.
        high: the largest.

    Returns:
        An Optax transformation.

    Raises:
        InputError: unless low < high, or on parameters that are not pixels.

    Example:
        >>> clip = clip_pixels()
        >>> picture = jnp.ones((1, 2, 2, 1))
        >>> change, _ = clip.update(3 * picture, clip.init(picture), picture)
        >>> (picture + change)[0, 0, 0].item()
        1.0
    """
    if not low < high:
        raise InputError(f"the range of pixels is from low up to high, not {low} ... {high}")
    return _pixel_operator("clip_pixels", lambda x, count, _: jnp.clip(x, low, high))


@factory
def clip_small_norm(percent: float, center: float = 0.5) -> optax.GradientTransformationExtraArgs:
    """Sets the pixels of the smallest norm to grey.

    Args:
        percent: share of each picture's pixels, 0 … 100, by the norm of (pixel − center).
        center: the grey from which norms are taken.

    Returns:
        An Optax transformation.

    Raises:
        InputError: at a share outside 0 … 100, or on parameters that are not pixels.

    References:
        Yosinski et al., Understanding Neural Networks Through Deep Visualization, 2015.

    Example:
        >>> clip = clip_small_norm(50)
        >>> picture = jnp.linspace(0.5, 1, 16).reshape(1, 4, 4, 1)
        >>> change, _ = clip.update(0 * picture, clip.init(picture), picture)
        >>> int((picture + change == 0.5).sum())
        8
    """
    _check_percent(percent)

    def operate(x: Array, count: Array, _: Any) -> Array:
        norm = jnp.sqrt(jnp.sum(jnp.square(x - center), axis=-1, keepdims=True))
        return jnp.where(_below(norm, percent), center, x)

    return _pixel_operator("clip_small_norm", operate)


@factory
def clip_small_contribution(percent: float, center: float = 0.5) -> optax.GradientTransformationExtraArgs:
    """Sets the pixels that matter least to grey: those of the smallest |Σ_c gradient · pixel|.

    Args:
        percent: share of each picture's pixels, 0 … 100.
        center: the grey from which pixels are measured.

    Returns:
        An Optax transformation; it needs ``image_gradient`` among the extra arguments, which
        `vizjax.render` passes.

    Raises:
        InputError: at a share outside 0 … 100, without ``image_gradient``, or on parameters that
            are not pixels.

    References:
        Yosinski et al., Understanding Neural Networks Through Deep Visualization, 2015.

    Example:
        >>> clip = clip_small_contribution(50)
        >>> picture, slope = jnp.ones((1, 4, 4, 1)), jnp.arange(16.0).reshape(1, 4, 4, 1)
        >>> change, _ = clip.update(0 * picture, clip.init(picture), picture, image_gradient=slope)
        >>> int((picture + change == 0.5).sum())
        8
    """
    _check_percent(percent)

    def operate(x: Array, count: Array, image_gradient: Array | float) -> Array:
        if jnp.ndim(image_gradient) == 0:
            raise InputError("clip_small_contribution needs image_gradient=…; vizjax.render passes it")
        contribution = jnp.abs(jnp.sum(image_gradient * (x - center), axis=-1, keepdims=True))
        return jnp.where(_below(contribution, percent), center, x)

    return _pixel_operator("clip_small_contribution", operate)


@factory
def project_norm_ball(
    radius: float, center: float = 0.5, each_pixel: bool = False
) -> optax.GradientTransformationExtraArgs:
    """Keeps a picture, or each of its pixels, within a Euclidean ball about grey.

    Args:
        radius: of the ball, > 0.
        center: the ball's middle.
        each_pixel: whether the rule is for every pixel's colour rather than for whole pictures.

    Returns:
        An Optax transformation.

    Raises:
        InputError: at a radius that is not positive, or on parameters that are not pixels.

    References:
        Mahendran & Vedaldi, Visualizing Deep Convolutional Neural Networks Using Natural
        Pre-Images, IJCV 2016 (each pixel).

    Example:
        >>> ball = project_norm_ball(1.0, center=0.0)
        >>> picture = jnp.ones((1, 2, 2, 1))
        >>> change, _ = ball.update(0 * picture, ball.init(picture), picture)
        >>> (picture + change)[0, 0, 0].item()
        0.5
    """
    if radius <= 0:
        raise InputError(f"a ball's radius must be positive, not {radius}")
    axes = (-1,) if each_pixel else (-3, -2, -1)

    def operate(x: Array, count: Array, _: Any) -> Array:
        norm = jnp.sqrt(jnp.sum(jnp.square(x - center), axis=axes, keepdims=True))
        return jnp.where(norm > radius, center + (x - center) * (radius / jnp.maximum(norm, radius)), x)

    return _pixel_operator("project_norm_ball", operate)


def _check_percent(percent: float) -> None:
    if not 0 <= percent <= 100:
        raise InputError(f"a share is 0 ... 100 percent, not {percent}")


def _below(values: Float[Array, "n h w 1"], percent: float) -> Array:
    return values < jnp.percentile(values, percent, axis=(-3, -2, -1), keepdims=True)
