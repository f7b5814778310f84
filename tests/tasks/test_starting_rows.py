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
