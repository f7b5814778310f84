"""The columns of a table that are inputs, target and series, and the examples in its rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from unrolled.data.labeled import LabeledExamples
from unrolled.data.tables import Table, format_list, is_missing, is_number, read_table
from unrolled.errors import DataError

import numpy as np

# Usual names of the columns of texts and of classes, the most common first.
_INPUTS = ("text", "sentence", "review", "message", "comment", "content", "input", "document")
TARGETS = ("label", "class", "target", "category", "sentiment", "y")
_DETECTION_ROWS = 200


def describe_columns(table: Table) -> list[dict[str, Any]]:
    """Describe each column as JSON: its kind, its number of different and of empty cells, and its first value."""
    described = []
    for name, cells in table.columns.items():
        values = [str(cell).strip() for cell in cells if cell is not None and str(cell).strip()]
        described.append(
            {
                "column": name,
                "kind": "text" if is_text_column(cells) else "numbers",
                "different": len(set(values)),
                "empty": len(cells) - len(values),
                "first": values[0] if values else "",
            }
        )
    return described


def extract_examples(
    table: Table, columns: Sequence[str], *, is_text: bool, series: str | None = None
) -> tuple[list[Any], list[list[int]]]:
    """Read the inputs of a network from a table; classes are ignored.

    Args:
        table: The table.
        columns: The column of the text, or the columns of the values.
        is_text: If True, the inputs are texts.
        series: The column that assigns each row to a series; without it each row is an example.

    Returns:
        [B] texts, [B] series [T, 1] with a step per column, or [B] series [T, F] with a step per row; and the indices
        of the rows of each example.

    Raises:
        DataError: A column is missing, a cell is empty or not a number.
    """
    cells = [table.column(name) for name in columns]
    rows = [[row] for row in range(table.size)]
    if series is not None:
        members: dict[str, list[int]] = {}
        for row, key in enumerate(table.column(series)):
            members.setdefault(str(key), []).append(row)
        rows = list(members.values())
    if is_text:
        name = columns[0]
        return [text_of(cell, lambda row=row: table.location(row, name)) for row, cell in enumerate(cells[0])], rows
    values = np.array([table.numbers(name) for name in columns], np.float32).T
    return [values[group] if series is not None else values[group[0]][:, None] for group in rows], rows


def columns_to_read(
    table: Table, named: str | Sequence[str] | None, target: str | None, series: str | None = None
) -> list[str]:
    """Choose the input columns: those named, else the column of text, else all columns of numbers.

    Args:
        table: The table.
        named: The columns that the user names.
        target: The column of the class, which is not an input.
        series: The column that assigns each row to a series, which is not an input either.

    Raises:
        DataError: A column is missing, or several hold text and none is named or has a usual name.
    """
    if series is not None:
        table.column(series)
    if named is not None:
        return _columns(named, [])
    others = [name for name in table.columns if name not in (target, series)]
    texts = [name for name in others if is_text_column(table.columns[name])]
    if series is not None or not texts:
        return others
    return texts if len(texts) == 1 else [find_usual_column(table, _INPUTS, "input")]


def columns_of_numbers(table: Table, named: str | Sequence[str] | None) -> list[str]:
    """Choose the columns to forecast: those named, else all columns of numbers.

    Raises:
        DataError: None is named, and the table has no column of numbers.
    """
    columns = _columns(named, [name for name in table.columns if not is_text_column(table.columns[name])])
    if not columns:
        raise DataError(
            f"{table.path}: no column of numbers to forecast. Columns: {format_list(list(table.columns), 20)}."
        )
    return columns


def has_target(table: Table) -> bool:
    """Return True if the file marks a column as the class, or a column has a usual name of classes."""
    return table.target is not None or any(name.lower() in TARGETS for name in table.columns)


def find_usual_column(table: Table, names: Sequence[str], setting: str) -> str:
    """Find the column with a usual name.

    Args:
        table: The table.
        names: The usual names, the most common first.
        setting: The setting that names the column otherwise, for the message.

    Raises:
        DataError: No column has one of the names.
    """
    lower = {name.lower(): name for name in table.columns}
    for name in names:
        if name in lower:
            return lower[name]
    raise DataError(
        f"{table.path}: cannot tell which column is the {setting}. Columns: {format_list(list(table.columns), 20)}. "
        f"Name it: data: {{file: {table.path.name}, {setting}: {list(table.columns)[-1]}}}"
    )


def _columns(named: str | Sequence[str] | None, otherwise: list[str]) -> list[str]:
    if named is None:
        return otherwise
    return [named] if isinstance(named, str) else list(named)


def is_text_column(cells: Sequence[Any]) -> bool:
    """Return True if fewer than half of the first cells are numbers; a typing error does not make a column text."""
    filled = [cell for cell in cells[:_DETECTION_ROWS] if not is_missing(cell)]
    return sum(map(is_number, filled)) < len(filled) / 2


def label_of(cell: Any, location: Callable[..., str]) -> str:
    """Return the class in a cell.

    Args:
        cell: The cell.
        location: Returns its location, for messages.

    Raises:
        DataError: The cell is empty.
    """
    label = "" if cell is None else str(cell).strip()
    if not label:
        raise DataError(f"{location()}: expected a class, got an empty cell. Add it or drop the row.")
    return label


def text_of(cell: Any, location: Callable[..., str]) -> str:
    """Return the text in a cell.

    Args:
        cell: The cell.
        location: Returns its location, for messages.

    Raises:
        DataError: The cell is empty, or holds another type.
    """
    if cell is not None and not isinstance(cell, str):
        raise DataError(f"{location()}: expected text, got {type(cell).__name__} {str(cell)[:40]}. Write it as text.")
    if cell is None or not cell.strip():
        raise DataError(f"{location()}: expected text, got an empty cell. Add it or drop the row.")
    return cell


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table that a network is trained on, kept with its run to read other tables the same way.

    Attributes:
        columns: The column of the text, or the columns of the values.
        target: The column of the class; empty if there is none.
        series: The column that assigns each row to a series, or None if each row is an example.
        is_text: If True, the inputs are texts.
        read_options: The ``delimiter``, ``encoding`` and ``header`` that the user sets; the others are detected.
    """

    columns: tuple[str, ...]
    target: str
    series: str | None = None
    is_text: bool = False
    read_options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def decide(
        cls,
        table: Table,
        *,
        input: str | Sequence[str] | None = None,  # noqa: A002 - the name of the setting
        target: str | None = None,
        series: str | None = None,
        read_options: Mapping[str, Any] | None = None,
    ) -> "TableSchema":
        """Choose the columns: those that the user names; the others from the file, their names and the first rows.

        Raises:
            DataError: A column is missing, or the column of the target or of the input is ambiguous.
        """
        target = target or table.target or find_usual_column(table, TARGETS, "target")
        table.column(target)
        columns = tuple(columns_to_read(table, input, target, series))
        is_text = series is None and is_text_column(table.column(columns[0]))
        return cls(columns, target, series, is_text, dict(read_options or {}))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "TableSchema":
        """Restore a schema from the JSON of ``to_json``."""
        return cls(**{**values, "columns": tuple(values["columns"])})

    def to_json(self) -> dict[str, Any]:
        """Return the schema as JSON, for ``from_json``."""
        return {**asdict(self), "columns": list(self.columns), "read_options": dict(self.read_options)}

    def read(self, path: Path) -> Table:
        """Read another table with the same options.

        Raises:
            DataError: The file is missing, empty or damaged, or its rows have different numbers of cells.
        """
        return read_table(path, **self.read_options)

    def examples(self, table: Table) -> tuple[list[Any], list[list[int]]]:
        """Read the inputs of a network from a table, and the indices of the rows of each (see ``extract_examples``).

        Raises:
            DataError: A column is missing, a cell is empty or not a number.
        """
        return extract_examples(table, self.columns, is_text=self.is_text, series=self.series)

    def labeled(self, table: Table) -> LabeledExamples:
        """Read the examples of a table with their classes.

        Raises:
            DataError: A column is missing, a cell is empty or not a number, or a series has two classes.
        """
        cells = table.column(self.target)
        names = [label_of(cell, lambda row=row: table.location(row, self.target)) for row, cell in enumerate(cells)]
        inputs, rows = self.examples(table)
        for first, *others in rows:
            other = next((row for row in others if names[row] != names[first]), None)
            if other is not None:
                raise DataError(
                    f'{table.location(other, self.target)}: expected the class "{names[first]}" of the other rows of '
                    f'this series, got "{names[other]}". Give a series one class.'
                )
        return LabeledExamples(
            inputs,
            [names[first] for first, *_ in rows],
            lambda example: table.location(rows[example][0]),
            self.to_json(),
        )
