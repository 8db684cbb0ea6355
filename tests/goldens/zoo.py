"""Makes ``zoo/*.npz``, the reference answers of every model of the zoo on seeded random weights.

Run by hand, ``python tests/goldens/zoo.py [NAME ...]``, in an environment of its own:

    pip install torch==2.14.1 torchvision==0.29.1 timm==1.0.31 scikit-image pooch
    pip install --no-deps efficientnet-lite-pytorch==0.1.0 torch-lucent==0.1.8

The references are torchvision, torch-lucent's InceptionV1 (twice: as it is, and with the local
response normalization of Google's graph), a CaffeNet written out below, efficientnet-lite-pytorch,
and timm for its names of the same networks; all in float64. Weights come from `weights`, which the
tests call too, and batch normalization's statistics are measured on the test pictures, so that no
layer saturates and each depends on what it is shown. Each file holds

    names, shapes        the reference's state dict
    statistics           (channels, 2) int8: of each batch norm in turn, mean / deviation · 8 and
                         log2(variance) · 4, rounded (see `statistics`)
    layers               (L,)         str      our names of the layers that are compared
    {size}/index         (L, 8)       int64    positions in one picture's flattened h w c values
    {size}/values        (L, 2, 8)    float32  the values there, NaN where the reference ends before
    {size}/scale         (L,)         float32  the layer's root mean square over both pictures
    {size}/logits        (2, 1000)    float32  where the reference reaches them

A test compares with ``atol = 1e-4 * scale[row]``. The script refuses to write a file in which
swapping the pictures or the colours moves any layer by less than ten times as much.
"""

import math
import pathlib
import sys
import zlib

import numpy as np

HERE = pathlib.Path(__file__).parent
TOLERANCE = 1e-4
PICTURES = ("chelsea", "coffee")
COMPARED = 20
"""Layers that are compared, evenly over the network."""


def weights(names, shapes, statistics=None) -> dict[str, np.ndarray]:
    """Seeded random arrays for a state dict, the same ones on every machine.

    Args:
        names: of the arrays.
        shapes: their shapes.
        statistics: (channels, 2) as in a golden file; None for neutral ones.

    Returns:
        Name -> float32 array.

    Example:
        >>> weights(["fc.weight"], [(3, 2)])["fc.weight"].shape
        (3, 2)
    """
    arrays, at, known = {}, 0, set(names)
    for name, shape in zip(names, map(tuple, shapes), strict=True):
        draws = np.random.default_rng(zlib.crc32(name.encode()))
        leaf = name.rpartition(".")[2]
        if leaf == "running_mean":
            rows = slice(at, at + shape[0])
            at += shape[0]
            mean, deviation = np.zeros(shape), np.ones(shape)
            if statistics is not None:
                deviation = 2.0 ** (statistics[rows, 1] / 8)
                mean = statistics[rows, 0] / 8 * deviation
            arrays[name] = mean.astype(np.float32)
            arrays[name.replace("mean", "var")] = (deviation**2).astype(np.float32)
        elif leaf == "running_var":
            continue
        elif leaf == "num_batches_tracked":
            arrays[name] = np.zeros(shape, np.int64)
        elif leaf == "bias":
            # After a normalization, so that most ReLUs pass: otherwise rounding grows with depth.
            mean, deviation = (1, 0.2) if f"{name[:-4]}running_mean" in known else (0, 0.1)
            arrays[name] = draws.normal(mean, deviation, shape).astype(np.float32)
        elif len(shape) == 1 or leaf == "layer_scale":
            arrays[name] = draws.normal(1, 0.2, shape).astype(np.float32)
        else:
            fan_in = math.prod(shape[1:])
            arrays[name] = draws.standard_normal(shape, np.float32) * np.float32(math.sqrt(2 / fan_in))
    return arrays


def statistics(means, variances) -> np.ndarray:
    """What `weights` takes, from the means and variances of all batch norms in turn."""
    mean, deviation = np.concatenate(means), np.sqrt(np.concatenate(variances) + 1e-12)
    table = np.stack([8 * mean / deviation, 8 * np.log2(deviation)], 1)
    return np.clip(np.round(table), -127, 127).astype(np.int8)


def caffenet():
    """CaffeNet in PyTorch, from its published definition."""
    import torch
    from torch import nn

    class CaffeNet(nn.Module):
        def __init__(self):
            super().__init__()
            pool = {"kernel_size": 3, "stride": 2, "ceil_mode": True}
            self.conv1, self.relu1 = nn.Conv2d(3, 96, 11, 4), nn.ReLU()
            self.pool1, self.norm1 = nn.MaxPool2d(**pool), nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0)
            self.conv2, self.relu2 = nn.Conv2d(96, 256, 5, 1, 2, groups=2), nn.ReLU()
            self.pool2, self.norm2 = nn.MaxPool2d(**pool), nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0)
            self.conv3, self.relu3 = nn.Conv2d(256, 384, 3, 1, 1), nn.ReLU()
            self.conv4, self.relu4 = nn.Conv2d(384, 384, 3, 1, 1, groups=2), nn.ReLU()
            self.conv5, self.relu5 = nn.Conv2d(384, 256, 3, 1, 1, groups=2), nn.ReLU()
            self.pool5 = nn.MaxPool2d(**pool)
            self.fc6, self.relu6 = nn.Linear(9216, 4096), nn.ReLU()
            self.fc7, self.relu7 = nn.Linear(4096, 4096), nn.ReLU()
            self.fc8 = nn.Linear(4096, 1000)

        def forward(self, x):
            for name, module in self.named_children():
                x = module(torch.flatten(x, 1) if name == "fc6" else x)
            return x

    return CaffeNet()


def imagenet(x):
    return (x - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])


def caffe(x):
    return 255 * x[..., ::-1] - np.array([104.00698793, 116.66876762, 122.67891434])


def vgg_names(net) -> dict[str, str]:
    """torchvision's module paths of a VGG -> the literature's names."""
    names, stage, place = {}, 1, 0
    for i, module in enumerate(net.features):
        kind = type(module).__name__
        if kind == "MaxPool2d":
            names[f"features.{i}"] = f"pool{stage}"
            stage, place = stage + 1, 0
            continue
        place += kind == "Conv2d"
        ours = {"Conv2d": "conv", "BatchNorm2d": "norm", "ReLU": "relu"}[kind]
        names[f"features.{i}"] = f"{ours}{stage}_{place}"
    heads = {0: "fc6", 1: "relu6", 3: "fc7", 4: "relu7", 6: "fc8"}
    return names | {f"classifier.{i}": name for i, name in heads.items()}


def lite_names(net) -> dict[str, str]:
    names = {"_conv_stem": "stem.conv", "_conv_head": "head.conv"}
    for i in range(len(net._blocks)):
        parts = ("expand", "depthwise", "project")
        names |= {f"_blocks.{i}._{part}_conv": f"blocks.{i}.{part}" for part in parts}
        names[f"_blocks.{i}"] = f"blocks.{i}"
    return names


def lucent_names(net) -> dict[str, str]:
    names = {name: name.replace("_pre_relu_conv", "_pre_relu") for name, _ in net.named_modules()}
    del names["softmax2"]
    return names | {"softmax2_pre_activation_matmul": "logits"}


def google_norm(x, size, alpha, beta, k):
    """The local response normalization of Google's graph in the place of torch-lucent's."""
    from torch.nn import functional

    return functional.original_norm(x, size=11, alpha=11 * 1e-4, beta=0.5, k=2)


def reference(name: str):
    """(net, preprocessing, module path -> our name, sizes) of a golden file."""
    import torch
    import torchvision.models as tv

    same = lambda net: {path: path for path, _ in net.named_modules()}  # noqa: E731
    sizes = {"alexnet": (96, 127), "inception_v3": (139, 107), "caffenet": (227, 130)}
    sizes |= {"inceptionv1": (224, 160), "inceptionv1_lucent": (224,), "efficientnet_lite1": (96, 75)}
    chosen = sizes.get(name, (96, 75))
    if name.startswith("timm_"):
        import timm

        net = timm.create_model(name.removeprefix("timm_"), pretrained=False)
        half = "lite" in name
        prepare = (lambda x: (x - 0.5) / 0.5) if half else imagenet
        return net, prepare, lambda net: {}, (96,) if "vgg" not in name else (224,)
    if name.startswith("inceptionv1"):
        from lucent.modelzoo import inceptionv1

        net = inceptionv1(pretrained=False, redirected_ReLU=False)
        return net, lambda x: 255 * x - 117, lucent_names, chosen
    if name == "caffenet":
        return caffenet(), caffe, same, chosen
    if "lite" in name:
        from efficientnet_lite_pytorch import EfficientNet

        make = lambda size: EfficientNet.from_name(name.replace("_", "-"), image_size=size)  # noqa: E731
        return make, lambda x: (255 * x - 127) / 128, lite_names, chosen
    options = {"aux_logits": True, "transform_input": True} if name in ("googlenet", "inception_v3") else {}
    with torch.device("cpu"):
        net = (
            getattr(tv, name)(weights=None, init_weights=False, **options) if options else getattr(tv, name)()
        )
    return net, imagenet, vgg_names if "vgg" in name else same, chosen


def run(net, names: dict[str, str], x: np.ndarray) -> dict[str, np.ndarray]:
    """Layer outputs by our names, channels last, as far as the net gets, and its answer."""
    import torch
    from torch import nn

    found, handles, calls = {}, [], {}

    def record(name, module):
        last = isinstance(module, nn.Linear | nn.GELU) or type(module) is nn.LayerNorm

        def hook(module, inputs, y):
            # A module that is called again gets a number, as in torchvision's feature extraction.
            calls[name] = calls.get(name, -1) + 1
            key = f"{name}_{calls[name]}" if calls[name] else name
            # Cloned, for a non-linearity that works in place overwrites what a hook saw.
            found[key] = (y if last else y.movedim(1, -1)).detach().clone().numpy()

        handles.append(module.register_forward_hook(hook))

    for path, module in net.named_modules():
        if path in names and _is_layer(net, path, names[path]):
            record(names[path], module)
    with torch.no_grad():
        try:
            answer = net(torch.tensor(np.ascontiguousarray(np.moveaxis(x, -1, 1)))).numpy()
            found.setdefault("logits", answer)  # torch-lucent's answer is probabilities
        except RuntimeError as error:
            print("    ends early:", str(error)[:80])
    for handle in handles:
        handle.remove()
    for name, last in calls.items():
        if last:  # the last ReLU of a block is the block's output
            del found[f"{name}_{last}"]
    return found


def _is_layer(net, path: str, name: str) -> bool:
    """Whether a module is one of our layers, and not a list of others, without effect or another's output."""
    module, parent = net.get_submodule(path), net.get_submodule(path.rpartition(".")[0])
    if type(module).__name__ in ("Dropout", "Identity", "StochasticDepth", "Permute", "Flatten"):
        return False
    if type(module).__name__ == "Sequential":
        return path.rpartition(".")[2] not in ("conv", "block", "classifier", "features")
    last_part = type(parent).__name__ == "Conv2dNormActivation" and path.endswith(".2")
    return path != "" and not last_part and name != "classifier.3"  # SqueezeNet's pool: logits


def calibrate(net, x: np.ndarray) -> np.ndarray:
    """Measures the statistics of batch norms on pictures, and returns them as a file holds them."""
    import torch
    from torch import nn

    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return np.zeros((0, 2), np.int8)
    seen = {}
    for norm in norms:
        norm.register_forward_pre_hook(lambda module, inputs: seen.update({module: inputs[0].detach()}))
        norm.train()
        norm.momentum = 0.0
    with torch.no_grad():
        net(torch.tensor(np.ascontiguousarray(np.moveaxis(x, -1, 1))))
    # Where a net is never run (an auxiliary head), neutral ones do.
    means, spread = [], []
    for norm in norms:
        values = seen.get(norm)
        means.append(np.zeros(norm.num_features) if values is None else values.mean((0, 2, 3)).numpy())
        neutral = np.ones(norm.num_features)
        spread.append(neutral if values is None else values.var((0, 2, 3), correction=0).numpy())
    for norm in norms:
        norm._forward_pre_hooks.clear()
        norm.eval()
    return statistics(means, spread)


def fill(net, table) -> tuple[list, list]:
    """Puts the seeded weights into a net; returns the names and shapes of its state dict."""
    import torch

    state = net.state_dict()
    names, shapes = list(state), [tuple(value.shape) for value in state.values()]
    arrays = weights(names, shapes, table)
    net.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    net.double().eval()
    return names, shapes


def samples(layers, found, index):
    values = np.full((len(layers), 2, index.shape[1]), np.nan)
    for row, name in enumerate(layers):
        if name in found:
            values[row] = found[name].reshape(2, -1)[:, index[row]]
    return values


def make(name: str) -> dict[str, np.ndarray]:
    """Everything that a golden file holds."""
    from make import picture
    from torch.nn import functional

    if not hasattr(functional, "original_norm"):
        functional.original_norm = functional.local_response_norm
    functional.local_response_norm = google_norm if name == "inceptionv1" else functional.original_norm
    made, prepare, naming, sizes = reference(name)
    file, table = {}, None
    for size in sizes:
        net = made(size) if "lite" in name and not name.startswith("timm") else made
        pictures = np.stack([picture(which, size) for which in PICTURES]) / 255.0
        if table is None:
            fill(net, None)
            table = calibrate(net, prepare(pictures))
        names, shapes = fill(net, table)
        found = run(net, naming(net), prepare(pictures))
        if "layers" not in file:
            inner = [key for key in found if key != "logits"]
            places = np.unique(np.linspace(0, len(inner) - 1, min(COMPARED, len(inner))).round().astype(int))
            layers = [inner[i] for i in places] + ["logits"]
            file |= {"names": np.array(names), "statistics": table, "layers": np.array(layers)}
            file["shapes"] = np.array([" ".join(map(str, shape)) for shape in shapes])
        rng = np.random.default_rng(size)
        widths = [found[key].reshape(2, -1).shape[1] if key in found else 8 for key in layers]
        index = np.stack(
            [strong(found.get(key), width, rng) for key, width in zip(layers, widths, strict=True)]
        )
        scale = np.array([np.sqrt((found[key] ** 2).mean()) if key in found else np.nan for key in layers])
        values = samples(layers, found, index)
        swapped = samples(layers, {key: y[::-1] for key, y in found.items()}, index)
        colors = samples(layers, run(net, naming(net), prepare(pictures[..., ::-1])), index)
        for what, other in (("pictures", swapped), ("colours", colors)):
            moved = abs(other - values).max((1, 2)) / scale / TOLERANCE
            row = int(np.nanargmin(moved))
            print(f"    {size} {what} swapped: at least {moved[row]:.3g} tolerances ({layers[row]})")
            assert moved[row] >= 10, (name, layers[row])
        file[f"{size}/index"], file[f"{size}/values"] = index.astype(np.int32), values.astype(np.float32)
        file[f"{size}/scale"] = scale.astype(np.float32)
        if "logits" in found:
            file[f"{size}/logits"] = found["logits"].astype(np.float32)
    return file


def strong(output, width, rng) -> np.ndarray:
    """Eight positions: four at random, and each picture's two largest of the rest."""
    chosen = [int(i) for i in rng.choice(width, 4, replace=False)]
    if output is None:
        return np.array(chosen * 2)
    for values in abs(output.reshape(2, -1)):
        order = (int(i) for i in np.argsort(-values, kind="stable")[:32] if i not in chosen)
        chosen += [next(order) for _ in range(2)]
    return np.array(chosen)


NAMES = (
    "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn", "resnet18", "resnet34",
    "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "wide_resnet101_2", "resnext50_32x4d",
    "resnext101_32x8d", "resnext101_64x4d", "inceptionv1", "inceptionv1_lucent", "googlenet", "inception_v3",
    "alexnet", "caffenet", "squeezenet1_0", "squeezenet1_1", "mobilenet_v2", "densenet121", "convnext_tiny",
    "efficientnet_lite1", "efficientnet_lite2", "timm_vgg11", "timm_mobilenetv2_100", "timm_convnext_tiny",
    "timm_tf_efficientnet_lite0",
)  # fmt: skip


def main() -> None:
    (HERE / "zoo").mkdir(exist_ok=True)
    for name in sys.argv[1:] or NAMES:
        print(name, flush=True)
        path = HERE / "zoo" / f"{name}.npz"
        np.savez_compressed(path, **make(name))
        print(f"    {path.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main()
