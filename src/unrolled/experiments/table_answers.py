"""From a table to the same table with answers."""

import csv
from collections.abc import Container, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import TextIO

from unrolled.data.columns import columns_to_read
from unrolled.data.reading import Reading
from unrolled.data.tables import Table, is_table, read_table
from unrolled.errors import InvalidInput
from unrolled.experiments.encodings import Arrays, Tokens
from unrolled.experiments.prediction import Said, answer
from unrolled.experiments.run import Run


def is_whole_table(inputs: Sequence[str]) -> bool:
    """Whether what is to be predicted is one table."""
    return len(inputs) == 1 and is_table(Path(inputs[0]))


def predict_table(run: Run, path: Path) -> tuple[Table, list[Said]]:
    """A table, and what a network says of each of its rows; of a series in several rows, the same of each.

    Args:
        run: The network.
        path: A table with the columns that it learned from; that of the class may be missing.

    Raises:
        DataError: The table is damaged, or a column is missing.
        InvalidInput: The network reads pictures.
    """
    if isinstance(run.encoding, Arrays):
        raise InvalidInput(f"predict: expected pictures or arrays, got the table {path}. Name an NPZ file.")
    reading = run.reading
    if reading is None:
        columns = tuple(columns_to_read(read_table(path), None, None))
        reading = Reading(columns, "", is_text=isinstance(run.encoding, Tokens))
    table = reading.read(path)
    inputs, rows = reading.examples(table)
    said = [answer(run, chances) for chances in run.predict(inputs)]
    by_row = {row: one for one, members in zip(said, rows, strict=True) for row in members}
    return table, [by_row[row] for row in range(table.size)]


def write_table(table: Table, said: Sequence[Said], to: TextIO) -> None:
    """Write a table as CSV with the answers in columns of their own: ``label`` and ``p(CLASS)``.

    Args:
        table: What was read.
        said: What was said of each row.
        to: Where to write.
    """
    added = ["label", *(f"p({name})" for name in said[0]["probabilities"])]
    taken = [_free(name, table.columns) for name in added]
    writer = csv.writer(to)
    writer.writerow([*table.columns, *taken])
    for cells, one in zip(zip(*table.columns.values(), strict=True), said, strict=True):
        writer.writerow([*cells, *_cells(one)])


def write_answers(said: Sequence[Said], to: TextIO) -> None:
    """Write answers that belong to no table as one: ``text``, or ``file`` and ``index``, then as in ``write_table``."""
    sources = [name for name in ("text", "file", "index") if any(name in one for one in said)]
    writer = csv.writer(to)
    writer.writerow([*sources, "label", *(f"p({name})" for name in said[0]["probabilities"])])
    for one in said:
        writer.writerow([*(one.get(name, "") for name in sources), *_cells(one)])


def _free(name: str, taken: Container[str]) -> str:
    """A column's name that is not there already."""
    others = chain([name, f"predicted {name}"], (f"predicted {name} {number}" for number in count(2)))
    return next(other for other in others if other not in taken)


def _cells(one: Said) -> Iterator[str]:
    yield one["label"]
    yield from (f"{chance:.6f}" for chance in one["probabilities"].values())
