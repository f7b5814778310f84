"""Which columns of a table are read as what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from unrolled.data.labeled import LabeledExamples
from unrolled.data.tables import Table, is_missing, is_number, read_table
from unrolled.data.ts import read_tab
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


def examples_in(
    table: Table, columns: Sequence[str], *, is_text: bool, series: str | None = None
) -> tuple[list[Any], list[list[int]]]:
    """What a network reads in a table, and the rows of each example.

    Args:
        table: Its classes are not looked at.
        columns: The column of the text, or those of the values.
        is_text: Which of the two.
        series: The column that says to which series a row belongs; otherwise each row is an example.

    Returns:
        [B] texts, [B] series [T, 1] with their steps in columns, or [B] series [T, F] with their steps in rows.

    Raises:
        DataError: A column is missing, a cell is empty or no number.
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
        return [text_of(cell, lambda row=row: table.where(row, name)) for row, cell in enumerate(cells[0])], rows
    values = np.array([table.numbers(name) for name in columns], np.float32).T
    return [values[group] if series is not None else values[group[0]][:, None] for group in rows], rows


def columns_to_read(
    table: Table, named: str | Sequence[str] | None, target: str | None, series: str | None = None
) -> list[str]:
    """The columns that a network reads: those named, else that of a text, else all of numbers.

    Raises:
        DataError: A column is missing, or none is named and which one holds the text cannot be guessed.
    """
    if series is not None:
        table.column(series)
    if named is not None:
        return _columns(named, [])
    others = [name for name in table.columns if name not in (target, series)]
    texts = [name for name in others if is_text_column(table.columns[name])]
    if series is not None or not texts:
        return others
    return texts if len(texts) == 1 else [guess(table, _INPUTS, "input")]


def columns_of_numbers(table: Table, named: str | Sequence[str] | None) -> list[str]:
    """The columns to forecast: those named, else all that hold numbers only.

    Raises:
        DataError: None is named, and there is none.
    """
    columns = _columns(named, [name for name in table.columns if not is_text_column(table.columns[name])])
    if not columns:
        raise DataError(f"{table.path}: expected a column of numbers to forecast, got none. Add one.")
    return columns


def has_target(table: Table) -> bool:
    """Whether a column has a name that those of classes have."""
    return any(name.lower() in TARGETS for name in table.columns)


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
    """Whether a column has more other things than numbers in it; one that is mistyped does not make it text."""
    given = [cell for cell in cells[:_LOOKED_AT] if not is_missing(cell)]
    return sum(map(is_number, given)) < len(given) / 2


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
        DataError: The cell is empty, or holds something else.
    """
    if cell is not None and not isinstance(cell, str):
        raise DataError(f"{where()}: expected text, got {type(cell).__name__} {str(cell)[:40]}. Write it as text.")
    if cell is None or not cell.strip():
        raise DataError(f"{where()}: expected text, got an empty cell. Add it or drop the row.")
    return cell


@dataclass(frozen=True)
class TableSchema:
    """Which column of a table is what, kept with the run that learned from it.

    Attributes:
        columns: The column of the text, or those of the values.
        target: That of the class; empty where nobody has said.
        series: That which says to which series a row belongs, or None where each row is an example.
        is_text: Whether texts are read.
        read_options: What was said of the file: ``delimiter``, ``encoding``, ``header``; the rest is detected.
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
        input: str | Sequence[str] | None = None,  # noqa: A002 - the setting's name
        target: str | None = None,
        series: str | None = None,
        read_options: Mapping[str, Any] | None = None,
    ) -> "TableSchema":
        """As the settings say, and as the first rows suggest where they say nothing.

        Raises:
            DataError: A column is missing, or nobody can tell which is which.
        """
        target = target or guess(table, TARGETS, "target")
        table.column(target)
        columns = tuple(columns_to_read(table, input, target, series))
        is_text = series is None and is_text_column(table.column(columns[0]))
        return cls(columns, target, series, is_text, dict(read_options or {}))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "TableSchema":
        """The reading that ``to_json`` gave."""
        return cls(**{**values, "columns": tuple(values["columns"])})

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {**asdict(self), "columns": list(self.columns), "how": dict(self.read_options)}

    def read(self, path: Path) -> Table:
        """Another table.

        Raises:
            DataError: As in ``read_table``.
        """
        return read_tab(path)[0] if path.suffix.lower() == ".tab" else read_table(path, **self.read_options)

    def examples(self, table: Table) -> tuple[list[Any], list[list[int]]]:
        """What a network reads in a table, and the rows of each example; its classes are not looked at.

        Raises:
            DataError: A column is missing, a cell is empty or no number.
        """
        return examples_in(table, self.columns, is_text=self.is_text, series=self.series)

    def labeled(self, table: Table) -> LabeledExamples:
        """The examples of a table with their classes.

        Raises:
            DataError: A column is missing, a cell is empty or no number, or a series has two classes.
        """
        cells = table.column(self.target)
        names = [label_of(cell, lambda row=row: table.where(row, self.target)) for row, cell in enumerate(cells)]
        inputs, rows = self.examples(table)
        for first, *others in rows:
            other = next((row for row in others if names[row] != names[first]), None)
            if other is not None:
                raise DataError(
                    f'{table.where(other, self.target)}: expected the class "{names[first]}" as in other rows of its '
                    f'series, got "{names[other]}". Give a series one class.'
                )
        return LabeledExamples(
            inputs, [names[first] for first, *_ in rows], lambda example: table.where(rows[example][0]), self.to_json()
        )
