"""Data sets made of tables, folders and texts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from unrolled.data.dataset import Dataset, Split, objects
from unrolled.data.decoding import read_text
from unrolled.data.folders import TEXTS, read_folder
from unrolled.data.labeled import LabeledExamples, assemble
from unrolled.data.schema import TableSchema, columns_of_numbers, label_of, text_of
from unrolled.data.streaming import LongText, Stored
from unrolled.data.tables import (
    ROWS_AT_ONCE,
    format_list,
    iterate_rows,
    open_parquet,
    parse_number,
    read_preview,
    read_table,
    size_in_memory,
)
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
    input: str | Sequence[str] | None = None,  # noqa: A002 - the name of the setting
    target: str | None = None,
    series: str | None = None,
    **read_options: Any,
) -> Dataset:
    """Load examples with classes from a table.

    Args:
        train: The table.
        test: The table of the test examples; without it a sixth of each class is held out.
        input: The column of the text, or the columns of the values.
        target: The column of the class.
        series: In a table with a row for each step, the column that assigns each row to a series.
        read_options: The ``delimiter``, ``encoding`` and ``header`` of the tables.

    Raises:
        DataError: A file is missing or damaged, a column is missing, or a class has a single example.
    """
    if test is None and series is None and is_large(train):
        data = assemble(train.name, {"train": stream_parquet(train, input=input, target=target)})
        return data.with_note(_format_columns(data))
    table = read_table(train, **read_options)
    schema = TableSchema.decide(table, input=input, target=target, series=series, read_options=read_options)
    tables = {"train": table} | ({} if test is None else {"test": schema.read(test)})
    data = assemble(train.name, {part: schema.labeled(table) for part, table in tables.items()})
    for note in dict.fromkeys(table.format_detected() for table in tables.values()):
        data = data.with_note(note)
    return data.with_note(_format_columns(data))


def _format_columns(data: Dataset) -> str:
    return f"columns read: {format_list(data.columns)}"


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


def load_series(
    path: Path,
    *,
    test_steps: int,
    input: str | Sequence[str] | None = None,  # noqa: A002 - the name of the setting
    target: str | None = None,
    series: str | None = None,
    **read_options: Any,
) -> Dataset:
    """Load a series to forecast from a table with a row for each step, the earliest first.

    Args:
        path: The table.
        test_steps: The number of steps at the end for the test.
        input: The columns to forecast; without it all columns of numbers.
        target: Another name for ``input``.
        series: Refused: a table holds one series to forecast.
        read_options: The ``delimiter``, ``encoding`` and ``header`` of the table.

    Raises:
        DataError: The file is missing or damaged, a column is missing, or a cell is not a number.
    """
    if series is not None:
        raise DataError(
            f"{path}: expected one series to forecast, got several by the column {series}. Write the rows of one "
            "series to a file, and leave series out."
        )
    if target is not None and input is not None:
        raise DataError(f"{path}: input and target both name columns to forecast. Leave target out.")
    table = read_table(path, **read_options)
    columns = columns_of_numbers(table, input or target)
    values = np.array([table.numbers(column) for column in columns], np.float32).T
    return split_series(path.name, values, tuple(columns), test_steps)


def split_series(
    name: str, values: NDArray[np.float32], channels: tuple[str, ...], test_steps: int, source: str = ""
) -> Dataset:
    """Divide a series in time; the names of its channels become the classes of the data set.

    Args:
        name: The name of the data set.
        values: [T, F].
        channels: [F] the name of each channel.
        test_steps: The number of steps at the end for the test; with 0 there are no test examples.
        source: Author and license.

    Raises:
        DataError: No steps are left for training.
    """
    if test_steps >= len(values):
        raise DataError(
            f"{name}: expected more than the {test_steps} steps of the test set (test_steps), got {len(values)}. "
            "Lower test_steps."
        )
    cut = len(values) - test_steps
    train = Split(objects([values[:cut]]), np.zeros(1, np.int64))
    test = Split(objects([values[cut:]] if test_steps else []), np.zeros(min(1, test_steps), np.int64))
    return Dataset(name, train, test, channels, source)


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
        with open_parquet(self.path) as file:
            for group in range(file.metadata.num_row_groups):
                end = begin + file.metadata.row_group(group).num_rows
                if len(self._between(begin, end)):
                    for batch in file.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=[self.column]):
                        selected = self._between(begin, begin + batch.num_rows)
                        yield from batch.column(self.column).take(selected).to_pylist()
                        begin += batch.num_rows
                        if begin > last:
                            return
                begin = end

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


def stream_parquet(
    path: Path,
    *,
    input: str | Sequence[str] | None = None,  # noqa: A002 - the name of the setting
    target: str | None = None,
) -> LabeledExamples:
    """Read the examples of a Parquet file that may be larger than memory, one per row.

    The inputs are ``RowTexts``, or series [T, 1] with a step per column in ``Stored``.

    Args:
        path: The file.
        input: The column of the text, or the columns of the values.
        target: The column of the class.

    Raises:
        DataError: The file is damaged, a column is missing, or a cell is empty or not a number.
        WriteError: The disk has no room for the values.
    """
    schema = TableSchema.decide(read_preview(path), input=input, target=target)
    target, columns = schema.target, schema.columns

    def location(row: int, column: str = "") -> str:
        return f"{path}:{row + 1}" + (f": {column}" if column else "")

    known: dict[str, str] = {}
    names = (
        label_of(label, lambda row=row: location(row, target))
        for row, (label,) in enumerate(iterate_rows(path, [target]))
    )
    labels = [known.setdefault(name, name) for name in names]
    if schema.is_text:
        for row, (cell,) in enumerate(iterate_rows(path, columns[:1])):
            text_of(cell, lambda row=row: location(row, columns[0]))
        return LabeledExamples(RowTexts(path, columns[0], np.arange(len(labels))), labels, location, schema.to_json())
    rows = (
        [parse_number(cell, lambda c=c, row=row: location(row, c)) for c, cell in zip(columns, cells, strict=True)]
        for row, cells in enumerate(iterate_rows(path, columns))
    )
    return LabeledExamples(
        Stored.of(np.array(row, np.float32)[:, None] for row in rows), labels, location, schema.to_json()
    )
