"""Targets of a diagnosis: a network with its data, from an experiment, a run, or a model and arrays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

from unrolled.config.experiment import ExperimentConfig, recipes
from unrolled.data.dataset import Split
from unrolled.data.ragged import lengths, pad
from unrolled.diagnostics.locations import ExperimentLocations, Locations, ModelLocations
from unrolled.errors import InvalidInput, InvalidSetting, RunError, did_you_mean
from unrolled.model.build import check_memory, resolve
from unrolled.runs.run import Run
from unrolled.tasks.base import Task
from unrolled.tasks.batches import one_hot
from unrolled.tasks.preprocessing import SeriesPreprocessor, TextPreprocessor
from unrolled.tasks.registry import load_task
from unrolled.training.trainer import build_seeded

import keras
import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
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
        task: The task of an experiment or a run; None for a model and its arrays.
        run: The run whose trained network it is; None for an untrained one.
    """

    model: Any
    untrained: Callable[[], Any]
    locations: Locations
    train: Split
    held_out: Mapping[str, Split]
    class_names: tuple[str, ...]
    train_order: NDArray[np.int64]
    batch_size: int
    has_class_weights: bool = False
    has_missing_values: bool = False
    has_quantities: bool = True
    has_classes: bool = True
    task: Task | None = None
    run: Run | None = None

    def first_examples(self, examples: int) -> Split:
        """Return the training examples that the network is given first, in that order."""
        return self.train.select(self.train_order[:examples])

    @cached_property
    def labels(self) -> Labels | None:
        """The classes of the training examples, as `labels_of` returns them."""
        return labels_of(self.train.targets) if self.has_classes else None

    @cached_property
    def train_hashes(self) -> list[bytes]:
        """The hashes of the training examples."""
        return hash_examples(self.train.inputs)

    def class_name(self, index: int) -> str:
        """Return the name of a class; its index if it has none."""
        return self.class_names[index] if index < len(self.class_names) else str(index)


def labels_of(targets: NDArray[Any]) -> Labels | None:
    """Return the class index of each example, [B]; None if the targets are not classes of examples.

    Args:
        targets: Indices [B] or [B, 1], or one-hot rows [B, classes].
    """
    if targets.ndim == 2 and targets.shape[1] > 1:
        is_one_hot = ((targets == 0) | (targets == 1)).all() and (targets.sum(axis=1) == 1).all()
        return targets.argmax(axis=1) if is_one_hot else None
    flat = targets.reshape(-1) if targets.ndim == 2 else targets
    if flat.ndim != 1 or not np.isfinite(flat).all() or not (flat == np.floor(flat)).all() or (flat < 0).any():
        return None
    # Many different whole numbers stored as floats are counts to predict, not classes.
    is_few = flat.dtype.kind in "iub" or len(np.unique(flat)) <= 20
    return flat.astype(np.int64) if is_few else None


def hash_examples(inputs: NDArray[Any]) -> list[bytes]:
    """Hash the bytes of each example; equal examples have equal hashes."""
    return [blake2b(np.ascontiguousarray(example).tobytes(), digest_size=16).digest() for example in inputs]


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
        train=Split(inputs, targets),
        held_out={} if test is None else {"test": Split(*map(np.asarray, test))},
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
    if task.weighs_steps:
        raise InvalidInput(
            f"{config.where('data')}: doctor: expected a target for each example, got the task {task.name}, which has "
            "one at each step and is not examined yet. The report compares with the baselines: unrolled report"
        )
    if config.inputs:
        raise InvalidInput(
            f"{config.where('inputs')}: doctor: expected a network with one input, got {len(config.inputs)}. "
            "Examine its branches as networks of their own."
        )
    # The first examples of the training; the first of the file may all be of one class.
    order = task.batches(epochs=training.epochs).order(0)[:MAX_EXAMPLES]
    splits = {"train": task.train.select(np.sort(order))}
    if task.validation is not None and training.validation != "test":
        splits["validation"] = task.validation
    splits["test"] = task.encode_test_as_training()
    splits = {name: split.select(np.arange(min(split.size, MAX_EXAMPLES))) for name, split in splits.items()}
    splits = {name: _as_loss_targets(split, task.one_hot_classes) for name, split in _padded(splits).items()}
    return DiagnosticTarget(
        model=model,
        untrained=untrained,
        locations=ExperimentLocations(config),
        train=splits["train"],
        held_out={name: split for name, split in splits.items() if name != "train"},
        class_names=task.class_names,
        train_order=np.searchsorted(np.sort(order), order),
        batch_size=training.batch_size,
        has_class_weights=task.class_weights is not None,
        has_missing_values=isinstance(preprocessor, SeriesPreprocessor),
        has_quantities=not isinstance(preprocessor, TextPreprocessor) and not getattr(preprocessor, "by_window", False),
        has_classes=bool(task.class_names),
        task=task,
        run=run,
    )


def _padded(splits: dict[str, Split]) -> dict[str, Split]:
    """Pad examples of unequal length to arrays, all splits to the same length."""
    ragged = {name: split for name, split in splits.items() if split.inputs.dtype == object}
    length = max((int(lengths(split.inputs).max()) for split in ragged.values()), default=0)
    return splits | {name: Split(pad(split.inputs, length), split.targets) for name, split in ragged.items()}


def _as_loss_targets(split: Split, classes: int | None) -> Split:
    return split if classes is None else Split(split.inputs, one_hot(split.targets, classes).astype(np.int64))
