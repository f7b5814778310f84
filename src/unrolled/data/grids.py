"""Regular grids of times: the step between rows, found or set; its multiples; and the times after the last row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Moments = NDArray[np.int64]
"""[T] times in microseconds since 1970."""

DAY = 86_400_000_000
_MONDAY = 4 * DAY  # 1970 began on a Thursday
_WEEKDAYS = 5
_NAMES = {DAY: "daily", DAY // 24: "hourly", 7 * DAY: "weekly", DAY // 1440: "every minute", 1_000_000: "every second"}
_MONTHS = {1: "monthly", 3: "quarterly", 12: "yearly"}
_MICROSECONDS = {"ms": 1_000, "s": 1_000_000, "m": DAY // 1440, "h": DAY // 24, "d": DAY, "w": 7 * DAY}
_CALENDAR_MONTHS = {"mo": 1, "q": 3, "y": 12}
_SPARSEST, _MOST_INSERTED = 3, 20


@dataclass(frozen=True)
class Step:
    """The distance between the steps of a series.

    Attributes:
        size: Number of units.
        unit: ``microseconds``, ``months`` (at one moment of each), ``month ends`` (the last day of each), ``workdays``.
        hours: The times of the first and of the last step of each day, in microseconds, if there are none at night.
    """

    size: int
    unit: Literal["microseconds", "months", "month ends", "workdays"] = "microseconds"
    hours: tuple[int, int] | None = None

    def __str__(self) -> str:
        """Return the step in words.

        Example:
            >>> str(Step(DAY)), str(Step(900_000_000)), str(Step(3, "months")), str(Step(1, "workdays"))
            ('daily', 'every 900 s', 'quarterly', 'on workdays')
        """
        if self.unit == "workdays":
            return "on workdays"
        if self.hours is not None:
            first, last = (format_clock(clock) for clock in self.hours)
            return f"{Step(self.size)} from {first} to {last}"
        if self.unit == "microseconds":
            return _NAMES.get(self.size, f"every {self.size / 1e6:g} s")
        return _MONTHS.get(self.size, f"every {self.size} months")

    def indices(self, moments: Moments) -> NDArray[np.int64] | None:
        """Return how many steps each ascending time is after the first; None if one is off the grid."""
        if self.hours is not None:
            if not self.is_within_hours(moments).all() or ((moments % DAY - self.hours[0]) % self.size).any():
                return None
            numbers = self._numbers(moments)
            steps: NDArray[np.int64] = numbers - numbers[0]
            return steps
        if self.unit == "microseconds":
            distances = moments - moments[0]
        elif self.unit == "workdays":
            days, clocks = np.divmod(moments, DAY)
            if len(np.unique(clocks)) > 1 or is_weekend(moments).any():
                return None
            dates = days.astype("datetime64[D]")
            distances = np.busday_count(dates[0], dates).astype(np.int64)
        else:
            months = _months_of(moments) if self.unit == "months" else _month_ends_of(moments)
            if months is None:
                return None
            distances = months - months[0]
        return None if (distances % self.size).any() else distances // self.size

    @property
    def steps_per_day(self) -> int:
        """The number of steps between the hours of a day; of a step without hours, those of a whole day."""
        first, last = self.hours or (0, DAY - self.size)
        return (last - first) // self.size + 1

    def is_within_hours(self, moments: Moments) -> NDArray[np.bool_]:
        """Return True for each time between the hours in which there are steps."""
        first, last = self.hours or (0, DAY)
        within: NDArray[np.bool_] = (moments % DAY >= first) & (moments % DAY <= last)
        return within

    def _numbers(self, moments: Moments) -> NDArray[np.int64]:
        """Return the number of each time within hours since 1970."""
        first = self.hours[0] if self.hours else 0
        numbers: NDArray[np.int64] = moments // DAY * self.steps_per_day + (moments % DAY - first) // self.size
        return numbers

    def moments(self, first: int, count: int) -> Moments:
        """Return the first ``count`` times of the grid that begins at ``first``."""
        if self.hours is not None:
            days, within = np.divmod(self._numbers(np.array([first]))[0] + np.arange(count), self.steps_per_day)
            times: Moments = days * DAY + self.hours[0] + within * self.size
            return times
        indices = np.arange(count) * self.size
        if self.unit == "microseconds":
            return first + indices
        if self.unit == "workdays":
            day, clock = divmod(first, DAY)
            dates: Moments = np.busday_offset(np.datetime64(day, "D"), indices).astype(np.int64)
            return dates * DAY + clock
        month = np.datetime64(first, "us").astype("datetime64[M]")
        months = month + np.asarray(indices).astype("timedelta64[M]")
        begins, ends = (
            (months + np.timedelta64(after, "M")).astype("datetime64[us]").astype(np.int64) for after in (0, 1)
        )
        if self.unit == "month ends":
            last: Moments = ends - DAY + first % DAY
            return last
        within = first - int(month.astype("datetime64[us]").astype(np.int64))
        # The 30th of a month of 28 days is its last.
        moments: Moments = np.minimum(begins + within, ends - DAY + within % DAY)
        return moments

    def truncated(self, moments: Moments) -> Moments:
        """Return the beginning of the step that each time is in; weeks begin on Mondays, months on their first day."""
        if self.unit == "microseconds":
            origin = _MONDAY if self.size % (7 * DAY) == 0 else self.hours[0] % self.size if self.hours else 0
            return (moments - origin) // self.size * self.size + origin
        months = moments.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
        begins = (months // self.size * self.size).astype("datetime64[M]")
        return begins.astype("datetime64[us]").astype(np.int64)


def parse_step(text: str) -> Step:
    """Return the step that a duration such as ``15m`` names.

    Raises:
        ValueError: It is no duration; the message says what is.

    Example:
        >>> str(parse_step("1h")), str(parse_step("1q"))
        ('hourly', 'quarterly')
    """
    found = re.fullmatch(r"([1-9]\d{0,8})(ms|s|mo|m|h|d|w|q|y)", text)
    if not found:
        raise ValueError(f'a duration such as 10s, 15m, 1h, 1d, 1w, 1mo, 1q or 1y, got "{text}". {_suggested(text)}')
    number, unit = int(found[1]), found[2]
    if unit in _CALENDAR_MONTHS:
        return Step(number * _CALENDAR_MONTHS[unit], "months")
    return Step(number * _MICROSECONDS[unit])


def parse_hours(hours: Sequence[str], step: Step) -> Step:
    """Return a step with the hours of the day in which there are steps.

    Args:
        hours: The times of the first and of the last step of each day, such as ``08:00`` and ``17:00``.
        step: The step, shorter than a day.

    Raises:
        ValueError: They are no such hours; the message says what is.

    Example:
        >>> str(parse_hours(["08:00", "17:00"], parse_step("30m")))
        'every 1800 s from 08:00 to 17:00'
    """
    found = [re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text) for text in hours]
    if len(found) != 2 or not all(found):
        raise ValueError(
            f"the first and the last time of the day, such as ['08:00', '17:00'], got {list(hours)}. Write two times"
        )
    first, last = ((int(one[1]) * 60 + int(one[2])) * (DAY // 1440) for one in found if one)
    if step.unit != "microseconds" or step.size >= DAY or last <= first or (last - first) % step.size:
        raise ValueError(
            f"hours of a day that are whole steps apart, got {hours[0]} to {hours[1]} and {str(step).lower()} steps. "
            "Set other hours, or another every"
        )
    return Step(step.size, hours=(first, last))


def format_clock(clock: int) -> str:
    """Format a time of the day, in microseconds: ``08:30``."""
    return f"{clock // (DAY // 24):02}:{clock // (DAY // 1440) % 60:02}"


def _suggested(text: str) -> str:
    """Return the remedy: the duration that another program's spelling means, such as ``1H`` and ``monthly``."""
    found = re.fullmatch(r"(\d*) *([A-Za-z]+)", text)
    word = found[2] if found else ""
    is_month = word in ("M", "MS", "ME") or word.lower().startswith("mo")
    unit = "mo" if is_month else "m" if word.lower() in ("t", "min") else word[:1].lower()
    is_known = found and unit in _MICROSECONDS | _CALENDAR_MONTHS
    return f"Write {int(found[1] or 1) or 1}{unit}" if found and is_known else "Write a number and a unit"


def find_step(moments: Moments) -> Step | None:
    """Return the step of ascending times; None if they are on no grid.

    Months count as equally long. Otherwise the step is the smallest difference, if all others are multiples of it, and
    at least half of the differences or a third of the steps are there.
    """
    if len(moments) > 2:
        for unit, months in (("month ends", _month_ends_of(moments)), ("months", _months_of(moments))):
            if months is not None and (size := int(np.gcd.reduce(np.diff(months)))) > 0:
                return Step(size, unit)  # type: ignore[arg-type]
    differences = np.diff(moments)
    size = int(differences.min()) if len(differences) else 0
    if size <= 0 or (differences % size).any():
        return None
    is_usual = (differences == size).sum() * 2 >= len(differences)
    is_dense = _SPARSEST * len(moments) >= (moments[-1] - moments[0]) // size + 1
    return Step(size) if is_usual or is_dense else None


def is_on_workdays(moments: Moments, is_filled: NDArray[np.bool_]) -> bool:
    """Return True if a series is daily and has values on no Saturday and no Sunday.

    Args:
        moments: [N] ascending.
        is_filled: [N] True where the row holds a value.
    """
    days, clocks = np.divmod(moments, DAY)
    is_daily = len(np.unique(clocks)) == 1 and (np.diff(days) == 1).sum() * 2 >= len(days) - 1
    spans_weekend = len(days) > 1 and days[-1] - days[0] >= 7
    return bool(is_daily and spans_weekend and not (is_weekend(moments) & is_filled).any())


def is_weekend(moments: Moments) -> NDArray[np.bool_]:
    """Return True for each time on a Saturday or a Sunday."""
    weekend: NDArray[np.bool_] = (moments // DAY + 3) % 7 >= _WEEKDAYS
    return weekend


def is_too_sparse(steps: int, rows: int) -> bool:
    """Return True if a grid of so many steps has too few rows: a wrong date is to fill no memory."""
    return steps > _MOST_INSERTED * rows


def _months_of(moments: Moments) -> NDArray[np.int64] | None:
    """Return the number of each month since 1970 if all times are at the same moment of a month; else None."""
    times = moments.astype("datetime64[us]")
    months = times.astype("datetime64[M]")
    return months.astype(np.int64) if len(np.unique(times - months)) == 1 else None


def _month_ends_of(moments: Moments) -> NDArray[np.int64] | None:
    """Return the number of each month since 1970 if all times are at one time of a last day of a month; else None."""
    days, clocks = np.divmod(moments, DAY)
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    is_last = (dates + np.timedelta64(1, "D")).astype("datetime64[M]") != months
    return months.astype(np.int64) if is_last.all() and len(np.unique(clocks)) == 1 else None


@dataclass(frozen=True)
class Timeline:
    """The name of a series, and the times of its steps.

    Attributes:
        name: Its name; empty for the only series of a table.
        moments: [T] times, or None for a series without times.
        step: The distance between them, or None if they are irregular.
    """

    name: str
    moments: Moments | None = None
    step: Step | None = None

    def after(self, count: int) -> Moments | None:
        """Return the times of the ``count`` steps after the last one; None if they are not known."""
        if self.moments is None or self.step is None or not len(self.moments):
            return None
        return self.step.moments(int(self.moments[0]), len(self.moments) + count)[len(self.moments) :]

    def labels(self) -> list[str] | None:
        """Return the time of each step for people; None for a series without times."""
        return None if self.moments is None else format_moments(self.moments, self.step)


def format_moments(moments: Moments, step: Step | None = None) -> list[str]:
    """Format times with as much of them as differs: ``2024-05``, ``2024-05-31``, ``2024-05-31 14:00``.

    Example:
        >>> format_moments(np.array([0, DAY // 24])), format_moments(np.array([0]), Step(1, "months"))
        (['1970-01-01 00:00', '1970-01-01 01:00'], ['1970-01'])
    """
    times = moments.astype("datetime64[us]")
    if step is not None and step.unit == "months" and not (moments % DAY).any() and _begin_months(moments):
        return [str(time) for time in times.astype("datetime64[M]")]
    units = (("D", DAY), ("m", DAY // 1440), ("s", 1_000_000), ("us", 1))
    unit = next(unit for unit, size in units if not (moments % size).any())
    return [str(time).replace("T", " ") for time in times.astype(f"datetime64[{unit}]")]


def _begin_months(moments: Moments) -> bool:
    times = moments.astype("datetime64[us]")
    return bool((times.astype("datetime64[M]") == times).all())
