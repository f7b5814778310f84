"""Examples with classes, however they were found, as a Dataset."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from unrolled.data.dataset import Dataset, Split, objects
from unrolled.data.decoding import read_text
from unrolled.data.folders import read_folder
from unrolled.data.labeled import LabeledExamples, assemble
from unrolled.data.schema import TableSchema, columns_of_numbers, label_of, text_of
from unrolled.data.streaming import LongText, Stored
from unrolled.data.tables import (
    ROWS_AT_ONCE,
    cells,
    format_list,
    number,
    opened,
    read_start,
    read_table,
    size_in_memory,
)
from unrolled.data.ts import read_tab, read_ts
from unrolled.errors import DataError

import numpy as np
from numpy.typing import NDArray

FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".ts", ".tab", ".txt")
"""Those read here; arrays (.npz, .npy, IDX) are read in ``images``."""
LARGEST_IN_MEMORY = 1 << 28
"""Bytes; a larger text or Parquet file is read in pieces."""
ENOUGH_TO_MEASURE = 2_000_000
"""Characters of a text."""


def load_labeled(
    parts: dict[str, Path],
    *,
    input: str | Sequence[str] | None = None,  # noqa: A002 - the setting's name
    target: str | None = None,
    series: str | None = None,
    **read_options: Any,
) -> Dataset:
    """Examples with classes from tables or ``.ts`` files.

    Args:
        parts: ``train``, and ``test`` where there is a file for it.
        input: The column of the text, or those of the values.
        target: The column of the class.
        series: In a table with a row for each step, the column that says which series the row belongs to.
        read_options: How to read a table: ``delimiter``, ``encoding``, ``header``.

    Raises:
        DataError: A file is missing or damaged, a column is missing, or a class has a single example.
    """
    train, test = parts["train"], parts.get("test")
    if train.suffix.lower() == ".ts":
        return assemble(train.name, {part: read_ts(path) for part, path in parts.items()})
    if test is None and series is None and _is_large(train):
        data = assemble(train.name, {"train": open_rows(train, input=input, target=target)})
        return data.noting(_columns_read(data))
    table, role = read_tab(train) if train.suffix.lower() == ".tab" else (read_table(train, **read_options), None)
    reading = TableSchema.decide(table, input=input, target=target or role, series=series, read_options=read_options)
    tables = {"train": table} | ({} if test is None else {"test": reading.read(test)})
    data = assemble(train.name, {part: reading.labeled(table) for part, table in tables.items()})
    for note in dict.fromkeys(table.format_detected() for table in tables.values()):
        data = data.noting(note)
    return data.noting(_columns_read(data))


def _columns_read(data: Dataset) -> str:
    return f"columns read: {format_list(data.columns)}"


def load_folder(folder: Path, side: int | None = None) -> Dataset:
    """Pictures or texts in a folder for each class.

    Raises:
        DataError: As in ``read_folder``, there is nothing to learn from, or a class has a single example.
    """
    parts = read_folder(folder, side)
    if "train" not in parts:
        raise DataError(f"{folder}: expected a folder train beside the folder test, got none. Add one.")
    return assemble(folder.name, parts)


def load_text(path: Path, encoding: str | None = None) -> Dataset:
    """One text to continue: its first 90 % to learn from, 5 % to validate with and 5 % to measure on.

    Raises:
        DataError: The file is missing, empty or no text.
    """
    return corpus(path.name, LongText.open(path, encoding) if _is_large(path) else read_text(path, encoding)[0])


def corpus(name: str, text: str | LongText, source: str = "") -> Dataset:
    """A text divided by position, 90/5/5, as a Dataset without classes; of the smaller parts a beginning is enough."""
    first, second = round(0.9 * len(text)), round(0.95 * len(text))
    parts = (text[:first], text[first:second][:ENOUGH_TO_MEASURE], text[second:][:ENOUGH_TO_MEASURE])
    train, validation, test = (Split(objects([part]), np.zeros(1, np.int64)) for part in parts)
    data = Dataset(name, train, test, (), source, validation=validation)
    test_steps = len(text) - second
    cut = f"measured on the first {ENOUGH_TO_MEASURE:,} of {test_steps:,} characters held out"
    return data.noting(cut if test_steps > ENOUGH_TO_MEASURE else "")


def _is_large(path: Path) -> bool:
    """Whether a file is read in pieces: a text, or a Parquet file."""
    if path.suffix.lower() == ".parquet":
        return size_in_memory(path) > LARGEST_IN_MEMORY
    return path.suffix.lower() == ".txt" and path.is_file() and path.stat().st_size > LARGEST_IN_MEMORY


def load_values(
    path: Path,
    *,
    test_steps: int,
    input: str | Sequence[str] | None = None,  # noqa: A002 - the setting's name
    target: str | None = None,
    **read_options: Any,
) -> Dataset:
    """A series to forecast: a table with a row for each step, the earliest first.

    Args:
        path: A table.
        test_steps: How many steps at the end are for the test.
        input: The columns to forecast; without it those that hold numbers only.
        target: Another name for it.
        read_options: As in ``read_table``.

    Raises:
        DataError: As in ``read_table``, or a column has other things than numbers in it.
    """
    if target is not None and input is not None:
        raise DataError(f"{path}: expected input alone, got a target too. Name what is to be told: input: {target}")
    table = read_table(path, **read_options)
    columns = columns_of_numbers(table, input or target)
    return series(
        path.name, np.array([table.numbers(column) for column in columns], np.float32).T, tuple(columns), test_steps
    )


def series(
    name: str, values: NDArray[np.float32], channels: tuple[str, ...], test_steps: int, source: str = ""
) -> Dataset:
    """A series [T, F] divided in time, as a Dataset whose classes are its channels.

    Raises:
        DataError: There is nothing left to learn from.
    """
    if test_steps >= len(values):
        raise DataError(
            f"{name}: expected more than the {test_steps} steps held out, got {len(values)}. Hold out fewer."
        )
    parts = (values[:-test_steps], values[-test_steps:])
    train, test = (Split(objects([part]), np.zeros(1, np.int64)) for part in parts)
    return Dataset(name, train, test, channels, source)


class RowTexts:
    """[B] texts of a column, read when they are asked for.

    Of an array of texts it has what choosing examples needs: ``texts[3]`` is one of them, ``texts[indices]`` are some.

    Args:
        path: The file.
        column: Its name.
        rows: [B] the row of each text, ascending.
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
            return self._in_another_order(rows) if (np.diff(rows) < 0).any() else RowTexts(self.path, self.column, rows)
        if index not in self._read:
            self._read = {int(index): next(iter(self[[index]]))}
        return self._read[int(index)]

    def __iter__(self) -> Iterator[str]:
        begin, last = 0, self.rows[-1] if len(self.rows) else -1
        with opened(self.path) as file:
            for group in range(file.metadata.num_row_groups):
                end = begin + file.metadata.row_group(group).num_rows
                if len(self._between(begin, end)):
                    for batch in file.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=[self.column]):
                        chosen = self._between(begin, begin + batch.num_rows)
                        yield from batch.column(self.column).take(chosen).to_pylist()
                        begin += batch.num_rows
                        if begin > last:
                            return
                begin = end

    def _in_another_order(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """[B] texts in memory, in an order that is not the file's."""
        order = np.argsort(rows, kind="stable")
        texts = np.empty(len(rows), dtype=object)
        texts[order] = objects(list(RowTexts(self.path, self.column, rows[order])))
        return texts

    def _between(self, begin: int, end: int) -> NDArray[np.int64]:
        first, last = np.searchsorted(self.rows, (begin, end))
        chosen: NDArray[np.int64] = self.rows[first:last] - begin
        return chosen


def open_rows(
    path: Path,
    *,
    input: str | Sequence[str] | None = None,  # noqa: A002 - the setting's name
    target: str | None = None,
) -> LabeledExamples:
    """The examples of a Parquet file, a row each: a text, or a series [T, 1] in columns.

    Args:
        path: The file.
        input: The column of the text, or those of the values.
        target: The column of the class.

    Raises:
        DataError: As in ``TableSchema.decide`` and ``TableSchema.labeled``.
        WriteError: There is no room on the disk for the values.
    """
    head = read_start(path)
    reading = TableSchema.decide(head, input=input, target=target)
    target, columns = reading.target, reading.columns

    def where(row: int, column: str = "") -> str:
        return f"{path}:{row + 1}" + (f": {column}" if column else "")

    known: dict[str, str] = {}
    names = (label_of(label, lambda row=row: where(row, target)) for row, (label,) in enumerate(cells(path, [target])))
    labels = [known.setdefault(name, name) for name in names]
    if reading.is_text:
        for row, (cell,) in enumerate(cells(path, columns[:1])):
            text_of(cell, lambda row=row: where(row, columns[0]))
        return LabeledExamples(RowTexts(path, columns[0], np.arange(len(labels))), labels, where, reading.to_json())
    rows = (
        [number(cell, lambda c=c, row=row: where(row, c)) for c, cell in zip(columns, found, strict=True)]
        for row, found in enumerate(cells(path, columns))
    )
    return LabeledExamples(
        Stored.of(np.array(row, np.float32)[:, None] for row in rows), labels, where, reading.to_json()
    )
