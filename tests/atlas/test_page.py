"""The page of an atlas, opened in a browser from the file system, as a person would open it."""

from __future__ import annotations

import doctest
import io
import itertools
import json
import math
import re
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from vizjax.atlas import page

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
TILE = (12, 16)  # height and width, not square: so that mixing up the two is seen
LEVELS = 22
FACETS = {"positive": 1, "negative": 1, "diverse": 4}
SLOTS = {"positive": 0, "negative": 1, "diverse": 2}  # first of a unit's pictures, over all facets
HOSTILE = [
    "<img src=x onerror=window.hacked=1>",
    '"><script>window.hacked=1</script>',
    "</script><script>window.hacked=1</script>",
    "<!--<script>",
    "javascript:window.hacked=1",
    "'-window.hacked=1-'",
    "../../etc",
    "__proto__",
    "50% of a/b #c?d &lt; \u2028 {{manifest}}",
]
CLASSES = [
    "tench", "", "tiger cat", "sandbar, sand bar", "Persian cat", "sandbar", "catamaran", "beer bottle",
    "Żubr 2-seater", "12 volt lamp", "zebra", "Egyptian cat of a very long and winding name, without an end",
]  # fmt: skip


# A synthetic atlas: one colour a picture, which tells which picture it is.


def colour(key: int) -> tuple[int, int, int]:
    """The colour of picture number ``key``, eleven steps from every other."""
    return (key // LEVELS**2 * 11 + 6, key // LEVELS % LEVELS * 11 + 6, key % LEVELS * 11 + 6)


def key_of(pixel: tuple[int, ...]) -> int:
    """The number of the picture that has this colour."""
    red, green, blue = (min(LEVELS - 1, channel // 11) for channel in pixel[:3])
    return (red * LEVELS + green) * LEVELS + blue


def key_for(unit: int, facet: str = "positive", picture: int = 0) -> int:
    return unit * 6 + SLOTS[facet] + picture


def status_of(unit: int) -> str:
    return "dead" if unit % 10 == 5 else "diverged" if unit % 10 == 8 else "ok"


def final_of(unit: int) -> float | None:
    return None if status_of(unit) == "diverged" else float(unit * 7 % 40)


def baseline_of(unit: int) -> float:
    return float(unit * 3 % 11)


def write_layer(
    root: Path,
    name: str,
    units: range,
    facets: dict[str, int],
    *,
    key: Callable[[int, str, int], int] = key_for,
    per_shard: int = 16,
    sheet_name: str = "{facet}-{shard:06d}.webp",
    change: Callable[[dict[str, Any]], None] = lambda shard: None,
) -> str:
    slug = quote(name, safe="")
    slug = "%2E%2E" if slug == ".." else slug
    folder = root / "layers" / slug
    folder.mkdir(parents=True)
    height, width = TILE
    shards = []
    for facet, each in facets.items():
        for number, start in enumerate(range(0, len(units), per_shard)):
            jobs = units[start : start + per_shard]
            columns = math.ceil(math.sqrt(len(jobs) * each))
            rows = math.ceil(len(jobs) * each / columns)
            sheet = np.zeros((rows * height, columns * width, 3), np.uint8)
            for index, (unit, picture) in enumerate(itertools.product(jobs, range(each))):
                top, left = index // columns * height, index % columns * width
                sheet[top : top + height, left : left + width] = colour(key(unit, facet, picture))
            file = sheet_name.format(facet=facet, shard=number)
            if re.fullmatch(r"[A-Za-z0-9._-]+", file):
                Image.fromarray(sheet).save(folder / file, lossless=True, method=0)
            shard = {
                "facet": facet,
                "sheet": file,
                "columns": columns,
                "units": list(jobs),
                "score": [final_of(unit) for unit in jobs],
                "final": [final_of(unit) for unit in jobs],
                "baseline": [baseline_of(unit) for unit in jobs],
                "status": [status_of(unit) for unit in jobs],
                "attempts": [1 + (status_of(unit) != "ok") for unit in jobs],
            }
            change(shard)
            shards.append(shard)
    layer = {"name": name, "size": list(TILE), "facets": facets, "shards": shards}
    (folder / "layer.js").write_text(page.layer_script(layer), encoding="utf-8")
    return slug


def manifest_of(layers: dict[str, Any], **other: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "model": {"name": "efficientnet_lite0", "weights": "5e1f" * 16},
        "recipe": {"steps": 512, "scales": [0.9, 1.1], "objective": "channel"},
        "seed": 7,
        "width": 8,
        "backend": "cpu",
        "versions": {"vizjax": "0.1.0", "jax": "0.12.0"},
        "layers": layers,
    } | other


def entry(slug: str, units: int, facets: dict[str, int]) -> dict[str, Any]:
    return {"slug": slug, "channels": units, "units": units, "facets": facets}


def write_classes(root: Path, names: Any = CLASSES, count: int = len(CLASSES)) -> Path:
    """An atlas with a layer of classes, and one whose units have no names."""
    write_layer(root, "logits", range(count), {"positive": 1})
    write_layer(root, "stem", range(4), {"positive": 1})
    logits = entry("logits", count, {"positive": 1}) | {"names": names}
    return write_page(root, manifest_of({"logits": logits, "stem": entry("stem", 4, {"positive": 1})}))


def write_page(root: Path, manifest: dict[str, Any]) -> Path:
    (root / "index.html").write_text(page.html(manifest), encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas with whole layers, one half done, one not begun, and one whose script is missing."""
    root = tmp_path_factory.mktemp("an atlas")
    write_layer(root, "stem", range(8), {"positive": 1})
    write_layer(root, "blocks.4", range(40), FACETS)
    write_layer(root, "half", range(12), FACETS)
    write_layer(root, "empty", range(0), FACETS)
    write_layer(root, "a/b%c", range(6), {"positive": 1})
    layers = {
        "stem": entry("stem", 8, {"positive": 1}),
        "blocks.4": entry("blocks.4", 40, FACETS),
        "half": entry("half", 40, FACETS),
        "empty": entry("empty", 40, FACETS),
        "absent": entry("absent", 40, FACETS),
        "a/b%c": entry("a%2Fb%25c", 6, {"positive": 1}),
    }
    return write_page(root, manifest_of(layers))


@pytest.fixture(scope="session")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("huge")
    write_layer(root, "wide", range(10_000), {"positive": 1}, key=lambda unit, *_: unit, per_shard=64)
    return write_page(root, manifest_of({"wide": entry("wide", 10_000, {"positive": 1})}))


# The browser.


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens an atlas; afterwards, nothing must have gone wrong in it or have left its folder."""
    with visiting(browser) as opener:
        yield opener


@contextmanager
def visiting(browser: Any) -> Iterator[Callable[..., Any]]:
    contexts: list[Any] = []
    troubles: list[str] = []

    def start(
        root: Path, address: str = "", *, viewport: dict[str, int] = DESKTOP, script: str = "", **options: Any
    ) -> Any:
        context = browser.new_context(viewport=viewport, **options)
        context.set_default_timeout(5000)
        contexts.append(context)
        if script:
            context.add_init_script(script)
        tab = context.new_page()
        tab.asked = []

        def asked(request: Any) -> None:
            tab.asked.append(request.url)
            if not request.url.startswith(root.as_uri() + "/"):
                troubles.append(f"asked for {request.url}")

        def said(message: Any) -> None:
            if message.type in ("error", "warning") and "layers/absent/" not in message.location["url"]:
                troubles.append(f"said {message.text}")

        tab.on("request", asked)
        tab.on("console", said)
        tab.on("pageerror", lambda error: troubles.append(f"failed with {error}"))
        tab.goto(f"{root.as_uri()}/index.html{address}")
        settle(tab)
        return tab

    try:
        yield start
        for context in contexts:
            assert not any(tab.evaluate("window.hacked") for tab in context.pages)
        assert troubles == []
    finally:
        for context in contexts:
            context.close()


def wait(tab: Any, condition: str) -> None:
    """Waits until a condition holds. Playwright's own waiting needs eval, which the page forbids."""
    late = time.monotonic() + 10
    while not tab.evaluate(condition):
        assert time.monotonic() < late, f"waited in vain for {condition}"
        tab.wait_for_timeout(10)


def settle(tab: Any) -> None:
    """Waits until all that is in sight is painted."""
    wait(
        tab,
        "document.readyState === 'complete'"
        " && document.querySelector('#notice p')?.textContent !== 'Loading…'"
        " && !document.querySelector('canvas[data-state=waiting]')",
    )
    tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def units(tab: Any) -> list[int]:
    """Unit numbers of the tiles in the document, in order."""
    return tab.evaluate("[...document.querySelectorAll('.cell p')].map((p) => Number(p.firstChild.data))")


def pixels(tab: Any, points: list[tuple[float, float]]) -> list[tuple[int, ...]]:
    ratio = tab.evaluate("devicePixelRatio")
    shot = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    return [shot.getpixel((int(x * ratio), int(y * ratio))) for x, y in points]


def tiles(tab: Any) -> dict[int, dict[str, float]]:
    """Where the tiles are that can be seen whole."""
    found = tab.evaluate(
        """[...document.querySelectorAll('.cell')].map((cell) => {
            const { x, y, width } = cell.getBoundingClientRect();
            const height = parseFloat(getComputedStyle(cell, '::before').height);
            return { unit: Number(cell.querySelector('p').firstChild.data), x, y, width, height };
        })"""
    )
    top = tab.locator("#toolbar").bounding_box()
    low = top["y"] + top["height"] + 10
    bottom = tab.viewport_size["height"]
    return {box["unit"]: box for box in found if box["y"] >= low and box["y"] + box["height"] <= bottom}


def shown_keys(tab: Any, across: float = 0.5, down: float = 0.5) -> dict[int, int]:
    """Which picture each tile in sight shows, read from the screen."""
    boxes = {unit: box for unit, box in tiles(tab).items() if status_of(unit) == "ok"}
    points = [(box["x"] + across * box["width"], box["y"] + down * box["height"]) for box in boxes.values()]
    return dict(zip(boxes, map(key_of, pixels(tab, points)), strict=True))


def zoom_key(tab: Any) -> int:
    settle(tab)
    box = tab.locator("#picture").bounding_box()
    return key_of(pixels(tab, [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)])[0])


def address(tab: Any) -> str:
    return tab.evaluate("location.hash")


def facts(tab: Any, place: str) -> dict[str, str]:
    names = f"[...document.querySelectorAll('{place} dt')]"
    return dict(tab.evaluate(f"{names}.map((name) => [name.textContent, name.nextSibling.textContent])"))


# Text, without a browser.


def test_examples() -> None:
    assert isinstance(page, types.ModuleType)
    results = doctest.testmod(page)
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_text_cannot_leave_its_script(text: str) -> None:
    layer = {"name": text}
    script = page.layer_script(layer)
    assert not re.search("[<>&\u2028\u2029]", script)
    assert json.loads(script.removeprefix("vizjaxLayer(").removesuffix(");\n")) == layer

    manifest = manifest_of({text: entry("x", 1, {})}, recipe={text: text})
    written = page.html(manifest)
    inlined = re.search(r'id="manifest">(.*?)</script>', written)
    order = re.search(r'id="order">(.*?)</script>', written)
    assert inlined is not None
    assert order is not None
    assert json.loads(inlined[1]) == manifest
    assert json.loads(order[1]) == [text]
    assert written.count("<script") == page.html(manifest_of({})).count("<script")


def test_numbers_have_to_be_finite() -> None:
    with pytest.raises(ValueError, match="JSON"):
        page.layer_script({"score": [math.nan]})
    with pytest.raises(ValueError, match="JSON"):
        page.html({"seed": math.inf})


def test_policy_is_strict() -> None:
    written = page.html(manifest_of({}))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', written)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'self' 'sha256-")
    assert "unsafe" not in policy[1]
    assert not re.search(r"(?:src|href)=|https?://(?!www\.w3\.org/2000/svg)|@import|url\(", written)


# The page.


def test_opens_from_a_folder_and_loads_only_what_is_seen(visit: Any, atlas: Path) -> None:
    tab = visit(atlas)
    assert tab.title() == "stem – efficientnet_lite0"
    assert tab.locator("h1").inner_text() == "efficientnet_lite0"
    assert tab.locator("#overview li").all_inner_texts() == [
        "6 layers", "174 units", "seed 7", "cpu", "weights 5e1f5e1f",
    ]  # fmt: skip
    assert tab.locator("#layers li").all_inner_texts() == [
        "stem\n8", "blocks.4\n40", "half\n40", "empty\n40", "absent\n40", "a/b%c\n6",
    ]  # fmt: skip
    assert address(tab) == "#stem"
    files = [url.removeprefix(atlas.as_uri() + "/") for url in tab.asked]
    assert files == ["index.html", "layers/stem/layer.js", "layers/stem/positive-000000.webp"]


def test_layers_keep_their_order_even_when_named_by_numbers(visit: Any, tmp_path: Path) -> None:
    for name in ("10", "stem", "2"):
        write_layer(tmp_path, name, range(1), {"positive": 1})
    write_page(tmp_path, manifest_of({name: entry(name, 1, {"positive": 1}) for name in ("10", "stem", "2")}))
    assert visit(tmp_path).locator("#layers li").all_inner_texts() == ["10\n1", "stem\n1", "2\n1"]


def test_grid_shows_the_right_picture_to_its_edges(visit: Any, atlas: Path) -> None:
    tab = visit(atlas, "#blocks.4", device_scale_factor=1.5)
    for across in (0.03, 0.5, 0.97):
        shown = shown_keys(tab, across)
        assert len(shown) > 15
        assert shown == {unit: key_for(unit) for unit in shown}
    for box in tiles(tab).values():
        assert box["height"] / box["width"] == pytest.approx(TILE[0] / TILE[1], abs=0.02)


def test_facets_and_pictures_side_by_side(visit: Any, atlas: Path) -> None:
    tab = visit(atlas, "#blocks.4")
    tab.get_by_role("button", name="negative").click()
    settle(tab)
    assert (shown := shown_keys(tab)) == {unit: key_for(unit, "negative") for unit in shown}
    tab.get_by_role("button", name="diverse").click()
    settle(tab)
    for picture in range(4):
        shown = shown_keys(tab, 0.25 + 0.5 * (picture % 2), 0.25 + 0.5 * (picture // 2))
        assert shown == {unit: key_for(unit, "diverse", picture) for unit in shown}


def test_tile_size(visit: Any, atlas: Path) -> None:
    tab = visit(atlas, "#blocks.4")
    before = tiles(tab)[0]["width"]
    tab.locator("#size").fill("300")
    settle(tab)
    assert tiles(tab)[0]["width"] > max(290, before)
    assert (shown := shown_keys(tab)) == {unit: key_for(unit) for unit in shown}


def test_sort(visit: Any, atlas: Path) -> None:
    tab = visit(atlas, "#blocks.4")
    scored = [unit for unit in range(40) if final_of(unit) is not None]
    unscored = [unit for unit in range(40) if final_of(unit) is None]

    def rise(unit: int) -> float:
        return (final_of(unit) or 0.0) - baseline_of(unit)

    tab.locator("#size").fill("56")
    assert units(tab) == list(range(40))
    tab.locator("#direction").click()
    assert units(tab) == list(range(39, -1, -1))
    tab.locator("#sort").select_option("final")
    assert units(tab) == sorted(scored, key=final_of, reverse=True) + unscored
    tab.locator("#direction").click()
    assert units(tab) == sorted(scored, key=final_of) + unscored
    tab.locator("#sort").select_option("rise")
    assert units(tab) == sorted(scored, key=rise) + unscored
    settle(tab)
    assert (shown := shown_keys(tab)) == {unit: key_for(unit) for unit in shown}


def test_filter(visit: Any, atlas: Path) -> None:
    tab = visit(atlas, "#blocks.4")
    tab.locator("#size").fill("56")
    tab.locator("#status").select_option("dead")
    assert units(tab) == [5, 15, 25, 35]
    assert tab.locator("#count").inner_text() == "40 units, 4 shown"
    counts = tab.locator("#status option").all_inner_texts()
    assert counts == ["all (40)", "ok (32)", "dead (4)", "diverged (4)"]
    tab.locator("#status").select_option("diverged")
    assert units(tab) == [8, 18, 28, 38]
    tab.locator("#status").select_option("all")

    for text, expected in {
        "12": [12],
        "10-13": [10, 11, 12, 13],
        "3,5, 9": [3, 5, 9],
        " 13 – 11 39": [11, 12, 13, 39],
        "38-": [38, 39],
        "": list(range(40)),
    }.items():
        tab.locator("#numbers").fill(text)
        assert units(tab) == expected, text
        assert tab.locator("#problem").is_hidden()

    tab.locator("#numbers").fill("12, x")
    assert tab.locator("#problem").inner_text() == "Units are given as 12, as 100-120, or as 3, 5, 9."
    assert tab.locator("#numbers").get_attribute("aria-invalid") == "true"
    tab.locator("#numbers").fill("")
    tab.locator("#minimum").fill("38.5")
    assert units(tab) == [unit for unit in range(40) if (final_of(unit) or 0) >= 38.5]
    tab.locator("#minimum").fill("1000")
    assert "No unit fits the filter" in tab.locator("#notice").inner_text()
    tab.get_by_role("button", name="Clear the filter").click()
    assert units(tab) == list(range(40))


def test_classes_are_shown_by_number_and_name(visit: Any, tmp_path: Path) -> None:
    tab = visit(write_classes(tmp_path))
    captions = tab.locator(".cell p")
    assert units(tab) == list(range(12))
    assert captions.nth(2).inner_text().split("\n") == ["2", "tiger cat", "14.0"]
    assert captions.nth(1).inner_text().split("\n") == ["1", "7.00"]
    assert captions.nth(2).get_attribute("title") == "2 tiger cat"
    assert captions.nth(1).get_attribute("title") is None
    assert tab.get_by_role("gridcell", name="Unit 2, tiger cat, final score 14.00, ok").count() == 1
    assert tab.get_by_role("gridcell", name="Unit 1, final score").count() == 1

    whole = "(name) => [name.offsetWidth, name.scrollWidth <= name.clientWidth]"
    assert captions.nth(2).locator(".name").evaluate(whole)[1]
    assert not captions.nth(11).locator(".name").evaluate(whole)[1]
    assert captions.nth(11).get_attribute("title") == f"11 {CLASSES[11]}"
    cut = "(name) => getComputedStyle(name).textOverflow"
    assert captions.nth(11).locator(".name").evaluate(cut) == "ellipsis"
    score = captions.nth(11).locator("span").last
    assert score.is_visible()
    right = "(each) => each.getBoundingClientRect().right"
    assert score.evaluate(right) <= captions.nth(11).evaluate(right)
    tab.locator("#size").fill("80")
    assert captions.nth(2).inner_text().split("\n") == ["2", "tiger cat"]
    tab.locator("#size").fill("56")
    assert captions.nth(2).inner_text() == "2"

    captions.nth(2).click()
    assert tab.locator("#unit").inner_text() == "2 tiger cat"
    assert tab.title() == "logits / 2 tiger cat – efficientnet_lite0"
    said = "What unit 2 (tiger cat) of logits responds to: positive, picture 1"
    assert tab.locator("#picture").get_attribute("aria-label") == said
    tab.locator("#back").click()
    assert tab.locator("#unit").inner_text() == "Unit 1"
    assert tab.title() == "logits / 1 – efficientnet_lite0"


def test_classes_are_found_by_name(visit: Any, tmp_path: Path) -> None:
    tab = visit(write_classes(tmp_path))
    assert tab.locator("#numbers").get_attribute("placeholder") == "number or name"
    for text, expected in {
        "cat": [2, 4, 6, 11],
        " TIGER  Cat ": [2],
        "żubr": [8],
        "sandbar": [3, 5],
        "sandbar, sand bar": [3],
        "sandbar, s": [3],
        "tench, sandbar, 7-8": [0, 3, 5, 7, 8],
        "tiger cat; beer": [2, 7],
        "zebra, 1 4": [1, 4, 10],
        "zebra, nothing": [10],
        "12 v": [9],
        "2-s": [8],
        "2-": list(range(2, 12)),
        "9": [9],
        "3, 5": [3, 5],
        " , ": list(range(12)),
        "": list(range(12)),
    }.items():
        tab.locator("#numbers").fill(text)
        assert units(tab) == expected, text
        assert tab.locator("#problem").is_hidden()
    tab.locator("#numbers").fill(".*")
    assert "No unit fits the filter" in tab.locator("#notice").inner_text()
    tab.locator("#numbers").fill("cat")
    tab.locator("#minimum").fill("20")
    assert units(tab) == [4, 11]
    tab.locator("#minimum").fill("")

    tab.get_by_role("button", name="stem").click()  # where units have no names
    settle(tab)
    assert units(tab) == [0, 1, 2, 3]
    assert tab.locator("#problem").inner_text() == "Units are given as 12, as 100-120, or as 3, 5, 9."
    assert tab.locator("#numbers").get_attribute("placeholder") == "12, 100-120"
    tab.get_by_role("button", name="logits").click()
    settle(tab)
    assert units(tab) == [2, 4, 6, 11]
    assert tab.locator("#problem").is_hidden()
    tab.evaluate("location.hash = '#logits/0'")
    assert zoom_key(tab) == key_for(0)
    assert tab.locator("#numbers").input_value() == ""


def test_classes_are_sorted_by_name(visit: Any, tmp_path: Path) -> None:
    tab = visit(write_classes(tmp_path))
    tab.locator("#sort").select_option("name")
    order = [9, 7, 6, 11, 4, 5, 3, 0, 2, 10, 8]
    assert units(tab) == [*order, 1]
    tab.locator("#direction").click()
    assert units(tab) == [*reversed(order), 1]
    settle(tab)
    assert (shown := shown_keys(tab)) == {unit: key_for(unit) for unit in shown}
    tab.get_by_role("button", name="stem").click()
    settle(tab)
    assert units(tab) == [3, 2, 1, 0]
    assert tab.locator("#sort").input_value() == "unit"
    assert tab.locator("#byname").is_disabled()


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["tench"], ["tench"]),
        ([None, 3, ["x"], "tench"], ["tench"]),
        (["", " ", {}, True], []),
        ({"length": 4}, []),
        (5, []),
        (None, []),
    ],
)
def test_names_that_are_no_names(visit: Any, tmp_path: Path, names: Any, shown: list[str]) -> None:
    tab = visit(write_classes(tmp_path, names, count=4))
    assert units(tab) == [0, 1, 2, 3]
    assert tab.locator(".cell .name").all_text_contents() == shown
    assert tab.locator("#byname").is_enabled() == bool(shown)
    tab.locator("#numbers").fill("ten")
    assert len(units(tab)) == (1 if shown else 4)
    tab.locator("#numbers").fill("2")
    assert units(tab) == [2]


def test_hostile_classes(visit: Any, tmp_path: Path) -> None:
    tab = visit(write_classes(tmp_path, HOSTILE, count=len(HOSTILE)))
    assert tab.locator(".cell .name").all_text_contents() == HOSTILE
    titles = [f"{unit} {name}" for unit, name in enumerate(HOSTILE)]
    read = "[...document.querySelectorAll('.cell p')].map((p) => p.title)"
    assert tab.evaluate(read) == titles
    for unit, name in enumerate(HOSTILE):
        tab.locator("#numbers").fill(name)
        assert unit in units(tab)
        tab.evaluate("(unit) => { location.hash = '#logits/' + unit; }", unit)
        wait(tab, f"document.querySelector('#unit').firstChild?.data === {json.dumps(titles[unit])}")
        assert name in tab.locator("#picture").get_attribute("aria-label")
        tab.keyboard.press("Escape")
        wait(tab, "location.hash === '#logits'")
    assert tab.evaluate("document.querySelectorAll('main img, dialog img, script').length") == 4


def test_dead_and_diverged_are_marked_in_words(visit: Any, atlas: Path) -> None:
    tab = visit(atlas, "#blocks.4", color_scheme="light")
    tab.locator("#size").fill("56")
    settle(tab)
    marks = tab.evaluate(
        """Object.fromEntries([...document.querySelectorAll('.cell')].map((cell) => [
            cell.querySelector('p').firstChild.data, cell.querySelector('.badge')?.textContent ?? 'ok']))"""
    )
    assert marks == {str(unit): status_of(unit) for unit in range(40)}
    boxes = tiles(tab)
    spots = [(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.8) for box in boxes.values()]
    for unit, pixel in zip(boxes, pixels(tab, spots), strict=True):
        dimmed = min(pixel) > 160  # on white
        assert dimmed == (status_of(unit) != "ok"), unit
    assert tab.get_by_role("gridcell", name="Unit 5, final score 35.00, dead").count() == 1


def test_permalinks_and_history(visit: Any, atlas: Path) -> None:
    tab = visit(atlas, "#blocks.4/17")
    zoom = tab.locator("#zoom")
    assert zoom.is_visible()
    assert tab.title() == "blocks.4 / 17 – efficientnet_lite0"
    assert zoom_key(tab) == key_for(17)
    tab.keyboard.press("Escape")
    assert zoom.is_hidden()
    wait(tab, "location.hash === '#blocks.4'")

    tab.get_by_role("gridcell", name="Unit 3,").click()
    wait(tab, "location.hash === '#blocks.4/3'")
    tab.keyboard.press("ArrowRight")
    wait(tab, "location.hash === '#blocks.4/4'")
    tab.go_back()  # a walk is one entry
    wait(tab, "location.hash === '#blocks.4'")
    assert zoom.is_hidden()
    tab.go_forward()
    wait(tab, "location.hash === '#blocks.4/4'")
    assert zoom.is_visible()
    assert zoom_key(tab) == key_for(4)
    tab.locator("#close").click()
    wait(tab, "location.hash === '#blocks.4'")

    tab.get_by_role("button", name="a/b%c").click()
    settle(tab)
    assert address(tab) == "#a%2Fb%25c"
    assert (shown := shown_keys(tab)) == {unit: key_for(unit) for unit in (0, 1, 2, 3, 4)}, shown
    tab.evaluate("location.hash = '#blocks.4/38'")
    settle(tab)
    assert tab.locator("#unit").inner_text().startswith("Unit 38")
    tab.go_back()
    settle(tab)
    assert tab.locator("#title").inner_text() == "a/b%c"
    tab.reload()
    settle(tab)
    assert tab.locator("#title").inner_text() == "a/b%c"


def test_links_from_zoom_to_zoom(visit: Any, atlas: Path) -> None:
    tab = visit(atlas, "#blocks.4/17")
    for link, key in (("#stem/3", key_for(3)), ("#blocks.4/9", key_for(9)), ("#stem/4", key_for(4))):
        tab.evaluate("(link) => { location.hash = link; }", link)
        wait(tab, f"document.querySelector('#unit').textContent === 'Unit {link[-1]}'")
        assert zoom_key(tab) == key
        assert address(tab) == link
        assert tab.locator("#zoom").is_visible()


def test_a_link_wins_over_the_filter(visit: Any, atlas: Path) -> None:
    tab = visit(atlas, "#blocks.4")
    tab.locator("#status").select_option("dead")
    tab.evaluate("location.hash = '#blocks.4/17'")
    assert zoom_key(tab) == key_for(17)
    assert tab.locator("#status").input_value() == "all"


def test_links_to_nowhere(visit: Any, atlas: Path) -> None:
    tab = visit(atlas, "#nowhere/3")
    assert tab.locator("#toast").inner_text() == "There is no layer nowhere in this atlas."
    assert address(tab) == "#stem"
    links = {
        "#blocks.4/99": ("#blocks.4", "Unit 99 of blocks.4 is not in this atlas yet."),
        "#__proto__": ("#stem", "There is no layer __proto__ in this atlas."),
        "#%E0%A4%A": ("#stem", "There is no layer %E0%A4%A in this atlas."),
        "#//": ("#stem", ""),
        "#blocks.4/x": ("#blocks.4", ""),
    }
    for link, (place, word) in links.items():
        tab.evaluate(
            "(link) => { document.querySelector('#toast').textContent = ''; location.hash = link; }", link
        )
        wait(tab, f"location.hash === '{place}' && document.querySelector('#toast').textContent === '{word}'")
        settle(tab)
        assert tab.locator("#zoom").is_hidden()
        assert tab.locator("#title").inner_text() == place.removeprefix("#")
        assert tab.locator(".cell").count() > 0


def test_keyboard(visit: Any, atlas: Path) -> None:
    tab = visit(atlas, "#blocks.4")
    here = "Number(document.activeElement.querySelector('p').firstChild.data)"
    columns = int(tab.locator("#grid").get_attribute("aria-colcount"))
    tab.keyboard.press("/")
    tab.keyboard.type("0-35")
    tab.keyboard.press("Enter")
    assert tab.evaluate(here) == 0
    walk = [("ArrowRight", 1), ("ArrowDown", 1 + columns), ("ArrowLeft", columns), ("ArrowUp", 0)]
    for press, unit in [*walk, ("End", 35), ("Home", 0)]:
        tab.keyboard.press(press)
        assert tab.evaluate(here) == unit
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    assert address(tab) == "#blocks.4/1"
    tab.keyboard.press("Control+ArrowLeft")  # is the browser's
    assert address(tab) == "#blocks.4/1"
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("ArrowLeft")  # at the end already
    assert address(tab) == "#blocks.4/0"
    assert tab.locator("#back").is_disabled()
    for press, key in {"ArrowDown": key_for(0, "negative"), "ArrowUp": key_for(0)}.items():
        tab.keyboard.press(press)
        assert zoom_key(tab) == key
    tab.keyboard.press("Escape")
    wait(tab, "location.hash === '#blocks.4'")
    assert tab.evaluate(here) == 0
    tab.keyboard.press("]")
    settle(tab)
    assert address(tab) == "#half"
    tab.keyboard.press("[")
    tab.keyboard.press("[")
    tab.keyboard.press("[")  # there is none before the first
    settle(tab)
    assert address(tab) == "#stem"
    tab.keyboard.press("?")
    assert tab.locator("#about").is_visible()
    assert "Filter by number or name" in tab.locator("#keys").inner_text()
    tab.keyboard.press("Escape")
    assert tab.locator("#about").is_hidden()


def test_focus_stays_in_the_zoom_and_in_the_grid(visit: Any, atlas: Path, huge: Path) -> None:
    tab = visit(atlas, "#blocks.4/17")
    for _ in range(30):
        tab.keyboard.press("Tab")
        assert tab.evaluate("!document.activeElement.closest('main, nav, header.top')")

    tab = visit(huge)
    tab.locator(".cell").first.focus()
    tab.evaluate("scrollTo(0, 50000)")
    wait(tab, "document.querySelectorAll('.cell').length && scrollY === 50000")
    settle(tab)
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Unit 0,")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Unit 1,")
    assert tab.evaluate("document.activeElement.getBoundingClientRect().top") > 0


def test_zoom_tells_all(visit: Any, atlas: Path) -> None:
    tab = visit(atlas, "#blocks.4/17")
    better = sum(1 for unit in range(40) if (final_of(unit) or 0) > 39)
    assert final_of(17) == 39
    assert tab.locator("#where").inner_text() == "blocks.4"
    assert tab.locator("#rank").inner_text() == f"positive, rank {better + 1} of 36 by final score"
    assert facts(tab, "#scores") == {
        "Final": "39.00", "Last step": "39.00", "Baseline": "7.000", "Rise": "32.00",
        "Status": "ok", "Attempts": "1",
    }  # fmt: skip
    assert facts(tab, "#recipe") == {"steps": "512", "scales": "0.9, 1.1", "objective": "channel"}
    assert facts(tab, "#provenance") == {
        "Model": "efficientnet_lite0", "Weights": "5e1f" * 16, "Seed": "7", "Width": "8", "Backend": "cpu",
        "vizjax": "0.1.0", "jax": "0.12.0",
    }  # fmt: skip
    assert tab.locator("#command").inner_text() == (
        f"vizjax export '{atlas}' --layer blocks.4 --units 17:18 --out unit-17"
    )
    assert tab.locator("#spread rect.here").count() == 1
    assert tab.locator("#spread text").all_text_contents() == ["0", "39.00"]
    thumbs = tab.locator("#strip button")
    expected = [key_for(17, facet, picture) for facet, each in FACETS.items() for picture in range(each)]
    boxes = [thumbs.nth(number).bounding_box() for number in range(thumbs.count())]
    middles = [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in boxes]
    assert list(map(key_of, pixels(tab, middles))) == expected
    tab.get_by_role("button", name="diverse, picture 3").click()
    assert zoom_key(tab) == key_for(17, "diverse", 2)
    tab.locator("#forth").click()
    assert zoom_key(tab) == key_for(18, "diverse", 2)
    assert tab.locator("#unit").inner_text() == "Unit 18diverged"


def test_copying(visit: Any, atlas: Path) -> None:
    copied = """Object.defineProperty(navigator, 'clipboard',
        { value: { writeText: async (text) => { window.copied = text; } } });"""
    tab = visit(atlas, "#blocks.4/17", script=copied)
    tab.get_by_role("button", name="Copy link").click()
    assert tab.evaluate("window.copied") == f"{atlas.as_uri()}/index.html#blocks.4/17"
    tab.get_by_role("button", name="Copy command").click()
    assert tab.evaluate("window.copied").startswith("vizjax export ")


@pytest.mark.parametrize("system", ["light", "dark"])
def test_light_and_dark(visit: Any, atlas: Path, system: str) -> None:
    tab = visit(atlas, color_scheme=system)

    def shown() -> str:
        return "light" if sum(pixels(tab, [(5, 5)])[0]) > 380 else "dark"

    other = "dark" if system == "light" else "light"
    assert shown() == system
    tab.locator("#theme").click()
    assert shown() == other
    tab.reload()
    settle(tab)
    assert shown() == other


def test_without_storage(visit: Any, atlas: Path) -> None:
    refuse = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no'); } });"
    tab = visit(atlas, color_scheme="light", script=refuse)
    tab.locator("#theme").click()
    assert sum(pixels(tab, [(5, 5)])[0]) < 200
    assert tab.locator(".cell").count() == 8


def test_phone(visit: Any, atlas: Path) -> None:
    tab = visit(atlas, "#blocks.4", viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    narrow = "document.documentElement.scrollWidth === 360 && innerWidth === 360"
    small = """[...document.querySelectorAll('button, select, .cell')].filter((each) => each.checkVisibility()
        && (each.offsetHeight < 40 || each.offsetWidth < 40)).map((each) => each.id || each.textContent)"""
    assert tab.evaluate(narrow)
    assert tab.evaluate(small) == []
    assert (shown := shown_keys(tab)) == {unit: key_for(unit) for unit in shown}

    tab.get_by_role("button", name="Filter").tap()
    tab.locator("#numbers").fill("oops")
    assert tab.evaluate(narrow)
    assert tab.evaluate(small) == []
    tab.locator("#numbers").fill("3")
    tab.get_by_role("button", name="Filter").tap()
    assert tab.locator("#numbers").is_hidden()
    tab.get_by_role("gridcell").tap()
    settle(tab)
    assert tab.evaluate(narrow + " && document.querySelector('#zoom').scrollWidth <= 360")
    assert tab.locator("#picture").bounding_box()["width"] > 320
    tab.locator("#close").tap()
    wait(tab, "location.hash === '#blocks.4'")

    tab.get_by_role("button", name="Layers").tap()
    tab.get_by_role("button", name="stem").tap()
    settle(tab)
    assert address(tab) == "#stem"
    assert tab.locator("#nav").is_hidden()


def test_phone_with_long_names(visit: Any, tmp_path: Path) -> None:
    long = "a_name_without_any_end" * 5
    slug = write_layer(tmp_path, long, range(3), {"positive": 1, long: 1}, sheet_name="s{shard}.webp",
                       key=lambda unit, *_: unit)  # fmt: skip
    manifest = manifest_of(
        {long: entry(slug, 3, {})}, model={"name": long, "weights": long}, recipe={long: long}
    )
    manifest["layers"][long]["names"] = [long, long, f"{long}, {long}"]
    tab = visit(write_page(tmp_path, manifest), viewport=PHONE, has_touch=True, is_mobile=True)
    assert tab.evaluate("document.documentElement.scrollWidth") == 360
    tab.get_by_role("gridcell", name="Unit 2,").tap()
    settle(tab)
    assert tab.evaluate("document.querySelector('#zoom').scrollWidth") == 360
    assert zoom_key(tab) == 2
    tab.locator("#close").tap()


def test_swipe(visit: Any, atlas: Path) -> None:
    tab = visit(atlas, "#stem/3", viewport=PHONE, has_touch=True, is_mobile=True)
    touch = tab.context.new_cdp_session(tab)

    def swipe(across: int, down: int = 0) -> None:
        for kind, points in (
            ("touchStart", [{"x": 180, "y": 300}]),
            ("touchMove", [{"x": 180 + across // 2, "y": 300 + down // 2}]),
            ("touchMove", [{"x": 180 + across, "y": 300 + down}]),
            ("touchEnd", []),
        ):
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    swipe(-120)
    wait(tab, "location.hash === '#stem/4'")
    swipe(120)
    wait(tab, "location.hash === '#stem/3'")
    swipe(-20)
    swipe(-50, -120)
    assert address(tab) == "#stem/3"


def test_hostile_names(visit: Any, tmp_path: Path) -> None:
    layers = {}
    for name in HOSTILE:
        # The file system of the tests may refuse a long or odd name, the page must not.
        slug = write_layer(tmp_path, name, range(3), {"positive": 1, name: 1} if name != "positive" else {},
                           key=lambda unit, *_: unit * 6, sheet_name="s{shard}.webp")  # fmt: skip
        layers[name] = entry(slug, 3, {"positive": 1})
    recipe = {name: name for name in HOSTILE} | {"list": HOSTILE}
    model = {"name": HOSTILE[0], "weights": HOSTILE[1]}
    write_page(tmp_path, manifest_of(layers, model=model, recipe=recipe, seed=HOSTILE[2], backend=HOSTILE[0]))
    tab = visit(tmp_path)
    assert tab.locator("h1").text_content() == HOSTILE[0]
    assert tab.locator("#layers button span:first-child").all_text_contents() == HOSTILE
    assert facts(tab, "#recipe") == recipe | {"list": ", ".join(HOSTILE)}
    assert tab.evaluate("document.querySelectorAll('main img, nav img, script').length") == 4
    for name in HOSTILE:
        tab.evaluate("(name) => { location.hash = '#' + encodeURIComponent(name) + '/1'; }", name)
        wait(tab, f"document.querySelector('#where').textContent === {json.dumps(name)}")
        assert zoom_key(tab) == 6
        assert tab.locator("#title").text_content() == name
        assert tab.locator("#strip > div").count() == (1 if name == "__proto__" else 2)
    quoted = tab.locator("#command").text_content()
    assert " --layer '50% of a/b #c?d &lt; \u2028 {{manifest}}' " in quoted


def test_what_is_outside_the_folder_is_not_asked_for(visit: Any, tmp_path: Path) -> None:
    sheets = iter(["../../x.webp", "javascript:alert(1)", "..", "a/b.webp", "http:x", "%2e%2e", ""])

    def spoil(shard: dict[str, Any]) -> None:
        shard["sheet"] = next(sheets)

    write_layer(tmp_path, "stem", range(7), {"positive": 1}, per_shard=1, change=spoil)
    layers = {"stem": entry("stem", 7, {"positive": 1})}
    layers |= {f"layer {slug}": entry(slug, 7, {"positive": 1}) for slug in ("..", ".", "")}
    tab = visit(write_page(tmp_path, manifest_of(layers)))
    assert units(tab) == list(range(7))
    assert tab.locator(".cell.blank").count() == 7
    tab.wait_for_timeout(120)  # longer than the page waits before it asks
    for _ in range(3):
        tab.keyboard.press("]")
        settle(tab)
        assert "cannot be shown" in tab.locator("#notice").inner_text()
    assert [url.rsplit("/", 1)[1] for url in tab.asked] == ["index.html", "layer.js"]


def test_ten_thousand_units(visit: Any, huge: Path) -> None:
    tab = visit(huge)

    def sheets() -> int:
        return len({url for url in tab.asked if url.endswith(".webp")})

    assert sheets() <= 2
    assert tab.evaluate("document.querySelectorAll('*').length") < 1500
    tab.locator("#size").fill("56")
    settle(tab)
    assert tab.evaluate("document.querySelectorAll('*').length") < 1500
    # A rush to the end: what flew past is not loaded.
    tab.evaluate(
        """new Promise((done) => {
            let step = 0;
            const timer = setInterval(() => {
                scrollTo(0, document.documentElement.scrollHeight * step / 50);
                if (++step > 50) { clearInterval(timer); done(); }
            }, 4);
        })"""
    )
    settle(tab)
    assert sheets() < 80  # of 157
    assert tab.evaluate("document.querySelectorAll('*').length") < 1500
    shown = shown_keys(tab)
    assert max(shown) == 9999
    assert len(shown) > 50
    assert shown == {unit: unit for unit in shown}
    tab.locator(".cell").last.click()
    assert address(tab) == "#wide/9999"
    assert zoom_key(tab) == 9999


def test_what_is_in_sight_stays_when_tiles_grow(visit: Any, huge: Path) -> None:
    tab = visit(huge)
    tab.evaluate("scrollTo(0, 60000)")
    settle(tab)
    before = set(tiles(tab))
    tab.locator("#size").fill("300")
    settle(tab)
    assert before & set(tiles(tab))


def test_unfinished_layers(visit: Any, atlas: Path) -> None:
    tab = visit(atlas, "#half")
    assert tab.locator("#count").inner_text() == "12 of 40 done"
    assert units(tab) == list(range(12))
    tab = visit(atlas, "#empty")
    assert tab.locator("#count").inner_text() == "0 of 40 done"
    assert "no pictures yet" in tab.locator("#notice").inner_text()
    tab.keyboard.press("]")
    settle(tab)
    assert "layers/absent/layer.js is not there" in tab.locator("#notice").inner_text()
    tab.get_by_role("button", name="Try again").click()
    settle(tab)
    assert "cannot be shown" in tab.locator("#notice").inner_text()
    tab.keyboard.press("[")
    settle(tab)
    assert "no pictures yet" in tab.locator("#notice").inner_text()


def test_a_unit_that_lacks_a_facet(visit: Any, tmp_path: Path) -> None:
    slug = write_layer(tmp_path, "stem", range(6), {"positive": 1, "negative": 1}, per_shard=3)
    script = tmp_path / "layers" / slug / "layer.js"
    layer = json.loads(script.read_text().removeprefix("vizjaxLayer(").removesuffix(");\n"))
    del layer["shards"][3]  # units 3 to 5, negative
    script.write_text(page.layer_script(layer))
    tab = visit(write_page(tmp_path, manifest_of({"stem": entry(slug, 6, {"positive": 1, "negative": 1})})))
    tab.get_by_role("button", name="negative").click()
    assert tab.locator("#count").inner_text() == "3 of 6 done"
    assert tab.locator(".badge").all_text_contents() == ["not done"] * 3
    tab.get_by_role("gridcell", name="Unit 4").click()
    assert zoom_key(tab) == key_for(4)
    assert tab.locator("#strip > div").all_inner_texts() == ["positive", "negative (not done)"]


def test_scores_that_are_not_numbers(visit: Any, tmp_path: Path) -> None:
    def blank(shard: dict[str, Any]) -> None:
        for name in ("score", "final", "baseline"):
            shard[name] = [None] * len(shard["units"])

    slug = write_layer(tmp_path, "stem", range(6), {"positive": 1}, change=blank)
    tab = visit(write_page(tmp_path, manifest_of({"stem": entry(slug, 6, {"positive": 1})})))
    for way in ("final", "rise"):
        tab.locator("#sort").select_option(way)
        assert units(tab) == list(range(6))
    tab.get_by_role("gridcell", name="Unit 2, final score –, ok").click()
    assert zoom_key(tab) == key_for(2)
    assert tab.locator("#rank").inner_text() == "positive, without a final score"
    assert list(facts(tab, "#scores").values()) == ["–", "–", "–", "–", "ok", "1"]


def test_damaged_layer_and_another_try(visit: Any, tmp_path: Path) -> None:
    slug = write_layer(tmp_path, "stem", range(2), {"positive": 1})
    script = tmp_path / "layers" / slug / "layer.js"
    whole = script.read_text()
    script.write_text(page.layer_script({"name": "other"}))
    tab = visit(write_page(tmp_path, manifest_of({"stem": entry(slug, 2, {"positive": 1})})))
    assert "does not hold this layer" in tab.locator("#notice").inner_text()
    script.write_text(page.layer_script({"name": "stem"}))
    tab.get_by_role("button", name="Try again").click()
    settle(tab)
    assert "cannot be shown" in tab.locator("#notice").inner_text()
    script.write_text(whole)
    tab.get_by_role("button", name="Try again").click()
    settle(tab)
    assert units(tab) == [0, 1]


def test_many_layers_can_be_searched(visit: Any, tmp_path: Path) -> None:
    names = [f"stage.{number}.conv" for number in range(60)]
    slug = write_layer(tmp_path, names[0], range(2), {"positive": 1})
    layers = {name: entry(slug, 2, {"positive": 1}) for name in names}
    tab = visit(write_page(tmp_path, manifest_of(layers)))
    tab.locator("#search").fill("GE.5")
    visible = [name for name in names if "ge.5" in name]
    assert tab.locator("#layers li:visible span:first-child").all_inner_texts() == visible
    tab.locator("#search").fill("nothing")
    assert tab.locator("#nolayer").is_visible()


def test_no_layers_at_all(visit: Any, tmp_path: Path) -> None:
    tab = visit(write_page(tmp_path, manifest_of({})))
    assert "no layers yet" in tab.locator("#notice").inner_text()
