"""What is made one after the other: Ctrl-C keeps what there is."""

import signal
from collections.abc import Iterator

import numpy as np
import pytest

from vizjax.ascent import Result
from vizjax.interruption import Interrupted
from vizjax.recipes.stages import joined, staged


def stage(level: float, side: int = 2, frames: int = 0) -> Result:
    shown = np.full((1, 1, side, side, 3), level)
    snapshots = np.repeat(shown[:, None], frames, 1) if frames else None
    one = np.array([level])
    return Result(shown, one[None], one, one, one > 0, {"made": level}, snapshots)


def levels(parts: list[Result]) -> Result:
    return joined(parts, np.array, {})


def interrupted(by: BaseException, after: int) -> Iterator[Result]:
    yield from (stage(i) for i in range(1, after + 1))
    raise by


def test_all_stages_are_joined():
    whole = joined([stage(1, 2, 3), stage(2, 4, 2)], lambda x: np.resize(x, (4, 4, 3)), {"told": 5})
    assert whole.scores.tolist() == [[1, 2]]
    assert whole.baseline.tolist() == [1]
    assert whole.final.tolist() == [2]
    assert whole.recipe == {"made": 2, "told": 5}
    assert whole.images.shape == (1, 1, 4, 4, 3)
    assert whole.frames[0, :, 0, 0, 0, 0].tolist() == [1, 1, 1, 2, 2]


@pytest.mark.parametrize("after", [0, 2])
def test_an_interruption_within_a_stage_keeps_it(after: int):
    with pytest.raises(Interrupted) as stop:
        staged(interrupted(Interrupted(stage(9), signal.SIGTERM), after), levels)
    assert stop.value.result.scores.tolist() == [[*range(1, after + 1), 9]]
    assert stop.value.number == signal.SIGTERM


def test_an_interruption_between_stages_keeps_those_before():
    with pytest.raises(Interrupted) as stop:
        staged(interrupted(KeyboardInterrupt(), 2), levels)
    assert stop.value.result.scores.tolist() == [[1, 2]]
    assert stop.value.number == signal.SIGINT


def test_an_interruption_before_anything_was_made_is_passed_on():
    with pytest.raises(KeyboardInterrupt) as stop:
        staged(interrupted(KeyboardInterrupt(), 0), levels)
    assert not isinstance(stop.value, Interrupted)


def test_errors_are_passed_on():
    with pytest.raises(ValueError, match="broken"):
        staged(interrupted(ValueError("broken"), 2), levels)
