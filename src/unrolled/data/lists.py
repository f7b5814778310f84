"""Cells that hold lists: those of the file, as Python or NumPy writes them, or with a separator between items."""

import ast
import re
from collections.abc import Sequence

from unrolled.data.cells import check_filled, texts_of
from unrolled.data.table import Table
from unrolled.data.values import is_absent

import polars as pl

_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")


def lists_of(table: Table, name: str, separator: str | None, *, may_be_empty: bool = False) -> pl.Series:
    """Return the list of texts in each cell of a column.

    Args:
        table: The table.
        name: The column.
        separator: What stands between the items of a text; a space stands for any number of them. None if nothing does.
        may_be_empty: True if an empty cell is a list without items; otherwise it is refused.

    Raises:
        DataError: The column is missing, or a cell is empty.
    """
    cells = table.column(name)
    if isinstance(cells.dtype, pl.List | pl.Array):
        if not may_be_empty:
            check_filled(table, name, cells.list.len().replace(0, None).cast(pl.String), "a list")
        return cells.cast(pl.List(pl.String)).fill_null([])
    texts = texts_of(table, name) if not may_be_empty else table.texts(name)
    texts = texts.set(is_absent(texts), "").str.strip_chars() if may_be_empty else texts.str.strip_chars()
    if texts.filter(texts != "").str.contains(r"(?s)^\[.*\]$").all():
        return pl.Series([parse_list(text) for text in texts.to_list()], dtype=pl.List(pl.String))
    if separator is None:
        return pl.Series([[text] for text in texts.to_list()], dtype=pl.List(pl.String))
    return (texts.str.replace_all(r"\s+", " ") if separator == " " else texts).str.split(separator)


def separator_of_words(table: Table, name: str) -> str:
    """Return what stands between the labels of words: spaces, or commas where no cell has spaces."""
    cells = table.column(name)
    has_spaces = cells.dtype != pl.String or bool(cells.str.strip_chars().str.contains(r"\s").any())
    return " " if has_spaces else ","


def separator_of_labels(table: Table, name: str, choices: Sequence[str] = ("|", ";", ",")) -> str | None:
    """Return the first of some separators that a cell has; None if no cell has one."""
    cells = table.column(name)
    if cells.dtype != pl.String:
        return None
    return next((one for one in choices if cells.str.contains(one, literal=True).any()), None)


def parse_list(text: str) -> list[str]:
    """Return the items of a list as Python or NumPy writes it.

    Example:
        >>> parse_list("['EU', 'rejects']"), parse_list("['a' 'b']"), parse_list("[3 0 7]"), parse_list("[]")
        (['EU', 'rejects'], ['a', 'b'], ['3', '0', '7'], [])
    """
    if not _QUOTED.search(text):
        between = r"\s*,\s*" if "," in text else r"\s+"
        return [item for item in re.split(between, text[1:-1].strip()) if item]
    return [str(ast.literal_eval(item)) for item in _QUOTED.findall(text)]
