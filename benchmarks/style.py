"""Style transfer: how L-BFGS and Adam lower the loss, what a step costs, and PyTorch's beside it.

Run ``python -m benchmarks.style lite0`` (512 px, whole run, with and without compiling),
``... optimizers`` (128 px, loss by seconds), or ``... vgg19 --torch PYTHON`` (an interpreter as in
``benchmarks.peers``): a gradient step of Gatys' loss on VGG-19 with random weights and average pools,
ours and PyTorch's by turns. Its loop is the usual one: frozen weights, channels-last, cut off after
relu5_1, Gram matrices by ``torch.bmm``.
"""

import argparse
import time
from collections.abc import Callable

import jax
import numpy as np
from skimage import data
from sklearn.datasets import load_sample_image

import vizjax as vz
from benchmarks.peers import Peers, compare
from vizjax.pictures import resized
from vizjax.recipes.style.inputs import checked
from vizjax.recipes.style.losses import style_objective
from vizjax.recipes.style.references import references
from vizjax.recipes.style.transfer import stylize


def pictures(size: int) -> tuple[np.ndarray, np.ndarray]:
    """A content and a style, square."""
    china, tissue = load_sample_image("china.jpg")[:, 100:527], data.immunohistochemistry()
    return tuple(resized(p.astype(np.float32) / 255, (size, size)).clip(0, 1) for p in (china, tissue))


def lite0() -> None:
    net, (content, style) = vz.load("efficientnet_lite0"), pictures(512)
    inputs = checked(net, content, style, None, None, None, None, None)
    to = references(net, inputs, (512, 512), 0.0, "relative", 1.0)
    rest = style_objective(inputs.content_layers, inputs.style_layers)
    style_part = jax.jit(lambda net, picture: -rest(vz.activations(net, picture[None]), to))
    for name in ("with compiling", "compiled"):
        begin = time.perf_counter()
        result = stylize(net, content, style)
        seconds = time.perf_counter() - begin
        left = style_part(net, result.images[0, 0]) / style_part(net, content)
        print(f"lite0, 512 px, {result.recipe['steps']} steps, {name}: {seconds:.1f} s,", end=" ")
        print(f"{left:.1%} of the loss of style left")


def optimizers() -> None:
    net, (content, style) = vz.load("efficientnet_lite0"), pictures(128)
    for start in ("content", "noise"):
        for name, rule in {
            "lbfgs()": vz.updates.lbfgs(), "lbfgs(30)": vz.updates.lbfgs(30),
            "adam(.05)": vz.updates.adam(0.05), "adam(.15, b1=.5)": vz.updates.adam(0.15, b1=0.5),
        }.items():  # fmt: skip
            for image in (vz.images.fourier, vz.images.pixels):
                run = {
                    "optimizer": rule,
                    "image": image,
                    "start": start,
                    "content_layers": () if start == "noise" else None,
                }
                stylize(net, content, style, steps=1, **run)
                begin = time.perf_counter()
                scores = stylize(net, content, style, steps=100, **run).scores[0]
                each = (time.perf_counter() - begin) / 100
                left = ", ".join(f"{scores[i] / scores[0]:.1%} after {i + 1}" for i in (9, 29, 99))
                print(f"from {start}, {image.__name__:8s} {name:16s}: {1e3 * each:5.1f} ms a step; {left}")


def our_step(size: int) -> Callable[[], float]:
    """A function that takes a step of Adam on VGG-19 and returns its seconds."""
    net, (content, style) = vz.load("vgg19", "random"), pictures(size)
    net.pool = vz.nn.avg_pool
    inputs = checked(net, content, style, None, None, None, None, None)
    target = jax.tree.map(lambda x: x[None], references(net, inputs, (size, size), 1e-3, "code", 1.0))
    draw = vz.renderer(
        style_objective(inputs.content_layers, inputs.style_layers), image=vz.images.pixels(size),
        transform=None, rectify=vz.nn.plain, optimizer=vz.updates.adam(0.02),
    )  # fmt: skip
    state = vz.init(draw, target, start=content)

    def step() -> float:
        begin = time.perf_counter()
        jax.block_until_ready(vz.step(draw, net, state))
        return time.perf_counter() - begin

    return step


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", choices=["lite0", "optimizers", "vgg19"])
    parser.add_argument("--torch", metavar="PYTHON", help="interpreter of the peers' environment")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.case != "vgg19":
        {"lite0": lite0, "optimizers": optimizers}[arguments.case]()
        return
    sides = {"vizjax": our_step(arguments.size)}
    if arguments.torch:
        peers = Peers(arguments.torch, keep=True)
        sides["torch"] = lambda: peers.ask(side="style", size=arguments.size)["seconds"]
    compare(f"vgg19 {arguments.size} px", sides, arguments.rounds)


if __name__ == "__main__":
    main()
