"""The page of a comparison: intervals, differences, metrics and costs, learning curves, and different settings."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from unrolled.comparison.arms import Arm
from unrolled.comparison.comparison import Comparison
from unrolled.comparison.statistics import Estimate
from unrolled.config.diff import format_setting
from unrolled.reports import render, write_page
from unrolled.reports.charts import IntervalRow, color, interval_chart, line_chart

from markupsafe import Markup

_CURVES = {
    "loss": "training loss",
    "val_loss": "validation loss",
    "accuracy": "training accuracy",
    "val_accuracy": "validation accuracy",
    "mean_absolute_error": "training mean absolute error",
    "val_mean_absolute_error": "validation mean absolute error",
}


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write the page of a comparison.

    Args:
        comparison: Its arms and their differences.
        path: The page to write.

    Raises:
        WriteError: The path holds a file that is not a page of unrolled, or cannot be written.
    """
    page = render(
        "comparison.html",
        comparison=comparison,
        title=" · ".join(arm.name for arm in comparison.arms),
        data=comparison.arms[0].results[0].data,
        arms=[_figures(arm, number, comparison.metrics) for number, arm in enumerate(comparison.arms, start=1)],
        intervals=_intervals(comparison),
        differences=_differences(comparison),
        charts=[chart for name in _CURVES if (chart := _chart(comparison, name))],
        settings=[
            {
                "first": difference.first,
                "second": difference.second,
                "rows": [
                    (one.path, format_setting(one.first), format_setting(one.second)) for one in difference.settings
                ],
            }
            for difference in comparison.differences
        ],
        written=datetime.now(UTC),
    )
    write_page(page, path)


def _figures(arm: Arm, number: int, metrics: Sequence[str]) -> dict[str, Any]:
    return {
        "number": color(number),
        "name": arm.name,
        "n": len(arm.results),
        "seeds": ", ".join(map(str, arm.seeds)),
        "parameters": arm.mean("parameters"),
        "cpu_seconds": arm.mean("cpu_seconds"),
        "seconds_per_epoch": arm.mean("seconds_per_epoch"),
        "examples_per_second": arm.mean("examples_per_second"),
        "scores": [str(arm.estimate(metric)) for metric in metrics],
        "paths": [str(result.path) for result in arm.results],
    }


def _intervals(comparison: Comparison) -> Markup:
    rows = []
    for number, arm in enumerate(comparison.arms, start=1):
        estimate, values = arm.estimate(comparison.metric), list(arm.values(comparison.metric).values())
        rows.append(IntervalRow(arm.name, estimate.mean, _ends(estimate), values, number))
    return interval_chart(f"test {comparison.metric} of each arm", rows)


def _differences(comparison: Comparison) -> Markup | None:
    """Draw the differences from the first arm; None if no difference has an interval."""
    rows = [
        IntervalRow(difference.second, difference.estimate.mean, _ends(difference.estimate), (), number)
        for number, difference in enumerate(comparison.differences, start=2)
        if _ends(difference.estimate)
    ]
    return interval_chart(f"differences of test {comparison.metric}", rows) if rows else None


def _ends(estimate: Estimate) -> tuple[float, float] | None:
    return None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high)


def _chart(comparison: Comparison, name: str) -> dict[str, Any] | None:
    """Draw the mean curves of the arms that have a metric, with a band for an arm of several seeds."""
    curves = {arm.name: arm.curve(name) for arm in comparison.arms}
    if not any(curves.values()):
        return None
    means = {arm: [fmean(values) for values in zip(*seeds, strict=True)] for arm, seeds in curves.items()}
    bands = {
        arm: [(min(values), max(values)) for values in zip(*seeds, strict=True)]
        for arm, seeds in curves.items()
        if len(seeds) > 1
    }
    return {"name": _CURVES[name], "chart": line_chart(f"{_CURVES[name]} by epoch", means, bands)}
