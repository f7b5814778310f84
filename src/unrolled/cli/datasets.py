"""Data sets on the terminal: the columns of tables, shapes and ranges, counts, and a few examples."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unrolled.cli.console import ResultConsole
from unrolled.cli.tables import add_row, print_json, table_of
from unrolled.errors import DataError

from rich.color import Color
from rich.style import Style
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from unrolled.data.dataset import Dataset
    from unrolled.data.table import Table as FileTable

_LONGEST_CELL = 40


def print_columns(table: "FileTable", **named: Any) -> None:
    """Print the columns of a table, each with its role and the reason for it.

    Args:
        table: The table.
        named: The columns that the user names, as of ``TableSchema.decide``.
    """
    from unrolled.data.columns import find_columns, has_target, named_columns  # which imports Polars
    from unrolled.data.forecasting import forecast_schema
    from unrolled.data.joined_times import with_joined_times
    from unrolled.data.registry import kind_of_targets
    from unrolled.data.schema import TableSchema

    console = ResultConsole()
    console.print(table.format_detected(), style="dim")
    columns = table_of("column", "role", "found", "first")
    table, named = with_joined_times(table, named, finds=bool(named.get("series") or named.get("input")))
    is_forecast = bool(named.get("input")) and not named.get("target") and not has_target(table)
    try:
        if is_forecast:
            schema = forecast_schema(table, named["input"], series=named.get("series"), time=named.get("time"))
            schema = schema.with_formats(table)
        else:
            kind = kind_of_targets(table, named_columns(named.get("target")))
            schema = TableSchema.decide(table, target_kind=kind, **named)
        roles = schema.roles(table)
    except DataError:  # which follows when the data is loaded
        roles = list(find_columns(table).values())
    for column in roles:
        cells = table.frame[column.name].drop_nulls().head(1).to_list()
        first = " ".join(str(cells[0]).split()) if cells else ""
        shown = first if len(first) <= _LONGEST_CELL else first[:_LONGEST_CELL] + "…"
        add_row(columns, column.name, column.role, column.fact, shown)
    console.print(columns)


def print_dataset(data: "Dataset", *, as_json: bool, printed_note: str = "") -> None:
    """Print shapes, dtype, range before and after scaling, examples per class, and a few examples.

    Args:
        data: The data set.
        as_json: If True, print JSON for machines.
        printed_note: The note of the data set that is printed already.
    """
    from unrolled.data.preview import describe  # which imports the readers of tables

    facts = describe(data)
    if as_json:
        print_json(facts)
        return
    console = ResultConsole()
    console.print(Text.assemble((data.name, "bold"), "  ", data.source))
    for note in (note for note in data.notes if note != printed_note):
        console.print(note, style="dim")
    if data.kind == "arrays":
        _print_arrays(console, data, facts)
    else:
        _print_sequences(console, data, facts)


def _print_arrays(console: ResultConsole, data: "Dataset", facts: Mapping[str, Any]) -> None:
    table = table_of("", "inputs", "targets", "type", "range", "scaled")
    for part in data.parts:
        split = facts[part]
        shapes = (_format_shape(split["inputs_shape"]), _format_shape(split["targets_shape"]))
        add_row(
            table, part, *shapes, split["dtype"], _format_range(split["range"]), _format_range(split["range_scaled"])
        )
    console.print(table)
    console.print(_ranges(data, facts) if "targets" in facts["train"] else _counts(data, facts))
    if data.train.inputs.ndim == 4 and console.color_system:
        from unrolled.data.preview import draw_in_colours

        lines, captions = draw_in_colours(data, console.width)
        for line in lines:
            styles = (Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower)) for upper, lower in line)
            console.print(Text.assemble(*(("▀", style) for style in styles)), no_wrap=True)
        console.print(captions)
    elif data.has_images:
        from unrolled.data.preview import draw_in_terminal

        for drawn in draw_in_terminal(data, console.width).split("\n"):
            console.print(drawn)


def _print_sequences(console: ResultConsole, data: "Dataset", facts: Mapping[str, Any]) -> None:
    unit = "characters" if data.kind == "text" else "steps"
    # A text to continue and a series to forecast are one sequence, so that their size is its length.
    is_one = all(facts[part]["examples"] == 1 for part in data.parts)
    counted = (unit,) if is_one else (data.kind, f"least {unit}", "median", "most")
    table = table_of("", *counted, *(("range", "missing") if data.kind == "series" else ()))
    for part in data.parts:
        split, lengths = facts[part], facts[part]["lengths"]
        more = (_format_range(split["range"]), f"{split['missing']:,}") if data.kind == "series" else ()
        figures = (f"{lengths['least']:,}", f"{lengths['median']:,.0f}", f"{lengths['most']:,}")
        add_row(table, part, *(figures[:1] if is_one else (f"{split['examples']:,}", *figures)), *more)
    console.print(table)
    if "count_per_class" in facts["train"]:
        console.print(_counts(data, facts))
    if "targets" in facts["train"]:
        console.print(_ranges(data, facts))
    if data.kind == "text":
        from unrolled.data.preview import quote

        for name, line in quote(data, console.width):
            console.print(Text.assemble((f"{name}  " if name else "", "bold"), line), no_wrap=True, overflow="ellipsis")


def _counts(data: "Dataset", facts: Mapping[str, Any]) -> Table:
    counts = table_of("class", *data.parts)
    for name in data.classes:
        add_row(counts, name, *(f"{facts[part]['count_per_class'][name]:,}" for part in data.parts))
    return counts


def _ranges(data: "Dataset", facts: Mapping[str, Any]) -> Table:
    ranges = table_of("target", *(f"{part} (mean)" for part in data.parts))
    for name in data.classes:
        figures = (facts[part]["targets"][name] for part in data.parts)
        add_row(ranges, name, *(f"{_format_range((one['least'], one['most']))} ({one['mean']:.4g})" for one in figures))
    return ranges


def _format_shape(shape: Sequence[int]) -> str:
    return f"({', '.join(str(length) for length in shape)}{',' if len(shape) == 1 else ''})"


def _format_range(bounds: Sequence[float]) -> str:
    return f"{bounds[0]:.4g} to {bounds[1]:.4g}"
