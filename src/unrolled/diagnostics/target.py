"""How findings name a place, and the setting that would help there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from unrolled.config.experiment import ExperimentConfig, recipes
from unrolled.data.dataset import Dataset, Split, lengths, pad
from unrolled.diagnostics.probe import Part
from unrolled.errors import InvalidInput, InvalidSetting, RunError, did_you_mean
from unrolled.model.build import complete, sizes_of
from unrolled.runs.run import Run
from unrolled.tasks.base import Examples, choose_examples
from unrolled.tasks.batches import one_hot
from unrolled.tasks.preprocessing import SeriesPreprocessor, TextPreprocessor
from unrolled.training.trainer import build

import keras
import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


def labels_of(targets: NDArray[Any]) -> Labels | None:
    """One class index for each example, [B]; None where targets are no classes of examples.

    Args:
        targets: Indices [B] or [B, 1], or one-hot rows [B, classes].
    """
    if targets.ndim == 2 and targets.shape[1] > 1:
        is_one_hot = ((targets == 0) | (targets == 1)).all() and (targets.sum(axis=1) == 1).all()
        return targets.argmax(axis=1) if is_one_hot else None
    flat = targets.reshape(-1) if targets.ndim == 2 else targets
    if flat.ndim != 1 or not np.isfinite(flat).all() or not (flat == np.floor(flat)).all() or (flat < 0).any():
        return None
    # Whole numbers stored as floats are classes only where they are few: a count to predict is none.
    is_few = flat.dtype.kind in "iub" or len(np.unique(flat)) <= 20
    return flat.astype(np.int64) if is_few else None


class Places:
    """Lines of an experiment's file and ``--set`` for it, or layers and arguments of a model.

    Args:
        experiment: What the model was built from, its layers in the order of ``network``; None for any other model.
    """

    def __init__(self, experiment: ExperimentConfig | None):
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


MOST_EXAMINED = 100_000
"""How many examples of each part are looked at."""
Pair = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class DiagnosticTarget:
    """A network, its data, and how it is or was trained.

    Attributes:
        model: The network, compiled.
        is_trained: Whether it has learned already.
        fresh: Gives the same network as it was before it learned.
        places: How to name a place in it.
        learned: The examples that it learns from.
        held: The examples held out, by the name of their part.
        class_names: The names of the classes; empty where none are known.
        order: The order in which the examples are given to it first.
        batch_size: Examples per step.
        weighs_classes: Whether rare classes count more than others already.
        has_gaps: Whether NaN is what is missing, or padding.
        is_measure: Whether inputs are quantities whose means can be compared, and no numbers of tokens.
    """

    model: Any
    is_trained: bool
    fresh: Callable[[], Any]
    places: Places
    learned: Split
    held: Mapping[str, Split]
    class_names: tuple[str, ...]
    order: NDArray[np.int64]
    batch_size: int
    weighs_classes: bool = False
    has_gaps: bool = False
    is_measure: bool = True

    def sample(self, examples: int) -> Split:
        """The first examples that the network is given."""
        return self.learned.select(self.order[:examples])


def find_target(source: str | Path, overrides: Sequence[str], runs: Path) -> DiagnosticTarget:
    """The subject of a recipe's name, an experiment file, or a run as ``Run.find`` knows it.

    Raises:
        InvalidSetting: The experiment says something impossible, or settings are given for a run.
        RunError: There is no such recipe, file or run.
    """
    is_file = Path(source).is_file() or Path(source).suffix in (".yaml", ".yml")
    if str(source) in recipes() or is_file:
        return target_of_experiment(ExperimentConfig.load(source, overrides=overrides))
    try:
        run = Run.find(str(source), runs)
    except RunError as error:
        suggestion = did_you_mean(str(source), recipes())
        if str(source) == "latest" or not suggestion:
            raise
        raise RunError(f'doctor: unknown recipe or run "{source}".{suggestion}') from error
    if overrides:
        raise InvalidSetting(
            f"--set: expected none for a trained network, got {overrides[0]}. "
            f"Examine its experiment instead: unrolled doctor {run.path / 'experiment.yaml'} --set {overrides[0]}"
        )
    return target_of_run(run)


def target_of_experiment(experiment: ExperimentConfig) -> DiagnosticTarget:
    """A network that has learned nothing yet."""
    data = experiment.load_data()
    examples = choose_examples(data, experiment)
    model = build(experiment, data, examples)
    return _of(experiment, data, examples, model, is_trained=False, fresh=lambda: model)


def target_of_run(run: Run) -> DiagnosticTarget:
    """A trained network with the data that it learned from."""
    data = run.config.load_data()
    examples = choose_examples(data, run.config, run.encoding)
    return _of(
        run.config,
        data,
        examples,
        run.model,
        is_trained=True,
        fresh=lambda: build(run.config, data, examples),
    )


def target_of_model(
    model: Any,
    inputs: NDArray[Any],
    targets: NDArray[Any],
    *,
    test: Pair | None = None,
    batch_size: int = 32,
    shuffled: bool = True,
    seed: int = 0,
) -> DiagnosticTarget:
    """Any compiled model of one input and one output, taken as one that has learned nothing yet.

    Raises:
        InvalidInput: The model is not compiled or not of that form, or the arrays do not fit together.
    """
    if not isinstance(model, keras.Model):
        raise InvalidInput(f"diagnose: expected a keras.Model, got {type(model).__name__}. Pass a model and its data.")
    if not getattr(model, "compiled", False):
        raise InvalidInput("diagnose: expected a compiled model, got one without a loss. Call model.compile first.")
    inputs, targets = np.asarray(inputs), np.asarray(targets)
    if inputs.dtype.kind not in "biuf" or inputs.ndim < 2 or len(inputs) != len(targets) or not len(inputs):
        raise InvalidInput(
            f"diagnose: expected numbers [B, ...] and as many targets, got {inputs.dtype} {list(inputs.shape)} and "
            f"{list(targets.shape)}. Pass the arrays that the model is trained on."
        )
    if not model.built:
        model(keras.ops.convert_to_tensor(inputs[:1]))
    ends = [len(getattr(model, name, None) or [0]) for name in ("inputs", "outputs")]
    if ends != [1, 1]:
        raise InvalidInput(
            f"diagnose: expected a model of one input and one output, got {ends[0]} and {ends[1]}. "
            "Examine its parts one by one."
        )
    held = {} if test is None else {"test": Split(*map(np.asarray, test))}
    indices = np.arange(len(targets))
    order = np.random.default_rng(seed).permutation(indices) if shuffled else indices
    known = labels_of(targets)
    names = () if known is None else tuple(str(index) for index in range(int(known.max()) + 1))
    split = Split(inputs, targets)
    return DiagnosticTarget(model, False, lambda: model, Places(None), split, held, names, order, batch_size)


def _of(
    experiment: ExperimentConfig,
    data: Dataset,
    examples: Examples,
    model: Any,
    *,
    is_trained: bool,
    fresh: Callable[[], Any],
) -> DiagnosticTarget:
    training = experiment.training
    # The first that it would learn from; of the file they are no beginning, which may be of one class.
    order = examples.batches(experiment, epochs=training.epochs).order(0)[:MOST_EXAMINED]
    parts = {"train": examples.learned.select(np.sort(order))}
    if examples.watched is not None and training.validation != "test":
        parts["validation"] = examples.watched
    # A text is measured in longer pieces than it is learned in, which cannot be compared with those.
    in_pieces = experiment.task == "generate"
    encode = partial(examples.task.encode, data.test) if in_pieces else partial(examples.task.measured, data)
    parts["test"] = encode(examples.encoding, experiment)
    parts = {part: split.select(np.arange(min(split.size, MOST_EXAMINED))) for part, split in parts.items()}
    held = {part: _as_the_loss_takes_them(split, examples.classes) for part, split in _padded(parts).items()}
    return DiagnosticTarget(
        model,
        is_trained,
        fresh,
        Places(complete(experiment, sizes_of(experiment, data, examples.encoding))),
        held.pop("train"),
        held,
        data.classes if experiment.task == "classify" else (),
        np.searchsorted(np.sort(order), order),
        training.batch_size,
        examples.weights is not None,
        isinstance(examples.encoding, SeriesPreprocessor),
        not isinstance(examples.encoding, TextPreprocessor) and not getattr(examples.encoding, "relative", False),
    )


def _padded(parts: dict[str, Split]) -> dict[str, Split]:
    """Examples of unequal length as arrays, in all parts of the same length."""
    ragged = {part: split for part, split in parts.items() if split.inputs.dtype == object}
    length = max((int(lengths(split.inputs).max()) for split in ragged.values()), default=0)
    return parts | {part: Split(pad(split.inputs, length), split.targets) for part, split in ragged.items()}


def _as_the_loss_takes_them(split: Split, classes: int | None) -> Split:
    return split if classes is None else Split(split.inputs, one_hot(split.targets, classes).astype(np.int64))
