"""Checks of the cells of a column."""

from unrolled.data.tables import Table
from unrolled.data.values import is_blank
from unrolled.errors import DataError

import numpy as np
import polars as pl

_MOST_NAMED = 10


def check_filled(table: Table, name: str, cells: pl.Series, what: str) -> None:
    """Refuse a column with empty cells; the message counts them.

    Raises:
        DataError: A cell is empty.
    """
    rows = np.flatnonzero(is_blank(cells).to_numpy()).tolist()
    if not rows:
        return
    several = ""
    if len(rows) > 1:
        lines = ", ".join(str(table.lines[row]) for row in rows[:_MOST_NAMED])
        several = f" ({len(rows):,} rows have none: {lines}{', …' if len(rows) > _MOST_NAMED else ''})"
    raise DataError(
        f"{table.location(rows[0], name)}: expected {what}, got an empty cell{several}. Add it or drop the row; "
        "data: {missing: drop} leaves such rows out"
    )
