"""Pictures drawn by a small network from the coordinates of their pixels."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from vizjax.errors import InputError
from vizjax.factory import factory
from vizjax.images.common import Parameterization, Size, shape_of

Layers = list[tuple[Array, Array]]
"""(weights n in out, biases n out) of every layer, each picture with a network of its own."""


@factory
def cppn(
    size: Size, n: int = 1, channels: int = 3, sd: float = 0.01, layers: int = 8, width: int = 24
) -> Parameterization:
    """A network from coordinates to colours: smooth, and of no size of its own.

    Every layer's outputs x go on as atan(x) / .67 beside atan²(x) / .6; the last becomes colours by a
    sigmoid. The longer side spans ±√3. Parameters do not depend on the size: what was optimized at
    one is drawn at another by ``cppn(512).decode(params)``.

    Args:
        size: side or (height, width) in pixels.
        n: pictures in the group.
        channels: of a picture, any number.
        sd: standard deviation of the last layer's initial weights; the first picture is nearly grey.
        layers: hidden layers.
        width: outputs of each, which the two functions double.

    Returns:
        A parameterization whose params are a list of (weights, biases), with a leading axis n. It
        cannot start from a picture.

    Raises:
        InputError: at a size or count below 1, or when given a start.

    References:
        Stanley, Compositional Pattern Producing Networks, 2007; Mordvintsev et al., Differentiable
        Image Parameterizations, Distill 2018.

    Example:
        >>> params = cppn(16).init(jax.random.key(0))
        >>> cppn(16).decode(params).shape, cppn((24, 48)).decode(params).shape
        ((1, 16, 16, 3), (1, 24, 48, 3))
    """
    n, h, w, channels = shape_of(size, n, channels)
    if min(layers, width) < 1:
        raise InputError(f"layers and width must be 1 or more, not {layers}, {width}; give 8 and 24")
    inputs = [2] + [2 * width] * layers
    outputs = [width] * layers + [channels]

    def init(key: Key[Array, ""], start: Array | np.ndarray | None = None) -> Layers:
        if start is not None:
            raise InputError(
                "a cppn cannot start from a picture, whose weights would have to be searched for; leave "
                "start out, or use vizjax.images.fourier"
            )
        found = []
        for i, (ins, outs) in enumerate(zip(inputs, outputs, strict=True)):
            weight_key, bias_key = jax.random.split(jax.random.fold_in(key, i))
            # LeCun's normal, as in the paper's network, in all layers but the last
            spread = sd if i == layers else 1 / math.sqrt(ins)
            weights = spread * jax.random.normal(weight_key, (n, ins, outs))
            found.append((weights, (i < layers) * 0.1 * jax.random.normal(bias_key, (n, outs))))
        return found

    def decode(params: Layers) -> Float[Array, "n h w c"]:
        return jax.vmap(lambda own: _drawn(own, _coordinates(h, w)))(params)

    return Parameterization(init, decode)


def _coordinates(h: int, w: int) -> Float[np.ndarray, "h w 2"]:
    step = 2 * math.sqrt(3) / max(h - 1, w - 1, 1)
    y, x = ((np.arange(length) - (length - 1) / 2) * step for length in (h, w))
    return np.stack(np.broadcast_arrays(x[None], y[:, None]), -1).astype(np.float32)


def _drawn(layers: Any, at: Float[np.ndarray, "h w 2"]) -> Float[Array, "h w c"]:
    x = jnp.asarray(at)
    for weights, biases in layers[:-1]:
        angle = jnp.arctan(jnp.matmul(x, weights, precision="highest") + biases)
        x = jnp.concatenate([angle / 0.67, jnp.square(angle) / 0.6], -1)
    weights, biases = layers[-1]
    return jax.nn.sigmoid(jnp.matmul(x, weights, precision="highest") + biases)
