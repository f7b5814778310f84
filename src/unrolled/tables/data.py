"""A data set."""

from collections.abc import Sequence

from unrolled.data.dataset import Dataset
from unrolled.data.look import describe, draw_in_terminal
from unrolled.tables.layout import add_row, print_json, table_of

from rich.console import Console
from rich.text import Text


def print_dataset(data: Dataset, *, as_json: bool) -> None:
    """Shapes, type, range before and after scaling, examples per class, and a few examples drawn."""
    facts = describe(data)
    if as_json:
        print_json(facts)
        return
    console = Console(highlight=False)
    console.print(Text.assemble((data.name, "bold"), "  ", data.source))
    table = table_of("", "inputs", "targets", "type", "range", "scaled")
    for part in ("train", "test"):
        split = facts[part]
        shapes = (_spell_shape(split["inputs_shape"]), _spell_shape(split["targets_shape"]))
        add_row(table, part, *shapes, split["dtype"], _spell_range(split["range"]), _spell_range(split["range_scaled"]))
    console.print(table)
    counts = table_of("class", "train", "test")
    for name in data.classes:
        add_row(counts, name, *(f"{facts[part]['count_per_class'][name]:,}" for part in ("train", "test")))
    console.print(counts)
    if data.train.inputs.ndim == 3:
        console.print(draw_in_terminal(data, console.width), markup=False)


def _spell_shape(shape: Sequence[int]) -> str:
    return f"({', '.join(str(length) for length in shape)}{',' if len(shape) == 1 else ''})"


def _spell_range(bounds: Sequence[float]) -> str:
    return f"{bounds[0]:.4g} to {bounds[1]:.4g}"
