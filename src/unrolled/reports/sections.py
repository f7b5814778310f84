"""Sections of a report as HTML: one renderer for each kind of section."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unrolled.reports import macro
from unrolled.reports.charts import COLORS, line_chart, scatter_chart
from unrolled.tasks.sections import (
    ChartSection,
    ConfusionSection,
    Mistake,
    MistakesSection,
    SampleSection,
    ScatterSection,
    Section,
    TableSection,
    format_metric,
)

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

_LONGEST_TEXT = 300
# A matrix of more classes has cells too small for numbers, and of very many, cells too small for colors.
_MAX_CLASSES_WITH_NUMBERS, _MAX_CLASSES_WITH_CELLS = 12, 60
_CONFUSIONS_SHOWN = 12
# Names with more characters need a wide first column. Above the columns there is room for so many characters in all;
# longer names stand upright there, or are replaced by numbers in a compact matrix.
_LONGEST_NAME, _CHARACTERS_ACROSS, _CHARACTERS_ACROSS_COMPACT = 4, 40, 60
# The others are below a line that opens them.
_CHARTS_SHOWN = 6


def render_section(section: Section) -> Markup:
    """Render a section of any kind."""
    template, values = RENDERERS[type(section)]
    return macro("sections.html", template)(section=section, **values(section))


def format_cell(cell: Any) -> str:
    """Format a cell of a table.

    Example:
        >>> format_cell(0.5), format_cell(1234), format_cell("a")
        ('0.5000', '1,234', 'a')
    """
    if isinstance(cell, float):
        return format_metric(cell)
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def _table_values(section: TableSection) -> dict[str, Any]:
    return {"rows": [[format_cell(cell) for cell in row] for row in section.rows]}


def _confusion_values(section: ConfusionSection) -> dict[str, Any]:
    counts, classes = section.counts, len(section.classes)
    largest = max((count for i, row in enumerate(counts) for j, count in enumerate(row) if i != j), default=0)
    rows = [
        {
            "name": name,
            "cells": [
                {
                    "count": count,
                    "is_right": i == j,
                    "share": round((count / (sum(row) or 1) if i == j else count / (largest or 1)) * 0.55, 2),
                    "text": f"{name} predicted as {section.classes[j]}: {count:,} of {sum(row):,}",
                }
                for j, count in enumerate(row)
            ],
        }
        for i, (name, row) in enumerate(zip(section.classes, counts, strict=True))
    ]
    is_compact, longest = classes > _MAX_CLASSES_WITH_NUMBERS, max(map(len, section.classes), default=0)
    return {
        "rows": rows if classes <= _MAX_CLASSES_WITH_CELLS else [],
        "is_compact": is_compact,
        "has_long_names": longest > _LONGEST_NAME,
        "has_room_across": longest * classes <= (_CHARACTERS_ACROSS_COMPACT if is_compact else _CHARACTERS_ACROSS),
        "confusions": busiest_confusions(section) if is_compact else [],
    }


def busiest_confusions(section: ConfusionSection) -> list[dict[str, Any]]:
    """Return the most frequent pairs of a true class and a wrong prediction, the most frequent first."""
    pairs: list[dict[str, Any]] = [
        {"truth": section.classes[i], "predicted": section.classes[j], "count": count, "share": count / sum(row)}
        for i, row in enumerate(section.counts)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(pairs, key=lambda pair: -pair["count"])[:_CONFUSIONS_SHOWN]


def _mistakes_values(section: MistakesSection) -> dict[str, Any]:
    shown = [_mistake_values(mistake, section.channels[:COLORS]) for mistake in section.mistakes]
    return {"mistakes": shown, "channels": section.channels[:COLORS]}


def _mistake_values(mistake: Mistake, channels: Sequence[str]) -> dict[str, Any]:
    values = {"mistake": mistake, "picture": None, "chart": None, "text": None}
    if isinstance(mistake.example, str):
        text = mistake.example
        return values | {"text": text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"}
    if not channels:
        return values | {"picture": png_address(mistake.example)}
    steps = [str(step) for step in range(1, len(mistake.example) + 1)]
    series = {name: _scaled(channel) for name, channel in zip(channels, mistake.example.T, strict=False)}
    return values | {"chart": line_chart(f"example {mistake.index}", series, steps=steps)}


def _scaled(channel: NDArray[Any]) -> list[float]:
    """Scale a channel to the range from 0 to 1, so that channels of all sizes are visible."""
    low, high = np.fmin.reduce(channel), np.fmax.reduce(channel)
    values: list[float] = ((channel - low) / ((high - low) or 1)).tolist()
    return values


def _chart_values(section: ChartSection) -> dict[str, Any]:
    charts = [
        {
            "name": name,
            "series": list(series),
            "chart": line_chart(name, series, section.bands.get(name), section.steps_of.get(name, section.steps)),
        }
        for name, series in section.charts.items()
    ]
    return {"charts": charts[:_CHARTS_SHOWN], "more": charts[_CHARTS_SHOWN:]}


def _scatter_values(section: ScatterSection) -> dict[str, Any]:
    return {"chart": scatter_chart(section.title, section.true, section.predicted, section.unit)}


def _sample_values(section: SampleSection) -> dict[str, Any]:
    return {}


RENDERERS: Mapping[type, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    TableSection: ("table", _table_values),
    ConfusionSection: ("confusion", _confusion_values),
    MistakesSection: ("mistakes", _mistakes_values),
    ChartSection: ("charts", _chart_values),
    ScatterSection: ("scatter", _scatter_values),
    SampleSection: ("sample", _sample_values),
}
"""By the kind of section: the macro in ``sections.html``, and the values that it takes beside the section."""


def png_address(image: NDArray[Any]) -> str:
    """Encode an image as a ``data:`` address; values other than uint8 are stretched to 0 to 255.

    Args:
        image: [height, width] or [height, width, 3].
    """
    if image.dtype != np.uint8:
        low, high = float(image.min()), float(image.max())
        image = ((image - low) / ((high - low) or 1) * 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
