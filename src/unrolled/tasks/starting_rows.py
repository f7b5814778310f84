"""Which rows of a table are the steps of one series, and which column names it."""

from collections.abc import Mapping, Sequence

from unrolled.data.columns import Column, find_columns, may_be_series
from unrolled.data.table import Table

import numpy as np

_FEWEST_STEPS = 3  # of a series, on average
_MOST_REPEATED = 0.05
_APART = 5  # steps, after which another series begins


def find_series_of(table: Table, time: str, others: Sequence[str]) -> str | None:
    """Return the column whose values each have times of their own, where times repeat; a few rows may be twice there.

    Args:
        table: The table.
        time: The column of times.
        others: The columns that have another role.
    """
    times = table.frame[time].n_unique()
    if times == table.size:
        return None
    columns = find_columns(table)
    exact = [
        name
        for name in may_be_series(table, time, others)
        if columns[name].kind == "numbers" or _FEWEST_STEPS * table.frame[name].n_unique() <= table.size
    ]
    names = _names(table, others) if 2 * times <= table.size else []
    pairs = {name: table.frame.select(time, name).n_unique() for name in names}
    fewest = (1 - _MOST_REPEATED) * table.size
    close = [name for name, count in pairs.items() if count >= fewest and _repeats(table, name)]
    found = dict.fromkeys((*exact, *close))
    return next((name for name in found if not texts_beside(table, name, others) or _is_even(table, time, name)), None)


def texts_beside(table: Table, series: str, others: Sequence[str]) -> list[str]:
    """Return the other columns of texts, which are examples rather than the steps of a series."""
    columns = find_columns(table).values()
    return [one.name for one in columns if one.kind == "text" and one.name != series and one.name not in others]


def _is_even(table: Table, time: str, series: str) -> bool:
    """Return True if most rows of a series follow each other by the same step."""
    moments, keys = table.moments(time), table.texts(series).rank("dense").fill_null(0).to_numpy()
    order = np.lexsort((moments, keys))
    steps = np.diff(moments[order])[np.diff(keys[order]) == 0]
    return len(steps) > 0 and 2 * int((steps == np.median(steps)).sum()) > len(steps) and bool(np.median(steps) > 0)


def find_apart(table: Table, time: str, others: Sequence[str]) -> str | None:
    """Return the column each of whose values has rows that follow each other, long before or after the others."""
    moments = table.moments(time)
    order = np.argsort(moments, kind="stable")
    steps = np.diff(moments[order])
    usual = np.median(steps) if len(steps) else 0
    for name in _names(table, others):
        cells = table.texts(name)[order].fill_null("")
        begins = (cells != cells.shift(1)).to_numpy()[1:].astype(bool)
        is_once = begins.sum() + 1 == cells.n_unique() > 1
        if is_once and _repeats(table, name) and (steps[begins] > _APART * usual).all():
            return name
    return None


def _names(table: Table, others: Sequence[str]) -> list[str]:
    """Return the columns whose values may name series."""
    kinds = ("category", "text", "identifier")
    return [one.name for one in find_columns(table).values() if one.kind in kinds and one.name not in others]


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
