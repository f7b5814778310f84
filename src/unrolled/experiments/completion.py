"""What the data decides of a network, filled in where the file leaves it out."""

from dataclasses import dataclass
from typing import Any

from unrolled.data.dataset import Dataset
from unrolled.experiments.document import write_line
from unrolled.experiments.encodings import Encoding
from unrolled.experiments.experiment import Experiment
from unrolled.experiments.settings import Component
from unrolled.experiments.tasks.task import task_of

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


def sizes_of(experiment: Experiment, data: Dataset, encoding: Encoding) -> Sizes:
    """What a data set decides once it is encoded."""
    return Sizes(task_of(experiment).outputs(data, encoding, experiment), encoding.vocabulary)


def complete(experiment: Experiment, sizes: Sizes) -> Experiment:
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


def filled_in(experiment: Experiment, completed: Experiment) -> list[str]:
    """What was filled in, a line each, as ``unrolled check`` prints it."""
    lines = []
    for index, layer in enumerate(completed.network):
        if index >= len(experiment.network):
            lines.append(f"network.{index}: {layer.name} {_spell(layer.arguments)}")
            continue
        before = experiment.network[index].arguments
        new = {name: value for name, value in layer.arguments.items() if before.get(name) != value}
        if new:
            lines.append(f"network.{index}.{layer.name}: {_spell(new)}")
    return lines


def _filled(layer: Component, sizes: Sizes) -> Component:
    arguments = dict(layer.arguments)
    if layer.name == "Embedding" and sizes.vocabulary is not None:
        arguments = {"input_dim": sizes.vocabulary, "mask_zero": True, **arguments}
    if arguments.get("units") == CLASSES:
        arguments["units"] = sizes.outputs
    return layer if arguments == layer.arguments else Component.model_validate({layer.name: arguments})


def _spell(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {write_line(value)}" for name, value in arguments.items())
