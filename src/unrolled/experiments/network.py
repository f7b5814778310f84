"""From an experiment to a compiled ``keras.Model``."""

import inspect
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import unrolled.layers
from unrolled.data.dataset import Dataset
from unrolled.errors import InvalidSetting, did_you_mean
from unrolled.experiments.experiment import Component, Experiment

import keras
import numpy as np
from numpy.typing import NDArray

# Where a class name is looked for. A layer of ours takes the place of Keras' layer of the same name.
_LAYERS = (unrolled.layers, keras.layers)
_OPTIMIZERS = (keras.optimizers,)
_ARGUMENTS = (
    *_LAYERS,
    keras.regularizers,
    keras.initializers,
    keras.constraints,
    keras.optimizers.schedules,
)
# What Keras raises for arguments and shapes that it cannot take.
_REFUSALS = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError)
_LONGEST_QUOTE = 240
# Taken by every layer through its **kwargs.
_ARGUMENTS_OF_ALL_LAYERS = ("name", "dtype", "trainable")


def build_network(experiment: Experiment, data: Dataset) -> keras.Model:
    """Build and compile the network of an experiment for a data set.

    Args:
        experiment: Its layers are applied one after another to the raw input.
        data: Says the shape of the input, [B, height, width], and the number of classes.

    Returns:
        A compiled model from raw input to one value per class: probabilities where the last layer is a softmax,
        logits otherwise.

    Raises:
        InvalidSetting: A class or an argument does not exist, a layer cannot take the shape that it is given, or the
            last layer does not fit the classes; the message names the line.
    """
    inputs = keras.Input(data.example_shape)
    outputs = inputs
    for index, entry in enumerate(experiment.network):
        where = experiment.where("network", index, entry.name)
        outputs = _apply(_layer(experiment, index), outputs, where)
    _check_outputs(outputs, entry, data, where)
    try:
        model = keras.Model(inputs, outputs, name=re.sub(r"\W", "_", experiment.name))
    except ValueError as error:
        raise InvalidSetting(
            f"{experiment.where('network')}: expected layers that fit together, got: {_one_line(error)}. Change one."
        ) from None
    model.compile(
        optimizer=build_optimizer(experiment),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=not gives_probabilities(model)),
        metrics=["accuracy"],
    )
    return model


def check_components(experiment: Experiment) -> None:
    """Make every layer and the optimizer once, so that a wrong name or argument is found before data is loaded.

    Raises:
        InvalidSetting: As in ``build_network``.
    """
    for index in range(len(experiment.network)):
        _layer(experiment, index)
    build_optimizer(experiment)


def build_optimizer(experiment: Experiment) -> keras.Optimizer:
    """The optimizer of an experiment.

    Raises:
        InvalidSetting: There is no such optimizer or argument.
    """
    entry = experiment.training.optimizer
    path = ("training", "optimizer", entry.name)
    return _instance(_find(_OPTIMIZERS, entry, experiment, path), entry.arguments, experiment, path)


def probabilities(model: keras.Model, inputs: NDArray[Any], batch_size: int) -> NDArray[np.float32]:
    """The probability of each class, [B, classes], whether the model ends in a softmax or in logits."""
    outputs: NDArray[np.float32] = np.asarray(model.predict(inputs, batch_size=batch_size, verbose=0))
    if gives_probabilities(model):
        return outputs
    exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return shares


def spell_shape(shape: tuple[int | None, ...]) -> str:
    """A shape as messages write it, the unknown first axis as B.

    Example:
        >>> spell_shape((None, 28, 128))
        '[B, 28, 128]'
    """
    return f"[{', '.join(['B', *(str(length) for length in shape[1:])])}]"


def _layer(experiment: Experiment, index: int) -> keras.Layer:
    """The layer at an index, not yet applied to anything."""
    entry = experiment.network[index]
    path = ("network", index, entry.name)
    return _instance(_find(_LAYERS, entry, experiment, path), entry.arguments, experiment, path)


def gives_probabilities(model: keras.Model) -> bool:
    """Whether the last layer is a softmax, so that its outputs are probabilities and not logits."""
    last = model.layers[-1]
    return isinstance(last, keras.layers.Softmax) or getattr(last, "activation", None) is keras.activations.softmax


def _find(modules: tuple[ModuleType, ...], entry: Component, experiment: Experiment, path: tuple[Any, ...]) -> Any:
    """The class of that name."""
    found = _class_in(modules, entry.name)
    if entry.name in ("Input", "InputLayer"):
        raise InvalidSetting(
            f"{experiment.where(*path)}: expected a layer that computes, got the input. "
            "Leave it out: the shape comes from the data."
        )
    if found is None:
        kind = path[0] if path[0] != "network" else "layer"
        kind = "optimizer" if kind == "training" else kind
        known = [name for module in modules for name in dir(module) if name[:1].isupper()]
        raise InvalidSetting(
            f'{experiment.where(*path[:-1])}: unknown {kind} "{entry.name}".'
            f"{did_you_mean(entry.name, known) or f' Choose a class of {modules[-1].__name__}.'}"
        )
    return found


def _class_in(modules: tuple[ModuleType, ...], name: str) -> type | None:
    found = next((getattr(module, name) for module in modules if hasattr(module, name)), None)
    return found if isinstance(found, type) else None


def _instance(kind: Any, arguments: Mapping[str, Any], experiment: Experiment, path: tuple[Any, ...]) -> Any:
    """Make an instance, its arguments checked against the signature first."""
    parameters = inspect.signature(kind.__init__).parameters.values()
    known = [p.name for p in parameters if p.name != "self" and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if issubclass(kind, keras.Layer):
        known += _ARGUMENTS_OF_ALL_LAYERS
    for argument in arguments:
        if argument not in known:
            remedy = did_you_mean(argument, known) or f" Choose among: {', '.join(known)}."
            if argument in ("input_shape", "batch_input_shape", "input_dim"):
                remedy = " Leave it out: the shape comes from the data."
            raise InvalidSetting(f'{experiment.where(*path)}: unknown argument "{argument}".{remedy}')
    needed = [p.name for p in parameters if p.name in known and p.default is p.empty and p.name not in arguments]
    if needed:
        raise InvalidSetting(f'{experiment.where(*path)}: expected the argument "{needed[0]}", got none. Add it.')
    values = {name: _value(value, experiment, (*path, name)) for name, value in arguments.items()}
    try:
        return kind(**values)
    except _REFUSALS as error:
        raise InvalidSetting(
            f"{experiment.where(*path)}: expected arguments that Keras accepts, got {dict(arguments)} "
            f"({_one_line(error)}). See the documentation of {kind.__name__}."
        ) from None


def _value(value: Any, experiment: Experiment, path: tuple[Any, ...]) -> Any:
    """An argument's value; ``{Class: {...}}`` becomes an instance, as in ``Bidirectional: {layer: {LSTM: ...}}``."""
    if isinstance(value, Mapping) and len(value) == 1:
        name, arguments = next(iter(value.items()))
        found = _class_in(_ARGUMENTS, name) if isinstance(name, str) and name[:1].isupper() else None
        if found is not None:
            return _instance(found, arguments or {}, experiment, (*path, name))
    return value


def _apply(layer: keras.Layer, inputs: Any, where: str) -> Any:
    """The layer's symbolic output."""
    try:
        outputs = layer(inputs)
    except _REFUSALS as error:
        if isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional) and len(inputs.shape) == 2:
            raise InvalidSetting(
                f"{where}: expected inputs [B, T, F], got {spell_shape(inputs.shape)}. "
                "Give the recurrent layer before it return_sequences: true."
            ) from None
        raise InvalidSetting(
            f"{where}: expected inputs that the layer can take, got {spell_shape(inputs.shape)} "
            f"({_one_line(error)}). Change the layer or the one before it."
        ) from None
    if not hasattr(outputs, "shape"):
        raise InvalidSetting(
            f"{where}: expected one output, got {len(outputs)}. Leave out return_state: a network is a chain of layers."
        )
    return outputs


def _check_outputs(outputs: Any, last: Component, data: Dataset, where: str) -> None:
    """One value for each class, a probability or a logit."""
    classes = len(data.classes)
    activation = last.arguments.get("activation", "linear")
    if activation not in ("softmax", "linear", None):
        raise InvalidSetting(
            f"{where}: expected activation softmax, or none, in the last layer, got {activation}. "
            "Set activation: softmax."
        )
    if outputs.shape[1:] == (classes,):
        return
    remedy = f"Set units: {classes}." if "units" in last.arguments else f"End with Dense: {{units: {classes}}}."
    if len(outputs.shape) != 2:
        remedy = "Leave out return_sequences in the last recurrent layer, or add a layer that reduces the steps."
    raise InvalidSetting(
        f"{where}: expected outputs [B, {classes}] for the {classes} classes of {data.name}, "
        f"got {spell_shape(outputs.shape)}. {remedy}"
    )


def _one_line(error: BaseException) -> str:
    """Keras' message, which may have many lines and an explanation of its own, on one line."""
    text = str(error).split("\n\nArguments received by")[0]
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(r"\s+", " ", text).strip().rstrip(".")
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"
