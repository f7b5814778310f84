"""Networks with several inputs: texts, categories and features in one row of a table."""

from pathlib import Path
from typing import Any

import unrolled
from tests.conftest import Command
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.named_inputs import NamedInputs
from unrolled.data.ragged import Ragged
from unrolled.errors import UnrolledError
from unrolled.model.build import build_model, describe, prepare
from unrolled.model.connect import layers_of
from unrolled.runs.inference import evaluate, predict_table
from unrolled.tasks.columns import format_example
from unrolled.tasks.linear import logistic_regression

import numpy as np
import polars as pl
import pytest

COUNT = 240
_RANDOM = np.random.default_rng(3)
MOODS = _RANDOM.integers(0, 2, COUNT)
LATE = _RANDOM.integers(0, 2, COUNT)
WORDS = (("poor", "awful"), ("fine", "great"))
# The class needs both the text and the number.
TABLE: dict[str, Any] = {
    "review": [f"{'so ' * (n % 40)}{WORDS[mood][n % 2]} thing number {n}" for n, mood in enumerate(MOODS)],
    "title": [f"title {n % 7} of a text" for n in range(COUNT)],
    "days": [round(3.0 * late + 0.01 * n % 1, 3) for n, late in enumerate(LATE)],
    "stamp": [1.7e9 + 10.0 * n for n in range(COUNT)],
    "shop": [f"shop {n % 20}" for n in range(COUNT)],
    "zip": [8000 + n % 5 for n in range(COUNT)],
    "city": [("Bern", "Graz", "Ulm")[n % 3] for n in range(COUNT)],
    "label": ["kept" if mood and late else "returned" for mood, late in zip(MOODS, LATE, strict=True)],
}
READ_TEXT: list[Any] = [{"Embedding": {"output_dim": 8}}, {"GRU": {"units": 8}}]
INPUTS: dict[str, Any] = {
    "review": READ_TEXT,
    "shop": [{"Embedding": {"output_dim": 4}}],
    "features": [{"Dense": {"units": 8, "activation": "tanh"}}],
}
HEAD: list[Any] = [{"Dense": {"units": 16, "activation": "tanh"}}, {"Dense": {"units": "classes"}}]


def write(folder: Path, *without: str) -> Path:
    path = folder / "orders.csv"
    pl.DataFrame({name: cells for name, cells in TABLE.items() if name not in without}).write_csv(path)
    return path


def experiment(file: Path, inputs: Any = INPUTS, **settings: Any) -> dict[str, Any]:
    return {
        "data": {"file": str(file), **settings.pop("data", {} if "title" in inputs else {"ignore": "title"})},
        "inputs": inputs,
        "network": HEAD,
        "training": {"epochs": 12, "batch_size": 16, "optimizer": {"Adam": {"learning_rate": 0.02}}},
        **settings,
    }


def train(folder: Path, **settings: Any) -> unrolled.Run:
    return unrolled.train(experiment(write(folder), **settings), runs=folder / "runs", quiet=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> unrolled.Run:
    return train(tmp_path_factory.mktemp("inputs"))


def test_a_network_learns_what_neither_the_text_nor_the_number_tells_alone(run: unrolled.Run, tmp_path: Path) -> None:
    assert run.evaluation.metrics["accuracy"] > 0.9
    alone = train(tmp_path, inputs={"review": READ_TEXT})
    assert alone.evaluation.metrics["accuracy"] < 0.85


def test_files_frames_and_mappings_are_predicted_alike(run: unrolled.Run, tmp_path: Path) -> None:
    path = write(tmp_path, "label")
    table, rows, _ = predict_table(unrolled.Run.open(run.path), path)
    expected = np.array([list(row["probabilities"].values()) for row in rows])
    assert table.size == COUNT
    frame = pl.read_csv(path)
    np.testing.assert_allclose(run.predict(frame), expected, atol=1e-6)
    np.testing.assert_allclose(run.predict(frame[5:6]), expected[5:6], atol=1e-5)
    features = [[TABLE[name][5] for name in ("days", "stamp", "zip")] + [0.0, 0.0, 1.0]]
    row = {"review": TABLE["review"][5], "shop": TABLE["shop"][5], "features": features[0]}
    np.testing.assert_allclose(run.predict([row]), expected[5:6], atol=1e-5)


def test_the_run_keeps_every_conversion(run: unrolled.Run) -> None:
    opened = unrolled.Run.open(run.path)
    assert set(opened.preprocessor.parts) == {"review", "shop", "features"}  # type: ignore[union-attr]
    assert opened.preprocessor.to_json() == run.preprocessor.to_json()
    assert (run.path / "tokenizer-review.json").exists()
    assert opened.warm_up() is opened
    assert evaluate(opened, write(run.path)).metrics["accuracy"] > 0.9


def test_the_baseline_reads_the_same_columns(run: unrolled.Run) -> None:
    (name,) = (name for name in run.evaluation.baselines if name != "majority class")
    assert name == "TF-IDF of 1 and 2 words, features, categories, logistic regression"


def test_an_example_is_shown_by_the_names_of_its_columns() -> None:
    example = {"review": "fine", "features": np.array([2.5, 1700000060.0, 0.0, 1.0])}
    shown = format_example(example, ("review", "days", "stamp", "city=Bern", "city=Ulm"))
    assert shown == "review: fine · days: 2.5, stamp: 1700000060, city=Ulm"


def test_a_category_that_was_never_seen_is_the_unknown_one(run: unrolled.Run) -> None:
    row = {"review": "fine", "features": [0.0, 1.7e9, 8000, 1, 0, 0]}
    unknown = [run.predict([{**row, "shop": shop}]) for shop in ("shop 99", "", "nobody's")]
    np.testing.assert_array_equal(unknown[0], unknown[1])
    np.testing.assert_array_equal(unknown[0], unknown[2])
    assert np.abs(run.predict([{**row, "shop": "shop 3"}]) - unknown[0]).max() > 0


def test_categories_that_were_never_seen_are_noted(
    run: unrolled.Run, unrolled_command: Command, tmp_path: Path
) -> None:
    rows = pl.DataFrame(TABLE).head(6).with_columns(city=pl.lit("Oslo"), shop=pl.lit("shop 99"))
    rows.write_csv(tmp_path / "new.csv")
    printed = unrolled_command("predict", run.path, tmp_path / "new.csv")
    assert printed.returncode == 0
    assert "city: Oslo; shop: shop 99" in printed.stderr
    assert not unrolled_command("predict", run.path, write(tmp_path)).stderr


def test_training_goes_on_exactly(tmp_path: Path) -> None:
    whole = train(tmp_path)
    part = train(tmp_path, training={"epochs": 5, "batch_size": 16, "optimizer": {"Adam": {"learning_rate": 0.02}}})
    longer = unrolled.resume(part.path, epochs=12, quiet=True)
    for one, other in zip(whole.model.get_weights(), longer.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_layers_are_found_in_the_order_of_the_file(run: unrolled.Run) -> None:
    names = [type(layer).__name__ for layer in layers_of(run.config, run.model)]
    assert names == ["Embedding", "GRU", "Embedding", "Dense", "Dense", "Dense"]
    described = describe(run.config)
    assert described["input"] == "review [B, T], shop [B], features [B, 6]"
    assert [layer["input"] for layer in described["layers"]] == ["review", "review", "shop", "features", "", ""]
    assert described["layers"][1]["shape"] == "[B, 8]"
    assert "mask_zero" in described["layers"][0]["arguments"]
    assert "mask_zero" not in described["layers"][2]["arguments"]


def test_two_texts_are_two_inputs_with_a_vocabulary_each(tmp_path: Path) -> None:
    path = write(tmp_path)
    _, task = prepare(ExperimentConfig.load(experiment(path, {"review": READ_TEXT, "title": READ_TEXT})))
    parts = task.preprocessor.parts  # type: ignore[union-attr]
    assert parts["title"].vocabulary == len(["padding", "unknown", "title", "of", "a", "text", *range(7)])
    assert (parts["review"].vocabulary or 0) > 100
    assert task.data.columns == ("review", "title")


def test_columns_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    pl.DataFrame(TABLE).rename({"review": "Review text (é)", "shop": "店/铺"}).write_csv(path)
    branches = {"Review text (é)": READ_TEXT, "店/铺": INPUTS["shop"], "features": []}
    run = unrolled.train({**experiment(path, branches), "training": {"epochs": 1}}, runs=tmp_path / "runs", quiet=True)
    opened = unrolled.Run.open(run.path)
    assert predict_table(opened, path)[1] == predict_table(run, path)[1]
    assert [layer["input"] for layer in describe(run.config)["layers"]][:3] == ["Review text (é)"] * 2 + ["店/铺"]
    assert (run.path / "tokenizer-input_0.json").exists()


def test_a_category_is_read_as_a_text_if_it_is_an_input(tmp_path: Path) -> None:
    path = write(tmp_path)
    settings = experiment(path, {"city": READ_TEXT}, data={"input": "city"})
    _, task = prepare(ExperimentConfig.load(settings))
    assert dict(task.data.input_kinds) == {"city": "text"}


def test_numbers_can_be_categories(tmp_path: Path) -> None:
    branch = {"zip": [{"Embedding": {"output_dim": 2}}]}
    _, task = prepare(ExperimentConfig.load(experiment(write(tmp_path), branch, data={"categories": ["zip"]})))
    assert task.preprocessor.parts["zip"].vocabulary == 6  # type: ignore[union-attr]


def test_cells_of_numbers_are_series_beside_features(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "pulse": [[float(n % 7)] * (2 + n % 5) for n in range(60)],
            "age": [20.0 + n for n in range(60)],
            "label": ["ab"[n % 2] for n in range(60)],
        }
    )
    settings = experiment(tmp_path, {"pulse": [{"LSTM": {"units": 3}}], "features": []}, data={"file": frame})
    _, task = prepare(ExperimentConfig.load(unrolled.data.frames.keep_frames(settings, tmp_path)))
    assert task.data.train.inputs[0]["pulse"].ndim == 2
    model = build_model(*prepare(task.config))
    assert model.output_shape == (None, 2)


@pytest.mark.parametrize(
    ("inputs", "data", "message"),
    [
        ({"reviews": []}, {}, 'no such column. Did you mean "review"?'),
        ({"days": []}, {}, "Columns of numbers are read together: inputs: {features: []}"),
        ({"label": []}, {}, "another role"),
        ({"review": READ_TEXT, "features": []}, {"input": ["review"], "categories": []}, "expected columns of numbers"),
        ({"review": [{"Embedding": {"output_dim": 8}}]}, {}, "expected a vector [B, F] to concatenate, got [B, T, 8]"),
        ({"review": []}, {}, "Put Embedding: {output_dim: 8} there"),
        ({"review": [{"LSTM": {"units": 2}}]}, {}, "Put Embedding: {output_dim: 64} before it"),
        ({"review": READ_TEXT, "features": []}, {"categories": ["label"]}, 'the column "label" twice'),
        ({}, {}, "at least one"),
        ({"review": READ_TEXT}, {"series": "city"}, "expected an example in each row"),
        (
            {"review": READ_TEXT},
            {"input": ["days"]},
            "days: expected a column that one of the inputs reads, got numbers",
        ),
        ({"review": READ_TEXT}, {"categories": ["shop"]}, "shop: expected a column that one of the inputs reads"),
    ],
)
def test_inputs_that_cannot_be_are_refused(inputs: Any, data: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UnrolledError) as refused:
        build_model(*prepare(ExperimentConfig.load(experiment(write(tmp_path), inputs, data=data))))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": "mnist"}, "the data set mnist has one input"),
        ({"task": "generate"}, "the task generate reads one input"),
        ({"forecast": {"window": 4, "test_steps": 8}}, "the task forecast reads one input"),
    ],
)
def test_other_data_and_tasks_have_one_input(settings: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UnrolledError, match=message):
        prepare(ExperimentConfig.load({**experiment(write(tmp_path)), **settings}))


def test_rows_without_a_text_are_refused_or_dropped(tmp_path: Path) -> None:
    path = tmp_path / "gaps.csv"
    rows = pl.DataFrame(TABLE).with_columns(
        review=pl.when(pl.int_range(pl.len()) == 4).then(None).otherwise(pl.col("review")),
        days=pl.when(pl.int_range(pl.len()) == 7).then(None).otherwise(pl.col("days")),
    )
    rows.write_csv(path)
    with pytest.raises(UnrolledError, match=r"gaps.csv:6: review: expected text"):
        prepare(ExperimentConfig.load(experiment(path)))
    run = unrolled.train(experiment(path, data={"missing": "drop"}), runs=tmp_path / "runs", quiet=True)
    _, predictions, _ = predict_table(run, path)
    assert predictions[4]["label"] is None
    assert predictions[7]["label"] in ("kept", "returned")


def test_examples_that_are_no_mappings_are_refused(run: unrolled.Run) -> None:
    for inputs, message in (
        (["a text"], "Give a data frame"),
        ([], "got none"),
        ([{"review": "fine"}], 'no input "shop"'),
        ([{"review": "fine", "shop": "a", "features": [1.0]}], r"expected numbers \[B, 6\]"),
    ):
        with pytest.raises(UnrolledError, match=message):
            run.predict(inputs)


def test_inputs_of_unequal_lengths_share_the_rank_of_their_padded_length() -> None:
    random = np.random.default_rng(0)
    titles, bodies = (
        Ragged.of([np.ones(random.integers(1, most), np.int32) for _ in range(300)]) for most in (17, 1025)
    )
    sizes = {"title": (8, 16), "body": (16, 32, 64, 128, 256, 512, 1024)}
    inputs = NamedInputs({"title": titles, "body": bodies}, sizes)
    shapes = set()
    for _ in range(200):
        batch = inputs[random.integers(0, 300, 2)].padded()
        shapes.add((batch["title"].shape, batch["body"].shape))
        assert (batch["body"] != 0).sum() > 0
    assert 1 < len(shapes) <= 7


def test_the_baseline_of_names_reads_characters(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    letters = {"a": "aeioulmn", "b": "strkpzgd"}
    rows = [("".join(random.choice(list(letters[label]), 6)), label) for label in "ab" * 60]
    path = tmp_path / "names.csv"
    path.write_text("text,label\n" + "\n".join(map(",".join, rows)), encoding="utf-8")
    found = logistic_regression(unrolled.load(path))
    assert list(found) == ["TF-IDF of 1 to 4 characters, logistic regression"]
    assert found["TF-IDF of 1 to 4 characters, logistic regression"]["accuracy"] == 1
