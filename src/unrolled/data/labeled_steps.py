"""Examples with a label at each step, and the data sets made of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unrolled.data.dataset import Dataset, Division, Split
from unrolled.data.labeled import ALL, Selection, choose_test
from unrolled.data.precision import narrowed
from unrolled.data.ragged import Ragged, objects
from unrolled.data.targets import class_order
from unrolled.errors import DataError

import numpy as np
import polars as pl
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabeledSteps:
    """Examples with the name of a class at each of their steps, in the order of their file.

    Attributes:
        inputs: [B] ``TokenLists``, or series [T, F].
        labels: The names of the classes of all steps, end to end; null for a step without one.
        lengths: [B] the number of steps of each example.
        location: Function from the indices of an example and of its step to their location: ``tags.tsv:12``.
        schema: The columns and read options of a table, as JSON (see ``TableSchema``).
        division: What the examples are divided by into training and test examples; None to divide them at random.
        notes: Remarks for the user, made while reading.
    """

    inputs: Any
    labels: pl.Series
    lengths: NDArray[np.int64]
    location: Callable[[int, int], str]
    schema: Mapping[str, Any] | None = None
    division: Division | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of_names(
        cls, inputs: Any, names: Sequence[Sequence[str]], location: Callable[[int, int], str]
    ) -> "LabeledSteps":
        """Return examples with a list of names each."""
        labels = pl.Series([name for some in names for name in some], dtype=pl.String)
        return cls(inputs, labels, np.array([len(some) for some in names], np.int64), location)


def assemble_steps(name: str, parts: Mapping[str, LabeledSteps], selection: Selection = ALL) -> Dataset:
    """Make a data set of examples with a label at each step.

    Without a test part a sixth of the examples is held out for the test, always the same; or what the division of the
    examples says. A class that occurs in one part alone is a class all the same.

    Args:
        name: The name of the data set.
        parts: The examples of ``train``, and of ``validation`` and ``test`` if the data has such.
        selection: The time from which on examples are test examples.

    Raises:
        DataError: There is one example, or one class, or no example before or after that time.
    """
    parts = narrowed(parts)
    train = parts["train"]
    names = pl.concat([part.labels for part in parts.values()]).drop_nulls().unique().to_list()
    classes = tuple(sorted(names, key=class_order(names)))
    if len(classes) < 2:
        raise DataError(f"{name}: expected two labels or more, got {len(classes)}. Add steps with another label.")
    if len(train.lengths) < 2:
        raise DataError(f"{name}: expected two examples or more, got one. Add one for the test.")
    splits = {part: steps_of_classes(one, classes) for part, one in parts.items()}
    division = train.division
    if "test" not in splits:
        stay, test = choose_test(name, splits["train"], division, selection)
        splits["train"], splits["test"] = splits["train"].select(stay), splits["train"].select(test)
        division = division.select(stay) if division else None
    data = Dataset(
        name,
        splits["train"],
        splits["test"],
        classes,
        validation=splits.get("validation"),
        schema=train.schema,
        division=division,
        notes=tuple(note for note in train.notes if note),
    )
    missing = sorted(set(classes) - {classes[index] for index in np.unique(data.train.targets.joined) if index >= 0})
    note = f"labels without a training example: {', '.join(missing[:10])}" if missing else ""
    return data.with_note(note)


def steps_of_classes(labeled: LabeledSteps, classes: Sequence[str]) -> Split:
    """Return labeled examples with the index of each label among the classes, -1 where there is none, as ``Ragged``.

    Raises:
        DataError: A label is not one of the classes.
    """
    indices = labeled.labels.cast(pl.Enum(classes), strict=False).to_physical()
    ends = np.cumsum(labeled.lengths)
    for step in np.flatnonzero((indices.is_null() & labeled.labels.is_not_null()).to_numpy())[:1].tolist():
        example = int(np.searchsorted(ends, step, side="right"))
        within = step - int(ends[example] - labeled.lengths[example])
        raise DataError(
            f"{labeled.location(example, within)}: expected a label of the training data "
            f'({", ".join(classes[:20])}), got "{labeled.labels[step]}". Relabel the step or leave the example out.'
        )
    targets = indices.cast(pl.Int64).fill_null(-1).to_numpy()
    inputs = objects(labeled.inputs) if isinstance(labeled.inputs, list) else labeled.inputs
    return Split(inputs, Ragged(targets, ends - labeled.lengths, labeled.lengths))
