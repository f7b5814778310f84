"""The loss against the learning rate, as a page that needs nothing else."""

from pathlib import Path

from unrolled.config.document import write_yaml
from unrolled.config.experiment import ExperimentConfig
from unrolled.reports.charts import line_chart
from unrolled.reports.html import render, write_page
from unrolled.training.lr_finder import LearningRateSweep


def write_lr_report(sweep: LearningRateSweep, experiment: ExperimentConfig, path: Path) -> None:
    """Write a page; the axis of the rates is logarithmic, because each is the same number of times the one before.

    Raises:
        WriteError: A file that is not ours is there, or the place cannot be written.
    """
    # What comes after the loss is lost would flatten everything else.
    most = 1.5 * sweep.smoothed[0]
    shown = [min(loss, most) for loss in sweep.smoothed]
    chart = line_chart("loss by learning rate", {"smoothed loss": shown}, steps=[f"{rate:.0e}" for rate in sweep.rates])
    page = render(
        "rates.html",
        name=experiment.name,
        sweep=sweep,
        optimizer=experiment.training.optimizer.name,
        chart=chart,
        settings=write_yaml(experiment.model_dump(mode="json", exclude_none=True)),
    )
    write_page(page, path)
