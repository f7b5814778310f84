"""How tables are read: decided from one file, and then the same for every other."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from unrolled.data.columns import TARGETS, columns_to_read, examples_in, guess, is_text_column, label_of
from unrolled.data.labelled import Labelled
from unrolled.data.tables import Table, read_table
from unrolled.data.ts import read_tab
from unrolled.errors import DataError


@dataclass(frozen=True)
class Reading:
    """Which column of a table is what, kept with the run that learned from it.

    Attributes:
        columns: The column of the text, or those of the values.
        target: That of the class; empty where nobody has said.
        series: That which says to which series a row belongs, or None where each row is an example.
        is_text: Whether texts are read.
        how: What was said of the file: ``delimiter``, ``encoding``, ``header``; the rest is detected.
    """

    columns: tuple[str, ...]
    target: str
    series: str | None = None
    is_text: bool = False
    how: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def decide(
        cls,
        table: Table,
        *,
        input: str | Sequence[str] | None = None,  # noqa: A002 - the setting's name
        target: str | None = None,
        series: str | None = None,
        how: Mapping[str, Any] | None = None,
    ) -> "Reading":
        """As the settings say, and as the first rows suggest where they say nothing.

        Raises:
            DataError: A column is missing, or nobody can tell which is which.
        """
        target = target or guess(table, TARGETS, "target")
        table.column(target)
        columns = tuple(columns_to_read(table, input, target, series))
        is_text = series is None and is_text_column(table.column(columns[0]))
        return cls(columns, target, series, is_text, dict(how or {}))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Reading":
        """The reading that ``to_json`` gave."""
        return cls(**{**values, "columns": tuple(values["columns"])})

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {**asdict(self), "columns": list(self.columns), "how": dict(self.how)}

    def read(self, path: Path) -> Table:
        """Another table.

        Raises:
            DataError: As in ``read_table``.
        """
        return read_tab(path)[0] if path.suffix.lower() == ".tab" else read_table(path, **self.how)

    def examples(self, table: Table) -> tuple[list[Any], list[list[int]]]:
        """What a network reads in a table, and the rows of each example; its classes are not looked at.

        Raises:
            DataError: A column is missing, a cell is empty or no number.
        """
        return examples_in(table, self.columns, is_text=self.is_text, series=self.series)

    def labelled(self, table: Table) -> Labelled:
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
        return Labelled(
            inputs, [names[first] for first, *_ in rows], lambda example: table.where(rows[example][0]), self
        )
