"""Whether every choice of a search can be trained, found out before any is."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import Interrupted, InvalidSetting, TrainingStopped
from unrolled.model.build import build_network, check_components
from unrolled.reports.search import write_search_report
from unrolled.searching.folder import METRICS, Search, Trial
from unrolled.searching.formatting import SearchProgress
from unrolled.searching.queue import shared_lock
from unrolled.searching.space import SearchSpace
from unrolled.searching.worker import WorkerPool, count, requeue_lost
from unrolled.storage import write_text
from unrolled.tasks.base import choose_examples
from unrolled.training.processes import StopRequest, stop_on_signals
from unrolled.training.progress import Progress, choose_progress
from unrolled.training.trainer import measure


def default_metric(space: SearchSpace) -> str:
    """What trials are compared by unless somebody says otherwise."""
    first = ExperimentConfig.parse(space.resolve(next(iter(space.one_at_a_time()))))
    return "val_accuracy" if first.task == "classify" else "val_loss"


def check_experiments(space: SearchSpace, metric: str = "val_accuracy") -> None:
    """Make the layers and the optimizer of each choice, one choice changed at a time, and build one network.

    A pair of choices that do not fit together is found when a trial picks it; it does not end the search.

    Args:
        space: What is searched.
        metric: What the trials are to be compared by.

    Raises:
        InvalidSetting: A choice has a wrong name or argument, nothing is held out to compare by, or no network of
            those tried can be built; the message names the line.
        DataError: The data cannot be loaded.
    """
    experiments: list[ExperimentConfig] = []
    for params in space.one_at_a_time():
        experiment = ExperimentConfig.parse(space.resolve(params))
        first = experiments[0] if experiments else experiment
        _check_validation(experiment, first)
        _check_metric(experiment, first, metric)
        check_components(experiment)
        experiments.append(experiment)
    data = experiments[0].load_data()
    refusal: InvalidSetting | None = None
    for experiment in experiments:
        try:
            build_network(experiment, data)
        except InvalidSetting as refused:
            refusal = refusal or refused
        else:
            return
    assert refusal is not None
    raise refusal


def _check_validation(experiment: ExperimentConfig, first: ExperimentConfig) -> None:
    validation = experiment.training.validation
    where = experiment.where("training", "validation")
    if not experiment.training.holds_out:
        reason = " (choosing by the test set makes its accuracy meaningless)" if validation == "test" else ""
        raise InvalidSetting(
            f"{where}: expected a fraction of the training examples to compare trials by, got {validation}{reason}. "
            "Set validation: 0.1"
        )
    if validation != first.training.validation:
        raise InvalidSetting(
            f"{where}: expected the same validation examples for all trials, got another fraction for some. "
            "Search something else."
        )


def _check_metric(experiment: ExperimentConfig, first: ExperimentConfig, metric: str) -> None:
    training = experiment.training
    names = ", ".join(component.name for component in training.metrics)
    if metric == "val_accuracy" and "accuracy" not in (component.name for component in training.metrics):
        raise InvalidSetting(
            f"{experiment.where('training', 'metrics')}: expected accuracy among the metrics to compare trials by, "
            f"got {names or 'none'}. Add it, or compare by the loss: --metric val_loss"
        )
    if metric == "val_loss" and training.loss != first.training.loss:
        raise InvalidSetting(
            f"{experiment.where('training', 'loss')}: expected the same loss for all trials that are compared by it, "
            "got another one for some. Compare by the accuracy: --metric val_accuracy"
        )


DEFAULT_TRIALS = 40

_SECONDS_BETWEEN_LOOKS = 0.3
_CONCLUSION = "conclusion"


def search(
    experiment: str | Path | Mapping[str, Any] | ExperimentConfig,
    *,
    trials: int | None = None,
    jobs: int = 1,
    metric: str | None = None,
    prunes: bool = True,
    overrides: Sequence[str] = (),
    name: str | None = None,
    seed: int | None = None,
    runs: str | Path = "runs",
    quiet: bool = False,
) -> Search:
    """Search the settings for which an experiment says ``{search: ...}``, or continue or join a search.

    Trials are compared by examples held out from the training set. The best one's network is measured on the test
    set when all trials have ended; a search that is continued measures again only if it has found a better one.

    Args:
        experiment: An experiment as ``train`` takes it, with searches in it, or a search folder to continue or join.
        trials: How many shall end in all; 40, or as many as the search was begun with.
        jobs: How many are trained at once, each in a process of its own.
        metric: ``val_accuracy``, the default where classes are told, or ``val_loss``.
        prunes: Whether to end trials early that are behind half of the others.
        overrides: Changes to single settings, as in ``["network.1.LSTM.units={search: [32, 64]}"]``.
        name: Names the search folder; otherwise the experiment does.
        seed: Replaces the experiment's seed, which also decides what is tried.
        runs: Where to make the search folder.
        quiet: Whether to print nothing.

    Returns:
        The search: its ``trials``, ``best`` and ``importance``.

    Raises:
        InvalidSetting: The experiment or a choice in it says something that cannot be; nothing was trained.
        DataError: Its data cannot be loaded; nothing was trained.
        RunError: There is no search in the folder.
        TrainingStopped: No trial finished, or what trains them failed.
        Interrupted: Ctrl-C or SIGTERM; ``search`` with the folder goes on.
        WriteError: The search folder cannot be written.

    Example::

        search = unrolled.search("digits.yaml", trials=20, overrides=["network.1.GRU.units={search: [32, 64]}"])
        print(search.best.value, search.best.picked)
    """
    with stop_on_signals() as request:
        found = find_search(
            experiment,
            trials=trials,
            metric=metric,
            prunes=prunes,
            overrides=overrides,
            name=name,
            seed=seed,
            runs=Path(runs),
        )
        return run_search(found, jobs, choose_progress(quiet=quiet), request)


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
    """The search in a folder, or a new one, checked; the arguments and errors are as in ``search``."""
    if isinstance(experiment, str | Path) and Path(experiment).is_dir():
        found = Search.open(experiment)
        _refuse_changes(found, overrides=overrides, name=name, seed=seed, metric=metric, prunes=prunes)
        if trials is not None:
            found.change(trials=trials)
        return found
    if metric is not None and metric not in METRICS:
        raise InvalidSetting(f'search: expected the metric {" or ".join(METRICS)}, got "{metric}". Change it.')
    space = SearchSpace(ExperimentConfig.read_document(experiment, overrides=overrides, name=name, seed=seed))
    metric = metric or default_metric(space)
    check_experiments(space, metric)
    return Search.create(space.document, runs, trials=trials or DEFAULT_TRIALS, metric=metric, prunes=prunes)


def run_search(search: Search, jobs: int, progress: Progress, request: StopRequest) -> Search:
    """Train the trials that are still wanted, and conclude; the rest is as in ``search``."""
    wanted = int(search.settings["trials"])
    progress.log(f"{search.path.name}: {len(search.ended)} of {wanted} trials, by {search.metric}")
    news = SearchProgress(search, progress)
    try:
        while (ended := _ended(search)) < wanted:
            if count(search) < wanted:
                _train_trials(search, wanted, min(jobs, wanted - ended), news, request)
            else:  # the rest is under way elsewhere
                news.tell()
                _wait(search, request)
        news.tell()
        while not _may_conclude(search):
            _wait(search, request)
        with search.leases.renewing(_CONCLUSION, lambda: None):
            finalize(search, progress)
    except Interrupted as interrupted:
        interrupted.run = search.path
        raise
    return search


def _train_trials(search: Search, wanted: int, jobs: int, news: "SearchProgress", request: StopRequest) -> None:
    """Let processes train until all of them have ended."""
    before = len(search.trials)
    crew = WorkerPool(search.path, wanted, jobs)
    try:
        while crew.works() and crew.failure() is None:
            news.tell()
            _wait(search, request)
        failure, killed_by = crew.failure(), crew.killed_by()
    finally:
        crew.stop()
    news.tell()
    _answer(search, request)
    if failure:
        failure.run = search.path
        raise failure
    if killed_by and len(search.trials) == before:
        raise TrainingStopped(
            f"search: {search.path}: expected processes that train, got all of them ended by {killed_by}. "
            f"Go on with: unrolled search {search.path}",
            run=search.path,
        )


def finalize(search: Search, progress: Progress) -> None:
    """Write down the best experiment, measure its network unless that has been done, and write the report.

    One process at a time does.

    Raises:
        TrainingStopped: No trial finished.
        WriteError: The folder cannot be written.
    """
    best = search.best
    _write_best(search, best)
    _measure_once(search, best, progress)
    write_search_report(search)
    progress.log(f"report {search.path / 'search.html'}")


def _ended(search: Search) -> int:
    """How many trials have ended, once those of dead processes are given back."""
    with shared_lock(search.path / "claim"):
        requeue_lost(search)
    return count(search, under_way=False)


def _may_conclude(search: Search) -> bool:
    """Whether this process is the one to conclude, of all that have found the search at its end."""
    with shared_lock(search.path / "claim"):
        if not search.leases.is_given_up(_CONCLUSION):
            return False
        search.leases.take(_CONCLUSION)
        return True


def _wait(search: Search, request: StopRequest) -> None:
    _answer(search, request)
    time.sleep(_SECONDS_BETWEEN_LOOKS)


def _answer(search: Search, request: StopRequest) -> None:
    if request.signal_number is not None:
        ended, wanted = len(search.ended), search.settings["trials"]
        request.raise_if_requested(
            f"search: interrupted after {ended} of {wanted} trials; go on with: unrolled search {search.path}"
        )


def _write_best(search: Search, best: Trial) -> None:
    figure = f"{search.metric} {best.value:.4f}: trial {best.number} of {len(search.ended)} in {search.path.name}"
    write_text(search.path / "best.yaml", f"# {figure}\n{search.experiment(best.params).to_yaml()}")


def _measure_once(search: Search, best: Trial, progress: Progress) -> None:
    """Measure the network that the best trial kept; each look at the test set is written into ``search.json``."""
    measured = search.settings["test_measurements"]
    if any(look["trial"] == best.number for look in measured):
        return
    run = search.run_of(best.number)
    assert run is not None, "a trial that finished has a run"
    if not (run.path / "evaluation.json").exists():
        data = run.config.load_data()
        measure(run.model, data, choose_examples(data, run.config), run, progress)
    look = {
        "trial": best.number,
        "trials": len(search.ended),
        "headline": run.evaluation.headline,
        **run.evaluation.scores,
    }
    search.change(test_measurements=[*measured, look])


def _refuse_changes(
    search: Search, *, overrides: Sequence[str], name: str | None, seed: int | None, metric: str | None, prunes: bool
) -> None:
    """A search that goes on is the same search."""
    changes = {
        "--set": bool(overrides),
        "--name": name is not None,
        "--seed": seed is not None,
        "--metric": metric not in (None, search.metric),
        "--no-pruning": search.settings["prunes"] and not prunes,
    }
    if changed := next((option for option, changes_it in changes.items() if changes_it), None):
        raise InvalidSetting(
            f"{search.path}: expected a search to go on as it was begun, got {changed}. Begin a new one with it."
        )
