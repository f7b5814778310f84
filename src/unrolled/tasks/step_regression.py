"""Regression at each step: numbers for each step of a sequence."""

from functools import cached_property
from typing import Any

from unrolled.data.dataset import Split
from unrolled.data.labeled_steps import has_numbers
from unrolled.data.ragged import Ragged
from unrolled.errors import InvalidInput, InvalidSetting
from unrolled.tasks.base import Prediction
from unrolled.tasks.batches import predict_steps
from unrolled.tasks.linear import StepInputs, linear_step_inputs
from unrolled.tasks.metrics import Evaluation
from unrolled.tasks.regression import Regression
from unrolled.tasks.sections import ChartSection, Sections

import keras
import numpy as np
from numpy.typing import NDArray

_MOST_DRAWN = 400


class StepRegression(Regression):
    """One number or several for each step of a sequence; a step that lacks one counts for nothing.

    ::

        loss = mean over the steps that have all numbers of mean over numbers of ((y - mean) / deviation - output)^2
    """

    per = "step"
    is_per_step = True
    weighs_steps = True
    takes_inputs = False
    purpose, wants = "step numbers", "numbers at each step"

    def check_data(self) -> None:
        """Refuse examples that have something else.

        Raises:
            InvalidSetting: They have.
        """
        if not self.data.is_per_step or self.data.target_kind != self.target_kind:
            got = "a class at each step" if self.data.is_per_step else "one target for each example"
            raise InvalidSetting(
                f"{self.config.where('data')}: expected a number at each step, got {got} of {self.data.name}. "
                "Name another file, or leave out per: step."
            )

    def split(self) -> tuple[Split, Split | None]:
        """Split off validation examples, decided by the seed."""
        train, validation = super().split()
        for name, part in (("training", train), ("validation", validation)):
            if part is not None and not len(self.numbers(part)):
                raise InvalidSetting(
                    f"{self.config.where('training', 'validation')}: no step of the {name} examples has a number. "
                    "Hold out another share."
                )
        return train, validation

    def encode_targets(self, targets: Ragged) -> Ragged:
        """Return [B] arrays [T, columns], the mean subtracted and divided by the deviation; NaN stays NaN."""
        return targets.mapped(super().encode_targets)

    def numbers(self, split: Split) -> NDArray[np.float64]:
        """Return the numbers of all steps that have them, end to end, [N, columns]."""
        joined = split.targets.joined
        return np.asarray(joined[has_numbers(joined)], np.float64)

    def counted(self, outputs: Any, split: Split) -> NDArray[Any]:
        """Return the outputs at these steps, [N, columns]."""
        at_steps: NDArray[Any] = np.concatenate(list(outputs))[has_numbers(split.targets.joined)]
        return at_steps

    def predict(self, model: keras.Model, split: Split, batch_size: int = 256) -> Any:
        """Return a network's outputs for each example, [T, columns], in deviations from the mean."""
        return predict_steps(model, split.inputs, batch_size, are_numbers=True)

    def predict_inputs(self, model: keras.Model, inputs: Any, batch_size: int = 256) -> Any:
        """Return for each raw example, a series [T, F] or a list of words, [T, columns] in the units of the data."""
        encoded = self.preprocessor.encode(inputs)
        return [self.values(one) for one in predict_steps(model, encoded, batch_size, are_numbers=True)]

    def evaluate(self, outputs: Any, split: Split) -> Evaluation:
        """Return MAE, RMSE and R2 over the steps that have all numbers.

        Raises:
            InvalidInput: There are none.
        """
        if not len(self.numbers(split)):
            raise InvalidInput("evaluate: expected a number at some steps, got none. Add one.")
        return super().evaluate(outputs, split)

    def linear_inputs(self) -> StepInputs | None:
        """Return the inputs of each step and of its neighbors; None for words, or without scikit-learn."""
        return linear_step_inputs(self.data)

    @cached_property
    def _places(self) -> list[tuple[int, int]]:
        """The test example and the step of each of the targets that count."""
        targets = self.data.test.targets
        are_known = [has_numbers(one) for one in targets]
        return [(example, int(step)) for example, known in enumerate(are_known) for step in np.flatnonzero(known)]

    def located(self, index: int) -> str:
        """Return the example and the step of one of the targets that count."""
        example, step = self._places[index]
        return f"example {example}, step {step}"

    def report_sections(self, model: keras.Model, outputs: Any) -> Sections:
        """Show predicted beside true numbers, one example over its steps, and the steps with the largest errors."""
        *scatters, largest = super().report_sections(model, outputs).sections
        return Sections([*scatters, self._drawn(outputs), largest])

    def _drawn(self, outputs: Any) -> ChartSection:
        """Draw the test example whose error is the median of all, as far as they have numbers."""
        targets = list(self.data.test.targets)
        errors = [self._error(self.values(one), numbers) for one, numbers in zip(outputs, targets, strict=True)]
        ranked = np.argsort(errors, kind="stable")[: np.isfinite(errors).sum()]
        example = int(ranked[len(ranked) // 2])
        predicted, actual = self.values(outputs[example])[:_MOST_DRAWN], targets[example][:_MOST_DRAWN]
        charts = {
            name: {"actual": actual[:, index].tolist(), "predicted": predicted[:, index].tolist()}
            for index, name in enumerate(self.output_names)
        }
        note = f"Test example {example}, whose error is the median of all."
        if len(targets[example]) > _MOST_DRAWN:
            note += f" The first {_MOST_DRAWN} of {len(targets[example]):,} steps."
        return ChartSection("One example, step by step", charts, [str(step) for step in range(len(actual))], note)

    def _error(self, predicted: NDArray[np.float64], actual: NDArray[np.float64]) -> float:
        """Return the mean squared error of an example in deviations; NaN if no step counts."""
        squares = ((predicted - actual) / self._deviation)[has_numbers(actual)] ** 2
        return float(squares.mean()) if len(squares) else np.nan

    def describe_prediction(self, output: NDArray[Any]) -> Prediction:
        """Return the numbers of all steps by the name of their target."""
        return {"values": {name: one.tolist() for name, one in zip(self.output_names, output.T, strict=True)}}

    def describe_steps(self, output: NDArray[Any]) -> list[Prediction]:
        """Return the numbers of each step by the name of their target, a prediction for each step."""
        return [super(StepRegression, self).describe_prediction(step) for step in output]
