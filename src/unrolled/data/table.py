"""A table: columns of equal length, whose cells are read as numbers, times or texts, and located for messages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from unrolled.data.times import Times, find_dates_in_digits, find_times, is_named_as_time, times_of_day
from unrolled.data.values import (
    LARGEST,
    SEPARATORS,
    NumberFormat,
    format_of_numbers,
    is_blank,
    parse_numbers,
    shown,
)
from unrolled.errors import DataError, did_you_mean

import numpy as np
import polars as pl
from numpy.typing import NDArray

_LONGEST_NAME = 80


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length.

    Attributes:
        path: The file.
        frame: The cells: text from text files, with null for an empty cell; typed values from the other formats.
        detected: The detected encoding, delimiter and header, for people.
        other_sheets: The names of the sheets of the workbook that are not read.
        target: The column that the file itself marks as the class, if it does.
        decimal: The decimal separator that the user sets.
        decimals: The decimal separators of columns that are known from another table.
        time_format: The format of times, as of ``strptime``, that the user sets.
        fill: By column, what stands in for its empty cells.
        joined: The columns whose times the last one of the frame joins (see ``join_times``).
        clocks: The columns that are known as times, in which 08:00 is a time of the day and 202401 a month.
        note: What the user should know of how it was read; empty if there is nothing.
        find_lines: Function that returns the line number of each row in the file.
    """

    path: Path
    frame: pl.DataFrame
    detected: dict[str, str] = field(default_factory=dict)
    other_sheets: tuple[str, ...] = ()
    target: str | None = None
    decimal: str | None = None
    decimals: Mapping[str, str] = field(default_factory=dict)
    time_format: str | None = None
    fill: Mapping[str, str | float] = field(default_factory=dict)
    joined: tuple[str, ...] = ()
    clocks: tuple[str, ...] = ()
    note: str = ""
    find_lines: Callable[[], Sequence[int]] | None = None

    @property
    def size(self) -> int:
        """The number of rows."""
        return self.frame.height

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self.frame.columns

    @cached_property
    def lines(self) -> Sequence[int]:
        """The line number of each row in the file; in a file without lines, the number of the row, from 1."""
        return self.find_lines() if self.find_lines else range(1, self.size + 1)

    @cached_property
    def number_format(self) -> NumberFormat:
        """The decimal and the thousands separator of the numbers in the file."""
        if self.decimal:
            return NumberFormat(self.decimal)
        times = [name for name in self.columns if is_named_as_time(name) and self.times(name) is not None]
        found = format_of_numbers(self.frame.drop(times), may_group_by_dots=self.detected.get("delimiter") == ";")
        undecided = {name: number for name, number in found.undecided.items() if name not in self.decimals}
        return NumberFormat(found.decimal, {**found.by_column, **self.decimals}, undecided)

    def column(self, name: str) -> pl.Series:
        """Return the cells of a column.

        Raises:
            DataError: No column has that name.
        """
        if name not in self.frame.columns:
            remedy = did_you_mean(name, self.columns) or f" Columns: {format_list(self.columns, 20)}."
            raise DataError(f'{self.path}: unknown column "{name}".{remedy}{self.format_sheets()}')
        return self.frame[name]

    def take(self, rows: NDArray[np.int64]) -> "Table":
        """Return some of the rows, which know their lines in the file."""
        return replace(self, frame=self.frame[rows], find_lines=lambda: [self.lines[row] for row in rows.tolist()])

    def format_sheets(self) -> str:
        """Return a sentence on the sheets of the workbook that are not read, for messages; empty without one."""
        if not self.other_sheets:
            return ""
        return (
            f" Other sheets: {format_list(self.other_sheets, 20)}. To read one: data: {{sheet: {self.other_sheets[0]}}}"
        )

    def format_detected(self) -> str:
        """Return the size and the detected format, in one line."""
        return f"{self.path.name}: {self.size:,} rows, " + ", ".join(
            f'{key} "{value}"' if key == "delimiter" else f"{key} {value}" for key, value in self.detected.items()
        )

    def location(self, row: int, column: str | None = None) -> str:
        """Return the location of a row or cell, for messages: ``reviews.csv:12: text``."""
        return f"{self.path}:{self.lines[row]}" + (f": {column}" if column else "")

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column [N] as numbers, with NaN for missing values.

        Raises:
            DataError: A cell is not a number, too large for float32, or can be read in two ways.
        """
        cells = self.column(name)
        if number := self.number_format.undecided.get(name):
            mark, other = (",", ".") if "," in number else (".", ",")
            point, whole = number.replace(mark, "."), number.replace(mark, "")
            raise DataError(
                f"{self.path}: {name}: cannot tell if {number} means {point} or {whole}. "
                f"Set decimal: '{mark}' for {point}, or decimal: '{other}' for {whole}"
            )
        values, is_wrong = parse_numbers(cells, self.number_format.of(name))
        for row in np.flatnonzero(is_wrong)[:1].tolist():
            expected, remedy = "a number", "Write a number, or leave the cell empty."
            decimal = self.number_format.of(name)
            if not parse_numbers(cells[row : row + 1], "," if decimal == "." else ".")[1].any():
                expected = f"a number with a decimal {SEPARATORS[decimal]}"
                remedy = "Write the numbers of a column alike."
            elif (times := self.times(name)) is not None and not times.values.is_null().all():
                remedy = (
                    f"Dates are no numbers: leave the column out (data: {{ignore: {name}}}), or name it where it says "
                    f"when the steps of a series were (data: {{time: {name}}})."
                )
            raise DataError(f'{self.location(row, name)}: expected {expected}, got "{shown(cells[row])}". {remedy}')
        for row in np.flatnonzero(np.abs(values) > LARGEST)[:1].tolist():
            raise DataError(
                f"{self.location(row, name)}: expected a number below {LARGEST:.1e}, got {values[row]:g}. "
                "Scale the column."
            )
        return self._with_fill(name, values)

    def _with_fill(self, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        if name not in self.fill:
            return values
        try:
            return np.where(np.isnan(values), float(self.fill[name]), values)
        except ValueError:
            raise DataError(
                f'{self.path}: data.fill: {name}: expected a number for a column of numbers, got "{self.fill[name]}".'
            ) from None

    def texts(self, name: str) -> pl.Series:
        """Return a column as texts, with null for an empty cell; a list is written as Python writes it.

        Raises:
            DataError: No column has that name.
        """
        cells = self.column(name)
        if cells.dtype.is_nested():
            return pl.Series(name, [None if cell is None else str(cell) for cell in cells.to_list()], pl.String)
        texts = cells.cast(pl.String)
        return texts.set(is_blank(texts), str(self.fill[name])) if name in self.fill else texts

    def times(self, name: str) -> Times | None:
        """Return a column as times; None if it holds none.

        Raises:
            DataError: No column has that name.
        """
        if name not in self._found_times:
            found = find_times(name, self.column(name), self.time_format)
            if found is None and name in self.clocks:
                cells = self.column(name)
                found = times_of_day(cells) or find_dates_in_digits(cells, is_known=True)
            self._found_times[name] = found
        return self._found_times[name]

    @cached_property
    def _found_times(self) -> dict[str, Times | None]:
        return {}

    def moments(self, name: str) -> NDArray[np.int64]:
        """Return what orders the rows, [N]: times in microseconds since 1970, or whole numbers.

        Raises:
            DataError: A cell is missing or no time, or all of them can be read in two ways.
        """
        times = self.times(name)
        if times is None:
            numbers = self.numbers(name)
            is_wrong = np.isnan(numbers)
            # A step in seconds can be a fraction: microseconds keep its order.
            moments = np.rint(np.nan_to_num(numbers) * 1e6).astype(np.int64)
        else:
            if times.other:
                first = shown(self.column(name).drop_nulls()[0])
                raise DataError(
                    f"{self.path}: {name}: cannot tell if {first} is {times.form} or {times.other}. "
                    f"Name it: time_format: '{times.form}'"
                )
            is_wrong = times.values.is_null().to_numpy()
            moments = times.values.to_physical().fill_null(0).to_numpy()
        for row in np.flatnonzero(is_wrong)[:1].tolist():
            cell = self.column(name)[row]
            got = "an empty cell" if cell is None else f'"{shown(cell)}"'
            raise DataError(f"{self.location(row, name)}: expected a time, got {got}. Write it, or drop the row.")
        return moments


def format_list(names: Sequence[str], most: int = 12) -> str:
    """Format names with commas; of many, the first, and of long ones the beginning.

    Example:
        >>> format_list(["a", "b", "c"], 2)
        'a, b and 1 more'
    """
    shortened = [name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…" for name in names[:most]]
    return ", ".join(shortened) + (f" and {len(names) - most} more" if len(names) > most else "")
