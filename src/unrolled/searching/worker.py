"""Workers of a search: they take one trial after another from the queue and train it."""

import os
import signal
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import Interrupted, InvalidSetting, Pruned, TrainingStopped, UnrolledError
from unrolled.searching.folder import Search
from unrolled.searching.queue import shared_lock
from unrolled.training.checkpoints import remove_checkpoints
from unrolled.training.processes import StopRequest
from unrolled.training.progress import Progress
from unrolled.training.trainer import train_experiment

import keras
import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

Train = Callable[[Search, optuna.Trial, StopRequest], float]


def run_worker(search: Search, wanted: int, request: StopRequest, train: Train) -> None:
    """Train trials until ``wanted`` have ended or are running, in this process or in others.

    Args:
        search: The search.
        wanted: Number of trials that shall count, over all workers.
        request: Stop request; this process also stops when its parent process has exited.
        train: Trains a trial and returns its metric.

    Raises:
        Interrupted: A signal arrived; the parameters of the running trial are queued again.
        UnrolledError: An error that other parameters would not avoid: the data is gone, the disk is full.
    """
    parent = os.getppid()

    def stop_if_orphaned() -> None:
        if os.getppid() != parent:
            request.receive(signal.SIGTERM, None)

    message = f"search: {search.path}: interrupted"
    request.raise_if_requested(message)
    while (trial := next_trial(search, wanted)) is not None:
        with search.heartbeats.beating(trial.number, stop_if_orphaned):
            run_trial(search, trial, request, train)
        _drop_network(search, trial.number)
        stop_if_orphaned()
        request.raise_if_requested(message)


def run_trial(search: Search, trial: optuna.Trial, request: StopRequest, train: Train) -> None:
    """Train a trial and record its outcome.

    Args:
        search: The search.
        trial: The trial, with its parameters.
        request: Stop request.
        train: Trains the trial and returns its metric.

    Raises:
        Interrupted: A signal arrived; the trial's parameters are queued again.
        UnrolledError: An error that other parameters would not avoid.
    """
    if (value := _known_value(search, trial)) is not None:
        end(search, trial, TrialState.COMPLETE, outcome="repeated", value=value)
        return
    began = time.perf_counter()
    try:
        value = train(search, trial, request)
    except UpdateFinishedTrialError:
        return  # another process took this one for dead, and has queued the trial again
    except (TrainingStopped, InvalidSetting) as stopped:
        if isinstance(stopped, Interrupted):
            _requeue_interrupted(search, trial)
            raise
        outcome = stopped.status if isinstance(stopped, TrainingStopped) else "invalid"
        # The sampler learns from pruned trials to stay away, and ignores failed ones.
        seconds = time.perf_counter() - began
        end(search, trial, TrialState.PRUNED, outcome=outcome, reason=str(stopped), seconds=seconds)
    except UnrolledError:
        _requeue_interrupted(search, trial)
        raise
    except Exception as error:
        end(search, trial, TrialState.FAIL, outcome="failed", reason=f"{type(error).__name__}: {error}")
    else:
        seconds = time.perf_counter() - began
        end(search, trial, TrialState.COMPLETE, outcome="finished", value=value, seconds=seconds)


def train_trial(search: Search, trial: optuna.Trial, request: StopRequest) -> float:
    """Train the network of a trial, without an evaluation on the test set.

    Args:
        search: The search.
        trial: The trial, with its parameters.
        request: Stop request.

    Returns:
        The metric in the epoch whose weights were kept.

    Raises:
        InvalidSetting: The network cannot be built.
        TrainingStopped: The trial was pruned, diverged or was interrupted.
    """
    document = search.space.resolve(trial.params)
    experiment = ExperimentConfig.parse(document.replace(("name",), f"trial-{trial.number}", "search"))
    progress = TrialProgress(trial, search.metric)
    try:
        train_experiment(experiment, search.path / "trials", progress, request, is_tested=False)
    finally:
        keras.utils.clear_session()  # a process trains many networks
        # A trial that was stopped starts again from its beginning.
        for run in (search.path / "trials").glob(f"*Z-{experiment.name}"):
            remove_checkpoints(run)
    return float(kept_record(progress.records, experiment.training.keep)[search.metric])


class TrialProgress(Progress):
    """Progress that reports each epoch to the search, which may prune the trial.

    Args:
        trial: The trial.
        metric: Metric to report.
    """

    def __init__(self, trial: optuna.Trial, metric: str):
        self.trial, self.metric = trial, metric
        self.records: list[Mapping[str, Any]] = []
        self.epochs = 0

    def begin(self, epochs: int, steps: int, batch_size: int, *, first_epoch: int = 1) -> None:
        """Note the number of epochs."""
        self.epochs = epochs

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Report an epoch.

        Raises:
            Pruned: The trial is behind half of the trials before it. Not raised after the last epoch.
        """
        self.records.append(record)
        self.trial.report(record[self.metric], record["epoch"])
        if record["epoch"] < self.epochs and self.trial.should_prune():
            raise Pruned(
                f"{self.metric} {record[self.metric]:.4f} in epoch {record['epoch']} is behind half of the trials"
            )


def kept_record(records: Sequence[Mapping[str, Any]], keep: str) -> Mapping[str, Any]:
    """Return the epoch whose weights the training kept: the last, or the one of the lowest validation loss."""
    return records[-1] if keep == "last" else min(records, key=lambda record: float(record["val_loss"]))


def _known_value(search: Search, trial: optuna.Trial) -> float | None:
    """Return the metric of an earlier trial with the same parameters: the seed decides all the rest."""
    same = (known for known in search.ranking if known.params == trial.params)
    return next((known.value for known in same), None)


def _requeue_interrupted(search: Search, trial: optuna.Trial) -> None:
    with shared_lock(search.path / "queue"):
        requeue(search, trial, "interrupted", "the search was interrupted")
    _drop_network(search, trial.number)


def _drop_network(search: Search, number: int) -> None:
    """Remove a trial's model unless it is the best so far; its experiment and seed can reproduce it.

    A process removes only models of its own, so the best of all is kept while others do the same.
    """
    best = next(iter(search.ranking), None)
    if not (best and best.number == number):
        search.drop_network(number)


# A trial that was killed once is tried once more; one that is killed again may be the cause.
_ATTEMPTS = 2


def next_trial(search: Search, wanted: int) -> optuna.Trial | None:
    """Begin the next trial: one that was queued again, or one that the sampler proposes.

    The proposal depends on the search's seed, on how many trials have ended or are running, and on their metrics. So a
    search that is stopped and continued proposes the same trials as one that is not, as long as one process works on
    it.

    Args:
        search: The search.
        wanted: Number of trials that shall count, over all workers.

    Returns:
        A trial with its parameters and a heartbeat of this process; None where enough have ended or are running.
    """
    with shared_lock(search.path / "queue"):
        requeue_lost(search)
        before = count(search)
        if before >= wanted:
            return None
        search.study.sampler = _sampler(search, before)
        trial = search.study.ask()
        search.heartbeats.start(trial.number)
        search.space.suggest(trial)
        return trial


def count(search: Search, *, with_running: bool = True) -> int:
    """Count the trials that have ended, and those that are running."""
    running = sum(trial.outcome == "running" for trial in search.trials) if with_running else 0
    return len(search.ended) + running


def requeue_lost(search: Search) -> None:
    """Queue the running trials whose process has exited again. To be called with the lock on ``queue``."""
    for trial in search.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if search.heartbeats.is_lost(trial.number):
            requeue(search, trial, "lost", "its process was killed")
            search.heartbeats.stop(trial.number)
            search.drop_network(trial.number)
            if run := search.run_of(trial.number):
                run.save_status("failed", "its process was killed")


def requeue(search: Search, trial: FrozenTrial | optuna.Trial, outcome: str, reason: str) -> None:
    """End a trial and queue its parameters again. To be called with the lock on ``queue``.

    Queued first and ended afterwards: a process that is killed between the two leaves a trial that looks lost, and its
    parameters are found in the queue.

    Args:
        search: The search.
        trial: The trial.
        outcome: ``lost`` or ``interrupted``.
        reason: Reason to record.
    """
    attempt = trial.user_attrs.get("attempt", 1)
    if attempt >= _ATTEMPTS and outcome == "lost":
        end(search, trial, TrialState.FAIL, outcome="failed", reason=f"{reason}, twice")
        return
    queued = {other.user_attrs.get("again") for other in search.study.get_trials(deepcopy=False)}
    if trial.number not in queued:
        attempt += outcome == "lost"
        search.study.enqueue_trial(dict(trial.params), user_attrs={"again": trial.number, "attempt": attempt})
    end(search, trial, TrialState.FAIL, outcome=outcome, reason=reason)


def end(
    search: Search,
    trial: FrozenTrial | optuna.Trial,
    state: TrialState,
    *,
    outcome: str,
    value: float | None = None,
    reason: str = "",
    seconds: float = 0.0,
) -> None:
    """Record the outcome of a trial, unless another process has queued it again meanwhile."""
    ended = {"outcome": outcome, "reason": reason, "seconds": round(seconds, 3)}
    with suppress(UpdateFinishedTrialError):
        search.note(trial.number, "ended", ended)
        search.study.tell(trial.number, value, state=state, skip_if_finished=True)


def _sampler(search: Search, number: int) -> optuna.samplers.TPESampler:
    """Return the sampler for one trial, seeded so that no two processes draw the same numbers."""
    seed = int(search.space.document.values.get("seed", 0))
    conditional = any(parameter.conditions for parameter in search.space.parameters)
    drawn = np.random.SeedSequence([seed, number]).generate_state(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # groups are
        return optuna.samplers.TPESampler(
            seed=int(drawn[0]), multivariate=True, group=conditional, constant_liar=True, n_startup_trials=10
        )
