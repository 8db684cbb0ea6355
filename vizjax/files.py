"""Files that are either whole or not there, and pictures that carry their recipe."""

import contextlib
import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, PngImagePlugin

from vizjax.animation import ENCODERS, animated, read_text
from vizjax.errors import InputError

TEMPORARY = ".tmp-"
"""Part of the name of every file that is being written; what a crash leaves has it."""


def write(path: str | os.PathLike, data: bytes | str) -> None:
    """Writes a file so that it is never half-written: under a temporary name, then renamed.

    Args:
        path: where to; its folder is made.
        data: its content; text as UTF-8.

    Raises:
        InputError: where the system refuses (no space, no permission, not a folder …).

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp(), "a", "b.txt")
        >>> write(target, "hello")
        >>> target.read_text()
        'hello'
    """
    path = Path(path)
    temporary = path.with_name(f"{path.name}{TEMPORARY}{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_through(temporary, data.encode() if isinstance(data, str) else data)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise InputError(
            f"{path} cannot be written: {error.strerror or error}; free some space, or choose another place"
        ) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _write_through(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def remove_temporaries(folder: Path) -> None:
    """Removes what interrupted writes have left in a folder and below.

    Args:
        folder: where to look.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / f"a.webp{TEMPORARY}1").write_text("")
        >>> remove_temporaries(folder)
        >>> list(folder.iterdir())
        []
    """
    for path in folder.rglob(f"*{TEMPORARY}*"):
        path.unlink(missing_ok=True)


def to_bytes(pictures: Float[np.ndarray, "*batch h w c"]) -> UInt8[np.ndarray, "*batch h w shown"]:
    """Pictures as 8-bit colours; values that are no numbers become grey.

    Args:
        pictures: values in [0, 1], of 1, 3 or 4 channels, the fourth of which is transparency; more
            than 4 are cut off after 3, 2 repeat.

    Returns:
        The nearest of 256 levels, of 3 channels, or of 4 where there is transparency.

    Example:
        >>> to_bytes(np.array([[[0.0], [1.0]]])).tolist()
        [[[0, 0, 0], [255, 255, 255]]]
    """
    levels = np.clip(np.nan_to_num(pictures, nan=0.5), 0, 1) * 255
    channels = np.arange(4 if pictures.shape[-1] == 4 else 3) % min(4, pictures.shape[-1])
    return np.rint(levels).astype(np.uint8)[..., channels]


def sheet(
    pictures: UInt8[np.ndarray, "count h w shown"], columns: int | None = None, gap: int = 0
) -> Image.Image:
    """Pictures side by side, row by row.

    Args:
        pictures: of one size, of 3 channels, or 4 with transparency.
        columns: in a row; by default about as many as rows.
        gap: white pixels between neighbours.

    Returns:
        One picture.

    Example:
        >>> sheet(np.zeros((5, 4, 4, 3), np.uint8)).size
        (12, 8)
    """
    count, h, w, channels = pictures.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    canvas = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap, channels), 255, np.uint8)
    for i, picture in enumerate(pictures):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        canvas[top : top + h, left : left + w] = picture
    return Image.fromarray(canvas)


def encoded(picture: Image.Image, format: str, recipe: Mapping[str, Any] | None = None) -> bytes:
    """A picture as a lossless file's content.

    Args:
        picture: any.
        format: ``"PNG"`` or ``"WEBP"``.
        recipe: how it was made; written into a PNG as the text chunk ``vizjax``, as JSON.

    Returns:
        The bytes.

    Example:
        >>> encoded(Image.new("RGB", (2, 2)), "PNG", {"steps": 8})[1:4]
        b'PNG'
    """
    buffer = io.BytesIO()
    if format == "PNG":
        chunk = PngImagePlugin.PngInfo()
        if recipe is not None:
            chunk.add_text("vizjax", json.dumps(recipe))
        picture.save(buffer, "PNG", pnginfo=chunk)
    else:
        picture.save(buffer, format, lossless=True)
    return buffer.getvalue()


def show(result: Any) -> Image.Image:
    """A result's pictures as one, which a notebook displays.

    Args:
        result: what `vizjax.render` returned.

    Returns:
        A grid: one row a job where a job has several pictures, else about square.

    Example:
        >>> from types import SimpleNamespace
        >>> show(SimpleNamespace(images=np.zeros((4, 1, 8, 8, 3)))).size
        (18, 18)
    """
    return _grid(np.asarray(result.images))


def _grid(images: Float[np.ndarray, "jobs *several h w c"]) -> Image.Image:
    pictures = to_bytes(images)
    jobs, size = pictures.shape[0], pictures.shape[-3:]
    flat = pictures.reshape(-1, *size)
    several = len(flat) // jobs
    return sheet(flat, several if several > 1 else None, gap=2)


def save(result: Any, path: str | os.PathLike, fps: float = 12.0) -> None:
    """Saves a result's pictures as one PNG, or how they came to be as an animation, with the recipe inside.

    Args:
        result: what `vizjax.render` returned; for an animation, with ``every=`` a number of steps.
        path: ending in ``.png``, or ``.gif``, ``.webp`` or ``.mp4`` for an animation of ``result.frames``.
        fps: frames a second of an animation.

    Raises:
        InputError: at another ending, at an animation of a result that kept no frames, where
            `save_animation` does, or where it cannot be written.

    Example:
        >>> import tempfile
        >>> from types import SimpleNamespace
        >>> result = SimpleNamespace(images=np.zeros((1, 1, 8, 8, 3)), recipe={"steps": 2})
        >>> target = Path(tempfile.mkdtemp(), "grid.png")
        >>> save(result, target)
        >>> read_recipe(target)
        {'steps': 2}
    """
    suffix = Path(path).suffix.lower()
    if suffix in ENCODERS:
        frames = getattr(result, "frames", None)
        if frames is None:
            raise InputError(
                f"{path}: an animation shows frames, and none were kept; give every=4 (steps between two) "
                f"to render, or name it .png"
            )
        save_animation(np.moveaxis(frames, -5, 0), path, fps, result.recipe)
        return
    if suffix != ".png":
        raise InputError(
            f"{path}: results are saved as PNG, which keeps every value; name it .png, or "
            f"{' or '.join(ENCODERS)} for an animation"
        )
    write(path, encoded(show(result), "PNG", result.recipe))


def save_animation(
    frames: Float[np.ndarray, "frames *several h w c"], path: str | os.PathLike, fps: float = 12.0,
    recipe: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Saves frames as an animated GIF or WebP, or as an MP4 video; several pictures a frame as a grid.

    Args:
        frames: in order, values in [0, 1]; of each, one picture h w c, or several as in `show`.
        path: ending in ``.gif``, ``.webp`` or ``.mp4``; for the last, PyAV is needed.
        fps: frames a second; a GIF shows 50 at most.
        recipe: how they were made, which `read_recipe` reads.

    Raises:
        InputError: where `vizjax.animation.animated` does, or where it cannot be written.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp(), "dark.gif")
        >>> save_animation(np.linspace(1, 0, 4)[:, None, None, None] * np.ones((8, 8, 3)), target)
        >>> with Image.open(target) as picture:
        ...     picture.n_frames, picture.size
        (4, (8, 8))
    """
    if not len(frames):
        raise InputError(f"{path}: an animation has one frame or more, and these are none; keep some")
    several = frames if frames.ndim > 4 else frames[:, None]
    grids = [np.asarray(_grid(frame)) for frame in several]
    write(path, animated(np.stack(grids), Path(path).suffix.lower(), fps, recipe))


def read_recipe(path: str | os.PathLike) -> dict[str, Any]:
    """How a picture that vizjax saved was made.

    Args:
        path: a PNG, or an animation: GIF, WebP or MP4.

    Returns:
        The recipe.

    Raises:
        InputError: where the file is no picture, or carries no recipe.

    Example:
        >>> read_recipe("nowhere.png")
        Traceback (most recent call last):
        vizjax.errors.InputError: nowhere.png carries no recipe of vizjax: ...
    """
    try:
        found = json.loads(read_text(path))
        if isinstance(found, dict):
            return found
        error: Exception = ValueError("what it says is no recipe")
    except (OSError, KeyError, ValueError) as stop:
        error = stop
    raise InputError(
        f"{path} carries no recipe of vizjax: {error}; give a picture that vizjax has saved"
    ) from error
