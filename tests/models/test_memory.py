"""Loading takes at most three times a file's size of memory."""

import os
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import safetensors.numpy
from reference import reference_arrays

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures by Linux's /proc")

# What is imported and compiled only once is not the file's: hence the other net beforehand. The peak is
# not getrusage's, which a process inherits from the one that starts it: of all tests before.
MEASURED = """
import sys
import vizjax as vz

def level(key):
    lines = dict(line.split(":") for line in open("/proc/self/status"))
    return 1024 * int(lines[key].split()[0])

vz.load("squeezenet1_1", "random")
before = level("VmRSS")
net = vz.load(sys.argv[1], sys.argv[2])
print(before, level("VmHWM"))
"""


def peak(model, path):
    """The most memory that loading takes, as a multiple of the file's size."""
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", MEASURED, model, str(path)]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
    before, after = map(int, told.stdout.split())
    return (after - before) / path.stat().st_size


# --- PyTorch's files, as torch.save writes a state dict ------------------------------------------


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value):
    return b"J" + struct.pack("<i", value)


def many(*items):
    return b"(" + b"".join(items) + b"t"


def pickled(arrays):
    """The pickle of a state dict, its storages numbered in order."""
    out = b"\x80\x02}("
    for key, (name, values) in enumerate(arrays.items()):
        kind = {"float32": "Float", "int64": "Long"}[str(values.dtype)]
        where = (text("storage"), f"ctorch\n{kind}Storage\n".encode(), text(str(key)), text("cpu"))
        strides = (number(step // values.itemsize) for step in values.strides)
        view = (number(0), many(*map(number, values.shape)), many(*strides), b"\x89", b"}")
        tensor = many(many(*where, number(values.size)) + b"Q", *view)
        out += text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n" + tensor + b"R"
    return out + b"u."


def save_pth(path, arrays):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickled(arrays))
        for key, values in enumerate(arrays.values()):
            file.writestr(f"archive/data/{key}", values.tobytes())


def save_legacy_pth(path, arrays):
    keys = b"\x80\x02](" + b"".join(text(str(key)) for key in range(len(arrays))) + b"e."
    with open(path, "wb") as file:
        file.write(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.")
        file.write(b"\x80\x02}(" + text("little_endian") + b"\x88u." + pickled(arrays) + keys)
        for values in arrays.values():
            file.write(struct.pack("<q", values.size) + values.tobytes())


def save_npz(path, arrays):
    np.savez(path, **arrays)


def save_safetensors(path, arrays):
    safetensors.numpy.save_file(arrays, path)


FORMATS = {
    "r.safetensors": save_safetensors, "r.npz": save_npz, "r.pth": save_pth, "old.pth": save_legacy_pth,
}  # fmt: skip


@pytest.fixture(scope="module")
def resnet():
    return reference_arrays("resnet50")


@pytest.mark.parametrize("file", FORMATS)
def test_loading_takes_at_most_thrice_the_file(tmp_path, resnet, file):
    path = tmp_path / file
    FORMATS[file](path, resnet)
    assert path.stat().st_size > 100e6
    assert peak("resnet50", path) <= 3
    path.unlink()
