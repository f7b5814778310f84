"""The training of one trial."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import Interrupted, InvalidSetting, Pruned, TrainingStopped, UnrolledError
from unrolled.searching.folder import Search
from unrolled.searching.queue import shared_lock
from unrolled.training.checkpoints import FOLDER
from unrolled.training.processes import StopRequest, split_cores, unrolled_command, worker_environment
from unrolled.training.progress import Progress
from unrolled.training.trainer import train_experiment

import keras
import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState


def train_trial(search: Search, trial: optuna.Trial, request: StopRequest) -> float:
    """Train what a trial picked, without a look at the test set.

    Returns:
        The metric of the epoch whose weights were kept.

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


Train = Callable[[Search, optuna.Trial, StopRequest], float]


def work(search: Search, wanted: int, request: StopRequest, train: Train) -> None:
    """Train trials until ``wanted`` have ended or are under way, here or elsewhere.

    Args:
        search: What to work on.
        wanted: How many trials shall end, over all who work on it.
        request: Where a signal shows; it also ends this when the process that started this one has ended.
        train: Gives the metric of a trial.

    Raises:
        Interrupted: Somebody asked for a stop; the trial under way was given back.
        UnrolledError: Something that no other values would change: the data is gone, the disk is full.
    """
    parent = os.getppid()

    def stop_if_orphaned() -> None:
        if os.getppid() != parent:
            request.receive(signal.SIGTERM, None)

    message = f"search: {search.path}: interrupted"
    request.raise_if_requested(message)
    while (trial := claim(search, wanted)) is not None:
        with search.leases.renewing(trial.number, stop_if_orphaned):
            attempt(search, trial, request, train)
        _drop_network(search, trial.number)
        stop_if_orphaned()
        request.raise_if_requested(message)


def attempt(search: Search, trial: optuna.Trial, request: StopRequest, train: Train) -> None:
    """Train a trial and write down what came of it; the rest is as in ``work``."""
    if (value := _known_value(search, trial)) is not None:
        end(search, trial, TrialState.COMPLETE, outcome="repeated", value=value)
        return
    began = time.perf_counter()
    try:
        value = train(search, trial, request)
    except UpdateFinishedTrialError:
        return  # somebody took this process for dead, and has given the trial back
    except (TrainingStopped, InvalidSetting) as stopped:
        if isinstance(stopped, Interrupted):
            _give_back(search, trial)
            raise
        outcome = stopped.status if isinstance(stopped, TrainingStopped) else "refused"
        # The sampler learns from pruned trials to stay away, and ignores failed ones.
        seconds = time.perf_counter() - began
        end(search, trial, TrialState.PRUNED, outcome=outcome, reason=str(stopped), seconds=seconds)
    except UnrolledError:
        _give_back(search, trial)
        raise
    except Exception as error:
        end(search, trial, TrialState.FAIL, outcome="failed", reason=f"{type(error).__name__}: {error}")
    else:
        seconds = time.perf_counter() - began
        end(search, trial, TrialState.COMPLETE, outcome="finished", value=value, seconds=seconds)


def _known_value(search: Search, trial: optuna.Trial) -> float | None:
    """What the same values gave before: a seed decides all the rest."""
    same = (known for known in search.ranking if known.params == trial.params)
    return next((known.value for known in same), None)


def _give_back(search: Search, trial: optuna.Trial) -> None:
    with shared_lock(search.path / "claim"):
        requeue(search, trial, "interrupted", "the search was interrupted")
    _drop_network(search, trial.number)


def _drop_network(search: Search, number: int) -> None:
    """Remove the trained network unless it is the best so far; its experiment and seed give it again.

    No network but one's own is removed, so the best of all is kept whatever others do at the same time.
    """
    best = next(iter(search.ranking), None)
    if not (best and best.number == number):
        search.drop_network(number)


_SECONDS_TO_STOP = 60
# A process that answers a signal ends with this and the signal's number.
_SIGNALLED = 128


class WorkerPool:
    """Processes that each train one trial after another, on cores of their own.

    Args:
        folder: Of the search.
        wanted: How many trials shall end, over all who work on it.
        jobs: How many processes.
    """

    def __init__(self, folder: Path, wanted: int, jobs: int):
        command = unrolled_command("search", str(folder), "--trials", str(wanted), "--worker")
        # What they say goes to a file: a pipe that nobody reads would stop them.
        self.said: list[IO[str]] = [tempfile.TemporaryFile("w+") for _ in range(jobs)]  # noqa: SIM115 - closed by stop
        self.processes = [
            subprocess.Popen(
                command, env=worker_environment(jobs), stdin=subprocess.DEVNULL, stdout=said, stderr=said, text=True
            )
            for said in self.said
        ]
        for process, cores in zip(self.processes, split_cores(os.sched_getaffinity(0), jobs), strict=True):
            with suppress(ProcessLookupError):  # it has ended already
                os.sched_setaffinity(process.pid, cores)

    def works(self) -> bool:
        """Whether any of them still does."""
        return any(process.poll() is None for process in self.processes)

    def failure(self) -> TrainingStopped | None:
        """The error of the first that ended with one of its own; to be stopped or killed is none."""
        for process, said in zip(self.processes, self.said, strict=True):
            if 0 < (process.poll() or 0) < _SIGNALLED:
                said.seek(0)
                lines = said.read().strip().splitlines()
                return TrainingStopped(lines[-1] if lines else f"search: a process ended with {process.returncode}.")
        return None

    def killed_by(self) -> str:
        """The signals that ended some of them, spelled out; or nothing."""
        codes = {process.poll() or 0 for process in self.processes}
        numbers = sorted(-code if code < 0 else code - _SIGNALLED for code in codes if not 0 <= code <= _SIGNALLED)
        return ", ".join(signal.Signals(number).name for number in numbers)

    def stop(self) -> None:
        """Ask all of them to stop after the batch under way, and wait until they have."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(_SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for said in self.said:
            said.close()


# A trial that was killed once is tried once more; one that is killed again may be what kills.
_ATTEMPTS = 2


def claim(search: Search, wanted: int) -> optuna.Trial | None:
    """Begin the next trial: one that was given back, or what the sampler proposes.

    What is proposed depends on the search's seed, how many trials have ended or are under way, and what they gave, so a
    search that is stopped and continued goes the same way as one that is not, as long as one process works on it.

    Args:
        search: What to work on.
        wanted: How many trials shall end, over all who work on it.

    Returns:
        A trial with a value for each parameter and a lease of this process, or None where enough have ended or are
        under way.
    """
    with shared_lock(search.path / "claim"):
        requeue_lost(search)
        before = count(search)
        if before >= wanted:
            return None
        search.study.sampler = _sampler(search, before)
        trial = search.study.ask()
        search.leases.take(trial.number)
        search.space.suggest(trial)
        return trial


def count(search: Search, *, under_way: bool = True) -> int:
    """How many trials have ended for good, and how many are ``under_way``."""
    running = sum(trial.outcome == "running" for trial in search.trials) if under_way else 0
    return len(search.ended) + running


def requeue_lost(search: Search) -> None:
    """Give back each trial whose holder is gone; hold the lock on ``claim`` meanwhile."""
    for trial in search.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if search.leases.is_given_up(trial.number):
            requeue(search, trial, "lost", "its process was killed")
            search.leases.release(trial.number)
            search.drop_network(trial.number)
            if run := search.run_of(trial.number):
                run.save_status("failed", "its process was killed")


def requeue(search: Search, trial: FrozenTrial | optuna.Trial, outcome: str, reason: str) -> None:
    """End a trial that is not to blame, and queue its values again; hold the lock on ``claim`` meanwhile.

    Queued first and ended afterwards: whoever is killed between the two leaves a trial that looks lost, and its
    values are found in the queue.
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
    """Write down what came of a trial, unless somebody else has given it back meanwhile."""
    ended = {"outcome": outcome, "reason": reason, "seconds": round(seconds, 3)}
    with suppress(UpdateFinishedTrialError):
        search.note(trial.number, "ended", ended)
        search.study.tell(trial.number, value, state=state, skip_if_finished=True)


def _sampler(search: Search, number: int) -> optuna.samplers.TPESampler:
    """The sampler for one trial, so that no two processes draw the same numbers."""
    seed = int(search.space.document.values.get("seed", 0))
    conditional = any(parameter.conditions for parameter in search.space.parameters)
    drawn = np.random.SeedSequence([seed, number]).generate_state(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # groups are
        return optuna.samplers.TPESampler(
            seed=int(drawn[0]), multivariate=True, group=conditional, constant_liar=True, n_startup_trials=10
        )
