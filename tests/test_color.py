"""Colour matrices: the published numbers, and those measured from pictures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vizjax import color
from vizjax.errors import InputError

# what the literature prints: A, applied as x @ A.T after division by its largest column norm
PUBLISHED = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
COVARIANCE = np.array([[0.06, 0.05, 0.04], [0.05, 0.055, 0.045], [0.04, 0.045, 0.06]])


def test_lucid_is_the_published_matrix():
    expected = (PUBLISHED / np.sqrt(0.26**2 + 0.27**2 + 0.27**2)).T
    np.testing.assert_allclose(color.LUCID, expected, rtol=1e-12)


def test_maco_is_the_published_matrix():
    published = [
        [0.56282854, 0.58447580, 0.58447580],
        [0.19482528, 0.0, -0.19482528],
        [0.04329450, -0.10823626, 0.06494176],
    ]
    np.testing.assert_array_equal(color.MACO, published)


@pytest.mark.parametrize("matrix", [color.LUCID, color.MACO, None], ids=["lucid", "maco", "none"])
def test_there_and_back(matrix: color.Matrix | None):
    x = jax.random.normal(jax.random.key(0), (2, 4, 5, 3))
    y = color.correlate(x, matrix)
    np.testing.assert_allclose(y, x @ np.array(np.eye(3) if matrix is None else matrix), atol=1e-5)
    np.testing.assert_allclose(color.decorrelate(y, matrix), x, atol=1e-4)
    np.testing.assert_allclose(jax.jit(lambda x: color.correlate(x, matrix))(x), y, atol=1e-6)


def test_every_channel_count_has_a_default():
    assert color.default(3) == color.LUCID
    assert all(color.default(channels) is None for channels in (1, 2, 5))


def test_transparency_is_independent_of_colour():
    x = jax.random.normal(jax.random.key(0), (4, 5, 4))
    y = color.correlate(x, color.default(4))
    np.testing.assert_allclose(y[..., :3], color.correlate(x[..., :3], color.LUCID), atol=1e-6)
    np.testing.assert_array_equal(y[..., 3], x[..., 3])
    assert color.default(4) == color.with_alpha(color.LUCID)


def test_measured_recovers_a_known_covariance():
    """Colours ``x @ M`` of independent x have the measured pictures' covariance, up to its size."""
    rng = np.random.default_rng(0)
    colors = 0.5 + rng.multivariate_normal(np.zeros(3), COVARIANCE / 4, size=40_000)
    pictures = [colors[:10_000].reshape(100, 100, 3), colors[10_000:].reshape(50, 600, 3)]
    matrix = np.array(color.measured(pictures))
    found = matrix.T @ matrix
    np.testing.assert_allclose(found / np.trace(found), COVARIANCE / np.trace(COVARIANCE), atol=0.01)
    drawn = rng.normal(size=(40_000, 3)) @ matrix
    np.testing.assert_allclose(np.cov(drawn, rowvar=False) / np.trace(found), COVARIANCE / 0.175, atol=0.01)


def test_measured_is_scaled_and_ordered_as_lucid_is():
    matrix = np.array(color.measured([np.random.default_rng(0).random((30, 30, 3)) ** [1, 2, 3]]))
    norms = np.linalg.norm(matrix, axis=1)
    assert norms[0] == pytest.approx(1)
    assert np.all(np.diff(norms) <= 0)
    assert np.linalg.norm(color.LUCID, axis=1).max() == pytest.approx(1)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_measured_takes_any_number_of_channels(channels: int):
    matrix = color.measured([np.random.default_rng(0).random((9, 7, channels))])
    assert np.shape(matrix) == (channels, channels)
    assert hash(matrix) is not None


@pytest.mark.parametrize(
    "pictures",
    [[], [np.zeros((4, 4))], [np.zeros((4, 4, 3)), np.zeros((4, 4, 1))]],
    ids=["none", "2d", "mixed"],
)
def test_measured_needs_pictures(pictures: list):
    with pytest.raises(InputError, match=r"one or more pictures h w c with one channel count.*convert them"):
        color.measured(pictures)


def test_gradients_are_those_of_a_product():
    x = jnp.ones((2, 3))
    gradient = jax.grad(lambda x: color.correlate(x, color.MACO).sum())(x)
    np.testing.assert_allclose(gradient, np.broadcast_to(np.sum(color.MACO, axis=1), (2, 3)), atol=1e-6)


def test_stretched_fills_the_range_for_each_picture():
    """Whatever its contrast was; signs and proportions stay; grey stays grey."""
    x = np.random.default_rng(0).normal(0, 1, (2, 3, 16, 16, 3)).astype(np.float32)
    pale = 0.5 + x * np.float32([0.001, 0.01, 0.1])[:, None, None, None]
    shown = color.stretched(pale, share=1.0)
    largest = np.abs(x).max((2, 3, 4), keepdims=True)
    np.testing.assert_allclose(shown, 0.5 + 0.5 * x / largest, atol=1e-3)
    clipped = np.isin(color.stretched(pale, share=0.9), (0, 1)).mean((2, 3, 4))
    np.testing.assert_allclose(clipped, 0.1, atol=0.01)
    np.testing.assert_array_equal(color.stretched(np.full((4, 4, 3), 0.5, np.float32)), 0.5)
    with pytest.raises(InputError, match=r"a share is in \(0, 1\], not 0"):
        color.stretched(pale, share=0)
