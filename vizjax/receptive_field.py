"""Receptive fields, read off a net's program by following intervals of pixels through it."""

from typing import Any, NamedTuple

import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal


class Window(NamedTuple):
    """Position i of a layer sees the pixels i·stride + low … i·stride + high along one axis."""

    stride: int
    low: int
    high: int

    def through(self, stride: int, padding: int, reach: int) -> "Window":
        """The window behind a further one that starts at i·stride − padding and spans reach + 1."""
        start = self.low - self.stride * padding
        return Window(self.stride * stride, start, start + self.high - self.low + self.stride * reach)


EVERYTHING = Window(0, 0, 0)
Seen = Window | None  # None: does not depend on the picture

_ROW = 1  # the axis h of n h w c


def receptive_fields(program: ClosedJaxpr, pictures: int) -> list[tuple[int | None, int | None]]:
    """Stride and receptive field of every output of a program.

    Args:
        program: `jax.make_jaxpr` of a function of arrays and one picture ``n h w c``, with plain
            `lax` operators.
        pictures: index of the picture among the program's flattened inputs.

    Returns:
        (stride, side of the receptive field) in pixels for each output; (None, None) where a
        position depends on the whole picture, or in a way that is not followed.

    Example:
        >>> import jax
        >>> blur = lambda x: jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
        >>> receptive_fields(jax.make_jaxpr(blur)(jax.numpy.ones((1, 8, 8, 1))), 0)
        [(2, 3)]
    """
    seen: list[Seen] = [None] * len(program.jaxpr.invars)
    seen[pictures] = Window(1, 0, 0)
    fields: list[tuple[int | None, int | None]] = []
    for window in _follow(program.jaxpr, seen):
        if window is None or window == EVERYTHING:
            fields.append((None, None))
        else:
            fields.append((window.stride, window.high - window.low + 1))
    return fields


def _follow(program: Jaxpr, inputs: list[Seen]) -> list[Seen]:
    seen: dict[Any, Seen] = dict(zip(program.invars, inputs, strict=True))

    def read(x: Any) -> Seen:
        return None if isinstance(x, Literal) else seen.get(x)

    for equation in program.eqns:
        windows = [read(x) for x in equation.invars]
        if all(w is None for w in windows):
            outputs: list[Seen] = [None] * len(equation.outvars)
        else:
            outputs = _through(equation, windows)
        seen.update(zip(equation.outvars, outputs, strict=True))
    return [read(x) for x in program.outvars]


def _through(equation: Any, windows: list[Seen]) -> list[Seen]:
    rule = _RULES.get(equation.primitive.name, _elementwise)
    inner = _inner_program(equation.params)
    if rule is _elementwise and inner is not None and len(inner.invars) == len(windows):
        return _follow(inner, windows)
    return [rule(equation, windows)] * len(equation.outvars)


def _inner_program(params: dict[str, Any]) -> Jaxpr | None:
    for value in params.values():
        if isinstance(value, ClosedJaxpr):
            return value.jaxpr
        if isinstance(value, Jaxpr):
            return value
    return None


def _union(windows: list[Seen]) -> Window:
    found = [w for w in windows if w is not None]
    if any(w.stride != found[0].stride or w.stride == 0 for w in found):
        return EVERYTHING
    return Window(found[0].stride, min(w.low for w in found), max(w.high for w in found))


def _rows(x: Any) -> int | None:
    return x.aval.shape[_ROW] if len(x.aval.shape) > _ROW else None


def _elementwise(equation: Any, windows: list[Seen]) -> Window:
    rows = {_rows(x) for x, w in zip(equation.invars, windows, strict=True) if w is not None}
    same = rows == {_rows(equation.outvars[0])} and None not in rows
    return _union(windows) if same else EVERYTHING


def _convolution(equation: Any, windows: list[Seen]) -> Window:
    params, kernel = equation.params, equation.invars[1].aval.shape
    numbers = params["dimension_numbers"]
    static = windows[1] is None and numbers.lhs_spec[2] == _ROW and params["lhs_dilation"][0] == 1
    if not static:
        return EVERYTHING
    reach = (kernel[numbers.rhs_spec[2]] - 1) * params["rhs_dilation"][0]
    return _moved(windows[0], params["window_strides"][0], params["padding"][0][0], reach)


def _pooling(equation: Any, windows: list[Seen]) -> Window:
    p = equation.params
    reach = (p["window_dimensions"][_ROW] - 1) * p["window_dilation"][_ROW]
    return _moved(windows[0], p["window_strides"][_ROW], p["padding"][_ROW][0], reach)


def _moved(window: Seen, stride: int, padding: int, reach: int) -> Window:
    if window is None or window.stride == 0:
        return EVERYTHING
    return window.through(stride, padding, reach)


def _padding(equation: Any, windows: list[Seen]) -> Window:
    low, _, interior = equation.params["padding_config"][_ROW]
    return EVERYTHING if interior else _moved(windows[0], 1, int(low), 0)


def _slicing(equation: Any, windows: list[Seen]) -> Window:
    p = equation.params
    step = 1 if p["strides"] is None else p["strides"][_ROW]
    return _moved(windows[0], step, -p["start_indices"][_ROW], 0)


def _product(equation: Any, windows: list[Seen]) -> Window:
    (contracted, _), (batched, _) = equation.params["dimension_numbers"]
    local = windows[1] is None and not batched and min(contracted) > _ROW
    return _union(windows[:1]) if local else EVERYTHING


def _along_axes(equation: Any, windows: list[Seen]) -> Window:
    p = equation.params
    (axes,) = (p[key] for key in ("axes", "axis", "dimension", "dimensions") if key in p)
    return EVERYTHING if np.min(axes, initial=_ROW + 1) <= _ROW else _union(windows)


_POOLING = ("reduce_window_max", "reduce_window_sum", "reduce_window_min")
_ALONG_AXES = (
    "argmax", "argmin", "concatenate", "cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum", "reduce_and",
    "reduce_max", "reduce_min", "reduce_or", "reduce_prod", "reduce_sum", "rev", "sort", "squeeze",
)  # fmt: skip
_NOT_FOLLOWED = (
    "cond", "dynamic_slice", "dynamic_update_slice", "fft", "gather", "scan", "scatter", "top_k", "transpose",
    "while",
)  # fmt: skip
_RULES = {
    "conv_general_dilated": _convolution,
    "pad": _padding,
    "slice": _slicing,
    "dot_general": _product,
}
_RULES |= dict.fromkeys(_POOLING, _pooling)
_RULES |= dict.fromkeys(_ALONG_AXES, _along_axes)
_RULES |= dict.fromkeys(_NOT_FOLLOWED, lambda equation, windows: EVERYTHING)
