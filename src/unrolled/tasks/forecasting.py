"""Forecasting: the next values of a series from the values before them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.config.sections import Component, DataConfig, Fold
from unrolled.config.task_sections import ForecastConfig
from unrolled.data.dataset import Dataset, Split
from unrolled.data.registry import load, load_config_data
from unrolled.data.table import format_list
from unrolled.errors import InvalidInput, InvalidSetting
from unrolled.layers import LastSteps
from unrolled.tasks.base import Baselines, Prediction, Task
from unrolled.tasks.batches import predict_outputs
from unrolled.tasks.forecast_charts import forecast_charts
from unrolled.tasks.last_season import season_lags, seasonal_naive, usual_season
from unrolled.tasks.metrics import Evaluation, forecast_errors, naive_errors, season_differences
from unrolled.tasks.preprocessing import Preprocessor, SeriesPreprocessor, window_level
from unrolled.tasks.quantiles import MEDIAN, check_loss, conformal_shifts, quantile_errors, residual_quantiles
from unrolled.tasks.sections import Sections
from unrolled.tasks.windows import Channels, window_begins, windows_after, windows_of

import keras
import numpy as np
from numpy.typing import NDArray

# Data sets that are series to forecast.
_SERIES = ("air-passengers",)
_NEAR = 7
"""Of so many steps the last state remembers what is known (see docs/log.md)."""
FEWEST_TO_CALIBRATE = 20
"""With fewer validation windows the quantiles stay as the network gives them."""


class Forecasting(Task):
    """The differences of the ``horizon`` steps after a window from the values one season earlier.

    ::

        y = (x[t + k] - x[t + k - season m]) / scale        k = 1 ... horizon

    Here m is the smallest whose value is in the window, not missing, and not unusual (see ``find_unusual``). Where the
    value to forecast is missing, ``y`` is NaN, and loss, metrics and baselines pass over it.

    With ``forecast.scale: window_mean`` the scale is multiplied by the mean of the window. With ``forecast.quantiles``
    there is an output for each quantile. Metrics and baselines concern the channels to forecast; what else the network
    reads, ``Channels`` says.
    """

    name = "forecast"
    section = "forecast"
    default_loss = "MeanSquaredError"
    default_metrics = ("MeanAbsoluteError",)
    output_activations = ("linear", None)
    output_unit = "values"
    takes_other_data = False
    is_calibrated = True
    has_gaps = True

    @classmethod
    def matches(cls, config: ExperimentConfig) -> bool:
        """Return True if there is a forecast section, or the data set is a series."""
        return config.forecast is not None or config.data in _SERIES

    @classmethod
    def with_defaults(cls, config: ExperimentConfig) -> ExperimentConfig:
        """Return the experiment with its loss and metrics: those of quantiles where it has them."""
        if config.forecast is not None and config.forecast.quantiles and config.training.loss is None:
            loss = Component.model_validate({"PinballLoss": {"quantiles": list(config.forecast.quantiles)}})
            metrics = config.training.metrics or ()
            training = config.training.model_copy(update={"loss": loss, "metrics": metrics})
            config = config.replaced(training=training)
        check_loss(config)
        return super().with_defaults(config)

    @property
    def settings(self) -> ForecastConfig:
        """Window, horizon, season and test steps."""
        assert self.config.forecast is not None
        return self.config.forecast

    @property
    def quantiles(self) -> tuple[float, ...]:
        """[Q] the quantiles that the network forecasts; the middle alone, whatever its loss makes of it, by default."""
        return tuple(self.settings.quantiles or (MEDIAN,))

    @cached_property
    def channels(self) -> Channels:
        """The channels of the series."""
        return Channels.of(self.schema, self.output_names)

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
            return self._windows(series), self._test_windows
        if validation == "given" or isinstance(validation, Fold):
            raise InvalidSetting(
                f"{self.config.where('training', 'validation')}: expected a share of the series' end, got "
                f"{validation if validation == 'given' else 'a fold'}. Set validation: 0.1"
            )
        cuts = [len(values) - max(settings.horizon, round(len(values) * float(validation))) for values in series]
        before = [values[:cut] for values, cut in zip(series, cuts, strict=True)]
        after = [values[cut:] for values, cut in zip(series, cuts, strict=True)]
        return self._windows(before), self._check(
            windows_after(before, after, settings, len(self.output_names)), "validation"
        )

    @property
    def notes(self) -> list[str]:
        """Remarks on the data, and on windows that are left out."""
        length = self.settings.window + self.settings.horizon
        possible = sum(max(len(values) - length + 1, 0) for values in self._trained())
        missing = possible - sum(len(window_begins(values, self.settings)) for values in self._trained())
        gaps = f"{missing:,} of {possible:,} windows are left out: no value before or none in the steps to forecast"
        forgets = (
            f"the last state has to remember {format_list(self.channels.known)} of {self.settings.horizon} steps: give "
            "the recurrent layer return_sequences: true, and end the network with LastSteps"
        )
        is_far = self.settings.horizon > _NEAR and LastSteps.__name__ not in [one.name for one in self.config.network]
        return [
            *super().notes,
            *([gaps] if missing > 0 else []),
            *([forgets] if self.channels.known and is_far else []),
        ]

    def fit_preprocessor(self, train: Split) -> Preprocessor:
        """Fit the mean and the scale of each channel, and find those to forecast that are counted from 0."""
        fitted = self.channels.fit(list(train.inputs), self.settings)
        lowest = np.fmin.reduce(np.concatenate(self._trained()), axis=0)
        return replace(fitted, from_zero=tuple((lowest == 0).tolist())) if (lowest == 0).any() else fitted

    def encode(self, split: Split) -> Split:
        """Return what the network reads, and the scaled differences from one season earlier.

        Those are [B, horizon * targets * Q], each as often as there are quantiles, NaN for a gap.
        """
        windows = np.stack(list(split.inputs))
        before, after = self._targets(windows)
        differences = (after - self._base(before)) / self._unit(before)
        inputs = self._series_preprocessor.narrow(self.channels.inputs(windows, self.settings))
        targets = np.repeat(differences.reshape(len(inputs), -1).astype(np.float32), len(self.quantiles), axis=1)
        return Split(inputs, targets)

    def encode_test(self) -> Split:
        """Return the windows whose target steps are in the test part."""
        return self.encode(self._test_windows)

    @property
    def num_outputs(self) -> int:
        """One value per target step, channel to forecast and quantile."""
        return self.settings.horizon * len(self.output_names) * len(self.quantiles)

    @classmethod
    def head(cls, num_outputs: int) -> Component:
        """Return a linear layer."""
        return Component.model_validate({"Dense": {"units": num_outputs}})

    def predict(self, model: keras.Model, split: Split, batch_size: int = 256) -> NDArray[np.float32]:
        """Return the scaled differences [B, horizon * targets * Q]."""
        return predict_outputs(model, split.inputs, batch_size)

    def calibrate(self, outputs: NDArray[Any], split: Split) -> dict[str, Any]:
        """Fit the shifts that make the quantiles hold on the validation windows (see ``conformal_shifts``)."""
        if not (self.settings.quantiles and self.settings.conformal) or split.size < FEWEST_TO_CALIBRATE:
            return {}
        errors = self._scaled(split) - self._differences(outputs)
        shape = -1, len(self.output_names), len(self.quantiles)
        return {"shifts": conformal_shifts(errors.reshape(shape), self.quantiles).tolist()}

    def evaluate(self, outputs: NDArray[Any], split: Split) -> Evaluation:
        """Return MAE, RMSE, MASE and RMSSE in the units of the data, of quantiles pinball loss and coverage too.

        The loss is that of the scaled differences.
        """
        settings = self.settings
        before, after = self.targets_of(self._test_windows)
        errors = after[..., None] - self.values(outputs, before)
        scaled = errors / self._unit(before)[..., None]
        metrics = self.score(errors, self._test_windows.targets)
        is_mean = not settings.quantiles
        loss = float(np.nanmean(scaled**2)) if is_mean else quantile_errors(scaled, self.quantiles)["pinball"]
        return Evaluation(
            examples=len(outputs),
            metrics={**metrics, "loss": loss},
            headline="MAE",
            conditions={"horizon": settings.horizon, "test_steps": settings.test_steps},
        )

    def baselines(self) -> Baselines:
        """Return the errors of the seasonal naive forecast; its quantiles are those of its errors in training."""
        windows = self._test_windows
        before, after = self.targets_of(windows)
        errors = after[..., None] - self.naive_quantiles(before, windows.targets)
        return {self.naive_name: self.score(errors, windows.targets)}

    def count_independent(self, evaluation: Evaluation) -> float:
        """Return the number of windows that have no step in common: others overlap by all steps but one."""
        return evaluation.examples / self.settings.horizon

    @property
    def rules_left_out(self) -> tuple[str, ...]:
        """The naive forecast, the only baseline, is no method that reads little."""
        return ("nothing-learned",)

    @property
    def naive_name(self) -> str:
        """The name of the seasonal naive forecast."""
        season = self.settings.season
        return "last value" if season == 1 else f"value {season} steps before"

    def score(self, errors: NDArray[Any], owners: NDArray[np.int64]) -> dict[str, float]:
        """Return MAE, RMSE, MASE and RMSSE, of quantiles pinball loss and coverage too.

        Args:
            errors: [B, horizon, targets, Q] the values less the forecast of each quantile, in the units of the data.
            owners: [B] the index of the series of each window.
        """
        naive = (of_series[owners][:, None] for of_series in self._naive_errors)
        found = forecast_errors(errors[..., self.quantiles.index(MEDIAN)], *naive)
        return {**found, **quantile_errors(errors, self.quantiles)} if self.settings.quantiles else found

    def report_sections(self, model: keras.Model, outputs: NDArray[Any]) -> Sections:
        """Chart the test part beside its forecasts (see ``forecast_charts``)."""
        windows = self._test_windows
        forecasts = self.values(outputs, self.targets_of(windows)[0])
        charts = forecast_charts(
            self.data, self.settings, self.output_names, forecasts, self.quantiles, windows.targets
        )
        return Sections([charts])

    def describe_prediction(self, output: NDArray[Any]) -> Prediction:
        """Return the value of each channel at one step."""
        return {name: float(value) for name, value in zip(self.output_names, output, strict=True)}

    def predict_inputs(self, model: keras.Model, inputs: Any, batch_size: int = 256) -> NDArray[np.float32]:
        """Refuse: a series is continued by ``forecast``."""
        raise InvalidInput("predict: the network was trained to forecast. Use: unrolled forecast RUN FILE")

    def forecast(
        self,
        model: keras.Model,
        series: Any,
        steps: int | None = None,
        future: Any = None,
        *,
        quantiles: bool = False,
    ) -> NDArray[np.floating[Any]]:
        """Return the values after the end of a series; beyond the horizon the network reads its own forecasts.

        Args:
            model: The trained network.
            series: [T, F] past values, or [T] of one channel; at least ``window`` steps. Channels that are read up to
                now or known ahead come behind those to forecast (see ``Channels``).
            steps: Number of steps to forecast; the horizon if left out.
            future: [>= steps, known channels], the values of the channels that are known ahead, NaN for a gap. Of a
                horizon that reaches beyond them, the last ones are repeated.
            quantiles: True to return each quantile.

        Returns:
            [steps, targets] in the units of the data, of quantiles the median; or [steps, targets, Q].

        Raises:
            InvalidInput: The series is too short, has other channels, or no value in its last window; or what is known
                of the steps to forecast is missing.
        """
        settings, channels, targets = self.settings, self.channels, len(self.output_names)
        wanted = settings.horizon if steps is None else steps
        if wanted < 1:
            raise InvalidInput(f"forecast: expected at least one step, got {wanted}.")
        values = self.past_values(series)
        ahead = channels.check_ahead(future, wanted, settings.horizon)
        known, first = values[-settings.window :], len(channels.names) - len(channels.ahead)
        blocks, median = [], self.quantiles.index(MEDIAN)
        for begin in range(0, wanted, settings.horizon):
            block = np.full((settings.horizon, values.shape[1]), np.nan, values.dtype)
            block[:, first:] = ahead[begin : begin + settings.horizon]
            window = np.concatenate([known[-settings.window :], block])[None]
            inputs = self._series_preprocessor.narrow(channels.inputs(window, settings))
            outputs = np.asarray(model.predict_on_batch(inputs), np.float32)
            blocks.append(self.values(outputs, self._targets(window)[0])[0].astype(values.dtype))
            block[:, :targets] = blocks[-1][..., median]
            known = np.concatenate([known, block])
        forecasts: NDArray[np.floating[Any]] = np.concatenate(blocks)[:wanted]
        return forecasts if quantiles else forecasts[..., median]

    def past_values(self, series: Any) -> NDArray[Any]:
        """Return a series [T, F] to forecast after checking it.

        Raises:
            InvalidInput: It is too short, has other channels, or a channel to forecast has no value in its last window.
        """
        is_precise = self._series_preprocessor.offset is not None
        values: NDArray[Any] = np.asarray(series, np.float64 if is_precise else np.float32)
        return self.channels.check_past(values, self.settings.window)

    def values(self, outputs: NDArray[Any], windows: NDArray[Any]) -> NDArray[Any]:
        """Return the forecast quantiles [B, horizon, targets, Q] in the units of the data.

        Of a channel that was 0 in training, but never negative, they are not negative either.

        Args:
            outputs: [B, horizon * targets * Q] scaled differences from one season before.
            windows: [B, window, targets] past values.
        """
        differences = self._differences(outputs) * self._unit(windows)[..., None]
        return self._from_zero(self._base(windows)[..., None] + differences)

    def _from_zero(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values [B, horizon, targets, Q], 0 instead of negative ones of channels that are counted from 0."""
        from_zero = np.array(self._series_preprocessor.from_zero or False)
        return np.where(from_zero[..., None] & (values < 0), 0, values)

    def _differences(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return [B, horizon, targets, Q] the scaled differences, shifted as calibrated; crossing quantiles are sorted.

        Reference:
            Chernozhukov, Fernandez-Val and Galichon, "Quantile and Probability Curves Without Crossing", 2010.
        """
        shape = len(outputs), self.settings.horizon, len(self.output_names), len(self.quantiles)
        return np.sort(np.sort(outputs.reshape(shape), axis=-1) + self.calibration.get("shifts", 0.0), axis=-1)

    def _scaled(self, split: Split) -> NDArray[np.float64]:
        """Return [B, horizon, targets, Q] the true scaled differences of encoded windows."""
        shape = split.size, self.settings.horizon, len(self.output_names), len(self.quantiles)
        return np.asarray(split.targets, np.float64).reshape(shape)

    def _trained(self) -> list[NDArray[Any]]:
        """Return [T, targets] the training part of each series."""
        return [values[:, : len(self.output_names)] for values in self.data.train.inputs]

    @cached_property
    def _naive_errors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The mean and the mean squared naive error [S, targets] of each series in training."""
        trained, season = self._trained(), self.settings.season
        return naive_errors(trained, season), naive_errors(trained, season, 2)

    def naive_quantiles(self, windows: NDArray[Any], owners: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return [B, horizon, targets, Q] the seasonal naive forecast, with the quantiles of its errors in training.

        The median, and the only value without quantiles, is the value one season before.

        Args:
            windows: [B, window, targets] past values.
            owners: [B] the index of the series of each window.
        """
        settings = self.settings
        naive = seasonal_naive(windows, horizon=settings.horizon, season=settings.season).astype(np.float64)[..., None]
        if not settings.quantiles:
            return naive
        lags = season_lags(settings.horizon, settings.season).tolist()
        spreads = {
            lag: residual_quantiles([season_differences(one, lag) for one in self._trained()], self.quantiles)
            for lag in set(lags)
        }
        spread = np.stack([spreads[lag] for lag in lags], axis=1)
        spread[..., self.quantiles.index(MEDIAN)] = 0
        return self._from_zero(naive + spread[owners])

    def _base(self, windows: NDArray[Any]) -> NDArray[Any]:
        return usual_season(windows, horizon=self.settings.horizon, season=self.settings.season)

    def targets_of(self, windows: Split) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return [B, window, targets] and [B, horizon, targets], the values before and after the end of windows.

        Those after it are NaN where a channel has no value before, so that no method is measured there.
        """
        before, after = self._targets(np.stack(list(windows.inputs)))
        return before, np.where(np.isnan(before).all(axis=1, keepdims=True), np.nan, after)

    def _targets(self, windows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return [B, window, targets] and [B, horizon, targets], the values before and after the end of a window."""
        values = windows[..., : len(self.output_names)]
        return values[:, : self.settings.window], values[:, self.settings.window :]

    @property
    def _series_preprocessor(self) -> SeriesPreprocessor:
        assert isinstance(self.preprocessor, SeriesPreprocessor)
        return self.preprocessor

    def _unit(self, windows: NDArray[Any]) -> NDArray[Any]:
        """Return [B or 1, 1, targets] the unit of the scaled differences."""
        scale = np.array(self._series_preprocessor.scale)[None, None, : len(self.output_names)]
        return scale * window_level(windows) if self._series_preprocessor.by_window else scale

    @cached_property
    def _test_windows(self) -> Split:
        series = self.data.train.inputs, self.data.test.inputs
        return self._check(windows_after(*series, self.settings, len(self.output_names)), "test")

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
        windows = self._check(windows_of(series, settings, len(self.output_names)), "training")
        for channel, name in enumerate(self.output_names):
            if not any(len(window_begins(values[:, [channel]], settings)) for values in series):
                raise InvalidSetting(
                    f"{self.config.where('data')}: no training window has a value of {name} before and one in the "
                    f"steps to forecast. Fill its gaps, or do not forecast {name}."
                )
        return windows

    def _check(self, windows: Split, part: str) -> Split:
        """Refuse a part without a window."""
        if not windows.size:
            settings = self.settings
            raise InvalidSetting(
                f"{self.config.where('forecast')}: every {part} window has no value in its {settings.window} steps or "
                f"none in the {settings.horizon} steps to forecast. Fill the gaps, widen the window, or leave the "
                "missing steps out of the table without their times."
            )
        return windows
