"""Conversion of existing models: replace their recurrent layers by native ones, or by Keras' own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from unrolled.errors import DataError, InvalidInput
from unrolled.layers import GRU, LSTM, SimpleRNN
from unrolled.layers.native_loop import declare_compilable

import keras

_NATIVE: dict[type, type] = {keras.layers.LSTM: LSTM, keras.layers.GRU: GRU, keras.layers.SimpleRNN: SimpleRNN}
_KERAS = {native: own for own, native in _NATIVE.items()}


def accelerate(model: Any) -> Any:
    """Replace the recurrent layers of a Keras model by native ones, in place.

    Each ``LSTM``, ``GRU`` and ``SimpleRNN`` of Keras becomes the layer of ``unrolled.layers`` with the same name, also
    inside wrappers and nested models. Weights, optimizer and compile arguments stay unchanged, and so do subclasses of
    these layers and ``RNN(cell)``.

    Args:
        model: A ``keras.Model`` (sequential, functional or subclassed) or layer.

    Returns:
        The same model.

    Raises:
        InvalidInput: The argument is not a Keras model or layer.

    Example:
        >>> model = keras.Sequential([keras.Input((28, 28)), keras.layers.LSTM(8), keras.layers.Dense(10)])
        >>> type(accelerate(model).layers[0])
        <class 'unrolled.layers.recurrent.LSTM'>
    """
    _replace_layers("accelerate", model, _NATIVE)
    return model


def to_keras(model: Any) -> Any:
    """Replace the native recurrent layers of a model by Keras' own, in place: the reverse of ``accelerate``.

    Call it before ``model.save`` or ``model.export`` if the file is to load where unrolled is not installed.

    Args:
        model: A ``keras.Model`` or layer.

    Returns:
        The same model.

    Raises:
        InvalidInput: The argument is not a Keras model or layer, or calls a layer with ``resets``, which Keras' layers
            do not have.

    Example:
        >>> model = keras.Sequential([keras.Input((28, 28)), GRU(8), keras.layers.Dense(10)])
        >>> type(to_keras(model).layers[0]) is keras.layers.GRU
        True
    """
    for layer in model._flatten_layers() if isinstance(model, keras.Layer) else []:
        if type(layer) in _KERAS and any("resets" in node.arguments.kwargs for node in layer._inbound_nodes):
            raise InvalidInput(
                f"to_keras: {layer.name} is called with resets, which Keras' {type(layer).__name__} does not have. "
                "Give each sequence a row of its own."
            )
    _replace_layers("to_keras", model, _KERAS)
    return model


def load_model(path: str | Path, **arguments: Any) -> Any:
    """Load a saved model with recurrent layers of Keras or of unrolled; neither is converted.

    Args:
        path: A ``.keras`` file, or another format that ``keras.saving.load_model`` reads.
        **arguments: The arguments of ``keras.saving.load_model``: ``custom_objects``, ``compile``, ``safe_mode``.

    Returns:
        The model.

    Raises:
        DataError: The file does not exist, or is not in the format that its suffix ``.keras`` names.
        ValueError: Keras cannot load the file.
    """
    if "://" not in str(path) and not Path(path).exists():
        raise DataError(f"{path}: no such file. Check the path.")
    if Path(path).suffix == ".keras" and Path(path).is_file() and not is_zipfile(path):
        raise DataError(f"{path}: not a Keras model. Save it again with model.save.")
    return keras.saving.load_model(path, **arguments)


def _replace_layers(where: str, model: Any, classes: Mapping[type, type]) -> None:
    """Change the class of every layer that has a counterpart; native layers add no state, so nothing else changes."""
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
    """Make Keras trace the model again, with XLA if it was compiled so and every layer supports it."""
    model.train_function = model.test_function = model.predict_function = None
    compiled = getattr(model, "_compile_config", None)
    jit_compile = model.jit_compile if compiled is None else compiled.config["jit_compile"]
    model.jit_compile = bool(jit_compile and all(layer.supports_jit for layer in model._flatten_layers()))
