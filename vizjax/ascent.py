"""Gradient ascent on pictures: one job is a lane of a jitted, vmapped step; there is no other loop."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float, Int, Key

from vizjax import images, nn, transforms
from vizjax.activations import activations
from vizjax.errors import InputError
from vizjax.interruption import signals_noted
from vizjax.keys import named_key

WARM_UP = 16
"""Steps after which a unit whose gradient is still zero counts as dead."""

Objective = Callable[[Any, Any], Float[Array, ""]]
"""``(acts, target) -> number``, maximized."""


class State(NamedTuple):
    """Where a batch of jobs stands; every leaf has a leading axis of lanes.

    Attributes:
        params: of the parameterization.
        optimizer_state: of the optimizer.
        target: what each lane's objective aims at.
        key: of each lane; step s draws from ``fold_in(key, s)``.
        step: updates made so far.
        active: lanes that still move; the others stay as they are.
        alive: whether a gradient was ever other than zero after the warm-up.
        score: the objective before the last update.
    """

    params: Any
    optimizer_state: Any
    target: Any
    key: Key[Array, " lanes"]
    step: Int[Array, " lanes"]
    active: Bool[Array, " lanes"]
    alive: Bool[Array, " lanes"]
    score: Float[Array, " lanes"]


class Result(NamedTuple):
    """What `render` returns, on the host.

    Attributes:
        images: pictures in [0, 1], ``jobs [starts] n h w c`` (starts only where there are several).
        scores: the objective before each update, ``jobs [starts] steps``.
        final: the objective on the final picture without transforms, ``jobs [starts]``.
        baseline: the same for the starting picture.
        alive: False where the gradient was zero at every step after the warm-up, ``jobs [starts]``.
        recipe: how the pictures were made, as text.
        frames: snapshots, ``jobs [starts] frames n h w c``: the start, the picture after each so many
            steps, and the last one, which fills the frames that an interrupted run did not reach; None
            where none were asked for.
        optimizer_state: the optimizer's last one, each array ``jobs [starts] …``: what Optax
            transformations record is read from it with ``optax.tree_utils.tree_get``.
        params: of the parameterization, each array ``jobs [starts] …``; another parameterization may
            decode them, such as a `vizjax.images.cppn` of a larger size.
    """

    images: np.ndarray
    scores: np.ndarray
    final: np.ndarray
    baseline: np.ndarray
    alive: np.ndarray
    recipe: dict[str, Any]
    frames: np.ndarray | None = None
    optimizer_state: Any = None
    params: Any = None


class Settings(NamedTuple):
    """All that a compiled step depends on besides the net and the objective."""

    image: images.Parameterization
    transform: transforms.Transform
    optimizer: optax.GradientTransformationExtraArgs
    samples: int
    rectify: nn.Rectify
    lax_only: bool


class Programs(NamedTuple):
    """The compiled functions: the state before the first step, one step, the pictures, their scores."""

    init: Callable
    step: Callable
    pictures: Callable
    final: Callable


def compiled(settings: Settings, net: Any, objective: Objective) -> tuple[list, Programs]:
    """The programs for a net and an objective, the same ones whenever they fit.

    Args:
        settings: of the run.
        net: a net, or a pytree of nets.
        objective: a function, or a `jax.tree_util.Partial` with arrays of its own.

    Returns:
        The arrays of net and objective, flattened once outside of the loop, and the programs.
    """
    if not isinstance(objective, Partial):
        objective = Partial(objective)
    leaves, structure = jax.tree.flatten((nn.prepared(net), objective))
    return leaves, _programs(settings, structure)


@functools.lru_cache(maxsize=64)
def _programs(settings: Settings, structure: Any) -> Programs:
    @functools.partial(jax.jit, donate_argnums=1)
    def step(leaves: list, state: State, steps: Array) -> State:
        net, objective = jax.tree.unflatten(structure, leaves)
        return jax.vmap(lambda lane: _lane_step(settings, net, objective, lane, steps))(state)

    def picture(params: Any) -> Array:
        return jnp.clip(settings.image.decode(params), 0, 1)

    @jax.jit
    def final(leaves: list, params: Any, target: Any) -> tuple[Array, Array]:
        net, objective = jax.tree.unflatten(structure, leaves)

        def lane(params: Any, target: Any) -> tuple[Array, Array]:
            seen = picture(params)
            return seen, objective(activations(net, seen), target)

        return jax.vmap(lane)(params, target)

    return Programs(init_program(settings), step, jax.jit(jax.vmap(picture)), final)


@functools.lru_cache(maxsize=64)
def init_program(settings: Settings) -> Callable:
    """The function ``(keys, targets, start) -> State`` before the first step.

    Args:
        settings: of the run.

    Returns:
        A jitted function.
    """

    @jax.jit
    def init(keys: Array, targets: Any, start: Array | np.ndarray | None) -> State:
        lanes = keys.shape[0]
        params = jax.vmap(lambda key: settings.image.init(named_key(key, "init"), start))(keys)
        still = jnp.zeros(lanes, bool)
        return State(
            params, jax.vmap(settings.optimizer.init)(params), targets, keys,
            jnp.zeros(lanes, jnp.int32), ~still, still, jnp.zeros(lanes),
        )  # fmt: skip

    return init


def ascend(
    programs: Programs, leaves: list, state: State, steps: int, count: int,
    on_step: Callable | None = None, every: int | None = None,
) -> tuple[Result, int | None]:  # fmt: skip
    """Runs a batch from its first state to its pictures.

    Args:
        programs: compiled.
        leaves: the arrays of net and objective.
        state: the first one; it is given away.
        steps: number of updates.
        count: how many of the lanes are no filling.
        on_step: called with ``count`` and the lanes' scores after each step is submitted.
        every: steps between two snapshots; None for none.

    Returns:
        The pictures and their scores, without a recipe, and the number of the signal that ended the
        run early; the scores of steps that were not made are NaN.
    """
    _, baseline = programs.final(leaves, state.params, state.target)
    scores, planned = [], jnp.asarray(steps)
    frames = [np.asarray(programs.pictures(state.params))] if every else []
    signals: list[int] = []
    with contextlib.ExitStack() as stack:
        for made in range(1, steps + 1):
            state = programs.step(leaves, state, planned)
            scores.append(jnp.copy(state.score))  # the state's own buffer is given away in the next step
            if made == 1:  # what comes before, while compiling, has nothing to keep and ends the run at once
                signals = stack.enter_context(signals_noted())
            if on_step:
                on_step(count, scores[-1])
            last = made == steps or bool(signals)
            if every and (last or made % every == 0):
                frames.append(np.asarray(programs.pictures(state.params)))
            if last:
                frames += frames[-1:] * (1 + -(-steps // (every or 1)) - len(frames))
                break
        pictures, final = programs.final(leaves, state.params, state.target)
        result = Result(
            images=np.asarray(pictures),
            scores=np.full((len(baseline), steps), np.nan, np.float32),
            final=np.asarray(final),
            baseline=np.asarray(baseline),
            alive=np.asarray(state.alive),
            recipe={},
            frames=np.stack(frames, axis=1) if every else None,
            optimizer_state=jax.device_get(state.optimizer_state),
            params=jax.device_get(state.params),
        )
        result.scores[:, : len(scores)] = np.stack(scores, axis=1)
    return result, signals[0] if signals else None


def _lane_step(settings: Settings, net: Any, objective: Objective, lane: State, steps: Array) -> State:
    key = jax.random.fold_in(lane.key, lane.step)
    progress = lane.step / jnp.maximum(steps - 1, 1)
    rule = functools.partial(settings.rectify, step=lane.step)

    def loss(picture: Array) -> Array:
        def view(key: Array) -> Array:
            with jax.named_scope("transform"):
                keys = jax.random.split(key, picture.shape[0])
                seen = jax.vmap(settings.transform, (0, 0, None))(keys, picture, progress)
            with jax.named_scope("net"):
                value = objective(activations(net, seen, rule, image=picture), lane.target)
            if jnp.shape(value) != ():
                raise InputError(
                    f"an objective returns one number, not shape {jnp.shape(value)}; take a mean"
                )
            return value

        return -jnp.mean(jax.vmap(view)(jax.random.split(key, settings.samples)))

    def value_fn(params: Any, image_gradient: Any = None) -> Array:  # Optax hands on what it was given
        return loss(settings.image.decode(params))

    with jax.named_scope("decode"):
        picture, pull_back = jax.vjp(settings.image.decode, lane.params)
    # slope has several uses, and XLA would compute its last sums anew for each
    value, slope = lax.optimization_barrier(jax.value_and_grad(loss)(picture))
    with jax.named_scope("decode"):
        (grad,) = pull_back(slope)
    with jax.named_scope("update"):
        updates, optimizer_state = settings.optimizer.update(
            grad, lane.optimizer_state, lane.params, value=value, grad=grad, image_gradient=slope,
            value_fn=value_fn,
        )  # fmt: skip
        params = optax.apply_updates(lane.params, updates)
    alive = lane.alive | ((lane.step >= WARM_UP) & jnp.any(slope != 0))
    moved = lane._replace(
        params=params, optimizer_state=optimizer_state, step=lane.step + 1, alive=alive, score=-value
    )
    return jax.tree.map(lambda new, old: jnp.where(lane.active, new, old), moved, lane)
