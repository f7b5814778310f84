"""Regression: numbers for each example."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from unrolled.config.sections import Component
from unrolled.data.dataset import Split
from unrolled.tasks.base import Baselines, Prediction
from unrolled.tasks.batches import predict_outputs
from unrolled.tasks.examples import ExampleTask
from unrolled.tasks.linear import LinearInputs, StepInputs, linear_inputs
from unrolled.tasks.metrics import Evaluation, regression_errors
from unrolled.tasks.sections import ScatterSection, Sections, TableSection

import keras
import numpy as np
from numpy.typing import NDArray

R2, RMSE = "R2", "RMSE"
_ERRORS_SHOWN = 12


class Regression(ExampleTask):
    """One number or several for each example; a linear last layer gives them in units of their standard deviations."""

    name = "regress"
    per = "sequence"
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
        targets = self.numbers(self._parts[0])
        deviation = targets.std(axis=0)
        return {"mean": targets.mean(axis=0).tolist(), "deviation": np.where(deviation > 0, deviation, 1.0).tolist()}

    def numbers(self, split: Split) -> NDArray[np.float64]:
        """Return the targets of examples that count in metrics, [N, columns]."""
        return np.asarray(split.targets, np.float64)

    def counted(self, outputs: Any, split: Split) -> NDArray[Any]:
        """Return the outputs for these targets, [N, columns]."""
        return np.asarray(outputs)

    def encode_targets(self, targets: Any) -> Any:
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

    def predict(self, model: keras.Model, split: Split, batch_size: int = 256) -> Any:
        """Return a network's outputs [B, columns], in deviations from the mean."""
        return predict_outputs(model, split.inputs, batch_size)

    def predict_inputs(self, model: keras.Model, inputs: Any, batch_size: int = 256) -> Any:
        """Return [B, columns] numbers in the units of the data."""
        return self.values(predict_outputs(model, self.preprocessor.encode(inputs), batch_size))

    def evaluate(self, outputs: Any, split: Split) -> Evaluation:
        """Return MAE, RMSE and R2 in the units of the data; of several targets the mean R2, and all of each."""
        targets = self.numbers(split)
        errors = targets - self.counted(outputs, split)
        metrics = self._metrics(errors * self._deviation, targets * self._deviation)
        is_one = len(self.output_names) == 1
        return Evaluation(
            examples=len(targets),
            metrics={**metrics, "loss": float((errors**2).mean())},
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
        train, test = (self.numbers(split) for split in (self.data.train, self.data.test))
        found = {"mean": self._metrics(test - train.mean(axis=0), test)}
        inputs = self.linear_inputs()
        if inputs is not None:
            from sklearn.linear_model import Ridge

            ridge = Ridge().fit(inputs.matrix, self.numbers(inputs.train))
            predicted = inputs.predict(ridge).reshape(test.shape)
            found[inputs.describe("ridge regression")] = self._metrics(test - predicted, test)
        return found

    def linear_inputs(self) -> LinearInputs | StepInputs | None:
        """Return the inputs that a linear method reads; None for inputs of other kinds, or without scikit-learn."""
        return linear_inputs(self.data)

    def report_sections(self, model: keras.Model, outputs: Any) -> Sections:
        """Show predicted beside true numbers, and the examples with the largest errors."""
        predicted, true = self.values(self.counted(outputs, self.data.test)), self.numbers(self.data.test)
        scatters = [
            ScatterSection(f"Predicted {name}", true[:, index].tolist(), predicted[:, index].tolist(), name)
            for index, name in enumerate(self.output_names)
        ]
        return Sections([*scatters, self._largest_errors(predicted, true)])

    def located(self, index: int) -> str:
        """Return in words what one of the targets that count of the test examples belongs to."""
        return self.quoted(index)

    def _largest_errors(self, predicted: NDArray[np.float64], true: NDArray[np.float64]) -> TableSection:
        worst = np.argsort(-(np.abs(predicted - true) / self._deviation).max(axis=1), kind="stable")[:_ERRORS_SHOWN]
        rows = [
            (
                self.located(index),
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
