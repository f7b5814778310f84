"""Learning rate finder: a short training in which the rate grows from step to step, and the loss meanwhile."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import InvalidSetting
from unrolled.model.build import build_model, check_config, check_memory, resolve
from unrolled.tasks.base import Task
from unrolled.tasks.registry import load_task
from unrolled.training.checkpoints import seed_everything

import numpy as np
from numpy.typing import NDArray

# Weight of the earlier losses in the smoothed loss.
_SMOOTHING = 0.9
# The sweep ends when the smoothed loss is this many times its lowest value.
_DIVERGED = 4.0
_FEWEST_STEPS = 5


@dataclass(frozen=True)
class LearningRateSweep:
    """The losses of a sweep over learning rates.

    Attributes:
        rates: The learning rate of each step.
        losses: The loss of each step's batch, before the step.
        smoothed: The moving average of the losses, with its beginning corrected.
        suggestion: A constant rate that trains; the peak of a cycle may be a few times as high.
        diverged_at: The rate at which the sweep ended because the loss grew, or None.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float
    diverged_at: float | None

    def to_json(self) -> dict[str, Any]:
        """Return all attributes as JSON."""
        return asdict(self)


def find_learning_rate(
    config: ExperimentConfig, *, low: float = 1e-5, high: float = 1.0, steps: int = 150
) -> LearningRateSweep:
    """Train a network for a few steps, each with a higher learning rate.

    ::

        rate_t = low (high / low)^(t / (steps - 1))

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
    check_config(config)
    task = load_task(config)
    config = resolve(config, task)
    check_memory(config, task)
    rates = np.geomspace(low, high, steps)
    losses = _losses(config, task, rates)
    if len(losses) < _FEWEST_STEPS:
        raise InvalidSetting(
            f"find-lr: the loss is finite for {len(losses)} of the first {_FEWEST_STEPS} rates only. "
            "Lower --low, or run: unrolled doctor"
        )
    return summarize(rates[: len(losses)], np.array(losses), diverged=len(losses) < steps)


def summarize(rates: NDArray[np.float64], losses: NDArray[np.float64], *, diverged: bool) -> LearningRateSweep:
    """Return the sweep of these rates and losses, with its suggestion."""
    smoothed = smooth(losses)
    lowest = int(np.argmin(smoothed))
    # The first values are means of few batches.
    first = min(len(rates) // 10, max(lowest - 1, 0))
    slopes = np.gradient(smoothed[first : lowest + 1], np.log(rates[first : lowest + 1])) if lowest > first else []
    best = first + int(np.argmin(slopes)) if len(slopes) else lowest
    return LearningRateSweep(
        tuple(map(float, rates)),
        tuple(map(float, losses)),
        tuple(map(float, smoothed)),
        float(f"{rates[best]:.2g}"),
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


def _losses(config: ExperimentConfig, task: Task, rates: NDArray[np.float64]) -> list[float]:
    """Return the loss at each rate, up to where it diverges."""
    seed_everything(config.seed)
    model = build_model(config, task, steps=len(rates))
    batches = task.batches(epochs=len(rates))
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
