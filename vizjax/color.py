"""Decorrelated colour: matrices that turn independent channels into colours like a photograph's."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vizjax.errors import InputError

Matrix = tuple[tuple[float, ...], ...]
"""Rows of a c × c matrix M; a picture of independent channels x has the colours ``x @ M``."""


def _lucid() -> Matrix:
    root = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
    return _rows((root / np.linalg.norm(root, axis=0).max()).T)


def _rows(matrix: np.ndarray) -> Matrix:
    return tuple(tuple(float(v) for v in row) for row in matrix)


LUCID: Matrix = _lucid()
"""Square root of ImageNet's colour covariance, as Lucid publishes it."""

MACO: Matrix = (
    (0.56282854, 0.58447580, 0.58447580),
    (0.19482528, 0.0, -0.19482528),
    (0.04329450, -0.10823626, 0.06494176),
)
"""The matrix of the MACO family (Fel et al., NeurIPS 2023)."""


def with_alpha(matrix: Matrix) -> Matrix:
    """The matrix of transparent pictures: colours as before, the last channel independent of them.

    Args:
        matrix: c × c, of the colours.

    Returns:
        A matrix (c + 1) × (c + 1).

    Example:
        >>> with_alpha(((2.0,),))
        ((2.0, 0.0), (0.0, 1.0))
    """
    return (*((*row, 0.0) for row in matrix), (0.0,) * len(matrix) + (1.0,))


def default(channels: int) -> Matrix | None:
    """The matrix for pictures of so many channels.

    Args:
        channels: number of channels of the pictures.

    Returns:
        `LUCID` for three, the same with a channel of transparency for four, else None, for
        independent channels.

    Example:
        >>> default(1) is None
        True
    """
    return {3: LUCID, 4: with_alpha(LUCID)}.get(channels)


def measured(pictures: Sequence[np.ndarray]) -> Matrix:
    """The matrix of given pictures: the square root of their colour covariance.

    Args:
        pictures: arrays ``h w c`` in [0, 1], of any sizes and one channel count.

    Returns:
        M, c × c, by principal components, scaled as `LUCID` is (largest column norm of Mᵀ is 1).

    Raises:
        InputError: where there is no picture or the channel counts differ.

    Example:
        >>> grey = np.random.default_rng(0).random((8, 8, 1)) * np.ones(3)
        >>> matrix = np.array(measured([grey]))
        >>> np.allclose(matrix[0] / matrix[0, 0], 1)
        True
    """
    counts = {np.shape(p)[-1] for p in pictures if np.ndim(p) == 3}
    if len(counts) != 1 or any(np.ndim(p) != 3 for p in pictures):
        shapes = [np.shape(p) for p in pictures]
        raise InputError(
            f"colours are measured from one or more pictures h w c with one channel count, not from "
            f"shapes {shapes}; convert them to one mode first"
        )
    colors = np.concatenate([np.reshape(p, (-1, counts.copy().pop())) for p in pictures])
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(colors.astype(np.float64), rowvar=False)))
    vectors = vectors * np.where(vectors.sum(axis=0) < 0, -1, 1)  # eigenvectors have no sign of their own
    root = (vectors * np.sqrt(np.maximum(values, 0)))[:, ::-1]
    return _rows((root / np.linalg.norm(root, axis=0).max()).T)


def correlate(x: Float[Array, "*batch c"], matrix: Matrix | None) -> Float[Array, "*batch c"]:
    """Independent channels to colours: ``x @ matrix``.

    Args:
        x: an array with channels last.
        matrix: c × c, or None to leave x as it is.

    Returns:
        An array of the same shape.

    Example:
        >>> correlate(jnp.ones((1, 1, 3)), LUCID).shape
        (1, 1, 3)
    """
    if matrix is None:
        return x
    return jnp.matmul(x, jnp.asarray(matrix, x.dtype), precision=jax.lax.Precision.HIGHEST)


def decorrelate(x: Float[Array, "*batch c"], matrix: Matrix | None) -> Float[Array, "*batch c"]:
    """Colours to independent channels: the inverse of `correlate`.

    Args:
        x: an array with channels last.
        matrix: c × c, or None to leave x as it is.

    Returns:
        An array of the same shape.

    Example:
        >>> x = jnp.ones((1, 1, 3))
        >>> bool(jnp.allclose(decorrelate(correlate(x, LUCID), LUCID), x, atol=1e-4))
        True
    """
    return correlate(x, matrix if matrix is None else _rows(np.linalg.inv(np.array(matrix))))


def luminance(pictures: Float[Array, "*batch 3"]) -> Float[Array, "*batch 1"]:
    """Brightness of red, green and blue as the eye weighs them.

    Args:
        pictures: any array with channels last.

    Returns:
        The Y of YIQ, with one channel.

    Example:
        >>> luminance(jnp.ones((1, 1, 3))).round(6).item()
        1.0
    """
    return jnp.sum(pictures * jnp.array([0.299, 0.587, 0.114]), axis=-1, keepdims=True)


def with_luminance(
    pictures: Float[Array, "*batch 3"], brightness: Float[Array, "*others 1"]
) -> Float[Array, "*both 3"]:
    """Pictures that keep their colour (the I and Q of YIQ) and take over another's brightness.

    Args:
        pictures: where the colours come from.
        brightness: the luminance that they get, of the same or of more pictures.

    Returns:
        Pictures, which may leave [0, 1].

    References:
        Gatys et al., Preserving Color in Neural Artistic Style Transfer, 2016, section 3.2.

    Example:
        >>> round(with_luminance(jnp.full((1, 1, 3), 0.25), jnp.full((1, 1, 1), 0.75)).max().item(), 3)
        0.75
    """
    return pictures + (brightness - luminance(pictures))  # a change of Y is the same in R, G and B


def matched(picture: Float[Array, "h w c"], reference: Float[Array, "h2 w2 c"]) -> Float[Array, "h w c"]:
    """A picture whose colours have a reference's mean and covariance.

    Args:
        picture: to be recoloured.
        reference: where the colours come from.

    Returns:
        The recoloured picture, which may leave [0, 1].

    References:
        Gatys et al., Preserving Color in Neural Artistic Style Transfer, 2016, section 3.1, with
        the symmetric roots of Image Analogies (Hertzmann et al., 2001).

    Example:
        >>> a, b = jnp.linspace(0, 1, 12).reshape(2, 2, 3), jnp.linspace(0, 0.5, 12).reshape(2, 2, 3)
        >>> bool(jnp.allclose(matched(a, b).mean((0, 1)), b.mean((0, 1)), atol=1e-5))
        True
    """
    (center, inverse), (mean, root) = _root(picture, -0.5), _root(reference, 0.5)
    return jnp.asarray((np.asarray(picture) - center) @ inverse @ root + mean, jnp.float32)


def stretched(
    pictures: Float[Array | np.ndarray, "*batch h w c"], share: float = 0.995
) -> Float[np.ndarray, "*batch h w c"]:
    """Pictures whose contrast about grey fills the range, each for itself, as old methods' are shown.

    Args:
        pictures: in [0, 1], about .5.
        share: of each picture's values that stay within the range; those beyond are clipped.

    Returns:
        Pictures in [0, 1]; one that is all grey stays so.

    Raises:
        InputError: at a share that is not in (0, 1].

    Example:
        >>> stretched(np.array([0.45, 0.5, 0.6]).reshape(3, 1, 1), share=1.0).round(2).ravel().tolist()
        [0.25, 0.5, 1.0]
    """
    if not 0 < share <= 1:
        raise InputError(f"a share is in (0, 1], not {share}; try .995")
    apart = np.asarray(pictures, np.float32) - 0.5
    largest = np.quantile(np.abs(apart), share, axis=(-3, -2, -1), keepdims=True)
    return np.clip(0.5 + 0.5 * apart / np.maximum(largest, 1e-6), 0, 1).astype(np.float32)


def _root(picture: Array, power: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean colour, and a power of the colours' covariance."""
    colors = np.asarray(picture, np.float64).reshape(-1, np.shape(picture)[-1])
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(colors, rowvar=False)))
    least = max(values.max() * 1e-6, 1e-12)  # a grey picture has no colour that could be stretched
    return colors.mean(0), vectors * np.maximum(values, least) ** power @ vectors.T
