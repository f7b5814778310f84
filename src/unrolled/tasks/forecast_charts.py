"""Charts of the test part of series to forecast beside their forecasts."""

from collections.abc import Sequence
from typing import Any

from unrolled.config.task_sections import ForecastConfig
from unrolled.data.dataset import Dataset
from unrolled.tasks.quantiles import MEDIAN, format_interval
from unrolled.tasks.sections import ChartSection
from unrolled.tasks.windows import window_begins

import numpy as np
from numpy.typing import NDArray

# Fewer windows make no line, so the last one is drawn with the steps before it.
_FEWEST_WINDOWS = 8
MOST_DRAWN = 8
"""The series of which a report shows the forecasts."""


def forecast_charts(
    data: Dataset,
    settings: ForecastConfig,
    channels: Sequence[str],
    forecasts: NDArray[Any],
    quantiles: Sequence[float],
    owners: NDArray[np.int64],
) -> ChartSection:
    """Chart the test part beside its forecasts, each at the end of the horizon, over the times of the steps if known.

    With few windows in the test part, and of several series, the last window is drawn instead: the steps that the
    network read, and its forecast of all steps of the horizon. A band reaches from the lowest to the highest quantile.

    Args:
        data: The series.
        settings: Window, horizon and season.
        channels: The names of the channels to forecast.
        forecasts: [B, horizon, targets, Q] the forecast of each test window.
        quantiles: [Q] its quantiles.
        owners: [B] the index of the series of each test window.
    """
    charts: dict[str, dict[str, list[float]]] = {}
    bands: dict[str, dict[str, list[tuple[float, float]]]] = {}
    steps_of: dict[str, list[str]] = {}
    note, count = "", data.train.size
    for series in range(min(count, MOST_DRAWN)):
        mine = forecasts[owners == series]
        if not len(mine):
            continue
        truth, lines, steps, note = _lines(data, settings, series, mine)
        for channel, name in enumerate(channels):
            title = _title(data, series, name, len(channels)) if count > 1 else name
            line = lines[:, channel, list(quantiles).index(MEDIAN)]
            charts[title] = {"actual": truth[:, channel].tolist(), "forecast": line.tolist()}
            ends = lines[:, channel, [0, -1]].tolist()
            bands[title] = {"forecast": [(low, high) for low, high in ends]} if len(quantiles) > 1 else {}
            steps_of[title] = steps
    if count > 1 and len(channels) == 1:
        note = f"{channels[0]}: {note[:1].lower()}{note[1:]}"
    if len(quantiles) > 1:
        note += f" {format_interval(quantiles)}"
    if count > MOST_DRAWN:
        note += f" The first {MOST_DRAWN} of {count:,} series."
    return ChartSection("Forecasts on the test set", charts, next(iter(steps_of.values()), []), note, steps_of, bands)


def _title(data: Dataset, series: int, channel: str, channels: int) -> str:
    name = data.timelines[series].name if data.timelines else f"series {series + 1}"
    return name if channels == 1 and data.timelines else f"{name}: {channel}"


def _lines(
    data: Dataset, settings: ForecastConfig, series: int, forecasts: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], list[str], str]:
    """Return the values [T, targets] of one series, their forecasts [T, targets, Q], names of the steps, and a note."""
    horizon, window = settings.horizon, settings.window
    shape = forecasts.shape[2:]
    test = data.test.inputs[series][:, : shape[0]]
    whole = np.concatenate([data.train.inputs[series][-window:, : shape[0]], test])
    labels = data.timelines[series].labels() if data.timelines else None
    times = labels[-len(whole) :] if labels else None
    starts = window_begins(whole, settings)
    if data.train.size == 1 and len(starts) >= _FEWEST_WINDOWS:
        truth, lines = test[horizon - 1 :], np.full((len(test) - horizon + 1, *shape), np.nan)
        lines[starts] = forecasts[:, -1]
        ahead = "1 step" if horizon == 1 else f"{horizon} steps"
        if times:
            return truth, lines, times[-len(lines) :], f"Each value was forecast {ahead} ahead."
        steps = [str(horizon + step) for step in range(len(lines))]
        return truth, lines, steps, f"By step of the test set; each value was forecast {ahead} ahead."
    last = slice(starts[-1], starts[-1] + window + horizon)
    lines = np.concatenate([np.full((window, *shape), np.nan), forecasts[-1]])
    steps = times[last] if times else [f"{step:+d}" if step else "now" for step in range(1 - window, horizon + 1)]
    return whole[last], lines, steps, f"The last {horizon} steps, forecast from the {window} steps before them."
