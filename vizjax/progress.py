"""Progress on the terminal: a bar, or plain lines where nobody watches one."""

import sys
import time
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from vizjax.atlas.building import Progress as Done

PAUSE = 10.0
"""Seconds between two plain lines."""

SCORE_PAUSE = 1.0
"""Seconds between two scores: reading one waits until its step is done."""


class Reporter:
    """Shows how far a rendering is, on standard error; a context manager.

    Args:
        title: what is being done, said once.
        counted: whether units are counted; else it is told which share of the work is done.

    Example:
        >>> with Reporter("two units") as reporter:
        ...     reporter.report(Done("stem", 1, 2, 1.0))
    """

    def __init__(self, title: str, counted: bool = True):
        self._title, self._begin, self._last = title, time.monotonic(), 0.0
        self._counted, self._score, self._read = counted, "", 0.0
        self._watched, self._ended = sys.stderr.isatty(), False
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[facts]}"))
        self._bar = Progress(*columns, console=Console(stderr=True))
        self._task = self._bar.add_task("compiling", total=None, facts="")

    def __enter__(self) -> "Reporter":
        print(self._title, file=sys.stderr)
        if self._watched:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._watched:
            self._bar.stop()

    def report(self, progress: Done, scores: Any = None) -> None:
        """Takes note of how far it is.

        Args:
            progress: units done, and those of this run in fractions.
            scores: of the pictures under way; they are read once a second, which waits for them.
        """
        elapsed = time.monotonic() - self._begin
        reached = progress.before + progress.now
        rate = progress.now / max(elapsed, 1e-9)
        left = (progress.total - reached) / max(rate, 1e-9)
        if scores is not None and (elapsed - self._read > SCORE_PAUSE or reached == progress.total):
            self._read, self._score = elapsed, f", score {np.mean(scores):.4g}"
        done = f"{100 * reached / progress.total:.0f} %"
        if self._counted:
            done = f"{int(reached)} of {progress.total} units, {3600 * rate:.0f} units/hour"
        facts = f"{done}{self._score}, {_spoken(left)} left"
        if self._watched:
            bar = self._bar.update
            bar(self._task, description=progress.layer, total=progress.total, completed=reached, facts=facts)
        elif elapsed - self._last > PAUSE or (reached == progress.total and not self._ended):
            self._last, self._ended = elapsed, reached == progress.total
            start = f"{progress.layer}: " if progress.layer else ""
            print(f"{start}{facts}", file=sys.stderr, flush=True)


def _spoken(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"
