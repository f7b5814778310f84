"""From class names to Keras objects, with the arguments checked against the signatures first."""

import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any

import unrolled.layers
import unrolled.losses
from unrolled.config.document import describe_value
from unrolled.config.experiment import ExperimentConfig, LayerPath
from unrolled.config.sections import Component
from unrolled.errors import InvalidSetting, did_you_mean

import keras
from keras.optimizers.schedules import CosineDecay
from keras.src.backend import compute_output_spec
from keras.src.backend.common import global_state

# The modules of each kind of component. One of ours replaces that of Keras of the same name.
MODULES: dict[str, tuple[ModuleType, ...]] = {
    "layer": (unrolled.layers, keras.layers),
    "optimizer": (keras.optimizers,),
    "loss": (unrolled.losses, keras.losses),
    "metric": (keras.metrics,),
}
_ANCESTORS = {
    "layer": keras.Layer,
    "optimizer": keras.optimizers.Optimizer,
    "loss": keras.losses.Loss,
    "metric": keras.metrics.Metric,
}
# Layers that run what they are given: a function, a model of another framework, or a program kept in a file.
RUN_FOREIGN_CODE = ("FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper")
# Taken by every layer through its **kwargs.
_OF_ALL_LAYERS = ("name", "dtype", "trainable")


@cache
def known_classes(what: str) -> dict[str, type]:
    """Return each class that an experiment can name: the public ones of Keras and ours, but none that runs other code.

    Args:
        what: A key of ``MODULES``.
    """
    modules, ancestor = MODULES[what], _ANCESTORS[what]
    found = {name: find_class(modules, name) for name in sorted({name for module in modules for name in dir(module)})}
    return {
        name: kind
        for name, kind in found.items()
        if name[:1].isupper()
        and kind is not None
        and issubclass(kind, ancestor)
        and kind is not ancestor
        and name not in ("InputLayer", *RUN_FOREIGN_CODE)
    }


def argument_names(kind: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments that a class takes."""
    parameters = inspect.signature(kind).parameters
    names = [name for name, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    is_layer = isinstance(kind, type) and issubclass(kind, keras.Layer)
    return [*names, *(name for name in _OF_ALL_LAYERS if is_layer and name not in names)]


def find_class(modules: tuple[ModuleType, ...], name: str) -> type | None:
    """Return the class of that name in the first module that has the name, or None."""
    found = next((getattr(module, name) for module in modules if hasattr(module, name)), None)
    return found if isinstance(found, type) else None


def one_cycle(peak: float, *, steps: int, warmup: float = 0.3, start: float = 0.04, end: float = 0.0001) -> CosineDecay:
    """Return a one-cycle schedule: linear warm-up to the peak, then cosine decay.

    ::

        rate(t) = peak (start + (1 - start) t / w)                                    t < w = warmup steps
        rate(t) = peak (end + (1 - end) (1 + cos(pi (t - w) / (steps - w))) / 2)      otherwise

    Args:
        peak: The highest rate.
        steps: Number of steps of the whole training.
        warmup: The share of the steps before the peak.
        start: The first rate, as a share of the peak.
        end: The last rate, as a share of the peak.

    Raises:
        ValueError: A share is not between 0 and 1, or the peak is not above 0.

    Reference:
        Smith and Topin, "Super-Convergence", 2018.
    """
    return _cosine(peak, steps, warmup=warmup, start=start, end=end)


def cosine(peak: float, *, steps: int, warmup: float = 0.0, end: float = 0.0) -> CosineDecay:
    """Return a cosine decay from the peak, after a linear warm-up from 0 if there is one.

    Args:
        peak: The highest rate.
        steps: Number of steps of the whole training.
        warmup: The share of the steps before the peak.
        end: The last rate, as a share of the peak.

    Raises:
        ValueError: A share is not between 0 and 1, or the peak is not above 0.

    Reference:
        Loshchilov and Hutter, "SGDR", 2017.
    """
    return _cosine(peak, steps, warmup=warmup, start=0.0, end=end)


def _cosine(peak: float, steps: int, *, warmup: float, start: float, end: float) -> CosineDecay:
    for name, share in {"warmup": warmup, "start": start, "end": end}.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must be a share between 0 and 1, got {share}")
    if not peak > 0:
        raise ValueError(f"peak must be above 0, got {peak}")
    rising = min(round(warmup * steps), steps - 1)
    if rising <= 0:
        return CosineDecay(float(peak), max(1, steps), alpha=end)
    return CosineDecay(float(start * peak), steps - rising, alpha=end, warmup_target=float(peak), warmup_steps=rising)


# By their names in experiment files.
SCHEDULES = {"OneCycle": one_cycle, "Cosine": cosine}


# Stands for any number of classes: more than the k of any top-k metric.
_CLASSES = 1000
_EXAMPLES = 2
# So many that strided layers have some left; JAX cannot compare the number of these with another while it is unknown.
_DRY_STEPS = 1024


def dry_run_optimizer(optimizer: keras.Optimizer) -> None:
    """Take one step with an optimizer that is used for nothing else; shapes are computed, no numbers.

    Raises:
        Exception: Keras' own error for its arguments.
    """
    variable = keras.Variable([[0.0] * _CLASSES] * _EXAMPLES)
    optimizer.build([variable])

    def step(gradient: Any) -> Any:
        optimizer.apply([gradient], [variable])
        return gradient

    compute_output_spec(step, keras.KerasTensor(variable.shape))


def dry_run_network(model: keras.Model, inputs: Any) -> tuple[int, int]:
    """Pass a batch through a network; shapes are computed, no numbers.

    Args:
        model: The network.
        inputs: Its symbolic input, or several by name.

    Returns:
        The sizes of the first axes of input and output after the examples: their numbers of steps, if they have any.

    Raises:
        Exception: Keras' own error for its layers.
    """

    def of_known_size(one: Any) -> keras.KerasTensor:
        return keras.KerasTensor((_EXAMPLES, *(size or _DRY_STEPS for size in one.shape[1:])), one.dtype)

    batch = keras.tree.map_structure(of_known_size, inputs)
    output = compute_output_spec(model, batch)
    return keras.tree.flatten(batch)[0].shape[1], output.shape[1]


def dry_run_loss(loss: keras.losses.Loss, *, one_hot: bool) -> None:
    """Compare targets with outputs; shapes are computed, no numbers.

    Raises:
        Exception: Keras' own error for its arguments.
    """
    compute_output_spec(loss, _targets(one_hot=one_hot), _outputs())


def dry_run_metric(metric: keras.metrics.Metric, *, one_hot: bool) -> None:
    """Update a metric with targets and outputs; shapes are computed, no numbers.

    Raises:
        Exception: Keras' own error for its arguments.
    """

    def update(targets: Any, outputs: Any) -> Any:
        metric.update_state(targets, outputs)
        return metric.result()

    compute_output_spec(update, _targets(one_hot=one_hot), _outputs())


def layer_sizes(
    layers: Iterable[keras.Layer], shape: tuple[int | None, ...]
) -> Iterator[tuple[int, tuple[int | None, ...]]]:
    """Yield the number of weights of each layer of a chain, and the shape of its output; none of them is allocated.

    Args:
        layers: New layers, which are built here and are of no use afterwards.
        shape: The shape of the first layer's input.

    Raises:
        Exception: Keras' own error for shapes that do not fit.
    """
    for layer in layers:
        with unallocated():
            if not layer.built:
                layer.build(shape)
            shape = layer.compute_output_shape(shape)
        yield count_weights(layer), shape


def count_weights(layer: keras.Layer) -> int:
    """Return the number of weights of a layer or model, as a whole number of any size."""
    return sum(math.prod(variable.shape) for variable in layer.weights)


@contextmanager
def unallocated() -> Iterator[None]:
    """Let layers be built in this block without memory for their weights; they are of no use afterwards."""
    uninitialized = list(global_state.get_global_attribute("uninitialized_variables", [], set_to_default=True))
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute("uninitialized_variables", uninitialized)


def _targets(*, one_hot: bool) -> keras.KerasTensor:
    shape, dtype = ((_EXAMPLES, _CLASSES), "float32") if one_hot else ((_EXAMPLES,), "int32")
    return keras.KerasTensor(shape, dtype=dtype)


def _outputs() -> keras.KerasTensor:
    return keras.KerasTensor((_EXAMPLES, _CLASSES))


# The errors that Keras raises for arguments and shapes that it cannot take.
REFUSALS = (
    ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError, ImportError, MemoryError
)  # fmt: skip

# The modules of the classes of arguments.
_WITHIN = (
    *MODULES["layer"],
    keras.regularizers,
    keras.initializers,
    keras.constraints,
    keras.optimizers.schedules,
    keras.optimizers,
)
_PARTS = (
    keras.Layer,
    keras.Regularizer,
    keras.Initializer,
    keras.constraints.Constraint,
    keras.optimizers.schedules.LearningRateSchedule,
    keras.optimizers.Optimizer,
)
_NAMED = {
    "activation": keras.activations,
    "initializer": keras.initializers,
    "regularizer": keras.regularizers,
    "constraint": keras.constraints,
}
_LONGEST_QUOTE = 240
# Arguments that become the length of the training where the file leaves them out.
_STEPS = ("steps", "decay_steps")


@dataclass(frozen=True)
class ComponentBuilder:
    """Builder of the layers, optimizer, loss and metrics of one experiment.

    Every method raises InvalidSetting where a class or an argument does not exist or is not possible.

    Attributes:
        config: The experiment.
        steps: Number of steps of the whole training, for schedules; any number if nothing is trained.
    """

    config: ExperimentConfig
    steps: int = 1000

    def layer(self, path: LayerPath, **arguments: Any) -> keras.Layer:
        """Return the layer at a path, not yet applied to an input.

        Args:
            path: A key of ``ExperimentConfig.layers``.
            arguments: More arguments of the layer, if the file does not set them.
        """
        entry = self.config.layers[path]
        return self._make(Component.model_validate({entry.name: {**arguments, **entry.arguments}}), "layer", path)

    def optimizer(self) -> keras.Optimizer:
        """Return the optimizer with its schedule."""
        optimizer = self.config.training.optimizer
        return self._make(optimizer, "optimizer", ("training", "optimizer"))

    def loss(self, *, from_logits: bool, is_weighted: bool = False) -> keras.losses.Loss:
        """Return the loss.

        Args:
            from_logits: True if the network ends in logits; an argument in the file takes precedence.
            is_weighted: True if steps have weights, by whose sum the loss of a batch is then divided.
        """
        entry = self._loss_entry()
        kind = self._find(entry, "loss", ("training", "loss"))
        arguments = dict(entry.arguments)
        if "from_logits" in inspect.signature(kind).parameters:
            arguments.setdefault("from_logits", from_logits)
        if is_weighted:
            arguments.setdefault("reduction", "mean_with_sample_weight")
        return self._instance(kind, arguments, ("training", "loss", entry.name))

    def dry_run(self) -> None:
        """Make optimizer, loss and metrics and let them take a step, so that no error waits for the training."""
        training, loss_entry = self.config.training, self._loss_entry()
        one_hot = not loss_entry.name.startswith("Sparse")
        optimizer, loss = self.optimizer(), self.loss(from_logits=False)
        self._accepted(lambda: dry_run_optimizer(optimizer), ("training", "optimizer"), training.optimizer)
        self._accepted(lambda: dry_run_loss(loss, one_hot=one_hot), ("training", "loss"), loss_entry)
        for index, metric in enumerate(self.metrics()):
            if isinstance(metric, keras.metrics.Metric):
                rehearsed = partial(dry_run_metric, metric, one_hot=one_hot)
                self._accepted(rehearsed, ("training", "metrics", index), self._metric_entries()[index])

    def metrics(self) -> list[Any]:
        """Return the metrics; ``accuracy`` stays a word, which Keras turns into the one that fits the targets."""
        return [
            entry.name
            if entry.name == "accuracy" and not entry.arguments
            else self._make(entry, "metric", ("training", "metrics", index))
            for index, entry in enumerate(self._metric_entries())
        ]

    def _loss_entry(self) -> Component:
        assert self.config.training.loss is not None, "the task fills it in"
        return self.config.training.loss

    def _metric_entries(self) -> tuple[Component, ...]:
        assert self.config.training.metrics is not None, "the task fills them in"
        return self.config.training.metrics

    def _make(self, entry: Component, what: str, path: tuple[Any, ...]) -> Any:
        kind = self._find(entry, what, path)
        return self._instance(kind, entry.arguments, (*path, entry.name))

    def _find(self, entry: Component, what: str, path: tuple[Any, ...]) -> type:
        if entry.name in ("Input", "InputLayer"):
            raise InvalidSetting(
                f"{self.config.where(*path, entry.name)}: the input is no layer of the network. "
                "Leave it out: the shape comes from the data."
            )
        self._check_runs_no_code(entry.name, (*path, entry.name))
        known = known_classes(what)
        if entry.name in known:
            return known[entry.name]
        remedy = did_you_mean(entry.name, known) or f" Choose a class of {MODULES[what][-1].__name__}."
        raise InvalidSetting(f'{self.config.where(*path)}: unknown {what} "{entry.name}".{remedy}')

    def _check_runs_no_code(self, name: str, path: tuple[Any, ...]) -> None:
        if name in RUN_FOREIGN_CODE:
            raise InvalidSetting(
                f"{self.config.where(*path)}: {name} runs code that is not in the experiment, which is refused because "
                "an experiment may come from anybody. Use another layer, or build the network in Python."
            )

    def _instance(self, kind: Callable[..., Any], arguments: Mapping[str, Any], path: tuple[Any, ...]) -> Any:
        """Return an instance, its arguments checked against the signature first."""
        self._check_arguments(kind, arguments, path)
        values = {name: self._value(value, (*path, name)) for name, value in arguments.items()}
        parameters = inspect.signature(kind).parameters
        for name, value in values.items():
            if type(value) is int and isinstance(parameters[name].default if name in parameters else None, float):
                values[name] = float(value)
        values = {**{name: self.steps for name in _STEPS if name in parameters}, **values}
        try:
            return kind(**values)
        except REFUSALS as error:
            raise self._refusal(error, arguments, path) from error

    def _accepted(self, call: Callable[[], None], path: tuple[Any, ...], entry: Component) -> None:
        """Run a check of Keras' own and report its error as that of a component."""
        try:
            call()
        except REFUSALS as error:
            raise self._refusal(error, entry.arguments, (*path, entry.name)) from error

    def _refusal(self, error: Exception, arguments: Mapping[str, Any], path: tuple[Any, ...]) -> InvalidSetting:
        return InvalidSetting(
            f"{self.config.where(*path)}: Keras does not accept the arguments {one_line(dict(arguments))} "
            f"({one_line(error)}). See the documentation of {path[-1]}."
        )

    def _check_arguments(self, kind: Callable[..., Any], arguments: Mapping[str, Any], path: tuple[Any, ...]) -> None:
        parameters = inspect.signature(kind).parameters
        known = argument_names(kind)
        for name in arguments:
            if name not in known:
                remedy = did_you_mean(name, known) or f" Choose among: {', '.join(known)}."
                if name in ("input_shape", "batch_input_shape", "input_dim"):
                    remedy = " Leave it out: the shape comes from the data."
                raise InvalidSetting(f'{self.config.where(*path)}: unknown argument "{name}".{remedy}')
        for name, parameter in parameters.items():
            if name in arguments:
                self._check_kind(name, arguments[name], parameter.default, (*path, name))
            elif name in known and parameter.default is parameter.empty and name not in _STEPS:
                raise InvalidSetting(f'{self.config.where(*path)}: the argument "{name}" is missing. Add it.')

    def _check_kind(self, name: str, value: Any, default: Any, path: tuple[Any, ...]) -> None:
        """Refuse a value of another type than the default's; Keras accepts some of them and fails later."""
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
        elif name == "vocabulary" and isinstance(value, str):
            expected = "a list of words, since a layer reads no file"
        if expected:
            where = self.config.where(*path)
            raise InvalidSetting(f"{where}: expected {expected}, got {describe_value(value)}.")
        if isinstance(value, str):
            self._check_name(name, value, path)

    def _check_name(self, argument: str, value: str, path: tuple[Any, ...]) -> None:
        """Refuse a word that is no activation, initializer, regularizer or constraint."""
        kind = next((kind for kind in _NAMED if argument.endswith(kind)), None)
        if kind is None:
            return
        try:
            _NAMED[kind].get(value)
        except REFUSALS:
            known = [name for name in dir(_NAMED[kind]) if name.islower() and not name.startswith("_")]
            remedy = did_you_mean(value, known) or f" Choose one of {_NAMED[kind].__name__}."
            raise InvalidSetting(f'{self.config.where(*path)}: unknown {kind} "{value}".{remedy}') from None

    def _value(self, value: Any, path: tuple[Any, ...]) -> Any:
        """Return an argument's value; ``{Class: {...}}`` becomes an instance, such as the layer in a Bidirectional.

        Keras would take other mappings as classes too, of any module that they name.
        """
        if isinstance(value, list | tuple):
            return [self._value(part, (*path, index)) for index, part in enumerate(value)]
        if not isinstance(value, Mapping):
            return value
        name, arguments = next(iter(value.items())) if len(value) == 1 else ("", None)
        if not isinstance(name, str) or not isinstance(arguments, Mapping | None) or not name[:1].isupper():
            raise InvalidSetting(
                f"{self.config.where(*path)}: expected a value, or a class with its arguments as in "
                f"{{L2: {{l2: 0.01}}}}, got {one_line(dict(value))}. Write it so."
            )
        self._check_runs_no_code(name, (*path, name))
        first = [module for kind, module in _NAMED.items() if str(path[-1]).endswith(kind)]
        found = SCHEDULES.get(name) or find_class((*first, *_WITHIN), name)
        if found is None or (isinstance(found, type) and not issubclass(found, _PARTS)):
            known = [*SCHEDULES, *(known for module in _WITHIN for known in dir(module) if known[:1].isupper())]
            remedy = did_you_mean(name, known) or " Name a class of Keras."
            raise InvalidSetting(f'{self.config.where(*path)}: unknown class "{name}".{remedy}')
        return self._instance(found, arguments or {}, (*path, name))


def depends_on_length(config: ExperimentConfig) -> bool:
    """Return True if the learning rate follows a schedule that is as long as the training."""
    rate = config.training.optimizer.arguments.get("learning_rate")
    if not isinstance(rate, Mapping):
        return False
    name, arguments = next(iter(rate.items()))
    return name in SCHEDULES or "decay_steps" not in (arguments or {})


def one_line(message: object) -> str:
    """Return a message of Keras', which may have many lines and its own explanation, on one line."""
    text = str(message).split("\n\nArguments received by")[0]
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(r"\s+", " ", text).strip().rstrip(".")
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"
