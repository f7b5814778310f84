"""The task of a table, chosen by its columns: what is predicted, and of what."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from unrolled.data.anomalies import NAMES, are_told
from unrolled.data.columns import INPUTS, Column, find_columns, find_series_column, named_columns
from unrolled.data.joined_times import find_time_parts, join_times, joined_name
from unrolled.data.lists import separator_of_labels
from unrolled.data.steps import TOKENS
from unrolled.data.table import Table, format_list
from unrolled.data.targets import CLASS, LABEL_SETS, NUMBERS, are_measurements
from unrolled.data.values import is_absent, is_missing
from unrolled.errors import DataError
from unrolled.tasks.starting_rows import find_apart, find_series_of, is_of_each, is_one_column
from unrolled.tasks.starting_series import choose_detection, choose_forecast

import numpy as np
import polars as pl

_FORECAST = ("target", "y", "value", "sales", "demand")
_SENTENCES = re.compile(r"sentence|(?:sent|sentence|doc|document|utterance)[ _-]?(?:id|no|nr|num|number|idx|index|#)")
_RARE = 0.25
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
    table = _without_ignored(table, data)
    given_time = data.pop("time", None)
    parts = find_time_parts(table) if given_time is None else () if isinstance(given_time, str) else tuple(given_time)
    table = join_times(table, parts) if parts else table
    columns = find_columns(table)
    lower = {name.lower(): name for name in table.columns}
    times = [name for name, one in columns.items() if one.kind in ("time", "step")]
    time = given_time if isinstance(given_time, str) else joined_name(parts) if parts else next(iter(times), None)
    targets = [target] if isinstance(target, str) else list(target or ())
    usual = _first_of(lower, (*CLASS.usual, *LABEL_SETS.usual, *NUMBERS.usual))
    named = targets[0] if targets else table.target or usual
    if named is not None:
        table.column(named)
    series = data.get("series") or find_series_column(table, ()) or _find_sentences(table, lower)
    if series is None and time is not None:
        series = find_series_of(table, time, named) or find_apart(table, time)
    is_constant = named is not None and series is not None and is_of_each(table, named, series)
    is_constant &= any(one.kind == "numbers" for name, one in columns.items() if name not in (named, series))
    is_number = named is not None and columns[named].kind in ("numbers", "calendar")
    told = _first_of(lower, NAMES) or (named if is_number and not is_constant else None)
    told = told if told is not None and _tells(table, told, is_named=told.lower() in NAMES) else None
    may_be_steps = not _has_words(columns, series) and not (time and _are_at_once(table, time, series))
    is_told = told is not None and targets in ([], [told]) and time is not None
    if (wanted == "detect" and may_be_steps) or (wanted is None and is_told):
        return choose_detection(table, data, named if targets else told, time, series)
    is_future = time is not None and may_be_steps and not is_constant and (named is None or is_number)
    if (wanted == "forecast" and may_be_steps) or (wanted is None and (is_future or is_one_column(columns, named))):
        # Of several numbers a price or a rating is as likely to be what a forecast reads.
        to_forecast = named if targets else _first_of(lower, _FORECAST) or (None if len(columns) > 2 else named)
        return choose_forecast(table, data, to_forecast, time, series)
    if named is None:
        raise DataError(
            f"{table.path}: cannot tell which column is to be predicted. Columns: {format_list(table.columns, 20)}. "
            "Name it with --target"
        )
    data |= {"target": named}
    if series is not None:
        data |= {"series": series} | ({"time": list(parts)} if parts else {})
        is_measured = is_number and are_measurements([*_counts(table, named)])
        return _choose_for_series(data, named, is_constant=is_constant, is_measured=is_measured)
    if len(targets) > 1:
        task = "regress" if is_number and are_measurements([*_counts(table, named)]) else "classes"
        return {"task": wanted or task, "data": data}, {"task": f"each row has {format_list(targets)}"}
    if _are_words(table, lower, named):
        return {"task": "label", "data": data}, {"task": f"each word has a label in {named}"}
    return _choose_for_examples(table, data, named, wanted)


def _without_ignored(table: Table, data: Mapping[str, Any]) -> Table:
    """Return the table without the columns that are not to be read.

    Raises:
        DataError: A column that the user names is missing.
    """
    for setting in ("series", "time", "ignore", "input"):
        for name in named_columns(data.get(setting)):
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
        return {"task": "regress", "data": data | {"per": "step"}}, {"task": f"each step has a number in {named}"}
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


def _choose_for_series(
    data: dict[str, Any], target: str, *, is_constant: bool, is_measured: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the task for rows of series: a class of each or of its rows, or a number of each."""
    if is_measured:
        per, what = ({}, "series") if is_constant else ({"per": "step"}, "row of a series")
        return {"task": "regress", "data": data | per}, {"task": f"each {what} has a number in {target}"}
    what = "series has a class" if is_constant else "row of a series has a class"
    return {"task": "classify" if is_constant else "label", "data": data}, {"task": f"each {what} in {target}"}


def _with_input(
    table: Table, data: dict[str, Any], names: Sequence[str], target: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the data with the input among texts and sequences, the longest if none has a usual name; and why."""
    others = [name for name in names if name != target]
    if "input" in data or len(others) < 2 or any(name.lower() in INPUTS for name in others):
        return data, {}
    longest = max(others, key=lambda name: table.texts(name).str.len_chars().mean() or 0)
    rest = format_list([name for name in others if name != longest])
    return data | {"input": longest}, {
        "data": f"{longest} is the longest; not read: {rest}; with inputs each column has layers of its own"
    }


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
