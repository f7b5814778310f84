"""Training that is stopped at any moment and resumed as if it had not been, on each backend."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import unrolled
from tests.conftest import Command, environment, write_tiny_data
from unrolled.errors import Diverged, Interrupted, InvalidSetting, RunError, WriteError
from unrolled.runs.run import Run
from unrolled.storage import is_locked, locked
from unrolled.training import callbacks
from unrolled.training.checkpoints import newest_checkpoint, read_best_weights, write_best_weights

import numpy as np
import pytest

TIMES = {"seconds", "training_seconds", "cpu_seconds", "examples_per_second"}
# Everything that has a state: dropout, averages of weights, a schedule, augmentation, weights, the best weights.
FULL = """\
data: {file: tiny.npz}
scan: columns
network:
  - Rescaling: {scale: 0.00392156862745098}
  - GRU: {units: 8, return_sequences: true, recurrent_dropout: 0.2}
  - Dropout: {rate: 0.3}
  - BatchNormalization
  - LSTM: {units: 8}
  - Dense: {units: 3}
training:
  epochs: 25
  batch_size: 7
  optimizer: {AdamW: {learning_rate: {OneCycle: {peak: 0.01}}, use_ema: true, ema_momentum: 0.9, clipnorm: 1.0}}
  loss: {CategoricalCrossentropy: {label_smoothing: 0.1}}
  class_weights: balanced
  augment: {shift: 1}
  validation: {fold: 1, of: 4}
  keep: best
  checkpoint_seconds: 0.02
"""
KILLS = int(os.environ.get("UNROLLED_KILLS", "3"))


@pytest.fixture
def full(tiny: Path) -> Path:
    tiny.write_text(FULL)
    return tiny


def start(*arguments: str | Path, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "unrolled", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=folder, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def train(experiment: Path, *settings: str) -> Run:
    return unrolled.train(experiment, overrides=settings, runs=experiment.parent / "whole", quiet=True)


def assert_equal_runs(one: Run, other: Run) -> None:
    records = [
        [{key: value for key, value in record.items() if key not in TIMES} for record in run.metrics]
        for run in (one, other)
    ]
    assert records[0] == records[1]
    for first, second in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    assert one.evaluation == other.evaluation


def wait_for(condition: Any, process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def checkpoints(runs: Path) -> list[Path]:
    return sorted(runs.glob("*/checkpoints/0*.npz"))


def contents(run: Run) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file() and path.name != ".lock"}


def test_a_training_killed_again_and_again_ends_as_one_that_was_not(full: Path) -> None:
    moments = random.Random(0)
    runs = full.parent / "killed"
    process = start("train", full, "--runs", runs, "--quiet", folder=full.parent)
    for _ in range(KILLS):
        before = checkpoints(runs)
        wait_for(lambda before=before: checkpoints(runs) != before, process)
        time.sleep(moments.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        process = start("resume", "latest", "--runs", runs, "--quiet", folder=full.parent)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    run = Run.find("latest", runs)
    assert run.is_finished
    assert_equal_runs(run, train(full))


def test_an_interrupted_training_is_resumed_after_the_very_batch(full: Path) -> None:
    runs = full.parent / "interrupted"
    process = start("train", full, "--set", "training.checkpoint_seconds=1000", "--runs", runs, folder=full.parent)
    wait_for(lambda: list(runs.glob("*/metrics.jsonl")), process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 130
    run = Run.find("latest", runs)
    assert run.status["status"] == "interrupted"
    # On TensorFlow its C++ parts write lines of their own around ours.
    assert any(line.endswith(f"Continue with: unrolled resume {run.path}") for line in errors.splitlines()), errors
    resumed = unrolled.resume(run.path, quiet=True)
    assert_equal_runs(resumed, train(full))


def test_more_epochs_are_as_if_there_had_been_as_many_from_the_start(tiny: Path) -> None:
    short = train(tiny, "training.epochs=2")
    assert unrolled.resume(short, epochs=4, quiet=True).config.training.epochs == 4
    assert_equal_runs(Run.open(short.path), train(tiny, "training.epochs=4"))
    environments = json.loads((short.path / "environment.json").read_text())
    assert len(environments["resumed"]) == 1
    assert environments["resumed"][0]["cores"] == environments["cores"]


def test_a_finished_run_is_left_as_it_is(tiny: Path, unrolled_command: Command) -> None:
    run = train(tiny)
    before = contents(run)
    finished = unrolled_command("resume", run.path)
    assert finished.stdout.splitlines()[0] == "tiny: finished after epoch 2. More: --epochs 3"
    assert contents(run) == before


def test_a_run_killed_before_its_first_checkpoint_starts_over(tiny: Path) -> None:
    run = train(tiny)
    for path in (run.path / "checkpoints").iterdir():
        path.unlink()
    for name in ("model.keras", "evaluation.json", "metrics.jsonl", "report.html"):
        (run.path / name).unlink()
    run.save_status("running")
    assert_equal_runs(unrolled.resume(run.path, quiet=True), train(tiny))


def test_a_damaged_checkpoint_is_replaced_by_the_one_before(tiny: Path) -> None:
    run = train(tiny, "training.epochs=3")
    newest = sorted((run.path / "checkpoints").iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    run.save_status("running")
    before = newest_checkpoint(run.path)
    assert before is not None
    assert before.epoch == 2
    assert_equal_runs(unrolled.resume(run.path, quiet=True), train(tiny, "training.epochs=3"))


def test_the_two_newest_checkpoints_are_kept(tiny: Path) -> None:
    run = train(tiny, "training.epochs=5")
    assert [path.name for path in sorted((run.path / "checkpoints").iterdir())] == [
        "000004-00000000.npz",
        "000005-00000000.npz",
    ]


def test_the_best_weights_are_not_overwritten_by_worse_ones_after_a_resume(tiny: Path) -> None:
    settings = ("training.validation=0.2", "training.keep=best", "training.optimizer.Adam.learning_rate=0.05")
    run = train(tiny, "training.epochs=6", *settings)
    losses = [record["val_loss"] for record in run.metrics]
    kept = run.model.get_weights()
    # From here on everything gets worse.
    checkpoint = sorted((run.path / "checkpoints").glob("000006*"))[0]
    with np.load(checkpoint) as stored:
        arrays = {name: stored[name] for name in stored.files}
    notes = json.loads(str(arrays.pop("notes")))
    assert notes["best_weights"]["best"] == pytest.approx(min(losses))
    for name, values in arrays.items():
        if name.startswith("trainable"):
            arrays[name] = np.full_like(values, 3.0)
    np.savez(checkpoint, notes=np.array(json.dumps(notes)), **arrays)
    resumed = unrolled.resume(run.path, epochs=7, quiet=True)
    assert resumed.metrics[-1]["val_loss"] > min(losses)
    for before, after in zip(kept, resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_run_in_training_is_not_resumed_and_a_dead_lock_does_not_block(tiny: Path) -> None:
    run = train(tiny)
    held = rf"another process \(pid {os.getpid()}, host \S+\) is training it\. Wait, or stop that process\.$"
    with locked(run.path), pytest.raises(RunError, match=held):
        assert is_locked(run.path)
        unrolled.resume(run.path, epochs=3, quiet=True)
    assert not is_locked(run.path)
    (run.path / ".lock").write_text(json.dumps({"pid": 1, "host": "elsewhere"}))
    assert len(unrolled.resume(run.path, epochs=3, quiet=True).metrics) == 3


def test_fewer_epochs_than_are_finished_are_refused(tiny: Path) -> None:
    run = train(tiny, "training.epochs=3")
    with pytest.raises(InvalidSetting, match="expected at least 3 in total, got 2"):
        unrolled.resume(run.path, epochs=2, quiet=True)
    assert run.config.training.epochs == 3


@pytest.mark.parametrize("keep", ["last", "best"])
def test_a_training_killed_after_its_last_epoch_is_evaluated_when_it_is_resumed(tiny: Path, keep: str) -> None:
    settings = ("training.epochs=6", "training.validation=0.2", "training.optimizer.Adam.learning_rate=0.3")
    whole = train(tiny, *settings, f"training.keep={keep}")
    run = train(tiny, *settings, f"training.keep={keep}")
    for name in ("model.keras", "evaluation.json", "report.html"):
        (run.path / name).unlink()
    run.save_status("running")
    assert_equal_runs(unrolled.resume(run.path, quiet=True), whole)


def test_a_finished_run_that_stopped_early_is_left_as_it_is(tiny: Path) -> None:
    rate = "training.optimizer.Adam.learning_rate=3.0"
    run = train(tiny, "training.epochs=30", "training.validation=0.2", "training.early_stopping.patience=1", rate)
    assert len(run.metrics) < 30
    before = contents(run)
    unrolled.resume(run.path, quiet=True)
    assert contents(run) == before
    assert run.status["status"] == "finished"


def test_a_finished_run_without_checkpoints_is_not_started_over(tiny: Path) -> None:
    run = train(tiny)
    for path in (run.path / "checkpoints").iterdir():
        path.unlink()
    before = contents(run)
    with pytest.raises(RunError, match="there is a trained network but no checkpoint to continue from"):
        unrolled.resume(run.path, epochs=5, quiet=True)
    assert contents(run) == before


def test_the_results_of_a_finished_run_are_kept_when_it_gets_longer(tiny: Path) -> None:
    run = train(tiny)
    evaluation, network = run.evaluation, (run.path / "model.keras").read_bytes()
    unrolled.resume(run.path, epochs=3, quiet=True)
    assert json.loads((run.path / "evaluation-2-epochs.json").read_text())["loss"] == evaluation.loss
    assert (run.path / "model-2-epochs.keras").read_bytes() == network
    assert (run.path / "report-2-epochs.html").exists()


def test_a_longer_schedule_is_logged(tiny: Path, unrolled_command: Command) -> None:
    schedule = "training.optimizer={Adam: {learning_rate: {OneCycle: {peak: 0.1}}}}"
    run = train(tiny, schedule)
    output = unrolled_command("resume", run.path, "--epochs", "3").stdout
    assert "from here the learning rate schedule is 3 epochs long; until now it was 2" in output


def test_seconds_are_those_of_one_epoch_after_a_resume_too(tiny: Path) -> None:
    run = train(tiny)
    checkpoint = newest_checkpoint(run.path)
    assert checkpoint is not None
    state = checkpoint.notes["logger"]
    assert state["seconds"] == state["cpu_seconds"] == 0.0


def test_weights_that_are_no_numbers_are_never_a_checkpoint(tiny: Path) -> None:
    # One batch an epoch: the overflow of the last update is not in any loss before the epoch ends.
    settings = ("training.optimizer={SGD: {learning_rate: 1e38}}", "training.batch_size=120", "training.epochs=3")
    with pytest.raises(Diverged) as diverged:
        train(tiny, *settings, "network.2.Dense={units: 3}", "network.1.LSTM.activation=linear")
    assert diverged.value.run is not None
    run = Run.open(diverged.value.run)
    with pytest.raises(Diverged):
        unrolled.resume(run.path, quiet=True)
    assert all(np.isfinite(array).all() for array in run.model.get_weights())


def test_other_data_or_settings_are_refused(tiny: Path) -> None:
    run = train(tiny, "training.epochs=3")
    run.save_status("interrupted")
    text = (run.path / "experiment.yaml").read_text()
    (run.path / "experiment.yaml").write_text(text.replace("learning_rate: 0.01", "learning_rate: 0.02"))
    with pytest.raises(
        RunError,
        match=r"training.optimizer.Adam.learning_rate in experiment.yaml is not that of the checkpoint. Restore it",
    ):
        unrolled.resume(run.path, quiet=True)
    (run.path / "experiment.yaml").write_text(text)
    write_tiny_data(tiny.with_suffix(".npz"), examples=90)
    with pytest.raises(RunError, match="holds other examples than those it was trained on"):
        unrolled.resume(run.path, quiet=True)


def test_a_disk_without_room_for_a_checkpoint_does_not_end_the_training(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: Any) -> None:
        raise WriteError("checkpoints: cannot be written: No space left on device. Free some space.")

    monkeypatch.setattr("unrolled.training.callbacks.write_checkpoint", full)
    run = unrolled.train(tiny, runs=tiny.parent / "runs")
    assert run.is_finished
    assert "no checkpoint: checkpoints: cannot be written" in capsys.readouterr().out


def test_early_stopping_keeps_its_patience_over_a_resume(tiny: Path) -> None:
    settings = (
        "training.epochs=30",
        "training.validation=0.2",
        "training.early_stopping.patience=2",
        "training.optimizer.Adam.learning_rate=3.0",
    )
    whole = train(tiny, *settings)
    assert 2 < len(whole.metrics) < 30
    stopped = train(tiny, *settings, f"training.epochs={len(whole.metrics) - 1}")
    assert_equal_runs(unrolled.resume(stopped.path, epochs=30, quiet=True), whole)


def test_an_archive_that_grows_when_it_is_read_is_no_checkpoint(tiny: Path) -> None:
    run = train(tiny)
    newest = sorted((run.path / "checkpoints").glob("0*.npz"))[-1]
    with np.load(newest) as stored:
        np.savez_compressed(newest, **stored)
    found = newest_checkpoint(run.path)
    assert found is not None
    assert (found.epoch, found.step) == (1, 0)


def test_best_weights_of_an_epoch_that_the_training_has_not_reached_are_not_taken(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = ("training.validation=0.2", "training.keep=best", "training.epochs=4")
    with monkeypatch.context() as disk, pytest.raises(KeyboardInterrupt):
        disk.setattr(callbacks.CheckpointWriter, "on_epoch_end", checkpoints_up_to(2))
        unrolled.train(tiny, overrides=keep, runs=tiny.parent / "runs", quiet=True)
    run = Run.find("latest", tiny.parent / "runs")
    short = unrolled.resume(run.path, epochs=2, quiet=True)
    assert_equal_runs(short, train(tiny, *keep, "training.epochs=2"))


def checkpoints_up_to(last: int) -> Any:
    """``on_epoch_end`` of a process that is killed before it writes the checkpoint of the epoch behind."""
    write = callbacks.CheckpointWriter.on_epoch_end

    def on_epoch_end(writer: callbacks.CheckpointWriter, epoch: int, logs: Any = None) -> None:
        if epoch == last:
            raise KeyboardInterrupt
        write(writer, epoch, logs)

    return on_epoch_end


def without_room_for_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*arguments: Any) -> None:
        raise WriteError("checkpoints: cannot be written: No space left on device.")

    monkeypatch.setattr(callbacks, "write_checkpoint", full_disk)


def test_a_network_that_was_trained_without_a_checkpoint_is_still_evaluated(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tiny)
    with monkeypatch.context() as disk, pytest.raises(WriteError, match="evaluation"):
        without_room_for_checkpoints(disk)
        disk.setattr(Run, "save_evaluation", lambda run, evaluation: (_ for _ in ()).throw(WriteError("evaluation")))
        unrolled.train(tiny, runs=tiny.parent / "runs", quiet=True)
    run = Run.find("latest", tiny.parent / "runs")
    assert (run.status["status"], run.is_trained, run.is_finished) == ("failed", True, False)
    unrolled.resume(run.path, quiet=True)
    run = Run.open(run.path)
    assert run.is_finished
    assert (run.path / "report.html").exists()
    assert_equal_runs(run, whole)


def test_a_training_that_left_a_network_and_no_checkpoint_starts_over_and_keeps_the_network(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tiny)
    with monkeypatch.context() as disk, pytest.raises(Interrupted):
        without_room_for_checkpoints(disk)
        disk.setattr(callbacks.MetricsLogger, "on_epoch_end", lambda *_: signal.raise_signal(signal.SIGINT))
        unrolled.train(tiny, runs=tiny.parent / "runs", quiet=True)
    run = Run.find("latest", tiny.parent / "runs")
    network = (run.path / "model.keras").read_bytes()
    assert_equal_runs(unrolled.resume(run.path, quiet=True), whole)
    assert (run.path / "model-0-epochs.keras").read_bytes() == network


def test_the_best_weights_of_a_training_that_starts_over_stay_beside_those_of_one_that_was_killed(
    tmp_path: Path,
) -> None:
    for epoch in (4, 5, 1):
        write_best_weights(tmp_path, epoch, [np.full(2, float(epoch))])
    (tmp_path / "checkpoints" / "best-mine.npz").write_text("precious")
    write_best_weights(tmp_path, 2, [np.full(2, 2.0)])
    assert [read_best_weights(tmp_path, epoch)[0][0] for epoch in (1, 2)] == [1.0, 2.0]
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "best-000001.npz",
        "best-000002.npz",
        "best-mine.npz",
    ]
