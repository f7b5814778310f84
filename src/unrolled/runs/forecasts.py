"""Forecasts of the series in a table, with their dates."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from unrolled.config.sections import DataConfig
from unrolled.data.calendars import calendar_channels
from unrolled.data.cells import unknown_categories
from unrolled.data.columns import named_columns
from unrolled.data.forecasting import EACH_COLUMN, forecast_schema, last_filled, until
from unrolled.data.frames import Source, read_source
from unrolled.data.grids import Moments, format_moments
from unrolled.data.schema import TableSchema
from unrolled.data.series import Series, format_time_notes, read_series
from unrolled.data.table import Table, format_list
from unrolled.errors import DataError, InvalidInput
from unrolled.runs.run import Run
from unrolled.runs.spreadsheets import write_csv
from unrolled.tasks.forecasting import FEWEST_TO_CALIBRATE, Forecasting
from unrolled.tasks.quantiles import MEDIAN
from unrolled.tasks.windows import Channels

import numpy as np
from numpy.typing import NDArray

_MOST_NAMED = 6


@dataclass(frozen=True)
class SeriesForecast:
    """A series and its forecast.

    Attributes:
        name: The name of the series; empty for the only one of a table.
        history: [T, targets] the values before.
        values: [steps, targets] the values to come, in the units of the data; of quantiles the median.
        past: [T] the time of each value before, for people; None for a series without times.
        times: [steps] the time of each step, for people; None where the times are unknown.
        quantiles: [steps, targets, Q] all quantiles, where more than the median are forecast.
    """

    name: str
    history: NDArray[Any]
    values: NDArray[Any]
    past: Sequence[str] | None = None
    times: Sequence[str] | None = None
    quantiles: NDArray[Any] | None = None

    def band(self, channel: int) -> list[tuple[float, float]]:
        """Return [steps] the lowest and the highest quantile of a channel; nothing without quantiles."""
        return (
            []
            if self.quantiles is None
            else [(low, high) for low, high in self.quantiles[:, channel, [0, -1]].tolist()]
        )


@dataclass(frozen=True)
class TableForecast:
    """The forecasts of all series in a table.

    Attributes:
        series: Each series with its forecast.
        channels: The names of the channels that are forecast.
        series_column: The column that names the series; None for the only one of a table.
        time_column: The column of times, or None.
        quantiles: [Q] the quantiles, if more than the median are forecast.
        notes: Remarks for the user.
    """

    series: Sequence[SeriesForecast]
    channels: tuple[str, ...]
    series_column: str | None = None
    time_column: str | None = None
    quantiles: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the values in a row: those of the channels, of each its quantiles such as ``sales_0.1``."""
        return tuple(
            column
            for name in self.channels
            for column in (name, *(f"{name}_{quantile:g}" for quantile in self.quantiles if quantile != MEDIAN))
        )

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each series and step: the name of the series and the time, where there are such; the values."""
        return [
            ({self.series_column: one.name} if self.series_column else {})
            | ({self.time_column: one.times[step]} if self.time_column and one.times else {})
            | dict(zip(self.columns, values, strict=True))
            for one in self.series
            for step, values in enumerate(self.values_of(one).tolist())
        ]

    def values_of(self, one: SeriesForecast) -> NDArray[Any]:
        """Return [steps, columns] the values of a series."""
        if one.quantiles is None:
            return one.values
        others = [index for index, quantile in enumerate(self.quantiles) if quantile != MEDIAN]
        values = np.concatenate([one.values[..., None], one.quantiles[..., others]], axis=-1)
        return values.reshape(len(values), -1)

    def write(self, to: TextIO) -> None:
        """Write the rows as CSV; without times the steps are numbered."""
        precision = 7 if all(one.values.dtype == np.float32 for one in self.series) else 15
        rows, has_times = self.rows, any(one.times for one in self.series)
        steps = [step for one in self.series for step in range(1, len(one.values) + 1)]
        if not has_times:
            rows = [{"step": step} | row for step, row in zip(steps, rows, strict=True)]
        names = [*((self.series_column,) if self.series_column else ()), *((self.time_column,) if has_times else ())]
        header = [*(() if has_times else ("step",)), *names, *self.columns]

        def cell(value: Any) -> Any:
            return f"{value:.{precision}g}" if isinstance(value, float) else value

        write_csv(to, header, ([cell(row.get(name, "")) for name in header] for row in rows))


def forecast_table(run: Run, path: Source, steps: int | None = None, future: Source | None = None) -> TableForecast:
    """Forecast each series in a table.

    The steps to forecast are those after the last value of each series. Rows after it, with the column to forecast left
    empty, give what is known of them; a second table may give it too.

    Args:
        run: A network that was trained to forecast.
        path: The table, with the columns of the training data.
        steps: Number of steps to forecast; the horizon if left out.
        future: The table of the columns that are known ahead.

    Raises:
        DataError: A table is damaged, a column is missing, or a column that is known ahead has no value at a step.
        InvalidInput: The network was trained for another task, or no series can be forecast: too short, or without a
            value in its last window.
    """
    if not isinstance(run.task, Forecasting):
        raise InvalidInput(f"forecast: the network was trained to {run.task.name}, not to forecast. Name another run.")
    wanted = run.task.settings.horizon if steps is None else steps
    table, schema = _read(run, path)
    later = None if future is None else schema.read(future)
    found = read_series(table, schema, later)
    source = (table if later is None else later).path
    others = _other_names(found, later, schema)
    now, forecasts, refused = _last_time(found, schema), [], []
    for one in found:
        try:
            forecasts.append(_forecast(run, run.task, one, schema, wanted, source, now, others))
        except InvalidInput as error:
            refused.append((one.timeline.name, error))
    times = format_time_notes(found, schema, table)
    unknown = unknown_categories(table if later is None else later, schema.categories)
    names, ends = _format_names(run, found, refused), _format_ends(run.task, found, schema, now)
    gaps = _format_gaps(run.task, found, schema)
    read = [one.note for one in (table, later) if one is not None]
    read += (
        [f"{source.name}: not in {table.path.name}, and not forecast: {format_list(others, _MOST_NAMED)}"]
        if others
        else []
    )
    if refused and not forecasts:
        raise refused[0][1]
    return TableForecast(
        forecasts,
        run.task.output_names,
        "series" if schema.is_wide else schema.series,
        schema.time,
        tuple(run.task.settings.quantiles or ()),
        tuple(note for note in (*read, *names, ends, gaps, times, unknown, _format_quantiles(run.task)) if note),
    )


def _read(run: Run, path: Source) -> tuple[Table, TableSchema]:
    """Read a table like the training table; of a wide one, all columns of numbers unless the experiment names some."""
    if run.schema is None:
        table = read_source(path)
        return table, forecast_schema(table, run.output_names)
    schema = run.schema
    table = schema.read(path)
    data = run.config.data
    if not schema.is_wide or not isinstance(data, DataConfig) or data.input or data.target:
        return table, schema
    again = forecast_schema(
        table,
        None,
        series=EACH_COLUMN,
        time=schema.time,
        known=schema.known,
        past=schema.past,
        ignore=[name for name in named_columns(data.ignore) if name in table.columns],
    )
    return table, replace(schema, columns=again.columns)


def _other_names(found: Sequence[Series], later: Table | None, schema: TableSchema) -> list[str]:
    """Return the names of series in the table of later rows that the first table has not."""
    if later is None or schema.series is None:
        return []
    names = later.texts(schema.series).str.strip_chars().drop_nulls().unique(maintain_order=True).to_list()
    here = {one.timeline.name for one in found}
    return [name for name in names if name not in here]


def _like(name: str, others: Sequence[str]) -> str:
    """Return the first of some names that differs in no letter or digit, but in capitals, accents or other characters.

    Example:
        >>> _like("Münster, Süd", ["Münster Nord", "MUNSTER SUD"])
        'MUNSTER SUD'
    """
    return next((other for other in others if _letters(other) == _letters(name)), "")


def _letters(name: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFKD", name).casefold() if one.isalnum())


def _last_time(found: Sequence[Series], schema: TableSchema) -> int | None:
    """Return the time of the last value of all series."""
    ends = [(one.timeline.moments, last_filled(one, schema)) for one in found]
    return max((int(moments[end]) for moments, end in ends if moments is not None and end >= 0), default=None)


def _forecast(
    run: Run,
    task: Forecasting,
    series: Series,
    schema: TableSchema,
    steps: int,
    source: Path,
    now: int | None,
    others: Sequence[str],
) -> SeriesForecast:
    end, targets = last_filled(series, schema) + 1, len(task.output_names)
    before = until(series, end)
    task.past_values(before.values)
    whole = -(-steps // task.settings.horizon) * task.settings.horizon
    where = f"{source}: {series.timeline.name}" if series.timeline.name else str(source)
    moments = before.timeline.after(whole)
    if moments is None and series.timeline.moments is not None:
        # At no regular distance, the times are those of the rows there.
        moments = series.timeline.moments[end : end + whole]
    after = _Steps(series, end, steps, moments, where, _like(series.timeline.name, others))
    ahead = _known_ahead(task, after, now) if task.channels.ahead else None
    values = task.forecast(run.model, before.values, steps, ahead, quantiles=True)
    times = after.times()
    return SeriesForecast(
        series.timeline.name,
        before.values[:, :targets],
        values[..., task.quantiles.index(MEDIAN)],
        before.timeline.labels(),
        times if len(times) == steps else None,
        values if task.settings.quantiles else None,
    )


@dataclass(frozen=True)
class _Steps:
    """The steps after the last value of a series.

    Attributes:
        series: The series, with the rows after its last value.
        end: The index of the first step to forecast.
        count: Number of steps to forecast.
        moments: [>= count] their times, as far as they are known.
        where: The table and the series, for messages.
        like: The name of a series of the table of later rows that may be meant for it; empty if there is none.
    """

    series: Series
    end: int
    count: int
    moments: Moments | None
    where: str
    like: str = ""

    def known_columns(self, channels: Channels, columns: Sequence[str], now: int | None) -> NDArray[np.float64]:
        """Return [>= count, known channels] the values of the columns that are known ahead.

        A series may end before the others: a step without a row up to ``now``, their last time, is a gap as others are.

        Raises:
            DataError: A step has no row, or a row no value.
        """
        first = len(channels.targets) + len(channels.past)
        known = self.series.values[self.end :, first : first + len(channels.known)].astype(np.float64)
        if len(known) < self.count:
            if self.like:
                raise DataError(
                    f"{self.where}: expected {format_list(columns)} of the {self.count} steps{self._behind()}, got "
                    f'those of "{self.like}". Write the name as it is before: "{self.series.timeline.name}"'
                )
            raise DataError(
                f"{self.where}: expected {format_list(columns)} of the {self.count} steps{self._behind()}, got "
                f"{len(known)} steps. {_remedy(channels)}, or name a table of them: --future FILE"
            )
        is_gap = np.isnan(known[: self.count])
        if self.moments is not None and now is not None:
            is_gap &= (self.moments[: self.count] > now)[:, None]
        for step, channel in np.argwhere(is_gap)[:1].tolist():
            at = f"step {step + 1}" if self.moments is None else self.times()[step]
            raise DataError(
                f"{self.where}: expected {channels.known[channel]} of {at}, got none. Add it to the row of that step."
            )
        return known

    def calendar(self, channels: Channels, names: Sequence[str]) -> NDArray[np.float64]:
        """Return [>= count, channels of the calendar].

        Raises:
            DataError: The times are not known.
        """
        if self.moments is None or len(self.moments) < self.count:
            raise DataError(
                f"{self.where}: the times of the {self.count} steps{self._behind()} are unknown, because those before "
                f"are at no regular distance. {_remedy(channels)}, or train with the setting every"
            )
        return calendar_channels(self.moments, names)

    def times(self) -> list[str]:
        """Return the times of the steps for people, as far as they are known."""
        return [] if self.moments is None else format_moments(self.moments[: self.count], self.series.timeline.step)

    def _behind(self) -> str:
        labels = self.series.timeline.labels()
        return f" after {labels[self.end - 1]}" if labels else ""


def _remedy(channels: Channels) -> str:
    return f"Add rows with an empty {format_list(channels.targets, 2)}"


def _known_ahead(task: Forecasting, steps: _Steps, now: int | None) -> NDArray[np.float64]:
    """Return [>= steps, known channels] what is known of the steps to forecast."""
    channels, data = task.channels, task.config.data
    parts = [steps.known_columns(channels, task.schema.known if task.schema else (), now)] if channels.known else []
    if channels.calendar and isinstance(data, DataConfig):
        parts.append(steps.calendar(channels, data.calendar or ()))
    count = min(map(len, parts))
    return np.concatenate([part[:count] for part in parts], axis=1)


def _format_quantiles(task: Forecasting) -> str:
    """Return a note on quantiles that could not be corrected; empty for others."""
    if not (task.settings.quantiles and task.settings.conformal) or task.calibration:
        return ""
    return (
        f"the quantiles are as the network gives them: there were fewer than the {FEWEST_TO_CALIBRATE} validation "
        "windows to correct them by"
    )


def _format_ends(task: Forecasting, found: Sequence[Series], schema: TableSchema, now: int | None) -> str:
    """Return a note on series that end before the others; empty if there are none."""
    ends = [(one, last_filled(one, schema)) for one in found]
    early = [
        f"{one.timeline.name} ({format_moments(one.timeline.moments[end : end + 1])[0]})"
        for one, end in ends
        if one.timeline.moments is not None and end >= 0 and now is not None and one.timeline.moments[end] < now
    ]
    if not early:
        return ""
    known = format_list(schema.known, 3)
    gaps = f"; {known} of a step without a row counts as a gap there" if task.channels.known else ""
    which = f"{len(early):,} of {len(found):,} series end before the others and are forecast from their end"
    return f"{which}: {format_list(early, _MOST_NAMED)}{gaps}"


def _format_gaps(task: Forecasting, found: Sequence[Series], schema: TableSchema) -> str:
    """Return a note on series with gaps in their last season; empty if there are none."""
    ends = [(one.values[:, : len(task.output_names)], last_filled(one, schema) + 1) for one in found]
    count = sum(np.isnan(values[max(end - task.settings.season, 0) : end]).any() for values, end in ends)
    if not count:
        return ""
    which = f"{count:,} of {len(found):,} series have gaps in their last season"
    which = "the last season has gaps" if len(found) == 1 else which
    return f"{which}; the forecast starts from the season before there"


def _format_names(run: Run, found: Sequence[Series], refused: Sequence[tuple[str, InvalidInput]]) -> list[str]:
    """Return notes on series that were not trained on, and on those that cannot be forecast."""
    names, notes = [one.timeline.name for one in found], []
    trained = set(run.data.get("series") or ())
    new = [name for name in names if name and name not in trained]
    if trained - {""} and new:
        which = f"{len(new):,} of {len(names):,} series are" if len(names) > 1 else "the series is"
        notes.append(f"{which} not in the training data: {format_list(new, _MOST_NAMED)}")
    if refused:
        left_out = format_list([name for name, _ in refused], _MOST_NAMED)
        reason = str(refused[0][1]).removeprefix("forecast: ")
        notes.append(f"{len(refused):,} of {len(names):,} series are left out: {left_out} ({reason})")
    return notes
