"""What the tasks have in common, seen by everything that trains and measures."""

from dataclasses import dataclass
from typing import Any, Protocol

from unrolled.config.experiment import ExperimentConfig
from unrolled.data.dataset import Dataset, Split
from unrolled.errors import InvalidSetting, did_you_mean
from unrolled.tasks.baselines import Figures
from unrolled.tasks.batches import EvaluationBatches, TrainingBatches, balanced_weights
from unrolled.tasks.metrics import Evaluation
from unrolled.tasks.preprocessing import Preprocessor

import keras
import numpy as np
from numpy.typing import NDArray


class Task(Protocol):
    """From a data set to examples, and from what a network says to figures."""

    def divide(self, data: Dataset, experiment: ExperimentConfig) -> tuple[Split, Split | None]:
        """The examples to learn from and those to watch, as the data set has them."""

    def fit(self, data: Dataset, learned: Split, experiment: ExperimentConfig) -> Preprocessor:
        """The encoding, fitted on the examples to learn from."""

    def encode(self, split: Split, encoding: Preprocessor, experiment: ExperimentConfig) -> Split:
        """The examples as the network takes them."""

    def measured(self, data: Dataset, encoding: Preprocessor, experiment: ExperimentConfig) -> Split:
        """The test examples as the network takes them."""

    def outputs(self, data: Dataset, encoding: Preprocessor, experiment: ExperimentConfig) -> int:
        """How many values the network gives, for each example or each step."""

    def say(self, model: keras.Model, measured: Split, batch_size: int) -> NDArray[np.float32]:
        """What a network says of the test examples, as ``measure`` takes it."""

    def measure(
        self,
        outputs: NDArray[Any],
        measured: Split,
        data: Dataset,
        encoding: Preprocessor,
        experiment: ExperimentConfig,
    ) -> Evaluation:
        """The figures of what a network said of the test examples."""

    def baselines(self, data: Dataset, encoding: Preprocessor, experiment: ExperimentConfig) -> Figures:
        """The figures of simple methods on the same examples."""


def task_of(experiment: ExperimentConfig) -> Task:
    """The task that an experiment names."""
    from unrolled.tasks import classification as classify
    from unrolled.tasks import forecasting as forecast
    from unrolled.tasks import generation as generate

    tasks: dict[str, Task] = {}
    tasks["classify"], tasks["generate"], tasks["forecast"] = classify.CLASSIFY, generate.GENERATE, forecast.FORECAST
    return tasks[experiment.task]


@dataclass(frozen=True)
class Examples:
    """What a training has to do with of its data, as the network takes it.

    Attributes:
        task: What is done with it.
        encoding: How it was encoded.
        learned: The examples to learn from.
        watched: Those to watch after each epoch, if any.
        weights: [classes] how much an example of each class counts, or None.
        classes: How many classes there are where targets are to be one-hot, or None.
    """

    task: Task
    encoding: Preprocessor
    learned: Split
    watched: Split | None
    weights: NDArray[np.float32] | None
    classes: int | None

    def validation_data(self, batch_size: int) -> EvaluationBatches | None:
        """What Keras validates on."""
        return None if self.watched is None else EvaluationBatches(self.watched, batch_size, classes=self.classes)

    @property
    def notes(self) -> list[str]:
        """What became of the data when it was encoded."""
        return list(self.encoding.notes)

    def batches(self, experiment: ExperimentConfig, *, epochs: int, start: int = 0) -> TrainingBatches:
        """What the network is given, in the order of an experiment's seed and varied as it says.

        Args:
            experiment: Whose training.
            epochs: How many times each example is seen.
            start: The batch of the whole training that comes first.
        """
        training = experiment.training
        return TrainingBatches(
            self.learned,
            batch_size=training.batch_size,
            epochs=epochs,
            seed=experiment.seed,
            start=start,
            shift=training.augment.shift if training.augment else 0,
            weights=self.weights,
            classes=self.classes,
            padding=training.padding,
        )


def choose_examples(data: Dataset, experiment: ExperimentConfig, encoding: Preprocessor | None = None) -> Examples:
    """Divide and weigh the examples as an experiment says.

    Args:
        data: All of them.
        experiment: What is to be learned.
        encoding: That of a training that has begun; otherwise it is fitted.

    Raises:
        InvalidSetting: A class weight is of no class, or images are to be shifted that are none.
    """
    training = experiment.training
    if training.augment and (data.kind != "arrays" or data.train.inputs.ndim != 3):
        shape = ["B", *data.example_shape]
        raise InvalidSetting(
            f"{experiment.where('training', 'augment')}: expected images [B, height, width] to shift, got {shape}. "
            "Leave out the setting."
        )
    task = task_of(experiment)
    learned, watched = task.divide(data, experiment)
    encoding = encoding or task.fit(data, learned, experiment)
    takes_indices = experiment.task != "classify" or training.loss.name.startswith("Sparse")
    return Examples(
        task,
        encoding,
        task.encode(learned, encoding, experiment),
        None if watched is None else task.encode(watched, encoding, experiment),
        _weights(learned, data.classes, experiment),
        None if takes_indices else len(data.classes),
    )


def _weights(learned: Split, classes: tuple[str, ...], experiment: ExperimentConfig) -> NDArray[np.float32] | None:
    weights = experiment.training.class_weights
    if weights is None:
        return None
    if weights == "balanced":
        return balanced_weights(learned.targets, len(classes))
    for name in weights:
        if name not in classes:
            remedy = did_you_mean(name, classes) or f" Choose among: {', '.join(classes[:20])}."
            where = experiment.where("training", "class_weights")
            raise InvalidSetting(f'{where}: unknown class "{name}".{remedy}')
    return np.array([weights.get(name, 1.0) for name in classes], dtype=np.float32)


def named_part(data: Dataset, experiment: ExperimentConfig) -> Split | None:
    """The part to watch that a word names: ``test``, ``given``, or ``none``.

    Raises:
        InvalidSetting: The data set has none for validation.
    """
    if experiment.training.validation != "given":
        return data.test if experiment.training.validation == "test" else None
    if data.validation is None:
        raise InvalidSetting(
            f"{experiment.where('training', 'validation')}: expected data with a part for validation, got {data.name} "
            "without one. Set validation: 0.1"
        )
    return data.validation
