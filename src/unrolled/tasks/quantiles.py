"""Quantiles of forecasts: their errors, and the correction that makes them hold on the validation part."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MEDIAN = 0.5


def quantile_errors(errors: NDArray[Any], levels: Sequence[float]) -> dict[str, float]:
    """Return the pinball loss and, of more than one quantile, the coverage.

    ::

        pinball  = mean max(q e, (q - 1) e)             over all quantiles q
        coverage = share of the values between the forecasts of the lowest and of the highest quantile

    Args:
        errors: [B, horizon, F, Q] the values less the forecast of each quantile, NaN for a gap.
        levels: [Q] the quantiles, in ascending order.

    Example:
        >>> quantile_errors(np.array([[[[1.0, -1.0]], [[-1.0, -2.0]]]]), (0.1, 0.5))
        {'pinball': 0.625, 'coverage': 0.5}
    """
    shares = np.array(levels)
    found = {"pinball": float(np.nanmean(np.maximum(shares * errors, (shares - 1) * errors)))}
    if len(levels) > 1:
        is_known = ~np.isnan(errors[..., 0])
        found["coverage"] = float(((errors[..., 0] >= 0) & (errors[..., -1] <= 0))[is_known].mean())
    return found


def conformal_shifts(errors: NDArray[Any], levels: Sequence[float]) -> NDArray[np.float64]:
    """Return what is to be added to each quantile so that its share of the validation values lies below it.

    ::

        shift_q = the ceil((N + 1) q)-th smallest of the N errors e = x - f_q for q > 1/2, the floor((N + 1) q)-th for
                  q < 1/2, 0 for the median

    Of values that are exchangeable, a share of at least q then lies below an upper quantile. Those of a series hardly
    are, so it is a correction rather than a guarantee.

    Args:
        errors: [N, F, Q] values less their forecast quantiles.
        levels: [Q] the quantiles.

    Returns:
        [F, Q].

    Reference:
        Romano, Patterson and Candes, "Conformalized Quantile Regression", 2019.
    """
    ordered = np.sort(errors, axis=0)
    count = len(ordered)
    shifts = np.zeros(errors.shape[1:])
    for index, level in enumerate(levels):
        if level != MEDIAN and count:
            rank = np.ceil((count + 1) * level) if level > MEDIAN else np.floor((count + 1) * level)
            shifts[:, index] = ordered[int(np.clip(rank, 1, count)) - 1, :, index]
    return shifts


def residual_quantiles(residuals: Sequence[NDArray[Any]], levels: Sequence[float]) -> NDArray[np.float64]:
    """Return [S, F, Q] the quantiles of the residuals [N, F] of each series; 0 where it has none."""
    found = [
        np.stack(
            [
                np.quantile(known, levels) if (known := column[~np.isnan(column)]).size else np.zeros(len(levels))
                for column in one.T
            ]
        )
        for one in residuals
    ]
    return np.array(found)


def format_interval(levels: Sequence[float]) -> str:
    """Return a sentence on the band between the lowest and the highest quantile.

    Example:
        >>> format_interval((0.1, 0.5, 0.9))
        'The band reaches from the 0.1 to the 0.9 quantile: 80 % of the values should lie in it.'
    """
    low, high = levels[0], levels[-1]
    return (
        f"The band reaches from the {low:g} to the {high:g} quantile: {100 * (high - low):.4g} % of the values should "
        "lie in it."
    )
