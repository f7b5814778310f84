"""The rows of a table that are the steps of one series, and the column that names it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from unrolled.data.columns import Column, find_columns, may_be_series
from unrolled.data.table import Table
from unrolled.data.times import is_named_period

import numpy as np
import polars as pl
from numpy.typing import NDArray

_NAMES_SERIES = re.compile(
    r"(?i)(?:^|[ _-])(?:run|session|trip|subject|patient|person|participant|user|customer|machine|device|engine|unit"
    r"|sensor|recording|experiment|trial|episode|series|sequence|sample|batch|id)(?:$|[ _-]?(?:id|no|nr|number)$)"
)
_PERIODS = re.compile(r"(?i)day|week|month|quarter|year|season|tag|woche|monat|quartal|jahr|saison")
_FEWEST_ROWS = 5  # of a number, on average
_MANY = 10
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


@dataclass(frozen=True)
class Numbered:
    """A column of whole numbers that may name series, such as the numbers of runs.

    Attributes:
        name: The column.
        fact: What was found, for people.
        is_series: True if it certainly names series: their times begin anew, or many have a target of their own.
    """

    name: str
    fact: str
    is_series: bool


def find_numbered(table: Table, time: str | None, target: str | None, others: Sequence[str]) -> Numbered | None:
    """Return a column of whole numbers that names series, or may name them; None without one.

    Equal numbers stand together, in the order of the rows or of the times. They name series if the times begin anew or
    much later with each number; or if each has the same target in all of its rows, and the column is called after runs,
    people or such, or ten numbers or more have a target that does not rise or fall with them. They may if there is one
    of the two, the target or the name.

    Args:
        table: The table.
        time: The column of times, if there is one.
        target: The column of what is to be predicted, if it is known.
        others: The columns that have another role.
    """
    found = [
        numbered
        for name, one in find_columns(table).items()
        if one.kind == "numbers" and name not in (*others, time, target) and not _PERIODS.search(name)
        for numbered in _as_numbered(table, name, time, target)
    ]
    return next((one for one in found if one.is_series), next(iter(found), None))


def _as_numbered(table: Table, name: str, time: str | None, target: str | None) -> Iterator[Numbered]:
    numbers = table.frame[name].cast(pl.String).str.strip_chars().cast(pl.Int64, strict=False)
    count = numbers.n_unique()
    if numbers.null_count() or not 1 < count <= table.size / _FEWEST_ROWS:
        return
    moments = None if time is None else table.moments(time)
    is_constant = target is not None and is_of_each(table, target, name) and not _says_same(table, target, name)
    is_named = _NAMES_SERIES.search(name) is not None
    for order in (np.arange(table.size), *([] if moments is None else [np.argsort(moments, kind="stable")])):
        keys = numbers.to_numpy()[order]
        begins = keys[1:] != keys[:-1]
        steps = None if moments is None else np.diff(moments[order])
        if int(begins.sum()) + 1 != count or (steps is not None and (steps[~begins] < 0).any()):
            continue
        is_known = is_constant and (is_named or (count >= _MANY and _varies(table, str(target), name)))
        is_series = is_known or (steps is not None and _begin_anew(steps, begins))
        if is_series or is_constant or is_named:
            yield Numbered(name, f"the rows of each {name} stand together", is_series)
        return
    if is_constant and is_named:
        yield Numbered(name, f"the rows of each {name} have the same {target}", is_series=False)


def _begin_anew(steps: NDArray[np.int64], begins: NDArray[np.bool_]) -> bool:
    """Return True if times go back, or much further on than usual, wherever another series begins."""
    usual = float(np.median(steps[~begins]))
    return usual > 0 and bool((steps[begins] < 0).all() or (steps[begins] > _APART * usual).all())


def _says_same(table: Table, target: str, name: str) -> bool:
    """Return True if each class has a number of its own, which says the same in another way."""
    is_class = find_columns(table)[target].kind != "numbers"
    return is_class and table.frame[target].n_unique() == table.frame[name].n_unique()


def _varies(table: Table, target: str, name: str) -> bool:
    """Return True if the target goes up and down, or back and forth between classes, as the number rises."""
    pairs = table.frame.select(
        pl.col(name).cast(pl.Float64, strict=False).alias("number"), pl.col(target).alias("target")
    )
    values = pairs.unique().sort("number")["target"]
    if find_columns(table)[target].kind != "numbers":
        return int((values != values.shift(1)).sum()) >= values.n_unique()
    changes = values.cast(pl.Float64, strict=False).diff().drop_nulls()
    return bool((changes > 0).any() and (changes < 0).any())


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


def find_order(table: Table) -> list[str]:
    """Return the columns of numbers, a year and parts of it, that rise from row to row; empty if there are none."""
    named = [one for one in find_columns(table).values() if one.kind in ("numbers", "calendar")]
    parts = [one.name for one in named if one.kind == "calendar" or is_named_period(one.name)]
    numbers = [table.frame[name].cast(pl.String).cast(pl.Int64, strict=False) for name in parts]
    years = [index for index, values in enumerate(numbers) if values.is_between(1000, 2999).all()]
    if not years or any(values.null_count() for values in numbers):
        return []
    first = years[0]
    keys = [*zip(numbers[first], *(one for index, one in enumerate(numbers) if index != first), strict=True)]
    return parts if all(before < after for before, after in pairwise(keys)) else []


def is_one_column(columns: Mapping[str, Column], target: str | None) -> bool:
    """Return True if a table holds nothing but one number in each row, the numbers of the rows aside."""
    numbers = [name for name, one in columns.items() if one.kind == "numbers"]
    rest = {one.kind for one in columns.values()} - {"numbers"}
    return len(numbers) == 1 and target in (None, numbers[0]) and rest <= {"row number", "empty"}
