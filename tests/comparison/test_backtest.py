"""Backtests: what is forecast from which moment, with which network, and what it is compared with."""

import csv
import json
from pathlib import Path
from typing import Any

import unrolled
from tests.conftest import Command
from unrolled.comparison import backtest as module
from unrolled.comparison.backtest import FOLDER, NETWORK
from unrolled.errors import InvalidInput
from unrolled.runs.run import Run

import numpy as np
import pytest

pytestmark = pytest.mark.xdist_group("backtest")

STEPS, SEASON, HORIZON = 160, 4, 4
NAIVE = "value 4 steps before"
MISSING = {(1, STEPS - 2), *((1, STEPS - day) for day in (5, 6, 7, 8))}


def sales(shop: int, day: int) -> float:
    return float(round(10 * shop + 20 + 3 * (day % SEASON) + np.random.default_rng([shop, day]).normal(), 3))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shops; the second has no value in one of the last seasons, and misses one in the last."""
    path = tmp_path_factory.mktemp("backtest") / "sales.csv"
    rows = [
        f"shop {shop},{np.datetime64('2024-01-01') + day},{sales(shop, day)}"
        for shop in range(2)
        for day in range(STEPS)
        if (shop, day) not in MISSING
    ]
    path.write_text("shop,date,sales\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def run(table: Path) -> Run:
    experiment: dict[str, Any] = {
        "data": {"file": str(table), "target": "sales", "series": "shop"},
        "forecast": {
            "window": 8,
            "horizon": HORIZON,
            "season": SEASON,
            "test_steps": 12,
            "quantiles": [0.1, 0.5, 0.9],
        },
        "network": [{"GRU": {"units": 4}}],
        "training": {"epochs": 2},
    }
    return unrolled.train(experiment, runs=table.parent / "runs", quiet=True)


def test_the_last_fold_ends_with_the_series_and_the_run_forecasts_what_it_has_not_read(run: Run) -> None:
    found = unrolled.backtest(run, 3, methods=["naive"], quiet=True)
    assert not (run.path / FOLDER).exists(), "three folds of four steps are the test part"
    assert list(found.methods) == [NETWORK, NAIVE]
    first = [row for row in found.rows if row["shop"] == "shop 0"]
    assert [row["fold"] for row in first] == [0] * 4 + [1] * 4 + [2] * 4
    days = [str(np.datetime64("2024-01-01") + day) for day in range(STEPS - 12, STEPS)]
    assert [row["time"] for row in first] == days
    assert [row["sales: actual"] for row in first] == pytest.approx([sales(0, day) for day in range(STEPS - 12, STEPS)])
    last = [sales(0, day - SEASON) for day in range(STEPS - 4, STEPS)]
    assert [row[f"sales: {NAIVE}"] for row in first[-4:]] == pytest.approx(last, rel=1e-5)
    past = np.array([sales(0, day) for day in range(STEPS - 4)], np.float32)
    expected = unrolled.forecast(run, past, quantiles=True)[:, 0]
    names = [f"sales: {NETWORK}{quantile}" for quantile in (" 0.1", "", " 0.9")]
    np.testing.assert_allclose([[row[name] for name in names] for row in first[-4:]], expected, rtol=1e-5)


def test_scores_are_those_of_the_rows(run: Run) -> None:
    found = unrolled.backtest(run, 3, methods=["naive"], quiet=True)
    rows = [row for row in found.rows if row["sales: actual"] is not None]
    assert len(rows) == len(found.rows) - 1
    errors = np.array([row["sales: actual"] - row[f"sales: {NAIVE}"] for row in rows])
    assert found.methods[NAIVE]["MAE"] == pytest.approx(np.abs(errors).mean(), rel=1e-4)
    inside = [row[f"sales: {NAIVE} 0.1"] <= row["sales: actual"] <= row[f"sales: {NAIVE} 0.9"] for row in rows]
    assert found.methods[NAIVE]["coverage"] == pytest.approx(np.mean(inside))
    own = [abs(row["sales: actual"] - row[f"sales: {NETWORK}"]) for row in rows if row["shop"] == "shop 1"]
    assert found.by_series["shop 1"][NETWORK]["MAE"] == pytest.approx(np.mean(own), rel=1e-4)


def test_a_forecast_without_a_value_to_compare_with_is_left_out_and_said_so(run: Run) -> None:
    found = unrolled.backtest(run, 3, methods=["naive"], quiet=True)
    assert {row["fold"] for row in found.rows if row["shop"] == "shop 1"} == {0, 2}
    assert found.notes == ("1 of 6 forecasts are left out: no value to compare with, or too few before",)


def test_after_a_season_without_values_the_one_before_it_is_continued(run: Run) -> None:
    found = unrolled.backtest(run, 1, methods=["naive"], quiet=True)
    naive = [row[f"sales: {NAIVE}"] for row in found.rows if row["shop"] == "shop 1"]
    assert naive == pytest.approx([sales(1, day) for day in range(STEPS - 12, STEPS - 8)], rel=1e-5)
    assert all(row[f"sales: {NETWORK}"] is not None for row in found.rows)


def test_a_network_that_has_read_the_folds_is_trained_again_without_them(run: Run) -> None:
    found = unrolled.backtest(run, 2, step=10, methods=["naive"], quiet=True)
    (folder,) = (run.path / FOLDER).iterdir()
    trained = Run.open(folder)
    assert trained.config.forecast is not None
    assert trained.config.forecast.test_steps == 14
    assert found.notes[0].endswith(f"a network was trained without them: {folder}")
    refitted = unrolled.backtest(run, 2, step=10, refit=True, methods=["naive"], quiet=True)
    folders = sorted(set((run.path / FOLDER).iterdir()) - {folder})
    steps = {Run.open(path).config.forecast.test_steps for path in folders}  # type: ignore[union-attr]
    assert steps == {14, 4}, "the second network reads up to the last moment"
    again = unrolled.backtest(run, 2, step=4, refit=True, methods=["naive"], quiet=True)
    assert again.refit
    assert len(list((run.path / FOLDER).iterdir())) == 5, "both networks were trained on all that was before"
    forecasts = [[row[f"sales: {NETWORK}"] for row in one.rows if row["shop"] == "shop 0"] for one in (found, refitted)]
    assert forecasts[0][:4] == forecasts[1][:4]
    assert forecasts[0][4:] != forecasts[1][4:]


def test_statistical_methods_read_each_series_up_to_the_moment(run: Run) -> None:
    from statsforecast.models import AutoTheta

    found = unrolled.backtest(run, 1, methods=["theta"], quiet=True)
    past = np.array([sales(0, day) for day in range(STEPS - HORIZON)])
    made = AutoTheta(season_length=SEASON).forecast(y=past, h=HORIZON, level=[80])
    rows = [row for row in found.rows if row["shop"] == "shop 0"]
    for name, key in (("", "mean"), (" 0.1", "lo-80"), (" 0.9", "hi-80")):
        np.testing.assert_allclose([row[f"sales: AutoTheta{name}"] for row in rows], made[key], rtol=1e-4)


def test_the_naive_forecast_stands_in_for_a_method_that_cannot_be_fitted(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from statsforecast import models

    def fails(self: Any, **options: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(models.AutoTheta, "forecast", fails)
    found = unrolled.backtest(run, 1, methods=["naive", "theta"], quiet=True)
    assert found.methods["AutoTheta"] == found.methods[NAIVE]
    assert found.notes[0].startswith("AutoTheta could not be fitted to 2 of 2 series and moments")


def test_methods_that_are_unknown_or_not_installed_are_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match=r"^backtest: expected methods among naive, ets, theta, got arima\.$"):
        unrolled.backtest(run, methods=["arima"])
    with pytest.raises(InvalidInput, match=r"which leaves 0 of 160 to train on; .* Lower --folds or --step"):
        unrolled.backtest(run, 40, methods=["naive"])
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match=r"ets needs the package statsforecast\. Install it with: pip install"):
        unrolled.backtest(run, methods=["naive", "ets"])
    assert list(unrolled.backtest(run, 1, quiet=True).methods) == [NETWORK, NAIVE]


def test_the_command_prints_all_methods_and_writes_each_forecast(
    run: Run, unrolled_command: Command, tmp_path: Path
) -> None:
    arguments = ("backtest", run.path, "--folds", "3", "--method", "naive")
    finished = unrolled_command(*arguments, "--output", "all.csv")
    assert finished.returncode == 0, finished.stderr
    for words in (NETWORK, NAIVE, "MASE of each series", "shop 1", "coverage"):
        assert words in finished.stdout
    assert "1 of 6 forecasts are left out" in finished.stderr
    with (tmp_path / "all.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 5 * 4
    assert [row["sales: actual"] for row in rows].count("") == 1
    assert float(rows[0]["sales: actual"]) == pytest.approx(sales(0, STEPS - 12))
    again = unrolled_command(*arguments, "--output", "all.csv")
    assert again.returncode != 0
    assert "already exists" in again.stderr
    printed = json.loads(unrolled_command(*arguments, "--json").stdout)
    assert set(printed["by_series"]) == {"shop 0", "shop 1"}
