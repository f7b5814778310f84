"""Which rows of a table are the steps of one series, and which column names it."""

from collections.abc import Mapping

from unrolled.data.columns import Column, find_columns, may_be_series
from unrolled.data.table import Table

import numpy as np

_MOST_REPEATED = 0.05
_APART = 5  # steps, after which another series begins


def find_series_of(table: Table, time: str, target: str | None) -> str | None:
    """Return the column whose values each have times of their own, where times repeat; a few rows may be twice there.

    Args:
        table: The table.
        time: The column of times.
        target: The column of what is to be predicted, if it is known.
    """
    times = table.frame[time].n_unique()
    if times == table.size:
        return None
    others = [target] if target else []
    if exact := may_be_series(table, time, others):
        return exact[0]
    names = _names(table, target) if 2 * times <= table.size else []
    pairs = {name: table.frame.select(time, name).n_unique() for name in names}
    fewest = (1 - _MOST_REPEATED) * table.size
    return next((name for name, count in pairs.items() if count >= fewest and _repeats(table, name)), None)


def find_apart(table: Table, time: str) -> str | None:
    """Return the column each of whose values has rows that follow each other, long before or after the others."""
    moments = table.moments(time)
    order = np.argsort(moments, kind="stable")
    steps = np.diff(moments[order])
    usual = np.median(steps) if len(steps) else 0
    for name in _names(table):
        cells = table.texts(name)[order].fill_null("")
        begins = (cells != cells.shift(1)).to_numpy()[1:].astype(bool)
        is_once = begins.sum() + 1 == cells.n_unique() > 1
        if is_once and _repeats(table, name) and (steps[begins] > _APART * usual).all():
            return name
    return None


def _names(table: Table, target: str | None = None) -> list[str]:
    """Return the columns whose values may name series."""
    kinds = ("category", "text", "identifier")
    return [one.name for one in find_columns(table).values() if one.kind in kinds and one.name != target]


def is_of_each(table: Table, target: str, series: str) -> bool:
    """Return True if all rows of a series have the same value of the target, and not all series the same."""
    count = table.frame[series].n_unique()
    return table.frame.select(series, target).n_unique() == count > 1 < table.frame[target].n_unique()


def _repeats(table: Table, name: str) -> bool:
    return 5 * table.frame[name].n_unique() <= table.size


def is_one_column(columns: Mapping[str, Column], target: str | None) -> bool:
    """Return True if a table holds nothing but one number in each row, the numbers of the rows aside."""
    numbers = [name for name, one in columns.items() if one.kind == "numbers"]
    rest = {one.kind for one in columns.values()} - {"numbers"}
    return len(numbers) == 1 and target in (None, numbers[0]) and rest <= {"row number", "empty"}
