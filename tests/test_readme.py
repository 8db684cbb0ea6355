"""Every snippet of the README runs, in order, in one folder."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

import vizjax as vz
from vizjax import cli, files

README = Path(__file__).parent.parent / "README.md"
SNIPPETS = re.findall(r"```(\w+)\n(.*?)```", README.read_text(), re.S)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Runs everything; only what makes or tests the environment itself is left to `.ci/run`."""
    place = tmp_path_factory.mktemp("readme")
    patch = pytest.MonkeyPatch()
    patch.chdir(place)
    patch.setattr(cli, "_use_cache", lambda: None)
    names: dict[str, object] = {}
    commands = []
    for language, text in SNIPPETS:
        if language == "python":
            exec(compile(text, "README.md", "exec"), names)
            continue
        assert language == "sh"
        for line in text.strip().splitlines():
            for command in line.split("&&"):
                program, *arguments = shlex.split(command, comments=True)
                assert program in ("pip", "pytest", "vizjax")
                if program == "vizjax":
                    commands.append(arguments[0])
                    assert cli.main(arguments) == 0, command
    patch.undo()
    return place, names, commands


def test_the_commands_did_what_they_say(done):
    place, _, commands = done
    assert commands == ["atlas", "atlas", "export", "render", "layers", "render"]
    atlas = vz.atlas.open(place / "atlas")
    assert atlas.layers == ["blocks.4"]
    assert atlas["blocks.4"].images.shape == (40, 1, 128, 128, 3)
    assert (atlas["blocks.4"].status == "ok").all()
    assert (atlas["blocks.4"].final > 15).all()
    assert len(list((place / "pictures").iterdir())) == 8
    assert files.read_recipe(place / "cat.png")["units"] == [282]
    with Image.open(place / "unit.gif") as film:
        assert film.n_frames == 17
    assert files.read_recipe(place / "dreamt.png")["layer"] == "blocks.4"


def test_the_snippets_did_what_they_say(done):
    place, names, _ = done
    assert files.read_recipe(place / "units.png")["image"] == "fourier(96)"
    assert names["result"].images.shape == (1, 4, 64, 64, 3)
    assert float(abs(names["change"]).max()) > 0.01
    assert names["layer"].images.shape == (8, 1, 64, 64, 3)


def test_the_page_of_the_default_atlas_opens_in_a_browser(done, browser):
    page = browser.new_page()
    complaints = []
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.goto((done[0] / "atlas" / "index.html").as_uri() + "#blocks.4/7")
    page.get_by_role("dialog").wait_for()
    assert "Unit 7" in page.get_by_role("dialog").inner_text()
    page.close()
    assert not complaints


def test_it_names_what_exists():
    for name in set(re.findall(r"vz\.(\w+)", README.read_text())):
        assert hasattr(vz, name), name
    for path in re.findall(r"\]\((?!http)([^)]+)\)", README.read_text()):
        assert (README.parent / path).exists(), path
