"""The numbers that a net computes in; its parameters are float32, whatever these are."""

from typing import Any, TypeVar

import jax.numpy as jnp
from flax import nnx

from vizjax.errors import unknown

DTYPES = ("float32", "bfloat16")

_Values = TypeVar("_Values", bound=tuple)


def compute_in(net: Any, dtype: str) -> Any:
    """Sets what a net computes in, by Flax's ``dtype`` of its layers.

    In bfloat16 activations take half the memory, and two or three of their digits are right. Pictures
    are preprocessed, and normalizations computed, in float32 still.

    Args:
        net: a Flax NNX module; it is changed.
        dtype: one of `DTYPES`; ``"float32"`` is what parameters and pictures are anyway.

    Returns:
        The net; ``net.dtype`` is the name.

    Raises:
        UnknownName: at another dtype.

    Example:
        >>> layer = compute_in(nnx.Linear(2, 3, rngs=nnx.Rngs(0)), "bfloat16")
        >>> layer(jnp.ones((1, 2))).dtype.name, layer.kernel.dtype.name
        ('bfloat16', 'float32')
    """
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    # None lets parameters and pictures decide, which may be float64, too
    chosen = None if dtype == "float32" else jnp.dtype(dtype)
    for _, part in nnx.iter_modules(net):
        if isinstance(part, nnx.Conv | nnx.Linear | nnx.BatchNorm | nnx.LayerNorm):
            part.dtype = chosen
        if isinstance(part, nnx.BatchNorm | nnx.LayerNorm):
            part.promote_dtype = _as_they_are  # or the statistics would be rounded to 8 bits, too
    net.dtype = dtype
    return net


def dtype_of(net: Any) -> str:
    """What a net computes in.

    Args:
        net: a net, of this library or of any other origin.

    Returns:
        The name of its ``dtype``; ``"float32"`` where it has none.

    Example:
        >>> dtype_of(lambda images: images)
        'float32'
    """
    return jnp.dtype(getattr(net, "dtype", None) or "float32").name


def _as_they_are(values: _Values, /, *, dtype: Any = None, inexact: bool = True) -> _Values:
    return values
