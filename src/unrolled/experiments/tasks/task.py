"""What the tasks have in common, seen by everything that trains and measures."""

from typing import Any, Protocol

from unrolled.data.dataset import Dataset, Split
from unrolled.experiments.encodings import Encoding
from unrolled.experiments.evaluation import Evaluation
from unrolled.experiments.experiment import Experiment
from unrolled.experiments.tasks.baselines import Figures

import keras
import numpy as np
from numpy.typing import NDArray


class Task(Protocol):
    """From a data set to examples, and from what a network says to figures."""

    def divide(self, data: Dataset, experiment: Experiment) -> tuple[Split, Split | None]:
        """The examples to learn from and those to watch, as the data set has them."""

    def fit(self, data: Dataset, learned: Split, experiment: Experiment) -> Encoding:
        """The encoding, fitted on the examples to learn from."""

    def encode(self, split: Split, encoding: Encoding, experiment: Experiment) -> Split:
        """The examples as the network takes them."""

    def measured(self, data: Dataset, encoding: Encoding, experiment: Experiment) -> Split:
        """The test examples as the network takes them."""

    def outputs(self, data: Dataset, encoding: Encoding, experiment: Experiment) -> int:
        """How many values the network gives, for each example or each step."""

    def say(self, model: keras.Model, measured: Split, batch_size: int) -> NDArray[np.float32]:
        """What a network says of the test examples, as ``measure`` takes it."""

    def measure(
        self, outputs: NDArray[Any], measured: Split, data: Dataset, encoding: Encoding, experiment: Experiment
    ) -> Evaluation:
        """The figures of what a network said of the test examples."""

    def baselines(self, data: Dataset, encoding: Encoding, experiment: Experiment) -> Figures:
        """The figures of simple methods on the same examples."""


def task_of(experiment: Experiment) -> Task:
    """The task that an experiment names."""
    from unrolled.experiments.tasks import classify, forecast, generate

    tasks: dict[str, Task] = {}
    tasks["classify"], tasks["generate"], tasks["forecast"] = classify.CLASSIFY, generate.GENERATE, forecast.FORECAST
    return tasks[experiment.task]
