"""From an experiment to a compiled ``keras.Model``."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from unrolled.data.dataset import Dataset
from unrolled.errors import InvalidSetting
from unrolled.experiments.components import REFUSALS, Workshop, one_line
from unrolled.experiments.experiment import Experiment
from unrolled.experiments.rehearsal import rehearse_network
from unrolled.experiments.settings import Component
from unrolled.layers import ReadImage

import keras
import numpy as np
from numpy.typing import NDArray


def build_network(experiment: Experiment, data: Dataset, *, steps: int = 1000) -> keras.Model:
    """Build and compile the network of an experiment for a data set.

    Args:
        experiment: Its layers are applied one after another to the raw input.
        data: Says the shape of the input, [B, height, width], and the number of classes.
        steps: The steps of the whole training, for schedules of the learning rate.

    Returns:
        A compiled model from raw input to one value per class: probabilities where the last layer is a softmax,
        logits otherwise.

    Raises:
        InvalidSetting: A class or an argument does not exist, a layer cannot take the shape that it is given, or the
            last layer does not fit the classes; the message names the line.
    """
    workshop = Workshop(experiment, steps)
    with _precision(experiment.training.precision):
        inputs = keras.Input(data.example_shape)
        outputs = _read(experiment, inputs)
        for index, entry in enumerate(experiment.network):
            where = experiment.where("network", index, entry.name)
            outputs = _apply(workshop.layer(index), outputs, where)
        _check_outputs(outputs, entry, data, where)
        try:
            model = keras.Model(inputs, outputs, name=re.sub(r"\W", "_", experiment.name))
            rehearse_network(model)
        except REFUSALS as error:
            raise InvalidSetting(
                f"{experiment.where('network')}: expected layers that fit together, got: {one_line(error)}. Change one."
            ) from None
    model.compile(
        optimizer=workshop.optimizer(),
        loss=workshop.loss(from_logits=not gives_probabilities(model)),
        metrics=workshop.metrics(),
    )
    return model


def check_components(experiment: Experiment) -> None:
    """Make every component once, so that a wrong name or argument is found before data is loaded.

    Raises:
        InvalidSetting: As in ``build_network``.
    """
    workshop = Workshop(experiment)
    with _precision(experiment.training.precision):
        for index in range(len(experiment.network)):
            workshop.layer(index)
    workshop.rehearse()


def layers_of(model: keras.Model) -> list[keras.Layer]:
    """The layers that the experiment's ``network`` names, in its order: not the input, nor how it is read."""
    return [layer for layer in model.layers[1:] if not is_reading(layer)]


def is_reading(layer: keras.Layer) -> bool:
    """Whether a layer is how an experiment reads images, and not one of its network."""
    return isinstance(layer, ReadImage) and layer.name == _READ


def probabilities(model: keras.Model, inputs: NDArray[Any], batch_size: int) -> NDArray[np.float32]:
    """The probability of each class, [B, classes], whether the model ends in a softmax or in logits."""
    outputs = np.asarray(model.predict(inputs, batch_size=batch_size, verbose=0), np.float32)
    if gives_probabilities(model):
        return outputs
    exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return shares


def gives_probabilities(model: keras.Model) -> bool:
    """Whether the last layer is a softmax, so that its outputs are probabilities and not logits."""
    last = model.layers[-1]
    return isinstance(last, keras.layers.Softmax) or getattr(last, "activation", None) is keras.activations.softmax


def spell_shape(shape: tuple[int | None, ...]) -> str:
    """A shape as messages write it, the unknown first axis as B.

    Example:
        >>> spell_shape((None, 28, 128))
        '[B, 28, 128]'
    """
    return f"[{', '.join(['B', *(str(length) for length in shape[1:])])}]"


_READ = "read"


@contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Layers made in this block compute in a dtype policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _read(experiment: Experiment, inputs: Any) -> Any:
    """The image as a sequence; as rows it is one already."""
    if experiment.read == "rows":
        return inputs
    if len(inputs.shape) != 3:
        raise InvalidSetting(
            f"{experiment.where('read')}: expected images [B, height, width] to read, got {spell_shape(inputs.shape)}. "
            "Leave out the setting."
        )
    return ReadImage(experiment.read, name=_READ)(inputs)


def _apply(layer: keras.Layer, inputs: Any, where: str) -> Any:
    """The layer's symbolic output."""
    try:
        outputs = layer(inputs)
    except REFUSALS as error:
        if isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional) and len(inputs.shape) == 2:
            raise InvalidSetting(
                f"{where}: expected inputs [B, T, F], got {spell_shape(inputs.shape)}. "
                "Give the recurrent layer before it return_sequences: true."
            ) from None
        raise InvalidSetting(
            f"{where}: expected inputs that the layer can take, got {spell_shape(inputs.shape)} "
            f"({one_line(error)}). Change the layer or the one before it."
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
