"""The examples in the rows of a table: texts, sequences, and series."""

from collections.abc import Sequence
from typing import Any

from unrolled.data.cell_sequences import read_joined_sequences
from unrolled.data.cells import categories_of, category_channels, check_filled, texts_of
from unrolled.data.dataset import Division
from unrolled.data.labeled import LabeledExamples
from unrolled.data.named_inputs import NamedInputs
from unrolled.data.ragged import Ragged
from unrolled.data.schema import TableSchema
from unrolled.data.series import format_time_notes, read_series
from unrolled.data.table import Table
from unrolled.data.targets import KINDS
from unrolled.data.texts import ColumnOfTexts
from unrolled.data.values import is_missing
from unrolled.errors import DataError

import numpy as np
import polars as pl
from numpy.typing import NDArray

RowIndices = Sequence[NDArray[np.int64]] | NDArray[np.int64]
"""The indices of the rows of a table that make each example."""


def extract_examples(table: Table, schema: TableSchema) -> tuple[Any, RowIndices]:
    """Read the inputs of a network with one output for each example from a table; classes are ignored.

    Args:
        table: The table.
        schema: Its columns.

    Returns:
        [B] ``Texts``, ``NamedInputs``, or series: [T, 1] with a step for each column or for each number in a cell,
        [1, F] with a channel for each column, or [T, F] with a step for each row, in the order of time and with NaN for
        the steps that are missing; and the indices of the rows of each example.

    Raises:
        DataError: A column is missing, a cell is empty or not a number, or a series has two rows of the same time.
    """
    for name in (*schema.columns, *schema.cell_columns):
        table.column(name)
    if schema.series is not None:
        series = read_series(table, schema)
        return [one.values for one in series], [one.rows for one in series]
    rows = np.arange(table.size)[:, None]
    if schema.kind == "inputs":
        return NamedInputs({name: _read_part(table, schema.of_input(name)) for name in schema.inputs}), rows
    return _read_input(table, schema), rows


def _read_part(table: Table, schema: TableSchema) -> Any:
    """Read one of several inputs of the example in each row."""
    return _read_features(table, schema) if schema.kind == "features" else _read_input(table, schema)


def _read_input(table: Table, schema: TableSchema) -> Any:
    """Read the input of the example in each row."""
    match schema.kind:
        case "text":
            return ColumnOfTexts(texts_of(table, schema.columns[0]))
        case "category":
            cells = categories_of(table, schema.columns[0])
            return ColumnOfTexts(cells.set(is_missing(cells), ""))
        case "sequence":
            return read_joined_sequences(table, schema.columns)
    return Ragged.of_pieces([rows_as_series(table, schema)])


def _read_features(table: Table, schema: TableSchema) -> NDArray[np.float64]:
    """Return [B, F] the numbers, and the channels of the categories, in each row."""
    numbers = [table.numbers(name) for name in schema.columns]
    return np.array([*numbers, *category_channels(table, schema.categories)], np.float64).T


def rows_as_series(table: Table, schema: TableSchema) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the rows of a table as series, end to end, and their lengths.

    Returns:
        [B * T, 1] with a step for each column, or [B, F] of one step with a channel for each; and [B].

    Raises:
        DataError: A column is missing, or a cell is not a number.
    """
    values = _read_features(table, schema)
    if schema.kind == "features":
        return values, np.ones(table.size, np.int64)
    return values.reshape(-1, 1), np.full(table.size, len(schema.columns))


def labeled_examples(table: Table, schema: TableSchema, divide_by: str | None = None) -> LabeledExamples:
    """Read the examples of a table with what each has: a class, numbers, or several labels.

    Args:
        table: The table.
        schema: Its columns.
        divide_by: The column of groups or of times by which the examples are divided.

    Raises:
        DataError: A column is missing, a cell is empty or not a number, or the rows of a series differ in what it has.
    """
    kind = KINDS[schema.target_kind]
    values = kind.read(table, schema.targets, schema.separator)
    note = ""
    rows: RowIndices
    if schema.series is None:
        inputs, rows = extract_examples(table, schema)
    else:
        series = read_series(table, schema)
        inputs, rows = [one.values for one in series], [one.rows for one in series]
        note = format_time_notes(series, schema, table)
        _check_one_value(table, values, schema.target, rows, kind.one_each)
        values = values[[int(some[0]) for some in rows]]
    return LabeledExamples(
        inputs,
        values,
        lambda example: table.location(int(rows[example][0])),
        schema.to_json(),
        kind=kind,
        division=division_of(table, schema, divide_by, rows),
        notes=(note,),
    )


def division_of(table: Table, schema: TableSchema, divide_by: str | None, rows: RowIndices) -> Division | None:
    """Return what examples are divided by.

    Args:
        table: The table.
        schema: Its columns.
        divide_by: The column of groups or of times, if there is one.
        rows: The rows of each example.

    Raises:
        DataError: A cell is empty, or a series has two groups.
    """
    if divide_by is not None and divide_by == schema.time:
        moments = table.moments(divide_by)
        begins = np.cumsum([0, *(len(some) for some in rows[:-1])])
        return Division("time", np.minimum.reduceat(moments[np.concatenate(rows)], begins))
    if divide_by is not None:
        groups = table.texts(divide_by)
        check_filled(table, divide_by, groups, "a group")
        if schema.series is not None:
            _check_one_value(table, groups, divide_by, rows, "a series is in one part. Give a series one")
        first = [some[0] for some in rows]
        return Division("group", groups.rank("dense").to_numpy().astype(np.int64)[first])
    return None


def _check_one_value(table: Table, cells: pl.Series, name: str, rows: RowIndices, remedy: str) -> None:
    """Refuse a series whose rows have two values in a column."""
    whole = np.concatenate(rows)
    expected = cells[np.repeat([some[0] for some in rows], [len(some) for some in rows])]
    for index in np.flatnonzero((cells[whole] != expected).to_numpy())[:1].tolist():
        other = int(whole[index])
        raise DataError(
            f'{table.location(other, name)}: expected the value "{_shown(expected[index])}" of the other rows of this '
            f'series, got "{_shown(cells[other])}"; {remedy}.'
        )


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, pl.Series) else str(value)
