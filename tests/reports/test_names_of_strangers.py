"""Names of strangers are text on every page: none makes an element, an attribute or a script."""

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import unrolled
from unrolled.comparison.comparison import compare
from unrolled.config.experiment import ExperimentConfig
from unrolled.reports import render
from unrolled.reports.charts import line_chart
from unrolled.reports.comparison import write_comparison
from unrolled.reports.forecast import write_forecast_page
from unrolled.reports.learning_rates import write_lr_report
from unrolled.reports.run import write_report
from unrolled.reports.search import history_chart, importance_chart
from unrolled.reports.sections import RENDERERS, render_section
from unrolled.runs.forecasts import SeriesForecast, TableForecast
from unrolled.runs.run import Run
from unrolled.searching.folder import Trial
from unrolled.tasks.sections import (
    ChartSection,
    ConfusionSection,
    Mistake,
    MistakesSection,
    SampleSection,
    ScatterSection,
    Section,
    TableSection,
)
from unrolled.training.lr_finder import LearningRateSweep

import numpy as np
import polars as pl
import pytest

pytestmark = pytest.mark.xdist_group("names of strangers")

EVIL = "</script></style></title><script>alert(1)</script>\"'><img src=x onerror=alert(1) data-evil>${1}{{ 7 * 7 }}<!--"


class Elements(HTMLParser):
    """The elements and attributes of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self.values: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attributes)
        self.values += [value for _, value in attributes if value]

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def assert_is_text(page: str, *, times: int = 1) -> None:
    found = Elements(page)
    assert not found.tags & {"script", "iframe", "object", "base", "link"}
    assert not [name for name in found.attributes if name.startswith(("on", "data-"))]
    shown = "".join(found.text).count("<script>alert(1)</script>") + sum("<script>" in one for one in found.values)
    assert shown >= times
    assert "<script>alert" not in page
    if "<style>" in page:
        assert page.count("</style>") == page.count("</title>") == 1


SECTIONS: list[Section] = [
    TableSection(EVIL, (EVIL, EVIL), [[EVIL, 1], [EVIL, 0.5]], note=EVIL),
    ConfusionSection(EVIL, (EVIL, EVIL), ((1, 1), (1, 1))),
    ConfusionSection(EVIL, (EVIL,) * 13, ((1,) * 13,) * 13),
    MistakesSection(EVIL, [Mistake(0, EVIL, EVIL, EVIL, 0.5)], 1, ()),
    MistakesSection(EVIL, [Mistake(0, np.zeros((3, 1)), EVIL, EVIL, 0.5)], 1, (EVIL,)),
    ChartSection(EVIL, {EVIL: {EVIL: [1.0, 2.0]}}, note=EVIL, steps=[EVIL, EVIL]),
    ScatterSection(EVIL, [1.0, 2.0], [1.0, 2.0], EVIL),
    SampleSection(EVIL, EVIL, EVIL, EVIL),
]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: type(section).__name__)
def test_sections(section: Section) -> None:
    assert_is_text(str(render_section(section)), times=2)


def test_each_kind_of_section_is_tried() -> None:
    assert {type(section) for section in SECTIONS} == set(RENDERERS)


def test_charts() -> None:
    assert_is_text(str(line_chart(EVIL, {EVIL: [1.0, 2.0]}, steps=None)), times=2)
    trial = Trial(0, "finished", 0.5, {EVIL: EVIL}, 1, 1.0, EVIL, None)
    assert_is_text(str(history_chart([trial], EVIL, maximizes=True)), times=2)
    assert_is_text(str(importance_chart({EVIL: 1.0}, {EVIL: EVIL})))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose classes, channels and notes have such names."""
    folder = tmp_path_factory.mktemp("strangers")
    rows: dict[str, Any] = {
        EVIL: [f"{EVIL} {n % 2}" for n in range(60)],
        "label": [f"{EVIL} {n % 2}" for n in range(60)],
    }
    pl.DataFrame(rows).write_csv(folder / "texts.csv")
    settings = {
        "name": "strange",
        "data": {"file": str(folder / "texts.csv"), "input": EVIL, "target": "label"},
        "network": [
            {"Embedding": {"input_dim": 99, "output_dim": 2}},
            {"SimpleRNN": {"units": 2}},
            {"Dense": {"units": 2}},
        ],
        "training": {"epochs": 1},
    }
    return unrolled.train(settings, runs=folder / "runs", quiet=True)


def test_a_report(trained: Run) -> None:
    trained.save_evaluation(replace(trained.evaluation, notes=(EVIL,), baselines={EVIL: {"accuracy": 0.5}}))
    assert_is_text(write_report(trained).read_text(), times=5)


def test_a_comparison(trained: Run, tmp_path: Path) -> None:
    found = compare(trained.path, trained.path)
    arms = tuple(replace(arm, name=EVIL) for arm in found.arms)
    found = replace(found, left_out={EVIL: EVIL}, arms=arms)
    write_comparison(found, tmp_path / "page.html")
    assert_is_text((tmp_path / "page.html").read_text(), times=5)


def test_a_forecast(trained: Run, tmp_path: Path) -> None:
    one = SeriesForecast(EVIL, np.ones((9, 1)), np.ones((3, 1)), [EVIL] * 9, [EVIL] * 3)
    write_forecast_page(tmp_path / "page.html", trained, TableForecast([one], (EVIL,), EVIL, EVIL, notes=(EVIL,)))
    assert_is_text((tmp_path / "page.html").read_text(), times=5)


def test_learning_rates(tmp_path: Path) -> None:
    config = ExperimentConfig.load("mnist-rows").model_copy(update={"name": EVIL})
    rates = (1e-3, 1e-2, 1e-1)
    sweep = LearningRateSweep(rates, rates, rates, steepest=0.01, trials={0.01: 0.3}, suggestion=0.01, diverged_at=None)
    write_lr_report(sweep, config, tmp_path / "page.html")
    assert_is_text((tmp_path / "page.html").read_text(), times=2)


def test_a_search() -> None:
    strange = dict.fromkeys(("name", "title", "metric", "outcomes", "searched", "best_yaml", "seed", "times"), EVIL)
    page = render(
        "search.html",
        **strange,
        data=None,
        best={"value": 1.0},
        measurement={"summary": EVIL},
        measurements=[{"trial": EVIL, "trials": EVIL, "summary": EVIL}],
        seconds=1.0,
        names=[EVIL],
        rows=[{"trial": {"number": EVIL, "value": 1.0, "epochs": EVIL, "seconds": 1.0}, "params": [EVIL]}],
        written=datetime.now(UTC),
    )
    assert_is_text(page, times=9)
