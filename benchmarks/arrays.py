"""The arrays of a task: the same numbers in every process, on every framework."""

from dataclasses import dataclass

from benchmarks.tasks import GATES, LayerTask, NetworkTask, StepTask
from unrolled import load

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
WEIGHTS = ("kernel", "recurrent_kernel", "bias")


@dataclass(frozen=True)
class LayerArrays:
    """The inputs and weights of a layer, with the gates in Keras' order."""

    sequences: Array
    """[B, T, F]"""
    weights: list[Array]
    """kernel, recurrent_kernel and bias; of a bidirectional layer those of the second direction follow"""
    mask: NDArray[np.bool_] | None
    """[B, T]"""
    cotangent: Array
    """[B, T, H] or [B, T, 2 * H]: the factors of the outputs in the loss, zero where the input is padding"""


def layer_arrays(task: LayerTask) -> LayerArrays:
    """Return the inputs and weights of one layer."""
    random = np.random.default_rng(0)
    shape = task.shape
    sequences = _normal(random, (shape.batch, shape.time, shape.features))
    weights = [array for _ in range(task.directions) for array in _weights(random, task)]
    if task.values == "negative":
        sequences, weights = np.full_like(sequences, -0.1), [np.full_like(array, -0.1) for array in weights]
    elif task.values == "tiny":
        sequences = sequences * np.float32(1e-38)
        weights = [array * (0 if number % 3 == 2 else 1) for number, array in enumerate(weights)]
    cotangent = _normal(random, (shape.batch, shape.time, task.directions * shape.units))
    mask = None
    if task.padded:
        mask = np.arange(shape.time) < np.array(task.lengths())[:, None]
        # Layers differ in their outputs at padding, so the loss does not depend on them.
        cotangent *= mask[:, :, None]
    return LayerArrays(sequences, weights, mask, cotangent)


def _weights(random: np.random.Generator, task: LayerTask) -> list[Array]:
    features, units, columns = task.shape.features, task.shape.units, GATES[task.cell] * task.shape.units
    bias_shape = (2, columns) if task.cell == "gru" else (columns,)
    if task.activation == "tanh":
        recurrent_scale = 0.7 / np.sqrt(units)  # the state forgets, so that rounding errors do not grow over time
        return [
            _normal(random, (features, columns), 1 / np.sqrt(features)),
            _normal(random, (units, columns), recurrent_scale),
            _normal(random, bias_shape, 0.1),
        ]
    # At the kink of relu, rounding decides which gradient is right. The bias keeps every unit on one side of it.
    bias = np.where(random.random(bias_shape) < 0.5, -1, 1) / (2 if task.cell == "gru" else 1)
    if task.cell == "gru":
        bias[1] = bias[0]
    return [
        _normal(random, (features, columns), 0.1 / np.sqrt(features)),
        _normal(random, (units, columns), 0.1 / np.sqrt(units)),
        bias.astype(np.float32),
    ]


def step_arrays(task: StepTask) -> tuple[Array, list[Array]]:
    """Return sixteen steps [16, B, F] and the weights of an LSTM."""
    random = np.random.default_rng(0)
    layer = LayerTask("lstm", task.shape)
    return _normal(random, (16, task.shape.batch, task.shape.features)), _weights(random, layer)


def network_weights(task: NetworkTask) -> list[Array]:
    """Return initial weights of the article's network, drawn as Keras does, in the order of Keras' variables."""
    random = np.random.default_rng(0)
    units = task.units
    weights: list[Array] = []
    for features in (28, units):
        bias = np.zeros(4 * units, np.float32)
        bias[units : 2 * units] = 1  # Keras' unit_forget_bias
        weights += [_glorot(random, features, 4 * units), _orthogonal(random, units, 4 * units), bias]
    for inputs, outputs in ((units, 32), (32, 10)):
        weights += [_glorot(random, inputs, outputs), np.zeros(outputs, np.float32)]
    return weights


def images(task: NetworkTask) -> tuple[Array, NDArray[np.int64]]:
    """Return the first training images of MNIST, scaled to 0 to 1, and their digits."""
    inputs, targets = load("mnist").train
    return (inputs[: task.images] / 255).astype(np.float32), targets[: task.images].astype(np.int64)


def _normal(random: np.random.Generator, shape: tuple[int, ...], scale: float = 1) -> Array:
    return random.normal(scale=scale, size=shape).astype(np.float32)


def _glorot(random: np.random.Generator, rows: int, columns: int) -> Array:
    limit = np.sqrt(6 / (rows + columns))
    return random.uniform(-limit, limit, (rows, columns)).astype(np.float32)


def _orthogonal(random: np.random.Generator, rows: int, columns: int) -> Array:
    q, _ = np.linalg.qr(random.normal(size=(columns, rows)))
    return np.ascontiguousarray(q.T, np.float32)
