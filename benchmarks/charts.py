"""The charts of docs/performance.md, as SVG; the same results give the same files, byte for byte."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.catalogue import OURS, VARIANTS
from benchmarks.results import Run
from benchmarks.tables import best, median_seconds
from benchmarks.tasks import CELLS, KERAS_NAMES

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

Record = dict[str, Any]

_OURS_COLOUR = "#2457c5"
_PEERS = {
    "Keras on JAX": "#1f7a4d",
    "Keras on TensorFlow": "#c2560c",
    "Keras on torch": "#8a4bb0",
    "torch.nn": "#555555",
}
_STYLE: Any = {"svg.hashsalt": "unrolled", "svg.fonttype": "none", "font.size": 9, "axes.axisbelow": True}


@dataclass(frozen=True)
class Chart:
    """A chart as an SVG file."""

    section: str
    title: str
    path: Path


def draw_charts(run: Run, folder: Path) -> list[Chart]:
    """Draw the charts for which the run has results."""
    folder.mkdir(parents=True, exist_ok=True)
    charts: list[Chart] = []
    with plt.rc_context(_STYLE):
        for section, title, name, figure in _figures(run):
            path = folder / f"{name}.svg"
            figure.savefig(path, metadata={"Date": None, "Creator": None}, bbox_inches="tight")
            plt.close(figure)
            charts.append(Chart(section, title, path))
    return charts


def _figures(run: Run) -> list[tuple[str, str, str, Figure]]:
    by_group: dict[str, list[Record]] = {}
    for case in run["cases"]:
        by_group.setdefault(case["group"], []).append(case)
    figures: list[tuple[str, str, str, Figure]] = []
    if article := [case for case in by_group.get("article", []) if _arm(case, OURS)]:
        figures.append(("article", "Seconds per epoch of the article's network", "article", _draw_article(article)))
    for cell in CELLS:
        chosen = [case for case in by_group.get("layer", []) if f"/{cell}/" in case["name"] and _peers(case)]
        if chosen:
            title = f"How many times faster than its peers: {KERAS_NAMES[cell]}, forward and backward"
            figures.append(("layers", title, f"layer-{cell}", _draw_layers(chosen)))
    if scaling := [case for case in by_group.get("scaling", []) if _points(case, ours=True)]:
        figures.append(("scaling", "Time and speed as the sizes grow", "scaling", _draw_scaling(scaling)))
    return figures


def _draw_article(cases: Sequence[Record]) -> Figure:
    heights = [sum(bool(arm["seconds"]) for arm in case["arms"]) for case in cases]
    figure, axes = plt.subplots(
        len(cases),
        1,
        figsize=(7, 0.6 * len(cases) + 0.28 * sum(heights)),
        squeeze=False,
        sharex=True,
        height_ratios=heights,
    )
    for ax, case in zip(axes[:, 0], cases, strict=True):
        arms = [arm for arm in case["arms"] if arm["seconds"]][::-1]
        scale = 60_000 / arms[0]["task"]["images"]
        seconds = [median_seconds(arm) * scale for arm in arms]
        low, high = (
            [abs(arm["seconds_quartiles"][at] * scale - mid) for arm, mid in zip(arms, seconds, strict=True)]
            for at in (0, 2)
        )
        colours = [_OURS_COLOUR if arm["ours"] else "#b9b9b9" for arm in arms]
        ax.barh([arm["name"] for arm in arms], seconds, xerr=[low, high], color=colours, ecolor="#333333", capsize=2)
        ax.set_title(case["name"].partition("/")[2], loc="left")
        ax.grid(axis="x", alpha=0.3)
    axes[-1, 0].set_xlabel("seconds per epoch of 60,000 images (median; lines: quartiles)")
    figure.tight_layout()
    return figure


def _draw_layers(cases: Sequence[Record]) -> Figure:
    variants = [variant for variant in VARIANTS if any(case["name"].endswith(f"/{variant}") for case in cases)]
    shapes = list(dict.fromkeys(case["name"].split("/")[2] for case in cases))[::-1]
    figure, axes = plt.subplots(
        1,
        len(variants),
        figsize=(2 + 2 * len(variants), 1.2 + 0.34 * len(shapes)),
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for ax, variant in zip(axes[0], variants, strict=True):
        for case in cases:
            if case["name"].endswith(f"/{variant}"):
                _dots(ax, shapes.index(case["name"].split("/")[2]), _peers(case))
        ax.axvline(1, color=_OURS_COLOUR, linewidth=1)
        ax.set_title(variant, loc="left")
        _logarithmic(ax, "x")
    axes[0, 0].set_yticks(range(len(shapes)), shapes)
    axes[0, 0].set_ylim(-0.6, len(shapes) - 0.4)
    handles = [Line2D([], [], color=colour, marker="o", linestyle="", label=name) for name, colour in _PEERS.items()]
    figure.supxlabel("times longer than ours takes on the same framework (lines: quartiles)", fontsize=9)
    figure.legend(handles=handles, loc="upper center", ncols=len(handles), frameon=False, bbox_to_anchor=(0.5, 1.06))
    figure.tight_layout()
    return figure


def _dots(ax: Axes, row: int, peers: dict[str, Record]) -> None:
    for number, (name, colour) in enumerate(_PEERS.items()):
        if name in peers:
            low, middle, high = peers[name]["ratio_quartiles"]
            y = row + 0.18 * (1.5 - number)
            ax.plot([low, high], [y, y], color=colour, linewidth=1.2)
            ax.plot([middle], [y], "o", color=colour, markersize=4)


def _draw_scaling(cases: Sequence[Record]) -> Figure:
    figure, axes = plt.subplots(2, len(cases), figsize=(3 * len(cases), 5.2), squeeze=False)
    for column, case in zip(axes.T, cases, strict=True):
        axis = case["name"].partition("/")[2]
        for label, colour, ours in (
            ("ours on JAX", _OURS_COLOUR, True),
            ("Keras on JAX", _PEERS["Keras on JAX"], False),
        ):
            points = _points(case, ours=ours)
            if not points:
                continue
            sizes = [_size(arm, axis, case) for arm in points]
            column[0].plot(sizes, [median_seconds(arm) * 1e3 for arm in points], "o-", color=colour, label=label)
            column[1].plot(sizes, [arm["gflops"] for arm in points], "o-", color=colour, label=label)
        _logarithmic(column[0], "x" if axis == "threads" else "xy")
        _logarithmic(column[1], "x")
        for ax in column[axis != "threads" :]:
            ax.set_ylim(0, 1.06 * ax.get_ylim()[1])
        column[1].set_xlabel(axis)
    axes[0, 0].set_ylabel("ms")
    axes[1, 0].set_ylabel("GFLOP/s")
    axes[0, 0].legend(frameon=False)
    figure.tight_layout()
    return figure


def _size(arm: Record, axis: str, case: Record) -> int:
    if axis == "threads":
        return int(arm["task"]["threads"])
    return int(arm["task"]["shape"][axis])


def _logarithmic(ax: Axes, directions: str) -> None:
    for direction in directions:
        (ax.set_xscale if direction == "x" else ax.set_yscale)("log", base=2)
        axis = ax.xaxis if direction == "x" else ax.yaxis
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    ax.grid(alpha=0.3)


def _arm(case: Record, name: str) -> Record | None:
    return next((arm for arm in case["arms"] if arm["name"] == name and arm["seconds"]), None)


def _peers(case: Record) -> dict[str, Record]:
    """Return the peers of a layer case that have ratios, by their names in the legend."""
    found = {name: _arm(case, name) for name in ("Keras on JAX", "Keras on torch")}
    names = ("Keras on TensorFlow, XLA", "Keras on TensorFlow, no XLA")
    found["Keras on TensorFlow"] = best([_arm(case, name) for name in names])
    found["torch.nn"] = next((arm for arm in case["arms"] if arm["program"] == "torch.nn"), None)
    return {name: arm for name, arm in found.items() if arm and "ratio_quartiles" in arm}


def _points(case: Record, *, ours: bool) -> list[Record]:
    return [arm for arm in case["arms"] if arm["seconds"] and arm["ours"] == ours]
