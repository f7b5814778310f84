"""Which columns of a table are read as what."""

from collections.abc import Callable, Sequence
from typing import Any

from unrolled.data.labelled import Labelled
from unrolled.data.tables import Table, is_number
from unrolled.errors import DataError

import numpy as np

# Names under which files have their texts and classes, the likeliest first.
_INPUTS = ("text", "sentence", "review", "message", "comment", "content", "input", "document")
TARGETS = ("label", "class", "target", "category", "sentiment", "y")
_LOOKED_AT = 200


def describe_columns(table: Table) -> list[dict[str, Any]]:
    """What is in each column, as JSON: its kind, how many different and how many empty cells, and the first."""
    found = []
    for name, cells in table.columns.items():
        given = [str(cell).strip() for cell in cells if cell is not None and str(cell).strip()]
        found.append(
            {
                "column": name,
                "kind": "text" if is_text_column(cells) else "numbers",
                "different": len(set(given)),
                "empty": len(cells) - len(given),
                "first": given[0] if given else "",
            }
        )
    return found


def from_table(
    table: Table,
    *,
    input: str | Sequence[str] | None = None,  # noqa: A002 - the setting's name
    target: str | None = None,
    series: str | None = None,
) -> Labelled:
    """The examples of a table: a text a row, a series a row (its steps in columns), or a series in several rows.

    Raises:
        DataError: A column is missing, a cell is empty or no number.
    """
    target = target or guess(table, TARGETS, "target")
    names = [
        label_of(label, lambda row=row: table.where(row, target)) for row, label in enumerate(table.column(target))
    ]
    if series is not None:
        return _long(table, input, target, names, series)
    columns = columns_to_read(table, input, target)
    return Labelled(
        inputs_from_table(table, columns, is_text=is_text_column(table.column(columns[0]))), names, table.where
    )


def columns_to_read(table: Table, named: str | Sequence[str] | None, target: str | None) -> list[str]:
    """The columns that a network reads: those named, else that of a text, else all of numbers.

    Raises:
        DataError: None is named, and which one holds the text cannot be guessed.
    """
    if named is not None:
        return _columns(named, [])
    others = [name for name in table.columns if name != target]
    texts = [name for name in others if is_text_column(table.columns[name])]
    if len(texts) == 1:
        return texts
    return [guess(table, _INPUTS, "input")] if texts else others


def columns_of_numbers(table: Table, named: str | Sequence[str] | None) -> list[str]:
    """The columns to forecast: those named, else all that hold numbers only.

    Raises:
        DataError: None is named, and there is none.
    """
    columns = _columns(named, [name for name in table.columns if not is_text_column(table.columns[name])])
    if not columns:
        raise DataError(f"{table.path}: expected a column of numbers to forecast, got none. Add one.")
    return columns


def inputs_from_table(table: Table, columns: Sequence[str], is_text: bool) -> list[Any]:
    """A text a row, or a series [T, 1] a row.

    Raises:
        DataError: A column is missing, a cell is empty or no number.
    """
    if is_text:
        name = columns[0]
        return [text_of(cell, lambda row=row: table.where(row, name)) for row, cell in enumerate(table.column(name))]
    values = np.array([table.numbers(column) for column in columns], np.float32).T
    return [row[:, None] for row in values]


def guess(table: Table, names: Sequence[str], setting: str) -> str:
    """The column that is called like one of ``names``.

    Raises:
        DataError: None is.
    """
    lower = {name.lower(): name for name in table.columns}
    for name in names:
        if name in lower:
            return lower[name]
    raise DataError(
        f"{table.path}: expected to be told the column of the {setting}, got {', '.join(list(table.columns)[:20])}. "
        f"Name it: data: {{file: {table.path.name}, {setting}: NAME}}"
    )


def _columns(chosen: str | Sequence[str] | None, otherwise: list[str]) -> list[str]:
    if chosen is None:
        return otherwise
    return [chosen] if isinstance(chosen, str) else list(chosen)


def is_text_column(cells: Sequence[Any]) -> bool:
    """Whether a column has anything but numbers and gaps."""
    return not all(map(is_number, cells[:_LOOKED_AT]))


def label_of(cell: Any, where: Callable[..., str]) -> str:
    """The class that a cell names.

    Raises:
        DataError: The cell is empty.
    """
    label = "" if cell is None else str(cell).strip()
    if not label:
        raise DataError(f"{where()}: expected a class, got an empty cell. Add it or drop the row.")
    return label


def text_of(cell: Any, where: Callable[..., str]) -> str:
    """The text in a cell.

    Raises:
        DataError: The cell is empty.
    """
    if not isinstance(cell, str) or not cell.strip():
        raise DataError(f"{where()}: expected text, got an empty cell. Add it or drop the row.")
    return cell


def _long(
    table: Table,
    input: str | Sequence[str] | None,  # noqa: A002
    target: str,
    names: list[str],
    series: str,
) -> Labelled:
    """A series in several rows, in the order of the rows."""
    columns = _columns(input, [name for name in table.columns if name not in (target, series)])
    values = np.array([table.numbers(column) for column in columns], np.float32).T
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(table.column(series)):
        rows.setdefault(str(key), []).append(row)
    for key, members in rows.items():
        other = next((row for row in members if names[row] != names[members[0]]), None)
        if other is not None:
            raise DataError(
                f'{table.where(other, target)}: expected the class "{names[members[0]]}" as in other rows of series '
                f'{key}, got "{names[other]}". Give a series one class.'
            )
    firsts = [members[0] for members in rows.values()]
    return Labelled(
        [values[members] for members in rows.values()],
        [names[first] for first in firsts],
        lambda example: table.where(firsts[example]),
    )
