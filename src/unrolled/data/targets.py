"""Targets of examples, read from the columns of a table: a class, numbers, or several labels."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, ClassVar

from unrolled.data.cells import check_filled, labels_of
from unrolled.data.columns import TARGETS
from unrolled.data.lists import lists_of
from unrolled.data.table import Table, format_list
from unrolled.data.values import are_numbers, format_of_numbers, is_absent, is_missing, parse_numbers
from unrolled.errors import DataError

import numpy as np
import polars as pl
from numpy.typing import NDArray

Location = Callable[[int], str]
"""A function from the index of an example to its location, for messages: ``reviews.csv:12``."""


class TargetKind(ABC):
    """A kind of target: how it is read, named and encoded.

    Attributes:
        name: The word in a ``TableSchema``.
        usual: Usual names of its column, the most common first.
        one_each: What to do where the rows of one series differ, for messages.
        takes_several: True if several columns are read together.
    """

    name: ClassVar[str]
    usual: ClassVar[tuple[str, ...]]
    one_each: ClassVar[str]
    takes_several: ClassVar[bool] = True

    def lacks(self, cells: pl.Series) -> pl.Series:
        """Return for each cell of a target whether it has none."""
        return is_absent(cells)

    @abstractmethod
    def read(self, table: Table, names: Sequence[str], separator: str) -> pl.Series:
        """Return what each row of a table has, [N].

        Args:
            table: The table.
            names: The columns of the target.
            separator: What stands between the items of a cell; nothing does if it is empty.

        Raises:
            DataError: A column is missing, or a cell is empty or holds something else.
        """

    @abstractmethod
    def outputs(self, where: str, values: pl.Series, names: Sequence[str], location: Location) -> tuple[str, ...]:
        """Return the names of the outputs of a network.

        Args:
            where: The data set, for messages.
            values: [B] what the training examples have.
            names: The columns that they are read from.
            location: Of an example.

        Raises:
            DataError: There is too little to learn from.
        """

    @abstractmethod
    def encode(self, values: pl.Series, outputs: Sequence[str], location: Location) -> NDArray[Any]:
        """Return the targets of examples, [B] or [B, outputs].

        Raises:
            DataError: An example has something that the training examples do not have.
        """


class ClassTarget(TargetKind):
    """One class for each example; as targets [B] int64, its index."""

    name = "class"
    usual = TARGETS
    one_each = "a label for each step needs task: label. Set it, or give a series one"
    takes_several = False

    def read(self, table: Table, names: Sequence[str], separator: str) -> pl.Series:
        """Return the name of the class of each row."""
        return labels_of(table, names[0])

    def outputs(self, where: str, values: pl.Series, names: Sequence[str], location: Location) -> tuple[str, ...]:
        """Return the names of the classes, each of two examples or more."""
        counts = dict(values.value_counts().iter_rows())
        classes = tuple(sorted(counts, key=class_order(counts)))
        if len(classes) < 2:
            raise DataError(
                f"{where}: expected two classes or more, got {len(classes)}. Add examples of another class."
            )
        single = next((label for label in classes if counts[label] == 1), None)
        if single is not None and are_measurements(counts):
            column = f": {names[0]}" if names else ""
            raise DataError(
                f"{where}{column}: numeric target: {len(counts):,} different numbers in {len(values):,} examples, "
                "expected classes. Name a column of classes, or predict the number: task: regress"
            )
        if single is not None:
            raise DataError(
                f"{location(values.to_list().index(single))}: expected two examples or more of each class, got one of "
                f'"{single}". Add examples, or leave rare classes out: data: {{min_class_count: 2}}'
            )
        return classes

    def encode(self, values: pl.Series, outputs: Sequence[str], location: Location) -> NDArray[np.int64]:
        """Return [B] the index of each class."""
        indices = values.cast(pl.Enum(outputs), strict=False).to_physical()
        for example in np.flatnonzero(indices.is_null().to_numpy())[:1].tolist():
            raise DataError(
                f"{location(example)}: expected a class of the training data ({', '.join(outputs[:20])}), "
                f'got "{values[example]}". Relabel the example or leave it out.'
            )
        found: NDArray[np.int64] = indices.cast(pl.Int64).to_numpy()
        return found


class NumberTargets(TargetKind):
    """One number or several for each example; as targets [B, columns] float64."""

    name = "numbers"
    usual = ("target", "y", "value", "rating", "stars", "score", "price", "label")
    one_each = (
        "a number at each step needs data: {per: step}. Set it, give a series the same number in all of its rows, or "
        "forecast it with task: forecast"
    )

    def lacks(self, cells: pl.Series) -> pl.Series:
        """Return for each cell of a target whether it holds no number."""
        return is_missing(cells)

    def read(self, table: Table, names: Sequence[str], separator: str) -> pl.Series:
        """Return the numbers of each row, as arrays."""
        columns = []
        for name in names:
            check_filled(table, name, table.texts(name), "a number", refuses_markers=True)
            columns.append(table.numbers(name))
            for row in np.flatnonzero(np.isnan(columns[-1]))[:1].tolist():
                raise DataError(
                    f'{table.location(row, name)}: expected a number, got "{table.frame[name][row]}". Write one, or '
                    "leave the cell empty and such rows out: data: {missing: drop}"
                )
        return as_arrays(np.array(columns).T)

    def outputs(self, where: str, values: pl.Series, names: Sequence[str], location: Location) -> tuple[str, ...]:
        """Return the names of the columns, in each of which there are two different numbers."""
        found = values.to_numpy()
        names = tuple(names) or tuple(f"target {number}" for number in range(1, found.shape[1] + 1))
        for name, column in zip(names, found.T, strict=True):
            if len(column) < 2 or np.ptp(column) == 0:
                raise DataError(f"{where}: {name}: expected different numbers, got {column[0]:g} alone. Name another.")
        return tuple(names)

    def encode(self, values: pl.Series, outputs: Sequence[str], location: Location) -> NDArray[np.float64]:
        """Return [B, columns]."""
        found: NDArray[np.float64] = values.to_numpy().reshape(len(values), -1)
        if found.shape[1] != len(outputs):
            raise DataError(
                f"{location(0)}: expected the numbers {format_list(list(outputs))}, got {found.shape[1]}. Add the rest."
            )
        return found


class LabelSets(TargetKind):
    """Any number of labels for each example; as targets [B, labels] float32, 1 for each that it has and 0 for the rest.

    They are read from a column of lists, or of labels with commas, semicolons or bars between them, or from a column of
    1 and 0 for each label.
    """

    name = "labels"
    usual = ("labels", "tags", "topics", "genres", "categories", "keywords", "classes", "label")
    one_each = "give a series the same labels in all of its rows"

    def lacks(self, cells: pl.Series) -> pl.Series:
        """Return False for each cell: an empty one is the empty set."""
        return pl.repeat(False, len(cells), eager=True)

    def read(self, table: Table, names: Sequence[str], separator: str) -> pl.Series:
        """Return the labels of each row, as lists."""
        if len(names) == 1:
            lists = lists_of(table, names[0], separator or None, may_be_empty=True)
            cleaned = lists.list.eval(pl.element().cast(pl.String).str.strip_chars())
            return cleaned.list.eval(pl.element().filter(pl.element() != "").unique(maintain_order=True))
        flags = [_flags(table, name) for name in names]
        return pl.Series(
            [[name for name, is_set in zip(names, row, strict=True) if is_set] for row in zip(*flags, strict=True)],
            dtype=pl.List(pl.String),
        )

    def outputs(self, where: str, values: pl.Series, names: Sequence[str], location: Location) -> tuple[str, ...]:
        """Return the names of the labels, two or more."""
        found = values.explode(empty_as_null=True).drop_nulls().unique().to_list()
        labels = tuple(names) if len(names) > 1 else tuple(sorted(found, key=class_order(found)))
        if len(labels) < 2:
            raise DataError(f"{where}: expected two labels or more, got {format_list(labels) or 'none'}. Add examples.")
        return labels

    def encode(self, values: pl.Series, outputs: Sequence[str], location: Location) -> NDArray[np.float32]:
        """Return [B, labels]."""
        pairs = pl.DataFrame({"example": np.arange(len(values)), "label": values})
        pairs = pairs.explode("label", empty_as_null=True).drop_nulls()
        indices = pairs["label"].cast(pl.Enum(outputs), strict=False).to_physical()
        for pair in np.flatnonzero(indices.is_null().to_numpy())[:1].tolist():
            raise DataError(
                f"{location(int(pairs['example'][pair]))}: expected labels of the training data "
                f'({", ".join(outputs[:20])}), got "{pairs["label"][pair]}". Relabel the example or leave it out.'
            )
        targets = np.zeros((len(values), len(outputs)), np.float32)
        targets[pairs["example"].to_numpy(), indices.cast(pl.Int64).to_numpy()] = 1
        return targets


CLASS, NUMBERS, LABEL_SETS = ClassTarget(), NumberTargets(), LabelSets()
KINDS: dict[str, TargetKind] = {kind.name: kind for kind in (CLASS, NUMBERS, LABEL_SETS)}
"""All kinds of targets by name."""

_YES = ("1", "1.0", "true", "yes", "y", "x", "t")
_NO = ("0", "0.0", "false", "no", "n", "", "f")


def _flags(table: Table, name: str) -> list[bool]:
    cells = table.column(name).cast(pl.String).str.strip_chars().str.to_lowercase().fill_null("")
    for row in np.flatnonzero((~cells.is_in([*_YES, *_NO])).to_numpy())[:1].tolist():
        raise DataError(
            f'{table.location(row, name)}: expected 1 or 0 in each column of a label, got "{cells[row]}". Write 1 or '
            f"0, or name one column of lists: data: {{target: {name}}}"
        )
    return cells.is_in(list(_YES)).to_list()


def as_arrays(values: NDArray[np.float64]) -> pl.Series:
    """Return [B, F] numbers as a column of arrays."""
    return pl.Series(np.ascontiguousarray(values, np.float64), dtype=pl.Array(pl.Float64, values.shape[1]))


_MOST_NUMBERED_CLASSES = 50


def are_measurements(classes: Iterable[str]) -> bool:
    """Return True if the labels are fractions, or more integers than classes are numbered with."""
    cells = pl.Series("label", list(classes), dtype=pl.String)
    if not len(cells) or not are_numbers(cells).all():
        return False
    found = format_of_numbers(cells.to_frame())
    values, _ = parse_numbers(cells, found.of("label"))
    return len(values) > _MOST_NUMBERED_CLASSES or bool((values != np.floor(values)).any())


def class_order(labels: Collection[str]) -> Callable[[str], Any]:
    """Return the sort key of classes: the value of integers, otherwise the name."""
    if all(re.fullmatch(r"-?[0-9]{1,300}", label) for label in labels):
        return lambda label: (int(label), label)
    return str
