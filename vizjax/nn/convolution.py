"""Convolutions whose gradients or speed XLA lacks on CPU."""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from vizjax.nn.switch import by_platform

Pads = Sequence[tuple[int, int]]

FEW_CHANNELS = 4
"""Up to so many, a strided convolution is faster after its steps have become channels."""

BLOCK = 32
"""Channels of the dense blocks that narrow groups are put together to."""


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

    On CPU, depthwise filters are sums of shifted slices, narrow groups are put together, the steps of
    strided filters on pictures become channels, and filters of one pixel, or larger than the map of
    their positions, are a matrix product: forward and gradient are up to 100 times faster than what
    XLA makes of them (``benchmarks/operators.py``). All others, and all elsewhere, are `lax`'s.

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
    options["dimension_numbers"] = ("NHWC", "HWIO", "NHWC")

    def plain(x: Array, kernel: Array) -> Array:
        return lax.conv_general_dilated(
            x, kernel, strides, padding, feature_group_count=groups, **options
        )  # fmt: skip

    if isinstance(padding, str):
        padding = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding)
    pads = tuple((low, high) for low, high in padding)
    fast = None if dilated else _fast_form(x.shape, kernel.shape, strides, pads, groups)
    return by_platform(x, kernel, cpu=fast, default=plain) if fast else plain(x, kernel)


def _fast_form(x: tuple, kernel: tuple, strides: tuple, pads: Pads, groups: int) -> Callable | None:
    """The form for CPU; None for `lax`'s."""
    (kh, kw, each, out), channels = kernel, x[-1]
    tall, wide = _positions(x, kernel, strides, pads)
    if each == 1 and out == channels:
        return lambda x, kernel: _shifted_slices(x, kernel, strides, pads)
    if groups > 1:
        joined = max(1, min(groups, BLOCK // each))
        return partial(_blocks, strides=strides, pads=pads, groups=groups, joined=joined)
    if kh * kw == 1 or kh * kw > tall * wide:
        return partial(_columns, strides=strides, pads=pads)
    if channels <= FEW_CHANNELS and strides[0] == strides[1] > 1:
        return partial(_steps_as_channels, step=strides[0], pads=pads)
    return None


def _positions(x: tuple, kernel: tuple, strides: Sequence[int], pads: Pads) -> list[int]:
    sides = zip(x[1:3], kernel[:2], strides, pads, strict=True)
    return [(length + sum(pad) - size) // step + 1 for length, size, step, pad in sides]


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
    """Sums of slices again, for each step of the filter by itself: a fourth of what padding takes."""
    x, kernel = saved
    (kh, kw), (sh, sw), (n, h, w, c) = kernel.shape[:2], strides, x.shape
    jh, jw = -(-kh // sh), -(-kw // sw)  # taps that fall on the same pixels of a step
    qh, qw = -(-(h + sum(pads[0])) // sh), -(-(w + sum(pads[1])) // sw)
    padded = jnp.pad(g, ((0, 0), (jh - 1, qh - g.shape[1]), (jw - 1, qw - g.shape[2]), (0, 0)))

    def pixels(row: int, column: int) -> Array:
        out = jnp.zeros((n, qh, qw, c), g.dtype)
        for i, j in itertools.product(range((kh - 1 - row) // sh + 1), range((kw - 1 - column) // sw + 1)):
            start = (0, jh - 1 - i, jw - 1 - j, 0)
            seen = lax.slice(padded, start, (n, start[1] + qh, start[2] + qw, c))
            out += seen * kernel[i * sh + row, j * sw + column, 0]
        return out

    rows = [jnp.stack([pixels(row, column) for column in range(sw)], 3) for row in range(sh)]
    wide = jnp.stack(rows, 2).reshape(n, qh * sh, qw * sw, c)
    of_x = wide[:, pads[0][0] : pads[0][0] + h, pads[1][0] : pads[1][0] + w]
    parts = _shifted(x, kernel.shape, strides, pads)
    of_kernel = jnp.stack([jnp.sum(part * g, (0, 1, 2)) for part in parts])
    return of_x, of_kernel.reshape(kernel.shape)


_shifted_slices.defvjp(
    lambda x, kernel, strides, pads: (_shifted_slices(x, kernel, strides, pads), (x, kernel)),
    _shifted_slices_back,
)


def _columns(x: Array, kernel: Array, strides: tuple, pads: Pads) -> Array:
    seen = _shifted(x, kernel.shape, strides, pads)
    columns = seen[0] if len(seen) == 1 else jnp.concatenate(seen, axis=-1)
    return columns @ kernel.reshape(-1, kernel.shape[-1])


def _steps_as_channels(x: Array, kernel: Array, step: int, pads: Pads) -> Array:
    n, h, w, c = x.shape
    kh, kw, _, out = kernel.shape
    tall, wide = _positions(x.shape, kernel.shape, (step, step), pads)
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
    return lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


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
        parts.append(
            lax.conv_general_dilated(
                seen, dense, strides, pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
        )  # fmt: skip
    return jnp.concatenate(parts, axis=-1)
