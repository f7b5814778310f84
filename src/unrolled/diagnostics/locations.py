"""Locations and fixes in the words of their target: lines and ``--set`` of an experiment, or arguments of a model."""

from abc import ABC, abstractmethod
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.diagnostics.probe import LocatedLayer


class Locations(ABC):
    """Names of locations for diagnostics, and the changes that fix them, as the end of a sentence."""

    @abstractmethod
    def layer(self, located: LocatedLayer) -> str:
        """Name a layer."""

    @abstractmethod
    def data(self, split: str = "") -> str:
        """Name the data or one of its splits."""

    @abstractmethod
    def optimizer(self) -> str:
        """Name the optimizer."""

    @abstractmethod
    def set_argument(self, located: LocatedLayer, argument: str, value: str) -> str:
        """Give a layer another argument."""

    @abstractmethod
    def replace_layer(self, located: LocatedLayer, class_name: str) -> str:
        """Replace a recurrent layer by one of another class with the same units."""

    @abstractmethod
    def set_optimizer(self, argument: str, value: float) -> str:
        """Give the optimizer another argument."""

    @abstractmethod
    def balance_classes(self) -> str:
        """Weight the classes so that each counts the same in all."""

    @abstractmethod
    def check_f1(self, subject: str) -> str:
        """Check the F1 score of a class instead of the accuracy."""

    @abstractmethod
    def hold_out_more(self, examples: int) -> str:
        """Hold out so many more test examples."""


class ModelLocations(Locations):
    """The layers and arguments of a model: ``layers[1].LSTM``, ``activation=tanh``."""

    def layer(self, located: LocatedLayer) -> str:
        """Name a layer such as ``layers[1].LSTM``; a layer inside another follows a dot."""
        index, *inner = located.path
        return f"layers[{index}]{_format_inner(inner)}.{type(located.layer).__name__}"

    def data(self, split: str = "") -> str:
        """Name the arrays."""
        return f"the arrays, {split}" if split else "the arrays"

    def optimizer(self) -> str:
        """Name the optimizer."""
        return "the optimizer"

    def set_argument(self, located: LocatedLayer, argument: str, value: str) -> str:
        """Name the argument and its value."""
        return f"{argument}={value}"

    def replace_layer(self, located: LocatedLayer, class_name: str) -> str:
        """Name the other layer."""
        return f"{class_name}({located.layer.cell.units})"

    def set_optimizer(self, argument: str, value: float) -> str:
        """Name the argument and its value."""
        return f"{argument}={value:g}"

    def balance_classes(self) -> str:
        """Name the argument of ``fit``."""
        return "weight the classes (class_weight in fit)"

    def check_f1(self, subject: str) -> str:
        """Name the score."""
        return f"check the F1 score of {subject}."

    def hold_out_more(self, examples: int) -> str:
        """Name the number."""
        return f"Hold out at least {examples} more test examples."


class ExperimentLocations(Locations):
    """The lines of an experiment file, and ``--set`` for its settings.

    Args:
        experiment: The resolved experiment, with its layers in the order of the model.
    """

    def __init__(self, experiment: ExperimentConfig):
        self.experiment = experiment

    def layer(self, located: LocatedLayer) -> str:
        """Name a layer such as ``digits.yaml:4: network[1].LSTM``; a layer inside another follows a dot."""
        index, *inner = located.path
        return self.experiment.where("network", int(index), self._entry(located).name) + _format_inner(inner)

    def data(self, split: str = "") -> str:
        """Name the line of the data set."""
        where = self.experiment.where("data")
        return f"{where}, {split}" if split else where

    def optimizer(self) -> str:
        """Name the line of the optimizer."""
        return self.experiment.where("training", "optimizer")

    def set_argument(self, located: LocatedLayer, argument: str, value: str) -> str:
        """Override the argument; of a layer inside a Bidirectional, that of the wrapped layer."""
        entry, wrapped = self._entry(located), ""
        if isinstance(located.path[-1], str):
            wrapped = f".layer.{next(iter(entry.arguments.get('layer', {})), '')}"
        return f"--set network.{located.path[0]}.{entry.name}{wrapped}.{argument}={value}"

    def replace_layer(self, located: LocatedLayer, class_name: str) -> str:
        """Override the layer; one inside a Bidirectional is only named."""
        units = located.layer.cell.units
        if isinstance(located.path[-1], str):
            return f"{class_name}({units})"
        sequences = ", return_sequences: true" if located.layer.return_sequences else ""
        return f'--set "network.{located.path[0]}={{{class_name}: {{units: {units}{sequences}}}}}"'

    def set_optimizer(self, argument: str, value: float) -> str:
        """Override the argument."""
        return f"--set training.optimizer.{self.experiment.training.optimizer.name}.{argument}={value:g}"

    def balance_classes(self) -> str:
        """Override the class weights."""
        return "weight the classes (--set training.class_weights=balanced)"

    def check_f1(self, subject: str) -> str:
        """Name the command that prints the score."""
        return f"check the F1 score of {subject}: unrolled evaluate latest"

    def hold_out_more(self, examples: int) -> str:
        """Override the test steps of a forecast."""
        forecast = self.experiment.forecast
        if forecast is None:
            return f"Hold out at least {examples} more test examples."
        return f"Hold out more steps: --set forecast.test_steps={forecast.test_steps + examples}"

    def _entry(self, located: LocatedLayer) -> Any:
        return self.experiment.network[int(located.path[0])]


def _format_inner(path: list[int | str]) -> str:
    """Format the path inside a layer: ``.forward_layer``, ``.layers[2]``."""
    return "".join(f".{step}" if isinstance(step, str) else f".layers[{step}]" for step in path)
