"""Activations of nets: the lazy mapping, its driver, edits on the way, and facts about layers."""

import functools
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from vizjax import nn
from vizjax.costs import costs
from vizjax.errors import InputError, unknown
from vizjax.program import flat, weights_of
from vizjax.receptive_field import receptive_fields

Coroutine = Generator[tuple[str, Array], Array, Array]
"""A net or block at work: hands out (name, activation), takes back the value to go on with."""

Edit = Mapping[str, Callable[[Array], Array]]


def scope(name: str, block: Coroutine) -> Coroutine:
    """Runs a block inside a net: re-yields its activations under ``name.`` and its result as ``name``.

    Args:
        name: the block's name within the net.
        block: the running block, a generator that returns its output.

    Returns:
        A generator for ``x = yield from scope(name, block)``.

    Example:
        >>> def block(x):
        ...     x = yield "double", 2 * x
        ...     return x + 1
        >>> running = scope("a", block(1.0))
        >>> next(running), running.send(2.0)
        (('a.double', 2.0), ('a', 3.0))
    """
    reply: Any = None
    while True:
        try:
            inner, x = block.send(reply)
        except StopIteration as end:
            return (yield name, end.value)
        reply = yield f"{name}.{inner}", x


class Activations(Mapping[str, Array]):
    """Activations by layer name, computed when asked for; made by `activations`.

    ``acts["image"]`` is the picture itself. Iterating runs the net to its end. What a net computes in
    bfloat16 is handed out, and to edits, as float32; the net itself goes on in bfloat16.
    """

    def __init__(self, net: Any, images: Array, rectify: nn.Rectify, edit: Edit, image: Array):
        self._net, self._edit, self._shape = net, edit, images.shape
        self._known, self._reply = {"image": image}, None
        self._running = net(images, rectify=rectify)
        for name in edit:
            if name not in (names := layer_names(net)):
                raise unknown("layer to edit", name, names, "vizjax.layers(net) lists them")

    def _advance(self) -> None:
        name, value = self._running.send(self._reply)
        seen = value.astype(jnp.promote_types(value.dtype, jnp.float32))
        if name in self._edit:
            seen = self._edit[name](seen)
            value = seen.astype(value.dtype)
        if 0 in value.shape:
            raise ValueError(f"nothing is left of them at {name!r}")
        self._known[name], self._reply = seen, value

    def __getitem__(self, name: str) -> Array:
        """The activation of the layer ``name``; nothing deeper is computed."""
        while name not in self._known:
            try:
                self._advance()
            except Exception as error:
                names = layer_names(self._net)
                if name not in names:
                    raise unknown("layer", name, names, "vizjax.layers(net) lists them") from None
                raise self._explained(error, name) from error
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        while True:
            try:
                self._advance()
            except StopIteration:
                return iter([name for name in self._known if name != "image"])
            except Exception as error:
                # A net that fails at its own size too has another fault than the pictures' size.
                reached = self._shape[1:] != _input_shape(self._net) and layer_names(self._net)
                raise (self._explained(error, reached[len(self._known) - 1]) if reached else error) from error

    def _explained(self, error: Exception, name: str) -> Exception:
        if not isinstance(error, StopIteration | TypeError | ValueError | ZeroDivisionError):
            return error
        return InputError(
            f"layer {name!r} cannot be computed on pictures of {self._shape[1:3]} pixels"
            f" ({str(error).splitlines()[0] if str(error) else 'the net ended before'});"
            f" use larger ones (the net's own size is {_input_shape(self._net)[:2]})"
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)


def activations(
    net: Any,
    images: Shaped[Array | np.ndarray, "..."],
    rectify: nn.Rectify = nn.plain,
    edit: Edit | None = None,
    image: Float[Array, "n h2 w2 c"] | None = None,
) -> Any:
    """Lazily computed activations of a net, or of each net in a pytree of nets.

    Args:
        net: a net, or a pytree of nets (a dict gives a dict of mappings).
        images: pictures in [0, 1]; with one channel more than the net's ``input_shape`` they are
            transparent: the last one is alpha, and the net sees them on grey, .5.
        rectify: the rule for non-linearities, such as `vizjax.nn.redirected`.
        edit: layer name -> function of its activation; what it returns replaces the activation
            for that layer and everything after it. With several nets, every net is edited.
        image: what ``acts["image"]`` is, where it is not ``images``.

    Returns:
        A mapping from layer names to activations (``n h w c``, ``n t c`` or ``n c``; float32 even of
        nets that compute in bfloat16) in which ``"image"`` is the picture; nothing deeper than the
        deepest layer asked for is computed.

    Raises:
        UnknownName: at a name that the net does not have.
        InputError: at pictures that are not n h w c of floats, or too small for the layer.

    Example:
        >>> from vizjax.models import load
        >>> acts = activations(load("efficientnet_lite0"), jnp.full((1, 64, 64, 3), 0.5))
        >>> acts["blocks.4"].shape
        (1, 8, 8, 40)
    """
    if images.ndim != 4 or not jnp.issubdtype(images.dtype, jnp.floating):
        raise InputError(
            f"pictures are n h w c of floats in [0, 1], not {images.shape} of {images.dtype};"
            f" divide 8-bit ones by 255, and put one alone in [None]"
        )
    images = jnp.asarray(images)
    image = images if image is None else image

    def one(net: Any) -> Any:  # Activations; a type checker that looks inside would run the net
        return Activations(net, _on_grey(net, images), rectify, edit or {}, image)

    return jax.tree.map(one, net, is_leaf=callable)


class Layer(NamedTuple):
    """Facts about a layer at the net's own input size.

    What one position sees is given along h, from the first pixel to the last: a dilated filter's
    gaps are within. It is the same along w where filters are square.

    Attributes:
        shape: of the activation of one picture, such as (14, 14, 112).
        channels: its last axis.
        stride: pixels between the centres of neighbouring positions; None where a position sees all
            of the picture, along h or w, or in a way that is not followed.
        receptive_field: side in pixels of what one position sees, which may exceed the picture;
            None where that is everything.
        center: where the middle of what position 0 sees is, in pixels: 0 is the centre of the
            picture's first pixel, 0.5 the border to the second; negative where padding moves it
            outside. Position i is at ``center + i * stride``. None where that is everything.
        parameters: numbers that are trained (elements of `flax.nnx.Param`, shared ones once) among
            what the layer is computed from; the statistics of batch normalization are not trained.
        multiply_adds: multiplications with an addition, for one picture, in the convolutions and
            matrix products that the layer is computed by. Padding is multiplied as well, as is usual
            in such counts; pools, normalizations and element-wise work are not counted.
        kernel: path in the net, such as "layer3.5.conv2.kernel", of the filters or the matrix whose
            raw output the layer is, with a bias or without; None where it is anything else.
        kernel_shape: of that array, such as (h, w, in, out) or (in, out); in of one group.
    """

    shape: tuple[int, ...]
    channels: int
    stride: int | None
    receptive_field: int | None
    center: float | None
    parameters: int
    multiply_adds: int
    kernel: str | None
    kernel_shape: tuple[int, ...] | None


def layers(net: Any) -> dict[str, Layer]:
    """The layers of a net in order, with facts about each; no weight is touched.

    Args:
        net: a net; its ``input_shape`` (h, w, c) is the size that shapes are given at.

    Returns:
        Layer name -> `Layer`. The facts of each are what computing that layer takes, and nothing
        beside it.

    Example:
        >>> from vizjax.models import load
        >>> layers(load("efficientnet_lite0"))["blocks.4.project"]
        Layer(shape=(28, 28, 40), channels=40, stride=8, receptive_field=67, center=7.0,
              parameters=55424, multiply_adds=113748992,
              kernel='blocks.4.project.kernel', kernel_shape=(1, 1, 240, 40))
    """
    structure = jax.tree.structure(net)
    weights, order = weights_of(net)
    names: list[str] = []

    def run(values: list[Array], picture: Array) -> list[Array]:
        acts = activations(jax.tree.unflatten(structure, [values[i] for i in order]), picture)
        names.extend(acts)
        return list(acts.values())

    picture = jax.ShapeDtypeStruct((1, *_input_shape(net)), jnp.float32)
    with nn.lax_only():
        program = flat(jax.make_jaxpr(run)([weight.value for weight in weights], picture))
    rows, columns = (receptive_fields(program, len(weights), axis) for axis in (1, 2))
    found = {}
    for name, value, row, column, cost in zip(
        names, program.outputs, rows, columns, costs(program, len(weights)), strict=True
    ):
        local = row.stride is not None and column.stride is not None
        filters = None if cost.filters is None else weights[cost.filters]
        found[name] = Layer(
            shape=value.shape[1:],
            channels=value.shape[-1],
            stride=row.stride if local else None,
            receptive_field=row.size if local else None,
            center=row.center if local else None,
            parameters=sum(weights[i].trained for i in cost.inputs if i < len(weights)),
            multiply_adds=cost.multiply_adds,
            kernel=filters and filters.path,
            kernel_shape=filters and filters.value.shape,
        )
    return found


def layer_names(net: Any) -> list[str]:
    """The names of a net's layers in order.

    Args:
        net: a net.

    Returns:
        The names.

    Example:
        >>> from vizjax.models import load
        >>> layer_names(load("efficientnet_lite0"))[-2:]
        ['logits', 'probabilities']
    """
    return list(_shapes(net))


def _on_grey(net: Any, images: Array) -> Array:
    if images.shape[-1] != getattr(net, "input_shape", images.shape)[-1] + 1:
        return images
    return 0.5 + images[..., -1:] * (images[..., :-1] - 0.5)


def _input_shape(net: Any) -> tuple[int, int, int]:
    return getattr(net, "input_shape", (224, 224, 3))


def _shapes(net: Any) -> dict[str, tuple[int, ...]]:
    leaves, structure = jax.tree.flatten(net)
    return _cached_shapes(structure, tuple((x.shape, jnp.dtype(x.dtype)) for x in leaves))


@functools.lru_cache(maxsize=64)
def _cached_shapes(structure: Any, leaves: tuple) -> dict[str, tuple[int, ...]]:
    abstract = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in leaves]
    net = jax.tree.unflatten(structure, abstract)
    picture = jax.ShapeDtypeStruct((1, *_input_shape(net)), jnp.float32)
    names: list[str] = []  # beside the result: jax would sort the keys of a dict

    def run(net: Any, picture: Array) -> list[Array]:
        acts = activations(net, picture)
        names.extend(acts)
        return list(acts.values())

    outputs = jax.eval_shape(run, net, picture)
    return {name: x.shape for name, x in zip(names, outputs, strict=True)}
