"""Where the command line is tested: in an empty folder, with the tiny net as a model by name."""

import shlex
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image
from tiny import tiny

import vizjax as vz
from vizjax import cli
from vizjax.models import MODELS, Model


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Works in tmp_path, makes the tiny net a model, and keeps caches and signals as they are."""
    real = vz.load

    def load(name: str, *rest: Any) -> Any:
        if name != "tiny":
            return real(name, *rest)
        net = jax.tree.map(lambda x: x, tiny())  # a copy: other tests use the original
        net.name = "tiny"
        return net

    monkeypatch.setitem(MODELS, "tiny", Model(lambda rngs: None, [], [], layer="block", head="head"))
    monkeypatch.setattr(vz, "load", load)
    monkeypatch.setattr(cli, "_use_cache", lambda: None)
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def run() -> Callable[[str], int]:
    """Runs a command, written as in a shell."""
    return lambda line: cli.main(shlex.split(line))


@pytest.fixture
def draw(place: None) -> Callable[..., None]:
    """Writes a picture of smooth noise into a file."""

    def draw(name: str, size: tuple[int, int] = (48, 36), seed: int = 0) -> None:
        noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(noise).resize(size).save(name)

    return draw
