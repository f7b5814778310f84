"""What is predicted, and which columns have a role, in an experiment that is chosen for a table."""

from pathlib import Path
from typing import Any

from tests.conftest import Command
from tests.tasks.test_starting import CLASSES, COUNT, DAYS_OF_2024, SALES, TEXTS, written
from unrolled.config.document import parse_yaml
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import DataError, UnrolledError
from unrolled.model.build import prepare
from unrolled.tasks.starting import start

import numpy as np
import pytest

FLAGS: dict[str, Any] = {name: [int(n % (size + 2) == 0) for n in range(COUNT)] for size, name in enumerate("abc")}
WIDE: dict[str, Any] = {f"item {name}": (SALES[:COUNT] + size).round(1) for size, name in enumerate("ABC")}
YEARS_AND_WEEKS: dict[str, Any] = {
    "Jahr": [2020 + n // 52 for n in range(COUNT)],
    "KW": [1 + n % 52 for n in range(COUNT)],
}


def test_several_labels_are_named(tmp_path: Path, unrolled_command: Command) -> None:
    path = written(tmp_path, message=TEXTS, **FLAGS)
    found = start(path, target=["a", "c"]).settings
    assert (found["task"], found["data"]["target"]) == ("classes", ["a", "c"])
    assert unrolled_command("init", "--data", "rows.csv", "--target", "a", "--target", "c").returncode == 0
    assert parse_yaml((tmp_path / "rows.yaml").read_text(), "")["data"]["target"] == ["a", "c"]
    shown = unrolled_command("show", "rows.csv", "--target", "a", "--target", "c")
    assert shown.returncode == 0, shown.stderr
    roles = [line.split()[1] for line in shown.stdout.splitlines() if line[:2] in ("a ", "c ")]
    assert roles[:2] == ["target", "target"]
    assert "divided at" not in shown.stdout
    unknown = unrolled_command("show", "rows.csv", "--target", "nope", "--target", "c")
    assert 'unknown column "nope"' in unknown.stderr


def test_several_numbers_are_named(tmp_path: Path) -> None:
    found = start(written(tmp_path, text=TEXTS, one=SALES[:COUNT], two=SALES[COUNT:]), target=["one", "two"]).settings
    assert (found["task"], found["data"]["target"]) == ("regress", ["one", "two"])
    found = start(written(tmp_path, date=DAYS_OF_2024, **WIDE), target=["item A", "item C"]).settings
    assert (found["task"], found["data"]["target"], found["data"]["past"]) == (
        "forecast",
        ["item A", "item C"],
        ["item B"],
    )
    assert prepare(ExperimentConfig.load(found))[1].data.classes == ("item A", "item C")


def test_names_with_a_comma_between_them_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, message=TEXTS, **FLAGS)
    with pytest.raises(DataError, match=r'got "a,b"\. Name each: --target a --target b'):
        start(path, target="a,b")


@pytest.mark.parametrize("task", [None, "classes"])
def test_columns_of_labels_are_suggested_as_targets(task: str | None, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="or name several labels: --target a --target b --target c"):
        start(written(tmp_path, message=TEXTS, **FLAGS), task=task)


@pytest.mark.parametrize("setting", ["known", "past", "input", "ignore"])
def test_a_column_with_a_role_that_is_given_has_no_other(setting: str, tmp_path: Path) -> None:
    path = written(tmp_path, date=DAYS_OF_2024, visits=SALES[:COUNT], price=SALES[COUNT:], rain=CLASSES)
    found = start(path, target=None if setting == "input" else "visits", overrides=[f"data.{setting}=[price]"]).settings
    data = found["data"]
    assert (found["task"], data[setting]) == ("forecast", ["price"])
    named = [*data.get("past", []), *data.get("known", []), *data.get("input", []), data.get("target")]
    assert named.count("price") == (setting != "ignore")
    prepare(ExperimentConfig.load(found))


def test_each_column_is_a_series_where_that_is_given(tmp_path: Path) -> None:
    path = written(tmp_path, date=DAYS_OF_2024, **WIDE)
    found = start(path, overrides=["data.series=columns"]).settings
    assert (found["task"], found["data"]["series"], "target" in found["data"]) == ("forecast", "columns", False)
    assert len(prepare(ExperimentConfig.load(found))[1].data.train.inputs) == 3
    with pytest.raises(UnrolledError, match="expected data for the task classify, got data for forecast"):
        start(path, task="classify", overrides=["data.series=columns"])


def test_years_and_weeks_that_rise_order_what_is_forecast(tmp_path: Path) -> None:
    path = written(tmp_path, **YEARS_AND_WEEKS, **WIDE)
    found = start(path, target="item A")
    assert (found.settings["task"], found.settings["data"]["past"]) == ("forecast", ["item B", "item C"])
    assert "Jahr, KW order the rows" in found.reasons["data"]
    wide = start(path, overrides=["data.series=columns"]).settings
    assert wide["data"]["ignore"] == ["Jahr", "KW"]
    assert len(prepare(ExperimentConfig.load(wide))[1].data.train.inputs) == 3
    years = [*YEARS_AND_WEEKS["Jahr"][1:], 2019]
    path = written(tmp_path, "mixed.csv", **{**YEARS_AND_WEEKS, "Jahr": years}, **WIDE)
    assert start(path, target="item A").settings["task"] == "regress"


@pytest.mark.parametrize("name, target", [("is_anomaly", None), ("is_anomaly", "is_anomaly"), ("alarm", "alarm")])
def test_labels_of_anomalies_may_be_in_the_test_file_alone(name: str, target: str | None, tmp_path: Path) -> None:
    load, days = np.sin(np.arange(400) / 5), np.arange("2024-01-01", "2025-02-04", dtype="datetime64[D]")
    train = written(tmp_path, "train.csv", date=days[:300], load=load[:300])
    test = written(tmp_path, "test.csv", date=days[300:], load=load[300:], **{name: [0] * 90 + [1] * 3 + [0] * 7})
    found = start(train, test, target)
    assert found.settings["task"] == "detect"
    assert found.settings["data"]["target"] == name
    assert f"{name} is in the test file alone" in found.reasons["data"]
