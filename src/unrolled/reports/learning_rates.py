"""The page of the learning rate finder."""

import math
from pathlib import Path

from unrolled.config.document import write_yaml
from unrolled.config.experiment import ExperimentConfig
from unrolled.reports import render, write_page
from unrolled.reports.charts import Mark, line_chart
from unrolled.training.lr_finder import LearningRateSweep

# Multiples of the first loss; the loss after it diverges would flatten all that comes before.
_HIGHEST_LOSS = 1.5


_ADVICE = (
    "The learning rate grows by the same factor at each step. Use the recommended rate as a constant rate; the peak of "
    "a OneCycle may be three times as high. One short training with one seed is a hint, not a measurement."
)


def write_lr_report(sweep: LearningRateSweep, experiment: ExperimentConfig, path: Path) -> None:
    """Write a page with the loss on a logarithmic axis of learning rates, with the recommended rate marked.

    Args:
        sweep: The rates, the losses and the recommended rate.
        experiment: The experiment that was trained.
        path: The page to write.

    Raises:
        WriteError: The path holds a file that is not a page of unrolled, or cannot be written.
    """
    highest = _HIGHEST_LOSS * sweep.smoothed[0]
    # Each rate is the same multiple of the one before, so steps are positions on a logarithmic axis.
    chart = line_chart(
        "loss by learning rate",
        {"smoothed loss": [min(loss, highest) for loss in sweep.smoothed]},
        steps=[f"{rate:.0e}" for rate in sweep.rates],
        ticks=[(step_of(rate, sweep.rates), f"{rate:g}") for rate in powers_of_ten(sweep.rates[0], sweep.rates[-1])],
        marks=[Mark(step_of(sweep.suggestion, sweep.rates), f"recommended: {sweep.suggestion:g}")],
    )
    page = render(
        "lr_finder.html",
        name=experiment.name,
        sweep=sweep,
        optimizer=experiment.training.optimizer.name,
        chart=chart,
        advice=_ADVICE,
        settings=write_yaml(experiment.model_dump(mode="json", exclude_none=True)),
    )
    write_page(page, path)


def step_of(rate: float, rates: tuple[float, ...]) -> float:
    """Return the position of a learning rate among geometrically growing rates, counted from 0.

    Example:
        >>> step_of(0.01, (0.001, 0.01, 0.1))
        1.0
    """
    return round(math.log(rate / rates[0]) / math.log(rates[-1] / rates[0]) * (len(rates) - 1), 6)


def powers_of_ten(low: float, high: float) -> list[float]:
    """Return the powers of ten from a low to a high number, both included.

    Example:
        >>> powers_of_ten(0.001, 0.5)
        [0.001, 0.01, 0.1]
    """
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    return [float(f"1e{power}") for power in range(first, last + 1)]
