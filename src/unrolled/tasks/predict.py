"""The outputs and probabilities of a model."""

from typing import Any

from unrolled.data.dataset import Split
from unrolled.tasks.batches import EvaluationBatches

import keras
import numpy as np
from numpy.typing import NDArray


def predict_outputs(model: keras.Model, inputs: NDArray[Any], batch_size: int) -> NDArray[np.float32]:
    """What a model gives for each example, those of unequal length put together with others of about their length."""
    if inputs.dtype != object:
        return np.asarray(model.predict(inputs, batch_size=batch_size, verbose=0), np.float32)
    batches = EvaluationBatches(Split(inputs, np.zeros(len(inputs), np.int64)), batch_size)
    given = np.concatenate(
        [np.asarray(model.predict_on_batch(batches[index][0])) for index in range(batches.num_batches)]
    )
    outputs = np.empty_like(given, np.float32)
    outputs[batches.order] = given
    return outputs


def probabilities(model: keras.Model, inputs: NDArray[Any], batch_size: int) -> NDArray[np.float32]:
    """The probability of each class, [B, ..., classes], whether the model ends in a softmax or in logits."""
    outputs = predict_outputs(model, inputs, batch_size)
    if gives_probabilities(model):
        return outputs
    exponentials = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    split_cores: NDArray[np.float32] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return split_cores


def gives_probabilities(model: keras.Model) -> bool:
    """Whether the last layer is a softmax, so that its outputs are probabilities and not logits."""
    last = model.layers[-1]
    return isinstance(last, keras.layers.Softmax) or getattr(last, "activation", None) is keras.activations.softmax
