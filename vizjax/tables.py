"""Tables for the terminal."""

from collections.abc import Mapping

from rich.table import Table

from vizjax.activations import Layer


def layer_table(facts: Mapping[str, Layer]) -> Table:
    """The facts about layers, one in each row.

    Args:
        facts: of `vizjax.layers`.

    Returns:
        The table; "all" where a position sees everything.

    Example:
        >>> facts = Layer((7, 7, 8), 8, 2, 3, -0.5, 1152, 56448, "conv.kernel", (3, 3, 16, 8))
        >>> [next(column.cells) for column in layer_table({"conv": facts}).columns]
        ['conv', '7 × 7 × 8', '2', '3', '-0.5', '1.15 k', '56.4 k', '3 × 3 × 16 × 8']
    """
    table = Table(box=None)
    table.add_column("layer", no_wrap=True)
    table.add_column("shape", no_wrap=True)
    for title in ("stride", "receptive field", "centre", "parameters", "multiply-adds"):
        table.add_column(title, no_wrap=True, justify="right")
    table.add_column("kernel", no_wrap=True)
    for name, fact in facts.items():
        seen = (fact.stride, fact.receptive_field, fact.center)
        table.add_row(
            name,
            " × ".join(map(str, fact.shape)),
            *("all" if x is None else f"{x:g}" for x in seen),
            short(fact.parameters),
            short(fact.multiply_adds),
            " × ".join(map(str, fact.kernel_shape or ())),
        )
    return table


def short(number: int) -> str:
    """A count in three digits and a letter.

    Args:
        number: 0 or more.

    Returns:
        Such as ``"864"``, ``"25.6 M"`` or ``"1.81 G"``.

    Example:
        >>> short(864), short(1152), short(999_999), short(25_557_032)
        ('864', '1.15 k', '1 M', '25.6 M')
    """
    if number < 1000:
        return str(number)
    digits, _, power = f"{number:.2e}".partition("e")
    thousands, shift = divmod(int(power), 3)
    return f"{float(digits) * 10**shift:g} {' kMGTPE'[thousands]}"
