"""What computing a layer takes: weights and multiplications, read off a net's program."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from jax.extend.core import ClosedJaxpr

from vizjax.program import Program, Step, Value, flat, programs_in


class Cost(NamedTuple):
    """What an output of a program takes.

    Attributes:
        inputs: indices of the program's inputs that it depends on.
        multiply_adds: of the products that it depends on.
        filters: index of the input that is its filters, where it is a convolution's or matrix
            product's raw output, with a bias or without; else None.
    """

    inputs: list[int]
    multiply_adds: int
    filters: int | None


def costs(program: Program, picture: int) -> list[Cost]:
    """What every output of a program takes, each as if nothing else were computed.

    Loops and conditions are taken as wholes: they need all that goes into them, and of branches
    the costliest counts.

    Args:
        program: of a function of arrays and one picture.
        picture: index of the picture among the program's inputs.

    Returns:
        One cost for each output.

    Example:
        >>> import jax
        >>> layer = lambda weights, x: x @ weights
        >>> program = jax.make_jaxpr(layer)(jax.numpy.ones((3, 4)), jax.numpy.ones((1, 3)))
        >>> costs(flat(program), 1)
        [Cost(inputs=[0, 1], multiply_adds=12, filters=0)]
    """
    # The inputs and products that a value depends on are the bits of a number: first the inputs, then
    # the products in order. Or-ing such numbers is what keeps nets of thousands of steps cheap.
    needs = {value: 1 << i for i, value in enumerate(program.inputs)}
    makers: dict[Value, Step] = {}
    products: list[int] = []
    first = len(program.inputs)
    for step in program.steps:
        need = 0
        for x in step.inputs:
            need |= needs.get(x, 0)
        # a product with a constant is a pool, a blur or a normalization written as one
        learned = step.name not in _PRODUCTS or all(x in needs for x in step.inputs)
        if need >> picture & 1 and learned and (count := _multiply_adds(step)):
            need |= 1 << first + len(products)
            products.append(count)
        if need:
            needs.update(dict.fromkeys(step.outputs, need))
            makers.update(dict.fromkeys(step.outputs, step))

    number = {value: i for i, value in enumerate(program.inputs)}
    found = []
    for output in program.outputs:
        bits = [i for i, bit in enumerate(f"{needs.get(output, 0):b}"[::-1]) if bit == "1"]
        total = sum(products[i - first] for i in bits if i >= first)
        filters = _filters(output, makers, lambda x: bool(needs.get(x, 0) >> picture & 1))
        index = None if filters is None else number.get(filters)
        found.append(Cost([i for i in bits if i < first], total, index))
    return found


_PRODUCTS = ("conv_general_dilated", "dot_general")


def _multiply_adds(step: Step) -> int:
    """Of a convolution, a matrix product, or all that a loop does; 0 for anything else."""
    if step.name in _PRODUCTS:
        results = math.prod(step.outputs[0].shape)
        dilation = math.prod(step.params.get("lhs_dilation", ()))  # nothing is done for the zeros between
        weights = math.prod(step.inputs[1].shape)
        return results * weights // _results_of_filters(step, 1) // dilation
    counts = [
        sum(map(_multiply_adds, flat(ClosedJaxpr(program, ())).steps)) for program in programs_in(step.params)
    ]
    most = max(counts, default=0) if step.name == "cond" else sum(counts)
    return most * step.params.get("length", 1)


def _results_of_filters(step: Step, side: int) -> int:
    """Into how many numbers a product turns what it is slid over, or multiplied with."""
    shape = step.inputs[side].shape
    if step.name == "conv_general_dilated":
        return shape[step.params["dimension_numbers"].rhs_spec[0]]
    contracted, _ = step.params["dimension_numbers"]
    return math.prod(n for i, n in enumerate(shape) if i not in contracted[side])


def _filters(output: Value, makers: Mapping[Value, Step], sees: Callable[[Value], bool]) -> Value | None:
    """The filters of the product whose result the output is, but for a bias and the shape.

    The output's last axis has to be the filters' own: shuffled channels are no raw output.
    """
    x, axis = _unshaped(output, len(output.shape) - 1, makers)
    bias = None
    if (step := makers.get(x)) is not None and step.name == "add":
        summands = sorted(step.inputs, key=sees)
        if list(map(sees, summands)) != [False, True]:
            return None  # a residual
        bias = _unshaped(summands[0], None, makers, stretched=True)[0]
        x, axis = _unshaped(summands[1], axis, makers)
    if (step := makers.get(x)) is None or step.name not in _PRODUCTS:
        return None
    sides = [i for i, y in enumerate(step.inputs) if not sees(y)]
    if len(sides) != 1 or axis is None or axis != _axis_of_filters(step, sides[0]):
        return None
    if bias is not None and math.prod(bias.shape) != _results_of_filters(step, sides[0]):
        return None  # something else is added, such as a number for each place
    return _unshaped(step.inputs[sides[0]], None, makers)[0]


def _axis_of_filters(step: Step, side: int) -> int | None:
    """The axis of a product's result along which the filters differ, the last one where there are several."""
    numbers = step.params["dimension_numbers"]
    if step.name == "conv_general_dilated":
        return numbers.out_spec[1] if side == 1 else None
    contracted, batched = numbers
    left, right = (len(x.shape) - len(contracted[i]) - len(batched[i]) for i, x in enumerate(step.inputs))
    # a result has the common axes first, then the left side's own, then the right side's
    last = len(batched[0]) + left - 1 + right * side
    return last if (left, right)[side] else None


def _unshaped(
    x: Value, axis: int | None, makers: Mapping[Value, Step], stretched: bool = False
) -> tuple[Value, int | None]:
    """What ``x`` is another shape or type of, where ``stretched`` also what it repeats; and its axis.

    ``axis`` is followed through the changes; None where it is not one axis of what they began with.
    """
    while (step := makers.get(x)) is not None and step.name in _VIEWS:
        original = step.inputs[0]
        if not stretched and math.prod(original.shape) != math.prod(x.shape):
            break
        axes = _VIEWS[step.name](step)
        x, axis = original, None if axis is None else axes.get(axis)
    return x, axis


def _reshaped_axes(step: Step) -> dict[int, int]:
    """Axes that are as long as before, and have as much behind them."""
    old, new = step.inputs[0].shape, step.outputs[0].shape
    return {
        j: i
        for j in range(len(new))
        for i in range(len(old))
        if new[j] == old[i] and math.prod(new[j:]) == math.prod(old[i:])
    }


def _squeezed_axes(step: Step) -> dict[int, int]:
    rank = len(step.inputs[0].shape)
    return dict(enumerate(i for i in range(rank) if i not in step.params["dimensions"]))


def _same_axes(step: Step) -> dict[int, int]:
    return {i: i for i in range(len(step.outputs[0].shape))}


# what changes nothing but shape and type, and of each axis of the result which one it was
_VIEWS: dict[str, Callable[[Step], dict[int, int]]] = {
    "broadcast_in_dim": lambda step: {j: i for i, j in enumerate(step.params["broadcast_dimensions"])},
    "convert_element_type": _same_axes,
    "copy": _same_axes,
    "reshape": _reshaped_axes,
    "squeeze": _squeezed_axes,
    "transpose": lambda step: dict(enumerate(step.params["permutation"])),
}
