"""Files: whole or not there; pictures keep their values and carry their recipe."""

import errno
import os
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import vizjax as vz
from vizjax import files
from vizjax.factory import factory, recipe


def test_levels_are_the_nearest_and_nonsense_is_grey():
    values = np.array([0.0, 0.4999 / 255, 0.5001 / 255, 1.0, 7.0, -1.0, np.nan, np.inf])
    levels = files.to_bytes(np.repeat(values[:, None], 3, 1)[None])[0, :, 0]
    assert levels.tolist() == [0, 0, 1, 255, 255, 0, 128, 255]


@pytest.mark.parametrize(
    ("channels", "shown"), [(1, [0, 0, 0]), (2, [0, 1, 0]), (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (5, [0, 1, 2])]
)
def test_any_channel_count_can_be_shown(channels, shown):
    picture = np.broadcast_to(np.arange(channels) / 255, (1, 1, channels))
    assert files.to_bytes(picture)[0, 0].tolist() == shown


def test_a_sheet_keeps_order_and_gaps():
    tiles = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((5, 2, 3, 3), np.uint8)
    whole = np.asarray(files.sheet(tiles, columns=2, gap=1))
    assert whole.shape == (2 * 3 + 2, 3 + 1 + 3, 3)
    assert [whole[0, 0, 0], whole[0, 4, 0], whole[3, 0, 0], whole[6, 0, 0]] == [0, 1, 2, 4]
    assert (whole[2] == 255).all()
    assert (whole[6, 4:] == 255).all()


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_files_are_lossless(tmp_path, format):
    picture = np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8)
    files.write(tmp_path / "x", files.encoded(Image.fromarray(picture), format))
    with Image.open(tmp_path / "x") as again:
        np.testing.assert_array_equal(np.asarray(again.convert("RGB")), picture)


def test_save_and_show_agree(tmp_path):
    images = np.random.default_rng(0).random((2, 3, 1, 8, 8, 3))
    result = SimpleNamespace(images=images, recipe={"steps": 3, "objective": "größer"})
    assert vz.show(result).size == (3 * 10 - 2, 2 * 10 - 2)
    vz.save(result, tmp_path / "deep" / "a.png")
    assert files.read_recipe(tmp_path / "deep" / "a.png") == result.recipe
    with pytest.raises(vz.InputError, match=r"name it \.png"):
        vz.save(result, tmp_path / "a.jpg")
    Image.new("RGB", (2, 2)).save(tmp_path / "plain.png")
    with pytest.raises(vz.InputError, match="carries no recipe"):
        files.read_recipe(tmp_path / "plain.png")


def test_transparent_pictures_stay_transparent(tmp_path):
    """On disk and in a notebook; what lies between them is white and opaque."""
    images = np.random.default_rng(0).random((2, 3, 1, 8, 8, 4))
    result = SimpleNamespace(images=images, recipe={"steps": 3})
    vz.save(result, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as again:
        assert again.mode == vz.show(result).mode == "RGBA"
        levels = np.asarray(again)
    np.testing.assert_array_equal(levels[:8, 10:18], np.rint(images[0, 1, 0] * 255))
    assert (levels[8:10] == 255).all()


def test_a_failed_write_keeps_what_was_there(tmp_path, monkeypatch):
    target = tmp_path / "a.txt"
    files.write(target, "before")

    def full(path, data):
        path.write_bytes(data[:2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "_write_through", full)
    with pytest.raises(vz.InputError, match=r"a\.txt cannot be written: No space left on device"):
        files.write(target, "after")
    assert target.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_factories_return_the_same_object_and_know_how():
    assert vz.images.fourier(16) is vz.images.fourier(size=16, n=1)
    assert vz.images.fourier(16) is not vz.images.fourier(16, n=2)
    assert recipe(vz.images.fourier(16, n=2)) == "fourier(16, n=2)"
    assert (
        recipe(vz.transforms.compose(vz.transforms.pad(2), vz.transforms.jitter(1)))
        == "compose(pad(2), jitter(1))"
    )
    assert recipe(vz.transforms.standard()) == "standard()"
    with pytest.raises(vz.InputError, match="arguments of scale must be hashable"):
        vz.transforms.scale([0.9, 1.1])


def test_a_factory_does_not_mistake_types():
    @factory
    def constant(value):
        return lambda: value

    assert constant(1) is not constant(1.0)
    assert constant(True)() is True
