"""What the data decides of a network, filled in where the file leaves it out."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from unrolled.config.document import format_inline
from unrolled.config.experiment import ExperimentConfig
from unrolled.config.sections import Component
from unrolled.data.dataset import Dataset
from unrolled.errors import InvalidSetting
from unrolled.layers import ReadImage, ReadSeries
from unrolled.layers.recurrent import NOT_CALLED
from unrolled.model.components import REFUSALS, ComponentBuilder, dry_run_network, one_line
from unrolled.tasks.base import choose_examples, task_of
from unrolled.tasks.batches import steps_per_epoch
from unrolled.tasks.predict import gives_probabilities
from unrolled.tasks.preprocessing import Preprocessor, SeriesPreprocessor

import keras

CLASSES = "classes"
"""Stands for the number of outputs in a last layer: ``Dense: {units: classes}``."""
_ENDS = ("Dense", "Softmax", "Activation", "Reshape", "TimeDistributed")


@dataclass(frozen=True)
class Sizes:
    """What the data decides.

    Attributes:
        outputs: How many values the network gives.
        vocabulary: How many numbers its input has, where it is tokens.
    """

    outputs: int
    vocabulary: int | None


ANY_SIZES = Sizes(outputs=2, vocabulary=100)
"""To check an experiment with before its data is loaded."""


def sizes_of(experiment: ExperimentConfig, data: Dataset, encoding: Preprocessor) -> Sizes:
    """What a data set decides once it is encoded."""
    return Sizes(task_of(experiment).outputs(data, encoding, experiment), encoding.vocabulary)


def complete(experiment: ExperimentConfig, sizes: Sizes) -> ExperimentConfig:
    """The experiment with a network that says everything.

    An ``Embedding`` gets its ``input_dim`` and ``mask_zero: true`` (0 pads on the right), ``units: classes`` the number
    of outputs. A network that does not end in a layer of its own for them gets ``Dense``, with a softmax where a class
    or a token is to be told.
    """
    layers = [_filled(layer, sizes) for layer in experiment.network]
    if layers[-1].name not in _ENDS:
        softmax = {} if experiment.task == "forecast" else {"activation": "softmax"}
        layers.append(Component.model_validate({"Dense": {"units": sizes.outputs, **softmax}}))
    if layers == list(experiment.network):
        return experiment
    completed = experiment.model_copy(update={"network": tuple(layers)})
    completed._document = experiment._document
    return completed


def filled_in(experiment: ExperimentConfig, completed: ExperimentConfig) -> list[str]:
    """What was filled in, a line each, as ``unrolled check`` prints it."""
    lines = []
    for index, layer in enumerate(completed.network):
        if index >= len(experiment.network):
            lines.append(f"network.{index}: {layer.name} {_format(layer.arguments)}")
            continue
        before = experiment.network[index].arguments
        new = {name: value for name, value in layer.arguments.items() if before.get(name) != value}
        if new:
            lines.append(f"network.{index}.{layer.name}: {_format(new)}")
    return lines


def _filled(layer: Component, sizes: Sizes) -> Component:
    arguments = dict(layer.arguments)
    if layer.name == "Embedding" and sizes.vocabulary is not None:
        arguments = {"input_dim": sizes.vocabulary, "mask_zero": True, **arguments}
    if arguments.get("units") == CLASSES:
        arguments["units"] = sizes.outputs
    return layer if arguments == layer.arguments else Component.model_validate({layer.name: arguments})


def _format(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {format_inline(value)}" for name, value in arguments.items())


def build_network(
    experiment: ExperimentConfig, data: Dataset, *, steps: int = 1000, encoding: Preprocessor | None = None
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
    workshop = ComponentBuilder(experiment, steps)
    with _precision(experiment.training.precision):
        inputs = keras.Input(encoding.shape, dtype=encoding.dtype)
        outputs = _read(experiment, encoding, inputs)
        for index, entry in enumerate(experiment.network):
            where = experiment.where("network", index, entry.name)
            outputs = _apply(workshop.layer(index), outputs, where)
        _check_outputs(outputs, entry, sizes.outputs, experiment, where)
        try:
            model = keras.Model(inputs, outputs, name=re.sub(r"\W", "_", experiment.name))
            dry_run_network(model)
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


def check_components(experiment: ExperimentConfig) -> None:
    """Make every component once, so that a wrong name or argument is found before data is loaded.

    Raises:
        InvalidSetting: As in ``build_network``.
    """
    experiment = complete(experiment, ANY_SIZES)
    workshop = ComponentBuilder(experiment)
    with _precision(experiment.training.precision):
        for index in range(len(experiment.network)):
            workshop.layer(index)
    workshop.dry_run()


def layers_of(model: keras.Model) -> list[keras.Layer]:
    """The layers that the experiment's ``network`` names, in its order: not the input, nor how it is read."""
    return [layer for layer in model.layers[1:] if not is_reading(layer)]


def is_reading(layer: keras.Layer) -> bool:
    """Whether a layer is how an experiment reads images, and not one of its network."""
    return isinstance(layer, ReadImage | ReadSeries) and layer.name == _READ


def format_shape(shape: tuple[int | None, ...]) -> str:
    """A shape as messages write it, the unknown first axis as B and an unknown second as T.

    Example:
        >>> format_shape((None, 28, 128))
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


def _read(experiment: ExperimentConfig, encoding: Preprocessor, inputs: Any) -> Any:
    """The input as a sequence; rows of an image are one already, and so are tokens."""
    if isinstance(encoding, SeriesPreprocessor):
        return ReadSeries(encoding.mean, encoding.scale, relative=encoding.relative, name=_READ)(inputs)
    if experiment.read == "rows":
        return inputs
    if len(inputs.shape) != 3:
        raise InvalidSetting(
            f"{experiment.where('read')}: expected images [B, height, width] to read, got "
            f"{format_shape(inputs.shape)}. Leave out the setting."
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
                f"{where}: expected inputs [B, T, F], got {format_shape(inputs.shape)}. {before}."
            ) from None
        raise InvalidSetting(
            f"{where}: expected inputs that the layer can take, got {format_shape(inputs.shape)} "
            f"({one_line(error)}). Change the layer or the one before it."
        ) from None
    if not hasattr(outputs, "shape"):
        raise InvalidSetting(
            f"{where}: expected one output, got {len(outputs)}. Leave out return_state: a network is a chain of layers."
        )
    return outputs


def _check_outputs(outputs: Any, last: Component, count: int, experiment: ExperimentConfig, where: str) -> None:
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
        f"{where}: expected outputs {format_shape((None, *steps, count))} for the {count} {what} of "
        f"{experiment.data_name}, got {format_shape(outputs.shape)}. {remedy}"
    )


_ALL_STEPS = "Give the recurrent layer before it return_sequences: true"
_SOFTMAX = ("activation softmax, or none,", "Set activation: softmax.")


def describe(experiment: ExperimentConfig) -> dict[str, Any]:
    """Everything that can be checked before a training, and what it says.

    Returns:
        ``name``, ``data``, ``task``, ``input`` (the shape of one batch), ``layers``, what was ``filled_in``, ``notes``
        about the data, ``parameters``, the numbers of ``training_examples`` and ``validation_examples``, and ``steps``
        in one epoch.

    Raises:
        InvalidSetting: Something in the experiment cannot be.
        DataError: Its data cannot be loaded.
    """
    check_components(experiment)
    data = experiment.load_data()
    examples = choose_examples(data, experiment)
    steps = steps_per_epoch(examples.learned, experiment.training.batch_size)
    encoding = examples.encoding
    model = build_network(experiment, data, steps=experiment.training.epochs * steps, encoding=encoding)
    completed = complete(experiment, sizes_of(experiment, data, encoding))
    return {
        "name": experiment.name,
        "data": data.name,
        "task": experiment.task,
        "input": format_shape((None, *encoding.shape)),
        "read": experiment.read,
        "layers": describe_layers(completed, model),
        "filled_in": filled_in(experiment, completed),
        "notes": [*data.notes, *examples.notes],
        "parameters": model.count_params(),
        "training_examples": examples.learned.size,
        "validation_examples": examples.watched.size if examples.watched else 0,
        "test_examples": data.test.size,
        "epochs": experiment.training.epochs,
        "steps": steps,
    }


def describe_layers(experiment: ExperimentConfig, model: keras.Model) -> list[dict[str, Any]]:
    """Each layer's class, arguments, output shape, number of parameters and, where it is recurrent, kernel."""
    return [
        {
            "name": entry.name,
            "arguments": ", ".join(f"{key} {format_inline(value, digits=4)}" for key, value in entry.arguments.items()),
            "shape": format_shape(layer.output.shape),
            "parameters": layer.count_params(),
            "kernel": "; ".join(kernels_used(layer)),
        }
        for entry, layer in zip(experiment.network, layers_of(model), strict=True)
    ]


def kernels_used(layer: keras.layers.Layer) -> list[str]:
    """What computed a layer and those within it, each answer once: "native", or why Keras' own loop did."""
    parts = layer._flatten_layers()
    used = (part.kernel_used for part in parts if hasattr(part, "kernel_used"))
    return list(dict.fromkeys(kernel for kernel in used if kernel != NOT_CALLED))
