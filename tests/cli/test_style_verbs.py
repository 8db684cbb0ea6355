"""The verb style: what it writes, and how it answers mistakes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vizjax import files


@pytest.fixture(autouse=True)
def pictures(draw):
    draw("cat.png")
    draw("waves.png", (20, 20), seed=1)
    draw("night.png", (30, 24), seed=2)
    half = np.zeros((16, 16), np.uint8)
    half[:, :8] = 255
    Image.fromarray(half).save("left.png")


SMALL = "--size 32 --content-layers stem --style-layers stem"


def test_a_picture_with_its_recipe(run, capsys: pytest.CaptureFixture):
    line = f"style cat.png waves.png night.png {SMALL} --steps 2 1 --mask left.png --blend 1 3 --keep-color luminance"
    assert run(f"{line} --seed 3 --out a/b.png --json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["file"] == "a/b.png"
    with Image.open("a/b.png") as picture:
        assert picture.size == (32, 24)
    recipe = files.read_recipe("a/b.png")
    assert recipe["content"] == "cat.png"
    assert recipe["styles"] == ["waves.png", "night.png"]
    assert recipe["masks"] == ["left.png"]
    assert recipe["blend"] == [0.25, 0.75]
    assert recipe["sizes"] == [[12, 16], [24, 32]]
    assert recipe["steps"] == [2, 1]
    assert recipe["color"] == "luminance"
    assert recipe["seed"] == 3


def test_a_texture_from_noise(run, capsys: pytest.CaptureFixture):
    assert run("style waves.png --texture --size 24 --style-layers stem --steps 2") == 0
    assert capsys.readouterr().out.strip() == "waves-texture.png"
    with Image.open("waves-texture.png") as picture:
        assert picture.size == (24, 24)
    assert files.read_recipe("waves-texture.png")["content_layers"] == []


def test_it_is_named_after_both(run, capsys: pytest.CaptureFixture):
    assert run(f"style cat.png waves.png {SMALL} --steps 1 --from noise") == 0
    assert capsys.readouterr().out.strip() == "cat-waves.png"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("style cat.png", "is to be painted in no style; give a STYLE, or --texture"),
        ("style cat.png waves.png --size 0", "size must be a whole number of 1 or more"),
        ("style cat.png waves.png --ratio -1", "ratio 0 or more"),
        ("style cat.png waves.png --steps 0", "must be a whole number of 1 or more"),
        ("style cat.png waves.png --out a.txt", "pictures are saved as"),
        ("style cat.png nowhere.png", "'nowhere.png' cannot be read"),
        ("style cat.png waves.png --mask left.png left.png", "one for each of 1 styles"),
        ("style cat.png waves.png --blend 1 2", "blend must be 1 numbers"),
        ("style cat.png waves.png --style-layers stm", "unknown layer 'stm'"),
        ("style cat.png waves.png --model resnet5", "unknown model 'resnet5'"),
    ],
)
def test_mistakes_are_one_line(run, line: str, text: str, capsys: pytest.CaptureFixture):
    assert run(line) == 2
    said = capsys.readouterr()
    assert text in said.err
    assert "Traceback" not in said.err
    assert not said.out
    assert not list(Path().glob("cat-*"))
