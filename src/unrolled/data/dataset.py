"""Data sets: training, validation and test examples with the names of their classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple
from zlib import crc32

from unrolled.data.grids import Timeline
from unrolled.data.streaming import LongText, Stored, pieces_of

import numpy as np
from numpy.typing import NDArray


class Split(NamedTuple):
    """Training, validation or test examples; unpacks to ``inputs, targets``.

    Attributes:
        inputs: [B, height, width] uint8 pixels from 0 to 255, [B, T, F] float32, or [B] objects: texts, or series
            [T, F] float32, each of its own length. Inputs larger than memory are read on access.
        targets: [B] int64, the class index of each example.
    """

    inputs: NDArray[Any]
    targets: NDArray[np.int64]

    def __repr__(self) -> str:
        if self.inputs.dtype == object:
            return f"Split({self.size:,} of {'text' if is_text(self.inputs[0]) else 'series'})"
        return f"Split({self.size:,} of {self.inputs.dtype} {list(self.inputs.shape[1:])})"

    @property
    def size(self) -> int:
        """The number of examples, B."""
        return len(self.targets)

    def select(self, indices: NDArray[np.int64]) -> "Split":
        """Return the examples at ``indices``, in that order."""
        return Split(self.inputs[indices], self.targets[indices])


@dataclass(frozen=True)
class Dataset:
    """Training, validation and test examples under one name.

    Attributes:
        name: The name in an experiment, or the name of the file.
        train: The training examples.
        test: The test examples.
        classes: The name of each class, by index. For a series to forecast, the names of its channels. Empty for a
            text to continue.
        source: Author and license; empty for files of the user.
        validation: The validation examples of a data set that defines them.
        notes: Remarks for the user, made while loading.
        schema: The columns and read options of a table, as JSON (see ``TableSchema``).
        timelines: Of series to forecast from a table, the name and the times of each, training and test steps together.

    Example:
        >>> import unrolled
        >>> mnist = unrolled.load("mnist")
        >>> (x_train, y_train), (x_test, y_test) = mnist.train, mnist.test
        >>> x_test.shape, y_test[:3].tolist(), mnist.classes[7]
        ((10000, 28, 28), [7, 2, 1], '7')
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    source: str = ""
    validation: Split | None = None
    notes: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    timelines: tuple[Timeline, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The input columns of a table; empty for other formats."""
        return tuple(self.schema["columns"]) if self.schema else ()

    @property
    def kind(self) -> Literal["arrays", "series", "text"]:
        """The type of an input: an array of one shape for all, a series of its own length, or a text."""
        if self.train.inputs.dtype != object:
            return "arrays"
        return "text" if is_text(self.train.inputs[0]) else "series"

    @property
    def example_shape(self) -> tuple[int | None, ...]:
        """The shape of one input without its batch axis; None for a length that varies."""
        if self.kind == "arrays":
            return tuple(self.train.inputs.shape[1:])
        return (None,) if self.kind == "text" else (None, self.train.inputs[0].shape[1])

    @property
    def parts(self) -> dict[str, Split]:
        """The splits that hold examples, by name."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in splits.items() if split is not None and split.size}

    @property
    def fingerprints(self) -> dict[str, str]:
        """A checksum of each split, by name."""
        return {part: "-".join(f"{_checksum(array):08x}" for array in split) for part, split in self.parts.items()}

    def head(self, examples: int) -> "Dataset":
        """Return the data set cut to its first ``examples`` training examples and as many test examples."""
        train, test = (Split(part.inputs[:examples], part.targets[:examples]) for part in (self.train, self.test))
        return replace(self, train=train, test=test)

    def with_note(self, note: str) -> "Dataset":
        """Return the data set with one more note; an empty note is ignored."""
        return replace(self, notes=(*self.notes, note)) if note else self


def objects(items: Sequence[Any]) -> NDArray[Any]:
    """Return an object array [B] of texts or arrays.

    ``np.array`` would stack arrays of equal shape into one.
    """
    array = np.empty(len(items), dtype=object)
    for index, item in enumerate(items):
        array[index] = item
    return array


def is_text(item: Any) -> bool:
    """Return True if an example is a text."""
    return isinstance(item, str | LongText)


def _checksum(array: NDArray[Any]) -> int:
    if array.dtype != object:
        return crc32(np.ascontiguousarray(array).data)
    checksum = 0
    for item in array:
        if not is_text(item):
            checksum = crc32(np.ascontiguousarray(item).data, checksum)
            continue
        for piece in pieces_of(item):
            checksum = crc32(piece.encode("utf-8", "surrogatepass"), checksum)
    return checksum


def hold_out(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Divide a split in two, each class in the same proportion, the same way for the same seed.

    Args:
        split: The examples to divide.
        fraction: The share of each class to hold out, between 0 and 1, rounded to whole examples. Where a
            class has two or more, at least one is held out and at least one stays.
        seed: Decides which examples.

    Returns:
        The examples that stay and those held out, both in their original order.
    """
    random = np.random.default_rng(seed)
    is_held_out = np.zeros(split.size, dtype=bool)
    for label in np.unique(split.targets):
        members = np.flatnonzero(split.targets == label)
        count = min(max(round(len(members) * fraction), 1), len(members) - 1)
        is_held_out[random.permutation(members)[:count]] = True
    return split.select(np.flatnonzero(~is_held_out)), split.select(np.flatnonzero(is_held_out))


def fold_out(split: Split, fold: int, of: int, seed: int) -> tuple[Split, Split]:
    """Divide a split for cross-validation: the examples held out for all folds together are the whole split.

    Each class is spread evenly over the folds, the same way for the same seed.

    Args:
        split: The examples to divide.
        fold: The index of the fold to hold out, from 0 on.
        of: The number of folds.
        seed: Decides which example is in which fold.

    Returns:
        The examples that stay and those held out, both in their original order.
    """
    random = np.random.default_rng(seed)
    folds = np.empty(split.size, dtype=np.int64)
    assigned = 0
    for label in np.unique(split.targets):
        members = random.permutation(np.flatnonzero(split.targets == label))
        folds[members] = (np.arange(len(members)) + assigned) % of
        assigned += len(members)
    return split.select(np.flatnonzero(folds != fold)), split.select(np.flatnonzero(folds == fold))


def padded_length(length: int) -> int:
    """Round a length up to one of 8, 12, 16, 24, 32, 48, 64, ..., so that a backend compiles for few shapes.

    Example:
        >>> [padded_length(length) for length in (1, 9, 13, 17, 33)]
        [8, 12, 16, 24, 48]
    """
    power = 8
    while power < length:
        power *= 2
    return power * 3 // 4 if power > 8 and length <= power * 3 // 4 else power


def pad(items: Sequence[NDArray[Any]] | NDArray[Any], length: int | None = None) -> NDArray[Any]:
    """Stack arrays of unequal length, padded at the end: integers with 0, numbers with NaN.

    Args:
        items: Arrays [T, ...]; those longer than ``length`` are cut.
        length: T; without it the ``padded_length`` of the longest.

    Returns:
        [B, T, ...].
    """
    length = length or padded_length(max((len(item) for item in items), default=1))
    first = items[0]
    fill = 0 if first.dtype.kind in "iu" else np.nan
    padded = np.full((len(items), length, *first.shape[1:]), fill, first.dtype)
    for row, item in zip(padded, items, strict=True):
        row[: len(item)] = item[:length]
    return padded


def lengths(items: NDArray[Any] | Stored) -> NDArray[np.int64]:
    """Return the length of each item, [B]."""
    return items.lengths if isinstance(items, Stored) else np.array([len(item) for item in items], np.int64)
