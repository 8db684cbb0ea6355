"""What stands out in a spectrum: its peaks at the multiples of 1/stride, and its radial mean."""

import numpy as np
from jaxtyping import Float

from vizjax.errors import InputError

REACH = 4
"""Up to how many bins away a peak is compared with what is around it."""


def peaks(power: Float[np.ndarray, "h w"], stride: int) -> dict[int, float]:
    """How far a spectrum rises above its surroundings where a grid of positions leaves its mark.

    Positions ``stride`` pixels apart repeat themselves at the frequencies (i, j) / stride. These are told
    apart by their denominator in lowest terms: 2 is the finest checkerboard, which a first convolution
    of stride 2 can make; only the last of several strides makes those of denominator ``stride``.

    Args:
        power: a power spectrum with frequency 0 in the middle.
        stride: pixels from one position to the next; it divides h and w.

    Returns:
        For each divisor above 1 of the stride, the power at such a frequency over the mean power of the
        bins around it (up to 4 away, and no farther than half of the way to the next): the mean of this
        ratio over all such frequencies. 1 where nothing stands out.

    Raises:
        InputError: where the stride is below 1, or there is no bin between two of the frequencies.

    Example:
        >>> power = np.ones((16, 16))
        >>> power[0, 8] = 9.0  # at 1/2 along h
        >>> {order: round(ratio, 1) for order, ratio in peaks(power, 4).items()}
        {2: 3.7, 4: 1.0}
    """
    h, w = power.shape
    if stride < 1 or h % stride or w % stride or min(h, w) < 2 * stride:
        raise InputError(
            f"peaks are looked for in spectra of 2 or more times as many pixels as the stride, and a "
            f"multiple of it, not {h} x {w} for {stride}; take larger pictures"
        )
    reach = [min(REACH, n // (2 * stride)) for n in (h, w)]
    offsets = [(i, j) for i in range(-reach[0], reach[0] + 1) for j in range(-reach[1], reach[1] + 1)]
    total = np.sum([np.roll(power, offset, (0, 1)) for offset in offsets], axis=0)
    around = np.maximum((total - power) / (len(offsets) - 1), 1e-300)
    ratio = np.fft.ifftshift(power / around)[:: h // stride, :: w // stride]
    order = np.lcm.outer(*[stride // np.gcd(np.arange(stride), stride)] * 2)
    return {d: float(ratio[order == d].mean()) for d in range(2, stride + 1) if stride % d == 0}


def radial(power: Float[np.ndarray, "h w"]) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
    """A spectrum's mean over all directions.

    Args:
        power: a power spectrum with frequency 0 in the middle.

    Returns:
        Frequencies in cycles a pixel, from 0 to 1/2, and the mean power at each.

    Example:
        >>> frequencies, means = radial(np.ones((8, 8)))
        >>> frequencies.tolist(), means.tolist()
        ([0.0, 0.125, 0.25, 0.375, 0.5], [1.0, 1.0, 1.0, 1.0, 1.0])
    """
    h, w = power.shape
    n = min(h, w)
    f = np.fft.fftshift(np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)))
    bins = np.rint(f * n).astype(int).ravel()
    means = np.bincount(bins, power.ravel()) / np.maximum(np.bincount(bins), 1)
    return np.arange(n // 2 + 1) / n, means[: n // 2 + 1]
