"""Where high frequencies come from: strides leave peaks in the gradient's spectrum.

Run ``python examples/spectrum.py``; it writes ``gallery/spectrum.png`` beside itself in about a minute:
in each row the spectrum of one layer's gradient, that of the same layer computed at stride 1, and both
along the axes and in all directions. With ``--quick`` two layers are measured, and the picture goes to a
temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import vizjax as vz
from vizjax.recipes.spectra.measuring import measure_spectrum
from vizjax.recipes.spectra.peaks import peaks
from vizjax.recipes.spectra.sheets import draw_spectra

LAYERS = ("stem.conv", "blocks.1.depthwise", "blocks.3.depthwise", "blocks.5.depthwise")


def main(quick: bool) -> None:
    vz.keep_memory()
    net = vz.load("efficientnet_lite0")
    found = []
    for layer in LAYERS[:2] if quick else LAYERS:
        spectrum = measure_spectrum(net, layer)
        for order, ratio in peaks(spectrum.power, spectrum.stride).items():
            left = peaks(spectrum.control, spectrum.stride)[order]
            print(f"{layer}: peaks at k/{order} stand out {ratio:.1f} times, at stride 1 {left:.1f} times")
        found.append(spectrum)
    out = Path(tempfile.mkdtemp()) if quick else Path(__file__).parent / "gallery"
    draw_spectra(found).save(out / "spectrum.png", optimize=True)
    print(out / "spectrum.png")


if __name__ == "__main__":
    main("--quick" in sys.argv)
