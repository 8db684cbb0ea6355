"""Ctrl-C that loses nothing: a run ends after its step, and its pictures can be had."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


class Interrupted(KeyboardInterrupt):
    """A rendering was interrupted; ``result`` has the pictures as they were then.

    Args:
        result: what was rendered so far: jobs that had not begun are missing, and the scores of steps
            that were not made are NaN.
        number: of the signal.

    Example:
        >>> try:
        ...     raise Interrupted("pictures")
        ... except KeyboardInterrupt as stop:
        ...     stop.result
        'pictures'
    """

    def __init__(self, result: Any, number: int = signal.SIGINT):
        super().__init__("the pictures so far are in the attribute `result` of this exception")
        self.result, self.number = result, number


@contextlib.contextmanager
def signals_noted() -> Iterator[list[int]]:
    """Notes the first signal to stop instead of acting on it; a second one acts.

    Only in the main thread, and only signals that Python code answers: SIGINT unless it is ignored,
    and SIGTERM where somebody has asked for it.

    Returns:
        A context manager that hands out the list of the signals noted so far.

    Example:
        >>> with signals_noted() as signals:
        ...     signal.raise_signal(signal.SIGINT)
        ...     signals
        [2]
    """
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    answers: dict[int, Callable] = {}

    def note(number: int, frame: Any) -> None:
        if noted:
            answers[number](number, frame)
        noted.append(int(number))

    for asked in (signal.SIGINT, signal.SIGTERM):
        answer = signal.getsignal(asked)
        if callable(answer) and not isinstance(answer, signal.Handlers):
            answers[asked] = answer
            signal.signal(asked, note)
    try:
        yield noted
    finally:
        for number, answer in answers.items():
            signal.signal(number, answer)
