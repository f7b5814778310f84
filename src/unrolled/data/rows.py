"""The examples in the rows of a table: texts, sequences, and series."""

from collections.abc import Sequence
from typing import Any

from unrolled.data.cells import categories_of, category_channels, check_filled, texts_of
from unrolled.data.dataset import Division
from unrolled.data.labeled import LabeledExamples
from unrolled.data.named_inputs import NamedInputs
from unrolled.data.ragged import Ragged
from unrolled.data.schema import TableSchema
from unrolled.data.series import format_irregular, read_series
from unrolled.data.table import Table
from unrolled.data.targets import KINDS
from unrolled.data.texts import ColumnOfTexts
from unrolled.data.values import is_missing, parse_numbers, shown
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
            return read_sequences(table, schema.columns[0])
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


def read_sequences(table: Table, name: str) -> Ragged:
    """Return the sequence of numbers in each cell of a column, [B] of [T, 1]; of lists of lists, [T, F].

    Raises:
        DataError: A cell is empty, or holds something else than numbers, or steps have unequal numbers of channels.
    """
    cells = table.column(name)
    if cells.dtype.is_nested() and cells.dtype.inner.is_nested():  # type: ignore[attr-defined]
        return _read_lists_of_lists(table, name)
    if cells.dtype == pl.String:
        text, is_decimal = cells.str.strip_chars(" \t[]"), _has_decimal_commas(table, name)
        between = r"\s*;\s*|\s+" if is_decimal else r"\s*[,;]\s*|\s+"
        split = text.str.replace_all(between, " ").str.split(" ")
        decimal = "," if is_decimal else "."
    elif cells.dtype.inner == pl.String:  # type: ignore[attr-defined]
        split, decimal = cells.cast(pl.List(pl.String)), table.number_format.of(name)
    else:
        split, decimal = cells.cast(pl.List(pl.Float64), strict=False), "."
    numbers, is_wrong = parse_numbers(split.explode(empty_as_null=True), decimal)
    lengths = split.list.len().fill_null(0).to_numpy().astype(np.int64)
    if not lengths.all():
        row = int(np.flatnonzero(lengths == 0)[0])
        raise DataError(f"{table.location(row, name)}: expected numbers, got an empty cell. Add them or drop the row.")
    ends = np.cumsum(lengths)
    if is_wrong.any():
        row = int(np.searchsorted(ends, np.flatnonzero(is_wrong)[0], side="right"))
        got = cells[row].to_list() if isinstance(cells[row], pl.Series) else cells[row]
        raise DataError(
            f"{table.location(row, name)}: expected numbers, got {shown(got)}. Write numbers, or words as one text."
        )
    return Ragged(numbers[:, None], ends - lengths, lengths)


def _read_lists_of_lists(table: Table, name: str) -> Ragged:
    """Return the sequence in each cell of a column, a list of a list of numbers for each step, [B] of [T, F]."""
    cells = table.column(name)
    steps, lengths = cells.explode(empty_as_null=True), np.maximum(_list_lengths(cells), 1)
    widths = _list_lengths(steps)
    is_wrong = (widths != widths.max()) | (widths == 0)
    if is_wrong.any() or not steps.dtype.inner.is_numeric():  # type: ignore[attr-defined]
        row = int(np.repeat(np.arange(table.size), lengths)[is_wrong.argmax()])
        raise DataError(
            f"{table.location(row, name)}: expected a list of {widths.max() or 'the'} numbers for each step, got "
            f"{shown(cells[row].to_list())}. Give each step all channels, null for one that is missing."
        )
    numbers, _ = parse_numbers(steps.explode(empty_as_null=True))
    return Ragged(numbers.reshape(-1, widths.max()), np.cumsum(lengths) - lengths, lengths)


def _list_lengths(cells: pl.Series) -> NDArray[np.int64]:
    lengths = cells.list.len() if isinstance(cells.dtype, pl.List) else cells.arr.len()
    return lengths.fill_null(0).to_numpy().astype(np.int64)


def _has_decimal_commas(table: Table, name: str) -> bool:
    """Return True if the numbers in the cells of a column have decimal commas, and spaces or semicolons between them.

    Raises:
        DataError: They may have, and the file does not tell.
    """
    decimal = table.decimal or table.decimals.get(name)
    first = table.frame[name].drop_nulls().str.strip_chars(" \t[]")
    number = r"[-+]?\d+(?:,\d+)?"
    may_have = (
        first.str.contains(rf"^{number}(?:(?:\s*;\s*|\s+){number})+$").all() and first.str.contains(r"\d,\d").any()
    )
    if decimal is not None or not may_have:
        return bool(may_have) and decimal == ","
    if table.number_format.decimal == ",":
        return True
    raise DataError(
        f"{table.path}: {name}: cannot tell if the commas in {shown(first[0])} are decimal or stand between numbers. "
        "Set data: {decimal: ','} or {decimal: '.'}"
    )


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
        note = format_irregular(series, schema, table.path.name)
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
