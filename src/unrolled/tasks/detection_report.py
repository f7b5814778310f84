"""Report of anomalies: the events, the scores, and the steps around the most unusual events."""

from collections.abc import Sequence
from typing import Any

from unrolled.data.dataset import Dataset
from unrolled.tasks.events import Event
from unrolled.tasks.sections import ChartSection, Sections, TableSection

import numpy as np
from numpy.typing import NDArray

_MOST_EVENTS = 20
_MOST_SERIES = 4
_MOST_AROUND = 3
_POINTS = 400
_STEPS_AROUND = 40
_SHORTEST_AROUND, _LONGEST_AROUND = 100, 400


def detection_sections(
    data: Dataset,
    channels: Sequence[str],
    scores: Sequence[NDArray[np.float64]],
    forecasts: Sequence[NDArray[np.float64]],
    found: Sequence[Sequence[Event]],
    known: Sequence[Sequence[Event]],
    threshold: float,
    scale: NDArray[np.float64],
) -> Sections:
    """Return a table of the events, and charts.

    Args:
        data: The data set, of whose test part all else is.
        channels: The names of the channels.
        scores: For each series the score [T] of each step.
        forecasts: For each series the forecast [T, F] of each step from those before it.
        found: For each series its events.
        known: For each series the events that are known.
        threshold: The score above which a step is an anomaly.
        scale: [F] the unit of the error of each channel.
    """
    steps = [_steps_of(data, series) for series in range(len(scores))]
    ranked = sorted(
        ((event, series) for series, some in enumerate(found) for event in some), key=lambda pair: -pair[0].score
    )
    return Sections(
        [
            _table(data, ranked, known, steps, threshold),
            _scores(data, scores, steps, threshold),
            *_around(data, channels, forecasts, ranked[:_MOST_AROUND], steps, scale),
        ]
    )


def _table(
    data: Dataset,
    ranked: Sequence[tuple[Event, int]],
    known: Sequence[Sequence[Event]],
    steps: Sequence[Sequence[str]],
    threshold: float,
) -> TableSection:
    has_names, has_known = len(steps) > 1, any(known)
    columns = (*(["series"] if has_names else []), "from", "to", "steps", "score", *(["known"] if has_known else []))
    rows: list[tuple[Any, ...]] = []
    for event, series in ranked[:_MOST_EVENTS]:
        names = steps[series]
        row: tuple[Any, ...] = (names[event.start], names[event.end - 1], event.end - event.start, event.score)
        is_known = "yes" if any(event.meets(other) for other in known[series]) else "no"
        rows.append((*((_name(data, series),) if has_names else ()), *row, *((is_known,) if has_known else ())))
    missed = [
        (other, series)
        for series, some in enumerate(known)
        for other in some
        if not any(other.meets(event) for event, owner in ranked if owner == series)
    ]
    note = f"Steps with a score above {threshold:.4g}."
    if len(ranked) > _MOST_EVENTS:
        note += f" The {_MOST_EVENTS} of {len(ranked):,} events with the highest scores."
    if missed:
        named = ", ".join(f"{steps[series][event.start]}" for event, series in missed[:_MOST_AROUND])
        note += f" {len(missed):,} known {'event is' if len(missed) == 1 else 'events are'} not found: from {named}."
    return TableSection("Events", columns, rows, note)


def _scores(
    data: Dataset, scores: Sequence[NDArray[np.float64]], steps: Sequence[Sequence[str]], threshold: float
) -> ChartSection:
    charts, steps_of = {}, {}
    for series, own in enumerate(scores[:_MOST_SERIES]):
        size = max(1, -(-len(own) // _POINTS))
        begins = np.arange(0, len(own), size)
        highest = np.fmax.reduceat(own, begins)
        charts[_name(data, series)] = {"score": highest.tolist(), "threshold": [threshold] * len(begins)}
        steps_of[_name(data, series)] = [steps[series][begin] for begin in begins.tolist()]
    first = max(1, -(-len(scores[0]) // _POINTS))
    note = f"The highest of each {first} steps." if first > 1 else ""
    if len(scores) > _MOST_SERIES:
        note += f" The first {_MOST_SERIES} of {len(scores):,} series."
    return ChartSection("Scores on the test set", charts, next(iter(steps_of.values())), note.strip(), steps_of)


def _around(
    data: Dataset,
    channels: Sequence[str],
    forecasts: Sequence[NDArray[np.float64]],
    ranked: Sequence[tuple[Event, int]],
    steps: Sequence[Sequence[str]],
    scale: NDArray[np.float64],
) -> list[ChartSection]:
    """Return the values and forecasts around some events, each of the channel that was forecast worst in its unit."""
    if not ranked:
        return []
    charts, steps_of = {}, {}
    for event, series in ranked:
        values = np.asarray(data.test.inputs[series], np.float64)
        length = int(np.clip(event.end - event.start + 2 * _STEPS_AROUND, _SHORTEST_AROUND, _LONGEST_AROUND))
        begin = max(0, event.start - min(_STEPS_AROUND, (length - (event.end - event.start)) // 2 + _STEPS_AROUND // 4))
        shown = slice(begin, min(begin + length, len(values)))
        errors = (np.abs(values - forecasts[series]) / scale)[event.start : event.end]
        channel = int(np.nansum(errors, axis=0).argmax())
        title = f"{channels[channel]} from {steps[series][event.start]}"
        title = title if data.test.size == 1 else f"{_name(data, series)}: {title}"
        charts[title] = {
            "actual": values[shown, channel].tolist(),
            "forecast from the steps before": forecasts[series][shown, channel].tolist(),
        }
        steps_of[title] = list(steps[series][shown])
    title = "The event with the highest score" if len(ranked) == 1 else "The events with the highest scores"
    return [ChartSection(title, charts, next(iter(steps_of.values())), "", steps_of)]


def _steps_of(data: Dataset, series: int) -> Sequence[str]:
    """Return the names of the steps of a series: their times, or their numbers."""
    labels = data.timelines[series].labels() if data.timelines else None
    return labels or [f"step {step:,}" for step in range(len(data.test.inputs[series]))]


def _name(data: Dataset, series: int) -> str:
    name = data.timelines[series].name if data.timelines else ""
    return name or (f"series {series + 1}" if data.test.size > 1 else "score")
