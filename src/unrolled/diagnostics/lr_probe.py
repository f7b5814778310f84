"""A few training steps at several learning rates, each from the same weights and on the same batches."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from unrolled.diagnostics.examples import Examples

import keras
import numpy as np
from numpy.typing import NDArray

STEPS = 50
LOSS_EXAMPLES = 512
"""The number of examples over which the loss is taken, before and after the steps."""
MAX_DECADES = 6
"""The number of further powers of ten that are tried if the model's own learning rate fails."""


@dataclass(frozen=True)
class LearningRateProbe:
    """The losses after a few training steps at several learning rates.

    Attributes:
        learning_rate: The model's own learning rate; None if a schedule decides it.
        initial_loss: The loss before the first step.
        final_losses: The loss after the last step, by learning rate; infinite if it was NaN or infinite.
    """

    learning_rate: float | None
    initial_loss: float
    final_losses: Mapping[float, float]

    @property
    def final_loss(self) -> float:
        """The loss after the last step at the model's own learning rate."""
        return self.final_losses[self.learning_rate or 0.0]

    @property
    def lower(self) -> dict[float, float]:
        """The final losses at learning rates below the model's own."""
        return {rate: loss for rate, loss in self.final_losses.items() if rate < (self.learning_rate or 0.0)}

    @property
    def higher(self) -> dict[float, float]:
        """The final losses at learning rates above the model's own."""
        return {rate: loss for rate, loss in self.final_losses.items() if rate > (self.learning_rate or math.inf)}

    def gain(self, learning_rate: float) -> float:
        """Return how far the loss fell at a learning rate, in per cent of the initial loss; negative if it rose."""
        if self.initial_loss <= 0:
            return 0.0
        return 100 * (self.initial_loss - self.final_losses[learning_rate]) / self.initial_loss

    @property
    def max_gain(self) -> float:
        """The largest gain at any of the learning rates, in per cent of the initial loss."""
        return max(map(self.gain, self.final_losses))

    @property
    def excess(self) -> float:
        """The final loss above the initial one, or above that of a lower rate; in per cent of the initial loss."""
        if self.initial_loss <= 0:
            return 0.0
        return 100 * (self.final_loss - min([self.initial_loss, *self.lower.values()])) / self.initial_loss

    @property
    def shortfall(self) -> float:
        """The gain at the model's own learning rate, in per cent; 100 unless a higher rate gains five times as much."""
        if self.learning_rate is None:
            return 100.0
        own = self.gain(self.learning_rate)
        return own if any(self.gain(rate) > max(5 * own, 10.0) for rate in self.higher) else 100.0


@contextmanager
def preserve_state(model: Any) -> Iterator[None]:
    """Restore the model's weights, seeds and optimizer when the context ends."""
    state = _state(model)
    try:
        yield
    finally:
        _restore(model, state)
        model.reset_metrics()


def probe_learning_rates(model: Any, examples: Examples, batch_size: int) -> LearningRateProbe:
    """Train a model for `STEPS` steps at its own learning rate and at others.

    A tenth of the learning rate is always tried. Higher ones are tried where the loss hardly falls, lower ones where
    it rises, each ten times as far away as the one before. The model ends as its own learning rate leaves it.

    Args:
        model: Compiled.
        examples: Training examples in the order of training, which starts again after the last.
        batch_size: Examples per step.
    """
    loss_examples = examples.select(slice(LOSS_EXAMPLES))
    initial_loss = loss_of(model, loss_examples)
    own_rate = _learning_rate(model)
    if own_rate is None:
        _train(model, examples, batch_size)
        return LearningRateProbe(None, initial_loss, {0.0: loss_of(model, loss_examples)})
    final_losses: dict[float, float] = {}
    state = _state(model)

    def train_at(learning_rate: float) -> LearningRateProbe:
        _restore(model, state)
        model.optimizer.learning_rate = learning_rate
        _train(model, examples, batch_size)
        final_losses[learning_rate] = loss_of(model, loss_examples)
        return LearningRateProbe(own_rate, initial_loss, dict(final_losses))

    train_at(own_rate / 10)
    probe = train_at(own_rate)
    trained = _state(model)
    for decade in range(MAX_DECADES):
        is_high, is_low = probe.excess > 10, probe.gain(own_rate) < 2
        if not (is_high or is_low) or (probe.max_gain > 10 and decade):
            break
        probe = train_at(own_rate * 10 ** (-decade - 2 if is_high else decade + 1))
    _restore(model, trained)
    return probe


def _state(model: Any) -> list[tuple[Any, NDArray[Any]]]:
    """Return everything that training changes, with its value."""
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    return [(variable, np.array(keras.ops.convert_to_numpy(variable.value))) for variable in variables]


def _restore(model: Any, state: list[tuple[Any, NDArray[Any]]]) -> None:
    for variable, value in state:
        variable.assign(value)


def _train(model: Any, examples: Examples, batch_size: int) -> None:
    size = min(batch_size, examples.size)
    for step in range(STEPS):
        batch = examples.select(np.arange(step * size, (step + 1) * size) % examples.size)
        loss = model.train_on_batch(*batch)
        if not math.isfinite(float(np.ravel(loss)[0])):
            return


def loss_of(model: Any, examples: Examples) -> float:
    """Return the loss without dropout; infinite if it is NaN."""
    inputs, targets, weights = examples
    loss = float(np.ravel(model.evaluate(inputs, targets, batch_size=128, verbose=0, sample_weight=weights))[0])
    return loss if math.isfinite(loss) else math.inf


def _learning_rate(model: Any) -> float | None:
    learning_rate = model.optimizer.get_config()["learning_rate"]
    return float(learning_rate) if isinstance(learning_rate, int | float) else None
