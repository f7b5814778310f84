"""Examples with what they have, a class, numbers or labels, and the data sets made of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from unrolled.data.dataset import Dataset, Division, Split
from unrolled.data.named_inputs import NamedInputs
from unrolled.data.precision import narrowed
from unrolled.data.ragged import objects
from unrolled.data.splitting import choose_held_out
from unrolled.data.table import format_list
from unrolled.data.targets import CLASS, TargetKind
from unrolled.data.texts import Texts, column_of
from unrolled.errors import DataError

import numpy as np
import polars as pl
from numpy.typing import NDArray

TEST_SEED = 0
# About the share of MNIST's own test set: 10,000 of 70,000.
TEST_SHARE = 1 / 6
_MOST_NAMED = 10
_WORDS = {"class": "class", "numbers": "number", "labels": "set of labels"}


OTHER = "other"
"""The class of the examples of rare classes, where they are joined."""


@dataclass(frozen=True)
class LabeledExamples:
    """Examples with what each has, in the order of their file.

    Attributes:
        inputs: [B, height, width] or [B, height, width, 3] uint8, [B] ``Texts``, or [B] series [T, F].
        labels: [B] the name of each example's class, or its numbers or labels as ``kind`` has them.
        location: Function from the index of an example to its location, for messages: ``reviews.csv:12``.
        schema: The columns and read options of a table, as JSON (see ``TableSchema``).
        notes: Remarks for the user, made while reading.
        division: What the examples are divided by into training and test examples; None to divide them at random.
        found_settings: The settings of the ``data`` section that the files decided: ``channels``, ``rate``.
    """

    inputs: Any
    labels: pl.Series | Sequence[str]
    location: Callable[[int], str]
    schema: Mapping[str, Any] | None = None
    found_settings: Mapping[str, Any] = field(default_factory=dict)
    division: Division | None = None
    notes: tuple[str, ...] = ()
    kind: TargetKind = CLASS

    @property
    def column(self) -> pl.Series:
        """The labels as a column."""
        return self.labels.alias("class") if isinstance(self.labels, pl.Series) else pl.Series("class", self.labels)

    def select(self, indices: NDArray[np.int64]) -> "LabeledExamples":
        """Return the examples at ``indices``, in that order."""
        is_list = isinstance(self.inputs, list)
        inputs = [self.inputs[index] for index in indices.tolist()] if is_list else self.inputs[indices]
        division = self.division.select(indices) if self.division else None
        return replace(
            self,
            inputs=inputs,
            labels=self.column[indices],
            location=lambda example: self.location(int(indices[example])),
            division=division,
        )


@dataclass(frozen=True)
class Selection:
    """The choice of the examples that are used, and of the test examples among them.

    Attributes:
        min_class_count: A class with fewer training examples is rare.
        rare_classes: ``drop`` the examples of rare classes, or join them as ``other``.
        deduplicate: If True, an example that equals one before it is left out, and so is a training example that
            equals a test example of another file.
        test_from: The time from which on examples are test examples, in microseconds since 1970.
    """

    min_class_count: int = 1
    rare_classes: str = "drop"
    deduplicate: bool = False
    test_from: int | None = None


ALL = Selection()


def assemble(
    name: str,
    parts: Mapping[str, LabeledExamples],
    source: str = "",
    selection: Selection = ALL,
) -> Dataset:
    """Make a data set of labeled examples.

    Without a test part a sixth of each class is held out for the test, always the same; or what the division of the
    examples says.

    Args:
        name: The name of the data set.
        parts: The examples of ``train``, and of ``validation`` and ``test`` if the data has such.
        source: Author and license.
        selection: Which examples are used.

    Raises:
        DataError: There is only one class, a class has a single example, or a label of another part is not a class of
            the training examples.
    """
    parts, notes = narrowed(parts), list(parts["train"].notes)
    if selection.deduplicate:
        parts, note = _without_duplicates(parts)
        notes.append(note)
    if selection.min_class_count > 1:
        parts, note = _without_rare_classes(parts, selection)
        notes.append(note)
    train = parts["train"]
    names = train.schema["targets"] if train.schema else ()
    outputs = train.kind.outputs(name, train.column, names, train.location)
    splits = {part: split_of(labeled, outputs) for part, labeled in parts.items()}
    division = train.division
    if "test" not in splits:
        stay, test = choose_test(name, splits["train"], division, selection)
        splits["train"], splits["test"] = splits["train"].select(stay), splits["train"].select(test)
        division = division.select(stay) if division else None
    validation = splits.get("validation")
    data = Dataset(
        name,
        splits["train"],
        splits["test"],
        outputs,
        source,
        validation=validation,
        schema=train.schema,
        division=division,
        found_settings=train.found_settings,
        target_kind=train.kind.name,
    )
    for note in notes:
        data = data.with_note(note)
    return data.with_note(count_duplicates(data))


def check_groups(name: str, division: Division | None) -> None:
    """Refuse a division by a single group.

    Raises:
        DataError: It is one.
    """
    if division is not None and len(np.unique(division.values)) < 2:
        raise DataError(f"{name}: expected two groups or more to divide by, got one. Leave out data.split.")


def choose_test(
    name: str, split: Split, division: Division | None, selection: Selection
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the training and of the test examples.

    Args:
        name: The name of the data set, for messages.
        split: All examples.
        division: What they are divided by; None to hold a sixth of each class out at random.
        selection: The time from which on they are test examples, if any.

    Raises:
        DataError: One of the two would be empty.
    """
    if division is None or selection.test_from is None:
        check_groups(name, division)
        return choose_held_out(split.strata, TEST_SHARE, TEST_SEED, division)
    is_test = division.values >= selection.test_from
    if is_test.all() or not is_test.any():
        got = "all of them" if is_test.all() else "none"
        raise DataError(f"{name}: expected some examples from the time of data.split on, got {got}. Name another time.")
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def _count(labeled: LabeledExamples) -> dict[str, int]:
    """Return the number of examples of each class."""
    return dict(labeled.column.value_counts().iter_rows())


def _without_duplicates(parts: Mapping[str, LabeledExamples]) -> tuple[dict[str, LabeledExamples], str]:
    """Return the examples that equal no example before them, and a note with the number of the others.

    Test examples come first, as they stay.
    """
    kept, dropped, contradicted = {}, 0, 0
    seen = pl.DataFrame(schema={"key": pl.UInt64, "label": parts["train"].column.dtype})
    for part in ("test", "validation", "train"):
        if part not in parts:
            continue
        labels = parts[part].column
        rows = pl.DataFrame({"key": _hashes(parts[part].inputs), "label": labels})
        whole = pl.concat([seen, rows])
        first = whole.select(pl.col("label").first().over("key"))["label"][seen.height :]
        is_new = whole["key"].is_first_distinct()[seen.height :]
        dropped += int((~is_new).sum())
        contradicted += int((~is_new & (first != labels)).sum())
        kept[part] = parts[part].select(np.flatnonzero(is_new.to_numpy()))
        seen = pl.concat([seen, rows.filter(is_new)])
    note = f"{dropped:,} duplicates are left out" if dropped else "there are no duplicates"
    note += (
        f"; {contradicted:,} of them have another {_WORDS[parts['train'].kind.name]} than the example that stays"
        if contradicted
        else ""
    )
    return {part: kept[part] for part in parts}, note


def _without_rare_classes(
    parts: Mapping[str, LabeledExamples], selection: Selection
) -> tuple[dict[str, LabeledExamples], str]:
    """Return the examples of the other classes, or all with the rare classes joined, and a note."""
    rare = {label: count for label, count in _count(parts["train"]).items() if count < selection.min_class_count}
    if not rare:
        return dict(parts), ""
    count = sum(rare.values())
    what = (
        f"{len(rare):,} {'class' if len(rare) == 1 else 'classes'} of fewer than {selection.min_class_count} examples"
    )
    named = format_list(sorted(rare), _MOST_NAMED)
    does = f'joined as "{OTHER}"' if selection.rare_classes == OTHER else "left out"
    classes = [label for label in _count(parts["train"]) if label not in rare]
    kept = {part: of_known_classes(labeled, classes, selection.rare_classes) for part, labeled in parts.items()}
    are = f"{count:,} {'example' if count == 1 else 'examples'}, {'is' if len(rare) == 1 else 'are'}"
    return kept, f"{what} ({named}), {are} {does}"


def of_known_classes(labeled: LabeledExamples, classes: Sequence[str], rare_classes: str) -> LabeledExamples:
    """Return examples without those of other classes, or with all of those as the class ``other``."""
    labels = labeled.column
    is_known = labels.is_in(classes)
    if rare_classes == OTHER:
        return replace(labeled, labels=labels.set(~is_known, OTHER))
    return labeled.select(np.flatnonzero(is_known.to_numpy()))


def count_duplicates(data: Dataset) -> str:
    """Return a note with the number of test examples that are training examples too; empty if there are none."""
    train, test = (np.sort(_hashes(inputs).to_numpy()) for inputs in (data.train.inputs, data.test.inputs))
    nearest = np.minimum(np.searchsorted(train, test), len(train) - 1)
    found = int((train[nearest] == test).sum())
    return f"{found:,} of {data.test.size:,} test examples are training examples too" if found else ""


def split_of(labeled: LabeledExamples, outputs: Sequence[str]) -> Split:
    """Return labeled examples with their targets.

    Raises:
        DataError: An example has something that the training examples do not have.
    """
    inputs = labeled.inputs
    if isinstance(inputs, list):
        inputs = Texts.of(inputs) if isinstance(inputs[0], str) else objects(inputs)
    return Split(inputs, labeled.kind.encode(labeled.column, outputs, labeled.location))


def _hashes(inputs: Any) -> pl.Series:
    """Return a number for each input, [B], equal for equal inputs."""
    if isinstance(inputs, NamedInputs):
        return pl.DataFrame({name: _hashes(part) for name, part in inputs.parts.items()}).hash_rows()
    if isinstance(inputs, Texts):
        return pl.concat([column.hash() for column in inputs.columns()] or [pl.Series([], dtype=pl.UInt64)])
    if isinstance(inputs, list) and isinstance(inputs[0], str):
        return column_of(inputs).hash()
    hashes = np.fromiter((hash((item.shape, item.tobytes())) for item in inputs), np.int64, len(inputs))
    return pl.Series(hashes.view(np.uint64))
