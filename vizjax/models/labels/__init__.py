"""Names of classes: which a net's outputs have, and which output a name means.

``imagenet.txt`` is torchvision's list (BSD-3-Clause), which has no name twice; ``inception5h.txt`` is
the one that Google published with InceptionV1 (Apache-2.0), whose last seven outputs have no name.
"""

import functools
from collections.abc import Sequence
from importlib import resources

from vizjax.errors import InputError, unknown


@functools.cache
def read(name: str) -> tuple[str, ...]:
    """The names of a list, in the order of a net's outputs.

    Args:
        name: ``"imagenet"`` or ``"inception5h"``.

    Returns:
        The names; "" for an output that has none.

    Example:
        >>> read("imagenet")[282]
        'tiger cat'
    """
    text = resources.files(__name__).joinpath(f"{name}.txt").read_text(encoding="utf-8")
    return tuple(text.removesuffix("\n").split("\n"))


def unit_named(text: str, names: Sequence[str]) -> int:
    """The output that a class's name means.

    Args:
        text: the name; upper and lower case differ only where that tells two classes apart.
        names: of all outputs in order.

    Returns:
        The number of the output.

    Raises:
        UnknownName: where no class has this name; the closest are given.
        InputError: where several have it, with their numbers.

    Example:
        >>> unit_named("Tiger Cat", read("imagenet"))
        282
    """
    exact = [i for i, name in enumerate(names) if name and name == text]
    found = exact or [i for i, name in enumerate(names) if name and name.lower() == text.lower()]
    if not found:
        raise unknown("class", text, filter(None, names), "give a class's number, or its name as listed")
    if len(found) > 1:
        numbered = " or ".join(f"{i} ({names[i]})" for i in found)
        raise InputError(
            f"a name must mean one class, and {text!r} means several; give the number: {numbered}"
        )
    return found[0]
