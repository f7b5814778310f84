"""Search of hyperparameters: checked first, then trained by a pool of workers, and finalized."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import Interrupted, InvalidSetting, TrainingStopped
from unrolled.model.build import build_model, check_config, check_memory, resolve
from unrolled.searching.folder import METRICS, Search, SearchProgress, Trial
from unrolled.searching.queue import shared_lock
from unrolled.searching.space import SearchSpace
from unrolled.searching.worker import count, requeue_lost
from unrolled.storage import write_text
from unrolled.tasks.registry import load_task, task_type
from unrolled.training.processes import (
    Finished,
    StopRequest,
    WorkerPool,
    ending_signal,
    unrolled_command,
)
from unrolled.training.progress import Progress
from unrolled.training.trainer import evaluate_run


def default_metric(space: SearchSpace) -> str:
    """Return the metric by which trials are compared by default."""
    first = ExperimentConfig.parse(space.resolve(next(iter(space.one_at_a_time()))))
    return task_type(first).search_metric


def check_experiments(space: SearchSpace, metric: str = "val_accuracy") -> None:
    """Make the layers and the optimizer of each choice, one choice changed at a time, and build one network.

    Two choices that do not fit together are found by the trial that has them; they do not end the search.

    Args:
        space: The search space.
        metric: Metric by which trials are compared.

    Raises:
        InvalidSetting: A choice has a wrong name or argument, there are no validation examples, or none of the networks
            can be built; the message names the line.
        DataError: The data cannot be loaded.
    """
    experiments: list[ExperimentConfig] = []
    for params in space.one_at_a_time():
        experiment = ExperimentConfig.parse(space.resolve(params))
        experiment = task_type(experiment).with_defaults(experiment)
        first = experiments[0] if experiments else experiment
        _check_validation(experiment, first)
        _check_metric(experiment, first, metric)
        check_config(experiment)
        experiments.append(experiment)
    first_error: InvalidSetting | None = None
    for experiment in experiments:
        try:
            task = load_task(experiment)
            resolved = resolve(experiment, task)
            check_memory(resolved, task)
            build_model(resolved, task)
        except InvalidSetting as error:
            first_error = first_error or error
        else:
            return
    assert first_error is not None
    raise first_error


def _check_validation(experiment: ExperimentConfig, first: ExperimentConfig) -> None:
    validation = experiment.training.validation
    where = experiment.where("training", "validation")
    if not experiment.training.has_validation_split:
        reason = " (choosing by the test set makes its accuracy meaningless)" if validation == "test" else ""
        raise InvalidSetting(
            f"{where}: expected a fraction of the training examples to compare trials by, got {validation}{reason}. "
            "Set validation: 0.1"
        )
    if validation != first.training.validation:
        raise InvalidSetting(
            f"{where}: expected the same validation examples for all trials, got another fraction for some. "
            "Set one fraction for all."
        )


def _check_metric(experiment: ExperimentConfig, first: ExperimentConfig, metric: str) -> None:
    training = experiment.training
    names = [component.name for component in training.metrics or ()]
    if metric == "val_accuracy" and "accuracy" not in names:
        raise InvalidSetting(
            f"{experiment.where('training', 'metrics')}: expected accuracy among the metrics to compare trials by, "
            f"got {', '.join(names) or 'none'}. Add it, or compare by the loss: --metric val_loss"
        )
    if metric == "val_loss" and training.loss != first.training.loss:
        raise InvalidSetting(
            f"{experiment.where('training', 'loss')}: expected the same loss for all trials that are compared by it, "
            "got another one for some. Compare by the accuracy: --metric val_accuracy"
        )


DEFAULT_TRIALS = 40

OnFinalized = Callable[[Search], object]

_SECONDS_BETWEEN_POLLS = 0.3
_SECONDS_TO_STOP = 60
# The task of the process that finalizes, among the heartbeats.
_FINALIZE = "finalize"


def find_search(
    experiment: str | Path | Mapping[str, Any] | ExperimentConfig,
    *,
    trials: int | None,
    metric: str | None,
    prunes: bool,
    overrides: Sequence[str],
    name: str | None,
    seed: int | None,
    runs: Path,
) -> Search:
    """Open the search in a folder, or check and create a new one; arguments and errors are those of ``search``."""
    if isinstance(experiment, str | Path) and Path(experiment).is_dir():
        found = Search.open(experiment)
        _check_unchanged(found, overrides=overrides, name=name, seed=seed, metric=metric, prunes=prunes)
        if trials is not None:
            found.change(trials=trials)
        return found
    if metric is not None and metric not in METRICS:
        raise InvalidSetting(f'search: expected the metric {" or ".join(METRICS)}, got "{metric}".')
    space = SearchSpace(ExperimentConfig.read_document(experiment, overrides=overrides, name=name, seed=seed))
    metric = metric or default_metric(space)
    check_experiments(space, metric)
    return Search.create(space.document, runs, trials=trials or DEFAULT_TRIALS, metric=metric, prunes=prunes)


def run_search(
    search: Search, jobs: int, progress: Progress, request: StopRequest, on_finalized: OnFinalized | None = None
) -> Search:
    """Train the trials that are missing, and finalize the search.

    Args:
        search: The search.
        jobs: Number of trials at a time.
        progress: Progress that prints a line for each trial.
        request: Stop request.
        on_finalized: Called with the search when its best trial has been evaluated.

    Raises:
        TrainingStopped: No trial finished, or the workers failed.
        Interrupted: A signal arrived; ``run`` is the search's folder.
        WriteError: The folder cannot be written.
    """
    wanted = int(search.settings["trials"])
    progress.log(f"{search.path.name}: {len(search.ended)} of {wanted} trials, by {search.metric}")
    lines = SearchProgress(search, progress)
    try:
        while (ended := _ended(search)) < wanted:
            if count(search) < wanted:
                _train_trials(search, wanted, min(jobs, wanted - ended), lines, request)
            else:  # the other trials are running elsewhere
                lines.update()
                _wait(search, request)
        lines.update()
        while not _may_finalize(search):
            _wait(search, request)
        with search.heartbeats.beating(_FINALIZE, lambda: None):
            finalize(search, progress, on_finalized)
    except Interrupted as interrupted:
        interrupted.run = search.path
        raise
    return search


def _train_trials(search: Search, wanted: int, jobs: int, lines: SearchProgress, request: StopRequest) -> None:
    """Run workers until all of them have exited.

    A worker that a signal ended is started again as long as trials begin meanwhile; a trial whose worker is ended twice
    is not tried again, so this comes to an end.

    Raises:
        TrainingStopped: A worker failed, or all were ended by signals before a trial began.
        Interrupted: A signal arrived.
    """
    begun = len(search.trials)

    def retry(finished: Finished) -> bool:
        nonlocal begun
        before, begun = begun, len(search.trials)
        return begun > before and request.signal_number is None

    command = unrolled_command("search", str(search.path), "--trials", str(wanted), "--worker")
    finished: list[Finished] = []
    try:
        with WorkerPool(jobs, retry=retry, seconds_to_stop=_SECONDS_TO_STOP) as pool:
            pool.submit([command] * jobs)
            while pool.is_busy:
                lines.update()
                _wait(search, request)
                finished += pool.poll()
                _check_workers(search, finished)
    finally:
        lines.update()
    signals = {signal.name for worker in finished if (signal := ending_signal(worker.returncode))}
    if signals and len(search.trials) == begun and count(search) < wanted:
        raise TrainingStopped(
            f"search: {search.path}: all workers were ended by {', '.join(sorted(signals))}. "
            f"Continue with: unrolled search {search.path}",
            run=search.path,
        )


def _check_workers(search: Search, finished: Sequence[Finished]) -> None:
    """Raise the error of the first worker that exited with one."""
    for worker in finished:
        if worker.returncode and not ending_signal(worker.returncode):
            lines = (worker.stderr or worker.stdout).strip().splitlines()
            message = lines[-1] if lines else f"search: a worker exited with code {worker.returncode}."
            raise TrainingStopped(message, run=search.path)


def finalize(search: Search, progress: Progress, on_finalized: OnFinalized | None = None) -> None:
    """Write the best experiment, evaluate its network on the test set unless that has been done, and report.

    To be called by one process at a time.

    Args:
        search: The search.
        progress: Progress of the evaluation.
        on_finalized: Called with the search at the end, to write the report.

    Raises:
        TrainingStopped: No trial finished.
        WriteError: The folder cannot be written.
    """
    best = search.best
    _write_best(search, best)
    _evaluate_once(search, best, progress)
    if on_finalized:
        on_finalized(search)


def _ended(search: Search) -> int:
    """Queue the trials of dead processes again, and count those that have ended."""
    with shared_lock(search.path / "queue"):
        requeue_lost(search)
    return count(search, with_running=False)


def _may_finalize(search: Search) -> bool:
    """Return True to the first of all processes that have found the search at its end."""
    with shared_lock(search.path / "queue"):
        if not search.heartbeats.is_lost(_FINALIZE):
            return False
        search.heartbeats.start(_FINALIZE)
        return True


def _wait(search: Search, request: StopRequest) -> None:
    _check_request(search, request)
    time.sleep(_SECONDS_BETWEEN_POLLS)
    _check_request(search, request)


def _check_request(search: Search, request: StopRequest) -> None:
    if request.signal_number is not None:
        ended, wanted = len(search.ended), search.settings["trials"]
        request.raise_if_requested(
            f"search: interrupted after {ended} of {wanted} trials. Continue with: unrolled search {search.path}"
        )


def _write_best(search: Search, best: Trial) -> None:
    result = f"{search.metric} {best.value:.4f}: trial {best.number} of {len(search.ended)} in {search.path.name}"
    write_text(search.path / "best.yaml", f"# {result}\n{search.experiment(best.params).to_yaml()}")


def _evaluate_once(search: Search, best: Trial, progress: Progress) -> None:
    """Evaluate the best trial's network on the test set; each evaluation is recorded in ``search.json``."""
    evaluations = search.settings["test_measurements"]
    if any(evaluation["trial"] == best.number for evaluation in evaluations):
        return
    run = search.run_of(best.number)
    assert run is not None, "a trial that finished has a run"
    if not (run.path / "evaluation.json").exists():
        evaluate_run(run, progress)
    evaluation = {
        "trial": best.number,
        "trials": len(search.ended),
        "summary": run.evaluation.summary,
        **run.evaluation.metrics,
    }
    search.change(test_measurements=[*evaluations, evaluation])


def _check_unchanged(
    search: Search, *, overrides: Sequence[str], name: str | None, seed: int | None, metric: str | None, prunes: bool
) -> None:
    """Check that a search is continued with the settings with which it was begun.

    Raises:
        InvalidSetting: An option would change it.
    """
    changes = {
        "--set": bool(overrides),
        "--name": name is not None,
        "--seed": seed is not None,
        "--metric": metric not in (None, search.metric),
        "--no-pruning": search.settings["prunes"] and not prunes,
    }
    if changed := next((option for option, changes_it in changes.items() if changes_it), None):
        raise InvalidSetting(
            f"{search.path}: {changed} cannot change a search that has begun. Begin a new one with it."
        )
