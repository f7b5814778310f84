"""A search from its file to its report, as a user runs it, with processes that are stopped and killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.conftest import ROOT, Command, environment, write_tiny_data
from tests.searching.planted import LEARNABLE, learnable, planted_search
from unrolled.config.experiment import ExperimentConfig
from unrolled.reports.search import write_search_report
from unrolled.runs.inference import evaluate
from unrolled.runs.run import Run
from unrolled.searching.folder import Search
from unrolled.searching.search import finalize
from unrolled.searching.worker import run_worker, train_trial
from unrolled.training.processes import StopRequest
from unrolled.training.progress import Progress

import pytest

pytestmark = pytest.mark.xdist_group("search")

RATE = "training.optimizer.SGD.learning_rate"
# Trials that last, for processes that are to be killed in the middle of one.
WORKER = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from tests.searching.planted import planted_value
from unrolled.searching.folder import Search
from unrolled.searching.worker import run_worker
from unrolled.training.processes import StopRequest

def slow(search, trial, request):
    trial.report(0.5, 1)
    time.sleep(0.3)
    return planted_value(search, trial, request)

run_worker(Search.open(sys.argv[1]), 20, StopRequest(), slow)
"""


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(6000):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never came about")


def outcomes(search: Search) -> list[str]:
    return [trial.outcome for trial in search.trials]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Search, list[str]]:
    """A search of four trials by two processes, and the lines that it printed."""
    folder = tmp_path_factory.mktemp("search")
    write_tiny_data(folder / "tiny.npz")
    (folder / "tiny.yaml").write_text(LEARNABLE)
    command = [sys.executable, "-m", "unrolled", "search", "tiny.yaml", "--trials", "4", "--jobs", "2"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    return Search.open(folder / lines[-1]), lines


def test_a_search_folder_holds_everything(finished: tuple[Search, list[str]]) -> None:
    search, _ = finished
    assert re.fullmatch(r"\d{8}T\d{6}Z-tiny-search", search.path.name)
    assert {path.name for path in search.path.iterdir()} == {
        "search.yaml",
        "search.json",
        "journal.log",
        "heartbeats",
        "trials",
        "best.yaml",
        "search.html",
    }
    assert not list((search.path / "heartbeats").iterdir())
    assert len(search.ended) == len(search.trials) == 4


def test_each_trial_is_a_line_and_the_best_are_a_table(finished: tuple[Search, list[str]]) -> None:
    search, lines = finished
    assert lines[0] == f"{search.path.name}: 0 of 4 trials, by val_accuracy"
    printed = sorted(line for line in lines if re.match(r"trial \d", line))
    assert [line.split()[1] for line in printed] == ["0", "1", "2", "3"]
    for line in printed:
        assert re.fullmatch(
            r"trial \d  val_accuracy \d\.\d{4}  (\d+\.\d s|as before)  learning_rate \S+(  best so far)?", line
        )
    assert f"test accuracy {Run.open(search.best.run or '').evaluation.accuracy:.4f} of trial" in lines[-2]
    assert lines[-2].endswith("evaluated on the test set once")


def test_the_best_experiment_is_ready_to_be_trained(finished: tuple[Search, list[str]]) -> None:
    search, _ = finished
    best = search.best
    first, *_ = (search.path / "best.yaml").read_text().splitlines()
    assert first == f"# val_accuracy {best.value:.4f}: trial {best.number} of 4 in {search.path.name}"
    experiment = ExperimentConfig.load(search.path / "best.yaml")
    assert experiment == search.experiment(best.params)
    assert experiment.name == "tiny"
    assert experiment.training.optimizer.arguments["learning_rate"] == best.params[RATE]


def test_the_best_trials_run_is_evaluated_and_can_be_used(finished: tuple[Search, list[str]]) -> None:
    search, _ = finished
    measured = [trial.number for trial in search.trials if trial.run and (trial.run / "evaluation.json").exists()]
    assert measured == [search.best.number]
    run = Run.open(search.best.run or "")
    assert evaluate(run) == run.evaluation
    assert (run.path / "report.html").exists()
    (look,) = search.settings["test_measurements"]
    assert look == {
        "trial": search.best.number,
        "trials": 4,
        "summary": run.evaluation.summary,
        **run.evaluation.metrics,
    }


def test_the_report_needs_nothing_else(finished: tuple[Search, list[str]]) -> None:
    search, _ = finished
    page = (search.path / "search.html").read_text()
    assert not re.search(r"https?:|//[a-z]|<script|<link|@import|url\(|src=", page)
    assert page.count("<svg") >= 2
    assert page.count('class="trial ') == 4
    for words in (
        search.path.name,
        "Optimization history",
        "Parameter importance",
        "Parallel coordinates",
        "Best experiment",
        "learning_rate",
        f"{search.best.value:.4f}",
        "was measured once",
        "24 training examples",
    ):
        assert words in page


def test_joining_a_search_that_is_done_evaluates_nothing_again(
    finished: tuple[Search, list[str]], unrolled_command: Command
) -> None:
    search, _ = finished
    evaluation = (search.best.run or Path()) / "evaluation.json"
    before = evaluation.stat().st_mtime_ns
    done = unrolled_command("search", search.path, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    printed = json.loads(done.stdout)
    assert printed["best"]["trial"] == search.best.number
    assert [trial["outcome"] for trial in printed["trials"]] == outcomes(search)
    assert printed["test_measurements"] == search.settings["test_measurements"]
    assert evaluation.stat().st_mtime_ns == before


def test_a_better_trial_is_evaluated_too_and_the_evaluations_are_counted(tmp_path: Path) -> None:
    search = learnable(tmp_path, trials=1)
    search.study.enqueue_trial({RATE: 1e-9})
    run_worker(search, 1, StopRequest(), train_trial)
    finalize(search, Progress(), write_search_report)
    assert [look["trial"] for look in search.settings["test_measurements"]] == [0]
    search.study.enqueue_trial({RATE: 0.1})
    run_worker(search, 2, StopRequest(), train_trial)
    for _ in range(2):
        finalize(search, Progress(), write_search_report)
        looks = search.settings["test_measurements"]
        assert [(look["trial"], look["trials"]) for look in looks] == [(0, 1), (1, 2)]
    assert "was measured twice" in (search.path / "search.html").read_text()


def test_twenty_trials_by_two_killed_processes_are_finished_by_two_others(tmp_path: Path) -> None:
    search = planted_search(tmp_path, trials=20)
    command = [sys.executable, "-c", WORKER, str(search.path)]
    first = [subprocess.Popen(command, env=environment()) for _ in range(2)]
    wait_until(lambda: len(search.ended) >= 6 and outcomes(search).count("running") == 2)
    for process in first:
        process.kill()
        process.wait()
    history = search.ended
    killed = {trial.number: trial for trial in search.trials if trial.outcome == "running"}
    assert killed
    second = [subprocess.Popen(command, env=environment()) for _ in range(2)]
    assert [process.wait() for process in second] == [0, 0]
    assert len(search.ended) == 20
    assert [trial for trial in search.trials if trial.number in {old.number for old in history}] == history
    again = [trial.user_attrs["again"] for trial in search.study.trials if "again" in trial.user_attrs]
    assert sorted(again) == sorted(killed)
    for trial in search.study.trials:
        if "again" in trial.user_attrs:
            assert killed[trial.user_attrs["again"]].params.items() <= trial.params.items()
            assert search.trials[trial.user_attrs["again"]].outcome == "lost"
    assert set(outcomes(search)) == {"finished", "lost"}
    assert not list((search.path / "heartbeats").iterdir())


def start(tiny: Path) -> tuple["subprocess.Popen[str]", Search]:
    """``unrolled search`` for a trial that lasts until it is ended, once it has been trained for an epoch."""
    tiny.write_text(LEARNABLE)
    command = [
        sys.executable,
        "-m",
        "unrolled",
        "search",
        str(tiny),
        "--trials",
        "1",
        "--set",
        "training.epochs=100000",
    ]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=tiny.parent, stdout=pipe, stderr=pipe, text=True, env=environment())
    wait_until(lambda: bool(list(tiny.parent.glob("runs/*/trials/*/metrics.jsonl"))))
    (folder,) = (tiny.parent / "runs").iterdir()
    return process, Search.open(folder)


def trainer(search: Search) -> int:
    """The process that trains the one trial under way."""
    (heartbeat,) = (search.path / "heartbeats").iterdir()
    return int(json.loads(heartbeat.read_text())["pid"])


def test_a_killed_process_is_replaced_and_ctrl_c_stops_all_until_later(tiny: Path) -> None:
    process, search = start(tiny)
    killed = trainer(search)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: len(search.trials) == 2 and search.trials[1].epochs > 0)
    assert outcomes(search) == ["lost", "running"]
    assert search.trials[0].params == search.trials[1].params
    assert Run.open(search.trials[0].run or "").status["status"] == "failed"
    assert trainer(search) != killed
    worker = trainer(search)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=300)
    folder = search.path.relative_to(tiny.parent)
    assert process.returncode == 130
    assert output.splitlines()[-1] == str(folder)
    assert errors == f"search: interrupted after 0 of 1 trials. Continue with: unrolled search {folder}\n"
    assert not Path(f"/proc/{worker}").exists()
    assert outcomes(search) == ["lost", "interrupted", "waiting"]
    run = Run.open(search.trials[1].run or "")
    assert run.status["status"] == "interrupted"
    assert not (run.path / "model.keras").exists()
    run_worker(search, 1, StopRequest(), lambda search, trial, request: 0.5)
    assert outcomes(search) == ["lost", "interrupted", "finished"]
    assert search.trials[2].params == search.trials[0].params
