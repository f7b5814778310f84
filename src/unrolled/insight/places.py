"""How findings name a place, and the setting that would help there."""

from typing import Any

from unrolled.experiments.experiment import Experiment
from unrolled.insight.probe import Part


class Places:
    """Lines of an experiment's file and ``--set`` for it, or layers and arguments of a model.

    Args:
        experiment: What the model was built from, its layers in the order of ``network``; None for any other model.
    """

    def __init__(self, experiment: Experiment | None):
        self.experiment = experiment

    def layer(self, part: Part) -> str:
        """Such as ``digits.yaml:4: network[1].LSTM`` or ``layers[1].LSTM``; a layer within a layer follows a dot."""
        index, *inner = part.path
        within = "".join(f".{step}" if isinstance(step, str) else f".layers[{step}]" for step in inner)
        if self.experiment is None:
            return f"layers[{index}]{within}.{type(part.layer).__name__}"
        return self.experiment.where("network", int(index), self._entry(part).name) + within

    def data(self, part: str = "") -> str:
        """The data, or a part of it."""
        where = "the arrays" if self.experiment is None else self.experiment.where("data")
        return f"{where}, {part}" if part else where

    def training(self) -> str:
        """The optimizer."""
        return "the optimizer" if self.experiment is None else self.experiment.where("training", "optimizer")

    def change(self, part: Part, argument: str, value: str) -> str:
        """How to give a layer another argument, as the end of a sentence."""
        if self.experiment is None:
            return f"{argument}={value}"
        entry, wrapped = self._entry(part), ""
        if isinstance(part.path[-1], str):
            wrapped = f".layer.{next(iter(entry.arguments.get('layer', {})), '')}"
        return f"--set network.{part.path[0]}.{entry.name}{wrapped}.{argument}={value}"

    def replace(self, part: Part, name: str) -> str:
        """How to put a layer of another class, with the same units, in the place of one; as the end of a sentence."""
        if self.experiment is None or isinstance(part.path[-1], str):
            return f"{name}({part.layer.cell.units})"
        kept = {"units": part.layer.cell.units}
        if part.layer.return_sequences:
            kept["return_sequences"] = "true"
        arguments = ", ".join(f"{key}: {value}" for key, value in kept.items())
        return f'--set "network.{part.path[0]}={{{name}: {{{arguments}}}}}"'

    def optimizer(self, argument: str, value: float) -> str:
        """How to give the optimizer another argument, as the end of a sentence."""
        if self.experiment is None:
            return f"{argument}={value:g}"
        return f"--set training.optimizer.{self.experiment.training.optimizer.name}.{argument}={value:g}"

    def weighing(self) -> str:
        """How to make every class count the same, in parentheses, where there is a setting for it."""
        return "" if self.experiment is None else " (--set training.class_weights=balanced)"

    def _entry(self, part: Part) -> Any:
        assert self.experiment is not None
        return self.experiment.network[int(part.path[0])]
