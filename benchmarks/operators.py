"""Operators of ``vizjax.nn`` against plain `lax`, interleaved, both warm: ratios of medians.

Run ``python -m benchmarks.operators``.
"""

import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

import vizjax as vz

REPEATS = 9

# size, channels, outputs, kernel, stride, groups: depthwise, stems, filters of the whole map, strides, groups
CONVOLUTIONS = [
    (112, 96, 96, 3, 2, 96), (56, 96, 96, 3, 1, 96), (56, 144, 144, 5, 2, 144), (28, 240, 240, 5, 1, 240),
    (224, 3, 64, 7, 2, 1), (227, 3, 96, 11, 4, 1), (224, 3, 96, 4, 4, 1), (7, 512, 4096, 7, 1, 1),
    (56, 128, 128, 3, 2, 1), (28, 256, 256, 3, 2, 1), (14, 512, 512, 3, 2, 1),
    (56, 128, 128, 3, 1, 32), (28, 256, 256, 3, 1, 32), (28, 512, 512, 3, 2, 32), (14, 512, 512, 3, 1, 32),
]  # fmt: skip
# size, channels, window, stride: of ResNet, GoogLeNet and VGG
POOLS = [
    (112, 64, 3, 2), (56, 192, 3, 2), (28, 480, 3, 2), (28, 256, 3, 1), (14, 512, 3, 1), (7, 832, 3, 1),
    (14, 832, 2, 2), (112, 128, 2, 2), (224, 64, 2, 2),
]  # fmt: skip
WIDE = [(56, 256, 256), (28, 256, 512), (28, 512, 512), (14, 256, 256), (14, 512, 512), (7, 512, 512)]


def milliseconds(*functions: Callable[[], object]) -> list[float]:
    """Median time of each function; they take turns."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(REPEATS + 2):
        for function, kept in zip(functions, times, strict=True):
            begin = time.perf_counter()
            jax.block_until_ready(function())
            kept.append(1e3 * (time.perf_counter() - begin))
    return [statistics.median(kept[2:]) for kept in times]


def compare(name: str, f: Callable[..., jax.Array], *arguments: Any) -> None:
    """Prints forward and gradient times, ours and plain."""

    def gradient(*arguments: Any) -> jax.Array:
        return jax.grad(lambda *a: jnp.sum(jnp.square(f(*a))))(*arguments)

    ours = [jax.jit(g).lower(*arguments).compile() for g in (f, gradient)]
    with vz.nn.lax_only():  # other functions: what was traced before is not traced again
        plain = [jax.jit(lambda *a, g=g: g(*a)).lower(*arguments).compile() for g in (f, gradient)]
    forward, back = (
        milliseconds(lambda a=a: a(*arguments), lambda b=b: b(*arguments))
        for a, b in zip(ours, plain, strict=True)
    )
    print(
        f"{name:46s} forward {forward[0]:7.1f} {forward[1]:7.1f} ms  {forward[1] / forward[0]:5.1f} x"
        f"   gradient {back[0]:7.1f} {back[1]:7.1f} ms  {back[1] / back[0]:5.1f} x"
    )


def main() -> None:
    print(f"batch 8, float32, {jax.default_backend()}: ours, plain lax, ratio")
    for size, channels, out, kernel, stride, groups in CONVOLUTIONS:
        x = jax.random.normal(jax.random.key(0), (8, size, size, channels))
        taps = jax.random.normal(jax.random.key(1), (kernel, kernel, channels // groups, out))
        options = {"window_strides": (stride, stride), "feature_group_count": groups}
        options["padding"] = "VALID" if kernel == size else "SAME"
        name = f"{kernel} x {kernel} / {stride}, {size} px, {channels} to {out} ch, {groups} groups"
        compare(name, functools.partial(vz.nn.conv, **options), x, taps)
    for size, channels, out in WIDE:
        layer = nnx.Conv(channels, out, (3, 3), rngs=nnx.Rngs(0))
        x = jax.random.normal(jax.random.key(0), (8, size, size, channels))
        ready = vz.nn.prepared(layer)
        compare(f"Winograd, {size} px, {channels} to {out} ch", lambda x, f: f(x), x, ready)
    for size, channels, window, stride in POOLS:
        x = jax.nn.relu(jax.random.normal(jax.random.key(0), (8, size, size, channels)))
        pool = functools.partial(vz.nn.max_pool, window=window, stride=stride, padding="SAME")
        compare(f"max pool {window} / {stride}, {size} px, {channels} ch", pool, x)
    pictures = jax.random.uniform(jax.random.key(0), (8, 128, 128, 3))
    keys = jax.random.split(jax.random.key(1), 8)
    transform = vz.transforms.standard()
    every = jax.vmap(transform, (0, 0, None))
    compare("standard transforms, 128 px", lambda x: every(keys, x, 0.5), pictures)
    compare("gaussian blur 1, 128 px", lambda x: vz.nn.gaussian_blur(x, 1.0), pictures)
    image = vz.images.fourier(128)
    spectra = jax.vmap(image.init)(keys)
    compare("fourier image, 128 px", lambda p: jax.vmap(image.decode)(p), spectra)


if __name__ == "__main__":
    main()
