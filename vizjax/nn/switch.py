"""The switch between fast operators and plain `lax` ones."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator

from jax import lax
from jaxtyping import Array

_lax_only = contextvars.ContextVar("lax_only", default=False)


@contextlib.contextmanager
def lax_only() -> Iterator[None]:
    """Within this context functions are traced with the plain `lax` operators only.

    They are slower on CPU and can be differentiated in forward mode (`jax.jvp`).

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from vizjax import nn
        >>> with lax_only():
        ...     blur = lambda x: nn.gaussian_blur(x * jnp.ones((1, 4, 4, 1)), 1.0)
        ...     _, slope = jax.jvp(blur, (1.0,), (1.0,))
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


def by_platform(*arrays: Array, cpu: Callable[..., Array], default: Callable[..., Array]) -> Array:
    """The form of an operator that is fastest where it runs, or the plain one inside `lax_only`.

    Args:
        *arrays: what the operator is applied to.
        cpu: its form for CPU.
        default: its form in `lax`, for all other platforms.

    Returns:
        The operator's result.

    Example:
        >>> import jax.numpy as jnp
        >>> by_platform(jnp.ones(3), cpu=lambda x: x + x, default=lambda x: 2 * x).tolist()
        [2.0, 2.0, 2.0]
    """
    return default(*arrays) if uses_lax_only() else lax.platform_dependent(*arrays, cpu=cpu, default=default)
