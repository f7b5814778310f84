"""The last season of a window, without gaps and unusual values: what a forecast starts from."""

from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray

# Turns the median of the absolute differences of normal values into their standard deviation.
_MEDIAN_TO_DEVIATION = 1.4826
_FEWEST_SEASONS, _COMPARED, _MOST_SEASONS = 3, 4, 8
_DEVIATIONS, _WIDEST = 4, 1.5
_SMALL = 0.02  # of the usual value, added before the logarithm
_ROUNDING = 1e-5  # of the largest value
# So many values of a season may be too low, and as many too high, or the season divided by this.
_UNUSUAL, _PARTS = 2, 14


def season_lags(horizon: int, season: int) -> NDArray[np.int64]:
    """Return [horizon] how many steps before each step to forecast its place in the last season is.

    ::

        lag = season * (k // season + 1)            k = 0 ... horizon - 1

    Example:
        >>> season_lags(horizon=3, season=2).tolist()
        [2, 2, 4]
    """
    return season * (np.arange(horizon) // season + 1)


def seasonal_steps(horizon: int, season: int, window: int) -> NDArray[np.int64]:
    """Return [horizon] the index in a window of the place in its last season of each step to forecast.

    Example:
        >>> seasonal_steps(horizon=3, season=2, window=6).tolist()
        [4, 5, 4]
    """
    return window + np.arange(horizon) - season_lags(horizon, season)


def seasonal_naive(windows: NDArray[Any], *, horizon: int, season: int) -> NDArray[Any]:
    """Return the values of the last season at the places of the steps to forecast; gaps are filled (``fill_gaps``).

    Args:
        windows: [B, >= season, F] past values, NaN for a gap.
        horizon: Number of steps to forecast.
        season: Length of a season, in steps.

    Returns:
        [B, horizon, F]; NaN where a channel has no value in the window.

    Example:
        >>> seasonal_naive(np.arange(6.0).reshape(1, 6, 1), horizon=3, season=2)[0, :, 0].tolist()
        [4.0, 5.0, 4.0]
    """
    last: NDArray[Any] = windows[:, -season:].copy()
    has_gap = np.isnan(last).any(axis=(1, 2))
    last[has_gap] = fill_gaps(windows[has_gap], season)[:, -season:]
    return last[:, seasonal_steps(horizon, season, season)]


def usual_season(windows: NDArray[Any], *, horizon: int, season: int) -> NDArray[Any]:
    """Return ``seasonal_naive`` of windows in which unusual values of the last season count as gaps.

    So a day on which a shop was closed does not come back every week. An ordinary window is unchanged.

    Args:
        windows: [B, >= season, F] past values, NaN for a gap.
        horizon: Number of steps to forecast.
        season: Length of a season, in steps.

    Returns:
        [B, horizon, F]; NaN where a channel has no value in the window.
    """
    usual = windows.copy()
    usual[:, -season:][find_unusual(windows, season)] = np.nan
    return seasonal_naive(usual, horizon=horizon, season=season)


def usual_steps(windows: NDArray[Any], *, horizon: int, season: int) -> NDArray[np.int64]:
    """Return [B, horizon] the index of the step of which ``usual_season`` has the value, in the first channel.

    Where that is none, it is the step in the last season.

    Args:
        windows: [B, window, F] past values, NaN for a gap.
        horizon: Number of steps to forecast.
        season: Length of a season, in steps.
    """
    is_usable = ~np.isnan(windows[..., 0])
    is_usable[:, -season:] &= ~find_unusual(windows[..., :1], season)[..., 0]
    window = windows.shape[1]
    usable = np.pad(np.where(is_usable, np.arange(window), -1), ((0, 0), (-window % season, 0)), constant_values=-1)
    latest = usable.reshape(len(windows), -1, season).max(axis=1)
    steps: NDArray[np.int64] = np.where(latest < 0, seasonal_steps(season, season, window), latest)
    return steps[:, seasonal_steps(horizon, season, season)]


def find_unusual(windows: NDArray[Any], season: int) -> NDArray[np.bool_]:
    """Return [B, season, F] True for the values of the last season that are far from those of all other seasons.

    ::

        z[i, p]     = log(x[i, p] + 0.02 * median |x|)      of values that are never negative; x[i, p] of others
        y[i, p]     = z[i, p] + median over p of (z[n, p] - z[i, p])        season i at the level of the last one, n
        s           = 1.4826 * median over i and p of |y[i + 1, p] - y[i, p]|
        s[p]        = 1.4826 * 2**0.5 * median over i < n of |y[i, p] - median over i < n of y[i, p]|
        unusual     : |y[n, p] - y[i, p]| > 4 max(s, min(s[p], 1.5 s))      for i = n - 3 ... n - 1

    In logarithms a Monday without sales is far from other Mondays, whatever is sold on Saturdays. The last four
    seasons are compared, of which three have to have a value; up to eight show the spread. With fewer than three it
    cannot be known which one is unusual, and none is. Nor are those that are too low, or too high, if they are more
    than two, or than a fourteenth of a longer season, or if both are as many, as the season itself has then changed;
    nor is any if the spread is 0, as of a price, which is changed for good, or if most values are 0, as of rare sales.
    Places that are 0 in all of these seasons do not count.

    Args:
        windows: [B, >= season, F] past values, NaN for a gap.
        season: Length of a season, in steps.
    """
    batch, window, channels = windows.shape
    count = min(window // season, _MOST_SEASONS)
    if season == 1 or count < _FEWEST_SEASONS:
        return np.zeros((batch, season, channels), np.bool_)
    seasons = _comparable(windows[:, window - count * season :].reshape(batch, count, season, channels))
    leveled = seasons + _median(seasons[:, -1:] - seasons, (2,))
    earlier, last = leveled[:, :-1], leveled[:, -1:]
    pooled = _median(np.abs(np.diff(leveled, axis=1)), (1, 2))
    own = np.sqrt(2) * _median(np.abs(earlier - _median(earlier, (1,))), (1,))
    largest = np.nan_to_num(np.abs(seasons)).max(axis=(1, 2), keepdims=True)
    far = _DEVIATIONS * _MEDIAN_TO_DEVIATION * np.fmax(pooled, np.fmin(own, _WIDEST * pooled)) + _ROUNDING * largest
    distances = last - earlier[:, 1 - _COMPARED :]
    has_enough = ((~np.isnan(distances)).sum(axis=1) >= _FEWEST_SEASONS - 1) & (pooled[:, 0] > 0)
    most = max(_UNUSUAL, season // _PARTS)
    found = np.zeros((batch, season, channels), np.bool_)
    for side in (distances, -distances):
        is_far = (np.isnan(side) | (side > far)).all(axis=1) & has_enough
        found |= is_far & (is_far.sum(axis=1, keepdims=True) <= most)
    return np.asarray(found & (found.sum(axis=1, keepdims=True) < 2 * most))


def _comparable(seasons: NDArray[Any]) -> NDArray[np.float64]:
    """Return seasons [B, n, season, F] as logarithms unless some are negative, without places that are always 0.

    Where most other values are 0 as well, all are NaN.
    """
    is_idle = (np.nan_to_num(seasons) == 0).all(axis=1, keepdims=True)
    values = np.where(is_idle, np.nan, seasons.astype(np.float64))
    usual = _median(np.abs(values), (1, 2))
    has_sign = (values < 0).any(axis=(1, 2), keepdims=True)
    is_rare = ~(usual > 0)
    logarithms = np.log(np.where(is_rare | has_sign, 1.0, values + _SMALL * usual))
    return np.where(is_rare, np.nan, np.where(has_sign, values, logarithms))


def fill_gaps(values: NDArray[Any], season: int) -> NDArray[Any]:
    """Return series [B, T, F] whose gaps have the value one season before; those without one are interpolated.

    A channel without any value stays as it is.

    Example:
        >>> fill_gaps(np.array([np.nan, 1.0, 2.0, np.nan, 4.0]).reshape(1, 5, 1), season=2).ravel().tolist()
        [1.0, 1.0, 2.0, 1.0, 4.0]
    """
    filled = values.copy()
    for begin in range(season, filled.shape[1], season):
        block = filled[:, begin : begin + season]
        np.copyto(block, filled[:, begin - season : begin - season + block.shape[1]], where=np.isnan(block))
    known = ~np.isnan(filled)
    for row, channel in np.argwhere(known.any(axis=1) & ~known.all(axis=1)).tolist():
        steps = np.flatnonzero(known[row, :, channel])
        filled[row, :, channel] = np.interp(np.arange(filled.shape[1]), steps, filled[row, steps, channel])
    return filled


def _median(values: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
    """Return the median over axes, which are kept; NaN where there is no value."""
    if not np.isnan(values).any():
        return np.asarray(np.median(values, axis=axes, keepdims=True))
    with catch_warnings():
        simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values, axis=axes, keepdims=True))
