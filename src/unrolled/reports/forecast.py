"""The page of a forecast: each channel's history and its forecast."""

import math
from pathlib import Path
from typing import Any

from unrolled.reports.charts import line_chart
from unrolled.reports.html import render, write_page
from unrolled.runs.run import Run

from numpy.typing import NDArray

# The history that is drawn: multiples of the number of forecast steps, and steps at least.
_HISTORY_PER_STEP = 4
_SHORTEST_HISTORY = 48


def write_forecast_page(path: Path, run: Run, values: NDArray[Any], forecast: NDArray[Any]) -> None:
    """Write a page with a chart for each channel.

    Args:
        path: The page to write.
        run: The run whose network made the forecast.
        values: [T, F] the history.
        forecast: [steps, F] the forecast.

    Raises:
        WriteError: The path holds a file that is not a page of unrolled, or cannot be written.
    """
    steps = len(forecast)
    charts = []
    for channel, name in enumerate(run.output_names):
        history = values[-max(_SHORTEST_HISTORY, _HISTORY_PER_STEP * steps) :, channel].tolist()
        series = {
            "history": [*history, *[math.nan] * steps],
            "forecast": [*[math.nan] * (len(history) - 1), history[-1], *forecast[:, channel].tolist()],
        }
        labels = [f"{step:+d}" if step else "now" for step in range(1 - len(history), steps + 1)]
        chart = line_chart(f"{name} and its forecast", series, steps=labels)
        charts.append({"name": name, "series": list(series), "chart": chart})
    horizon = run.config.forecast.horizon if run.config.forecast else steps
    page = render("forecast.html", name=run.config.name, run=run.path.name, steps=steps, horizon=horizon, charts=charts)
    write_page(page, path)
