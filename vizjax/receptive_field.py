"""Receptive fields, read off a net's program by following intervals of pixels through it.

A rule that is not sure of an operation answers `EVERYTHING`: no finite answer is a guess.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from vizjax.program import Program, Step


class Window(NamedTuple):
    """Position i along ``axis`` of an array sees the pixels i·stride + low … i·stride + high."""

    axis: int
    stride: int
    low: int
    high: int

    def through(self, stride: int, padding: int, reach: int) -> "Window":
        """The window behind a further one that starts at i·stride − padding and spans reach + 1."""
        low = self.low - self.stride * padding
        return Window(self.axis, self.stride * stride, low, low + self.high - self.low + self.stride * reach)

    def along(self, axis: int) -> "Window":
        """The same window on another axis."""
        return self._replace(axis=axis)


EVERYTHING = Window(0, 0, 0, 0)
Seen = Window | None  # None: does not depend on the picture


class Field(NamedTuple):
    """What the positions of a layer see along one axis of the picture; all None for everything.

    Attributes:
        stride: pixels from one position to the next.
        size: pixels that one position sees, from the first to the last.
        center: where the middle of position 0's pixels is, in pixels from the centre of the first.
    """

    stride: int | None
    size: int | None
    center: float | None


def receptive_fields(program: Program, picture: int, axis: int = 1) -> list[Field]:
    """Stride, receptive field and its centre of every output of a program, along one axis.

    Args:
        program: of a function of arrays and one picture ``n h w c``, with plain `lax` operators.
        picture: index of the picture among the program's inputs.
        axis: of the picture and of the outputs: 1 for h, 2 for w.

    Returns:
        One field for each output; (None, None, None) where a position depends on the whole
        picture, or in a way that is not followed.

    Example:
        >>> import jax
        >>> from vizjax.program import flat
        >>> blur = lambda x: jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
        >>> receptive_fields(flat(jax.make_jaxpr(blur)(jax.numpy.ones((1, 8, 8, 1)))), 0)
        [Field(stride=2, size=3, center=1.0)]
    """
    seen: dict[Any, Seen] = {program.inputs[picture]: Window(axis, 1, 0, 0)}
    for step in program.steps:
        windows = [seen.get(x) for x in step.inputs]
        if any(windows):
            window = EVERYTHING if EVERYTHING in windows else _RULES.get(step.name, _unknown)(step, windows)
            seen.update(dict.fromkeys(step.outputs, window))
    return [_field(seen.get(x), axis) for x in program.outputs]


def _field(window: Seen, axis: int) -> Field:
    if window is None or window == EVERYTHING or window.axis != axis:
        return Field(None, None, None)
    return Field(window.stride, window.high - window.low + 1, (window.low + window.high) / 2)


# Rules: of a step and the windows of its inputs, of which some are local and none is EVERYTHING.
Windows = Sequence[Seen]


def _unknown(step: Step, windows: Windows) -> Window:
    return EVERYTHING


def _union(windows: Windows) -> Window:
    found = [w for w in windows if w is not None]
    if len({(w.axis, w.stride) for w in found}) != 1:
        return EVERYTHING
    return found[0]._replace(low=min(w.low for w in found), high=max(w.high for w in found))


def _only(window: Seen, others: Windows) -> Window:
    """The window of the one input that may depend on the picture."""
    return EVERYTHING if window is None or any(others) else window


def _elementwise(step: Step, windows: Windows) -> Window:
    (out,) = step.outputs
    for x, w in zip(step.inputs, windows, strict=True):
        # an axis of length 1 may be stretched: then all positions see what the one did
        if w is not None and (len(x.shape) != len(out.shape) or x.shape[w.axis] != out.shape[w.axis]):
            return EVERYTHING
    return _union(windows)


def _convolution(step: Step, windows: Windows) -> Window:
    window = _only(windows[0], windows[1:])
    p, kernel = step.params, step.inputs[1].shape
    numbers = p["dimension_numbers"]
    if window == EVERYTHING or window.axis not in numbers.lhs_spec[2:]:
        return EVERYTHING
    k = numbers.lhs_spec[2:].index(window.axis)
    if p["lhs_dilation"][k] != 1:
        return EVERYTHING
    reach = (kernel[numbers.rhs_spec[2 + k]] - 1) * p["rhs_dilation"][k]
    moved = window.through(p["window_strides"][k], p["padding"][k][0], reach)
    return moved.along(numbers.out_spec[2 + k])


def _pooling(step: Step, windows: Windows) -> Window:
    window, p = _union(windows), step.params
    k = window.axis
    if window == EVERYTHING or p["base_dilation"][k] != 1:
        return EVERYTHING
    reach = (p["window_dimensions"][k] - 1) * p["window_dilation"][k]
    return window.through(p["window_strides"][k], p["padding"][k][0], reach)


def _padding(step: Step, windows: Windows) -> Window:
    window = _only(windows[0], windows[1:])
    low, _, interior = step.params["padding_config"][window.axis]
    return EVERYTHING if interior or window == EVERYTHING else window.through(1, int(low), 0)


def _slicing(step: Step, windows: Windows) -> Window:
    window, p = _union(windows), step.params
    stride = 1 if p["strides"] is None else p["strides"][window.axis]
    return window.through(stride, -p["start_indices"][window.axis], 0)


def _product(step: Step, windows: Windows) -> Window:
    side = 0 if windows[0] is not None else 1
    window = _only(windows[side], windows[1 - side : 2 - side])
    contracted, batched = step.params["dimension_numbers"]
    if window == EVERYTHING or window.axis in contracted[side]:
        return EVERYTHING
    if window.axis in batched[side]:
        return window.along(batched[side].index(window.axis))
    # results have the common axes first, then what is left of the left side, then of the right one
    left, right = (
        [a for a in range(len(x.shape)) if a not in (*contracted[i], *batched[i])]
        for i, x in enumerate(step.inputs)
    )
    rank = left.index(window.axis) if side == 0 else len(left) + right.index(window.axis)
    return window.along(len(batched[0]) + rank)


def _axes(step: Step) -> tuple[int, ...]:
    (axes,) = (step.params[key] for key in ("axes", "axis", "dimension", "dimensions") if key in step.params)
    return tuple(axes) if isinstance(axes, Sequence) else (axes,)


def _along_axes(step: Step, windows: Windows) -> Window:
    window = _union(windows)
    return EVERYTHING if window.axis in _axes(step) else window


def _removing_axes(step: Step, windows: Windows) -> Window:
    window = _along_axes(step, windows)
    return window.along(window.axis - sum(a < window.axis for a in _axes(step)))


def _transposition(step: Step, windows: Windows) -> Window:
    window = _union(windows)
    return window.along(step.params["permutation"].index(window.axis))


def _broadcast(step: Step, windows: Windows) -> Window:
    window = _only(windows[0], windows[1:])
    axis = step.params["broadcast_dimensions"][window.axis]
    same = step.outputs[0].shape[axis] == step.inputs[0].shape[window.axis]
    return window.along(axis) if same and window != EVERYTHING else EVERYTHING


def _reshaping(step: Step, windows: Windows) -> Window:
    """The axis stays one where it is as long as before, and as much lies before it."""
    window = _only(windows[0], windows[1:])
    old, new = step.inputs[0].shape, step.outputs[0].shape
    before, length = math.prod(old[: window.axis]), old[window.axis]
    places = [i for i, n in enumerate(new) if n == length and math.prod(new[:i]) == before]
    if window == EVERYTHING or step.params["dimensions"] is not None or not places:
        return EVERYTHING
    # several fit only where the length is 1, and with it all that lies between them
    return window if window.axis in places else window.along(places[-1])


def _gathering(step: Step, windows: Windows) -> Window:
    """Picks along other axes, such as channels in another order."""
    window = _only(windows[0], windows[1:])
    numbers = step.params["dimension_numbers"]
    collapsed = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    whole = step.params["slice_sizes"][window.axis] == step.inputs[0].shape[window.axis]
    if window == EVERYTHING or not whole or window.axis in collapsed:
        return EVERYTHING
    rank = window.axis - sum(a < window.axis for a in collapsed)
    return window.along(numbers.offset_dims[rank])


def _dynamic_slicing(step: Step, windows: Windows) -> Window:
    window = _only(windows[0], windows[1:])
    whole = step.params["slice_sizes"][window.axis] == step.inputs[0].shape[window.axis]
    return window if whole else EVERYTHING


def _tiling(step: Step, windows: Windows) -> Window:
    window = _union(windows)
    return window if step.params["reps"][window.axis] == 1 else EVERYTHING


_RULES: dict[str, Callable[[Step, Windows], Window]] = {
    "broadcast_in_dim": _broadcast,
    "conv_general_dilated": _convolution,
    "dot_general": _product,
    "dynamic_slice": _dynamic_slicing,
    "gather": _gathering,
    "pad": _padding,
    "reshape": _reshaping,
    "slice": _slicing,
    "tile": _tiling,
    "transpose": _transposition,
}
_RULES |= dict.fromkeys(
    ("reduce_window", "reduce_window_max", "reduce_window_min", "reduce_window_sum"), _pooling
)
_RULES |= dict.fromkeys(
    ("concatenate", "cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum", "rev", "sort", "split"),
    _along_axes,
)
_RULES |= dict.fromkeys(
    (
        "argmax", "argmin", "reduce", "reduce_and", "reduce_max", "reduce_min", "reduce_or", "reduce_prod",
        "reduce_sum", "reduce_xor", "squeeze",
    ),
    _removing_axes,
)  # fmt: skip
_RULES |= dict.fromkeys(
    (
        "abs", "acos", "acosh", "add", "and", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil",
        "clamp", "convert_element_type", "copy", "cos", "cosh", "device_put", "digamma", "div", "eq", "erf",
        "erf_inv", "erfc", "exp", "exp2", "expm1", "floor", "ge", "gt", "integer_pow", "is_finite", "le",
        "lgamma", "log", "log1p", "log2", "logistic", "lt", "max", "min", "mul", "ne", "neg", "nextafter",
        "not", "or", "pow", "reduce_precision", "rem", "round", "rsqrt", "select_n", "sign", "sin", "sinh",
        "sqrt", "square", "stop_gradient", "sub", "tan", "tanh", "xor",
    ),
    _elementwise,
)  # fmt: skip
