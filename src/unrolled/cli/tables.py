"""Tables of plain text that stay legible in a terminal of any width."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from unrolled.terminal import say, visible, visible_json

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

_SPACES = re.compile(r"(?<= )(?!%)")
# After a space (but not between a number and its percent sign), after a slash, and after a dot between two names.
_BREAKS = re.compile(r"(?<= )(?!%)|(?<=/)|(?<=[\w\])]\.)(?=[A-Za-z_])|(?<=[A-Za-z]-)(?=[A-Za-z])")

# The spaces between two columns.
_GAP = 3


class BlockTable(Table):
    """A table that never breaks a word: if its columns do not fit beside each other, it is printed in blocks.

    Each block has the first column and as many of the others as the terminal has room for. Cells are plain text.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Print all columns, in blocks if they do not fit."""
        texts = [[_plain(cell) for cell in (column.header, *column.cells)] for column in self.columns]
        whole = [max(map(cell_len, column)) for column in texts]
        words, pieces = ([_longest(column, breaks) for column in texts] for breaks in (_SPACES, _BREAKS))
        for index, column in enumerate(self.columns):
            if column.no_wrap:
                words[index] = pieces[index] = whole[index]
        # Two columns fit beside each other even if a word is wider than half of the terminal.
        widest = max(1, options.max_width // 2 - _GAP)
        least = [min(widest, width) for width in pieces]
        for number, block in enumerate(_blocks(least, options.max_width)):
            if number:
                yield Text()
            room = options.max_width - len(block) * _GAP
            widths = [whole[index] for index in block]
            for floor in (words, least):
                widths = _fit(widths, [floor[index] for index in block], room)
            # Rich's own tables take a minute for a hundred thousand rows.
            header, *rows = zip(*(texts[index] for index in block), strict=True)
            rights = [self.columns[index].justify == "right" for index in block]
            line = "-" if options.ascii_only else "─"
            yield Segments(
                [
                    Segment(_lines(header, widths, rights), console.get_style(self.header_style)),
                    Segment(line * (sum(widths) + _GAP * (len(widths) - 1)) + "\n"),
                    *(Segment(_lines(row, widths, rights)) for row in rows),
                ]
            )


def _blocks(least: Sequence[int], width: int) -> list[list[int]]:
    """Return the indices of each block's columns; the first column is in all of them."""
    blocks: list[list[int]] = []
    for index in range(1, len(least)):
        if blocks and sum(least[one] + _GAP for one in (*blocks[-1], index)) <= width:
            blocks[-1].append(index)
        else:
            blocks.append([0, index])
    return blocks or [[0]]


def _lines(cells: Sequence[str], widths: Sequence[int], rights: Sequence[bool]) -> str:
    """Return a row as lines of text."""
    parts = [_folded(cell, width) for cell, width in zip(cells, widths, strict=True)]
    lines = []
    for pieces in zip_longest(*parts, fillvalue=""):
        padded = (
            (" " * (width - cell_len(piece)) + piece) if right else (piece + " " * (width - cell_len(piece)))
            for piece, width, right in zip(pieces, widths, rights, strict=True)
        )
        lines.append((" " * _GAP).join(padded).rstrip() + "\n")
    return "".join(lines)


def _folded(cell: str, width: int) -> list[str]:
    """Break a cell into lines between words, and where one is wider than the column within it."""
    if cell_len(cell) <= width:
        return [cell]
    return [part for line in wrap_words(cell, width).split("\n") for part in chop_cells(line, width) or [""]]


def _plain(cell: RenderableType) -> str:
    return visible(cell.plain if isinstance(cell, Text) else str(cell))


def _longest(texts: Iterable[str], breaks: re.Pattern[str]) -> int:
    """Return the width of the longest piece that texts may be broken into."""
    return max(cell_len(piece.rstrip()) for text in set(texts) for piece in breaks.split(text))


def _fit(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Reduce the widest columns until all fit, but none below its least width."""
    widths = list(widths)
    while sum(widths) > room:
        reducible = [index for index, width in enumerate(widths) if width > least[index]]
        if not reducible:
            break
        widths[max(reducible, key=lambda index: widths[index])] -= 1
    return widths


def wrap_words(text: str, width: int) -> str:
    r"""Break a text into lines between words, and within a path at its slashes and dots.

    Example:
        >>> wrap_words("network[7].Dense.activation", 20)
        'network[7].Dense.\nactivation'
    """
    lines = [""]
    for piece in _BREAKS.split(text):
        if lines[-1] and cell_len(lines[-1]) + cell_len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def table_of(first: str, *columns: str, right: Sequence[str] | None = None) -> Table:
    """Make an empty table.

    Args:
        first: The header of the first column, which is aligned to the left.
        *columns: The headers of the others.
        right: The headers of the columns that are aligned to the right; without it, all but the first.
    """
    table = BlockTable(header_style="dim")
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right" if right is None or column in right else "left")
    return table


def print_rows(
    console: Console, header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()
) -> None:
    """Print rows of plain text as a table.

    Args:
        console: The console, whose width decides on the folding.
        header: The name of each column.
        rows: The cells.
        right: The names of the columns that are aligned to the right, and whose cells are never folded.
    """
    table = table_of(header[0], *header[1:], right=right)
    for name, column in zip(header, table.columns, strict=True):
        column.no_wrap = name in right
    for row in rows:
        add_row(table, *row)
    console.print(table)


def add_row(table: Table, *cells: str) -> None:
    """Add a row of plain text, in which [red] is no markup."""
    table.add_row(*cells)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    has_all = "utf" in (getattr(sys.stdout, "encoding", "") or "").lower()
    say(visible_json(json.dumps(value, indent=2, ensure_ascii=not has_all, allow_nan=False)), keep="\n")
