"""Animations: their frames, their rate, their size, what they carry, and what is refused."""

import builtins
import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from tiny import tiny

import vizjax as vz
from vizjax import files
from vizjax.animation import ENCODERS, animated

every_kind = pytest.mark.parametrize("kind", ENCODERS)


def ramps(count: int = 4, h: int = 32, w: int = 48) -> np.ndarray:
    """Smooth colours that move."""
    y, x = np.mgrid[:h, :w] / 8
    waves = [np.stack([np.sin(x + k), np.sin(y - k), np.sin(x + y + 2 * k)], -1) for k in range(count)]
    return (0.5 + 0.45 * np.array(waves)).astype(np.float32)


def opened(data: bytes) -> tuple[np.ndarray, float]:
    """Frames in [0, 1] and frames a second."""
    if data[4:8] == b"ftyp":
        av = pytest.importorskip("av")
        with av.open(io.BytesIO(data)) as file:
            frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
            return np.array(frames) / 255, float(file.streams.video[0].average_rate)
    frames, milliseconds = [], 0
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.info["loop"] == 0  # for ever
        for i in range(picture.n_frames):
            picture.seek(i)
            picture.load()
            frames.append(np.asarray(picture.convert("RGB")) / 255)
            milliseconds += picture.info["duration"]
    return np.array(frames), 1000 * len(frames) / milliseconds


def made(frames: np.ndarray, kind: str, *rest: Any) -> bytes:
    if kind == ".mp4":
        pytest.importorskip("av")
    return animated(files.to_bytes(frames), kind, *rest)


@every_kind
def test_frames_come_back_in_order(kind):
    frames = ramps()
    found, fps = opened(made(frames, kind, 12.0))
    assert found.shape == frames.shape
    assert fps == pytest.approx(12, rel=0.02)
    errors = np.abs(found[:, None] - frames[None]).mean((2, 3, 4))
    assert np.diag(errors).max() < {".gif": 0.04, ".webp": 0.02, ".mp4": 0.02}[kind]
    assert errors.argmin(1).tolist() == [0, 1, 2, 3]


@every_kind
@pytest.mark.parametrize("fps", [0.5, 7.0, 24.0, 29.97, 50.0])
def test_the_rate_is_kept_on_average(kind, fps):
    """Though a GIF counts hundredths, and a WebP thousandths of seconds."""
    frames = np.random.default_rng(0).random((20, 16, 16, 3))
    assert opened(made(frames, kind, fps))[1] == pytest.approx(fps, rel=0.02)


def test_a_gif_has_its_own_colours_in_each_frame_and_diffuses_errors():
    """Seen from a little farther, ramps are smooth: better than the nearest of 256 colours each."""
    frame = ramps(1, 128, 128)[0]
    frames = np.stack([frame, 0.2 * frame, 0.8 + 0.2 * frame])
    found = opened(made(frames, ".gif"))[0]
    plain = Image.fromarray(files.to_bytes(frame)).quantize(256, dither=Image.Dither.NONE).convert("RGB")

    def seen(picture: np.ndarray) -> np.ndarray:
        return gaussian_filter(picture, (1.5, 1.5, 0))

    errors = [np.sqrt(np.mean((seen(f) - seen(x)) ** 2)) for f, x in zip(frames, found, strict=True)]
    worst = np.sqrt(np.mean((seen(np.asarray(plain) / 255) - seen(frame)) ** 2))
    assert max(errors) < 0.012
    assert errors[0] < 0.5 * worst
    assert all(len(np.unique(x.reshape(-1, 3), axis=0)) > 64 for x in found)


@every_kind
@pytest.mark.parametrize("shape", [(1, 1), (17, 32), (33, 15), (2, 64)])
def test_any_size(kind, shape):
    """An MP4 grows by a row or column where these are odd."""
    found = opened(made(np.full((3, *shape, 3), 0.4) * np.arange(1, 4)[:, None, None, None] / 2, kind))[0]
    grown = tuple(n + n % 2 for n in shape) if kind == ".mp4" else shape
    assert found.shape == (3, *grown, 3)
    np.testing.assert_allclose(found[:, -1, -1, 0], [0.2, 0.4, 0.6], atol=0.03)


@every_kind
def test_one_frame_is_enough(kind):
    data = made(ramps(1), kind)
    if kind == ".mp4":
        assert len(opened(data)[0]) == 1
    else:
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.size == (48, 32)


@every_kind
@pytest.mark.parametrize("length", [0, 300, 70_000])
def test_the_recipe_travels_inside(tmp_path, kind, length):
    if kind == ".mp4":
        pytest.importorskip("av")
    recipe = {"steps": 3, "objective": "größer: " + "x" * length, "list": [1, None]}
    files.save_animation(ramps(2), tmp_path / f"a{kind}", recipe=recipe)
    assert files.read_recipe(tmp_path / f"a{kind}") == recipe
    files.save_animation(ramps(2), tmp_path / f"b{kind}")
    with pytest.raises(vz.InputError, match=rf"b\{kind} carries no recipe of vizjax"):
        files.read_recipe(tmp_path / f"b{kind}")


def test_other_files_carry_none(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "x.gif", comment=b"17")
    (tmp_path / "x.mp4").write_bytes(b"no film")
    for name in ("x.gif", "x.mp4", "nowhere.gif", "nowhere.mp4"):
        with pytest.raises(vz.InputError, match=rf"{name} carries no recipe of vizjax"):
            files.read_recipe(tmp_path / name)


@every_kind
def test_results_are_saved_as_animations(tmp_path, kind):
    """Two jobs side by side in each frame, which end at the pictures of the result."""
    if kind == ".mp4":
        pytest.importorskip("av")
    frames = np.stack([ramps(), ramps()[::-1]])[:, :, None]
    result = SimpleNamespace(images=frames[:, -1], frames=frames, recipe={"steps": 6})
    vz.save(result, tmp_path / f"a{kind}", fps=5)
    found, fps = opened((tmp_path / f"a{kind}").read_bytes())
    assert (len(found), fps) == (4, 5)
    assert found.shape[1:] == (32, 2 * 48 + 2, 3)
    assert np.abs(found[-1] - np.asarray(vz.show(result)) / 255).mean() < 0.04
    assert files.read_recipe(tmp_path / f"a{kind}") == result.recipe


def test_a_rendering_is_saved_as_an_animation(tmp_path):
    image, plain = vz.images.pixels(8), vz.nn.plain
    result = vz.render(
        tiny(),
        lambda acts, _: acts["conv1"].mean(),
        image=image,
        transform=None,
        rectify=plain,
        steps=3,
        every=2,
    )
    vz.save(result, tmp_path / "a.webp")
    found = opened((tmp_path / "a.webp").read_bytes())[0]
    assert found.shape == (3, 8, 8, 3)
    assert files.read_recipe(tmp_path / "a.webp") == result.recipe


def test_starts_are_a_row_of_each_frame(tmp_path):
    """jobs starts frames n h w c."""
    frames = np.zeros((2, 3, 5, 1, 4, 4, 3)) + np.arange(5)[:, None, None, None, None] / 5
    vz.save(SimpleNamespace(frames=frames, recipe={}), tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames == 5
        assert picture.size == (3 * 6 - 2, 2 * 6 - 2)


def test_what_is_refused(tmp_path, monkeypatch):
    still = SimpleNamespace(images=np.zeros((1, 1, 4, 4, 3)), recipe={}, frames=None)
    cases: list[tuple[Callable, str]] = [
        (lambda: vz.save(still, tmp_path / "a.gif"), r"none were kept; give every=4 .* or name it \.png"),
        (lambda: vz.save(still, tmp_path / "a.jpg"), r"name it \.png, or \.gif or \.webp or \.mp4"),
        (lambda: files.save_animation(ramps(), tmp_path / "a.avi"), "unknown kind of animation '.avi'"),
        (lambda: files.save_animation(ramps()[:0], tmp_path / "a.gif"), "one frame or more, and these are none"),
        (lambda: files.save_animation(ramps(), tmp_path / "a.gif", fps=0), "more than 0 and up to 50 frames"),
        (lambda: files.save_animation(ramps(), tmp_path / "a.gif", fps=51), "up to 50 frames a second, not 51"),
        (lambda: files.save_animation(ramps(), tmp_path / "a.webp", fps=1e4), "up to 1000 frames a second"),
        (lambda: files.save_animation(np.zeros((1, 1, 17000, 3)), tmp_path / "a.webp"), "choose another size or kind"),
    ]  # fmt: skip
    for call, text in cases:
        with pytest.raises(vz.InputError, match=text):
            call()
    assert not list(tmp_path.iterdir())


def test_without_pyav(tmp_path, monkeypatch):
    imported = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "av":
            raise ImportError("No module named 'av'")
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(vz.InputError, match=r"MP4 files need PyAV.*pip install 'vizjax\[video\]'.*\.gif"):
        files.save_animation(ramps(), tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files.save_animation(ramps(), tmp_path / "a.gif")
    before = (tmp_path / "a.gif").read_bytes()

    def full(path: Path, data: bytes) -> None:
        path.write_bytes(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_write_through", full)
    with pytest.raises(vz.InputError, match="No space left"):
        files.save_animation(ramps(2), tmp_path / "a.gif")
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]
    assert (tmp_path / "a.gif").read_bytes() == before


def test_rates_of_video_are_fractions():
    pytest.importorskip("av")
    import av

    data = animated(files.to_bytes(ramps(3)), ".mp4", 29.97)
    with av.open(io.BytesIO(data)) as file:
        assert file.streams.video[0].average_rate == Fraction(2997, 100)
        assert file.streams.video[0].codec_context.name == "h264"
