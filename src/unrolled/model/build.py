"""From an experiment and its task to a compiled ``keras.Model``."""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from unrolled.config.document import format_inline
from unrolled.config.experiment import ExperimentConfig, LayerPath
from unrolled.config.sections import Component, DataConfig
from unrolled.data.dataset import Dataset
from unrolled.errors import InvalidSetting
from unrolled.gaps import LossOverGaps, MetricOverGaps
from unrolled.layers import LastSteps
from unrolled.layers.native_loop import NOT_CALLED
from unrolled.model.components import REFUSALS, ComponentBuilder, dry_run_network, one_line
from unrolled.model.connect import Shape, connect, format_input, format_shape, layers_of, measure_layers
from unrolled.system import memory_bytes
from unrolled.tasks.base import Task
from unrolled.tasks.batches import gives_probabilities
from unrolled.tasks.columns import CategoryPreprocessor, ColumnPreprocessor, ColumnsPreprocessor
from unrolled.tasks.registry import load_task, task_type

import keras
import numpy as np

CLASSES = "classes"
"""Stands for the number of outputs in a last layer: ``Dense: {units: classes}``."""
# A network that ends in one of these names its own last layer.
_HEADS = ("Dense", "Softmax", "Activation", "Reshape", "TimeDistributed")
# Training keeps weights, gradients and, with Adam, two moments.
_BYTES_PER_PARAMETER = 16
_BYTES_PER_VALUE = 4


def resolve(config: ExperimentConfig, task: Task) -> ExperimentConfig:
    """Return the experiment with everything that the task and the data decide.

    An ``Embedding`` gets its ``input_dim`` and ``mask_zero: true`` (0 pads on the right), ``units: classes`` the number
    of outputs, a network without a last layer of its own the task's, behind ``LastSteps`` for each step of the horizon;
    loss, metrics and tokenizer are the task's where the file names none. The settings that the files of the data
    decide, such as ``channels``, are written down.
    """
    config = _with_found_settings(config, task)
    preprocessor = task.preprocessor
    parts = preprocessor.parts if isinstance(preprocessor, ColumnsPreprocessor) else {}
    config = _with_inputs(task.with_defaults(config), parts)
    return _with_network(config, task, task.num_outputs, preprocessor.vocabulary)


def check_config(config: ExperimentConfig) -> None:
    """Make every component once, so that a wrong name or argument is found before data is loaded.

    Raises:
        InvalidSetting: A task, class or argument does not exist, or a value is not possible.
    """
    kind = task_type(config)
    # Any sizes do: no data is loaded.
    any_input = CategoryPreprocessor(("any",))
    config = _with_inputs(kind.with_defaults(config), dict.fromkeys(config.inputs or (), any_input))
    config = _with_network(config, kind, 2, 100)
    builder = ComponentBuilder(config)
    with _precision(config.training.precision):
        for path in config.layers:
            builder.layer(path)
    builder.dry_run()


def prepare(
    config: ExperimentConfig, data: Dataset | None = None, *, is_trained: bool = False
) -> tuple[ExperimentConfig, Task]:
    """Check an experiment, load its data, and return it resolved and with its task; the network is not built.

    Args:
        config: The experiment.
        data: The data set if it is in memory already, perhaps without test examples; it stands for that of the
            experiment.
        is_trained: True to encode the training examples, too, which is faster while their vocabulary is found.

    Raises:
        InvalidSetting: A setting is not possible, or the network does not fit in memory.
        DataError: The data cannot be loaded.
    """
    check_config(config)
    task = load_task(config)
    if data is not None:
        task.data = data
        if not data.test.size:
            task.test = data.test
    if is_trained:
        _ = task.train
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
        inputs, outputs = connect(config, task.preprocessor, builder)
        _check_outputs(outputs, config, task)
        try:
            model = keras.Model(inputs, outputs, name=re.sub(r"\W", "_", config.name))
            steps_in, steps_out = dry_run_network(model, inputs)
        except REFUSALS as error:
            raise InvalidSetting(
                f"{config.where('network')}: the layers do not fit together ({one_line(error)}). Change one of them."
            ) from None
    if task.is_per_step and steps_in != steps_out:
        raise InvalidSetting(
            f"{config.where('network')}: expected an output for each step, got {steps_out:,} for {steps_in:,}. Leave "
            "out the strides and pooling of its layers, and set padding: same."
        )
    task.check_model(model)
    loss = builder.loss(from_logits=not gives_probabilities(model), is_weighted=task.weighs_steps)
    metrics = builder.metrics()
    if task.has_gaps:
        _check_is_zero_at_zero(config, loss, model)
        loss = LossOverGaps(loss)
        metrics = [one if isinstance(one, str) else MetricOverGaps(one) for one in metrics]
    model.compile(
        optimizer=builder.optimizer(),
        loss=loss,
        **{"weighted_metrics" if task.weighs_steps else "metrics": metrics},
    )
    return model


def _check_is_zero_at_zero(config: ExperimentConfig, loss: keras.losses.Loss, model: keras.Model) -> None:
    """Refuse a loss that would count missing values, which are given to it as 0 in target and output."""
    zeros = np.zeros((1, model.output_shape[-1]), np.float32)
    if np.any(keras.ops.convert_to_numpy(loss.call(zeros, zeros))):
        raise InvalidSetting(
            f"{config.where('training', 'loss')}: expected a loss of differences, because values to forecast may "
            f"be missing, got {type(loss).__name__}. Use for example MeanSquaredError."
        )


def check_memory(config: ExperimentConfig, task: Task) -> None:
    """Refuse a network whose training does not fit in this machine's memory, before it is built.

    Args:
        config: The resolved experiment.
        task: Decides the shape of the input.

    Raises:
        InvalidSetting: Its parameters, or the outputs of a layer for one batch, do not fit; the message names both
            sizes.
    """
    layers = _measure(config, task)
    parameters, available = sum(weights for _, weights, _ in layers), memory_bytes()
    needed = parameters * _BYTES_PER_PARAMETER
    if needed > available:
        largest, _, _ = max(layers, key=lambda layer: layer[1])
        raise InvalidSetting(
            f"{config.where(*largest, config.layers[largest].name)}: the network has {parameters:,} parameters; "
            f"training it takes {needed / 1e9:,.0f} GB of memory, and this machine has {available / 1e9:,.0f} GB. "
            "Use fewer units."
        )
    batch = config.training.batch_size
    for path, _, shape in layers:
        bytes_each = math.prod(size or 1 for size in shape[1:]) * _BYTES_PER_VALUE
        if batch * bytes_each > available and (batch := min(batch, task.sizes["training"])) * bytes_each > available:
            raise InvalidSetting(
                f"{config.where(*path, config.layers[path].name)}: a batch of {batch:,} outputs {format_shape(shape)} "
                f"takes {batch * bytes_each / 1e9:,.0f} GB of memory, and this machine has {available / 1e9:,.0f} GB. "
                "Use smaller outputs, or a smaller batch_size."
            )


def _measure(config: ExperimentConfig, task: Task) -> list[tuple[LayerPath, int, Shape]]:
    """Return the layers with their weights and shapes.

    It ends before one that does not fit or has several outputs, which building reports better.
    """
    layers: list[tuple[LayerPath, int, Shape]] = []
    with suppress(*REFUSALS), _precision(config.training.precision):
        for layer in measure_layers(config, task.preprocessor, ComponentBuilder(config)):
            if not all(isinstance(size, int | None) for size in layer[-1]):
                break
            layers.append(layer)
    return layers


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
        "input": format_input(task.preprocessor),
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
            "input": str(path[1]) if path[0] == "inputs" else "",
            "arguments": ", ".join(f"{key} {format_inline(value, digits=4)}" for key, value in entry.arguments.items()),
            "shape": format_shape(layer.output.shape),
            "parameters": layer.count_params(),
            "kernel": "; ".join(kernels_used(layer)),
        }
        for (path, entry), layer in zip(config.layers.items(), layers_of(config, model), strict=True)
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
    last = layers[-1]
    if last.name == LastSteps.__name__ and config.forecast is not None:
        steps = config.forecast.horizon
        layers[-1] = Component.model_validate({last.name: {"steps": steps, **last.arguments}})
        layers.append(task.head(max(outputs // steps, 1)))
        layers.append(Component.model_validate({"Reshape": {"target_shape": [outputs]}}))
    elif last.name not in _HEADS:
        layers.append(task.head(outputs))
    return config.replaced(network=tuple(layers))


def _with_inputs(config: ExperimentConfig, parts: Mapping[str, ColumnPreprocessor]) -> ExperimentConfig:
    """Return the experiment with what the data decides of the layers of several inputs."""
    if config.inputs is None:
        return config
    inputs = {}
    for name, layers in config.inputs.items():
        vocabulary, is_padded = parts[name].vocabulary, None in parts[name].shape
        inputs[name] = tuple(_with_sizes(layer, 0, vocabulary, is_padded=is_padded) for layer in layers)
    return config.replaced(inputs=inputs)


def _with_found_settings(config: ExperimentConfig, task: Task) -> ExperimentConfig:
    """Return the experiment with the settings that the files of its ``data`` decide."""
    if isinstance(config.data, str) or not task.data.found_settings:
        return config
    return config.replaced(data=config.data.model_copy(update=task.data.found_settings))


def _with_sizes(layer: Component, outputs: int, vocabulary: int | None, *, is_padded: bool = True) -> Component:
    arguments = dict(layer.arguments)
    if layer.name == "Embedding" and vocabulary is not None:
        arguments = {"input_dim": vocabulary, **({"mask_zero": True} if is_padded else {}), **arguments}
    if outputs and arguments.get("units") == CLASSES:
        arguments["units"] = outputs
    return layer if arguments == layer.arguments else Component.model_validate({layer.name: arguments})


def _filled_in(config: ExperimentConfig, resolved: ExperimentConfig) -> list[str]:
    """Return the settings of the data and of the network that were filled in, a line each."""
    before, after = (dict(one.data) if isinstance(one.data, DataConfig) else {} for one in (config, resolved))
    lines = [f"data.{name}: {format_inline(value)}" for name, value in after.items() if before.get(name) != value]
    written = config.layers
    for path, layer in resolved.layers.items():
        where = ".".join(map(str, path))
        if path not in written:
            lines.append(f"{where}: {layer.name} {_format_arguments(layer.arguments)}")
            continue
        before_it = written[path].arguments
        new = {name: value for name, value in layer.arguments.items() if before_it.get(name) != value}
        if new:
            lines.append(f"{where}.{layer.name}: {_format_arguments(new)}")
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


def _check_outputs(outputs: Any, config: ExperimentConfig, task: Task) -> None:
    """Refuse a last layer that does not give the values that the task needs."""
    last = config.network[-1]
    where = config.where("network", len(config.network) - 1, last.name)
    activation, count = last.arguments.get("activation", "linear"), task.num_outputs
    if activation not in task.output_activations:
        wanted, remedy = next(_ACTIVATIONS[name] for name in _ACTIVATIONS if name in task.output_activations)
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


_ACTIVATIONS: Mapping[str | None, tuple[str, str]] = {
    "softmax": ("activation softmax, or none,", "Set activation: softmax."),
    "sigmoid": ("activation sigmoid", "Set activation: sigmoid."),
    None: ("no activation", "Leave it out."),
}
