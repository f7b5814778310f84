"""Series in tables: their grids, irregular times, covariates, and columns that are series."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unrolled.config.sections import DataConfig
from unrolled.data.dataset import Dataset
from unrolled.data.grids import format_moments
from unrolled.data.registry import load_config_data
from unrolled.data.tables import read_table
from unrolled.errors import DataError

import numpy as np
import pytest
from pydantic import ValidationError

NAN = float("nan")


def written(folder: Path, text: str, name: str = "sales.csv") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def loaded(folder: Path, text: str, *, test_steps: int = 0, **settings: Any) -> Dataset:
    return load_config_data(file=written(folder, text), purpose="series", test_steps=test_steps, **settings)


def steps(data: Dataset, series: int = 0) -> list[str] | None:
    return data.timelines[series].labels()


HOURS = "time,a\n2024-01-01 00:00,1\n2024-01-01 03:00,4\n2024-01-01 01:00,2\n2024-01-01 04:00,5\n"
IRREGULAR = "time,a\n2024-01-01 00:10,1\n2024-01-01 00:50,3\n2024-01-01 03:07,7\n2024-01-01 01:00,2\n"


def test_a_set_step_makes_a_grid_with_gaps(tmp_path: Path) -> None:
    for every in (None, "1h"):
        data = loaded(tmp_path, HOURS, every=every) if every else loaded(tmp_path, HOURS)
        np.testing.assert_array_equal(data.train.inputs[0][:, 0], [1, 2, NAN, 4, 5])
        assert steps(data) == [f"2024-01-01 0{hour}:00" for hour in range(5)]
    half = loaded(tmp_path, HOURS, every="30m").train.inputs[0][:, 0]
    np.testing.assert_array_equal(half, [1, NAN, 2, NAN, NAN, NAN, 4, NAN, 5])
    month_ends = "day,a\n2024-01-31,1\n2024-02-29,2\n2024-04-30,4\n"
    np.testing.assert_array_equal(loaded(tmp_path, month_ends, every="1mo").train.inputs[0][:, 0], [1, 2, NAN, 4])


def test_irregular_rows_are_resampled_or_keep_their_distance(tmp_path: Path) -> None:
    data = loaded(tmp_path, IRREGULAR, every="1h", irregular="resample")
    np.testing.assert_array_equal(data.train.inputs[0][:, 0], [2, 2, NAN, 7])
    assert steps(data) == [f"2024-01-01 0{hour}:00" for hour in range(4)]
    data = loaded(tmp_path, IRREGULAR, irregular="delta")
    np.testing.assert_array_equal(data.train.inputs[0], [[1, 0], [3, 2400], [2, 600], [7, 7620]])
    assert data.classes == ("a",)
    assert not any("regular" in note for note in data.notes)
    numbered = loaded(tmp_path, "t,a\n0.5,1\n2,3\n2.25,2\n", irregular="delta")
    np.testing.assert_array_equal(numbered.train.inputs[0], [[1, 0], [3, 1.5], [2, 0.25]])


NEAR = """\
time,a
2024-01-01 07:58,1
2024-01-01 08:31,2
2024-01-01 08:59,3
2024-01-02 07:41,4
2024-01-02 08:29,5
2024-01-02 08:29,5
2024-01-02 09:02,6
"""


def test_rows_at_about_the_step_are_taken_to_the_nearest_one(tmp_path: Path) -> None:
    data = loaded(tmp_path, NEAR, every="30m", irregular="resample")
    values = data.train.inputs[0][:, 0]
    assert steps(data)[:3] == ["2024-01-01 08:00", "2024-01-01 08:30", "2024-01-01 09:00"]  # type: ignore[index]
    np.testing.assert_array_equal(values[:3], [1, 2, 3])
    assert len(values) == 51
    assert "sales.csv: 7 rows are averaged in 6 steps of 30m" in data.notes


def test_days_may_have_hours(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"every": "30m", "irregular": "resample", "hours": ("08:00", "09:00")}
    data = loaded(tmp_path, NEAR, calendar=("hour",), **settings)
    np.testing.assert_array_equal(data.train.inputs[0][:, 0], [1, 2, 3, 4, 5, 6])
    days = [f"2024-01-0{day} 0{time}" for day in (1, 2) for time in ("8:00", "8:30", "9:00")]
    assert steps(data) == days
    after = data.timelines[0].after(2)
    assert after is not None
    assert format_moments(after) == ["2024-01-03 08:00", "2024-01-03 08:30"]
    with pytest.raises(DataError, match=r"sales\.csv:5: time: 2024-01-02 07:41 is outside the hours 08:30 to 09:30"):
        loaded(tmp_path, NEAR, **{**settings, "hours": ("08:30", "09:30")})
    exact = "time,a\n2024-01-01 08:00,1\n2024-01-01 09:00,2\n2024-01-02 09:00,4\n"
    data = loaded(tmp_path, exact, every="1h", hours=("08:00", "09:00"))
    np.testing.assert_array_equal(data.train.inputs[0][:, 0], [1, 2, NAN, 4])


@pytest.mark.parametrize(
    ("hours", "message"),
    [
        (["8:15", "16:30"], "hours of a day that are whole steps apart, got 8:15 to 16:30 and every 1800 s steps"),
        (["16:30", "8:30"], "hours of a day that are whole steps apart, got 16:30 to 8:30"),
        ("morning", "the first and the last time of the day, such as ['08:00', '17:00'], got ['morning']"),
    ],
)
def test_hours_that_are_no_hours_are_refused(hours: Any, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        DataConfig.model_validate({"file": "a.csv", "every": "30m", "hours": hours})
    assert message in str(refused.value)
    with pytest.raises(ValidationError, match="a step beside hours"):
        DataConfig.model_validate({"file": "a.csv", "hours": ["8:00", "9:00"]})


def test_a_note_names_the_settings_for_irregular_times(tmp_path: Path) -> None:
    data = loaded(tmp_path, IRREGULAR)
    np.testing.assert_array_equal(data.train.inputs[0][:, 0], [1, 3, 2, 7])
    assert data.notes[0] == (
        "sales.csv: the times are at no regular distance, and the rows are read as if they were; data: {every: 15m, "
        "irregular: resample} averages them in steps, data: {irregular: delta} adds the time since the row before"
    )
    assert not any("regular" in note for note in loaded(tmp_path, HOURS).notes)


LABELED = "\n".join(
    ["id,time,a,label"]
    + [
        f"{n},2024-01-01 00:{(7 * k * k + n) % 60:02d}:{k:02d},{n + k},{'xy'[n % 2]}"
        for n in range(12)
        for k in range(4)
    ]
)


def test_series_with_classes_have_the_same_settings(tmp_path: Path) -> None:
    file = written(tmp_path, LABELED)
    plain = load_config_data(file=file, series="id", target="label")
    assert any("the times of 12 of 12 series are at no regular distance" in note for note in plain.notes)
    delta = load_config_data(file=file, series="id", target="label", irregular="delta")
    assert {item.shape for item in delta.train.inputs} == {(4, 2)}
    assert all(item[0, 1] == 0 and (item[1:, 1] > 0).all() for item in delta.train.inputs)
    resampled = load_config_data(file=file, series="id", target="label", every="1h", irregular="resample")
    assert {item.shape for item in resampled.train.inputs} == {(1, 1)}


def test_several_targets_are_forecast_and_not_classes(tmp_path: Path) -> None:
    assert loaded(tmp_path, COVARIATES, target=("sales", "visitors"), known="price").classes == ("sales", "visitors")
    with pytest.raises(DataError, match=r"expected one column of classes, got the targets sales, visitors\. Name one"):
        load_config_data(file=written(tmp_path, COVARIATES), target=("sales", "visitors"))


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        (
            IRREGULAR,
            {"every": "1h"},
            "sales.csv:3: time: 2024-01-01 00:50 is off the grid of every 1h that begins at 2024-01-01 00:10. Set "
            "another step, or irregular: resample",
        ),
        (
            "day,a\n2024-01-01,1\n2024-02-01,2\n2024-03-02,3\n",
            {"every": "1mo"},
            "sales.csv:4: day: 2024-03-02 is off the grid of every 1mo that begins at 2024-01-01.",
        ),
        (HOURS, {"every": "1s"}, "sales.csv: time: every 1s makes 14,401 steps of 4 rows. Set a longer step."),
        (
            HOURS + "2024-01-01 03:00,9\n",
            {"every": "1h", "irregular": "resample"},
            "sales.csv:6: time: 2024-01-01 03:00 is also the time of line 3. Drop one of the rows;",
        ),
        ("a,b\n1,2\n2,3\n", {"every": "1h"}, "the setting every needs a column of dates or times, but there is none."),
        (
            "a,t\n1,2\n2,3\n",
            {"calendar": ("month",)},
            "sales.csv: the setting calendar needs a column of dates or times, but t numbers the rows. Name one: time",
        ),
        ("a,b\n1,2\n", {"irregular": "delta"}, "the setting irregular needs a column of dates or times"),
        (HOURS, {"known": ("prise",)}, 'sales.csv: unknown column "prise".'),
        (HOURS, {"target": "a", "known": ("a",)}, 'sales.csv: the settings name the column "a" twice. Name it once.'),
        (
            "day,a,price\n2024-01-01,1,x\n2024-01-02,1,2\n",
            {"target": "a", "known": ("price",)},
            'sales.csv:2: price: expected a number, got "x".',
        ),
    ],
)
def test_times_and_columns_that_do_not_fit_are_refused(
    tmp_path: Path, text: str, settings: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        loaded(tmp_path, text, **settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


COVARIATES = """\
day,sales,price,visitors,tag
2024-01-07,14,2,8,x
2024-01-05,12,1,6,x
2024-01-04,11,2,5,x
2024-01-08,,3,,x
2024-01-09,,1,,x
"""


def test_covariates_come_behind_what_is_forecast(tmp_path: Path) -> None:
    data = loaded(tmp_path, COVARIATES, test_steps=1, known="price", past="visitors", calendar=("weekday", "year"))
    assert data.classes == ("sales",)
    whole = np.concatenate([data.train.inputs[0], data.test.inputs[0]])
    np.testing.assert_array_equal(whole[:, :3], [[11, 5, 2], [12, 6, 1], [NAN, NAN, NAN], [14, 8, 2]])
    assert np.isnan(whole[2]).all(), "a step without a row is a gap in the calendar too"
    np.testing.assert_allclose(whole[3, 3:], [np.sin(12 * np.pi / 7), np.cos(12 * np.pi / 7), 2024], rtol=1e-6)
    assert steps(data) == ["2024-01-04", "2024-01-05", "2024-01-06", "2024-01-07"]
    assert "the last 2 steps have no sales and are left out" in data.notes
    assert any(
        note.startswith("columns read: sales; known ahead: price; not forecast: visitors; of the calendar: weekday, ye")
        for note in data.notes
    )


def test_values_on_no_weekend_make_workdays_although_prices_are_known(tmp_path: Path) -> None:
    rows = [f"2024-01-{day:02d},{day if (day - 1) % 7 < 5 else ''},{day % 3}" for day in range(1, 20)]
    data = loaded(tmp_path, "day,sales,price\n" + "\n".join(rows) + "\n", target="sales", known="price")
    np.testing.assert_array_equal(data.train.inputs[0][:, 0], [day for day in range(1, 20) if (day - 1) % 7 < 5])
    assert str(data.timelines[0].step) == "on workdays"


def test_times_that_are_read_in_utc_are_noted(tmp_path: Path) -> None:
    clock = [f"2024-10-27T0{hour}:00+0{offset}:00" for hour, offset in ((0, 2), (1, 2), (2, 2), (2, 1), (3, 1), (4, 1))]
    text = "time,a\n" + "".join(f"{time},{number}\n" for number, time in enumerate(clock))
    note = "sales.csv: time has offsets: its times are read and written in UTC, and the calendar is that of UTC"
    data = loaded(tmp_path, text)
    assert note in data.notes
    assert steps(data) == [
        f"2024-10-{day}" for day in ("26 22:00", "26 23:00", "27 00:00", "27 01:00", "27 02:00", "27 03:00")
    ]
    assert note in loaded(tmp_path, text, time_format="%Y-%m-%dT%H:%M%z").notes
    as_shown = loaded(tmp_path, "\n".join(text.splitlines()[:4]) + "\n")
    assert not as_shown.notes or note not in as_shown.notes
    assert (steps(as_shown) or [""])[0] == "2024-10-27 00:00"
    log = "time,a\n" + "".join(f"27/Oct/2024:0{hour}:00:00 -0700,{hour}\n" for hour in range(4))
    assert note in loaded(tmp_path, log).notes


WIDE = "day,north,south,east,west,centre,port,price\n" + "".join(
    f"2024-01-{day:02d},{day},{10 + day},{20 + day},{30 + day},{40 + day},{50 + day},{day % 2}\n" for day in range(1, 9)
)


def test_each_column_of_a_wide_table_is_a_series_where_that_is_asked_for(tmp_path: Path) -> None:
    as_channels = loaded(tmp_path, WIDE, test_steps=2)
    assert (as_channels.train.size, len(as_channels.classes)) == (1, 7)
    assert any(
        "7 columns of numbers and a column of times, read as the channels of one series; data: {series: columns} reads "
        "each column as a series of its own" in note
        for note in as_channels.notes
    )
    data = loaded(tmp_path, WIDE, test_steps=2, series="columns", known="price")
    assert data.classes == ("value",)
    assert [one.name for one in data.timelines] == ["north", "south", "east", "west", "centre", "port"]
    np.testing.assert_array_equal(data.test.inputs[5], [[57, 1], [58, 0]])
    assert not any("reads each column" in note for note in data.notes)
    named = "columns,day,a\nx,2024-01-01,1\nx,2024-01-02,2\ny,2024-01-01,3\ny,2024-01-02,4\n"
    assert [one.name for one in loaded(tmp_path, named, series="columns").timelines] == ["x", "y"]


def test_a_column_of_two_values_among_wide_series_is_refused_until_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        loaded(tmp_path, WIDE, test_steps=2, series="columns")
    assert str(caught.value).endswith(
        "sales.csv: price: expected a series in each column, got the values 0 and 1 alone. Name what is known ahead: "
        "known, or the columns to forecast: input"
    )
    assert "price" not in [one.name for one in loaded(tmp_path, WIDE, series="columns", ignore="price").timelines]
    named = loaded(tmp_path, WIDE, test_steps=2, series="columns", input=["north", "price"])
    assert [one.name for one in named.timelines] == ["north", "price"]
    rare = "day,a,b,c\n" + "".join(f"2024-01-{day:02d},{day % 2},{day % 3 == 0:d},0\n" for day in range(1, 9))
    assert len(loaded(tmp_path, rare, series="columns").timelines) == 3, "all of them are like that"


def test_small_differences_of_large_numbers_are_kept(tmp_path: Path) -> None:
    rows = [f"2024-01-{day:02d},{1_000_000_000 + day % 3}" for day in range(1, 20)]
    data = loaded(tmp_path, "day,count\n" + "\n".join(rows) + "\n")
    assert data.train.inputs[0].dtype == np.float64
    assert set(np.diff(data.train.inputs[0][:, 0])) == {1.0, -2.0}
    assert loaded(tmp_path, COVARIATES).train.inputs[0].dtype == np.float32
    constant = "day,a,b\n" + "\n".join(f"2024-01-{day:02d},{day},0.1" for day in range(1, 9)) + "\n"
    assert loaded(tmp_path, constant).train.inputs[0].dtype == np.float32


def test_twenty_shuffled_shops_become_twenty_series_with_dates_gaps_and_covariates(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    days = np.arange("2022-01-01", "2025-01-01", dtype="datetime64[D]")
    rows, missing = [], set()
    for shop in range(20):
        for day, date in enumerate(days):
            if 0 < day < len(days) - 1 and random.random() < 0.01:
                missing.add((shop, day))
                continue
            rows.append((date, f"shop {shop},{date},{shop * 100 + day % 7},{day % 2},{day % 5}.5"))
    shuffled = [rows[index] for index in random.permutation(len(rows))]
    shuffled.sort(key=lambda row: str(row[0].astype("datetime64[M]")), reverse=True)
    text = "shop,date,sales,promotion,price\n" + "\n".join(row for _, row in shuffled) + "\n"
    data = loaded(tmp_path, text, test_steps=28, series="shop", target="sales", known=("promotion", "price"))
    assert (data.train.size, data.classes) == (20, ("sales",))
    for index, timeline in enumerate(data.timelines):
        shop = int(timeline.name.split()[1])
        values = np.concatenate([data.train.inputs[index], data.test.inputs[index]])
        labels = timeline.labels()
        assert labels is not None
        assert (len(values), labels[0], labels[-1]) == (len(days), "2022-01-01", "2024-12-31")
        assert str(timeline.step) == "daily"
        gaps = {(shop, int(day)) for day in np.flatnonzero(np.isnan(values).all(axis=1))}
        assert gaps == {gap for gap in missing if gap[0] == shop}
        number = np.arange(len(days))
        expected = np.stack([shop * 100 + number % 7, number % 2, number % 5 + 0.5], axis=1)
        is_row = ~np.isnan(values[:, 0])
        np.testing.assert_array_equal(values[is_row], expected[is_row])


def test_a_column_of_times_is_described_with_its_step(tmp_path: Path) -> None:
    from unrolled.data.columns import find_columns

    path = written(tmp_path, "day,a\n2024-01-31,1\n2024-02-29,2\n2024-04-30,4\n")
    fact = find_columns(read_table(Path(path)))["day"].fact
    assert fact == "time, 2024-01-31 to 2024-04-30, monthly, 1 steps missing"


def test_a_column_of_gaps_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sales.csv: a: no value to forecast\. Name another column\."):
        loaded(tmp_path, "time,a,b\n2024-01-01,,1\n2024-01-02,,2\n2024-01-03,,3\n", target="a", test_steps=1)
