"""A recurrent layer read once more by the reference, which shows what Keras' layers keep to themselves."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from unrolled.insight.probe import Call
from unrolled.kernels.recurrence import Inputs
from unrolled.kernels.reference import forward
from unrolled.kernels.reference_activations import ACTIVATIONS
from unrolled.layers.native_loop import describe

import keras
import numpy as np
from numpy.typing import NDArray

MOST_EXAMPLES = 32
# The reference keeps about fifteen numbers of float64 for each of these: a quarter of a gigabyte.
_MOST_STATES = 2_000_000
_CELLS = (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell)
# Where the memory of a step holds its gates: see the steps in kernels/reference_cells.py.
_LSTM, _GRU, _GRU_RESET_BEFORE = {"i": 2, "f": 3, "o": 5}, {"z": 2, "r": 3}, {"z": 1, "r": 2}


@dataclass(frozen=True)
class Replay:
    """What went on in a recurrent layer, in the order in which it reads.

    Attributes:
        activation: The name of its activation.
        states: h after each step, [B, T, H].
        gates: The values of each gate by its letter, [B, T, H]; none of a SimpleRNN.
        is_read: [B, T], whether the step was read and not masked.
    """

    activation: str
    states: NDArray[np.float64]
    gates: dict[str, NDArray[np.float64]]
    is_read: NDArray[np.bool_]


def replay(call: Call) -> Replay | None:
    """The call's first examples, read again.

    Returns:
        None where the layer is none of LSTM, GRU and SimpleRNN with activations of Keras', was given a state to begin
        with, or holds weights that are not finite.
    """
    layer = call.part.layer
    if not _can_be_replayed(layer) or call.has_initial_state:
        return None
    _, time, _ = call.inputs.shape
    examples = max(1, min(MOST_EXAMPLES, _MOST_STATES // (time * layer.cell.units)))
    mask = None if call.mask is None else call.mask[:examples]
    kernel, recurrent_kernel, bias = (
        _numbers(getattr(layer.cell, name)) for name in ("kernel", "recurrent_kernel", "bias")
    )
    inputs = Inputs(call.inputs[:examples], kernel, recurrent_kernel, bias, mask=mask)
    if not all(array is None or np.isfinite(array).all() for array in inputs[:4]):
        return None
    recurrence = dataclasses.replace(describe(layer), return_sequences=True)
    results, tape = forward(recurrence, inputs)
    letters: dict[str, int] = {}
    if recurrence.cell == "lstm":
        letters = _LSTM
    elif recurrence.cell == "gru":
        letters = _GRU if recurrence.reset_after else _GRU_RESET_BEFORE
    gates = {letter: np.stack([memory[place] for _, memory in tape], axis=1) for letter, place in letters.items()}
    is_read = np.ones(results.outputs.shape[:2], bool) if mask is None else mask.astype(bool)
    return Replay(recurrence.activation, results.outputs, gates, is_read[:, ::-1] if layer.go_backwards else is_read)


def activation_of(layer: Any) -> str:
    """The name of a layer's activation, that of its cell in a recurrent layer; empty where it has none."""
    activation = getattr(getattr(layer, "cell", layer), "activation", None)
    return "relu" if isinstance(layer, keras.layers.ReLU) else str(getattr(activation, "__name__", ""))


def _can_be_replayed(layer: Any) -> bool:
    cell = getattr(layer, "cell", None)
    if cell is None or type(cell) not in _CELLS:
        return False
    activations = (cell.activation, getattr(cell, "recurrent_activation", keras.activations.sigmoid))
    names = [getattr(activation, "__name__", "") for activation in activations]
    return all(
        name in ACTIVATIONS and getattr(keras.activations, name) is activation
        for name, activation in zip(names, activations, strict=True)
    )


def _numbers(variable: Any) -> Any:
    return None if variable is None else np.asarray(keras.ops.convert_to_numpy(variable), np.float64)
