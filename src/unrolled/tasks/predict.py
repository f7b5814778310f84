"""Outputs and probabilities of a model."""

from typing import Any

from unrolled.data.dataset import Split
from unrolled.tasks.batches import EvaluationBatches

import keras
import numpy as np
from numpy.typing import NDArray

_SHAPES = (keras.layers.Reshape, keras.layers.Flatten, keras.layers.Permute, keras.layers.Identity)


def predict_outputs(model: keras.Model, inputs: NDArray[Any], batch_size: int) -> NDArray[np.float32]:
    """Return a model's outputs for encoded examples, [B, ...] in their order.

    Examples of unequal length are put into batches of about the same length.

    Args:
        model: The network.
        inputs: [B, ...], or [B] arrays of unequal length.
        batch_size: Number of examples computed at once.
    """
    if inputs.dtype != object:
        return np.asarray(model.predict(inputs, batch_size=batch_size, verbose=0), np.float32)
    batches = EvaluationBatches(Split(inputs, np.zeros(len(inputs), np.int64)), batch_size)
    in_batch_order = np.concatenate(
        [np.asarray(model.predict_on_batch(batches[index][0])) for index in range(batches.num_batches)]
    )
    outputs = np.empty_like(in_batch_order, np.float32)
    outputs[batches.order] = in_batch_order
    return outputs


def predict_probabilities(model: keras.Model, inputs: NDArray[Any], batch_size: int) -> NDArray[np.float32]:
    """Return the probability of each class, [B, ..., classes], whether the model ends in a softmax or in logits.

    Args:
        model: The network.
        inputs: [B, ...], or [B] arrays of unequal length.
        batch_size: Number of examples computed at once.
    """
    outputs = predict_outputs(model, inputs, batch_size)
    if gives_probabilities(model):
        return outputs
    exponentials = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float32] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def gives_probabilities(model: keras.Model) -> bool:
    """Return True if the last layer is a softmax, False if the outputs are logits.

    Layers that change the shape of their inputs alone are passed over.
    """
    last = next((layer for layer in reversed(model.layers) if not isinstance(layer, _SHAPES)), model.layers[-1])
    while isinstance(last, keras.layers.Wrapper):
        last = last.layer
    return isinstance(last, keras.layers.Softmax) or getattr(last, "activation", None) is keras.activations.softmax
