"""Spectra of gradients: numpy's for linear nets, peaks at 1/stride, none at stride 1."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny import tiny

import vizjax as vz
from vizjax.recipes.spectra.measuring import Spectrum, measure_spectrum
from vizjax.recipes.spectra.peaks import peaks, radial
from vizjax.recipes.spectra.sheets import draw_spectra

N = 16


class Linear(nnx.Module):
    """One convolution, of any stride."""

    input_shape = (N, N, 2)

    def __init__(self, stride):
        kernel = jax.random.normal(jax.random.key(5), (3, 3, 2, 3))
        self.conv = nnx.Conv(2, 3, (3, 3), stride, padding="VALID", use_bias=False, rngs=nnx.Rngs(0))
        self.conv.kernel[...] = kernel

    def __call__(self, images, rectify=vz.nn.plain):
        return (yield "conv", self.conv(images))


def by_hand(kernel, stride, shifts):
    """The mean spectrum of the units' gradients, added up position by position."""
    powers = []
    for unit in range(3):
        gradient = np.zeros((N, N, 2))
        for shift in shifts:
            part = np.zeros((N, N, 2))
            for i in range(0, N - 2, stride):
                for j in range(0, N - 2, stride):
                    part[i : i + 3, j : j + 3] += kernel[..., unit]
            gradient += np.roll(part, (-shift[0], -shift[1]), (0, 1))
        power = (np.abs(np.fft.fft2(gradient, axes=(0, 1))) ** 2).sum(-1)
        powers.append(np.fft.fftshift(power / power.sum()))
    return np.mean(powers, axis=0)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_strided_convolution_has_numpys_spectrum(stride):
    net = Linear(stride)
    found = measure_spectrum(net, "conv", jax.random.uniform(jax.random.key(0), (2, N, N, 2)))
    kernel = np.asarray(net.conv.kernel[...], np.float64)
    shifts = [(i, j) for i in range(stride) for j in range(stride)]
    assert found.stride == stride
    np.testing.assert_allclose(found.power, by_hand(kernel, stride, shifts[:1]), atol=1e-6)
    np.testing.assert_allclose(found.control, by_hand(kernel, stride, shifts), atol=1e-6)


def test_peaks_are_the_strides():
    net = Linear(4)
    found = measure_spectrum(net, "conv", jnp.zeros((1, N, N, 2)))
    assert set(peaks(found.power, 4)) == {2, 4}
    for order, ratio in peaks(found.power, 4).items():
        assert ratio > 3 * peaks(found.control, 4)[order]
        assert ratio > 2


def test_the_control_is_the_mean_over_all_shifts_of_a_net_with_nonlinearities():
    pictures = jax.random.uniform(jax.random.key(1), (1, N, N, 3))

    def dense(picture):
        moved = jnp.stack([jnp.roll(picture, (i, j), (0, 1)) for i in range(2) for j in range(2)])
        return vz.activations(tiny(), moved)["relu1"].mean((0, 1, 2))

    gradients = np.moveaxis(np.asarray(jax.jacobian(dense)(pictures[0]), np.float64), 0, -1)
    power = (np.abs(np.fft.fft2(gradients, axes=(0, 1))) ** 2).sum(2)
    alive = power.sum((0, 1)) > 0
    expected = np.where(alive, power / np.where(alive, power.sum((0, 1)), 1), 0).mean(-1)
    found = measure_spectrum(tiny(), "relu1", pictures)
    np.testing.assert_allclose(found.control, np.fft.fftshift(expected), atol=1e-5)


def test_pictures_and_units_are_averaged():
    pictures = jax.random.uniform(jax.random.key(1), (2, N, N, 3))
    both = measure_spectrum(tiny(), "relu1", pictures, units=3)
    each = [measure_spectrum(tiny(), "relu1", pictures[i : i + 1], units=3).power for i in range(2)]
    np.testing.assert_allclose(both.power, np.mean(each, axis=0), atol=1e-7)


def test_peaks_are_told_apart_by_their_denominator():
    power = np.ones((32, 32))
    center = 16
    power[center + 8, center] = 50.0  # 1/4 along h
    found = peaks(power, 8)
    assert found[4] == pytest.approx(1 + 49 / 12)  # one of twelve
    assert found[2] == found[8] == 1


def test_radial_means_keep_a_ring():
    f = np.fft.fftshift(np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64)))
    frequencies, means = radial((np.abs(f - 0.25) < 0.5 / 64).astype(float))
    assert frequencies[means.argmax()] == 0.25
    assert means.max() == pytest.approx(1.0)


def test_spectra_are_drawn_a_row_each():
    power = np.full((16, 16), 1e-6)
    power[8, 0] = 1.0  # frequency 1/2 along w: the left edge
    sheet = draw_spectra([Spectrum("a", 2, power, np.full((16, 16), 1.0))] * 2, side=64)
    assert sheet.size == (4 * 64 + 30, 2 * 86 + 10)
    panel = np.asarray(sheet, int)[22:86, :64].sum(-1)
    assert panel[33, 1] > 500 > panel[10, 30]


@pytest.mark.parametrize(
    ("layer", "size", "message"),
    [
        ("tokens", 16, "'tokens' has None"),
        ("conv2", 18, r"'conv2' has 4 and they are \(18, 18\); choose another layer or size"),
        ("nonesuch", 16, "unknown layer 'nonesuch'"),
    ],
)
def test_what_has_no_spectrum_is_refused(layer, size, message):
    with pytest.raises(vz.InputError, match=message):
        measure_spectrum(tiny(), layer, np.zeros((1, size, size, 3), np.float32))


def test_peaks_need_bins_between_them():
    with pytest.raises(vz.InputError, match="not 16 x 16 for 16; take larger pictures"):
        peaks(np.ones((16, 16)), 16)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "order", "factor"),
    [
        *(("stem.conv", 2, 1000), ("blocks.1.depthwise", 4, 100)),
        *(("blocks.3.depthwise", 8, 10), ("blocks.5.depthwise", 16, 1.4), ("blocks.10", 2, 5)),
    ],
)
def test_strides_of_lite0_leave_peaks(layer, order, factor):
    """Where a rendering starts: the first layer of each stride, against itself at stride 1."""
    found = measure_spectrum(vz.load("efficientnet_lite0"), layer)
    power, control = (peaks(p, found.stride) for p in (found.power, found.control))
    for k, ratio in power.items():
        print(f"{layer}: peaks at k/{k} stand out {ratio:.1f} times, at stride 1 {control[k]:.2f} times")
    assert power[order] >= factor * max(1, control[order])
