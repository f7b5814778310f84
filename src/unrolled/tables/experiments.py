"""Experiments."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unrolled.tables.layout import add_row, print_json, table_of

from rich.console import Console


def print_recipes(recipes: Mapping[str, Path]) -> None:
    """Each recipe's name and its first line of comment."""
    table = table_of("recipe", "", right=())
    for name, path in recipes.items():
        add_row(table, name, path.read_text(encoding="utf-8").splitlines()[0].lstrip("# "))
    Console(highlight=False).print(table)


def print_description(description: Mapping[str, Any], *, as_json: bool) -> None:
    """A network layer by layer, and what it would learn from."""
    if as_json:
        print_json(description)
        return
    table = table_of("", "layer", "output", "parameters", "arguments", right=("parameters",))
    read = description["read"]
    start = description["input"] if read == "rows" else f"{description['input']} read as {read}"
    add_row(table, "", description["data"], start, "", "")
    for index, layer in enumerate(description["layers"]):
        kernel = layer["kernel"] if layer["kernel"] not in ("", "native") else ""
        words = "; ".join(word for word in (layer["arguments"], kernel) if word)
        add_row(table, str(index), layer["name"], layer["shape"], f"{layer['parameters']:,}", words)
    console = Console(highlight=False)
    console.print(table)
    for line in description["filled_in"]:
        console.print(f"filled in  {line}", style="dim", markup=False)
    for note in description["notes"]:
        console.print(note, style="dim", markup=False)
    epochs, steps = description["epochs"], description["steps"]
    console.print(
        f"{description['parameters']:,} parameters; {description['training_examples']:,} examples to learn from, "
        f"{description['validation_examples']:,} to watch, {description['test_examples']:,} to test; "
        f"{epochs} {'epoch' if epochs == 1 else 'epochs'} of {steps:,} steps"
    )
