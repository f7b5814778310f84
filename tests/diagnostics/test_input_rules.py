"""Rules about what a network reads: each problem planted in a small table, and tables without it."""

import shlex
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.diagnostics.diagnostic import Diagnostic
from unrolled.diagnostics.input_rules import INPUT_RULES
from unrolled.diagnostics.target import target_of_experiment

import numpy as np
import pytest

FORECAST = {"window": 8, "horizon": 4, "test_steps": 12}
ROWS = 120


@pytest.fixture(autouse=True)
def in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def found(settings: dict[str, Any], overrides: Sequence[str] = ()) -> dict[str, Diagnostic]:
    """The findings of an experiment, by code."""
    texts = [{"Embedding": {"output_dim": 2}}] if settings.pop("reads_texts", False) else []
    config = ExperimentConfig.load({"network": [*texts, {"GRU": {"units": 2}}], **settings}, overrides=overrides)
    target = target_of_experiment(config)
    assert target.task is not None
    return {one.code: one for one in INPUT_RULES.check(target, target.task)}


def settings_in(fix: str) -> list[str]:
    """The overrides that a fix names."""
    words = shlex.split(fix)
    return [word for flag, word in pairwise(words) if flag == "--set"]


def write(header: str, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """A table, and the section ``data`` that names it."""
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    Path("rows.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"file": "rows.csv"}


def examples(first: str, cells: Sequence[Any]) -> dict[str, Any]:
    """A column beside two measurements and a class."""
    random = np.random.default_rng(0)
    values = random.normal(size=(len(cells), 2)).round(3).tolist()
    return write(
        f"{first},width,height,label", [[cell, *two, "ab"[two[0] > 0]] for cell, two in zip(cells, values, strict=True)]
    )


def days(order: Sequence[int], **columns: Sequence[Any]) -> dict[str, Any]:
    """A row for each day in this order, with a value to forecast and other columns."""
    start = date(2024, 1, 1)
    rows = [
        [start + timedelta(day), 10 + day % 7 + day / 50, *(cells[day] for cells in columns.values())] for day in order
    ]
    return write(",".join(["date", "sales", *columns]), rows)


@pytest.mark.parametrize(
    ("name", "cells", "named"),
    [
        ("customer_id", [1000 + 17 * (7 * row % ROWS) for row in range(ROWS)], True),
        ("id", range(1, ROWS + 1), True),
        ("plot", range(5, ROWS + 5), False),
        ("the plot", range(ROWS, 0, -1), False),
        ("shuffled", [7 * row % 121 for row in range(1, ROWS + 1)], False),
    ],
)
def test_a_column_that_numbers_the_rows_is_found_and_left_out(name: str, cells: Sequence[int], named: bool) -> None:
    data = examples(name, cells) | ({"input": [name, "width", "height"]} if named else {})
    finding = found({"data": data})["identifier-inputs"]
    assert (finding.severity, finding.value, finding.where) == ("warning", 1, f"experiment: data, {name}")
    (setting,) = settings_in(finding.fix)
    assert setting.startswith("data.input=" if named else "data.ignore=")
    assert found({"data": data}, [setting]) == {}


def test_an_identifier_that_is_not_read_is_no_problem() -> None:
    assert found({"data": examples("id", range(ROWS))}) == {}
    assert found({"data": examples("position", [row % 10 for row in range(ROWS)])}) == {}
    assert found({"data": examples("age", [row % 70 for row in range(ROWS)])}) == {}


def test_the_rows_of_series_are_numbered_in_any_order_or_for_each_series() -> None:
    data = days([7 * day % ROWS for day in range(ROWS)], row=range(ROWS)) | {"target": "sales", "past": ["row"]}
    finding = found({"data": data, "forecast": FORECAST})["identifier-inputs"]
    assert settings_in(finding.fix) == ["data.past=null"]
    rows = [
        [f"2024-{1 + day // 28:02}-{1 + day % 28:02}", shop, day % 5 + day / 50, day + 10 * shop, day % 3]
        for day in range(60)
        for shop in (1, 2)
    ]
    data = write("date,shop,sales,visit,staff", rows) | {"series": "shop", "target": "sales"}
    data |= {"past": ["visit", "staff"], "irregular": "delta"}
    finding = found({"data": data, "forecast": FORECAST})["identifier-inputs"]
    assert finding.where == "experiment: data, visit"
    assert settings_in(finding.fix) == ["data.past=[staff]"]


def test_an_identifier_as_the_only_input_has_no_setting_that_mends_it() -> None:
    finding = found({"data": examples("id", range(ROWS)) | {"input": ["id"], "columns": "features"}})[
        "identifier-inputs"
    ]
    assert finding.fix == "Leave it out, and name another column to read."


def test_the_month_of_examples_becomes_categories() -> None:
    data = examples("month", [1 + row % 12 for row in range(ROWS)]) | {"input": ["month", "width"]}
    finding = found({"data": data})["date-inputs"]
    assert (finding.severity, finding.value) == ("info", 1)
    (setting,) = settings_in(finding.fix)
    assert setting == "data.categories=[month]"
    assert found({"data": data}, [setting]) == {}


def test_the_year_of_examples_is_left_out() -> None:
    data = examples("year", [1990 + row % 30 for row in range(ROWS)]) | {"input": ["year", "width"]}
    (setting,) = settings_in(found({"data": data})["date-inputs"].fix)
    assert found({"data": data}, [setting]) == {}


def test_dates_in_digits_under_another_name_are_left_out() -> None:
    data = examples("since", [20230101 + row % 28 for row in range(ROWS)]) | {"input": ["since", "width"]}
    (setting,) = settings_in(found({"data": data})["date-inputs"].fix)
    assert found({"data": data}, [setting]) == {}


def test_each_part_of_a_date_has_a_fix_of_its_own() -> None:
    hours = [row % 24 for row in range(ROWS)]
    data = examples("hour", hours) | {"input": ["hour", "width"]}
    fix = found({"data": data})["date-inputs"].fix
    assert fix == "Write the sine and the cosine of hour in place of the number."
    rows = [[2000 + row % 9, 1 + row % 12, row % 24, row * 7 % 11, "ab"[row % 2]] for row in range(ROWS)]
    data = write("year,month,hour,width,label", rows) | {"input": ["year", "month", "hour", "width"]}
    finding = found({"data": data})["date-inputs"]
    assert finding.value == 3
    assert settings_in(finding.fix) == ["data.input=[month, hour, width]", "data.categories=[month]"]
    assert found({"data": data}, settings_in(finding.fix))["date-inputs"].value == 1


def test_the_month_of_a_forecast_becomes_channels_of_its_times() -> None:
    months = [(date(2024, 1, 1) + timedelta(day)).month for day in range(ROWS)]
    settings = {"forecast": FORECAST, "data": {**days(range(ROWS), month=months), "target": "sales", "known": "month"}}
    finding = found(settings)["date-inputs"]
    assert settings_in(finding.fix) == ["data.known=null", "data.calendar=[month]"]
    assert found(settings, settings_in(finding.fix)) == {}


def test_rows_out_of_the_order_of_time_are_found() -> None:
    order = list(range(ROWS))
    order[40], order[90] = order[90], order[40]
    finding = found({"forecast": FORECAST, "data": days(order)})["unsorted-times"]
    assert (finding.severity, finding.where) == ("info", "experiment: data, date")
    assert finding.value == pytest.approx(100 * 2 / ROWS)
    assert finding.fix.startswith("Check line 43, whose date is 2024-02-11, ")


@pytest.mark.parametrize("order", [range(ROWS), range(ROWS - 1, -1, -1)])
def test_rows_in_the_order_of_time_or_the_newest_first_are_no_problem(order: Sequence[int]) -> None:
    assert found({"forecast": FORECAST, "data": days(order)}) == {}


def test_each_series_has_an_order_of_its_own() -> None:
    rows = [[shop, date(2024, 1, 1) + timedelta(day), day % 7] for shop in "ab" for day in range(60)]
    settings = {"forecast": FORECAST, "data": {**write("shop,date,sales", rows), "series": "shop"}}
    assert found(settings) == {}
    rows[70], rows[80] = rows[80], rows[70]
    write("shop,date,sales", rows)
    assert list(found(settings)) == ["unsorted-times"]


def test_steps_that_are_missing_are_found_from_some_on() -> None:
    few = [day for day in range(200) if day % 10 != 5]
    assert found({"forecast": FORECAST, "data": days(few)}) == {}
    many = [day for day in range(200) if day % 4 != 2]
    finding = found({"forecast": FORECAST, "data": days(many)})["missing-steps"]
    assert finding.severity == "info"
    assert finding.value == pytest.approx(100 * 50 / 200, rel=0.02)
    assert "from 2024-01-03 on" in finding.fix


def test_weekends_of_a_series_on_workdays_are_not_missing() -> None:
    assert found({"forecast": FORECAST, "data": days([day for day in range(200) if day % 7 < 5])}) == {}


def sentences(*, ends: str = "", held_out: str = "") -> dict[str, Any]:
    """Texts of 6 words; a fifth of them go on, and those that come last are of other words."""
    words = ["the", "film", "was", "good", "bad", "long", "dull", "bright", "slow", "loud"]
    random = np.random.default_rng(0)
    rows = [[" ".join(random.choice(words, 6)) + ends * (row % 5 == 0), "xy"[row % 2]] for row in range(200)]
    test = [[held_out or " ".join(random.choice(words, 6)), "xy"[row % 2]] for row in range(60)]
    lines = [["text,label", *(",".join(row) for row in part)] for part in (rows, test)]
    for name, part in zip(("train.csv", "test.csv"), lines, strict=True):
        Path(name).write_text("\n".join(part) + "\n", encoding="utf-8")
    return {"data": {"train": "train.csv", "test": "test.csv"}, "reads_texts": True}


def test_texts_that_are_cut_are_found_and_read_to_their_ends() -> None:
    settings = sentences(ends=" and so on" * 20)
    finding = found({**settings, "text": {"max_length": 20}})["cut-texts"]
    assert (finding.severity, finding.value) == ("warning", 20)
    assert settings_in(finding.fix) == ["text.max_length=66"]
    assert found({**settings, "text": {"max_length": 20}}, settings_in(finding.fix)) == {}
    assert found(sentences()) == {}


def test_words_that_the_training_texts_do_not_have_are_found() -> None:
    finding = found(sentences(held_out="une phrase que le film was good"))["unknown-tokens"]
    assert finding.severity == "warning"
    assert finding.value == pytest.approx(100 * 4 / 7)
    assert finding.where == "experiment: data, test"
    assert settings_in(finding.fix) == ["text.tokenizer=bpe"]
    assert found(sentences(held_out="a new film was good bad slow loud")) == {}


@pytest.mark.parametrize(
    ("text", "fix"), [({"vocabulary_size": 3}, "text.vocabulary_size=12"), ({"min_count": 1000}, "text.min_count=1")]
)
def test_a_vocabulary_that_is_too_small_is_found(text: dict[str, int], fix: str) -> None:
    finding = found({**sentences(), "text": text})["unknown-tokens"]
    assert settings_in(finding.fix) == [fix]
    assert found({**sentences(), "text": text}, [fix]) == {}


@pytest.mark.parametrize("recipe", ["reviews-lstm", "passengers-forecast", "vowels-gru"])
def test_recipes_read_nothing_doubtful(recipe: str) -> None:
    target = target_of_experiment(ExperimentConfig.load(recipe))
    assert target.task is not None
    assert INPUT_RULES.check(target, target.task) == []
