"""Which rows of a table are used, and which of them are test examples."""

from pathlib import Path
from typing import Any

import unrolled
from unrolled.data.dataset import Dataset
from unrolled.data.registry import load_config_data
from unrolled.errors import DataError, InvalidSetting
from unrolled.runs.inference import evaluate, predict_table

import numpy as np
import polars as pl
import pytest

COUNT = 120
TEXTS = [f"{'good' if n % 2 else 'awful'} film number {n}" for n in range(COUNT)]
LABELS = ["pos" if n % 2 else "neg" for n in range(COUNT)]
NETWORK: dict[str, Any] = {
    "network": [{"Embedding": {"output_dim": 4}}, {"GRU": {"units": 4}}],
    "training": {"epochs": 1, "batch_size": 16},
}


def load(folder: Path, columns: dict[str, Any], **settings: Any) -> Dataset:
    pl.DataFrame(columns).write_csv(folder / "rows.csv")
    return load_config_data(file=str(folder / "rows.csv"), **settings)


def all_texts(data: Dataset) -> list[str]:
    return sorted(text for split in data.parts.values() for text in split.inputs)


@pytest.mark.parametrize("rare_classes", ["drop", "other"])
def test_rare_classes_are_left_out_or_joined_and_said(rare_classes: str, tmp_path: Path) -> None:
    labels = [*LABELS[:-3], "spam", "ham", "ham"]
    data = load(tmp_path, {"text": TEXTS, "label": labels}, min_class_count=3, rare_classes=rare_classes)
    does = "left out" if rare_classes == "drop" else 'joined as "other"'
    assert f"2 classes of fewer than 3 examples (ham, spam), 3 examples, are {does}" in data.notes
    is_joined = rare_classes == "other"
    assert data.classes == (("neg", "other", "pos") if is_joined else ("neg", "pos"))
    assert all_texts(data) == sorted(TEXTS if is_joined else TEXTS[:-3])


def test_other_tables_have_their_rare_classes_treated_alike(tmp_path: Path) -> None:
    pl.DataFrame({"text": TEXTS, "label": [*LABELS[:-3], "x", "y", "z"]}).write_csv(tmp_path / "rows.csv")
    pl.DataFrame({"text": TEXTS[:4], "label": [*LABELS[:3], "unseen"]}).write_csv(tmp_path / "new.csv")
    for rare_classes, examples in {"drop": 3, "other": 4}.items():
        data = {"file": str(tmp_path / "rows.csv"), "min_class_count": 5, "rare_classes": rare_classes}
        if rare_classes == "other":
            data["min_class_count"] = 2
        run = unrolled.train({**NETWORK, "data": data}, runs=tmp_path / "runs", quiet=True)
        assert evaluate(run, tmp_path / "new.csv").examples == examples


def test_duplicates_are_left_out_before_the_rows_are_divided(tmp_path: Path) -> None:
    texts, labels = [*TEXTS, *TEXTS[:10]], [*LABELS, *LABELS[:8], "pos", "neg"]
    data = load(tmp_path, {"text": texts, "label": labels}, deduplicate=True)
    assert all_texts(data) == sorted(TEXTS)
    assert "10 duplicates are left out; 2 of them have another class than the example that stays" in data.notes
    again = load(tmp_path, {"text": texts, "label": labels})
    assert sum(split.size for split in again.parts.values()) == COUNT + 10


def test_a_training_example_that_is_a_test_example_is_left_out_of_the_training(tmp_path: Path) -> None:
    pl.DataFrame({"text": TEXTS[:100], "label": LABELS[:100]}).write_csv(tmp_path / "train.csv")
    pl.DataFrame({"text": TEXTS[90:], "label": LABELS[90:]}).write_csv(tmp_path / "test.csv")
    data = load_config_data(train=str(tmp_path / "train.csv"), test=str(tmp_path / "test.csv"), deduplicate=True)
    assert (data.train.size, data.test.size) == (90, 30)
    assert not set(data.train.inputs) & set(data.test.inputs)


def test_equal_series_of_numbers_are_duplicates_too(tmp_path: Path) -> None:
    columns = {"a": [1.0, 1.0, 2.0, 3.0, 4.0, 5.0] * 4, "b": [2.0] * 24, "label": list("xxyyxy") * 4}
    data = load(tmp_path, columns, deduplicate=True)
    assert sum(split.size for split in data.parts.values()) == 5


@pytest.mark.parametrize("validation", [0.2, {"fold": 1, "of": 4}])
def test_a_group_is_in_one_part(validation: Any, tmp_path: Path) -> None:
    patient = [f"p{n // 6}" for n in range(COUNT)]
    pl.DataFrame({"text": TEXTS, "label": LABELS, "patient": patient}).write_csv(tmp_path / "rows.csv")
    experiment = {
        **NETWORK,
        "data": {"file": str(tmp_path / "rows.csv"), "split": {"by": "patient"}},
        "training": {"epochs": 1, "validation": validation},
    }
    run = unrolled.train(experiment, runs=tmp_path / "runs", quiet=True)
    train, held_out = run.task.split()
    assert held_out is not None
    parts = [{patient[TEXTS.index(text)] for text in split.inputs} for split in (train, held_out, run.task.data.test)]
    assert all(parts)
    assert sum(map(len, parts)) == len(set().union(*parts)) == 20
    assert run.task.data.test.size == pytest.approx(COUNT / 6, abs=6)


def test_what_comes_last_is_tested_and_what_comes_before_it_validated(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(COUNT)
    start = np.datetime64("2025-01-01")
    columns = {"text": TEXTS, "label": LABELS, "day": (start + order).astype(str)}
    pl.DataFrame(columns).write_csv(tmp_path / "rows.csv")
    experiment = {
        **NETWORK,
        "data": {"file": str(tmp_path / "rows.csv"), "split": {"time": "2025-04-11"}},
        "training": {"epochs": 1, "validation": 0.1},
    }
    task = unrolled.train(experiment, runs=tmp_path / "runs", quiet=True).task
    train, held_out = task.split()
    assert held_out is not None
    days = [[int(order[TEXTS.index(text)]) for text in split.inputs] for split in (train, held_out, task.data.test)]
    assert sorted(days[2]) == list(range(100, COUNT))
    assert sorted(days[1]) == list(range(90, 100))
    assert max(days[0]) < 90
    folded = {**experiment, "training": {"epochs": 1, "validation": {"fold": 0, "of": 3}}}
    with pytest.raises(InvalidSetting, match=r"folds are not in the order of time\. Set validation: 0\.1"):
        unrolled.train(folded, runs=tmp_path / "runs", quiet=True)


def test_series_are_divided_by_their_groups_and_first_times(tmp_path: Path) -> None:
    series = np.repeat(np.arange(20), 3)
    start = np.datetime64("2025-01-01") + np.arange(60)
    columns = {
        "id": series,
        "x": np.arange(60.0) + 0.5,
        "when": start.astype(str),
        "person": series // 2,
        "label": np.where(series % 2, "a", "b"),
    }
    rows = pl.DataFrame(columns).sample(fraction=1, shuffle=True, seed=1)
    rows.write_csv(tmp_path / "rows.csv")
    settings: dict[str, Any] = {"file": str(tmp_path / "rows.csv"), "series": "id"}
    by_time = load_config_data(**settings, split={"time": "2025-02-15"})
    assert sorted(float(item[0, 0]) for item in by_time.test.inputs) == [45.5, 48.5, 51.5, 54.5, 57.5]
    by_person = load_config_data(**settings, split={"by": "person"}, ignore=["person"])
    people = [{int(item[0, 0]) // 6 for item in split.inputs} for split in (by_person.train, by_person.test)]
    assert not people[0] & people[1]


def test_empty_cells_are_filled_in_training_and_prediction(tmp_path: Path) -> None:
    columns = {"text": [*TEXTS[:-2], None, " "], "label": [*LABELS[:-1], None]}
    data = load(tmp_path, columns, fill={"text": "nothing", "label": "neg"})
    assert all_texts(data).count("nothing") == 2
    run = unrolled.train(
        {**NETWORK, "data": {"file": str(tmp_path / "rows.csv"), "fill": {"text": "nothing", "label": "neg"}}},
        runs=tmp_path / "runs",
        quiet=True,
    )
    pl.DataFrame({"text": ["nothing", None], "row": [1, 2]}).write_csv(tmp_path / "new.csv")
    _, predictions, _ = predict_table(run, tmp_path / "new.csv")
    assert predictions[0]["probabilities"] == predictions[1]["probabilities"]


def test_empty_numbers_are_filled_before_the_gaps_between_steps(tmp_path: Path) -> None:
    columns = {"age": [1.0, None, 3.0, 4.0] * 6, "pulse": [5.0] * 24, "label": list("aabb") * 6}
    data = load(tmp_path, columns, fill={"age": 40})
    ages = sorted(float(item[0, 0]) for split in data.parts.values() for item in split.inputs)
    assert ages == [1] * 6 + [3] * 6 + [4] * 6 + [40] * 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": {"by": "patien"}}, 'unknown column "patien". Did you mean "patient"'),
        ({"split": {"by": "same"}}, "expected two groups or more to divide by, got one"),
        ({"split": {"time": "2030-01-01"}}, "expected some examples from the time of data.split on, got none"),
        ({"split": {"time": "2020-01-01"}}, "expected some examples from the time of data.split on, got all of them"),
        ({"split": {"time": "soon"}}, 'data.split: expected a date such as 2025-01-31, got "soon"'),
        ({"fill": {"tex": "x"}}, 'unknown column "tex"'),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    days = (np.datetime64("2025-01-01") + np.arange(COUNT)).astype(str)
    columns = {"text": TEXTS, "label": LABELS, "patient": list("ab") * 60, "same": ["s"] * COUNT, "day": days}
    with pytest.raises(DataError, match=message):
        load(tmp_path, columns, input="text", **settings)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"split": {}}, "either by or time"),
        ({"split": {"by": "a", "time": "2025-01-01"}}, "either by or time"),
        ({"rare_classes": "other"}, "min_class_count beside rare_classes"),
        ({"min_class_count": 1}, "greater than or equal to 2|at least 2|2 or more"),
    ],
)
def test_settings_that_say_nothing_are_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        unrolled.ExperimentConfig.load({**NETWORK, "data": {"file": "rows.csv", **data}})


def test_series_may_be_the_groups(tmp_path: Path) -> None:
    series = np.repeat(np.arange(20), 3)
    columns = {"id": series, "x": np.arange(60.0) + 0.5, "label": np.where(series % 2, "a", "b")}
    pl.DataFrame(columns).write_csv(tmp_path / "rows.csv")
    data = load_config_data(file=str(tmp_path / "rows.csv"), series="id", split={"by": "id"})
    assert data.train.size + data.test.size == 20
