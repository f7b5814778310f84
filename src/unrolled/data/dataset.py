"""Data sets: training, validation and test examples with the names of their classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple
from zlib import crc32

from unrolled.data.grids import Timeline
from unrolled.data.long_text import LongText, pieces_of
from unrolled.data.named_inputs import NamedInputs
from unrolled.data.ragged import Ragged
from unrolled.data.texts import Texts
from unrolled.data.token_lists import TokenLists

import numpy as np
from numpy.typing import NDArray


class Split(NamedTuple):
    """Training, validation or test examples; unpacks to ``inputs, targets``.

    Attributes:
        inputs: [B, height, width] or, in colours, [B, height, width, 3] uint8 pixels from 0 to 255; [B, T, F] float32;
            [B] ``Texts``; series [T, F] float32, each of its own length, as [B] objects or ``Ragged``; or several of
            these by name as ``NamedInputs``.
        targets: [B] int64, the class index of each example; [B, columns] float64, its numbers; or [B, labels] float32,
            1 for each label that it has. Of each of its steps, as ``Ragged``, the class index [T], -1 for a step that
            has none, or the numbers [T, columns], NaN for one that is missing.
    """

    inputs: Any
    targets: Any

    def __repr__(self) -> str:
        if isinstance(self.inputs, NamedInputs):
            return f"Split({self.size:,} of {', '.join(self.inputs.parts)})"
        if self.inputs.dtype == object:
            return f"Split({self.size:,} of {'text' if is_text(self.inputs[0]) else 'series'})"
        return f"Split({self.size:,} of {self.inputs.dtype} {list(self.inputs.shape[1:])})"

    @property
    def size(self) -> int:
        """The number of examples, B."""
        return len(self.targets)

    @property
    def strata(self) -> NDArray[np.int64]:
        """[B] the class of each example, by which examples are divided evenly; 0 where they have something else."""
        has_classes = not isinstance(self.targets, Ragged) and np.ndim(self.targets) == 1
        return np.asarray(self.targets) if has_classes else np.zeros(self.size, np.int64)

    def select(self, indices: NDArray[np.int64]) -> "Split":
        """Return the examples at ``indices``, in that order."""
        return Split(self.inputs[indices], self.targets[indices])


@dataclass(frozen=True)
class Division:
    """The groups or the times by which examples are divided into training, validation and test examples.

    Attributes:
        by: ``group``, which stays whole, or ``time``: what comes last is held out.
        values: [B] the number of each example's group, or its time.
    """

    by: Literal["group", "time"]
    values: NDArray[np.int64]

    def select(self, indices: NDArray[np.int64]) -> "Division":
        """Return the division of the examples at ``indices``."""
        return Division(self.by, self.values[indices])


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
        division: What the training examples are divided by; None to divide them at random.
        found_settings: The settings of the ``data`` section that the files decided, by which other files are read the
            same way: ``channels`` of pictures, ``rate`` of sounds.
        target_kind: What an example has, as of ``TargetKind``: a ``class``, ``numbers`` or ``labels``.
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
    division: Division | None = None
    found_settings: Mapping[str, Any] = field(default_factory=dict)
    timelines: tuple[Timeline, ...] = ()
    target_kind: str = "class"

    @property
    def columns(self) -> tuple[str, ...]:
        """The input columns of a table; empty for other formats."""
        values = self.schema.get("categories", {}) if self.schema else {}
        named = (f"{name}={value}" for name, some in values.items() for value in some)
        inputs = (name for name, kind in self.input_kinds.items() if kind != "features")
        return (*inputs, *self.schema["columns"], *named) if self.schema else ()

    @property
    def kind(self) -> Literal["arrays", "series", "text", "tokens", "columns"]:
        """The type of an input: an array of one shape, a series of its own length, a text, words, or several inputs."""
        if isinstance(self.train.inputs, TokenLists):
            return "tokens"
        if isinstance(self.train.inputs, NamedInputs):
            return "columns"
        if self.train.inputs.dtype != object:
            return "arrays"
        return "text" if is_text(self.train.inputs[0]) else "series"

    @property
    def input_kinds(self) -> Mapping[str, str]:
        """The type of each of several inputs by name, such as ``text`` (see ``TableSchema``)."""
        return dict(self.schema.get("inputs", {})) if self.schema else {}

    @property
    def is_per_step(self) -> bool:
        """True if each step has a class or numbers, not each example."""
        return isinstance(self.train.targets, Ragged)

    @property
    def has_images(self) -> bool:
        """True if an input is an image, in grey levels or in colours, or an array of that shape."""
        return self.kind == "arrays" and self.train.inputs.ndim in (3, 4)

    @property
    def has_sounds(self) -> bool:
        """True if the series are log-mel energies of sounds."""
        return "rate" in self.found_settings

    @property
    def example_shape(self) -> tuple[int | None, ...]:
        """The shape of one input without its batch axis; None for a length that varies; () if there are several."""
        if self.kind == "columns":
            return ()
        if self.kind == "arrays":
            return tuple(self.train.inputs.shape[1:])
        return (None,) if self.kind in ("text", "tokens") else (None, self.train.inputs[0].shape[1])

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


def is_text(item: Any) -> bool:
    """Return True if an example is a text."""
    return isinstance(item, str | LongText)


def _checksum(array: NDArray[Any] | Texts | NamedInputs) -> int:
    if isinstance(array, NamedInputs):
        parts = ((name, _checksum(part)) for name, part in array.parts.items())
        return crc32(repr(list(parts)).encode())
    if array.dtype != object:
        return crc32(np.ascontiguousarray(array).data)
    checksum = 0
    if isinstance(array, TokenLists):
        return crc32("\0".join(array.words.to_list()).encode(), crc32(array.lengths.data))
    if isinstance(array, Texts):
        for some in array.columns():
            checksum = crc32("".join(some.to_list()).encode(), checksum)
        return checksum
    for item in array:
        if not is_text(item):
            checksum = crc32(np.ascontiguousarray(item).data, checksum)
            continue
        for piece in pieces_of(item):
            checksum = crc32(piece.encode("utf-8", "surrogatepass"), checksum)
    return checksum
