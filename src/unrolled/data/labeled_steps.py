"""Examples with a label or numbers at each step, and the data sets made of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unrolled.data.dataset import Dataset, Division, Split
from unrolled.data.labeled import ALL, Selection, choose_test
from unrolled.data.precision import narrowed
from unrolled.data.ragged import Ragged, objects
from unrolled.data.targets import CLASS, NUMBERS, TargetKind, as_arrays, class_order
from unrolled.errors import DataError

import numpy as np
import polars as pl
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabeledSteps:
    """Examples with the name of a class, or with numbers, at each of their steps, in the order of their file.

    Attributes:
        inputs: [B] ``TokenLists``, or series [T, F].
        labels: The names of the classes of all steps, end to end, null for a step without one; or their numbers, as
            arrays with NaN for one that is missing.
        lengths: [B] the number of steps of each example.
        location: Function from the indices of an example and of its step to their location: ``tags.tsv:12``.
        schema: The columns and read options of a table, as JSON (see ``TableSchema``).
        division: What the examples are divided by into training and test examples; None to divide them at random.
        notes: Remarks for the user, made while reading.
        kind: What a step has: a class, or numbers.
        names: The names of the numbers.
    """

    inputs: Any
    labels: pl.Series
    lengths: NDArray[np.int64]
    location: Callable[[int, int], str]
    schema: Mapping[str, Any] | None = None
    division: Division | None = None
    notes: tuple[str, ...] = ()
    kind: TargetKind = CLASS
    names: tuple[str, ...] = ()

    @classmethod
    def of_names(
        cls, inputs: Any, names: Sequence[Sequence[str]], location: Callable[[int, int], str]
    ) -> "LabeledSteps":
        """Return examples with a list of names each."""
        labels = pl.Series([name for some in names for name in some], dtype=pl.String)
        return cls(inputs, labels, np.array([len(some) for some in names], np.int64), location)


def assemble_steps(name: str, parts: Mapping[str, LabeledSteps], selection: Selection = ALL) -> Dataset:
    """Make a data set of examples with a label or numbers at each step.

    Without a test part a sixth of the examples is held out for the test, always the same; or what the division of the
    examples says. A class that occurs in one part alone is a class all the same.

    Args:
        name: The name of the data set.
        parts: The examples of ``train``, and of ``validation`` and ``test`` if the data has such.
        selection: The time from which on examples are test examples.

    Raises:
        DataError: There is one example, one class or one number, or no example before or after that time; or the
            training or test examples have no number at all.
    """
    parts = narrowed(parts)
    train = parts["train"]
    outputs = _numbers_of(name, train) if train.kind is NUMBERS else _classes_of(name, parts)
    if len(train.lengths) < 2:
        raise DataError(f"{name}: expected two examples or more, got one. Add one for the test.")
    splits = {part: split_of_steps(one, outputs) for part, one in parts.items()}
    division = train.division
    if "test" not in splits:
        stay, test = choose_test(name, splits["train"], division, selection)
        splits["train"], splits["test"] = splits["train"].select(stay), splits["train"].select(test)
        division = division.select(stay) if division else None
    data = Dataset(
        name,
        splits["train"],
        splits["test"],
        outputs,
        validation=splits.get("validation"),
        schema=train.schema,
        division=division,
        notes=tuple(note for note in train.notes if note),
        target_kind=train.kind.name,
    )
    return data.with_note(_missing_numbers(data) if train.kind is NUMBERS else _missing_labels(data))


def _classes_of(name: str, parts: Mapping[str, LabeledSteps]) -> tuple[str, ...]:
    names = pl.concat([part.labels for part in parts.values()]).drop_nulls().unique().to_list()
    classes = tuple(sorted(names, key=class_order(names)))
    if len(classes) < 2:
        raise DataError(f"{name}: expected two labels or more, got {len(classes)}. Add steps with another label.")
    return classes


def _numbers_of(name: str, train: LabeledSteps) -> tuple[str, ...]:
    values = train.labels.to_numpy()
    known = values[has_numbers(values)]
    if not len(known):
        raise DataError(f"{name}: expected a number at some steps, got none. Name another target.")
    return NUMBERS.outputs(name, as_arrays(known), train.names, lambda step: name)


def _missing_labels(data: Dataset) -> str:
    """Return a note on the classes without a training example; empty if there are none."""
    found = {data.classes[index] for index in np.unique(data.train.targets.joined) if index >= 0}
    missing = sorted(set(data.classes) - found)
    return f"labels without a training example: {', '.join(missing[:10])}" if missing else ""


def _missing_numbers(data: Dataset) -> str:
    """Return a note on the steps without a number; empty if there are none."""
    are_known = {part: has_numbers(split.targets.joined) for part, split in data.parts.items()}
    for part, is_known in are_known.items():
        if not is_known.any():
            raise DataError(f"{data.name}: expected a number at some steps of the {part} examples, got none. Add some.")
    steps = sum(map(len, are_known.values()))
    missing = steps - sum(int(is_known.sum()) for is_known in are_known.values())
    what = "a number" if len(data.classes) == 1 else "one of the numbers"
    return f"{missing:,} of {steps:,} steps lack {what} and count for nothing" if missing else ""


def has_numbers(values: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Return [N] True for the steps of which no number [N, columns] is missing."""
    are_complete: NDArray[np.bool_] = ~np.isnan(values).any(axis=-1)
    return are_complete


def split_of_steps(labeled: LabeledSteps, outputs: Sequence[str]) -> Split:
    """Return labeled examples with their targets, as ``Ragged``.

    Args:
        labeled: The examples.
        outputs: The names of the classes, or of the numbers.

    Returns:
        Targets [T], the index of each label among the classes, -1 where there is none; or [T, columns] float64, NaN
        for a number that is missing.

    Raises:
        DataError: A label is not one of the classes, or there are other numbers.
    """
    ends = np.cumsum(labeled.lengths)
    targets: NDArray[Any]
    if labeled.kind is NUMBERS:
        targets = NUMBERS.encode(labeled.labels, outputs, lambda step: labeled.location(0, 0))
    else:
        targets = _class_indices(labeled, outputs, ends)
    inputs = objects(labeled.inputs) if isinstance(labeled.inputs, list) else labeled.inputs
    return Split(inputs, Ragged(targets, ends - labeled.lengths, labeled.lengths))


def _class_indices(labeled: LabeledSteps, classes: Sequence[str], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    indices = labeled.labels.cast(pl.Enum(classes), strict=False).to_physical()
    for step in np.flatnonzero((indices.is_null() & labeled.labels.is_not_null()).to_numpy())[:1].tolist():
        example = int(np.searchsorted(ends, step, side="right"))
        within = step - int(ends[example] - labeled.lengths[example])
        raise DataError(
            f"{labeled.location(example, within)}: expected a label of the training data "
            f'({", ".join(classes[:20])}), got "{labeled.labels[step]}". Relabel the step or leave the example out.'
        )
    found: NDArray[np.int64] = indices.cast(pl.Int64).fill_null(-1).to_numpy()
    return found
