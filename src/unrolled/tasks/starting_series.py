"""A forecast to start from, chosen for a table by its times: the step, the season, and what else is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unrolled.data.anomalies import anomaly_schema
from unrolled.data.choosing import MOST_CHANNELS
from unrolled.data.columns import find_columns, named_columns
from unrolled.data.forecasting import EACH_COLUMN, forecast_schema, without_future
from unrolled.data.grids import DAY, Moments, Step, format_clock, parse_step
from unrolled.data.series import Series, read_series
from unrolled.data.table import Table, format_list
from unrolled.data.values import is_missing
from unrolled.errors import DataError
from unrolled.tasks.last_season import season_lags
from unrolled.tasks.metrics import season_differences

import numpy as np
from numpy.typing import NDArray

_USUAL_STEPS = (
    *("1s", "2s", "5s", "10s", "15s", "20s", "30s", "1m", "2m", "5m", "10m", "15m", "20m", "30m", "1h", "2h", "3h"),
    *("4h", "6h", "8h", "12h", "1d", "1w"),
)
_LENGTHS = {"workdays": DAY, "months": 31 * DAY, "month ends": 31 * DAY}
# More steps than these are too many for a season: the last value is as good.
_MOST_STEPS_OF_A_DAY = 96
_MOST_PLANNED = 48
_CLOSE = 0.25  # of a step, within which a time is about on a grid
_RARE = 0.1  # of the rows at a usual time of the day
_DAYS_OF_A_WEEK, _DAYS_OF_A_YEAR = 7, 400
_FEWEST_STEPS = 6
_QUANTILES = (0.1, 0.5, 0.9)
_LEVELS_APART = 2
_WATCHED, _SHORTEST_WINDOW = 128, 8
_WHOLE_DAY = 0.75  # of the steps of a day; with fewer of them there are nights


def choose_forecast(
    table: Table,
    data: dict[str, Any],
    targets: Sequence[str],
    time: str | None,
    series: str | None,
    taken: Sequence[str] = (),
) -> tuple[dict[str, Any], dict[str, str]]:
    """Choose a forecast of about a season, read from two seasons and more.

    Args:
        table: The table, with a column of joined times if it needs one.
        data: The section ``data`` so far.
        targets: The columns to forecast; without them the only one that can be.
        time: The column of times; None if the rows are in order.
        series: The column of series, or ``columns`` to forecast each column of numbers as one.
        taken: The columns that have a role already, or none.

    Returns:
        The sections ``task``, ``data`` and ``forecast``, and the reasons.

    Raises:
        DataError: It cannot be known which column is to be forecast, or a time or a value cannot be read.
    """
    is_wide = series == EACH_COLUMN
    targets = targets or (() if is_wide else (_only_number(table, series, taken),))
    for name in targets:
        table.numbers(name)
    past, facts = ([], []) if is_wide else _covariates(table, (*targets, *taken), series)
    times = {"time": list(table.joined) if table.joined else time} if time else {}
    named = {"target": targets[0] if len(targets) == 1 else list(targets)} if targets and "input" not in data else {}
    data |= named | times | ({"series": series} if series else {}) | ({"past": past} if past else {})
    if table.joined:
        facts.insert(0, f"{format_list(table.joined)} say when together")
    covariates = {name: list(named_columns(data.get(name))) for name in ("known", "past")}
    columns: dict[str, Any] = {"series": series, "time": time, **covariates}
    grid = _Grid.of(table, targets, columns)
    data |= grid.settings
    schema = forecast_schema(table, targets, **columns, **grid.settings)
    found, _ = without_future(read_series(table, schema), schema)
    forecast, reason = _sizes(table.path, found, grid)
    data |= {"calendar": calendar} if (calendar := _calendar(found, grid)) else {}
    where = f"in the order of {time}" if time else "in the order of the rows"
    reasons = {"task": f"{format_list(targets or ['each column of numbers'])} {where}", "forecast": reason}
    facts += [grid.fact] if grid.fact else []
    settings = {"task": "forecast", "data": data, "forecast": forecast}
    return settings, reasons | ({"data": "; ".join(facts)} if facts else {})


def choose_detection(
    table: Table, data: dict[str, Any], target: str | None, time: str | None, series: str | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Choose what is read to find anomalies: windows of 128 steps, of short series an eighth of them.

    Args:
        table: The table, with a column of joined times if it needs one.
        data: The section ``data`` so far.
        target: The column that tells which steps are anomalies; None if nobody knows.
        time: The column of times; None if the rows are in order.
        series: The column of series.

    Returns:
        The sections ``task``, ``data`` and ``detect``, and the reasons.

    Raises:
        DataError: A time or a value cannot be read, or the rows are too few.
    """
    schema = anomaly_schema(table, target=target, time=time, series=series)
    found = read_series(table, replace(schema, targets=()))
    window = int(np.clip(min(len(one.values) for one in found) // 8, _SHORTEST_WINDOW, _WATCHED))
    season, _, name = _season(found[0].timeline.step)
    data |= {"target": target} if target else {}
    data |= {"time": list(table.joined) if table.joined else time} if time else {}
    data |= {"series": series} if series else {}
    detect = {"window": window, "smooth": window // 4} | ({"season": season} if season > 1 else {})
    who = f"{target} tells" if target else "nobody knows"
    reason = f"windows of {window} steps; errors are averaged over a quarter of one"
    return {"task": "detect", "data": data, "detect": detect}, {
        "task": f"{who} which steps are anomalies; watched: {format_list(schema.columns)}",
        "detect": reason + (f"; {name}, the season, is that of the baseline" if name else ""),
    }


def _only_number(table: Table, series: str | None, taken: Sequence[str]) -> str:
    """Return the only column of numbers that changes, within a series, and has no other role."""
    columns = find_columns(table).items()
    numbers = [name for name, one in columns if one.kind == "numbers" and name not in (series, *taken)]
    changing = [name for name in numbers if series is None or _changes(table, name, series)]
    if len(changing) != 1:
        raise DataError(
            f"{table.path}: cannot tell which column is to be forecast: {format_list(changing or table.columns)}. Name "
            "it with --target"
        )
    return changing[0]


def _changes(table: Table, name: str, series: str) -> bool:
    return table.frame.select(series, name).n_unique() > table.frame[series].n_unique()


def _covariates(table: Table, taken: Sequence[str], series: str | None) -> tuple[list[str], list[str]]:
    """Return the other columns of numbers and of few categories, which are known up to now; and remarks on the rest."""
    past, facts = [], []
    for name, one in find_columns(table).items():
        if name in (*taken, series, *table.joined) or one.kind not in ("numbers", "category"):
            continue
        cells = table.frame[name]
        different = cells.filter(~is_missing(cells)).n_unique()
        if different < 2 or (one.kind == "category" and different > MOST_CHANNELS):
            facts.append(f"{name} is not read: {'one value' if different < 2 else 'many categories'}")
            continue
        try:
            if one.kind == "numbers":
                table.numbers(name)
        except DataError as error:
            reason = str(error).removeprefix(f"{table.path}:").split(". ")[0]
            facts.append(f"{name} is not read, because of line {reason}")
            continue
        past.append(name)
    return past, facts


@dataclass(frozen=True)
class _Grid:
    """The step of the rows.

    Attributes:
        settings: ``every``, ``irregular`` and ``hours``, as far as they are needed.
        fact: What was found, for people; empty where nothing is special.
        step: The step; None where there is none.
    """

    settings: Mapping[str, Any]
    fact: str = ""
    step: Step | None = None

    @classmethod
    def of(cls, table: Table, targets: Sequence[str], columns: Mapping[str, Any]) -> "_Grid":
        """Find the step of the rows, and what is to become of times that are not exact."""
        time, series = columns["time"], columns["series"]
        if time is None or table.times(time) is None:
            return cls({})
        moments = table.moments(time)
        keys = np.zeros(table.size) if series in (None, EACH_COLUMN) else table.texts(series).rank("dense").to_numpy()
        order = np.lexsort((moments, keys))
        ordered = moments[order]
        differences = np.diff(ordered)[np.diff(keys[order]) == 0]
        repeated = int((differences == 0).sum())
        if not repeated:
            found = [one for one in read_series(table, forecast_schema(table, targets, **columns)) if len(one.rows) > 2]
            steps = {one.timeline.step for one in found}
            if None not in steps and len(steps) == 1:
                return cls._of_step(next(iter(steps)), moments)  # type: ignore[arg-type]
        positive = differences[differences > 0]
        if not len(positive):
            return cls({})
        return cls._of_irregular(moments, positive, repeated)

    @classmethod
    def _of_step(cls, step: Step, moments: Moments) -> "_Grid":
        """Return the grid of rows at exact times."""
        hours, every = _hours(moments, step), _duration(step)
        if hours is None or every is None:
            return cls({}, step=step)
        names = [format_clock(clock) for clock in hours]
        fact = f"there are rows from {names[0]} to {names[1]} alone, and no steps at night"
        return cls({"every": every, "hours": names}, fact, Step(step.size, hours=hours))

    @classmethod
    def _of_irregular(cls, moments: Moments, differences: NDArray[np.int64], repeated: int) -> "_Grid":
        """Return the grid that rows at other times are about on, if they are."""
        median = float(np.median(differences))
        every = min(_USUAL_STEPS, key=lambda text: abs(np.log(parse_step(text).size / median)))
        step = parse_step(every)
        counts = np.rint(differences / step.size)
        is_close = (counts >= 1) & (np.abs(differences - counts * step.size) <= _CLOSE * step.size)
        again = f", and {repeated:,} rows have the time of another one" if repeated else ""
        if is_close.mean() < 0.5 and not repeated:
            return cls({"irregular": "delta"}, "the times are irregular: the time since the row before is read, too")
        fact = f"the times are not exact, about every {every}{again}: rows are taken to the nearest step, or averaged"
        hours = _hours(_without_rare_ends((moments + step.size // 2) // step.size * step.size), step)
        if hours is None:
            return cls({"every": every, "irregular": "resample"}, fact, step)
        names = [format_clock(clock) for clock in hours]
        fact += f"; they are between {names[0]} and {names[1]}, and there are no steps at night"
        return cls({"every": every, "irregular": "resample", "hours": names}, fact, Step(step.size, hours=hours))


def _without_rare_ends(moments: Moments) -> Moments:
    """Return times without those at the first and at the last time of the day, where they are rare."""
    clocks, counts = np.unique(moments % DAY, return_counts=True)
    is_rare = counts < _RARE * np.median(counts)
    ends = [clocks[end] for end in (0, -1) if is_rare[end]]
    return moments[~np.isin(moments % DAY, ends)]


def _hours(moments: Moments, step: Step) -> tuple[int, int] | None:
    """Return the times of the day of the first and of the last step where there are none at night; otherwise None."""
    if step.unit != "microseconds" or step.size >= DAY or DAY % step.size or step.size % (DAY // 1440):
        return None
    clocks = moments % DAY
    first, last = int(clocks.min()), int(clocks.max())
    share = ((last - first) // step.size + 1) * step.size / DAY
    spans_week = moments.max() - moments.min() >= _DAYS_OF_A_WEEK * DAY
    is_even = first % (DAY // 1440) == 0 and (last - first) % step.size == 0
    return (first, last) if first < last and share <= _WHOLE_DAY and spans_week and is_even else None


def _duration(step: Step) -> str | None:
    """Return a step of a fixed time as the setting ``every``."""
    found = ((unit, size) for unit, size in (("h", DAY // 24), ("m", DAY // 1440)) if step.size % size == 0)
    return next((f"{step.size // size}{unit}" for unit, size in found), None)


def _season(step: Step | None) -> tuple[int, int, str]:
    """Return the steps of a season, how many are planned, and the season in words; the word is empty without one."""
    if step is None:
        return 1, 8, ""
    if step.unit in ("months", "month ends"):
        season = 12 // step.size if 12 % step.size == 0 else 1
        return season, max(season, 4), "a year" if season > 1 else ""
    if step.unit == "workdays":
        return 5, 10, "a week"
    if step.size < DAY:
        season = step.steps_per_day if DAY % step.size == 0 or step.hours else 1
        if 1 < season <= _MOST_STEPS_OF_A_DAY:
            return season, min(season, _MOST_PLANNED), "a day"
        return 1, 12, ""
    seasons = {DAY: (7, 14, "a week"), 7 * DAY: (52, 8, "a year")}
    return seasons.get(step.size, (1, 4, ""))


def _sizes(path: Path, found: Sequence[Series], grid: _Grid) -> tuple[dict[str, Any], str]:
    """Return the section ``forecast``, and its reason."""
    lengths = [len(one.values) for one in found]
    usual, shortest = int(np.median(lengths)), min(lengths)
    season, horizon, name = _season(grid.step)
    if shortest < _FEWEST_STEPS:
        short = found[int(np.argmin(lengths))].timeline.name
        raise DataError(
            f"{path}: expected {_FEWEST_STEPS} steps or more{' of each series' if len(found) > 1 else ''} to forecast, "
            f"got {shortest}{f' of {short}' if short else ''}. Add rows{', or leave it out' if len(found) > 1 else ''}."
        )
    horizon = max(1, min(horizon, shortest // 6))
    longest = max(1, (usual - 2 * horizon) // 4)
    if 2 * season > longest:
        season, name = 1, ""
    test_steps = max(2 * horizon, min(10 * horizon, shortest // 10))
    if season > 1 and not _is_better(found, season, horizon, test_steps):
        reason = f"the last value is closer to what comes than the one {name} before"
        season = 1
    else:
        reason = f"{name}, the season, has {season}" if name else "without a season, the last value is continued"
    window = min(longest, max(2 * season, 2 * horizon))
    forecast: dict[str, Any] = {"window": window, "horizon": horizon, "season": season}
    if _differ_in_level(found):
        forecast["scale"] = "window_mean"
        reason += "; the series differ in their level, so each window is divided by its mean"
    forecast |= {"quantiles": list(_QUANTILES), "test_steps": test_steps}
    every = grid.settings.get("every")
    rows = (
        f"there is a step every {every}" if every else f"the steps are {grid.step}" if grid.step else "no step is known"
    )
    return forecast, f"{rows}; {reason}; the last {test_steps} of each series are the test"


def _is_better(found: Sequence[Series], season: int, horizon: int, test_steps: int) -> bool:
    """Return True if the values one season before are closer to what comes, up to the horizon, than the last ones."""
    ratios = []
    for one in found:
        values = one.values[:-test_steps, :1].astype(np.float64)
        errors = [_naive_error(values, some, horizon) for some in (season, 1)]
        if all(np.isfinite(errors)) and min(errors) > 0:
            ratios.append(np.log(errors[0] / errors[1]))
    return not ratios or float(np.mean(ratios)) < 0


def _naive_error(values: NDArray[np.float64], season: int, horizon: int) -> float:
    """Return the mean absolute error of the values one season before, over the steps up to the horizon."""
    lags = season_lags(horizon, season).tolist()
    errors = [np.abs(season_differences(values, lag)) for lag in lags if lag < len(values)]
    known = [float(np.nanmean(one)) for one in errors if not np.isnan(one).all()]
    return float(np.mean(known)) if len(known) == horizon else np.nan


def _differ_in_level(found: Sequence[Series]) -> bool:
    """Return True for several series of positive values, some of which are several times as large as others."""
    values = [one.values[:, 0][~np.isnan(one.values[:, 0])] for one in found]
    levels = [float(one.mean()) for one in values if one.size]
    return len(levels) > 1 and all((one >= 0).all() for one in values) and max(levels) > _LEVELS_APART * min(levels) > 0


def _calendar(found: Sequence[Series], grid: _Grid) -> list[str]:
    """Return what is made from the times of steps of hours and days."""
    moments = [one.timeline.moments for one in found if one.timeline.moments is not None]
    if grid.step is None or not moments or _LENGTHS.get(grid.step.unit, grid.step.size) > DAY:
        return []
    spans_years = max(int(times[-1] - times[0]) for times in moments) > _DAYS_OF_A_YEAR * DAY
    of_day = ["hour"] if grid.step.unit == "microseconds" and grid.step.size < DAY else []
    return [*of_day, "weekday", *(["yearday"] if spans_years else [])]
