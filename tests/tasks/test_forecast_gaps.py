"""Forecasts of series with gaps: what is learned, measured and continued."""

from pathlib import Path
from typing import Any

import unrolled
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.dataset import Split
from unrolled.errors import InvalidInput, InvalidSetting
from unrolled.runs.run import Run
from unrolled.tasks.forecasting import Forecasting
from unrolled.tasks.last_season import fill_gaps, seasonal_naive
from unrolled.tasks.registry import load_task

import numpy as np
import pytest
from numpy.typing import NDArray

pytestmark = pytest.mark.xdist_group("forecast-gaps")

DAYS, SEASON = 200, 7
EXPERIMENT: dict[str, Any] = {
    "forecast": {"window": 14, "horizon": 14, "season": SEASON, "test_steps": 28, "quantiles": [0.1, 0.5, 0.9]},
    "network": [{"GRU": {"units": 8}}],
    "training": {"epochs": 3, "batch_size": 32, "validation": 0.2, "metrics": ["MeanAbsoluteError"]},
}
BETWEEN = (60, 100)
"""Days without a value, longer than window and horizon together."""


def sales() -> NDArray[np.float64]:
    """Return daily sales with a weekly season, of which every tenth day and a long stretch are missing."""
    random = np.random.default_rng(0)
    values = 20 + 3 * (np.arange(DAYS) % SEASON) + random.normal(size=DAYS)
    values[random.choice(DAYS - 1, DAYS // 10, replace=False)] = np.nan
    values[slice(*BETWEEN)] = np.nan
    return values


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("gaps") / "sales.csv"
    days = np.datetime64("2024-01-01") + np.arange(DAYS)
    rows = [f"{day},{'' if np.isnan(value) else value}" for day, value in zip(days, sales(), strict=True)]
    path.write_text("date,sales\n" + "\n".join(rows) + "\n")
    experiment = {"data": {"file": str(path), "target": "sales"}, **EXPERIMENT}
    return unrolled.train(experiment, runs=path.parent / "runs", quiet=True)


def task_of(run: Run) -> Forecasting:
    task = load_task(run.config)
    assert isinstance(task, Forecasting)
    return task


def test_windows_are_used_as_long_as_there_is_something_to_learn(run: Run) -> None:
    task = load_task(run.config.replaced(training=run.config.training.model_copy(update={"validation": "none"})))
    trained = sales()[: DAYS - 28]
    windows = [trained[begin : begin + 28] for begin in range(len(trained) - 27)]
    useful = [not (np.isnan(one[:14]).all() or np.isnan(one[14:]).all()) for one in windows]
    assert task.train.size == sum(useful)
    left_out = len(useful) - sum(useful)
    assert left_out > 0
    expected = f"{left_out} of {len(useful)} windows are left out: no value before or none in the steps to forecast"
    assert expected in task.notes


def test_missing_targets_are_missing_and_no_other(run: Run) -> None:
    task = task_of(run)
    raw, encoded = task._parts[0], task.train
    after = np.stack(list(raw.inputs))[:, 14:, 0]
    np.testing.assert_array_equal(np.isnan(encoded.targets[:, ::3]), np.isnan(after))


def test_training_and_evaluation_pass_over_gaps(run: Run) -> None:
    assert run.evaluation is not None
    for record in run.metrics:
        assert np.isfinite([record[name] for name in ("loss", "val_loss", "mean_absolute_error")]).all()
    both = [run.evaluation.metrics, *run.evaluation.baselines.values()]
    assert all(np.isfinite(list(metrics.values())).all() for metrics in both)
    assert np.isfinite(run.calibration["shifts"]).all()


def test_the_errors_are_those_of_the_steps_that_are_there(run: Run) -> None:
    task = task_of(run)
    windows = task._test_windows
    before, after = task.targets_of(windows)
    known = ~np.isnan(after)
    assert 0 < known.sum() < known.size
    naive = seasonal_naive(before, horizon=14, season=SEASON)
    assert task.baselines()[task.naive_name]["MAE"] == pytest.approx(np.abs(after - naive)[known].mean())


def test_no_method_is_measured_where_a_channel_has_no_value_before(run: Run) -> None:
    task = task_of(run)
    window = np.stack(list(task._test_windows.inputs))[:1].copy()
    window[:, :14] = np.nan
    assert np.isnan(task.targets_of(Split(window, np.zeros(1, np.int64)))[1]).all()
    assert np.isnan(task.encode(Split(window, np.zeros(1, np.int64))).targets).all()


def test_a_series_that_ends_in_gaps_is_forecast(run: Run) -> None:
    values = sales()[:-1].astype(np.float32)
    values[-SEASON:] = np.nan
    assert np.isfinite(unrolled.forecast(run, values, 20)).all()
    values[-14:] = np.nan
    with pytest.raises(InvalidInput, match=r"^forecast: expected a value of sales in the last 14 steps .* Give one\.$"):
        unrolled.forecast(run, values)


def test_a_gap_has_the_value_of_an_earlier_season_or_one_between_its_neighbors() -> None:
    gap = np.nan
    values = np.array([[1, 2, 3, 4, gap, 6], [gap, 2, gap, 4, gap, 6], [gap] * 6]).reshape(3, 6, 1)
    expected = [[1, 2, 3, 4, 3, 6], [2, 2, 3, 4, 5, 6], [gap] * 6]
    np.testing.assert_array_equal(fill_gaps(values, 2)[..., 0], expected)
    np.testing.assert_array_equal(seasonal_naive(values, horizon=3, season=2)[..., 0], np.array(expected)[:, [4, 5, 4]])
    np.testing.assert_array_equal(fill_gaps(values[:1], 1)[0, :, 0], [1, 2, 3, 4, 4, 6])


def test_a_column_without_a_value_is_not_forecast(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    days = np.datetime64("2024-01-01") + np.arange(DAYS)
    rows = [f"{day},{index % SEASON},{'' if index < DAYS - 28 else 1}" for index, day in enumerate(days)]
    path.write_text("date,sales,returns\n" + "\n".join(rows) + "\n")
    experiment = {"data": {"file": str(path), "target": ["sales", "returns"]}, **EXPERIMENT}
    task = load_task(ExperimentConfig.load(experiment))
    with pytest.raises(InvalidSetting, match="no training window has a value of returns"):
        task.split()
