"""Line charts as SVG text: no script, no font of their own, colours from the page's style sheet."""

import math
from collections.abc import Mapping, Sequence

from jinja2 import Environment
from markupsafe import Markup

WIDTH, HEIGHT = 420, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 14, 34

_CHART = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<svg viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="{{ title }}" class="chart">
{% for y, label in rows %}
  <line x1="{{ left }}" x2="{{ width - right }}" y1="{{ y }}" y2="{{ y }}" class="grid"/>
  <text x="{{ left - 8 }}" y="{{ y + 4 }}" text-anchor="end">{{ label }}</text>
{% endfor %}
{% for x, label in columns %}
  <text x="{{ x }}" y="{{ height - 14 }}" text-anchor="middle">{{ label }}</text>
{% endfor %}
{% for line in lines %}
  <polyline points="{{ line.points }}" class="line series-{{ loop.index }}"/>
  {% for x, y, text in line.dots %}
  <circle cx="{{ x }}" cy="{{ y }}" r="3.5" class="dot series-{{ line.number }}">
    <title>{{ text }}</title>
  </circle>
  {% endfor %}
{% endfor %}
</svg>
""")


def line_chart(title: str, series: Mapping[str, Sequence[float]]) -> Markup:
    """Draw one line for each named series over the epochs from 1 on.

    Args:
        title: Read out by screen readers.
        series: Values by name, one an epoch; the n-th series has the class ``series-n``.

    Returns:
        An ``<svg>`` element.
    """
    epochs = max(len(values) for values in series.values())
    ticks = round_ticks([value for values in series.values() for value in values])
    low, high = ticks[0], ticks[-1]

    def x(epoch: int) -> float:
        share = (epoch - 1) / (epochs - 1) if epochs > 1 else 0.5
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    lines = []
    for number, (name, values) in enumerate(series.items(), start=1):
        dots = [(x(n), y(value), f"{name}, epoch {n}: {value:.4f}") for n, value in enumerate(values, start=1)]
        lines.append({"number": number, "dots": dots, "points": " ".join(f"{px},{py}" for px, py, _ in dots)})
    every = math.ceil(epochs / 10)
    return Markup(
        _CHART.render(
            title=title,
            width=WIDTH,
            height=HEIGHT,
            left=LEFT,
            right=RIGHT,
            rows=[(y(tick), f"{tick:g}") for tick in ticks],
            columns=[(x(epoch), epoch) for epoch in range(1, epochs + 1) if (epoch - 1) % every == 0],
            lines=lines,
        )
    )


def round_ticks(values: Sequence[float]) -> list[float]:
    """Four to eight round numbers around all values, the first below and the last above them."""
    low, high = min(values), max(values)
    if high - low < 1e-6:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 5
    magnitude = 10 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(index * step, 10) for index in range(first, last + 1)]
