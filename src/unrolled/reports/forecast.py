"""A forecast behind the values before it, as a page that needs nothing else."""

import math
from pathlib import Path
from typing import Any

from unrolled.reports.charts import line_chart
from unrolled.reports.html import render, write_page
from unrolled.runs.run import Run

from numpy.typing import NDArray

_SEASONS_SHOWN = 4
_FEWEST_SHOWN = 48


def write_forecast_page(path: Path, run: Run, values: NDArray[Any], told: NDArray[Any]) -> None:
    """Write a page with a chart for each channel.

    Args:
        path: Where.
        run: The network that told.
        values: [T, F] what it was given.
        told: [steps, F] what it told.

    Raises:
        WriteError: A file that is not ours is there, or the place cannot be written.
    """
    charts = []
    for place, name in enumerate(run.classes):
        known = values[-max(_FEWEST_SHOWN, _SEASONS_SHOWN * len(told)) :, place].tolist()
        series = {
            "known": [*known, *[math.nan] * len(told)],
            "forecast": [*[math.nan] * (len(known) - 1), known[-1], *told[:, place].tolist()],
        }
        steps = [f"{step:+d}" if step else "now" for step in range(1 - len(known), len(told) + 1)]
        chart = line_chart(f"{name} and its forecast", series, steps=steps, is_wide=True)
        charts.append({"name": name, "series": list(series), "svg": chart})
    write_page(
        render("forecast.html", name=run.experiment.name, run=run.path.name, steps=len(told), charts=charts), path
    )
