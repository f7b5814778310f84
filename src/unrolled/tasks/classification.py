"""Classification: one class for each example."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.data.dataset import Split
from unrolled.errors import InvalidSetting, did_you_mean
from unrolled.tasks.base import Baselines, Prediction
from unrolled.tasks.baselines import classification_baselines
from unrolled.tasks.batches import balanced_weights
from unrolled.tasks.examples import ExampleTask
from unrolled.tasks.linear import NEEDS_SKLEARN
from unrolled.tasks.metrics import Evaluation, evaluate_classes
from unrolled.tasks.sections import ConfusionSection, Mistake, MistakesSection, Sections, TableSection

import keras
import numpy as np
from numpy.typing import NDArray

MISTAKES_SHOWN = 24
_FEATURES_SHOWN = 8


class Classification(ExampleTask):
    """The probability of each class; a linear last layer gives logits."""

    name = "classify"
    default_loss = "SparseCategoricalCrossentropy"
    default_metrics = ("accuracy",)
    output_unit = "classes"
    search_metric = "val_accuracy"

    @classmethod
    def matches(cls, config: ExperimentConfig) -> bool:
        """Return True: what no other task matches is classified."""
        return True

    def check_data(self) -> None:
        """Refuse examples without classes."""
        data, where = self.data, self.config.where("data")
        if not data.classes or (data.kind == "text" and len(data.train.inputs) == 1):
            raise InvalidSetting(f"{where}: expected examples with classes, got one text. Set task: generate.")
        if data.is_per_step:
            raise InvalidSetting(
                f"{where}: expected a class for each example, got a label at each step. Set task: label."
            )

    def flat_targets(self, split: Split) -> NDArray[np.int64]:
        """Return the class of everything that is classified."""
        return np.asarray(split.targets)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.output_names

    @property
    def one_hot_classes(self) -> int | None:
        """Number of classes unless the loss takes class indices."""
        loss = self.config.training.loss
        return None if loss is None or loss.name.startswith("Sparse") else len(self.data.classes)

    @property
    def class_weights(self) -> NDArray[np.float32] | None:
        """[classes] weight of the examples of each class, or None.

        Raises:
            InvalidSetting: A weight is given for a class that does not exist.
        """
        weights, classes = self.config.training.class_weights, self.data.classes
        if weights is None:
            return None
        if weights == "balanced":
            return balanced_weights(self.flat_targets(self._parts[0]), len(classes))
        for name in weights:
            if name not in classes:
                remedy = did_you_mean(name, classes) or f" Choose among: {', '.join(classes[:20])}."
                where = self.config.where("training", "class_weights")
                raise InvalidSetting(f'{where}: unknown class "{name}".{remedy}')
        return np.array([weights.get(name, 1.0) for name in classes], dtype=np.float32)

    def evaluate(self, outputs: Any, split: Split) -> Evaluation:
        """Return accuracy, loss, the scores of each class and the confusion matrix."""
        return evaluate_classes(outputs, np.asarray(split.targets), self.output_names)

    def baselines(self) -> Baselines:
        """Return the accuracy of the majority class and of a simple method for the kind of data."""
        return classification_baselines(self.data)

    def report_sections(self, model: keras.Model, outputs: NDArray[Any]) -> Sections:
        """Show the scores of each class, the confusion matrix and the most confident mistakes."""
        evaluation = self.evaluate(outputs, self.data.test)
        confusion = ConfusionSection("Confusion matrix", self.output_names, evaluation.confusion)
        needs_sklearn = not self.data.has_images and find_spec("sklearn") is None
        return Sections(
            [confusion, self.class_scores(evaluation), self._mistakes(outputs)],
            (NEEDS_SKLEARN,) if needs_sklearn else (),
        )

    def class_scores(self, evaluation: Evaluation) -> TableSection:
        """Return the scores of each class as a table."""
        return TableSection(
            "Classes",
            ("class", "precision", "recall", "F1", "steps" if self.is_per_step else "examples"),
            [(score.name, score.precision, score.recall, score.f1, score.support) for score in evaluation.classes],
        )

    def describe_prediction(self, output: NDArray[Any]) -> Prediction:
        """Return the most probable class and the probability of each."""
        probabilities = {name: float(value) for name, value in zip(self.output_names, output, strict=True)}
        return {"label": self.output_names[int(np.argmax(output))], "probabilities": probabilities}

    def _mistakes(self, probabilities: NDArray[Any]) -> MistakesSection | TableSection:
        test = self.data.test
        predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        wrong = np.flatnonzero(predicted != test.targets)
        shown = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES_SHOWN]
        mistakes = [
            Mistake(
                int(index),
                self.shown(test.inputs[int(index)]),
                self.output_names[test.targets[index]],
                self.output_names[predicted[index]],
                float(confidence[index]),
            )
            for index in shown
        ]
        channels = () if self.data.has_sounds else self.channel_names
        if mistakes and self.data.kind == "series" and all(len(one.example) == 1 for one in mistakes):
            return _features_of(mistakes, channels, len(wrong))
        return MistakesSection("Most confident mistakes", mistakes, len(wrong), channels)


def _features_of(mistakes: Sequence[Mistake], channels: Sequence[str], total: int) -> TableSection:
    """Return mistakes as a table of their features: a single step makes no curve."""
    shown = list(channels[:_FEATURES_SHOWN])
    rows = [
        (
            f"example {one.index}",
            one.truth,
            one.predicted,
            one.probability,
            *(f"{value:.6g}" for value in np.ravel(one.example)[:_FEATURES_SHOWN]),
        )
        for one in mistakes
    ]
    more = f" The first {len(shown)} of {len(channels)} features are shown." if len(channels) > len(shown) else ""
    note = f"{total:,} mistakes in the test set, the {len(mistakes):,} with the highest probability here."
    columns = ("example", "true", "predicted", "probability", *shown)
    return TableSection("Most confident mistakes", columns, rows, note + more)
