"""The kinds of finding that lie in the data, each with its bound and the reason for it."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from unrolled.data.dataset import Split
from unrolled.diagnostics.diagnostic import Diagnostic, Rule
from unrolled.diagnostics.probe import Call, outermost
from unrolled.diagnostics.target import DiagnosticTarget, Labels, labels_of

import keras
import numpy as np
from numpy.typing import NDArray

NON_FINITE_INPUTS = Rule(
    "non-finite-inputs",
    "fatal",
    "Inputs are NaN or infinite, and so will be every weight that they reach.",
    "examples",
    0,
    "above",
    "One such example is enough.",
    "Remove those examples, or fill in what is missing.",
)
TARGETS_OUT_OF_RANGE = Rule(
    "targets-out-of-range",
    "fatal",
    "Targets name classes for which the network has no output; backends answer with NaN or with another class.",
    "examples",
    0,
    "above",
    "One such example is enough.",
    "Give the last layer an output for each class.",
)
LEAKAGE = Rule(
    "leakage",
    "fatal",
    "Held-out examples are training examples too, so that what is measured on them is partly memory.",
    "% of the held-out examples",
    0.5,
    "above",
    "Below it an accuracy moves by less than half a point; MNIST has none.",
    "Remove from the training examples those that are held out.",
)
CONTRADICTORY_LABELS = Rule(
    "contradictory-labels",
    "harmful",
    "Identical training examples have different labels, which no network can learn.",
    "% of the training examples",
    1,
    "above",
    "Up to half of these stay wrong for ever, whatever the network; a few slips of the hand do no harm.",
    "Relabel them, or leave them out.",
)
CLASS_IMBALANCE = Rule(
    "class-imbalance",
    "harmful",
    "One class has many times the training examples of another; a network may never say the rare one.",
    "times",
    10,
    "above",
    "With ten classes a batch of 32 then has a rare example in every third batch or less.",
    "Add examples of the rare class, or weigh it, and look at its F1: unrolled evaluate latest.",
)
MAJORITY = Rule(
    "majority-class",
    "harmful",
    "Always saying the same class is right this often, so that accuracy says little.",
    "% of the training examples",
    80,
    "above",
    "What is left for the network to be right about is then less than one example in five.",
    "Look at each class' F1 instead of accuracy: unrolled evaluate latest.",
)
ABSENT_CLASS = Rule(
    "absent-class",
    "harmful",
    "Classes have no training example, so that the network learns never to say them.",
    "classes",
    0,
    "above",
    "One such class is enough.",
    "Add examples of them, or number the classes from 0 without gaps.",
)
SORTED_ORDER = Rule(
    "sorted-order",
    "harmful",
    "Examples are given in an order in which neighbours have the same label; each batch undoes the last.",
    "% more equal neighbours than by chance",
    20,
    "above",
    "Counted between chance (0) and sorted (100), and only where it is four standard deviations from chance.",
    "Shuffle the examples before each epoch.",
)
SHIFTED_CLASSES = Rule(
    "shifted-classes",
    "harmful",
    "The held-out examples have other shares of the classes than the training examples.",
    "% of the examples",
    20,
    "above",
    "As many would have to change their class for both to be alike; what chance explains is taken off first.",
    "Mix all examples, then divide them, each class in the same proportion.",
)
SHIFTED_INPUTS = Rule(
    "shifted-inputs",
    "harmful",
    "The held-out inputs have another mean than the training inputs, as when only one of them was scaled.",
    "standard deviations",
    0.5,
    "above",
    "Random halves of one set differ by hundredths.",
    "Prepare both in the same way; best inside the network.",
)
FEW_TEST_EXAMPLES = Rule(
    "few-test-examples",
    "doubtful",
    "The test set is too small to tell a good network from a lucky one.",
    "examples",
    50,
    "below",
    "With fewer, the 95 % interval of an accuracy of 0.8 is more than 22 points wide.",
    "Hold out more examples: in another file, or with forecast.test_steps.",
)
CONSTANT_FEATURES = Rule(
    "constant-features",
    "doubtful",
    "Features never change, so that nothing can be learned from them.",
    "% of the features",
    50,
    "above",
    "Pictures have blank borders, though MNIST has no column that is always blank; half of all is no border.",
    "Leave those features out, or see whether they were read as they should.",
)


_SCALING = (
    keras.layers.Normalization,
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.UnitNormalization,
)


def first_weighted(calls: Sequence[Call]) -> Call | None:
    """The first layer with weights to learn; None where what it reads was scaled by a layer or looked up by one."""
    for call in outermost(calls):
        layer = call.part.layer
        if isinstance(layer, (*_SCALING, keras.layers.Embedding)):
            return None
        if layer.trainable_weights:
            return call
    return None


def feature_sizes(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """The root mean square of each feature, the last axis, over examples and steps."""
    features = values.reshape(-1, values.shape[-1]).astype(np.float64)
    sizes: NDArray[np.float64] = np.sqrt((features**2).mean(axis=0))
    return sizes


def constant_share(values: NDArray[np.generic]) -> float:
    """The share of the features, the last axis, that are the same in all examples and steps, in per cent."""
    features = values.reshape(-1, values.shape[-1])
    return 100 * float((np.fmax.reduce(features) == np.fmin.reduce(features)).mean())


def non_finite_examples(values: NDArray[np.generic], *, may_be_missing: bool = False) -> int:
    """How many examples hold a NaN, where that does not stand for what is missing, or an infinity."""
    if values.dtype.kind != "f":
        return 0
    strange = np.isinf(values) if may_be_missing else ~np.isfinite(values)
    return int(strange.reshape(len(values), -1).any(axis=1).sum())


def imbalance(labels: Labels) -> tuple[float, int, int]:
    """How many times more examples the largest class has than the smallest that occurs; both classes."""
    present, counts = np.unique(labels, return_counts=True)
    largest, smallest = counts.argmax(), counts.argmin()
    return float(counts[largest] / counts[smallest]), int(present[largest]), int(present[smallest])


def majority(labels: Labels) -> float:
    """The share of the largest class, in per cent."""
    return 100 * float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def absent_classes(labels: Labels, classes: int) -> list[int]:
    """The classes without an example."""
    return sorted(set(range(classes)) - set(np.unique(labels).tolist()))


def excess_agreement(labels: Labels) -> float:
    """How far neighbours agree more often than in a shuffled order: 0 as by chance, 100 as if sorted, in per cent.

    Chance is the sum of the squared shares of the classes. What lies within four standard deviations of it counts as
    0.

    Args:
        labels: In the order in which a network is given the examples.
    """
    split_cores = np.unique(labels, return_counts=True)[1] / len(labels)
    chance = float((split_cores**2).sum())
    if len(labels) < 3 or chance == 1:
        return 0.0
    agreement = float((labels[1:] == labels[:-1]).mean())
    deviation = np.sqrt(chance * (1 - chance) / (len(labels) - 1))
    return 100 * (agreement - chance) / (1 - chance) if agreement > chance + 4 * deviation else 0.0


def fingerprints(inputs: NDArray[Any]) -> list[bytes]:
    """A hash of each example's bytes: equal ones are equal examples."""
    return [blake2b(np.ascontiguousarray(example).tobytes(), digest_size=16).digest() for example in inputs]


def leaked_share(learned: Sequence[bytes], held: Sequence[bytes]) -> float:
    """The share of held-out examples that are training examples too, in per cent; of their `fingerprints`."""
    known = set(learned)
    return 100 * sum(example in known for example in held) / max(1, len(held))


def contradictory_share(examples: Sequence[bytes], labels: Labels) -> float:
    """The share of examples of which there are identical ones with another label, in per cent."""
    meant: dict[bytes, set[int]] = {}
    for example, label in zip(examples, labels.tolist(), strict=True):
        meant.setdefault(example, set()).add(label)
    return 100 * sum(len(meant[example]) > 1 for example in examples) / max(1, len(examples))


def shifted_inputs(learned: NDArray[Any], held: NDArray[Any]) -> float:
    """How far apart the means of two sets of inputs are, in standard deviations of the first."""
    deviation = float(np.nanstd(learned, dtype=np.float64))
    return abs(float(np.nanmean(held, dtype=np.float64) - np.nanmean(learned, dtype=np.float64))) / (deviation or 1.0)


def shifted_classes(learned: Labels, held: Labels) -> float:
    """How many examples would have to change their class for both to have the same shares, in per cent.

    What chance alone brings about in sets of these sizes is taken off: sqrt(classes / (2 pi)) (1/sqrt(B) of each).
    """
    classes = int(max(learned.max(), held.max())) + 1
    split_cores = [np.bincount(labels, minlength=classes) / len(labels) for labels in (learned, held)]
    distance = float(np.abs(split_cores[0] - split_cores[1]).sum()) / 2
    chance = np.sqrt(classes / (2 * np.pi)) * sum(1 / np.sqrt(len(labels)) for labels in (learned, held))
    return 100 * max(0.0, distance - float(chance))


def check_data(subject: DiagnosticTarget) -> list[Diagnostic]:
    """Everything about the examples that needs no network."""
    parts = {"train": subject.learned, **subject.held}
    findings = [
        finding
        for name, split in parts.items()
        for finding in NON_FINITE_INPUTS.judge(
            non_finite_examples(split.inputs, may_be_missing=subject.has_gaps), subject.places.data(name)
        )
    ]
    labels = labels_of(subject.learned.targets)
    if labels is not None:
        findings += check_labels(subject, labels)
    if not findings or findings[0].name != NON_FINITE_INPUTS.name:
        findings += check_splits(subject, labels)
    inputs = subject.learned.inputs
    if inputs.ndim == 3 and len(inputs) > 1:
        findings += CONSTANT_FEATURES.judge(constant_share(inputs), subject.places.data("train"))
    return findings


def check_labels(subject: DiagnosticTarget, labels: Labels) -> list[Diagnostic]:
    """The classes of the training examples, their number and their order."""
    where, names = subject.places.data("train"), subject.class_names
    ratio, largest, smallest = imbalance(labels)
    findings = []
    if not subject.weighs_classes:
        findings += CLASS_IMBALANCE.judge(
            ratio,
            where,
            f"Add examples of class {_name(names, smallest)} (class {_name(names, largest)} has {ratio:.3g} times as "
            f"many), or weigh the classes{subject.places.weighing()}, and look at its F1: unrolled evaluate latest.",
        )
    findings += MAJORITY.judge(majority(labels), f"{where}, class {_name(names, largest)}")
    absent = absent_classes(labels, len(names))
    spelled = ", ".join(_name(names, index) for index in absent[:5])
    findings += ABSENT_CLASS.judge(
        len(absent), where, f"Add training examples of class {spelled}, or number the classes from 0 without gaps."
    )
    return findings + SORTED_ORDER.judge(excess_agreement(labels[subject.order]), where)


def check_splits(subject: DiagnosticTarget, labels: Labels | None) -> list[Diagnostic]:
    """The training examples beside those held out."""
    learned = fingerprints(subject.learned.inputs)
    findings = []
    for name, split in subject.held.items():
        where = subject.places.data(name)
        findings += LEAKAGE.judge(leaked_share(learned, fingerprints(split.inputs)), where)
        if subject.is_measure:
            findings += SHIFTED_INPUTS.judge(shifted_inputs(subject.learned.inputs, split.inputs), where)
        findings += _examine_held_labels(split, labels, where)
        if name == "test":
            findings += FEW_TEST_EXAMPLES.judge(split.size, where)
    if labels is not None:
        share = contradictory_share(learned, labels)
        findings += CONTRADICTORY_LABELS.judge(share, subject.places.data("train"))
    return findings


def count_out_of_range(split: Split, outputs: int) -> int:
    """How many examples have a class for which there is no output; [B] or [B, 1] targets only."""
    targets = split.targets
    if targets.ndim > 2 or (targets.ndim == 2 and targets.shape[1] > 1) or labels_of(targets) is None or outputs < 2:
        return 0
    return int(((targets < 0) | (targets >= outputs)).sum())


def _examine_held_labels(split: Split, labels: Labels | None, where: str) -> list[Diagnostic]:
    held = labels_of(np.asarray(split.targets))
    if labels is None or held is None or not held.size:
        return []
    return SHIFTED_CLASSES.judge(shifted_classes(labels, held), where)


def _name(names: tuple[str, ...], index: int) -> str:
    return names[index] if index < len(names) else str(index)
