"""Pictures from files: upright, opaque, of the size that is wanted, or refused in one line."""

import os
import stat
import warnings

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from vizjax.errors import InputError, check_counts

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF", "JPEG2000", "TGA", "ICO")
"""What is read: formats that Pillow decodes itself. For others, such as EPS, it runs programs."""

Picture = Float[np.ndarray, "h w 3"]


def read_picture(path: str | os.PathLike, size: int | tuple[int, int] | None = None) -> Picture:
    """Reads a picture for use as a start, a reference or a guide.

    It is turned as its EXIF orientation says; what is transparent is laid on white; of an animation,
    the first frame counts. Palettes, grey, 1-bit, CMYK and Lab become RGB; colour profiles are not
    applied. 16-bit grey keeps its precision, other 16-bit colours come in 8 bits. Values of float files
    are taken as they are, and must be in [0, 1].

    Args:
        path: a PNG, JPEG, WebP, GIF, TIFF, BMP, PPM, AVIF, JPEG 2000, TGA or ICO file.
        size: side or (height, width) in pixels; None for the file's own. A picture of another shape
            is cropped about its centre to the wanted aspect, and then scaled by Lanczos' filter
            (which averages where it shrinks).

    Returns:
        float32 ``h w 3`` in [0, 1].

    Raises:
        InputError: where the file is missing, unreadable, no picture, broken, or has more pixels than
            ``PIL.Image.MAX_IMAGE_PIXELS`` (89 million, unless you set it); at a size below 1.

    Example:
        >>> import tempfile
        >>> target = tempfile.mkdtemp() + "/red.png"
        >>> Image.new("RGB", (40, 30), "red").save(target)
        >>> read_picture(target).shape, read_picture(target, 16)[0, 0].tolist()
        ((30, 40, 3), [1.0, 0.0, 0.0])
    """
    shape = None if size is None else _checked(size)
    try:
        picture = _decoded(path)
    except InputError:
        raise
    except Exception as error:  # decoders raise whatever they stumble over, KeyError and MemoryError too
        raise InputError(f"{os.fspath(path)!r} {_reason(error)}") from error
    return picture if shape is None else _fitted(picture, *shape)


def _checked(size: int | tuple[int, int]) -> tuple[int, int]:
    h, w = size if isinstance(size, tuple) else (size, size)
    check_counts(height=h, width=w)
    if h * w > _limit():
        raise InputError(f"a picture of {h} x {w} pixels is beyond {_limit():,.0f}; choose a smaller size")
    return h, w


def _limit() -> float:
    return Image.MAX_IMAGE_PIXELS or float("inf")


def _decoded(path: str | os.PathLike) -> Picture:
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise InputError(f"{os.fspath(path)!r} is a folder, or no regular file; give a picture's file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about oddities of files that are read all the same
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.init()
        with Image.open(path, formats=[f for f in FORMATS if f in Image.OPEN]) as file:
            if min(file.size) < 1:
                raise InputError(f"{os.fspath(path)!r} has no pixels; its size is {file.size}")
            file.load()
            return _in_range(path, _floats(_upright(file)))


def _reason(error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return (
            f"has more than {_limit():,.0f} pixels; scale it down, or raise PIL.Image.MAX_IMAGE_PIXELS "
            f"if you trust it"
        )
    if isinstance(error, UnidentifiedImageError):
        return f"is no picture that can be read; give one of {', '.join(FORMATS)}"
    if isinstance(error, OSError) and error.errno:
        return f"cannot be read: {error.strerror}; give a picture's file"
    about = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"is a broken picture ({about}); save it again with the program that made it"


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # what is written about the picture is broken, and not the picture
        return picture


def _floats(picture: Image.Image) -> Picture:
    if picture.mode == "F":
        return _grey(np.asarray(picture, np.float32))
    if picture.mode.startswith("I"):  # of 16 bits, in 16 or 32
        return _grey(np.asarray(picture).astype(np.float32) / 65535)
    if picture.mode == "LAB":
        lab, srgb = (ImageCms.createProfile(name) for name in ("LAB", "sRGB"))
        picture = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB") or picture
    if not picture.has_transparency_data:
        return np.asarray(picture.convert("RGB"), np.float32) / 255
    if picture.mode == "La":
        picture = picture.convert("LA")
    layers = np.asarray(picture.convert("RGBA"), np.float32) / 255
    color, alpha = layers[..., :3], layers[..., 3:]
    return color * alpha + (1 - alpha)


def _grey(values: Float[np.ndarray, "h w"]) -> Picture:
    return np.repeat(values[..., None], 3, axis=-1)


def _in_range(path: str | os.PathLike, picture: Picture) -> Picture:
    low, high = picture.min(), picture.max()
    if not (low >= 0 and high <= 1):  # nor a number that is none
        raise InputError(
            f"{os.fspath(path)!r} has values from {low:g} to {high:g} of full scale, and nobody can tell "
            f"what is black and white; scale them to 0 ... 1 (floats) or 0 ... 65535 (integers)"
        )
    return picture


def _fitted(picture: Float[np.ndarray, "rows columns 3"], h: int, w: int) -> Picture:
    height, width, _ = picture.shape
    scale = min(height / h, width / w)
    left, top = (max(0.0, (size - scale * n) / 2) for size, n in ((width, w), (height, h)))
    whole = resized(picture, (h, w), (left, top, width - left, height - top))
    return np.clip(whole, 0, 1)  # the filter overshoots at edges


def fitted_size(shape: tuple[int, ...], side: float) -> tuple[int, int]:
    """The size of a picture that is scaled until its longer side is as given.

    Args:
        shape: (height, width, ...) of the picture.
        side: the longer side that is wanted, in pixels.

    Returns:
        (height, width) in whole pixels, 1 or more.

    Example:
        >>> fitted_size((480, 640, 3), 128), fitted_size((1, 640), 64)
        ((96, 128), (1, 64))
    """
    h, w = shape[:2]
    longer = max(h, w)
    return max(1, round(h * side / longer)), max(1, round(w * side / longer))


def resized(
    picture: Float[np.ndarray, "h w c"], size: tuple[int, int],
    box: tuple[float, float, float, float] | None = None,
) -> Float[np.ndarray, "h2 w2 c"]:  # fmt: skip
    """A picture scaled by Lanczos' filter, which averages where it shrinks.

    Args:
        picture: values of any range; those of the result may go a little beyond it.
        size: (height, width) of the result in pixels.
        box: the part to scale: left, top, right, bottom in pixels, which may be fractions.

    Returns:
        float32.

    Example:
        >>> resized(np.full((4, 6, 1), 0.5, np.float32), (8, 8)).shape
        (8, 8, 1)
    """

    def plane(channel: np.ndarray) -> np.ndarray:
        whole = Image.fromarray(np.ascontiguousarray(channel, np.float32))
        return np.asarray(whole.resize(size[::-1], Image.Resampling.LANCZOS, box))

    return np.stack([plane(channel) for channel in np.moveaxis(picture, -1, 0)], -1)
