"""The command line; ``VERBS`` lists what it can do."""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

import jax
import tyro
from tyro.conf import FlagCreatePairsOff

from vizjax.cli.atlases import atlas, export, view
from vizjax.cli.directions import caricature, grid, interpolate
from vizjax.cli.dreams import dream
from vizjax.cli.invariances import invariance
from vizjax.cli.inversion import invert
from vizjax.cli.rendering import layers, render
from vizjax.cli.spectra import spectrum
from vizjax.cli.styles import style
from vizjax.errors import InputError
from vizjax.memory import keep_memory
from vizjax.models.sources import cache_folder

VERBS = (
    atlas, render, layers, view, export,
    invert, invariance, caricature, grid, interpolate, style, dream, spectrum,
)  # fmt: skip


class Terminated(KeyboardInterrupt):
    """The process was asked to end, by SIGTERM."""


def _terminate(*_: object) -> None:
    raise Terminated


def _send_again(ignored: Any) -> None:
    """An interruption may fall into a callback whose exceptions Python ignores, such as JAX's at the
    garbage collector: it is sent once more, a moment later."""
    if isinstance(ignored.exc_value, KeyboardInterrupt):
        number = signal.SIGTERM if isinstance(ignored.exc_value, Terminated) else signal.SIGINT
        threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
    else:
        sys.__unraisablehook__(ignored)


def _use_cache() -> None:
    """Keeps compiled programs in the user's cache folder, so that the next run starts at once."""
    folder = os.environ.get("JAX_COMPILATION_CACHE_DIR") or cache_folder() / "xla"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: of the command line, without the program's name; by default the process's own.

    Returns:
        The exit status: 0; 2 after a mistake; 130 or 143 after an interruption.

    Example:
        >>> main(["layers", "nonesuch"])
        2
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    verbs: dict[str, Any] = {verb.__name__: verb for verb in VERBS}
    about = "Pictures of what a vision network has learned."
    signal.signal(signal.SIGTERM, _terminate)
    hook, sys.unraisablehook = sys.unraisablehook, _send_again
    _use_cache()
    keep_memory()
    try:
        tyro.extras.subcommand_cli_from_dict(
            verbs,
            prog="vizjax",
            description=about,
            args=words,
            config=(FlagCreatePairsOff,),
        )
    except (InputError, KeyboardInterrupt) as stop:
        if "--debug" in words:
            raise
        if isinstance(stop, InputError):
            print(f"vizjax: {stop}", file=sys.stderr)
            return 2
        kept = getattr(stop, "__notes__", ["what is finished is kept, and the same command continues"])[0]
        print(f"vizjax: stopped; {kept}", file=sys.stderr)
        number = signal.SIGTERM if isinstance(stop, Terminated) else getattr(stop, "number", signal.SIGINT)
        return 128 + number
    finally:
        sys.unraisablehook = hook
    return 0
