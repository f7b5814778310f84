"""Rules about the examples and their labels, which need no network."""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from unrolled.diagnostics.diagnostic import Measurement, RuleSet
from unrolled.diagnostics.examples import Labels, hash_arrays
from unrolled.diagnostics.target import DiagnosticTarget

import numpy as np
from numpy.typing import NDArray

DATA_RULES: RuleSet[[DiagnosticTarget]] = RuleSet("Data")


@DATA_RULES.rule(
    code="non-finite-inputs",
    severity="error",
    summary="Inputs are NaN or infinite, and so will be every weight that they reach.",
    unit="examples",
    threshold=0,
    why="One such example is enough.",
    fix="Remove those examples, or fill in the missing values.",
)
def non_finite_inputs(target: DiagnosticTarget) -> Iterator[Measurement]:
    """Count the examples of each split that are not finite."""
    for name, split in {"train": target.train, **target.held_out}.items():
        count = count_non_finite(split.inputs, has_missing_values=target.has_missing_values)
        yield Measurement(count, target.locations.data(name))


def count_non_finite(inputs: NDArray[np.generic], *, has_missing_values: bool = False) -> int:
    """Count the examples with an infinity, or with a NaN unless that stands for a missing value."""
    if inputs.dtype.kind != "f":
        return 0
    is_non_finite = np.isinf(inputs) if has_missing_values else ~np.isfinite(inputs)
    return int(is_non_finite.reshape(len(inputs), -1).any(axis=1).sum())


@DATA_RULES.rule(
    code="leakage",
    severity="error",
    summary="Held-out examples are training examples too, so their metrics partly measure memory.",
    unit="% of the held-out examples",
    threshold=0.5,
    why="Below this, the accuracy changes by less than half a point. MNIST has no such example.",
    fix="Remove the held-out examples from the training examples.",
    unless=(non_finite_inputs,),
)
def leakage(target: DiagnosticTarget) -> Iterator[Measurement]:
    """Measure the share of each held-out split that also occurs in the training examples."""
    for name, split in target.held_out.items():
        counts = np.where(are_varied(split.inputs), split.counts, 0)
        share = leaked_share(target.train_hashes, target.hashes(name, split), counts)
        yield Measurement(share, target.locations.data(name))


def are_varied(inputs: NDArray[Any]) -> NDArray[np.bool_]:
    """Return [B] False for series [T, F] that stand still: those of a sensor that is off are equal and no leak."""
    if inputs.ndim != 3:
        return np.ones(len(inputs), bool)
    varied: NDArray[np.bool_] = (np.fmax.reduce(inputs, axis=1) > np.fmin.reduce(inputs, axis=1)).any(axis=1)
    return varied


def leaked_share(train: Sequence[bytes], held_out: Sequence[bytes], counts: NDArray[np.int64]) -> float:
    """Return the share of held-out targets whose examples are training examples too, in per cent.

    Args:
        train: The hashes of the training examples.
        held_out: Those of the held-out ones, [B].
        counts: [B] the number of targets of each; short sequences, which repeat by chance, have few.
    """
    known = set(train)
    is_known = np.array([example in known for example in held_out], bool)
    return 100 * float(counts[is_known].sum()) / max(1, int(counts.sum()))


@DATA_RULES.rule(
    code="contradictory-labels",
    severity="warning",
    summary="Identical training examples have different labels, which no network can learn.",
    unit="% of the training examples",
    threshold=1,
    why="Up to half of these examples stay wrong with any network; a few mislabeled examples do no harm.",
    fix="Relabel them, or leave them out.",
    unless=(non_finite_inputs,),
)
def contradictory_labels(target: DiagnosticTarget) -> Iterator[Measurement]:
    """Measure the share of training examples that have an identical one with another label."""
    if target.labels is not None:
        train = target.train
        labels = target.labels.tolist() if train.weights is None else hash_arrays(train.targets)
        share = contradictory_share(target.train_hashes, labels)
        yield Measurement(share, target.locations.data("train"))


def contradictory_share(examples: Sequence[bytes], labels: Sequence[Hashable]) -> float:
    """Return the share of examples that have an identical one with another label, in per cent; takes hashes."""
    labels_by_example: dict[bytes, set[Hashable]] = {}
    for example, label in zip(examples, labels, strict=True):
        labels_by_example.setdefault(example, set()).add(label)
    return 100 * sum(len(labels_by_example[example]) > 1 for example in examples) / max(1, len(examples))


@DATA_RULES.rule(
    code="class-imbalance",
    severity="warning",
    summary="One class has many times the training examples of another; the network may never predict the rare one.",
    unit="times as many examples",
    threshold=10,
    why="With ten classes, at most every third batch of 32 then has an example of the rare class.",
    fix="Add examples of the rare class or weight the classes, and check the F1 score of the rare class.",
)
def class_imbalance(target: DiagnosticTarget) -> Iterator[Measurement]:
    """Compare the largest class with the smallest one that occurs, unless the classes are weighted."""
    if target.labels is None or target.has_class_weights:
        return
    present, counts = np.unique(target.labels, return_counts=True)
    ratio = float(counts.max() / counts.min())
    rare, common = (target.class_name(int(present[index])) for index in (counts.argmin(), counts.argmax()))
    fix = (
        f"Add examples of class {rare} (class {common} has {ratio:.3g} times as many) or "
        f"{target.locations.balance_classes()}, and {target.locations.check_f1(f'class {rare}')}"
    )
    yield Measurement(ratio, target.locations.data("train"), fix)


@DATA_RULES.rule(
    code="majority-class",
    severity="warning",
    summary="Always predicting the majority class is right this often, so accuracy says little.",
    unit="% of the training labels",
    threshold=80,
    why="Fewer than one label in five then shows whether the network learned anything else.",
    fix="Check the F1 score of each class and their mean, macro F1, instead of the accuracy; or weight the classes.",
)
def majority_class(target: DiagnosticTarget) -> Iterator[Measurement]:
    """Measure the share of the largest class."""
    if target.labels is None:
        return
    present, counts = np.unique(target.labels, return_counts=True)
    where = f"{target.locations.data('train')}, class {target.class_name(int(present[counts.argmax()]))}"
    check = target.locations.check_f1("each class and their mean, macro F1")
    fix = check if target.has_class_weights else f"{target.locations.balance_classes()}, and {check}"
    yield Measurement(100 * float(counts.max() / len(target.labels)), where, fix[0].upper() + fix[1:])


@DATA_RULES.rule(
    code="absent-class",
    severity="warning",
    summary="Classes have no training example, so the network learns never to predict them.",
    unit="classes",
    threshold=0,
    why="One such class is enough.",
    fix="Add training examples of them, or number the classes from 0 without gaps.",
)
def absent_class(target: DiagnosticTarget) -> Iterator[Measurement]:
    """Count the classes without a training example."""
    if target.labels is None:
        return
    absent = sorted(set(range(len(target.class_names))) - set(np.unique(target.labels).tolist()))
    names = ", ".join(map(target.class_name, absent[:5]))
    renumber = ", or number the classes from 0 without gaps" if all(map(str.isdecimal, target.class_names)) else ""
    yield Measurement(len(absent), target.locations.data("train"), f"Add training examples of class {names}{renumber}.")


@DATA_RULES.rule(
    code="sorted-order",
    severity="warning",
    summary="Consecutive examples mostly have the same label, so each batch undoes the one before.",
    unit="% of the way from shuffled to sorted",
    threshold=20,
    why="Reported only if it is also four standard deviations above a shuffled order.",
    fix="Shuffle the examples before each epoch.",
)
def sorted_order(target: DiagnosticTarget) -> Iterator[Measurement]:
    """Measure how far the order of training is sorted by label."""
    if target.labels is not None:
        yield Measurement(excess_agreement(target.labels[target.train_order]), target.locations.data("train"))


def excess_agreement(labels: Labels) -> float:
    """Measure how much more often neighbours agree than in a shuffled order, in per cent.

    A shuffled order counts as 0 and a sorted one as 100. Neighbours of a shuffled order agree with a probability of
    the sum of the squared shares of the classes; up to four standard deviations above that count as 0.

    Args:
        labels: In the order of training.
    """
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    expected = float((shares**2).sum())
    if len(labels) < 3 or expected == 1:
        return 0.0
    agreement = float((labels[1:] == labels[:-1]).mean())
    deviation = np.sqrt(expected * (1 - expected) / (len(labels) - 1))
    return 100 * (agreement - expected) / (1 - expected) if agreement > expected + 4 * deviation else 0.0


@DATA_RULES.rule(
    code="shifted-classes",
    severity="warning",
    summary="The classes are distributed differently in the held-out examples than in the training examples.",
    unit="% of the examples",
    threshold=20,
    why="The share that would need another class for equal shares, less what random splits differ by.",
    fix="Mix all examples and split them again, each class in the same proportion.",
    unless=(non_finite_inputs,),
)
def shifted_classes(target: DiagnosticTarget) -> Iterator[Measurement]:
    """Measure how far the shares of the classes differ in each held-out split."""
    for name, split in target.held_out.items():
        labels = split.labels
        if target.labels is not None and labels is not None and labels.size:
            yield Measurement(
                class_distance(target.labels, labels, (target.train.size, split.size)), target.locations.data(name)
            )


def class_distance(train: Labels, held_out: Labels, examples: tuple[int, int]) -> float:
    """Return how many labels would need another class for both splits to have equal shares, in per cent.

    The expected distance of random splits of these sizes is subtracted: sqrt(classes / (2 pi)) times the sum of
    1/sqrt(B) over both. The labels of the steps of one example depend on each other, so that B counts examples.

    Args:
        train: The labels of the training examples.
        held_out: Those of the others.
        examples: The numbers of examples, B, of both.
    """
    classes = int(max(train.max(), held_out.max())) + 1
    shares = [np.bincount(labels, minlength=classes) / len(labels) for labels in (train, held_out)]
    distance = float(np.abs(shares[0] - shares[1]).sum()) / 2
    expected = np.sqrt(classes / (2 * np.pi)) * sum(1 / np.sqrt(size) for size in examples)
    return 100 * max(0.0, distance - float(expected))


@DATA_RULES.rule(
    code="shifted-inputs",
    severity="warning",
    summary="The held-out inputs have another mean than the training inputs, as if only one split had been scaled.",
    unit="standard deviations",
    threshold=0.5,
    why="Random halves of one data set differ by hundredths.",
    fix="Check that both splits were recorded and scaled in the same way.",
    unless=(non_finite_inputs,),
)
def shifted_inputs(target: DiagnosticTarget) -> Iterator[Measurement]:
    """Measure how far the mean of each held-out split lies from that of the training examples."""
    if target.has_quantities:
        for name, split in target.held_out.items():
            yield Measurement(mean_distance(target.train.inputs, split.inputs), target.locations.data(name))


def mean_distance(train: NDArray[Any], held_out: NDArray[Any]) -> float:
    """Return the distance between the means of two splits, in standard deviations of the first."""
    deviation = float(np.nanstd(train, dtype=np.float64))
    distance = float(np.nanmean(held_out, dtype=np.float64) - np.nanmean(train, dtype=np.float64))
    return abs(distance) / (deviation or 1.0)


@DATA_RULES.rule(
    code="few-test-examples",
    severity="info",
    summary="The test set is too small to distinguish a good network from a lucky one.",
    unit="examples",
    threshold=50,
    side="below",
    why="With fewer, the 95 % interval of an accuracy of 0.8 is more than 22 points wide.",
    fix="Hold out more examples.",
    unless=(non_finite_inputs,),
)
def few_test_examples(target: DiagnosticTarget) -> Iterator[Measurement]:
    """Count the test examples, or their steps where each has a target."""
    if "test" in target.held_out:
        size = int(target.held_out["test"].counts.sum())
        fix = target.locations.hold_out_more(int(few_test_examples.threshold) - size)
        yield Measurement(size, target.locations.data("test"), fix)


@DATA_RULES.rule(
    code="constant-features",
    severity="info",
    summary="Features never change, so nothing can be learned from them.",
    unit="% of the features",
    threshold=50,
    why="Blank borders of images are less than half of their columns; MNIST has no blank column.",
    fix="Leave these features out, or check how they were loaded.",
)
def constant_features(target: DiagnosticTarget) -> Iterator[Measurement]:
    """Measure the share of the features that are the same in all training examples and steps."""
    inputs = target.train.inputs
    if inputs.ndim in (3, 4) and len(inputs) > 1:
        features = inputs.reshape(len(inputs) * inputs.shape[1], -1)
        is_constant = np.fmax.reduce(features) == np.fmin.reduce(features)
        yield Measurement(100 * float(is_constant.mean()), target.locations.data("train"))
