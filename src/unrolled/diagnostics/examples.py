"""Examples as arrays of equal shape, as ``fit`` takes them, with their labels and their hashes."""

from hashlib import blake2b
from typing import Any, NamedTuple

from unrolled.data.dataset import Split
from unrolled.data.ragged import Ragged, lengths, pad
from unrolled.data.texts import Texts
from unrolled.data.token_lists import TokenLists
from unrolled.tasks.batches import one_hot, step_labels

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


class Examples(NamedTuple):
    """Inputs, targets and the weights of steps.

    Attributes:
        inputs: [B, ...], padded to one length.
        targets: [B, ...] as the loss takes them; where each step has one, [B, T, ...].
        weights: [B, T], 0 for steps without a target; None where each example has one.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    weights: NDArray[np.float32] | None = None

    @property
    def size(self) -> int:
        """The number of examples, B."""
        return len(self.targets)

    @property
    def counts(self) -> NDArray[np.int64]:
        """[B] the number of targets of each example: 1, or the number of its steps that have one."""
        return np.ones(self.size, np.int64) if self.weights is None else np.count_nonzero(self.weights, axis=1)

    @property
    def labels(self) -> Labels | None:
        """The class of each target, as `labels_of` returns them; of steps, end to end."""
        return labels_of(self.targets if self.weights is None else self.targets[self.weights > 0])

    def select(self, indices: Any) -> "Examples":
        """Return the examples at some indices, in that order."""
        weights = None if self.weights is None else self.weights[indices]
        return Examples(self.inputs[indices], self.targets[indices], weights)


def as_examples(splits: dict[str, Split], classes: int | None) -> dict[str, Examples]:
    """Return encoded splits as arrays; inputs of unequal length are padded, in all splits to the same length.

    Args:
        splits: Encoded examples, by the name of the split.
        classes: The number of classes if the loss takes one-hot targets, else None.
    """
    ragged = [split.inputs for split in splits.values() if split.inputs.dtype == object]
    length = max((int(lengths(inputs).max()) for inputs in ragged), default=0)
    return {name: _as_arrays(split, length, classes) for name, split in splits.items()}


def _as_arrays(split: Split, length: int, classes: int | None) -> Examples:
    inputs, targets = split
    inputs = pad(inputs, length) if inputs.dtype == object else inputs
    if isinstance(targets, Ragged):
        return Examples(inputs, *step_labels(targets, inputs.shape[1], classes))
    return Examples(inputs, targets if classes is None else one_hot(targets, classes).astype(np.int64))


def labels_of(targets: NDArray[Any]) -> Labels | None:
    """Return the class index of each example, [B]; None if the targets are not classes of examples.

    Args:
        targets: Indices [B] or [B, 1], or one-hot rows [B, classes].
    """
    if targets.ndim == 2 and targets.shape[1] > 1:
        is_one_hot = ((targets == 0) | (targets == 1)).all() and (targets.sum(axis=1) == 1).all()
        return targets.argmax(axis=1) if is_one_hot else None
    flat = targets.reshape(-1) if targets.ndim == 2 else targets
    if flat.ndim != 1 or not np.isfinite(flat).all() or not (flat == np.floor(flat)).all() or (flat < 0).any():
        return None
    # Many different whole numbers stored as floats are counts to predict, not classes.
    is_few = flat.dtype.kind in "iub" or len(np.unique(flat)) <= 20
    return flat.astype(np.int64) if is_few else None


def hash_arrays(arrays: NDArray[Any]) -> list[bytes]:
    """Hash the bytes of each array; equal arrays have equal hashes."""
    return [blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).digest() for array in arrays]


def hash_lists(lists: Texts | TokenLists) -> list[bytes]:
    """Hash each text or list of words; equal ones have equal hashes."""
    return [blake2b("\0".join(words).encode(), digest_size=16).digest() for words in lists]
