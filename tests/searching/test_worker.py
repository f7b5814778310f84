"""Workers: what they find, what counts, and what happens to a trial that does not finish."""

import signal
from pathlib import Path

from tests.searching.planted import (
    LAYER,
    LEARNABLE,
    PLANTED,
    RATE,
    UNITS,
    learnable,
    planted_search,
    planted_value,
)
from unrolled.errors import DataError, Diverged, Interrupted, InvalidSetting, TrainingStopped
from unrolled.runs.run import Run
from unrolled.searching.folder import Search
from unrolled.searching.worker import kept_record, run_worker, train_trial
from unrolled.training.processes import StopRequest

import optuna
import pytest


def outcomes(search: Search) -> list[str]:
    return [trial.outcome for trial in search.trials]


def test_a_planted_optimum_is_found(tmp_path: Path) -> None:
    """By two seeds; of the first ten trials of each, which are drawn at random, few come near it."""
    for seed in (0, 1):
        search = planted_search(tmp_path, PLANTED + f"seed: {seed}\n")
        run_worker(search, 40, StopRequest(), planted_value)
        values = [trial.value or 0.0 for trial in search.trials]
        assert len(values) == 40
        assert search.best.value == max(values) > 0.93
        assert search.best.params[LAYER] == "LSTM"
        assert sum(values[-20:]) / 20 > sum(values[:10]) / 10 + 0.03
        assert sum(search.importance.values()) == pytest.approx(1)
        assert set(search.importance) == {LAYER, UNITS, RATE}


def test_a_search_that_is_stopped_and_continued_goes_the_same_way(tmp_path: Path) -> None:
    whole, parts = planted_search(tmp_path / "whole"), planted_search(tmp_path / "parts")
    run_worker(whole, 15, StopRequest(), planted_value)
    run_worker(parts, 7, StopRequest(), planted_value)
    run_worker(Search.open(parts.path), 15, StopRequest(), planted_value)
    assert [trial.params for trial in whole.trials] == [trial.params for trial in parts.trials]


def test_another_seed_goes_another_way(tmp_path: Path) -> None:
    one, other = planted_search(tmp_path / "one"), planted_search(tmp_path / "other", PLANTED + "seed: 1\n")
    for search in (one, other):
        run_worker(search, 3, StopRequest(), planted_value)
    assert [trial.params for trial in one.trials] != [trial.params for trial in other.trials]


def test_less_loss_is_better(tmp_path: Path) -> None:
    search = planted_search(tmp_path)
    lower = Search.create(search.space.document, tmp_path, trials=5, metric="val_loss", prunes=True)
    run_worker(lower, 5, StopRequest(), planted_value)
    assert lower.best.value == min(trial.value or 0.0 for trial in lower.trials)


def test_the_rate_that_learns_is_found_by_really_training(tmp_path: Path) -> None:
    search = learnable(tmp_path, trials=9)
    run_worker(search, 9, StopRequest(), train_trial)
    assert search.best.params == {"training.optimizer.SGD.learning_rate": 0.1}
    assert (search.best.value or 0) > 0.9
    runs = {trial.number: Run.open(trial.run) for trial in search.trials if trial.run}
    assert len(runs) == outcomes(search).count("finished") <= 3
    for number, run in runs.items():
        assert not (run.path / "evaluation.json").exists(), "the test set is none of a trial's business"
        assert (run.path / "model.keras").exists() or number != search.best.number
    assert runs[search.best.number].metrics[-1]["val_accuracy"] == search.best.value


def test_the_same_parameters_are_not_trained_again(tmp_path: Path) -> None:
    text = PLANTED.replace("{low: 8, high: 64, step: 8}", "[8, 48]").replace(
        "{low: 1.0e-5, high: 1.0, log: true}", "[1, 2]"
    )
    search, trained = planted_search(tmp_path, text), []

    def train(search: Search, trial: optuna.Trial, request: StopRequest) -> float:
        trained.append(trial.params)
        return planted_value(search, trial, request)

    run_worker(search, 12, StopRequest(), train)
    assert len(trained) == len({tuple(sorted(params.items())) for params in trained}) <= 6
    assert outcomes(search).count("repeated") == 12 - len(trained)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Diverged("expected a finite loss, got nan"), "diverged"),
        (InvalidSetting("expected inputs [B, T, F], got [B, 3]"), "invalid"),
        (MemoryError("no room"), "failed"),
    ],
)
def test_a_trial_that_cannot_be_trained_counts_and_has_a_reason(error: Exception, outcome: str, tmp_path: Path) -> None:
    def train(search: Search, trial: optuna.Trial, request: StopRequest) -> float:
        if trial.number == 1:
            raise error
        return planted_value(search, trial, request)

    search = planted_search(tmp_path)
    run_worker(search, 4, StopRequest(), train)
    assert outcomes(search) == ["finished", outcome, "finished", "finished"]
    assert str(error) in search.trials[1].reason
    assert len(search.ended) == 4


def test_a_network_that_diverges_keeps_no_weights(tmp_path: Path) -> None:
    text = LEARNABLE.replace("[1.0e-9, 1.0e-8, 0.1]", "[1.0e+30, 1.0e+38]")
    search = learnable(tmp_path, trials=1, text=text)
    run_worker(search, 1, StopRequest(), train_trial)
    (trial,) = search.trials
    assert trial.outcome == "diverged"
    assert trial.run is not None
    assert Run.open(trial.run).status["status"] == "diverged"
    assert not (trial.run / "model.keras").exists()
    with pytest.raises(TrainingStopped, match=r"none of 1 trials finished \(train: trial-0: the loss became nan"):
        _ = search.best


def test_trouble_that_no_values_would_change_ends_the_search(tmp_path: Path) -> None:
    def train(search: Search, trial: optuna.Trial, request: StopRequest) -> float:
        raise DataError("tiny.npz: no such file.")

    search = planted_search(tmp_path)
    with pytest.raises(DataError):
        run_worker(search, 4, StopRequest(), train)
    assert outcomes(search) == ["interrupted", "waiting"]


def test_an_interrupted_trial_is_queued_again_and_does_not_count(tmp_path: Path) -> None:
    def train(search: Search, trial: optuna.Trial, request: StopRequest) -> float:
        if trial.number == 1:
            request.receive(signal.SIGINT, None)
        request.raise_if_requested("stopped")
        return planted_value(search, trial, request)

    search = planted_search(tmp_path)
    with pytest.raises(Interrupted):
        run_worker(search, 4, StopRequest(), train)
    assert outcomes(search) == ["finished", "interrupted", "waiting"]
    run_worker(search, 4, StopRequest(), planted_value)
    assert outcomes(search) == ["finished", "interrupted", "finished", "finished", "finished"]
    assert search.trials[2].params == search.trials[1].params


def test_a_trial_of_a_dead_process_is_queued_again_once(tmp_path: Path) -> None:
    search = planted_search(tmp_path)
    run_worker(search, 1, StopRequest(), planted_value)
    lost = search.study.ask()
    params = search.space.suggest(lost)
    # It has no heartbeat: its process died before it wrote one.
    other = Search.open(search.path)
    run_worker(other, 3, StopRequest(), planted_value)
    run_worker(search, 3, StopRequest(), planted_value)
    assert outcomes(search) == ["finished", "lost", "finished", "finished"]
    assert search.trials[2].params == params


def test_a_trial_that_kills_twice_is_given_up(tmp_path: Path) -> None:
    search = planted_search(tmp_path)
    for _ in range(2):
        search.space.suggest(search.study.ask())
        run_worker(search, 0, StopRequest(), planted_value)
    assert outcomes(search) == ["lost", "failed"]
    assert search.trials[1].reason == "its process was killed, twice"
    run_worker(search, 2, StopRequest(), planted_value)
    assert outcomes(search) == ["lost", "failed", "finished"]


def test_a_process_that_was_taken_for_dead_changes_nothing(tmp_path: Path) -> None:
    def train(search: Search, trial: optuna.Trial, request: StopRequest) -> float:
        if trial.number == 0:
            search.heartbeats.stop(trial.number)
            run_worker(Search.open(search.path), 1, StopRequest(), planted_value)
            trial.report(0.5, 1)
        return planted_value(search, trial, request)

    search = planted_search(tmp_path)
    run_worker(search, 2, StopRequest(), train)
    assert outcomes(search) == ["lost", "finished", "finished"]


def test_a_hopeless_trial_is_pruned_and_its_folder_is_small(tmp_path: Path) -> None:
    def good(search: Search, trial: optuna.Trial, request: StopRequest) -> float:
        for epoch in range(1, 5):
            trial.report(0.9, epoch)
        return 0.9

    search = learnable(
        tmp_path, trials=6, text=LEARNABLE.replace("[1.0e-9, 1.0e-8, 0.1]", "{low: 1.0e-9, high: 1.0e-8}")
    )
    run_worker(search, 5, StopRequest(), good)
    run_worker(search, 6, StopRequest(), train_trial)
    hopeless = search.trials[-1]
    assert (hopeless.outcome, hopeless.epochs) == ("pruned", 2)
    assert hopeless.run is not None
    assert Run.open(hopeless.run).status["status"] == "pruned"
    assert "is behind half of the trials" in hopeless.reason
    assert not (hopeless.run / "model.keras").exists()
    assert hopeless not in search.ranking


def test_without_pruning_every_trial_is_trained_to_its_end(tmp_path: Path) -> None:
    search = planted_search(tmp_path, prunes=False)

    def train(search: Search, trial: optuna.Trial, request: StopRequest) -> float:
        trial.report(-trial.number, 3)
        assert not trial.should_prune()
        return planted_value(search, trial, request)

    run_worker(search, 8, StopRequest(), train)
    assert set(outcomes(search)) == {"finished"}


def test_the_metric_is_of_the_epoch_whose_weights_are_kept() -> None:
    records = [
        {"val_loss": 0.9, "val_accuracy": 0.1},
        {"val_loss": 0.5, "val_accuracy": 0.2},
        {"val_loss": 0.7, "val_accuracy": 0.3},
    ]
    assert kept_record(records, "last")["val_accuracy"] == 0.3
    assert kept_record(records, "best")["val_accuracy"] == 0.2
