"""Records of a network at work: its layers' inputs and outputs, their states and gates, and gradients through time."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from unrolled.backends import current
from unrolled.diagnostics.examples import Examples
from unrolled.kernels.reference import ACTIVATIONS, forward
from unrolled.kernels.spec import Inputs
from unrolled.layers.native_loop import describe
from unrolled.model.connect import is_input_layer

import keras
import numpy as np
from keras.src.backend.common.masking import get_keras_mask
from numpy.typing import NDArray

LayerPath = tuple[int | str, ...]
"""The index of a layer in its model, inputs not counted; then, within a Bidirectional, ``forward_layer`` or
``backward_layer``, and within a nested model the index there."""
RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)
GRADIENT_EXAMPLES = 32
"""The number of examples over which gradients are taken."""


@dataclass(frozen=True, eq=False)
class LocatedLayer:
    """A layer and its path in the model."""

    layer: Any
    path: LayerPath


@dataclass(frozen=True, eq=False)
class LayerCall(LocatedLayer):
    """One call of a layer, with its arrays.

    Attributes:
        inputs: The input; the first of several.
        outputs: The output; the first of several.
        mask: [B, T], the mask of the inputs, or None.
        output_mask: The mask of the outputs, or None.
        has_initial_state: True if a recurrent layer was called with an initial state.
    """

    inputs: NDArray[Any]
    outputs: NDArray[Any]
    mask: NDArray[np.bool_] | None
    output_mask: NDArray[np.bool_] | None
    has_initial_state: bool


class Trace:
    """The layer calls of a model on some examples; replays and gradients are computed on first use.

    Args:
        model: Compiled and built.
        examples: What it is run on.

    Attributes:
        calls: The first call of each layer, in the order in which the calls ended.
    """

    def __init__(self, model: Any, examples: Examples):
        self.model = model
        self.examples = examples
        self.calls = record_calls(model, examples.inputs)

    @property
    def outputs(self) -> NDArray[Any]:
        """The outputs of the model."""
        return self.calls[-1].outputs

    @cached_property
    def recurrent_calls(self) -> list[LayerCall]:
        """The calls of recurrent layers and of Bidirectional, without the layers inside the latter."""
        return [call for call in outermost(self.calls) if isinstance(call.layer, RECURRENT)]

    @cached_property
    def replays(self) -> "dict[LayerPath, Replay]":
        """The replays of all hidden recurrent layers that can be replayed, by path."""
        found = {call.path: replay(call) for call in self.calls[:-1] if isinstance(call.layer, keras.layers.RNN)}
        return {path: replayed for path, replayed in found.items() if replayed is not None}

    @cached_property
    def gradient_ranges(self) -> list[tuple[LayerCall, float, float]]:
        """Each recurrent call with the smallest and largest gradient over time, as `gradient_range` returns them."""
        if not self.recurrent_calls:
            return []
        examples = self.examples.select(slice(GRADIENT_EXAMPLES))
        gradients = input_gradients(self.model, examples, self.recurrent_calls)
        ranges = []
        for call, gradient in zip(self.recurrent_calls, gradients, strict=True):
            smallest, largest = gradient_range(
                norms_over_time(gradient, steps_with_gradient(call, examples)),
                is_backwards=getattr(call.layer, "go_backwards", False),
                is_bidirectional=isinstance(call.layer, keras.layers.Bidirectional),
            )
            ranges.append((call, smallest, largest))
        return ranges


def list_layers(model: Any, path: LayerPath = ()) -> list[LocatedLayer]:
    """List the layers of a model in its own order; a Bidirectional is followed by the two layers inside it."""
    found: list[LocatedLayer] = []
    layers = (layer for layer in model.layers if not is_input_layer(layer))
    for index, layer in enumerate(layers):
        here = (*path, index)
        if isinstance(layer, keras.Model):
            found += list_layers(layer, here)
            continue
        found.append(LocatedLayer(layer, here))
        if isinstance(layer, keras.layers.Bidirectional):
            found += [LocatedLayer(getattr(layer, name), (*here, name)) for name in ("forward_layer", "backward_layer")]
    return found


def outermost(calls: Iterable[LayerCall]) -> list[LayerCall]:
    """Leave out the calls of layers inside a Bidirectional."""
    return [call for call in calls if not isinstance(call.path[-1], str)]


def activation_of(layer: Any) -> str:
    """Return the name of a layer's activation, or of its cell's; empty if it has none."""
    for layer_class, name in ((keras.layers.ReLU, "relu"), (keras.layers.Softmax, "softmax")):
        if isinstance(layer, layer_class):
            return name
    activation = getattr(getattr(layer, "cell", layer), "activation", None)
    return str(getattr(activation, "__name__", ""))


def record_calls(model: Any, inputs: NDArray[Any]) -> list[LayerCall]:
    """Run a model without dropout and record the first call of each layer, in the order in which the calls ended."""
    recorded: dict[LayerPath, tuple[LocatedLayer, Any, Any, Any, bool]] = {}

    def record(located: LocatedLayer, call: Callable[..., Any], sequences: Any, *args: Any, **kwargs: Any) -> Any:
        mask = kwargs.get("mask") if kwargs.get("mask") is not None else _mask_of(sequences)
        outputs = call(sequences, *args, **kwargs)
        has_state = kwargs.get("initial_state") is not None
        recorded.setdefault(located.path, (located, _first(sequences), outputs, _first(mask), has_state))
        return outputs

    with _calls_through(record, list_layers(model)), keras.StatelessScope():
        model(keras.ops.convert_to_tensor(inputs), training=False)
    return [
        LayerCall(
            located.layer,
            located.path,
            inputs=_array(layer_inputs),
            outputs=_array(_first(outputs)),
            mask=_array(mask),
            output_mask=_array(_mask_of(outputs)),
            has_initial_state=has_state,
        )
        for located, layer_inputs, outputs, mask, has_state in recorded.values()
    ]


def input_gradients(model: Any, examples: Examples, layers: Sequence[LocatedLayer]) -> list[NDArray[np.float32]]:
    """Compute dL/dx for some layers, with x a layer's input and L the compiled loss, without dropout.

    Each of the layers is given x + e with e = 0, and the loss is differentiated with respect to e.

    Returns:
        An array of the shape of x for each layer, in their order.
    """
    shapes = {call.path: call.inputs.shape for call in record_calls(model, examples.inputs)}
    inputs, targets, weights = (None if one is None else keras.ops.convert_to_tensor(one) for one in examples)
    indices = {located.path: index for index, located in enumerate(layers)}

    def loss(offsets: Sequence[Any]) -> Any:
        def shift(located: LocatedLayer, call: Callable[..., Any], sequences: Any, *args: Any, **kwargs: Any) -> Any:
            offset = offsets[indices[located.path]]
            return call(keras.ops.cast(sequences, offset.dtype) + offset, *args, **kwargs)

        with _calls_through(shift, layers), keras.StatelessScope():
            outputs = model(inputs, training=False)
            return model.compute_loss(y=targets, y_pred=outputs, sample_weight=weights, training=False)

    zeros = [keras.ops.zeros(shapes[located.path], "float32") for located in layers]
    return [np.asarray(keras.ops.convert_to_numpy(gradient)) for gradient in current().gradients(loss, zeros)]


def steps_with_gradient(call: LayerCall, examples: Examples) -> NDArray[np.bool_] | None:
    """Return [B, T] True for the steps that a gradient is to reach: not masked, and with a target where steps have one.

    A step behind the last target has no gradient, however well the layer carries it; None if all steps are to have one.
    """
    mask = None if call.mask is None else call.mask[: examples.size].astype(bool)
    if examples.weights is None or examples.weights.shape != call.inputs[: examples.size].shape[:2]:
        return mask
    has_target = examples.weights > 0
    return has_target if mask is None else has_target & mask


@contextmanager
def _calls_through(function: Callable[..., Any], layers: Sequence[LocatedLayer]) -> Iterator[None]:
    """Replace each layer's ``call(...)`` by ``function(located, call, ...)`` until the context ends."""
    once = {id(located.layer): located for located in layers}.values()
    before = [vars(located.layer).get("call") for located in once]
    for located in once:
        # Keras would track an attribute that is set the ordinary way.
        object.__setattr__(located.layer, "call", partial(function, located, located.layer.call))
    try:
        yield
    finally:
        for located, own_call in zip(once, before, strict=True):
            if own_call is None:
                object.__delattr__(located.layer, "call")
            else:
                object.__setattr__(located.layer, "call", own_call)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and value else value


def _mask_of(value: Any) -> Any:
    first = _first(value)
    return None if first is None else get_keras_mask(first)


def _array(value: Any) -> Any:
    return None if value is None else np.asarray(keras.ops.convert_to_numpy(value))


def norms_over_time(gradient: NDArray[np.floating], mask: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Compute the root mean square over the examples of each step's gradient norm.

    Args:
        gradient: dL/dx, [B, T, ...].
        mask: [B, T], or None if no step is masked.

    Returns:
        [T]; NaN at steps that every example masks.
    """
    squares = (gradient.astype(np.float64) ** 2).reshape(*gradient.shape[:2], -1).sum(axis=2)
    is_unmasked = np.ones(squares.shape, bool) if mask is None else mask.astype(bool)
    counts = is_unmasked.sum(axis=0)
    sums = (squares * is_unmasked).sum(axis=0)
    means = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    norms: NDArray[np.float64] = np.sqrt(means)
    return norms


def gradient_range(norms: NDArray[np.float64], *, is_backwards: bool, is_bidirectional: bool) -> tuple[float, float]:
    """Compare the smallest and the largest gradient over time with that of the steps nearest to the loss.

    The nearest steps are the last quarter that the layer reads; for a bidirectional layer, the quarter at the end
    with the larger gradient.

    Args:
        norms: [T], from `norms_over_time`.
        is_backwards: True if the layer reads the last step first.
        is_bidirectional: True if it reads in both directions.

    Returns:
        (smallest, largest), as multiples; (1, 1) if there are fewer than four steps or no gradient at all.
    """
    unmasked = norms[~np.isnan(norms)]
    if len(unmasked) < 4 or not unmasked.any():
        return 1.0, 1.0
    if not np.isfinite(unmasked).all():
        return 1.0, float("inf")
    quarter = len(unmasked) // 4
    first, last = float(unmasked[:quarter].mean()), float(unmasked[-quarter:].mean())
    nearest = max(first, last) if is_bidirectional else first if is_backwards else last
    if not nearest:
        return 1.0, float("inf")
    return float(unmasked.min()) / nearest, float(unmasked.max()) / nearest


REPLAY_EXAMPLES = 32
# The reference keeps about fifteen float64 numbers for each state: a quarter of a gigabyte.
_MAX_STATES = 2_000_000
_CELLS = (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell)
# The indices of the gates in the reference's record of a step: see kernels/reference.py.
_LSTM, _GRU, _GRU_RESET_BEFORE = {"i": 2, "f": 3, "o": 5}, {"z": 2, "r": 3}, {"z": 1, "r": 2}


@dataclass(frozen=True)
class Replay:
    """The states and gates of a recurrent layer, in the order in which it reads the steps.

    Attributes:
        activation: The name of the layer's activation.
        states: h after each step, [B, T, H].
        gates: The values of each gate by its letter, [B, T, H]; empty for a SimpleRNN.
        is_unmasked: [B, T], True at steps that are not masked.
    """

    activation: str
    states: NDArray[np.float64]
    gates: dict[str, NDArray[np.float64]]
    is_unmasked: NDArray[np.bool_]


def replay(call: LayerCall) -> Replay | None:
    """Compute a recurrent call again with the float64 reference, for its first examples.

    Returns:
        None unless the layer is an LSTM, GRU or SimpleRNN with Keras' own activations and finite weights, called
        without an initial state.
    """
    layer = call.layer
    if not _can_be_replayed(layer) or call.has_initial_state:
        return None
    _, time, _ = call.inputs.shape
    examples = max(1, min(REPLAY_EXAMPLES, _MAX_STATES // (time * layer.cell.units)))
    mask = None if call.mask is None else call.mask[:examples]
    kernel, recurrent_kernel, bias = (
        _as_float64(getattr(layer.cell, name)) for name in ("kernel", "recurrent_kernel", "bias")
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
    gates = {letter: np.stack([memory[index] for _, memory in tape], axis=1) for letter, index in letters.items()}
    is_unmasked = np.ones(results.outputs.shape[:2], bool) if mask is None else mask.astype(bool)
    is_unmasked = is_unmasked[:, ::-1] if layer.go_backwards else is_unmasked
    return Replay(recurrence.activation, results.outputs, gates, is_unmasked)


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


def _as_float64(variable: Any) -> Any:
    return None if variable is None else np.asarray(keras.ops.convert_to_numpy(variable), np.float64)
