"""Atlases: what is committed stays, what is interrupted continues, what is dead is said."""

import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from PIL import Image
from tiny import tiny

import vizjax as vz
from vizjax import files
from vizjax.atlas import manifest as manifests
from vizjax.atlas import store
from vizjax.atlas.jobs import facet

SETTINGS = {"size": 16, "steps": 12, "batch": 3}


def build(out, layers=("block",), net=None, **settings):
    return vz.atlas.build(net or tiny(), list(layers), out, **(SETTINGS | settings))


def everything(out):
    """All files of an atlas and their bytes, but for the versions it was made with."""
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(Path(out).rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("atlas") / "whole"
    return build(out, ("conv1", "block"), facets=("positive", "negative", "diverse2"))


def test_an_atlas_reads_as_arrays(finished):
    assert finished.layers == ["conv1", "block"]
    layer = finished["block"]
    assert layer.units.tolist() == list(range(8))
    assert layer.facets == ("positive", "negative", "diverse2 1", "diverse2 2")
    assert layer.images.shape == (8, 4, 16, 16, 3)
    assert layer.images.dtype == np.uint8
    assert layer.scores.shape == layer.final.shape == layer.status.shape == layer.attempts.shape == (8, 4)
    assert len(finished.table()) == 2 * 3 * 8
    assert (layer.final[:, 0] > layer.baseline[:, 0]).mean() > 0.8
    with pytest.raises(vz.UnknownName, match="did you mean 'block'"):
        finished["blocks"]


def test_pictures_are_those_of_render(finished):
    from vizjax.keys import named_key

    key = named_key(named_key(jax.random.key(0), "block"), "positive")
    result = vz.render(
        tiny(), lambda acts, unit: vz.objectives.channel(acts["block"], unit), jnp.array([5, 2]),
        image=vz.images.fourier(16), steps=12, batch=3, key=key,
    )  # fmt: skip
    ok = finished["block"].attempts[[5, 2], 0] == 1
    assert ok.any()
    shown = finished["block"].images[[5, 2], 0]
    np.testing.assert_array_equal(files.to_bytes(result.images[:, 0])[ok], shown[ok])


def test_export_carries_the_recipe(finished, tmp_path):
    paths = finished.export("block", [3, 4], tmp_path)
    assert len(paths) == 8
    recipe = files.read_recipe(paths[0])
    assert recipe["layer"] == "block"
    assert recipe["unit"] == 3
    assert recipe["recipe"]["transform"] == "gentle()"
    assert recipe["recipe"]["optimizer"] == "adam(0.15, b1=0.5)"
    assert len(recipe["model"]["weights"]) == 64
    np.testing.assert_array_equal(np.asarray(Image.open(paths[0])), finished["block"].images[3, 0])
    with pytest.raises(vz.InputError, match=r"units 8-9 of layer 'block' are not in the atlas; it has 0-7"):
        finished.export("block", [1, 8, 9], tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.fixture
def named(monkeypatch):
    """Makes the classes of the tiny net have names: all but one of them."""
    there = ("tench", "", "sandbar, sand bar", "<b>", "cat", "dog", "fox", "newt", "owl", "toad")

    def names(net, layer):
        return there if layer == "logits" else ()

    monkeypatch.setattr(manifests, "unit_names", names)
    return there


def test_classes_have_their_names(named, tmp_path):
    atlas = build(tmp_path / "a", ("block", "logits"), units=[4, 1, 2])
    assert atlas["logits"].units.tolist() == [1, 2, 4]
    assert atlas["logits"].names == ("", "sandbar, sand bar", "cat")
    assert atlas["block"].names == ("", "", "")
    told = {(row["layer"], row["unit"]): row["name"] for row in atlas.table()}
    assert told == {
        ("block", 1): "", ("block", 2): "", ("block", 4): "",
        ("logits", 1): "", ("logits", 2): "sandbar, sand bar", ("logits", 4): "cat",
    }  # fmt: skip
    pictures = atlas.export("logits", [1, 4], tmp_path) + atlas.export("block", [4], tmp_path)
    assert [p.name for p in pictures] == [
        "logits-00001-positive.png", "logits-00004-positive.png", "block-00004-positive.png",
    ]  # fmt: skip
    assert [files.read_recipe(p).get("name") for p in pictures] == [None, "cat", None]
    manifest = json.loads((tmp_path / "a" / "atlas.json").read_text())
    assert manifest["layers"]["logits"]["names"] == list(named)
    assert "names" not in manifest["layers"]["block"]
    assert '"sandbar, sand bar","\\u003cb\\u003e"' in (tmp_path / "a" / "index.html").read_text()


def test_names_are_those_of_the_model(tmp_path):
    net = vz.load("efficientnet_lite0")
    chosen = {"blocks.4": [0], "logits": [282]}
    manifest = manifests.begin(net, tmp_path, chosen, [facet("positive")], {}, 1, 0)
    assert manifests.names(manifest, "logits")[282] == "tiger cat"
    assert len(manifests.names(manifest, "logits")) == 1000
    assert manifests.names(manifest, "blocks.4") == {}


def test_an_atlas_from_before_there_were_names_goes_on_and_gets_them(tmp_path, monkeypatch, request):
    out = tmp_path / "a"
    old = build(out, ("logits",), units=range(3))
    assert "names" not in old.manifest["layers"]["logits"]
    assert old["logits"].names == ("", "", "")
    times = {p: p.stat().st_mtime_ns for p in out.rglob("*.webp")}
    request.getfixturevalue("named")
    more = build(out, ("logits",), units=range(5))
    assert more["logits"].names == ("tench", "", "sandbar, sand bar", "<b>", "cat")
    assert all(p.stat().st_mtime_ns == t for p, t in times.items())
    assert build(out, ("block",))["logits"].names == more["logits"].names


def test_what_is_committed_is_not_done_again(finished, tmp_path):
    out = tmp_path / "again"
    build(out, units=range(4))
    times = {p: p.stat().st_mtime_ns for p in out.rglob("*.webp")}
    grown = build(out, ("conv1", "block"), units=range(6), facets=("positive", "negative"))
    assert all(p.stat().st_mtime_ns == t for p, t in times.items())
    assert grown.layers == ["conv1", "block"]
    assert grown["block"].units.tolist() == list(range(6))
    np.testing.assert_array_equal(grown["block"].images[:, 0], finished["block"].images[:6, 0])
    assert grown.manifest["layers"]["block"]["units"] == 6


def test_units_may_be_chosen_and_come_in_any_order(finished, tmp_path):
    some = build(tmp_path / "some", units=[6, 1, 1])
    assert some["block"].units.tolist() == [1, 6]
    np.testing.assert_array_equal(some["block"].images[:, 0], finished["block"].images[[1, 6], 0])
    tail = build(tmp_path / "tail", units=slice(6, None))
    assert tail["block"].units.tolist() == [6, 7]


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, "processes"])
def test_any_executor_gives_the_same_pictures(finished, tmp_path, pool):
    if pool == "processes":
        executor = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    else:
        executor = pool(2)
    with executor:
        other = build(tmp_path / "other", units=range(6), executor=executor)
    np.testing.assert_array_equal(other["block"].images[:, 0], finished["block"].images[:6, 0])


def test_progress_is_told(tmp_path):
    told = []
    build(tmp_path / "a", units=range(5), on_progress=told.append)
    assert told[-1].before == 0
    assert told[-1].total == told[-1].now == 5
    assert [t.now for t in told] == sorted(t.now for t in told)
    again = []
    build(tmp_path / "a", units=range(7), on_progress=again.append)
    assert again[-1].before == 5
    assert again[-1].before + again[-1].now == again[-1].total == 7


def test_the_page_can_be_watched_while_it_grows(tmp_path, monkeypatch):
    from vizjax.atlas import building

    monkeypatch.setattr(building, "PAGE_PAUSE", 0.0)
    seen = []

    def look(progress):
        script = tmp_path / "a" / "layers" / "block" / "layer.js"
        seen.append(script.read_text().count(".webp") if script.exists() else 0)

    build(tmp_path / "a", on_progress=look)
    assert sorted(set(seen)) == [0, 1, 2, 3]


WORKER = """
import sys
sys.path.insert(0, {tests!r})
from tiny import tiny
import vizjax as vz
vz.atlas.build(tiny(), ["block"], {out!r}, size=16, steps=12, batch=1)
"""


def test_killed_at_any_moment_it_continues_to_the_same_bytes(tmp_path):
    reference = tmp_path / "reference"
    build(reference, batch=1)
    out = tmp_path / "killed"
    script = WORKER.format(tests=str(Path(__file__).parent.parent), out=str(out))
    for shards in (1, 4, 6):
        process = subprocess.Popen([sys.executable, "-c", script])
        deadline = time.monotonic() + 120
        while len(list(out.rglob("*.json"))) < shards + 1 and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        files.write(out / "layers" / "block" / "x.webp", b"")
        os.replace(
            out / "layers" / "block" / "x.webp", out / "layers" / "block" / f"x.webp{files.TEMPORARY}9"
        )
    committed = {p: p.stat().st_mtime_ns for p in out.rglob("positive*.json")}
    assert len(committed) >= 6
    build(out, batch=None)
    assert all(p.stat().st_mtime_ns == t for p, t in committed.items())
    assert everything(out) == everything(reference)


def test_the_stored_width_is_kept(tmp_path):
    build(tmp_path / "a", units=range(2), batch=2)
    more = build(tmp_path / "a", batch=None)
    assert more.manifest["width"] == 2
    with pytest.raises(vz.InputError, match="batch: 2 there, 3 now"):
        build(tmp_path / "a", batch=3)


class Odd(nnx.Module):
    """Channels that stay dead, that diverge, and that are well."""

    input_shape = (16, 16, 3)

    def __call__(self, images, rectify=vz.nn.plain):
        mean = images.mean(-1, keepdims=True)
        buried = rectify(jax.nn.relu, mean - 10) * 0
        bluer = (images[..., 2:] - images[..., :1]).mean((1, 2), keepdims=True)
        broken = jnp.where(bluer < 0.02, bluer, jnp.inf) + 0 * mean  # no number once it was raised too far
        x = yield "three", jnp.concatenate([buried, broken, images[..., :1]], -1)
        return (yield "logits", x.mean((1, 2)))


def test_dead_and_diverged_units_are_tried_again_then_marked(tmp_path):
    atlas = vz.atlas.build(Odd(), ["three"], tmp_path / "odd", size=16, steps=20, batch=3)
    layer = atlas["three"]
    assert layer.status[:, 0].tolist() == ["dead", "diverged", "ok"]
    assert layer.attempts[:, 0].tolist() == [3, 3, 1]
    assert np.isnan(layer.final[1, 0])
    assert layer.images.std() > 0
    assert (
        json.loads((tmp_path / "odd" / "layers" / "three" / "positive-000000.json").read_text())["final"][1]
        is None
    )
    assert "diverged" in (tmp_path / "odd" / "layers" / "three" / "layer.js").read_text()


def test_a_retry_keeps_the_best(monkeypatch):
    from vizjax.ascent import Result
    from vizjax.atlas.jobs import _keep_better

    def result(value, final):
        pictures = np.full((2, 1, 4, 4, 3), value)
        return Result(pictures, np.zeros((2, 3)), np.array(final), np.zeros(2), np.ones(2, bool), {})

    best, status = result(0.0, [5.0, np.nan]), np.array(["dead", "diverged"], "U8")
    _keep_better(best, status, result(1.0, [4.0, 1.0]), np.array(["dead", "dead"]), np.array([0, 1]))
    assert status.tolist() == ["dead", "dead"]
    assert best.images[:, 0, 0, 0, 0].tolist() == [0.0, 1.0]
    assert best.final.tolist() == [5.0, 1.0]
    _keep_better(best, status, result(0.5, [1.0]), np.array(["ok"]), np.array([0]))
    assert status[0] == "ok"


def test_no_space_at_any_write_leaves_nothing_half_written(tmp_path, monkeypatch):
    reference = tmp_path / "reference"
    build(reference, units=range(6))
    writes, real = [], files._write_through
    failing = None

    def counted(path, data):
        writes.append(path)
        if len(writes) - 1 == failing:
            real(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, data)

    monkeypatch.setattr(files, "_write_through", counted)
    build(tmp_path / "counting", units=range(6))
    count = len(writes)
    assert count == 1 + 2 * 2 + 2  # manifest, sheet and rows of two shards, the layer's script, the page
    for failing in range(count):
        writes.clear()
        out = tmp_path / f"full-{failing}"
        with pytest.raises(
            vz.InputError, match="cannot be written: No space left on device; free some space"
        ):
            build(out, units=range(6))
        assert not list(out.rglob(f"*{files.TEMPORARY}*"))
        for path in out.rglob("*.json"):
            json.loads(path.read_text())
        writes.clear()
        failing = None
        build(out, units=range(6))
        assert everything(out) == everything(reference)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": ["blok"]}, "unknown layer 'blok': did you mean 'block'"),
        ({"units": [0, 8, 9]}, "units of layer 'block' are 0 ... 7, one or more of them, not 8-9"),
        ({"units": []}, "units of layer 'block' are 0 ... 7, one or more of them, not none"),
        ({"units": [-1]}, "one or more of them, not -1"),
        ({"facets": ()}, "one or more facets"),
        ({"facets": ("postive",)}, "unknown facet 'postive': did you mean 'positive'"),
        ({"facets": ("diverse1",)}, "unknown facet 'diverse1'"),
        ({"size": 0}, "size must be a whole number of 1 or more, not 0"),
        ({"size": 20000}, "size must be"),
        ({"steps": -3}, "steps must be"),
        ({"batch": 0}, "batch must be"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_bad_arguments_are_answered_before_anything_is_written(tmp_path, settings, message):
    with pytest.raises(vz.InputError, match=message):
        build(tmp_path / "none", **settings)
    assert not (tmp_path / "none").exists()


def test_a_net_of_ones_own_needs_layers(tmp_path):
    with pytest.raises(vz.InputError, match="no default layer"):
        vz.atlas.build(tiny(), None, tmp_path / "none")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 5}, "steps: 12 there, 5 now"),
        ({"size": 24}, r"size: \[16, 16\] there, \[24, 24\] now"),
        ({"seed": 1}, "seed: 0 there, 1 now"),
        ({"net": Odd(), "layers": ["three"]}, "name: 'TinyNet' there, 'Odd' now"),
    ],
)
def test_another_recipe_in_the_folder_is_refused_and_nothing_lost(tmp_path, settings, message):
    out = tmp_path / "a"
    build(out, units=range(2))
    before = everything(out)
    with pytest.raises(vz.InputError, match=message):
        build(out, **settings)
    assert everything(out) == before


def test_other_weights_in_the_folder_are_refused(tmp_path):
    build(tmp_path / "a", units=range(2))
    other = jax.tree.map(lambda x: x + 1, tiny())
    with pytest.raises(vz.InputError, match="weights: "):
        build(tmp_path / "a", units=range(2), net=other)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("all I have")
    with pytest.raises(vz.InputError, match="neither an empty folder nor an atlas"):
        build(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(vz.InputError, match="neither an empty folder nor an atlas"):
        build(tmp_path / "thesis.txt")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1}', "\x00\xff"])
def test_a_broken_manifest_is_answered(tmp_path, text):
    build(tmp_path / "a", units=range(1))
    (tmp_path / "a" / "atlas.json").write_text(text)
    for use in (lambda: vz.atlas.open(tmp_path / "a"), lambda: build(tmp_path / "a")):
        with pytest.raises(vz.InputError, match="atlas.json cannot be read"):
            use()


def test_a_manifest_of_another_format_is_answered(tmp_path):
    build(tmp_path / "a", units=range(1))
    manifest = json.loads((tmp_path / "a" / "atlas.json").read_text())
    (tmp_path / "a" / "atlas.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(vz.InputError, match="has format 99, this vizjax reads 1"):
        vz.atlas.open(tmp_path / "a")


def _truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("file", "spoil", "message"),
    [
        ("positive-000000.json", _truncate, "this shard of the atlas is broken"),
        ("positive-000000.json", lambda p: p.write_text("{}"), "this shard of the atlas is broken"),
        ("positive-000000.json", lambda p: p.write_text('{"units": 3}'), "this shard of the atlas is broken"),
        ("positive-000000.webp", Path.unlink, "its sheet positive-000000.webp is missing"),
        ("positive-000000.webp", _truncate, "this sheet of the atlas is broken"),
        ("positive-000000.webp", lambda p: p.write_text("no picture"), "this sheet of the atlas is broken"),
    ],
)
def test_a_broken_shard_is_answered_and_can_be_made_again(tmp_path, file, spoil, message):
    out = tmp_path / "a"
    whole = build(out, units=range(2))["block"].images
    spoil(out / "layers" / "block" / file)
    with pytest.raises(vz.InputError, match=message) as caught:
        _ = vz.atlas.open(out)["block"].images
    assert "renders it again" in str(caught.value)
    (out / "layers" / "block" / file).unlink(missing_ok=True)
    np.testing.assert_array_equal(build(out, units=range(2))["block"].images, whole)


def test_rows_cannot_lead_out_of_the_folder(tmp_path):
    out = tmp_path / "a"
    build(out, units=range(2))
    path = out / "layers" / "block" / "positive-000000.json"
    rows = json.loads(path.read_text())
    path.write_text(json.dumps(rows | {"sheet": "../../../secret.webp"}))
    with pytest.raises(vz.InputError, match="is broken"):
        vz.atlas.open(out)["block"]


@pytest.mark.parametrize("name", ["../../x", "a/b", ".hidden", "a b", "<b>", "ü", "..", "con~1", ""])
def test_slugs_are_safe_and_distinct(name):
    slug = store.slug(name)
    assert all(c.isalnum() or c in "._-%" for c in slug)
    assert not slug.startswith(".")
    assert store.folder(Path("out"), name).parent == Path("out/layers") or name == ""
    assert store.slug("blocks.4") == "blocks.4"


def test_facets():
    assert facet("diverse").pictures == 4
    assert facet("negative").sign == -1
