"""Means, differences and how far chance may have moved them, from a few independent values each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean of ``n`` values with the interval that holds the true one 95 times in a hundred.

    Attributes:
        mean: Of the values, or the difference of two means.
        low: The interval's lower end; None where there is one value, which gives no interval.
        high: Its upper end, or None.
        n: How many values, pairs, or values on the smaller side.
        p: How often chance alone puts a mean at least as far from 0; None where there is no interval.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    p: float | None

    def __str__(self) -> str:
        """As in ``0.9741 ± 0.0012``; of one value without the interval."""
        return f"{self.mean:.4f}" + ("" if self.half_width is None else f" ± {self.half_width:.4f}")

    @property
    def half_width(self) -> float | None:
        """What stands after the ±."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


def student(values: Sequence[float]) -> Estimate:
    """The mean of independent values: m +- t s / sqrt(n), with t of n - 1 degrees of freedom.

    Args:
        values: At least one, from a distribution that is about normal.

    Example:
        >>> print(student([0.97, 0.98, 0.99]))
        0.9800 ± 0.0248
    """
    array = np.asarray(values, dtype=np.float64)
    return _estimate(float(array.mean()), _squared_error(array), len(array) - 1, len(array))


def paired(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """The mean of second - first, where the n-th values of both belong together.

    Args:
        first: At least one value.
        second: As many.
    """
    return student([two - one for one, two in zip(first, second, strict=True)])


def welch(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """The difference of the means, second - first, of independent values whose spreads may differ.

    Args:
        first: At least one value; no interval can be given for one.
        second: The same.

    Reference:
        B. L. Welch, "The generalization of Student's problem when several different population variances are
        involved", Biometrika 34 (1947).
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    difference, n = float(two.mean() - one.mean()), min(len(one), len(two))
    if n < 2:
        return _estimate(difference, math.nan, 0, n)
    errors = _squared_error(one), _squared_error(two)
    total = sum(errors)
    weights = sum(error**2 / (len(side) - 1) for error, side in zip(errors, (one, two), strict=True))
    freedom = total**2 / weights if weights else len(one) + len(two) - 2
    return _estimate(difference, total, freedom, n)


def holm(chances: Sequence[float]) -> list[float]:
    """Chances of several comparisons, each raised so that all of them together are wrong once in twenty.

    Args:
        chances: The p of each comparison.

    Returns:
        The corrected ones, in the same order.

    Reference:
        S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(chances)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(chances)), key=lambda index: chances[index])):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[index]))
        corrected[index] = highest
    return corrected


def _squared_error(values: NDArray[np.float64]) -> float:
    """The squared standard error of a mean; NaN for a single value."""
    return float(values.var(ddof=1)) / len(values) if len(values) > 1 else math.nan


def _estimate(mean: float, squared_error: float, freedom: float, n: int) -> Estimate:
    if freedom <= 0:
        return Estimate(mean, None, None, n, None)
    error = math.sqrt(squared_error)
    if error == 0:
        # Equal values of a figure that is counted in whole examples do not show how far chance moves it.
        return Estimate(mean, None, None, n, None) if mean else Estimate(0.0, 0.0, 0.0, n, 1.0)
    reach = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error
    return Estimate(mean, mean - reach, mean + reach, n, 2 * float(stdtr(freedom, -abs(mean) / error)))
