"""How all tables look."""

import json
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text


def table_of(first: str, *columns: str, right: Sequence[str] | None = None) -> Table:
    """A table without lines between its columns; all but the first are set to the right unless told otherwise."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim", show_edge=False)
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right" if right is None or column in right else "left", overflow="fold")
    return table


def add_row(table: Table, *cells: str) -> None:
    """A row of plain text: a class or a file may be called [red]."""
    table.add_row(*(Text(cell) for cell in cells))


def print_json(value: Any) -> None:
    """Print a value that machines read."""
    print(json.dumps(value, indent=2, ensure_ascii=False))  # noqa: T201 - this is what a terminal program is for
