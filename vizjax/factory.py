"""Factories: equal arguments give the same object, which knows how it was made."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from vizjax.errors import InputError

P = ParamSpec("P")
T = TypeVar("T")


def factory(make: Callable[P, T]) -> Callable[P, T]:
    """Caches a function that makes functions, so that a repeated call is not traced anew.

    The product remembers the call in an attribute ``recipe`` (of its first function, where it is a
    tuple of functions), which `recipe` reads.

    Args:
        make: a function of hashable arguments that returns a function or a tuple of functions.

    Returns:
        The caching function.

    Raises:
        InputError: when called with an argument that is not hashable.

    Example:
        >>> @factory
        ... def times(k):
        ...     return lambda x: k * x
        >>> times(2) is times(k=2), recipe(times(2))
        (True, 'times(2)')
    """
    signature = inspect.signature(make)

    @functools.lru_cache(maxsize=256, typed=True)
    def cached(*args: Any, **kwargs: Any) -> T:
        product = make(*args, **kwargs)
        function: Any = product[0] if isinstance(product, tuple) else product
        function.recipe = f"{make.__name__}({_written(signature, args, kwargs)})"
        return product

    @functools.wraps(make)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        try:
            hash((bound.args, tuple(bound.kwargs.values())))
        except TypeError as error:
            raise InputError(
                f"arguments of {make.__name__} must be hashable ({error}); "
                f"give tuples in place of lists and arrays"
            ) from None
        return cached(*bound.args, **bound.kwargs)

    return call


def _written(signature: inspect.Signature, args: tuple, kwargs: dict) -> str:
    bound = signature.bind(*args, **kwargs)
    parts = []
    for name, parameter in signature.parameters.items():
        value = bound.arguments.get(name, parameter.default)
        if parameter.kind is parameter.VAR_POSITIONAL:
            parts += [recipe(v) for v in bound.arguments.get(name, ())]
        elif parameter.default is parameter.empty:
            parts.append(recipe(value))
        elif value != parameter.default:
            parts.append(f"{name}={recipe(value)}")
    return ", ".join(parts)


def recipe(thing: Any) -> str:
    """How something was made, as text for people and for the provenance inside pictures.

    Args:
        thing: a product of a factory, any other function, or a plain value.

    Returns:
        Such as ``"fourier(128)"``; the qualified name of other functions; else its repr.

    Example:
        >>> recipe(len), recipe((1, 2))
        ('len', '(1, 2)')
    """
    if type(thing) is tuple and not (thing and callable(thing[0])):
        return f"({', '.join(map(recipe, thing))}{',' * (len(thing) == 1)})"
    first = thing[0] if isinstance(thing, tuple) and thing and callable(thing[0]) else thing
    first = getattr(first, "func", first)  # a partial's function
    name = getattr(first, "__qualname__", repr(first)).split(".<locals>")[0]
    return getattr(first, "recipe", name)
