"""Examples with class labels, and the Dataset that they make."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unrolled.data.dataset import Dataset, Split, hold_out, objects
from unrolled.errors import DataError

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabeledExamples:
    """Examples as they were found.

    Attributes:
        inputs: [B, height, width] uint8, or [B] texts or series [T, F].
        labels: The class of each.
        place: How a message names where an example stands.
        reading: Of a table, how it was read.
    """

    inputs: Any
    labels: Sequence[str]
    place: Callable[[int], str]
    reading: Mapping[str, Any] | None = None


def assemble(name: str, parts: dict[str, LabeledExamples], source: str = "") -> Dataset:
    """A data set of what was read; where there is no test part, a sixth of each class is held out, always the same.

    Raises:
        DataError: There is only one class, a class with a single example, or a test label that training has not.
    """
    learned = parts["train"]
    classes = tuple(sorted(set(learned.labels), key=_in_order(learned.labels)))
    if len(classes) < 2:
        raise DataError(f"{name}: expected two classes or more, got {len(classes)}. Add examples of another class.")
    counts = Counter(learned.labels)
    for label in classes:
        if counts[label] == 1:
            place = learned.place(learned.labels.index(label))
            raise DataError(
                f'{place}: expected two examples or more of each class, got one of "{label}". '
                "Add examples, or leave that one out."
            )
    splits = {part: split_of(labeled, classes) for part, labeled in parts.items()}
    if "test" not in splits:
        splits["train"], splits["test"] = hold_out(splits["train"], TEST_SHARE, TEST_SEED)
    data = Dataset(name, splits["train"], splits["test"], classes, source, reading=learned.reading)
    return data.noting(duplicates(data))


def duplicates(data: Dataset) -> str:
    """A note of how many test examples are training examples too; empty where none are."""
    learned, measured = (
        np.fromiter((hash(_key(item)) for item in part.inputs), np.int64, part.size) for part in (data.train, data.test)
    )
    found = int(np.isin(measured, learned).sum())
    return f"{found:,} of {data.test.size:,} test examples are training examples too" if found else ""


def split_of(labeled: LabeledExamples, classes: tuple[str, ...]) -> Split:
    """The examples with the indices of their classes.

    Raises:
        DataError: A label is none of the classes.
    """
    indices = {name: index for index, name in enumerate(classes)}
    for example, label in enumerate(labeled.labels):
        if label not in indices:
            place, known = labeled.place(example), ", ".join(classes[:20])
            raise DataError(
                f'{place}: expected a class that training has ({known}), got "{label}". '
                "Relabel the example or leave it out."
            )
    inputs = objects(labeled.inputs) if isinstance(labeled.inputs, list) else labeled.inputs
    return Split(inputs, np.array([indices[label] for label in labeled.labels], np.int64))


def _in_order(labels: Sequence[str]) -> Callable[[str], Any]:
    """Numbers by value, everything else by name."""
    return int if all(label.lstrip("-").isdigit() for label in labels) else str


def _key(item: NDArray[Any] | str) -> bytes | str:
    return item if isinstance(item, str) else item.tobytes()


TEST_SEED = 0


TEST_SHARE = 1 / 6  # MNIST's own share of its handwriting, roughly: 10,000 of 70,000
