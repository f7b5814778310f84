"""Listening to a model while it computes: what each layer reads and gives, and what a loss makes of it.

The layers are those that a user would name: those of models within the model one by one, and of a Bidirectional the
two within it as well. While a probe listens, the ``call`` of each is exchanged for one that also takes notes; the model
is as before when it has ended.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from unrolled.experiments.network import is_reading

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

    gradients = import_module(f"unrolled.insight.{keras.backend.backend()}").gradients
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
