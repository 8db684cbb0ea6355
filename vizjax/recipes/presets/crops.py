"""Presets of large canvases, of which nets are shown many small parts at once."""

from vizjax import color, images, transforms, updates
from vizjax.recipes.presets.pytorch import VIEW
from vizjax.recipes.presets.units import Preset, settings
from vizjax.transforms import boxes, compose, crop, noise


def maco(size: int = 512, view: int = VIEW, transparent: bool = False) -> Preset:
    """Magnitudes fixed, phases optimized, under crops that shrink from a half to a twentieth.

    Its noise of .08 is for values in ±1, and half of that here. `vizjax.recipes.transparent` makes the
    result's pictures transparent where nothing mattered.

    Args:
        size: side in pixels.
        view: side to which crops are scaled.
        transparent: whether a channel of alpha is optimized with the colours.

    Returns:
        The preset.

    References:
        Fel et al., Unlocking Feature Visualization for Deeper Networks, NeurIPS 2023.

    Example:
        >>> maco().settings["samples"]
        32
    """
    image = images.phase(size, channels=4 if transparent else 3)
    on = (transforms.background(),) if transparent else ()
    optimizer = updates.chain(updates.nadam(1.0), updates.importance(image))
    return Preset(settings(image, compose(*on, crop(view), noise(0.04, 0.02)), optimizer, 256, samples=32))


def horama(size: int = 1280, view: int = VIEW) -> Preset:
    """Horama's Fourier pictures of fixed contrast.

    Its noise of .05 is for values in ±2.5, and a fifth of that here.

    Args:
        size: side in pixels.
        view: side to which crops are scaled.

    Returns:
        The preset.

    References:
        Horama, https://github.com/serre-lab/Horama.

    Example:
        >>> horama().settings["steps"]
        1000
    """
    image = images.fourier(size, sd=1.0, decay=1.5, color=color.MACO, standardize=True)
    seen = compose(boxes(view, (0.25, 0.3), center_sd=0.15), noise(0.01, 0.005))
    optimizer = updates.chain(updates.nadam(1.0), updates.importance(image))
    return Preset(settings(image, seen, optimizer, 1000, samples=6))


def faccent(size: int = 512, view: int = VIEW) -> Preset:
    """The defaults of feature accentuation's library.

    Its spectrum is divided by 5 instead of 4: start and steps are smaller by as much.

    Args:
        size: side in pixels.
        view: side to which crops are scaled.

    Returns:
        The preset.

    References:
        Hamblin et al., Feature Accentuation: Revealing 'What' Features Respond to in Natural Images,
        2024.

    Example:
        >>> faccent().settings["samples"]
        16
    """
    image = images.fourier(size, sd=0.01 * 4 / 5, color=color.MACO)
    optimizer = updates.chain(updates.adam(0.05 * 4 / 5), updates.importance(image))
    return Preset(settings(image, compose(boxes(view), noise(0.02, 0.01)), optimizer, 99, samples=16))
