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


def default(channels: int) -> Matrix | None:
    """The matrix for pictures of so many channels: `LUCID` for three, none otherwise.

    Args:
        channels: number of channels of the pictures.

    Returns:
        A matrix, or None for independent channels.

    Example:
        >>> default(1) is None
        True
    """
    return LUCID if channels == 3 else None


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
