"""A recurrent layer read once more by the reference, which shows what Keras' layers keep to themselves."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from unrolled.backends import current
from unrolled.kernels.reference import ACTIVATIONS, forward
from unrolled.kernels.spec import Inputs
from unrolled.layers.recurrent import describe
from unrolled.model.build import is_reading

import keras
import numpy as np
from keras.src.backend.common.masking import get_keras_mask
from numpy.typing import NDArray

LayerPath = tuple[int | str, ...]
"""Where a layer stands: the index in its model, inputs not counted, then ``forward_layer`` or an index further in."""


RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)


@dataclass(frozen=True)
class Part:
    """A layer and where it stands."""

    layer: Any
    path: LayerPath


@dataclass(frozen=True)
class Call:
    """One call of a layer, with arrays.

    Attributes:
        part: The layer.
        inputs: What it read.
        outputs: What it gave; of several, the first.
        mask: [B, T], the mask that came with the inputs, or None.
        mask_after: The mask that went on with the outputs, or None.
        has_initial_state: Whether a recurrent layer was given the state to begin with.
    """

    part: Part
    inputs: NDArray[Any]
    outputs: NDArray[Any]
    mask: NDArray[np.bool_] | None
    mask_after: NDArray[np.bool_] | None
    has_initial_state: bool


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


def norms_over_time(gradient: NDArray[np.floating], mask: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """The root mean square over the examples of each step's norm, [T]; NaN at steps that every example masks.

    Args:
        gradient: dL/dx, [B, T, ...].
        mask: [B, T], or None where all is read.
    """
    squares = (gradient.astype(np.float64) ** 2).reshape(*gradient.shape[:2], -1).sum(axis=2)
    read = np.ones(squares.shape, bool) if mask is None else mask.astype(bool)
    counts = read.sum(axis=0)
    sums = (squares * read).sum(axis=0)
    means = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    norms: NDArray[np.float64] = np.sqrt(means)
    return norms


def spread(norms: NDArray[np.float64], *, is_backwards: bool, has_both: bool) -> tuple[float, float]:
    """The smallest and the largest gradient over time, as multiples of that of the steps nearest to the loss.

    The nearest are the quarter of the steps that is read last; of a layer that reads both ways, the quarter at that
    end where the gradient is larger.

    Args:
        norms: As from `norms_over_time`.
        is_backwards: Whether the layer reads the last step first.
        has_both: Whether it reads both ways.

    Returns:
        (smallest, largest): 1 and 1 where all steps are alike, or there are fewer than four, or no gradient at all.
    """
    read = norms[~np.isnan(norms)]
    if len(read) < 4 or not read.any():
        return 1.0, 1.0
    if not np.isfinite(read).all():
        return 1.0, float("inf")
    quarter = len(read) // 4
    first, last = float(read[:quarter].mean()), float(read[-quarter:].mean())
    nearest = max(first, last) if has_both else first if is_backwards else last
    if not nearest:
        return 1.0, float("inf")
    return float(read.min()) / nearest, float(read.max()) / nearest


def parts_of(model: Any, path: LayerPath = ()) -> list[Part]:
    """The layers of a model, in its own order."""
    parts: list[Part] = []
    layers = (
        layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer) and not is_reading(layer)
    )
    for index, layer in enumerate(layers):
        here = (*path, index)
        if isinstance(layer, keras.Model):
            parts += parts_of(layer, here)
            continue
        parts.append(Part(layer, here))
        if isinstance(layer, keras.layers.Bidirectional):
            parts += [Part(getattr(layer, name), (*here, name)) for name in ("forward_layer", "backward_layer")]
    return parts


def outermost(calls: Iterable[Call]) -> list[Call]:
    """The calls without those of the layers within a Bidirectional."""
    return [call for call in calls if not isinstance(call.part.path[-1], str)]


def listen(model: Any, inputs: NDArray[Any]) -> list[Call]:
    """Every layer's first call while the model reads the inputs, in the order in which the calls ended."""
    heard: dict[LayerPath, tuple[Part, Any, Any, Any, bool]] = {}

    def note(part: Part, call: Callable[..., Any], sequences: Any, *arguments: Any, **named: Any) -> Any:
        mask = named.get("mask") if named.get("mask") is not None else _mask_of(sequences)
        outputs = call(sequences, *arguments, **named)
        started = named.get("initial_state") is not None
        heard.setdefault(part.path, (part, _first(sequences), outputs, _first(mask), started))
        return outputs

    with _exchanged(parts_of(model), note), keras.StatelessScope():
        model(keras.ops.convert_to_tensor(inputs), training=False)
    return [
        Call(part, _array(read), _array(_first(gave)), _array(mask), _array(_mask_of(gave)), started)
        for part, read, gave, mask, started in heard.values()
    ]


def input_gradients(
    model: Any, inputs: NDArray[Any], targets: NDArray[Any], parts: Sequence[Part]
) -> list[NDArray[np.float32]]:
    """dL/dx for each of some layers, where x is what the layer reads and L the model's compiled loss, without dropout.

    Each of the layers reads x + e with e = 0, and the loss is differentiated with respect to e.

    Returns:
        An array of the shape of x for each layer, in the order of the layers.
    """
    read = {call.part.path: call.inputs.shape for call in listen(model, inputs)}
    places = {part.path: index for index, part in enumerate(parts)}

    def loss(offsets: Sequence[Any]) -> Any:
        def shift(part: Part, call: Callable[..., Any], sequences: Any, *arguments: Any, **named: Any) -> Any:
            offset = offsets[places[part.path]]
            return call(keras.ops.cast(sequences, offset.dtype) + offset, *arguments, **named)

        with _exchanged(parts, shift), keras.StatelessScope():
            outputs = model(keras.ops.convert_to_tensor(inputs), training=False)
            return model.compute_loss(y=keras.ops.convert_to_tensor(targets), y_pred=outputs, training=False)

    gradients = current().gradients
    zeros = [keras.ops.zeros(read[part.path], "float32") for part in parts]
    return [np.asarray(keras.ops.convert_to_numpy(found)) for found in gradients(loss, zeros)]


@contextmanager
def _exchanged(parts: Sequence[Part], by: Callable[..., Any]) -> Iterator[None]:
    """Layers whose ``call(...)`` is ``by(part, call, ...)``, for as long as the context lasts."""
    once = {id(part.layer): part for part in parts}.values()
    layers = [part.layer for part in once]
    before = [vars(layer).get("call") for layer in layers]
    for part in once:
        # Keras would take the attribute for a part of the layer.
        object.__setattr__(part.layer, "call", partial(by, part, part.layer.call))
    try:
        yield
    finally:
        for layer, own in zip(layers, before, strict=True):
            if own is None:
                object.__delattr__(layer, "call")
            else:
                object.__setattr__(layer, "call", own)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and value else value


def _mask_of(value: Any) -> Any:
    first = _first(value)
    return None if first is None else get_keras_mask(first)


def _array(value: Any) -> Any:
    return None if value is None else np.asarray(keras.ops.convert_to_numpy(value))
