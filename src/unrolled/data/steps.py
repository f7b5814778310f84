"""Tables with a label or numbers at each step: a row for each step of a series, or cells that hold all steps of one."""

from collections.abc import Mapping, Sequence
from typing import Any

from unrolled.data.cell_sequences import check_lengths, read_joined_sequences
from unrolled.data.cells import check_filled, labels_of, texts_of
from unrolled.data.choosing import category_values
from unrolled.data.columns import (
    Column,
    check_named_once,
    find_series_and_time,
    find_usual_column,
    named_columns,
)
from unrolled.data.labeled_steps import LabeledSteps
from unrolled.data.lists import lists_of, separator_of_words
from unrolled.data.rows import RowIndices, division_of
from unrolled.data.schema import TableSchema, find_targets
from unrolled.data.series import format_time_notes, read_series
from unrolled.data.table import Table, format_list
from unrolled.data.targets import CLASS, KINDS, NUMBERS, TargetKind, as_arrays
from unrolled.data.token_lists import TokenLists
from unrolled.errors import DataError

import numpy as np
import polars as pl
from numpy.typing import NDArray

# Usual names of the columns of labels and of words, the most common first.
_TARGETS = ("tags", "labels", "tag", "label", "ner_tags", "pos_tags", "ner", "pos", "upos", "activity", "class")
TOKENS = ("tokens", "words", "token", "word", "form", "text", "sentence")
_TEXTUAL = ("text", "category", "sequence")


def steps_schema(
    table: Table,
    *,
    input: str | Sequence[str] | None = None,  # noqa: A002 - the name of the setting
    target: str | Sequence[str] | None = None,
    series: str | None = None,
    time: str | None = None,
    ignore: str | Sequence[str] = (),
    categories: str | Sequence[str] | None = None,
    read_options: Mapping[str, Any] | None = None,
    target_kind: TargetKind = CLASS,
    **settings: Any,
) -> TableSchema:
    """Choose the columns of a table with a target at each step: those that the user names, the others by their names.

    Args:
        table: The table.
        input: The column of words, or the columns of numbers.
        target: The column of the labels, or the columns of the numbers.
        series: The column of series, in a table with a row for each step.
        time: The column that orders the rows of a series.
        ignore: Columns that are not read.
        categories: Columns whose values become channels.
        read_options: Those of ``read_table``.
        target_kind: What a step has, a class or numbers.
        settings: Other attributes of the schema: ``missing``, ``fill``, ``every``, ``irregular``, ``hours``.

    Raises:
        DataError: A column is missing, or it cannot be known which column is the target or the input.
    """
    targets = find_targets(table, target, target_kind, _TARGETS if target_kind is CLASS else target_kind.usual)
    named, wanted = named_columns(input), named_columns(categories)
    if time:
        table.column(time)
    check_named_once(table, (*targets, series, *named_columns(ignore)), (*named, *wanted))
    series, time, others = find_series_and_time(table, targets, series, time, named_columns(ignore), named)
    if settings.get("irregular") == "resample":
        raise DataError(
            f"{table.path}: data.irregular: resample averages rows, but each has a target. Set irregular: delta"
        )
    others = {name: one for name, one in others.items() if name not in (time, *wanted)}
    columns, kind = _choose_steps(table, named, others, series)
    schema = TableSchema(
        columns,
        targets,
        series,
        time,
        kind,
        categories={name: category_values(table, name) for name in wanted},
        read_options=dict(read_options or {}),
        per="step",
        target_kind=target_kind.name,
        separator=" " if series is not None else separator_of_words(table, targets[0]),
        **settings,
    )
    return schema.with_formats(table)


def _choose_steps(
    table: Table, named: tuple[str, ...], others: Mapping[str, Column], series: str | None
) -> tuple[tuple[str, ...], str]:
    """Return the columns of the inputs, and their type.

    Of several columns of lists of numbers, each is a channel.
    """
    numbers = tuple(name for name, one in others.items() if one.kind == "numbers")
    has_words = any(name.lower() in TOKENS and one.kind in _TEXTUAL for name, one in others.items())
    if series is not None and not named and numbers and not has_words:
        return numbers, "steps"
    if series is None and (lists := _lists_of_numbers(table, named, others)) and (named or not has_words):
        return lists, "sequence"
    if named and (len(named) > 1 or (series is not None and others[named[0]].kind == "numbers")):
        return named, "steps"
    kinds = ("text", "category", "identifier") if series is not None else _TEXTUAL
    found = [name for name, one in others.items() if one.kind in kinds]
    if not named and not found and numbers and series is None:
        raise _one_step_in_each_row(table)
    if not named and not found:
        raise DataError(
            f"{table.path}: cannot tell which column holds the words or the numbers that are labeled. Columns: "
            f"{format_list(table.columns, 20)}. Name it: data: {{file: {table.path.name}, input: {table.columns[0]}}}"
        )
    name = named[0] if named else found[0] if len(found) == 1 else find_usual_column(table, TOKENS, "input")
    return (name,), "sequence" if _lists_of_numbers(table, (name,), others) else "tokens"


def _lists_of_numbers(table: Table, named: tuple[str, ...], others: Mapping[str, Column]) -> tuple[str, ...]:
    """Return the columns that are named, or all that hold texts or lists, if each holds lists of numbers."""
    names = named or tuple(name for name, one in others.items() if one.kind in _TEXTUAL)
    dtypes = (table.frame[name].dtype for name in names)
    have_words = [isinstance(dtype, pl.List | pl.Array) and dtype.inner == pl.String for dtype in dtypes]
    are_lists = all(name in others and others[name].kind == "sequence" for name in names)
    return names if are_lists and not any(have_words) else ()


def _one_step_in_each_row(table: Table) -> DataError:
    """Return the error for a table with a row for each step that does not say which of them are one series."""
    return DataError(
        f"{table.path}: expected several steps in each row, got one. If each row is a step, name the column of the "
        "sentences or series: data: {series: ...}; a file with empty lines between sentences may be called .conll"
    )


def step_inputs(table: Table, schema: TableSchema) -> tuple[Any, RowIndices]:
    """Read the inputs of a network with an output for each step; labels are ignored.

    Returns:
        [B] ``TokenLists``, or series [T, F]; and the indices of the rows of each example: that of each step, -1 for a
        step that is missing, or that of the cell.

    Raises:
        DataError: A column is missing, a cell is empty or not a number, or a series has two rows of the same time.
    """
    inputs, rows, _ = _read_steps(table, schema)
    return inputs, rows


def _read_steps(table: Table, schema: TableSchema) -> tuple[Any, RowIndices, str]:
    """Return what ``step_inputs`` does, and a note on irregular times; empty if there are none."""
    for name in schema.columns:
        table.column(name)
    if schema.series is not None and schema.kind == "tokens":
        rows = _rows_of_words(table, schema)
        words = texts_of(table, schema.columns[0])[np.concatenate(rows)]
        return TokenLists(_listed(words, [len(some) for some in rows])), rows, ""
    if schema.has_row_per_step:
        found = read_series(table, schema, keeps_rows=True)
        note = format_time_notes(found, schema, table)
        return [one.values for one in found], [one.step_rows for one in found], note
    cells = np.arange(table.size)[:, None]
    if schema.kind == "sequence":
        return read_joined_sequences(table, schema.columns), cells, ""
    return TokenLists(lists_of(table, schema.columns[0], schema.separator)), cells, ""


def labeled_steps(table: Table, schema: TableSchema, divide_by: str | None = None) -> LabeledSteps:
    """Read the examples of a table with the label, or the numbers, of each step.

    Args:
        table: The table.
        schema: Its columns.
        divide_by: The column of groups or of times by which the examples are divided.

    Raises:
        DataError: A column is missing, a cell is empty or not a number, or an example has another number of labels than
            of steps.
    """
    inputs, rows, note = _read_steps(table, schema)
    if schema.series is None:
        lengths = inputs.lengths
        labels = _targets_in_cells(table, schema, lengths)
    else:
        lengths = np.array([len(some) for some in rows])
        labels = _targets_in_rows(table, schema, np.concatenate(rows))
    kind = KINDS[schema.target_kind]
    return LabeledSteps(
        inputs,
        labels,
        lengths.astype(np.int64),
        lambda example, step: table.location(int(rows[example][step if schema.series else 0])),
        schema.to_json(),
        division_of(table, schema, divide_by, [some[some >= 0] for some in rows]),
        (note,),
        kind,
        schema.targets if kind is NUMBERS else (),
    )


def _targets_in_cells(table: Table, schema: TableSchema, lengths: NDArray[np.int64]) -> pl.Series:
    """Return the labels, or the numbers, in the cells of all rows, end to end.

    Args:
        table: The table.
        schema: Its columns.
        lengths: [B] the number of steps of each row.
    """
    if schema.target_kind == NUMBERS.name:
        if table.column(schema.target).dtype.is_numeric():
            raise _one_step_in_each_row(table)
        numbers = read_joined_sequences(table, schema.targets)
        _check_several(table, numbers.lengths)
        check_lengths(table, schema.target, schema.columns[0], lengths, numbers.lengths)
        return as_arrays(numbers.joined)
    labels = lists_of(table, schema.target, schema.separator)
    counts = labels.list.len().to_numpy()
    _check_several(table, counts)
    check_lengths(table, schema.target, schema.columns[0], lengths, counts)
    return labels.explode(empty_as_null=True)


def _targets_in_rows(table: Table, schema: TableSchema, rows: NDArray[np.int64]) -> pl.Series:
    """Return the label, or the numbers, of some rows [N]; null or NaN for the row -1, a step that is missing."""
    is_missing, rows = rows < 0, np.maximum(rows, 0)
    if schema.target_kind == NUMBERS.name:
        numbers = np.stack([table.numbers(name) for name in schema.targets], axis=1)
        return as_arrays(np.where(is_missing[:, None], np.nan, numbers[rows]))
    return labels_of(table, schema.target, refuses_markers=False)[rows].set(pl.Series(is_missing), None)


def _rows_of_words(table: Table, schema: TableSchema) -> list[NDArray[np.int64]]:
    """Return the rows of each sentence in the order of time, or as they stand; words have no gaps."""
    assert schema.series is not None
    keys = table.texts(schema.series)
    check_filled(table, schema.series, keys, "the name of a sentence")
    sentences = keys.rank("dense").to_numpy()
    moments = np.zeros(table.size) if schema.time is None else table.moments(schema.time)
    order = np.lexsort((np.arange(table.size), moments, sentences))
    begins = np.flatnonzero(np.diff(sentences[order], prepend=-1))
    return sorted(np.split(order, begins[1:]), key=lambda rows: int(rows.min()))


def _check_several(table: Table, counts: NDArray[np.int64]) -> None:
    """Refuse a table of words in rows that does not say which of them are one sentence."""
    if table.size > 1 and counts.max() == 1:
        raise _one_step_in_each_row(table)


def _listed(values: pl.Series, lengths: Sequence[int]) -> pl.Series:
    """Return values that stand end to end as lists of these lengths."""
    owners = np.repeat(np.arange(len(lengths)), lengths)
    frame = pl.DataFrame({"owner": owners, "value": values})
    return frame.group_by("owner", maintain_order=True).agg("value")["value"]
