"""Several labels for each example."""

from collections.abc import Mapping
from typing import Any

from unrolled.config.sections import Component
from unrolled.data.dataset import Split
from unrolled.tasks.base import Baselines, Prediction
from unrolled.tasks.batches import predict_outputs
from unrolled.tasks.examples import ExampleTask
from unrolled.tasks.linear import linear_inputs
from unrolled.tasks.metrics import SMALLEST_PROBABILITY, ClassScore, Evaluation, best_threshold, label_scores
from unrolled.tasks.sections import Sections, TableSection

import keras
import numpy as np
from numpy.typing import NDArray

MICRO_F1, MACRO_F1 = "micro F1", "macro F1"
THRESHOLD = 0.5
"""The probability from which on a label is predicted, where none was chosen on validation examples."""
_FEWEST_LABELS = 50
_SHOWN = 20


class MultiLabel(ExampleTask):
    """The probability of each label by itself, from a sigmoid."""

    name = "classes"
    default_loss = "BinaryCrossentropy"
    default_metrics = ("BinaryAccuracy",)
    output_activations = ("sigmoid",)
    output_unit = "labels"
    purpose, target_kind, wants = "label sets", "labels", "several labels"
    is_calibrated = True

    @classmethod
    def head(cls, num_outputs: int) -> Component:
        """Return a layer with a sigmoid for each label."""
        return Component.model_validate({"Dense": {"units": num_outputs, "activation": "sigmoid"}})

    def predict(self, model: keras.Model, split: Split, batch_size: int = 256) -> NDArray[np.float32]:
        """Return the probability of each label, [B, labels]."""
        return predict_outputs(model, split.inputs, batch_size)

    def predict_inputs(self, model: keras.Model, inputs: Any, batch_size: int = 256) -> NDArray[np.float32]:
        """Return the probability of each label, [B, labels]."""
        return predict_outputs(model, self.preprocessor.encode(inputs), batch_size)

    def calibrate(self, outputs: NDArray[Any], split: Split) -> Mapping[str, float]:
        """Choose the threshold of all labels by their micro F1, if the examples have 50 labels or more.

        One threshold is enough for micro F1: the best one is the same for each label (half of the best F1, where the
        probabilities are right).

        Reference:
            Lipton, Elkan and Naryanaswamy, "Optimal thresholding of classifiers to maximize F1 measure", 2014.
        """
        targets = np.asarray(split.targets) > 0.5
        if targets.sum() < _FEWEST_LABELS:
            return {}
        return {"threshold": best_threshold(np.ravel(outputs), targets.ravel())}

    @property
    def threshold(self) -> float:
        """The probability from which on a label is predicted."""
        return float(self.calibration.get("threshold", THRESHOLD))

    def evaluate(self, outputs: NDArray[Any], split: Split) -> Evaluation:
        """Return micro and macro F1, the share of examples whose labels are all right, loss and the scores of each."""
        targets = np.asarray(split.targets) > 0.5
        bounded = np.clip(outputs.astype(np.float64), SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
        loss = -np.where(targets, np.log(bounded), np.log(1 - bounded)).mean()
        scores = label_scores(outputs >= self.threshold, targets, self.output_names)
        return Evaluation(
            examples=len(outputs),
            metrics={**self._metrics(outputs >= self.threshold, targets, scores), "loss": float(loss)},
            headline=MICRO_F1,
            is_higher_better=True,
            classes=scores,
        )

    def _metrics(
        self, predicted: NDArray[np.bool_], targets: NDArray[np.bool_], scores: tuple[ClassScore, ...]
    ) -> dict[str, float]:
        right = int((predicted & targets).sum())
        all_of_both = int(predicted.sum() + targets.sum())
        return {
            MICRO_F1: 2 * right / all_of_both if all_of_both else 0.0,
            MACRO_F1: float(np.mean([score.f1 for score in scores])),
            "all labels right": float((predicted == targets).all(axis=1).mean()),
        }

    def baselines(self) -> Baselines:
        """Return the scores of the commonest label, and of logistic regression for each (if scikit-learn is there)."""
        train, test = self.data.train.targets, np.asarray(self.data.test.targets) > 0.5
        commonest = np.zeros_like(test)
        commonest[:, np.asarray(train).sum(axis=0).argmax()] = True
        found = {"commonest label": commonest}
        inputs = linear_inputs(self.data)
        if inputs is not None:
            from sklearn.linear_model import LogisticRegression
            from sklearn.multiclass import OneVsRestClassifier

            method = OneVsRestClassifier(LogisticRegression(max_iter=1000))
            method.fit(inputs.matrix, np.asarray(inputs.train.targets).astype(np.int64))
            found[inputs.describe("logistic regression")] = inputs.predict(method).astype(bool)
        scored = {name: label_scores(predicted, test, self.output_names) for name, predicted in found.items()}
        return {name: self._metrics(predicted, test, scored[name]) for name, predicted in found.items()}

    def report_sections(self, model: keras.Model, outputs: NDArray[Any]) -> Sections:
        """Show the scores of each label, and the examples whose labels are furthest from the truth."""
        scores = sorted(self.evaluate(outputs, self.data.test).classes, key=lambda score: -score.support)
        rows = [(score.name, score.precision, score.recall, score.f1, score.support) for score in scores]
        title = f"Labels, predicted from a probability of {self.threshold:.2f} on"
        labels = TableSection(title, ("label", "precision", "recall", "F1", "examples"), rows)
        return Sections([labels, self._furthest(outputs)])

    def _furthest(self, outputs: NDArray[Any]) -> TableSection:
        targets = np.asarray(self.data.test.targets) > 0.5
        wrong = ((outputs >= self.threshold) != targets).sum(axis=1)
        worst = np.argsort(-wrong, kind="stable")[:_SHOWN]
        rows = [
            (self.quoted(index), self._names(targets[index]), self._names(outputs[index] >= self.threshold))
            for index in worst.tolist()
            if wrong[index]
        ]
        return TableSection("Furthest from the truth", ("test example", "labels", "predicted"), rows)

    def _names(self, has: NDArray[np.bool_]) -> str:
        return ", ".join(name for name, is_set in zip(self.output_names, has, strict=True) if is_set) or "none"

    def describe_prediction(self, output: NDArray[Any]) -> Prediction:
        """Return the labels that are predicted, and the probability of each."""
        probabilities = {name: float(value) for name, value in zip(self.output_names, output, strict=True)}
        return {
            "labels": [name for name, value in probabilities.items() if value >= self.threshold],
            "probabilities": probabilities,
        }
