"""The verbs caricature, grid, interpolate and spectrum."""

import json

import pytest
from PIL import Image

from vizjax import files


@pytest.fixture(autouse=True)
def cat(draw):
    draw("cat.png")


def test_caricatures_with_their_recipe(run, capsys):
    assert (
        run("caricature cat.png cat.png --model tiny --layer block --size 16 --steps 2 --out a/b.png --json")
        == 0
    )
    answer = json.loads(capsys.readouterr().out)
    assert answer["file"] == "a/b.png"
    assert len(answer["final"]) == 2
    recipe = files.read_recipe("a/b.png")
    assert (recipe["layer"], recipe["pictures"], recipe["steps"]) == ("block", ["cat.png", "cat.png"], 2)


def test_a_grid_is_as_large_as_its_cells(run, capsys):
    assert run("grid cat.png --model tiny --layer conv2 --size 16 --cell 8 --steps 2") == 0
    assert capsys.readouterr().out.strip() == "cat-conv2-grid.png"
    with Image.open("cat-conv2-grid.png") as picture:
        assert picture.size == (32, 32)


def test_interpolation_goes_from_each_unit_to_the_next(run, capsys):
    assert run("interpolate tiny block 1 4 2 --frames 3 --size 16 --steps 2") == 0
    said = capsys.readouterr()
    assert said.out.strip() == "block-1-to-4-to-2.png"
    with Image.open("block-1-to-4-to-2.png") as picture:
        assert picture.size == (3 * 18 - 2, 2 * 18 - 2)
    assert files.read_recipe("block-1-to-4-to-2.png")["pairs"] == [[1, 4], [4, 2]]


def test_spectrum_is_a_table_json_and_a_picture(run, capsys):
    assert run("spectrum tiny --size 32 --out s.png") == 0
    said = capsys.readouterr().out
    assert "conv1" in said
    assert "conv2" in said
    assert "peaks at k/4" in said
    assert said.strip().endswith("s.png")
    assert run("spectrum tiny --layer conv1 --picture cat.png --size 32 --units 2 --json") == 0
    (row,) = json.loads(capsys.readouterr().out)["layers"]
    assert (row["layer"], row["stride"]) == ("conv1", 2)
    assert row["peaks"]["2"] > row["control"]["2"]
    with Image.open("s.png") as picture:
        assert picture.size == (4 * 256 + 30, 2 * 278 + 10)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("caricature nowhere.png --model tiny --layer block", "nowhere.png"),
        ("caricature cat.png --model tiny --layer blok", "unknown layer 'blok': did you mean 'block'"),
        ("grid cat.png --model tiny --layer pool --size 16", "layer 'pool' is (16,)"),
        ("grid cat.png --model tiny --cell 0", "cell must be a whole number of 1 or more, not 0"),
        ("interpolate tiny block 3", "is between two or more units, not 1; name another"),
        ("interpolate tiny block 3 8", "units of layer 'block' are 0 ... 7"),
        ("interpolate tiny block 3 4 --frames 1", "has 2 or more frames, not 1"),
        ("spectrum tiny --out s.jpg", "s.jpg: spectra are drawn as PNG"),
        ("spectrum tiny --layer logits --size 16", "'logits' has None"),
        ("spectrum tiny --layer conv1 --size 33", "choose another layer or size"),
    ],
)
def test_a_mistake_is_one_line(run, line, message, capsys, tmp_path):
    assert run(line) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert "Traceback" not in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["cat.png"]


@pytest.mark.parametrize("verb", ["caricature", "grid", "dream"])
def test_every_model_has_a_layer_of_its_own(verb: str, run, capsys):
    steps = "--octaves 1" if verb == "dream" else ""
    assert run(f"{verb} cat.png --model tiny --size 16 --steps 1 {steps} --json --out a.png") == 0
    assert files.read_recipe("a.png")["layer"] == "block"
    assert run(f"{verb} cat.png --model tinny") == 2
    assert "unknown model 'tinny'" in capsys.readouterr().err
