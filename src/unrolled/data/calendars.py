"""Channels made from the times of a series: what time of the day, of the week and of the year a step is."""

from collections.abc import Callable, Sequence

from unrolled.data.grids import Moments

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.datetime64]
Share = NDArray[np.float64]


def _within(times: Times, period: str) -> Share:
    """Return the share of the period that has passed, to the microsecond."""
    begins = times.astype(f"datetime64[{period}]")
    share: Share = (times - begins) / (_after(begins, period) - begins).astype("timedelta64[us]")
    return share


def _count(times: Times, unit: str, period: str) -> NDArray[np.int64]:
    """Return the number of whole units since the period began."""
    begins = times.astype(f"datetime64[{period}]").astype(f"datetime64[{unit}]")
    units: NDArray[np.int64] = (times.astype(f"datetime64[{unit}]") - begins).astype(np.int64)
    return units


def _days(times: Times, period: str) -> NDArray[np.int64]:
    """Return the number of days of the month or year."""
    begins = times.astype(f"datetime64[{period}]")
    first, end = begins.astype("datetime64[D]"), _after(begins, period).astype("datetime64[D]")
    days: NDArray[np.int64] = (end - first).astype(np.int64)
    return days


def _after(begins: Times, period: str) -> Times:
    """Return when the next period begins."""
    following: Times = begins + np.ones((), f"timedelta64[{period}]")
    return following


_CYCLES: dict[str, Callable[[Times], Share]] = {
    "minute": lambda times: _within(times, "h"),
    "hour": lambda times: _within(times, "D"),
    "weekday": lambda times: (times.astype("datetime64[D]").astype(np.int64) + 3) % 7 / 7,  # 1970 began on a Thursday
    "day": lambda times: _count(times, "D", "M") / _days(times, "M"),
    "yearday": lambda times: _count(times, "D", "Y") / _days(times, "Y"),
    "week": lambda times: _count(times, "D", "Y") // 7 * 7 / _days(times, "Y"),
    "month": lambda times: _count(times, "M", "Y") / 12,
    "quarter": lambda times: _count(times, "M", "Y") // 3 / 4,
}
CALENDAR = (*_CYCLES, "year")
"""The names of what can be made from times."""


def calendar_names(calendar: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the channels that ``calendar_channels`` makes.

    Example:
        >>> calendar_names(["weekday", "year"])
        ('weekday (sin)', 'weekday (cos)', 'year')
    """
    return tuple(
        channel for name in calendar for channel in ([name] if name == "year" else [f"{name} (sin)", f"{name} (cos)"])
    )


def calendar_channels(moments: Moments, calendar: Sequence[str]) -> NDArray[np.float64]:
    """Return two channels for each cycle, so that its end is as near to its beginning as any two steps; and the year.

    ::

        p = share of the cycle that has passed, in [0, 1)
        channels = sin(2 pi p), cos(2 pi p)

        minute   minutes and seconds of the hour      hour     hours and minutes of the day
        weekday  (0 for Monday to 6) / 7              day      (day of the month - 1) / days of the month
        yearday  (day of the year - 1) / days of it   week     the same, in steps of 7 days
        month    (month - 1) / 12                     quarter  (quarter - 1) / 4

    The year is a number, for a trend: 2024, 2025.

    Args:
        moments: [T] times.
        calendar: Their names.

    Returns:
        [T, channels].

    Example:
        >>> sunday_and_monday = np.array([3, 4]) * 86_400_000_000
        >>> calendar_channels(sunday_and_monday, ["weekday"]).round(2).tolist()
        [[-0.78, 0.62], [0.0, 1.0]]
    """
    times = moments.astype("datetime64[us]")
    channels: list[NDArray[np.float64]] = []
    for name in calendar:
        if name == "year":
            channels.append(times.astype("datetime64[Y]").astype(np.float64) + 1970)
            continue
        phase = 2 * np.pi * _CYCLES[name](times)
        channels += [np.sin(phase), np.cos(phase)]
    return np.stack(channels, axis=-1) if channels else np.empty((len(times), 0))
