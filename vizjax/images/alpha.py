"""Transparency of finished pictures."""

import numpy as np
from jaxtyping import Float

from vizjax.errors import InputError


def with_alpha(
    pictures: Float[np.ndarray, "*batch h w c"], importance: Float[np.ndarray, "..."],
    percentiles: tuple[float, float] = (0.0, 80.0),
) -> Float[np.ndarray, "*batch h w c1"]:  # fmt: skip
    """Pictures that are transparent where nothing mattered to the objective.

    Args:
        pictures: in [0, 1], such as ``result.images``.
        importance: Σ |∂loss/∂picture| over the steps, as `vizjax.updates.importance` adds it up;
            its mean over colours counts.
        percentiles: of each picture's importance, at which alpha is 0 and 1.

    Returns:
        The pictures with a last channel of alpha in [0, 1].

    Raises:
        InputError: where the shapes differ, or unless 0 ≤ low < high ≤ 100.

    References:
        MACO: Fel et al., Unlocking Feature Visualization for Deeper Networks, NeurIPS 2023.

    Example:
        >>> pictures, importance = np.ones((1, 2, 2, 1)), np.arange(4.0).reshape(1, 2, 2, 1)
        >>> with_alpha(pictures, importance, (0, 100))[..., 1].round(2).tolist()
        [[[0.0, 0.33], [0.67, 1.0]]]
    """
    low, high = percentiles
    if np.shape(pictures) != np.shape(importance):
        raise InputError(
            f"every value of a picture has an importance: {np.shape(pictures)}, not {np.shape(importance)}; "
            f"read it from result.optimizer_state with optax.tree_utils.tree_get"
        )
    if not 0 <= low < high <= 100:
        raise InputError(f"percentiles are 0 <= low < high <= 100, not {low}, {high}")
    weight = np.mean(importance, axis=-1, keepdims=True)
    least, most = np.percentile(weight, percentiles, axis=(-3, -2), keepdims=True)
    alpha = np.clip((weight - least) / np.maximum(most - least, np.finfo(np.float32).tiny), 0, 1)
    return np.concatenate([pictures, alpha.astype(pictures.dtype)], -1)
