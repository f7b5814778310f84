"""Examples with class labels, and the data sets made of them."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unrolled.data.dataset import Dataset, Split, hold_out
from unrolled.data.ragged import objects
from unrolled.data.texts import Texts
from unrolled.errors import DataError

import numpy as np
import polars as pl

TEST_SEED = 0
# About the share of MNIST's own test set: 10,000 of 70,000.
TEST_SHARE = 1 / 6


@dataclass(frozen=True)
class LabeledExamples:
    """Examples with the names of their classes, in the order of their file.

    Attributes:
        inputs: [B, height, width] uint8, [B] ``Texts``, or [B] series [T, F].
        labels: [B] the name of each example's class.
        location: Function from the index of an example to its location, for messages: ``reviews.csv:12``.
        schema: The columns and read options of a table, as JSON (see ``TableSchema``).
    """

    inputs: Any
    labels: pl.Series | Sequence[str]
    location: Callable[[int], str]
    schema: Mapping[str, Any] | None = None


def assemble(name: str, parts: Mapping[str, LabeledExamples], source: str = "") -> Dataset:
    """Make a data set of labeled examples.

    Without a test part a sixth of each class is held out for the test, always the same.

    Args:
        name: The name of the data set.
        parts: The examples of ``train``, and of ``validation`` and ``test`` if the data has such.
        source: Author and license.

    Raises:
        DataError: There is only one class, a class has a single example, or a label of another part is not a class of
            the training examples.
    """
    train = parts["train"]
    counts = dict(pl.Series("class", train.labels, pl.String).value_counts().iter_rows())
    classes = tuple(sorted(counts, key=_class_order(counts)))
    if len(classes) < 2:
        raise DataError(f"{name}: expected two classes or more, got {len(classes)}. Add examples of another class.")
    _check_class_sizes(name, train, {label: counts[label] for label in classes})
    splits = {part: split_of(labeled, classes) for part, labeled in parts.items()}
    if "test" not in splits:
        splits["train"], splits["test"] = hold_out(splits["train"], TEST_SHARE, TEST_SEED)
    validation = splits.get("validation")
    data = Dataset(name, splits["train"], splits["test"], classes, source, validation=validation, schema=train.schema)
    return data.with_note(count_duplicates(data))


def count_duplicates(data: Dataset) -> str:
    """Return a note with the number of test examples that are training examples too; empty if there are none."""
    train, test = _hashes(data.train.inputs), _hashes(data.test.inputs)
    found = int(test.is_in(train.implode()).sum())
    return f"{found:,} of {data.test.size:,} test examples are training examples too" if found else ""


def split_of(labeled: LabeledExamples, classes: tuple[str, ...]) -> Split:
    """Return labeled examples with the index of each label among the classes.

    Raises:
        DataError: A label is not one of the classes.
    """
    labels = pl.Series(labeled.labels, dtype=pl.String)
    indices = labels.cast(pl.Enum(classes), strict=False).to_physical()
    for example in np.flatnonzero(indices.is_null().to_numpy())[:1].tolist():
        raise DataError(
            f"{labeled.location(example)}: expected a class of the training data ({', '.join(classes[:20])}), "
            f'got "{labels[example]}". Relabel the example or leave it out.'
        )
    inputs = labeled.inputs
    if isinstance(inputs, list):
        inputs = Texts.of(inputs) if isinstance(inputs[0], str) else objects(inputs)
    return Split(inputs, indices.cast(pl.Int64).to_numpy())


def _check_class_sizes(name: str, train: LabeledExamples, counts: Mapping[str, int]) -> None:
    """Check that each class has two examples or more, one of them for the test.

    Raises:
        DataError: A class has one example; measurements as labels have a message of their own.
    """
    single = next((label for label, count in counts.items() if count == 1), None)
    if single is None:
        return
    if _are_measurements(counts):
        column = f": {train.schema['target']}" if train.schema else ""
        raise DataError(
            f"{name}{column}: numeric target: {len(counts):,} different numbers in {len(train.labels):,} examples, "
            "expected classes. Name a column of classes, or predict the number with unrolled.SequenceRegressor."
        )
    raise DataError(
        f"{train.location(list(train.labels).index(single))}: expected two examples or more of each class, got one of "
        f'"{single}". Add examples, or leave that one out.'
    )


_MOST_NUMBERED_CLASSES = 50


def _are_measurements(classes: Iterable[str]) -> bool:
    """Return True if the labels are fractions, or more integers than classes are numbered with."""
    try:
        values = [float(label) for label in classes]
    except ValueError:
        return False
    return len(values) > _MOST_NUMBERED_CLASSES or not all(value.is_integer() for value in values)


def _class_order(labels: Collection[str]) -> Callable[[str], Any]:
    """Return the sort key of classes: the value of integers, otherwise the name."""
    if all(re.fullmatch(r"-?[0-9]{1,300}", label) for label in labels):
        return lambda label: (int(label), label)
    return str


def _hashes(inputs: Any) -> pl.Series:
    """Return a number for each input, [B], equal for equal inputs."""
    if isinstance(inputs, Texts):
        return pl.concat([column.hash() for column in inputs.columns()])
    return pl.Series([hash(item.tobytes()) for item in inputs], dtype=pl.Int64)
