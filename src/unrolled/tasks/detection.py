"""Anomaly detection: steps of a series that a network, trained on ordinary ones, forecasts badly."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from unrolled.config.sections import Component, DataConfig, Fold
from unrolled.config.task_sections import DetectConfig
from unrolled.data.anomalies import CLASSES
from unrolled.data.dataset import Dataset, Split
from unrolled.data.ragged import Ragged, objects
from unrolled.data.registry import load_config_data
from unrolled.data.series import channels_of
from unrolled.errors import InvalidInput, InvalidSetting
from unrolled.tasks.base import Baselines, Prediction, Task
from unrolled.tasks.batches import predict_steps
from unrolled.tasks.detection_report import detection_sections
from unrolled.tasks.events import (
    EVENT_F1,
    ORDINARY,
    Event,
    are_ordinary,
    detection_metrics,
    events_above,
    highest_ordinary,
    known_events,
    mean_squares,
    moving_mean,
    notes_on_threshold,
)
from unrolled.tasks.metrics import Evaluation
from unrolled.tasks.preprocessing import Preprocessor, SeriesPreprocessor, fit_series
from unrolled.tasks.seasons import SeasonalScores
from unrolled.tasks.sections import Sections

import keras
import numpy as np
from numpy.typing import NDArray

# On so many steps it is tried if a network reads ahead.
_STEPS_TRIED = 24


class Detection(Task):
    """The difference of each step from the one before it, forecast from all steps before; anomalies are forecast badly.

    ::

        y[t]     = (x[t] - x[t - 1]) / scale                      the network's target, [F]
        e[t]^2   = mean over channels of ((y[t] - forecast) / spread)^2
        score[t] = sqrt(mean of e^2 over the smooth steps around t)
        anomaly  = score[t] > margin * the highest score of the ordinary steps in the validation part

    Where nobody knows if the steps of the validation part are ordinary, stretches of a window each with unusual scores
    are left out of it (see ``highest_ordinary``).
    The spread of each channel is the root mean square of its errors in the validation part. Each example is a window of
    which the second half counts, and the next one begins half a window later; so the first half window of a series has
    no score. Steps that are known to be anomalies, and the steps after them, are not learned; with the half window
    after them, in which the network settles again, they set no threshold either.

    The loss is taken over the ordinary steps of the test series, for the network as for the forecast of no change (the
    last value). Where nobody knows which they are, those are left out that one of the two flags: a network that has
    learned what is ordinary forecasts anomalies worse than the last value does, and a few of them are large enough to
    decide a mean of squares. The last value has a threshold of its own, chosen in the same way.
    """

    name = "detect"
    section = "detect"
    default_loss = "MeanSquaredError"
    default_metrics = ()
    output_activations = ("linear", None)
    output_unit = "channels"
    is_per_step = True
    weighs_steps = True
    is_calibrated = True
    takes_other_data = False
    purpose = "anomalies"
    learned_by = "loss"

    @property
    def settings(self) -> DetectConfig:
        """Window, smoothing, margin and season."""
        assert self.config.detect is not None
        return self.config.detect

    @property
    def half(self) -> int:
        """Number of steps of an example that are read before the steps that count."""
        return self.settings.window // 2

    def load(self) -> Dataset:
        """Load the series, with what is known of their steps."""
        data = self.config.data
        if not isinstance(data, DataConfig):
            raise InvalidSetting(
                f"{self.config.where('data')}: expected a table with a row for each step, got the data set {data}. "
                "Name your own file: data: {file: ...}"
            )
        settings = data.model_dump(exclude_none=True)
        return load_config_data(**settings, purpose=self.purpose, test_steps=self.settings.test_steps)

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """The names of the channels that are watched."""
        return () if self.schema is None else channels_of(self.schema)

    def split(self) -> tuple[Split, Split | None]:
        """Split in time: validation comes after training, and begins with half a window of it that does not count."""
        data, validation = self.data, self.config.training.validation
        if data.kind != "series" or data.classes != CLASSES:
            raise InvalidSetting(
                f"{self.config.where('data')}: expected a table with a row for each step, got {data.name}. Name one."
            )
        if isinstance(validation, str | Fold):
            raise InvalidSetting(
                f"{self.config.where('training', 'validation')}: expected a share of the series' end, from which the "
                f"threshold is chosen, got {validation if isinstance(validation, str) else 'a fold'}. "
                "Set validation: 0.1"
            )
        lengths = [len(values) for values in data.train.inputs]
        cuts = [length - max(1, round(length * float(validation))) for length in lengths]
        if max(cuts) < self.half + 2:
            raise InvalidSetting(
                f"{self.config.where('detect', 'window')}: expected a window shorter than twice the {max(cuts):,} "
                f"training steps, got {self.settings.window}. Lower it."
            )
        before, after = ([slice(cut) for cut in cuts], [slice(max(cut - self.half, 0), None) for cut in cuts])
        return _cut(data.train, before), _cut(data.train, after)

    def fit_preprocessor(self, train: Split) -> Preprocessor:
        """Fit the mean and the scale of each channel over the ordinary steps."""
        pairs = zip(train.inputs, train.targets, strict=True)
        return fit_series([np.where(are_ordinary(labels)[:, None], values, np.nan) for values, labels in pairs])

    def encode(self, split: Split) -> Split:
        """Return the windows of all series, and as targets the scaled differences to the next step, NaN for anomalies.

        Windows overlap, so that all are views of the same values.
        """
        values = [self._series_preprocessor.narrow(one) for one in split.inputs]
        differences = []
        for one, labels in zip(split.inputs, split.targets, strict=True):
            known = self._differences(one)
            known[~are_ordinary(labels)] = np.nan
            differences.append(np.concatenate([known[1:], np.full_like(known[:1], np.nan)]))
        begins, lengths, offset = [], [], 0
        for one in split.inputs:
            for begin, length in self._windows(len(one)):
                begins.append(offset + begin)
                lengths.append(length)
            offset += len(one)
        where = np.array(begins, np.int64), np.array(lengths, np.int64)
        return Split(
            Ragged(np.concatenate(values), *where), Ragged(np.concatenate(differences).astype(np.float32), *where)
        )

    @cached_property
    def _test(self) -> tuple[Split, list[int]]:
        """The test series behind the steps of the training series that come before them; and the number of those."""
        train, test = self.data.train, self.data.test
        if isinstance(self.config.data, DataConfig) and self.config.data.test is not None:
            return test, [0] * test.size
        before = [min(self.half, len(values)) for values in train.inputs]
        pairs = zip(train.inputs, test.inputs, before, strict=True)
        series = [np.concatenate([one[len(one) - count :], other]) for one, other, count in pairs]
        pairs = zip(train.targets, test.targets, before, strict=True)
        labels = [np.concatenate([one[len(one) - count :], other]) for one, other, count in pairs]
        return Split(objects(series), Ragged.of(labels)), before

    def encode_test(self) -> Split:
        """Return the windows of the test series.

        Raises:
            InvalidSetting: They are too short.
        """
        longest = max(map(len, self._test[0].inputs))
        if longest < self.half + 2:
            raise InvalidSetting(
                f"{self.config.where('detect', 'window')}: expected a window shorter than twice the {longest:,} test "
                f"steps, got {self.settings.window}. Lower it."
            )
        return self.encode(self._test[0])

    def _test_errors(self, outputs: Any) -> list[NDArray[np.float64]]:
        """Return for each test series [T, F] the errors (see ``_errors``)."""
        series, before = self._test
        return [one[count:] for one, count in zip(self._errors(outputs, series), before, strict=True)]

    @property
    def num_outputs(self) -> int:
        """One for each channel."""
        return len(self.output_names)

    @classmethod
    def head(cls, num_outputs: int) -> Component:
        """Return a linear layer."""
        return Component.model_validate({"Dense": {"units": num_outputs}})

    def predict(self, model: keras.Model, split: Split, batch_size: int = 256) -> Any:
        """Return the forecast differences [T, F] of each window."""
        return predict_steps(model, split.inputs, batch_size, are_numbers=True)

    def calibrate(self, outputs: Any, split: Split) -> dict[str, Any]:
        """Fit the spread of the errors and the threshold on the validation part."""
        raw = self._parts[1]
        assert raw is not None
        errors = self._errors(outputs, raw)
        for one, labels in zip(errors, raw.targets, strict=True):
            one[~are_ordinary(labels, self.half)] = np.nan
        known = np.concatenate(errors)
        known = known[~np.isnan(known).all(axis=1)]
        if not len(known):
            raise InvalidSetting(
                f"{self.config.where('training', 'validation')}: the validation part has no ordinary step after a "
                "window without gaps, so there is no threshold. Hold out more, or shorten the window."
            )
        spread = np.sqrt(np.nanmean(known**2, axis=0))
        spread = np.where(spread > 0, spread, 1.0)
        return {
            "spread": spread.tolist(),
            "threshold": self._threshold([self._scores(one, spread) for one in errors], raw),
        }

    @property
    def threshold(self) -> float:
        """The score above which a step is an anomaly."""
        return float(self.calibration["threshold"])

    def evaluate(self, outputs: Any, split: Split) -> Evaluation:
        """Return precision, recall and F1 of events and the ROC AUC of steps, where anomalies are known.

        The loss is the mean squared error of ordinary steps; ``flagged`` is the share of steps in an event. The loss of
        the last value is that of the same steps.
        """
        errors = self._test_errors(outputs)
        scores = [self._scores(one) for one in errors]
        metrics = self._metrics(scores, self.threshold)
        has_known = EVENT_F1 in metrics
        no_change, are_unusual = self._no_change()
        are_flagged = [_are_in(self.events(one), len(one)) for one in scores]
        are_measured = self._are_measured(errors, are_flagged, are_unusual)
        return Evaluation(
            examples=sum(map(len, self.data.test.inputs)),
            metrics={**metrics, "loss": _loss(errors, are_measured)},
            headline=EVENT_F1 if has_known else "loss",
            is_higher_better=has_known,
            baselines={"last value": {"loss": _loss(no_change, are_measured)}},
            notes=notes_on_threshold(metrics, scores, self.threshold, self.settings.margin),
        )

    def baselines(self) -> Baselines:
        """Return the metrics of the robust z-score (see ``SeasonalScores``); the last value stands in the evaluation.

        The threshold of the scores is chosen in the same way as that of the network.
        """
        train, validation = self._parts
        assert validation is not None
        method = SeasonalScores.fit(list(train.inputs), self.settings.season)

        def scores(split: Split, *, of_ordinary: bool) -> list[NDArray[np.float64]]:
            found = []
            for values, labels in zip(split.inputs, split.targets, strict=True):
                squares = method.squares(values)
                squares[: self.half + 1] = np.nan  # the steps that the network has no score for
                found.append(
                    self._smoothed(
                        np.where(are_ordinary(labels, self.half), squares, np.nan) if of_ordinary else squares
                    )
                )
            return found

        threshold = self._threshold(scores(validation, of_ordinary=True), validation)
        test, before = self._test
        of_test = zip(scores(test, of_ordinary=False), before, strict=True)
        return {method.name: self._metrics([one[count:] for one, count in of_test], threshold)}

    def count_independent(self, evaluation: Evaluation) -> float:
        """Return the number of known events, where they are measured."""
        known = sum(len(known_events(labels)) for labels in self.data.test.targets)
        return known if evaluation.headline == EVENT_F1 else super().count_independent(evaluation)

    @property
    def rules_left_out(self) -> tuple[str, ...]:
        """The windows of the test series are few where the series is one."""
        return ("few-test-examples",)

    def report_sections(self, model: keras.Model, outputs: Any) -> Sections:
        """Show the events, the scores of each series, and the steps around the events with the highest scores."""
        test = self.data.test
        errors = self._test_errors(outputs)
        scores = [self._scores(one) for one in errors]
        forecasts = [
            np.asarray(values, np.float64) - error * self._scale
            for values, error in zip(test.inputs, errors, strict=True)
        ]
        return detection_sections(
            self.data,
            self.output_names,
            scores,
            forecasts,
            [self.events(one) for one in scores],
            [known_events(labels) for labels in test.targets],
            self.threshold,
            self._scale * np.array(self.calibration["spread"]),
        )

    def predict_inputs(self, model: keras.Model, inputs: Any, batch_size: int = 256) -> Any:
        """Return the score [T] of each step of series [T, F]; NaN where a step has none.

        Raises:
            InvalidInput: A series has other channels.
        """
        series = [np.asarray(values, np.float64) for values in inputs]
        for index, values in enumerate(series):
            if values.ndim != 2 or values.shape[1] != self.num_outputs:
                raise InvalidInput(
                    f"predict: series {index}: expected [T, {self.num_outputs}], got {list(values.shape)}. Give the "
                    f"channels {', '.join(self.output_names)}."
                )
        raw = Split(objects(series), [np.zeros(len(values), np.int64) for values in series])
        encoded = self.encode(raw)
        outputs = predict_steps(model, encoded.inputs, batch_size, are_numbers=True) if len(encoded.inputs) else []
        return [self._scores(errors) for errors in self._errors(outputs, raw)]

    def describe_prediction(self, output: NDArray[Any]) -> Prediction:
        """Return the events of one series."""
        return {
            "threshold": self.threshold,
            "events": [{"start": one.start, "end": one.end, "score": one.score} for one in self.events(output)],
        }

    def describe_steps(self, output: NDArray[Any]) -> list[Prediction]:
        """Return for each step its score, 1 for an anomaly or 0, and the number of its event, from 1."""
        numbers = np.zeros(len(output), np.int64)
        for number, event in enumerate(self.events(output), start=1):
            numbers[event.start : event.end] = number
        return [
            {
                "score": None if np.isnan(score) else float(score),
                "anomaly": None if np.isnan(score) and not number else int(number > 0),
                "event": number or None,
            }
            for score, number in zip(output, numbers.tolist(), strict=True)
        ]

    def events(self, scores: NDArray[np.float64]) -> list[Event]:
        """Return the events in the scores [T] of a series."""
        return events_above(scores, self.threshold, self.settings.smooth)

    def check_model(self, model: keras.Model) -> None:
        """Refuse a network of which the outputs of a step depend on later steps.

        Raises:
            InvalidSetting: They do.
        """
        steps = np.random.default_rng(0).normal(size=(1, _STEPS_TRIED, self.num_outputs)).astype(np.float32)
        changed = steps.copy()
        changed[:, -1] += 1
        first, second = (keras.ops.convert_to_numpy(model(one, training=False)) for one in (steps, changed))
        if not np.allclose(first[:, :-1], second[:, :-1], rtol=1e-4, atol=1e-5):
            raise InvalidSetting(
                f"{self.config.where('network')}: the outputs of a step depend on later steps, which are to be "
                "forecast. Leave out layers that read from the end, such as Bidirectional, and set padding: causal in "
                "convolutions."
            )

    def _windows(self, length: int) -> Iterator[tuple[int, int]]:
        """Yield the first step and the length of each window of a series; the last step is forecast alone."""
        for begin in range(0, max(length - 1 - self.half, 0), self.half):
            yield begin, min(2 * self.half, length - 1 - begin)

    def _errors(self, outputs: Any, raw: Split) -> list[NDArray[np.float64]]:
        """Return for each series [T, F] the true less the forecast scaled differences, NaN where nothing counts."""
        found, number = [], 0
        for values in raw.inputs:
            errors = np.full(values.shape, np.nan)
            true = self._differences(values)
            for begin, length in self._windows(len(values)):
                counted = slice(begin + self.half + 1, begin + length + 1)
                errors[counted] = true[counted] - outputs[number][self.half : length]
                number += 1
            found.append(errors)
        return found

    def _differences(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return [T, F] the scaled differences of each step from the one before; NaN for the first."""
        return np.diff(np.asarray(values, np.float64), axis=0, prepend=np.nan) / self._scale

    def _scores(self, errors: NDArray[np.float64], spread: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return [T] the score of each step by the spread of the errors; NaN where nothing counts."""
        spread = np.array(self.calibration["spread"]) if spread is None else spread
        return self._smoothed(mean_squares(errors / spread))

    def _smoothed(self, squares: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sqrt(moving_mean(squares, self.settings.smooth))

    def _threshold(self, scores: Sequence[NDArray[np.float64]], validation: Split) -> float:
        are_known = [np.asarray(labels) == ORDINARY for labels in validation.targets]
        return self.settings.margin * highest_ordinary(scores, are_known, self.settings.window)

    def _no_change(self) -> tuple[list[NDArray[np.float64]], list[NDArray[np.bool_]]]:
        """Return the errors of the last value on the test series, and the steps [T] of each that it flags."""
        validation = self.validation
        assert validation is not None
        errors = self._test_errors([np.zeros_like(window) for window in self.test.inputs])
        found = self.calibrate([np.zeros_like(window) for window in validation.inputs], validation)
        scores = [self._scores(one, np.array(found["spread"])) for one in errors]
        return errors, [
            _are_in(events_above(one, found["threshold"], self.settings.smooth), len(one)) for one in scores
        ]

    def _are_measured(
        self, errors: Sequence[NDArray[np.float64]], *are_flagged: Sequence[NDArray[np.bool_]]
    ) -> NDArray[np.bool_]:
        """Return [steps of all test series] True for those of the loss: known to be ordinary, or else not flagged."""
        labels = np.concatenate([np.asarray(one) for one in self.data.test.targets])
        are_likely = np.concatenate([are_ordinary(one) for one in self.data.test.targets])
        flagged = np.any([np.concatenate(list(one)) for one in are_flagged], axis=0)
        measured = are_likely & ~((labels != ORDINARY) & flagged)
        has_error = ~np.isnan(np.concatenate(list(errors))).all(axis=1)
        return measured if (measured & has_error).any() else are_likely

    def _metrics(self, scores: Sequence[NDArray[np.float64]], threshold: float) -> dict[str, float]:
        return detection_metrics(scores, list(self.data.test.targets), threshold, self.settings.smooth)

    @property
    def _scale(self) -> NDArray[np.float64]:
        return np.array(self._series_preprocessor.scale)

    @property
    def _series_preprocessor(self) -> SeriesPreprocessor:
        assert isinstance(self.preprocessor, SeriesPreprocessor)
        return self.preprocessor


def _cut(split: Split, slices: Sequence[slice]) -> Split:
    """Return some steps of each series, with their labels."""
    series = [values[one] for values, one in zip(split.inputs, slices, strict=True)]
    return Split(objects(series), Ragged.of([labels[one] for labels, one in zip(split.targets, slices, strict=True)]))


def _loss(errors: Sequence[NDArray[np.float64]], are_measured: NDArray[np.bool_]) -> float:
    """Return the mean squared error of some of the steps of all series."""
    return float(np.nanmean(np.concatenate(list(errors))[are_measured] ** 2))


def _are_in(events: Sequence[Event], length: int) -> NDArray[np.bool_]:
    """Return [length] True for the steps that are in an event."""
    found = np.zeros(length, np.bool_)
    for event in events:
        found[event.start : event.end] = True
    return found
