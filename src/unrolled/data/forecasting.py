"""Series to forecast: chosen in a table, divided in time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from unrolled.data.choosing import category_values
from unrolled.data.columns import find_columns, find_series_column, find_time_column, named_columns
from unrolled.data.dataset import Dataset, Split
from unrolled.data.examples import format_columns
from unrolled.data.frames import Source, read_source
from unrolled.data.grids import Timeline
from unrolled.data.joined_times import with_joined_times
from unrolled.data.precision import converted, narrowest
from unrolled.data.ragged import objects
from unrolled.data.schema import TableSchema
from unrolled.data.series import Series, channels_of, format_time_notes, read_series
from unrolled.data.table import Table, format_list
from unrolled.errors import DataError

import numpy as np
from numpy.typing import NDArray

EACH_COLUMN = "columns"
"""The value of the setting ``series`` that makes a series of each column."""
# Fewer columns beside a time are rather the channels of one series.
_FEWEST_WIDE = 6
# The number of different values of a column that says yes or no.
_OF_SWITCH = 2


def load_series(
    path: Source,
    *,
    test_steps: int,
    columns: Mapping[str, Any] | None = None,
    read_options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Load series to forecast from a table with a row for each step.

    Rows are sorted by the column of times, if there is one, and steps that are missing become gaps. Steps after the
    last value to forecast are left out.

    Args:
        path: The table, a file or a data frame.
        test_steps: The number of steps at the end of each series for the test.
        columns: The columns that the user names: ``input`` or ``target``, the columns to forecast (without it all
            columns of numbers that are not named otherwise), ``known``, ``past``, ``series``, ``time``, ``ignore``; and
            ``calendar``, ``every``, ``irregular``, ``hours``.
        read_options: Those of ``read_table``.

    Raises:
        DataError: The file is missing or damaged, a column is missing, a cell is not a number, a series has two rows
            of the same time, or one of many columns that are a series each has two values alone.
    """
    named, read_options = dict(columns or {}), dict(read_options or {})
    table, named = with_joined_times(read_source(path, **read_options), named, finds=True)
    if "target" in named and "input" in named:
        raise DataError(f"{table.path}: input and target both name columns to forecast. Leave target out.")
    channels = named.pop("input", None) or named.pop("target", None)
    schema = replace(forecast_schema(table, channels, **named), read_options=read_options).with_formats(table)
    if schema.is_wide and not channels:
        _check_wide(table, schema.columns)
    series, note = without_future(read_series(table, schema), schema)
    if not any(len(one.values) for one in series):
        raise DataError(f"{table.path}: {format_list(schema.columns)}: no value to forecast. Name another column.")
    file, values = table.path.name, [one.values for one in series]
    name = file if len(series) == 1 else f"{file} ({len(series):,} series)"
    targets = channels_of(schema)[: 1 if schema.is_wide else len(schema.columns)]
    data = split_series(
        name, converted(values, narrowest(values)), targets, test_steps, timelines=[one.timeline for one in series]
    )
    data = replace(data, schema=schema.to_json()).with_note(note)
    data = data.with_note(format_time_notes(series, schema, table)).with_note(_format_wide(table, schema))
    return data.with_note(format_columns(schema, table))


def forecast_schema(
    table: Table,
    channels: str | Sequence[str] | None,
    *,
    series: str | None = None,
    time: str | None = None,
    ignore: str | Sequence[str] = (),
    known: str | Sequence[str] = (),
    past: str | Sequence[str] = (),
    categories: str | Sequence[str] = (),
    calendar: str | Sequence[str] = (),
    every: str | None = None,
    irregular: str | None = None,
    hours: Sequence[str] = (),
) -> TableSchema:
    """Choose the columns of series to forecast.

    Covariates without numbers, such as the names of holidays, are categories; ``categories`` names others.

    Raises:
        DataError: A column is missing or named twice, the table has no column of numbers, or a category has too many
            values.
    """
    chosen, known, past, ignore = (named_columns(names) for names in (channels, known, past, ignore))
    is_wide = series == EACH_COLUMN and EACH_COLUMN not in table.columns
    series = None if is_wide else series
    named = (*chosen, *known, *past, *ignore, *(one for one in (series, time) if one))
    for name in named:
        table.column(name)
        if named.count(name) > 1:
            raise DataError(f'{table.path}: the settings name the column "{name}" twice. Name it once.')
    series = series if series or is_wide else find_series_column(table, named)
    found = find_columns(table)
    taken = (series, time, *table.joined, *known, *past, *ignore)
    others = {name: one for name, one in found.items() if name not in taken}
    chosen = chosen or tuple(name for name, one in others.items() if one.kind == "numbers")
    textual = tuple(name for name in (*known, *past) if found[name].kind in ("category", "text", "identifier", "empty"))
    wanted = tuple(dict.fromkeys((*named_columns(categories), *textual)))
    for name in wanted:
        if name not in (*known, *past):
            raise DataError(f"{table.path}: data.categories: {name} is neither known nor past. Name it there, too.")
    if not chosen:
        raise DataError(f"{table.path}: no column of numbers to forecast. Columns: {format_list(table.columns, 20)}.")
    return TableSchema(
        chosen,
        (),
        series,
        time or find_time_column(table, {name: one for name, one in others.items() if name not in chosen}, series),
        past=past,
        known=known,
        categories={name: category_values(table, name) for name in wanted},
        calendar=named_columns(calendar),
        every=every,
        irregular=irregular,
        hours=tuple(hours),
        is_wide=is_wide,
    )


def without_future(series: Sequence[Series], schema: TableSchema) -> tuple[list[Series], str]:
    """Return the series up to the last step with a value to forecast, and a note on the steps after it.

    Raises:
        DataError: A series has no value to forecast.
    """
    kept = [until(one, last_filled(one, schema) + 1) for one in series]
    left_out = [len(one.values) - len(short.values) for one, short in zip(series, kept, strict=True)]
    if not any(left_out):
        return kept, ""
    which = "the last" if len(series) == 1 else f"of {sum(map(bool, left_out)):,} series the last"
    names = "value" if schema.is_wide else format_list(schema.columns, 4)
    return kept, f"{which} {max(left_out):,} steps have no {names} and are left out"


def last_filled(series: Series, schema: TableSchema) -> int:
    """Return the index of the last step with a value to forecast; -1 if there is none."""
    targets = series.values[:, : 1 if schema.is_wide else len(schema.columns)]
    return int(np.flatnonzero(~np.isnan(targets).all(axis=1)).max(initial=-1))


def until(series: Series, end: int) -> Series:
    """Return the first ``end`` steps of a series."""
    if end == len(series.values):
        return series
    moments = series.timeline.moments
    return replace(
        series,
        values=series.values[:end],
        timeline=replace(series.timeline, moments=None if moments is None else moments[:end]),
    )


def _check_wide(table: Table, columns: Sequence[str]) -> None:
    """Refuse a column of two values among series of more: rather a covariate, such as holidays, than a series.

    Raises:
        DataError: There is one.
    """
    found = {name: np.unique(values[~np.isnan(values)]) for name in columns for values in [table.numbers(name)]}
    if np.median([len(values) for values in found.values()]) <= _OF_SWITCH:
        return
    switches = [name for name, values in found.items() if len(values) == _OF_SWITCH]
    if switches:
        low, high = found[switches[0]]
        raise DataError(
            f"{table.path}: {format_list(switches, 4)}: expected a series in each column, got the values {low:g} and "
            f"{high:g} alone. Name what is known ahead: known, or the columns to forecast: input"
        )


def _format_wide(table: Table, schema: TableSchema) -> str:
    """Return a note on a table whose columns may be series of their own."""
    is_one = schema.series is None and not schema.is_wide and schema.time is not None
    if not is_one or len(schema.columns) < _FEWEST_WIDE:
        return ""
    return (
        f"{table.path.name}: {len(schema.columns):,} columns of numbers and a column of times, read as the channels of "
        "one series; data: {series: columns} reads each column as a series of its own"
    )


def split_series(
    name: str,
    items: Sequence[NDArray[Any]],
    channels: tuple[str, ...],
    test_steps: int,
    source: str = "",
    timelines: Sequence[Timeline] = (),
) -> Dataset:
    """Divide series in time; the names of the channels to forecast become the classes of the data set.

    Args:
        name: The name of the data set.
        items: [B] series [T, F], each of its own length.
        channels: The name of each channel to forecast.
        test_steps: The number of steps at the end of each for the test; with 0 there are no test examples.
        source: Author and license.
        timelines: [B] their names and times.

    Raises:
        DataError: No steps are left for training.
    """
    shortest = min(map(len, items))
    if test_steps >= shortest:
        names = [
            one.name for one, values in zip(timelines, items, strict=False) if len(values) == shortest and one.name
        ]
        of = f" of {names[0]}" if names else ""
        raise DataError(
            f"{name}: expected more than the {test_steps} steps of the test set (test_steps), got {shortest}{of}. "
            "Lower test_steps."
        )
    cuts = [len(values) - test_steps for values in items]
    train = objects([values[:cut] for values, cut in zip(items, cuts, strict=True)])
    test = objects([values[cut:] for values, cut in zip(items, cuts, strict=True)] if test_steps else [])
    splits = [Split(part, np.zeros(len(part), np.int64)) for part in (train, test)]
    return Dataset(name, splits[0], splits[1], channels, source, timelines=tuple(timelines))
