"""Charts as HTML without scripts: lines that stretch with the page, text that keeps its size at every width.

All positions are percentages of the plot: x from its left edge, y from its upper edge.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unrolled.reports import macro

from markupsafe import Markup

COLORS = 6
"""Number of colors in the style sheet; the color after the last one is the first again."""
# A line with more values has no dots.
_MAX_DOTS = 60
_MOST_PAIRS = 1000
# Pixels that are left for the labels of a horizontal axis in a narrow and in a wide chart; see style.css.
_NARROW_PIXELS, _WIDE_PIXELS = 280, 520
_PIXELS_PER_CHARACTER, _PIXELS_BETWEEN_LABELS = 7, 16

Position = tuple[float, float]


@dataclass(frozen=True)
class Mark:
    """A vertical line with a label.

    Attributes:
        step: Its position on the horizontal axis, counted from 0; it may lie between two steps.
        label: The text at its upper end.
    """

    step: float
    label: str


@dataclass(frozen=True)
class IntervalRow:
    """A row of an interval chart.

    Attributes:
        name: The name of the row.
        mean: The position of its bar.
        ends: The lower and the upper end of its interval, or None.
        values: Single values, a dot each.
        number: The number of its color, from 1.
    """

    name: str
    mean: float
    ends: tuple[float, float] | None
    values: Sequence[float]
    number: int


def line_chart(
    title: str,
    series: Mapping[str, Sequence[float]],
    bands: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    steps: Sequence[str] | None = None,
    *,
    ticks: Sequence[tuple[float, str]] | None = None,
    marks: Sequence[Mark] = (),
) -> Markup:
    """Draw a line for each series, over epochs or over other steps.

    Args:
        title: The text that a screen reader reads.
        series: Values by name, one per step, NaN where there is none; the n-th series has the class ``series-n``.
        bands: By the name of a series, its lowest and its highest value at each step, NaN where there is none.
        steps: A label for each step; without them the steps are epochs from 1, each with a dot.
        ticks: Labels of the horizontal axis with their positions, in steps counted from 0; without them a choice of
            the steps' own labels.
        marks: Vertical lines.

    Returns:
        An HTML element.
    """
    count = max(len(values) for values in series.values())
    labels = steps or [str(epoch) for epoch in range(1, count + 1)]
    bands = bands or {}
    ends = [value for band in bands.values() for pair in band for value in pair]
    levels = round_ticks([*ends, *(value for values in series.values() for value in values)])

    def position(step: float, value: float) -> Position:
        return percent(step, 0, count - 1), percent(value, levels[-1], levels[0])

    return macro("charts.html", "lines")(
        title=title,
        **horizontal_grid(levels),
        columns=_columns(labels) if ticks is None else [(percent(x, 0, count - 1), text, "") for x, text in ticks],
        lines=[
            {
                "number": color(number),
                "band": _outline(bands.get(name, ()), position),
                "parts": _parts(values, position),
                "dots": [] if steps or count > _MAX_DOTS else _dots(name, values, position),
            }
            for number, (name, values) in enumerate(series.items(), start=1)
        ],
        marks=[
            {"x": x, "label": mark.label, "is_left": x > 50}
            for mark in marks
            for x in [percent(mark.step, 0, count - 1)]
        ],
    )


def _parts(values: Sequence[float], position: Callable[[float, float], Position]) -> list[str]:
    """Return the points of a line; it is broken where values are missing."""
    parts: list[list[Position]] = [[]]
    for step, value in enumerate(values):
        if math.isnan(value):
            parts.append([])
        else:
            parts[-1].append(position(step, value))
    # Round ends make a dot of a line between two equal points.
    return [points(part * 2 if len(part) == 1 else part) for part in parts if part]


def _outline(band: Sequence[tuple[float, float]], position: Callable[[float, float], Position]) -> str:
    """Return the outline of a band: the upper edge from left to right, then the lower edge from right to left.

    Steps where it has no values are passed over.
    """
    known = [(step, low, high) for step, (low, high) in enumerate(band) if not math.isnan(low)]
    upper = [position(step, high) for step, _, high in known]
    lower = [position(step, low) for step, low, _ in known]
    return points([*upper, *reversed(lower)])


def _dots(name: str, values: Sequence[float], position: Callable[[float, float], Position]) -> list[dict[str, Any]]:
    return [
        {"x": x, "y": y, "text": f"{name}, epoch {step + 1}: {value:.4f}"}
        for step, value in enumerate(values)
        if not math.isnan(value)
        for x, y in [position(step, value)]
    ]


def scatter_chart(title: str, true: Sequence[float], predicted: Sequence[float], unit: str) -> Markup:
    """Draw a dot for each pair of a true and a predicted value, on the same scale, with the line where they are equal.

    Of many pairs, evenly spaced ones are drawn.

    Args:
        title: The text that a screen reader reads.
        true: Across.
        predicted: Upwards.
        unit: What the values are.

    Returns:
        An HTML element.
    """
    pairs = list(zip(true, predicted, strict=True))
    pairs = pairs[:: -(-len(pairs) // _MOST_PAIRS)]
    ticks = round_ticks([value for pair in pairs for value in pair])

    def share(value: float) -> float:
        return percent(value, ticks[0], ticks[-1])

    return macro("charts.html", "scatter")(
        title=title,
        **horizontal_grid(ticks),
        columns=[(share(tick), format_tick(tick), "wide" if index % 2 else "") for index, tick in enumerate(ticks)],
        dots=[{"x": share(x), "y": 100 - share(y), "text": f"{x:.4g}, predicted {y:.4g}"} for x, y in pairs],
    )


def interval_chart(title: str, rows: Sequence[IntervalRow]) -> Markup:
    """Draw the interval, the mean and the single values of each row on one axis, with a line at 0 if it is in range.

    Args:
        title: The text that a screen reader reads.
        rows: From top to bottom.

    Returns:
        An HTML element.
    """
    ticks = round_ticks([value for row in rows for value in (row.mean, *(row.ends or ()), *row.values)])

    def x(value: float) -> float:
        return percent(value, ticks[0], ticks[-1])

    return macro("charts.html", "intervals")(
        title=title,
        columns=[(x(tick), format_tick(tick), tick == 0) for tick in ticks],
        rows=[
            {
                "name": row.name,
                "text": _interval_text(row),
                "number": color(row.number),
                "mean": x(row.mean),
                "interval": row.ends and (x(row.ends[0]), round(x(row.ends[1]) - x(row.ends[0]), 2)),
                "dots": [x(value) for value in row.values],
            }
            for row in rows
        ],
    )


def _interval_text(row: IntervalRow) -> str:
    return f"{row.name}: {row.mean:.4f}" + (f", {row.ends[0]:.4f} to {row.ends[1]:.4f}" if row.ends else "")


def horizontal_grid(levels: Sequence[float]) -> dict[str, Any]:
    """Return the lines of a chart from left to right with their labels, and the room that the labels need."""
    labels = [format_tick(level) for level in levels]
    rows = [(percent(level, levels[-1], levels[0]), label) for level, label in zip(levels, labels, strict=True)]
    return {"rows": rows, "gutter": max(map(len, labels))}


def color(number: int) -> int:
    """Return the number of a series' color, from 1."""
    return (number - 1) % COLORS + 1


def percent(value: float, start: float, end: float) -> float:
    """Return the position of a value between two others in percent; the middle if they are equal."""
    return 50.0 if start == end else round(100 * (value - start) / (end - start), 2)


def points(positions: Sequence[Position]) -> str:
    """Format positions for the ``points`` attribute of SVG."""
    return " ".join(f"{x},{y}" for x, y in positions)


def format_tick(value: float) -> str:
    """Format a round number of an axis.

    Example:
        >>> format_tick(0.25), format_tick(1500.0), format_tick(2e7), format_tick(5e-06)
        ('0.25', '1,500', '2e+07', '5e-06')
    """
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:g}"


def _columns(labels: Sequence[str]) -> list[tuple[float, str, str]]:
    """Return labels of a horizontal axis: position, text, and ``narrow`` or ``wide`` if only such charts show it."""
    pixels = _PIXELS_PER_CHARACTER * max(map(len, labels)) + _PIXELS_BETWEEN_LABELS
    narrow, wide = (choose_labels(labels, room // pixels) for room in (_NARROW_PIXELS, _WIDE_PIXELS))
    columns = []
    for step in sorted({*narrow, *wide}):
        shown_in = "narrow" if step not in wide else "wide" if step not in narrow else ""
        columns.append((percent(step, 0, len(labels) - 1), labels[step], shown_in))
    return columns


def choose_labels(labels: Sequence[str], most: int) -> list[int]:
    """Return the indices of some labels at equal distances; of numbers, the multiples of a round one.

    Example:
        >>> choose_labels(["1", "2", "3", "4", "5", "6"], 3)
        [1, 3, 5]
        >>> choose_labels(["Mon", "Tue", "Wed", "Thu"], 2)
        [0, 2]
    """
    numbers = [_whole_number(label) for label in labels]
    known = [number for number in numbers if number is not None]
    if len(known) < len(labels):
        return list(range(0, len(labels), math.ceil(len(labels) / max(1, most))))
    distances = (factor * 10**power for power in range(9) for factor in (1, 2, 5))
    chosen = ([index for index, number in enumerate(known) if number % distance == 0] for distance in distances)
    return next((indices for indices in chosen if len(indices) <= max(1, most)), [0])


def _whole_number(label: str) -> int | None:
    if label == "now":
        return 0
    return int(label) if label.lstrip("+-").isdecimal() else None


def round_ticks(values: Sequence[float]) -> list[float]:
    """Return four to eight round numbers around all values, the first below and the last above them."""
    known = [value for value in values if not math.isnan(value)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    if high - low < 1e-6:
        low, high = min(low, 0.0), max(high, 0.0, low + 1e-6)
    rough = (high - low) / 5
    magnitude = 10 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(index * step, 10) for index in range(first, last + 1)]
