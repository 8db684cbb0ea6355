"""The verb dream: what it writes, and how it answers mistakes."""

import json
from pathlib import Path

import pytest
from PIL import Image

from vizjax import files


@pytest.fixture(autouse=True)
def pictures(draw):
    draw("cat.png")
    Image.new("RGB", (20, 20), "red").save("red.jpg")


SMALL = "--model tiny --layer block --octaves 2 --steps 2"


def test_a_dream_with_its_recipe(run, capsys):
    assert run(f"dream cat.png {SMALL} --size 32 --guide red.jpg --seed 3 --out a/b.png") == 0
    said = capsys.readouterr()
    assert said.out.strip() == "a/b.png"
    assert "a dream of cat.png, 24 x 32, 2 octaves of 2 steps" in said.err
    with Image.open("a/b.png") as picture:
        assert picture.size == (32, 24)
    recipe = files.read_recipe("a/b.png")
    told = {"picture": "cat.png", "guide": "red.jpg", "layer": "block", "octaves": 2, "steps": 2, "seed": 3}
    assert told.items() <= recipe.items()


def test_small_pictures_stay_as_they_are(run, capsys):
    assert run(f"dream cat.png {SMALL} --json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["file"] == "cat-dream.png"
    with Image.open("cat-dream.png") as picture:
        assert picture.size == (48, 36)


def test_an_animation_of_a_dream_and_of_a_zoom(run):
    assert run(f"dream cat.png {SMALL} --every 1 --out a.gif") == 0
    with Image.open("a.gif") as picture:
        assert picture.n_frames == 2 * 3 - 1  # the second size begins as the first ended
        assert picture.size == (48, 36)
    assert run(f"dream cat.png {SMALL} --zoom 3") == 0
    with Image.open("cat-dream.gif") as picture:
        assert (picture.n_frames, picture.size) == (4, (48, 36))
    assert files.read_recipe("cat-dream.gif")["frames"] == 3


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("nowhere.png", "cannot be read: No such file or directory"),
        ("cat.png --guide nowhere.png", "cannot be read: No such file or directory"),
        ("cat.png --layer blok", "unknown layer 'blok': did you mean 'block'"),
        ("cat.png --octaves 0", "octaves must be a whole number of 1 or more, not 0"),
        ("cat.png --zoom -1", "zoom must be a whole number of 1 or more, not -1"),
        ("cat.png --size 0", "size must be a whole number of 1 or more, not 0"),
        ("cat.png --out a.jpg", "pictures are saved as .png, .gif, .webp, .mp4"),
        ("cat.png --out .", "pictures are saved as"),
    ],
)
def test_mistakes_are_one_line(run, line: str, text: str, capsys):
    before = sorted(Path().iterdir())
    assert run(f"dream {line} --model tiny" + ("" if "--layer" in line else " --layer block")) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("vizjax: ")
    assert text in said
    assert sorted(Path().iterdir()) == before
