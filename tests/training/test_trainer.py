"""Training on each backend: what is in a run folder, and that a seed decides it."""

import json
from pathlib import Path
from typing import Any

import unrolled
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.dataset import Split
from unrolled.errors import DataError, InvalidInput, InvalidSetting, RunError
from unrolled.model.build import check_config
from unrolled.runs.inference import evaluate
from unrolled.runs.run import Run
from unrolled.tasks.batches import TrainingBatches
from unrolled.tasks.registry import load_task

import keras
import numpy as np
import pytest

TIMES = {"seconds", "cpu_seconds", "training_seconds", "examples_per_second"}


def train(tiny: Path, *settings: str, **arguments: Any) -> Run:
    return unrolled.train(tiny, overrides=settings, runs=tiny.parent / "runs", quiet=True, **arguments)


def without_times(run: Run) -> list[dict[str, Any]]:
    return [{key: value for key, value in record.items() if key not in TIMES} for record in run.metrics]


def test_a_run_folder_holds_everything(tiny: Path) -> None:
    run = train(tiny, "training.validation=test")
    assert {path.name for path in run.path.iterdir()} == {
        ".lock",
        "checkpoints",
        "experiment.yaml",
        "environment.json",
        "data.json",
        "preprocessor.json",
        "status.json",
        "metrics.jsonl",
        "model.keras",
        "evaluation.json",
        "report.html",
    }
    assert run.path.name.endswith("Z-tiny")
    assert run.status == {"format": 2, "status": "finished", "message": "", "is_trained": True}
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["backend"] == keras.backend.backend()
    assert environment["seed"] == 0
    assert environment["packages"]["keras"] == keras.__version__


def test_a_metric_of_the_best_five_classes_is_checked_without_data() -> None:
    check_config(ExperimentConfig.load("mnist-rows", overrides=["training.metrics=[SparseTopKCategoricalAccuracy]"]))


def test_metrics_have_one_object_an_epoch(tiny: Path) -> None:
    run = train(tiny, "training.validation=test")
    assert [record["epoch"] for record in run.metrics] == [1, 2]
    for record in run.metrics:
        assert list(record) == [
            "epoch",
            "loss",
            "accuracy",
            "val_loss",
            "val_accuracy",
            "learning_rate",
            "seconds",
            "cpu_seconds",
            "training_seconds",
            "examples_per_second",
        ]
        assert record["learning_rate"] == pytest.approx(0.01)
        assert 0 < record["training_seconds"] < record["seconds"]
        assert record["cpu_seconds"] > 0
    assert run.metrics[-1]["val_accuracy"] == pytest.approx(run.evaluation.accuracy)


def test_the_network_learns(tiny: Path) -> None:
    run = train(tiny, "training.epochs=15")
    assert run.metrics[-1]["loss"] < run.metrics[0]["loss"]
    assert run.evaluation.accuracy > 0.95


def test_the_same_seed_gives_the_same_run(tiny: Path) -> None:
    first, second, other = train(tiny, seed=3), train(tiny, seed=3), train(tiny, seed=4)
    assert without_times(first) == without_times(second)
    assert without_times(first) != without_times(other)
    for one, two in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_resolved_experiment_gives_the_same_run(tiny: Path) -> None:
    first = train(tiny, "training.epochs=1", seed=5)
    again = unrolled.train(first.path / "experiment.yaml", runs=tiny.parent / "again", quiet=True)
    assert without_times(first) == without_times(again)
    assert again.path.name.endswith("Z-tiny")


def test_the_saved_network_takes_raw_images(tiny: Path) -> None:
    run = train(tiny)
    images = unrolled.load(tiny.parent / "tiny.npz").test.inputs
    assert images.dtype == np.uint8
    loaded = keras.saving.load_model(run.path / "model.keras")
    np.testing.assert_allclose(run.predict(images), loaded.predict(images, verbose=0), atol=1e-6)
    np.testing.assert_allclose(run.predict(images).sum(axis=1), 1, atol=1e-5)


def test_a_network_that_ends_in_logits_gives_probabilities(tiny: Path) -> None:
    run = train(tiny, "network.2={Dense: {units: 3}}", "training.epochs=15")
    probabilities = run.predict(unrolled.load(tiny.parent / "tiny.npz").test.inputs)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert run.evaluation.accuracy > 0.95


def test_a_validation_fraction_is_held_out_of_training(tiny: Path) -> None:
    run = train(tiny, "training.validation=0.25")
    assert (run.data["training_examples"], run.data["validation_examples"]) == (90, 30)
    assert "val_loss" in run.metrics[0]
    assert "30 training examples that were held out" in (run.path / "report.html").read_text().replace("\n", " ")


def test_no_validation_is_the_default(tiny: Path) -> None:
    run = train(tiny)
    assert "val_loss" not in run.metrics[0]
    assert run.data["validation_examples"] == 0


def test_the_report_warns_of_validation_on_the_test_set(tiny: Path) -> None:
    assert "Validated on the test set" in (train(tiny, "training.validation=test").path / "report.html").read_text()


@pytest.fixture
def unlearnable(tiny: Path) -> Path:
    """The tiny experiment with random labels: overfitting makes the validation loss rise."""
    with np.load(tiny.parent / "tiny.npz") as archive:
        arrays: dict[str, Any] = dict(archive)
    random = np.random.default_rng(0)
    drawn: dict[str, Any] = {name: random.permutation(a) if name[0] == "y" else a for name, a in arrays.items()}
    np.savez(tiny.parent / "tiny.npz", **drawn)
    return tiny


def test_the_best_epoch_is_kept(unlearnable: Path) -> None:
    settings = ("training.optimizer.Adam.learning_rate=0.1", "training.epochs=12", "training.validation=0.25")
    run = train(unlearnable, *settings, "training.keep=best")
    _, validation = load_task(run.config).split()
    assert validation is not None
    losses = [record["val_loss"] for record in run.metrics]
    assert losses.index(min(losses)) < len(losses) - 1
    assert evaluate(run, validation).loss == pytest.approx(min(losses), abs=1e-4)


def test_early_stopping_stops(unlearnable: Path) -> None:
    settings = ("training.optimizer.Adam.learning_rate=0.1", "training.epochs=60", "training.validation=0.25")
    run = train(unlearnable, *settings, "training.early_stopping.patience=2")
    losses = [record["val_loss"] for record in run.metrics]
    assert len(losses) == losses.index(min(losses)) + 3 < 60


def test_runs_of_one_second_do_not_collide(tiny: Path) -> None:
    config = ExperimentConfig.load(tiny)
    paths = [Run.create(config, tiny.parent / "runs").path for _ in range(5)]
    assert len(set(paths)) == 5
    for path in paths:
        assert (path / "experiment.yaml").exists()


def test_find_knows_folders_names_and_latest(tiny: Path) -> None:
    runs = tiny.parent / "runs"
    config = ExperimentConfig.load(tiny)
    first, second = (Run.create(config, runs) for _ in range(2))
    assert Run.find(str(first.path), runs).path == first.path
    assert Run.find(first.path.name, runs).path == first.path
    assert Run.find("latest", runs).path == second.path
    with pytest.raises(RunError, match=r"no run named \"nothing-like-it\". List them with: unrolled runs"):
        Run.find("nothing-like-it", runs)
    with pytest.raises(RunError, match=r"Did you mean"):
        Run.find(first.path.name.replace("tiny", "tinny"), runs)
    with pytest.raises(RunError, match=rf"ambiguous, the beginning of {first.path.name}, {second.path.name}\."):
        Run.find(first.path.name[:-1], runs)
    with pytest.raises(RunError, match=r"there is no run in it\. Train one with: unrolled train"):
        Run.find("latest", runs / "empty")


def test_a_run_is_found_by_its_name(tiny: Path) -> None:
    runs = tiny.parent / "runs"
    named = [Run.create(ExperimentConfig.load(tiny, name=name), runs).path for name in ("one", "two", "two", "three")]
    assert Run.find("two", runs).path == named[2]
    (runs / named[0].name).rename(runs / "kept")
    assert Run.find("latest", runs).path == named[3]


@pytest.mark.parametrize("source", ["settings", "mapping", "text"])
def test_a_run_finds_its_data_again_from_another_folder(
    source: str, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny.parent)
    if source == "settings":
        run = unrolled.train(tiny, overrides=["data={file: tiny.npz}"], quiet=True)
    elif source == "mapping":
        network = [{"Flatten": {}}, {"Dense": {"units": 3}}]
        run = unrolled.train({"data": {"file": "tiny.npz"}, "network": network}, quiet=True)
    else:
        tiny.write_text(tiny.read_text().replace("{file: tiny.npz}", "tiny.npz"))
        run = unrolled.train(tiny, quiet=True)
    monkeypatch.chdir("/")
    opened = Run.open(tiny.parent / run.path)
    assert evaluate(opened) == opened.evaluation


def test_evaluation_refuses_other_classes(tiny: Path) -> None:
    run = train(tiny, "training.epochs=1")
    data = unrolled.load(tiny.parent / "tiny.npz")
    animals = unrolled.Dataset("animals", data.train, data.test, ("ant", "bee", "cat"))
    message = r"evaluate: expected the classes 0, 1, 2, got those of animals: ant, bee, cat\."
    with pytest.raises(DataError, match=message):
        evaluate(run, animals)


def test_prediction_refuses_another_shape(tiny: Path) -> None:
    run = train(tiny, "training.epochs=1")
    message = r"predict: expected numbers \[B, 6, 5\], got uint8 \[6, 5\]\. Add a batch axis: images\[None\]\."
    with pytest.raises(InvalidInput, match=message):
        run.predict(np.zeros((6, 5), np.uint8))
    with pytest.raises(InvalidInput, match=r"got uint8 \[2, 5, 6\]\. Resize them\."):
        run.predict(np.zeros((2, 5, 6), np.uint8))


def test_evaluation_takes_files_and_splits(tiny: Path) -> None:
    run = train(tiny)
    data = unrolled.load(tiny.parent / "tiny.npz")
    whole = run.evaluation
    assert evaluate(run) == whole
    assert evaluate(run, tiny.parent / "tiny.npz").accuracy == whole.accuracy
    assert evaluate(run, data).accuracy == whole.accuracy
    assert evaluate(run, Split(data.test.inputs[:9], data.test.targets[:9])).examples == 9
    assert np.sum(whole.confusion) == whole.examples == 60
    assert sum(score.support for score in whole.classes) == 60


def test_an_error_in_the_experiment_leaves_no_folder(tiny: Path) -> None:
    for setting in ("network.1.LSTM.unit=3", "network.2.Dense.units=4", "training.optimizer={Adm: {}}"):
        with pytest.raises(InvalidSetting):
            train(tiny, setting)
    assert not (tiny.parent / "runs").exists()


def test_the_order_of_the_batches_is_a_function_of_seed_and_epoch() -> None:
    seen: list[list[int]] = []

    class Spy(TrainingBatches):
        def __getitem__(self, index: int) -> Any:
            inputs, targets = super().__getitem__(index)
            seen.append([index, *targets.tolist()])
            return inputs, targets

    split = Split(np.zeros((20, 4), np.float32), np.arange(20))
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(20)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    batches = Spy(split, batch_size=8, epochs=3, seed=7)
    model.fit(batches, epochs=3, steps_per_epoch=batches.steps, shuffle=False, verbose=0)
    # Keras takes the first batches once before it begins.
    trained = seen[-9:]
    assert [index for index, *_ in trained] == list(range(9))
    epochs = [[target for _, *targets in trained[e * 3 : e * 3 + 3] for target in targets] for e in range(3)]
    for epoch, targets in enumerate(epochs):
        assert sorted(targets) == list(range(20))
        assert targets == np.random.default_rng([7, epoch]).permutation(20).tolist()


def test_texts_of_all_lengths_are_learned(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [f"{' '.join(['word'] * random.integers(1, 60))} {'yes' if i % 2 else 'no'},{i % 2}\n" for i in range(80)]
    (tmp_path / "texts.csv").write_text("text,label\n" + "".join(rows))
    experiment = {
        "data": {"file": str(tmp_path / "texts.csv")},
        "network": [{"Embedding": {"output_dim": 4}}, {"GRU": {"units": 8}}],
        "training": {
            "epochs": 12,
            "batch_size": 4,
            "validation": 0.2,
            "optimizer": {"Adam": {"learning_rate": 0.02}},
        },
    }
    run = unrolled.train(experiment, runs=tmp_path / "runs", quiet=True)
    assert run.evaluation.accuracy > 0.9
    assert run.metrics[-1]["val_accuracy"] > 0.9
