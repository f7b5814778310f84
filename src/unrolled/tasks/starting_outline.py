"""The times, targets and series of a table, given or found."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unrolled.data.columns import Column, find_columns, find_series_column, list_times, named_columns
from unrolled.data.joined_times import find_time_parts, join_times, joined_name
from unrolled.data.steps import TOKENS
from unrolled.data.table import Table, format_list
from unrolled.data.targets import CLASS, LABEL_SETS, NUMBERS, are_measurements
from unrolled.data.values import is_absent, is_missing
from unrolled.errors import DataError
from unrolled.tasks.starting_rows import (
    Numbered,
    find_apart,
    find_numbered,
    find_order,
    find_series_of,
    is_of_each,
    is_one_column,
    texts_beside,
)

import polars as pl

_FORECAST = ("target", "y", "value", "sales", "demand")
_SENTENCES = re.compile(r"sentence|(?:sent|sentence|doc|document|utterance)[ _-]?(?:id|no|nr|num|number|idx|index|#)")
ROLES = ("input", "known", "past", "categories")
"""The settings of ``data`` that give columns a role, beside times, series and target."""


@dataclass(frozen=True)
class Outline:
    """The roles of a table's columns in a task.

    Attributes:
        table: The table, with a column of joined times if it needs one.
        parts: The columns of which that is joined.
        time: The column of times, given or found; None without one.
        targets: The columns of what is to be predicted, as far as they are given.
        named: The first of them, or one with a usual name; None without one.
        series: The column of series, given or found; None without one.
        taken: The columns that have a role by the settings that are given.
        is_constant: True if all rows of a series have the same target, beside numbers that are read.
        numbered: The column of numbers that names the series, or that may.
    """

    table: Table
    parts: tuple[str, ...]
    time: str | None
    targets: list[str]
    named: str | None
    series: str | None
    taken: tuple[str, ...]
    is_constant: bool
    numbered: Numbered | None = None

    @property
    def is_number(self) -> bool:
        """True if all that is to be predicted are numbers."""
        names = self.targets or [self.named or ""]
        return all(name in self.columns and self.columns[name].kind in ("numbers", "calendar") for name in names)

    @property
    def is_measured(self) -> bool:
        """True if one of the numbers to predict is measured, and no class."""
        names = self.targets or [self.named or ""]
        return self.is_number and any(are_measurements([*counts_of(self.table, name)]) for name in names)

    def find_order(self) -> list[str]:
        """Return the columns of a year and its parts that order the rows, of which all others are numbers too."""
        are_numbers = all(one.kind in ("numbers", "calendar", "empty") for one in self.columns.values())
        order = find_order(self.table) if self.targets and self.series is None and are_numbers else []
        return order if not set(order) & set(self.taken) else []

    def is_future(self, order: Sequence[str]) -> bool:
        """Return True if numbers follow each other in time, or in an order that other columns say."""
        if is_one_column(self.columns, self.named):
            return True
        are_labels = len(self.targets) > 1 and all(is_flag(self.table, name) for name in self.targets)
        has_order = self.time is not None or bool(order)
        return has_order and not self.is_constant and not are_labels and (self.named is None or self.is_number)

    def to_forecast(self, data: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the columns to forecast, as far as they are known."""
        if self.targets or "input" in data:
            return tuple(self.targets) or named_columns(data["input"])
        # Of several numbers a price or a rating is as likely to be what a forecast reads.
        lower = {name.lower(): name for name in self.columns if name not in self.taken}
        usual = first_of(lower, _FORECAST) or (None if len(self.columns) > 2 else self.named)
        return (usual,) if usual else ()

    @property
    def columns(self) -> Mapping[str, Column]:
        """The columns by their names."""
        return find_columns(self.table)

    def format_numbered(self) -> str:
        """Return a remark on the numbers that name series; empty without such."""
        found = self.numbered
        return f"{found.fact}, so that {found.name} names the series" if found and found.is_series else ""

    def check_are_examples(self) -> None:
        """Refuse rows that may be the steps of series, which a column of numbers names."""
        if self.numbered is not None and not any(one.kind in ("text", "sequence") for one in self.columns.values()):
            series = shlex.quote(f"data.series={self.numbered.name}")
            raise DataError(
                f"{self.table.path}: cannot tell whether a row is an example or a step of a series: "
                f"{self.numbered.fact}. Write --set {series}, or --set data.columns=features for examples"
            )

    @classmethod
    def of(cls, table: Table, data: dict[str, Any], target: str | Sequence[str] | None) -> "Outline":
        """Find the times, the target and the series, where they are not given; times are taken out of ``data``."""
        given = data.pop("time", None)
        targets = list(named_columns(target))
        taken = tuple(dict.fromkeys((*targets, *_given_roles(data))))
        parts = find_time_parts(table) if given is None else () if isinstance(given, str) else tuple(given)
        parts = () if given is None and set(parts) & set(taken) else parts
        table = join_times(table, parts) if parts else table
        columns = find_columns(table)
        free = {name: one for name, one in columns.items() if name not in taken}
        plain = list_times(table, free)
        times = [name for name, one in free.items() if name in plain or one.kind == "step"]
        time = given if isinstance(given, str) else joined_name(parts) if parts else next(iter(times), None)
        lower = {name.lower(): name for name in table.columns if name not in taken}
        usual = first_of(lower, (*CLASS.usual, *LABEL_SETS.usual, *NUMBERS.usual))
        named = targets[0] if targets else table.target or usual
        for name in filter(None, (*targets, named)):
            _check_named(table, name)
        others = [*taken, *([named] if named else [])]
        series = data.get("series") or find_series_column(table, taken) or _find_sentences(table, lower)
        if series is None and time is not None:
            series = find_series_of(table, time, others) or find_apart(table, time, others)
            _check_no_texts(table, time, series, others)
        numbered = None
        if series is None and data.get("columns") is None:
            numbered = find_numbered(table, time, named, others)
            series = numbered.name if numbered is not None and numbered.is_series else None
        predicted = targets or ([named] if named else [])
        is_constant = bool(predicted) and series in columns
        is_constant = is_constant and all(is_of_each(table, name, str(series)) for name in predicted)
        is_constant &= any(one.kind == "numbers" for name, one in columns.items() if name not in (named, series))
        return cls(table, parts, time, targets, named, series, taken, is_constant, numbered)


def _check_no_texts(table: Table, time: str, series: str | None, others: Sequence[str]) -> None:
    """Refuse texts beside times that go on for each series: they may be examples, or remarks on its steps."""
    texts = texts_beside(table, series, others) if series else []
    if texts:
        times = table.joined or [time]
        raise DataError(
            f"{table.path}: cannot tell whether a row is a text with what is to be predicted, or a step of a series: "
            f"the times in {format_list(times)} go on for each {series}. Write {_ignored(times)} for texts, or "
            f"{_ignored(texts)} for steps"
        )


def _ignored(names: Sequence[str]) -> str:
    """Return the option that leaves columns out, as a shell reads it."""
    value = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
    return f"--set {shlex.quote(f'data.ignore={value}')}"


def _given_roles(data: Mapping[str, Any]) -> list[str]:
    """Return the columns that the settings that are given use otherwise than as times, series or target."""
    split = data.get("split")
    by = [*split.values()] if isinstance(split, Mapping) else []
    names = [name for setting in ROLES for name in named_columns(data.get(setting))]
    return [name for name in (*names, *by) if isinstance(name, str)]


def is_flag(table: Table, name: str) -> bool:
    """Return True if a column holds nothing but 0 and 1, or true and false."""
    cells = table.frame[name]
    if cells.dtype == pl.Boolean:
        return True
    values = cells.drop_nulls().unique()
    return not cells.dtype.is_nested() and sorted(values.cast(pl.String).to_list()) in (["0", "1"], ["0.0", "1.0"])


def first_of(lower: Mapping[str, str], names: Sequence[str]) -> str | None:
    """Return the column with the first of some usual names."""
    return next((lower[name] for name in names if name in lower), None)


def _find_sentences(table: Table, lower: Mapping[str, str]) -> str | None:
    """Return the column that numbers the sentences of a table with a word in each row."""
    names = [lower[name] for name in lower if _SENTENCES.fullmatch(name)]
    if len(names) != 1 or first_of(lower, TOKENS) in (None, names[0]):
        return None
    if empty := int(is_missing(table.frame[names[0]]).sum()):
        raise DataError(
            f"{table.path}: {names[0]}: expected the sentence of each word, got {empty:,} empty cells. Fill them from "
            f"above: frame[{names[0]!r}].ffill()"
        )
    return names[0] if 2 * table.frame[names[0]].n_unique() < table.size else None


def counts_of(table: Table, name: str) -> dict[str, int]:
    """Return how often a column has each of its values."""
    cells = table.texts(name)
    return Counter(cells.filter(~is_absent(cells)).str.strip_chars().to_list())


def _check_named(table: Table, name: str) -> None:
    """Refuse a target that is no column, such as several with commas between them."""
    parts = [part.strip() for part in name.split(",")]
    if name not in table.columns and set(parts) <= set(table.columns):
        several = " ".join(f"--target {shlex.quote(part)}" for part in parts)
        raise DataError(f'{table.path}: expected the name of a column, got "{name}". Name each: {several}')
    table.column(name)
