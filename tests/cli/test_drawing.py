"""What verbs that draw share: snapshots, animations, interruptions, endings."""

import itertools
import json
import os
import signal

import numpy as np
import pytest
from PIL import Image

import vizjax as vz
from vizjax import files
from vizjax.cli.common import Drawing, drawn

SMALL = "render efficientnet_lite0 stem 3 5 --size 24 --steps 5"


def test_snapshots_are_numbered_files(run, tmp_path, capsys):
    assert run(f"{SMALL} --every 2 --out a.png --json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["files"] == ["a.png", *[f"a-{i:03d}.png" for i in range(4)]]  # 0, 2, 4, 5 steps
    shots = [np.asarray(Image.open(tmp_path / name), int) for name in answer["files"][1:]]
    np.testing.assert_array_equal(shots[-1], np.asarray(Image.open(tmp_path / "a.png")))
    changes = [np.abs(b - a).mean() for a, b in itertools.pairwise(shots)]
    assert min(changes) > 0.5, "the pictures change from one to the next"
    assert files.read_recipe(tmp_path / "a-001.png")["units"] == [3, 5]


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_other_endings_are_animations(run, ending, tmp_path):
    assert run(f"{SMALL} --out a.{ending}") == 0
    with Image.open(tmp_path / f"a.{ending}") as film:
        assert film.n_frames == 6  # the start and each step


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--out a.tiff", "a.tiff: pictures are saved as .png, .gif, .webp, .mp4"),
        ("--out a.png --every 0", "every must be a whole number of 1 or more, not 0"),
        ("--out folder.png", "folder.png is a folder; give the name of a file in it"),
    ],
)
def test_what_could_not_be_written_is_refused_before_the_work(run, words, message, tmp_path, capsys):
    (tmp_path / "folder.png").mkdir()
    assert run(f"render nonesuch stem 3 {words}") == 2  # not even the model is looked for
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_an_interrupted_run_saves_its_pictures(run, tmp_path, monkeypatch, capsys):
    steps, visualize = [], vz.recipes.visualize

    def interrupted(*args, on_step, **options):
        def interrupt(count, scores):
            on_step(count, scores)
            steps.append(count)
            if len(steps) == 3:
                os.kill(os.getpid(), signal.SIGINT)

        return visualize(*args, on_step=interrupt, **options)

    monkeypatch.setattr(vz.recipes, "visualize", interrupted)
    assert run(f"{SMALL} --out a.png --every 1") == 130
    assert "stopped; the pictures so far are in a.png" in capsys.readouterr().err
    assert len(steps) in (3, 4)
    assert files.read_recipe(tmp_path / "a.png")["layer"] == "stem"
    assert len(list(tmp_path.glob("a-*.png"))) == 6


def test_progress_says_the_score_and_the_time_left(tmp_path, capsys):
    result = vz.Result(np.zeros((1, 1, 8, 8, 3)), *[np.zeros(1)] * 4, {})

    def make(key, on_step, every):
        for _ in range(3):
            on_step(1, np.array([2.5]))
        return result

    drawn(make, tmp_path / "a.png", Drawing(), title="something", steps=3)
    said = capsys.readouterr()
    assert said.err.splitlines()[0] == "something"
    assert "100 %, score 2.5, 0 min 00 s left" in said.err
    assert said.out.strip() == str(tmp_path / "a.png")
