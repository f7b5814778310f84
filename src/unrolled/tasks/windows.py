"""Windows of series to forecast, and the channels that a network reads of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unrolled.config.task_sections import ForecastConfig
from unrolled.data.calendars import calendar_names
from unrolled.data.dataset import Split
from unrolled.data.ragged import objects
from unrolled.data.schema import TableSchema
from unrolled.data.series import SINCE_LAST
from unrolled.errors import InvalidInput
from unrolled.tasks.last_season import usual_steps
from unrolled.tasks.preprocessing import SeriesPreprocessor, fit_series

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Channels:
    """The channels [F] of a series: first those to forecast, then those read up to now, then those known ahead.

    The network's input without known channels is the window, [window, F]. With them it is one sequence of window and
    horizon, so that a step means the same in both, and a window may be shorter than the horizon::

                          window                        horizon
        to forecast       x[t]                          gap
        past              x[t]                          gap
        known             x[t]                          x[t]
        known columns     gap                           x[t - season m]      m as in ``usual_steps``
        is ahead          0                             1

    As the network forecasts differences from the values one season earlier, it is given what was known of those steps
    too: it need not keep the whole window in its state to tell what has changed since. A gap in one channel counts as
    its mean (see ``ReadSeries``). A step of the window without any value is a gap in all channels, which the kernels
    skip.

    Attributes:
        targets: The names of the channels to forecast.
        past: The names of the channels that are read up to now alone.
        known: The names of the channels of columns that are known ahead.
        calendar: The names of the channels made from the times, which are known ahead too.
    """

    targets: tuple[str, ...]
    past: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()

    @classmethod
    def of(cls, schema: TableSchema | None, targets: Sequence[str]) -> "Channels":
        """Return the channels of the series of a table; without one, those to forecast alone."""
        if schema is None:
            return cls(tuple(targets))
        since = (SINCE_LAST,) if schema.irregular == "delta" else ()
        past, known = schema.channels(schema.past), schema.channels(schema.known)
        return cls(tuple(targets), (*past, *since), known, calendar_names(schema.calendar))

    @property
    def names(self) -> tuple[str, ...]:
        """[F] the names of all channels, in their order."""
        return (*self.targets, *self.past, *self.ahead)

    @property
    def ahead(self) -> tuple[str, ...]:
        """The names of the channels that are known ahead, the last ones."""
        return (*self.known, *self.calendar)

    def inputs(self, windows: NDArray[Any], settings: ForecastConfig) -> NDArray[Any]:
        """Return the network's input.

        Args:
            windows: [B, window + horizon, F]; without known channels also [B, >= window, F].
            settings: Window, horizon and season.

        Returns:
            [B, window, F], or [B, window + horizon, F + known columns + 1].
        """
        window, first = settings.window, len(self.names) - len(self.ahead)
        if not self.ahead:
            return windows[:, :window]
        steps = windows.copy()
        steps[:, window:, :first] = np.nan
        earlier = np.full((*windows.shape[:2], len(self.known)), np.nan, windows.dtype)
        one_season = usual_steps(windows[:, :window], horizon=settings.horizon, season=settings.season)
        known = windows[..., first : first + len(self.known)]
        earlier[:, window:] = np.take_along_axis(known, one_season[..., None], axis=1)
        is_ahead = np.zeros((*windows.shape[:2], 1), windows.dtype)
        is_ahead[:, window:] = 1
        is_ahead[np.isnan(steps).all(axis=2)] = np.nan
        return np.concatenate([steps, earlier, is_ahead], axis=2)

    def check_past(self, series: NDArray[Any], window: int) -> NDArray[Any]:
        """Return a series [T, F] to forecast, of one channel also [T].

        Raises:
            InvalidInput: It is too short, has other channels, or a channel to forecast has no value in its last window.
        """
        values = series[:, None] if series.ndim == 1 else series
        if values.ndim != 2 or values.shape[1] != len(self.names) or len(values) < window:
            raise InvalidInput(
                f"forecast: expected a series [T, {len(self.names)}] of at least {window} steps, got "
                f"{list(values.shape)}. Give more past steps, and the channels {', '.join(self.names)}."
            )
        is_empty = np.isnan(values[-window:, : len(self.targets)]).all(axis=0)
        for name in (name for name, empty in zip(self.targets, is_empty, strict=True) if empty):
            raise InvalidInput(
                f"forecast: expected a value of {name} in the last {window} steps of the series, got none. Give one."
            )
        return values

    def check_ahead(self, future: Any, steps: int, horizon: int) -> NDArray[np.float64]:
        """Return [whole horizons, known channels] what is known ahead, the last step repeated up to whole horizons.

        Args:
            future: [>= steps, known channels], or [>= steps] of one; None if nothing is known.
            steps: Number of steps to forecast.
            horizon: Number of steps that the network forecasts at once.

        Raises:
            InvalidInput: It is missing.
        """
        names = self.ahead
        whole = -(-steps // horizon) * horizon
        if future is None and names:
            raise InvalidInput(
                f"forecast: expected {', '.join(names)} of the {steps} steps to forecast, which the network reads, got "
                f"none. Give them: future=[{steps}, {len(names)}]."
            )
        given = np.empty((whole, 0)) if future is None else np.asarray(future, np.float64)
        given = given[:, None] if given.ndim == 1 and len(names) == 1 else given
        if given.ndim != 2 or given.shape[1] != len(names) or len(given) < steps:
            raise InvalidInput(
                f"forecast: expected future [{steps}, {len(names)}], got {list(given.shape)}. Give {steps} steps of "
                f"{', '.join(names) or 'nothing: the network reads no channel that is known ahead'}."
            )
        given = given[:whole]
        return np.concatenate([given, np.repeat(given[-1:], whole - len(given), axis=0)])

    def fit(self, windows: Sequence[NDArray[Any]], settings: ForecastConfig) -> SeriesPreprocessor:
        """Fit the mean and the scale of each channel of the network's input.

        Args:
            windows: [B] windows [window + horizon, F] of training steps.
            settings: Length of the window, and if each is divided by its own mean.
        """
        read = [window[: settings.window] for window in windows]
        by_window, targets = settings.scale is not None, len(self.targets)
        if targets == len(self.names):
            return fit_series(read, by_window=by_window)
        whole = fit_series(read)
        if by_window:
            divided = fit_series([window[:, :targets] for window in read], by_window=True)
            whole = SeriesPreprocessor(
                (*divided.mean, *whole.mean[targets:]),
                (*divided.scale, *whole.scale[targets:]),
                by_window=True,
                longest=whole.longest,
                divided=targets,
                offset=None if whole.offset is None else (*(0.0 for _ in range(targets)), *whole.offset[targets:]),
            )
        if not self.ahead:
            return whole
        again = slice(targets + len(self.past), targets + len(self.past) + len(self.known))
        return SeriesPreprocessor(
            (*whole.mean, *whole.mean[again], 0.0),
            (*whole.scale, *whole.scale[again], 1.0),
            by_window=whole.by_window,
            longest=whole.longest,
            divided=whole.divided,
            offset=None if whole.offset is None else (*whole.offset, *whole.offset[again], 0.0),
        )


def windows_of(series: Sequence[NDArray[Any]], settings: ForecastConfig, targets: int) -> Split:
    """Return the windows of all series that have something to forecast (see ``window_begins``).

    Args:
        series: [S] arrays [T, F].
        settings: Window, horizon and season.
        targets: Number of the first channels, which are to be forecast.

    Returns:
        [B] windows [window + horizon, F], and as targets [B] the index of the series of each.
    """
    length = settings.window + settings.horizon
    begins = [window_begins(values[:, :targets], settings) for values in series]
    windows = [
        values[begin : begin + length] for values, own in zip(series, begins, strict=True) for begin in own.tolist()
    ]
    owners = np.repeat(np.arange(len(series)), [len(own) for own in begins])
    return Split(objects(windows), owners.astype(np.int64))


def window_begins(values: NDArray[Any], settings: ForecastConfig) -> NDArray[np.int64]:
    """Return the first step of each window of a series that has something to forecast.

    That is, one of the channels has a value in the window and one in the steps to forecast.

    Args:
        values: [T, targets] the channels to forecast, NaN for a gap.
        settings: Window, horizon and season.
    """
    known = np.concatenate([np.zeros((1, values.shape[1]), np.int64), (~np.isnan(values)).cumsum(axis=0)])
    begins = np.arange(max(len(values) - settings.window - settings.horizon + 1, 0))
    now, end = begins + settings.window, begins + settings.window + settings.horizon
    useful: NDArray[np.int64] = begins[((known[now] > known[begins]) & (known[end] > known[now])).any(axis=1)]
    return useful


def windows_after(
    before: Sequence[NDArray[Any]] | NDArray[Any],
    after: Sequence[NDArray[Any]] | NDArray[Any],
    settings: ForecastConfig,
    targets: int,
) -> Split:
    """Return the windows of all series whose target steps are all in ``after``."""
    pairs = zip(before, after, strict=True)
    series = [np.concatenate([first[-settings.window :], second]) for first, second in pairs]
    return windows_of(series, settings, targets)
