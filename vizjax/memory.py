"""The memory of computations on CPU."""

import ctypes
import sys
from typing import Any

import jax

_NEVER, _TRIM_THRESHOLD, _MMAP_MAX = -1, -1, -4  # of malloc.h


def keep_memory() -> None:
    """Lets this process keep the memory that steps on CPU free, so that the next ones need not ask for it.

    glibc gives large blocks back to the system at once, which clears every page of them anew for the
    next step: of a step of EfficientNet-Lite0 that is a third of the time, of ResNet-50 a tenth. The
    command line calls this; scripts and notebooks call it first, before JAX computes anything, and worker
    processes likewise (``ProcessPoolExecutor(initializer=vz.keep_memory)``).

    The process stays as large as its largest computation. Computations on CPU run in the thread that
    asks for them, for that is whose memory can be kept: this sets ``jax_cpu_enable_async_dispatch``
    to False. Elsewhere than on Linux with glibc it does nothing; on GPU and TPU it changes nothing.

    Example:
        >>> import vizjax as vz
        >>> vz.keep_memory()
    """
    allocator: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(allocator, "mallopt") or not hasattr(allocator, "gnu_get_libc_version"):
        return
    allocator.mallopt(_MMAP_MAX, 0)
    allocator.mallopt(_TRIM_THRESHOLD, _NEVER)
    jax.config.update("jax_cpu_enable_async_dispatch", False)
