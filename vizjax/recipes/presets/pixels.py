"""Presets that optimize pixels themselves, from the years before Fourier pictures.

What the papers measure in grey levels 0 … 255 about their data's mean is here 255 · (picture − .5).
"""

from typing import NamedTuple

import optax

from vizjax import images, regularizers, updates
from vizjax.recipes.presets.units import Preset, middle_unit, settings, weighted

LEVEL = 1 / 255


class Row(NamedTuple):
    """One of the published settings of Yosinski et al.; 0 is for what is left out. The gain is not theirs."""

    decay: float
    sigma: float
    every: int
    small_norm: float
    small_contribution: float
    iterations: int
    constant: bool
    gain: float


ROWS = {
    1: Row(0, 0.5, 4, 50, 0, 500, False, 250.0),
    2: Row(0.3, 0, 0, 20, 0, 750, True, 60.0),
    3: Row(1e-4, 1.0, 4, 0, 0, 1000, True, 200.0),
    4: Row(0, 0.5, 4, 0, 90, 1000, False, 40.0),
}


def yosinski(row: int, size: int = 227, rate: float | None = None, gain: float | None = None) -> Preset:
    """One of the four published settings: a step, decay, blur, small pixels to grey, values clipped.

    There is one update less than iterations: the last one only looks.

    Args:
        row: 1 … 4 of the paper's table; most of its figures are made with the third.
        size: side in pixels.
        rate: the learning rate of the rows 2 and 3, the largest one of 1 and 4; the paper's are 100, and 1e8
            for row 4. By default every row's steps aim at a gain, at rates up to 1e4.
        gain: by how much each step is to raise the unit; the paper's is 2.

    With ``rate=100, gain=2`` it is what the paper did with CaffeNet. In newer nets such steps are too
    small to be seen: by default a step aims at a gain that suits EfficientNet-Lite0. The pictures are pale
    all the same; `vizjax.color.stretched` shows them.

    Returns:
        The preset.

    References:
        Yosinski et al., Understanding Neural Networks Through Deep Visualization, 2015.

    Example:
        >>> yosinski(3).settings["steps"]
        999
    """
    r = ROWS[row]
    if rate and r.constant:
        pace: optax.GradientTransformation = updates.staged_momentum(((rate, 1),), decay=0.0)
    else:
        pace = updates.progress(gain or r.gain, rate or 1e4)
    operators = (
        updates.decay(r.decay) if r.decay else None,
        updates.periodic_blur(r.sigma, r.every) if r.every else None,
        updates.clip_small_norm(r.small_norm) if r.small_norm else None,
        updates.clip_small_contribution(r.small_contribution) if r.small_contribution else None,
        updates.clip_pixels(),
    )
    step = updates.chain(pace, *(operator for operator in operators if operator))
    return Preset(settings(images.pixels(size, sd=10 * LEVEL), None, step, r.iterations - 1), middle_unit)


def simonyan(size: int = 224, weight: float = 1.0) -> Preset:
    """A class model: the logit minus the picture's squared norm, by gradient ascent from grey.

    The authors do not give weight and steps: these suit EfficientNet-Lite0. The start is a grey level
    away from grey, so that several starts differ.

    Args:
        size: side in pixels.
        weight: λ of ‖I‖², for values in [0, 1] about .5.

    Returns:
        The preset.

    References:
        Simonyan et al., Deep Inside Convolutional Networks, 2014.

    Example:
        >>> simonyan().settings["steps"]
        200
    """
    step = updates.staged_momentum(((0.005, 150), (0.0005, 50)), unit=1.0)
    penalty = weighted((weight, regularizers.l2))
    return Preset(settings(images.pixels(size, sd=LEVEL), None, step, 200), penalty=penalty)
