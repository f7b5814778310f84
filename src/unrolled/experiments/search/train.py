"""The training of one trial."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unrolled.errors import Pruned
from unrolled.experiments.experiment import Experiment
from unrolled.experiments.search.folder import Search
from unrolled.experiments.training.checkpoints import FOLDER
from unrolled.experiments.training.procedure import train_experiment
from unrolled.experiments.training.progress import Progress
from unrolled.experiments.training.signals import StopRequest

import keras
import optuna


def train_trial(search: Search, trial: optuna.Trial, request: StopRequest) -> float:
    """Train what a trial picked, without a look at the test set.

    Returns:
        The metric of the epoch whose weights were kept.

    Raises:
        InvalidSetting: The network cannot be built.
        TrainingStopped: The trial was pruned, diverged or was interrupted.
    """
    document = search.space.settle(trial.params)
    experiment = Experiment.parse(document.replace(("name",), f"trial-{trial.number}", "search"))
    progress = TrialProgress(trial, search.metric)
    try:
        train_experiment(experiment, search.path / "trials", progress, request, tested=False)
    finally:
        keras.utils.clear_session()  # a process trains many networks
        _remove_checkpoints(search.path / "trials", experiment.name)
    return float(kept_record(progress.records, experiment.training.keep)[search.metric])


def _remove_checkpoints(trials: Path, name: str) -> None:
    """A trial that was stopped is tried again from its beginning."""
    for folder in trials.glob(f"*Z-{name}/{FOLDER}"):
        shutil.rmtree(folder, ignore_errors=True)


class TrialProgress(Progress):
    """Reports each epoch to the search, which may end the training.

    Args:
        trial: Whose epochs.
        metric: What is reported.
    """

    def __init__(self, trial: optuna.Trial, metric: str):
        self.trial, self.metric = trial, metric
        self.records: list[Mapping[str, Any]] = []
        self.epochs = 0

    def begin(self, epochs: int, steps: int, batch_size: int, *, first_epoch: int = 1) -> None:
        """Before the first batch."""
        self.epochs = epochs

    def epoch(self, record: Mapping[str, Any]) -> None:
        """After each epoch.

        Raises:
            Pruned: The trial is behind half of those before it; the last epoch is not cut short.
        """
        self.records.append(record)
        self.trial.report(record[self.metric], record["epoch"])
        if record["epoch"] < self.epochs and self.trial.should_prune():
            raise Pruned(
                f"{self.metric} {record[self.metric]:.4f} in epoch {record['epoch']} is behind half of the trials"
            )


def kept_record(records: Sequence[Mapping[str, Any]], keep: str) -> Mapping[str, Any]:
    """The epoch whose weights the training kept: the last, or the one of the lowest validation loss."""
    return records[-1] if keep == "last" else min(records, key=lambda record: float(record["val_loss"]))
