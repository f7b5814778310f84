"""Learning rate finder: a short training in which the rate grows from step to step, and the loss meanwhile."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import InvalidSetting
from unrolled.model.build import build_model, prepare
from unrolled.tasks.batches import TrainingBatches
from unrolled.training.checkpoints import seed_everything

import keras
import numpy as np
from numpy.typing import NDArray

# Weight of the earlier losses in the smoothed loss.
_SMOOTHING = 0.9
# The sweep ends when the smoothed loss is this many times its lowest value.
_DIVERGED = 4.0
_FEWEST_STEPS = 5
# Constant rates that are tried, each a third of the one before, and the steps of each.
_TRIALS, _TRIAL_STEPS = 5, 200


@dataclass(frozen=True)
class LearningRateSweep:
    """The losses of a sweep over learning rates.

    Attributes:
        rates: The learning rate of each step.
        losses: The loss of each step's batch, before the step.
        smoothed: The moving average of the losses, with its beginning corrected.
        steepest: The rate at which the smoothed loss falls fastest.
        trials: The smoothed loss after a short training at each of a few constant rates, by rate.
        suggestion: Half the rate at which a trial would be best, as a constant rate; the peak of a cycle may be a few
            times as high.
        diverged_at: The rate at which the sweep ended because the loss grew, or None.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    steepest: float
    trials: Mapping[float, float]
    suggestion: float
    diverged_at: float | None

    def to_json(self) -> dict[str, Any]:
        """Return all attributes as JSON; the loss of a trial that diverged is null."""
        trials = [{"rate": rate, "loss": loss if math.isfinite(loss) else None} for rate, loss in self.trials.items()]
        return {**asdict(self), "trials": trials}


def find_learning_rate(
    config: ExperimentConfig, *, low: float = 1e-5, high: float = 1.0, steps: int = 150
) -> LearningRateSweep:
    """Train a network for a few steps, each with a higher learning rate, then at five constant rates, 200 steps each.

    ::

        rate_t = low (high / low)^(t / (steps - 1))

    Where the loss falls fastest depends on the number of steps, as the loss follows the rate with a delay. So constant
    rates around that of the lowest loss, from three times as high down to a 27th, are tried from the same initial
    weights, and a parabola through their losses tells the best one (see ``best_rate``).

    Args:
        config: The experiment; its own learning rate is not used.
        low: The first rate.
        high: The last rate, unless the loss diverges before.
        steps: Number of steps, and of rates.

    Raises:
        InvalidSetting: A setting is not possible, or the loss is not finite.
        DataError: The data cannot be loaded.

    Reference:
        Smith, "Cyclical Learning Rates for Training Neural Networks", 2017.
    """
    if not 0 < low < high:
        raise InvalidSetting(f"find-lr: expected 0 < low < high, got low {low:g} and high {high:g}.")
    optimizer = config.training.optimizer.name
    config = ExperimentConfig.load(config, overrides=[f"training.optimizer.{optimizer}.learning_rate={low}"])
    config, task = prepare(config)
    seed_everything(config.seed)
    model = build_model(config, task, steps=steps)
    initial, batches = _state(model), task.batches(epochs=steps + _TRIAL_STEPS)
    rates = np.geomspace(low, high, steps)
    losses = _train(model, batches, rates)
    if len(losses) < _FEWEST_STEPS:
        raise InvalidSetting(
            f"find-lr: the loss is finite for {len(losses)} of the first {_FEWEST_STEPS} rates only. "
            "Lower --low, or run: unrolled doctor"
        )
    sweep = summarize(rates[: len(losses)], np.array(losses), diverged=len(losses) < steps)
    highest = min(3 * rates[int(np.argmin(sweep.smoothed))], high)
    trials = {}
    for rate in (float(f"{highest / 3**third:.2g}") for third in range(_TRIALS)):
        _restore(model, initial)
        tried = _train(model, batches, np.full(_TRIAL_STEPS, rate))
        trials[rate] = float(smooth(np.array(tried))[-1]) if len(tried) == _TRIAL_STEPS else math.inf
    return replace(sweep, trials=trials, suggestion=float(f"{best_rate(trials) / 2:.2g}"))


def best_rate(trials: Mapping[float, float]) -> float:
    """Return the rate at which the loss of a short training is lowest, between those that were tried.

    ::

        log loss = a (log rate)^2 + b log rate + c        best = exp(-b / 2a)

    The parabola, fitted to all finite losses, depends less on the noise of one trial than the lowest loss does. Where
    the losses are no valley, the rate of the lowest one is returned.

    Args:
        trials: The loss by rate; infinite where the training diverged.

    Example:
        >>> round(best_rate({0.1: 0.9, 0.01: 0.3, 0.001: 0.9}), 4)
        0.01
    """
    finite = {rate: loss for rate, loss in trials.items() if 0 < loss < math.inf}
    lowest = min(trials, key=lambda rate: trials[rate])
    if len(finite) < 3:
        return lowest
    curvature, slope, _ = np.polyfit(np.log(list(finite)), np.log(list(finite.values())), 2)
    if curvature <= 0:
        return lowest
    return float(np.clip(np.exp(-slope / (2 * curvature)), min(finite), max(finite)))


def summarize(rates: NDArray[np.float64], losses: NDArray[np.float64], *, diverged: bool) -> LearningRateSweep:
    """Return the sweep of these rates and losses, without trials."""
    smoothed = smooth(losses)
    lowest = int(np.argmin(smoothed))
    # The first values are means of few batches.
    first = min(len(rates) // 10, max(lowest - 1, 0))
    slopes = np.gradient(smoothed[first : lowest + 1], np.log(rates[first : lowest + 1])) if lowest > first else []
    best = first + int(np.argmin(slopes)) if len(slopes) else lowest
    steepest = float(f"{rates[best]:.2g}")
    return LearningRateSweep(
        tuple(map(float, rates)),
        tuple(map(float, losses)),
        tuple(map(float, smoothed)),
        steepest,
        {},
        steepest,
        float(rates[-1]) if diverged else None,
    )


def smooth(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the moving average of a sequence of losses.

    ::

        a_t = 0.9 a_(t-1) + 0.1 loss_t        smoothed_t = a_t / (1 - 0.9^(t+1))
    """
    average, smoothed = 0.0, []
    for step, loss in enumerate(losses, start=1):
        average = _SMOOTHING * average + (1 - _SMOOTHING) * loss
        smoothed.append(average / (1 - _SMOOTHING**step))
    return np.array(smoothed)


def _train(model: keras.Model, batches: TrainingBatches, rates: NDArray[np.float64]) -> list[float]:
    """Train a step at each rate and return the losses, up to where they diverge."""
    losses: list[float] = []
    for index, rate in enumerate(rates):
        model.optimizer.learning_rate.assign(rate)
        model.reset_metrics()
        losses.append(float(model.train_on_batch(*batches[index], return_dict=True)["loss"]))
        smoothed = smooth(np.array(losses))
        if not math.isfinite(losses[-1]):
            return losses[:-1]
        if len(losses) > len(rates) // 10 and smoothed[-1] > _DIVERGED * smoothed.min():
            return losses
    return losses


def _state(model: keras.Model) -> list[tuple[Any, NDArray[Any]]]:
    """Return copies of all variables that training changes."""
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    return [(variable, np.array(keras.ops.convert_to_numpy(variable.value))) for variable in variables]


def _restore(model: keras.Model, state: list[tuple[Any, NDArray[Any]]]) -> None:
    for variable, value in state:
        variable.assign(value)
    model.reset_metrics()
