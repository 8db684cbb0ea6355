"""The command line: what it does, and how it answers mistakes: one line, status 2, nothing written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch_files import legacy_with_global

import vizjax as vz
from vizjax import cli, files
from vizjax.models import labels
from vizjax.units import parse_units

WEIGHTS = Path(__file__).parents[1] / "models" / "data"
SMALL = "--size 16 --steps 12 --batch 4"


def test_atlas_from_nothing_to_the_page(run, tmp_path, capsys):
    assert run(f"atlas tiny {SMALL}") == 0
    said = capsys.readouterr()
    assert said.out.strip().endswith(str(tmp_path / "atlas" / "index.html"))
    assert "block: 8 of 8 units" in said.err
    assert vz.atlas.open("atlas")["block"].units.tolist() == list(range(8))
    assert run(f"atlas tiny {SMALL} --layer block conv1 --units 0:8:2 --facets positive negative --json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["pictures"] == 8 + 4 + 2 * 4
    assert answer["page"] == str(tmp_path / "atlas" / "index.html")


def test_atlas_says_where_the_time_went(run, tmp_path, capsys):
    assert run(f"atlas tiny {SMALL} --units 0:4 --profile --json") == 0
    profile = json.loads(capsys.readouterr().out)["profile"]
    assert list(profile["seconds"]) == [
        *("compile", "net", "transform", "decode", "update", "store", "page", "other"),
    ]
    assert profile["steps"] % 12 == 0
    assert list((tmp_path / profile["folder"]).rglob("*.trace.json.gz"))
    assert run(f"atlas tiny {SMALL} --units 0:4 --profile") == 0
    said = capsys.readouterr().out
    assert "nothing was left to render" in said
    assert said.strip().endswith("index.html")


def test_render_writes_one_png_with_its_recipe(run, tmp_path, capsys):
    assert run("render tiny block 3 5 --size 16 --steps 4 --starts 2 --out a/b.png") == 0
    assert capsys.readouterr().out.strip() == "a/b.png"
    with Image.open("a/b.png") as picture:
        assert picture.size == (2 * 18 - 2, 2 * 18 - 2)
    recipe = files.read_recipe("a/b.png")
    assert recipe["units"] == [3, 5]
    assert recipe["layer"] == "block"
    assert recipe["steps"] == 4
    assert run("render tiny logits 2 --size 16 --steps 2 --json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["file"] == "logits-2.png"
    assert len(answer["final"]) == 1


def test_layers_as_table_and_json(run, capsys):
    assert run("layers tiny") == 0
    table = capsys.readouterr().out
    assert "receptive field" in table
    assert "16 × 16 × 8" in table
    assert run("layers tiny --json") == 0
    assert json.loads(capsys.readouterr().out)["block"]["channels"] == 8


def test_view_and_export(run, tmp_path, capsys, monkeypatch):
    run(f"atlas tiny {SMALL} --units 0:4 --json")
    capsys.readouterr()
    opened = []
    monkeypatch.setattr(cli.atlases.webbrowser, "open", lambda url: opened.append(url) or True)
    assert run("view atlas") == 0
    assert opened == [(tmp_path / "atlas" / "index.html").as_uri()]
    assert run("view atlas --json") == 0
    assert len(opened) == 1
    capsys.readouterr()
    assert run("export atlas --layer block --units 1:3 --out pictures --json") == 0
    paths = json.loads(capsys.readouterr().out)["files"]
    assert paths == ["pictures/block-00001-positive.png", "pictures/block-00002-positive.png"]
    assert run("export atlas --layer block --units 2: --out rest") == 0
    assert len(list((tmp_path / "rest").iterdir())) == 2


def test_help_teaches(run, capsys):
    for verb in ("atlas", "render", "layers", "view", "export"):
        with pytest.raises(SystemExit) as stop:
            run(f"{verb} --help")
        assert stop.value.code == 0
        text = capsys.readouterr().out
        assert f"vizjax {verb}" in text.split("For example")[1]


MISTAKES = {
    "atlas nonesuch": "unknown model 'nonesuch'",
    "atlas tinny": "unknown model 'tinny': did you mean 'tiny'",
    "atlas tiny --layer blok": "unknown layer 'blok': did you mean 'block'",
    "atlas tiny --layer block blok": "unknown layer 'blok'",
    "atlas tiny --units 0:9": "units of layer 'block' are 0 ... 7, one or more of them, not 8",
    "atlas tiny --units 9": "not 9",
    "atlas tiny --units 8:": "one or more of them, not none",
    "atlas tiny --units x": "units are A:B[:STEP], a number, or several with commas, not 'x'",
    "atlas tiny --units 1-3": "not '1-3'",
    "atlas tiny --units 3:3": "units '3:3' are none at all",
    "atlas tiny --units 0:8:0": "not '0:8:0'",
    "atlas tiny --units 1,4:": "a range without an end must stand alone",
    "atlas tiny --facets nice": "unknown facet 'nice'",
    "atlas tiny --facets": "one or more facets",
    "atlas tiny --size 0": "size must be a whole number of 1 or more, not 0",
    "atlas tiny --size -5": "not -5",
    "atlas tiny --size 99999": "size must be 16383 pixels or less",
    "atlas tiny --steps 0": "steps must be a whole number of 1 or more, not 0",
    "atlas tiny --batch 0": "batch must be a whole number of 1 or more, not 0",
    "atlas tiny --seed -1": "seed must be a whole number of 0 or more, not -1",
    "atlas tiny --out taken": "taken is neither an empty folder nor an atlas",
    "atlas tiny --out full": "full is neither an empty folder nor an atlas",
    "atlas tiny --out taken/below": "taken/below",
    "atlas tiny --out /proc/atlas": "cannot be written",
    "atlas efficientnet_lite0 --weights nowhere.pth": "nowhere.pth",
    "atlas efficientnet_lite0 --weights taken": "weights are a .safetensors, .pth, .pt, .npz",
    "atlas efficientnet_lite0 --weights text.pth": "text.pth",
    "atlas efficientnet_lite0 --weights folder.pth": "folder.pth",
    "atlas efficientnet_lite0 --weights other.pth": "other.pth: names and shapes must be the model's",
    "layers nonesuch": "unknown model 'nonesuch'",
    "layers efficientnet_lite0 --weights text.pth": "text.pth",
    "layers efficientnet_lite0 --weights hostile.pth": "hostile.pth",
    "render nonesuch block 1": "unknown model 'nonesuch'",
    "render tiny blok 1": "unknown layer 'blok': did you mean 'block'",
    "render tiny block": "units of layer 'block' are 0 ... 7, one or more, not ''",
    "render tiny block 8": "units of layer 'block' are 0 ... 7, one or more, not '8'",
    "render tiny block 1 --out a.jpg": "a.jpg: pictures are saved as .png, .gif, .webp, .mp4",
    "render tiny block 1 --preset best-of-all": "unknown preset 'best-of-all'",
    "render tiny block 1 --starts 0": "starts must be a whole number",
    "render tiny block 1 --steps 0": "steps must be a whole number",
    "render tiny block 1 --size 0": "must be 1 or more, not 0",
    "render tiny block 1 --size 8 --steps 1 --out taken/b.png": "cannot be written",
    "view nowhere": "nowhere is not an atlas: there is no atlas.json",
    "view taken": "taken",
    "export nowhere --layer block --out x": "nowhere is not an atlas",
    "export broken --layer block --out x": "atlas.json cannot be read",
}


@pytest.fixture
def things(tmp_path):
    """Files and folders that are in the way."""
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("all I have")
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "folder.pth").mkdir()
    (tmp_path / "other.pth").write_bytes((WEIGHTS / "zip.pth").read_bytes())
    (tmp_path / "hostile.pth").write_bytes(legacy_with_global("posix", "system"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "atlas.json").write_text("{")


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(run, line, things, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    assert run(line) == 2
    said = capsys.readouterr()
    lines = [text for text in said.err.splitlines() if text and not text.startswith(" ")]
    complaint = lines[-1]
    assert complaint.startswith("vizjax: ")
    assert MISTAKES[line] in complaint
    assert "Traceback" not in said.err
    assert said.out == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_debug_shows_the_traceback(run):
    with pytest.raises(vz.InputError):
        run("layers nonesuch --debug")


def test_mistakes_about_an_existing_atlas(run, tmp_path, capsys):
    run(f"atlas tiny {SMALL} --units 0:4")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    capsys.readouterr()
    for line, message in {
        f"atlas tiny {SMALL} --seed 3": "holds an atlas of another model or recipe (seed: 0 there, 3 now)",
        "atlas tiny --size 24 --steps 12": "size: [16, 16] there, [24, 24] now",
        "atlas tiny --size 16 --steps 12 --batch 3": "batch: 4 there, 3 now",
        "export atlas --layer block --units 2:6 --out x": "units 4-5 of layer 'block' are not in the atlas; it has 0-3",
        "export atlas --layer conv1 --out x": "unknown layer in the atlas 'conv1'",
        "export atlas --layer block --out atlas/atlas.json": "cannot be written",
    }.items():
        assert run(line) == 2, line
        assert message in capsys.readouterr().err
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("line", ["nonesuch", "atlas --size x", "export atlas", "render"])
def test_what_cannot_be_parsed_ends_with_status_2(run, line, capsys):
    with pytest.raises(SystemExit) as stop:
        run(line)
    assert stop.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Where processes keep compiled programs."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interruptions_are_tidy_and_continue(run, tmp_path, cache, capsys, number, status):
    line = "atlas --layer stem --units 0:6 --size 16 --steps 12 --batch 1"
    command = [sys.executable, "-m", "vizjax", *line.split()]
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob("positive*.json")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(number)
    error = process.communicate(timeout=60)[1]
    if process.returncode != 0:  # it was not faster than the signal
        assert process.returncode == status
        assert "the same command continues" in error
    assert "Traceback" not in error
    assert not list((tmp_path / "atlas").rglob(f"*{files.TEMPORARY}*"))
    assert (tmp_path / "atlas" / "index.html").is_file()
    committed = len(list(tmp_path.rglob("positive*.json")))
    assert run(f"{line} --json") == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 6
    assert committed >= 1
    assert list(cache.iterdir())


def test_units_of_all_spellings():
    assert parse_units(None) is None
    assert parse_units("7") == [7]
    assert parse_units("0:10:3") == [0, 3, 6, 9]
    assert parse_units(":4") == [0, 1, 2, 3]
    assert parse_units("1, 5:7") == [1, 5, 6]
    assert np.arange(9)[parse_units("4:")].tolist() == [4, 5, 6, 7, 8]
    assert np.arange(9)[parse_units("1::4")].tolist() == [1, 5]


def test_classes_are_rendered_by_name(run, tmp_path, monkeypatch):
    classes = ("tench", "shark", "cock", "hen", "tiger", "tiger cat", "lion", "Cardigan", "cardigan", "mask")
    monkeypatch.setattr(labels, "read", lambda _: classes)
    assert run('render tiny logits "Tiger cat" 2 --size 16 --steps 2 --out cat.png') == 0
    recipe = files.read_recipe(tmp_path / "cat.png")
    assert (recipe["units"], recipe["names"]) == ([5, 2], ["tiger cat", "cock"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("logits tigger", "unknown class 'tigger': did you mean 'tiger'"),
        ("logits CARDIGAN", "'CARDIGAN' means several; give the number: 264 (Cardigan) or 474 (cardigan)"),
        (
            "logits 1000",
            "units of layer 'logits' are 0 ... 999, or names of classes, one or more, not '1000'",
        ),
        ("blocks.4 cat", "units of layer 'blocks.4' are 0 ... 39, one or more, not 'cat'"),
    ],
)
def test_units_that_are_none(run, words, message, capsys, tmp_path):
    assert run(f"render efficientnet_lite0 {words}") == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_in_an_ignored_callback_is_not_lost(run, number, status, monkeypatch, capsys):
    """As it may fall into one of JAX's, which the garbage collector calls."""

    class Callback:
        def __del__(self):
            signal.raise_signal(number)

    undisturbed = []

    def verb(*_, **__):
        callback = Callback()
        del callback
        time.sleep(20)
        undisturbed.append(True)

    monkeypatch.setattr(cli.tyro.extras, "subcommand_cli_from_dict", verb)
    assert run("atlas") == status
    assert not undisturbed
    captured = capsys.readouterr().err
    assert "the same command continues" in captured
    assert "Traceback" not in captured
