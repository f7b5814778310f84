"""Backtests: a network's forecasts from several moments of the past, beside those of simple and statistical methods."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.data.dataset import Split
from unrolled.data.ragged import objects
from unrolled.errors import InvalidInput
from unrolled.runs.run import Run
from unrolled.tasks.forecasting import Forecasting
from unrolled.tasks.last_season import fill_gaps
from unrolled.tasks.quantiles import MEDIAN
from unrolled.tasks.windows import window_begins
from unrolled.training.processes import StopRequest
from unrolled.training.progress import Progress
from unrolled.training.trainer import train_experiment

import numpy as np
from numpy.typing import NDArray

NETWORK = "this network"
NAIVE = "naive"
STATISTICAL = {"ets": "AutoETS", "theta": "AutoTheta"}
"""The classes of statsforecast by the names of methods."""
METHODS = (NAIVE, *STATISTICAL)
FOLDER = "backtest"
"""The folder within a run with the networks that were trained for its backtests."""
# As many passed seasons as exponential smoothing needs, and no more than it can read in a second or two.
_MOST_STEPS_READ = 2_000
_LONGEST_SEASON_OF_ETS = 24


@dataclass(frozen=True)
class Backtest:
    """The forecasts of several methods from the same moments of the past.

    Attributes:
        folds: Number of moments.
        step: Number of steps between two of them.
        horizon: Number of steps forecast from each.
        refit: True if each moment had a network trained on what was before it.
        quantiles: The quantiles, if any.
        methods: The metrics of each method, over all series and moments.
        by_series: For each series by name, the metrics of each method.
        notes: Remarks for the user.
        rows: A row for each series, moment and step: ``fold``, the time, the value, and the forecast of each method.
    """

    folds: int
    step: int
    horizon: int
    refit: bool
    quantiles: tuple[float, ...]
    methods: Mapping[str, Mapping[str, float]]
    by_series: Mapping[str, Mapping[str, Mapping[str, float]]]
    notes: tuple[str, ...] = ()
    rows: Sequence[Mapping[str, Any]] = field(default=(), repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return all but the rows, as JSON."""
        return {key: value for key, value in asdict(self).items() if key != "rows"}


@dataclass(frozen=True)
class _Windows:
    """Windows of a rolling origin.

    Attributes:
        split: [B] windows, and as targets the index of the series of each.
        origins: [B] the first step of each to forecast, an index of its whole series.
        folds: [B] the number of the moment of each, from 0.
    """

    split: Split
    origins: NDArray[np.int64]
    folds: NDArray[np.int64]

    @property
    def owners(self) -> NDArray[np.int64]:
        owners: NDArray[np.int64] = self.split.targets
        return owners

    def select(self, chosen: NDArray[Any]) -> "_Windows":
        inputs, owners = self.split.select(chosen)
        return _Windows(Split(inputs, owners), self.origins[chosen], self.folds[chosen])


def run_backtest(
    run: Run,
    progress: Progress,
    request: StopRequest,
    *,
    folds: int,
    step: int | None,
    refit: bool,
    methods: Sequence[str] | None,
) -> Backtest:
    """Forecast from several moments of the past under the caller's stop request; see ``unrolled.backtest``."""
    if not isinstance(run.task, Forecasting):
        raise InvalidInput(f"backtest: the network was trained to {run.task.name}, not to forecast. Name another run.")
    chosen = _choose_methods(methods)
    step = run.task.settings.horizon if step is None else step
    if folds < 1 or step < 1:
        raise InvalidInput(f"backtest: expected at least one fold and step, got {folds} and {step}.")

    first, notes = _first_run(run, folds, step, progress, request, refit=refit)
    task = first.task
    assert isinstance(task, Forecasting)
    windows = _rolling_windows(task, folds, step)
    after = task.targets_of(windows.split)[1]
    forecasts = {NETWORK: _of_network(first, windows)}
    if refit:
        for fold in range(1, folds):
            later = _train(run, task.settings.horizon + (folds - 1 - fold) * step, progress, request)
            is_there = windows.folds == fold
            forecasts[NETWORK][is_there] = _of_network(later, windows.select(np.flatnonzero(is_there)))
    others, remarks = _of_other_methods(chosen, task, windows)
    forecasts |= others
    errors = {name: after[..., None] - values for name, values in forecasts.items()}
    names = [one.name for one in task.data.timelines] or [""] * task.data.train.size
    of_series = {
        names[owner] or f"series {owner + 1}": {
            name: task.score(values[windows.owners == owner], windows.owners[windows.owners == owner])
            for name, values in errors.items()
        }
        for owner in np.unique(windows.owners).tolist()
    }
    return Backtest(
        folds,
        step,
        task.settings.horizon,
        refit,
        tuple(task.settings.quantiles or ()),
        {name: task.score(values, windows.owners) for name, values in errors.items()},
        of_series,
        (*notes, *remarks, *_format_left_out(task, windows, folds)),
        list(_rows(task, windows, after, forecasts, names)),
    )


def _choose_methods(methods: Sequence[str] | None) -> tuple[str, ...]:
    """Return the methods: those that are named, or all that are installed."""
    has_statsforecast = find_spec("statsforecast") is not None
    if methods is None:
        return METHODS if has_statsforecast else (NAIVE,)
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise InvalidInput(f"backtest: expected methods among {', '.join(METHODS)}, got {unknown[0]}.")
    if not has_statsforecast and any(name in STATISTICAL for name in methods):
        raise InvalidInput(
            f"backtest: {', '.join(name for name in methods if name in STATISTICAL)} needs the package statsforecast. "
            "Install it with: pip install 'unrolled[statsforecast]'"
        )
    return tuple(methods)


def _first_run(
    run: Run, folds: int, step: int, progress: Progress, request: StopRequest, *, refit: bool
) -> tuple[Run, tuple[str, ...]]:
    """Return a network that has read nothing of the folds: the run's own, or one that is trained here; and a note.

    Raises:
        InvalidInput: The folds leave too few steps to train on.
    """
    task = run.task
    assert isinstance(task, Forecasting)
    settings = task.settings
    needed = settings.horizon + (folds - 1) * step
    pairs = zip(task.data.train.inputs, task.data.test.inputs, strict=True)
    longest = max(len(train) + len(test) for train, test in pairs)
    left, wanted = max(longest - needed, 0), settings.window + settings.horizon
    if left < wanted:
        raise InvalidInput(
            f"backtest: {folds} folds {step} steps apart take {needed:,} steps, which leaves {left:,} of {longest:,} "
            f"to train on; expected the {wanted} of window and horizon or more. Lower --folds or --step."
        )
    if needed == settings.test_steps or (needed < settings.test_steps and not refit):
        return run, ()
    trained = _train(run, needed, progress, request)
    note = (
        f"the last {needed:,} steps are more than the {settings.test_steps:,} of the run's test set, so a network was "
        f"trained without them: {trained.path}"
    )
    return trained, (note,) if needed > settings.test_steps else ()


def _train(run: Run, test_steps: int, progress: Progress, request: StopRequest) -> Run:
    """Train the experiment of a run without its last steps."""
    settings = run.config.forecast
    assert settings is not None
    config: ExperimentConfig = run.config.replaced(forecast=settings.model_copy(update={"test_steps": test_steps}))
    progress.announce(config)
    return train_experiment(config, run.path / FOLDER, progress, request)


def _rolling_windows(task: Forecasting, folds: int, step: int) -> _Windows:
    """Return the windows of which the first step to forecast is that of a fold; the last fold ends with the series."""
    settings, targets = task.settings, len(task.output_names)
    windows, owners, origins, numbers = [], [], [], []
    for owner, (train, test) in enumerate(zip(task.data.train.inputs, task.data.test.inputs, strict=True)):
        read = train[-settings.window :]
        values = np.concatenate([read, test])
        start = len(values) - settings.horizon - (folds - 1) * step
        for begin in window_begins(values[:, :targets], settings).tolist():
            fold, rest = divmod(begin + settings.window - start, step)
            if rest == 0 and fold >= 0:
                windows.append(values[begin : begin + settings.window + settings.horizon])
                owners.append(owner)
                origins.append(len(train) - len(read) + begin + settings.window)
                numbers.append(fold)
    if not windows:
        raise InvalidInput(
            f"backtest: every window of {folds} folds has no value in its {settings.window} steps or none in the "
            f"{settings.horizon} steps to forecast. Fill the gaps, or choose another step."
        )
    return _Windows(
        Split(objects(windows), np.array(owners, np.int64)), np.array(origins, np.int64), np.array(numbers, np.int64)
    )


def _of_network(run: Run, windows: _Windows) -> NDArray[Any]:
    """Return [B, horizon, targets, Q] the forecasts of a trained network."""
    task = run.task
    assert isinstance(task, Forecasting)
    outputs = task.predict(run.model, task.encode(windows.split))
    return task.values(outputs, task.targets_of(windows.split)[0]).astype(np.float64)


def _of_other_methods(
    chosen: Sequence[str], task: Forecasting, windows: _Windows
) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """Return the forecasts [B, horizon, targets, Q] of the methods by name, and remarks on them."""
    naive = task.naive_quantiles(task.targets_of(windows.split)[0], windows.owners)
    forecasts, remarks = {task.naive_name: naive} if NAIVE in chosen else {}, []
    for name in (STATISTICAL[name] for name in chosen if name in STATISTICAL):
        forecasts[name], failures = _of_statsforecast(name, task, windows, naive)
        if name == "AutoETS" and task.settings.season > _LONGEST_SEASON_OF_ETS:
            remarks.append(f"AutoETS leaves out seasons of more than {_LONGEST_SEASON_OF_ETS} steps")
        if failures:
            which = f"{failures:,} of {windows.split.size:,} series and moments"
            remarks.append(f"{name} could not be fitted to {which}; the naive forecast stands in for it there")
    return forecasts, remarks


def _of_statsforecast(
    name: str, task: Forecasting, windows: _Windows, naive: NDArray[np.float64]
) -> tuple[NDArray[np.float64], int]:
    """Return [B, horizon, targets, Q] the forecasts of a method that is fitted to each series up to each moment.

    Also returned is the number of windows to which it could not be fitted; they have the naive forecast.
    """
    from statsforecast import models

    settings, quantiles = task.settings, task.quantiles
    make: Callable[..., Any] = getattr(models, name)
    found, failed = naive.copy(), set()
    whole = [np.concatenate(parts) for parts in zip(task.data.train.inputs, task.data.test.inputs, strict=True)]
    levels = sorted({_level(quantile) for quantile in quantiles if quantile != MEDIAN})
    for window, (owner, origin) in enumerate(zip(windows.owners.tolist(), windows.origins.tolist(), strict=True)):
        for channel in range(len(task.output_names)):
            past = _without_gaps(whole[owner][:origin, channel], settings.season)[-_MOST_STEPS_READ:]
            try:
                made = make(season_length=settings.season).forecast(y=past, h=settings.horizon, level=levels or None)
            except Exception:  # of whatever kind the package has for a series that is too short or constant
                failed.add(window)
                continue
            for index, quantile in enumerate(quantiles):
                side = "mean" if quantile == MEDIAN else f"{'lo' if quantile < MEDIAN else 'hi'}-{_level(quantile)}"
                found[window, :, channel, index] = made[side]
    return found, len(failed)


def _level(quantile: float) -> float:
    """Return the interval, in per cent, of which a quantile is one end."""
    level = round(100 * abs(1 - 2 * quantile), 6)
    return int(level) if level.is_integer() else level


def _without_gaps(values: NDArray[Any], season: int) -> NDArray[np.float64]:
    """Return a series [T] from its first value on, with its gaps filled."""
    known = np.flatnonzero(~np.isnan(values))
    past = values[known[0] :].astype(np.float64) if known.size else np.zeros(1)
    return fill_gaps(past[None, :, None], season)[0, :, 0]


def _format_left_out(task: Forecasting, windows: _Windows, folds: int) -> list[str]:
    possible = folds * task.data.train.size
    missing = possible - windows.split.size
    return [f"{missing:,} of {possible:,} forecasts are left out: no value to compare with, or too few before"] * bool(
        missing
    )


def _rows(
    task: Forecasting,
    windows: _Windows,
    after: NDArray[Any],
    forecasts: Mapping[str, NDArray[Any]],
    names: Sequence[str],
) -> list[dict[str, Any]]:
    """Return a row for each window and step to forecast; None stands for a value that is missing."""
    column = task.schema.series if task.schema is not None and task.schema.series else "series"
    times = [one.labels() for one in task.data.timelines] or [None] * task.data.train.size
    rows = []
    for window, (owner, origin) in enumerate(zip(windows.owners.tolist(), windows.origins.tolist(), strict=True)):
        for ahead in range(task.settings.horizon):
            moment = times[owner]
            row: dict[str, Any] = {column: names[owner]} if names[owner] else {}
            row |= {"fold": int(windows.folds[window]), "ahead": ahead + 1}
            row |= {"time": moment[origin + ahead] if moment else origin + ahead}
            for channel, name in enumerate(task.output_names):
                row[f"{name}: actual"] = _or_none(after[window, ahead, channel])
                for method, values in forecasts.items():
                    for index, quantile in enumerate(task.quantiles):
                        of = "" if quantile == MEDIAN else f" {quantile:g}"
                        row[f"{name}: {method}{of}"] = _or_none(values[window, ahead, channel, index])
            rows.append(row)
    return rows


def _or_none(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
