"""What each trial picked and the figure that it got, as one line across parallel axes; SVG text as in ``charts``."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from unrolled.experiments.charts import round_ticks, shortened, template_of
from unrolled.experiments.search.charts import WIDTH, spell_tip
from unrolled.experiments.search.labels import Label
from unrolled.experiments.search.parameters import Choice, Parameter
from unrolled.experiments.search.spelling import spell_label
from unrolled.experiments.search.trial import Trial

from markupsafe import Markup

_HEIGHT, _TOP, _BOTTOM, _MARGIN = 330, 52, 40, 70
_LONGEST_LABEL = 18

_AXES = template_of("""\
<svg viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="each finished trial across its values" class="chart"
  style="min-width: {{ width }}px">
{% for line in lines %}
  <polyline points="{{ line.points }}" class="pick {{ line.kind }}" style="stroke-opacity: {{ line.opacity }}">
    <title>{{ line.text }}</title>
  </polyline>
{% endfor %}
{% for axis in axes %}
  <line x1="{{ axis.x }}" x2="{{ axis.x }}" y1="{{ top }}" y2="{{ bottom }}" class="axis"/>
  <text x="{{ axis.x }}" y="{{ axis.name_y }}" text-anchor="middle" class="ink">{{ axis.name }}</text>
  {% for y, label in axis.labels %}
  <text x="{{ axis.x + 7 }}" y="{{ y + 4 }}" class="halo">{{ label }}</text>
  {% endfor %}
{% endfor %}
</svg>
""")


def parallel_chart(
    trials: Sequence[Trial], parameters: Sequence[Parameter], names: Mapping[str, str], metric: str, *, maximizes: bool
) -> Markup:
    """A line for each finished trial through what it picked to the figure it got; the better, the stronger.

    Args:
        trials: The finished ones, the best first.
        parameters: The axes, from left to right; the figure is the last one.
        names: What to call each parameter.
        metric: What the figure is.
        maximizes: Whether more is better.
    """
    width = max(WIDTH, 150 * (len(parameters) + 1))
    values = [trial.value for trial in trials if trial.value is not None]
    ticks = round_ticks(values)
    scales = [Scale.of(parameter) for parameter in parameters] + [Scale.of_figures(ticks[0], ticks[-1])]
    between = (width - 2 * _MARGIN) / (len(scales) - 1)
    axes = [
        {
            "x": round(_MARGIN + index * between, 1),
            "name": name,
            "name_y": 16 + 16 * (index % 2),
            "labels": [(_height(share), label) for share, label in scale.labels],
        }
        for index, (scale, name) in enumerate(zip(scales, [*(names[p.name] for p in parameters), metric], strict=True))
    ]
    worst, best = (min(values), max(values)) if maximizes else (max(values), min(values))
    lines = []
    for trial in reversed(trials):
        picks = [*(trial.picked.get(parameter.name, _ABSENT) for parameter in parameters), trial.value]
        heights = [_height(scale.share(pick)) for scale, pick in zip(scales, picks, strict=True)]
        good = ((trial.value or 0.0) - worst) / ((best - worst) or 1)
        lines.append(
            {
                "points": " ".join(f"{axis['x']},{height}" for axis, height in zip(axes, heights, strict=True)),
                "kind": "best" if trial is trials[0] else "",
                "opacity": 1 if trial is trials[0] else f"{0.12 + 0.6 * good**2:.2f}",
                "text": spell_tip(trial),
            }
        )
    return Markup(_AXES.render(width=width, height=_HEIGHT, top=_TOP, bottom=_HEIGHT - _BOTTOM, axes=axes, lines=lines))


def _height(share: float | None) -> float:
    """Where a share of an axis is on the page; below all axes for what is not there."""
    return _HEIGHT - 14 if share is None else round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP), 1)


_ABSENT = object()


class Scale:
    """Where a value stands on its axis, from 0 at the bottom to 1 at the top.

    Args:
        low: The value at the bottom.
        high: The value at the top.
        log: Whether a factor counts, and not a difference.
        choices: All values, where they are not numbers on a line.
    """

    def __init__(self, low: float = 0.0, high: float = 1.0, *, log: bool = False, choices: Sequence[Label] = ()):
        self.low, self.high, self.log, self.choices = low, high, log, choices

    @classmethod
    def of(cls, parameter: Parameter) -> "Scale":
        """The scale of a parameter."""
        if isinstance(parameter, Choice):
            return cls(choices=parameter.labels)
        return cls(parameter.low, parameter.high, log=parameter.log)

    @classmethod
    def of_figures(cls, low: float, high: float) -> "Scale":
        """The scale of what the trials are compared by."""
        return cls(low, high)

    def share(self, value: Any) -> float | None:
        """Where a value stands, or None if it is not there."""
        if value is _ABSENT:
            return None
        if self.choices:
            return self.choices.index(value) / (len(self.choices) - 1)
        bend = math.log if self.log else float
        low, high = bend(self.low), bend(self.high)
        return (bend(float(value)) - low) / (high - low)

    @property
    def labels(self) -> list[tuple[float, str]]:
        """What to write beside the axis, and where."""
        if self.choices:
            last = len(self.choices) - 1
            return [
                (index / last, shortened(spell_label(label), _LONGEST_LABEL))
                for index, label in enumerate(self.choices)
            ]
        return [(0.0, spell_label(self.low)), (1.0, spell_label(self.high))]
