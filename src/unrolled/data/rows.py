"""The examples in the rows of a table: texts, sequences, and series."""

from collections.abc import Sequence
from typing import Any

from unrolled.data.cells import check_filled
from unrolled.data.labeled import LabeledExamples
from unrolled.data.schema import TableSchema
from unrolled.data.series import read_series
from unrolled.data.tables import Table
from unrolled.data.values import parse_numbers, shown
from unrolled.errors import DataError

import numpy as np
import polars as pl
from numpy.typing import NDArray

RowIndices = Sequence[Sequence[int]] | NDArray[np.int64]
"""The indices of the rows of a table that make each example."""


def extract_examples(table: Table, schema: TableSchema) -> tuple[list[Any], RowIndices]:
    """Read the inputs of a network from a table; classes are ignored.

    Args:
        table: The table.
        schema: Its columns.

    Returns:
        [B] texts, [B] series [T, 1] with a step for each column or for each number in a cell, or [B] series [T, F]
        with a step for each row, in the order of time and with NaN for the steps that are missing; and the indices of
        the rows of each example.

    Raises:
        DataError: A column is missing, a cell is empty or not a number, or a series has two rows of the same time.
    """
    for name in schema.columns:
        table.column(name)
    if schema.series is not None:
        series = read_series(table, schema)
        return [one.values for one in series], [one.rows.tolist() for one in series]
    rows = np.arange(table.size)[:, None]
    if schema.is_text:
        return texts_of(table, schema.columns[0]), rows
    if schema.kind == "sequence":
        return _read_sequences(table, schema.columns[0]), rows
    values = np.array([table.numbers(name) for name in schema.columns]).T.astype(np.float32)
    return list(values[:, :, None]), rows


def texts_of(table: Table, name: str) -> list[str]:
    """Return the texts of a column.

    Raises:
        DataError: A cell is empty, or holds another type.
    """
    cells = table.column(name)
    if cells.dtype.is_nested() or cells.dtype == pl.Binary:
        raise DataError(f"{table.location(0, name)}: expected text, got {_type_of(cells)}. Write it as text.")
    texts = cells.cast(pl.String)
    check_filled(table, name, texts, "text")
    return texts.to_list()


def _type_of(cells: pl.Series) -> str:
    return "bytes" if cells.dtype == pl.Binary else "a list" if cells.dtype.is_nested() else str(cells.dtype)


def labels_of(table: Table, name: str) -> list[str]:
    """Return the classes of a column.

    Raises:
        DataError: A cell is empty.
    """
    cells = table.column(name)
    if cells.dtype.is_nested():
        raise DataError(f"{table.location(0, name)}: expected a class, got {_type_of(cells)}. Write one class.")
    if cells.dtype == pl.Boolean:
        cells = cells.replace_strict({True: "true", False: "false"}, return_dtype=pl.String)
    labels = cells.cast(pl.String).str.strip_chars()
    check_filled(table, name, labels, "a class")
    return labels.to_list()


def _read_sequences(table: Table, name: str) -> list[NDArray[np.float32]]:
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
    return [part.astype(np.float32)[:, None] for part in np.split(numbers, ends[:-1])]


def labeled_examples(table: Table, schema: TableSchema) -> LabeledExamples:
    """Read the examples of a table with their classes.

    Raises:
        DataError: A column is missing, a cell is empty or not a number, or a series has two classes.
    """
    names = labels_of(table, schema.target)
    inputs, rows = extract_examples(table, schema)
    for first, *others in rows if schema.series else ():
        other = next((row for row in others if names[row] != names[first]), None)
        if other is not None:
            raise DataError(
                f'{table.location(other, schema.target)}: expected the class "{names[first]}" of the other rows of '
                f'this series, got "{names[other]}"; a label for each step is not supported. Give a series one class.'
            )
    return LabeledExamples(
        inputs,
        names if schema.series is None else [names[first] for first, *_ in rows],
        lambda example: table.location(rows[example][0]),
        schema.to_json(),
    )
