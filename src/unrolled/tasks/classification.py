"""A class for each example."""

from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.config.sections import Fold
from unrolled.data.dataset import Dataset, Split, fold_out, hold_out
from unrolled.errors import InvalidSetting
from unrolled.tasks.base import named_part
from unrolled.tasks.baselines import Figures, of_classes
from unrolled.tasks.metrics import Evaluation, evaluate
from unrolled.tasks.predict import probabilities
from unrolled.tasks.preprocessing import Preprocessor, fit_preprocessor

import keras
import numpy as np
from numpy.typing import NDArray


class Classify:
    """The most probable class; of a linear last layer, outputs are logits."""

    def divide(self, data: Dataset, experiment: ExperimentConfig) -> tuple[Split, Split | None]:
        """Stratified, by the seed."""
        if not data.classes or (data.kind == "text" and len(data.train.inputs) == 1):
            raise InvalidSetting(
                f"{experiment.where('data')}: expected examples with classes, got one text to continue. "
                "Set task: generate."
            )
        validation = experiment.training.validation
        if isinstance(validation, str):
            return data.train, named_part(data, experiment)
        if isinstance(validation, Fold):
            return fold_out(data.train, validation.fold, validation.of, experiment.seed)
        return hold_out(data.train, validation, experiment.seed)

    def fit(self, data: Dataset, learned: Split, experiment: ExperimentConfig) -> Preprocessor:
        """As the kind of data asks for."""
        return fit_preprocessor(data, learned, experiment.text)

    def encode(self, split: Split, encoding: Preprocessor, experiment: ExperimentConfig) -> Split:
        """Each example by itself."""
        return Split(encoding.encode(split.inputs), split.targets)

    def measured(self, data: Dataset, encoding: Preprocessor, experiment: ExperimentConfig) -> Split:
        """The test part."""
        return self.encode(data.test, encoding, experiment)

    def outputs(self, data: Dataset, encoding: Preprocessor, experiment: ExperimentConfig) -> int:
        """One a class."""
        return len(data.classes)

    def say(self, model: keras.Model, measured: Split, batch_size: int) -> NDArray[np.float32]:
        """The probabilities [B, classes]."""
        return probabilities(model, measured.inputs, batch_size)

    def measure(
        self,
        outputs: NDArray[Any],
        measured: Split,
        data: Dataset,
        encoding: Preprocessor,
        experiment: ExperimentConfig,
    ) -> Evaluation:
        """From the probabilities [B, classes]."""
        return evaluate(outputs, np.asarray(measured.targets), data.classes)

    def baselines(self, data: Dataset, encoding: Preprocessor, experiment: ExperimentConfig) -> Figures:
        """The commonest class, and what fits the kind of data."""
        return of_classes(data)


CLASSIFY = Classify()
