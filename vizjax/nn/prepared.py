"""Nets made ready for many steps: what can be calculated from weights once is not done in every step."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from vizjax.nn.convolution import conv
from vizjax.nn.switch import by_platform, uses_lax_only
from vizjax.nn.winograd import winograd_conv, winograd_filters

WIDE = 2**15
"""Input times output channels from which Winograd's scheme is the faster one on CPU."""


class Filters(NamedTuple):
    """The filters of a convolution of stride 1 in both directions, in the form that is faster.

    Attributes:
        forward: for the convolution: as they are, or for `winograd_conv`.
        backward: for its gradient, which is a convolution too, by turned and transposed filters.
    """

    forward: Array
    backward: Array


def prepared(net: Any) -> Any:
    """Nets whose convolutions of stride 1 carry what their gradients and Winograd's scheme need.

    XLA would turn and transpose the filters in each step. On CPU; elsewhere, and inside `lax_only`,
    nets are returned as they are. What was made is kept for as long as the weights live.

    Args:
        net: a Flax NNX net, or a pytree of nets; it is not changed.

    Returns:
        Nets that compute the same, with more arrays.

    Example:
        >>> conv = nnx.Conv(256, 256, (3, 3), rngs=nnx.Rngs(0))
        >>> [leaf.shape for leaf in jax.tree.leaves(prepared(conv))][1:]
        [(6, 6, 256, 256), (6, 6, 256, 256), (3, 3, 256, 256)]
    """
    if uses_lax_only() or jax.default_backend() != "cpu":
        return net
    return jax.tree.map(_ready, net, is_leaf=lambda part: isinstance(part, nnx.Conv))


class Prepared(nnx.Module):
    """What a `flax.nnx.Conv` convolves with once its filters have been prepared."""

    def __init__(self, filters: Filters):
        self.filters = nnx.data(filters)

    def __call__(
        self, x: Float[Array, "n h w i"], kernel: Float[Array, "kh kw i o"], *where: Any, **options: Any
    ) -> Float[Array, "n h w o"]:
        """Takes the place of `jax.lax.conv_general_dilated`."""
        if x.dtype != kernel.dtype or x.dtype != self.filters.forward.dtype:
            return conv(x, kernel, *where, **options)

        def default(x: Array, kernel: Array, *_: Array) -> Array:
            return conv(x, kernel, *where, **options)

        fast = _direct if self.filters.forward.shape == kernel.shape else _winograd
        return by_platform(x, kernel, *self.filters, cpu=fast, default=default)


def _with_gradient(convolve: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    """``convolve(x, forward)`` whose gradient with respect to x is ``convolve(g, backward)``."""

    @jax.custom_vjp
    def convolved(x: Array, kernel: Array, forward: Array, backward: Array) -> Array:
        return convolve(x, forward)

    def ahead(x: Array, kernel: Array, forward: Array, backward: Array) -> tuple[Array, tuple]:
        return convolve(x, forward), (x, kernel, backward)

    def back(saved: tuple, g: Array) -> tuple[Array, Array, None, None]:
        x, kernel, backward = saved
        _, of_kernel = jax.vjp(lambda kernel: conv(x, kernel), kernel)
        return convolve(g, backward), of_kernel(g)[0], None, None

    convolved.defvjp(ahead, back)
    return convolved


_direct, _winograd = _with_gradient(conv), _with_gradient(winograd_conv)


def _ready(part: Any) -> Any:
    if not isinstance(part, nnx.Conv) or not _fits(part):
        return part
    ready = jax.tree.unflatten(jax.tree.structure(part), jax.tree.leaves(part))
    ready.conv_general_dilated = nnx.data(Prepared(_filters(part.kernel[...])))
    return ready


def _fits(part: nnx.Conv) -> bool:
    """Whether it is a convolution in float32 of stride 1 that keeps the size, by filters of odd sides."""
    kernel = part.kernel[...]
    if part.conv_general_dilated not in (conv, lax.conv_general_dilated):
        return False  # somebody's own, which may do anything
    if not isinstance(kernel, jax.Array) or isinstance(kernel, jax.core.Tracer) or kernel.ndim != 4:
        return False
    sides, padding = np.array(kernel.shape[:2]), part.padding
    keeps = padding == "SAME" or (
        not isinstance(padding, str)
        and np.array_equal(np.broadcast_to(_pairs(padding), (2, 2)), np.stack([sides // 2] * 2, 1))
    )
    steps = (part.strides, part.input_dilation, part.kernel_dilation, part.feature_group_count)
    plain = all(np.all(np.equal(1 if step is None else step, 1)) for step in steps)
    return bool(keeps and plain and np.all(sides % 2) and part.mask is None and kernel.dtype == jnp.float32)


def _pairs(padding: int | Sequence[Any]) -> Any:
    return padding if isinstance(padding, int) else [np.broadcast_to(pad, 2) for pad in padding]


_known: dict[int, tuple[weakref.ref, Filters]] = {}


def _filters(kernel: Array) -> Filters:
    number = id(kernel)
    if number not in _known:
        gone = weakref.ref(kernel, lambda _: _known.pop(number, None))
        _known[number] = gone, Filters(*_both(kernel))
    return _known[number][1]


@jax.jit
def _both(kernel: Array) -> tuple[Array, Array]:
    turned = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    wide = kernel.shape[:2] == (3, 3) and kernel.shape[2] * kernel.shape[3] >= WIDE
    return (winograd_filters(kernel), winograd_filters(turned)) if wide else (kernel, turned)
