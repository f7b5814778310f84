"""Forecasts of series, with the interface of sktime's forecasters."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from unrolled.data.dataset import Dataset
from unrolled.data.forecasting import load_series
from unrolled.data.grids import Moments, Timeline, format_moments
from unrolled.data.table import format_list
from unrolled.errors import DataError, InvalidInput
from unrolled.runs.forecasts import SeriesForecast, forecast_table
from unrolled.runs.run import Run
from unrolled.sklearn.base import Recurrent
from unrolled.sklearn.series import SERIES, TIME, One, Several, like
from unrolled.tasks.metrics import mase, naive_errors

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted


class Forecaster(Recurrent):
    """Recurrent network that forecasts one series or many, with the methods of sktime's forecasters.

    It is trained like an experiment with ``task: forecast``: the network reads a window and forecasts the differences
    of the steps after it from the values one season earlier. One network forecasts all series of a list or mapping.

    Args:
        window: Number of past steps that the network reads.
        horizon: Number of steps that it forecasts at once; beyond them it reads its own forecasts. None for the largest
            step of ``fh`` in ``fit``, or 1 without it.
        season: Number of steps after which the series repeats itself, if it does; at most ``window``.
        scale: ``window_mean`` to divide each window by its own mean, for series whose swings grow with their level.
        calendar: Channels that the network reads of the dates of the steps, such as ``["month", "weekday"]``.
        quantiles: Quantiles to forecast, such as ``[0.1, 0.5, 0.9]``; with the median, which ``predict`` returns.
        cell: The recurrent cell: ``gru``, ``lstm`` or ``simple_rnn``.
        units: H, the size of the state of each recurrent layer.
        layers: The number of recurrent layers.
        bidirectional: Read the window in both directions.
        dropout: The dropout rate after each recurrent layer.
        epochs: The number of epochs.
        batch_size: The number of windows in a batch.
        learning_rate: The learning rate of Adam; gradients are clipped to the norm 1.
        network: The layers as in an experiment, ``[{"GRU": {"units": 32}}]``, in place of those that ``cell``,
            ``units``, ``layers``, ``bidirectional`` and ``dropout`` name; the last layer may be left out.
        random_state: An int for reproducible results, a ``numpy.random.RandomState``, or None.

    Attributes:
        model_: The fitted ``keras.Model``.
        task_: The task with which it was trained, of ``unrolled.tasks``.

    Example::

        from unrolled import Forecaster

        forecaster = Forecaster(window=24, horizon=12, season=12, scale="window_mean", random_state=0)
        forecaster.fit(passengers)  # an array [T], or a column of pandas with an index of months
        forecaster.predict([1, 2, 3])
    """

    task_name = "forecast"

    def __init__(
        self,
        window: int = 24,
        horizon: int | None = None,
        season: int = 1,
        scale: str | None = None,
        calendar: Sequence[str] | None = None,
        quantiles: Sequence[float] | None = None,
        cell: str = "gru",
        units: int = 32,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        epochs: int = 30,
        batch_size: int = 32,
        learning_rate: float = 0.003,
        network: Sequence[Any] | None = None,
        random_state: Any = None,
    ):
        self.window = window
        self.horizon = horizon
        self.season = season
        self.scale = scale
        self.calendar = calendar
        self.quantiles = quantiles
        self.cell = cell
        self.units = units
        self.layers = layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.network = network
        self.random_state = random_state

    def fit(self, y: Any, X: Any = None, fh: Any = None) -> Self:  # noqa: N803
        """Fit the network to series.

        Args:
            y: One series: an array [T] or [T, F], a column or a data frame. The index of pandas may hold dates, periods
                or whole numbers; in a frame of Polars a column of dates gives the times. Steps without a row are gaps,
                and NaN is a missing value. A list or a mapping of such is several series of any lengths.
            X: What is known of each step of ``y`` and will be known of those to forecast, such as prices and holidays,
                in the same form and with as many steps.
            fh: The steps that ``predict`` forecasts if it gets none, as of ``predict``.

        Returns:
            The fitted forecaster.

        Raises:
            InvalidInput: The series are none of these, shorter than window and horizon, or end with a missing value.
            InvalidSetting: A parameter has an impossible value.
        """
        if y is None:
            raise InvalidInput("Forecaster: expected series y, got None. Pass an array [T].")
        given, known = Several.of(y, "y"), None if X is None else Several.of(X, "X")
        frame = given.table() if known is None else self._beside(given, known).table()
        data = self._load(given, known, frame)
        self._given, self._known = given.form, None if known is None else known.names
        self._timelines = dict(zip(given.items, data.timelines, strict=True))
        self._fh = None if fh is None else self._steps(fh)
        first = 1 if self._fh is None else int(max(self._fh))
        self._horizon = horizon = first if self.horizon is None else self._count("horizon")
        settings = {"window": self._count("window"), "horizon": horizon, "season": self._count("season")}
        if (longest := max(map(len, data.train.inputs))) < settings["window"] + horizon:
            raise InvalidInput(
                f"y: expected at least the {settings['window'] + horizon} steps of window and horizon, got {longest}. "
                "Lower window or horizon, or give more steps."
            )
        self._train(
            data,
            data={"file": "y"} | ({"calendar": list(self.calendar)} if self.calendar else {}),
            forecast={**settings, "test_steps": horizon}
            | ({"scale": self.scale} if self.scale else {})
            | ({"quantiles": list(self.quantiles)} if self.quantiles is not None else {}),
        )
        self._history, self._schema = frame, data.schema
        series = [values[:, : len(given.names)] for values in data.train.inputs]
        self._naive = naive_errors(series, settings["season"])
        return self

    def predict(self, fh: Any = None, X: Any = None) -> Any:  # noqa: N803
        """Forecast the steps after the end of the series of ``fit``.

        Args:
            fh: The steps: a whole number from 1 on, several of them, or, for one series with dates, an index of dates
                or periods. Without it those of ``fit``, or all up to the horizon.
            X: What is known of the steps up to the last one of ``fh``, if ``fit`` had such, in the same form.

        Returns:
            The forecasts in the form of ``y``, with the index or the dates of the steps: of an array an array [N] or
            [N, F], of a list or mapping of series a list or mapping.

        Raises:
            InvalidInput: A step is not after the end of the series, ``X`` has too few steps, or a series has no
                value in its last window.
        """
        check_is_fitted(self, "model_")
        steps = self._steps(fh)
        forecasts = self._forecast(int(max(steps)), X)
        return self._like([one.values[steps - 1] for one in forecasts], steps)

    def predict_quantiles(self, fh: Any = None, X: Any = None) -> dict[float, Any]:  # noqa: N803
        """Forecast quantiles of the steps after the end of the series of ``fit``.

        Args:
            fh: The steps, as of ``predict``.
            X: What is known of them, as of ``predict``.

        Returns:
            For each quantile the forecasts in the form of those of ``predict``. Beyond the horizon the network reads
            its own medians, so that the quantiles are too close to each other there.

        Raises:
            InvalidInput: The forecaster was fitted without ``quantiles``, or as of ``predict``.
        """
        check_is_fitted(self, "model_")
        if self.quantiles is None:
            raise InvalidInput("predict_quantiles: expected quantiles in the forecaster, got None. Set them and fit.")
        steps = self._steps(fh)
        forecasts = [
            one.quantiles[steps - 1] for one in self._forecast(int(max(steps)), X) if one.quantiles is not None
        ]
        return {
            float(quantile): self._like([values[..., index] for values in forecasts], steps)
            for index, quantile in enumerate(self.quantiles)
        }

    def score(self, y: Any, X: Any = None) -> float:  # noqa: N803
        """Return the negative MASE of the forecast of the steps after the end of the series of ``fit``.

        ::

            MASE = mean |error| / mean |y[t] - y[t - season]|       the latter over the series of fit

        It is 0 for a perfect forecast; the higher the better, as scikit-learn's searches need it.

        Args:
            y: The true values of these steps, in the form of the series of ``fit``.
            X: What is known of them, as of ``predict``.
        """
        check_is_fitted(self, "model_")
        true = Several.of(y, "y")
        self._check_names(true, "y", self._given)
        if true.names != self._given.names:
            expected, got = format_list(self._given.names), format_list(true.names)
            raise InvalidInput(f"y: expected the columns {expected} as in fit, got {got}.")
        steps = {name: self._steps_of(name, one) for name, one in true.items.items()}
        forecasts = self._forecast(int(max(max(some) for some in steps.values())), X)
        found, count = [], 0
        for one, (name, item), naive in zip(forecasts, true.items.items(), self._naive, strict=True):
            values = item.columns.cast(pl.Float64).to_numpy()
            errors = values - one.values[steps[name] - 1]
            known = int((~np.isnan(errors)).sum())
            found.append(known * mase(errors, naive) if known else 0.0)
            count += known
        if not count:
            raise InvalidInput("y: expected a value at one step or more, got none. Give values.")
        return -sum(found) / count

    def _network(self, data: Dataset, *, all_steps: bool = False) -> list[Any]:
        """Return the layers; where something is known ahead, each step is forecast when it has been read."""
        if not (data.schema and (data.schema["known"] or data.schema["calendar"])):
            return super()._network(data, all_steps=all_steps)
        return [*super()._network(data, all_steps=True), {"LastSteps": {}}]

    def _beside(self, given: Several, known: Several) -> Several:
        """Return series with the columns of what is known beside them.

        Raises:
            InvalidInput: They have other steps.
        """
        self._check_names(known, "X", given)
        if twice := sorted(set(given.names) & set(known.names)):
            raise InvalidInput(f"X: expected other columns than those of y, got {format_list(twice)}. Rename them.")
        found = {}
        for name, one in given.items.items():
            other = known.items[name]
            is_same = one.moments is None or other.moments is None or np.array_equal(one.moments, other.moments)
            if one.columns.height != other.columns.height or not is_same:
                raise InvalidInput(
                    f"{_at('X', name)}: expected the {one.columns.height} steps of y, got {other.columns.height}"
                    f"{'' if is_same else ' of other dates'}. Give a row for each step of y."
                )
            found[name] = One(one.columns.hstack(other.columns), one.last, one.moments, one.numbers)
        return replace(given, items=found)

    def _load(self, given: Several, known: Several | None, frame: pl.DataFrame) -> Dataset:
        """Return the series as a data set, all steps of which are training steps.

        Raises:
            InvalidInput: A cell is not a number, a series ends with missing values, or its dates are on no grid.
        """
        columns: dict[str, Any] = {"target": given.names}
        columns |= {"series": SERIES} if len(given.items) > 1 else {}
        columns |= {"time": TIME} if given.has_times else {}
        columns |= {"known": known.names} if known is not None else {}
        columns |= {"calendar": list(self.calendar)} if self.calendar else {}
        try:
            data = load_series(frame, test_steps=0, columns=columns)
        except DataError as error:
            raise InvalidInput(str(error)) from None
        for (name, one), timeline in zip(given.items.items(), data.timelines, strict=True):
            last = -1 if one.moments is None else int(one.moments.argmax())
            if one.columns[last].cast(pl.Float64, strict=False).fill_nan(None).null_count().sum_horizontal()[0] == len(
                given.names
            ):
                raise InvalidInput(f"{_at('y', name)}: expected a value at the last step, got none. Drop the step.")
            if timeline.moments is not None and timeline.step is None:
                raise InvalidInput(
                    f"{_at('y', name)}: expected dates at one distance, got others. Resample the series, or pass an "
                    "array, whose steps are counted."
                )
        return data

    def _forecast(self, steps: int, known: Any) -> list[SeriesForecast]:
        """Return the forecast of each series, in their order.

        Args:
            steps: Number of steps.
            known: ``X`` of ``predict``.

        Raises:
            InvalidInput: What is known is missing, or a series cannot be forecast.
        """
        run = Run(Path("y"))
        run.task, run.model, run.config = self.task_, self.model_, self.task_.config
        names = list(self.task_.output_names)
        run.data = {"schema": self._schema, "classes": names, "series": [], "example_shape": [], "dtype": "series"}
        future = self._future(known, steps)
        try:
            found = forecast_table(run, self._history, steps, future)
        except DataError as error:
            raise InvalidInput(str(error)) from None
        if len(found.series) < len(self._timelines):
            raise InvalidInput(f"predict: {'; '.join(found.notes)}.")
        for note in found.notes:
            warnings.warn(note, stacklevel=3)
        return list(found.series)

    def _future(self, known: Any, steps: int) -> pl.DataFrame | None:
        """Return what is known of the steps to forecast as a table.

        Raises:
            InvalidInput: It is missing, or has other columns or too few steps.
        """
        if self._known is None:
            if known is not None:
                raise InvalidInput("X: expected nothing, as fit had no X, got some. Leave it out, or fit with X.")
            return None
        if known is None:
            raise InvalidInput(f"X: expected {format_list(self._known)} of the {steps} steps to forecast, got None.")
        several = Several.of(known, "X")
        self._check_names(several, "X", self._given)
        if several.names != self._known:
            raise InvalidInput(
                f"X: expected the columns {format_list(self._known)} as in fit, got {format_list(several.names)}."
            )
        found = {}
        for name, one in several.items.items():
            timeline, count = self._timelines[name], one.columns.height
            after = timeline.after(count)
            if count < steps:
                raise InvalidInput(f"{_at('X', name)}: expected the {steps} steps to forecast, got {count}. Add rows.")
            if one.moments is not None and after is not None and not np.array_equal(one.moments[:steps], after[:steps]):
                expected, got = (format_moments(some[:1])[0] for some in (after, one.moments))
                raise InvalidInput(
                    f"{_at('X', name)}: expected the steps after the end of y, the first on {expected}, got {got}. "
                    "Give a row for each."
                )
            found[name] = replace(one, moments=after)
        return replace(several, items=found).table()

    def _like(self, values: Sequence[NDArray[Any]], steps: NDArray[np.int64]) -> Any:
        """Return values [N, F] of each series at steps after its end in the form of the series of ``fit``."""
        found = []
        for (name, one), some in zip(self._given.items.items(), values, strict=True):
            after = self._timelines[name].after(int(max(steps)))
            found.append(like(one.last, some, steps, None if after is None else after[steps - 1]))
        return self._given.contain(found)

    def _steps(self, fh: Any) -> NDArray[np.int64]:
        """Return the steps to forecast, counted from the last one of the series.

        Raises:
            InvalidInput: They are no whole numbers from 1 on and no later dates.
        """
        if fh is None:
            return np.arange(1, self._horizon + 1) if self._fh is None else self._fh
        fh = fh.to_pandas() if hasattr(fh, "is_relative") else fh
        values = np.atleast_1d(np.asarray(fh.to_timestamp() if hasattr(fh, "to_timestamp") else fh))
        if values.dtype.kind == "M" and values.size:
            if len(self._timelines) > 1:
                raise InvalidInput("fh: expected numbers of steps for several series, got dates. Count from 1.")
            (timeline,) = self._timelines.values()
            return self._steps_at("fh", timeline, values.astype("datetime64[us]").astype(np.int64))
        if values.dtype.kind not in "iu" or values.ndim != 1 or not values.size or values.min() < 1:
            raise InvalidInput(
                f"fh: expected whole numbers of steps after the end of y, from 1 on, got {fh!r:.60}. "
                "Give for example [1, 2, 3]."
            )
        return values.astype(np.int64)

    def _steps_at(self, where: str, timeline: Timeline, moments: Moments) -> NDArray[np.int64]:
        """Return the steps after the end of a series at these times.

        Raises:
            InvalidInput: They are not on the grid of the series, or not after its end.
        """
        steps = None
        if timeline.moments is not None and timeline.step is not None:
            indices = timeline.step.indices(np.concatenate([timeline.moments[:1], moments]))
            steps = None if indices is None else indices[1:] - (len(timeline.moments) - 1)
        if steps is None or steps.min() < 1:
            got = format_moments(moments[:1])[0]
            after = timeline.labels()
            behind = f"dates of steps after {after[-1]}" if after else "numbers, as y has no dates"
            raise InvalidInput(f"{where}: expected {behind}, got {got}. Give steps from 1 on.")
        return steps

    def _steps_of(self, name: str, true: One) -> NDArray[np.int64]:
        """Return the steps after the end of a series that true values are of."""
        timeline, numbers = self._timelines[name], self._given.items[name].numbers
        if true.moments is not None and timeline.moments is not None:
            return self._steps_at(_at("y", name), timeline, true.moments)
        steps = np.arange(1, true.columns.height + 1)
        if true.numbers is None or numbers is None:
            return steps
        size = int(numbers[-1] - numbers[0]) or 1
        distances: NDArray[np.int64] = true.numbers - numbers[-1]
        if (distances % size).any() or distances.min() < 1:
            raise InvalidInput(
                f"{_at('y', name)}: expected an index after {numbers[-1]} of the same distance, got {true.numbers[0]}. "
                "Pass the steps after those of fit."
            )
        counted: NDArray[np.int64] = distances // size
        return counted

    def _check_names(self, several: Several, role: str, given: Several) -> None:
        """Refuse what is not of the same series."""
        if list(several.items) != list(given.items):
            expected, got = (format_list([name or "one series" for name in one.items]) for one in (given, several))
            raise InvalidInput(f"{role}: expected {expected} as in y of fit, got {got}. Give the same series.")


def _at(role: str, name: str) -> str:
    """Return the location of a series, for messages."""
    return f"{role}[{name}]" if name else role
