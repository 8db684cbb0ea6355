"""How long things take: spans of time, told to whoever listens through `jax.monitoring`."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jax import monitoring


class Span(NamedTuple):
    """Something that took its time.

    Attributes:
        name: such as "/vizjax/store", or JAX's own "/jax/core/compile/backend_compile_duration".
        begin: by `time.perf_counter`.
        end: by the same clock.
        about: what it was told of itself, such as the layer.
    """

    name: str
    begin: float
    end: float
    about: dict[str, str | int]


@contextlib.contextmanager
def timed(name: str, **about: str | int) -> Iterator[None]:
    """Tells listeners how long a block takes; as a decorator, how long each call does.

    Args:
        name: of the span, after "/vizjax/".
        **about: facts to go with it.

    Example:
        >>> with listening() as spans, timed("nap", hour=3):
        ...     time.sleep(0.01)
        >>> [(span.name, span.about) for span in spans]
        [('/vizjax/nap', {'hour': 3})]
    """
    begin = time.perf_counter()
    try:
        yield
    finally:
        monitoring.record_event_duration_secs(f"/vizjax/{name}", time.perf_counter() - begin, **about)


@contextlib.contextmanager
def listening() -> Iterator[list[Span]]:
    """Collects the spans that end while the block runs.

    Returns:
        A list that grows.

    Example:
        >>> import jax
        >>> with listening() as spans:
        ...     four = jax.jit(lambda x: 3 * x + 1)(1)
        >>> "/jax/core/compile/backend_compile_duration" in {span.name for span in spans}
        True
    """
    spans: list[Span] = []

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        now = time.perf_counter()
        spans.append(Span(event, now - duration_secs, now, kwargs))

    monitoring.register_event_duration_secs_listener(listen)
    try:
        yield spans
    finally:
        monitoring.unregister_event_duration_listener(listen)


def spent(spans: Iterable[Span], without: Iterable[Span] = ()) -> float:
    """Seconds in which any of the spans ran; they may overlap and contain each other.

    Args:
        spans: what is asked for.
        without: spans whose time is not to be counted.

    Returns:
        Seconds.

    Example:
        >>> whole, inner = Span("compile", 0.0, 3.0, {}), Span("trace", 1.0, 2.0, {})
        >>> spent([whole, inner]), spent([whole], without=[inner])
        (3.0, 2.0)
    """
    without = list(without)
    return _covered([*spans, *without]) - _covered(without)


def _covered(spans: list[Span]) -> float:
    total, reached = 0.0, float("-inf")
    for span in sorted(spans, key=lambda span: span.begin):
        total += max(0.0, span.end - max(reached, span.begin))
        reached = max(reached, span.end)
    return total
