"""Convolutions whose gradients or speed XLA lacks on CPU."""

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from vizjax.nn.switch import by_platform

Pads = Sequence[tuple[int, int]]

LAYOUT = ("NHWC", "HWIO", "NHWC")

FEW_CHANNELS = 4
"""Up to so many, a strided convolution is faster after its steps have become channels."""

BLOCK = 32
"""Channels of the dense blocks that narrow groups are put together to."""

HEAVY = 32
"""Numbers of a filter for each of its positions, beyond which a matrix product is the faster form."""


def conv(
    x: Float[Array, "n h w i"],
    kernel: Float[Array, "kh kw i2 o"],
    window_strides: Sequence[int] = (1, 1),
    padding: str | Pads = "SAME",
    *,
    feature_group_count: int = 1,
    **options: Any,
) -> Float[Array, "n h2 w2 o"]:
    """A convolution, by the operator that is fastest for its kind where it runs.

    On CPU, depthwise filters are sums of shifted slices, narrow groups are put together, filters of one
    pixel, or with many more numbers than positions, are a matrix product, and so is the gradient of
    strided ones; on pictures their steps become channels for it. Forward and gradient are up to 100
    times faster than what XLA makes of them (``benchmarks/operators.py``). All others, and all
    elsewhere, are `lax`'s.

    Args:
        x: pictures or activations.
        kernel: the filters, of i / feature_group_count channels each.
        window_strides: step of the window along h and w.
        padding: ``"SAME"``, ``"VALID"`` or ((low, high), (low, high)) in pixels.
        feature_group_count: groups of channels that do not mix.
        **options: what else `flax.nnx.Conv` passes on to `jax.lax.conv_general_dilated`, whose place
            this function takes; the fast forms are for its default dilations.

    Returns:
        The filtered array.

    Example:
        >>> conv(jnp.ones((1, 5, 5, 2)), jnp.ones((3, 3, 1, 2)), feature_group_count=2)[0, 2, 2, 0].item()
        9.0
    """
    strides, groups = tuple(window_strides), feature_group_count
    dilated = any(step != 1 for name in ("lhs_dilation", "rhs_dilation") for step in options.get(name) or ())
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding)
    pads = tuple((low, high) for low, high in padding)
    usual = not dilated and min(map(min, pads)) >= 0
    fast = _fast_form(x.shape, kernel.shape, strides, pads, groups) if usual else None
    options |= {"feature_group_count": groups, "dimension_numbers": LAYOUT}
    plain: Any = partial(lax.conv_general_dilated, window_strides=strides, padding=pads, **options)
    return by_platform(x, kernel, cpu=fast, default=plain) if fast else plain(x, kernel)


def _fast_form(x: tuple, kernel: tuple, strides: tuple, pads: Pads, groups: int) -> Callable | None:
    """The form for CPU; None for `lax`'s."""
    (_, _, each, out), channels = kernel, x[-1]
    if each == 1 and out == channels:
        return lambda x, kernel: _shifted_slices(x, kernel, strides, pads)
    if groups > 1:
        joined = max(1, min(groups, BLOCK // each))
        return partial(_blocks, strides=strides, pads=pads, groups=groups, joined=joined)
    if channels <= FEW_CHANNELS and strides[0] == strides[1] > 1:
        return lambda x, kernel: _stem(x, kernel, strides, pads)
    if max(strides) > 1 or _as_columns(x, kernel, strides, pads):
        return lambda x, kernel: _dense(x, kernel, strides, pads)
    return None


def _as_columns(x: tuple, kernel: tuple, strides: tuple, pads: Pads) -> bool:
    numbers, (tall, wide) = math.prod(kernel[:3]), _positions(x, kernel, strides, pads)
    return kernel[0] * kernel[1] == 1 or numbers > HEAVY * tall * wide


def _positions(x: tuple, kernel: tuple, strides: Sequence[int], pads: Pads) -> list[int]:
    sides = zip(x[1:3], kernel[:2], strides, pads, strict=True)
    return [(length + sum(pad) - size) // step + 1 for length, size, step, pad in sides]


def _plain(x: Array, kernel: Array, strides: tuple, pads: Pads) -> Array:
    return lax.conv_general_dilated(x, kernel, strides, pads, dimension_numbers=LAYOUT)


def _shifted(x: Array, kernel: tuple, strides: Sequence[int], pads: Pads) -> list[Array]:
    """What each position of a filter sees of x."""
    tall, wide = _positions(x.shape, kernel, strides, pads)
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    n, (sh, sw), c = x.shape[0], strides, x.shape[-1]
    return [
        lax.slice(x, (0, i, j, 0), (n, i + (tall - 1) * sh + 1, j + (wide - 1) * sw + 1, c), (1, sh, sw, 1))
        for i in range(kernel[0])
        for j in range(kernel[1])
    ]


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _shifted_slices(x: Array, kernel: Array, strides: tuple, pads: Pads) -> Array:
    taps = kernel.reshape(-1, kernel.shape[-1])
    shifted = _shifted(x, kernel.shape, strides, pads)
    return sum((part * tap for part, tap in zip(shifted, taps, strict=True)), jnp.zeros_like(shifted[0]))


def _shifted_slices_back(strides: tuple, pads: Pads, saved: tuple, g: Array) -> tuple[Array, Array]:
    x, kernel = saved
    n, h, w, c = g.shape
    (jh, jw), (qh, qw) = _reach(x.shape, kernel.shape, strides, pads)
    padded = jnp.pad(g, ((0, 0), (jh - 1, qh - h), (jw - 1, qw - w), (0, 0)))  # slices: a fourth of many pads

    def given(i: int, j: int) -> Array:
        start = (0, jh - 1 - i // strides[0], jw - 1 - j // strides[1], 0)
        return lax.slice(padded, start, (n, start[1] + qh, start[2] + qw, c)) * kernel[i, j, 0]

    of_kernel = jnp.stack([jnp.sum(part * g, (0, 1, 2)) for part in _shifted(x, kernel.shape, strides, pads)])
    return _pixels(x.shape, kernel.shape, strides, pads, given), of_kernel.reshape(kernel.shape)


_shifted_slices.defvjp(
    lambda x, kernel, strides, pads: (_shifted_slices(x, kernel, strides, pads), (x, kernel)),
    _shifted_slices_back,
)


def _reach(x: tuple, kernel: tuple, strides: tuple, pads: Pads) -> tuple[list[int], list[int]]:
    """Along h and w: the taps that fall on the same pixel of a step, and the steps that x has."""
    taps = [-(-side // step) for side, step in zip(kernel, strides, strict=False)]
    return taps, [-(-(x[1 + i] + sum(pads[i])) // strides[i]) for i in range(2)]


def _pixels(x: tuple, kernel: tuple, strides: tuple, pads: Pads, given: Callable[[int, int], Array]) -> Array:
    """The gradient with respect to x: what each tap gives to the pixels of its step, summed by steps."""
    (sh, sw), (_, (qh, qw)) = strides, _reach(x, kernel, strides, pads)

    def summed(row: int, column: int) -> Array:
        taps = itertools.product(range(row, kernel[0], sh), range(column, kernel[1], sw))
        return sum((given(i, j) for i, j in taps), jnp.zeros_like(given(0, 0)))

    rows = [jnp.stack([summed(row, column) for column in range(sw)], 3) for row in range(sh)]
    wide = jnp.stack(rows, 2).reshape(x[0], qh * sh, qw * sw, x[3])
    return wide[:, pads[0][0] : pads[0][0] + x[1], pads[1][0] : pads[1][0] + x[2]]


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _dense(x: Array, kernel: Array, strides: tuple, pads: Pads) -> Array:
    if not _as_columns(x.shape, kernel.shape, strides, pads):
        return _plain(x, kernel, strides, pads)
    seen = _shifted(x, kernel.shape, strides, pads)
    columns = seen[0] if len(seen) == 1 else jnp.concatenate(seen, axis=-1)
    return columns @ kernel.reshape(-1, kernel.shape[-1])


def _dense_back(strides: tuple, pads: Pads, saved: tuple, g: Array) -> tuple[Array, Array]:
    """What each tap of the filters gives to the pixels, by one product, and the sums of these."""
    x, kernel = saved
    kh, kw, each, out = kernel.shape
    of_taps = lax.dot_general(g, kernel.reshape(-1, out), (((3,), (1,)), ((), ())))
    of_taps = of_taps.reshape(*g.shape[:3], kh, kw, each)
    _, (qh, qw) = _reach(x.shape, kernel.shape, strides, pads)

    def given(i: int, j: int) -> Array:
        a, b = i // strides[0], j // strides[1]
        sides = ((0, 0, 0), (a, qh - g.shape[1] - a, 0), (b, qw - g.shape[2] - b, 0), (0, 0, 0))
        return lax.pad(of_taps[:, :, :, i, j], jnp.zeros((), g.dtype), sides)

    of_kernel = jax.linear_transpose(lambda kernel: _plain(x, kernel, strides, pads), kernel)
    return _pixels(x.shape, kernel.shape, strides, pads, given), of_kernel(g)[0]


_dense.defvjp(lambda x, kernel, strides, pads: (_dense(x, kernel, strides, pads), (x, kernel)), _dense_back)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _stem(x: Array, kernel: Array, strides: tuple, pads: Pads) -> Array:
    return _plain(x, kernel, strides, pads)


def _stem_back(strides: tuple, pads: Pads, saved: tuple, g: Array) -> tuple[Array, Array]:
    _, back = jax.vjp(lambda x, kernel: _steps_as_channels(x, kernel, strides, pads), *saved)
    return back(g)


_stem.defvjp(lambda x, kernel, strides, pads: (_stem(x, kernel, strides, pads), (x, kernel)), _stem_back)


def _steps_as_channels(x: Array, kernel: Array, strides: tuple, pads: Pads) -> Array:
    n, h, w, c = x.shape
    kh, kw, _, out = kernel.shape
    step = strides[0]
    tall, wide = _positions(x.shape, kernel.shape, strides, pads)
    qh, qw = -(-kh // step), -(-kw // step)
    # As many pixels as the filters see, each rounded up to whole steps; some may see none of the last.
    sides = [
        (low, max(0, (count + q - 1) * step - length - low))
        for count, q, length, (low, _) in zip((tall, wide), (qh, qw), (h, w), pads, strict=True)
    ]
    x = jnp.pad(x, ((0, 0), *sides, (0, 0)))[:, : (tall + qh - 1) * step, : (wide + qw - 1) * step]
    x = x.reshape(n, tall + qh - 1, step, wide + qw - 1, step, c).swapaxes(2, 3)
    kernel = jnp.pad(kernel, ((0, qh * step - kh), (0, qw * step - kw), (0, 0), (0, 0)))
    kernel = kernel.reshape(qh, step, qw, step, c, out).swapaxes(1, 2).reshape(qh, qw, -1, out)
    x = x.reshape(*x.shape[:3], -1)
    return _dense(x, kernel, (1, 1), ((0, 0), (0, 0)))


def _blocks(x: Array, kernel: Array, strides: tuple, pads: Pads, groups: int, joined: int) -> Array:
    """Groups side by side in dense filters that are zero between them."""
    kh, kw, each, out = kernel.shape
    kernel = kernel.reshape(kh, kw, each, groups, out // groups)
    parts = []
    for first in range(0, groups, joined):
        filters = kernel[:, :, :, first : first + joined]
        count = filters.shape[3]
        same = jnp.eye(count, dtype=kernel.dtype)[:, None, :, None]
        dense = (filters.swapaxes(2, 3)[:, :, :, :, None] * same).reshape(kh, kw, count * each, -1)
        seen = x[..., first * each : (first + count) * each]
        parts.append((_dense if max(strides) > 1 else _plain)(seen, dense, strides, pads))
    return jnp.concatenate(parts, axis=-1)
