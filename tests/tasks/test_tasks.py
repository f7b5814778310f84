"""Each task from a five-line file to the predictions of a trained network."""

import csv
import json
import shutil
from pathlib import Path

import unrolled
from tests.conftest import Command
from unrolled.data.dataset import Split
from unrolled.data.ragged import Ragged
from unrolled.errors import InvalidInput, InvalidSetting
from unrolled.runs.run import Run
from unrolled.tasks.batches import EvaluationBatches, TrainingBatches
from unrolled.tasks.examples import spectrogram
from unrolled.tasks.last_season import seasonal_naive
from unrolled.tasks.metrics import forecast_errors, naive_errors

import numpy as np
import pytest

pytestmark = pytest.mark.xdist_group("tasks")

TEXTS = """\
data: {file: reviews.csv}
network:
  - Embedding: {output_dim: 8}
  - GRU: {units: 8}
training: {epochs: 8, batch_size: 8, optimizer: {Adam: {learning_rate: 0.02}}, validation: 0.2}
"""
SERIES = """\
data: {train: vowels.ts, test: vowels.ts}
network: [{Bidirectional: {layer: {LSTM: {units: 6}}}}]
training: {epochs: 12, batch_size: 8, optimizer: {Adam: {learning_rate: 0.02}}}
"""
BOOK = """\
data: {file: book.txt}
text: {max_length: 16}
network:
  - Embedding: {output_dim: 8}
  - LSTM: {units: 24, return_sequences: true}
training: {epochs: 20, batch_size: 8, optimizer: {Adam: {learning_rate: 0.02}}, validation: given}
"""
WAVE = """\
data: {file: wave.csv, input: height}
forecast: {window: 12, horizon: 3, season: 6, test_steps: 12}
network: [{GRU: {units: 8}}]
training: {epochs: 60, batch_size: 8, optimizer: {Adam: {learning_rate: 0.01}}, validation: 0.2}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of each kind, and an experiment beside each."""
    folder = tmp_path_factory.mktemp("tasks")
    random = np.random.default_rng(0)
    words = ["film", "plot", "actor", "scene", "music", "end"]
    rows = []
    for i in range(120):
        text = list(random.choice(words, random.integers(2, 12)))
        text[random.integers(len(text))] = "good" if i % 2 else "awful"
        rows.append((" ".join(text), "pos" if i % 2 else "neg"))
    (folder / "reviews.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    lines: list[str] = []
    for i in range(40):
        channels = random.normal(3.0 * (i % 2), 1.0, (2, random.integers(3, 9)))
        lines.append(
            ":".join(",".join(f"{value:.3f}" for value in channel) for channel in channels) + f":{'ab'[i % 2]}"
        )
    header = "@timeStamps false\n@univariate false\n@dimensions 2\n@classLabel true a b\n@data\n"
    (folder / "vowels.ts").write_text(header + "\n".join(lines) + "\n")
    (folder / "book.txt").write_text("the cat sat on the mat. " * 60)
    wave = [10 + 4 * np.sin(i * np.pi / 3) + 0.1 * i for i in range(90)]
    (folder / "wave.csv").write_text("day,height\n" + "".join(f"d{i},{value:.3f}\n" for i, value in enumerate(wave)))
    for name, settings in {"texts": TEXTS, "series": SERIES, "book": BOOK, "wave": WAVE}.items():
        (folder / f"{name}.yaml").write_text(settings)
    return folder


@pytest.fixture(scope="module")
def runs(folder: Path) -> dict[str, Run]:
    """A trained run of each, made once."""
    names = ("texts", "series", "book", "wave")
    return {name: unrolled.train(folder / f"{name}.yaml", runs=folder / "runs", quiet=True) for name in names}


@pytest.mark.parametrize(
    ("name", "task"), [("texts", "classify"), ("series", "classify"), ("book", "generate"), ("wave", "forecast")]
)
def test_the_task_follows_from_the_data_and_is_named(runs: dict[str, Run], name: str, task: str) -> None:
    assert runs[name].config.task == task
    assert f"task: {task}" in (runs[name].path / "experiment.yaml").read_text()
    assert runs[name].is_finished


@pytest.mark.parametrize("name", ["texts", "series"])
def test_classes_are_predicted_and_compared_with_baselines(runs: dict[str, Run], name: str) -> None:
    evaluation = runs[name].evaluation
    assert evaluation.accuracy > 0.8
    assert evaluation.baselines["majority class"]["accuracy"] == pytest.approx(0.5)
    assert len(evaluation.baselines) == {"texts": 2, "series": 3}[name]
    page = (runs[name].path / "report.html").read_text()
    assert "<h2>Baselines</h2>" in page


def test_a_text_is_generated_like_the_training_text(runs: dict[str, Run]) -> None:
    evaluation = runs["book"].evaluation
    assert evaluation.metrics["bits per character"] < 1.0
    assert evaluation.metrics["perplexity"] == pytest.approx(2 ** evaluation.metrics["bits per character"])
    assert evaluation.baselines["trigram model"]["bits per character"] > evaluation.metrics["bits per character"]
    generated = "".join(unrolled.generate(runs["book"], "the cat", length=40, temperature=0))
    assert generated.startswith(" sat on the mat. the cat")
    again = ["".join(unrolled.generate(runs["book"], "the", length=30, seed=1, top_k=5, top_p=0.95)) for _ in range(2)]
    assert again[0] == again[1]


def test_a_forecast_continues_beyond_its_horizon(runs: dict[str, Run], folder: Path) -> None:
    evaluation = runs["wave"].evaluation
    assert evaluation.metrics["MASE"] < 0.8
    assert evaluation.baselines["value 6 steps before"]["MASE"] == pytest.approx(1.0, abs=0.05)
    known = np.loadtxt(folder / "wave.csv", delimiter=",", skiprows=1, usecols=1)
    forecasts = unrolled.forecast(runs["wave"], known, 9)
    expected = [10 + 4 * np.sin(i * np.pi / 3) + 0.1 * i for i in range(90, 99)]
    np.testing.assert_allclose(forecasts[:, 0], expected, atol=0.8)


@pytest.mark.parametrize("name", ["texts", "series", "book", "wave"])
def test_a_run_copied_elsewhere_predicts_the_same(
    runs: dict[str, Run], folder: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(runs[name].path, tmp_path / "copy")
    copy = Run.open(tmp_path / "copy")
    if name == "texts":
        texts = ["a good film", "awful awful music and words that nobody knows"]
        np.testing.assert_array_equal(copy.predict(texts), runs[name].predict(texts))
    elif name == "series":
        series = [np.ones((4, 2)), np.zeros((7, 2))]
        np.testing.assert_array_equal(copy.predict(series), runs[name].predict(series))
    elif name == "book":
        first, second = ("".join(unrolled.generate(run, "the", length=20)) for run in (copy, runs[name]))
        assert first == second
    else:
        known = np.arange(20.0)
        np.testing.assert_array_equal(unrolled.forecast(copy, known), unrolled.forecast(runs[name], known))


def test_what_is_left_out_is_filled_in_and_listed(folder: Path, unrolled_command: Command) -> None:
    description = json.loads(unrolled_command("check", folder / "texts.yaml", "--json").stdout)
    assert description["task"] == "classify"
    assert description["filled_in"] == [
        f"network.0.Embedding: input_dim: {description['layers'][0]['parameters'] // 8}, mask_zero: true",
        "network.2: Dense units: 2, activation: softmax",
    ]
    assert any(note.startswith("reviews.csv: 120 rows") for note in description["notes"])


def test_texts_and_tables_are_predicted(runs: dict[str, Run], folder: Path, unrolled_command: Command) -> None:
    run = runs["texts"].path
    predictions = json.loads(unrolled_command("predict", run, "a good film", "an awful film", "--json").stdout)
    assert [one["label"] for one in predictions] == ["pos", "neg"]
    table = folder / "new.csv"
    table.write_text('id,text\n7,"good, good film"\n8,awful music\n')
    rows = list(csv.DictReader(unrolled_command("predict", run, table).stdout.splitlines()))
    assert [(row["id"], row["label"]) for row in rows] == [("7", "pos"), ("8", "neg")]
    assert float(rows[0]["p(pos)"]) > 0.5


def test_a_network_does_its_own_task_alone(runs: dict[str, Run]) -> None:
    with pytest.raises(InvalidInput, match=r"^predict: the network was trained to generate\. Use: unrolled generate"):
        runs["book"].predict(["x"])
    with pytest.raises(InvalidInput, match=r"^predict: the network was trained to forecast\. Use: unrolled forecast"):
        runs["wave"].predict([np.ones((12, 1))])
    with pytest.raises(InvalidInput, match=r"^generate: the network was trained to classify, not to generate\."):
        next(unrolled.generate(runs["texts"], "x"))
    with pytest.raises(InvalidInput, match=r"^forecast: the network was trained to classify, not to forecast\."):
        unrolled.forecast(runs["texts"], [1, 2, 3])
    with pytest.raises(InvalidInput, match=r"forecast: expected a series \[T, 1\] of at least 12 steps, got \[3, 1\]"):
        unrolled.forecast(runs["wave"], [1, 2, 3])
    with pytest.raises(InvalidInput, match="predict: expected a list of texts"):
        runs["texts"].predict("one text")
    with pytest.raises(InvalidInput, match=r"predict: series 0: expected \[T, 2\], got \[4, 3\]"):
        runs["series"].predict([np.ones((4, 3))])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("task=generate", "--set task: expected one text, got 100 examples of reviews.csv. Set task: classify."),
        (
            "training.validation=given",
            "--set training.validation: reviews.csv has no validation split. Set validation: 0.1",
        ),
        ("task=forecast", 'the task forecast needs the setting "forecast".'),
        (
            "network.1.GRU.return_sequences=true",
            r"expected outputs \[B, 2\] for the 2 classes of reviews.csv",
        ),
    ],
)
def test_settings_that_do_not_fit_the_data_are_refused(folder: Path, change: str, message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        unrolled.train(folder / "texts.yaml", overrides=[change], runs=folder / "refused", quiet=True)


def test_batches_hold_texts_of_about_one_length() -> None:
    random = np.random.default_rng(0)
    texts = Ragged.of([np.ones(length, np.int32) for length in random.integers(1, 60, 500)])
    split = Split(texts, np.arange(500))
    batches = TrainingBatches(split, batch_size=16, epochs=2, seed=0)
    for epoch in range(2):
        seen = np.concatenate([batches[epoch * batches.steps + step][1] for step in range(batches.steps)])
        assert sorted(seen) == list(range(500))
    padded = sum(batches[step][0].size for step in range(batches.steps))
    assert padded < 1.5 * sum(len(text) for text in texts)
    longest = TrainingBatches(split, batch_size=16, epochs=2, seed=0, padding="longest")
    assert {longest[step][0].shape[1] for step in range(longest.steps)} == {64}
    np.testing.assert_array_equal(longest[3][1], batches[3][1])
    evaluated = EvaluationBatches(split, 64)
    order = np.concatenate([evaluated[step][1] for step in range(evaluated.num_batches)])
    np.testing.assert_array_equal(order, evaluated.order)


def test_padding_does_not_change_the_loss(folder: Path) -> None:
    losses = []
    for padding in ("batch", "longest"):
        settings = ["training.epochs=2", f"training.padding={padding}"]
        run = unrolled.train(folder / "texts.yaml", overrides=settings, runs=folder / padding, quiet=True)
        losses.append([record["loss"] for record in run.metrics])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_a_seasonal_forecast_repeats_the_season() -> None:
    series = np.tile([1.0, 5.0, 3.0], 4)[:, None]
    naive = seasonal_naive(series[None, :9], horizon=4, season=3)
    np.testing.assert_array_equal(naive[0, :, 0], [1, 5, 3, 1])
    naive_error = [naive_errors([np.arange(10.0)[:, None]], 2, power)[:, None] for power in (1, 2)]
    metrics = forecast_errors(np.full((2, 4, 1), 4.0), *naive_error)
    assert metrics == {"MAE": 4.0, "RMSE": 4.0, "MASE": 2.0, "RMSSE": 2.0}


def test_a_sound_is_pictured_with_its_lowest_frequency_at_the_bottom() -> None:
    energies = np.array([[1, 2, 3], [4, 5, 6]])
    assert spectrogram(energies).tolist() == [[3, 6], [2, 5], [1, 4]]
