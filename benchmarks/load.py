"""Loading ResNet-50 from files, beside Orbax's bare restore of the same arrays, interleaved and warm.

Run ``python -m benchmarks.load [FILE.pth ...]``; a safetensors file and an Orbax checkpoint of random
weights are made in a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import jax
import orbax.checkpoint
from flax import nnx
from safetensors.flax import save_file

import vizjax as vz
from benchmarks.operators import milliseconds


def main() -> None:
    net = vz.load("resnet50", "random")
    state = nnx.state(net)
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    blank = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), state)
    with tempfile.TemporaryDirectory() as folder, orbax.checkpoint.StandardCheckpointer() as checkpointer:
        checkpoint, file = Path(folder) / "orbax", Path(folder) / "net.safetensors"
        checkpointer.save(checkpoint, state)
        checkpointer.wait_until_finished()
        save_file(in_torch_layout(state), file)
        files = [str(file), *sys.argv[1:], str(checkpoint)]
        restore = lambda: checkpointer.restore(checkpoint, blank)  # noqa: E731
        loads = [lambda f=f: jax.tree.leaves(vz.load("resnet50", f)) for f in files]
        base, *times = milliseconds(restore, *loads)
        print(f"Orbax's bare restore {base:6.0f} ms")
        for name, time in zip(files, times, strict=True):
            print(f"{Path(name).name:20s} {time:6.0f} ms {time / base:5.2f} x")


def in_torch_layout(state: nnx.State) -> dict[str, jax.Array]:
    """Names and axis orders of torchvision's file."""
    leaves = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
    orders = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}
    arrays = {}
    for path, leaf in nnx.to_flat_state(state):
        *module, name = map(str, path)
        value = leaf[...]
        arrays[".".join([*module, leaves.get(name, name)])] = value.transpose(orders[value.ndim])
    return arrays


if __name__ == "__main__":
    main()
