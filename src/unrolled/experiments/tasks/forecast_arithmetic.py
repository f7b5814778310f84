"""Forecasts and their errors, as arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def seasonal_naive(windows: NDArray[Any], *, horizon: int, season: int, window: int) -> NDArray[Any]:
    """The values one season before those to tell, or as many seasons as it takes.

    Args:
        windows: [B, >= window, F].
        horizon: How many steps are told.
        season: In steps.
        window: How many steps are seen.

    Returns:
        [B, horizon, F].

    Example:
        >>> seasonal_naive(np.arange(6.0).reshape(1, 6, 1), horizon=3, season=2, window=6)[0, :, 0].tolist()
        [4.0, 5.0, 4.0]
    """
    steps = np.arange(horizon)
    naive: NDArray[Any] = windows[:, window + steps - season * (steps // season + 1)]
    return naive


def mean_errors(errors: NDArray[Any], learned: NDArray[Any], season: int) -> dict[str, float]:
    """MAE, RMSE and MASE.

    ::

        MASE = mean |error| / mean |x[t] - x[t - season]|        the latter within the training part

    Args:
        errors: [B, horizon, F], in the units of the data.
        learned: [T, F] the training part.
        season: In steps.

    Reference:
        Hyndman and Koehler, "Another look at measures of forecast accuracy", 2006.
    """
    learned = learned.astype(np.float64)
    naive = np.nanmean(np.abs(learned[season:] - learned[:-season]), axis=0)
    return {
        "MAE": float(np.nanmean(np.abs(errors))),
        "RMSE": float(np.sqrt(np.nanmean(errors**2))),
        "MASE": float(np.nanmean(np.abs(errors) / np.where(naive > 0, naive, 1.0))),
    }
