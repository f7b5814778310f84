"""Data that is read in pieces gives the run that the same data in memory gives."""

import json
from pathlib import Path
from typing import Any

import unrolled
from unrolled.data import binary_tables, examples, long_text, pieces, precision, ragged
from unrolled.data.examples import examples_in_pieces, load_labeled_table
from unrolled.data.ragged import Ragged
from unrolled.data.schema import TableSchema
from unrolled.data.texts import StoredTexts, Texts
from unrolled.errors import DataError
from unrolled.tasks.preprocessing import fit_series

import numpy as np
import pytest

parquet = pytest.importorskip("pyarrow.parquet", reason="PyArrow writes the tables")
pyarrow = pytest.importorskip("pyarrow")

SENTENCES = {
    "text": [f"{'good' if n % 3 else 'bad'} {'film ' * (n % 5)}number {n % 17}" for n in range(240)],
    "label": ["pos" if n % 3 else "neg" for n in range(240)],
}
SERIES = {f"t{step}": [float((n * step) % 7) for n in range(90)] for step in range(1, 6)} | {
    "class": [n % 3 for n in range(90)]
}
TASKS: dict[str, dict[str, Any]] = {
    "texts": {"network": [{"Embedding": {"output_dim": 4}}, {"GRU": {"units": 4}}]},
    "series": {"network": [{"GRU": {"units": 4}}]},
    "book": {
        "network": [{"Embedding": {"output_dim": 4}}, {"GRU": {"units": 4, "return_sequences": True}}],
        "text": {"max_length": 16},
    },
}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    for name, columns in {"texts": SENTENCES, "series": SERIES}.items():
        parquet.write_table(pyarrow.table(columns), tmp_path / f"{name}.parquet", row_group_size=50)
    (tmp_path / "book.txt").write_text(" ".join(SENTENCES["text"]), encoding="utf-8")
    return {name: str(next(tmp_path.glob(f"{name}.*"))) for name in TASKS}


def outcome(run: unrolled.Run) -> list[Any]:
    """Everything that must be equal; no times."""
    timeless = [{key: value for key, value in row.items() if "second" not in key} for row in run.metrics]
    data = json.loads((run.path / "data.json").read_text())
    preprocessor = json.loads((run.path / "preprocessor.json").read_text())
    evaluation = json.loads((run.path / "evaluation.json").read_text())
    return [timeless, data, preprocessor, evaluation, [weight.tolist() for weight in run.model.get_weights()]]


@pytest.mark.parametrize("name", TASKS)
def test_a_run_on_data_in_pieces_is_the_run_on_the_same_data_in_memory(
    files: dict[str, str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = {
        "data": {"file": files[name]},
        "training": {"epochs": 2, "batch_size": 16, "validation": 0.2},
        **TASKS[name],
    }
    whole = unrolled.train(experiment, runs=tmp_path / "runs", quiet=True)
    monkeypatch.setattr(examples, "LARGEST_IN_MEMORY", 0)
    monkeypatch.setattr(pieces, "LARGEST_IN_MEMORY", 0)
    monkeypatch.setattr(long_text, "_BLOCK", 100)
    data = unrolled.load(files[name])
    streamed = {"texts": StoredTexts, "series": Ragged, "book": np.ndarray}[name]
    assert isinstance(data.train.inputs, streamed)
    in_pieces = unrolled.train(experiment, runs=tmp_path / "runs", quiet=True)
    assert outcome(in_pieces) == outcome(whole)


def test_texts_are_indexed_like_an_array(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary_tables, "_BYTES_AT_ONCE", 64)
    schema = TableSchema(("text",), ("label",), kind="text")
    stored = examples_in_pieces(Path(files["texts"]), schema)[0].inputs
    in_memory = Texts.of(SENTENCES["text"])
    mixed = np.array([200, 3, 61, 3])
    for texts in (stored, in_memory):
        assert list(texts) == SENTENCES["text"]
        assert list(texts[mixed]) == [SENTENCES["text"][row] for row in mixed]
        assert (texts[3], texts[-1], len(texts[:2])) == (SENTENCES["text"][3], SENTENCES["text"][239], 2)
    assert [column.to_list() for column in stored.columns()] == [column.to_list() for column in in_memory.columns()]


def test_all_pieces_decide_whether_float32_tells_numbers_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary_tables, "_BYTES_AT_ONCE", 64)
    monkeypatch.setattr(ragged, "LARGEST_IN_MEMORY", 0)
    monkeypatch.setattr(precision, "_ROWS_AT_ONCE", 7)
    stamps = [1.7e9 + (n - 60) * 10.0 * (n > 60) for n in range(120)]
    columns: dict[str, list[float]] = {
        "stamp": stamps,
        "size": [float(n % 9) for n in range(120)],
        "class": [n % 2 for n in range(120)],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    for names, expected in ((("stamp", "size"), np.float64), (("size",), np.float32)):
        schema = TableSchema(names, ("class",), kind="features")
        inputs = examples_in_pieces(tmp_path / "a.parquet", schema)[0].inputs
        assert isinstance(inputs, Ragged)
        assert inputs.values.dtype == expected
        assert inputs.values.tolist() == [list(row) for row in zip(*(columns[name] for name in names), strict=True)]
        encoded = fit_series(inputs).encode(inputs)
        assert encoded.values.dtype == np.float32
        assert len(np.unique(encoded.values[:, 0])) == len(set(columns[names[0]]))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": " ", "label": "pos"}, r"a.parquet:2: text: expected text, got an empty cell"),
        ({"text": "good", "label": None}, r"a.parquet:2: label: expected a class, got an empty cell"),
    ],
)
def test_an_empty_cell_is_refused_with_its_row(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    table = pyarrow.table({name: [SENTENCES[name][0], row[name], SENTENCES[name][2]] for name in SENTENCES})
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        examples_in_pieces(tmp_path / "a.parquet", TableSchema(("text",), ("label",), kind="text"))


def test_a_cell_that_is_no_number_and_a_column_that_is_not_there_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"t1": [1.0, 2.0], "t2": ["3", "x"], "label": ["a", "b"]}), path)
    with pytest.raises(DataError, match=r'a.parquet:2: t2: expected a number, got "x"'):
        examples_in_pieces(path, TableSchema(("t1", "t2"), ("label",)))
    with pytest.raises(DataError, match=r'a.parquet: unknown column "lable". Did you mean "label"\?'):
        load_labeled_table(path, columns={"target": "lable"})
