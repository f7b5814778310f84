"""The rows of a Parquet file as examples, none of them in memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from unrolled.data.columns import label_of, text_of
from unrolled.data.dataset import objects
from unrolled.data.labelled import Labelled
from unrolled.data.parquet import ROWS_AT_ONCE, cells, opened
from unrolled.data.reading import Reading
from unrolled.data.streamed.stored import Stored
from unrolled.data.tables import number, read_start

import numpy as np
from numpy.typing import NDArray


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
) -> Labelled:
    """The examples of a Parquet file, a row each: a text, or a series [T, 1] in columns.

    Args:
        path: The file.
        input: The column of the text, or those of the values.
        target: The column of the class.

    Raises:
        DataError: As in ``Reading.decide`` and ``Reading.labelled``.
        WriteError: There is no room on the disk for the values.
    """
    head = read_start(path)
    reading = Reading.decide(head, input=input, target=target)
    target, columns = reading.target, reading.columns

    def where(row: int, column: str = "") -> str:
        return f"{path}:{row + 1}" + (f": {column}" if column else "")

    known: dict[str, str] = {}
    names = (label_of(label, lambda row=row: where(row, target)) for row, (label,) in enumerate(cells(path, [target])))
    labels = [known.setdefault(name, name) for name in names]
    if reading.is_text:
        for row, (cell,) in enumerate(cells(path, columns[:1])):
            text_of(cell, lambda row=row: where(row, columns[0]))
        return Labelled(RowTexts(path, columns[0], np.arange(len(labels))), labels, where, reading)
    rows = (
        [number(cell, lambda c=c, row=row: where(row, c)) for c, cell in zip(columns, found, strict=True)]
        for row, found in enumerate(cells(path, columns))
    )
    return Labelled(Stored.of(np.array(row, np.float32)[:, None] for row in rows), labels, where, reading)
