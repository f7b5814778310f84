"""How a search went and what mattered, as SVG text with colours from the page's style sheet."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from unrolled.config.document import write_yaml
from unrolled.reports.charts import GRID, round_ticks, shortened, template_of
from unrolled.reports.html import render
from unrolled.searching.folder import Search, Trial
from unrolled.searching.formatting import format_label, format_outcomes, format_times, short_names
from unrolled.searching.parameters import Choice, Label, Parameter
from unrolled.storage import write_text

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
                (x(trial.number), None if trial.value is None else y(trial.value), trial.outcome, format_tooltip(trial))
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


def format_tooltip(trial: Trial) -> str:
    """What a trial says when the pointer rests on it."""
    figure = "" if trial.value is None else f" {trial.value:.4f}"
    return f"trial {trial.number}: {trial.outcome}{figure}" + "".join(
        f", {name} {format_label(value)}" for name, value in trial.params.items()
    )


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
        picks = [*(trial.params.get(parameter.name, _ABSENT) for parameter in parameters), trial.value]
        heights = [_height(scale.share(pick)) for scale, pick in zip(scales, picks, strict=True)]
        good = ((trial.value or 0.0) - worst) / ((best - worst) or 1)
        lines.append(
            {
                "points": " ".join(f"{axis['x']},{height}" for axis, height in zip(axes, heights, strict=True)),
                "kind": "best" if trial is trials[0] else "",
                "opacity": 1 if trial is trials[0] else f"{0.12 + 0.6 * good**2:.2f}",
                "text": format_tooltip(trial),
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
                (index / last, shortened(format_label(label), _LONGEST_LABEL))
                for index, label in enumerate(self.choices)
            ]
        return [(0.0, format_label(self.low)), (1.0, format_label(self.high))]


BEST_SHOWN = 10


def write_search_report(search: Search) -> None:
    """Write ``search.html``.

    Args:
        search: Its best trial is measured.

    Raises:
        WriteError: The page cannot be written.
    """
    ended, ranking, importance = search.ended, search.ranking, search.importance
    names = short_names(search.space.by_name)
    ordered = sorted(search.space.parameters, key=lambda parameter: -importance.get(parameter.name, 0.0))
    looks = search.settings["test_measurements"]
    page = render(
        "search.html",
        title=search.path.name,
        name=search.space.document.values.get("name", "experiment"),
        seed=search.space.document.values.get("seed", 0),
        metric=search.metric,
        best=ranking[0],
        experiment=search.experiment(ranking[0].params),
        data=_first_data(search, ranking),
        ended=len(ended),
        outcomes=format_outcomes(ended),
        seconds=sum(trial.seconds for trial in ended),
        history=history_chart(ended, search.metric, maximizes=search.maximizes),
        importance=importance_chart(importance, names) if importance else None,
        parallel=parallel_chart(ranking, ordered, names, search.metric, maximizes=search.maximizes),
        names=[names[parameter.name] for parameter in ordered],
        rows=[_row(trial, [parameter.name for parameter in ordered]) for trial in ranking[:BEST_SHOWN]],
        looks=looks,
        look=next(look for look in looks if look["trial"] == ranking[0].number),
        times=format_times(len(looks)),
        searched=write_yaml(search.space.document.values),
        best_yaml=(search.path / "best.yaml").read_text(encoding="utf-8"),
        written=datetime.now(UTC),
    )
    write_text(search.path / "search.html", page)


def _row(trial: Trial, parameters: Sequence[str]) -> dict[str, Any]:
    params = [format_label(trial.params[name]) if name in trial.params else "" for name in parameters]
    return {"trial": trial, "picked": params}


def _first_data(search: Search, ranking: Sequence[Trial]) -> dict[str, Any]:
    run = search.run_of(ranking[0].number)
    return run.read_json("data.json") if run else {}
