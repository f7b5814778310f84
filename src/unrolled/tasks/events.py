"""Events: stretches of steps whose scores are above a threshold, and how well they meet those that are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Event:
    """A stretch of steps.

    Attributes:
        start: Its first step.
        end: The step after its last one.
        score: The highest score in it.
    """

    start: int
    end: int
    score: float = 0.0

    def meets(self, other: "Event") -> bool:
        """Return True if they have a step in common."""
        return self.start < other.end and other.start < self.end


def events_above(scores: NDArray[np.floating[Any]], threshold: float, apart: int = 1) -> list[Event]:
    """Return the events in which the score is above a threshold.

    Args:
        scores: [T], NaN where a step has none.
        threshold: Scores above it are in an event.
        apart: Stretches of which the second begins fewer steps than this after the end of the first are one event.

    Example:
        >>> [(e.start, e.end) for e in events_above(np.array([0, 3.0, 0, 2, 0, 0, 5]), 1, apart=2)]
        [(1, 4), (6, 7)]
    """
    is_above = np.concatenate([[False], scores > threshold, [False]])
    starts, ends = np.flatnonzero(np.diff(is_above.astype(np.int8))).reshape(-1, 2).T
    is_apart = starts[1:] - ends[:-1] >= apart
    firsts, lasts = starts[np.append(True, is_apart)[: len(starts)]], ends[np.append(is_apart, True)[: len(ends)]]
    return [
        Event(start, end, float(np.nanmax(scores[start:end])))
        for start, end in zip(firsts.tolist(), lasts.tolist(), strict=True)
    ]


def event_metrics(found: Sequence[Sequence[Event]], known: Sequence[Sequence[Event]]) -> dict[str, float]:
    """Return precision, recall and F1 of events; an event is right if it has a step in common with a known one.

    ::

        precision = found events that meet a known one / found events
        recall    = known events that meet a found one / known events
        F1        = 2 precision recall / (precision + recall)

    Args:
        found: For each series its events.
        known: For each series the known ones.

    Example:
        >>> event_metrics([[Event(0, 2), Event(8, 9)]], [[Event(1, 3), Event(5, 6)]])
        {'event F1': 0.5, 'precision': 0.5, 'recall': 0.5}
    """
    right = sum(_count_meeting(own, there) for own, there in zip(found, known, strict=True))
    met = sum(_count_meeting(there, own) for own, there in zip(found, known, strict=True))
    precision = right / max(sum(map(len, found)), 1)
    recall = met / max(sum(map(len, known)), 1)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"event F1": f1, "precision": precision, "recall": recall}


def _count_meeting(events: Sequence[Event], others: Sequence[Event]) -> int:
    return sum(any(event.meets(other) for other in others) for event in events)


def roc_auc(scores: NDArray[np.floating[Any]], is_true: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve: the share of pairs in which the true one has the higher score.

    Equal scores count half.

    Args:
        scores: [N]
        is_true: [N], with at least one True and one False.

    Example:
        >>> roc_auc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, True, False, True]))
        0.875
    """
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positive = int(is_true.sum())
    pairs = positive * (len(scores) - positive)
    return float((ranks[is_true].sum() - positive * (positive + 1) / 2) / pairs)


def mean_squares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return [T] the mean of the squares over the channels [T, F] that have a value; NaN for a step without any."""
    is_known = ~np.isnan(values)
    means = np.nansum(values**2, axis=1) / np.maximum(is_known.sum(axis=1), 1)
    return np.where(is_known.any(axis=1), means, np.nan)


def moving_mean(values: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Return the mean of the steps around each step, as far as they have values; NaN where it has none itself.

    Args:
        values: [T], NaN where a step has none.
        steps: Number of steps, half of them before.
    """
    if steps == 1:
        return values
    # Each mean is a sum of its own: in a running sum one huge value would hide all that follow it.
    around = slice(steps - 1 - steps // 2, steps - 1 - steps // 2 + len(values))
    is_known = ~np.isnan(values)
    sums, counts = (np.convolve(one, np.ones(steps))[around] for one in (np.nan_to_num(values), is_known.astype(float)))
    return np.where(is_known, sums / np.maximum(counts, 1), np.nan)
