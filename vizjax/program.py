"""A net's traced program as one flat list of steps: what facts about layers are read off."""

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
from flax import nnx
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal


class Value(NamedTuple):
    """An array in a program.

    Attributes:
        number: tells it from all others.
        shape: its shape.
    """

    number: int
    shape: tuple[int, ...]


class Step(NamedTuple):
    """One operation.

    Attributes:
        name: of JAX's primitive.
        params: what the primitive is told besides arrays.
        inputs: what it takes.
        outputs: what it makes.
    """

    name: str
    params: dict[str, Any]
    inputs: Sequence[Value]
    outputs: Sequence[Value]


class Program(NamedTuple):
    """Operations in order; a value that is neither an input nor made by a step is a constant.

    Attributes:
        inputs: the arguments, flattened.
        steps: calls of functions are taken apart; loops and branches stay whole.
        outputs: the results, flattened.
    """

    inputs: Sequence[Value]
    steps: Sequence[Step]
    outputs: Sequence[Value]


# What only runs another program on its own inputs. Loops and reductions carry programs as well, on
# inputs that may even look alike, so the list says which may be taken apart.
_CALLS = {
    "call", "checkpoint", "closed_call", "core_call", "core_closed_call", "custom_jvp_call",
    "custom_vjp_call", "custom_vjp_call_jaxpr", "custom_vmap_call", "jit", "pjit", "remat", "remat2",
    "xla_call",
}  # fmt: skip


def flat(program: ClosedJaxpr) -> Program:
    """Takes apart all calls in a program, as if everything had been written in one function.

    Args:
        program: `jax.make_jaxpr` of a function.

    Returns:
        Its steps in order.

    Example:
        >>> import jax
        >>> twice = jax.jit(lambda x: 2 * jax.nn.relu(x))
        >>> [step.name for step in flat(jax.make_jaxpr(twice)(1.0)).steps]
        ['max', 'mul']
    """
    steps: list[Step] = []
    numbers = itertools.count()

    def new(x: Any) -> Value:
        return Value(next(numbers), getattr(x.aval, "shape", ()))

    def run(program: Jaxpr, inputs: Sequence[Value]) -> list[Value]:
        known = dict(zip(program.invars, inputs, strict=True))
        known |= {x: new(x) for x in program.constvars}

        def read(x: Any) -> Value:
            return new(x) if isinstance(x, Literal) else known[x]

        for equation in program.eqns:
            values = [read(x) for x in equation.invars]
            inner = programs_in(equation.params) if equation.primitive.name in _CALLS else []
            if len(inner) == 1 and len(inner[0].invars) == len(values):
                outputs = run(inner[0], values)
            else:
                outputs = [new(x) for x in equation.outvars]
                steps.append(Step(equation.primitive.name, equation.params, values, outputs))
            known.update(zip(equation.outvars, outputs, strict=True))
        return [read(x) for x in program.outvars]

    inputs = [new(x) for x in program.jaxpr.invars]
    return Program(inputs, steps, run(program.jaxpr, inputs))


def programs_in(params: dict[str, Any]) -> list[Jaxpr]:
    """The programs that an operation carries: a call's, a loop's, the branches of a condition.

    Args:
        params: of the operation.

    Returns:
        The programs, none of them taken apart.

    Example:
        >>> import jax
        >>> (loop,) = jax.make_jaxpr(lambda x: jax.lax.fori_loop(0, 3, lambda i, x: 2 * x, x))(1.0).eqns
        >>> len(programs_in(loop.params))
        1
    """
    found: list[Jaxpr] = []
    for value in params.values():
        for one in value if isinstance(value, tuple | list) else [value]:
            if isinstance(one, ClosedJaxpr):
                found.append(one.jaxpr)
            elif isinstance(one, Jaxpr):
                found.append(one)
    return found


class Weight(NamedTuple):
    """An array of a net.

    Attributes:
        path: where it is in the net, such as "layer3.5.conv2.kernel".
        value: the array, or its shape and type.
        trained: how many trained numbers it holds: its size in an `flax.nnx.Param`, 0 elsewhere.
    """

    path: str
    value: Any
    trained: int


def weights_of(net: Any) -> tuple[list[Weight], list[int]]:
    """The arrays of a net, those that it uses in several places once.

    Args:
        net: a net, or its shapes alone.

    Returns:
        The arrays, and for each leaf of the net (as a pytree) which of them it is.

    Example:
        >>> a, b = nnx.Linear(2, 3, rngs=nnx.Rngs(0)), nnx.Linear(2, 3, rngs=nnx.Rngs(1))
        >>> weights, order = weights_of(nnx.Dict(first=a, other=b, same=a))
        >>> [(weight.path, weight.trained) for weight in weights], order
        ([('first.bias', 3), ('first.kernel', 6), ('other.bias', 3), ('other.kernel', 6)], [0, 1, 2, 3, 0, 1])
    """
    weights: list[Weight] = []
    order: list[int] = []
    first: dict[int, int] = {}

    def whole(x: Any) -> bool:
        return isinstance(x, nnx.Variable)

    for path, holder in jax.tree_util.tree_leaves_with_path(net, is_leaf=whole):
        leaves = jax.tree.leaves(holder)
        start = first.setdefault(id(holder), len(weights))
        if start == len(weights):
            name, trained = (
                jax.tree_util.keystr(path, simple=True, separator="."),
                isinstance(holder, nnx.Param),
            )
            weights += [Weight(name, x, math.prod(x.shape) if trained else 0) for x in leaves]
        order += range(start, start + len(leaves))
    return weights, order
