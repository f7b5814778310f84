"""Examples with class labels, and the data sets made of them."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unrolled.data.dataset import Dataset, Split, hold_out, objects
from unrolled.errors import DataError

import numpy as np
from numpy.typing import NDArray

TEST_SEED = 0
# About the share of MNIST's own test set: 10,000 of 70,000.
TEST_SHARE = 1 / 6


@dataclass(frozen=True)
class LabeledExamples:
    """Examples with the names of their classes, in the order of their file.

    Attributes:
        inputs: [B, height, width] or [B, height, width, 3] uint8, or [B] texts or series [T, F].
        labels: [B] the name of each example's class.
        location: Function from the index of an example to its location, for messages: ``reviews.csv:12``.
        schema: The columns and read options of a table, as JSON (see ``TableSchema``).
        found_settings: The settings of the ``data`` section that the files decided: ``channels``, ``rate``.
    """

    inputs: Any
    labels: Sequence[str]
    location: Callable[[int], str]
    schema: Mapping[str, Any] | None = None
    found_settings: Mapping[str, Any] = field(default_factory=dict)


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
    classes = tuple(sorted(set(train.labels), key=_class_order(train.labels)))
    if len(classes) < 2:
        raise DataError(f"{name}: expected two classes or more, got {len(classes)}. Add examples of another class.")
    _check_class_sizes(name, train, classes)
    splits = {part: split_of(labeled, classes) for part, labeled in parts.items()}
    if "test" not in splits:
        splits["train"], splits["test"] = hold_out(splits["train"], TEST_SHARE, TEST_SEED)
    validation = splits.get("validation")
    data = Dataset(
        name,
        splits["train"],
        splits["test"],
        classes,
        source,
        validation=validation,
        schema=train.schema,
        found_settings=train.found_settings,
    )
    return data.with_note(count_duplicates(data))


def count_duplicates(data: Dataset) -> str:
    """Return a note with the number of test examples that are training examples too; empty if there are none."""
    train, test = (
        np.fromiter((hash(_key(item)) for item in split.inputs), np.int64, split.size)
        for split in (data.train, data.test)
    )
    found = int(np.isin(test, train).sum())
    return f"{found:,} of {data.test.size:,} test examples are training examples too" if found else ""


def split_of(labeled: LabeledExamples, classes: tuple[str, ...]) -> Split:
    """Return labeled examples with the index of each label among the classes.

    Raises:
        DataError: A label is not one of the classes.
    """
    indices = {name: index for index, name in enumerate(classes)}
    for example, label in enumerate(labeled.labels):
        if label not in indices:
            raise DataError(
                f"{labeled.location(example)}: expected a class of the training data ({', '.join(classes[:20])}), "
                f'got "{label}". Relabel the example or leave it out.'
            )
    inputs = objects(labeled.inputs) if isinstance(labeled.inputs, list) else labeled.inputs
    return Split(inputs, np.array([indices[label] for label in labeled.labels], np.int64))


def _check_class_sizes(name: str, train: LabeledExamples, classes: tuple[str, ...]) -> None:
    """Check that each class has two examples or more, one of them for the test.

    Raises:
        DataError: A class has one example; measurements as labels have a message of their own.
    """
    counts = Counter(train.labels)
    single = next((label for label in classes if counts[label] == 1), None)
    if single is None:
        return
    if _are_measurements(classes):
        column = f": {train.schema['target']}" if train.schema else ""
        raise DataError(
            f"{name}{column}: numeric target: {len(classes):,} different numbers in {len(train.labels):,} examples, "
            "expected classes. Name a column of classes, or predict the number with unrolled.SequenceRegressor."
        )
    raise DataError(
        f"{train.location(train.labels.index(single))}: expected two examples or more of each class, got one of "
        f'"{single}". Add examples, or leave that one out.'
    )


_MOST_NUMBERED_CLASSES = 50


def _are_measurements(classes: tuple[str, ...]) -> bool:
    """Return True if the labels are fractions, or more integers than classes are numbered with."""
    try:
        values = [float(label) for label in classes]
    except ValueError:
        return False
    return len(values) > _MOST_NUMBERED_CLASSES or not all(value.is_integer() for value in values)


def _class_order(labels: Sequence[str]) -> Callable[[str], Any]:
    """Return the sort key of classes: the value of integers, otherwise the name."""
    return int if all(re.fullmatch(r"-?[0-9]{1,300}", label) for label in labels) else str


def _key(item: NDArray[Any] | str) -> bytes | str:
    return item if isinstance(item, str) else item.tobytes()
