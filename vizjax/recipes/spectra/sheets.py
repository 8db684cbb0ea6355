"""Spectra as one picture, for eyes: a row for each layer."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from vizjax.files import sheet
from vizjax.recipes.spectra.measuring import Spectrum
from vizjax.recipes.spectra.peaks import peaks, radial

DECADES = 5
"""How much of the power, from the largest down, the colours tell apart."""

PALETTE = ((0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164))
"""From nothing to the largest: dark to light, as in Matplotlib's inferno."""


def draw_spectra(spectra: Sequence[Spectrum], side: int = 256) -> Image.Image:
    """Spectra side by side: the layer's, its control's, and both along the axes and in all directions.

    Args:
        spectra: of `measure_spectrum`.
        side: of each panel in pixels.

    Returns:
        A row for each: power by colour on a logarithmic scale of five decades, frequency 0 in the middle;
        then, on the same scale from 0 to 1/2 cycle a pixel, the means along the axes and of all
        directions, the layer's in orange, the control's in blue, with lines at the multiples of 1/stride.

    Example:
        >>> power = np.full((16, 16), 1 / 256)
        >>> draw_spectra([Spectrum("stem", 2, power, power)], side=64).size
        (286, 86)
    """
    panels = []
    for spectrum in spectra:
        both = [spectrum.power] + ([] if spectrum.control is None else [spectrum.control])
        for power, name in zip(
            both, (f"{spectrum.layer}, stride {spectrum.stride}", "stride 1"), strict=False
        ):
            ratio = max(peaks(power, spectrum.stride).values(), default=1.0)
            panels.append(_titled(_heat_map(power, side), f"{name}: {ratio:.1f}x"))
        panels.append(_titled(_curves([_along(p) for p in both], spectrum.stride, side), "along the axes"))
        panels.append(_titled(_curves([radial(p) for p in both], spectrum.stride, side), "all directions"))
    return sheet(np.stack(panels), 4, gap=10)


def _along(power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and power along h and w, each at frequency 0 of the other: the mean of both."""
    n = min(power.shape)
    frequencies = np.arange(n // 2 + 1) / n
    rows = power[len(power) // 2], power[:, power.shape[1] // 2]
    found = [np.interp(frequencies, np.arange(len(row)) / len(row), np.fft.ifftshift(row)) for row in rows]
    return frequencies, np.mean(found, axis=0)


def _scaled(power: np.ndarray) -> np.ndarray:
    """0 to 1 over the decades below the largest power beside frequency 0."""
    others = power.copy()
    others[power.shape[0] // 2, power.shape[1] // 2] = 0
    return np.clip(1 + np.log10(np.maximum(power / max(others.max(), 1e-300), 1e-30)) / DECADES, 0, 1)


def _heat_map(power: Float[np.ndarray, "h w"], side: int) -> UInt8[np.ndarray, "side side 3"]:
    places = np.linspace(0, 1, len(PALETTE))
    colors = np.stack([np.interp(_scaled(power), places, c) for c in np.transpose(PALETTE)], axis=-1)
    picture = Image.fromarray(np.rint(colors).astype(np.uint8))
    return np.asarray(picture.resize((side, side), Image.Resampling.NEAREST))


def _curves(
    lines: Sequence[tuple[np.ndarray, np.ndarray]], stride: int, side: int
) -> UInt8[np.ndarray, "side side 3"]:
    canvas = Image.new("RGB", (side, side), PALETTE[0])
    pen = ImageDraw.Draw(canvas)
    for k in range(1, stride // 2 + 1):
        x = round(2 * k / stride * (side - 1))
        pen.line([(x, 0), (x, side)], fill=(60, 60, 70))
    largest = max(mean[1:].max() for _, mean in lines)
    for (frequencies, mean), color in zip(lines, ((252, 165, 10), (90, 160, 255)), strict=True):
        level = np.clip(-np.log10(np.maximum(mean / largest, 1e-30)) / DECADES, 0, 1)
        points = np.stack([2 * frequencies, level], axis=-1) * (side - 1)
        pen.line([tuple(point) for point in points], fill=color, width=2)
    return np.asarray(canvas)


def _titled(panel: np.ndarray, title: str) -> np.ndarray:
    canvas = Image.new("RGB", (panel.shape[1], panel.shape[0] + 22), "white")
    ImageDraw.Draw(canvas).text((2, 3), title, fill="black", font=ImageFont.load_default(13))
    canvas.paste(Image.fromarray(panel), (0, 22))
    return np.asarray(canvas)
