"""What is wrong with examples before any network has seen them: each function takes arrays and gives one figure."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


def labels_of(targets: NDArray[Any]) -> Labels | None:
    """One class index for each example, [B]; None where targets are no classes of examples.

    Args:
        targets: Indices [B] or [B, 1], or one-hot rows [B, classes].
    """
    if targets.ndim == 2 and targets.shape[1] > 1:
        is_one_hot = ((targets == 0) | (targets == 1)).all() and (targets.sum(axis=1) == 1).all()
        return targets.argmax(axis=1) if is_one_hot else None
    flat = targets.reshape(-1) if targets.ndim == 2 else targets
    if flat.ndim != 1 or not np.isfinite(flat).all() or not (flat == np.floor(flat)).all() or (flat < 0).any():
        return None
    # Whole numbers stored as floats are classes only where they are few: a count to predict is none.
    is_few = flat.dtype.kind in "iub" or len(np.unique(flat)) <= 20
    return flat.astype(np.int64) if is_few else None


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
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    chance = float((shares**2).sum())
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
    shares = [np.bincount(labels, minlength=classes) / len(labels) for labels in (learned, held)]
    distance = float(np.abs(shares[0] - shares[1]).sum()) / 2
    chance = np.sqrt(classes / (2 * np.pi)) * sum(1 / np.sqrt(len(labels)) for labels in (learned, held))
    return 100 * max(0.0, distance - float(chance))
