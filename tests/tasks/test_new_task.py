"""A new task is one class and one line in the registry: it trains, evaluates, predicts and reports like the others."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import unrolled
from unrolled.config.experiment import ExperimentConfig
from unrolled.config.sections import Component
from unrolled.data.dataset import Split
from unrolled.errors import InvalidSetting
from unrolled.model.build import describe
from unrolled.model.schema import json_schema
from unrolled.reports.run import write_report
from unrolled.runs.inference import evaluate, predict_table, predict_texts, write_predictions, write_table
from unrolled.runs.run import Run
from unrolled.tasks.base import Baselines, Prediction, Task
from unrolled.tasks.batches import predict_outputs
from unrolled.tasks.metrics import Evaluation
from unrolled.tasks.preprocessing import Preprocessor, fit_preprocessor
from unrolled.tasks.registry import TASKS
from unrolled.tasks.sections import Sections, TableSection

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

pytestmark = pytest.mark.xdist_group("new task")


class Count(Task):
    """The number of tokens of a text."""

    name = "count"
    default_loss = "MeanSquaredError"
    default_metrics = ("MeanAbsoluteError",)
    output_activations = ("linear", None)
    output_unit = "numbers"

    def split(self) -> tuple[Split, Split | None]:
        """Take the splits of the data set."""
        return self.data.train, self.named_validation()

    def fit_preprocessor(self, train: Split) -> Preprocessor:
        """Fit the vocabulary."""
        return fit_preprocessor(self.data, train, self.config.text)

    def encode(self, split: Split) -> Split:
        """Return token numbers, and their count [B, 1]."""
        tokens = self.preprocessor.encode(split.inputs)
        return Split(tokens, np.array([[len(numbers)] for numbers in tokens], np.float32))

    @property
    def num_outputs(self) -> int:
        """One number."""
        return 1

    @classmethod
    def head(cls, num_outputs: int) -> Component:
        """Return a linear layer."""
        return Component.model_validate({"Dense": {"units": num_outputs}})

    def predict(self, model: keras.Model, split: Split, batch_size: int = 256) -> NDArray[np.float32]:
        """Return the counts [B, 1]."""
        return predict_outputs(model, split.inputs, batch_size)

    def predict_inputs(self, model: keras.Model, inputs: Any, batch_size: int = 256) -> NDArray[np.float32]:
        """Return the counts [B, 1] of raw texts."""
        return predict_outputs(model, self.preprocessor.encode(inputs), batch_size)

    def evaluate(self, outputs: NDArray[Any], split: Split) -> Evaluation:
        """Return the mean absolute and the mean squared error."""
        errors = outputs - split.targets
        metrics = {"MAE": float(np.abs(errors).mean()), "loss": float((errors**2).mean())}
        return Evaluation(len(outputs), metrics, "MAE")

    def baselines(self) -> Baselines:
        """Return the error of the mean count."""
        mean = self.train.targets.mean()
        return {"mean count": {"MAE": float(np.abs(self.test.targets - mean).mean())}}

    def describe_prediction(self, output: NDArray[Any]) -> Prediction:
        """Return the count."""
        return {"tokens": float(output[0])}

    def report_sections(self, model: keras.Model, outputs: NDArray[Any]) -> Sections:
        """Show the counts of the first test texts."""
        rows = [(int(true[0]), float(found[0])) for true, found in zip(self.test.targets, outputs, strict=True)]
        return Sections([TableSection("Counts on the test set", ("tokens", "predicted"), rows[:5])])


EXPERIMENT = """\
data: {file: texts.csv}
task: count
network:
  - Embedding: {output_dim: 4}
  - SimpleRNN: {units: 8, activation: relu}
training: {epochs: 20, batch_size: 16, optimizer: {Adam: {learning_rate: 0.02}}}
"""


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    """Add the task to the registry."""
    TASKS.insert(0, Count)
    yield
    TASKS.remove(Count)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment file beside a table of texts; the target column is not used."""
    folder, random = tmp_path_factory.mktemp("count"), np.random.default_rng(0)
    texts = (" ".join(random.choice(["a", "bird", "sings"], random.integers(1, 10))) for _ in range(200))
    rows = "".join(f"{text},{'ab'[index % 2]}\n" for index, text in enumerate(texts))
    (folder / "texts.csv").write_text(f"text,label\n{rows}")
    (folder / "count.yaml").write_text(EXPERIMENT)
    return folder / "count.yaml"


@pytest.fixture(scope="module")
def run(experiment: Path) -> Run:
    """A trained network, opened from its folder."""
    return Run.open(unrolled.train(experiment, runs=experiment.parent / "runs", quiet=True).path)


def test_it_is_described_before_it_is_trained(experiment: Path) -> None:
    description = describe(ExperimentConfig.load(experiment))
    assert description["task"] == "count"
    assert description["layers"][-1]["shape"] == "[B, 1]"
    assert description["filled_in"][-1] == "network.2: Dense units: 1"
    assert "count" in str(json_schema()["properties"]["task"])


def test_its_settings_are_checked(experiment: Path) -> None:
    with pytest.raises(
        InvalidSetting, match=r"expected outputs \[B, 1\] for the 1 numbers of texts\.csv, got \[B, T, 1\]"
    ):
        describe(ExperimentConfig.load(experiment, overrides=["network.1={GRU: {units: 8, return_sequences: true}}"]))
    with pytest.raises(InvalidSetting, match="the task count has no classes to weigh"):
        describe(ExperimentConfig.load(experiment, overrides=["training.class_weights=balanced"]))


def test_it_trains(run: Run) -> None:
    assert run.is_finished
    assert (run.config.task, run.task.name) == ("count", "count")
    assert run.metrics[-1]["loss"] < run.metrics[0]["loss"]
    assert "mean_absolute_error" in run.metrics[0]


def test_it_is_evaluated_and_compared_with_its_baseline(run: Run) -> None:
    assert evaluate(run) == run.evaluation
    assert run.evaluation.beats_baseline
    assert run.evaluation.verdict.startswith("better than the best baseline, mean count (MAE ")
    texts = Split(np.array(["a bird", "a bird sings a"], object), np.zeros(2, np.int64))
    assert evaluate(run, texts).examples == 2
    table = run.path.parent.parent / "texts.csv"
    assert evaluate(run, table).examples == 200


def test_it_predicts_texts_and_tables(run: Run, tmp_path: Path) -> None:
    predictions = predict_texts(run, ["a bird", "a bird sings a bird sings a"])
    assert [list(prediction) for prediction in predictions] == [["text", "tokens"]] * 2
    assert predictions[0]["tokens"] < 4 < predictions[1]["tokens"]
    stream = io.StringIO()
    write_predictions(predictions, stream)
    rows = list(csv.DictReader(stream.getvalue().splitlines()))
    assert [row["text"] for row in rows] == ["a bird", "a bird sings a bird sings a"]
    assert [float(row["tokens"]) for row in rows] == pytest.approx([one["tokens"] for one in predictions], abs=1e-6)
    (tmp_path / "new.csv").write_text("id,text\n7,a bird\n")
    table, of_rows, _ = predict_table(run, tmp_path / "new.csv")
    stream = io.StringIO()
    write_table(table, of_rows, stream)
    (row,) = csv.DictReader(stream.getvalue().splitlines())
    assert list(row) == ["id", "text", "tokens"]
    assert float(row["tokens"]) == pytest.approx(predictions[0]["tokens"], abs=1e-5)


def test_its_section_is_in_the_report(run: Run) -> None:
    (run.path / "report.html").unlink()
    page = write_report(run).read_text()
    assert "<h2>Counts on the test set</h2>" in page
    assert "Better than the best baseline, mean count (MAE " in page
