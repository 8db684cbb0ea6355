"""The switch between fast operators and plain `lax` ones."""

import contextlib
import contextvars
from collections.abc import Iterator

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
