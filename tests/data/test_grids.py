"""Steps between times, and the channels that times give."""

from typing import get_args

from unrolled.config.sections import CalendarName
from unrolled.data.calendars import CALENDAR, calendar_channels, calendar_names
from unrolled.data.grids import Moments, Step, Timeline, find_step, format_moments, parse_step

import numpy as np
import pytest


def moments(*times: str) -> Moments:
    return np.array(times, "datetime64[us]").astype(np.int64)


@pytest.mark.parametrize(
    ("times", "words", "after"),
    [
        (["2024-01-01", "2024-01-02", "2024-01-04"], "daily", ["2024-01-05", "2024-01-06"]),
        (["2024-01-01 22:00", "2024-01-01 23:00"], "hourly", ["2024-01-02 00:00", "2024-01-02 01:00"]),
        (["2024-01-01 00:00", "2024-01-01 00:15"], "every 900 s", ["2024-01-01 00:30", "2024-01-01 00:45"]),
        (["2024-01-01", "2024-01-08", "2024-01-22"], "weekly", ["2024-01-29", "2024-02-05"]),
        (["2023-11-01", "2023-12-01", "2024-02-01"], "monthly", ["2024-03", "2024-04"]),
        (["2023-12-31", "2024-01-31", "2024-02-29"], "monthly", ["2024-03-31", "2024-04-30"]),
        (["2023-12-30", "2024-03-30", "2024-06-30"], "quarterly", ["2024-09-30", "2024-12-30"]),
        (["2023-06-30", "2023-09-30", "2023-12-31"], "quarterly", ["2024-03-31", "2024-06-30"]),
        (["2021-01-01", "2022-01-01", "2024-01-01"], "yearly", ["2025-01", "2026-01"]),
        (["2024-01-01", "2024-01-03", "2024-01-11 13:07", "2024-02-12"], None, []),
    ],
)
def test_the_step_between_times_is_found_and_continued(times: list[str], words: str | None, after: list[str]) -> None:
    step = find_step(moments(*times))
    assert (None if step is None else str(step)) == words
    if step is not None:
        indices = step.indices(moments(*times))
        assert indices is not None
        whole = step.moments(int(moments(times[0])[0]), int(indices[-1]) + 3)
        np.testing.assert_array_equal(whole[indices], moments(*times))
        assert format_moments(whole[-2:], step) == after


def test_workdays_continue_after_a_weekend() -> None:
    step = Step(1, "workdays")
    days = step.moments(int(moments("2024-01-04 17:30")[0]), 4)
    assert format_moments(days) == ["2024-01-04 17:30", "2024-01-05 17:30", "2024-01-08 17:30", "2024-01-09 17:30"]
    assert Timeline("", days, step).after(1) == moments("2024-01-10 17:30")
    assert step.indices(days).tolist() == [0, 1, 2, 3]  # type: ignore[union-attr]
    assert step.indices(moments("2024-01-05", "2024-01-06")) is None


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("1H", "Write 1h"),
        ("15min", "Write 15m"),
        ("1D", "Write 1d"),
        ("2W", "Write 2w"),
        ("1MS", "Write 1mo"),
        ("1M", "Write 1mo"),
        ("monthly", "Write 1mo"),
        ("1QS", "Write 1q"),
        ("hour", "Write 1h"),
        ("1h30m", "Write a number and a unit"),
        ("0d", "Write 1d"),
        ("", "Write a number and a unit"),
    ],
)
def test_other_spellings_of_a_duration_are_refused_with_ours(written: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=rf'^a duration such as 10s, 15m, .* or 1y, got "{written}"\. {remedy}$'):
        parse_step(written)


def test_durations_begin_where_the_calendar_begins() -> None:
    wednesday = moments("2024-05-15 13:47")
    begins = {text: parse_step(text).truncated(wednesday) for text in ("15m", "1h", "1d", "1w", "1mo", "1q", "1y")}
    assert {text: format_moments(begin)[0] for text, begin in begins.items()} == {
        "15m": "2024-05-15 13:45",
        "1h": "2024-05-15 13:00",
        "1d": "2024-05-15",
        "1w": "2024-05-13",
        "1mo": "2024-05-01",
        "1q": "2024-04-01",
        "1y": "2024-01-01",
    }


@pytest.mark.parametrize(
    ("name", "time", "share"),
    [
        ("minute", "2024-02-29 13:45", 0.75),
        ("hour", "2024-02-29 18:00", 0.75),
        ("weekday", "2024-01-01", 0),  # a Monday
        ("weekday", "2024-01-07", 6 / 7),
        ("day", "2024-02-29", 28 / 29),
        ("yearday", "2024-12-31", 365 / 366),
        ("week", "2023-01-08", 7 / 365),
        ("month", "2024-07-31", 0.5),
        ("quarter", "2024-12-01", 0.75),
    ],
)
def test_a_cycle_becomes_the_sine_and_cosine_of_its_phase(name: str, time: str, share: float) -> None:
    channels = calendar_channels(moments(time), [name])
    np.testing.assert_allclose(channels, [[np.sin(2 * np.pi * share), np.cos(2 * np.pi * share)]], atol=1e-12)


def test_the_calendar_is_what_an_experiment_may_name() -> None:
    assert get_args(CalendarName) == CALENDAR
    names = calendar_names(CALENDAR)
    assert calendar_channels(moments("2024-01-01", "2025-06-01"), CALENDAR).shape == (2, len(names))
    assert calendar_channels(moments("1969-12-31", "2025-06-01"), ["year"])[:, 0].tolist() == [1969, 2025]
