"""Quantiles of forecasts: their errors, and the correction that makes them hold on the validation part."""

from collections.abc import Sequence
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import InvalidSetting

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
        errors: [N, F, Q] values less their forecast quantiles, NaN for a gap.
        levels: [Q] the quantiles.

    Returns:
        [F, Q]; 0 without an error.

    Reference:
        Romano, Patterson and Candes, "Conformalized Quantile Regression", 2019.
    """
    ordered = np.sort(errors, axis=0)  # NaN comes last
    counts, shares = (~np.isnan(errors)).sum(axis=0), np.array(levels)
    ranks = np.where(shares > MEDIAN, np.ceil((counts + 1) * shares), np.floor((counts + 1) * shares)).astype(int)
    places = np.clip(ranks, 1, np.maximum(counts, 1)) - 1
    shifts = np.take_along_axis(ordered, places[None], axis=0)[0] if len(ordered) else np.zeros(errors.shape[1:])
    return np.where((shares == MEDIAN) | (counts == 0), 0.0, shifts)


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


def check_loss(config: ExperimentConfig) -> None:
    """Refuse a loss of other quantiles than those to forecast.

    Raises:
        InvalidSetting: It is.
    """
    loss, wanted = config.training.loss, config.forecast.quantiles if config.forecast else None
    has_pinball = loss is not None and loss.name == "PinballLoss"
    given = list(loss.arguments.get("quantiles", ())) if loss is not None and has_pinball else None
    if loss is not None and given != wanted:
        remedy = "Leave the loss out" if wanted else "Set forecast.quantiles to them, or name another loss"
        expected = f"PinballLoss of the quantiles {wanted}" if wanted else "a loss of one value for each step"
        got = f"PinballLoss of {given}" if has_pinball else loss.name
        raise InvalidSetting(f"{config.where('training', 'loss')}: expected {expected}, got {got}. {remedy}.")


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
