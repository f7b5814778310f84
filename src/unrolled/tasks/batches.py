"""The order in which a network sees its examples, and how each is varied: a function of the seed and the epoch."""

from functools import cached_property, lru_cache
from typing import Any

from unrolled.data.dataset import Split, lengths, pad, padded_length

import keras
import numpy as np
from numpy.typing import NDArray

# Enough that all lengths occur in a stretch, few enough that the order stays random.
_BATCHES_IN_STRETCH = 64


class TrainingBatches(keras.utils.PyDataset):
    """All epochs' batches in one row, each epoch in an order of its own.

    Batch k of the whole training is batch ``k % steps`` of epoch ``k // steps``, whoever asks for it and whenever:
    a backend that fetches ahead of the epoch's end gets what the others get, and a training that goes on at batch k
    gets what one that came there by itself gets.

    Examples of unequal length are put together with others of about their length, so that little is padding: each
    epoch's order is cut into stretches, each of which is sorted by length and dealt into batches; their order is
    random again.

    Args:
        split: The examples to learn from.
        batch_size: Examples per batch; the last batch of an epoch may be smaller.
        epochs: How many times each example is seen.
        seed: Decides the order, and how examples are varied.
        start: The batch of the whole training that comes first.
        shift: By how many pixels an image is moved at most.
        weights: [classes] how much an example of each class counts, or None.
        classes: How many classes there are where targets are to be one-hot, or None.
        padding: Whether to pad to the longest of a ``batch`` or the ``longest`` of all.
    """

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        epochs: int,
        seed: int,
        start: int = 0,
        shift: int = 0,
        weights: NDArray[np.float32] | None = None,
        classes: int | None = None,
        padding: str = "batch",
    ):
        super().__init__()
        self.split, self.batch_size, self.epochs, self.seed, self.start = split, batch_size, epochs, seed, start
        self.shift, self.weights, self.classes, self.padding = shift, weights, classes, padding
        self.order = lru_cache(maxsize=2)(self._order)

    @property
    def steps(self) -> int:
        """Batches in one epoch."""
        return steps_per_epoch(self.split, self.batch_size)

    @property
    def num_batches(self) -> int:
        """Batches from the first to the end of all epochs, as Keras asks for it."""
        return self.epochs * self.steps - self.start

    def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
        epoch, step = divmod(self.start + index, self.steps)
        chosen = self.order(epoch)[step * self.batch_size : (step + 1) * self.batch_size]
        inputs, targets = self.split.select(chosen)
        if inputs.dtype == object:
            inputs = pad(inputs, padded_length(int(self.lengths.max())) if self.padding == "longest" else None)
        if self.shift:
            inputs = shifted(inputs, self.shift, np.random.default_rng([self.seed, epoch, step]))
        given = targets if self.classes is None else one_hot(targets, self.classes)
        return (inputs, given) if self.weights is None else (inputs, given, self.weights[targets])

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """[B] of examples of unequal length."""
        return lengths(self.split.inputs)

    def _order(self, epoch: int) -> NDArray[np.int64]:
        random = np.random.default_rng([self.seed, epoch])
        order = random.permutation(self.split.size)
        if self.split.inputs.dtype != object:
            return order
        stretch = _BATCHES_IN_STRETCH * self.batch_size
        for begin in range(0, len(order), stretch):
            part = order[begin : begin + stretch]
            order[begin : begin + stretch] = part[np.argsort(self.lengths[part], kind="stable")]
        whole = len(order) // self.batch_size
        dealt = order[: whole * self.batch_size].reshape(whole, self.batch_size)
        return np.concatenate([dealt[random.permutation(whole)].reshape(-1), order[whole * self.batch_size :]])


class EvaluationBatches(keras.utils.PyDataset):
    """Examples to measure on, each once, in batches of about one length.

    Args:
        split: The examples.
        batch_size: Examples per batch.
        classes: How many classes there are where targets are to be one-hot, or None.

    Attributes:
        order: [B] which example stands where.
    """

    def __init__(self, split: Split, batch_size: int, *, classes: int | None = None):
        super().__init__()
        self.split, self.batch_size, self.classes = split, batch_size, classes
        is_ragged = split.inputs.dtype == object
        self.order = np.argsort(lengths(split.inputs), kind="stable") if is_ragged else np.arange(split.size)

    @property
    def num_batches(self) -> int:
        """How many batches there are, as Keras asks for it."""
        return steps_per_epoch(self.split, self.batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
        inputs, targets = self.split.select(self.order[index * self.batch_size : (index + 1) * self.batch_size])
        given = targets if self.classes is None else one_hot(targets, self.classes)
        return pad(inputs) if inputs.dtype == object else inputs, given


def steps_per_epoch(split: Split, batch_size: int) -> int:
    """How many batches it takes to see each example once."""
    return -(-split.size // batch_size)


def one_hot(targets: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """[B, classes], 1 for the class of each target and 0 elsewhere."""
    rows: NDArray[np.float32] = np.eye(classes, dtype=np.float32)[targets]
    return rows


def balanced_weights(targets: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """[classes] factors that make every class count the same in all, and the examples 1 on average.

    ::

        weight_k = B / (classes with examples * count_k)

    Example:
        >>> balanced_weights(np.array([0, 0, 0, 1]), 2).tolist()
        [0.6666666865348816, 2.0]
    """
    counts = np.bincount(targets, minlength=classes)
    weights = len(targets) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return np.where(counts > 0, weights, 0.0).astype(np.float32)


def shifted(images: NDArray[Any], most: int, random: np.random.Generator) -> NDArray[Any]:
    """Each image moved by its own number of pixels in either direction; what comes in is 0.

    Args:
        images: [B, height, width].
        most: The longest way, in pixels.
        random: Decides the ways.
    """
    batch, height, width = images.shape
    padded = np.pad(images, ((0, 0), (most, most), (most, most)))
    places = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    down, right = random.integers(0, 2 * most + 1, (2, batch))
    moved: NDArray[Any] = places[np.arange(batch), down, right]
    return moved
