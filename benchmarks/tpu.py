"""Steps and operators compiled ahead of time for TPU v5e: what they move, compute and keep.

Run ``python -m benchmarks.tpu [operators|steps|forms|spread]``; it needs no TPU, but PyPI's ``libtpu`` beside
JAX: ``pip install libtpu``, on Linux. A step takes one to three minutes to compile.
"""

import collections
import contextlib
import functools
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import vizjax as vz
from vizjax.ascent import compiled

CASES = [("efficientnet_lite0", "blocks.4"), ("efficientnet_lite0", "blocks.10"), ("resnet50", "layer3")]
LANES = 32
GATHERS = ("gather", "dynamic-gather", "scatter")
COLLECTIVES = (
    "all-reduce", "all-gather", "all-to-all", "ragged-all-to-all", "reduce-scatter",
    "collective-permute", "collective-broadcast",
)  # fmt: skip
NET_ALONE = {"rectify": vz.nn.plain, "transform": vz.transforms.pad(12)}
PARTITIONED = functools.partial(jax.shard_map, check_vma=False, out_specs=P("lanes"))


class Figures(NamedTuple):
    """What a compiled program takes on one device: gigabytes, billions of operations, megabytes."""

    moved_gb: float
    gflop: float
    temporary_mb: float
    operations: dict[str, int]

    def __str__(self) -> str:
        return (
            f"{self.moved_gb:6.2f} GB moved  {self.gflop:6.1f} GFLOP  {self.temporary_mb:6.0f} MB temporary"
        )

    def count(self, *names: str) -> int:
        """How many of these operations there are, begun (``-start``) ones included."""
        return sum(n for op, n in self.operations.items() if op.removesuffix("-start") in names)


@functools.cache
def devices() -> list[Any]:
    """The four devices of a v5e host, described."""
    return list(topologies.get_topology_desc(platform="tpu", topology_name="v5e:2x2").devices)


def mesh(count: int = 1) -> Mesh:
    """The first devices along one axis, that of the lanes."""
    return Mesh(np.array(devices()[:count]), ("lanes",))


def figures(program: Callable, *arguments: Any) -> Figures:
    """What a jitted program takes; its arguments are shapes, or shapes with shardings."""
    done = program.trace(*arguments).lower(lowering_platforms=("tpu",)).compile()
    cost, memory = done.cost_analysis(), done.memory_analysis()
    found = collections.Counter(re.findall(r"^\s.* = .*? ([a-z][a-z0-9-]*)\(", done.as_text(), re.M))
    return Figures(
        cost["bytes accessed"] / 1e9, cost["flops"] / 1e9, memory.temp_size_in_bytes / 1e6, dict(found)
    )


def step(model: str, layer: str, dtype: str = "float32", spread: int = 1, **settings: Any) -> Figures:
    """One step at 128 px, of the default recipe but for ``settings``, its lanes spread over devices."""

    def channel(acts, unit):
        return vz.objectives.channel(acts[layer], unit)

    net = vz.load(model, "random", dtype)
    draw = vz.renderer(channel, **settings)
    state = jax.eval_shape(lambda: vz.init(draw, np.zeros(LANES, np.int32)))
    with mock.patch.object(vz.nn, "prepared", lambda net: net):  # this machine's CPU would get other filters
        leaves, programs = compiled(draw.settings, net, draw.objective)
    over = mesh(spread)
    specs = (P(), P("lanes"), P())
    # Each device takes its lanes as if there were no others: left to the partitioner, the question
    # whether any lane's ReLU is still redirected would be asked across devices.
    body = PARTITIONED(programs.step, mesh=over, in_specs=specs) if spread > 1 else programs.step
    arguments = [
        jax.tree.map(functools.partial(placed, NamedSharding(over, spec)), tree)
        for spec, tree in zip(specs, (leaves, state, jnp.asarray(128)), strict=True)
    ]
    return figures(jax.jit(body, donate_argnums=1), *arguments)


def placed(sharding: NamedSharding, x: Any) -> jax.ShapeDtypeStruct:
    """The shape of an array that lies there."""
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)


@contextlib.contextmanager
def forms_for_cpu() -> Iterator[None]:
    """Within it, operators take their form for CPU on every platform."""
    modules = [m for name, m in sys.modules.items() if name.startswith("vizjax.nn.")]
    with contextlib.ExitStack() as patches:
        for module in modules:
            if hasattr(module, "by_platform"):
                form = mock.patch.object(module, "by_platform", lambda *x, cpu, default: cpu(*x))
                patches.enter_context(form)
        jax.clear_caches()
        yield
    jax.clear_caches()


def operator(f: Callable[..., jax.Array], *shapes: tuple[int, ...], dtype: str = "float32") -> Figures:
    """An operator and its gradient for its first argument."""

    def both(x: jax.Array, cotangent: jax.Array, *rest: jax.Array) -> Any:
        y, back = jax.vjp(lambda x: f(x, *rest), x)
        return y, back(cotangent)

    out = jax.eval_shape(f, *(jax.ShapeDtypeStruct(s, dtype) for s in shapes)).shape
    there = NamedSharding(mesh(), P())
    first, *rest = (jax.ShapeDtypeStruct(s, dtype, sharding=there) for s in (shapes[0], out, *shapes[1:]))
    return figures(jax.jit(both), first, *rest)


def operators() -> dict[str, tuple[Figures, Figures]]:
    """Operators in `lax` and in their form for CPU, batch 32."""
    cases: dict[str, tuple] = {}
    for size, channels, kernel, stride in [(76, 96, 3, 2), (38, 144, 3, 1), (38, 144, 5, 2), (19, 240, 5, 1)]:
        f = functools.partial(vz.nn.conv, window_strides=(stride, stride), feature_group_count=channels)
        shapes = (LANES, size, size, channels), (kernel, kernel, 1, channels)
        cases[f"depthwise {kernel} x {kernel} / {stride}, {size} px, {channels} ch"] = (f, *shapes)
    for size, channels, window, stride in [(112, 64, 3, 2), (112, 64, 2, 2), (28, 192, 3, 1)]:
        for pool in (vz.nn.max_pool, vz.nn.avg_pool):
            f = functools.partial(pool, window=window, stride=stride, padding=(window - 1) // 2)
            name = f"{pool.__name__} {window} / {stride}, {size} px, {channels} ch"
            cases[name] = (f, (LANES, size, size, channels))
    plain = {name: operator(*case) for name, case in cases.items()}
    with forms_for_cpu():
        return {name: (plain[name], operator(*case)) for name, case in cases.items()}


def main() -> None:
    wanted = sys.argv[1:] or ["operators", "steps", "forms", "spread"]
    print(f"v5e, one device, {LANES} lanes, jax {jax.__version__}, libtpu {libtpu_version()}")
    if "operators" in wanted:
        for name, (ours, theirs) in operators().items():
            ratio = theirs.moved_gb / ours.moved_gb
            print(
                f"{name:36s} lax {ours.moved_gb:5.2f} GB   for CPU {theirs.moved_gb:5.2f} GB   {ratio:5.2f} x"
            )
    for model, layer in CASES if "steps" in wanted else []:
        for dtype in vz.precision.DTYPES:
            print(f"{model} {layer} {dtype:8s}  {step(model, layer, dtype)}", flush=True)
    if "forms" in wanted:
        print(f"{' '.join(CASES[0])}, plain ReLU, padded instead of transformed")
        print(f"    lax, float32        {step(*CASES[0], **NET_ALONE)}", flush=True)
        print(f"    lax, bfloat16       {step(*CASES[0], 'bfloat16', **NET_ALONE)}", flush=True)
        with forms_for_cpu():
            print(f"    for CPU, float32    {step(*CASES[0], **NET_ALONE)}", flush=True)
    if "spread" in wanted:
        print(f"{' '.join(CASES[0])} over 4 devices, each  {step(*CASES[0], spread=4)}")


def libtpu_version() -> str:
    """libtpu's version."""
    import libtpu

    return libtpu.__version__


if __name__ == "__main__":
    main()
