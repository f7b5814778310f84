"""What trained networks say, and how well."""

from collections.abc import Mapping, Sequence
from typing import Any

from unrolled.experiments.evaluation import Evaluation
from unrolled.tables.layout import add_row, print_json, table_of

from numpy.typing import NDArray
from rich.console import Console

_LONGEST_TEXT = 200


def print_evaluation(evaluation: Evaluation, *, as_json: bool) -> None:
    """Each class' scores, then the whole."""
    if as_json:
        print_json(evaluation.to_json())
        return
    table = table_of("class", "precision", "recall", "F1", "examples")
    for score in evaluation.classes:
        figures = (f"{figure:.4f}" for figure in (score.precision, score.recall, score.f1))
        add_row(table, score.name, *figures, f"{score.support:,}")
    console = Console(highlight=False)
    if evaluation.classes:
        console.print(table)
    console.print(f"{evaluation.headline}  loss {evaluation.loss:.4f}  examples {evaluation.examples:,}")


def print_predictions(predictions: Sequence[Mapping[str, Any]], top: int, *, as_json: bool) -> None:
    """The most probable classes of each input."""
    if as_json:
        print_json(predictions)
        return
    source = "text" if predictions and "text" in predictions[0] else "file"
    table = table_of(source, "label", "probabilities", right=())
    for prediction in predictions:
        best = sorted(prediction["probabilities"].items(), key=lambda pair: -pair[1])[:top]
        example = f"[{prediction['index']}]" if "index" in prediction else ""
        chances = "  ".join(f"{name} {100 * probability:.1f} %" for name, probability in best)
        named = " ".join(prediction[source].split())
        shown = named if len(named) <= _LONGEST_TEXT else named[:_LONGEST_TEXT] + "…"
        add_row(table, f"{shown}{example}", prediction["label"], chances)
    Console(highlight=False).print(table)


def print_forecast(channels: Sequence[str], told: NDArray[Any], *, as_json: bool) -> None:
    """A row for each step, a column for each channel."""
    if as_json:
        print_json([dict(zip(channels, map(float, row), strict=True)) for row in told])
        return
    table = table_of("step", *channels)
    for step, row in enumerate(told, start=1):
        add_row(table, f"+{step}", *(f"{value:.4g}" for value in row))
    Console(highlight=False).print(table)
