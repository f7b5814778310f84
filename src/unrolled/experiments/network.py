"""From an experiment to a compiled ``keras.Model``."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from unrolled.data.dataset import Dataset, Split
from unrolled.errors import InvalidSetting
from unrolled.experiments.batches import Measured
from unrolled.experiments.completion import ANY_SIZES, complete, sizes_of
from unrolled.experiments.components import REFUSALS, Workshop, one_line
from unrolled.experiments.encodings import Encoding, Series
from unrolled.experiments.experiment import Experiment
from unrolled.experiments.rehearsal import rehearse_network
from unrolled.experiments.settings import Component
from unrolled.experiments.tasks.task import task_of
from unrolled.layers import ReadImage, ReadSeries

import keras
import numpy as np
from numpy.typing import NDArray


def build_network(
    experiment: Experiment, data: Dataset, *, steps: int = 1000, encoding: Encoding | None = None
) -> keras.Model:
    """Build and compile the network of an experiment for a data set.

    Args:
        experiment: Its layers are applied one after another to the encoded input.
        data: Says the number of classes.
        steps: The steps of the whole training, for schedules of the learning rate.
        encoding: Says the shape of the input; fitted on the training examples where it is left out.

    Returns:
        A compiled model from the input to one value per class (token, or value to forecast): probabilities where the
        last layer is a softmax, logits otherwise.

    Raises:
        InvalidSetting: A class or an argument does not exist, a layer cannot take the shape that it is given, or the
            last layer does not fit the classes; the message names the line.
    """
    task = task_of(experiment)
    encoding = encoding or task.fit(data, task.divide(data, experiment)[0], experiment)
    sizes = sizes_of(experiment, data, encoding)
    experiment = complete(experiment, sizes)
    workshop = Workshop(experiment, steps)
    with _precision(experiment.training.precision):
        inputs = keras.Input(encoding.shape, dtype=encoding.dtype)
        outputs = _read(experiment, encoding, inputs)
        for index, entry in enumerate(experiment.network):
            where = experiment.where("network", index, entry.name)
            outputs = _apply(workshop.layer(index), outputs, where)
        _check_outputs(outputs, entry, sizes.outputs, experiment, where)
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
    experiment = complete(experiment, ANY_SIZES)
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
    return isinstance(layer, ReadImage | ReadSeries) and layer.name == _READ


def outputs_of(model: keras.Model, inputs: NDArray[Any], batch_size: int) -> NDArray[np.float32]:
    """What a model gives for each example, those of unequal length put together with others of about their length."""
    if inputs.dtype != object:
        return np.asarray(model.predict(inputs, batch_size=batch_size, verbose=0), np.float32)
    batches = Measured(Split(inputs, np.zeros(len(inputs), np.int64)), batch_size)
    given = np.concatenate(
        [np.asarray(model.predict_on_batch(batches[index][0])) for index in range(batches.num_batches)]
    )
    outputs = np.empty_like(given, np.float32)
    outputs[batches.order] = given
    return outputs


def probabilities(model: keras.Model, inputs: NDArray[Any], batch_size: int) -> NDArray[np.float32]:
    """The probability of each class, [B, ..., classes], whether the model ends in a softmax or in logits."""
    outputs = outputs_of(model, inputs, batch_size)
    if gives_probabilities(model):
        return outputs
    exponentials = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    shares: NDArray[np.float32] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return shares


def gives_probabilities(model: keras.Model) -> bool:
    """Whether the last layer is a softmax, so that its outputs are probabilities and not logits."""
    last = model.layers[-1]
    return isinstance(last, keras.layers.Softmax) or getattr(last, "activation", None) is keras.activations.softmax


def spell_shape(shape: tuple[int | None, ...]) -> str:
    """A shape as messages write it, the unknown first axis as B and an unknown second as T.

    Example:
        >>> spell_shape((None, 28, 128))
        '[B, 28, 128]'
    """
    return f"[{', '.join(['B', *('T' if length is None else str(length) for length in shape[1:])])}]"


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


def _read(experiment: Experiment, encoding: Encoding, inputs: Any) -> Any:
    """The input as a sequence; rows of an image are one already, and so are tokens."""
    if isinstance(encoding, Series):
        return ReadSeries(encoding.mean, encoding.scale, relative=encoding.relative, name=_READ)(inputs)
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
            is_first = inputs.dtype.startswith("int")
            before = "Put Embedding: {output_dim: 64} before it" if is_first else _ALL_STEPS
            raise InvalidSetting(
                f"{where}: expected inputs [B, T, F], got {spell_shape(inputs.shape)}. {before}."
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


def _check_outputs(outputs: Any, last: Component, count: int, experiment: Experiment, where: str) -> None:
    """As many values as the task asks for: for each class a probability or a logit, or values."""
    activation = last.arguments.get("activation", "linear")
    allowed = ("linear", None) if experiment.task == "forecast" else ("softmax", "linear", None)
    if activation not in allowed:
        wanted, remedy = ("no activation", "Leave it out.") if experiment.task == "forecast" else _SOFTMAX
        raise InvalidSetting(f"{where}: expected {wanted} in the last layer, got {activation}. {remedy}")
    steps = (None,) if experiment.task == "generate" else ()
    if outputs.shape[1:] == (*steps, count):
        return
    remedy = f"Set units: {count}." if "units" in last.arguments else f"End with Dense: {{units: {count}}}."
    if len(outputs.shape) > 2 + len(steps):
        remedy = "Leave out return_sequences in the last recurrent layer, or add a layer that reduces the steps."
    if len(outputs.shape) < 2 + len(steps):
        remedy = "Set return_sequences: true in all recurrent layers."
    what = {"classify": "classes", "generate": "tokens", "forecast": "values"}[experiment.task]
    raise InvalidSetting(
        f"{where}: expected outputs {spell_shape((None, *steps, count))} for the {count} {what} of "
        f"{experiment.data_name}, got {spell_shape(outputs.shape)}. {remedy}"
    )


_ALL_STEPS = "Give the recurrent layer before it return_sequences: true"
_SOFTMAX = ("activation softmax, or none,", "Set activation: softmax.")
