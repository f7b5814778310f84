"""From an experiment and its task to a compiled ``keras.Model``."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from unrolled.config.document import format_inline
from unrolled.config.experiment import ExperimentConfig
from unrolled.config.sections import Component, DataConfig
from unrolled.errors import InvalidSetting
from unrolled.layers import ReadImage, ReadSeries
from unrolled.layers.recurrent import NOT_CALLED
from unrolled.model.components import REFUSALS, ComponentBuilder, count_parameters, dry_run_network, one_line
from unrolled.system import memory_bytes
from unrolled.tasks.base import Task
from unrolled.tasks.batches import gives_probabilities
from unrolled.tasks.preprocessing import SeriesPreprocessor
from unrolled.tasks.registry import load_task, task_type

import keras

CLASSES = "classes"
"""Stands for the number of outputs in a last layer: ``Dense: {units: classes}``."""
# A network that ends in one of these names its own last layer.
_HEADS = ("Dense", "Softmax", "Activation", "Reshape", "TimeDistributed")
_READ = "read"
# Training keeps weights, gradients and, with Adam, two moments.
_BYTES_PER_PARAMETER = 16


def resolve(config: ExperimentConfig, task: Task) -> ExperimentConfig:
    """Return the experiment with everything that the task and the data decide.

    An ``Embedding`` gets its ``input_dim`` and ``mask_zero: true`` (0 pads on the right), ``units: classes`` the number
    of outputs, a network without a last layer of its own the task's; loss, metrics and tokenizer are the task's where
    the file names none. The settings that the files of the data decide, such as ``channels``, are written down.
    """
    config = _with_found_settings(config, task)
    return _with_network(task.with_defaults(config), task, task.num_outputs, task.preprocessor.vocabulary)


def check_config(config: ExperimentConfig) -> None:
    """Make every component once, so that a wrong name or argument is found before data is loaded.

    Raises:
        InvalidSetting: A task, class or argument does not exist, or a value is not possible.
    """
    kind = task_type(config)
    # Any sizes do: no data is loaded.
    config = _with_network(kind.with_defaults(config), kind, 2, 100)
    builder = ComponentBuilder(config)
    with _precision(config.training.precision):
        for index in range(len(config.network)):
            builder.layer(index)
    builder.dry_run()


def prepare(config: ExperimentConfig) -> tuple[ExperimentConfig, Task]:
    """Check an experiment, load its data, and return it resolved and with its task; the network is not built.

    Raises:
        InvalidSetting: A setting is not possible, or the network does not fit in memory.
        DataError: The data cannot be loaded.
    """
    check_config(config)
    task = load_task(config)
    resolved = resolve(config, task)
    check_memory(resolved, task)
    return resolved, task


def build_model(config: ExperimentConfig, task: Task, *, steps: int | None = None) -> keras.Model:
    """Build and compile the network of a resolved experiment.

    Args:
        config: The resolved experiment; its layers are applied one after another to the encoded input.
        task: Decides the shapes of input and output.
        steps: Number of steps of the whole training, for learning rate schedules; those of the experiment if left out.

    Returns:
        A compiled model from the encoded input to one value per class (token, or value to forecast): probabilities if
        the last layer is a softmax, logits otherwise.

    Raises:
        InvalidSetting: A layer cannot take the shape that it is given, the last layer does not fit the task, or the
            network does not fit in memory; the message names the line.
    """
    steps = config.training.epochs * task.steps_per_epoch if steps is None else steps
    builder = ComponentBuilder(config, steps)
    with _precision(config.training.precision):
        inputs = keras.Input(task.preprocessor.shape, dtype=task.preprocessor.dtype)
        outputs = _read(config, task, inputs)
        for index, entry in enumerate(config.network):
            where = config.where("network", index, entry.name)
            outputs = _apply(builder.layer(index), outputs, where)
        _check_outputs(outputs, entry, config, task, where)
        try:
            model = keras.Model(inputs, outputs, name=re.sub(r"\W", "_", config.name))
            dry_run_network(model)
        except REFUSALS as error:
            raise InvalidSetting(
                f"{config.where('network')}: the layers do not fit together ({one_line(error)}). Change one of them."
            ) from None
    model.compile(
        optimizer=builder.optimizer(),
        loss=builder.loss(from_logits=not gives_probabilities(model)),
        metrics=builder.metrics(),
    )
    return model


def check_memory(config: ExperimentConfig, task: Task) -> None:
    """Refuse a network whose training does not fit in this machine's memory, before it is built.

    Args:
        config: The resolved experiment.
        task: Decides the shape of the input.

    Raises:
        InvalidSetting: It does not fit; the message names the parameters and the bytes.
    """
    parameters = _count_parameters(config, task)
    needed, available = parameters * _BYTES_PER_PARAMETER, memory_bytes()
    if needed <= available:
        return
    units = [layer.arguments.get("units", 0) for layer in config.network]
    largest = max(range(len(units)), key=lambda index: units[index] if isinstance(units[index], int) else 0)
    raise InvalidSetting(
        f"{config.where('network', largest, config.network[largest].name)}: the network has {parameters:,} parameters; "
        f"training it takes {needed / 1e9:,.0f} GB of memory, and this machine has {available / 1e9:,.0f} GB. "
        "Use fewer units."
    )


def _count_parameters(config: ExperimentConfig, task: Task) -> int:
    """Return the number of parameters; 0 if the shapes do not fit together, which building reports better."""
    builder, preprocessor = ComponentBuilder(config), task.preprocessor
    shape = (None, *preprocessor.shape)
    if len(shape) == 4 or (config.scan != "rows" and len(shape) == 3):
        shape = ReadImage(config.scan).compute_output_shape(shape)
    try:
        with _precision(config.training.precision):
            return count_parameters([builder.layer(index) for index in range(len(config.network))], shape)
    except REFUSALS:
        return 0


def layers_of(model: keras.Model) -> list[keras.Layer]:
    """Return the layers that the experiment's ``network`` names, in its order, without those that read the input."""
    return [layer for layer in model.layers[1:] if not is_input_layer(layer)]


def is_input_layer(layer: keras.Layer) -> bool:
    """Return True if a layer converts the input to a sequence and is not named in the experiment's ``network``."""
    return isinstance(layer, ReadImage | ReadSeries) and layer.name == _READ


def format_shape(shape: tuple[int | None, ...]) -> str:
    """Return a shape for messages, the unknown first axis as B and an unknown second axis as T.

    Example:
        >>> format_shape((None, 28, 128))
        '[B, 28, 128]'
    """
    return f"[{', '.join(['B', *('T' if length is None else str(length) for length in shape[1:])])}]"


def describe(config: ExperimentConfig) -> dict[str, Any]:
    """Check an experiment without training it, and describe its network and data.

    Returns:
        ``name``, ``data``, ``task``, ``input`` (the shape of one batch), ``scan``, ``layers``, the settings that were
        ``filled_in``, ``notes`` about the data, ``parameters``, ``training_examples``, ``validation_examples``,
        ``test_examples``, ``epochs``, and ``steps`` per epoch.

    Raises:
        InvalidSetting: A setting is not possible.
        DataError: The data cannot be loaded.
    """
    resolved, task = prepare(config)
    model = build_model(resolved, task)
    return {
        "name": config.name,
        "data": task.data.name,
        "task": task.name,
        "input": format_shape((None, *task.preprocessor.shape)),
        "scan": config.scan,
        "layers": describe_layers(resolved, model),
        "filled_in": _filled_in(config, resolved),
        "notes": task.notes,
        "parameters": model.count_params(),
        **{f"{part}_examples": size for part, size in task.sizes.items()},
        "epochs": config.training.epochs,
        "steps": task.steps_per_epoch,
    }


def describe_layers(config: ExperimentConfig, model: keras.Model) -> list[dict[str, Any]]:
    """Describe each layer: class, arguments, output shape, parameters and, if it is recurrent, the kernel it used."""
    return [
        {
            "name": entry.name,
            "arguments": ", ".join(f"{key} {format_inline(value, digits=4)}" for key, value in entry.arguments.items()),
            "shape": format_shape(layer.output.shape),
            "parameters": layer.count_params(),
            "kernel": "; ".join(kernels_used(layer)),
        }
        for entry, layer in zip(config.network, layers_of(model), strict=True)
    ]


def kernels_used(layer: keras.layers.Layer) -> list[str]:
    """Return the kernels that computed a layer and those within it: "native", or the reason for Keras' own loop."""
    parts = layer._flatten_layers()
    used = (part.kernel_used for part in parts if hasattr(part, "kernel_used"))
    return list(dict.fromkeys(kernel for kernel in used if kernel != NOT_CALLED))


def _with_network(
    config: ExperimentConfig, task: Task | type[Task], outputs: int, vocabulary: int | None
) -> ExperimentConfig:
    layers = [_with_sizes(layer, outputs, vocabulary) for layer in config.network]
    if layers[-1].name not in _HEADS:
        layers.append(task.head(outputs))
    return config.replaced(network=tuple(layers))


def _with_found_settings(config: ExperimentConfig, task: Task) -> ExperimentConfig:
    """Return the experiment with the settings that the files of its ``data`` decide."""
    if isinstance(config.data, str) or not task.data.found_settings:
        return config
    return config.replaced(data=config.data.model_copy(update=task.data.found_settings))


def _with_sizes(layer: Component, outputs: int, vocabulary: int | None) -> Component:
    arguments = dict(layer.arguments)
    if layer.name == "Embedding" and vocabulary is not None:
        arguments = {"input_dim": vocabulary, "mask_zero": True, **arguments}
    if arguments.get("units") == CLASSES:
        arguments["units"] = outputs
    return layer if arguments == layer.arguments else Component.model_validate({layer.name: arguments})


def _filled_in(config: ExperimentConfig, resolved: ExperimentConfig) -> list[str]:
    """Return the settings of the data and of the network that were filled in, a line each."""
    before, after = (dict(one.data) if isinstance(one.data, DataConfig) else {} for one in (config, resolved))
    lines = [f"data.{name}: {format_inline(value)}" for name, value in after.items() if before.get(name) != value]
    for index, layer in enumerate(resolved.network):
        if index >= len(config.network):
            lines.append(f"network.{index}: {layer.name} {_format_arguments(layer.arguments)}")
            continue
        written = config.network[index].arguments
        new = {name: value for name, value in layer.arguments.items() if written.get(name) != value}
        if new:
            lines.append(f"network.{index}.{layer.name}: {_format_arguments(new)}")
    return lines


def _format_arguments(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {format_inline(value)}" for name, value in arguments.items())


@contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Give layers made in this block a dtype policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _read(config: ExperimentConfig, task: Task, inputs: Any) -> Any:
    """Return the input as a sequence; rows of a grey image are one already, and so are tokens."""
    if isinstance(series := task.preprocessor, SeriesPreprocessor):
        return ReadSeries(series.mean, series.scale, relative=series.relative, name=_READ)(inputs)
    is_colored = len(inputs.shape) == 4
    if config.scan == "rows" and not is_colored:
        return inputs
    if len(inputs.shape) != 3 and not is_colored:
        raise InvalidSetting(
            f"{config.where('scan')}: expected images [B, height, width], got {format_shape(inputs.shape)}. "
            "Leave out the setting."
        )
    return ReadImage(config.scan, name=_READ)(inputs)


def _apply(layer: keras.Layer, inputs: Any, where: str) -> Any:
    """Return the layer's symbolic output."""
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
            f"{where}: the layer cannot take inputs {format_shape(inputs.shape)} ({one_line(error)}). "
            "Change the layer or the one before it."
        ) from None
    if not hasattr(outputs, "shape"):
        raise InvalidSetting(
            f"{where}: expected one output, got {len(outputs)}. Leave out return_state: a network is a chain of layers."
        )
    return outputs


def _check_outputs(outputs: Any, last: Component, config: ExperimentConfig, task: Task, where: str) -> None:
    """Refuse a last layer that does not give the values that the task needs."""
    activation, count = last.arguments.get("activation", "linear"), task.num_outputs
    if activation not in task.output_activations:
        wanted, remedy = _SOFTMAX if "softmax" in task.output_activations else _LINEAR
        raise InvalidSetting(f"{where}: expected {wanted} in the last layer, got {activation}. {remedy}")
    steps = (None,) if task.is_per_step else ()
    if outputs.shape[1:] == (*steps, count):
        return
    remedy = f"Set units: {count}." if "units" in last.arguments else f"End with Dense: {{units: {count}}}."
    if len(outputs.shape) > 2 + len(steps):
        remedy = "Leave out return_sequences in the last recurrent layer, or add a layer that reduces the steps."
    if len(outputs.shape) < 2 + len(steps):
        remedy = "Set return_sequences: true in all recurrent layers."
    raise InvalidSetting(
        f"{where}: expected outputs {format_shape((None, *steps, count))} for the {count} {task.output_unit} of "
        f"{config.data_name}, got {format_shape(outputs.shape)}. {remedy}"
    )


_ALL_STEPS = "Give the recurrent layer before it return_sequences: true"
_SOFTMAX = ("activation softmax, or none,", "Set activation: softmax.")
_LINEAR = ("no activation", "Leave it out.")
