"""Series in the rows of a table: each in the order of time, on its grid, with the channels that its times give."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from unrolled.data.calendars import calendar_channels, calendar_names
from unrolled.data.cells import category_channels, check_filled
from unrolled.data.grids import (
    DAY,
    Moments,
    Step,
    Timeline,
    find_step,
    format_moments,
    is_on_workdays,
    is_too_sparse,
    is_weekend,
    parse_hours,
    parse_step,
)
from unrolled.data.joined_times import find_clock
from unrolled.data.schema import TableSchema
from unrolled.data.table import Table
from unrolled.errors import DataError

import numpy as np
import polars as pl
from numpy.typing import NDArray

SINCE_LAST = "time since last"
"""The channel that ``irregular: delta`` adds: seconds, or the unit of a column of numbers that orders the rows."""
_FEWEST_ON_GRID = 3
_MOST_REPEATED = 0.05
_ABOUT_ONE = 0.75  # of a step, from which on rows are about one step apart
_USUAL_STEPS = ("1s", "10s", "1m", "5m", "15m", "1h", "6h", "1d", "1w", "1mo", "1q", "1y")


@dataclass(frozen=True)
class Series:
    """A series of a table in the order of time.

    Attributes:
        timeline: Its name, and the times of its steps.
        values: [T, F] the channels of ``channels_of``; NaN for what is missing. float32, or float64 where float32 would
            lose differences between the values.
        rows: The indices of its rows in the table.
        step_rows: [T] the index of each step's row, -1 for a step that is missing; empty if they were not asked for.
    """

    timeline: Timeline
    values: NDArray[Any]
    rows: NDArray[np.int64]
    step_rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


def channels_of(schema: TableSchema) -> tuple[str, ...]:
    """Return the names of the channels of a series: to forecast, read up to now, known ahead."""
    first = ("value",) if schema.is_wide else schema.columns
    since = (SINCE_LAST,) if schema.irregular == "delta" else ()
    past, known = schema.channels(schema.past), schema.channels(schema.known)
    return (*first, *past, *since, *known, *calendar_names(schema.calendar))


def read_series(
    table: Table, schema: TableSchema, future: Table | None = None, *, keeps_rows: bool = False
) -> list[Series]:
    """Return the series of a table.

    Without a column that assigns rows to series, all rows are one series; of a wide table each column is one. Steps
    that are missing are gaps, [F] of NaN. Of a daily series without any value on a weekend, weekends are no steps.

    Args:
        table: The table.
        schema: Its columns.
        future: A table of later rows, of which the columns that are not known ahead may be missing. Its rows up to the
            last value of a series are left out.
        keeps_rows: True to return the row of each step, too.

    Raises:
        DataError: A cell is not a number, a row names no series, two rows of a series have the same time, or a time is
            not on the grid that ``every`` sets.
    """
    rows = _Rows(table, schema, future)
    if keeps_rows:
        return _with_rows(rows, rows.values.shape[1])
    if schema.is_wide:
        every = np.arange(rows.size)
        covariates = list(range(len(schema.columns), rows.values.shape[1]))
        found = [
            rows.in_time(name, every, rows.values[:, [column, *covariates]])
            for column, name in enumerate(schema.columns)
        ]
    else:
        found = [rows.in_time(name, indices, rows.values) for name, indices in rows.groups()]
    return found


def _with_rows(rows: "_Rows", position: int) -> list[Series]:
    """Return series with the row of each step, which stands among the values while they are put in order."""
    values = np.insert(rows.values, position, np.arange(rows.size), axis=1)
    found = []
    for name, indices in rows.groups():
        one = rows.in_time(name, indices, values)
        numbers = np.nan_to_num(one.values[:, position], nan=-1.0).astype(np.int64)
        found.append(replace(one, values=np.delete(one.values, position, axis=1), step_rows=numbers))
    return found


class _Rows:
    """The values, times and series of the rows of a table, and of a second one with later rows.

    Attributes:
        size: Number of rows.
        values: [N, F] the columns of the schema.
    """

    def __init__(self, table: Table, schema: TableSchema, future: Table | None):
        self.schema = schema
        self.tables = [table] if future is None else [table, future]
        self._check_times()
        self.size = sum(one.size for one in self.tables)
        self.values = np.concatenate([self._values_of(one) for one in self.tables])
        self.moments = (
            None if schema.time is None else np.concatenate([one.moments(schema.time) for one in self.tables])
        )

    def _values_of(self, table: Table) -> NDArray[np.float64]:
        """Return [N, F] the columns of a table; what is not known ahead may be missing from the second."""
        schema, is_second = self.schema, table is not self.tables[0]
        optional = (*schema.columns, *schema.past) if is_second else ()
        channels: list[NDArray[np.float64]] = []
        for name in (*schema.value_columns, *(one for one in schema.categories if one not in schema.value_columns)):
            if name in optional and name not in table.columns:
                channels += [np.full(table.size, np.nan)] * len(schema.channels([name]))
            elif name in schema.categories:
                channels += category_channels(table, {name: schema.categories[name]})
            else:
                channels.append(table.numbers(name))
        return np.stack(channels, axis=1) if channels else np.empty((table.size, 0))

    @cached_property
    def has_times(self) -> bool:
        """True if dates order the rows: whole numbers do too, but nothing is missing between them."""
        return self.schema.time is not None and self.tables[0].times(self.schema.time) is not None

    def groups(self) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Yield the name and the rows of each series of the first table, in the order of their first rows."""
        name = self.schema.series
        if name is None:
            yield "", np.arange(self.size)
            return
        columns = [one.column(name).cast(pl.String).str.strip_chars() for one in self.tables]
        for one, column in zip(self.tables, columns, strict=True):
            check_filled(one, name, column, "the name of a series")
        keys = pl.concat(columns)
        numbers = keys.rank("dense").to_numpy()
        order = np.argsort(numbers, kind="stable")
        _, begins = np.unique(numbers[order], return_index=True)
        for rows in sorted(np.split(order, begins[1:]), key=lambda rows: int(rows[0])):
            if rows[0] < self.tables[0].size:
                yield str(keys[int(rows[0])]), rows

    def in_time(self, name: str, rows: NDArray[np.int64], values: NDArray[np.float64]) -> Series:
        """Return one series in the order of time.

        Args:
            name: Its name.
            rows: [T] the indices of its rows.
            values: [N, F] the values of all rows.
        """
        rows = self._with_future(rows, values)
        if self.moments is None:
            return Series(Timeline(name), values[rows], rows)
        rows = rows[np.argsort(self.moments[rows], kind="stable")]
        moments = self.moments[rows]
        schema = self.schema
        if schema.irregular != "resample" or not _are_few(moments, values[rows]):
            self._check_different(moments, rows)
        if not self.has_times:
            return Series(Timeline(name), self._with_channels(values[rows], moments), rows)
        if schema.every:
            steps, moments, step = self._on_set_grid(values[rows], moments, rows)
        else:
            steps, moments, step = self._on_grid(values[rows], moments)
        return Series(Timeline(name, moments, step), self._with_channels(steps, moments), rows)

    def _with_channels(self, values: NDArray[np.float64], moments: Moments) -> NDArray[np.float64]:
        """Return the values with the time since the step before and the calendar; a gap stays one in all channels."""
        schema = self.schema
        given = values.shape[1] - len(schema.channels(schema.known))
        parts = [values[:, :given], values[:, given:]]
        if schema.irregular == "delta":
            parts.insert(1, np.diff(moments, prepend=moments[:1])[:, None] / 1e6)
        if schema.calendar:
            channels = calendar_channels(moments, schema.calendar)
            parts.append(np.where(np.isnan(values).all(axis=1, keepdims=True), np.nan, channels))
        return np.concatenate(parts, axis=1)

    def _is_filled(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return [T] True for rows with a value to forecast, or to read of a series with a class."""
        targets = 1 if self.schema.is_wide else len(self.schema.columns)
        return np.asarray(np.isfinite(values[:, :targets]).any(axis=1))

    def _with_future(self, rows: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the rows of the first table up to its last value, then those of the second, where that has one."""
        is_second = rows >= self.tables[0].size
        if not is_second.any():
            return rows
        order = rows if self.moments is None else self.moments[rows]
        last = order[~is_second & self._is_filled(values[rows])].max(initial=np.iinfo(np.int64).min)
        is_replaced = np.ones(len(rows), np.bool_) if self.moments is None else np.isin(order, order[is_second])
        kept: NDArray[np.int64] = rows[np.where(is_second, order > last, (order <= last) | ~is_replaced)]
        return kept

    def _on_grid(
        self, values: NDArray[np.float64], moments: Moments
    ) -> tuple[NDArray[np.float64], Moments, Step | None]:
        """Return values and times on the grid that the times show, if they do."""
        if len(moments) < _FEWEST_ON_GRID or self.schema.irregular == "delta":
            return values, moments, None
        step = find_step(moments)
        if is_on_workdays(moments, self._is_filled(values)):
            kept, step = ~is_weekend(moments), Step(1, "workdays")
            values, moments = values[kept], moments[kept]
        indices = None if step is None else step.indices(moments)
        if step is None or indices is None or is_too_sparse(int(indices[-1]) + 1, len(moments)):
            return values, moments, None
        return _spread(values, indices), step.moments(int(moments[0]), int(indices[-1]) + 1), step

    def _on_set_grid(
        self, values: NDArray[np.float64], moments: Moments, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], Moments, Step | None]:
        """Return values and times on the grid of ``every``, resampled where that is asked for."""
        assert self.schema.every is not None
        step = parse_step(self.schema.every)
        step = parse_hours(self.schema.hours, step) if self.schema.hours else step
        if self.schema.irregular == "resample":
            near = _nearest(moments, step)
            self._check_hours(near, rows, step)
            begins, inverse = np.unique(near, return_inverse=True)
            values, moments = _means(values, inverse, len(begins)), begins
        elif step.unit == "months" and Step(step.size, "month ends").indices(moments) is not None:
            step = Step(step.size, "month ends")
        self._check_hours(moments, rows, step)
        indices = step.indices(moments)
        if indices is None:
            row = next(int(rows[i]) for i in range(1, len(moments)) if step.indices(moments[[0, i]]) is None)
            raise DataError(
                f"{self._location(row)}: {self._time(row)} is off the grid of every "
                f"{self.schema.every} that begins at {format_moments(moments[:1])[0]}. Set another step, or "
                "irregular: resample"
            )
        count = int(indices[-1]) + 1
        if is_too_sparse(count, len(moments)):
            raise DataError(
                f"{self.tables[0].path}: {self.schema.time}: every {self.schema.every} makes {count:,} steps of "
                f"{len(rows):,} rows. Set a longer step."
            )
        return _spread(values, indices), step.moments(int(moments[0]), count), step

    def _check_hours(self, moments: Moments, rows: NDArray[np.int64], step: Step) -> None:
        """Refuse a time outside the hours in which there are steps."""
        for index in np.flatnonzero(~step.is_within_hours(moments))[:1].tolist():
            row = int(rows[index])
            raise DataError(
                f"{self._location(row)}: {self._time(row)} is outside the hours {self.schema.hours[0]} to "
                f"{self.schema.hours[1]}. Set others, or drop the row."
            )

    def _check_times(self) -> None:
        schema = self.schema
        settings = {"every": schema.every, "calendar": schema.calendar, "irregular": schema.irregular}
        needed = next((name for name, value in settings.items() if value), None)
        if needed and not self.has_times and (needed != "irregular" or schema.time is None):
            got = f"{schema.time} numbers the rows" if schema.time else "there is none"
            raise DataError(
                f"{self.tables[0].path}: the setting {needed} needs a column of dates or times, but {got}. Name one: "
                f"time, or leave {needed} out"
            )

    def _check_different(self, moments: Moments, rows: NDArray[np.int64]) -> None:
        for index in np.flatnonzero(moments[1:] == moments[:-1])[:1].tolist():
            first, second = (int(row) for row in rows[index : index + 2])
            table, index_in_table = self._at(first)
            is_same = table is self._at(second)[0]
            line = f"line {table.lines[index_in_table]}" if is_same else self._location(first)
            time = self.schema.time or ""
            has_hours = moments[index] % DAY or not self.has_times
            clock = "" if has_hours or table.joined else find_clock(table, time)
            joined = (
                f" Join it with the time of the day: data: {{time: [{time}, {clock}]}}; or drop" if clock else " Drop"
            )
            raise DataError(
                f"{self._location(second)}: {self._time(second)} is also the time of {line}.{joined} one of the rows; "
                "if they are of two series, name the column that tells them apart: series"
            )

    def _at(self, row: int) -> tuple[Table, int]:
        first = self.tables[0]
        return (first, row) if row < first.size else (self.tables[1], row - first.size)

    def _location(self, row: int) -> str:
        table, index = self._at(row)
        return table.location(index, self.schema.time)

    def _time(self, row: int) -> Any:
        table, index = self._at(row)
        return table.column(self.schema.time or "")[index]


def _spread(values: NDArray[np.float64], indices: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return values [N, F] at their indices, with NaN for the steps that are missing."""
    grid = np.full((int(indices[-1]) + 1, values.shape[1]), np.nan)
    grid[indices] = values
    return grid


def _are_few(moments: Moments, values: NDArray[np.float64]) -> bool:
    """Return True if few rows have the time of the row before but other values: more of them are of another series."""
    is_repeated = moments[1:] == moments[:-1]
    is_other = ~np.isclose(values[1:], values[:-1], rtol=0, atol=0, equal_nan=True).all(axis=1)
    return bool((is_repeated & is_other).sum() <= _MOST_REPEATED * len(moments))


def _nearest(moments: Moments, step: Step) -> Moments:
    """Return the time of the step of each row: the nearest one if there is about one row in each step.

    Times that are not exact are then on both sides of their step, and a little outside the hours of a day. Of several
    rows it is the step that they are in.
    """
    median = float(np.median(np.diff(moments))) if len(moments) > 1 else 0.0
    if step.unit != "microseconds" or median < _ABOUT_ONE * step.size:
        return step.truncated(moments)
    near: Moments = step.truncated(moments + step.size // 2)
    if step.hours is None:
        return near
    first, last = step.hours
    is_before, is_after = near % DAY == first - step.size, near % DAY == last + step.size
    near += step.size * (is_before.astype(np.int64) - is_after)
    return near


def _means(values: NDArray[np.float64], groups: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Return [count, F] the mean of the values of each group; NaN where there are none."""
    is_known = ~np.isnan(values)
    sums, counts = np.zeros((count, values.shape[1])), np.zeros((count, values.shape[1]))
    np.add.at(sums, groups, np.where(is_known, values, 0.0))
    np.add.at(counts, groups, is_known)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def format_time_notes(series: Sequence[Series], schema: TableSchema, table: Table) -> str:
    """Return notes on times in UTC, and on those at no regular distance with the settings for them; empty for others.

    Args:
        series: The series.
        schema: Their columns.
        table: Their table.
    """
    times, name = None if schema.time is None else table.times(schema.time), table.path.name
    utc = (
        f"{name}: {schema.time} has offsets: its times are read and written in UTC, and the calendar is that of UTC"
        if times is not None and times.in_utc
        else ""
    )
    return "; ".join(note for note in (utc, _format_irregular(series, schema, name)) if note)


def _format_irregular(series: Sequence[Series], schema: TableSchema, name: str) -> str:
    irregular = [
        one.timeline.moments
        for one in series
        if one.timeline.moments is not None and one.timeline.step is None and len(one.rows) >= _FEWEST_ON_GRID
    ]
    if schema.irregular == "resample":
        rows = sum(len(one.rows) for one in series)
        filled = sum(int((~np.isnan(one.values).all(axis=1)).sum()) for one in series)
        return f"{name}: {rows:,} rows are averaged in {filled:,} steps of {schema.every}" if rows > filled else ""
    if not irregular or schema.irregular:
        return ""
    which = "the times" if len(series) == 1 else f"the times of {len(irregular):,} of {len(series):,} series"
    return (
        f"{name}: {which} are at no regular distance, and the rows are read as if they were; data: {{every: "
        f"{_usual_step(irregular[0])}, irregular: resample}} averages them in steps, data: {{irregular: delta}} adds "
        "the time since the row before"
    )


def _usual_step(moments: Moments) -> str:
    """Return the longest usual duration that is no longer than the median distance, about."""
    median = float(np.median(np.diff(moments)))
    sizes = [int(parse_step(text).moments(0, 2)[1]) for text in _USUAL_STEPS]
    shorter = [text for text, size in zip(_USUAL_STEPS, sizes, strict=True) if size <= 1.05 * median]
    return shorter[-1] if shorter else _USUAL_STEPS[0]
