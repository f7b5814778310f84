"""Means, proportions and differences with confidence intervals and p-values."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean or a difference with its 95 % confidence interval.

    Attributes:
        mean: Mean of the values, or difference of two means.
        low: Lower end of the interval; None where there is none.
        high: Upper end, or None.
        n: Number of values or of pairs, of two sides the smaller one; of test examples where ``basis`` says so.
        p_value: Probability of a mean at least so far from 0 if the true one is 0; None where there is none.
        basis: Source of the variation that the interval covers: the ``seeds`` of several runs, or the choice of the
            test ``examples`` of one run.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    p_value: float | None
    basis: Literal["seeds", "examples"] = "seeds"

    def __str__(self) -> str:
        """Format as ``0.9741 ± 0.0012``, as ``0.9773 (0.9742 to 0.9800)`` of one run, or without an interval."""
        if self.low is None or self.high is None:
            return f"{self.mean:.4f}"
        if self.basis == "examples":
            return f"{self.mean:.4f} ({self.low:.4f} to {self.high:.4f})"
        return f"{self.mean:.4f} ± {self.half_width:.4f}"

    @property
    def half_width(self) -> float | None:
        """Half the width of the interval, the number behind the ±; None where there is no interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


def student(values: Sequence[float]) -> Estimate:
    """Estimate the mean of independent values: m +- t s / sqrt(n), with t of n - 1 degrees of freedom.

    Args:
        values: At least one, from a distribution that is about normal.

    Example:
        >>> print(student([0.97, 0.98, 0.99]))
        0.9800 ± 0.0248
    """
    array = np.asarray(values, dtype=np.float64)
    return _estimate(float(array.mean()), _squared_error(array), len(array) - 1, len(array))


def paired(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Estimate the mean of second - first, where the n-th values of both belong together.

    Args:
        first: At least one value.
        second: As many.
    """
    return student([two - one for one, two in zip(first, second, strict=True)])


def welch(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Estimate the difference of the means, second - first, of independent values with unequal variances.

    Args:
        first: At least one value; there is no interval for a single one.
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


def wilson(proportion: float, n: int) -> Estimate:
    """Estimate a proportion from the share of n independent examples.

    Args:
        proportion: Share of the examples, from 0 to 1.
        n: Number of examples.

    Reference:
        E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
        Statistical Association 22 (1927).

    Example:
        >>> print(wilson(0.9773, 10_000))
        0.9773 (0.9742 to 0.9800)
    """
    low, high = _wilson_interval(proportion, n, _z(CONFIDENCE))
    return Estimate(proportion, low, high, n, None, "examples")


def newcombe(first: float, second: float, n: int) -> Estimate:
    """Estimate the difference of two proportions, second - first, by combining their Wilson intervals.

    The p-value is the level at which the interval reaches 0, so that the two never contradict each other. The two
    proportions count as independent. Two networks that are tested on the same examples tend to be wrong on the same
    ones, which makes the true interval narrower than this one.

    Args:
        first: Share of n examples.
        second: The same.
        n: Number of examples.

    Reference:
        R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of eleven
        methods", Statistics in Medicine 17 (1998), method 10.

    Example:
        >>> estimate = newcombe(0.9773, 0.8821, 10_000)
        >>> print(f"{estimate.mean:.4f} {estimate.low:.4f} {estimate.high:.4f}")
        -0.0952 -0.1022 -0.0883
    """

    def interval(z: float) -> tuple[float, float]:
        one, two = _wilson_interval(first, n, z), _wilson_interval(second, n, z)
        difference = second - first
        return (
            difference - math.hypot(second - two[0], one[1] - first),
            difference + math.hypot(two[1] - second, first - one[0]),
        )

    low, high = interval(_z(CONFIDENCE))
    if first == second:
        return Estimate(0.0, low, high, n, 1.0, "examples")
    z = _bisect(lambda z: interval(z)[0] < 0 < interval(z)[1])
    return Estimate(second - first, low, high, n, 2 * float(ndtr(-z)), "examples")


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct the p-values of several comparisons, so that the family-wise error rate stays below the level.

    Args:
        p_values: One for each comparison.

    Returns:
        The corrected ones, in the same order.

    Reference:
        S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def _squared_error(values: NDArray[np.float64]) -> float:
    """Return the squared standard error of a mean; NaN for a single value."""
    return float(values.var(ddof=1)) / len(values) if len(values) > 1 else math.nan


def _estimate(mean: float, squared_error: float, freedom: float, n: int) -> Estimate:
    if freedom <= 0:
        return Estimate(mean, None, None, n, None)
    error = math.sqrt(squared_error)
    if error == 0:
        # Equal values of a metric that counts whole examples do not show how much it varies.
        return Estimate(mean, None, None, n, None) if mean else Estimate(0.0, 0.0, 0.0, n, 1.0)
    reach = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error
    return Estimate(mean, mean - reach, mean + reach, n, 2 * float(stdtr(freedom, -abs(mean) / error)))


def _z(confidence: float) -> float:
    return float(ndtri((1 + confidence) / 2))


def _wilson_interval(proportion: float, n: int, z: float) -> tuple[float, float]:
    """Return the proportions whose standard scores, given the one that was found, are -z and z."""
    center = proportion + z**2 / (2 * n)
    reach = z * math.sqrt(proportion * (1 - proportion) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return max(0.0, (center - reach) / scale), min(1.0, (center + reach) / scale)


# Beyond, a p-value is 0 in float64.
_LARGEST_Z = 40.0


def _bisect(is_above: Callable[[float], bool]) -> float:
    """Return the z, from 0 to the largest that counts, above which a condition holds."""
    low, high = 0.0, _LARGEST_Z
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if is_above(middle) else (middle, high)
    return high
