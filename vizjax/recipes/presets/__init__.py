"""Settings of feature visualization by name, as their authors use them; ``PRESETS`` lists them all.

A preset is data: a function of the pictures' size returns it, whose default size is the authors' own.
"""

import functools
from collections.abc import Callable

from vizjax import images, nn, transforms, updates
from vizjax.recipes.presets.crops import faccent, horama, maco
from vizjax.recipes.presets.pixels import simonyan, yosinski
from vizjax.recipes.presets.preimages import mahendran_2015, mahendran_2016
from vizjax.recipes.presets.pytorch import SCALES, captum, dreamlens, lucent
from vizjax.recipes.presets.tensorflow import tf_keras_vis, xplique
from vizjax.recipes.presets.units import Preset, settings
from vizjax.transforms import compose, crop, jitter, pad, rotate, scale, standard


def best(size: int = 128) -> Preset:
    """The defaults of `vizjax.render`, chosen by what untransformed pictures attain, and by their looks.

    Args:
        size: side in pixels.

    Returns:
        The preset.

    Example:
        >>> best().settings["steps"]
        64
    """
    image, optimizer = images.fourier(size), updates.adam(0.15, b1=0.5)
    return Preset(settings(image, transforms.gentle(), optimizer, 64, rectify=nn.redirected(16)))


def lucid(size: int = 128) -> Preset:
    """Lucid's defaults.

    Args:
        size: side in pixels.

    Returns:
        The preset.

    References:
        Olah et al., Feature Visualization, Distill 2017; Lucid's ``render_vis``.

    Example:
        >>> lucid().settings["steps"]
        512
    """
    image, optimizer = images.fourier(size), updates.adam(0.05)
    return Preset(settings(image, standard(12), optimizer, 512, rectify=nn.redirected(16)))


def distill(size: int = 128) -> Preset:
    """The settings of the article's own pictures.

    Args:
        size: side in pixels.

    Returns:
        The preset.

    References:
        Olah et al., Feature Visualization, Distill 2017.

    Example:
        >>> distill().settings["steps"]
        2560
    """
    cut = crop(size, (size / (size + 8),) * 2, side_sd=0, center_sd=0)  # the middle, at its own scale
    seen = compose(pad(16), jitter(16), scale(SCALES), rotate(tuple(range(-5, 6))), jitter(8), cut)
    image, optimizer = images.fourier(size), updates.adam(0.05)
    return Preset(settings(image, seen, optimizer, 2560, rectify=nn.redirected(16)))


PRESETS: dict[str, Callable[..., Preset]] = {
    "best": best,
    "captum": captum,
    "distill": distill,
    "dreamlens": dreamlens,
    "faccent": faccent,
    "horama": horama,
    "lucent": lucent,
    "lucid": lucid,
    "maco": maco,
    "mahendran-2015": mahendran_2015,
    "mahendran-2016": mahendran_2016,
    "simonyan": simonyan,
    "tf-keras-vis": tf_keras_vis,
    "xplique": xplique,
    **{f"yosinski-{row}": functools.partial(yosinski, row) for row in (1, 2, 3, 4)},
}
"""Name -> function of the pictures' size."""
