"""Times in several columns: year, month, day and hour, or a date and a time of the day."""

from pathlib import Path
from typing import Any

import unrolled
from tests.conftest import Command
from unrolled.data.grids import format_moments
from unrolled.data.joined_times import find_time_parts, join_times, joined_name
from unrolled.data.registry import load_config_data
from unrolled.data.table import Table
from unrolled.errors import DataError
from unrolled.runs.forecasts import forecast_table
from unrolled.runs.inference import predict_table

import numpy as np
import polars as pl
import pytest

PARTS = ("year", "month", "day", "hour")
HOURS = pl.datetime_range(pl.datetime(2024, 2, 25), pl.datetime(2024, 3, 20, 23), "1h", eager=True)


def table(**columns: list[Any]) -> Table:
    return Table(Path("t.csv"), pl.DataFrame(columns))


def joined(parts: tuple[str, ...], **columns: list[Any]) -> list[str]:
    return format_moments(join_times(table(**columns), parts).moments(joined_name(parts)))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"year": [2024, 2023], "month": [2, 12]}, ["2024-02-01", "2023-12-01"]),
        ({"Day": ["29", "1"], "Month": ["2", "12"], "Year": ["2024", "2023"]}, ["2024-02-29", "2023-12-01"]),
        ({"jahr": [2024], "monat": [2], "tag": [3], "stunde": [4], "min": [5]}, ["2024-02-03 04:05"]),
        ({"year": [2024], "month": ["February"], "day": [29], "hour": [24]}, ["2024-03-01"]),
        ({"year": [2024], "month": [2], "day": [3], "time": ["04:05:06"]}, ["2024-02-03 04:05:06"]),
        ({"date": ["2024-02-03"], "time": ["4:05"]}, ["2024-02-03 04:05"]),
        ({"Datum": ["2024-02-03"], "clock": ["04:05"]}, ["2024-02-03 04:05"]),
        ({"year": [2024], "month": [2], "day": [3], "Beginn": ["4:05"]}, ["2024-02-03 04:05"]),
        ({"date": ["03.02.2024", "13.02.2024"], "hour": [4, 0]}, ["2024-02-03 04:00", "2024-02-13 00:00"]),
        ({"date": ["2024-02-03"], "h": [4], "m": [5], "s": [6.5]}, ["2024-02-03 04:05:06.500000"]),
    ],
)
def test_columns_that_say_when_together_are_one_time(columns: dict[str, list[Any]], expected: list[str]) -> None:
    assert joined(tuple(columns), **columns) == expected


@pytest.mark.parametrize(("clock", "settings"), [("start", {"time": ["day", "start"]}), ("Uhrzeit", {})])
def test_hours_and_minutes_are_times_of_the_day_in_columns_so_named(
    clock: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    rows = "".join(f"2024-01-0{1 + n // 3},{8 + n % 3:02d}:00,{n}\n" for n in reversed(range(9)))
    path = tmp_path / "t.csv"
    path.write_text(f"day,{clock},x\n{rows}")
    data = load_config_data(file=str(path), purpose="series", test_steps=2, **settings)
    assert data.classes == ("x",)
    values = data.train.inputs[0][:, 0]
    assert values[np.isfinite(values)].tolist() == list(range(7))


def test_two_rows_of_one_date_name_the_column_of_the_times_of_the_day(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("day,start,x\n2024-01-01,08:00,1\n2024-01-01,09:00,2\n2024-01-02,08:00,3\n")
    with pytest.raises(DataError, match=r"Join it with the time of the day: data: \{time: \[day, start\]\}; or drop"):
        load_config_data(file=str(path), purpose="series", test_steps=1)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"year": [2024, 24], "month": [2, 3]}, 't.csv:2: year: expected a year from 1000 to 2999, got "24"'),
        ({"year": [2024], "month": [13]}, 't.csv:1: month: expected a month from 1 to 12, got "13"'),
        ({"year": [2024], "month": ["Mai"]}, 't.csv:1: month: expected a month from 1 to 12, got "Mai"'),
        ({"year": [2023], "month": [2], "day": [29]}, "t.csv:1: day: expected a day of 2023-02, got 29"),
        ({"year": [2023], "month": [2], "day": [1.5]}, 't.csv:1: day: expected a day from 1 to 31, got "1.5"'),
        ({"year": [2024], "month": [2], "hour": [3]}, "got year, month, hour, which lacks the day"),
        ({"month": [2], "day": [3]}, "got month, day, which lacks the year"),
        ({"date": ["2024-02-03"], "hour": [1300]}, 't.csv:1: hour: expected a hour from 0 to 24, got "1300"'),
        ({"date": ["2024-02-03"], "hour": [1], "time": ["10:00"]}, "expected columns of a year, month, day, hour"),
        ({"year": [2024], "month": [1], "time": ["10:00"]}, "expected columns of a year, month, day, hour"),
    ],
)
def test_what_is_no_part_of_a_time_is_refused(columns: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(DataError) as refused:
        join_times(table(**columns), tuple(columns))
    assert message in str(refused.value)


def test_an_empty_part_is_a_missing_time() -> None:
    found = join_times(table(year=[2024, 2024], month=[1, None]), ("year", "month"))
    with pytest.raises(DataError, match=r"t\.csv:2: year month: expected a time, got an empty cell"):
        found.moments("year month")


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        ({"year": [2024, 2024], "month": [1, 2], "x": [1, 2]}, ("year", "month")),
        ({"year": [2024, 2025], "x": [1, 2]}, ()),
        ({"year": [2024, 2024], "hour": [1, 2]}, ()),
        ({"date": ["2024-01-01", "2024-01-01"], "hour": [1, 2]}, ("date", "hour")),
        ({"date": ["2024-01-01", "2024-01-02"], "hour": [1, 2]}, ()),
        ({"date": ["2024-01-01", "2024-01-01"], "time": ["01:00", "02:00"]}, ("date", "time")),
        ({"at": ["2024-01-01 10:00", "2024-01-01 11:00"], "year": [2024, 2024], "month": [1, 1]}, ()),
        ({"month": [1, 2], "day": [1, 2]}, ()),
    ],
)
def test_parts_of_times_are_found_where_nothing_else_says_when(
    columns: dict[str, list[Any]], parts: tuple[str, ...]
) -> None:
    assert find_time_parts(table(**columns)) == parts


@pytest.fixture
def hourly(tmp_path: Path) -> Path:
    """A table of hours in four columns, out of order, and with one hour missing."""
    values = 10 + np.sin(2 * np.pi * np.arange(len(HOURS)) / 24)
    frame = pl.DataFrame({"No": range(len(HOURS)), "at": HOURS, "x": values, "open": HOURS.dt.hour() // 12})
    frame = _in_parts(frame).filter(pl.col("No") != 30)
    frame.sample(fraction=1, shuffle=True, seed=0).write_csv(tmp_path / "hours.csv")
    return tmp_path / "hours.csv"


def _in_parts(frame: pl.DataFrame) -> pl.DataFrame:
    parts = (getattr(pl.col("at").dt, part)().alias(part) for part in PARTS)
    return frame.with_columns(*parts).drop("at")


@pytest.mark.parametrize("time", [None, PARTS])
def test_a_series_is_in_the_order_of_its_parts(time: tuple[str, ...] | None, hourly: Path) -> None:
    settings: dict[str, Any] = {"time": time} if time else {}
    data = load_config_data(file=str(hourly), purpose="series", target="x", **settings)
    assert len(data.train.inputs[0]) == len(HOURS)
    assert np.flatnonzero(np.isnan(data.train.inputs[0][:, 0])).tolist() == [30]
    assert data.timelines[0].labels()[-1] == "2024-03-20 23:00"  # type: ignore[index]
    assert any("in the order of year month day hour" in note for note in data.notes)


def test_a_network_forecasts_with_times_in_parts(hourly: Path, tmp_path: Path) -> None:
    experiment = {
        "data": {"file": str(hourly), "target": "x", "time": list(PARTS), "known": "open", "calendar": ["hour"]},
        "forecast": {"window": 24, "horizon": 6, "season": 24, "test_steps": 24},
        "network": [{"GRU": {"units": 4}}],
        "training": {"epochs": 1, "batch_size": 32},
    }
    run = unrolled.train(experiment, runs=tmp_path / "runs", quiet=True)
    plan = pl.datetime_range(pl.datetime(2024, 3, 21), pl.datetime(2024, 3, 21, 5), "1h", eager=True)
    future = _in_parts(pl.DataFrame({"at": plan, "open": plan.dt.hour() // 12}))
    future.write_csv(tmp_path / "plan.csv")
    found = forecast_table(run, hourly, 6, tmp_path / "plan.csv")
    name = joined_name(PARTS)
    assert [row[name] for row in found.rows] == [f"2024-03-21 0{hour}:00" for hour in range(6)]
    with pytest.raises(DataError, match='unknown column "hour"'):
        future.drop("hour").write_csv(tmp_path / "plan.csv")
        forecast_table(run, hourly, 6, tmp_path / "plan.csv")


def test_series_with_classes_have_times_in_parts_and_predictions_the_columns_of_the_file(tmp_path: Path) -> None:
    at = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 6), "1d", eager=True)
    frame = pl.concat(
        [
            pl.DataFrame({"id": f"s{n}", "at": at, "hour": 0, "x": np.arange(6) + 10 * (n % 2), "label": "ab"[n % 2]})
            for n in range(12)
        ]
    )
    days = frame.with_columns(*(getattr(pl.col("at").dt, part)().alias(part) for part in PARTS[:3])).drop("at")
    days.reverse().write_csv(tmp_path / "rows.csv")
    experiment = {
        "data": {"file": str(tmp_path / "rows.csv"), "series": "id", "target": "label", "time": list(PARTS[:3])},
        "network": [{"GRU": {"units": 4}}],
        "training": {"epochs": 1},
    }
    run = unrolled.train(experiment, runs=tmp_path / "runs", quiet=True)
    np.testing.assert_array_equal(np.diff(run.task.data.train.inputs[0][:, 0]), 1)
    predicted, predictions, _ = predict_table(run, tmp_path / "rows.csv")
    assert (predicted.columns, len(predictions)) == (days.columns, days.height)


def test_show_names_the_parts_of_a_time(hourly: Path, unrolled_command: Command) -> None:
    plain = unrolled_command("show", str(hourly), "--input", "x").stdout
    named = unrolled_command("show", str(hourly), "--input", "x", *(f"--time={part}" for part in PARTS)).stdout
    assert plain == named
    assert [line.split()[:2] for line in plain.splitlines() if "it says when" in line] == [[p, "time"] for p in PARTS]
