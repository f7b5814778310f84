"""Numbers for each step of a sequence: tables with a row for each step, lists in cells, and arrays."""

import io
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import unrolled
from unrolled.config.experiment import ExperimentConfig
from unrolled.data import preview
from unrolled.data.registry import load_to_show
from unrolled.data.tables import read_preview
from unrolled.errors import DataError, UnrolledError
from unrolled.model.build import build_model, describe, prepare
from unrolled.reports.run import write_report
from unrolled.runs.inference import evaluate, predict_files, predict_table, write_predictions, write_table
from unrolled.tasks.base import Task
from unrolled.tasks.batches import EvaluationBatches, TrainingBatches, predict_outputs
from unrolled.tasks.labeling import Labeling
from unrolled.tasks.regression import Regression
from unrolled.tasks.sections import ChartSection, ScatterSection
from unrolled.tasks.starting import start
from unrolled.tasks.step_regression import StepRegression

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

NETWORK: list[Any] = [{"GRU": {"units": 16, "return_sequences": True}}]
TRAINING = {"epochs": 25, "batch_size": 16, "optimizer": {"Adam": {"learning_rate": 0.02}}, "validation": 0.1}
_RANDOM = np.random.default_rng(3)
INPUTS = [_RANDOM.normal(size=8 + number % 7) for number in range(80)]
MEANS = [1000 + 100 * np.cumsum(one) / np.arange(1, len(one) + 1) for one in INPUTS]
"""The mean of all inputs so far: no window of a few steps tells it."""


def rows() -> pl.DataFrame:
    """Return the steps in no order; every seventh has no number, and every thirteenth is missing."""
    found = [
        {"id": f"s{series}", "when": f"2025-03-01 10:{step:02d}", "x": x, "y": None if (series + step) % 7 == 3 else y}
        for series, pair in enumerate(zip(INPUTS, MEANS, strict=True))
        for step, (x, y) in enumerate(zip(*pair, strict=True))
        if (5 * series + step) % 13 != 6 or step in (0, len(pair[0]) - 1)
    ]
    return pl.DataFrame(found).sample(fraction=1, shuffle=True, seed=1)


def experiment(file: Path, **data: Any) -> dict[str, Any]:
    settings = {"file": str(file), "per": "step", **data}
    return {"task": "regress", "data": settings, "network": NETWORK, "training": TRAINING}


def task_of(settings: dict[str, Any]) -> Task:
    return prepare(ExperimentConfig.load(settings))[1]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("steps") / "steps.csv"
    rows().write_csv(path)
    return path


@pytest.fixture(scope="module")
def run(table: Path) -> unrolled.Run:
    settings = experiment(table, series="id", time="when")
    return unrolled.Run.open(unrolled.train(settings, runs=table.parent / "runs", quiet=True).path)


def test_the_mean_of_all_steps_so_far_is_learned(run: unrolled.Run) -> None:
    evaluation = run.evaluation
    mean, ridge = evaluation.baselines["mean"], evaluation.baselines["a step and 2 on either side, ridge regression"]
    assert evaluation.headline == "RMSE"
    assert evaluation.metrics["R2"] > 0.85
    assert evaluation.metrics["RMSE"] < 0.6 * ridge["RMSE"] < 0.6 * mean["RMSE"]


def test_only_steps_with_a_number_count(run: unrolled.Run, table: Path) -> None:
    task = run.task
    assert isinstance(task, StepRegression)
    known = rows().drop_nulls()
    train, test = (split.targets.joined[:, 0] for split in (task.data.train, task.data.test))
    assert sorted(np.concatenate([train, test])[~np.isnan(np.concatenate([train, test]))]) == sorted(known["y"])
    assert run.evaluation.examples == int((~np.isnan(test)).sum()) < len(test)
    missing = sum(map(len, INPUTS)) - known.height
    assert f"{missing} of {sum(map(len, INPUTS))} steps lack a number and count for nothing" in task.notes
    # The scale is that of the known numbers of the training part, in which there is no 0.
    of_training = task.numbers(task._parts[0])
    assert of_training.min() > 500
    assert task.facts["mean"] == pytest.approx([of_training.mean()])
    assert task.facts["deviation"] == pytest.approx([of_training.std()])
    # Neither do outputs at other steps.
    outputs = task.predict(run.model, task.test)
    changed = [np.where(np.isnan(one), 1e6, own) for own, one in zip(outputs, task.test.targets, strict=True)]
    assert task.evaluate(changed, task.test) == task.evaluate(outputs, task.test)


def test_padding_and_missing_numbers_have_no_weight(run: unrolled.Run) -> None:
    task = run.task
    batches = TrainingBatches(task.train, batch_size=16, epochs=1, seed=0)
    chosen = batches.order(0)[:16]
    inputs, targets, weights = batches[0]
    own = task.train.select(chosen).targets.padded(inputs.shape[1])[..., 0]
    np.testing.assert_array_equal(weights, ~np.isnan(own))
    np.testing.assert_allclose(targets[..., 0][weights > 0], own[weights > 0])
    assert 0 < weights.sum() < weights.size


def test_padding_changes_no_prediction_and_the_loss_is_that_of_keras(run: unrolled.Run) -> None:
    task = run.task
    together = task.predict(run.model, task.test)
    alone = [predict_outputs(run.model, task.preprocessor.encode([one]), 1)[0] for one in task.data.test.inputs]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one[: len(other)], other, atol=1e-5)
    loss, _ = run.model.evaluate(EvaluationBatches(task.test, task.test.size), verbose=0)
    assert loss == pytest.approx(task.evaluate(together, task.test).metrics["loss"], abs=1e-5)


def test_each_row_gets_its_number(run: unrolled.Run, table: Path) -> None:
    found, predictions, _ = predict_table(run, table)
    written = io.StringIO()
    write_table(found, predictions, written)
    frame = pl.read_csv(written.getvalue().encode())
    assert frame.columns == ["id", "when", "x", "y", "predicted y"]
    assert frame.select("id", "when").equals(rows().select("id", "when"))
    expected = {(f"s{series}", step): y for series, some in enumerate(MEANS) for step, y in enumerate(some)}
    true = [expected[name, int(when[-2:])] for name, when in frame.select("id", "when").rows()]
    assert np.corrcoef(true, frame["predicted y"])[0, 1] > 0.9
    # The target is not needed, and a row that is alone in its series is one, too.
    rows().drop("y").head(1).write_csv(table.parent / "new.csv")
    _, (one,), _ = predict_table(run, table.parent / "new.csv")
    assert set(one["values"]) == {"y"}


def test_other_files_are_evaluated(run: unrolled.Run, table: Path) -> None:
    assert evaluate(run, table).examples == rows().drop_nulls().height
    assert evaluate(run, table).metrics["R2"] > 0.85
    with pytest.raises(UnrolledError, match="evaluate: expected a number at some steps, got none"):
        evaluate(run, rows().with_columns(y=pl.lit(None, pl.Float64)))
    assert evaluate(run).metrics["R2"] == pytest.approx(run.evaluation.metrics["R2"])


def test_the_report_draws_one_example(run: unrolled.Run) -> None:
    task = run.task
    scatter, drawn, largest = task.report_sections(run.model, run.test_outputs).sections
    assert isinstance(scatter, ScatterSection)
    assert len(scatter.true) == run.evaluation.examples
    assert isinstance(drawn, ChartSection)
    lines = drawn.charts["y"]
    assert len(lines["actual"]) == len(lines["predicted"]) == len(drawn.steps)
    actual = np.array(lines["actual"])
    assert any(np.array_equal(actual, one[:, 0], equal_nan=True) for one in task.data.test.targets)
    assert largest.rows[0][0].startswith("example ")  # type: ignore[union-attr]
    assert "One example, step by step" in write_report(run).read_text()


def test_numbers_stand_in_files_of_several_forms(tmp_path: Path) -> None:
    lists: dict[str, list[list[float]]] = {"x": [one.tolist() for one in INPUTS], "y": [one.tolist() for one in MEANS]}
    longest = max(map(len, INPUTS))
    x, y = np.zeros((80, longest, 1), np.float32), np.zeros((80, longest))
    for index, (one, numbers) in enumerate(zip(INPUTS, MEANS, strict=True)):
        x[index, : len(one), 0], y[index, : len(one)] = one, numbers
    lengths = np.array([len(one) for one in INPUTS])
    is_padding = np.arange(longest) >= lengths[:, None]
    np.savez(tmp_path / "padded.npz", X=x, y=y, lengths=lengths)
    np.savez(tmp_path / "gaps.npz", X=np.where(is_padding[..., None], np.nan, x), y=np.where(is_padding, np.nan, y))
    np.savez(tmp_path / "zeros.npz", X=np.where(is_padding[..., None], np.nan, x), y=y)
    np.savez(tmp_path / "joined.npz", X=np.concatenate(INPUTS), y=np.concatenate(MEANS), lengths=lengths)
    nested = [{"x": [[value] for value in one], "y": numbers} for one, numbers in zip(*lists.values(), strict=True)]
    (tmp_path / "nested.jsonl").write_text("\n".join(map(json.dumps, nested)))
    pl.DataFrame(lists).write_parquet(tmp_path / "lists.parquet")
    texts = {name: [" ".join(map(str, one)) for one in lists[name]] for name in lists}
    pl.DataFrame(texts).write_csv(tmp_path / "texts.csv")
    for file in sorted(tmp_path.iterdir()):
        data = task_of(experiment(file)).data
        pairs = [pair for part in data.parts.values() for pair in zip(part.inputs, part.targets, strict=True)]
        assert data.classes == ("y",), file.name
        assert len(pairs) == 80, file.name
        for one, numbers in pairs:
            index = int(np.argmin([abs(first[0] - one[0, 0]) for first in INPUTS]))
            np.testing.assert_allclose(one[:, 0], INPUTS[index], rtol=1e-5, err_msg=file.name)
            np.testing.assert_allclose(numbers[:, 0], MEANS[index], rtol=1e-9, err_msg=file.name)


def arrays(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Write series [30, 8, 2] with two numbers at each step, some of which are missing."""
    x = _RANDOM.normal(size=(30, 8, 2)).astype(np.float32)
    y = np.stack([x.sum(axis=2), 50 * np.cumsum(x[..., 0], axis=1)], axis=2).astype(np.float64)
    y[::3, 2, 1] = np.nan
    np.savez(path, X=x, y=y)
    return x, y


def test_several_numbers_are_told_together(tmp_path: Path) -> None:
    x, y = arrays(tmp_path / "two.npz")
    run = unrolled.train(experiment(tmp_path / "two.npz"), runs=tmp_path / "runs", quiet=True)
    evaluation = run.evaluation
    assert evaluation.headline == "R2"
    assert {"R2", "RMSE y 1", "RMSE y 2"} <= evaluation.metrics.keys()
    test = run.task.data.test.targets.joined
    assert evaluation.examples == int((~np.isnan(test).any(axis=1)).sum()) < len(test)
    weights = TrainingBatches(run.task.train, batch_size=99, epochs=1, seed=0)[0][2]
    assert weights.sum() == (~np.isnan(run.task.train.targets.joined).any(axis=1)).sum() < weights.size
    predicted = predict_files(run, [tmp_path / "two.npz"])
    assert [len(one["values"]["y 2"]) for one in predicted] == [8] * 30
    written = io.StringIO()
    write_predictions(predicted, written)
    first = pl.read_csv(written.getvalue().encode()).row(0, named=True)
    assert len(first["y 1"].split()) == 8
    assert evaluate(run, tmp_path / "two.npz").examples == int((~np.isnan(y).any(axis=2)).sum())
    np.savez(tmp_path / "one.npz", X=x, y=y[..., 0])
    with pytest.raises(DataError, match="expected the numbers y 1, y 2, got 1"):
        evaluate(run, tmp_path / "one.npz")


def test_list_columns_are_channels_and_several_targets(tmp_path: Path) -> None:
    x, y = arrays(tmp_path / "two.npz")
    assert unrolled.load(tmp_path / "two.npz", per="step").classes == ("y 1", "y 2")
    columns: dict[str, NDArray[Any]] = {"a": x[..., 0], "b": x[..., 1], "up": y[..., 0], "down": y[..., 1]}
    frame = {name: [one.tolist() for one in values] for name, values in columns.items()}
    pl.DataFrame(frame).write_parquet(tmp_path / "two.parquet")
    data = task_of(experiment(tmp_path / "two.parquet", target=["up", "down"])).data
    assert data.classes == ("up", "down")
    found = np.concatenate([np.array(list(part.inputs)) for part in data.parts.values()])
    np.testing.assert_allclose(np.sort(found, axis=0), np.sort(x, axis=0), rtol=1e-6)
    assert int(np.isnan(data.train.targets.joined).sum() + np.isnan(data.test.targets.joined).sum()) == 10
    frame["up"][4] = frame["down"][4] = None
    pl.DataFrame(frame).write_parquet(tmp_path / "two.parquet")
    settings = experiment(tmp_path / "two.parquet", target=["up", "down"], missing="drop")
    assert sum(part.size for part in task_of(settings).data.parts.values()) == 29


def test_words_may_have_numbers(tmp_path: Path) -> None:
    words = [["a", "bb", "ccc"][: 1 + number % 3] * 2 for number in range(30)]
    pl.DataFrame({"tokens": words, "y": [[float(len(word)) for word in one] for one in words]}).write_parquet(
        tmp_path / "words.parquet"
    )
    settings = experiment(tmp_path / "words.parquet")
    settings["network"] = [{"Embedding": {"output_dim": 4}}, *NETWORK]
    run = unrolled.train(settings, overrides=["training.epochs=40"], runs=tmp_path / "runs", quiet=True)
    assert set(run.evaluation.baselines) == {"mean"}
    (found,) = run.predict([["ccc", "a", "bb"]])
    assert all(before > after for before, after in pairwise(found[[0, 2, 1], 0]))


@pytest.mark.parametrize(
    ("content", "data", "message"),
    [
        ("id,t,x,y\n1,1,2.5,a\n1,2,2,1\n2,1,1.5,2\n", {"series": "id"}, r"a.csv:2: y: expected a number, got \"a\""),
        ("id,t,x,y\n1,1,2.5,\n1,2,2,\n2,1,1.5,\n", {"series": "id"}, "a number at some steps, got none"),
        ("id,t,x,y\n1,1,2.5,4\n1,2,2,4\n2,1,1.5,4\n", {"series": "id"}, "y: expected different numbers, got 4 alone"),
        ("id,t,x,y\n1,1,2.5,4\n1,2,2,5\n", {"series": "id"}, "expected two examples or more"),
        ("t,x,y\n1,2.5,4\n2,2,5\n", {}, "name the column of the sentences or series"),
        ("t,x,y\n1,2.5,4\n2,2,5\n", {"input": "x"}, "name the column of the sentences or series"),
        ("x,y\n1 2 3,4 5 6\n1 2,5\n", {}, "a.csv:3: y: expected 2 values, one for each step in x, got 1"),
        ("x,z,y\n1 2,4 5,1 2\n1 2,5 6 7,3 4\n", {}, "a.csv:3: z: expected 2 values, one for each step in x, got 3"),
        ("x,y\n1 2 3,4 5 a\n1 2,5 6\n", {}, "a.csv:2: y: expected numbers, got 4 5 a"),
        ("id,t,x,y\n1,1,2.5,4\n1,2,2,5\n", {"series": "id", "min_class_count": 2}, "min_class_count is no setting"),
    ],
)
def test_malformed_tables_are_refused_in_one_line(content: str, data: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(UnrolledError, match=message) as refused:
        task_of(experiment(tmp_path / "a.csv", **data))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(6), r"a.npz: y: expected a number for each step, \[6, 4\], .* got the shape \[6\]"),
        (np.zeros((6, 5)), r"got the shape \[6, 5\]"),
        (np.full((6, 4), np.inf), "expected 4 finite numbers in example 0"),
        (np.full((6, 4), "a"), "expected 4 finite numbers in example 0"),
        (np.full((6, 4), np.nan), "a number at some steps, got none"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(y: NDArray[Any], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.zeros((6, 4, 2), np.float32), y=y)
    with pytest.raises(DataError, match=message):
        task_of(experiment(tmp_path / "a.npz"))


def test_per_decides_what_has_a_number(table: Path, tmp_path: Path) -> None:
    settings = experiment(table, series="id", time="when")
    with pytest.raises(DataError, match=r"needs data: \{per: step\}"):
        task_of({**settings, "data": {**settings["data"], "per": "sequence", "missing": "drop"}})
    for other in ("label", "classify"):
        with pytest.raises(UnrolledError, match=rf"per: this setting belongs to task: regress, .* is {other}\. Leave"):
            task_of({**settings, "task": other})
    with pytest.raises(UnrolledError, match="expected a number at each step, got one target for each example"):
        (tmp_path / "texts").mkdir()
        for name in ("good", "bad"):
            (tmp_path / "texts" / name).mkdir()
            for number in range(3):
                (tmp_path / "texts" / name / f"{number}.txt").write_text(f"{name} {number}")
        task_of({**settings, "data": {"folder": str(tmp_path / "texts"), "per": "step"}})
    np.savez(tmp_path / "a.npz", X=np.zeros((6, 4, 2)), y=np.zeros((6, 4, 2)))
    with pytest.raises(DataError, match=r"set task: regress and data: \{per: step\}"):
        unrolled.load(tmp_path / "a.npz")
    kinds = [type(task_of({**settings, "data": {**settings["data"], **data}})) for data in ({}, {"per": "step"})]
    assert kinds == [StepRegression, StepRegression]
    assert Regression.name == StepRegression.name != Labeling.name


def test_a_network_gives_a_number_at_each_step(table: Path) -> None:
    settings = experiment(table, series="id", time="when")
    found = describe(ExperimentConfig.load(settings))
    assert [layer["shape"] for layer in found["layers"]][-1] == "[B, T, 1]"
    assert found["task"] == "regress"
    with pytest.raises(UnrolledError, match="Set return_sequences: true in all recurrent layers"):
        build_model(*prepare(ExperimentConfig.load({**settings, "network": [{"GRU": {"units": 4}}]})))


def test_numbers_that_differ_within_a_series_are_shown(table: Path) -> None:
    data = load_to_show(str(table), read_preview(table), (), target="y", series="id", time="when")
    known = rows().drop_nulls()["y"]
    found = [one["targets"]["y"] for name, one in preview.describe(data).items() if name in ("train", "test")]
    assert min(one["least"] for one in found) == known.min()
    assert max(one["most"] for one in found) == known.max()


def test_an_experiment_is_chosen_for_rows_with_numbers_and_no_times(tmp_path: Path) -> None:
    rows().drop("when").rename({"id": "series_id"}).write_csv(tmp_path / "steps.csv")
    chosen = start(tmp_path / "steps.csv", target="y").settings
    assert chosen["task"] == "regress"
    assert chosen["data"] == {"file": str(tmp_path / "steps.csv"), "target": "y", "series": "series_id", "per": "step"}
    resolved, task = prepare(ExperimentConfig.load(dict(chosen)))
    assert build_model(resolved, task).output_shape == (None, None, 1)


def test_a_validation_part_without_numbers_is_refused(tmp_path: Path) -> None:
    x = np.repeat(np.arange(24.0)[:, None, None], 4, axis=1)
    y = x[..., 0].copy()
    np.savez(tmp_path / "a.npz", X=x, y=y)
    validation = task_of(experiment(tmp_path / "a.npz"))._parts[1]
    assert validation is not None
    y[[int(one[0, 0]) for one in validation.inputs]] = np.nan
    np.savez(tmp_path / "a.npz", X=x, y=y)
    with pytest.raises(UnrolledError, match="no step of the validation examples has a number"):
        task_of(experiment(tmp_path / "a.npz"))
    np.savez(tmp_path / "b.npz", X_train=x, y_train=y, X_test=x[:2], y_test=np.full((2, 4), np.nan))
    with pytest.raises(DataError, match="a number at some steps of the test examples, got none"):
        task_of(experiment(tmp_path / "b.npz"))


def test_a_network_that_joins_steps_is_refused(table: Path) -> None:
    convolution = {"filters": 4, "kernel_size": 3, "strides": 2}
    settings = {**experiment(table, series="id", time="when"), "network": [{"Conv1D": convolution}, *NETWORK]}
    with pytest.raises(
        UnrolledError, match=r"expected an output for each step, got 511 for 1,024\. Leave out the strides"
    ):
        describe(ExperimentConfig.load(settings))
    settings["network"][0]["Conv1D"] = {**convolution, "strides": 1, "padding": "same"}
    assert describe(ExperimentConfig.load(settings))["layers"][-1]["shape"] == "[B, T, 1]"


def test_strides_suit_series_of_unequal_length(tmp_path: Path) -> None:
    rows = [f"{series},{series * step},{series % 2}" for series in range(1, 13) for step in range(4 + series)]
    (tmp_path / "rows.csv").write_text("series,x,label\n" + "\n".join(rows), encoding="utf-8")
    network = [{"Conv1D": {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}}, {"GRU": {"units": 4}}]
    data = {"file": str(tmp_path / "rows.csv"), "series": "series", "target": "label"}
    assert describe(ExperimentConfig.load({"data": data, "network": network}))["layers"][-1]["shape"] == "[B, 2]"
