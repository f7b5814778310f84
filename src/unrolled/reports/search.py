"""The page of a search: its history, the importance of its parameters, its best trials and the best experiment."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from unrolled.config.document import write_yaml
from unrolled.reports import macro, render
from unrolled.reports.charts import Position, choose_labels, horizontal_grid, percent, points, round_ticks
from unrolled.reports.run import write_missing_report
from unrolled.searching.folder import Search, Trial, format_label, format_outcomes, format_times, short_names
from unrolled.searching.parameters import Choice, Label, Parameter
from unrolled.storage import read_text, write_text

from markupsafe import Markup

BEST_SHOWN = 10
_MOST_TRIAL_NUMBERS = 6
# In pixels: an axis with its labels at its right, and a character of a label.
_NARROWEST_AXIS, _PIXELS_PER_CHARACTER, _PIXELS_BETWEEN_AXES = 76, 7, 16
_LONGEST_LABEL = 18
# Below the plot, in percent of its height: trials that do not have a parameter.
_BELOW_THE_AXES = 106.0
_ABSENT = object()


def write_search_report(search: Search) -> None:
    """Write ``search.html`` into a search's folder, and the report of its best run.

    Args:
        search: A search whose best trial has been measured on the test set.

    Raises:
        WriteError: A page cannot be written.
    """
    best_run = search.run_of(search.best.number)
    if best_run:
        write_missing_report(best_run)
    ended, ranking, importance = search.ended, search.ranking, search.importance
    names = short_names(search.space.by_name)
    ordered = sorted(search.space.parameters, key=lambda parameter: -importance.get(parameter.name, 0.0))
    measurements = search.settings["test_measurements"]
    page = render(
        "search.html",
        title=search.path.name,
        name=search.space.document.values.get("name", "experiment"),
        seed=search.space.document.values.get("seed", 0),
        metric=search.metric,
        best=ranking[0],
        data=_data_of(search, ranking[0]),
        ended=len(ended),
        outcomes=format_outcomes(ended),
        seconds=sum(trial.seconds for trial in ended),
        history=history_chart(ended, search.metric, maximizes=search.maximizes),
        importance=importance_chart(importance, names) if importance else None,
        parallel=parallel_chart(ranking, ordered, names, search.metric, maximizes=search.maximizes),
        has_conditions=any(parameter.conditions for parameter in ordered),
        names=[names[parameter.name] for parameter in ordered],
        rows=[_row(trial, [parameter.name for parameter in ordered]) for trial in ranking[:BEST_SHOWN]],
        measurements=measurements,
        measurement=next(one for one in measurements if one["trial"] == ranking[0].number),
        times=format_times(len(measurements)),
        searched=write_yaml(search.space.document.values),
        best_yaml=read_text(search.path / "best.yaml"),
        written=datetime.now(UTC),
    )
    write_text(search.path / "search.html", page)


def _row(trial: Trial, parameters: Sequence[str]) -> dict[str, Any]:
    params = [format_label(trial.params[name]) if name in trial.params else "" for name in parameters]
    return {"trial": trial, "params": params}


def _data_of(search: Search, trial: Trial) -> Mapping[str, Any]:
    run = search.run_of(trial.number)
    return run.data if run else {}


def history_chart(trials: Sequence[Trial], metric: str, *, maximizes: bool) -> Markup:
    """Draw the metric of each trial by its number, and the best so far as a line.

    Args:
        trials: Trials that have ended; one without a value is a cross on the horizontal axis.
        metric: The name of the metric.
        maximizes: Whether more is better.
    """
    levels = round_ticks([trial.value for trial in trials if trial.value is not None])
    last = max(1, *(trial.number for trial in trials))

    def x(number: int) -> float:
        return percent(number, 0, last)

    def y(value: float) -> float:
        return percent(value, levels[-1], levels[0])

    best = [(x(number), y(value)) for number, value in _best_so_far(trials, maximizes=maximizes)]
    numbers = [str(number) for number in range(last + 1)]
    return macro("charts.html", "history")(
        title=f"{metric} by trial",
        **horizontal_grid(levels),
        columns=[(x(number), str(number), "") for number in choose_labels(numbers, _MOST_TRIAL_NUMBERS)],
        best=points(_staircase(best, x(last))),
        trials=[
            {
                "x": x(trial.number),
                "y": None if trial.value is None else y(trial.value),
                "outcome": trial.outcome,
                "text": format_tooltip(trial),
            }
            for trial in trials
        ],
    )


def _best_so_far(trials: Sequence[Trial], *, maximizes: bool) -> list[tuple[int, float]]:
    """Return the number and the value of each finished trial that was better than all before it."""
    better: list[tuple[int, float]] = []
    for trial in trials:
        if trial.outcome != "finished" or trial.value is None:
            continue
        if not better or (trial.value > better[-1][1] if maximizes else trial.value < better[-1][1]):
            better.append((trial.number, trial.value))
    return better


def _staircase(corners: Sequence[Position], end: float) -> list[Position]:
    """Return a line that keeps its height from each corner to the next, and from the last one to the end."""
    ends = [*(x for x, _ in corners[1:]), end]
    return [point for (x, y), until in zip(corners, ends, strict=True) for point in ((x, y), (until, y))]


def importance_chart(importance: Mapping[str, float], names: Mapping[str, str]) -> Markup:
    """Draw a bar for each parameter, the most important first.

    Args:
        importance: Shares that add up to one, by parameter.
        names: The short name of each parameter.
    """
    largest = max(*importance.values(), 1e-9)
    rows = [
        (names[name], round(max(0.5, 100 * share / largest), 1), f"{100 * share:.0f} %")
        for name, share in importance.items()
    ]
    return macro("charts.html", "bars")(title="importance of each parameter", rows=rows)


def format_tooltip(trial: Trial) -> str:
    """Format a trial for the text that appears under the pointer."""
    value = "" if trial.value is None else f" {trial.value:.4f}"
    return f"trial {trial.number}: {trial.outcome}{value}" + "".join(
        f", {name} {format_label(label)}" for name, label in trial.params.items()
    )


def parallel_chart(
    trials: Sequence[Trial], parameters: Sequence[Parameter], names: Mapping[str, str], metric: str, *, maximizes: bool
) -> Markup:
    """Draw a line for each finished trial through its parameters to its metric; the better, the stronger.

    Args:
        trials: The finished trials, the best first.
        parameters: The axes, from left to right; the metric is the last one.
        names: The short name of each parameter.
        metric: The name of the metric.
        maximizes: Whether more is better.
    """
    values = [trial.value for trial in trials if trial.value is not None]
    levels = round_ticks(values)
    scales = [*(Scale.of(parameter) for parameter in parameters), Scale(levels[0], levels[-1])]
    axes = [
        {
            "x": round(100 * (index + 0.5) / len(scales), 2),
            "name": name,
            "labels": [(_y(share), label) for share, label in scale.labels],
        }
        for index, (scale, name) in enumerate(zip(scales, [*(names[p.name] for p in parameters), metric], strict=True))
    ]
    worst, best = (min(values), max(values)) if maximizes else (max(values), min(values))
    lines = []
    for trial in reversed(trials):
        picks = [*(trial.params.get(parameter.name, _ABSENT) for parameter in parameters), trial.value]
        heights = [_y(scale.share(pick)) for scale, pick in zip(scales, picks, strict=True)]
        quality = ((trial.value or 0.0) - worst) / ((best - worst) or 1)
        lines.append(
            {
                "points": " ".join(f"{axis['x']},{height}" for axis, height in zip(axes, heights, strict=True)),
                "kind": "best" if trial is trials[0] else "",
                "opacity": 1 if trial is trials[0] else f"{0.12 + 0.6 * quality**2:.2f}",
                "text": format_tooltip(trial),
            }
        )
    longest = max(len(label) for scale in scales for _, label in scale.labels)
    width = max(_NARROWEST_AXIS, _PIXELS_PER_CHARACTER * longest + _PIXELS_BETWEEN_AXES)
    return macro("charts.html", "parallel")(
        title="parameters and metric of each finished trial", axes=axes, lines=lines, min_width=width * len(axes)
    )


def _y(share: float | None) -> float:
    """Return the position of a share of an axis; below the axes if there is none."""
    return _BELOW_THE_AXES if share is None else round(100 * (1 - share), 2)


@dataclass(frozen=True)
class Scale:
    """Shares of an axis, from 0 at the bottom to 1 at the top.

    Attributes:
        low: The value at the bottom.
        high: The value at the top.
        log: Whether the axis is logarithmic.
        choices: All values, if they are not numbers in a range.
    """

    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: Sequence[Label] = ()

    @classmethod
    def of(cls, parameter: Parameter) -> "Scale":
        """Return the scale of a parameter."""
        if isinstance(parameter, Choice):
            return cls(choices=parameter.labels)
        return cls(parameter.low, parameter.high, log=parameter.log)

    def share(self, value: Any) -> float | None:
        """Return the share of a value, or None if there is no value."""
        if value is _ABSENT:
            return None
        if self.choices:
            return self.choices.index(value) / (len(self.choices) - 1)
        scaled = math.log if self.log else float
        low, high = scaled(self.low), scaled(self.high)
        return (scaled(float(value)) - low) / (high - low)

    @property
    def labels(self) -> list[tuple[float, str]]:
        """The labels beside the axis, each with its share."""
        if self.choices:
            last = len(self.choices) - 1
            return [(index / last, shorten(format_label(label))) for index, label in enumerate(self.choices)]
        return [(0.0, format_label(self.low)), (1.0, format_label(self.high))]


def shorten(text: str) -> str:
    """Cut a label that is longer than the room beside an axis."""
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"
