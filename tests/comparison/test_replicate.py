"""One experiment with several seeds: one group, each seed once, and nothing lost on the way."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import unrolled
from tests.conftest import Command, environment
from tests.training.test_trainer import without_times
from unrolled.comparison import replicate
from unrolled.comparison.groups import Group, parse_seeds
from unrolled.comparison.replicate import repeat_experiment
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import Interrupted, InvalidSetting, RunError, TrainingStopped
from unrolled.model.build import resolve
from unrolled.runs.run import Run
from unrolled.storage import write_json
from unrolled.tasks.registry import load_task
from unrolled.training import trainer
from unrolled.training.processes import stop_on_signals

import pytest


def repeat(tiny: Path, **arguments: Any) -> Group:
    return unrolled.repeat(tiny, runs=tiny.parent / "runs", quiet=True, **arguments)


def resolved_config(tiny: Path) -> ExperimentConfig:
    config = ExperimentConfig.load(tiny)
    return resolve(config, load_task(config))


def test_a_group_holds_a_run_for_each_seed(tiny: Path, unrolled_command: Command) -> None:
    finished = unrolled_command("repeat", tiny, "--seeds", "2", "--name", "twice", "--set", "seed=3", "--quiet")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert re.fullmatch(r"runs/\d{8}T\d{6}Z-twice\n", finished.stdout)
    group = Group.open(tiny.parent / finished.stdout.strip())
    assert json.loads((group.path / "group.json").read_text()) == {"name": "twice", "seeds": [3, 4]}
    assert [run.path.name.partition("Z-")[2] for run in group.runs] == ["twice-seed-3", "twice-seed-4"]
    assert [run.config.seed for run in group.runs] == [3, 4]
    assert all(run.status["status"] == "finished" for run in group.runs)


def test_a_seed_gives_the_same_in_turn_at_once_and_alone(tiny: Path) -> None:
    in_turn, at_once = repeat(tiny, seeds=2), repeat(tiny, seeds=2, jobs=2)
    alone = unrolled.train(tiny, seed=1, runs=tiny.parent / "alone", quiet=True)
    for group in (in_turn, at_once):
        assert without_times(group.runs_by_seed()[0][1]) == without_times(alone)
    assert without_times(in_turn.runs_by_seed()[0][0]) == without_times(at_once.runs_by_seed()[0][0])
    comparison = unrolled.compare(in_turn, at_once)
    assert comparison.differences[0].is_significant is False


def test_a_group_is_continued_with_what_is_missing(tiny: Path, unrolled_command: Command) -> None:
    group = repeat(tiny, seeds=2)
    kept, stopped = group.runs
    stopped.save_status("interrupted", "by hand")
    finished = unrolled_command("repeat", group.path)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith("tiny: 1 of 2 seeds to train in ")
    assert finished.stdout.splitlines()[-1] == str(group.path)
    runs, left_out = group.runs_by_seed()
    assert runs[0].path == kept.path
    assert runs[1].path == stopped.path
    assert left_out == {}
    assert "0 of 2 seeds to train" in unrolled_command("repeat", group.path).stdout
    assert len(group.runs) == 2


def test_a_group_takes_more_seeds(tiny: Path) -> None:
    group = repeat(tiny, seeds=[5])
    more = unrolled.repeat(group, seeds=[5, 8], quiet=True)
    assert more.seeds == Group.open(group.path).seeds == (5, 8)
    assert [run.config.seed for run in group.runs] == [5, 8]


def test_a_group_takes_no_other_settings(tiny: Path) -> None:
    group = Group.create(ExperimentConfig.load(tiny), [0], tiny.parent / "runs")
    with pytest.raises(InvalidSetting, match=r"--set cannot change a group that exists\. Leave it out, or "):
        unrolled.repeat(group, overrides=["training.epochs=5"])
    with pytest.raises(InvalidSetting, match=r"--name cannot change a group that exists"):
        unrolled.repeat(group.path, name="other")


def test_a_seed_that_fails_is_named_and_the_others_are_trained(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(experiment: ExperimentConfig, *arguments: Any) -> Any:
        if experiment.seed == 1:
            raise RuntimeError("the lamp\nwent out.")
        return original(experiment, *arguments)

    original = trainer.train_experiment
    monkeypatch.setattr(replicate, "train_experiment", train)
    with pytest.raises(TrainingStopped) as caught:
        repeat(tiny, seeds=3)
    assert caught.value.exit_code == 1
    assert caught.value.run is not None
    assert str(caught.value) == (
        "repeat: tiny: 1 of 3 seeds failed: seed 1: the lamp went out. Continue with: unrolled repeat "
        f"{caught.value.run}"
    )
    assert Group.open(caught.value.run).missing() == (1,)


def test_each_run_trained_in_this_process_is_passed_to_the_caller(tiny: Path) -> None:
    trained: list[Path] = []
    options: dict[str, Any] = {"jobs": 1, "overrides": (), "runs": tiny.parent / "runs", "name": None, "quiet": True}
    with stop_on_signals() as request:
        group = repeat_experiment(tiny, request, seeds=2, on_trained=lambda run: trained.append(run.path), **options)
        assert trained == [run.path for run in group.runs]
        repeat_experiment(group, request, seeds=None, on_trained=lambda run: trained.append(run.path), **options)
    assert len(trained) == 2, "nothing was left to train"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_each_seed_that_diverges_is_named_in_one_line(jobs: str, tiny: Path, unrolled_command: Command) -> None:
    impossible = [
        "network.1={SimpleRNN: {units: 8, activation: relu}}",
        "training.optimizer={SGD: {learning_rate: 1e+9}}",
    ]
    settings = [word for setting in impossible for word in ("--set", setting)]
    finished = unrolled_command("repeat", tiny, "--seeds", "2", "--jobs", jobs, "--quiet", *settings)
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    assert finished.stderr.startswith("repeat: tiny: 2 of 2 seeds failed: seed 0: train: tiny-seed-0: the loss became")
    assert "; seed 1: train: tiny-seed-1: the loss became" in finished.stderr
    group = Group.open(tiny.parent / finished.stdout.strip())
    assert [run.status["status"] for run in group.runs] == ["diverged", "diverged"]


@pytest.mark.parametrize(("jobs", "under_way"), [("1", 1), ("2", 2)])
def test_a_signal_stops_the_children_and_keeps_what_was_made(jobs: str, under_way: int, tiny: Path) -> None:
    command = [sys.executable, "-m", "unrolled", "repeat", str(tiny), "--seeds", "3", "--jobs", jobs]
    command += ["--set", "training.epochs=100000"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=tiny.parent, stdout=pipe, stderr=pipe, text=True, env=environment())
    deadline = time.monotonic() + 300
    while len(list(tiny.parent.glob("runs/*/*/metrics.jsonl"))) < under_way and time.monotonic() < deadline:
        time.sleep(0.1)
    # To the parent alone, as kill sends it; a terminal sends it to the children too.
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    folder = output.splitlines()[-1]
    assert errors == (
        f"repeat: tiny: interrupted; 0 of 3 seeds are finished. Continue with: unrolled repeat {folder}\n"
    )
    group = Group.open(tiny.parent / folder)
    assert [run.status["status"] for run in group.runs] == ["interrupted"] * under_way
    assert all((run.path / "model.keras").exists() for run in group.runs)
    assert group.missing() == (0, 1, 2)
    assert sorted(group.begun()) == list(range(under_way))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_continued_group_resumes_the_seeds_that_were_begun(
    jobs: int, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = unrolled.train(tiny, seed=1, runs=tiny.parent / "whole", quiet=True)
    group = Group.create(resolved_config(tiny), [0, 1], tiny.parent / "runs")
    first_epochs = {}
    for seed in group.seeds:
        run = unrolled.train(group.of_seed(seed), runs=group.path, overrides=["training.epochs=1"], quiet=True)
        resumed = run.with_overrides([f"training.epochs={whole.config.training.epochs}"])
        resumed.save_config()
        run.save_status("interrupted" if seed else "running")
        first_epochs[seed] = run.metrics[0]["seconds"]
    assert sorted(group.begun()) == [0, 1]
    monkeypatch.chdir(tiny.parent)
    unrolled.repeat(group, jobs=jobs, quiet=True)
    assert len(group.runs) == 2
    finished = group.runs_by_seed()[0][1]
    assert finished.metrics[0]["seconds"] == first_epochs[1], "the first epoch was not trained again"
    assert [record["loss"] for record in finished.metrics] == [record["loss"] for record in whole.metrics]
    assert finished.evaluation.loss == whole.evaluation.loss


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_seed_that_cannot_be_resumed_is_trained_from_the_beginning(
    jobs: int, tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    group = Group.create(resolved_config(tiny), [0, 1], tiny.parent / "runs")
    for seed in group.seeds:
        run = unrolled.train(group.of_seed(seed), runs=group.path, quiet=True)
        run.save_status("interrupted")
        described = run.read_json("data.json")
        write_json(run.path / "data.json", {**described, "fingerprints": {"train": "of other examples"}})
    monkeypatch.chdir(tiny.parent)
    unrolled.repeat(group, jobs=jobs)
    assert "seed 0 is trained from the beginning: " in capsys.readouterr().out
    assert len(group.runs) == 4
    assert sorted(group.runs_by_seed()[0]) == [0, 1]


def test_an_interruption_from_python_carries_the_group(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(experiment: ExperimentConfig, runs: Path, progress: Any, request: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        request.raise_if_requested("stopped")

    monkeypatch.setattr(replicate, "train_experiment", train)
    with pytest.raises(Interrupted) as caught:
        repeat(tiny, seeds=3)
    assert caught.value.exit_code == 143
    assert caught.value.run is not None
    assert Group.open(caught.value.run).runs == []


@pytest.mark.parametrize(
    "arguments",
    [{"overrides": ["network.1.LSTM.unit=8"]}, {"overrides": ["network.2.Dense.units=4"]}, {"seeds": [2**32]}],
)
def test_an_impossible_experiment_makes_no_group(arguments: dict[str, Any], tiny: Path) -> None:
    with pytest.raises(InvalidSetting):
        repeat(tiny, **arguments)
    assert not (tiny.parent / "runs").exists()


@pytest.mark.parametrize("text", ["0", "-3", "x", "1,,2", "3-", "9-5", "1.5", "", "5000"])
def test_seeds_that_cannot_be_parsed_are_one_error(text: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^--seeds: expected a count such as 5, a list such as 3,7,11 or a range"):
        parse_seeds(text, 0)


@pytest.mark.parametrize("content", ["{", "[]", '{"name": "x"}', '{"name": "x", "seeds": ["a"]}'])
def test_a_damaged_group_is_one_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "group.json").write_text(content)
    with pytest.raises(RunError, match=r"group\.json: the file is damaged \(.*\)\. Make a new group with"):
        Group.open(tmp_path)


def test_a_run_of_another_experiment_does_not_count(tiny: Path) -> None:
    group = Group.create(ExperimentConfig.load(tiny), [0], tiny.parent / "runs")
    strange = unrolled.train(tiny, overrides=["training.epochs=1"], runs=group.path, quiet=True)
    assert group.runs_by_seed() == ({}, {strange.path: "it is of another experiment than its group"})
    assert group.missing() == (0,)
    status = json.loads((strange.path / "status.json").read_text())
    (strange.path / "status.json").write_text(json.dumps({**status, "status": "interrupted"}))
    assert Run.open(strange.path).current_status == "interrupted"
    assert group.begun() == {}
