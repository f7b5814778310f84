"""Times in several columns, joined to one: year, month, day and hour, or a date and a time of the day."""

from calendar import month_name
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from unrolled.data.columns import find_columns, find_series_column, list_times, named_columns
from unrolled.data.grids import DAY
from unrolled.data.table import Table, format_list
from unrolled.data.times import TIME_OF_DAY, times_of_day
from unrolled.errors import DataError

import numpy as np
import polars as pl
from numpy.typing import NDArray

_PARTS = ("year", "month", "day", "hour", "minute", "second")
_RANGES = {
    "year": (1000, 2999),
    "month": (1, 12),
    "day": (1, 31),
    "hour": (0, 24),
    "minute": (0, 59),
    "second": (0, 60),
}
_SIZES = {"day": DAY, "hour": DAY // 24, "minute": DAY // 1440, "second": 1_000_000}
_FEWEST = 2


def with_joined_times(table: Table, settings: Mapping[str, Any], *, finds: bool) -> tuple[Table, dict[str, Any]]:
    """Return a table with a column of the times that several columns say together, and the settings that name it.

    Args:
        table: The table.
        settings: Those of the section ``data`` that name columns; ``time`` may be a list of columns.
        finds: True to find such columns where ``time`` is not set, which are joined if nothing else says when.

    Raises:
        DataError: A column is missing, or its cells are no parts of a time.
    """
    time, found = settings.get("time"), dict(settings)
    table = replace(table, clocks=named_columns(time))
    if isinstance(time, str) or (time is None and not finds):
        return table, found
    parts = named_columns(time) or find_time_parts(table, found.get("series"), named_columns(found.get("ignore")))
    if not parts:
        return table, found
    if len(parts) == 1:
        return table, found | {"time": parts[0]}
    return join_times(table, parts), found | {"time": joined_name(parts)}


def joined_name(parts: Sequence[str]) -> str:
    """Return the name of the column of joined times: the names of its parts."""
    return " ".join(parts)


def find_time_parts(table: Table, series: str | None = None, ignore: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the columns that say when together; empty if there are none, or if one of them says it alone.

    They are a year and a month, and a day, an hour and so on as far as there are such; or a date that repeats, and an
    hour or a time of the day.

    Args:
        table: The table.
        series: The column of series, if it is known.
        ignore: The columns that are not read.
    """
    columns = {name: one for name, one in find_columns(table).items() if name not in ignore}
    named = {name.lower(): name for name, one in columns.items() if one.kind == "calendar"}
    times = list_times(table, columns)
    clocks = [name for name in times if _is_clock(table, name)]
    dates = [name for name in times if name not in clocks and _repeats(table, name, series)]
    if len(times) == len(clocks) <= 1 and "year" in named and "month" in named:
        known = _following(named, "year")
        return tuple(known + (clocks if "hour" not in named and "day" in named else []))
    if len(dates) != 1 or len(times) > len(clocks) + 1 or len(clocks) > 1:
        return ()
    hours = _following(named, "hour")
    return (dates[0], *(clocks or hours)) if clocks or hours else ()


def _following(named: Mapping[str, str], first: str) -> list[str]:
    """Return the columns of a part of time and of the next smaller ones, up to one that is missing."""
    found: list[str] = []
    for part in _PARTS[_PARTS.index(first) :]:
        if part not in named:
            break
        found.append(named[part])
    return found


def _is_clock(table: Table, name: str) -> bool:
    times = table.times(name)
    return times is not None and times.form == TIME_OF_DAY


def _repeats(table: Table, name: str, series: str | None) -> bool:
    """Return True if several rows, of one series where that is known, have the same date, without a time of the day."""
    times = table.times(name)
    assert times is not None
    known = times.values.drop_nulls().to_physical()
    if (known % DAY).n_unique() > 1:
        return False
    series = series if series in table.columns else find_series_column(table, (name,))
    rows = table.frame.select(name) if series is None else table.frame.select(name, series)
    return rows.n_unique() < table.size


def join_times(table: Table, parts: Sequence[str]) -> Table:
    """Return a table with a column of the times that several columns say together, called by their names.

    Hour 24 is the midnight after the day.

    Args:
        table: The table.
        parts: Columns of years, months, days, hours, minutes and seconds, in this order and as many of them as there
            are; or a column of dates and one of times of the day, or of hours and so on.

    Raises:
        DataError: A column is missing, or its cells are no parts of a time.
    """
    name = joined_name(parts)
    if name in table.columns:
        raise DataError(f'{table.path}: the column "{name}" has the name of the joined times. Rename it.')
    table = replace(table, clocks=tuple(parts))
    for part in parts:
        table.column(part)
    dates, clock = _date_of(table, parts[0]), list(parts[-1:]) if _is_clock(table, parts[-1]) else []
    rest = [part for part in parts if part not in clock]
    if dates is not None:
        moments, known = dates
        names = _by_name(rest[1:], _PARTS[3:])
    else:
        names = _by_name(rest, _PARTS)
        moments, known = _days_of(table, names)
    is_double = len(set(parts)) < len(parts) or (clock and "hour" in names)
    lacks_day = clock and dates is None and "day" not in names
    lacks_hour = dates is not None and bool(names) and bool("hour" not in names or _gap_of(names, _PARTS[3:]))
    if is_double or lacks_day or lacks_hour or len(names) != len(rest) - (dates is not None):
        raise DataError(
            f"{table.path}: time: expected columns of a year, month, day, hour, minute and second in this order, or of "
            f"a date and a time of the day, got {format_list(list(parts))}. Name those that say when together."
        )
    for part in (part for part in _PARTS[3:] if part in names):
        values, has_value = _values_of(table, part, names[part])
        moments, known = moments + np.rint(values * _SIZES[part]).astype(np.int64), known & has_value
    for one in clock:
        of_day = table.times(one)
        assert of_day is not None
        known &= of_day.values.is_not_null().to_numpy()
        moments = moments + of_day.values.to_physical().fill_null(0).to_numpy()
    times = pl.Series(name, moments, dtype=pl.Int64).set(pl.Series(~known), None).cast(pl.Datetime("us"))
    return replace(table, frame=table.frame.with_columns(times), joined=tuple(parts))


def find_clock(table: Table, time: str) -> str:
    """Return a column beside that of times which holds times of the day; empty if there is none."""
    others = (name for name in table.columns if name not in (time, *table.joined))
    return next((name for name in others if times_of_day(table.frame[name]) is not None), "")


def without_joined_times(table: Table) -> Table:
    """Return the table without the column of joined times, as it stands in its file."""
    if not table.joined:
        return table
    return replace(table, frame=table.frame.drop(joined_name(table.joined)), joined=())


def _by_name(names: Sequence[str], parts: Sequence[str]) -> dict[str, str]:
    """Return the columns by what they are: as their names say, or else in the order of the parts of a time."""
    lower = {name.lower(): name for name in names}
    if set(lower) <= set(parts):
        return {part: lower[part] for part in parts if part in lower}
    return dict(zip(parts, names, strict=False))


def _date_of(table: Table, name: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]] | None:
    """Return a column of dates as times in microseconds, and which of them are known; None if it holds none."""
    times = None if _is_clock(table, name) else table.times(name)
    if times is None:
        return None
    if times.other:
        table.moments(name)  # which refuses dates that can be read in two ways
    known = times.values.is_not_null().to_numpy()
    return times.values.to_physical().fill_null(0).to_numpy(), known


def _days_of(table: Table, names: Mapping[str, str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the days of years, months and days, in microseconds, and which of them are known."""
    if "year" not in names or len(names) < _FEWEST or (missing := _gap_of(names, _PARTS)):
        lacking = "year" if "year" not in names else "month" if len(names) < _FEWEST else missing
        raise DataError(
            f"{table.path}: time: expected a year, month, day and so on without a part left out, got "
            f"{format_list(list(names.values()))}, which lacks the {lacking}. Add it."
        )
    year, has_year = _values_of(table, "year", names["year"])
    month, has_month = _values_of(table, "month", names["month"])
    day, has_day = _values_of(table, "day", names["day"]) if "day" in names else (np.ones(table.size), has_year)
    known = has_year & has_month & has_day
    months = ((year - 1970) * 12 + month - 1).astype(np.int64).astype("datetime64[M]")
    begins, ends = (some.astype("datetime64[D]").astype(np.int64) for some in (months, months + np.timedelta64(1, "M")))
    days: NDArray[np.int64] = begins + day.astype(np.int64) - 1
    for row in np.flatnonzero(known & (days >= ends))[:1].tolist():
        raise DataError(
            f"{table.location(row, names['day'])}: expected a day of {months[row]}, got {day[row]:g}. Correct it, or "
            "drop the row."
        )
    return days * DAY, known


def _gap_of(names: Mapping[str, str], parts: Sequence[str]) -> str:
    """Return the first part of a time that is left out before another one; empty if there is none."""
    last = max(parts.index(part) for part in names)
    return next((part for part in parts[:last] if part not in names), "")


def _values_of(table: Table, part: str, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the numbers of one part of all times, and which of them are known."""
    cells = table.column(name)
    if part == "month" and cells.dtype == pl.String and cells.str.contains(r"^\s*\p{L}").any():
        words = cells.str.strip_chars(" \t.").str.to_lowercase()
        numbers = {
            name[:size]: float(number)
            for number, name in enumerate(map(str.lower, month_name[1:]), 1)
            for size in (3, 4, len(name))
        }
        values = words.replace_strict(numbers, default=None, return_dtype=pl.Float64).fill_null(np.nan).to_numpy()
        is_wrong = np.isnan(values) & cells.is_not_null().to_numpy()
    else:
        values = table.numbers(name)
        low, high = _RANGES[part]
        is_wrong = (values < low) | (values > high) | ((part != "second") & (values != np.floor(values)))
        is_wrong &= ~np.isnan(values)
    for row in np.flatnonzero(is_wrong)[:1].tolist():
        low, high = _RANGES[part]
        raise DataError(
            f'{table.location(row, name)}: expected a {part} from {low} to {high}, got "{cells[row]}". Correct it, or '
            "name another column: data: {time: [...]}"
        )
    known = ~np.isnan(values)
    return np.where(known, values, _RANGES[part][0]), known
