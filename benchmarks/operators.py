"""Operators of ``vizjax.nn`` against plain `lax`, interleaved, both warm: ratios of medians.

Run ``python -m benchmarks.operators``.
"""

import functools
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp

import vizjax as vz

REPEATS = 9


def milliseconds(*functions: Callable[[], object]) -> list[float]:
    """Median time of each function; they take turns."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(REPEATS + 2):
        for function, kept in zip(functions, times, strict=True):
            begin = time.perf_counter()
            jax.block_until_ready(function())
            kept.append(1e3 * (time.perf_counter() - begin))
    return [statistics.median(kept[2:]) for kept in times]


def compare(name: str, f: Callable[..., jax.Array], *arguments: jax.Array) -> None:
    """Prints forward and gradient times, ours and plain."""

    def gradient(x: jax.Array) -> jax.Array:
        return jax.grad(lambda x: jnp.sum(jnp.square(f(x, *arguments[1:]))))(x)

    ours = [jax.jit(f), jax.jit(gradient)]
    with vz.nn.lax_only():
        plain = [jax.jit(lambda *a: f(*a)), jax.jit(lambda x: gradient(x))]
        plain = [plain[0].lower(*arguments).compile(), plain[1].lower(arguments[0]).compile()]
    x = arguments[0]
    forward = milliseconds(lambda: ours[0](*arguments), lambda: plain[0](*arguments))
    back = milliseconds(lambda: ours[1](x), lambda: plain[1](x))
    print(
        f"{name:38s} forward {forward[0]:7.1f} {forward[1]:7.1f} ms  {forward[1] / forward[0]:5.1f} x"
        f"   gradient {back[0]:7.1f} {back[1]:7.1f} ms  {back[1] / back[0]:5.1f} x"
    )


def main() -> None:
    print(f"batch 8, float32, {jax.default_backend()}: ours, plain lax, ratio")
    for size, channels, kernel, stride in [(112, 96, 3, 2), (56, 96, 3, 1), (56, 144, 5, 2), (28, 240, 5, 1)]:
        x = jnp.ones((8, size, size, channels))
        taps = jnp.ones((kernel, kernel, 1, channels))
        name = f"depthwise {kernel} x {kernel} / {stride}, {size} px, {channels} ch"
        compare(name, lambda x, k, s=stride: vz.nn.depthwise_conv(x, k, (s, s)), x, taps)
    for size, channels, window, stride in [(112, 64, 3, 2), (224, 64, 2, 2), (28, 192, 3, 1)]:
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
