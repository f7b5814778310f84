"""Whole pages: each needs nothing else, and holds what its title promises."""

import html
import json
import re
from dataclasses import replace
from pathlib import Path

import unrolled
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import WriteError
from unrolled.reports.forecast import draw_forecast, write_forecast_page
from unrolled.reports.learning_rates import write_lr_report
from unrolled.reports.run import learning_curves, write_report
from unrolled.runs.forecasts import SeriesForecast, TableForecast
from unrolled.runs.run import Run
from unrolled.tasks.forecasting import Forecasting
from unrolled.tasks.sections import ConfusionSection, SampleSection, Sections, TableSection
from unrolled.training.lr_finder import LearningRateSweep

import numpy as np
import pytest
from numpy.typing import NDArray

pytestmark = pytest.mark.xdist_group("pages")

WAVE = """\
data: {file: wave.csv, input: [height, depth]}
forecast: {window: 12, horizon: 6, season: 6, test_steps: 6}
network: [{GRU: {units: 4}}]
training: {epochs: 1, batch_size: 8, validation: 0.2}
"""
LAYER = {"name": "LSTM", "arguments": "units 8", "shape": "[B, 8]", "kernel": "native", "parameters": 480}


def headings(page: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", page)


def text_of(page: str) -> str:
    body = page[page.index("<body>") :]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def assert_needs_nothing_else(page: str) -> None:
    assert not re.search(r"<script|<link|@import|https?://|url\(|src=\"(?!data:)", page)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of two channels, whose test set is as long as its horizon."""
    folder = tmp_path_factory.mktemp("pages")
    wave = [(10 + 4 * np.sin(i * np.pi / 3), i) for i in range(80)]
    (folder / "wave.csv").write_text("height,depth\n" + "".join(f"{a:.3f},{b}\n" for a, b in wave))
    (folder / "wave.yaml").write_text(WAVE)
    return unrolled.train(folder / "wave.yaml", runs=folder / "runs", quiet=True)


def forecast_of(history: NDArray[np.float64], values: NDArray[np.float64]) -> TableForecast:
    return TableForecast([SeriesForecast("", history, values)], ("height", "depth"))


def rewrite(run: Run, sections: Sections = Sections(), **evaluation: object) -> str:  # noqa: B008 - it is frozen
    """The report of a run with other sections, and with some values of its evaluation replaced."""
    path = run.path / "evaluation.json"
    before = path.read_text()
    path.write_text(json.dumps({**json.loads(before), **evaluation}))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Forecasting, "report_sections", lambda *_: sections)
            patch.setattr(Forecasting, "notes", ["Two <rows> are equal."])
            patch.setattr("unrolled.reports.run.describe_layers", lambda *_: [LAYER])
            patch.setattr("unrolled.reports.run.format_input", lambda _: "[B, 6, 5]")
            return write_report(run).read_text()
    finally:
        path.write_text(before)


def test_forecasts_are_drawn_when_the_test_set_is_one_horizon(trained: Run) -> None:
    """The chart of each channel has the history, the test set and the forecast of the last window."""
    page = (trained.path / "report.html").read_text()
    assert_needs_nothing_else(page)
    section = page[page.index("<h2>Forecasts on the test set") :]
    lengths = [len(points.split()) for points in re.findall(r'<polyline points="([^"]*)"', section)]
    assert lengths == [18, 6, 18, 6]
    assert re.findall(r'<figcaption>(\w+)<span class="key series-1">(\w+)', section) == [
        ("height", "actual"),
        ("depth", "actual"),
    ]


def test_a_report_has_its_sections_in_order(trained: Run) -> None:
    sections = (
        ConfusionSection("Confusion matrix", ("a", "b"), ((3, 1), (0, 4))),
        TableSection("Classes", ("class", "F1"), [["a", 0.5]]),
        SampleSection("Generated text", "It is", " a truth"),
    )
    page = rewrite(trained, Sections(sections, ("TF-IDF needs scikit-learn.",)))
    assert headings(page) == [
        "Baselines",
        "Notes on the data",
        "Learning curves",
        "Network",
        "Confusion matrix",
        "Classes",
        "Generated text",
        "Settings",
        "Environment",
    ]
    shown = text_of(page)
    for words in ("Two <rows> are equal.", "TF-IDF needs scikit-learn.", "LSTM units 8 [B, 8] native 480", "[B, 6, 5]"):
        assert words in shown
    assert f"test MAE {trained.evaluation.metrics['MAE']:.4f}" in shown
    assert "training examples that were held out (20 %)" in shown
    assert_needs_nothing_else(page)


def test_a_report_says_at_its_top_whether_the_best_baseline_is_beaten(trained: Run) -> None:
    (name,) = trained.evaluation.baselines
    figures = dict(trained.evaluation.baselines[name])
    value = trained.evaluation.metrics["MAE"]
    worse = rewrite(trained, baselines={name: {**figures, "MAE": value + 1}, "mean": {**figures, "MAE": value + 2}})
    assert f"Better than the best baseline, {name} (MAE {value + 1:.4f})." in text_of(worse)
    better = rewrite(trained, baselines={name: {**figures, "MAE": value / 2}})
    assert f"Not better than the best baseline, {name} (MAE {value / 2:.4f})." in text_of(better)
    assert text_of(better).index("Not better") < text_of(better).index("Learning curves")
    none = rewrite(trained, baselines={})
    assert "best baseline" not in text_of(none)
    assert "Baselines" not in headings(none)


def test_learning_curves_are_drawn_of_every_metric() -> None:
    records = [{"epoch": n, "loss": 1 / n, "val_loss": 2 / n, "top_3": 0.5, "seconds": 1.0} for n in (1, 2, 3)]
    loss, top = learning_curves(records)
    assert (loss["name"], loss["series"]) == ("loss", ["training", "validation"])
    assert (top["name"], top["series"]) == ("top 3", ["training"])
    assert loss["chart"].count("<polyline") == 2
    assert loss["chart"].count('class="dot') == 6
    assert learning_curves([]) == []


def test_the_learning_rate_page_marks_the_recommended_rate(tmp_path: Path) -> None:
    rates = tuple(float(rate) for rate in np.geomspace(1e-4, 1e-1, 31))
    losses = tuple(np.linspace(2.0, 1.0, 31))
    sweep = LearningRateSweep(
        rates, losses, losses, steepest=0.02, trials={0.02: 0.3}, suggestion=0.01, diverged_at=0.1
    )
    write_lr_report(sweep, ExperimentConfig.load("mnist-rows"), tmp_path / "rates.html")
    page = (tmp_path / "rates.html").read_text()
    assert_needs_nothing_else(page)
    assert re.findall(r'class="mark[^"]*" style="left:([\d.]+)%"><b>([^<]*)<', page) == [("66.67", "recommended: 0.01")]
    assert re.findall(r'<span class="x " style="left:([\d.]+)%">([^<]*)<', page) == [
        ("0.0", "0.0001"),
        ("33.33", "0.001"),
        ("66.67", "0.01"),
        ("100.0", "0.1"),
    ]
    assert "recommended learning rate 0.01 loss diverges at 0.1" in text_of(page)


def test_the_forecast_page_has_history_and_forecast_of_each_channel(trained: Run, tmp_path: Path) -> None:
    history = np.stack([np.arange(60.0), np.arange(60.0) ** 2], axis=1)
    write_forecast_page(tmp_path / "next.html", trained, forecast_of(history, history[:9] + 60))
    page = (tmp_path / "next.html").read_text()
    assert_needs_nothing_else(page)
    lengths = [len(points.split()) for points in re.findall(r'<polyline points="([^"]*)"', page)]
    assert lengths == [48, 10, 48, 10], "the forecast begins at the last known value"
    assert "Forecast of height, depth, the next 9 steps" in text_of(page)
    assert "Beyond its horizon of 6 steps" in text_of(page)
    write_forecast_page(tmp_path / "next.html", trained, forecast_of(history, history[:6]))
    assert "Beyond its horizon" not in (tmp_path / "next.html").read_text()


def test_the_forecast_page_and_picture_have_dates_and_the_first_eight_series(trained: Run, tmp_path: Path) -> None:
    days = [f"2024-01-{day:02d}" for day in range(1, 16)]
    values = np.arange(30.0).reshape(15, 2)
    series = [SeriesForecast(f"shop {n}", values[:12], values[12:], days[:12], days[12:]) for n in range(101)]
    forecast = TableForecast(series[:9], ("height", "depth"), "shop", "day", notes=("shop 8 is new",))
    write_forecast_page(tmp_path / "next.html", trained, forecast)
    page = (tmp_path / "next.html").read_text()
    for words in ("shop 0: height", "shop 7: depth", "2024-01-01", "shop 8 is new"):
        assert words in text_of(page)
    folded = page[page.index("<details>") : page.index("</details>")]
    assert all(words in folded for words in ("2 more", "shop 8: height", "shop 8: depth"))
    assert folded.count("<figcaption>") == 2
    assert "The option --output FILE.csv writes the values of all series as a table." in text_of(page)
    picture = np.asarray(draw_forecast(forecast))
    assert (picture == (214, 96, 20)).all(axis=2).any(), "the color of the forecast"
    assert picture.shape[0] > 16 * 260
    write_forecast_page(tmp_path / "next.html", trained, replace(forecast, series=series))
    assert "The first 100 of 101 series." in text_of((tmp_path / "next.html").read_text())
    write_forecast_page(tmp_path / "next.html", trained, replace(forecast, series=series[:1]))
    assert "<details>" not in (tmp_path / "next.html").read_text()


def test_a_page_replaces_an_earlier_page_and_no_other_file(trained: Run, tmp_path: Path) -> None:
    (tmp_path / "letter.html").write_text("Dear Jo")
    with pytest.raises(WriteError, match=r"letter\.html: already exists and is not a page of unrolled\."):
        write_forecast_page(tmp_path / "letter.html", trained, forecast_of(np.ones((12, 2)), np.ones((3, 2))))
    assert (tmp_path / "letter.html").read_text() == "Dear Jo"
