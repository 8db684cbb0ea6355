"""The energies that the inversion papers lower, and the noise that they start from.

The papers measure pictures in levels 0 … 255 about their mean; here that is 255 · (picture − .5).
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from vizjax import images, regularizers
from vizjax.ascent import Objective
from vizjax.factory import factory


@factory
def energy(layer: str, each_pixel: bool = False) -> Objective:
    """Minus the energy of an inversion: error · ‖m(Φ − Φ₀)‖²/‖mΦ₀‖² + tv · Σ(d₁² + d₂²) + alpha · Σ|x|⁶.

    Args:
        layer: Φ's name.
        each_pixel: whether |x| is the norm of a pixel's colour, or every value's.

    Returns:
        An objective, whose target has Φ₀ as ``reference``, m as ``mask``, and ``error``, ``tv``, ``alpha``.

    Example:
        >>> reference = jnp.ones((4, 4, 1))
        >>> target = {"reference": reference, "mask": 1.0, "error": 2.0, "tv": 0.0, "alpha": 0.0}
        >>> energy("x")({"x": jnp.zeros((1, 4, 4, 1)), "image": jnp.zeros((1, 4, 4, 3))}, target).item()
        -2.0
    """

    def objective(acts: Any, target: Any) -> Array:
        reference, mask = target["reference"], jnp.square(target["mask"])
        # Before jitter the picture is a little larger, and so may its activation be.
        x = middle(acts[layer][0], reference.shape)
        error = jnp.sum(mask * jnp.square(x - reference)) / jnp.sum(mask * jnp.square(reference))
        picture = 255 * (acts["image"] - 0.5)
        alpha = regularizers.alpha_norm(picture, 6.0, 0.0, each_pixel)
        roughness = regularizers.total_variation(picture, 2.0)
        return -(target["error"] * error + target["tv"] * roughness + target["alpha"] * alpha)

    return objective


def middle(x: Any, shape: tuple[int, ...]) -> Any:
    """The middle of an array.

    Args:
        x: any.
        shape: that is wanted, nowhere larger.

    Returns:
        An array of that shape.

    Example:
        >>> middle(jnp.arange(5), (3,)).tolist()
        [1, 2, 3]
    """
    corner = [(have - want) // 2 for have, want in zip(x.shape, shape, strict=True)]
    return x[tuple(slice(c, c + want) for c, want in zip(corner, shape, strict=True))]


@factory
def noise(size: tuple[int, int], channels: int, kind: str) -> images.Parameterization:
    """Pixels that start as a paper's noise about grey.

    Args:
        size: (height, width) in pixels.
        channels: of the picture.
        kind: ``"normal"``, of the norm of natural pictures, 68.9 levels a value (CVPR 2015), or
            ``"uniform"``, whose 95 % quantile is 80 / √3 levels (IJCV 2016).

    Returns:
        A parameterization.

    Example:
        >>> start = noise((8, 8), 3, "normal").init(jax.random.key(0))
        >>> round(255 * jnp.sqrt(jnp.mean((start - 0.5) ** 2)).item(), 1)
        68.9
    """
    plain, draw = images.pixels(size, channels=channels), _NOISES[kind]

    def init(key: Array, start: Any = None) -> Array:
        if start is not None:
            return plain.init(key, start)
        return 0.5 + draw(key, (1, *size, channels)) / 255

    return images.Parameterization(init, plain.decode)


def _normal(key: Array, shape: tuple[int, ...]) -> Array:
    x = jax.random.normal(key, shape)
    return x * (68.9 * math.sqrt(x.size) / jnp.linalg.norm(x.ravel()))


def _uniform(key: Array, shape: tuple[int, ...]) -> Array:
    x = jax.random.uniform(key, shape, minval=-1, maxval=1)
    return x / jnp.quantile(x, 0.95) * (80 / math.sqrt(3))


_NOISES = {"normal": _normal, "uniform": _uniform}
