"""Which learning rate: one short training in which it grows from step to step, and what the loss does meanwhile."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.data.dataset import Dataset
from unrolled.errors import InvalidSetting
from unrolled.model.build import build_network, check_components
from unrolled.tasks.base import choose_examples
from unrolled.training.checkpoints import seed_everything

import numpy as np
from numpy.typing import NDArray

# Of the loss before, in the smoothed loss.
_SMOOTHING = 0.9
# The sweep ends when the smoothed loss is so many times its lowest value.
_LOST = 4.0
# Fewer steps show nothing.
_FEWEST = 5


@dataclass(frozen=True)
class LearningRateSweep:
    """What a sweep saw.

    Attributes:
        rates: The learning rate of each step.
        losses: The loss of each step's batch, before the step.
        smoothed: Their moving average, with its beginning corrected.
        suggestion: The rate at which the smoothed loss fell fastest; a cycle's peak may be a few times as high.
        diverged_at: The rate at which the sweep ended because the loss grew, or None.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float
    diverged_at: float | None

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


def find_learning_rate(
    experiment: ExperimentConfig, *, low: float = 1e-5, high: float = 1.0, steps: int = 150
) -> LearningRateSweep:
    """Train a network for a few steps, each with a higher learning rate.

    ::

        rate_t = low (high / low)^(t / (steps - 1))

    Args:
        experiment: Its own learning rate is not used.
        low: The first rate.
        high: The last rate, if the loss does not grow before.
        steps: How many steps, and rates.

    Raises:
        InvalidSetting: Something in the experiment cannot be.
        DataError: Its data cannot be loaded.

    Reference:
        Smith, "Cyclical Learning Rates for Training Neural Networks", 2017.
    """
    if not 0 < low < high:
        raise InvalidSetting(f"find-lr: expected 0 < low < high, got {low:g} and {high:g}. Change --low or --high.")
    optimizer = experiment.training.optimizer.name
    experiment = ExperimentConfig.load(experiment, overrides=[f"training.optimizer.{optimizer}.learning_rate={low}"])
    check_components(experiment)
    rates = np.geomspace(low, high, steps)
    losses = _losses(experiment, experiment.load_data(), rates)
    if len(losses) < _FEWEST:
        raise InvalidSetting(
            f"find-lr: expected a finite loss for the first {_FEWEST} rates, got {len(losses)}. "
            "Lower --low, or ask: unrolled doctor"
        )
    return summarize(rates[: len(losses)], np.array(losses), diverged=len(losses) < steps)


def summarize(rates: NDArray[np.float64], losses: NDArray[np.float64], *, diverged: bool) -> LearningRateSweep:
    """The sweep that gave these losses."""
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
    """The moving average of a row of losses.

    ::

        a_t = 0.9 a_(t-1) + 0.1 loss_t        smoothed_t = a_t / (1 - 0.9^(t+1))
    """
    average, smoothed = 0.0, []
    for step, loss in enumerate(losses, start=1):
        average = _SMOOTHING * average + (1 - _SMOOTHING) * loss
        smoothed.append(average / (1 - _SMOOTHING**step))
    return np.array(smoothed)


def _losses(experiment: ExperimentConfig, data: Dataset, rates: NDArray[np.float64]) -> list[float]:
    """The loss at each rate, up to where it is lost."""
    examples = choose_examples(data, experiment)
    seed_everything(experiment.seed)
    model = build_network(experiment, data, encoding=examples.encoding)
    batches = examples.batches(experiment, epochs=len(rates))
    losses: list[float] = []
    for index, rate in enumerate(rates):
        model.optimizer.learning_rate.assign(rate)
        model.reset_metrics()
        losses.append(float(model.train_on_batch(*batches[index], return_dict=True)["loss"]))
        smoothed = smooth(np.array(losses))
        if not math.isfinite(losses[-1]):
            return losses[:-1]
        if len(losses) > len(rates) // 10 and smoothed[-1] > _LOST * smoothed.min():
            return losses
    return losses
