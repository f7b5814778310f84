"""Networks that read what is known of the future: their input, what they learn from it, and what they need."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import unrolled
from tests.conftest import Command
from unrolled.config.document import Document
from unrolled.config.experiment import ExperimentConfig
from unrolled.config.task_sections import ForecastConfig
from unrolled.data.schema import TableSchema
from unrolled.data.series import channels_of
from unrolled.errors import DataError, InvalidInput
from unrolled.layers import ReadSeries
from unrolled.model.build import prepare
from unrolled.runs.run import Run
from unrolled.tasks.preprocessing import SeriesPreprocessor
from unrolled.tasks.windows import Channels

import numpy as np
import polars as pl
import pytest

pytestmark = pytest.mark.xdist_group("covariates")

NAN = float("nan")
DAYS = np.arange("2024-01-01", "2024-10-01", dtype="datetime64[D]")
PLANNED = np.arange("2024-10-01", "2024-10-15", dtype="datetime64[D]")
BASE = {
    "forecast": {"window": 14, "horizon": 7, "season": 7, "test_steps": 28},
    "network": [{"GRU": {"units": 12}}],
    "training": {"epochs": 16, "batch_size": 32, "optimizer": {"Adam": {"learning_rate": 0.01}}},
}


def promoted(shop: int, day: int) -> int:
    """1 on a quarter of the days, in no order that the past tells."""
    return int(np.random.default_rng([shop, day]).random() < 0.25)


def sales_of(shop: int, day: int) -> float:
    return float(20 + 5 * shop + 2 * np.sin(2 * np.pi * day / 7) + 8 * promoted(shop, day))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sales of three shops, which promotions decide; the promotions planned; and both in one table."""
    folder = tmp_path_factory.mktemp("covariates")
    past = [
        f"shop {shop},{date},{sales_of(shop, day):.3f},{promoted(shop, day)}"
        for shop in range(3)
        for day, date in enumerate(DAYS)
        if day % 50 != 30
    ]
    plan = [(shop, len(DAYS) + day, date) for shop in range(3) for day, date in enumerate(PLANNED)]
    header = "shop,date,sales,promotion\n"
    (folder / "sales.csv").write_text(header + "\n".join(reversed(past)) + "\n")
    planned = "\n".join(f"shop {shop},{date},{promoted(shop, day)}" for shop, day, date in plan) + "\n"
    (folder / "plan.csv").write_text("shop,date,promotion\n" + planned)
    empty = "\n".join(f"shop {shop},{date},,{promoted(shop, day)}" for shop, day, date in plan) + "\n"
    (folder / "both.csv").write_text(header + "\n".join(past) + "\n" + empty)
    return folder


def trained(folder: Path, data: dict[str, Any], **changes: Any) -> Run:
    experiment = {"data": {"file": str(folder / "sales.csv"), "target": "sales", **data}, **BASE, **changes}
    return unrolled.train(experiment, runs=folder / "runs", quiet=True)


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return trained(folder, {"series": "shop", "known": "promotion", "calendar": ["weekday"]})


def test_what_is_known_of_the_steps_to_forecast_follows_the_window() -> None:
    channels = Channels(("sales",), ("visitors",), ("price",), ("year",))
    settings = ForecastConfig(window=3, horizon=2, season=2, test_steps=2)
    values = np.arange(20.0).reshape(1, 5, 4)
    values[0, 0] = NAN
    np.testing.assert_array_equal(
        channels.inputs(values, settings)[0],
        [
            [NAN, NAN, NAN, NAN, NAN, NAN],
            [4, 5, 6, 7, NAN, 0],
            [8, 9, 10, 11, NAN, 0],
            [NAN, NAN, 14, 15, 6, 1],
            [NAN, NAN, 18, 19, 10, 1],
        ],
    )
    np.testing.assert_array_equal(Channels(("a", "b", "c", "d")).inputs(values, settings), values[:, :3])
    schema = TableSchema(("t",), (), past=("z",), known=("x", "y"), calendar=("month",), irregular="delta")
    assert Channels.of(schema, ["t"]).names == ("t", "z", "time since last", "x", "y", "month (sin)", "month (cos)")
    named = replace(schema, categories={"y": ("a", "b"), "z": ("no", "yes")})
    assert Channels.of(named, ["t"]).past == ("z=no", "z=yes", "time since last")
    assert Channels.of(named, ["t"]).names == channels_of(named)


def test_only_the_channels_to_forecast_are_divided_by_their_window() -> None:
    channels = Channels(("sales",), (), ("promotion",))
    settings = ForecastConfig(window=4, horizon=1, season=1, test_steps=1, scale="window_mean")
    window = np.array([[10, 0], [20, 1], [30, 0], [40, 1], [50, 0]], np.float32)
    fitted = channels.fit([window], settings)
    assert fitted.relative == [True, False, False, False]
    layer = ReadSeries(fitted.mean, fitted.scale, relative=fitted.relative)
    again = ReadSeries.from_config(layer.get_config())
    scaled = np.asarray(again(channels.inputs(window[None], settings).astype(np.float32)))[0]
    np.testing.assert_allclose(scaled[:4].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled[:, 1], [-1, 1, -1, 1, -1], atol=1e-6)


def test_channels_of_large_numbers_keep_their_offset_beside_a_divided_window() -> None:
    channels, settings = (
        Channels(("sales",), ("stamp",)),
        ForecastConfig(window=4, horizon=1, season=1, test_steps=1, scale="window_mean"),
    )
    window = np.stack([10 + np.arange(5.0), 1.7e9 + 60 * np.arange(5.0)], axis=1)
    fitted = channels.fit([window], settings)
    layer = ReadSeries(fitted.mean, fitted.scale, relative=fitted.relative)
    scaled = np.asarray(layer(fitted.narrow(channels.inputs(window[None], settings))))[0]
    np.testing.assert_allclose(scaled[:, 1], np.array([-1.5, -0.5, 0.5, 1.5]) / np.std(np.arange(4)), atol=1e-3)


def test_a_known_column_that_decides_the_target_is_used(run: Run, folder: Path) -> None:
    blind = trained(folder, {"series": "shop", "calendar": ["weekday"]})
    assert blind.evaluation.metrics["MASE"] > 0.5
    assert run.evaluation.metrics["MASE"] < 0.5 * blind.evaluation.metrics["MASE"]
    assert run.evaluation.baselines == blind.evaluation.baselines, "baselines concern the target alone"
    assert run.output_names == ("sales",)


def test_a_long_horizon_tells_the_days_of_promotions_apart(folder: Path, tmp_path: Path) -> None:
    """From the last state alone, half of the effect of a promotion is missed (see docs/log.md)."""
    data = {"file": str(folder / "sales.csv"), "series": "shop", "target": "sales", "known": "promotion"}
    settings = {
        **BASE,
        "data": data,
        "forecast": {"window": 28, "horizon": 28, "season": 7, "test_steps": 56},
        "network": [{"GRU": {"units": 12, "return_sequences": True}}, "LastSteps"],
    }
    run = unrolled.train(settings, runs=tmp_path, quiet=True)
    assert run.model.output_shape == (None, 28)
    assert [layer.name for layer in run.config.network] == ["GRU", "LastSteps", "Dense", "Reshape"]
    assert not [note for note in run.task.notes if "LastSteps" in note]
    from_last = ExperimentConfig.parse(Document({**settings, "network": BASE["network"]}, "last.yaml"))
    assert "end the network with LastSteps" in prepare(from_last)[1].notes[-1]
    assert run.evaluation is not None
    assert run.evaluation.metrics["MASE"] < 0.25


def test_known_columns_may_hold_names_such_as_those_of_holidays(folder: Path, tmp_path: Path) -> None:
    names = pl.when(pl.col("promotion") == 1).then(pl.lit("poster")).otherwise(pl.lit(""))
    day = pl.col("date").str.to_date().dt.weekday()
    for file in ("sales", "plan"):
        table = pl.read_csv(folder / f"{file}.csv")
        is_open = pl.when(day == 7).then(pl.lit("no")).otherwise(pl.lit("yes"))
        table.with_columns(promotion=names, open=is_open).write_csv(tmp_path / f"{file}.csv")
    run = trained(tmp_path, {"series": "shop", "known": ["promotion", "open"], "calendar": ["weekday"]})
    opened = unrolled.Run.open(run.path)
    channels = opened.task.channels  # type: ignore[attr-defined]
    assert channels.known == ("promotion=poster", "open=no", "open=yes")
    found = unrolled.forecast_table(
        unrolled.Run.open(run.path), tmp_path / "sales.csv", 14, future=tmp_path / "plan.csv"
    )
    assert error_of(found.rows) < 3
    pl.read_csv(tmp_path / "plan.csv").with_columns(promotion=pl.lit("Poster")).write_csv(tmp_path / "typo.csv")
    noted = unrolled.forecast_table(opened, tmp_path / "sales.csv", future=tmp_path / "typo.csv").notes
    assert "not among the categories of the training, read as none of them: promotion: Poster" in noted
    with pytest.raises(DataError, match="expected promotion, open of the 7 steps"):
        unrolled.forecast_table(run, tmp_path / "sales.csv")
    with pytest.raises(DataError, match=r"data\.categories: sales is neither known nor past"):
        trained(tmp_path, {"series": "shop", "known": "open", "categories": ["sales"]})


def error_of(rows: list[dict[str, Any]]) -> float:
    days = {str(date): len(DAYS) + day for day, date in enumerate(PLANNED)}
    return float(np.mean([abs(row["sales"] - sales_of(int(row["shop"][5:]), days[row["date"]])) for row in rows]))


def test_every_series_is_forecast_with_dates_from_the_future_in_the_table_or_another(run: Run, folder: Path) -> None:
    one = unrolled.forecast_table(run, folder / "sales.csv", 14, future=folder / "plan.csv")
    assert [row["date"] for row in one.rows[:14]] == [str(date) for date in PLANNED]
    assert {row["shop"] for row in one.rows} == {"shop 0", "shop 1", "shop 2"}
    assert error_of(one.rows) < 3
    both = {
        (row["shop"], row["date"]): row["sales"] for row in unrolled.forecast_table(run, folder / "both.csv", 14).rows
    }
    assert both == {(row["shop"], row["date"]): row["sales"] for row in one.rows}


def test_series_of_the_future_alone_are_named(run: Run, folder: Path) -> None:
    plan = (folder / "plan.csv").read_text()
    (folder / "opening.csv").write_text(plan + "shop 12,2024-10-01,0\n")
    found = unrolled.forecast_table(run, folder / "sales.csv", 14, future=folder / "opening.csv")
    assert "opening.csv: not in sales.csv, and not forecast: shop 12" in found.notes
    assert {row["shop"] for row in found.rows} == {"shop 0", "shop 1", "shop 2"}


def test_the_command_writes_csv_json_a_page_and_a_picture(
    run: Run, folder: Path, tmp_path: Path, unrolled_command: Command
) -> None:
    arguments = ["forecast", run.path, folder / "sales.csv", "--future", folder / "plan.csv"]
    finished = unrolled_command(
        *arguments, "--output", "next.csv", "--html", "next.html", "--picture", "next.png", "--json"
    )
    assert finished.returncode == 0, finished.stderr
    read = json.loads(finished.stdout)
    rows = list(csv.DictReader((tmp_path / "next.csv").open()))
    assert list(rows[0]) == ["shop", "date", "sales"]
    assert [(row["shop"], row["date"]) for row in read] == [(row["shop"], row["date"]) for row in rows]
    assert float(rows[0]["sales"]) == pytest.approx(read[0]["sales"], rel=1e-6)
    page = (tmp_path / "next.html").read_text()
    assert all(words in page for words in ("2024-09-", "shop 2"))
    assert (tmp_path / "next.png").stat().st_size > 10_000
    printed = unrolled_command(*arguments, "--steps", "2", "--html", "next.html")
    table = printed.stdout.splitlines()
    assert table[0].split() == ["shop", "date", "sales"]
    assert table[2].split()[:3] == ["shop", "2", "2024-10-01"]
    assert table[-1] == "next.html"


def test_a_forecast_in_utc_says_so(tmp_path: Path) -> None:
    hours = pl.datetime_range(pl.datetime(2024, 10, 26), pl.datetime(2024, 10, 30), "1h", time_zone="UTC", eager=True)
    clock = hours.dt.convert_time_zone("Europe/Berlin").dt.to_string("%Y-%m-%dT%H:%M:%S%:z")
    pl.DataFrame({"time": clock, "sales": np.arange(len(hours)) % 24}).write_csv(tmp_path / "sales.csv")
    run = trained(tmp_path, {}, training={"epochs": 1})
    found = unrolled.forecast_table(run, tmp_path / "sales.csv")
    assert found.rows[0]["time"] == "2024-10-30 01:00"
    note = "sales.csv: time has offsets: its times are read and written in UTC, and the calendar is that of UTC"
    assert note in found.notes


@pytest.mark.parametrize(
    ("file", "future", "steps", "message"),
    [
        (
            "sales.csv",
            None,
            7,
            "sales.csv: shop 2: expected promotion of the 7 steps after 2024-09-30, got 0 steps. Add rows with an "
            "empty sales, or name a table of them: --future FILE",
        ),
        ("sales.csv", "plan.csv", 20, "plan.csv: shop 2: expected promotion of the 20 steps after 2024-09-30, got 14"),
        ("sales.csv", "gap.csv", 7, "gap.csv: shop 1: expected promotion of 2024-10-03, got none. Add it to the row"),
        ("sales.csv", "none.csv", 7, 'none.csv: unknown column "promotion".'),
        (
            "sales.csv",
            "again.csv",
            7,
            "again.csv:44: date: 2024-10-01 is also the time of line 2. Drop one",
        ),
        (
            "sales.csv",
            "capitals.csv",
            7,
            'shop 1: expected promotion of the 7 steps after 2024-09-30, got those of "SHOP-1". Write the name as it '
            'is before: "shop 1"',
        ),
    ],
)
def test_what_is_not_known_is_refused_with_its_columns_and_steps(
    run: Run, folder: Path, file: str, future: str | None, steps: int, message: str
) -> None:
    plan = (folder / "plan.csv").read_text()
    (folder / "gap.csv").write_text(
        "".join(
            line.rsplit(",", 1)[0] + ",\n" if line.startswith("shop 1,2024-10-03") else line
            for line in plan.splitlines(keepends=True)
        )
    )
    (folder / "again.csv").write_text(plan + plan.splitlines()[1] + "\n")
    (folder / "capitals.csv").write_text(plan.replace("shop 1,", "SHOP-1,"))
    (folder / "none.csv").write_text("\n".join(line.rsplit(",", 1)[0] for line in plan.splitlines()) + "\n")
    with pytest.raises(DataError) as caught:
        unrolled.forecast_table(run, folder / file, steps, future=None if future is None else folder / future)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_arrays_are_forecast_with_what_is_known(run: Run) -> None:
    series = np.ones((20, 4))
    assert unrolled.forecast(run, series, 9, future=np.zeros((9, 3))).shape == (9, 1)
    known, repeated = (unrolled.forecast(run, series, 3, future=[[1, 0, 1]] * steps) for steps in (3, 7))
    np.testing.assert_array_equal(known, repeated)
    for future, message in (
        (None, r"expected promotion, weekday \(sin\), weekday \(cos\) of the 7 steps to forecast, .*future=\[7, 3\]\."),
        (np.zeros((7, 2)), r"expected future \[7, 3\], got \[7, 2\]\."),
        (np.zeros((6, 3)), r"expected future \[7, 3\], got \[6, 3\]\."),
    ):
        with pytest.raises(InvalidInput, match=message):
            unrolled.forecast(run, series, future=future)
    with pytest.raises(InvalidInput, match=r"expected a series \[T, 4\] .* the channels sales, promotion, weekday"):
        unrolled.forecast(run, np.ones((20, 1)), future=np.zeros((7, 3)))


def test_series_that_are_new_short_or_have_gaps_are_named(run: Run, folder: Path) -> None:
    lines = (folder / "both.csv").read_text().splitlines()
    new = [line.replace("shop 1", "kiosk") for line in lines if line.startswith("shop 1")]
    short = ["stall,2024-09-30,3,0", *(f"stall,{date},,0" for date in PLANNED)]
    last = [line for line in lines if not line.startswith("shop 0,2024-09-28")]
    (folder / "new.csv").write_text("\n".join([*last, *new, *short]) + "\n")
    forecast = unrolled.forecast_table(run, folder / "new.csv")
    assert [one.name for one in forecast.series] == ["shop 0", "shop 1", "shop 2", "kiosk"]
    values = {one.name: one.values for one in forecast.series}
    np.testing.assert_array_equal(values["kiosk"], values["shop 1"])
    assert forecast.notes[0] == "2 of 5 series are not in the training data: kiosk, stall"
    assert forecast.notes[1].startswith("1 of 5 series are left out: stall (expected a series [T, 4] of at least 14")
    expected = "1 of 5 series have gaps in their last season; the forecast starts from the season before there"
    assert forecast.notes[2] == expected


def test_the_report_has_dates_and_names(run: Run) -> None:
    page = (run.path / "report.html").read_text()
    section = page[page.index("<h2>Forecasts on the test set") :]
    assert "2024-09-" in section
    assert "shop 0" in section
    assert run.data["series"] == ["shop 2", "shop 1", "shop 0"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([f"2024-02-{day:02d}" for day in range(1, 30)], ["2024-03-01", "2024-03-02"]),
        ([f"2024-02-01 {hour:02d}:00" for hour in range(24)], ["2024-02-02 00:00", "2024-02-02 01:00"]),
        ([f"{2020 + n // 12}-{1 + n % 12:02d}-01" for n in range(24)], ["2022-01", "2022-02"]),
        ([f"2024-02-{day:02d}" for day in range(1, 24) if day % 7 not in (3, 4)], ["2024-02-26", "2024-02-27"]),
        ([str(n) for n in range(24)], None),
    ],
)
def test_dates_continue_the_grid_of_the_table(folder: Path, rows: list[str], expected: list[str] | None) -> None:
    (folder / "any.csv").write_text("date,a\n" + "\n".join(f"{row},{n % 3}" for n, row in enumerate(rows)) + "\n")
    forecast = {"window": 6, "horizon": 2, "season": 3, "test_steps": 4}
    experiment = {"data": {"file": str(folder / "any.csv"), "target": "a"}, **BASE, "forecast": forecast}
    run = unrolled.train({**experiment, "training": {"epochs": 1}}, runs=folder / "runs", quiet=True)
    found = unrolled.forecast_table(run, folder / "any.csv")
    assert found.series[0].times == expected
    assert [list(row) for row in found.rows] == ([["date", "a"]] * 2 if expected else [["a"]] * 2)


def test_each_column_of_a_wide_table_is_forecast_new_ones_too(folder: Path) -> None:
    names = [f"shop {n}" for n in range(4)]
    rows = [f"{date},{','.join(str(10 * n + day % 7) for n in range(4))},{day % 2}" for day, date in enumerate(DAYS)]
    (folder / "wide.csv").write_text(f"date,{','.join(names)},open\n" + "\n".join(rows[:-7]) + "\n")
    data = {"file": str(folder / "wide.csv"), "series": "columns", "known": "open"}
    run = unrolled.train({**BASE, "data": data, "training": {"epochs": 1}}, runs=folder / "runs", quiet=True)
    assert (run.output_names, run.data["series"]) == (("value",), names)
    later = [f"{date},{day % 2}" for day, date in enumerate(DAYS)][-7:]
    (folder / "open.csv").write_text("date,open\n" + "\n".join(later) + "\n")
    (folder / "more.csv").write_text(
        f"date,{','.join(names)},kiosk,open\n" + "\n".join(f"{row[:-2]},5{row[-2:]}" for row in rows[:-7]) + "\n"
    )
    forecast = unrolled.forecast_table(run, folder / "more.csv", future=folder / "open.csv")
    assert [one.name for one in forecast.series] == [*names, "kiosk"]
    assert forecast.notes == ("1 of 5 series are not in the training data: kiosk",)
    assert forecast.rows[0].keys() == {"series", "date", "value"}
    assert forecast.rows[0]["date"] == "2024-09-24"


def test_differences_of_large_numbers_are_learned_and_forecast(folder: Path) -> None:
    rows = [f"{date},{1e9 + 20 * (day % 2):.0f}" for day, date in enumerate(DAYS)]
    (folder / "large.csv").write_text("date,count\n" + "\n".join(rows) + "\n")
    run = unrolled.train({**BASE, "data": {"file": str(folder / "large.csv")}}, runs=folder / "runs", quiet=True)
    assert run.evaluation.metrics["MAE"] < 5, "float32 has steps of 64 there"
    values = unrolled.forecast_table(run, folder / "large.csv").series[0].values[:, 0]
    expected = [20 * (day % 2) for day in range(len(DAYS), len(DAYS) + 7)]
    np.testing.assert_allclose(values - 1e9, expected, atol=8)
    assert Run.open(run.path).preprocessor == run.task.preprocessor


def test_irregular_rows_are_forecast_without_dates(folder: Path) -> None:
    random = np.random.default_rng(0)
    times = DAYS[:120].astype("datetime64[m]") + random.integers(0, 1440, 120)
    (folder / "odd.csv").write_text(
        "time,a\n" + "\n".join(f"{t},{n % 5}" for n, t in enumerate(times)).replace("T", " ")
    )
    short = {"forecast": {"window": 6, "horizon": 2, "season": 1, "test_steps": 8}, "training": {"epochs": 1}}
    data = {"file": str(folder / "odd.csv"), "target": "a"}
    delta = unrolled.train({**BASE, **short, "data": {**data, "irregular": "delta"}}, runs=folder / "runs", quiet=True)
    assert isinstance(delta.task.preprocessor, SeriesPreprocessor)
    assert delta.task.preprocessor.shape == (None, 2)
    found = unrolled.forecast_table(delta, folder / "odd.csv")
    assert (found.series[0].times, found.notes) == (None, ())
    daily = {**data, "every": "1d", "irregular": "resample", "calendar": ["weekday"]}
    run = unrolled.train({**BASE, **short, "data": daily}, runs=folder / "runs", quiet=True)
    assert unrolled.forecast_table(run, folder / "odd.csv").series[0].times == ["2024-04-30", "2024-05-01"]
    calendar = {**data, "calendar": ["hour"]}
    run = unrolled.train({**BASE, **short, "data": calendar}, runs=folder / "runs", quiet=True)
    with pytest.raises(
        DataError, match=r"odd\.csv: the times of the 2 steps after .* are unknown, .* the setting every"
    ):
        unrolled.forecast_table(run, folder / "odd.csv")
