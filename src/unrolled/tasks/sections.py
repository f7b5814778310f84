"""Sections of a report, as data: a task says what to show, ``unrolled.reports`` decides how it looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class TableSection:
    """A table with a heading.

    Attributes:
        title: The heading.
        columns: The names of the columns; the first is aligned to the left, all others to the right.
        rows: The cells of each row, as text or as numbers.
        note: A sentence below the heading.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""


@dataclass(frozen=True)
class ConfusionSection:
    """A confusion matrix.

    Attributes:
        title: The heading.
        classes: The names of the classes.
        counts: [classes, classes]; row: the true class, column: the predicted class.
    """

    title: str
    classes: Sequence[str]
    counts: Sequence[Sequence[int]]


@dataclass(frozen=True)
class Mistake:
    """A test example that the network got wrong.

    Attributes:
        index: The example's position in the test set.
        example: An image [height, width] or [height, width, 3], a series [T, F], or a text.
        truth: The true class.
        predicted: The class that the network predicted.
        probability: The probability of the predicted class.
    """

    index: int
    example: NDArray[Any] | str
    truth: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class MistakesSection:
    """The mistakes that the network was most confident about, the most confident first.

    Attributes:
        title: The heading.
        mistakes: The mistakes that are shown.
        total: The number of all mistakes.
        channels: The names of the channels, if the examples are series.
    """

    title: str
    mistakes: Sequence[Mistake]
    total: int
    channels: Sequence[str] = ()


@dataclass(frozen=True)
class ChartSection:
    """Line charts, one for each channel.

    Attributes:
        title: The heading.
        charts: For each chart by name, its series by name; NaN where a series has no value.
        steps: The labels of the horizontal axis.
        note: A sentence below the heading.
        steps_of: The labels of charts that have their own, by name.
        bands: Of a chart by name, for some of its series the lowest and the highest value of each step.
    """

    title: str
    charts: Mapping[str, Mapping[str, Sequence[float]]]
    steps: Sequence[str]
    note: str = ""
    steps_of: Mapping[str, Sequence[str]] = field(default_factory=dict)
    bands: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]] = field(default_factory=dict)


@dataclass(frozen=True)
class ScatterSection:
    """A dot for each example: its true value across, the predicted value upwards.

    Attributes:
        title: The heading.
        true: The true values.
        predicted: The predicted values.
        unit: What the values are.
    """

    title: str
    true: Sequence[float]
    predicted: Sequence[float]
    unit: str


@dataclass(frozen=True)
class SampleSection:
    """A text that the network generated.

    Attributes:
        title: The heading.
        prompt: The text that the network read first.
        text: The text that the network generated after it.
        note: A sentence below the text.
    """

    title: str
    prompt: str
    text: str
    note: str = ""


Section = TableSection | ConfusionSection | MistakesSection | ChartSection | ScatterSection | SampleSection


@dataclass(frozen=True)
class Sections:
    """All sections of a task's report, in order.

    Attributes:
        sections: From top to bottom, below the metrics.
        notes: Remarks below the baselines.
    """

    sections: Sequence[Section] = ()
    notes: Sequence[str] = field(default_factory=tuple)


def format_metric(value: float) -> str:
    """Format a metric with as many decimals as its size needs.

    Example:
        >>> [format_metric(value) for value in (0.97735, 14.8123, 211.66, 54321.9)]
        ['0.9774', '14.812', '211.66', '54,321.9']
    """
    decimals = 4 if abs(value) < 10 else 3 if abs(value) < 100 else 2 if abs(value) < 1000 else 1
    return f"{value:,.{decimals}f}"
