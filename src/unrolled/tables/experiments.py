"""Experiments."""

from collections.abc import Mapping
from pathlib import Path

from unrolled.tables.layout import add_row, table_of

from rich.console import Console


def print_recipes(recipes: Mapping[str, Path]) -> None:
    """Each recipe's name and its first line of comment."""
    table = table_of("recipe", "", right=())
    for name, path in recipes.items():
        add_row(table, name, path.read_text(encoding="utf-8").splitlines()[0].lstrip("# "))
    Console(highlight=False).print(table)
