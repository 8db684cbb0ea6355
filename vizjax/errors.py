"""What a bad input is answered with: the rule, the value and the remedy, in one line."""

import difflib
from collections.abc import Iterable

import numpy as np


class InputError(ValueError):
    """A rule about the input is broken; the message names the rule, the value and the remedy."""


class UnknownName(InputError, KeyError):
    """A name that is not among the known ones; the message offers the closest."""

    __str__ = ValueError.__str__  # KeyError's would print the message in quotes


def unknown(kind: str, name: object, known: Iterable[str], remedy: str = "") -> UnknownName:
    """The error for a ``name`` that is not one of the ``known``, with the closest of them.

    Args:
        kind: what is named, such as ``"layer"``.
        name: the name that was asked for.
        known: all names there are.
        remedy: where the user finds the whole list; without it, the list itself if it is short.

    Returns:
        An exception to raise.

    Example:
        >>> str(unknown("model", "resnet5", ["resnet50", "vgg16"]))
        "unknown model 'resnet5': did you mean 'resnet50'? There are: resnet50, vgg16"
    """
    known = [str(k) for k in known]
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.4)
    hint = " or ".join(repr(c) for c in close)
    guess = f": did you mean {hint}?" if close else ":"
    return UnknownName(f"unknown {kind} {name!r}{guess} {remedy or 'There are: ' + ', '.join(known)}")


def check_counts(**counts: object) -> None:
    """Refuses numbers of things that are not whole, or below 1.

    Args:
        **counts: name -> number; None, for "not given", passes.

    Raises:
        InputError: at the first that breaks the rule.

    Example:
        >>> check_counts(steps=3, batch=None)
    """
    for name, count in counts.items():
        if count is not None and (not isinstance(count, int | np.integer) or count < 1):
            raise InputError(f"{name} must be a whole number of 1 or more, not {count!r}")


def spelled(units: Iterable[int]) -> str:
    """Unit numbers as ranges.

    Args:
        units: in order.

    Returns:
        Such as ``"0-3, 7"``.

    Example:
        >>> spelled([0, 1, 2, 3, 7])
        '0-3, 7'
    """
    runs: list[list[int]] = []
    for unit in units:
        if runs and unit == runs[-1][-1] + 1:
            runs[-1][1:] = [unit]
        else:
            runs.append([unit])
    return ", ".join("-".join(map(str, run)) for run in runs) or "none"
