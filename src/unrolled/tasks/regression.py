"""Regression: numbers for each example."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from unrolled.config.sections import Component
from unrolled.data.dataset import Split
from unrolled.tasks.base import Baselines, Prediction
from unrolled.tasks.batches import predict_outputs
from unrolled.tasks.examples import ExampleTask
from unrolled.tasks.linear import linear_inputs
from unrolled.tasks.metrics import Evaluation, regression_errors
from unrolled.tasks.sections import ScatterSection, Sections, TableSection

import keras
import numpy as np
from numpy.typing import NDArray

R2, RMSE = "R2", "RMSE"
_ERRORS_SHOWN = 12


class Regression(ExampleTask):
    """One number or several; a linear last layer gives them in units of their standard deviations."""

    name = "regress"
    default_loss = "MeanSquaredError"
    default_metrics = ("MeanAbsoluteError",)
    output_activations = ("linear", None)
    output_unit = "numbers"
    purpose, target_kind, wants = "numbers", "numbers", "numbers"

    @classmethod
    def head(cls, num_outputs: int) -> Component:
        """Return a linear layer."""
        return Component.model_validate({"Dense": {"units": num_outputs}})

    @cached_property
    def facts(self) -> Mapping[str, Sequence[float]]:
        """The mean and the standard deviation of each target over the training examples."""
        targets = np.asarray(self._parts[0].targets, np.float64)
        deviation = targets.std(axis=0)
        return {"mean": targets.mean(axis=0).tolist(), "deviation": np.where(deviation > 0, deviation, 1.0).tolist()}

    def encode_targets(self, targets: Any) -> NDArray[np.float32]:
        """Return [B, columns] targets, the mean subtracted and divided by the deviation."""
        scaled = (np.asarray(targets, np.float64) - self._mean) / self._deviation
        return scaled.astype(np.float32)

    @property
    def _mean(self) -> NDArray[np.float64]:
        return np.array(self.facts["mean"])

    @property
    def _deviation(self) -> NDArray[np.float64]:
        return np.array(self.facts["deviation"])

    def values(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return [B, columns] in the units of the data."""
        return np.asarray(outputs, np.float64) * self._deviation + self._mean

    def predict(self, model: keras.Model, split: Split, batch_size: int = 256) -> NDArray[np.float32]:
        """Return a network's outputs [B, columns], in deviations from the mean."""
        return predict_outputs(model, split.inputs, batch_size)

    def predict_inputs(self, model: keras.Model, inputs: Any, batch_size: int = 256) -> Any:
        """Return [B, columns] numbers in the units of the data."""
        return self.values(predict_outputs(model, self.preprocessor.encode(inputs), batch_size))

    def evaluate(self, outputs: NDArray[Any], split: Split) -> Evaluation:
        """Return MAE, RMSE and R2 in the units of the data; of several targets the mean R2, and all of each."""
        errors = (np.asarray(split.targets, np.float64) - outputs) * self._deviation
        spread = np.asarray(split.targets, np.float64) * self._deviation
        metrics = self._metrics(errors, spread)
        is_one = len(self.output_names) == 1
        loss = float(((np.asarray(split.targets, np.float64) - outputs) ** 2).mean())
        return Evaluation(
            examples=len(outputs),
            metrics={**metrics, "loss": loss},
            headline=RMSE if is_one else R2,
            is_higher_better=not is_one,
        )

    def _metrics(self, errors: NDArray[np.float64], targets: NDArray[np.float64]) -> dict[str, float]:
        """Return the metrics by name; each target of several has its own, because their units differ."""
        found = [regression_errors(error, target) for error, target in zip(errors.T, targets.T, strict=True)]
        if len(found) == 1:
            return found[0]
        of_each = {
            f"{metric} {name}": value
            for name, one in zip(self.output_names, found, strict=True)
            for metric, value in one.items()
        }
        return {R2: float(np.mean([one[R2] for one in found])), **of_each}

    def baselines(self) -> Baselines:
        """Return the errors of the mean, and of ridge regression (if scikit-learn is installed)."""
        train, test = (np.asarray(split.targets, np.float64) for split in (self.data.train, self.data.test))
        found = {"mean": self._metrics(test - train.mean(axis=0), test)}
        inputs = linear_inputs(self.data)
        if inputs is not None:
            from sklearn.linear_model import Ridge

            ridge = Ridge().fit(inputs.matrix, np.asarray(inputs.train.targets))
            predicted = inputs.predict(ridge).reshape(test.shape)
            found[inputs.describe("ridge regression")] = self._metrics(test - predicted, test)
        return found

    def report_sections(self, model: keras.Model, outputs: NDArray[Any]) -> Sections:
        """Show predicted beside true numbers, and the examples with the largest errors."""
        predicted, true = self.values(outputs), np.asarray(self.data.test.targets, np.float64)
        scatters = [
            ScatterSection(f"Predicted {name}", true[:, index].tolist(), predicted[:, index].tolist(), name)
            for index, name in enumerate(self.output_names)
        ]
        return Sections([*scatters, self._largest_errors(predicted, true)])

    def _largest_errors(self, predicted: NDArray[np.float64], true: NDArray[np.float64]) -> TableSection:
        worst = np.argsort(-(np.abs(predicted - true) / self._deviation).max(axis=1), kind="stable")[:_ERRORS_SHOWN]
        rows = [
            (
                self.quoted(index),
                *(
                    value
                    for pair in zip(true[index].tolist(), predicted[index].tolist(), strict=True)
                    for value in pair
                ),
            )
            for index in worst.tolist()
        ]
        columns = [column for name in self.output_names for column in (name, f"predicted {name}")]
        return TableSection("Largest errors", ("test example", *columns), rows)

    def describe_prediction(self, output: NDArray[Any]) -> Prediction:
        """Return each number by the name of its target, which may be any."""
        return {"values": {name: float(value) for name, value in zip(self.output_names, np.ravel(output), strict=True)}}
