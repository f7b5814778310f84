"""The public functions: each does its work and writes its report."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.data.frames import keep_frames
from unrolled.reports.run import write_missing_report, write_report
from unrolled.runs.forecasts import TableForecast
from unrolled.runs.forecasts import forecast_table as forecast_series_of
from unrolled.runs.run import Run
from unrolled.training.processes import stop_on_signals
from unrolled.training.progress import choose_progress
from unrolled.training.trainer import resume_run, train_experiment

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from unrolled.comparison.backtest import Backtest
    from unrolled.comparison.groups import Group
    from unrolled.searching.folder import Search


def train(
    experiment: str | Path | Mapping[str, Any] | ExperimentConfig = "mnist-rows",
    *,
    seed: int | None = None,
    overrides: Sequence[str] = (),
    runs: str | Path = "runs",
    name: str | None = None,
    quiet: bool = False,
) -> Run:
    """Train an experiment and keep everything in a new run folder.

    Sets the random seeds of Python, NumPy and, if it is the backend, torch.

    Args:
        experiment: A recipe's name, an experiment file, the settings themselves, or an ExperimentConfig. In the
            settings a data frame may stand in place of a file: ``{"data": {"file": frame, "target": "label"}, ...}``.
        seed: Replaces the experiment's seed.
        overrides: Changes of single settings: ``["training.epochs=5", "network.1.LSTM.units=64"]``.
        runs: The folder in which the run folder is made.
        name: Replaces the experiment's name, which names the run folder.
        quiet: True to print nothing.

    Returns:
        The finished run: its ``model``, ``metrics`` and ``evaluation``.

    Raises:
        InvalidSetting: A setting is not possible; nothing was written.
        DataError: The data cannot be loaded; nothing was written.
        Diverged: The loss became NaN or infinite; the run folder keeps the last good weights.
        Interrupted: Ctrl-C or SIGTERM; the run folder keeps the network.
        WriteError: The run folder cannot be written.

    Example::

        run = unrolled.train("mnist-rows", seed=0)
        print(run.evaluation.accuracy)
    """
    experiment = keep_frames(experiment, Path(runs))
    config = ExperimentConfig.load(experiment, overrides=overrides, name=name, seed=seed)
    progress = choose_progress(quiet=quiet)
    progress.announce(config)
    with stop_on_signals() as request:
        run = train_experiment(config, Path(runs), progress, request)
    write_report(run)
    return run


def resume(run: Run | str | Path, *, epochs: int | None = None, quiet: bool = False) -> Run:
    """Continue a training that was killed or interrupted, or that is to take longer.

    Continues at the newest checkpoint: weights, optimizer, metrics, random state and position in the data are those of
    that moment. On the same machine with the same cores the finished weights and metrics are, bit for bit, those of a
    training that was not stopped. A run that was killed before its first checkpoint starts over.

    If a finished run is to take longer, its network, evaluation and report are kept beside the new ones, under names
    such as ``evaluation-3-epochs.json``. A learning rate schedule that is as long as the training becomes longer from
    there; the finished epochs followed the shorter one.

    Args:
        run: The run or its folder.
        epochs: Number of epochs in total, if not as many as the experiment says.
        quiet: True to print nothing.

    Raises:
        RunError: There is no run, another process trains it, or its data or settings have changed.
        InvalidSetting: More epochs are finished already.
        Diverged: The loss became NaN or infinite; the run folder keeps the last good weights.
        Interrupted: Ctrl-C or SIGTERM; the run folder keeps the network.
        WriteError: The run folder cannot be written.
    """
    progress = choose_progress(quiet=quiet)
    with stop_on_signals() as request:
        run = resume_run(run if isinstance(run, Run) else Run.open(run), epochs, progress, request)
    write_missing_report(run)
    return run


def generate(
    run: Run,
    prompt: str,
    *,
    length: int = 400,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """Generate a text after a prompt, token by token.

    The recurrent layers keep their states between tokens, so that every token costs the same.

    ::

        p_i = exp(l_i / temperature) / sum_j exp(l_j / temperature)

    Args:
        run: A network that was trained to generate.
        prompt: The text that the network reads first.
        length: Number of tokens to generate.
        temperature: Below 1 more conservative, above 1 more random; 0 takes the most probable token each time.
        top_k: Sample among this many most probable tokens only.
        top_p: Sample among the most probable tokens only whose probabilities add up to this share.
        seed: Decides the samples.

    Yields:
        The text of one token at a time; words with the space before them.

    Raises:
        InvalidInput: The network was trained for another task or is bidirectional, the prompt is empty, or an argument
            is out of range.
    """
    options = {"length": length, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    return run.task.generate(run.model, prompt, **options)


def forecast(
    run: Run,
    series: ArrayLike,
    steps: int | None = None,
    *,
    future: ArrayLike | None = None,
    quantiles: bool = False,
) -> NDArray[np.floating[Any]]:
    """Forecast the values after the end of a series; beyond its horizon the network reads its own forecasts.

    Args:
        run: A network that was trained to forecast.
        series: [T, F] past values, or [T] of one channel; at least as many steps as the network's window. Columns that
            the network reads and does not forecast come behind the others: first ``past``, then ``known``, then the
            channels of ``calendar``.
        steps: Number of steps to forecast; the horizon if left out.
        future: [steps, known channels] the values of ``known`` and ``calendar`` at the steps to forecast.
        quantiles: True to return each of ``forecast.quantiles``.

    Returns:
        [steps, targets] in the units of the data, of quantiles the median; or [steps, targets, quantiles].

    Raises:
        InvalidInput: The network was trained for another task, the series is too short or has other channels, or what
            is known of the future is missing.
    """
    return run.task.forecast(run.model, series, steps, future, quantiles=quantiles)


def forecast_table(
    run: Run, table: str | Path, steps: int | None = None, *, future: str | Path | None = None
) -> TableForecast:
    """Forecast each series in a table, with the dates of the steps.

    Args:
        run: A network that was trained to forecast.
        table: A file with the columns of the training table. Rows after the last value of a series give what is known
            of the steps to forecast.
        steps: Number of steps to forecast; the horizon if left out.
        future: A file that gives it instead.

    Returns:
        The forecasts: ``rows`` has one for each series and step.

    Raises:
        DataError: A table is damaged, or a column or the value of one that is known ahead is missing.
        InvalidInput: The network was trained for another task, or no series can be forecast.
    """
    return forecast_series_of(run, Path(table), steps, None if future is None else Path(future))


def backtest(
    run: Run,
    folds: int = 5,
    *,
    step: int | None = None,
    refit: bool = False,
    methods: Sequence[str] | None = None,
    quiet: bool = False,
) -> "Backtest":
    """Forecast each series from several moments of the past, and compare with simple and statistical methods.

    The moments are ``step`` steps apart, the last one a horizon before the end of each series. If the run was trained
    on steps that are to be forecast, its experiment is trained again without them, in its folder ``backtest``. The
    statistical methods read each series up to the moment.

    Args:
        run: A network that was trained to forecast; its data must still be there.
        folds: Number of moments.
        step: Number of steps between two of them; the horizon if left out.
        refit: True to train a network for each moment, on all that was before it.
        methods: Among ``naive``, ``ets`` (AutoETS) and ``theta`` (AutoTheta); all that are installed if left out.
        quiet: True to print nothing while networks are trained.

    Returns:
        The metrics of each method in all (``methods``) and by series (``by_series``), and ``rows`` with all forecasts.

    Raises:
        InvalidInput: The network was trained for another task, a method is unknown or not installed, or every window
            has a gap.
        DataError: The data cannot be loaded.

    References:
        Tashman, "Out-of-sample tests of forecasting accuracy", 2000; Hyndman and Athanasopoulos, "Forecasting:
        Principles and Practice", section 5.10.
    """
    from unrolled.comparison.backtest import run_backtest

    with stop_on_signals() as request:
        progress = choose_progress(quiet=quiet)
        return run_backtest(run, progress, request, folds=folds, step=step, refit=refit, methods=methods)


def repeat(
    experiment: "str | Path | Mapping[str, Any] | ExperimentConfig | Group" = "mnist-rows",
    *,
    seeds: int | Sequence[int] | None = None,
    jobs: int = 1,
    overrides: Sequence[str] = (),
    runs: str | Path = "runs",
    name: str | None = None,
    quiet: bool = False,
) -> "Group":
    """Train an experiment with several seeds, or continue a group of such runs.

    Args:
        experiment: Recipe's name, experiment file, mapping or ExperimentConfig for a new group; a Group or its folder
            to continue it.
        seeds: List of seeds, or their number, counted from the experiment's own seed. Default: 5 for a new group. A
            group that is continued gets those that it lacks.
        jobs: Number of trainings at a time, each in a process and on cores of its own.
        overrides: Settings to override in a new group, such as ``["training.epochs=5"]``.
        runs: Folder in which the group's folder is made.
        name: Name of a new group and of its runs.
        quiet: Print nothing.

    Returns:
        The group, whose seeds have all finished.

    Raises:
        InvalidSetting: A setting or a seed is invalid; nothing was written.
        DataError: The data cannot be loaded; nothing was written.
        TrainingStopped: Some seeds failed; the message names them. The others were trained.
        Interrupted: Ctrl-C or SIGTERM; the group can be continued.
        WriteError: The group's folder cannot be written.

    Example::

        group = unrolled.repeat("mnist-rows", seeds=5, jobs=2)
        print(unrolled.compare(group).arms[0].estimate("accuracy"))
    """
    from unrolled.comparison.replicate import repeat_experiment

    with stop_on_signals() as request:
        return repeat_experiment(
            keep_frames(experiment, Path(runs)),
            request,
            seeds=seeds,
            jobs=jobs,
            overrides=overrides,
            runs=Path(runs),
            name=name,
            quiet=quiet,
            on_trained=write_report,
        )


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
) -> "Search":
    """Search the values of the settings that an experiment has as ``{search: ...}``; or continue or join a search.

    Trials are compared on validation examples, which are taken from the training set. When all trials have ended, the
    network of the best one is evaluated on the test set. A search that is continued evaluates again only if it has
    found a better one.

    Args:
        experiment: Experiment as for ``train``, with searches in it; or a search folder to continue or join.
        trials: Number of trials in all. Default: 40, or the number with which the search was begun.
        jobs: Number of trials at a time, each in a process of its own.
        metric: ``val_accuracy``, the default of a classification, or ``val_loss``.
        prunes: End trials early that are behind the median of the others.
        overrides: Settings to override, such as ``["network.1.LSTM.units={search: [32, 64]}"]``.
        name: Name of the search folder. Default: the experiment's.
        seed: Seed instead of the experiment's, which also decides the proposed values.
        runs: Folder in which the search folder is made.
        quiet: Print nothing.

    Returns:
        The search: its ``trials``, ``best`` and ``importance``.

    Raises:
        InvalidSetting: The experiment or a choice in it is invalid; nothing was trained.
        DataError: The data cannot be loaded; nothing was trained.
        RunError: There is no search in the folder.
        TrainingStopped: No trial finished, or the workers failed.
        Interrupted: Ctrl-C or SIGTERM; ``search`` with the folder continues.
        WriteError: The search folder cannot be written.

    Example::

        search = unrolled.search("digits.yaml", trials=20, overrides=["network.1.GRU.units={search: [32, 64]}"])
        print(search.best.value, search.best.params)
    """
    from unrolled.reports.search import write_search_report
    from unrolled.searching.search import find_search, run_search

    with stop_on_signals() as request:
        found = find_search(
            keep_frames(experiment, Path(runs)),
            trials=trials,
            metric=metric,
            prunes=prunes,
            overrides=overrides,
            name=name,
            seed=seed,
            runs=Path(runs),
        )
        return run_search(found, jobs, choose_progress(quiet=quiet), request, write_search_report)
