"""Presets of Mahendran and Vedaldi: priors of natural pictures, and their momenta.

What the papers measure in grey levels 0 … 255 about their data's mean is here 255 · (picture − .5).
"""

from vizjax import regularizers, transforms, updates
from vizjax.recipes.inversion.energies import noise
from vizjax.recipes.presets.units import Preset, settings, weighted


def mahendran_2015(size: int = 227, share: float = 0.003, tv: float = 30.0) -> Preset:
    """The natural image prior and the momentum of the inversion paper, with a unit in place of a code.

    Args:
        size: side in pixels.
        share: what a unit's activation of 1 counts against the prior (the paper divides by ‖Φ₀‖²).
        tv: the paper's λ of total variation.

    Returns:
        The preset.

    References:
        Mahendran & Vedaldi, Understanding Deep Image Representations by Inverting Them, CVPR 2015.

    Example:
        >>> mahendran_2015().settings["steps"]
        400
    """
    scale = share * 68.9**2 * 3 * size**2
    penalty = weighted(
        (tv / 2 * 255**2 / scale, regularizers.total_variation, 2.0),
        (8e-10 / 2 * 255**6 / scale, regularizers.alpha_norm, 6.0),
    )
    stages = tuple((0.004 * scale * rate, steps) for rate, steps in ((1.0, 100), (0.1, 200), (0.01, 100)))
    image = noise((size, size), 3, "normal")
    return Preset(settings(image, None, updates.staged_momentum(stages), 400), penalty=penalty)


def mahendran_2016(size: int = 224, strength: float = 0.02, stride: int = 32) -> Preset:
    """Activation maximization with natural pre-images: jitter, priors, colours kept in a ball.

    Args:
        size: side in pixels.
        strength: C, what a unit's activation of 1 counts against the prior.
        stride: of the layer in pixels; jitter is a quarter of it.

    Returns:
        The preset; its canvas is larger than ``size`` by the jitter.

    References:
        Mahendran & Vedaldi, Visualizing Deep Convolutional Neural Networks Using Natural
        Pre-Images, IJCV 2016.

    Example:
        >>> mahendran_2016().settings["steps"]
        300
    """
    spare, values = max(round(stride / 4), 1) - 1, strength * size**2
    penalty = weighted(
        ((6.5 * 255 / 80) ** 2 / values, regularizers.total_variation, 2.0),
        ((255 / 80) ** 6 / values, regularizers.alpha_norm, 6.0, 0.5, True),
    )
    step = updates.chain(
        updates.adagrad_momentum(((strength * size**2 * 0.05 * 80**2 / 6, 300),)),
        updates.project_norm_ball(160 / 255, each_pixel=True),
    )
    image = noise((size + spare, size + spare), 3, "uniform")
    return Preset(settings(image, transforms.jitter(spare), step, 300), penalty=penalty)
