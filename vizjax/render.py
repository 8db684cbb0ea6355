"""Pictures for which an objective is large.

``renderer`` compiles once for all targets; ``render`` is its one-line form; ``init`` and ``step``
open the same loop.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from vizjax import images, nn, transforms, updates
from vizjax.ascent import Objective, Result, Settings, State, ascend, compiled, init_program
from vizjax.errors import InputError, check_counts
from vizjax.interruption import Interrupted
from vizjax.keys import job_keys, start_keys
from vizjax.provenance import described

OnStep = Callable[[int, Array], object]
"""``(jobs in the batch, scores of the lanes)``, after each step is submitted."""


@dataclasses.dataclass(frozen=True)
class Renderer:
    """A compiled rendering: ``(net, targets, key=…) -> Result``; made by `renderer`."""

    objective: Objective
    settings: Settings
    steps: int
    starts: int
    batch: int | None

    def __call__(
        self, net: Any, targets: Any = None, *, key: Array | None = None, ids: Any = None,
        start: Array | np.ndarray | None = None, on_step: OnStep | None = None, every: int | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Result:  # fmt: skip
        """Renders a picture, or a group of n, for every target.

        Args:
            net: a net, or a pytree of nets.
            targets: a pytree with a leading axis of jobs; None is one job without a target.
            key: what all randomness comes from; ``jax.random.key(0)`` by default.
            ids: identities of the jobs, from which their keys are folded: integers or names. By
                default an integer target is its own, any other job's is its position.
            start: picture h w c or n h w c in [0, 1] to start from.
            on_step: called with the number of jobs in the batch and the lanes' scores after each step is
                submitted; reading the scores waits for the step.
            every: steps between two snapshots, which are kept in ``frames``; None for none.
            about: what the result's recipe says besides.

        Returns:
            The pictures with their scores.

        Raises:
            InputError: where targets, ids or start do not fit, or at ``every`` below 1.
            Interrupted: at Ctrl-C; it is a KeyboardInterrupt with the pictures so far.
        """
        check_counts(every=every)
        targets, jobs = _jobs(targets)
        keys = job_keys(jax.random.key(0) if key is None else key, targets, ids, jobs)
        targets = jax.tree.map(lambda x: np.repeat(x, self.starts, axis=0), targets)
        keys = start_keys(keys, self.starts)
        lanes = jobs * self.starts
        width = self.batch or default_width(lanes)
        leaves, programs = compiled(self.settings, net, self.objective)
        parts, number = [], None
        for first in range(0, lanes, width):
            # A short batch is filled with its last job: every batch runs at the same width.
            chosen = np.minimum(np.arange(first, first + width), lanes - 1)
            count = min(width, lanes - first)
            batch = jax.tree.map(lambda x: x[chosen], targets)  # noqa: B023
            state = programs.init(keys[chosen], batch, start)
            part, number = ascend(programs, leaves, state, self.steps, count, on_step, every)
            parts.append(jax.tree.map(lambda x: x[:count], part))  # noqa: B023
            if number:
                break
        made_by = described(self.objective, self.settings, self.steps, net)
        result = self._joined(parts)._replace(recipe=made_by | dict(about or {}))
        if number:
            raise Interrupted(result, number)
        return result

    def _joined(self, parts: list[Result]) -> Result:
        def joined(*parts: np.ndarray) -> np.ndarray:
            lanes = (jnp if isinstance(parts[0], jax.Array) else np).concatenate(parts)  # keys stay JAX's
            if self.starts == 1:
                return lanes
            starts = min(self.starts, len(lanes))  # an interruption may have cut a job
            return lanes[: len(lanes) // starts * starts].reshape(-1, starts, *lanes.shape[1:])

        return jax.tree.map(joined, *parts)


def renderer(
    objective: Objective,
    *,
    image: images.Parameterization = images.fourier(128),
    transform: transforms.Transform | None = transforms.gentle(),
    optimizer: optax.GradientTransformation = updates.adam(0.15, b1=0.5),
    steps: int = 64,
    samples: int = 1,
    starts: int = 1,
    rectify: nn.Rectify = nn.redirected(16),
    batch: int | None = None,
) -> Renderer:
    """A callable that renders pictures for any targets, compiled at its first call.

    Args:
        objective: ``(acts, target) -> number``, maximized; a function, or a
            `jax.tree_util.Partial` that carries arrays of its own.
        image: the parameterization.
        transform: what every picture must withstand in each step; None for nothing.
        optimizer: any Optax transformation; it is given ``value``, ``grad``, ``value_fn`` and
            ``image_gradient`` as extra arguments, of the loss, which is minus the objective.
        steps: number of updates.
        samples: transformed views of each picture and step, over which the objective is averaged.
        starts: independent pictures for each target.
        rectify: the rule for non-linearities; it is given the step.
        batch: the width W: how many jobs run side by side; pictures do not depend on their mates,
            and by default it is 8 on CPU, 32 elsewhere, or less where there are fewer jobs.

    Returns:
        A `Renderer`: ``(net, targets, key=…) -> Result``.

    Raises:
        InputError: at a number below 1.

    Example:
        >>> import vizjax as vz
        >>> draw = vz.renderer(lambda acts, unit: vz.objectives.channel(acts["stem"], unit),
        ...                    image=vz.images.fourier(32), steps=2)
        >>> draw(vz.load("efficientnet_lite0"), jnp.arange(3)).images.shape
        (3, 1, 32, 32, 3)
    """
    check_counts(steps=steps, samples=samples, starts=starts, batch=batch)
    settings = Settings(
        image, transform or transforms.compose(), optax.with_extra_args_support(optimizer),
        samples, rectify, nn.uses_lax_only(),
    )  # fmt: skip
    return Renderer(objective, settings, steps, starts, batch)


def render(
    net: Any,
    objective: Objective,
    targets: Any = None,
    *,
    key: Array | None = None,
    ids: Any = None,
    start: Array | np.ndarray | None = None,
    on_step: OnStep | None = None,
    every: int | None = None,
    about: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Result:
    """Pictures for which an objective is large: `renderer` and its call in one line.

    Args:
        net: a net, or a pytree of nets.
        objective: ``(acts, target) -> number``, maximized.
        targets: a pytree with a leading axis of jobs; None is one job without a target.
        key: what all randomness comes from; ``jax.random.key(0)`` by default.
        ids: identities of the jobs (see `Renderer`).
        start: picture to start from.
        on_step: called after each step (see `Renderer`).
        every: steps between two snapshots, which are kept in ``frames``; None for none.
        about: what the result's recipe says besides.
        **settings: of `renderer`: image, transform, optimizer, steps, samples, starts, rectify, batch.

    Returns:
        The pictures with their scores, a `Result`.

    Raises:
        InputError: where an argument does not fit.
        Interrupted: at Ctrl-C; it is a KeyboardInterrupt with the pictures so far.

    References:
        Olah et al., Feature Visualization, Distill 2017.

    Example:
        >>> import vizjax as vz
        >>> result = vz.render(vz.load("efficientnet_lite0"),
        ...                    lambda acts, unit: vz.objectives.channel(acts["stem"], unit),
        ...                    jnp.arange(2), image=vz.images.fourier(32), steps=2)
        >>> result.images.shape, result.scores.shape, result.final.shape
        ((2, 1, 32, 32, 3), (2, 2), (2,))
    """
    draw = renderer(objective, **settings)
    return draw(net, targets, key=key, ids=ids, start=start, on_step=on_step, every=every, about=about)


def init(
    renderer: Renderer, targets: Any = None, *, key: Array | None = None, ids: Any = None,
    start: Array | np.ndarray | None = None,
) -> State:  # fmt: skip
    """The state before the first step, one lane a job.

    Args:
        renderer: what `vizjax.renderer` returned.
        targets: a pytree with a leading axis of jobs; None is one job without a target.
        key: as in `render`.
        ids: as in `render`.
        start: as in `render`.

    Returns:
        A `State`, to be given to `step`.

    Example:
        >>> import vizjax as vz
        >>> draw = vz.renderer(lambda acts, unit: vz.objectives.channel(acts["stem"], unit))
        >>> init(draw, jnp.arange(3)).step.tolist()
        [0, 0, 0]
    """
    targets, jobs = _jobs(targets)
    keys = job_keys(jax.random.key(0) if key is None else key, targets, ids, jobs)
    return init_program(renderer.settings)(keys, targets, start)


def step(renderer: Renderer, net: Any, state: State) -> State:
    """One update of every active lane; the state given is not donated.

    Args:
        renderer: what `vizjax.renderer` returned.
        net: a net, or a pytree of nets.
        state: of `init` or of the step before.

    Returns:
        The next state; ``state.score`` is the objective before this update. The pictures are
        ``jax.vmap(renderer.settings.image.decode)(state.params)``.

    Example:
        >>> import vizjax as vz
        >>> draw = vz.renderer(lambda acts, unit: vz.objectives.channel(acts["stem"], unit),
        ...                    image=vz.images.fourier(32))
        >>> step(draw, vz.load("efficientnet_lite0"), init(draw, jnp.arange(2))).step.tolist()
        [1, 1]
    """
    leaves, programs = compiled(renderer.settings, net, renderer.objective)
    return programs.step(leaves, jax.tree.map(jnp.copy, state), renderer.steps)


def default_width(jobs: int) -> int:
    """How many jobs run side by side where nothing else is said.

    Args:
        jobs: how many there are.

    Returns:
        8 on CPU and 32 elsewhere, or the number of jobs where that is less.

    Example:
        >>> default_width(3)
        3
    """
    return min(jobs, 8 if jax.default_backend() == "cpu" else 32)


def _jobs(targets: Any) -> tuple[Any, int]:
    targets = jax.tree.map(np.asarray, targets)
    leading = {x.shape[:1] for x in jax.tree.leaves(targets)}
    if not leading:
        return targets, 1
    if len(leading) > 1 or () in leading or (0,) in leading:
        shapes = jax.tree.map(jnp.shape, targets)
        raise InputError(
            f"the leading axis of targets is the jobs, one or more and as many in each array, not "
            f"{shapes}; give jax.numpy.array([unit]) for one"
        )
    return targets, leading.pop()[0]
