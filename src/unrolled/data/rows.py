"""The examples in the rows of a table: texts, sequences, and series in the order of time."""

from collections.abc import Sequence
from typing import Any

from unrolled.data.dataset import Division
from unrolled.data.labeled import LabeledExamples
from unrolled.data.ragged import Ragged
from unrolled.data.schema import TableSchema
from unrolled.data.tables import Table
from unrolled.data.texts import ColumnOfTexts
from unrolled.data.times import on_grid, positions, workdays_of
from unrolled.data.values import is_blank, parse_numbers, shown
from unrolled.errors import DataError

import numpy as np
import polars as pl
from numpy.typing import NDArray

_MOST_NAMED = 10


RowIndices = Sequence[NDArray[np.int64]] | NDArray[np.int64]
"""The indices of the rows of a table that make each example."""


def extract_examples(table: Table, schema: TableSchema) -> tuple[Any, RowIndices]:
    """Read the inputs of a network from a table; classes are ignored.

    Args:
        table: The table.
        schema: Its columns.

    Returns:
        [B] ``Texts``, or [B] series: [T, 1] with a step for each column or for each number in a cell, [1, F] with a
        channel for each column, or [T, F] with a step for each row, in the order of time and with NaN for the steps
        that are missing; and the indices of the rows of each example.

    Raises:
        DataError: A column is missing, a cell is empty or not a number, or a series has two rows of the same time.
    """
    for name in schema.columns:
        table.column(name)
    if schema.series is not None:
        items, groups = read_series(table, schema)
        return items, groups
    rows = np.arange(table.size)[:, None]
    if schema.is_text:
        return ColumnOfTexts(texts_of(table, schema.columns[0])), rows
    if schema.kind == "sequence":
        return _read_sequences(table, schema.columns[0]), rows
    return Ragged.of_pieces([rows_as_series(table, schema)]), rows


def rows_as_series(table: Table, schema: TableSchema) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the rows of a table as series, end to end, and their lengths.

    Returns:
        [B * T, 1] with a step for each column, or [B, F] of one step with a channel for each; and [B].

    Raises:
        DataError: A column is missing, or a cell is not a number.
    """
    values = channels_of(table, schema).astype(np.float32)
    if schema.kind == "features":
        return values, np.ones(table.size, np.int64)
    return values.reshape(-1, 1), np.full(table.size, len(schema.columns))


def channels_of(table: Table, schema: TableSchema) -> NDArray[np.float64]:
    """Return the numbers of each row, and 1 or 0 for each value of its categories, [N, F].

    A category that the training table does not have is 0 in all channels.

    Raises:
        DataError: A column is missing, or a cell is not a number.
    """
    channels = [table.numbers(name) for name in schema.columns]
    for name, values in schema.categories.items():
        cells = table.texts(name).str.strip_chars()
        channels += [(cells == value).fill_null(False).to_numpy().astype(np.float64) for value in values]
    return np.array(channels).T


def texts_of(table: Table, name: str) -> pl.Series:
    """Return the texts of a column.

    Raises:
        DataError: A cell is empty, or holds another type.
    """
    cells = table.column(name)
    if cells.dtype.is_nested() or cells.dtype == pl.Binary:
        raise DataError(f"{table.location(0, name)}: expected text, got {_type_of(cells)}. Write it as text.")
    texts = table.texts(name)
    check_filled(table, name, texts, "text")
    return texts


def _type_of(cells: pl.Series) -> str:
    return "bytes" if cells.dtype == pl.Binary else "a list" if cells.dtype.is_nested() else str(cells.dtype)


def labels_of(table: Table, name: str) -> pl.Series:
    """Return the classes of a column.

    Raises:
        DataError: A cell is empty.
    """
    cells = table.column(name)
    if cells.dtype.is_nested():
        raise DataError(f"{table.location(0, name)}: expected a class, got {_type_of(cells)}. Write one class.")
    labels = table.texts(name).str.strip_chars()
    check_filled(table, name, labels, "a class")
    return labels


def check_filled(table: Table, name: str, cells: pl.Series, what: str) -> None:
    """Refuse a column with empty cells; the message counts them.

    Raises:
        DataError: A cell is empty.
    """
    rows = np.flatnonzero(is_blank(cells).to_numpy()).tolist()
    if not rows:
        return
    several = ""
    if len(rows) > 1:
        lines = ", ".join(str(table.lines[row]) for row in rows[:_MOST_NAMED])
        several = f" ({len(rows):,} rows have none: {lines}{', …' if len(rows) > _MOST_NAMED else ''})"
    raise DataError(
        f"{table.location(rows[0], name)}: expected {what}, got an empty cell{several}. Add it or drop the row; "
        "data: {missing: drop} leaves such rows out"
    )


def _read_sequences(table: Table, name: str) -> Ragged:
    """Return the sequence of numbers in each cell of a column, [B] of [T, 1]."""
    cells = table.column(name)
    if cells.dtype == pl.String:
        split = cells.str.strip_chars(" \t[]").str.replace_all(r"\s*[,;]\s*|\s+", " ").str.split(" ")
    else:
        split = cells.cast(pl.List(pl.Float64), strict=False)
    numbers, is_wrong = parse_numbers(split.explode(empty_as_null=True))
    lengths = split.list.len().fill_null(0).to_numpy().astype(np.int64)
    if not lengths.all():
        row = int(np.flatnonzero(lengths == 0)[0])
        raise DataError(f"{table.location(row, name)}: expected numbers, got an empty cell. Add them or drop the row.")
    ends = np.cumsum(lengths)
    if is_wrong.any():
        row = int(np.searchsorted(ends, np.flatnonzero(is_wrong)[0], side="right"))
        raise DataError(f"{table.location(row, name)}: expected numbers, got {shown(cells[row])}. Write numbers.")
    return Ragged(numbers.astype(np.float32)[:, None], ends - lengths, lengths)


def read_series(table: Table, schema: TableSchema) -> tuple[list[NDArray[np.float32]], list[NDArray[np.int64]]]:
    """Return the series [T, F] of a table, each in the order of time, and the indices of the rows of each.

    Without a column that assigns rows to series, all rows are one series.

    Raises:
        DataError: A cell is not a number, a row names no series, or two rows of a series have the same time.
    """
    values = channels_of(table, schema)
    in_time = TimeOrder(table, schema.time)
    groups = series_rows(table, schema.series) if schema.series else [np.arange(table.size)]
    return [in_time.sort(rows, values).astype(np.float32) for rows in groups], groups


def series_rows(table: Table, series: str) -> list[NDArray[np.int64]]:
    """Return the indices of the rows of each series, the series in the order of their first rows.

    Raises:
        DataError: A row names no series.
    """
    keys = table.column(series).cast(pl.String)
    check_filled(table, series, keys, "the name of a series")
    numbers = keys.rank("dense").to_numpy()
    order = np.argsort(numbers, kind="stable")
    _, begins = np.unique(numbers[order], return_index=True)
    groups = np.split(order, begins[1:])
    return sorted(groups, key=lambda rows: int(rows[0]))


class TimeOrder:
    """The order of a table's rows in time.

    Args:
        table: The table.
        time: The column of times; without it the rows are in order as they are.

    Raises:
        DataError: A cell of the column is missing or no time.
    """

    def __init__(self, table: Table, time: str | None):
        self.table, self.time = table, time
        self.moments = None if time is None else table.moments(time)
        # Whole numbers order rows too, but nothing is missing between them.
        self.is_calendar = time is not None and table.times(time) is not None

    def sort(self, rows: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values of one series in the order of time, with NaN for the steps that are missing.

        Of a daily series without any value on a weekend, weekends are no steps.

        Args:
            rows: [T] the indices of its rows.
            values: [N, F] the values of each row of the table.

        Raises:
            DataError: Two rows have the same time.
        """
        if self.time is None or self.moments is None:
            return values[rows]
        rows = rows[np.argsort(self.moments[rows], kind="stable")]
        stamps, sorted_values = self.moments[rows], values[rows]
        for index in np.flatnonzero(stamps[1:] == stamps[:-1])[:1].tolist():
            first, second = (int(row) for row in rows[index : index + 2])
            raise DataError(
                f"{self.table.location(second, self.time)}: {self.table.column(self.time)[second]} is also the time of "
                f"line {self.table.lines[first]}. Drop one of the rows; if they are of two series, name the column "
                "that tells them apart: series"
            )
        if not self.is_calendar or len(rows) < 3:
            return sorted_values
        is_filled = np.asarray(np.isfinite(sorted_values).any(axis=1))
        if (workdays := workdays_of(stamps, is_filled)) is not None:
            kept, indices = workdays
            return on_grid(sorted_values[kept], indices)
        grid = positions(stamps)
        return sorted_values if grid is None else on_grid(sorted_values, grid[0])


def labeled_examples(table: Table, schema: TableSchema, divide_by: str | None = None) -> LabeledExamples:
    """Read the examples of a table with their classes.

    Args:
        table: The table.
        schema: Its columns.
        divide_by: The column of groups or of times by which the examples are divided.

    Raises:
        DataError: A column is missing, a cell is empty or not a number, or a series has two classes or groups.
    """
    names = labels_of(table, schema.target)
    inputs, rows = extract_examples(table, schema)
    first = np.array([some[0] for some in rows]) if schema.series else np.arange(table.size)
    if schema.series is not None:
        _check_one_value(table, names, schema.target, rows, "a label for each step is not supported. Give a series one")
        names = names[first]
    division = None
    if divide_by is not None and divide_by == schema.time:
        moments = table.moments(divide_by)
        begins = np.cumsum([0, *(len(some) for some in rows[:-1])])
        division = Division("time", np.minimum.reduceat(moments[np.concatenate(rows)], begins))
    elif divide_by is not None:
        groups = table.texts(divide_by)
        check_filled(table, divide_by, groups, "a group")
        if schema.series is not None:
            _check_one_value(table, groups, divide_by, rows, "a series is in one part. Give a series one")
        division = Division("group", groups.rank("dense").to_numpy().astype(np.int64)[first])
    return LabeledExamples(
        inputs,
        names,
        lambda example: table.location(int(rows[example][0])),
        schema.to_json(),
        division=division,
    )


def _check_one_value(table: Table, cells: pl.Series, name: str, rows: RowIndices, remedy: str) -> None:
    """Refuse a series whose rows have two values in a column."""
    whole = np.concatenate(rows)
    expected = cells[np.repeat([some[0] for some in rows], [len(some) for some in rows])]
    for index in np.flatnonzero((cells[whole] != expected).to_numpy())[:1].tolist():
        other = int(whole[index])
        raise DataError(
            f'{table.location(other, name)}: expected the value "{expected[index]}" of the other rows of this series, '
            f'got "{cells[other]}"; {remedy}.'
        )
