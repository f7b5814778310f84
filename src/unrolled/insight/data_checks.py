"""What the data of a network has to answer for."""

from unrolled.data.dataset import Split
from unrolled.insight import data_kinds as kinds
from unrolled.insight.examples import (
    Labels,
    absent_classes,
    contradictory_share,
    excess_agreement,
    fingerprints,
    imbalance,
    labels_of,
    leaked_share,
    majority,
    shifted_classes,
    shifted_inputs,
)
from unrolled.insight.findings import Finding
from unrolled.insight.inputs import constant_share, non_finite_examples
from unrolled.insight.subject import Subject

import numpy as np


def examine_data(subject: Subject) -> list[Finding]:
    """Everything about the examples that needs no network."""
    parts = {"train": subject.learned, **subject.held}
    findings = [
        finding
        for name, split in parts.items()
        for finding in kinds.NON_FINITE_INPUTS.judge(
            non_finite_examples(split.inputs, may_be_missing=subject.has_gaps), subject.places.data(name)
        )
    ]
    labels = labels_of(subject.learned.targets)
    if labels is not None:
        findings += examine_labels(subject, labels)
    if not findings or findings[0].name != kinds.NON_FINITE_INPUTS.name:
        findings += examine_parts(subject, labels)
    inputs = subject.learned.inputs
    if inputs.ndim == 3 and len(inputs) > 1:
        findings += kinds.CONSTANT_FEATURES.judge(constant_share(inputs), subject.places.data("train"))
    return findings


def examine_labels(subject: Subject, labels: Labels) -> list[Finding]:
    """The classes of the training examples, their number and their order."""
    where, names = subject.places.data("train"), subject.class_names
    ratio, largest, smallest = imbalance(labels)
    findings = []
    if not subject.weighs_classes:
        findings += kinds.CLASS_IMBALANCE.judge(
            ratio,
            where,
            f"Add examples of class {_name(names, smallest)} (class {_name(names, largest)} has {ratio:.3g} times as "
            f"many), or weigh the classes{subject.places.weighing()}, and look at its F1: unrolled evaluate latest.",
        )
    findings += kinds.MAJORITY.judge(majority(labels), f"{where}, class {_name(names, largest)}")
    absent = absent_classes(labels, len(names))
    spelled = ", ".join(_name(names, index) for index in absent[:5])
    findings += kinds.ABSENT_CLASS.judge(
        len(absent), where, f"Add training examples of class {spelled}, or number the classes from 0 without gaps."
    )
    return findings + kinds.SORTED_ORDER.judge(excess_agreement(labels[subject.order]), where)


def examine_parts(subject: Subject, labels: Labels | None) -> list[Finding]:
    """The training examples beside those held out."""
    learned = fingerprints(subject.learned.inputs)
    findings = []
    for name, split in subject.held.items():
        where = subject.places.data(name)
        findings += kinds.LEAKAGE.judge(leaked_share(learned, fingerprints(split.inputs)), where)
        if subject.is_measure:
            findings += kinds.SHIFTED_INPUTS.judge(shifted_inputs(subject.learned.inputs, split.inputs), where)
        findings += _examine_held_labels(split, labels, where)
        if name == "test":
            findings += kinds.FEW_TEST_EXAMPLES.judge(split.size, where)
    if labels is not None:
        share = contradictory_share(learned, labels)
        findings += kinds.CONTRADICTORY_LABELS.judge(share, subject.places.data("train"))
    return findings


def count_out_of_range(split: Split, outputs: int) -> int:
    """How many examples have a class for which there is no output; [B] or [B, 1] targets only."""
    targets = split.targets
    if targets.ndim > 2 or (targets.ndim == 2 and targets.shape[1] > 1) or labels_of(targets) is None or outputs < 2:
        return 0
    return int(((targets < 0) | (targets >= outputs)).sum())


def _examine_held_labels(split: Split, labels: Labels | None, where: str) -> list[Finding]:
    held = labels_of(np.asarray(split.targets))
    if labels is None or held is None or not held.size:
        return []
    return kinds.SHIFTED_CLASSES.judge(shifted_classes(labels, held), where)


def _name(names: tuple[str, ...], index: int) -> str:
    return names[index] if index < len(names) else str(index)
