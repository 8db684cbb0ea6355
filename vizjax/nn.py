"""Operators whose gradients or speed XLA lacks, and the rules for non-linearities.

Nets and image operators call these. Each picks, per platform, the form that was measured to be
fastest there; inside `lax_only` all of them are plain `lax`, which also allows forward mode.
"""

import contextlib
import contextvars
import functools
import math
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from vizjax.errors import InputError
from vizjax.factory import factory

Rectify = Callable[..., Array]
"""A rule ``(f, x, step=0) -> f(x)`` that applies a non-linearity and may change its gradient."""

_lax_only = contextvars.ContextVar("lax_only", default=False)


@contextlib.contextmanager
def lax_only() -> Iterator[None]:
    """Within this context functions are traced with the plain `lax` operators only.

    They are slower on CPU and can be differentiated in forward mode (`jax.jvp`).

    Example:
        >>> with lax_only():
        ...     _, slope = jax.jvp(lambda x: gaussian_blur(x * jnp.ones((1, 4, 4, 1)), 1.0), (1.0,), (1.0,))
        >>> slope.shape
        (1, 4, 4, 1)
    """
    token = _lax_only.set(True)
    try:
        yield
    finally:
        _lax_only.reset(token)


def uses_lax_only() -> bool:
    """Whether functions traced now use the plain `lax` operators (part of every cache's key).

    Returns:
        True inside `lax_only`.

    Example:
        >>> uses_lax_only()
        False
    """
    return _lax_only.get()


def depthwise_conv(
    x: Float[Array, "n h w c"],
    kernel: Float[Array, "kh kw 1 c"],
    window_strides: Sequence[int] = (1, 1),
    padding: str | Sequence[tuple[int, int]] = "SAME",
    **options: object,
) -> Float[Array, "n h2 w2 c"]:
    """Depthwise convolution: each channel with its own filter.

    On CPU it is a sum of k² shifted slices, 10 to 30 times faster than XLA's grouped convolution
    and its gradient (``benchmarks/operators.py``).

    Args:
        x: pictures or activations.
        kernel: one filter a channel.
        window_strides: step of the window along h and w.
        padding: ``"SAME"``, ``"VALID"`` or ((low, high), (low, high)) in pixels.
        **options: what `flax.nnx.Conv` passes on to `jax.lax.conv_general_dilated`, whose place
            this function takes; only its default dilations are supported by the fast form.

    Returns:
        The filtered array.

    Example:
        >>> depthwise_conv(jnp.ones((1, 5, 5, 2)), jnp.ones((3, 3, 1, 2)))[0, 2, 2, 0].item()
        9.0
    """
    strides = tuple(window_strides)

    def plain(x: Array, kernel: Array) -> Array:
        return lax.conv_general_dilated(
            x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=x.shape[-1],
        )  # fmt: skip

    if uses_lax_only():
        return plain(x, kernel)
    shifted = functools.partial(_shifted_slices, strides=strides, padding=padding)
    return lax.platform_dependent(x, kernel, cpu=shifted, default=plain)


def _shifted_slices(x: Array, kernel: Array, strides: tuple, padding: str | Sequence) -> Array:
    kh, kw = kernel.shape[:2]
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(x.shape[1:3], (kh, kw), strides, padding)
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    n, h, w, c = x.shape
    (sh, sw), oh, ow = strides, (h - kh) // strides[0] + 1, (w - kw) // strides[1] + 1
    out = jnp.zeros((n, oh, ow, c), x.dtype)
    for i in range(kh):
        for j in range(kw):
            end = (n, i + (oh - 1) * sh + 1, j + (ow - 1) * sw + 1, c)
            out += lax.slice(x, (0, i, j, 0), end, (1, sh, sw, 1)) * kernel[i, j, 0]
    return out


def gaussian_radius(sigma: float, epsilon: float = 1e-3) -> float:
    """Distance in pixels at which a Gaussian of width ``sigma`` has fallen to ``epsilon``.

    The solution x of G(x) = ε for G(x) = exp(−x²/2σ²) / (σ√2π); a kernel that keeps everything
    above ε has 2⌈x⌉ + 1 taps.

    Args:
        sigma: standard deviation in pixels, > 0.
        epsilon: density below which the tail is dropped, > 0.

    Returns:
        The distance in pixels.

    Raises:
        InputError: where the Gaussian is nowhere as high as ε (εσ√2π ≥ 1).

    References:
        Palacio et al., What do deep networks like to see?, CVPR 2018.

    Example:
        >>> round(gaussian_radius(2.0), 4)
        6.5089
    """
    if sigma <= 0 or epsilon <= 0 or epsilon * sigma * math.sqrt(2 * math.pi) >= 1:
        raise InputError(
            f"a Gaussian of sigma {sigma} never reaches {epsilon}: the rule is "
            f"0 < epsilon * sigma * sqrt(2 pi) < 1; choose a smaller epsilon or a positive sigma"
        )
    return sigma * math.sqrt(-2 * (math.log(epsilon * sigma) + math.log(math.sqrt(2 * math.pi))))


def gaussian_blur(
    x: Float[Array, "*batch h w c"], sigma: float | Float[Array, ""], largest: float | None = None
) -> Float[Array, "*batch h w c"]:
    """Gaussian blur with mirrored edges (d c b a | a b c d | d c b a).

    Args:
        x: pictures.
        sigma: standard deviation in pixels; may be traced where ``largest`` is given.
        largest: the largest ``sigma`` that will come, from which the number of taps is taken.

    Returns:
        Pictures of the same shape.

    Raises:
        InputError: where `gaussian_radius` does.

    Example:
        >>> gaussian_blur(jnp.ones((1, 8, 8, 3)), 1.0).max().round(3).item()
        1.0
    """
    radius = math.ceil(gaussian_radius(float(sigma) if largest is None else largest))
    offsets = np.arange(-radius, radius + 1)
    taps = jnp.exp(-(offsets**2) / (2 * jnp.square(jnp.asarray(sigma, x.dtype))))
    taps = jnp.broadcast_to((taps / taps.sum())[:, None, None, None], (*offsets.shape, 1, 1, x.shape[-1]))
    flat = x.reshape(-1, *x.shape[-3:])
    flat = jnp.pad(flat, ((0, 0), (radius, radius), (radius, radius), (0, 0)), mode="symmetric")
    flat = depthwise_conv(flat, taps, padding="VALID")
    return depthwise_conv(flat, taps.swapaxes(0, 1), padding="VALID").reshape(x.shape)


def plain(f: Callable[[Array], Array], x: Array, step: object = 0) -> Array:
    """The rule that leaves non-linearities as they are: ``f(x)``.

    Args:
        f: an element-wise non-linearity.
        x: its input.
        step: unused; every rule takes it.

    Returns:
        ``f(x)``.

    Example:
        >>> plain(jax.nn.relu, jnp.array(-1.0)).item()
        0.0
    """
    return f(x)


@factory
def redirected(steps: int = 16) -> Rectify:
    """The rule that revives dead units: gradients pass saturated non-linearities at first.

    Where the gradient of one non-linearity is zero over a whole picture, it is passed at the
    saturated places where following it leads back into the live range (ReLU below 0, ReLU6 below
    0 and above 6). From ``steps`` on the rule is `plain`.

    Args:
        steps: number of first steps in which the rule acts.

    Returns:
        A rule ``(f, x, step=0) -> f(x)``; ``step`` may be traced, one value a job.

    References:
        Lucid's redirected ReLU; Olah et al., Feature Visualization, Distill 2017.

    Example:
        >>> rule = redirected(16)
        >>> loss = lambda x: -rule(jax.nn.relu, x, 0).sum()
        >>> jax.grad(loss)(-jnp.ones((1, 2, 2, 1))).sum().item()
        -4.0
    """

    def rule(f: Callable[[Array], Array], x: Array, step: object = 0) -> Array:
        return _revived(f, x, jnp.asarray(step) < steps)

    return rule


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _revived(f: Callable[[Array], Array], x: Float[Array, " n *rest"], on: Bool[Array, ""]) -> Array:
    return f(x)


def _revived_backward(f: Callable, saved: tuple, g: Array) -> tuple[Array, None]:
    def ordinary(x: Array, g: Array) -> Array:
        return jax.vjp(f, x)[1](g)[0]

    def revived(x: Array, g: Array) -> Array:
        # g belongs to a loss that is minimized: a step along -g raises x where g < 0.
        saturated = ordinary(x, jnp.ones_like(x)) == 0
        through = ordinary(x, g)
        dead = jnp.all(through == 0, axis=range(1, x.ndim), keepdims=True)
        inward = jnp.where(x <= 0, g < 0, g > 0)
        return jnp.where(dead & saturated & inward, g, through)

    on, x = saved
    return _where_any(on, x, g, revived, ordinary), None


_revived.defvjp(lambda f, x, on: (f(x), (on, x)), _revived_backward)


def _where_any(on: Array, x: Array, g: Array, yes: Callable, no: Callable) -> Array:
    """``where(on, yes(x, g), no(x, g))`` that under vmap computes ``yes`` only while any lane is on.

    Finding dead units costs as much as the rest of a step, and after the first steps nobody asks.
    """

    @jax.custom_batching.custom_vmap
    def choose(on: Array, x: Array, g: Array) -> Array:
        return lax.cond(on, yes, no, x, g)

    @choose.def_vmap
    def _(size: int, batched: list[bool], on: Array, x: Array, g: Array) -> tuple[Array, bool]:
        x, g = (
            a if b else jnp.broadcast_to(a, (size, *a.shape))
            for a, b in zip((x, g), batched[1:], strict=True)
        )
        if not batched[0]:  # more pictures under one flag
            flat = [a.reshape(-1, *a.shape[2:]) for a in (x, g)]
            return choose(on, *flat).reshape(x.shape), True

        def either(on: Array, x: Array, g: Array) -> Array:
            return jnp.where(on, yes(x, g), no(x, g))

        some = lambda: jax.vmap(either)(on, x, g)  # noqa: E731
        return lax.cond(jnp.any(on), some, lambda: jax.vmap(no)(x, g)), True

    return choose(on, x, g)
