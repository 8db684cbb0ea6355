"""Pooling, with the paddings and rounding of the frameworks that the nets come from."""

import functools
import itertools
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from vizjax.nn.switch import by_platform

Pads = Sequence[tuple[int, int]]
Padding = int | str | Pads

GATHERED = 4
"""Up to this side and step windows are compared pixel by pixel, larger ones along w and then along h.

A place in such a window and its surroundings fits in one byte.
"""


def max_pool(
    x: Float[Array, "n h w c"], window: int, stride: int, padding: Padding = 0, ceil: bool = False
) -> Float[Array, "n h2 w2 c"]:
    """Largest value in each window; what is padded is never the largest.

    Where several are the largest, the gradient goes to the first, as in `lax` and PyTorch. On CPU it
    is a few comparisons of slices, and each pixel gathers its gradient from the windows that it is in:
    5 to 15 times faster than XLA's (``benchmarks/operators.py``). Differentiate forward, as with
    `conv`, inside `lax_only`.

    Args:
        x: pictures or activations.
        window: side of the window.
        stride: its step.
        padding: pixels on every side, ``"SAME"``, ``"VALID"`` or ((low, high), (low, high)).
        ceil: whether a last window that reaches beyond the picture counts, as in Caffe.

    Returns:
        The pooled array.

    Example:
        >>> max_pool(jnp.arange(9.0).reshape(1, 3, 3, 1), 2, 2, ceil=True)[0, :, :, 0].tolist()
        [[4.0, 5.0], [7.0, 8.0]]
    """
    pads = tuple(_pads(x.shape[1:3], window, stride, padding, ceil))
    reduced = functools.partial(_reduced, lax.max, -jnp.inf, window, stride, pads)
    some = all(length + sum(pad) >= window for length, pad in zip(x.shape[1:3], pads, strict=True))
    if some and max(window, stride) <= GATHERED:
        fast = functools.partial(_largest, window, stride, pads, x.shape[1:3])
    else:
        fast = functools.partial(_folded, _first_largest, -jnp.inf, window, stride, pads)
    return by_platform(x, cpu=fast, default=reduced)


def avg_pool(
    x: Float[Array, "n h w c"], window: int, stride: int, padding: Padding = 0
) -> Float[Array, "n h2 w2 c"]:
    """Mean of each window, in which padded pixels count as zeros.

    Args:
        x: pictures or activations.
        window: side of the window.
        stride: its step.
        padding: as in `max_pool`.

    Returns:
        The pooled array.

    Example:
        >>> avg_pool(jnp.ones((1, 2, 2, 1)), 2, 1, padding=1)[0, 0, :, 0].tolist()
        [0.25, 0.5, 0.25]
    """
    windows = (0.0, window, stride, _pads(x.shape[1:3], window, stride, padding, False))
    folded = functools.partial(_folded, jnp.add, *windows)
    return by_platform(x, cpu=folded, default=functools.partial(_reduced, lax.add, *windows)) / window**2


def adaptive_avg_pool(x: Float[Array, "n h w c"], size: int) -> Float[Array, "n size size c"]:
    """Means over size × size regions that cover the picture evenly, whatever its own size.

    Args:
        x: pictures or activations.
        size: side of the result; region i runs from ⌊i·h/size⌋ to ⌈(i + 1)·h/size⌉, as in PyTorch.

    Returns:
        The pooled array; ``x`` itself where it has that size already.

    Example:
        >>> adaptive_avg_pool(jnp.arange(9.0).reshape(1, 3, 3, 1), 2)[0, :, :, 0].tolist()
        [[2.0, 3.0], [5.0, 6.0]]
    """
    for axis in (1, 2):
        if x.shape[axis] not in (0, size):
            shares = jnp.asarray(_shares(x.shape[axis], size), x.dtype)
            product = jnp.tensordot(shares, x, (1, axis), precision=lax.Precision.HIGHEST)
            x = jnp.moveaxis(product, 0, axis)
    return x


def local_response_norm(
    x: Float[Array, "n h w c"], size: int, alpha: float, beta: float, k: float = 1.0
) -> Float[Array, "n h w c"]:
    """Divides each value by a power of the mean square of neighbouring channels.

    x / (k + alpha/size · Σ x²)^beta, the sum over ``size`` channels around its own.

    Args:
        x: activations.
        size: channels in the sum, odd.
        alpha: weight of the mean square (Caffe's and PyTorch's; TensorFlow's is alpha/size).
        beta: the power.
        k: the constant.

    Returns:
        The normalized array.

    References:
        Krizhevsky et al., ImageNet classification with deep convolutional neural networks, 2012.

    Example:
        >>> (1 / local_response_norm(jnp.ones((1, 1, 1, 3)), 3, 3.0, 1.0))[0, 0, 0].round().tolist()
        [3.0, 4.0, 3.0]
    """
    channels = np.arange(x.shape[-1])
    near = abs(channels[:, None] - channels) <= size // 2
    total = jnp.dot(jnp.square(x), jnp.asarray(near, x.dtype), precision=lax.Precision.HIGHEST)
    return x * (k + alpha / size * total) ** -beta


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2, 3))
def _largest(window: int, stride: int, pads: Pads, sides: tuple[int, int], x: Array) -> Array:
    """Max-pooling of an array with these sides along h and w."""
    return functools.reduce(jnp.maximum, _seen(window, stride, pads, x))


def _largest_and_place(window: int, stride: int, pads: Pads, sides: tuple, x: Array) -> tuple[Array, Array]:
    """The same, and for the gradient where in its window each is, in one byte."""
    across = _reach(window, stride) * stride
    largest, *others = _seen(window, stride, pads, x)
    place = jnp.zeros(largest.shape, jnp.int8)
    for k, other in enumerate(others, 1):
        stays = _comes_first(largest, other)
        largest = jnp.where(stays, largest, other)
        place = jnp.where(stays, place, jnp.int8(k // window * across + k % window))
    return largest, place


def _largest_back(
    window: int, stride: int, pads: Pads, sides: tuple[int, int], place: Array, g: Array
) -> tuple[Array]:
    """What a pixel gathers: of the windows around it, those whose largest it is."""
    (n, _, _, c), (h, w), reach = g.shape, sides, _reach(window, stride)
    qh, qw = (-(-(length + sum(pad)) // stride) for length, pad in zip(sides, pads, strict=True))
    wider = ((0, 0), (reach - 1, qh - g.shape[1]), (reach - 1, qw - g.shape[2]), (0, 0))
    g, place = jnp.pad(g, wider), jnp.pad(place, wider)
    # Pixels of a step see the same windows from other places: h and w are both split in two axes.
    row = jnp.arange(stride, dtype=jnp.int8)[:, None, None, None]
    column = jnp.arange(stride, dtype=jnp.int8)[:, None]
    out = jnp.zeros((n, qh, stride, qw, stride, c), g.dtype)
    for i, j in itertools.product(range(reach), range(reach)):
        top, left = reach - 1 - i, reach - 1 - j
        part = (slice(None), slice(top, top + qh), None, slice(left, left + qw), None)
        here = (row + i * stride) * (reach * stride) + column + j * stride
        out += jnp.where(place[part] == here, g[part], 0)
    out = out.reshape(n, qh * stride, qw * stride, c)
    return (out[:, pads[0][0] : pads[0][0] + h, pads[1][0] : pads[1][0] + w],)


_largest.defvjp(_largest_and_place, _largest_back)


def _reach(window: int, stride: int) -> int:
    """Windows that a pixel is in, along one axis, at most."""
    return -(-window // stride)


def _seen(window: int, stride: int, pads: Pads, x: Array) -> list[Array]:
    """What each place of a window sees of x, row by row."""
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)), constant_values=-jnp.inf)
    tall, wide = ((length - window) // stride * stride + 1 for length in x.shape[1:3])
    places = itertools.product(range(window), range(window))
    return [x[:, i : i + tall : stride, j : j + wide : stride] for i, j in places]


def _comes_first(a: Array, b: Array) -> Array:
    return (a >= b) | jnp.isnan(a)


def _first_largest(a: Array, b: Array) -> Array:
    return jnp.where(_comes_first(a, b), a, b)


def _reduced(function: Callable, start: float, window: int, stride: int, pads: Pads, x: Array) -> Array:
    sides, steps = (1, window, window, 1), (1, stride, stride, 1)
    return lax.reduce_window(x, start, function, sides, steps, ((0, 0), *pads, (0, 0)))


def _folded(function: Callable, start: float, window: int, stride: int, pads: Pads, x: Array) -> Array:
    """The same, first along w and then along h, so that the first of equals is the first row's."""
    for axis, (low, high) in ((2, pads[1]), (1, pads[0])):
        length = x.shape[axis]
        count = max(0, (length + low + high - window) // stride + 1)
        whole = (count + (window - 1) // stride) * stride  # each stride's pixels side by side
        wider = [(0, 0)] * 4
        wider[axis] = (low, max(0, whole - length - low))
        x = lax.slice_in_dim(jnp.pad(x, wider, constant_values=start), 0, whole, axis=axis)
        x = x.reshape(*x.shape[:axis], whole // stride, stride, *x.shape[axis + 1 :])
        phases = [lax.index_in_dim(x, j, axis + 1, keepdims=False) for j in range(stride)]
        shifts = [divmod(j, stride) for j in range(window)]
        x = functools.reduce(
            function, [lax.slice_in_dim(phases[j], i, i + count, axis=axis) for i, j in shifts]
        )
    return x


def _shares(length: int, size: int) -> np.ndarray:
    """What each of ``length`` pixels adds to each of ``size`` means."""
    shares = np.zeros((size, length))
    for i in range(size):
        first, last = i * length // size, -(-(i + 1) * length // size)
        shares[i, first:last] = 1 / (last - first)
    return shares


def _pads(shape: Sequence[int], window: int, stride: int, padding: Padding, ceil: bool) -> Pads:
    if isinstance(padding, str):
        return lax.padtype_to_pads(shape, (window, window), (stride, stride), padding)
    if not isinstance(padding, int):
        return padding
    pads = []
    for length in shape:
        over = 0
        if ceil:
            positions = math.ceil((length + 2 * padding - window) / stride) + 1
            # A last window that would see padding alone does not count.
            positions -= (positions - 1) * stride >= length + padding
            over = max(0, (positions - 1) * stride + window - length - 2 * padding)
        pads.append((padding, padding + over))
    return pads
