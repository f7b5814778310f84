"""A task as a Keras layer, of unrolled or Keras' own, on the backend of the process."""

from typing import Any

import unrolled.layers
from benchmarks.arrays import WEIGHTS, LayerArrays, layer_arrays
from benchmarks.cases import Arm
from benchmarks.frameworks.program import Outputs
from benchmarks.tasks import KERAS_NAMES, LayerTask

import keras
import numpy as np

SEED = 7


def make_layer(arm: Arm) -> tuple[Any, LayerArrays]:
    """Return the layer with the task's weights, and its input arrays."""
    task = arm.task
    assert isinstance(task, LayerTask)
    arguments: dict[str, Any] = {
        "activation": task.activation,
        "return_sequences": True,
        "recurrent_dropout": task.recurrent_dropout,
        "seed": SEED,
    }
    if arm.program == "unrolled":
        source: Any = unrolled.layers
        arguments["kernel"] = "native"  # raises instead of timing Keras' own loop
    else:
        source = keras.layers
        arguments["unroll"] = arm.unroll
    layer = getattr(source, KERAS_NAMES[task.cell])(task.shape.units, **arguments)
    if task.bidirectional:
        layer = keras.layers.Bidirectional(layer)
    arrays = layer_arrays(task)
    layer.build(arrays.sequences.shape)
    for variable, array in zip(layer.trainable_variables, arrays.weights, strict=True):
        variable.assign(array)
    return layer, arrays


def weight_names(task: LayerTask) -> list[str]:
    """Return the names of the gradients, in the order of the layer's variables."""
    if task.bidirectional:
        return [f"{direction} {name}" for direction in ("forward", "backward") for name in WEIGHTS]
    return list(WEIGHTS)


def named_results(task: LayerTask, outputs: Any, gradients: Any) -> Outputs:
    """Return outputs and gradients (of the weights, then of the sequences) in NumPy, by name."""
    results = {"outputs": _outside_padding(task, np.asarray(outputs))}
    if task.training:
        names = [*weight_names(task), "sequences"]
        results |= {name: np.asarray(array) for name, array in zip(names, gradients, strict=True)}
    return results


def _outside_padding(task: LayerTask, outputs: Any) -> Any:
    """Zero the outputs at padding, where Keras repeats the last output and torch returns zero."""
    if not task.padded:
        return outputs
    return outputs * (np.arange(task.shape.time) < np.array(task.lengths())[:, None])[:, :, None]
