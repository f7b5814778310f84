"""Models that exist already: their recurrent layers become ours, or Keras' own again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from unrolled.errors import DataError, InvalidInput
from unrolled.layers import GRU, LSTM, SimpleRNN
from unrolled.layers.recurrent import declare_compilable

import keras

_OURS: dict[type, type] = {keras.layers.LSTM: LSTM, keras.layers.GRU: GRU, keras.layers.SimpleRNN: SimpleRNN}
_KERAS = {ours: theirs for theirs, ours in _OURS.items()}


def accelerate(model: Any) -> Any:
    """Put our layers in the place of Keras' in a model, also inside wrappers and models within it.

    The model itself is changed, and nothing else about it: its weights, its optimizer and how it was compiled stay.
    Each ``LSTM``, ``GRU`` and ``SimpleRNN`` of Keras changes its class, in models of every kind. Classes derived from
    them and ``RNN(cell)`` stay what they are.

    Args:
        model: A ``keras.Model`` or layer; a ``Sequential``, functional or subclassed one.

    Returns:
        The same object.

    Raises:
        InvalidInput: It is neither a model nor a layer of Keras.

    Example:
        >>> model = keras.Sequential([keras.Input((28, 28)), keras.layers.LSTM(8), keras.layers.Dense(10)])
        >>> type(accelerate(model).layers[0])
        <class 'unrolled.layers.recurrent.LSTM'>
    """
    _exchange("accelerate", model, _OURS)
    return model


def to_keras(model: Any) -> Any:
    """Put Keras' layers in the place of ours, so that a saved model loads where unrolled is not installed.

    The reverse of ``accelerate``: the model itself is changed and returned. ``model.export`` needs it too, where
    what it writes is to run without unrolled.

    Raises:
        InvalidInput: It is neither a model nor a layer of Keras.

    Example:
        >>> model = keras.Sequential([keras.Input((28, 28)), GRU(8), keras.layers.Dense(10)])
        >>> type(to_keras(model).layers[0]) is keras.layers.GRU
        True
    """
    _exchange("to_keras", model, _KERAS)
    return model


def load_model(path: str | Path, **arguments: Any) -> Any:
    """Load a saved model, whether its recurrent layers are Keras' or ours; they stay what they were.

    Args:
        path: A ``.keras`` file, or another that ``keras.saving.load_model`` reads.
        **arguments: As for ``keras.saving.load_model``: ``custom_objects``, ``compile``, ``safe_mode``.

    Returns:
        The model.

    Raises:
        DataError: There is nothing at that path, or a ``.keras`` file that is none.
        ValueError: It is not a saved model; Keras words it.
    """
    if "://" not in str(path) and not Path(path).exists():
        raise DataError(f"load_model: expected a saved model, got nothing at {path}. Name an existing file.")
    if Path(path).suffix == ".keras" and Path(path).is_file() and not is_zipfile(path):
        raise DataError(f"load_model: expected a saved model, got another file at {path}. Save the model anew.")
    return keras.saving.load_model(path, **arguments)


def _exchange(where: str, model: Any, classes: Mapping[type, type]) -> None:
    """Change the class of every layer that is listed; ours add no state, so nothing else about a layer changes."""
    if not isinstance(model, keras.Layer):
        raise InvalidInput(f"{where}: expected a Keras model, got {type(model).__name__}. Pass a keras.Model.")
    parts = model._flatten_layers()
    changed = [layer for layer in parts if type(layer) in classes]
    for layer in changed:
        object.__setattr__(layer, "__class__", classes[type(layer)])
        declare_compilable(layer)
    if changed:
        for part in parts:
            if isinstance(part, keras.Model):
                _forget_compiled_functions(part)


def _forget_compiled_functions(model: Any) -> None:
    """Have Keras trace the model anew, by XLA where it was compiled so and every layer allows it."""
    model.train_function = model.test_function = model.predict_function = None
    compiled = getattr(model, "_compile_config", None)
    is_wished = model.jit_compile if compiled is None else compiled.config["jit_compile"]
    model.jit_compile = bool(is_wished and all(layer.supports_jit for layer in model._flatten_layers()))
