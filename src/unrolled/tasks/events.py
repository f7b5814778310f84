"""Events: stretches of steps whose scores are above a threshold, and how well they meet those that are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unrolled.data.anomalies import CLASSES

import numpy as np
from numpy.typing import NDArray

EVENT_F1 = "event F1"
GOOD_AUC = 0.8
"""The area under the ROC curve from which on scores rank anomalies well."""
ORDINARY, ANOMALY = CLASSES.index("ordinary"), CLASSES.index("anomaly")
_USUAL = 1.5
"""The multiple of the median up to which the highest score of a stretch of steps is usual."""


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


def known_events(labels: Any) -> list[Event]:
    """Return the stretches that are known to be anomalies, with steps without a label between two such steps.

    Args:
        labels: [T] 1 for an anomaly, 0 for an ordinary step, below 0 for a step of which neither is known.

    Example:
        >>> known_events([0, 1, -1, 1, 0, 1, -1, 0])
        [Event(start=1, end=4, score=1.0), Event(start=5, end=6, score=1.0)]
    """
    labels = np.asarray(labels)
    steps = np.arange(len(labels))
    before = np.maximum.accumulate(np.where(labels >= 0, steps, 0))
    after = np.minimum.accumulate(np.where(labels >= 0, steps, len(labels) - 1)[::-1])[::-1]
    is_anomaly = (labels[before] == ANOMALY) & (labels[after] == ANOMALY)
    return events_above(is_anomaly.astype(np.float64), 0.5)


def are_ordinary(labels: Any, after: int = 1) -> NDArray[np.bool_]:
    """Return [T] False for the steps that are known to be anomalies, and for some steps after each."""
    is_anomaly = np.asarray(labels) == ANOMALY
    ordinary: NDArray[np.bool_] = np.convolve(is_anomaly, np.ones(after + 1))[: len(is_anomaly)] < 0.5
    return ordinary


def highest_ordinary(
    scores: Sequence[NDArray[np.float64]], are_known: Sequence[NDArray[np.bool_]], window: int
) -> float:
    """Return the highest score of ordinary steps, where of some it is not known that they are.

    ::

        m[b]    = the highest score in stretch b, of those that are not known
        highest = max of the known scores, and of the m[b] that are at most 1.5 median(m)

    One anomaly that nobody knows of would else decide it. On series with 0 to 2 of them in 6 or 16 stretches, a
    threshold of 1.5 times this finds events with an F1 of 0.88 in the mean, and the plain maximum with one of 0.28.

    Args:
        scores: For each series the score [T] of each step, NaN where it has none.
        are_known: For each series [T] True for the steps that are known to be ordinary.
        window: Number of steps of a stretch.
    """
    known = [own[is_known] for own, is_known in zip(scores, are_known, strict=True)]
    highest = [
        np.fmax.reduceat(np.where(is_known, np.nan, own), np.arange(0, len(own), window))
        for own, is_known in zip(scores, are_known, strict=True)
    ]
    found, others = np.concatenate(known), np.concatenate(highest)
    found, others = found[~np.isnan(found)], others[~np.isnan(others)]
    usual = others[others <= _USUAL * np.median(others)] if len(others) else others
    return float(np.concatenate([found, usual]).max())


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
    return {EVENT_F1: f1, "precision": precision, "recall": recall}


def _count_meeting(events: Sequence[Event], others: Sequence[Event]) -> int:
    return sum(any(event.meets(other) for other in others) for event in events)


def detection_metrics(
    scores: Sequence[NDArray[np.float64]], labels: Sequence[Any], threshold: float, apart: int
) -> dict[str, float]:
    """Return the ``event_metrics``, the ROC AUC of steps, where anomalies are known, and the share that is flagged.

    Args:
        scores: For each series the score [T] of each step, NaN where it has none.
        labels: For each series [T] what is known of each step.
        threshold: Scores above it are in an event.
        apart: As of ``events_above``.
    """
    found = [events_above(one, threshold, apart) for one in scores]
    joined, joined_labels = np.concatenate(list(scores)), np.concatenate(list(labels))
    flagged = {"flagged": sum(event.end - event.start for some in found for event in some) / len(joined)}
    is_scored = ~np.isnan(joined) & (joined_labels >= 0)
    is_anomaly = joined_labels[is_scored] == ANOMALY
    if not is_anomaly.any() or is_anomaly.all():
        return flagged
    known = [
        [event for event in known_events(one) if not np.isnan(own[event.start : event.end]).all()]
        for one, own in zip(labels, scores, strict=True)
    ]
    # Nobody knows if an event is right of which no step has a label.
    judged = [
        [event for event in some if (one[event.start : event.end] >= 0).any()]
        for one, some in zip(labels, found, strict=True)
    ]
    return {**event_metrics(judged, known), "ROC AUC": roc_auc(joined[is_scored], is_anomaly), **flagged}


def notes_on_threshold(
    metrics: Mapping[str, float], scores: Sequence[NDArray[np.float64]], threshold: float, margin: float
) -> tuple[str, ...]:
    """Return a remark where no score is above the threshold, and the scores rank the known anomalies well."""
    if metrics["flagged"] or metrics.get("ROC AUC", 0) < GOOD_AUC:
        return ()
    highest = float(np.nanmax(np.concatenate(list(scores))))
    return (
        f"No score is above the threshold {threshold:.3g} (the highest is {highest:.3g}), although the scores rank the "
        f"known anomalies well (ROC AUC {metrics['ROC AUC']:.2f}). Train again with a lower threshold: "
        f"--set detect.margin={0.95 * margin * highest / threshold:.2g}",
    )


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
