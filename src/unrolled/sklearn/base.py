"""The common part of the estimators: from parameters to an experiment, and to its trained network."""

import operator
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from unrolled.config.document import Document
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.dataset import Dataset
from unrolled.errors import InvalidInput, did_you_mean
from unrolled.training.in_memory import train_in_memory

import keras
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

_CELLS = {"gru": "GRU", "lstm": "LSTM", "simple_rnn": "SimpleRNN"}
_TEXTUAL = ("text", "tokens")


class Recurrent(BaseEstimator):
    """Base class: recurrent layers, trained as an experiment with a task of ``unrolled.tasks``.

    A subclass has these parameters, and may have more.

    Attributes:
        task_name: The task of the experiment.
        is_per_step: True if the network gives outputs at every step.
    """

    task_name: ClassVar[str]
    is_per_step: ClassVar[bool] = False

    cell: str
    units: int
    layers: int
    bidirectional: bool
    dropout: float
    epochs: int
    batch_size: int
    learning_rate: float
    network: Sequence[Any] | None
    random_state: Any

    def _train(self, examples: Dataset, **sections: Any) -> None:
        """Train a network on a data set.

        Args:
            examples: The data set; all its examples are training examples.
            sections: Other sections of the experiment.

        Raises:
            ValueError: A parameter has an impossible value.
        """
        settings = {
            "name": type(self).__name__,
            "task": self.task_name,
            "data": examples.name,
            "network": self._network(examples) if self.network is None else list(self.network),
            "training": {
                "epochs": self._count("epochs"),
                "batch_size": self._count("batch_size"),
                "optimizer": {"Adam": {"learning_rate": self._number("learning_rate"), "clipnorm": 1.0}},
            },
            "seed": int(check_random_state(self.random_state).randint(2**31 - 1)),
            **{name: value for name, value in sections.items() if value is not None},
        }
        config = ExperimentConfig.parse(Document(settings, type(self).__name__))
        self.task_, self.model_ = train_in_memory(config, examples)

    def _network(self, data: Dataset, *, all_steps: bool = False) -> list[Any]:
        """Return the layers that the parameters name; texts and words are embedded first.

        Args:
            data: The training examples.
            all_steps: True to return the state at every step.
        """
        if self.cell not in _CELLS:
            hint = did_you_mean(str(self.cell), _CELLS) or f" Choose among: {', '.join(_CELLS)}."
            raise InvalidInput(f'{type(self).__name__}: unknown cell "{self.cell}".{hint}')
        units, count, rate = self._count("units"), self._count("layers"), self._number("dropout")
        layers: list[Any] = [{"Embedding": {"output_dim": units}}] if data.kind in _TEXTUAL else []
        for index in range(count):
            is_last = index == count - 1
            layer = {
                _CELLS[self.cell]: {"units": units, "return_sequences": self.is_per_step or all_steps or not is_last}
            }
            layers += [{"Bidirectional": {"layer": layer}} if self.bidirectional else layer]
            layers += [{"Dropout": {"rate": rate}}] if rate else []
        return layers

    def _count(self, name: str) -> int:
        """Return a parameter that is a number of things."""
        value = getattr(self, name)
        try:
            count = operator.index(value)
        except TypeError:
            count = 0
        if count < 1:
            raise InvalidInput(
                f"{type(self).__name__}: expected a whole number of at least 1 as {name}, got {value!r}. "
                "Leave it out for the default."
            )
        return count

    def _number(self, name: str) -> float:
        """Return a parameter that is a number."""
        value = getattr(self, name)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise InvalidInput(
                f"{type(self).__name__}: expected a number as {name}, got {value!r}. Correct it."
            ) from None

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "model_" in state:
            model = state.pop("model_")
            state["_saved"] = (model.to_json(), model.get_weights())
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        state = dict(state)
        saved = state.pop("_saved", None)
        super().__setstate__(state)
        if saved is not None:
            self.model_ = keras.models.model_from_json(saved[0])
            self.model_.set_weights(saved[1])
