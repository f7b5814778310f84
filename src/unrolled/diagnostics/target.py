"""Targets of a diagnosis: a network with its data, from an experiment, a run, or a model and arrays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from unrolled.config.experiment import ExperimentConfig, recipes
from unrolled.data.texts import Texts
from unrolled.data.token_lists import TokenLists
from unrolled.diagnostics.examples import Examples, Labels, as_examples, hash_arrays, hash_lists, labels_of
from unrolled.diagnostics.locations import ExperimentLocations, Locations, ModelLocations
from unrolled.errors import InvalidInput, InvalidSetting, RunError, did_you_mean
from unrolled.model.build import check_memory, resolve
from unrolled.runs.run import Run
from unrolled.tasks.base import Task
from unrolled.tasks.preprocessing import SeriesPreprocessor, TextPreprocessor
from unrolled.tasks.registry import load_task
from unrolled.training.trainer import build_seeded

import keras
import numpy as np
from numpy.typing import NDArray

Pair = tuple[NDArray[Any], NDArray[Any]]
MAX_EXAMPLES = 100_000
"""The number of examples of each split that are examined at most."""


@dataclass(frozen=True, kw_only=True)
class DiagnosticTarget:
    """A network, its data, and the settings of its training.

    Attributes:
        model: The network, compiled.
        untrained: Returns the same network with its initial weights.
        locations: Names locations and fixes.
        train: The training examples.
        held_out: The other examples, by the name of their split.
        class_names: The names of the classes; empty if none are known.
        train_order: The order in which the training examples are first given to the network.
        batch_size: Examples per step.
        has_class_weights: True if rare classes are weighted already.
        has_missing_values: True if NaN stands for a missing value or padding.
        has_quantities: True if inputs are quantities whose means can be compared, and not numbers of tokens.
        has_classes: True if targets that look like classes are classes.
        originals: The texts or lists of words of a split by its name; different ones may have the same numbers.
        task: The task of an experiment or a run; None for a model and its arrays.
        run: The run whose trained network it is; None for an untrained one.
    """

    model: Any
    untrained: Callable[[], Any]
    locations: Locations
    train: Examples
    held_out: Mapping[str, Examples]
    class_names: tuple[str, ...]
    train_order: NDArray[np.int64]
    batch_size: int
    has_class_weights: bool = False
    has_missing_values: bool = False
    has_quantities: bool = True
    has_classes: bool = True
    originals: Mapping[str, Texts | TokenLists] = field(default_factory=dict)
    task: Task | None = None
    run: Run | None = None

    def first_examples(self, examples: int) -> Examples:
        """Return the training examples that the network is given first, in that order."""
        return self.train.select(self.train_order[:examples])

    @property
    def rules_left_out(self) -> tuple[str, ...]:
        """The codes of the rules that say nothing about the task."""
        return () if self.task is None else self.task.rules_left_out

    @cached_property
    def labels(self) -> Labels | None:
        """The classes of the training examples, or of their steps."""
        return self.train.labels if self.has_classes else None

    @cached_property
    def train_hashes(self) -> list[bytes]:
        """The hashes of the training examples."""
        return self.hashes("train", self.train)

    def hashes(self, name: str, examples: Examples) -> list[bytes]:
        """Return the hashes of the examples of a split; equal examples have equal hashes."""
        return hash_lists(self.originals[name]) if name in self.originals else hash_arrays(examples.inputs)

    def class_name(self, index: int) -> str:
        """Return the name of a class; its index if it has none."""
        return self.class_names[index] if index < len(self.class_names) else str(index)


def target_of_model(
    model: Any,
    inputs: NDArray[Any],
    targets: NDArray[Any],
    *,
    test: Pair | None = None,
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int = 0,
) -> DiagnosticTarget:
    """Make a target of a compiled model with one input and one output, which counts as untrained.

    Raises:
        InvalidInput: The model is not compiled or not of that form, or the arrays do not fit together.
    """
    if not isinstance(model, keras.Model):
        raise InvalidInput(f"diagnose: expected a keras.Model, got {type(model).__name__}. Pass a model and its data.")
    if not getattr(model, "compiled", False):
        raise InvalidInput("diagnose: the model is not compiled. Call model.compile first.")
    inputs, targets = np.asarray(inputs), np.asarray(targets)
    if inputs.dtype.kind not in "biuf" or inputs.ndim < 2 or len(inputs) != len(targets) or not len(inputs):
        raise InvalidInput(
            f"diagnose: expected numeric inputs [B, ...] and B targets, got {inputs.dtype} {list(inputs.shape)} and "
            f"{list(targets.shape)}. Pass the arrays that the model is trained on."
        )
    if not model.built:
        model(keras.ops.convert_to_tensor(inputs[:1]))
    ends = [len(getattr(model, name, None) or [0]) for name in ("inputs", "outputs")]
    if ends != [1, 1]:
        raise InvalidInput(
            f"diagnose: expected a model with 1 input and 1 output, got {ends[0]} and {ends[1]}. "
            "Diagnose its branches as models of their own."
        )
    indices = np.arange(len(targets))
    labels = labels_of(targets)
    return DiagnosticTarget(
        model=model,
        untrained=lambda: model,
        locations=ModelLocations(),
        train=Examples(inputs, targets),
        held_out={} if test is None else {"test": Examples(*map(np.asarray, test))},
        class_names=() if labels is None else tuple(str(index) for index in range(int(labels.max()) + 1)),
        train_order=np.random.default_rng(seed).permutation(indices) if shuffle else indices,
        batch_size=batch_size,
    )


def find_target(source: str | Path, overrides: Sequence[str], runs: Path) -> DiagnosticTarget:
    """Find the target of a recipe's name, an experiment file, or a run as ``Run.find`` takes it.

    Raises:
        InvalidSetting: A setting is not possible, or overrides are given for a run.
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
            f"--set: a trained network cannot be changed. Examine its experiment instead: "
            f"unrolled doctor {run.path / 'experiment.yaml'} --set {overrides[0]}"
        )
    return target_of_run(run)


def target_of_experiment(config: ExperimentConfig) -> DiagnosticTarget:
    """Make a target of an experiment's untrained network and its data."""
    task = load_task(config)
    resolved = resolve(config, task)
    check_memory(resolved, task)
    model = build_seeded(resolved, task)
    return _target(resolved, task, model, untrained=lambda: model)


def target_of_run(run: Run) -> DiagnosticTarget:
    """Make a target of a run's trained network and the data that it was trained on."""
    return _target(run.config, run.task, run.model, untrained=lambda: build_seeded(run.config, run.task), run=run)


def _target(
    config: ExperimentConfig, task: Task, model: Any, *, untrained: Callable[[], Any], run: Run | None = None
) -> DiagnosticTarget:
    training, preprocessor = config.training, task.preprocessor
    if config.inputs:
        raise InvalidInput(
            f"{config.where('inputs')}: doctor: expected a network with one input, got {len(config.inputs)}. "
            "Examine its branches as networks of their own."
        )
    # The first examples of the training; the first of the file may all be of one class.
    order = task.batches(epochs=training.epochs).order(0)[:MAX_EXAMPLES]
    splits = {"train": task.train}
    if task.validation is not None and training.validation != "test":
        splits["validation"] = task.validation
    splits["test"] = task.encode_test_as_training()
    chosen = {name: np.arange(min(split.size, MAX_EXAMPLES)) for name, split in splits.items()}
    chosen["train"] = np.sort(order)
    splits = {name: split.select(chosen[name]) for name, split in splits.items()}
    examples = as_examples(splits, task.one_hot_classes)
    return DiagnosticTarget(
        model=model,
        untrained=untrained,
        locations=ExperimentLocations(config),
        train=examples.pop("train"),
        held_out=examples,
        class_names=task.class_names,
        train_order=np.searchsorted(np.sort(order), order),
        batch_size=training.batch_size,
        has_class_weights=task.class_weights is not None,
        has_missing_values=isinstance(preprocessor, SeriesPreprocessor),
        has_quantities=not isinstance(preprocessor, TextPreprocessor) and not getattr(preprocessor, "by_window", False),
        has_classes=bool(task.class_names),
        originals={name: words[chosen[name]] for name, words in task.originals.items() if name in chosen},
        task=task,
        run=run,
    )
