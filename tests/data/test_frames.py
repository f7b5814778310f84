"""Data frames of pandas, Polars and PyArrow in place of files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import unrolled
from unrolled.data.frames import keep_frames, table_of
from unrolled.errors import DataError, InvalidInput
from unrolled.runs.inference import evaluate

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

ROWS = {
    "text": [f"{'good' if n % 2 else 'awful'} film number {n % 7}" for n in range(60)],
    "label": ["pos" if n % 2 else "neg" for n in range(60)],
}
EXPERIMENT: dict[str, Any] = {
    "network": [{"Embedding": {"output_dim": 4}}, {"GRU": {"units": 4}}],
    "training": {"epochs": 6, "batch_size": 8, "optimizer": {"Adam": {"learning_rate": 0.05}}},
}


class Stream:
    """A data frame of another library, as the result of a DuckDB query is one."""

    def __init__(self, rows: dict[str, list[Any]]):
        self._table = pa.table(rows)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


KINDS: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "another": Stream,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_is_loaded_as_its_file(kind: str, tmp_path: Path) -> None:
    pl.DataFrame(ROWS).write_parquet(tmp_path / "rows.parquet")
    framed, filed = unrolled.load(KINDS[kind](ROWS)), unrolled.load(tmp_path / "rows.parquet")
    assert list(framed.train.inputs) == list(filed.train.inputs)
    assert (framed.classes, framed.fingerprints) == (filed.classes, filed.fingerprints)


def test_a_network_is_trained_on_a_frame_and_predicts_and_evaluates_others(tmp_path: Path) -> None:
    experiment = {**EXPERIMENT, "data": {"file": pl.DataFrame(ROWS), "target": "label"}}
    run = unrolled.train(experiment, runs=tmp_path / "runs", quiet=True)
    others = pl.DataFrame({"text": ["an awful film", "a good film"]})
    probabilities = run.predict(others)
    np.testing.assert_array_equal(probabilities, run.predict(["an awful film", "a good film"]))
    assert probabilities.argmax(axis=1).tolist() == [0, 1]
    np.testing.assert_array_equal(run.predict(others["text"]), probabilities)  # a column is a list of texts
    with pytest.raises(InvalidInput, match=r"^data frame: 1 of 2 rows lack an input and get no prediction: lines 2\."):
        run.predict(pl.DataFrame({"text": ["a good film", None]}))
    assert evaluate(run, pl.DataFrame(ROWS)).accuracy == 1
    assert evaluate(unrolled.Run.open(run.path)).accuracy == run.evaluation.accuracy
    longer = unrolled.resume(run.path, epochs=7, quiet=True)
    assert len(longer.metrics) == 7


def test_equal_frames_are_kept_once_and_others_beside_them(tmp_path: Path) -> None:
    first, again, other = (
        keep_frames({"data": frame}, tmp_path)["data"]["file"]
        for frame in (pl.DataFrame(ROWS), pa.table(ROWS), pl.DataFrame(ROWS).reverse())
    )
    assert first == again != other
    assert sorted(path.name for path in (tmp_path / ".data").iterdir()) == sorted(Path(x).name for x in (first, other))
    assert keep_frames("mnist-rows", tmp_path) == "mnist-rows"


def test_categories_decimals_and_fields_are_columns_of_plain_types() -> None:
    columns = pl.DataFrame({"kind": ["a", "b"], "price": ["1.5", "2"], "body": [{"text": "x"}, {"text": "y"}]})
    columns = columns.with_columns(pl.col("kind").cast(pl.Categorical), pl.col("price").cast(pl.Decimal(9, 2)))
    frame = table_of(columns).frame
    assert frame.schema == {"kind": pl.String, "price": pl.Float64, "body.text": pl.String}


def test_an_index_of_pandas_is_a_column_where_it_says_something() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not among the packages that the tests install")
    plain = pandas.DataFrame({"x": [1.0, 2.0, 3.0]})
    assert table_of(plain).columns == table_of(plain[plain.x > 1]).columns == ["x"]
    times = pandas.date_range("2024-01-01", periods=3, name="day")
    assert table_of(plain.set_index(times)).columns == ["day", "x"]
    assert table_of(plain.set_index(times.rename(None))).columns == ["index", "x"]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.DataFrame({"text": []}), "^data frame: expected rows, got none"),
        (pl.DataFrame({"a.b": [1], "a": [{"b": 2}]}), '"a.b" twice. Rename one'),
        (pl.DataFrame({"text": ["a", None], "label": ["x", "y"]}), "^data frame:2: text: expected text, got an empty"),
    ],
)
def test_a_frame_that_cannot_be_used_is_refused_in_one_line(frame: pl.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        unrolled.load(frame, target="label")
