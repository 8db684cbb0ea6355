"""What the error of an inversion means: beside other pictures, a linear inverse, and the eye."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vizjax.recipes.inversion.measures import mean_pairwise_square, psnr, squared_error, ssim
from vizjax.recipes.inversion.ridge import fit_ridge
from vizjax.recipes.seeing import seen

Values = Array | np.ndarray


def crops(picture: Float[Values, "h w c"]) -> Float[Array, "9 h w c"]:
    """Nine overlapping quarters of a picture, enlarged: others to compare with where there are none.

    They are more alike than different pictures are, so that errors relative to them are larger.

    Args:
        picture: any.

    Returns:
        Pictures of its size, row by row.

    Example:
        >>> crops(jnp.eye(8)[..., None]).shape
        (9, 8, 8, 1)
    """
    h, w, channels = picture.shape
    tops, lefts = (np.linspace(0, side - side // 2, 3).astype(int) for side in (h, w))
    parts = [picture[top : top + h // 2, left : left + w // 2] for top in tops for left in lefts]
    return jax.image.resize(jnp.stack(parts), (9, h, w, channels), "cubic").clip(0, 1)


def report_inversion(
    net: Any, layer: str, found: Float[Values, "starts h w c"], picture: Float[Values, "h w c"],
    others: Float[Values, "n h w c"] | None = None, baseline: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Errors of the reconstructions of a picture.

    Args:
        net: a net.
        layer: that was inverted.
        found: the reconstructions, such as ``result.images[0, :, 0]``.
        picture: in [0, 1], what was inverted.
        others: two or more other pictures of the same size: their mean distance, as the layer sees them,
            is what the normalized error is relative to, and the linear inverse is learned from them.
        baseline: whether it is.

    Returns:
        Lists with a number for each reconstruction: ``error`` is ‖Φ − Φ₀‖ / ‖Φ₀‖, ``psnr`` in decibels,
        ``ssim`` (of pictures of 11 pixels or more); with others ``normalized`` is ‖Φ − Φ₀‖ over the root mean
        square distance of others, and ``squared`` its square. ``order`` is from the best to the worst by
        error. ``ridge`` has the same of the linear inverse.

    Raises:
        InputError: where an argument does not fit.

    References:
        Mahendran & Vedaldi, Understanding Deep Image Representations by Inverting Them, CVPR 2015.

    Example:
        >>> import vizjax as vz
        >>> x = jnp.linspace(0, 1, 3 * 32 * 32).reshape(3, 32, 32, 1) ** 2
        >>> report_inversion(vz.features.hog(), "hog", x[1:2], x[1], x)["squared"]
        [0.0]
    """
    found, picture = jnp.asarray(found), jnp.asarray(picture)
    reference = seen(net, picture[None], layer)
    square = squared_error(seen(net, found, layer), reference)
    measures = {"error": np.sqrt(square / np.sum(np.square(reference))), "psnr": psnr(found, picture[None])}
    if min(picture.shape[:2]) >= 11:
        measures["ssim"] = np.asarray(ssim(found, picture[None]))
    if others is not None:
        square = square / mean_pairwise_square(seen(net, jnp.asarray(others), layer))
        measures |= {"normalized": np.sqrt(square), "squared": square}
    told: dict[str, Any] = {name: values.tolist() for name, values in measures.items()}
    told["order"] = np.argsort(measures["error"]).tolist()
    if others is not None and baseline:
        linear = fit_ridge(net, others, layer)(reference)
        told["ridge"] = report_inversion(net, layer, linear, picture, others, baseline=False)
    return told


def report_target(
    net: Any, layer: str, found: Float[Values, "starts h w c"], target: Float[Values, " classes"]
) -> dict[str, Any]:
    """How near pictures come to artificial values of a layer, and what the net takes them for.

    Args:
        net: a net with a layer ``probabilities``.
        layer: that was inverted, without positions.
        found: the pictures.
        target: the artificial values.

    Returns:
        ``scale``, the largest value; for each picture ``residual``, ‖Φ − target‖ / ‖target‖, and
        ``probability``, that of the largest value's class.

    Example:
        >>> import vizjax as vz
        >>> tabby = 10 * jax.nn.one_hot(281, 1000)
        >>> report_target(vz.load("efficientnet_lite0"), "logits", jnp.ones((1, 32, 32, 3)), tabby)["scale"]
        10.0
    """
    found = jnp.asarray(found)
    values, probabilities = (np.asarray(seen(net, found, name)) for name in (layer, "probabilities"))
    residual = np.linalg.norm(values - target, axis=1) / np.linalg.norm(target)
    probability = probabilities[:, int(np.argmax(target))]
    return {
        "scale": float(np.max(target)), "residual": residual.tolist(), "probability": probability.tolist(),
    }  # fmt: skip
