"""Forecasts and their errors, as arrays."""

import math
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.config.sections import Fold, ForecastConfig
from unrolled.data.dataset import Dataset, Split, objects
from unrolled.errors import InvalidSetting
from unrolled.tasks.baselines import Figures, of_forecast
from unrolled.tasks.metrics import Evaluation, mean_errors, seasonal_naive
from unrolled.tasks.predict import predict_outputs
from unrolled.tasks.preprocessing import Preprocessor, SeriesPreprocessor, fit_series, level_of

import keras
import numpy as np
from numpy.typing import NDArray


class Forecasting:
    """A window of the series tells how the ``horizon`` steps after it differ from those a season earlier.

    ::

        y = (x[t + k] - x[t + k - season m]) / scale        k = 1 ... horizon, m the least that is in the window

    With ``forecast.relative`` the scale is multiplied by the level of the window, the mean of what is seen of it.
    """

    def divide(self, data: Dataset, experiment: ExperimentConfig) -> tuple[Split, Split | None]:
        """In time: what is watched comes after what is learned."""
        settings = settings_of(experiment)
        if data.kind != "series" or data.train.size != 1:
            raise InvalidSetting(
                f"{experiment.where('data')}: expected one series to forecast, got {data.train.size:,} examples of "
                f"{data.name}. Name a table with a row for each step."
            )
        values, validation = data.train.inputs[0], experiment.training.validation
        if validation == "none":
            return _windowed(values, settings, experiment), None
        if validation == "test":
            return _windowed(values, settings, experiment), _after(values, data.test.inputs[0], settings)
        if validation == "given" or isinstance(validation, Fold):
            raise InvalidSetting(
                f"{experiment.where('training', 'validation')}: expected a share of the series' end, got "
                f"{validation if validation == 'given' else 'a fold'}. Set validation: 0.1"
            )
        cut = len(values) - max(settings.horizon, round(len(values) * float(validation)))
        return _windowed(values[:cut], settings, experiment), _after(values[:cut], values[cut:], settings)

    def fit(self, data: Dataset, learned: Split, experiment: ExperimentConfig) -> Preprocessor:
        """Mean and scale of each channel."""
        settings = settings_of(experiment)
        return fit_series([item[: settings.window] for item in learned.inputs], relative=settings.relative)

    def encode(self, split: Split, encoding: Preprocessor, experiment: ExperimentConfig) -> Split:
        """Windows [B, window, F], and how what comes after each differs from a season earlier [B, horizon * F]."""
        assert isinstance(encoding, SeriesPreprocessor)
        settings = settings_of(experiment)
        windows = np.stack(list(split.inputs))
        inputs, after = windows[:, : settings.window], windows[:, settings.window :]
        naive = seasonal_naive(inputs, horizon=settings.horizon, season=settings.season, window=settings.window)
        differences = (after - naive) / unit_of(inputs, encoding)
        return Split(inputs, differences.reshape(len(inputs), -1).astype(np.float32))

    def measured(self, data: Dataset, encoding: Preprocessor, experiment: ExperimentConfig) -> Split:
        """The windows whose values to tell are in the test part."""
        after = _after(data.train.inputs[0], data.test.inputs[0], settings_of(experiment))
        return self.encode(after, encoding, experiment)

    def outputs(self, data: Dataset, encoding: Preprocessor, experiment: ExperimentConfig) -> int:
        """One a step and channel."""
        return settings_of(experiment).horizon * len(data.classes)

    def say(self, model: keras.Model, measured: Split, batch_size: int) -> NDArray[np.float32]:
        """The scaled differences [B, horizon * F]."""
        return predict_outputs(model, measured.inputs, batch_size)

    def measure(
        self,
        outputs: NDArray[Any],
        measured: Split,
        data: Dataset,
        encoding: Preprocessor,
        experiment: ExperimentConfig,
    ) -> Evaluation:
        """In the units of the data; MASE is against the seasonal naive forecast within the training part."""
        assert isinstance(encoding, SeriesPreprocessor)
        settings = settings_of(experiment)
        errors = (np.asarray(measured.targets, np.float64) - outputs).reshape(len(outputs), settings.horizon, -1)
        unit = unit_of(np.asarray(measured.inputs), encoding)
        return Evaluation(
            examples=len(outputs),
            loss=float(np.nanmean(errors**2)),
            accuracy=math.nan,
            figures=mean_errors(errors * unit, data.train.inputs[0], settings.season),
        )

    def baselines(self, data: Dataset, encoding: Preprocessor, experiment: ExperimentConfig) -> Figures:
        """The seasonal naive forecast."""
        settings = settings_of(experiment)
        windows = np.stack(list(_after(data.train.inputs[0], data.test.inputs[0], settings).inputs))
        return of_forecast(
            windows[:, : settings.window],
            windows[:, settings.window :],
            data.train.inputs[0],
            settings.season,
            settings.window,
        )


def settings_of(experiment: ExperimentConfig) -> ForecastConfig:
    """What is told from what."""
    assert experiment.forecast is not None
    return experiment.forecast


def forecasts(
    data: Dataset, encoding: Preprocessor, experiment: ExperimentConfig, outputs: NDArray[Any]
) -> NDArray[Any]:
    """[B, horizon, F] the values that a network's outputs for the test part mean, in the units of the data."""
    settings = settings_of(experiment)
    windows = np.stack(list(_after(data.train.inputs[0], data.test.inputs[0], settings).inputs))
    return values_of(outputs, windows, encoding, experiment)


def values_of(
    outputs: NDArray[Any], windows: NDArray[Any], encoding: Preprocessor, experiment: ExperimentConfig
) -> NDArray[Any]:
    """[B, horizon, F] the values that outputs mean, in the units of the data.

    Args:
        outputs: [B, horizon * F] scaled differences from one season before.
        windows: [B, >= window, F] what was seen.
        encoding: Has the scale.
        experiment: Has the horizon and the season.
    """
    assert isinstance(encoding, SeriesPreprocessor)
    settings = settings_of(experiment)
    naive = seasonal_naive(windows, horizon=settings.horizon, season=settings.season, window=settings.window)
    unit = unit_of(windows[:, : settings.window], encoding)
    values: NDArray[Any] = naive + outputs.reshape(len(outputs), settings.horizon, -1) * unit
    return values


def unit_of(windows: NDArray[Any], encoding: SeriesPreprocessor) -> NDArray[Any]:
    """[B or 1, 1, F] in what unit the network tells a difference."""
    scale = np.array(encoding.scale)[None, None]
    return scale * level_of(windows) if encoding.relative else scale


def _windowed(values: NDArray[Any], settings: ForecastConfig, experiment: ExperimentConfig) -> Split:
    length = settings.window + settings.horizon
    count = len(values) - length + 1
    if count < 1:
        raise InvalidSetting(
            f"{experiment.where('forecast')}: expected a series longer than window and horizon ({length} steps), got "
            f"{len(values)} beside the {settings.test_steps} held out and what validates. Lower one of them."
        )
    return _complete([values[begin : begin + length] for begin in range(count)], settings)


def _after(before: NDArray[Any], after: NDArray[Any], settings: ForecastConfig) -> Split:
    together = np.concatenate([before[-settings.window :], after])
    count = len(after) - settings.horizon + 1
    length = settings.window + settings.horizon
    return _complete([together[begin : begin + length] for begin in range(count)], settings)


def _complete(windows: list[NDArray[Any]], settings: ForecastConfig) -> Split:
    """The windows without those whose values to tell have gaps."""
    kept = [window for window in windows if not np.isnan(window[settings.window - settings.season :]).any()]
    return Split(objects(kept), np.zeros(len(kept), np.int64))


FORECAST = Forecasting()
