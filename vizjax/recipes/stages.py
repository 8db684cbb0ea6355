"""Results that are made one after the other, as one."""

import signal
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from vizjax.ascent import Result
from vizjax.interruption import Interrupted


def staged(stages: Iterable[Result], finished: Callable[[list[Result]], Result]) -> Result:
    """What becomes of the results of stages, also of those that were made before a Ctrl-C.

    Args:
        stages: results, each computed when it is asked for: a generator.
        finished: makes one result of those that there are, one or more.

    Returns:
        What ``finished`` made of all.

    Raises:
        Interrupted: at Ctrl-C, with what it made of the stages until then, the last of which may be cut.

    Example:
        >>> draw = lambda: Result(np.ones((1, 1, 4, 4, 3)), np.ones((1, 2)), *[np.ones(1)] * 3, {})
        >>> staged((draw() for _ in range(3)), lambda parts: joined(parts, np.array, {})).scores.shape
        (1, 6)
    """
    parts: list[Result] = []
    number = None
    try:
        for part in stages:
            parts.append(part)
    except Interrupted as stop:
        parts, number = [*parts, stop.result], stop.number
    except KeyboardInterrupt:  # between two stages, or before the first step of one
        if not parts:
            raise
        number = signal.SIGINT
    result = finished(parts)
    if number is not None:
        raise Interrupted(result, number)
    return result


def joined(parts: list[Result], finished: Callable[[np.ndarray], np.ndarray], told: dict[str, Any]) -> Result:
    """The stages of one picture as one result.

    Args:
        parts: results of one picture each, of any sizes.
        finished: makes the picture to be shown of a picture of any stage.
        told: what the recipe says besides.

    Returns:
        The last picture, with the scores and frames of all stages one after the other; ``baseline`` is
        the score before the very first step.

    Example:
        >>> part = Result(np.ones((1, 1, 4, 4, 3)), np.ones((1, 2)), *[np.ones(1)] * 3, {})
        >>> joined([part, part], lambda picture: picture[:2], {}).images.shape
        (1, 1, 2, 4, 3)
    """
    frames = [frame for part in parts if part.frames is not None for frame in part.frames[0, :, 0]]
    return parts[-1]._replace(
        images=finished(parts[-1].images[0, 0])[None, None],
        scores=np.concatenate([part.scores for part in parts], axis=1),
        baseline=parts[0].baseline,
        frames=np.stack([finished(frame) for frame in frames])[None, :, None] if frames else None,
        recipe=parts[-1].recipe | told,
    )
