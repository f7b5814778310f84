"""Data sets made of tables, folders and texts."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unrolled.data.dataset import Dataset, Split, objects
from unrolled.data.decoding import read_text
from unrolled.data.folders import TEXTS, read_folder
from unrolled.data.labeled import LabeledExamples, assemble
from unrolled.data.rows import labeled_examples, labels_of, texts_of
from unrolled.data.schema import TableSchema
from unrolled.data.series import format_irregular, read_series
from unrolled.data.streaming import LongText, Stored
from unrolled.data.tables import Table, format_list, iterate_batches, read_preview, read_table, size_in_memory
from unrolled.errors import DataError

import numpy as np
from numpy.typing import NDArray

LARGEST_IN_MEMORY = 1 << 28
"""The size in bytes above which a text or a Parquet file is read in pieces."""
MOST_EVALUATED = 2_000_000
"""The largest number of characters in the validation part, and in the test part, of a text to continue."""


def load_labeled_table(
    train: Path,
    test: Path | None = None,
    *,
    columns: Mapping[str, Any] | None = None,
    read_options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Load examples with classes from a table.

    Args:
        train: The table.
        test: The table of the test examples; without it a sixth of each class is held out.
        columns: The columns that the user names: ``input``, ``target``, ``series``, ``time``, ``ignore``; and the
            settings of their times, ``every`` and ``irregular``.
        read_options: Those of ``read_table``.

    Raises:
        DataError: A file is missing or damaged, a column is missing, or a class has a single example.
    """
    columns, read_options = dict(columns or {}), dict(read_options or {})
    if test is None and "series" not in columns and is_large(train):
        table = read_preview(train)
        schema = TableSchema.decide(table, **columns)
        data = assemble(train.name, {"train": stream_parquet(train, schema)})
        return data.with_note(format_columns(schema, table))
    table = read_table(train, **read_options)
    schema = TableSchema.decide(table, **columns, read_options=read_options)
    whole = [table] if test is None else [table, schema.read(test)]
    kept = [schema.usable(one) for one in whole]
    parts = schema.parts(kept[0][0]) if test is None else {"train": kept[0][0], "test": kept[1][0]}
    data = assemble(train.name, {part: labeled_examples(some, schema) for part, some in parts.items()})
    for note in dict.fromkeys(one.format_detected() for one in whole):
        data = data.with_note(note)
    for one, (_, lines) in zip(whole, kept, strict=True):
        data = data.with_note(_format_dropped(one, lines))
    if schema.time:
        data = data.with_note(format_irregular(read_series(kept[0][0], schema), schema, train.name))
    return data.with_note(format_columns(schema, table))


_MOST_NAMED = 10


def _format_dropped(table: Table, lines: Sequence[int]) -> str:
    if not lines:
        return ""
    named = format_list([str(line) for line in lines], _MOST_NAMED)
    return f"{table.path.name}: {len(lines):,} of {table.size:,} rows with an empty cell are left out: lines {named}"


def format_columns(schema: TableSchema, table: Table) -> str:
    """Format the columns that are read, and those that are not with the reason."""
    note = f"columns read: {format_list(schema.columns)}"
    others = {"known ahead": schema.known, "not forecast": schema.past, "of the calendar": schema.calendar}
    note += "".join(f"; {what}: {format_list(names)}" for what, names in others.items() if names)
    if schema.time:
        note += f"; in the order of {schema.time}"
    ignored = [f"{one.name} ({one.fact})" for one in schema.roles(table) if one.role == "ignored"]
    return note + (f"; ignored: {format_list(ignored, 6)}" if ignored else "")


def load_folder(folder: Path, side: int | None = None) -> Dataset:
    """Load pictures or texts from a folder with a folder for each class.

    Args:
        folder: The folder (see ``read_folder``).
        side: The height and width to which pictures are resized.

    Raises:
        DataError: There are no training examples, fewer than two classes, files of different kinds, a file that cannot
            be read, or a class with a single example.
    """
    parts = read_folder(folder, side)
    if "train" not in parts:
        raise DataError(f"{folder}: no folder train beside the folder test. Add one.")
    return assemble(folder.name, parts)


def load_text(path: Path, encoding: str | None = None) -> Dataset:
    """Load a text to continue: the first 90 % for training, 5 % for validation, the last 5 % for the test.

    Raises:
        DataError: The file is missing, empty or not a text.
    """
    return split_text(path.name, LongText.open(path, encoding) if is_large(path) else read_text(path, encoding)[0])


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


def is_large(path: Path) -> bool:
    """Return True if a text or a Parquet file is read in pieces."""
    if path.suffix.lower() == ".parquet":
        return size_in_memory(path) > LARGEST_IN_MEMORY
    return path.suffix.lower() in TEXTS and path.is_file() and path.stat().st_size > LARGEST_IN_MEMORY


class RowTexts:
    """Texts in a column of a Parquet file, [B] of them, read on access.

    Indexed like an object array: ``texts[3]`` is one text, ``texts[indices]`` several.

    Args:
        path: The file.
        column: The name of the column.
        rows: [B] the index of the row of each text, ascending.
    """

    dtype = np.dtype(object)

    def __init__(self, path: Path, column: str, rows: NDArray[np.int64]):
        self.path, self.column, self.rows = path, column, rows
        self._read: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, int | np.integer):
            rows = self.rows[index]
            return self._read_reordered(rows) if (np.diff(rows) < 0).any() else RowTexts(self.path, self.column, rows)
        if index not in self._read:
            self._read = {int(index): next(iter(self[[index]]))}
        return self._read[int(index)]

    def __iter__(self) -> Iterator[str]:
        begin, last = 0, self.rows[-1] if len(self.rows) else -1
        for batch in iterate_batches(self.path, [self.column]):
            yield from batch[self.column].gather(self._between(begin, begin + batch.height)).to_list()
            begin += batch.height
            if begin > last:
                return

    def _read_reordered(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Read texts in an order that differs from that of the file, [B]."""
        order = np.argsort(rows, kind="stable")
        texts = np.empty(len(rows), dtype=object)
        texts[order] = objects(list(RowTexts(self.path, self.column, rows[order])))
        return texts

    def _between(self, begin: int, end: int) -> NDArray[np.int64]:
        first, last = np.searchsorted(self.rows, (begin, end))
        selected: NDArray[np.int64] = self.rows[first:last] - begin
        return selected


def stream_parquet(path: Path, schema: TableSchema) -> LabeledExamples:
    """Read the examples of a Parquet file that may be larger than memory, one per row.

    The inputs are ``RowTexts``, or series [T, 1] with a step per column in ``Stored``.

    Args:
        path: The file.
        schema: Its columns.

    Raises:
        DataError: The file is damaged, a column is missing, or a cell is empty or not a number.
        WriteError: The disk has no room for the values.
    """

    def location(row: int) -> str:
        return f"{path}:{row + 1}"

    known: dict[str, str] = {}
    labels: list[str] = []
    for batch in _batches(path, [schema.target]):
        labels.extend(known.setdefault(label, label) for label in labels_of(batch, schema.target))
    if schema.is_text:
        for batch in _batches(path, schema.columns[:1]):
            texts_of(batch, schema.columns[0])
        rows = RowTexts(path, schema.columns[0], np.arange(len(labels)))
        return LabeledExamples(rows, labels, location, schema.to_json())
    steps = (
        row[:, None]
        for batch in _batches(path, schema.columns)
        for row in np.array([batch.numbers(name) for name in schema.columns], np.float32).T
    )
    return LabeledExamples(Stored.of(steps), labels, location, schema.to_json())


def _batches(path: Path, columns: Sequence[str]) -> Iterator[Table]:
    """Yield some columns of a Parquet file as tables of a few thousand rows, which know their rows in the file."""
    begin = 0
    for frame in iterate_batches(path, columns):
        lines = range(begin + 1, begin + frame.height + 1)
        yield Table(path, frame, find_lines=lambda lines=lines: lines)  # type: ignore[misc]
        begin += frame.height
