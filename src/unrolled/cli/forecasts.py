"""Forecasts and backtests on the terminal and as JSON."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from unrolled.cli.console import ResultConsole
from unrolled.cli.tables import add_row, print_json, table_of
from unrolled.runs.spreadsheets import write_csv
from unrolled.tasks.sections import format_metric

if TYPE_CHECKING:
    from unrolled.comparison.backtest import Backtest
    from unrolled.runs.forecasts import TableForecast

# The metric by which series are compared, which has no unit, and how many are printed.
_OF_SERIES = "MASE"
_MOST_SERIES = 30


def print_forecast(forecast: "TableForecast", *, as_json: bool) -> None:
    """Print a row for each series and step of a forecast, with a column for each channel."""
    if as_json:
        print_json(forecast.rows)
        return
    has_times = any(one.times for one in forecast.series)
    step = forecast.time_column if has_times and forecast.time_column else "step"
    first = [forecast.series_column, step] if forecast.series_column else [step]
    table = table_of(*first, *forecast.columns)
    for column in table.columns:
        column.no_wrap = True
    for one in forecast.series:
        columns = [_format_channel(column) for column in forecast.values_of(one).T.tolist()]
        times = one.times or [f"+{number}" for number in range(1, len(one.values) + 1)]
        for time, row in zip(times, zip(*columns, strict=True), strict=True):
            add_row(table, *([one.name, time] if forecast.series_column else [time]), *row)
    ResultConsole().print(table)


def _format_channel(values: Sequence[float]) -> list[str]:
    """Format the values of a channel with the same number of decimals.

    Example:
        >>> _format_channel([211.66, 9.5]), _format_channel([63701.7, 274.8]), _format_channel([2e-7])
        (['211.7', '9.5'], ['63,702', '275'], ['2e-07'])
    """
    largest = max(map(abs, values), default=0.0)
    if not 1e-3 <= largest < 1e9:
        return [f"{value:.4g}" for value in values]
    decimals = max(0, 3 - math.floor(math.log10(largest)))
    return [f"{value:,.{decimals}f}" for value in values]


def print_backtest(backtest: "Backtest", *, as_json: bool) -> None:
    """Print the metrics of each method over all series, and of several series the MASE on each."""
    if as_json:
        print_json(backtest.to_json())
        return
    console = ResultConsole()
    _print_metrics("method", backtest.methods, console)
    if len(backtest.by_series) < 2:
        return
    console.print()
    console.print(f"{_OF_SERIES} of each series")
    of_series = {
        name: {method: values[_OF_SERIES] for method, values in found.items()}
        for name, found in backtest.by_series.items()
    }
    _print_metrics("series", dict(list(of_series.items())[:_MOST_SERIES]), console)
    if len(of_series) > _MOST_SERIES:
        console.print(f"The first {_MOST_SERIES} of {len(of_series):,} series; all with --json.")


def _print_metrics(first: str, rows: Mapping[str, Mapping[str, float]], console: ResultConsole) -> None:
    names = list(next(iter(rows.values())))
    table = table_of(first, *names)
    for name, values in rows.items():
        add_row(table, name, *(format_metric(values[metric]) for metric in names))
    console.print(table)


def write_backtest(backtest: "Backtest", to: TextIO) -> None:
    """Write a row for each series, fold and step, with the value and the forecast of each method, as CSV."""
    header = list(backtest.rows[0])
    write_csv(to, header, ([_format_cell(row[name]) for name in header] for row in backtest.rows))


def _format_cell(value: Any) -> Any:
    return f"{value:.7g}" if isinstance(value, float) else value
