"""Forecasts with quantiles: their loss, their errors, their correction, and what users get of them."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import unrolled
from tests.conftest import Command
from unrolled.data.preview import PAPER
from unrolled.errors import InvalidSetting
from unrolled.losses import PinballLoss
from unrolled.reports.forecast import draw_forecast
from unrolled.runs.run import Run
from unrolled.tasks.forecasting import Forecasting
from unrolled.tasks.quantiles import conformal_shifts, quantile_errors, residual_quantiles

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.xdist_group("quantiles")

LEVELS = (0.1, 0.5, 0.9)
EXPERIMENT: dict[str, Any] = {
    "forecast": {"window": 8, "horizon": 4, "season": 4, "test_steps": 80, "quantiles": list(LEVELS)},
    "network": [{"GRU": {"units": 8}}],
    "training": {
        "epochs": 12,
        "batch_size": 32,
        "validation": 0.2,
        "optimizer": {"Adam": {"learning_rate": 0.01}},
    },
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shops whose sales vary about a season, the second ten times as much as the first."""
    path = tmp_path_factory.mktemp("quantiles") / "sales.csv"
    noise = np.random.default_rng(0)
    rows = [
        f"{shop},{np.datetime64('2024-01-01') + day},{size * (10 + 2 * (day % 4) + noise.normal()):.3f}"
        for shop, size in (("small", 1), ("large", 10))
        for day in range(400)
    ]
    path.write_text("shop,date,sales\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def run(table: Path) -> Run:
    data = {"file": str(table), "target": "sales", "series": "shop"}
    experiment = {"data": data, **EXPERIMENT, "forecast": {**EXPERIMENT["forecast"], "scale": "window_mean"}}
    return unrolled.train(experiment, runs=table.parent / "runs", quiet=True)


def test_the_pinball_loss_is_least_at_the_quantiles() -> None:
    values = np.random.default_rng(0).normal(size=(4_000, 1)).astype(np.float32)
    loss, losses = PinballLoss(LEVELS), {}
    for shift in (-0.3, 0.0, 0.3):
        outputs = np.tile(np.quantile(values, LEVELS).astype(np.float32) + np.float32(shift), (len(values), 1))
        losses[shift] = float(loss(np.repeat(values, 3, axis=1), outputs))
    assert losses[0.0] < min(losses[-0.3], losses[0.3])
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.quantiles == LEVELS


def test_pinball_loss_and_coverage_are_those_of_their_definition() -> None:
    rng = np.random.default_rng(1)
    values, forecasts = rng.normal(size=(50, 3, 2)), np.sort(rng.normal(size=(50, 3, 2, 3)), axis=-1)
    values[0, 0, 0] = np.nan
    expected, within = [], []
    for index in np.ndindex(values.shape):
        if np.isnan(values[index]):
            continue
        for level, forecast in zip(LEVELS, forecasts[index], strict=True):
            error = values[index] - forecast
            expected.append(level * error if error >= 0 else (level - 1) * error)
        within.append(forecasts[index][0] <= values[index] <= forecasts[index][-1])
    found = quantile_errors(values[..., None] - forecasts, LEVELS)
    assert found == pytest.approx({"pinball": np.mean(expected), "coverage": np.mean(within)})


def test_shifts_put_the_wanted_share_of_values_below_each_quantile_and_leave_the_median() -> None:
    errors = np.random.default_rng(2).normal(3, 1, size=(999, 1, 3))
    shifts = conformal_shifts(errors, LEVELS)
    below = (errors <= shifts).mean(axis=0)[0]
    assert below[[0, 2]] == pytest.approx([0.1, 0.9], abs=0.002)
    assert shifts[0, 1] == 0
    with_gaps = np.concatenate([errors, np.full((500, 1, 3), np.nan)])
    np.testing.assert_array_equal(conformal_shifts(with_gaps, LEVELS), shifts)
    assert (conformal_shifts(with_gaps[999:], LEVELS) == 0).all()
    assert (conformal_shifts(errors[:0], LEVELS) == 0).all()


def test_residual_quantiles_pass_over_gaps() -> None:
    residuals = [np.array([[0.0], [np.nan], [1.0], [2.0]]), np.full((3, 1), np.nan)]
    np.testing.assert_allclose(residual_quantiles(residuals, (0.25, 0.5)), [[[0.5, 1.0]], [[0.0, 0.0]]])


def test_a_forecast_has_each_quantile_in_order_and_the_median_by_default(run: Run) -> None:
    series = np.array([10, 12, 14, 16] * 4, np.float32)
    quantiles, median = unrolled.forecast(run, series, 10, quantiles=True), unrolled.forecast(run, series, 10)
    assert quantiles.shape == (10, 1, 3)
    assert (np.diff(quantiles, axis=-1) > 0).all()
    np.testing.assert_array_equal(quantiles[..., 1], median)


def test_quantiles_are_evaluated_beside_those_of_the_naive_forecast(run: Run) -> None:
    evaluation = run.evaluation
    assert evaluation is not None
    assert 0.6 < evaluation.metrics["coverage"] < 0.95
    naive = evaluation.baselines["value 4 steps before"]
    assert evaluation.metrics["pinball"] < naive["pinball"]
    assert 0.7 < naive["coverage"] < 0.9, "its errors in training are those of the test"


def test_quantiles_are_corrected_on_the_validation_part(run: Run) -> None:
    task = Run.open(run.path).task
    assert isinstance(task, Forecasting)
    assert np.array(task.calibration["shifts"]).shape == (1, 3)
    split = task.calibration_split
    assert split is not None
    task.calibration, narrow = {}, np.zeros((split.size, task.num_outputs), np.float32)
    task.calibration = task.calibrate(narrow, split)
    values = task.values(narrow, np.asarray(split.inputs)[:, :8])[..., 0, :]
    true = np.stack([window[8:, 0] for window in task._parts[1].inputs])  # type: ignore[union-attr]
    within = ((values[..., 0] <= true) & (true <= values[..., 2])).mean()
    assert within == pytest.approx(0.8, abs=0.02)
    assert task.calibration["shifts"][0][1] == 0, "the median stays"


def test_what_was_0_but_never_negative_is_not_forecast_below_0(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = np.stack([random.poisson(1, 400), random.normal(0, 1, 400), 5 + random.normal(0, 1, 400)], axis=1)
    rows = [f"{np.datetime64('2024-01-01') + day},{a},{b:.3f},{c:.3f}" for day, (a, b, c) in enumerate(values)]
    (tmp_path / "shop.csv").write_text("date,sales,change,level\n" + "\n".join(rows) + "\n")
    data = {"file": str(tmp_path / "shop.csv"), "target": ["sales", "change", "level"]}
    training = {**EXPERIMENT["training"], "epochs": 3}
    run = Run.open(unrolled.train({**EXPERIMENT, "data": data, "training": training}, runs=tmp_path, quiet=True).path)
    task, evaluation = run.task, run.evaluation
    assert isinstance(task, Forecasting)
    assert evaluation is not None
    before, after = task.targets_of(task._test_windows)
    zeros = np.zeros((len(before), task.num_outputs), np.float32) - 9
    lowest = task.values(zeros, before).min(axis=(0, 1, 3))
    assert lowest[0] == 0
    assert (lowest[1:] < 0).all(), "a channel that was never 0 may fall below it"
    found = task.values(run.test_outputs, before)
    assert found[..., 0, 0].min() == 0
    assert evaluation.metrics["pinball"] == pytest.approx(quantile_errors(after[..., None] - found, LEVELS)["pinball"])
    assert task.naive_quantiles(before, task._test_windows.targets)[..., 0, :].min() == 0
    forecast = unrolled.forecast_table(run, tmp_path / "shop.csv", 40)
    assert min(row["sales_0.1"] for row in forecast.rows) == 0
    assert min(row["change_0.1"] for row in forecast.rows) < 0


def test_without_conformal_the_quantiles_are_those_of_the_network(table: Path) -> None:
    data = {"file": str(table), "target": "sales", "series": "shop"}
    settings = {**EXPERIMENT["forecast"], "conformal": False}
    run = unrolled.train(
        {"data": data, **EXPERIMENT, "forecast": settings},
        overrides=["training.epochs=1"],
        runs=table.parent / "runs",
        quiet=True,
    )
    assert run.calibration == {}


def test_a_table_of_forecasts_has_a_column_for_each_quantile(
    run: Run, table: Path, unrolled_command: Command, tmp_path: Path
) -> None:
    finished = unrolled_command(
        "forecast", run.path, table, "--steps", "6",
        "--output", "next.csv", "--html", "next.html", "--picture", "next.png",
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    with (tmp_path / "next.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0]) == ["shop", "date", "sales", "sales_0.1", "sales_0.9"]
    assert [row["shop"] for row in rows] == ["small"] * 6 + ["large"] * 6
    assert all(float(row["sales_0.1"]) < float(row["sales"]) < float(row["sales_0.9"]) for row in rows)
    page = (tmp_path / "next.html").read_text()
    assert "80 % of the values should lie in it" in page
    assert page.count('class="band') == 2
    printed = json.loads(unrolled_command("forecast", run.path, table, "--json").stdout)
    assert set(printed[0]) == {"shop", "date", "sales", "sales_0.1", "sales_0.9"}


def test_the_report_shows_the_band_of_the_test_forecasts(run: Run) -> None:
    report = (run.path / "report.html").read_text()
    assert report.count('class="band') == 2
    assert "from the 0.1 to the 0.9 quantile" in report


def test_a_picture_of_a_forecast_shades_its_band(run: Run, table: Path) -> None:
    forecast = unrolled.forecast_table(run, table)
    without = replace(forecast, quantiles=(), series=[replace(one, quantiles=None) for one in forecast.series])
    shaded, plain = (np.asarray(draw_forecast(one))[: 2 * 260] for one in (forecast, without))
    band = [round(paper + (one - paper) * 45 / 255) for one, paper in zip((214, 96, 20), PAPER, strict=True)]
    counts = [int((np.abs(picture.astype(int) - band) <= 3).all(axis=2).sum()) for picture in (shaded, plain)]
    assert counts[0] > 10 * counts[1] + 500


@pytest.mark.parametrize("quantiles", [[0.1, 0.9], [0.9, 0.5], [0.5, 0.5], [0.0, 0.5], []])
def test_quantiles_that_are_none_are_refused(table: Path, quantiles: list[float]) -> None:
    settings = {**EXPERIMENT["forecast"], "quantiles": quantiles}
    with pytest.raises(InvalidSetting, match=r"forecast\.?(quantiles)?: expected"):
        unrolled.train({"data": {"file": str(table)}, **EXPERIMENT, "forecast": settings})


@pytest.mark.parametrize(
    ("quantiles", "loss"),
    [
        (list(LEVELS), "MeanSquaredError"),
        (list(LEVELS), {"PinballLoss": {"quantiles": [0.05, 0.5, 0.95]}}),
        (None, {"PinballLoss": {"quantiles": list(LEVELS)}}),
    ],
)
def test_a_loss_of_other_quantiles_is_refused(table: Path, quantiles: list[float] | None, loss: Any) -> None:
    settings = {key: value for key, value in EXPERIMENT["forecast"].items() if key != "quantiles"}
    settings |= {"quantiles": quantiles} if quantiles else {}
    training = {**EXPERIMENT["training"], "loss": loss}
    with pytest.raises(InvalidSetting, match=r"training\.loss: expected (PinballLoss of the quantiles|a loss of one)"):
        unrolled.train({"data": {"file": str(table)}, **EXPERIMENT, "forecast": settings, "training": training})


def test_a_series_that_ends_early_is_named(run: Run, table: Path, tmp_path: Path) -> None:
    lines = table.read_text().splitlines()
    early = [line for line in lines if not (line.startswith("small") and line.split(",")[1] > "2024-12-01")]
    (tmp_path / "early.csv").write_text("\n".join(early) + "\n")
    notes = unrolled.forecast_table(run, tmp_path / "early.csv").notes
    assert "1 of 2 series end before the others and are forecast from their end: small (2024-12-01)" in notes
