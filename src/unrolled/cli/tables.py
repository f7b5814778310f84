"""Tables that fit into the terminal: cells fold at separators, and a table that is still too wide becomes a list."""

import re
from collections.abc import Collection, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

_GAP = 2
# Places at which a cell may be folded: behind a separator, but inside of no number and before no further space.
_FOLD = re.compile(r"(?<=[/:;=\[({])(?!\s)|(?<=[.,\-])(?![\d\s])|(?<=\s)(?!\s)")


def print_rows(
    console: Console, header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[str] = ()
) -> None:
    """Print rows as a table, or as a list with a block for each row where the table does not fit.

    Args:
        console: Console, whose width decides.
        header: Name of each column; the first one names the row.
        rows: Plain text of the cells.
        right: Names of the columns that are aligned to the right. Their cells are never folded.
    """
    room = console.width - _GAP * (len(header) - 1)
    widths = fit_widths([_widths(column, name in right) for name, column in _columns(header, rows)], room)
    if widths is None:
        _print_list(console, header, rows)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim", show_edge=False, padding=(0, _GAP - 1, 0, 0))
    for name, width in zip(header, widths, strict=True):
        table.add_column(
            Text(fold(name, width)), justify="right" if name in right else "left", no_wrap=True, width=width
        )
    for row in rows:
        table.add_row(*(Text(fold(cell, width)) for cell, width in zip(row, widths, strict=True)))
    console.print(table)


def fit_widths(bounds: Sequence[tuple[int, int]], room: int) -> list[int] | None:
    """Return the widths of columns that fit: as wide as needed, else the widest ones narrowed; None if none do.

    Args:
        bounds: Smallest and largest width of each column.
        room: Sum that the widths may have.

    Example:
        >>> fit_widths([(5, 20), (4, 30), (6, 6)], 56), fit_widths([(5, 20), (4, 30), (6, 6)], 40)
        ([20, 30, 6], [17, 17, 6])
        >>> fit_widths([(5, 20), (4, 30), (6, 6)], 14)
    """
    widths = [largest for _, largest in bounds]
    if sum(smallest for smallest, _ in bounds) > room:
        return None
    while sum(widths) > room:
        narrowable = [index for index, width in enumerate(widths) if width > bounds[index][0]]
        widths[max(narrowable, key=lambda index: widths[index])] -= 1
    return widths


def fold(text: str, width: int) -> str:
    """Fold text behind separators; in the middle of a word only where the word alone is too wide.

    Example:
        >>> print(fold("network[7].Dense.activation", 16))
        network[7].
        Dense.activation
        >>> print(fold("20260102T030405Z-mnist-rows", 18))
        20260102T030405Z-
        mnist-rows
    """
    lines = [""]
    for chunk in _chunks(text):
        if lines[-1] and len(lines[-1]) + len(chunk.rstrip()) > width:
            lines.append("")
        rest = lines[-1] + chunk
        while len(rest.rstrip()) > width:
            lines[-1], rest = rest[:width], rest[width:]
            lines.append("")
        lines[-1] = rest
    return "\n".join(line.rstrip() for line in lines)


def _chunks(text: str) -> list[str]:
    return [chunk for chunk in _FOLD.split(text) if chunk]


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[tuple[str, list[str]]]:
    return [(name, [name, *(row[index] for row in rows)]) for index, name in enumerate(header)]


def _widths(cells: Sequence[str], is_fixed: bool) -> tuple[int, int]:
    """Return the smallest width that breaks no word, and the width without any folding."""
    largest = max(map(len, cells))
    smallest = max((len(chunk.rstrip()) for cell in cells for chunk in _chunks(cell)), default=0)
    return (largest if is_fixed else smallest), largest


def _print_list(console: Console, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    indent = 2 + max(len(name) for name in header[1:]) + _GAP
    is_beside = indent <= console.width // 2  # else the cells stand below the names of their columns
    indent = indent if is_beside else 2 * _GAP
    for row in rows:
        console.print(Text(fold(row[0], console.width)), soft_wrap=True)
        for name, cell in zip(header[1:], row[1:], strict=True):
            lines = fold(cell, console.width - indent).splitlines()
            if is_beside:
                console.print(Text.assemble((f"  {name}".ljust(indent), "dim"), *lines[:1]), soft_wrap=True)
                lines = lines[1:]
            else:
                console.print(Text(f"  {name}", style="dim"), soft_wrap=True)
            for line in lines:
                console.print(Text(" " * indent + line), soft_wrap=True)
