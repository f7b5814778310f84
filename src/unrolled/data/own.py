"""The user's own files as a Dataset."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from unrolled.data.dataset import Dataset, Split, hold_out, objects
from unrolled.data.decoding import read_text
from unrolled.data.folders import Labelled, read_folder
from unrolled.data.images import TEST_SEED, TEST_SHARE
from unrolled.data.tables import Table, number, read_table
from unrolled.data.ts import read_tab, read_ts
from unrolled.errors import DataError

import numpy as np
from numpy.typing import NDArray

FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".ts", ".tab", ".txt")
"""Those read here; arrays (.npz, .npy, IDX) are read in ``images``."""
# Names under which files have their texts and classes, the likeliest first.
_INPUTS = ("text", "sentence", "review", "message", "comment", "content", "input", "document")
_TARGETS = ("label", "class", "target", "category", "sentiment", "y")


def load_labelled(
    parts: dict[str, Path],
    *,
    input: str | Sequence[str] | None = None,  # noqa: A002 - the setting's name
    target: str | None = None,
    series: str | None = None,
    **how: Any,
) -> Dataset:
    """Examples with classes from tables or ``.ts`` files.

    Args:
        parts: ``train``, and ``test`` where there is a file for it.
        input: The column of the text, or those of the values.
        target: The column of the class.
        series: In a table with a row for each step, the column that says which series the row belongs to.
        how: How to read a table: ``delimiter``, ``encoding``, ``header``.

    Raises:
        DataError: A file is missing or damaged, a column is missing, or a class has a single example.
    """
    notes: list[str] = []

    def read(path: Path) -> Labelled:
        if path.suffix.lower() == ".ts":
            found = read_ts(path)
            return Labelled(found.series, found.labels, [f"{path}:{line}" for line in found.lines])
        table, role = read_tab(path) if path.suffix.lower() == ".tab" else (read_table(path, **how), None)
        notes.append(table.spell_found())
        return from_table(table, input=input, target=target or role, series=series)

    data = assemble(parts["train"].name, {part: read(path) for part, path in parts.items()})
    return data.noting("; ".join(dict.fromkeys(notes)))


def load_folder(folder: Path, side: int | None = None) -> Dataset:
    """Pictures or texts in a folder for each class.

    Raises:
        DataError: As in ``read_folder``, or a class has a single example.
    """
    return assemble(folder.name, read_folder(folder, side))


def from_table(
    table: Table,
    *,
    input: str | Sequence[str] | None = None,  # noqa: A002 - the setting's name
    target: str | None = None,
    series: str | None = None,
) -> Labelled:
    """The examples of a table: a text a row, a series a row (its steps in columns), or a series in several rows.

    Raises:
        DataError: A column is missing, a cell is empty or no number.
    """
    target = target or guess(table, _TARGETS, "target")
    labels = table.column(target)
    for row, label in enumerate(labels):
        if label is None or str(label).strip() == "":
            raise DataError(f"{table.where(row, target)}: expected a class, got an empty cell. Add it or drop the row.")
    names = [str(label).strip() for label in labels]
    if series is not None:
        return _long(table, input, target, names, series)
    columns = columns_to_read(table, input, target)
    places = [table.where(row) for row in range(table.size)]
    return Labelled(inputs_from_table(table, columns, is_text=_is_text(table.column(columns[0]))), names, places)


def columns_to_read(table: Table, named: str | Sequence[str] | None, target: str | None) -> list[str]:
    """The columns that a network reads: those named, else that of a text, else all of numbers.

    Raises:
        DataError: None is named, and which one holds the text cannot be guessed.
    """
    if named is not None:
        return _columns(named, [])
    others = [name for name in table.columns if name != target]
    texts = [name for name in others if _is_text(table.columns[name])]
    if len(texts) == 1:
        return texts
    return [guess(table, _INPUTS, "input")] if texts else others


def inputs_from_table(table: Table, columns: Sequence[str], is_text: bool) -> list[Any]:
    """A text a row, or a series [T, 1] a row.

    Raises:
        DataError: A column is missing, a cell is empty or no number.
    """
    if is_text:
        return list(_texts(table, columns[0]))
    values = np.array([table.numbers(column) for column in columns], np.float32).T
    return [row[:, None] for row in values]


def guess(table: Table, names: Sequence[str], setting: str) -> str:
    """The column that is called like one of ``names``.

    Raises:
        DataError: None is.
    """
    lower = {name.lower(): name for name in table.columns}
    for name in names:
        if name in lower:
            return lower[name]
    raise DataError(
        f"{table.path}: expected to be told the column of the {setting}, got {', '.join(list(table.columns)[:20])}. "
        f"Name it: data: {{file: {table.path.name}, {setting}: NAME}}"
    )


def assemble(name: str, parts: dict[str, Labelled], source: str = "") -> Dataset:
    """A data set of what was read; where there is no test part, a sixth of each class is held out, always the same.

    Raises:
        DataError: There is only one class, a class with a single example, or a test label that training has not.
    """
    learned = parts["train"]
    classes = tuple(sorted(set(learned.labels), key=_in_order(learned.labels)))
    if len(classes) < 2:
        raise DataError(f"{name}: expected two classes or more, got {len(classes)}. Add examples of another class.")
    for label in classes:
        if learned.labels.count(label) == 1:
            place = learned.places[learned.labels.index(label)]
            raise DataError(
                f'{place}: expected two examples or more of each class, got one of "{label}". '
                "Add examples, or leave that one out."
            )
    splits = {part: _split(labelled, classes) for part, labelled in parts.items()}
    if "test" not in splits:
        splits["train"], splits["test"] = hold_out(splits["train"], TEST_SHARE, TEST_SEED)
    data = Dataset(name, splits["train"], splits["test"], classes, source)
    return data.noting(duplicates(data))


def duplicates(data: Dataset) -> str:
    """A note of how many test examples are training examples too; empty where none are."""
    learned = {_key(item) for item in data.train.inputs}
    found = sum(_key(item) in learned for item in data.test.inputs)
    return f"{found:,} of {data.test.size:,} test examples are training examples too" if found else ""


def load_text(path: Path, encoding: str | None = None) -> Dataset:
    """One text to continue: its first 90 % to learn from, 5 % to validate with and 5 % to measure on.

    Raises:
        DataError: The file is missing, empty or no text.
    """
    return corpus(path.name, read_text(path, encoding)[0])


def corpus(name: str, text: str, source: str = "") -> Dataset:
    """A text divided by position, 90/5/5, as a Dataset without classes."""
    first, second = round(0.9 * len(text)), round(0.95 * len(text))
    train, validation, test = (
        Split(objects([part]), np.zeros(1, np.int64)) for part in (text[:first], text[first:second], text[second:])
    )
    return Dataset(name, train, test, (), source, validation=validation)


def load_values(
    path: Path,
    *,
    held_out: int,
    input: str | Sequence[str] | None = None,  # noqa: A002 - the setting's name
    **how: Any,
) -> Dataset:
    """A series to forecast: a table with a row for each step, the earliest first.

    Args:
        path: A table.
        held_out: How many steps at the end are for the test.
        input: The columns to forecast; without it those that hold numbers only.
        how: As in ``read_table``.

    Raises:
        DataError: As in ``read_table``, or a column has other things than numbers in it.
    """
    how.pop("target", None)
    table = read_table(path, **how)
    columns = _columns(input, [name for name in table.columns if not _is_text(table.columns[name])])
    if not columns:
        raise DataError(f"{path}: expected a column of numbers to forecast, got none. Add one.")
    return series(
        path.name, np.array([table.numbers(column) for column in columns], np.float32).T, tuple(columns), held_out
    )


def series(
    name: str, values: NDArray[np.float32], channels: tuple[str, ...], held_out: int, source: str = ""
) -> Dataset:
    """A series [T, F] divided in time, as a Dataset whose classes are its channels.

    Raises:
        DataError: There is nothing left to learn from.
    """
    if held_out >= len(values):
        raise DataError(f"{name}: expected more than the {held_out} steps held out, got {len(values)}. Hold out fewer.")
    parts = (values[:-held_out], values[-held_out:])
    train, test = (Split(objects([part]), np.zeros(1, np.int64)) for part in parts)
    return Dataset(name, train, test, channels, source)


def _split(labelled: Labelled, classes: tuple[str, ...]) -> Split:
    place = {name: index for index, name in enumerate(classes)}
    for label, where in zip(labelled.labels, labelled.places, strict=True):
        if label not in place:
            raise DataError(
                f'{where}: expected a class that training has ({", ".join(classes[:20])}), got "{label}". '
                "Relabel the example or leave it out."
            )
    inputs = labelled.inputs if isinstance(labelled.inputs, np.ndarray) else objects(labelled.inputs)
    return Split(inputs, np.array([place[label] for label in labelled.labels], np.int64))


def _columns(chosen: str | Sequence[str] | None, otherwise: list[str]) -> list[str]:
    if chosen is None:
        return otherwise
    return [chosen] if isinstance(chosen, str) else list(chosen)


def _in_order(labels: Sequence[str]) -> Callable[[str], Any]:
    """Numbers by value, everything else by name."""
    return int if all(label.lstrip("-").isdigit() for label in labels) else str


def _is_text(cells: Sequence[Any]) -> bool:
    """Whether a column has anything but numbers and gaps."""
    for cell in cells[:200]:
        try:
            number(cell, str)
        except DataError:
            return True
    return False


def _texts(table: Table, name: str) -> list[str]:
    texts = []
    for row, cell in enumerate(table.column(name)):
        if not isinstance(cell, str) or not cell.strip():
            raise DataError(f"{table.where(row, name)}: expected text, got an empty cell. Add it or drop the row.")
        texts.append(cell)
    return texts


def _long(
    table: Table,
    input: str | Sequence[str] | None,  # noqa: A002
    target: str,
    names: list[str],
    series: str,
) -> Labelled:
    """A series in several rows, in the order of the rows."""
    columns = _columns(input, [name for name in table.columns if name not in (target, series)])
    values = np.array([table.numbers(column) for column in columns], np.float32).T
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(table.column(series)):
        rows.setdefault(str(key), []).append(row)
    for key, members in rows.items():
        other = next((row for row in members if names[row] != names[members[0]]), None)
        if other is not None:
            raise DataError(
                f'{table.where(other, target)}: expected the class "{names[members[0]]}" as in other rows of series '
                f'{key}, got "{names[other]}". Give a series one class.'
            )
    return Labelled(
        [values[members] for members in rows.values()],
        [names[members[0]] for members in rows.values()],
        [table.where(members[0]) for members in rows.values()],
    )


def _key(item: NDArray[Any] | str) -> bytes:
    return item.encode() if isinstance(item, str) else item.tobytes()
