"""Frames as the content of an animated GIF or WebP, or of an MP4 video, with their recipe inside."""

import io
import json
import os
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from vizjax.errors import InputError, unknown

Frames = UInt8[np.ndarray, "n h w 3"]

_DESCRIPTION = 0x010E  # EXIF's ImageDescription
_BT709 = 1  # the colours of HD video; untagged, players guess by the size


def animated(
    frames: Frames, suffix: str, fps: float = 12.0, recipe: Mapping[str, Any] | None = None
) -> bytes:
    """Frames as a file's content, repeated for ever where the format can say so.

    A GIF has 256 colours a frame, each frame its own, with errors diffused: smooth ramps stay smooth. A
    WebP has all colours, at a third of the size; an MP4 (H.264) is the smallest by far. An odd height or
    width grows by one pixel in an MP4, whose sizes are even.

    Args:
        frames: one or more, in order.
        suffix: ``".gif"``, ``".webp"`` or ``".mp4"``.
        fps: frames a second; a GIF shows 50 at most.
        recipe: how they were made, as JSON: in a GIF's comment, a WebP's EXIF description, an MP4's
            comment.

    Returns:
        The bytes.

    Raises:
        InputError: at another ending, at a rate that is not positive or too high, at sizes beyond the
            format's, or where PyAV is missing for an MP4.

    Example:
        >>> animated(np.zeros((3, 8, 8, 3), np.uint8), ".gif", fps=10)[:6]
        b'GIF89a'
    """
    if suffix not in ENCODERS:
        raise unknown("kind of animation", suffix, ENCODERS)
    fastest = 50 if suffix == ".gif" else 1000
    if not 0 < fps <= fastest:
        raise InputError(f"a {suffix} shows more than 0 and up to {fastest} frames a second, not {fps}")
    text = "" if recipe is None else json.dumps(recipe)
    try:
        return ENCODERS[suffix](frames, fps, text)
    except InputError:
        raise
    except Exception as error:  # encoders have errors of their own
        h, w = frames.shape[1:3]
        raise InputError(
            f"frames of {h} x {w} pixels do not become a {suffix}: {error}; choose another size or kind"
        ) from error


def _gif(frames: Frames, fps: float, text: str) -> bytes:
    def reduced(frame: np.ndarray) -> Image.Image:
        picture = Image.fromarray(frame)
        sample = picture.resize((64, 64), Image.Resampling.NEAREST)  # as good as all pixels, and fast
        palette = sample.quantize(256, Image.Quantize.MAXCOVERAGE)
        return picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)

    milliseconds = [10 * hundredths for hundredths in _durations(len(frames), 100 / fps)]
    return _by_pillow([reduced(f) for f in frames], "GIF", duration=milliseconds, comment=text.encode())


def _webp(frames: Frames, fps: float, text: str) -> bytes:
    exif = Image.Exif()
    if text:
        exif[_DESCRIPTION] = text
    pictures = [Image.fromarray(frame) for frame in frames]
    return _by_pillow(pictures, "WEBP", duration=_durations(len(frames), 1000 / fps), quality=90, exif=exif)


def _by_pillow(frames: list[Image.Image], format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    frames[0].save(buffer, format, save_all=True, append_images=frames[1:], loop=0, **options)
    return buffer.getvalue()


def _durations(count: int, each: float) -> list[int]:
    """Whole numbers that keep the rate on average."""
    return np.diff(np.rint(each * np.arange(count + 1))).astype(int).tolist()


def _mp4(frames: Frames, fps: float, text: str) -> bytes:
    av = _pyav()
    odd = [size % 2 for size in frames.shape[1:3]]
    even = np.pad(frames, ((0, 0), (0, odd[0]), (0, odd[1]), (0, 0)), "edge")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        file.metadata["comment"] = text
        stream = file.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width = even.shape[1:3]
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "16", "preset": "slow"}
        coder = stream.codec_context
        coder.colorspace = coder.color_primaries = coder.color_trc = _BT709
        for frame in even:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            file.mux(stream.encode(picture.reformat(format="yuv420p", dst_colorspace="ITU709")))
        file.mux(stream.encode())
    return buffer.getvalue()


def _pyav() -> Any:
    try:
        import av
    except ImportError as error:
        raise InputError(
            "MP4 files need PyAV, which is not installed: pip install 'vizjax[video]', "
            "or choose .gif or .webp, which need nothing"
        ) from error
    return av


ENCODERS: dict[str, Callable[[Frames, float, str], bytes]] = {".gif": _gif, ".webp": _webp, ".mp4": _mp4}
"""Endings of animations, and what makes their content."""


def read_text(path: str | os.PathLike) -> str:
    """The text that a picture or animation of vizjax carries.

    Args:
        path: a PNG, GIF, WebP or MP4 file.

    Returns:
        The text, which is the recipe as JSON.

    Raises:
        KeyError: where there is none.
        OSError: where the file is something else, or not there.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp(), "a.gif")
        >>> _ = target.write_bytes(animated(np.zeros((1, 8, 8, 3), np.uint8), ".gif", recipe={"steps": 2}))
        >>> read_text(target)
        '{"steps": 2}'
    """
    if Path(path).suffix.lower() == ".mp4":
        with _pyav().open(os.fspath(path)) as file:
            return file.metadata["comment"]
    with Image.open(path) as picture:
        if picture.format == "GIF":
            return picture.info["comment"].decode()
        return picture.getexif()[_DESCRIPTION] if picture.format == "WEBP" else picture.info["vizjax"]
