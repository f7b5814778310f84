"""The last season of a window, with its gaps filled: what a forecast starts from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


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
