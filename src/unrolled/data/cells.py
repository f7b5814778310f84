"""Checks of the cells of a column, and channels made of categories."""

from collections.abc import Mapping, Sequence

from unrolled.data.table import Table, format_list
from unrolled.data.values import is_absent, is_blank, is_missing
from unrolled.errors import DataError

import numpy as np
import polars as pl
from numpy.typing import NDArray

_MOST_NAMED = 10
# One program writes 1, another 1.0.
_WHOLE = r"^(-?\d+)\.0+$"


def check_filled(table: Table, name: str, cells: pl.Series, what: str, *, refuses_markers: bool = False) -> None:
    """Refuse a column with empty cells; the message counts them.

    Args:
        table: The table.
        name: The column.
        cells: Its cells.
        what: What they are to hold.
        refuses_markers: True to refuse what programs write for a missing value, too, unless ``fill`` names the column.

    Raises:
        DataError: A cell is empty.
    """
    find = is_absent if refuses_markers and name not in table.fill else is_blank
    rows = np.flatnonzero(find(cells).to_numpy()).tolist()
    if not rows:
        return
    several = ""
    if len(rows) > 1:
        lines = ", ".join(str(table.lines[row]) for row in rows[:_MOST_NAMED])
        several = f" ({len(rows):,} rows have none: {lines}{', …' if len(rows) > _MOST_NAMED else ''})"
    raise DataError(
        f"{table.location(rows[0], name)}: expected {what}, got {_absent(cells[rows[0]])}{several}. Add it or drop the "
        "row; data: {missing: drop} leaves such rows out"
        + (f"; if it is one: data: {{fill: {{{name}: '{cells[rows[0]]}'}}}}" if _is_word(cells, rows) else "")
    )


def texts_of(table: Table, name: str) -> pl.Series:
    """Return the texts of a column.

    Raises:
        DataError: A cell is empty, or holds another type.
    """
    cells = table.column(name)
    if cells.dtype.is_nested() or cells.dtype == pl.Binary:
        raise DataError(f"{table.location(0, name)}: expected text, got {_type_of(cells)}. Write it as text.")
    texts = table.texts(name)
    check_filled(table, name, texts, "text")
    return texts


def _type_of(cells: pl.Series) -> str:
    return "bytes" if cells.dtype == pl.Binary else "a list" if cells.dtype.is_nested() else str(cells.dtype)


def labels_of(table: Table, name: str, *, refuses_markers: bool = True) -> pl.Series:
    """Return the classes of a column; whole numbers are the same with and without decimals.

    Args:
        table: The table.
        name: The column.
        refuses_markers: False where NA or a question mark is a label, as of a word.

    Raises:
        DataError: A cell is empty.
    """
    cells = table.column(name)
    if cells.dtype.is_nested():
        raise DataError(f"{table.location(0, name)}: expected a class, got {_type_of(cells)}. Write one class.")
    labels = table.texts(name)
    check_filled(table, name, labels, "a class", refuses_markers=refuses_markers)
    # Of few different ones, so that a long column is not copied for it.
    written = labels.unique()
    cleaned = written.str.strip_chars().str.normalize("NFC")
    cleaned = cleaned.str.replace(_WHOLE, "${1}")
    return labels if cleaned.equals(written) else labels.replace_strict(written, cleaned)


def _absent(cell: str | None) -> str:
    return "an empty cell" if not (cell or "").strip() else f'"{cell}", which stands for a missing value'


def _is_word(cells: pl.Series, rows: Sequence[int]) -> bool:
    return bool((cells[rows[0]] or "").strip())


def categories_of(table: Table, name: str) -> pl.Series:
    """Return the cells of a column of categories; whole numbers are the same with and without decimals.

    Raises:
        DataError: The column is missing.
    """
    return table.texts(name).str.strip_chars().str.replace(_WHOLE, "${1}")


def category_channels(table: Table, categories: Mapping[str, Sequence[str]]) -> list[NDArray[np.float64]]:
    """Return a channel [N] for each value of each category, 1 in the rows that have it and 0 in the others.

    Raises:
        DataError: A column is missing.
    """
    channels = []
    for name, values in categories.items():
        cells = categories_of(table, name)
        channels += [(cells == value).fill_null(False).to_numpy().astype(np.float64) for value in values]
    return channels


def unknown_categories(table: Table, categories: Mapping[str, Sequence[str]]) -> str:
    """Return a note on values of categories that are not among those of the training table; empty if there are none."""
    notes = []
    for name, values in categories.items():
        cells = categories_of(table, name) if name in table.columns else pl.Series([], dtype=pl.String)
        unknown = cells.filter(~cells.is_in(list(values)) & ~is_missing(cells)).unique().sort().to_list()
        if unknown:
            notes.append(f"{name}: {format_list(unknown, _MOST_NAMED)}")
    return f"not among the categories of the training, read as none of them: {'; '.join(notes)}" if notes else ""
