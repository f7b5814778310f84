"""Tables with an example in each row: steps of a series, or features with their categories."""

from pathlib import Path
from typing import Any

import unrolled
from unrolled.data.dataset import Dataset
from unrolled.data.examples import load_labeled_table
from unrolled.data.rows import extract_examples
from unrolled.data.schema import TableSchema
from unrolled.data.tables import read_table
from unrolled.errors import DataError
from unrolled.runs.inference import predict_table
from unrolled.tasks.preprocessing import fit_series
from unrolled.tasks.sections import TableSection

import numpy as np
import polars as pl
import pytest

COUNT = 96
LABELS = ["ab"[n % 2] for n in range(COUNT)]
CITIES = [("Bern", "Graz", "Ulm")[n % 3] for n in range(COUNT)]


def load(folder: Path, cells: dict[str, Any], **named: Any) -> Dataset:
    pl.DataFrame({**cells, "label": LABELS}).write_csv(folder / "rows.csv")
    return load_labeled_table(folder / "rows.csv", columns=named)


@pytest.mark.parametrize(
    ("names", "are_steps"),
    [
        (["t1", "t2", "t3"], True),
        (["x_0", "x_1", "x_2"], True),
        (["0.1 s", "0.2 s", "0.3 s"], True),
        (["-2", "-1", "0"], True),
        (["Monday", "Tuesday", "Wednesday"], True),
        (["sales Jan", "sales Feb", "sales Mar"], True),
        (["age", "income", "height"], False),
        (["x1", "x2", "y1"], False),
        (["t3", "t1", "t2"], False),
        (["age"], False),
    ],
)
def test_columns_are_steps_if_their_names_say_so(names: list[str], are_steps: bool, tmp_path: Path) -> None:
    columns = {name: [n + 0.5 * index for n in range(COUNT)] for index, name in enumerate(names)}
    data = load(tmp_path, columns)
    assert data.train.inputs[0].shape == ((len(names), 1) if are_steps else (1, len(names)))
    other = load(tmp_path, columns, columns="features" if are_steps else "steps")
    assert other.train.inputs[0].shape == ((1, len(names)) if are_steps else (len(names), 1))


def test_the_values_of_a_category_are_channels(tmp_path: Path) -> None:
    data = load(tmp_path, {"age": np.arange(COUNT) + 0.5, "city": CITIES})
    assert data.columns == ("age", "city=Bern", "city=Graz", "city=Ulm")
    rows = [row for split in data.parts.values() for (row,) in split.inputs]
    for age, *channels in rows:
        assert channels == [float(city == CITIES[int(age)]) for city in ("Bern", "Graz", "Ulm")]


def test_a_category_that_gives_the_class_away_is_ignored_and_named(tmp_path: Path) -> None:
    columns = {"age": np.arange(COUNT) + 0.5, "diagnosis": [f"is {label}" for label in LABELS], "city": CITIES}
    data = load(tmp_path, columns)
    assert data.columns == ("age", "city=Bern", "city=Graz", "city=Ulm")
    assert "diagnosis (category, 2 different, it gives the class away)" in data.notes[-1]
    named = load(tmp_path, columns, categories=["diagnosis"])
    assert named.columns == ("age", "diagnosis=is a", "diagnosis=is b", "city=Bern", "city=Graz", "city=Ulm")


def test_the_steps_of_a_series_have_categories_where_they_are_named(tmp_path: Path) -> None:
    columns = {"id": np.repeat(np.arange(24), 4), "x": np.arange(COUNT) + 0.5, "mode": ["on", "off"] * 48}
    pl.DataFrame({**columns, "label": np.repeat(["a", "b"], 48)}).write_csv(tmp_path / "rows.csv")
    data = load_labeled_table(tmp_path / "rows.csv", columns={"series": "id", "categories": "mode"})
    assert data.columns == ("x", "mode=off", "mode=on")
    assert data.train.inputs[0][:, 1:].tolist() == [[0, 1], [1, 0], [0, 1], [1, 0]]


def test_a_trained_network_reads_the_categories_of_other_tables(tmp_path: Path) -> None:
    cities = ["Bern" if n % 2 else "Ulm" for n in range(COUNT)]
    cities[:2] = cities[1::-1]
    pl.DataFrame({"age": np.arange(COUNT) % 7 + 0.5, "city": cities, "label": LABELS}).write_csv(tmp_path / "rows.csv")
    experiment = {
        "data": {"file": str(tmp_path / "rows.csv")},
        "network": [{"GRU": {"units": 8}}],
        "training": {"epochs": 30, "batch_size": 16, "optimizer": {"Adam": {"learning_rate": 0.05}}},
    }
    run = unrolled.train(experiment, runs=tmp_path / "runs", quiet=True)
    pl.DataFrame({"city": ["Ulm", "Bern", "Rome", None], "age": [3.5] * 4}).write_csv(tmp_path / "new.csv")
    _, predictions, _ = predict_table(run, tmp_path / "new.csv")
    assert [one["label"] for one in predictions[:2]] == ["a", "b"]
    assert predictions[2]["probabilities"] == predictions[3]["probabilities"]


def test_mistakes_on_features_are_a_table_of_them(tmp_path: Path) -> None:
    columns = {"age": np.arange(COUNT) % 7 + 0.5, "city": ["Bern", "Ulm", "Ulm"] * (COUNT // 3), "label": LABELS}
    pl.DataFrame(columns).write_csv(tmp_path / "rows.csv")
    experiment = {"data": {"file": str(tmp_path / "rows.csv")}, "network": [{"GRU": {"units": 1}}]}
    run = unrolled.train({**experiment, "training": {"epochs": 1}}, runs=tmp_path / "runs", quiet=True)
    test = run.task.data.test
    wrong = 1.0 - np.eye(2)[test.targets]
    section = next(one for one in run.task.report_sections(run.model, wrong).sections if "mistakes" in one.title)
    assert isinstance(section, TableSection)
    assert section.columns == ("example", "true", "predicted", "probability", "age", "city=Bern", "city=Ulm")
    rows = {row[0]: row[4:] for row in section.rows}
    assert rows["example 0"] == tuple(f"{value:g}" for value in test.inputs[0][0])
    assert section.note.startswith(f"{test.size} mistakes in the test set")


def test_too_many_categories_are_refused_where_they_are_named(tmp_path: Path) -> None:
    columns = {"age": np.arange(COUNT) + 0.5, "street": [f"s{n % 20}" for n in range(COUNT)]}
    data = load(tmp_path, columns)
    assert "street (category, 20 different, too many for channels: read with inputs)" in data.notes[-1]
    with pytest.raises(
        DataError, match=r"street: expected at most 16 different categories, a channel each, got 20.*Embedding"
    ):
        load(tmp_path, columns, categories="street")


def test_a_table_of_categories_alone_is_one_of_features(tmp_path: Path) -> None:
    columns = {"city": CITIES, "size": ["big", "big", "small", "small"] * 24}
    data = load(tmp_path, columns)
    assert len(data.columns) == 5
    schema = TableSchema.decide(read_table(tmp_path / "rows.csv"))
    assert TableSchema.from_json(schema.to_json()) == schema


def test_features_of_large_numbers_keep_their_small_differences(tmp_path: Path) -> None:
    stamps = 1.7e9 + 7.0 * np.arange(COUNT)
    data = load(tmp_path, {"stamp": stamps, "age": np.arange(COUNT) + 0.5})
    preprocessor = fit_series(data.train.inputs)
    schema = TableSchema.from_json(data.schema or {})
    pl.DataFrame({"stamp": stamps[[3, 3]], "age": [1.5, 2.5]}).write_csv(tmp_path / "two.csv")
    rows, _ = extract_examples(read_table(tmp_path / "two.csv"), schema)
    (first,), _ = preprocessor.encode(rows)
    assert preprocessor.offset is not None
    assert first[0] == pytest.approx(stamps[3] - preprocessor.offset[0], abs=0.1)


def test_rows_that_may_be_steps_of_series_are_asked_about(tmp_path: Path) -> None:
    columns = {
        "person": [f"p{n // 12}" for n in range(COUNT)],
        "when": [f"2025-03-01 10:{n % 12:02d}" for n in range(COUNT)],
        "pulse": np.arange(COUNT) % 7 + 0.5,
    }
    with pytest.raises(DataError, match=r"the times in when repeat for each person\. Write data: \{series: person\}"):
        load(tmp_path, columns)
    assert load(tmp_path, columns, columns="features").train.size + COUNT // 6 == COUNT
    with pytest.raises(DataError, match=r"the times in when go on for each person"):
        load(tmp_path, {**columns, "when": [f"2025-03-01 {n // 60:02d}:{n % 60:02d}" for n in range(COUNT)]})
    load(
        tmp_path, {**columns, "when": [f"2025-03-01 {n // 60:02d}:{n * n % 60:02d}:{n % 60:02d}" for n in range(COUNT)]}
    )


def test_dates_among_the_inputs_are_refused_as_dates(tmp_path: Path) -> None:
    rows = [f"2023-01-{row + 1:02},{row},{'ab'[row % 2]}" for row in range(12)]
    file = tmp_path / "customers.csv"
    file.write_text("signup,age,label\n" + "\n".join(rows) + "\n")
    for named in (["signup", "age"], "signup"):
        with pytest.raises(DataError, match=r'got "2023-01-01"\. Dates are no numbers: leave .*\{ignore: signup\}'):
            load_labeled_table(file, columns={"input": named, "target": "label"})
    file.write_text(file.read_text().replace("2023-01-", "").replace("\n05,", "\n2023-01-05,"))
    with pytest.raises(DataError, match=r'customers\.csv:6: signup: .* got "2023-01-05"\. Write a number, or leave'):
        load_labeled_table(file, columns={"input": ["signup", "age"], "target": "label"})
