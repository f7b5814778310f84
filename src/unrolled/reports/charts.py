"""Charts as SVG text: no script, no font of their own, colours from the page's style sheet."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

WIDTH, HEIGHT = 420, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 14, 34
# A line of more values is drawn without a dot for each.
MOST_DOTS = 60
# How many the style sheet has; more series begin with the first again.
COLOURS = 6
# Of a chart of intervals: wide enough for a name at the left, a row an interval.
WIDE, NAMES, ROW = 860, 190, 38
_LONGEST_NAME = 26

template_of = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string

# The lines of a chart from left to right, each with its figure.
GRID = """\
{% for y, label in rows %}
  <line x1="{{ left }}" x2="{{ width - right }}" y1="{{ y }}" y2="{{ y }}" class="grid"/>
  <text x="{{ left - 8 }}" y="{{ y + 4 }}" text-anchor="end">{{ label }}</text>
{% endfor %}
"""

_LINES = template_of(
    """\
<svg viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="{{ title }}" class="chart">
"""
    + GRID
    + """\
{% for x, label in columns %}
  <text x="{{ x }}" y="{{ height - 14 }}" text-anchor="middle">{{ label }}</text>
{% endfor %}
{% for line in lines if line.band %}
  <polygon points="{{ line.band }}" class="band series-{{ line.number }}"/>
{% endfor %}
{% for line in lines %}
  <polyline points="{{ line.points }}" class="line series-{{ line.number }}"/>
  {% for x, y, text in line.dots %}
  <circle cx="{{ x }}" cy="{{ y }}" r="3.5" class="dot series-{{ line.number }}">
    <title>{{ text }}</title>
  </circle>
  {% endfor %}
{% endfor %}
</svg>
"""
)

_INTERVALS = template_of("""\
<svg viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="{{ title }}" class="chart">
{% for x, label, zero in columns %}
  <line x1="{{ x }}" x2="{{ x }}" y1="4" y2="{{ height - 28 }}" class="{{ 'zero' if zero else 'grid' }}"/>
  <text x="{{ x }}" y="{{ height - 10 }}" text-anchor="middle">{{ label }}</text>
{% endfor %}
{% for row in rows %}
  <g class="series-{{ row.number }}">
  <title>{{ row.title }}</title>
  <text x="{{ names - 16 }}" y="{{ row.y + 4 }}" text-anchor="end" class="name">{{ row.name }}</text>
  {% if row.ends %}
  <line x1="{{ row.ends[0] }}" x2="{{ row.ends[1] }}" y1="{{ row.y }}" y2="{{ row.y }}" class="interval"/>
  {% endif %}
  {% for x in row.dots %}
  <circle cx="{{ x }}" cy="{{ row.y }}" r="3.5" class="dot one"/>
  {% endfor %}
  <line x1="{{ row.mean }}" x2="{{ row.mean }}" y1="{{ row.y - 10 }}" y2="{{ row.y + 10 }}" class="mean"/>
  </g>
{% endfor %}
</svg>
""")


@dataclass(frozen=True)
class IntervalRow:
    """A row of a chart of intervals.

    Attributes:
        name: What stands at its left.
        mean: Where its mark is.
        ends: Those of its interval; None where there is none.
        values: The single ones, a dot each.
        number: Its colour, that of the series with this number from 1 on.
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
    is_wide: bool = False,
) -> Markup:
    """Draw one line for each named series over the epochs from 1 on, or over other steps.

    Args:
        title: Read out by screen readers.
        series: Values by name, one an epoch, NaN where there is none; the n-th series has the class ``series-n``.
        bands: Around a series, the lowest and the highest value of each epoch.
        steps: What stands below each value, where they are no epochs; such lines have no dots.
        is_wide: Whether it has a page's whole width.

    Returns:
        An ``<svg>`` element.
    """
    epochs = max(len(values) for values in series.values())
    names = steps or [f"epoch {epoch}" for epoch in range(1, epochs + 1)]
    bands = bands or {}
    width = WIDE if is_wide else WIDTH
    around = [value for ends in bands.values() for pair in ends for value in pair]
    ticks = round_ticks([*around, *(value for values in series.values() for value in values)])

    def place(epoch: int, value: float) -> tuple[float, float]:
        across = (epoch - 1) / (epochs - 1) if epochs > 1 else 0.5
        down = (ticks[-1] - value) / (ticks[-1] - ticks[0])
        return round(LEFT + across * (width - LEFT - RIGHT), 1), round(TOP + down * (HEIGHT - TOP - BOTTOM), 1)

    # Labels of our own may be wide.
    every = math.ceil(epochs / (6 if steps else 10) / (2 if is_wide else 1))
    return Markup(
        _LINES.render(
            title=title,
            width=width,
            height=HEIGHT,
            left=LEFT,
            right=RIGHT,
            rows=[(place(1, tick)[1], f"{tick:g}") for tick in ticks],
            columns=[
                (place(step, 0)[0], names[step - 1].removeprefix("epoch ")) for step in range(1, epochs + 1, every)
            ],
            lines=[
                {
                    "number": colour(number),
                    **_line(name, values, bands.get(name, ()), place, names, MOST_DOTS * (not steps)),
                }
                for number, (name, values) in enumerate(series.items(), start=1)
            ],
        )
    )


def _line(
    name: str,
    values: Sequence[float],
    band: Sequence[tuple[float, float]],
    place: Callable[[int, float], tuple[float, float]],
    names: Sequence[str],
    most_dots: int,
) -> dict[str, Any]:
    """A line's points and dots, and the outline of its band: its upper edge forth, its lower edge back."""
    drawn = [(epoch, value) for epoch, value in enumerate(values, start=1) if not math.isnan(value)]
    points = [place(epoch, value) for epoch, value in drawn]
    ends = list(enumerate(band, start=1))
    edge = [place(epoch, high) for epoch, (_, high) in ends] + [place(epoch, low) for epoch, (low, _) in reversed(ends)]
    said = [f"{name}, {names[epoch - 1]}: {value:.4f}" for epoch, value in drawn]
    return {
        "points": " ".join(f"{x},{y}" for x, y in points),
        "band": " ".join(f"{x},{y}" for x, y in edge),
        "dots": [(x, y, text) for (x, y), text in zip(points, said, strict=True)] if len(points) <= most_dots else [],
    }


def interval_chart(title: str, rows: Sequence[IntervalRow]) -> Markup:
    """Draw each row's interval, mean and single values on one axis; a line marks 0 where it is on it.

    Args:
        title: Read out by screen readers.
        rows: From top to bottom.

    Returns:
        An ``<svg>`` element.
    """
    ticks = round_ticks([value for row in rows for value in (row.mean, *(row.ends or ()), *row.values)])

    def x(value: float) -> float:
        return round(NAMES + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (WIDE - NAMES - 30), 1)

    drawn = [
        {
            "name": shortened(row.name, _LONGEST_NAME),
            "title": f"{row.name}: {row.mean:.4f}" + (f", {row.ends[0]:.4f} to {row.ends[1]:.4f}" if row.ends else ""),
            "y": ROW // 2 + 4 + index * ROW,
            "mean": x(row.mean),
            "ends": row.ends and (x(row.ends[0]), x(row.ends[1])),
            "dots": [x(value) for value in row.values],
            "number": colour(row.number),
        }
        for index, row in enumerate(rows)
    ]
    columns = [(x(tick), f"{tick:g}", tick == 0) for tick in ticks]
    height = 4 + len(rows) * ROW + 32
    return Markup(_INTERVALS.render(title=title, width=WIDE, height=height, names=NAMES, columns=columns, rows=drawn))


def colour(number: int) -> int:
    """The number of a series' colour, from 1 on."""
    return (number - 1) % COLOURS + 1


def shortened(text: str, longest: int) -> str:
    """A text that has room in so many characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def round_ticks(values: Sequence[float]) -> list[float]:
    """Four to eight round numbers around all values, the first below and the last above them."""
    known = [value for value in values if not math.isnan(value)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    if high - low < 1e-6:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 5
    magnitude = 10 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(index * step, 10) for index in range(first, last + 1)]
