"""The task of a table, chosen by its columns: what is predicted, and of what."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from unrolled.data.anomalies import NAMES, are_told
from unrolled.data.cell_sequences import of_equal_length
from unrolled.data.columns import INPUTS, Column, find_columns, named_columns
from unrolled.data.forecasting import EACH_COLUMN
from unrolled.data.lists import separator_of_labels
from unrolled.data.steps import TOKENS
from unrolled.data.table import Table, format_list
from unrolled.data.targets import LABEL_SETS, are_measurements
from unrolled.errors import DataError
from unrolled.tasks.starting_outline import ROLES, Outline, counts_of, first_of, is_flag
from unrolled.tasks.starting_rows import find_order
from unrolled.tasks.starting_series import choose_detection, choose_forecast

import numpy as np
import polars as pl

_RARE = 0.25
_OF_EXAMPLES = {"columns", "split"}  # settings that forecasts and detection do not have
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
    found = Outline.of(_without_ignored(table, data), data, target)
    table, columns, named, series, time = found.table, found.columns, found.named, found.series, found.time
    if series == EACH_COLUMN and series not in columns:
        return _choose_wide(found, data)
    lower = {name.lower(): name for name in columns}
    told = first_of(lower, NAMES) or (named if found.is_number and not found.is_constant else None)
    told = told if told is not None and _tells(table, told, is_named=told.lower() in NAMES) else None
    may_be_steps = not _has_words(columns, series) and not (time and _are_at_once(table, time, series))
    may_be_steps &= not data.keys() & _OF_EXAMPLES
    is_told = told is not None and found.targets in ([], [told]) and time is not None and not data.keys() & _OF_EXAMPLES
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


def _choose_wide(found: Outline, data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Choose a forecast of each column of numbers as a series, without those that order the rows."""
    table, order = found.table, find_order(found.table) if found.time is None and "ignore" not in data else []
    data |= {"ignore": order} if order else {}
    table = replace(table, frame=table.frame.drop(order))
    targets = found.targets or named_columns(data.get("input"))
    chosen, reasons = choose_forecast(table, data, targets, found.time, EACH_COLUMN)
    return chosen, _with_fact(reasons, f"{format_list(order)} order the rows" if order else "")


def _no_target(table: Table) -> DataError:
    """Return the error for a table of which it is not known what is to be predicted."""
    labels = [name for name in table.columns if is_flag(table, name)]
    several = f"; or name several labels: {' '.join(f'--target {shlex.quote(name)}' for name in labels)}"
    return DataError(
        f"{table.path}: cannot tell which column is to be predicted. Columns: {format_list(table.columns, 20)}. "
        f"Name it with --target{several if len(labels) > 1 else ''}"
    )


def _not_read(columns: Mapping[str, Column], taken: Sequence[str]) -> str:
    """Return a remark on the columns that say when, of rows that are examples; empty if there are none."""
    names = [name for name, one in columns.items() if one.kind in ("time", "step") and name not in taken]
    are = "is" if len(names) == 1 else "are"
    return f"{format_list(names)} {are} not read: each row is an example, no step of a series" if names else ""


def _with_fact(reasons: Mapping[str, str], fact: str) -> dict[str, str]:
    """Return reasons with another one of the section ``data``, if it is not empty."""
    facts = "; ".join(filter(None, (reasons.get("data"), fact)))
    return {**reasons, **({"data": facts} if facts else {})}


def _without_ignored(table: Table, data: Mapping[str, Any]) -> Table:
    """Return the table without the columns that are not to be read.

    Raises:
        DataError: A column that the user names is missing.
    """
    for setting in ("series", "time", "ignore", *ROLES):
        for name in named_columns(data.get(setting)):
            if (setting, name) != ("series", EACH_COLUMN):
                table.column(name)
    return replace(table, frame=table.frame.drop(named_columns(data.get("ignore"))))


def _tells(table: Table, name: str, *, is_named: bool) -> bool:
    """Return True if a column tells anomalies: by its name, or because its ones are rare."""
    if not are_told(table, name):
        return False
    return is_named or float(np.nanmean(table.numbers(name))) <= _RARE


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
    counts = counts_of(table, named)
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


def _choose_for_series(data: dict[str, Any], found: Outline) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the task for rows of series: a class of each or of its rows, or numbers of each."""
    target, is_constant = format_list(found.targets or [found.named or ""]), found.is_constant
    if found.is_measured:
        per, what = ({}, "series") if is_constant else ({"per": "step"}, "row of a series")
        return {"task": "regress", "data": data | per}, {"task": f"each {what} has a number in {target}"}
    what = "series has a class" if is_constant else "row of a series has a class"
    return {"task": "classify" if is_constant else "label", "data": data}, {"task": f"each {what} in {target}"}


def _choose_for_several(
    data: dict[str, Any], found: Outline, wanted: str | None
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
