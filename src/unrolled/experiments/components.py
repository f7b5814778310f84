"""From the class names of an experiment to instances, arguments checked first."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from unrolled.errors import InvalidSetting, did_you_mean
from unrolled.experiments.classes import MODULES, arguments_of, class_in
from unrolled.experiments.experiment import Experiment
from unrolled.experiments.problems import spell_value
from unrolled.experiments.rehearsal import rehearse_loss, rehearse_metric, rehearse_optimizer
from unrolled.experiments.schedules import SCHEDULES
from unrolled.experiments.settings import Component

import keras

# What Keras raises for arguments and shapes that it cannot take.
REFUSALS = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError, NotImplementedError)

# Where the class of an argument is looked for.
_WITHIN = (
    *MODULES["layer"],
    keras.regularizers,
    keras.initializers,
    keras.constraints,
    keras.optimizers.schedules,
    keras.optimizers,
)
_NAMED = {
    "activation": keras.activations,
    "initializer": keras.initializers,
    "regularizer": keras.regularizers,
    "constraint": keras.constraints,
}
_LONGEST_QUOTE = 240
# What the training fills in where the file leaves it out: how long it is.
_STEPS = ("steps", "decay_steps")


@dataclass(frozen=True)
class Workshop:
    """Makes the instances of one experiment.

    Attributes:
        experiment: Whose components.
        steps: The steps of the whole training, for schedules; any number where nothing is trained.
    """

    experiment: Experiment
    steps: int = 1000

    def layer(self, index: int) -> keras.Layer:
        """The layer at an index, not yet applied to anything.

        Raises:
            InvalidSetting: There is no such class or argument, as in all methods.
        """
        return self._make(self.experiment.network[index], "layer", ("network", index))

    def optimizer(self) -> keras.Optimizer:
        """The optimizer with its schedule."""
        optimizer = self.experiment.training.optimizer
        return self._make(optimizer, "optimizer", ("training", "optimizer"))

    def loss(self, *, from_logits: bool) -> keras.losses.Loss:
        """The loss, told what the last layer gives unless the file says so."""
        entry = self.experiment.training.loss
        kind = self._find(entry, "loss", ("training", "loss"))
        arguments = dict(entry.arguments)
        if "from_logits" in inspect.signature(kind).parameters:
            arguments.setdefault("from_logits", from_logits)
        return self._instance(kind, arguments, ("training", "loss", entry.name))

    def rehearse(self) -> None:
        """Make everything but the layers and let it take a step, so that nothing is found out only while training."""
        training = self.experiment.training
        one_hot = not training.loss.name.startswith("Sparse")
        optimizer, loss = self.optimizer(), self.loss(from_logits=False)
        self._accepted(lambda: rehearse_optimizer(optimizer), ("training", "optimizer"), training.optimizer)
        self._accepted(lambda: rehearse_loss(loss, one_hot=one_hot), ("training", "loss"), training.loss)
        for index, metric in enumerate(self.metrics()):
            if isinstance(metric, keras.metrics.Metric):
                rehearsed = partial(rehearse_metric, metric, one_hot=one_hot)
                self._accepted(rehearsed, ("training", "metrics", index), training.metrics[index])

    def metrics(self) -> list[Any]:
        """The metrics; ``accuracy`` stays a word, of which Keras makes the one that fits the targets."""
        return [
            entry.name
            if entry.name == "accuracy" and not entry.arguments
            else self._make(entry, "metric", ("training", "metrics", index))
            for index, entry in enumerate(self.experiment.training.metrics)
        ]

    def _make(self, entry: Component, what: str, path: tuple[Any, ...]) -> Any:
        kind = self._find(entry, what, path)
        return self._instance(kind, entry.arguments, (*path, entry.name))

    def _find(self, entry: Component, what: str, path: tuple[Any, ...]) -> type:
        if entry.name in ("Input", "InputLayer"):
            raise InvalidSetting(
                f"{self.experiment.where(*path, entry.name)}: expected a layer that computes, got the input. "
                "Leave it out: the shape comes from the data."
            )
        modules = MODULES[what]
        found = class_in(modules, entry.name)
        if found is not None:
            return found
        known = [name for module in modules for name in dir(module) if name[:1].isupper()]
        remedy = did_you_mean(entry.name, known) or f" Choose a class of {modules[-1].__name__}."
        raise InvalidSetting(f'{self.experiment.where(*path)}: unknown {what} "{entry.name}".{remedy}')

    def _instance(self, kind: Callable[..., Any], arguments: Mapping[str, Any], path: tuple[Any, ...]) -> Any:
        """Make an instance, its arguments checked against the signature first."""
        self._check_arguments(kind, arguments, path)
        values = {name: self._value(value, (*path, name)) for name, value in arguments.items()}
        parameters = inspect.signature(kind).parameters
        values = {**{name: self.steps for name in _STEPS if name in parameters}, **values}
        try:
            return kind(**values)
        except REFUSALS as error:
            raise self._refusal(error, arguments, path) from error

    def _accepted(self, call: Callable[[], None], path: tuple[Any, ...], entry: Component) -> None:
        """Let Keras do something with a component."""
        try:
            call()
        except REFUSALS as error:
            raise self._refusal(error, entry.arguments, (*path, entry.name)) from error

    def _refusal(self, error: Exception, arguments: Mapping[str, Any], path: tuple[Any, ...]) -> InvalidSetting:
        return InvalidSetting(
            f"{self.experiment.where(*path)}: expected arguments that Keras accepts, got {one_line(dict(arguments))} "
            f"({one_line(error)}). See the documentation of {path[-1]}."
        )

    def _check_arguments(self, kind: Callable[..., Any], arguments: Mapping[str, Any], path: tuple[Any, ...]) -> None:
        parameters = inspect.signature(kind).parameters
        known = arguments_of(kind)
        for name in arguments:
            if name not in known:
                remedy = did_you_mean(name, known) or f" Choose among: {', '.join(known)}."
                if name in ("input_shape", "batch_input_shape", "input_dim"):
                    remedy = " Leave it out: the shape comes from the data."
                raise InvalidSetting(f'{self.experiment.where(*path)}: unknown argument "{name}".{remedy}')
        for name, parameter in parameters.items():
            if name in arguments:
                self._check_kind(name, arguments[name], parameter.default, (*path, name))
            elif name in known and parameter.default is parameter.empty and name not in _STEPS:
                raise InvalidSetting(
                    f'{self.experiment.where(*path)}: expected the argument "{name}", got none. Add it.'
                )

    def _check_kind(self, name: str, value: Any, default: Any, path: tuple[Any, ...]) -> None:
        """Refuse what cannot stand where a default of another kind does; Keras takes some of it and fails later."""
        expected = ""
        if isinstance(default, bool) and not isinstance(value, bool):
            expected = "true or false"
        elif isinstance(default, int | float) and not isinstance(default, bool):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            expected = "" if is_number or value is None or isinstance(value, Mapping | list) else "a number"
            if is_number and name.endswith("dropout") and not 0 <= value < 1:
                expected = "a share of at least 0 and below 1"
        elif name == "units" and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            expected = "a whole number of at least 1"
        if expected:
            where = self.experiment.where(*path)
            raise InvalidSetting(f"{where}: expected {expected}, got {spell_value(value)}. Change it.")
        if isinstance(value, str):
            self._check_name(name, value, path)

    def _check_name(self, argument: str, value: str, path: tuple[Any, ...]) -> None:
        """Refuse a word that names no activation, initializer, regularizer or constraint."""
        kind = next((kind for kind in _NAMED if argument.endswith(kind)), None)
        if kind is None:
            return
        try:
            _NAMED[kind].get(value)
        except REFUSALS:
            known = [name for name in dir(_NAMED[kind]) if name.islower() and not name.startswith("_")]
            remedy = did_you_mean(value, known) or f" Choose one of {_NAMED[kind].__name__}."
            raise InvalidSetting(f'{self.experiment.where(*path)}: unknown {kind} "{value}".{remedy}') from None

    def _value(self, value: Any, path: tuple[Any, ...]) -> Any:
        """An argument's value; ``{Class: {...}}`` becomes an instance, such as the layer in a Bidirectional one."""
        if not isinstance(value, Mapping) or len(value) != 1:
            return value
        name, arguments = next(iter(value.items()))
        if not isinstance(name, str) or not name[:1].isupper() or not isinstance(arguments, Mapping | None):
            return value
        first = [module for kind, module in _NAMED.items() if str(path[-1]).endswith(kind)]
        found = SCHEDULES.get(name) or class_in((*first, *_WITHIN), name)
        if found is None:
            known = [*SCHEDULES, *(known for module in _WITHIN for known in dir(module) if known[:1].isupper())]
            remedy = did_you_mean(name, known) or " Name a class of Keras."
            raise InvalidSetting(f'{self.experiment.where(*path)}: unknown class "{name}".{remedy}')
        return self._instance(found, arguments or {}, (*path, name))


def depends_on_length(experiment: Experiment) -> bool:
    """Whether the learning rate follows a schedule that is as long as the training."""
    rate = experiment.training.optimizer.arguments.get("learning_rate")
    if not isinstance(rate, Mapping):
        return False
    name, arguments = next(iter(rate.items()))
    return name in SCHEDULES or "decay_steps" not in (arguments or {})


def one_line(said: object) -> str:
    """Keras' message, which may have many lines and an explanation of its own, on one line."""
    text = str(said).split("\n\nArguments received by")[0]
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(r"\s+", " ", text).strip().rstrip(".")
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"
