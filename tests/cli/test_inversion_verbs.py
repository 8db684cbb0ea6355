"""The verbs invert and invariance: what they write and say, and how they answer mistakes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vizjax import files


@pytest.fixture(autouse=True)
def pictures(draw):
    draw("cat.png")
    Path("pictures").mkdir()
    for i in range(3):
        draw(f"pictures/{i}.png", seed=i)


@pytest.mark.slow
def test_a_report_of_several_starts(run, capsys):
    line = "invert cat.png --net hogb --size 32 --steps 4 --starts 2 --report --set pictures --json --out a/b.png"
    assert run(line) == 0
    said = json.loads(capsys.readouterr().out)
    (row,) = said["rows"]
    assert row["layer"] == "hogb"
    for name in ("error", "normalized", "squared", "psnr", "ssim"):
        assert len(row[name]) == 2
    np.testing.assert_allclose(np.square(row["normalized"]), row["squared"])
    assert len(row["ridge"]["normalized"]) == 1
    with Image.open("a/b.png") as both, Image.open("a/b-report.png") as shown:
        assert both.size == (32 + 2 + 32, 32)
        assert shown.size == (4 * 32 + 3 * 2, 32)
    recipe = files.read_recipe("a/b.png")
    assert recipe["picture"] == "cat.png"
    assert recipe["method"] == ["cvpr2015"]


def test_a_strip_and_its_report_for_people(run, capsys):
    assert run("invert cat.png --net tiny --layer conv1 block --size 32 --steps 3 --report") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "cat-tiny-inverted.png"
    assert lines[1].startswith("layer conv1  error ")
    assert lines[2].startswith("layer block  error ")
    assert "normalized" in lines[1]
    assert "ridge" not in lines[1]  # it would have learned from the picture itself
    assert files.read_recipe(lines[0])["layer"] == ["conv1", "block"]


def test_artificial_representations_of_an_output(run, capsys):
    assert run("invert --net tiny --target one-hot:4 --scale 1,3 --size 32 --steps 3 --starts 2 --json") == 0
    said = json.loads(capsys.readouterr().out)
    assert [row["scale"] for row in said["rows"]] == [1.0, 3.0]
    assert all(len(row["residual"]) == len(row["probability"]) == 2 for row in said["rows"])
    with Image.open(said["file"]) as picture:
        assert picture.size == (66, 66)


def test_foci_and_a_start(run, capsys):
    line = "invert cat.png --net tiny --layer conv1 --size 32 --steps 2 --side 3 --channels 0:4 --start pictures/1.png"
    assert run(f"{line} --tv 5 --method ijcv2016 --out a.png") == 0
    assert files.read_recipe("a.png")["weights"] == [{"error": 100.0, "tv": 5.0, "alpha": 1.0}]


@pytest.mark.parametrize(
    ("line", "cases"),
    [
        ("--net hog --vary cell=4,8", ["cell=4", "cell=8"]),
        pytest.param("--net blur --vary sigma=0.5,2", ["sigma=0.5", "sigma=2"], marks=pytest.mark.slow),
        pytest.param(
            "--net tiny --layer conv1 block --set pictures", ["conv1", "block"], marks=pytest.mark.slow
        ),
    ],
)
def test_invariance(run, capsys, line: str, cases: list[str]):
    assert run(f"invariance cat.png {line} --size 32 --steps 3 --starts 2 --json --out a.png") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["case"] for row in rows] == cases
    for row in rows:
        changes = [row[name] for name in ("shift", "rotation", "scale", "blur", "contrast")]
        assert row["invariance"] == pytest.approx(1 - np.mean(changes))
        assert row["error"] > 0
    with Image.open("a.png") as picture:
        assert picture.size == (3 * 32 + 2 * 2, 66)


@pytest.mark.slow
def test_invariance_for_people(run, capsys):
    assert run("invariance cat.png --net hog --size 32 --steps 2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "cat-hog-invariance.png"
    assert lines[1].startswith("case hog  shift ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("invert", "invert takes a picture, or --target one-hot:CLASS"),
        ("invert cat.png --target one-hot:3", "one of the two"),
        ("invert cat.png --net hogg", "unknown net 'hogg': did you mean 'hog'"),
        ("invert cat.png --net tiny --layer nose", "unknown layer 'nose'"),
        ("invert cat.png --net tiny --method 2015", "unknown method '2015'"),
        ("invert cat.png --net tiny --layer conv1 block --side 3", "--channels and --side are of one layer"),
        ("invert cat.png --net tiny --channels 99", "channels are 0 ... 7 here"),
        (
            "invert cat.png --net tiny --report --set nowhere --steps 1",
            "is no folder of two or more pictures",
        ),
        ("invert --net tiny --target tabby", "a target is one-hot:CLASS, not 'tabby'"),
        ("invert --net tiny --target one-hot:3 --layer conv1", "layers without positions"),
        ("invert --net tiny --target one-hot:3 --scale x", "numbers are written 1,3,10, not 'x'"),
        ("invert no.png --net tiny", "no.png"),
        ("invert cat.png --net tiny --out a.txt", "give one of these endings"),
        ("invariance cat.png --net tiny --vary cell=4", "--vary is NAME=A,B"),
        ("invariance cat.png --net hog --vary sigma=4", "hog has no such parameter"),
        ("invariance cat.png --net hog --vary cell=", "--vary is NAME=A,B"),
        ("invariance cat.png --net hog --every 2", "leave out --every"),
        ("invariance cat.png --net hog --weights random", "hog has no weights"),
        ("invert cat.png --net hog --dtype bfloat16", "computes in float32"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(run, capsys, line: str, said: str):
    before = sorted(Path().iterdir())
    assert run(f"{line} --size 32") == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("vizjax: ")
    assert said in error
    assert sorted(Path().iterdir()) == before
