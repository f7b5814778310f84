"""Forecasts as a page and as a picture: the end of each series, and its values to come."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unrolled.data.preview import ACCENT, INK, PAPER, QUIET
from unrolled.data.table import format_list
from unrolled.reports import render, write_page
from unrolled.reports.charts import choose_labels, format_tick, line_chart, round_ticks
from unrolled.runs.forecasts import SeriesForecast, TableForecast
from unrolled.runs.run import Run
from unrolled.tasks.quantiles import format_interval

from PIL import Image, ImageDraw, ImageFont

# The history that is drawn: multiples of the number of forecast steps, and steps at least.
_HISTORY_PER_STEP = 4
_SHORTEST_HISTORY = 48
_MOST_SERIES = 8
# Further series on a page, in a part that is folded.
_MOST_FOLDED = 92
# In pixels.
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _MARGIN = 960, 260, 84, 40, 36, 24
_LABEL_WIDTH, _LINE, _DASH = 120, 3, 6
_FORECAST = (214, 96, 20)
_BAND = 45  # of 255, the opacity


@dataclass(frozen=True)
class _Panel:
    """A chart: its name, its lines, the ends of the band around the forecast, and the labels of its steps."""

    name: str
    history: list[float]
    forecast: list[float]
    band: list[tuple[float, float]]
    steps: list[str]


def write_forecast_page(path: Path, run: Run, forecast: TableForecast) -> None:
    """Write a page with a chart for each channel of the first series; those of further series are folded.

    Args:
        path: The page to write.
        run: The run whose network made the forecast.
        forecast: The forecasts.

    Raises:
        WriteError: The path holds a file that is not a page of unrolled, or cannot be written.
    """
    charts, most = [], _MOST_SERIES + _MOST_FOLDED
    for panel in _panels(forecast, most):
        lines = {"history": panel.history, "forecast": panel.forecast}
        bands = {"forecast": panel.band} if panel.band else None
        chart = line_chart(f"{panel.name} and its forecast", lines, bands, panel.steps)
        charts.append({"name": panel.name, "series": list(lines), "chart": chart})
    steps, period = len(forecast.series[0].values), forecast.series[0].times
    shown = _MOST_SERIES * len(forecast.channels)
    page = render(
        "forecast.html",
        name=run.config.name,
        run=run.path.name,
        steps=steps,
        channels=format_list(forecast.channels),
        period=f", {period[0]} to {period[-1]}" if period else "",
        horizon=run.config.forecast.horizon if run.config.forecast else steps,
        charts=charts[:shown],
        more=charts[shown:],
        several=len(forecast.series) > 1,
        notes=[*_format_shown(forecast, most), *forecast.notes],
    )
    write_page(page, path)


def draw_forecast(forecast: TableForecast) -> Image.Image:
    """Draw a panel for each channel of the first series, with the times of the steps on its axis."""
    panels, shown = list(_panels(forecast, _MOST_SERIES)), _format_shown(forecast, _MOST_SERIES)
    sheet = Image.new("RGB", (_WIDTH, len(panels) * _HEIGHT + _MARGIN + _MARGIN * len(shown)), PAPER)
    draw, font = ImageDraw.Draw(sheet, "RGBA"), ImageFont.load_default(14)
    for number, panel in enumerate(panels):
        _draw_panel(draw, panel, number * _HEIGHT + _MARGIN // 2)
    for line, note in enumerate(shown):
        draw.text((_LEFT, len(panels) * _HEIGHT + _MARGIN // 2 + _MARGIN * line), note, fill=QUIET, font=font)
    return sheet


def _panels(forecast: TableForecast, most: int) -> Iterator[_Panel]:
    for one in forecast.series[:most]:
        steps = len(one.values)
        length = min(len(one.history), max(_SHORTEST_HISTORY, _HISTORY_PER_STEP * steps))
        labels = _labels(one, length)
        for channel, name in enumerate(forecast.channels):
            history = one.history[len(one.history) - length :, channel].tolist()
            band = one.band(channel)
            yield _Panel(
                _name(one, name, len(forecast.channels)),
                [*history, *[math.nan] * steps],
                [*[math.nan] * (length - 1), history[-1], *one.values[:, channel].tolist()],
                [*[(math.nan, math.nan)] * (length - 1), (history[-1], history[-1]), *band] if band else [],
                labels,
            )


def _name(one: SeriesForecast, channel: str, channels: int) -> str:
    return channel if not one.name else one.name if channels == 1 else f"{one.name}: {channel}"


def _labels(one: SeriesForecast, length: int) -> list[str]:
    if one.past is not None and one.times is not None:
        return [*one.past[len(one.past) - length :], *one.times]
    return [f"{step:+d}" if step else "now" for step in range(1 - length, len(one.values) + 1)]


def _format_shown(forecast: TableForecast, most: int) -> list[str]:
    """Return what is to be known of the charts of the first series, a sentence each."""
    count = len(forecast.series)
    band = [format_interval(forecast.quantiles)] if len(forecast.quantiles) > 1 else []
    return [*band, *([f"The first {most} of {count:,} series."] if count > most else [])]


def _draw_panel(draw: ImageDraw.ImageDraw, panel: _Panel, top: int) -> None:
    font, small = ImageFont.load_default(16), ImageFont.load_default(13)
    levels = round_ticks([*panel.history, *panel.forecast, *(end for ends in panel.band for end in ends)])
    upper, lower, right = top + _TOP, top + _HEIGHT - _BOTTOM, _WIDTH - _MARGIN

    def x(step: float) -> float:
        return _LEFT + step / max(1, len(panel.steps) - 1) * (right - _LEFT)

    def y(value: float) -> float:
        return lower - (value - levels[0]) / (levels[-1] - levels[0]) * (lower - upper)

    draw.text((_LEFT, top + 8), panel.name, fill=INK, font=font)
    draw.text((right, top + 10), "forecast", fill=_FORECAST, font=small, anchor="ra")
    draw.text((right - 70, top + 10), "history", fill=ACCENT, font=small, anchor="ra")
    for level in levels:
        draw.line([(_LEFT, y(level)), (right, y(level))], fill=(226, 228, 230))
        draw.text((_LEFT - 8, y(level)), format_tick(level), fill=QUIET, font=small, anchor="rm")
    for step in choose_labels(panel.steps, (right - _LEFT) // _LABEL_WIDTH):
        draw.text((x(step), lower + 8), panel.steps[step], fill=QUIET, font=small, anchor="ma")
    known = [(step, low, high) for step, (low, high) in enumerate(panel.band) if not math.isnan(low)]
    if known:
        upper_edge = [(x(step), y(high)) for step, _, high in known]
        lower_edge = [(x(step), y(low)) for step, low, _ in reversed(known)]
        draw.polygon([*upper_edge, *lower_edge], fill=(*_FORECAST, _BAND))
    for values, colour in ((panel.history, ACCENT), (panel.forecast, _FORECAST)):
        for part in _parts(values):
            points = [(x(step), y(values[step])) for step in part]
            draw.line(points if len(points) > 1 else points * 2, fill=colour, width=_LINE, joint="curve")


def _parts(values: Sequence[float]) -> list[list[int]]:
    """Return the steps of each stretch without a gap."""
    parts: list[list[int]] = [[]]
    for step, value in enumerate(values):
        if math.isnan(value):
            parts.append([])
        else:
            parts[-1].append(step)
    return [part for part in parts if part]
