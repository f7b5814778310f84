"""Robust z-scores by the place in the season: the baseline of anomaly detection."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unrolled.tasks.events import mean_squares

import numpy as np
from numpy.typing import NDArray

# Turns the median absolute deviation of normal values into their standard deviation.
_MAD_TO_DEVIATION = 1.4826
_SEASONS_ALIGNED = 10


@dataclass(frozen=True)
class SeasonalScores:
    """The robust z-score of each value among those at the same place in the season.

    ::

        z = (x - median) / (1.4826 * median |x - median|)         over the training values at that place

    A series may begin anywhere in the season: the place is taken that fits its first seasons best.

    Attributes:
        median: [season, F].
        deviation: [season, F].
        is_one: True if it was fitted to one series; of several, each is first brought to the same level and spread.
    """

    median: NDArray[np.float64]
    deviation: NDArray[np.float64]
    is_one: bool = True

    @classmethod
    def fit(cls, series: Sequence[NDArray[Any]], season: int) -> "SeasonalScores":
        """Fit medians and deviations to the training part [T, F] of each series, aligned with the first."""
        leveled = [_leveled(one, is_one=len(series) == 1) for one in series]
        method = cls._of([_by_place(leveled[0], season, 0)], is_one=len(series) == 1)
        aligned = [_by_place(one, season, method._begin(one)) for one in leveled]
        return cls._of(aligned, is_one=len(series) == 1)

    @classmethod
    def _of(cls, aligned: Sequence[NDArray[np.float64]], *, is_one: bool) -> "SeasonalScores":
        values = np.concatenate(aligned)
        with np.errstate(all="ignore"):
            overall = np.nanmedian(values, axis=(0, 1))
            median = np.where(np.isnan(values).all(axis=0), overall, _median(values))
            deviation = _MAD_TO_DEVIATION * _median(np.abs(values - median))
        usual = np.nanmedian(deviation, axis=0)
        deviation = np.where(np.nan_to_num(deviation) > 0, deviation, usual)
        return cls(median, np.where(np.nan_to_num(deviation) > 0, deviation, 1.0), is_one)

    @property
    def season(self) -> int:
        """Number of steps of a season."""
        return len(self.median)

    @property
    def name(self) -> str:
        """The name of the baseline."""
        return "robust z-score" if self.season == 1 else f"robust z-score by season of {self.season}"

    def squares(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return [T] the mean over the channels of z^2; NaN for a gap."""
        leveled = _leveled(values, is_one=self.is_one)
        return self._squares(leveled, self._begin(leveled))

    def _squares(self, values: NDArray[np.float64], begin: int) -> NDArray[np.float64]:
        places = (np.arange(len(values)) + begin) % self.season
        return mean_squares((values - self.median[places]) / self.deviation[places])

    def _begin(self, values: NDArray[Any]) -> int:
        """Return the place in the season at which a series begins."""
        if self.season == 1:
            return 0
        first = np.asarray(values[: _SEASONS_ALIGNED * self.season], np.float64)
        medians = [np.median(one[~np.isnan(one)]) for one in (self._squares(first, b) for b in range(self.season))]
        return int(np.argmin(np.nan_to_num(medians, nan=np.inf)))


def _leveled(values: NDArray[Any], *, is_one: bool) -> NDArray[np.float64]:
    """Return a series [T, F] itself, or of several less its median and divided by its own deviation."""
    precise = np.asarray(values, np.float64)
    if is_one:
        return precise
    centered = precise - np.nan_to_num(_median(precise))
    deviation = _MAD_TO_DEVIATION * np.nan_to_num(_median(np.abs(centered)))
    return centered / np.where(deviation > 0, deviation, 1.0)


def _by_place(values: NDArray[np.float64], season: int, begin: int) -> NDArray[np.float64]:
    """Return [seasons, season, F] a series [T, F] that begins at a place in the season, NaN around it."""
    length = -(-(begin + len(values)) // season) * season
    padded = np.full((length, values.shape[1]), np.nan)
    padded[begin : begin + len(values)] = values
    return padded.reshape(-1, season, values.shape[1])


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median over the first axis, NaN where there is no value."""
    known = ~np.isnan(values).all(axis=0)
    found = np.full(values.shape[1:], np.nan)
    found[known] = np.nanmedian(values[:, known], axis=0)
    return found
