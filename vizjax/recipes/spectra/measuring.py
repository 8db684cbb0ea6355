"""Where high frequencies come from: the spectrum of a layer's gradient with respect to the picture."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vizjax import images, objectives
from vizjax.activations import activations, layers
from vizjax.errors import InputError, unknown


class Spectrum(NamedTuple):
    """What frequencies a layer's gradient has.

    Attributes:
        layer: its name.
        stride: of the layer's positions, in pixels.
        power: |FFT|² of the gradients, of sum 1 each, the mean over units and pictures; the frequency 0
            in the middle, from −1/2 up to 1/2 cycle a pixel.
        control: the same for the layer at stride 1.
    """

    layer: str
    stride: int
    power: Float[np.ndarray, "h w"]
    control: Float[np.ndarray, "h w"]


def measure_spectrum(
    net: Any, layer: str, pictures: Float[Array | np.ndarray, "n h w c"] | None = None, *,
    units: int = 8,
) -> Spectrum:  # fmt: skip
    """The power spectrum of ∂ channel / ∂ picture, and of the same layer computed at stride 1.

    The control keeps all weights: each stride is 1 and the filters behind it are dilated instead, so
    that the layer has a position at every pixel; what it is at the old positions does not change. Its
    gradient is the mean over all stride² shifts of the picture, shifted back, and is calculated so: it
    needs no other net, and stride² times the work.

    Args:
        net: a net.
        layer: a layer with a stride.
        pictures: in [0, 1], where the gradient is taken; None for the near-grey
            1/f noise of 128 pixels that renderings start from.
        units: how many channels are averaged, evenly chosen.

    Returns:
        The spectra.

    Raises:
        InputError: where the layer has no stride, or the pictures' sides are no multiples of it.

    References:
        Olah et al., Feature Visualization, Distill 2017 (strided convolutions and pooling create
        high-frequency patterns in the gradient); Odena et al., Deconvolution and Checkerboard
        Artifacts, Distill 2016.

    Example:
        >>> import vizjax as vz
        >>> from vizjax.recipes.spectra.peaks import peaks
        >>> found = measure_spectrum(vz.load("efficientnet_lite0"), "stem", jnp.full((1, 32, 32, 3), 0.5))
        >>> found.stride, peaks(found.power, 2)[2] > 2 * peaks(found.control, 2)[2]
        (2, True)
    """
    known = layers(net)
    if layer not in known:
        raise unknown("layer", layer, known, "vizjax.layers(net) lists them")
    stride, channels = known[layer].stride, known[layer].channels
    if pictures is None:
        image = images.fourier(128)
        pictures = image.decode(image.init(jax.random.key(0)))
    if stride is None or any(side % stride for side in pictures.shape[1:3]):
        raise InputError(
            f"the spectrum is of a layer with a stride that divides the sides of the pictures, but "
            f"{layer!r} has {stride} and they are {pictures.shape[1:3]}; choose another layer or size"
        )
    chosen = np.unique(np.linspace(0, channels - 1, min(units, channels)).astype(int))
    powers = []
    for picture in jnp.asarray(pictures):
        plain = _gradients(net, picture, chosen, jnp.array([0, 0]), layer=layer)
        total = plain
        for shift in [divmod(k, stride) for k in range(1, stride**2)]:
            total = total + _gradients(net, picture, chosen, jnp.array(shift), layer=layer)
        powers.append([_power(np.asarray(plain)), _power(np.asarray(total))])
    power, control = np.mean(powers, axis=(0, 2))
    return Spectrum(layer, stride, power, control)


@functools.partial(jax.jit, static_argnames="layer")
def _gradients(net: Any, picture: Array, units: Array, shift: Array, layer: str) -> Array:
    """Of every unit, as the net sees the picture when it has been moved."""

    def value(picture: Array, unit: Array) -> Array:
        moved = jnp.roll(picture, shift, (0, 1))
        return objectives.channel(activations(net, moved[None])[layer], unit)

    return jax.vmap(jax.grad(value), (None, 0))(picture, units)


def _power(gradients: np.ndarray) -> np.ndarray:
    waves = np.abs(np.fft.fft2(gradients.astype(np.float64), axes=(1, 2))) ** 2
    power = np.fft.fftshift(waves.sum(-1), axes=(1, 2))
    return power / np.maximum(power.sum((1, 2), keepdims=True), 1e-300)
