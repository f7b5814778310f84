"""Forecasting: the next values of a series from the values before them."""

from collections.abc import Sequence
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.config.sections import Component, DataConfig, Fold, ForecastConfig
from unrolled.data.dataset import Dataset, Split
from unrolled.data.ragged import objects
from unrolled.data.registry import load, load_config_data
from unrolled.errors import InvalidInput, InvalidSetting
from unrolled.tasks.base import Baselines, Prediction, Task
from unrolled.tasks.baselines import naive_baseline, seasonal_naive
from unrolled.tasks.batches import predict_outputs
from unrolled.tasks.metrics import Evaluation, forecast_errors, naive_errors
from unrolled.tasks.preprocessing import Preprocessor, SeriesPreprocessor, fit_series, window_level
from unrolled.tasks.sections import ChartSection, Sections

import keras
import numpy as np
from numpy.typing import NDArray

# Data sets that are series to forecast.
_SERIES = ("air-passengers",)
# Fewer windows make no line, so the last one is drawn with the steps before it.
_FEWEST_WINDOWS = 8
# The series of which a report shows the forecasts.
_MOST_DRAWN = 8


class Forecasting(Task):
    """The differences of the ``horizon`` steps after a window from the values one season earlier.

    ::

        y = (x[t + k] - x[t + k - season m]) / scale        k = 1 ... horizon, m the smallest that is in the window

    With ``forecast.scale: window_mean`` the scale is multiplied by the mean of the window.
    """

    name = "forecast"
    section = "forecast"
    default_loss = "MeanSquaredError"
    default_metrics = ("MeanAbsoluteError",)
    output_activations = ("linear", None)
    output_unit = "values"
    takes_other_data = False

    @classmethod
    def matches(cls, config: ExperimentConfig) -> bool:
        """Return True if there is a forecast section, or the data set is a series."""
        return config.forecast is not None or config.data in _SERIES

    @property
    def settings(self) -> ForecastConfig:
        """Window, horizon, season and test steps."""
        assert self.config.forecast is not None
        return self.config.forecast

    def load(self) -> Dataset:
        """Load the series, its last ``test_steps`` as the test part."""
        test_steps = self.settings.test_steps
        if isinstance(data := self.config.data, DataConfig):
            return load_config_data(**data.model_dump(exclude_none=True), purpose="series", test_steps=test_steps)
        return load(data, where=self.config.where("data"), test_steps=test_steps)

    def split(self) -> tuple[Split, Split | None]:
        """Split in time: validation comes after training."""
        data, settings, validation = self.data, self.settings, self.config.training.validation
        # The test parts of series to forecast are their ends, all of one length.
        if data.kind != "series" or any(len(part) != settings.test_steps for part in data.test.inputs):
            raise InvalidSetting(
                f"{self.config.where('data')}: expected series to forecast, got {data.train.size:,} examples of "
                f"{data.name}. Name a table with a row for each step."
            )
        series = list(data.train.inputs)
        if validation == "none":
            return self._windows(series), None
        if validation == "test":
            return self._windows(series), self._test_windows()
        if validation == "given" or isinstance(validation, Fold):
            raise InvalidSetting(
                f"{self.config.where('training', 'validation')}: expected a share of the series' end, got "
                f"{validation if validation == 'given' else 'a fold'}. Set validation: 0.1"
            )
        cuts = [len(values) - max(settings.horizon, round(len(values) * float(validation))) for values in series]
        before = [values[:cut] for values, cut in zip(series, cuts, strict=True)]
        after = [values[cut:] for values, cut in zip(series, cuts, strict=True)]
        return self._windows(before), self._check(_windows_after(before, after, settings), "validation")

    def fit_preprocessor(self, train: Split) -> Preprocessor:
        """Fit the mean and the scale of each channel."""
        windows = [item[: self.settings.window] for item in train.inputs]
        return fit_series(windows, by_window=self.settings.scale is not None)

    def encode(self, split: Split) -> Split:
        """Return windows [B, window, F], and the scaled differences from one season earlier [B, horizon * F]."""
        settings, windows = self.settings, np.stack(list(split.inputs))
        inputs, after = windows[:, : settings.window], windows[:, settings.window :]
        naive = self._naive(inputs)
        differences = (after - naive) / self._unit(inputs)
        return Split(inputs, differences.reshape(len(inputs), -1).astype(np.float32))

    def encode_test(self) -> Split:
        """Return the windows whose target steps are in the test part."""
        return self.encode(self._test_windows())

    @property
    def num_outputs(self) -> int:
        """One value per target step and channel."""
        return self.settings.horizon * len(self.output_names)

    @classmethod
    def head(cls, num_outputs: int) -> Component:
        """Return a linear layer."""
        return Component.model_validate({"Dense": {"units": num_outputs}})

    def predict(self, model: keras.Model, split: Split, batch_size: int = 256) -> NDArray[np.float32]:
        """Return the scaled differences [B, horizon * F]."""
        return predict_outputs(model, split.inputs, batch_size)

    def evaluate(self, outputs: NDArray[Any], split: Split) -> Evaluation:
        """Return MAE, RMSE and MASE in the units of the data; the loss is that of the scaled differences."""
        settings = self.settings
        errors = (np.asarray(split.targets, np.float64) - outputs).reshape(len(outputs), settings.horizon, -1)
        unit = self._unit(np.asarray(split.inputs))
        metrics = forecast_errors(errors * unit, self._naive_errors())
        return Evaluation(
            examples=len(outputs),
            metrics={**metrics, "loss": float(np.nanmean(errors**2))},
            headline="MAE",
            conditions={"horizon": settings.horizon, "test_steps": settings.test_steps},
        )

    def baselines(self) -> Baselines:
        """Return the errors of the seasonal naive forecast."""
        settings, windows = self.settings, np.stack(list(self._test_windows().inputs))
        inputs, targets = windows[:, : settings.window], windows[:, settings.window :]
        return naive_baseline(inputs, targets, self._naive_errors(), settings.season, settings.window)

    def report_sections(self, model: keras.Model, outputs: NDArray[Any]) -> Sections:
        """Chart the test part beside its forecasts, each at the end of the horizon.

        With few windows in the test part, the last one is drawn instead: the steps that the network read, and its
        forecast of all steps of the horizon.
        """
        windows = self._test_windows()
        forecasts = self.values(outputs, np.stack(list(windows.inputs)))
        charts: dict[str, dict[str, list[float]]] = {}
        steps: list[str] = []
        note = ""
        several = self.data.train.size > 1
        for series in range(min(self.data.train.size, _MOST_DRAWN)):
            mine = forecasts[windows.targets == series]
            if not len(mine):
                continue
            truth, line, steps, note = self._line(series, mine, alone=not several)
            for channel, name in enumerate(self.output_names):
                title = f"series {series + 1}: {name}" if several else name
                charts[title] = {"actual": truth[:, channel].tolist(), "forecast": line[:, channel].tolist()}
        if self.data.train.size > _MOST_DRAWN:
            note += f" The first {_MOST_DRAWN} of {self.data.train.size:,} series."
        return Sections([ChartSection("Forecasts on the test set", charts, steps, note)])

    def _line(
        self, series: int, forecasts: NDArray[Any], *, alone: bool
    ) -> tuple[NDArray[Any], NDArray[Any], list[str], str]:
        """Return the values [T, F] of one series, their forecasts, the names of the steps, and a note."""
        settings, test = self.settings, self.data.test.inputs[series]
        horizon, window = settings.horizon, settings.window
        whole = np.concatenate([self.data.train.inputs[series][-window:], test])
        # Windows with gaps in the values to forecast were left out.
        starts = [
            start
            for start in range(len(whole) - window - horizon + 1)
            if not np.isnan(whole[start + window - settings.season : start + window + horizon]).any()
        ]
        if alone and len(starts) >= _FEWEST_WINDOWS:
            truth, line = test[horizon - 1 :], np.full((len(test) - horizon + 1, whole.shape[1]), np.nan)
            line[starts] = forecasts[:, -1]
            ahead = "1 step" if horizon == 1 else f"{horizon} steps"
            note = f"By step of the test set; each value was forecast {ahead} ahead."
            return truth, line, [str(horizon + step) for step in range(len(line))], note
        truth = whole[starts[-1] : starts[-1] + window + horizon]
        line = np.concatenate([np.full((window, whole.shape[1]), np.nan), forecasts[-1]])
        steps = [f"{step:+d}" if step else "now" for step in range(1 - window, horizon + 1)]
        return truth, line, steps, f"The last {horizon} steps, forecast from the {window} steps before them."

    def describe_prediction(self, output: NDArray[Any]) -> Prediction:
        """Return the value of each channel at one step."""
        return {name: float(value) for name, value in zip(self.output_names, output, strict=True)}

    def predict_inputs(self, model: keras.Model, inputs: Any, batch_size: int = 256) -> NDArray[np.float32]:
        """Refuse: a series is continued by ``forecast``."""
        raise InvalidInput("predict: the network was trained to forecast. Use: unrolled forecast RUN FILE")

    def forecast(self, model: keras.Model, series: Any, steps: int | None = None) -> NDArray[np.float32]:
        """Return the values after the end of a series; beyond the horizon the network reads its own forecasts.

        Args:
            model: The trained network.
            series: [T, F] past values, or [T] of one channel; at least ``window`` steps.
            steps: Number of steps to forecast; the horizon if left out.

        Returns:
            [steps, F], in the units of the data.

        Raises:
            InvalidInput: The series is too short, has other channels, or has a gap in its last season.
        """
        settings, names = self.settings, self.output_names
        values: NDArray[Any] = np.asarray(series, np.float32)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or values.shape[1] != len(names) or len(values) < settings.window:
            raise InvalidInput(
                f"forecast: expected a series [T, {len(names)}] of at least {settings.window} steps, got "
                f"{list(values.shape)}. Give more past steps, and the channels {', '.join(names)}."
            )
        if np.isnan(values[-settings.season :]).any():
            raise InvalidInput("forecast: the last season of the series has a gap. Fill it first.")
        wanted = settings.horizon if steps is None else steps
        if wanted < 1:
            raise InvalidInput(f"forecast: expected at least one step, got {wanted}.")
        known = values[-settings.window :]
        while len(known) < settings.window + wanted:
            window = known[-settings.window :][None]
            outputs = np.asarray(model.predict_on_batch(window), np.float32)
            known = np.concatenate([known, self.values(outputs, window)[0].astype(np.float32)])
        return known[settings.window : settings.window + wanted]

    def values(self, outputs: NDArray[Any], windows: NDArray[Any]) -> NDArray[Any]:
        """Return the forecast values [B, horizon, F] in the units of the data.

        Args:
            outputs: [B, horizon * F] scaled differences from one season before.
            windows: [B, >= window, F] past values.
        """
        unit = self._unit(windows[:, : self.settings.window])
        values: NDArray[Any] = self._naive(windows) + outputs.reshape(len(outputs), self.settings.horizon, -1) * unit
        return values

    def _naive_errors(self) -> NDArray[np.float64]:
        """Return [B, 1, F] the naive error of the series of each test window."""
        errors = naive_errors(self.data.train.inputs, self.settings.season)
        return errors[self._test_windows().targets][:, None]

    def _naive(self, windows: NDArray[Any]) -> NDArray[Any]:
        settings = self.settings
        return seasonal_naive(windows, horizon=settings.horizon, season=settings.season, window=settings.window)

    def _unit(self, windows: NDArray[Any]) -> NDArray[Any]:
        """Return [B or 1, 1, F] the unit of the scaled differences."""
        assert isinstance(self.preprocessor, SeriesPreprocessor)
        scale = np.array(self.preprocessor.scale)[None, None]
        return scale * window_level(windows) if self.preprocessor.by_window else scale

    def _test_windows(self) -> Split:
        windows = _windows_after(self.data.train.inputs, self.data.test.inputs, self.settings)
        return self._check(windows, "test")

    def _windows(self, series: Sequence[NDArray[Any]]) -> Split:
        settings = self.settings
        length = settings.window + settings.horizon
        longest = max(map(len, series))
        if longest < length:
            raise InvalidSetting(
                f"{self.config.where('forecast')}: expected more than the {length} steps of window and horizon, got "
                f"{longest} training steps beside {settings.test_steps} test steps and validation. "
                "Lower one of them."
            )
        return self._check(_windows(series, settings), "training")

    def _check(self, windows: Split, part: str) -> Split:
        """Refuse a part of which every window has a gap where there may be none."""
        if not windows.size:
            settings = self.settings
            raise InvalidSetting(
                f"{self.config.where('forecast')}: every {part} window has a missing value in its last season of "
                f"{settings.season} steps or in the {settings.horizon} steps to forecast. Fill the gaps, shorten "
                "horizon and season, or leave the missing steps out of the table without their times."
            )
        return windows


def _windows_after(
    before: Sequence[NDArray[Any]] | NDArray[Any],
    after: Sequence[NDArray[Any]] | NDArray[Any],
    settings: ForecastConfig,
) -> Split:
    """Return the windows of all series whose target steps are all in ``after``."""
    pairs = zip(before, after, strict=True)
    return _windows([np.concatenate([first[-settings.window :], second]) for first, second in pairs], settings)


def _windows(series: Sequence[NDArray[Any]], settings: ForecastConfig) -> Split:
    """Return the windows of all series without gaps in their last season and target steps.

    Returns:
        [B] windows [window + horizon, F], and as targets [B] the index of the series of each.
    """
    length, first = settings.window + settings.horizon, settings.window - settings.season
    windows, owners = [], []
    for owner, values in enumerate(series):
        for begin in range(len(values) - length + 1):
            window = values[begin : begin + length]
            if not np.isnan(window[first:]).any():
                windows.append(window)
                owners.append(owner)
    return Split(objects(windows), np.array(owners, np.int64))
