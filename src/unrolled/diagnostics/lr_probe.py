"""A few steps of training at several learning rates, each from the same weights and on the same batches."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

STEPS = 50
EVALUATED = 512
"""How many examples the loss is measured on, before and after."""
DECADES = 6
"""How far above or below its own learning rate a network is tried where that one does not do."""


@dataclass(frozen=True)
class Trial:
    """What a few steps came to.

    Attributes:
        rate: The model's own learning rate; None where a schedule decides it.
        start: The loss before the first step.
        losses: The loss after the last step, by learning rate; infinite where it was no number any more.
    """

    rate: float | None
    start: float
    losses: Mapping[float, float]

    @property
    def own(self) -> float:
        """The loss that the model's own learning rate led to."""
        return self.losses[self.rate or 0.0]

    def gain(self, rate: float) -> float:
        """By how much of the loss at the start it fell at a learning rate, in per cent; negative where it rose."""
        return 100 * (self.start - self.losses[rate]) / self.start if self.start > 0 else 0.0

    @property
    def excess(self) -> float:
        """By how much of the loss at the start it ended above its start, or above what lower rates led to; per cent."""
        lower = [loss for rate, loss in self.losses.items() if rate < (self.rate or 0.0)]
        return 100 * (self.own - min([self.start, *lower])) / self.start if self.start > 0 else 0.0

    @property
    def best(self) -> float:
        """The learning rate after which the loss was lowest."""
        return min(self.losses, key=lambda rate: self.losses[rate])

    @property
    def shortfall(self) -> float:
        """The gain at the model's own learning rate, in per cent; 100 unless a higher one gained five times as much."""
        if self.rate is None:
            return 100.0
        own = self.gain(self.rate)
        higher = [self.gain(rate) for rate in self.losses if rate > self.rate]
        return own if higher and max(higher) > max(5 * own, 10.0) else 100.0


@contextmanager
def restored(model: Any) -> Iterator[None]:
    """Afterwards the model's weights, seeds and optimizer are what they were."""
    state = _state(model)
    try:
        yield
    finally:
        _restore(model, state)
        model.reset_metrics()


def attempt(model: Any, inputs: NDArray[Any], targets: NDArray[Any], batch_size: int) -> Trial:
    """Train a model for `STEPS` steps at its own learning rate, and before that at others, to compare.

    A tenth of the rate is always tried. A higher one is tried where the loss hardly falls, a lower one where it rises,
    each ten times as far as the last. The model ends as its own rate has left it.

    Args:
        model: Compiled.
        inputs: Examples, in the order in which they are learned from; after the last comes the first again.
        targets: Their targets.
        batch_size: Examples per step.
    """
    measured = inputs[:EVALUATED], targets[:EVALUATED]
    start = _loss(model, measured)
    rate = _rate(model)
    if rate is None:
        _train(model, inputs, targets, batch_size)
        return Trial(None, start, {0.0: _loss(model, measured)})
    losses: dict[float, float] = {}
    state = _state(model)

    def run(tried: float) -> Trial:
        _restore(model, state)
        model.optimizer.learning_rate = tried
        _train(model, inputs, targets, batch_size)
        losses[tried] = _loss(model, measured)
        return Trial(rate, start, dict(losses))

    run(rate / 10)
    trial = run(rate)
    left = _state(model)
    for decade in range(DECADES):
        is_high, is_low = trial.excess > 10, trial.gain(rate) < 2
        if not (is_high or is_low) or (trial.gain(trial.best) > 10 and decade):
            break
        trial = run(rate * 10 ** (-decade - 2 if is_high else decade + 1))
    _restore(model, left)
    return trial


def _state(model: Any) -> list[tuple[Any, NDArray[Any]]]:
    """Everything that training changes, with its value."""
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    return [(variable, np.array(keras.ops.convert_to_numpy(variable.value))) for variable in variables]


def _restore(model: Any, state: list[tuple[Any, NDArray[Any]]]) -> None:
    for variable, value in state:
        variable.assign(value)


def _train(model: Any, inputs: NDArray[Any], targets: NDArray[Any], batch_size: int) -> None:
    size = min(batch_size, len(targets))
    for step in range(STEPS):
        chosen = np.arange(step * size, (step + 1) * size) % len(targets)
        loss = model.train_on_batch(inputs[chosen], targets[chosen])
        if not math.isfinite(float(np.ravel(loss)[0])):
            return


def _loss(model: Any, examples: tuple[NDArray[Any], NDArray[Any]]) -> float:
    """Without dropout; infinite where it is no number."""
    loss = float(np.ravel(model.evaluate(*examples, batch_size=128, verbose=0))[0])
    return loss if math.isfinite(loss) else math.inf


def _rate(model: Any) -> float | None:
    setting = model.optimizer.get_config()["learning_rate"]
    return float(setting) if isinstance(setting, int | float) else None
