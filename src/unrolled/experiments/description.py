"""What an experiment would train, told without training it."""

from typing import Any

from unrolled.experiments.batches import steps_in
from unrolled.experiments.completion import complete, filled_in, sizes_of
from unrolled.experiments.document import write_line
from unrolled.experiments.examples import choose_examples
from unrolled.experiments.experiment import Experiment
from unrolled.experiments.network import build_network, check_components, layers_of, spell_shape
from unrolled.layers.native_loop import NOT_CALLED

import keras


def describe(experiment: Experiment) -> dict[str, Any]:
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
    steps = steps_in(examples.learned, experiment.training.batch_size)
    encoding = examples.encoding
    model = build_network(experiment, data, steps=experiment.training.epochs * steps, encoding=encoding)
    completed = complete(experiment, sizes_of(experiment, data, encoding))
    return {
        "name": experiment.name,
        "data": data.name,
        "task": experiment.task,
        "input": spell_shape((None, *encoding.shape)),
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


def describe_layers(experiment: Experiment, model: keras.Model) -> list[dict[str, Any]]:
    """Each layer's class, arguments, output shape, number of parameters and, where it is recurrent, kernel."""
    return [
        {
            "name": entry.name,
            "arguments": ", ".join(f"{key} {write_line(value, digits=4)}" for key, value in entry.arguments.items()),
            "shape": spell_shape(layer.output.shape),
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
