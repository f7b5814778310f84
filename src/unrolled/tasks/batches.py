"""Batches: order and variation of examples as functions of seed and epoch; and the outputs of a model for examples."""

from functools import cached_property, lru_cache
from typing import Any

from unrolled.data.dataset import Split
from unrolled.data.named_inputs import NamedInputs
from unrolled.data.ragged import Ragged

import keras
import numpy as np
from numpy.typing import NDArray

# Enough that all lengths occur in a stretch, few enough that the order stays random.
_BATCHES_IN_STRETCH = 64
_BATCH_SIZES = (1, 16, 64)
EncodedInputs = NDArray[Any] | Ragged | NamedInputs
UNEQUAL = (Ragged, NamedInputs)
"""The types of inputs that are put into batches of about the same length."""


class TrainingBatches(keras.utils.PyDataset):
    """The batches of all epochs in one sequence, each epoch in an order of its own.

    Batch k of the whole training is batch ``k % steps`` of epoch ``k // steps``, independent of who requests it and
    when: a backend that prefetches past the end of an epoch gets the same batches as the others, and a training that
    is resumed at batch k gets the same as one that was never stopped.

    Examples of unequal length are put into batches of about the same length, so that little is padding: each epoch's
    order is cut into stretches, each of which is sorted by length and cut into batches; the order of the batches is
    random again.

    Args:
        split: The training examples, encoded.
        batch_size: Number of examples per batch; the last batch of an epoch may be smaller.
        epochs: Number of passes over the examples.
        seed: Decides the order and the variation of the examples.
        start: The batch of the whole training that comes first.
        shift: Maximum number of pixels by which an image is shifted.
        weights: [classes] weight of the examples of each class, or None.
        classes: Number of classes if targets are one-hot, or None.
        padding: ``batch`` to pad to the longest of a batch, ``longest`` to the longest of all.
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
        """Number of batches in one epoch."""
        return steps_per_epoch(self.split, self.batch_size)

    @property
    def num_batches(self) -> int:
        """Number of batches from the first one to the end of all epochs."""
        return self.epochs * self.steps - self.start

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        epoch, step = divmod(self.start + index, self.steps)
        chosen = self.order(epoch)[step * self.batch_size : (step + 1) * self.batch_size]
        inputs, targets = self.split.select(chosen)
        if isinstance(inputs, UNEQUAL):
            # A batch that is smaller than the others has a shape of its own, so it has one length.
            is_longest = self.padding == "longest" or len(chosen) < self.batch_size
            inputs = inputs.padded(self.longest if is_longest else None)
        if self.shift:
            inputs = shifted(inputs, self.shift, np.random.default_rng([self.seed, epoch, step]))
        if isinstance(targets, Ragged):
            return inputs, *step_labels(targets, inputs.shape[1], self.classes, self.weights)
        labels = _labels(targets, self.classes)
        return (inputs, labels) if self.weights is None else (inputs, labels, self.weights[targets])

    @cached_property
    def longest(self) -> Any:
        """The length to which the longest example is padded; of several inputs, that of each by name."""
        return self.split.inputs.padded_size

    def _order(self, epoch: int) -> NDArray[np.int64]:
        random = np.random.default_rng([self.seed, epoch])
        order = random.permutation(self.split.size)
        if not isinstance(self.split.inputs, UNEQUAL):
            return order
        lengths = self.split.inputs.lengths
        stretch = _BATCHES_IN_STRETCH * self.batch_size
        for begin in range(0, len(order), stretch):
            part = order[begin : begin + stretch]
            order[begin : begin + stretch] = part[np.argsort(lengths[part], kind="stable")]
        whole = len(order) // self.batch_size
        batches = order[: whole * self.batch_size].reshape(whole, self.batch_size)
        return np.concatenate([batches[random.permutation(whole)].reshape(-1), order[whole * self.batch_size :]])


class EvaluationBatches(keras.utils.PyDataset):
    """Validation or test examples, each once, in batches of about the same length.

    Args:
        split: The examples, encoded.
        batch_size: Number of examples per batch.
        classes: Number of classes if targets are one-hot, or None.

    Attributes:
        order: [B] indices of the examples, in the order of the batches.
    """

    def __init__(self, split: Split, batch_size: int, *, classes: int | None = None):
        super().__init__()
        self.split, self.batch_size, self.classes = split, batch_size, classes
        unequal = split.inputs if isinstance(split.inputs, UNEQUAL) else None
        self.order = np.arange(split.size) if unequal is None else np.argsort(unequal.lengths, kind="stable")

    @property
    def num_batches(self) -> int:
        """Number of batches."""
        return steps_per_epoch(self.split, self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        inputs, targets = self.split.select(self.order[index * self.batch_size : (index + 1) * self.batch_size])
        inputs = inputs.padded() if isinstance(inputs, UNEQUAL) else inputs
        if isinstance(targets, Ragged) and not isinstance(inputs, dict):
            return inputs, *step_labels(targets, inputs.shape[1], self.classes)
        return inputs, _labels(targets, self.classes)


def steps_per_epoch(split: Split, batch_size: int) -> int:
    """Return the number of batches in which each example occurs once."""
    return -(-split.size // batch_size)


def _labels(targets: NDArray[Any], classes: int | None) -> NDArray[Any]:
    """Return targets as a loss takes them: one-hot, or integers of 32 bits, as JAX has no others by default."""
    if classes is not None:
        return one_hot(targets, classes)
    return targets.astype(np.int32) if targets.dtype == np.int64 else targets


def step_labels(
    targets: Ragged, length: int, classes: int | None, weights: NDArray[np.float32] | None = None
) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Return [B, T] (or one-hot) labels of steps and their weights, 0 for padding and for steps without a label.

    Numbers are [B, T, numbers]; a step of which one is missing has the weight 0.
    """
    padded = targets.padded(length)
    if padded.dtype.kind == "f":
        is_known = ~np.isnan(padded).any(axis=-1)
        return np.where(is_known[..., None], padded, 0).astype(np.float32), is_known.astype(np.float32)
    is_labeled = (np.arange(length) < targets.lengths[:, None]) & (padded >= 0)
    known = np.maximum(padded, 0)
    weighted = is_labeled.astype(np.float32) * (1 if weights is None else weights[known])
    return _labels(known, classes), weighted.astype(np.float32)


def one_hot(targets: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Return [B, classes], 1 for the class of each target and 0 elsewhere."""
    rows: NDArray[np.float32] = np.eye(classes, dtype=np.float32)[targets]
    return rows


def balanced_weights(targets: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Return [classes] weights with which all classes count the same in total, and the examples 1 on average.

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
    """Shift each image by a random number of pixels, vertically and horizontally; the margin becomes 0.

    Args:
        images: [B, height, width] or [B, height, width, C].
        most: Maximum shift, in pixels.
        random: Decides the shifts.
    """
    batch, height, width, *channels = images.shape
    padded = np.pad(images, ((0, 0), (most, most), (most, most), *((0, 0) for _ in channels)))
    positions = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    down, right = random.integers(0, 2 * most + 1, (2, batch))
    moved: NDArray[Any] = positions[np.arange(batch), down, right]
    return np.ascontiguousarray(np.moveaxis(moved, 1, -1)) if channels else moved


_SHAPES = (keras.layers.Reshape, keras.layers.Flatten, keras.layers.Permute, keras.layers.Identity)


def predict_outputs(model: keras.Model, inputs: EncodedInputs, batch_size: int) -> NDArray[np.float32]:
    """Return a model's outputs for encoded examples, [B, ...] in their order.

    Examples of unequal length are put into batches of about the same length. A batch is filled up to one of few sizes,
    so that a service that is asked for one example here and five there meets no shape that is still to be compiled.

    Args:
        model: The network.
        inputs: [B, ...], [B] arrays of unequal length, or several of these by name.
        batch_size: Number of examples computed at once.
    """
    batches = EvaluationBatches(Split(inputs, np.zeros(len(inputs), np.int64)), batch_size)
    in_batch_order = np.concatenate(
        [_predict_batch(model, batches[index][0], batch_size) for index in range(batches.num_batches)]
    )
    outputs = np.empty_like(in_batch_order)
    outputs[batches.order] = in_batch_order
    return outputs


def predict_steps(
    model: keras.Model, inputs: Any, batch_size: int, *, are_numbers: bool = False
) -> list[NDArray[np.float32]]:
    """Return the probability of each class at each step of encoded examples, [B] arrays [T, classes].

    Args:
        model: The network.
        inputs: [B] arrays of unequal length.
        batch_size: Number of examples computed at once.
        are_numbers: True if the outputs are no logits, to return them as they are.
    """
    batches = EvaluationBatches(Split(inputs, np.zeros(len(inputs), np.int64)), batch_size)
    found: list[NDArray[np.float32]] = []
    is_ready = are_numbers or gives_probabilities(model)
    for index in range(batches.num_batches):
        outputs = _predict_batch(model, batches[index][0], batch_size)
        found.extend(outputs if is_ready else _softmax(outputs))
    in_order = np.argsort(batches.order)
    return [found[place][: inputs.lengths[index]] for index, place in enumerate(in_order)]


def _predict_batch(model: keras.Model, inputs: Any, batch_size: int) -> NDArray[np.float32]:
    count = len(keras.tree.flatten(inputs)[0])
    size = next((size for size in batch_sizes(batch_size) if size >= count), count)
    if size > count:
        inputs = keras.tree.map_structure(
            lambda array: np.concatenate([array, np.repeat(array[-1:], size - count, axis=0)]), inputs
        )
    return np.asarray(model.predict_on_batch(inputs), np.float32)[:count]


def batch_sizes(batch_size: int) -> tuple[int, ...]:
    """Return the numbers of examples that are computed at once.

    Example:
        >>> batch_sizes(256)
        (1, 16, 64, 256)
    """
    return (*(size for size in _BATCH_SIZES if size < batch_size), batch_size)


def predict_probabilities(model: keras.Model, inputs: EncodedInputs, batch_size: int) -> NDArray[np.float32]:
    """Return the probability of each class, [B, ..., classes], whether the model ends in a softmax or in logits.

    Args:
        model: The network.
        inputs: [B, ...], [B] arrays of unequal length, or several of these by name.
        batch_size: Number of examples computed at once.
    """
    outputs = predict_outputs(model, inputs, batch_size)
    if gives_probabilities(model):
        return outputs
    return _softmax(outputs)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float32] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def gives_probabilities(model: keras.Model) -> bool:
    """Return True if the last layer is a softmax or a sigmoid, False if the outputs are logits.

    Layers that change the shape of their inputs alone are passed over.
    """
    last = next((layer for layer in reversed(model.layers) if not isinstance(layer, _SHAPES)), model.layers[-1])
    while isinstance(last, keras.layers.Wrapper):
        last = last.layer
    activation = getattr(last, "activation", None)
    return isinstance(last, keras.layers.Softmax) or activation in (
        keras.activations.softmax,
        keras.activations.sigmoid,
    )
