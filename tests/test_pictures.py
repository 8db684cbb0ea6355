"""Pictures from files: every mode against values made by hand, and what is refused."""

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

import vizjax as vz
from vizjax.pictures import fitted_size, read_picture

H, W = 5, 7


def levels(channels: int, seed: int = 0) -> np.ndarray:
    shape = (H, W, channels) if channels > 1 else (H, W)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def unit(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float32) / 255
    return np.repeat(values[..., None], 3, -1) if values.ndim == 2 else values


def read(tmp_path: Path, picture: Image.Image, ending: str = "png", **options) -> np.ndarray:
    picture.save(tmp_path / f"x.{ending}", **options)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = read_picture(tmp_path / f"x.{ending}")
    assert not told
    assert found.dtype == np.float32
    return found


@pytest.mark.parametrize("ending", ["png", "webp", "tiff", "bmp", "ppm", "tga"])
def test_rgb_is_exact(tmp_path, ending):
    rgb = levels(3)
    options = {"lossless": True} if ending == "webp" else {}
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(rgb), ending, **options), unit(rgb))


@pytest.mark.parametrize("ending", ["jpg", "jp2", "avif", "ico"])
def test_other_formats_are_read(tmp_path, ending):
    if ending == "avif" and "AVIF" not in Image.SAVE:
        pytest.skip("this Pillow has no AVIF")
    found = read(tmp_path, Image.new("RGB", (32, 32), (200, 100, 50)), ending)
    np.testing.assert_allclose(found, np.broadcast_to([200, 100, 50], found.shape) / 255, atol=0.02)


def test_grey_and_one_bit(tmp_path):
    grey = levels(1)
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(grey)), unit(grey))
    bits = grey > 127
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(bits)), unit(255 * bits))


@pytest.mark.parametrize("ending", ["png", "tiff", "pgm"])
def test_sixteen_bits_keep_their_precision(tmp_path, ending):
    values = np.random.default_rng(0).integers(0, 65536, (H, W), np.uint16)
    expected = np.repeat(values[..., None], 3, -1).astype(np.float32) / 65535
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(values), ending), expected)


def test_integers_and_floats(tmp_path):
    """Mode I holds 16-bit values; mode F holds what it says."""
    values = np.random.default_rng(0).integers(0, 65536, (H, W)).astype(np.int32)
    found = read(tmp_path, Image.fromarray(values), "tiff")
    np.testing.assert_array_equal(found[..., 1], values.astype(np.float32) / 65535)
    floats = np.random.default_rng(0).random((H, W), np.float32)
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(floats), "tiff")[..., 2], floats)


@pytest.mark.parametrize("bad", [255.0, -0.1, np.nan])
def test_floats_out_of_range_are_refused(tmp_path, bad):
    values = np.full((H, W), 0.5, np.float32)
    values[1, 1] = bad
    with pytest.raises(vz.InputError, match=r"has values from .* scale them to 0 \.\.\. 1"):
        read(tmp_path, Image.fromarray(values), "tiff")
    with pytest.raises(vz.InputError, match="has values from"):
        read(tmp_path, Image.fromarray(np.full((H, W), 70000, np.int32)), "tiff")


def test_transparency_is_laid_on_white(tmp_path):
    rgba = levels(4)
    rgba[0, :3, 3] = 0, 255, 128
    alpha = rgba[..., 3:] / 255
    expected = rgba[..., :3] / 255 * alpha + 1 - alpha
    found = read(tmp_path, Image.fromarray(rgba))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found[0, 0].tolist() == [1, 1, 1]
    np.testing.assert_array_equal(found[0, 1], unit(rgba)[0, 1, :3])
    grey = levels(2)
    alpha = grey[..., 1] / 255
    found = read(tmp_path, _la(grey))
    np.testing.assert_allclose(found[..., 0], grey[..., 0] / 255 * alpha + 1 - alpha, atol=1e-6)


def _la(values: np.ndarray) -> Image.Image:
    return Image.merge("LA", [Image.fromarray(np.ascontiguousarray(values[..., i])) for i in range(2)])


def test_a_colour_that_stands_for_transparency(tmp_path):
    """PNG's tRNS, of RGB and grey."""
    rgb = levels(3)
    found = read(tmp_path, Image.fromarray(rgb), transparency=tuple(map(int, rgb[2, 3])))
    assert found[2, 3].tolist() == [1, 1, 1]
    np.testing.assert_array_equal(found[0], unit(rgb)[0])
    grey = levels(1)
    found = read(tmp_path, Image.fromarray(grey), transparency=int(grey[2, 3]))
    np.testing.assert_array_equal(found, np.where(unit(grey) == unit(grey)[2, 3], 1, unit(grey)))


def test_palettes(tmp_path):
    """With and without transparent entries: one as a number, many as bytes."""
    index, colors = levels(1) % 4, levels(3, seed=1)[0, :4]
    palette = colors.astype(np.float32) / 255
    picture = Image.fromarray(index)
    picture.putpalette(colors.tobytes())
    np.testing.assert_array_equal(read(tmp_path, picture), palette[index])
    np.testing.assert_array_equal(read(tmp_path, picture, "gif"), palette[index])
    clear = palette.copy()
    clear[2] = 1
    np.testing.assert_array_equal(read(tmp_path, picture, "gif", transparency=2), clear[index])
    alpha = np.array([255, 0, 51, 255], np.uint8)
    share = alpha[:, None] / 255
    expected = (palette * share + 1 - share)[index]
    np.testing.assert_allclose(read(tmp_path, picture, transparency=alpha.tobytes()), expected, atol=1e-6)


def test_cmyk_and_lab(tmp_path):
    cmyk = levels(4)
    ink = (255 - cmyk.astype(float)) / 255
    found = read(tmp_path, Image.frombytes("CMYK", (W, H), cmyk.tobytes()), "tiff")
    np.testing.assert_allclose(found, ink[..., :3] * ink[..., 3:], atol=1.01 / 255)
    color = Image.new("RGB", (W, H), (200, 100, 50))
    profiles = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
    lab = ImageCms.profileToProfile(color, *profiles, outputMode="LAB")
    np.testing.assert_allclose(read(tmp_path, lab, "tiff"), unit(np.asarray(color)), atol=2.01 / 255)
    jpeg = Image.new("CMYK", (16, 16), (0, 128, 255, 0))
    np.testing.assert_allclose(read(tmp_path, jpeg, "jpg")[8, 8], [1, 0.5, 0], atol=0.02)


TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
    8: lambda x: np.rot90(x),
}


@pytest.mark.parametrize("orientation", TURNS)
def test_exif_orientation(tmp_path, orientation):
    rgb, exif = levels(3), Image.Exif()
    exif[0x0112] = orientation
    found = read(tmp_path, Image.fromarray(rgb), exif=exif)
    np.testing.assert_array_equal(found, unit(TURNS[orientation](rgb)))


def test_odd_exif_does_not_matter(tmp_path):
    rgb = levels(3)
    for odd in (b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\x09\0"):
        found = read(tmp_path, Image.fromarray(rgb), exif=odd)
        np.testing.assert_array_equal(found, unit(rgb))


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tiff"])
def test_the_first_frame_of_an_animation(tmp_path, ending):
    frames = [Image.new("RGB", (W, H), color) for color in ("#ff0000", "#00ff00", "#0000ff")]
    options = {"lossless": True} if ending == "webp" else {}
    found = read(tmp_path, frames[0], ending, save_all=True, append_images=frames[1:], **options)
    assert (found == [1, 0, 0]).all()


# --- size ------------------------------------------------------------------------------------------


def test_a_size_crops_about_the_centre(tmp_path):
    """Stripes of 10 pixels: of 40 × 20 the middle two remain, whole."""
    stripes = np.repeat(np.array([[0.0, 0.25, 0.75, 1.0]], np.float32), 10, 1).repeat(20, 0)
    Image.fromarray(stripes).save(tmp_path / "x.tiff")
    found = read_picture(tmp_path / "x.tiff", 20)
    np.testing.assert_allclose(found, np.repeat(stripes[:, 10:30, None], 3, -1), atol=1e-6)
    np.testing.assert_array_equal(read_picture(tmp_path / "x.tiff", (20, 40))[..., 0], stripes)
    tall = read_picture(tmp_path / "x.tiff", (40, 10))  # 5 of 40 columns, enlarged
    assert tall.shape == (40, 10, 3)
    np.testing.assert_allclose(tall[:, :2], 0.25, atol=0.07)


def test_a_size_averages_and_stays_in_range(tmp_path):
    fine = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(fine).save(tmp_path / "x.png")
    np.testing.assert_allclose(read_picture(tmp_path / "x.png", 16)[2:-2, 2:-2], 0.5, atol=0.02)
    edge = np.repeat(np.array([0, 255], np.uint8), 8)[None].repeat(16, 0)
    Image.fromarray(edge).save(tmp_path / "y.png")
    found = read_picture(tmp_path / "y.png", (31, 33))
    assert found.shape == (31, 33, 3)
    assert found.dtype == np.float32
    assert found.min() == 0
    assert found.max() == 1


@pytest.mark.parametrize("shape", [(1, 500), (500, 1), (1, 1), (3, 7)])
@pytest.mark.parametrize("size", [1, 9, (2, 300), (299, 3)])
def test_any_size_becomes_any_other(tmp_path, shape, size):
    Image.new("RGB", shape, (10, 20, 30)).save(tmp_path / "x.png")
    found = read_picture(tmp_path / "x.png", size)
    assert found.shape[:2] == (size if isinstance(size, tuple) else (size, size))
    np.testing.assert_allclose(found, np.broadcast_to([10, 20, 30], found.shape) / 255, atol=1e-5)


@pytest.mark.parametrize("size", [0, -3, (0, 5), (5, -1)])
def test_sizes_are_checked_first(size):
    with pytest.raises(vz.InputError, match="must be a whole number of 1 or more"):
        read_picture("nowhere.png", size)


@pytest.mark.parametrize("shape", [(3, 4), (480, 640, 3), (640, 480, 3), (7, 7, 1), (1, 900), (900, 1, 3)])
@pytest.mark.parametrize("side", [1, 64, 1000, 96.4])
def test_the_longer_side_is_as_wanted_and_the_aspect_is_kept(shape, side):
    found = fitted_size(shape, side)
    assert max(found) == round(side)
    assert min(found) == max(1, round(side * min(shape[:2]) / max(shape[:2])))
    assert (found[0] < found[1]) <= (shape[0] < shape[1])


def test_an_absurd_size():
    with pytest.raises(vz.InputError, match=r"is beyond 89,478,485; choose a smaller size"):
        read_picture("nowhere.png", 10**9)


# --- what is refused -------------------------------------------------------------------------------


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG that says it has this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def saved(ending: str, size: int = 64) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    Image.fromarray(noise).save(buffer, {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending))
    return buffer.getvalue()


def check_refused(path: Path, match: str) -> None:
    with pytest.raises(vz.InputError, match=match) as told:
        read_picture(path)
    assert len(str(told.value).splitlines()) == 1
    assert path.name in str(told.value)


@pytest.mark.parametrize("action", ["error", "ignore", "default"])
@pytest.mark.parametrize("size", [(9500, 9500), (100_000, 100_000), (1, 2**31 - 1), (2**31 - 1,) * 2])
def test_decompression_bombs(tmp_path, action, size):
    """Whether warnings are errors or silent: nothing is unpacked."""
    (tmp_path / "x.png").write_bytes(png(*size))
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        check_refused(tmp_path / "x.png", "has more than 89,478,485 pixels; scale it down")


def test_an_inflated_text_chunk(tmp_path):
    text = zlib.compress(b"a" * 2**24)
    chunk = b"zTXt" + b"note\0\0" + text
    raw = png(1, 1, b"\0\0\0\0")
    raw = (
        raw[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + raw[33:]
    )
    (tmp_path / "x.png").write_bytes(raw)
    check_refused(tmp_path / "x.png", "x.png' is ")


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "webp", "tif", "bmp", "ppm"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_files(tmp_path, ending, share):
    data = saved(ending)
    path = tmp_path / f"x.{ending}"
    path.write_bytes(data[: int(share * len(data))])
    check_refused(path, r"is a broken picture \(|is no picture that can be read")


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "webp", "tif", "bmp", "ppm", "ico", "tga"])
def test_damaged_files_are_read_or_refused(tmp_path, ending):
    """Whatever bytes are changed: a picture in [0, 1], or one line."""
    data, rng = saved(ending, 16), np.random.default_rng(0)
    path, said = tmp_path / f"x.{ending}", []
    for _ in range(100):
        broken = bytearray(data)
        for place in rng.integers(0, min(len(data), 200), 6):
            broken[place] = rng.integers(0, 256)
        path.write_bytes(broken)
        try:
            found = read_picture(path)
            assert 0 <= found.min() <= found.max() <= 1
        except vz.InputError as error:
            said.append(str(error))
    assert said
    assert all(len(line.splitlines()) == 1 for line in said)


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 5000, b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"]
)
def test_what_is_no_picture(tmp_path, data):
    """EPS neither: Pillow would run Ghostscript on it."""
    (tmp_path / "x.eps").write_bytes(data)
    check_refused(tmp_path / "x.eps", "is no picture that can be read; give one of PNG, JPEG")


def test_zero_sized(tmp_path):
    for i, size in enumerate([(0, 5), (5, 0), (0, 0)]):
        path = tmp_path / f"{i}.png"
        path.write_bytes(png(*size))
        check_refused(path, "is no picture|has no pixels|is a broken picture")


def test_what_is_not_there(tmp_path):
    check_refused(
        tmp_path / "nowhere.png", "cannot be read: No such file or directory; give a picture's file"
    )
    check_refused(tmp_path, "is a folder, or no regular file")
    os.mkfifo(tmp_path / "pipe")
    check_refused(tmp_path / "pipe", "is a folder, or no regular file")
    check_refused(tmp_path / ("x" * 300), "cannot be read: File name too long")
    with pytest.raises(vz.InputError, match="embedded null"):
        read_picture("a\0b")


def test_no_permission(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "x.png")
    (tmp_path / "x.png").chmod(0)
    root = os.geteuid() == 0
    if root:  # who may read everything
        os.seteuid(65534)
    try:
        check_refused(tmp_path / "x.png", "cannot be read: Permission denied")
    finally:
        if root:
            os.seteuid(0)
