"""Data sets made of tables, folders and texts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unrolled.data.cells import texts_of
from unrolled.data.columns import find_columns, find_series_column, find_time_column, named_columns
from unrolled.data.dataset import Dataset, Split
from unrolled.data.decoding import read_text
from unrolled.data.folders import FolderSettings, describe_files, read_folder
from unrolled.data.frames import Source, read_source
from unrolled.data.joined_times import with_joined_times
from unrolled.data.labeled import ALL, LabeledExamples, Selection, assemble
from unrolled.data.labeled_steps import assemble_steps
from unrolled.data.long_text import LongText
from unrolled.data.pieces import is_large, read_pieces
from unrolled.data.precision import converted, narrowest
from unrolled.data.ragged import LARGEST_IN_MEMORY, Ragged, objects
from unrolled.data.rows import labeled_examples, rows_as_series
from unrolled.data.schema import TableSchema
from unrolled.data.steps import labeled_steps, steps_schema
from unrolled.data.table import Table, format_list
from unrolled.data.targets import CLASS, KINDS, LABEL_SETS, TargetKind
from unrolled.data.texts import StoredTexts
from unrolled.data.times import find_times
from unrolled.errors import DataError

import numpy as np
import polars as pl

MOST_EVALUATED = 2_000_000
"""The largest number of characters in the validation part, and in the test part, of a text to continue."""


def load_labeled_table(
    train: Source,
    test: Source | None = None,
    *,
    columns: Mapping[str, Any] | None = None,
    selection: Mapping[str, Any] | None = None,
    split: Mapping[str, Any] | None = None,
    read_options: Mapping[str, Any] | None = None,
    per: str = "sequence",
    target_kind: TargetKind = CLASS,
) -> Dataset:
    """Load examples with what they have from a table.

    Args:
        train: The table, a file or a data frame.
        test: The table of the test examples; without it a sixth of each class is held out.
        columns: The columns that the user names: ``input``, ``target``, ``series``, ``time``, ``ignore``; what becomes
            of their cells, ``missing`` and ``fill``; and the settings of their times, ``every`` and ``irregular``.
        selection: Attributes of ``Selection``.
        split: ``by`` with a column of groups, or ``time`` with the time from which on examples are test examples.
        read_options: Those of ``read_table``.
        per: What has a target, each ``sequence`` or each ``step``.
        target_kind: What an example, or a step, has.

    Raises:
        DataError: A file is missing or damaged, a column is missing, or a class has a single example.
    """
    columns, split, read_options = dict(columns or {}), dict(split or {}), dict(read_options or {})
    chosen = Selection(**(selection or {}))
    is_one_row = not {"series", "inputs"} & columns.keys() and per == "sequence"
    is_one_row &= not isinstance(columns.get("time"), tuple)
    if test is None and is_one_row and not split and isinstance(train, Path) and is_large(train):
        return _load_pieces(train, {**columns, "target_kind": target_kind}, chosen, read_options)
    table = read_source(train, **read_options)
    needs_times = "time" in split or "series" in columns or find_series_column(table, ()) is not None
    table, columns = with_joined_times(table, columns, finds=needs_times)
    if "by" in split and split["by"] != columns.get("series"):
        columns["ignore"] = tuple(dict.fromkeys((*named_columns(columns.get("ignore")), split["by"])))
    decide = steps_schema if per == "step" else TableSchema.decide
    schema = decide(table, **columns, read_options=read_options, target_kind=target_kind)
    table = replace(table, fill=schema.fill) if schema.fill else table
    if "time" in split:
        schema = schema if schema.time else replace(schema, time=find_time_column(table, find_columns(table)))
        chosen = replace(chosen, test_from=_moment(table, schema.time, split["time"]))
    divide_by = split.get("by") or (schema.time if split else None)
    whole = [table] if test is None else [table, schema.read(test)]
    kept = [schema.usable(one) for one in whole]
    parts = schema.parts(kept[0][0]) if test is None else {"train": kept[0][0], "test": kept[1][0]}
    if per == "step":
        steps = {part: labeled_steps(some, schema, divide_by) for part, some in parts.items()}
        data = assemble_steps(table.path.name, steps, chosen)
    else:
        labeled = {part: labeled_examples(some, schema, divide_by) for part, some in parts.items()}
        data = assemble(table.path.name, labeled, selection=chosen)
    for note in dict.fromkeys(one.format_detected() for one in whole):
        data = data.with_note(note)
    for one, (_, lines) in zip(whole, kept, strict=True):
        data = data.with_note(_format_dropped(one.path, one.size, lines)).with_note(one.note)
    return data.with_note(format_columns(schema, table))


def _moment(table: Table, column: str | None, time: str | float) -> int:
    """Return the time from which on examples are test examples, in the unit of ``Table.moments``."""
    if column is None:
        raise DataError(f"{table.path}: data.split: no column of times. Name it: data: {{time: {table.columns[0]}}}")
    if table.times(column) is None:
        if isinstance(time, str):
            raise DataError(f'{table.path}: data.split: expected a number as in {column}, got "{time}".')
        return round(time * 1e6)
    read = find_times("time", pl.Series([str(time)]))
    if read is None or read.other is not None:
        raise DataError(f'{table.path}: data.split: expected a date such as 2025-01-31, got "{time}".')
    return int(read.values.to_physical()[0])


_MOST_NAMED = 10
DROPPED = "rows with an empty cell are left out"
"""What a note says of them."""


def _format_dropped(path: Path, size: int, lines: Sequence[int]) -> str:
    if not lines:
        return ""
    named = format_list([str(line) for line in lines], _MOST_NAMED)
    return f"{path.name}: {len(lines):,} of {size:,} {DROPPED}: lines {named}"


def format_columns(schema: TableSchema, table: Table) -> str:
    """Format the columns that are read, and those that are not with the reason."""
    cells = schema.cell_columns if schema.kind == "inputs" else ()
    own = [name for name in schema.categories if name not in (*schema.known, *schema.past)]
    is_series = schema.series is not None or schema.has_row_per_step or not schema.target
    note = f"columns read: {format_list((*cells, *schema.columns, *own))}"
    if schema.kind == "features":
        note += " (features: one step, each column scaled by itself; data: {columns: steps} reads them as a series)"
    elif schema.kind == "steps" and not is_series and schema.target:
        note += f" ({len(schema.columns)} steps of a series; data: {{columns: features}} reads them as one step)"
    if schema.target_kind == LABEL_SETS.name and schema.separator and len(schema.targets) == 1:
        note += f"; the labels of {schema.target} are divided at {schema.separator}"
    others = {"known ahead": schema.known, "not forecast": schema.past, "of the calendar": schema.calendar}
    note += "".join(f"; {what}: {format_list(names)}" for what, names in others.items() if names)
    if schema.time and is_series:
        note += f"; in the order of {schema.time}"
    ignored = [f"{one.name} ({one.fact})" for one in schema.roles(table) if one.role == "ignored"]
    return note + (f"; ignored: {format_list(ignored, 6)}" if ignored else "")


def load_folder(folder: Path, settings: FolderSettings | None = None, selection: Selection = ALL) -> Dataset:
    """Load pictures, sounds or texts from a folder with a folder for each class.

    Args:
        folder: The folder (see ``read_folder``).
        settings: How pictures and sounds are read.
        selection: Which examples are used.

    Raises:
        DataError: There are no training examples, fewer than two classes, files of different kinds, a file that cannot
            be read, or a class with a single example.
    """
    settings = settings or FolderSettings()
    parts = read_folder(folder, settings)
    if "train" not in parts:
        raise DataError(f"{folder}: no folder train beside the folder test. Add one.")
    data = assemble(folder.name, parts, selection=selection)
    return data.with_note(describe_files(parts["train"], settings))


def load_text(path: Path, encoding: str | None = None) -> Dataset:
    """Load a text to continue: the first 90 % for training, 5 % for validation, the last 5 % for the test.

    Raises:
        DataError: The file is missing, empty or not a text.
    """
    return split_text(path.name, LongText.open(path, encoding) if _is_long(path) else read_text(path, encoding)[0])


def split_text(name: str, text: str | LongText, source: str = "") -> Dataset:
    """Divide a text by position: 90 % for training, 5 % for validation, 5 % for the test.

    Of the validation and the test part only the first 2,000,000 characters are kept.
    """
    first, second = round(0.9 * len(text)), round(0.95 * len(text))
    parts = (text[:first], text[first:second][:MOST_EVALUATED], text[second:][:MOST_EVALUATED])
    train, validation, test = (Split(objects([part]), np.zeros(1, np.int64)) for part in parts)
    data = Dataset(name, train, test, (), source, validation=validation)
    held_out = len(text) - second
    note = f"evaluated on the first {MOST_EVALUATED:,} of {held_out:,} characters held out for the test"
    return data.with_note(note if held_out > MOST_EVALUATED else "")


def _is_long(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > LARGEST_IN_MEMORY


def _load_pieces(path: Path, columns: Mapping[str, Any], selection: Selection, options: Mapping[str, Any]) -> Dataset:
    """Load a table with a row for each example in pieces; the inputs are kept on disk."""
    first = next(read_pieces(path, **options))
    schema = TableSchema.decide(first, **columns, read_options=options)
    if schema.series is not None:
        raise DataError(f"{path}: a table with a row for each step is read whole. Name it: series: {schema.series}")
    examples, size, lines = examples_in_pieces(path, schema)
    data = assemble(path.name, {"train": examples}, selection=selection)
    return data.with_note(_format_dropped(path, size, lines)).with_note(format_columns(schema, first))


def examples_in_pieces(path: Path, schema: TableSchema) -> tuple[LabeledExamples, int, list[int]]:
    """Read the examples of a table that may be larger than memory, one in each row.

    The inputs are ``StoredTexts``, or series in ``Ragged``, both on disk.

    Args:
        path: The file.
        schema: Its columns.

    Returns:
        The examples, the number of rows, and the lines of the rows that are left out.

    Raises:
        DataError: The file is damaged, a column is missing, or a cell is empty or not a number.
        WriteError: The disk has no room for the values.
    """
    kind, labels = KINDS[schema.target_kind], list[pl.Series]()
    dropped: list[int] = []
    size = 0

    def pieces() -> Iterator[Table]:
        nonlocal size
        for piece in read_pieces(path, **schema.read_options):
            size += piece.size
            usable, lines = schema.usable(replace(piece, decimals=schema.decimals, fill=schema.fill))
            dropped.extend(lines)
            labels.append(kind.read(usable, schema.targets, schema.separator))
            yield usable

    inputs: StoredTexts | Ragged
    if schema.is_text:
        inputs = StoredTexts.write(texts_of(piece, schema.columns[0]) for piece in pieces())
    elif schema.kind == "sequence":
        raise DataError(f"{path}: sequences in cells are read whole. Divide the file, or write a column for each step.")
    else:
        inputs = Ragged.of_pieces((rows_as_series(piece, schema) for piece in pieces()), is_on_disk=True)
        inputs = converted(inputs, narrowest(inputs))
    examples = LabeledExamples(
        inputs, pl.concat(labels), lambda row: f"{path}: row {row + 1}", schema.to_json(), kind=kind
    )
    return examples, size, dropped
