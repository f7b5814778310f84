"""What commands print: tables for people, JSON for machines."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unrolled.data.dataset import Dataset
from unrolled.data.look import describe, draw_in_terminal
from unrolled.experiments.evaluation import Evaluation

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_dataset(data: Dataset, *, as_json: bool) -> None:
    """Shapes, type, range before and after scaling, examples per class, and a few examples drawn."""
    facts = describe(data)
    if as_json:
        _print_json(facts)
        return
    console = Console(highlight=False)
    console.print(Text.assemble((data.name, "bold"), "  ", data.source))
    table = _table("", "inputs", "targets", "type", "range", "scaled")
    for part in ("train", "test"):
        split = facts[part]
        shapes = (_spell_shape(split["inputs_shape"]), _spell_shape(split["targets_shape"]))
        _add_row(
            table, part, *shapes, split["dtype"], _spell_range(split["range"]), _spell_range(split["range_scaled"])
        )
    console.print(table)
    counts = _table("class", "train", "test")
    for name in data.classes:
        _add_row(counts, name, *(f"{facts[part]['count_per_class'][name]:,}" for part in ("train", "test")))
    console.print(counts)
    if data.train.inputs.ndim == 3:
        console.print(draw_in_terminal(data, console.width), markup=False)


def print_evaluation(evaluation: Evaluation, *, as_json: bool) -> None:
    """Each class' scores, then the whole."""
    if as_json:
        _print_json(evaluation.to_json())
        return
    table = _table("class", "precision", "recall", "F1", "examples")
    for score in evaluation.classes:
        figures = (f"{figure:.4f}" for figure in (score.precision, score.recall, score.f1))
        _add_row(table, score.name, *figures, f"{score.support:,}")
    console = Console(highlight=False)
    console.print(table)
    console.print(f"accuracy {evaluation.accuracy:.4f}  loss {evaluation.loss:.4f}  examples {evaluation.examples:,}")


def print_predictions(predictions: Sequence[Mapping[str, Any]], top: int, *, as_json: bool) -> None:
    """The most probable classes of each input."""
    if as_json:
        _print_json(predictions)
        return
    table = _table("file", "label", "probabilities", right=())
    for prediction in predictions:
        best = sorted(prediction["probabilities"].items(), key=lambda pair: -pair[1])[:top]
        example = f"[{prediction['index']}]" if "index" in prediction else ""
        chances = "  ".join(f"{name} {100 * probability:.1f} %" for name, probability in best)
        _add_row(table, f"{prediction['file']}{example}", prediction["label"], chances)
    Console(highlight=False).print(table)


def print_recipes(recipes: Mapping[str, Path]) -> None:
    """Each recipe's name and its first line of comment."""
    table = _table("recipe", "", right=())
    for name, path in recipes.items():
        _add_row(table, name, path.read_text(encoding="utf-8").splitlines()[0].lstrip("# "))
    Console(highlight=False).print(table)


def _table(first: str, *columns: str, right: Sequence[str] | None = None) -> Table:
    """A table without lines between its columns; all but the first are set to the right unless told otherwise."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim", show_edge=False)
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right" if right is None or column in right else "left", overflow="fold")
    return table


def _add_row(table: Table, *cells: str) -> None:
    """A row of plain text: a class or a file may be called [red]."""
    table.add_row(*(Text(cell) for cell in cells))


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))  # noqa: T201 - this is what a terminal program is for


def _spell_shape(shape: Sequence[int]) -> str:
    return f"({', '.join(str(length) for length in shape)}{',' if len(shape) == 1 else ''})"


def _spell_range(bounds: Sequence[float]) -> str:
    return f"{bounds[0]:.4g} to {bounds[1]:.4g}"
