"""Which rows of a table are the steps of one series, in an experiment that is chosen for it."""

from pathlib import Path
from typing import Any

from tests.tasks.test_starting import CLASSES, COUNT, SALES, TEXTS, written
from unrolled.errors import DataError
from unrolled.tasks.starting import start

import numpy as np
import pytest

RANDOM = np.random.default_rng(5)
REVIEWS = [*TEXTS[:-1], TEXTS[3]]
DATES = [f"2024-{n % 12 + 1:02d}-{n % 28 + 1:02d}" for n in range(COUNT)]
STARS = (RANDOM.random(COUNT) * 5).round(1)


@pytest.mark.parametrize(("task", "name", "target"), [("classify", "label", CLASSES), ("regress", "stars", STARS)])
@pytest.mark.parametrize("overrides", [[], ["data.missing=drop"], ["data.input=text"]])
def test_a_text_that_stands_twice_beside_dates_that_repeat_names_no_series(
    task: str, name: str, target: Any, overrides: list[str], tmp_path: Path
) -> None:
    found = start(written(tmp_path, **{"date": DATES, "text": REVIEWS, name: target}), target=name, overrides=overrides)
    assert found.settings["task"] == task
    assert not found.settings["data"].keys() & {"series", "time", "per"}
    assert found.reasons["data"] == "date is not read: each row is an example, no step of a series"


def test_who_wrote_texts_now_and_then_names_no_series(tmp_path: Path) -> None:
    users = [f"u{n}" for n in RANDOM.integers(0, 15, COUNT)]
    found = start(written(tmp_path, user=users, text=REVIEWS, date=DATES, label=CLASSES)).settings
    assert (found["task"], "series" in found["data"]) == ("classify", False)


def test_texts_beside_times_that_go_on_for_each_series_are_asked_for(tmp_path: Path) -> None:
    days = [f"2024-01-{n % 30 + 1:02d}" for n in range(COUNT)]
    shops = [f"s{n // 30}" for n in range(COUNT)]
    path = written(tmp_path, shop=shops, day=days, sales=SALES[:COUNT], remark=TEXTS)
    with pytest.raises(DataError, match=r"go on for each shop\. Write --set data\.ignore=day for texts, or --set "):
        start(path, target="sales")
    assert start(path, target="sales", overrides=["data.ignore=remark"]).settings["data"]["series"] == "shop"
    assert start(path, target="sales", overrides=["data.ignore=day"]).settings["task"] == "regress"


def test_codes_of_about_one_row_each_name_no_series(tmp_path: Path) -> None:
    orders = [f"A{n}" for n in (*range(COUNT - 1), 3)]
    found = start(written(tmp_path, order=orders, date=DATES, x=SALES[:COUNT], label=CLASSES))
    assert "series" not in found.settings["data"]


def runs(count: int = 12, steps: int = 8, **columns: Any) -> dict[str, Any]:
    """Numbered runs of two classes, an hour apart, a row each second."""
    numbers = np.arange(count).repeat(steps)
    times = [f"2024-01-01 {run:02d}:00:{step:02d}" for run in range(count) for step in range(steps)]
    states = np.array(["idle", "busy"])[(numbers * 5 % 7) % 2]
    rows: dict[str, Any] = {"run": numbers, "ts": times, "x": RANDOM.random(count * steps).round(3), "state": states}
    return {name: column for name, column in (rows | columns).items() if column is not None}


def renamed(columns: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    return {(new if name == old else name): column for name, column in columns.items()}


def shuffled(columns: dict[str, Any]) -> dict[str, Any]:
    order = np.random.default_rng(2).permutation(len(columns["x"]))
    return {name: np.array(column)[order] for name, column in columns.items()}


@pytest.mark.parametrize(
    "columns",
    [
        runs(),
        shuffled(runs()),
        runs(ts=None),
        runs(ts=[f"2024-01-01 00:{n // 60:02d}:{n % 60:02d}" for n in range(96)]),
        runs(6),
        renamed(runs(), "run", "blade"),
        runs(6, ts=None),
    ],
    ids=["in order", "shuffled", "without times", "one after another", "six", "another name", "six without times"],
)
def test_numbers_whose_rows_stand_together_name_series(columns: dict[str, Any], tmp_path: Path) -> None:
    found = start(written(tmp_path, **columns), target="state")
    name = next(iter(columns.keys() & {"run", "blade"}))
    assert (found.settings["task"], found.settings["data"]["series"]) == ("classify", name)
    assert found.reasons["data"] == f"the rows of each {name} stand together, so that {name} names the series"


@pytest.mark.parametrize(
    "columns",
    [
        renamed(runs(6, ts=None), "run", "blade"),
        shuffled(runs(ts=None)),
        runs(ts=None, state=np.array(["idle", "busy"])[np.arange(96) % 2]),
    ],
    ids=["six without times", "shuffled without times", "classes of rows"],
)
def test_numbers_that_may_name_series_are_asked_for(columns: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path, **columns)
    name = next(iter(columns.keys() & {"run", "blade"}))
    with pytest.raises(
        DataError, match=rf"a step of a series: the rows of each {name} .*--set data\.series={name}, or"
    ):
        start(path, target="state")
    assert "series" not in start(path, target="state", overrides=["data.columns=features"]).settings["data"]
    assert start(path, target="state", overrides=[f"data.series={name}"]).settings["data"]["series"] == name


@pytest.mark.parametrize(
    "columns",
    [
        {"code": [0] * 48 + [1] * 48, "x": SALES[:96], "state": ["no"] * 48 + ["yes"] * 48},
        {"age": np.arange(12).repeat(8), "x": SALES[:96], "state": CLASSES[:96]},
        {"run": np.arange(96) % 7, "x": SALES[:96], "state": CLASSES[:96]},
    ],
    ids=["numbers of the classes", "sorted", "in turn"],
)
def test_other_whole_numbers_name_no_series(columns: dict[str, Any], tmp_path: Path) -> None:
    assert "series" not in start(written(tmp_path, **columns), target="state").settings["data"]


def test_a_number_of_each_run_is_no_forecast_though_it_rises(tmp_path: Path) -> None:
    times = [f"2024-01-01 00:{n // 60:02d}:{n % 60:02d}" for n in range(96)]
    path = written(tmp_path, **runs(ts=times, state=None, wear=np.arange(12).repeat(8) * 1.37))
    found = start(path, target="wear").settings
    assert (found["task"], found["data"]["series"], "per" in found["data"]) == ("regress", "run", False)


@pytest.mark.parametrize("override", ["data.columns=features", "data.split={by: run}"])
def test_rows_that_a_setting_makes_examples_are_not_forecast(override: str, tmp_path: Path) -> None:
    times = [f"2024-01-01 00:{n // 60:02d}:{n % 60:02d}" for n in range(96)]
    path = written(tmp_path, **runs(ts=times, state=None, wear=np.arange(96) * 1.37))
    assert start(path, target="wear").settings["task"] == "forecast"
    found = start(path, target="wear", overrides=[override]).settings
    assert (found["task"], "series" in found["data"]) == ("regress", False)
