"""How a search went and what mattered, as SVG text with colours from the page's style sheet."""

import math
from collections.abc import Mapping, Sequence

from unrolled.experiments.charts import GRID, round_ticks, template_of
from unrolled.experiments.search.spelling import spell_label
from unrolled.experiments.search.trial import Trial

from markupsafe import Markup

WIDTH = 900
LEFT, RIGHT, TOP = 56, 16, 14
_HISTORY_HEIGHT, _HISTORY_BOTTOM = 260, 52
_BAR_HEIGHT, _BAR_LEFT, _BAR_RIGHT = 26, 260, 60

_HISTORY = template_of(
    """\
<svg viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="{{ metric }} by trial" class="chart">
"""
    + GRID
    + """\
{% for x, label in columns %}
  <text x="{{ x }}" y="{{ height - 10 }}" text-anchor="middle">{{ label }}</text>
{% endfor %}
  <polyline points="{{ best }}" class="line series-2"/>
{% for x, y, kind, text in dots %}
{% if y is none %}
  <path d="M{{ x - 4 }} {{ floor - 4 }}l8 8m0 -8l-8 8" class="cross"><title>{{ text }}</title></path>
{% else %}
  <circle cx="{{ x }}" cy="{{ y }}" r="4" class="trial {{ kind }}"><title>{{ text }}</title></circle>
{% endif %}
{% endfor %}
</svg>
"""
)

_BARS = template_of("""\
<svg viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="importance of each parameter" class="chart">
{% for y, name, length, share in bars %}
  <text x="{{ left - 10 }}" y="{{ y + 16 }}" text-anchor="end" class="ink">{{ name }}</text>
  <rect x="{{ left }}" y="{{ y + 4 }}" width="{{ length }}" height="16" rx="3" class="bar"/>
  <text x="{{ left + length + 8 }}" y="{{ y + 16 }}">{{ share }}</text>
{% endfor %}
</svg>
""")


def history_chart(trials: Sequence[Trial], metric: str, *, maximizes: bool) -> Markup:
    """Every trial's figure in the order of their numbers, and the best so far as a line.

    Args:
        trials: Those that have ended; one without a figure is a cross at the bottom.
        metric: What the figure is.
        maximizes: Whether more is better.
    """
    ticks = round_ticks([trial.value for trial in trials if trial.value is not None])
    last = max(1, max(trial.number for trial in trials))
    floor = _HISTORY_HEIGHT - _HISTORY_BOTTOM + 16

    def x(number: int) -> float:
        return round(LEFT + 8 + number / last * (WIDTH - LEFT - RIGHT - 16), 1)

    def y(value: float) -> float:
        share = (ticks[-1] - value) / (ticks[-1] - ticks[0])
        return round(TOP + share * (_HISTORY_HEIGHT - TOP - _HISTORY_BOTTOM), 1)

    every = max(1, math.ceil(last / 12))
    return Markup(
        _HISTORY.render(
            metric=metric,
            width=WIDTH,
            height=_HISTORY_HEIGHT,
            left=LEFT,
            right=RIGHT,
            floor=floor,
            rows=[(y(tick), f"{tick:g}") for tick in ticks],
            columns=[(x(number), number) for number in range(0, last + 1, every)],
            best=_steps(
                [(x(number), y(value)) for number, value in _best_so_far(trials, maximizes=maximizes)], x(last)
            ),
            dots=[
                (x(trial.number), None if trial.value is None else y(trial.value), trial.outcome, spell_tip(trial))
                for trial in trials
            ],
        )
    )


def importance_chart(importance: Mapping[str, float], names: Mapping[str, str]) -> Markup:
    """A bar for each parameter, the greatest first.

    Args:
        importance: Shares that add up to one, by parameter.
        names: What to call each parameter.
    """
    longest = max(*importance.values(), 1e-9)
    room = WIDTH - _BAR_LEFT - _BAR_RIGHT
    bars = [
        (row * _BAR_HEIGHT, names[name], round(max(2.0, share / longest * room), 1), f"{100 * share:.0f} %")
        for row, (name, share) in enumerate(importance.items())
    ]
    return Markup(_BARS.render(width=WIDTH, height=len(bars) * _BAR_HEIGHT + 4, left=_BAR_LEFT, bars=bars))


def _best_so_far(trials: Sequence[Trial], *, maximizes: bool) -> list[tuple[int, float]]:
    """The trials that were better than all before them."""
    better: list[tuple[int, float]] = []
    for trial in trials:
        if trial.outcome != "finished" or trial.value is None:
            continue
        if not better or (trial.value > better[-1][1] if maximizes else trial.value < better[-1][1]):
            better.append((trial.number, trial.value))
    return better


def _steps(corners: Sequence[tuple[float, float]], end: float) -> str:
    """A line that keeps its height from each corner to the next, and from the last to the end."""
    ends = [*(x for x, _ in corners[1:]), end]
    return " ".join(f"{x},{y} {until},{y}" for (x, y), until in zip(corners, ends, strict=True))


def spell_tip(trial: Trial) -> str:
    """What a trial says when the pointer rests on it."""
    figure = "" if trial.value is None else f" {trial.value:.4f}"
    return f"trial {trial.number}: {trial.outcome}{figure}" + "".join(
        f", {name} {spell_label(value)}" for name, value in trial.picked.items()
    )
