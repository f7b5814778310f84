"""The task of a table, chosen by its columns: what is predicted, and of what."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from unrolled.data.anomalies import NAMES, are_told
from unrolled.data.cell_sequences import of_equal_length
from unrolled.data.columns import INPUTS, Column, find_columns, find_series_column, named_columns
from unrolled.data.forecasting import EACH_COLUMN
from unrolled.data.joined_times import find_time_parts, join_times, joined_name
from unrolled.data.lists import separator_of_labels
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
from unrolled.tasks.starting_series import choose_detection, choose_forecast

import numpy as np
import polars as pl

_FORECAST = ("target", "y", "value", "sales", "demand")
_SENTENCES = re.compile(r"sentence|(?:sent|sentence|doc|document|utterance)[ _-]?(?:id|no|nr|num|number|idx|index|#)")
_RARE = 0.25
_ROLES = ("input", "known", "past", "categories")
_FEWEST_OF_A_CLASS = 4  # with fewer in all, one part may have a single one


def choose_for_table(
    table: Table, data: dict[str, Any], target: str | Sequence[str] | None, wanted: str | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Choose the task of a table, and which of its columns are read.

    Args:
        table: The table.
        data: The section ``data`` so far: the file, and what is given.
        target: The columns of what is to be predicted, if they are given.
        wanted: The task, if it is given.

    Returns:
        The sections ``task`` and ``data``, of forecasts and of detection theirs, and the reasons.

    Raises:
        DataError: A column is missing, or it cannot be known what is to be predicted.
    """
    found = _Outline.of(_without_ignored(table, data), data, target)
    table, columns, named, series, time = found.table, found.columns, found.named, found.series, found.time
    if series == EACH_COLUMN and series not in columns:
        return _choose_wide(found, data)
    lower = {name.lower(): name for name in columns}
    told = _first_of(lower, NAMES) or (named if found.is_number and not found.is_constant else None)
    told = told if told is not None and _tells(table, told, is_named=told.lower() in NAMES) else None
    may_be_steps = not _has_words(columns, series) and not (time and _are_at_once(table, time, series))
    is_told = told is not None and found.targets in ([], [told]) and time is not None
    if (wanted == "detect" and may_be_steps) or (wanted is None and is_told):
        return choose_detection(table, data, named if found.targets else told, time, series)
    order = found.find_order() if time is None else []
    if (wanted == "forecast" and may_be_steps) or (wanted is None and found.is_future(order) and may_be_steps):
        chosen, reasons = choose_forecast(table, data, found.to_forecast(data), time, series, (*found.taken, *order))
        return chosen, _with_fact(reasons, f"{format_list(order)} order the rows" if order else "")
    if named is None:
        raise _no_target(table)
    data |= {"target": found.targets if len(found.targets) > 1 else named}
    if series is not None:
        data |= {"series": series} | ({"time": list(found.parts)} if found.parts else {})
        chosen, reasons = _choose_for_series(data, found)
        return chosen, _with_fact(reasons, found.format_numbered())
    found.check_are_examples()
    if len(found.targets) > 1:
        chosen, reasons = _choose_for_several(data, found, wanted)
    elif _are_words(table, lower, named):
        return {"task": "label", "data": data}, {"task": f"each word has a label in {named}"}
    else:
        chosen, reasons = _choose_for_examples(table, data, named, wanted)
    return chosen, _with_fact(reasons, _not_read(columns, found.taken))


def _choose_wide(found: "_Outline", data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Choose a forecast of each column of numbers as a series, without those that order the rows."""
    table, order = found.table, find_order(found.table) if found.time is None and "ignore" not in data else []
    data |= {"ignore": order} if order else {}
    table = replace(table, frame=table.frame.drop(order))
    targets = found.targets or named_columns(data.get("input"))
    chosen, reasons = choose_forecast(table, data, targets, found.time, EACH_COLUMN)
    return chosen, _with_fact(reasons, f"{format_list(order)} order the rows" if order else "")


def _no_target(table: Table) -> DataError:
    """Return the error for a table of which it is not known what is to be predicted."""
    labels = [name for name in table.columns if _is_flag(table, name)]
    several = f"; or name several labels: {' '.join(f'--target {shlex.quote(name)}' for name in labels)}"
    return DataError(
        f"{table.path}: cannot tell which column is to be predicted. Columns: {format_list(table.columns, 20)}. "
        f"Name it with --target{several if len(labels) > 1 else ''}"
    )


def _is_flag(table: Table, name: str) -> bool:
    """Return True if a column holds nothing but 0 and 1, or true and false."""
    cells = table.frame[name]
    if cells.dtype == pl.Boolean:
        return True
    values = cells.drop_nulls().unique()
    return not cells.dtype.is_nested() and sorted(values.cast(pl.String).to_list()) in (["0", "1"], ["0.0", "1.0"])


@dataclass(frozen=True)
class _Outline:
    """What the columns of a table are to a task.

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
        return self.is_number and any(are_measurements([*_counts(self.table, name)]) for name in names)

    def find_order(self) -> list[str]:
        """Return the columns of a year and its parts that order the rows, of which all others are numbers too."""
        are_numbers = all(one.kind in ("numbers", "calendar", "empty") for one in self.columns.values())
        order = find_order(self.table) if self.targets and self.series is None and are_numbers else []
        return order if not set(order) & set(self.taken) else []

    def is_future(self, order: Sequence[str]) -> bool:
        """Return True if numbers follow each other in time, or in an order that other columns say."""
        if is_one_column(self.columns, self.named):
            return True
        are_labels = len(self.targets) > 1 and all(_is_flag(self.table, name) for name in self.targets)
        has_order = self.time is not None or bool(order)
        return has_order and not self.is_constant and not are_labels and (self.named is None or self.is_number)

    def to_forecast(self, data: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the columns to forecast, as far as they are known."""
        if self.targets or "input" in data:
            return tuple(self.targets) or named_columns(data["input"])
        # Of several numbers a price or a rating is as likely to be what a forecast reads.
        lower = {name.lower(): name for name in self.columns if name not in self.taken}
        usual = _first_of(lower, _FORECAST) or (None if len(self.columns) > 2 else self.named)
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
    def of(cls, table: Table, data: dict[str, Any], target: str | Sequence[str] | None) -> "_Outline":
        """Find the times, the target and the series, where they are not given; times are taken out of ``data``."""
        given = data.pop("time", None)
        targets = list(named_columns(target))
        taken = tuple(dict.fromkeys((*targets, *_given_roles(data))))
        parts = find_time_parts(table) if given is None else () if isinstance(given, str) else tuple(given)
        parts = () if given is None and set(parts) & set(taken) else parts
        table = join_times(table, parts) if parts else table
        columns = find_columns(table)
        times = [name for name, one in columns.items() if one.kind in ("time", "step") and name not in taken]
        time = given if isinstance(given, str) else joined_name(parts) if parts else next(iter(times), None)
        lower = {name.lower(): name for name in table.columns if name not in taken}
        usual = _first_of(lower, (*CLASS.usual, *LABEL_SETS.usual, *NUMBERS.usual))
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
    names = [name for setting in _ROLES for name in named_columns(data.get(setting))]
    return [name for name in (*names, *by) if isinstance(name, str)]


def _not_read(columns: Mapping[str, Column], taken: Sequence[str]) -> str:
    """Return a remark on the columns that say when, of rows that are examples; empty if there are none."""
    names = [name for name, one in columns.items() if one.kind in ("time", "step") and name not in taken]
    are = "is" if len(names) == 1 else "are"
    return f"{format_list(names)} {are} not read: each row is an example, no step of a series" if names else ""


def _with_fact(reasons: Mapping[str, str], fact: str) -> dict[str, str]:
    """Return reasons with another one of the section ``data``, if it is not empty."""
    facts = "; ".join(filter(None, (reasons.get("data"), fact)))
    return {**reasons, **({"data": facts} if facts else {})}


def _check_named(table: Table, name: str) -> None:
    """Refuse a target that is no column, such as several with commas between them."""
    parts = [part.strip() for part in name.split(",")]
    if name not in table.columns and set(parts) <= set(table.columns):
        several = " ".join(f"--target {shlex.quote(part)}" for part in parts)
        raise DataError(f'{table.path}: expected the name of a column, got "{name}". Name each: {several}')
    table.column(name)


def _without_ignored(table: Table, data: Mapping[str, Any]) -> Table:
    """Return the table without the columns that are not to be read.

    Raises:
        DataError: A column that the user names is missing.
    """
    for setting in ("series", "time", "ignore", *_ROLES):
        for name in named_columns(data.get(setting)):
            if (setting, name) != ("series", EACH_COLUMN):
                table.column(name)
    return replace(table, frame=table.frame.drop(named_columns(data.get("ignore"))))


def _first_of(lower: Mapping[str, str], names: Sequence[str]) -> str | None:
    """Return the column with the first of some usual names."""
    return next((lower[name] for name in names if name in lower), None)


def _tells(table: Table, name: str, *, is_named: bool) -> bool:
    """Return True if a column tells anomalies: by its name, or because its ones are rare."""
    if not are_told(table, name):
        return False
    return is_named or float(np.nanmean(table.numbers(name))) <= _RARE


def _find_sentences(table: Table, lower: Mapping[str, str]) -> str | None:
    """Return the column that numbers the sentences of a table with a word in each row."""
    names = [lower[name] for name in lower if _SENTENCES.fullmatch(name)]
    if len(names) != 1 or _first_of(lower, TOKENS) in (None, names[0]):
        return None
    if empty := int(is_missing(table.frame[names[0]]).sum()):
        raise DataError(
            f"{table.path}: {names[0]}: expected the sentence of each word, got {empty:,} empty cells. Fill them from "
            f"above: frame[{names[0]!r}].ffill()"
        )
    return names[0] if 2 * table.frame[names[0]].n_unique() < table.size else None


def _choose_for_examples(
    table: Table, data: dict[str, Any], named: str, wanted: str | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Choose the task of a table with an example in each row, by its target."""
    columns = find_columns(table)
    cells = [name for name, one in columns.items() if one.kind in ("text", "sequence")]
    data, of_input = _with_input(table, data, cells, named)
    if _are_label_sets(table, named, columns[named]):
        return {"task": "classes", "data": data}, {"task": f"{named} holds any number of labels"} | of_input
    if columns[named].kind == "sequence" and any(columns[name].kind == "sequence" for name in columns if name != named):
        task = {"task": f"each step has a number in {named}"}
        return {"task": "regress", "data": data | {"per": "step"}}, task | of_input
    if table.frame[named].dtype.is_nested():
        raise DataError(
            f"{table.path}: {named}: expected a number or a class, got a list of numbers, and no other column has one "
            "with as many steps. Name another column: --target"
        )
    counts = _counts(table, named)
    is_number = columns[named].kind in ("numbers", "calendar")
    is_measured = is_number and (are_measurements([*counts]) or named.lower() == "year")
    if wanted == "regress" or (wanted is None and is_measured):
        return {"task": "regress", "data": data}, {
            "task": f"{named} holds {len(counts):,} different numbers"
        } | of_input
    rarest = min(counts.values(), default=0)
    if rarest < _FEWEST_OF_A_CLASS:
        data |= {"min_class_count": 2}
        remark = f"classes with a single example are left out; the rarest has {rarest}"
        of_input["data"] = "; ".join(filter(None, (of_input.get("data"), remark)))
    return {"task": "classify", "data": data}, {"task": f"{named} holds {len(counts):,} classes"} | of_input


def _counts(table: Table, name: str) -> dict[str, int]:
    """Return how often a column has each of its values."""
    cells = table.texts(name)
    return Counter(cells.filter(~is_absent(cells)).str.strip_chars().to_list())


def _choose_for_series(data: dict[str, Any], found: _Outline) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the task for rows of series: a class of each or of its rows, or numbers of each."""
    target, is_constant = format_list(found.targets or [found.named or ""]), found.is_constant
    if found.is_measured:
        per, what = ({}, "series") if is_constant else ({"per": "step"}, "row of a series")
        return {"task": "regress", "data": data | per}, {"task": f"each {what} has a number in {target}"}
    what = "series has a class" if is_constant else "row of a series has a class"
    return {"task": "classify" if is_constant else "label", "data": data}, {"task": f"each {what} in {target}"}


def _choose_for_several(
    data: dict[str, Any], found: _Outline, wanted: str | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Choose the task of a table with several targets in each row: numbers, numbers at each step, or labels."""
    table, columns, targets = found.table, found.columns, found.targets
    cells = [name for name, one in columns.items() if one.kind in ("text", "sequence") and name not in targets]
    data, reasons = _with_input(table, data, cells, targets[0])
    reasons = {"task": f"each row has {format_list(targets)}"} | reasons
    if all(columns[name].kind == "sequence" and not columns[name].holds_words for name in targets):
        return {"task": "regress", "data": data | {"per": "step"}}, reasons
    return {"task": wanted or ("regress" if found.is_measured else "classes"), "data": data}, reasons


def _with_input(
    table: Table, data: dict[str, Any], names: Sequence[str], target: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the data with the input among texts and sequences, the longest if none has a usual name; and why.

    Sequences with as many steps as the longest are its channels, or those with as many as the target has numbers.
    """
    others = [name for name in names if name != target]
    if "input" in data or len(others) < 2 or any(name.lower() in INPUTS for name in others):
        return data, {}
    columns = find_columns(table)
    sequences = [name for name in others if columns[name].kind == "sequence" and not columns[name].holds_words]
    has_steps = columns[target].kind == "sequence" and not columns[target].holds_words
    may_be = sequences if has_steps and sequences else others
    longest = max(may_be, key=lambda name: table.texts(name).str.len_chars().mean() or 0)
    read: tuple[str, ...] = (longest,)
    if longest in sequences:
        same = of_equal_length(table, [target if has_steps else longest, *sequences])
        read = tuple(name for name in sequences if name in same) or read
    fact = f"{format_list(read)} are the channels of one sequence" if len(read) > 1 else f"{longest} is the longest"
    left = [name for name in others if name not in read]
    if not left:
        return data, {"data": fact}
    fact += f"; not read: {format_list(left)}; with inputs each column has layers of its own"
    return data | {"input": list(read) if len(read) > 1 else read[0]}, {"data": fact}


def _has_words(columns: Mapping[str, Column], series: str | None) -> bool:
    return any(one.kind == "text" for name, one in columns.items() if name != series)


def _are_at_once(table: Table, time: str, series: str | None) -> bool:
    """Return True if most rows share their time with others, so that they are no steps of one series."""
    return series is None and 2 * table.frame[time].n_unique() <= table.size


def _are_words(table: Table, lower: Mapping[str, str], target: str) -> bool:
    """Return True if a column of words has as many of them in each row as the target has labels."""
    words = next((lower[name] for name in TOKENS if name in lower and lower[name] != target), None)
    if words is None:
        return False
    counts = [
        cells.list.len() if cells.dtype.is_nested() else cells.cast(pl.String).str.count_matches(r"\S+")
        for cells in (table.frame[name] for name in (words, target))
    ]
    return bool((counts[0] == counts[1]).all() and (counts[0] > 1).any())


def _are_label_sets(table: Table, name: str, column: Column) -> bool:
    """Return True for lists of words, and for texts with a separator; commas count where the name says labels."""
    if column.kind == "sequence":
        return column.holds_words
    choices = ("|", ";", ",") if name.lower() in LABEL_SETS.usual else ("|", ";")
    return column.kind in ("text", "category") and separator_of_labels(table, name, choices) is not None
