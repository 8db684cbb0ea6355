"""Random keys from identity: a picture depends on who it is, never on its place or its mates."""

import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from vizjax.errors import InputError


def named_key(key: Array, name: str) -> Array:
    """A key of its own for a name.

    Args:
        key: the parent.
        name: folded in by its crc32.

    Returns:
        The child.

    Example:
        >>> bool(named_key(jax.random.key(0), "a") == named_key(jax.random.key(0), "b"))
        False
    """
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def job_keys(key: Key[Array, ""], targets: Any, ids: Any, jobs: int) -> Key[Array, " jobs"]:
    """The key of every job: ``fold_in(key, id)``.

    Args:
        key: what all of them come from.
        targets: of the jobs; an integer target is its own id.
        ids: integers, or names, which count by their crc32; None for targets or positions.
        jobs: how many there are.

    Returns:
        Keys.

    Raises:
        InputError: where the number of ids is another.

    Example:
        >>> key = jax.random.key(0)
        >>> bool(job_keys(key, np.array([7, 3]), None, 2)[1] == job_keys(key, None, [3], 1)[0])
        True
    """
    if ids is None:
        own = isinstance(targets, np.ndarray) and targets.ndim == 1 and targets.dtype.kind in "iu"
        ids = targets if own else np.arange(jobs)
    numbers = [zlib.crc32(i.encode()) if isinstance(i, str) else int(i) % 2**32 for i in ids]
    if len(numbers) != jobs:
        raise InputError(
            f"there must be one id a job: {jobs}, not {len(numbers)}; leave ids out for positions"
        )
    return jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.array(numbers, jnp.uint32))


def start_keys(keys: Key[Array, " jobs"], starts: int) -> Key[Array, " lanes"]:
    """Keys of several starts of each job; the first start is the picture it has without the others.

    Args:
        keys: of the jobs.
        starts: how many each has.

    Returns:
        jobs · starts keys, job by job.

    Example:
        >>> keys = jax.random.split(jax.random.key(0), 2)
        >>> bool(start_keys(keys, 3)[3] == keys[1])
        True
    """

    def one(key: Array) -> Array:
        others = jax.vmap(jax.random.fold_in, (None, 0))(named_key(key, "start"), jnp.arange(1, starts))
        return jnp.concatenate([key[None], others])

    return jax.vmap(one)(keys).reshape(-1) if starts > 1 else keys
