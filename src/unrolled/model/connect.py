"""The layers of an experiment, connected from the encoded input to the output."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from unrolled.config.experiment import ExperimentConfig, LayerPath
from unrolled.errors import InvalidSetting
from unrolled.layers import ReadImage, ReadSeries
from unrolled.model.components import REFUSALS, ComponentBuilder, layer_sizes, one_line
from unrolled.tasks.columns import ColumnsPreprocessor, FeaturesPreprocessor, keras_names
from unrolled.tasks.preprocessing import Preprocessor, SeriesPreprocessor

import keras

_READ = "read"
_CONCATENATE = "concatenate_inputs"
_ALL_STEPS = "Give the recurrent layer before it return_sequences: true"
Shape = tuple[int | None, ...]


def connect(config: ExperimentConfig, preprocessor: Preprocessor, builder: ComponentBuilder) -> tuple[Any, Any]:
    """Apply the layers of a resolved experiment one after another.

    Args:
        config: The experiment.
        preprocessor: Decides the shape and the scale of the input.
        builder: Makes the layers.

    Returns:
        The symbolic input, or several by name, and the symbolic output.

    Raises:
        InvalidSetting: A layer cannot take the shape that it is given; the message names the line.
    """
    inputs: Any
    if isinstance(preprocessor, ColumnsPreprocessor):
        parts, names = preprocessor.parts, preprocessor.names
        inputs = {
            names[name]: keras.Input(part.shape, dtype=part.dtype, name=names[name]) for name, part in parts.items()
        }
        branches = [_branch(config, name, part, inputs[names[name]], builder) for name, part in parts.items()]
        outputs = branches[0] if len(branches) == 1 else keras.layers.Concatenate(name=_CONCATENATE)(branches)
    else:
        inputs = keras.Input(preprocessor.shape, dtype=preprocessor.dtype)
        outputs = _read(config, preprocessor, inputs)
    return inputs, _chain(config, _paths(config, "network"), outputs, builder)


def _branch(config: ExperimentConfig, name: str, part: Any, inputs: Any, builder: ComponentBuilder) -> Any:
    """Return the vector that the layers of one of several inputs make of it."""
    outputs = inputs
    if isinstance(part, SeriesPreprocessor | FeaturesPreprocessor):
        outputs = ReadSeries(part.mean, part.scale, name=f"{_READ}_{inputs.name}")(inputs)
    outputs = _chain(config, _paths(config, "inputs", name), outputs, builder)
    if len(outputs.shape) != 2 or str(outputs.dtype).startswith("int"):
        raise InvalidSetting(
            f"{config.where('inputs', name)}: expected a vector [B, F] to concatenate, got "
            f"{format_shape(outputs.shape)}. {_vector_remedy(outputs)}"
        )
    return outputs


def _vector_remedy(outputs: Any) -> str:
    if str(outputs.dtype).startswith("int"):
        return "Put Embedding: {output_dim: 8} there, and behind that of a text a recurrent layer."
    return "End with a recurrent layer without return_sequences, or with GlobalAveragePooling1D."


def _paths(config: ExperimentConfig, *within: str) -> list[LayerPath]:
    return [path for path in config.layers if path[:-1] == within]


def _chain(config: ExperimentConfig, paths: Sequence[LayerPath], outputs: Any, builder: ComponentBuilder) -> Any:
    for path in paths:
        named = {"name": _layer_name(config, path)} if config.inputs else {}
        outputs = _apply(builder.layer(path, **named), outputs, config.where(*path, config.layers[path].name))
    return outputs


def _layer_name(config: ExperimentConfig, path: LayerPath) -> str:
    """Return the name of a layer of a network with several inputs, by which it is found in the model."""
    names = keras_names(config.inputs or ())
    return "_".join(names.get(str(step), str(step)) for step in path)


def layers_of(config: ExperimentConfig, model: keras.Model) -> list[keras.Layer]:
    """Return the layers that the experiment names, in the order of ``config.layers``.

    Args:
        config: The resolved experiment.
        model: Its network.
    """
    if not config.inputs:
        return [layer for layer in model.layers[1:] if not is_input_layer(layer)]
    names = (entry.arguments.get("name", _layer_name(config, path)) for path, entry in config.layers.items())
    return [model.get_layer(name) for name in names]


def is_input_layer(layer: keras.Layer) -> bool:
    """Return True if a layer prepares the input and is not named in the experiment."""
    is_reader = isinstance(layer, ReadImage | ReadSeries) and layer.name.startswith(_READ)
    return is_reader or isinstance(layer, keras.layers.InputLayer) or layer.name == _CONCATENATE


def measure_layers(
    config: ExperimentConfig, preprocessor: Preprocessor, builder: ComponentBuilder
) -> Iterator[tuple[LayerPath, int, Shape]]:
    """Yield the path of each layer, the number of its weights and the shape of its output; no weight is allocated.

    Raises:
        Exception: Keras' own error for shapes that do not fit.
    """
    if isinstance(preprocessor, ColumnsPreprocessor):
        width = 0
        for name, part in preprocessor.parts.items():
            output: Shape = part.shape
            for path, weights, output in _measure_chain(_paths(config, "inputs", name), (None, *part.shape), builder):
                yield path, weights, output
            width += output[-1] or 0
        shape: Shape = (None, width)
    else:
        shape = (None, *preprocessor.shape)
        if len(shape) == 4 or (config.scan != "rows" and len(shape) == 3):
            shape = ReadImage(config.scan).compute_output_shape(shape)
    yield from _measure_chain(_paths(config, "network"), shape, builder)


def _measure_chain(
    paths: Sequence[LayerPath], shape: Shape, builder: ComponentBuilder
) -> Iterator[tuple[LayerPath, int, Shape]]:
    sizes = layer_sizes((builder.layer(path) for path in paths), shape)
    for path, (weights, output) in zip(paths, sizes, strict=True):
        yield path, weights, output


def format_shape(shape: Shape) -> str:
    """Return a shape for messages, the unknown first axis as B and an unknown second axis as T.

    Example:
        >>> format_shape((None, 28, 128))
        '[B, 28, 128]'
    """
    return f"[{', '.join(['B', *('T' if length is None else str(length) for length in shape[1:])])}]"


def format_input(preprocessor: Preprocessor) -> str:
    """Return the shape of a batch of inputs for messages; of several, that of each behind its name."""
    if not isinstance(preprocessor, ColumnsPreprocessor):
        return format_shape((None, *preprocessor.shape))
    parts: Mapping[str, Any] = preprocessor.parts
    return ", ".join(f"{name} {format_shape((None, *part.shape))}" for name, part in parts.items())


def _read(config: ExperimentConfig, preprocessor: Preprocessor, inputs: Any) -> Any:
    """Return the input as a sequence; rows of a grey image are one already, and so are tokens."""
    if isinstance(preprocessor, SeriesPreprocessor):
        return ReadSeries(preprocessor.mean, preprocessor.scale, relative=preprocessor.relative, name=_READ)(inputs)
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
