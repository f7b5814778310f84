"""A data set."""

from collections.abc import Mapping, Sequence
from typing import Any

from unrolled.data.columns import describe_columns
from unrolled.data.dataset import Dataset
from unrolled.data.look import describe, draw_in_terminal, quote
from unrolled.data.tables import Table as FileTable
from unrolled.tables.layout import add_row, print_json, table_of

from rich.console import Console
from rich.table import Table
from rich.text import Text

_LONGEST_CELL = 40


def print_columns(table: FileTable) -> None:
    """What was detected in a file of rows and columns."""
    console = Console(highlight=False)
    console.print(table.spell_found(), style="dim", markup=False)
    columns = table_of("column", "kind", "different", "empty", "first", right=("different", "empty"))
    for facts in describe_columns(table):
        first = " ".join(facts["first"].split())
        shown = first if len(first) <= _LONGEST_CELL else first[:_LONGEST_CELL] + "…"
        add_row(columns, facts["column"], facts["kind"], f"{facts['different']:,}", f"{facts['empty']:,}", shown)
    console.print(columns)


def print_dataset(data: Dataset, *, as_json: bool, said: str = "") -> None:
    """Shapes, type, range before and after scaling, examples per class, and a few examples drawn.

    Args:
        data: What to look at.
        as_json: Whether for machines.
        said: A note that stands there already.
    """
    facts = describe(data)
    if as_json:
        print_json(facts)
        return
    console = Console(highlight=False)
    console.print(Text.assemble((data.name, "bold"), "  ", data.source))
    for note in (note for note in data.notes if note != said):
        console.print(note, style="dim", markup=False)
    if data.kind == "arrays":
        _print_arrays(console, data, facts)
    else:
        _print_sequences(console, data, facts)


def _print_arrays(console: Console, data: Dataset, facts: Mapping[str, Any]) -> None:
    table = table_of("", "inputs", "targets", "type", "range", "scaled")
    for part in data.parts:
        split = facts[part]
        shapes = (_spell_shape(split["inputs_shape"]), _spell_shape(split["targets_shape"]))
        add_row(table, part, *shapes, split["dtype"], _spell_range(split["range"]), _spell_range(split["range_scaled"]))
    console.print(table)
    console.print(_counts(data, facts))
    if data.train.inputs.ndim == 3:
        console.print(draw_in_terminal(data, console.width), markup=False)


def _print_sequences(console: Console, data: Dataset, facts: Mapping[str, Any]) -> None:
    unit = "characters" if data.kind == "text" else "steps"
    table = table_of(
        "", data.kind, f"least {unit}", "median", "most", *(("range", "missing") if data.kind == "series" else ())
    )
    for part in data.parts:
        split, lengths = facts[part], facts[part]["lengths"]
        more = (_spell_range(split["range"]), f"{split['missing']:,}") if data.kind == "series" else ()
        figures = (f"{lengths['least']:,}", f"{lengths['median']:,.0f}", f"{lengths['most']:,}")
        add_row(table, part, f"{split['examples']:,}", *figures, *more)
    console.print(table)
    if "count_per_class" in facts["train"]:
        console.print(_counts(data, facts))
    if data.kind == "text":
        for name, line in quote(data, console.width):
            console.print(Text.assemble((f"{name}  " if name else "", "bold"), line), no_wrap=True, overflow="ellipsis")


def _counts(data: Dataset, facts: Mapping[str, Any]) -> Table:
    counts = table_of("class", *data.parts)
    for name in data.classes:
        add_row(counts, name, *(f"{facts[part]['count_per_class'][name]:,}" for part in data.parts))
    return counts


def _spell_shape(shape: Sequence[int]) -> str:
    return f"({', '.join(str(length) for length in shape)}{',' if len(shape) == 1 else ''})"


def _spell_range(bounds: Sequence[float]) -> str:
    return f"{bounds[0]:.4g} to {bounds[1]:.4g}"
