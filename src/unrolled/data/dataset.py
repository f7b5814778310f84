"""What a network learns from: arrays for training, arrays for testing, and what the targets mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple
from zlib import crc32

from unrolled.data.streaming import LongText, Stored, pieces_of

import numpy as np
from numpy.typing import NDArray


class Split(NamedTuple):
    """Examples of one part of a data set; unpacks to ``inputs, targets``.

    Attributes:
        inputs: [B, height, width] uint8 pixels from 0 to 255, [B, T, F] float32, or [B] objects: texts, or series
            [T, F] float32, each of its own length; what is larger than memory is read when it is asked for.
        targets: [B] int64, the index of each example's class.
    """

    inputs: NDArray[Any]
    targets: NDArray[np.int64]

    def __repr__(self) -> str:
        if self.inputs.dtype == object:
            return f"Split({self.size:,} of {'text' if is_text(self.inputs[0]) else 'series'})"
        return f"Split({self.size:,} of {self.inputs.dtype} {list(self.inputs.shape[1:])})"

    @property
    def size(self) -> int:
        """B, the number of examples."""
        return len(self.targets)

    def select(self, indices: NDArray[np.int64]) -> "Split":
        """The examples at ``indices``, in that order."""
        return Split(self.inputs[indices], self.targets[indices])


@dataclass(frozen=True)
class Dataset:
    """A named pair of splits with the names of its classes.

    Attributes:
        name: What an experiment calls it, or the file's name.
        train: The examples to learn from.
        test: The examples to measure on, once.
        classes: The name of each class, in the order of the targets' indices; empty where nothing is classified.
        source: Who made it, and under which terms; empty for the user's own files.
        validation: The examples to watch a training with, where the data set says which.
        notes: What was noticed while it was loaded.
        reading: Of a table, how it is read.

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
    reading: Mapping[str, Any] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Of a table, those that are read."""
        return tuple(self.reading["columns"]) if self.reading else ()

    @property
    def kind(self) -> Literal["arrays", "series", "text"]:
        """What an input is: an array of the same shape as all others, a series of its own length, or a text."""
        if self.train.inputs.dtype != object:
            return "arrays"
        return "text" if is_text(self.train.inputs[0]) else "series"

    @property
    def example_shape(self) -> tuple[int | None, ...]:
        """The shape of one input, without its batch axis; a length of its own is None."""
        if self.kind == "arrays":
            return tuple(self.train.inputs.shape[1:])
        return (None,) if self.kind == "text" else (None, self.train.inputs[0].shape[1])

    @property
    def parts(self) -> dict[str, Split]:
        """The splits that there are, by name."""
        found = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in found.items() if split is not None}

    @property
    def fingerprints(self) -> dict[str, str]:
        """A checksum of each split: other examples have another one."""
        return {part: "-".join(f"{_checksum(array):08x}" for array in split) for part, split in self.parts.items()}

    def head(self, examples: int) -> "Dataset":
        """The same data set cut to its first ``examples`` to learn from and to measure on."""
        train, test = (Split(part.inputs[:examples], part.targets[:examples]) for part in (self.train, self.test))
        return replace(self, train=train, test=test)

    def noting(self, note: str) -> "Dataset":
        """The same data set with one more note, unless that is empty."""
        return replace(self, notes=(*self.notes, note)) if note else self


def objects(items: Sequence[Any]) -> NDArray[Any]:
    """[B] of objects, texts or arrays; NumPy would make one array of arrays that have one shape."""
    array = np.empty(len(items), dtype=object)
    for place, item in enumerate(items):
        array[place] = item
    return array


def is_text(item: Any) -> bool:
    """Whether an example is one of text."""
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
        split: What to divide.
        fraction: The share of each class to hold out, between 0 and 1, rounded to whole examples. Where a
            class has two or more, at least one is held out and at least one stays.
        seed: Decides which examples.

    Returns:
        The examples that stay and the examples held out, both in their original order.
    """
    random = np.random.default_rng(seed)
    held = np.zeros(split.size, dtype=bool)
    for label in np.unique(split.targets):
        members = np.flatnonzero(split.targets == label)
        count = min(max(round(len(members) * fraction), 1), len(members) - 1)
        held[random.permutation(members)[:count]] = True
    return split.select(np.flatnonzero(~held)), split.select(np.flatnonzero(held))


def fold_out(split: Split, fold: int, of: int, seed: int) -> tuple[Split, Split]:
    """Divide a split as ``hold_out`` does, so that the parts held out for each fold together are the whole.

    Args:
        split: What to divide.
        fold: Which part to hold out, from 0 on.
        of: How many parts there are.
        seed: Decides which example is in which part.

    Returns:
        The examples that stay and the examples held out, both in their original order.
    """
    random = np.random.default_rng(seed)
    part = np.empty(split.size, dtype=np.int64)
    given = 0
    for label in np.unique(split.targets):
        members = random.permutation(np.flatnonzero(split.targets == label))
        part[members] = (np.arange(len(members)) + given) % of
        given += len(members)
    return split.select(np.flatnonzero(part != fold)), split.select(np.flatnonzero(part == fold))


def padded_length(length: int) -> int:
    """The next of few lengths, so that a backend compiles for few shapes: 8, 12, 16, 24, 32, 48, 64, ...

    Example:
        >>> [padded_length(length) for length in (1, 9, 13, 17, 33)]
        [8, 12, 16, 24, 48]
    """
    power = 8
    while power < length:
        power *= 2
    return power * 3 // 4 if power > 8 and length <= power * 3 // 4 else power


def pad(items: Sequence[NDArray[Any]] | NDArray[Any], length: int | None = None) -> NDArray[Any]:
    """[B, T, ...] with each item at the left, and behind it 0 where items are integers, NaN where they are numbers.

    Args:
        items: Arrays [T, ...]; what is longer than ``length`` is cut.
        length: T; without it the next of few lengths above the longest.
    """
    length = length or padded_length(max((len(item) for item in items), default=1))
    first = items[0]
    fill = 0 if first.dtype.kind in "iu" else np.nan
    padded = np.full((len(items), length, *first.shape[1:]), fill, first.dtype)
    for row, item in zip(padded, items, strict=True):
        row[: len(item)] = item[:length]
    return padded


def lengths(items: NDArray[Any] | Stored) -> NDArray[np.int64]:
    """[B] the length of each."""
    return items.lengths if isinstance(items, Stored) else np.array([len(item) for item in items], np.int64)
