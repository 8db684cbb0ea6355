"""Units of a layer as people write them: numbers, ranges, names of classes."""

import re
from collections.abc import Sequence
from typing import Any

from vizjax.activations import layers
from vizjax.errors import InputError, unknown
from vizjax.models import unit_names
from vizjax.models.labels import unit_named


def parse_units(text: str | None) -> Sequence[int] | slice | None:
    """Channel numbers from text.

    Args:
        text: ``"A:B[:STEP]"`` as in Python, a number, or several of them with commas; None for all.

    Returns:
        The numbers; a slice where an end is left open; None for all.

    Raises:
        InputError: at any other text.

    Example:
        >>> parse_units("0:6:2"), parse_units("5,7:9"), parse_units("3:")
        ([0, 2, 4], [5, 7, 8], slice(3, None, 1))
    """
    if text is None:
        return None
    parts = text.split(",")
    numbers: list[int] = []
    for part in parts:
        match = re.fullmatch(r"(\d+)|(\d*):(\d*)(?::([1-9]\d*))?", part.strip())
        if not match:
            raise InputError(f"units are A:B[:STEP], a number, or several with commas, not {text!r}; try 0:8")
        number, first, last, step = match.groups()
        if number:
            numbers.append(int(number))
        elif last:
            numbers += range(int(first or 0), int(last), int(step or 1))
        elif len(parts) == 1:
            return slice(int(first or 0), None, int(step or 1))
        else:
            raise InputError(f"units {text!r}: a range without an end must stand alone; write both ends")
    if not numbers:
        raise InputError(f"units {text!r} are none at all: A:B runs from A up to B - 1; try 0:8")
    return numbers


def find_units(net: Any, layer: str, texts: Sequence[str]) -> list[int]:
    """Units of a layer by number or, where they are classes, by name.

    Args:
        net: a net.
        layer: a layer's name.
        texts: numbers or names, one or more.

    Returns:
        The numbers.

    Raises:
        InputError: where the net has no such layer, or the layer no such unit.

    Example:
        >>> from vizjax.models import load
        >>> find_units(load("efficientnet_lite0"), "logits", ["7", "tiger cat"])
        [7, 282]
    """
    facts = layers(net)
    if layer not in facts:
        raise unknown("layer", layer, facts, "`vizjax layers MODEL` lists them")
    names, count = unit_names(net, layer), facts[layer].channels
    named = [text for text in texts if names and not re.fullmatch(r"-?\d+", text)]
    numbers = [text for text in texts if text not in named]
    if not texts or not all(text.isdecimal() and int(text) < count for text in numbers):
        either = ", or names of classes" if names else ""
        raise InputError(
            f"units of layer {layer!r} are 0 ... {count - 1}{either}, one or more, not {' '.join(texts)!r}"
        )
    return [unit_named(text, names) if text in named else int(text) for text in texts]
