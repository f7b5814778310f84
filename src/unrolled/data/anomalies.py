"""Series in which anomalies are to be found, with the steps that are known to be some."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unrolled.data.columns import find_columns, find_series_column, find_time_column, named_columns
from unrolled.data.dataset import Dataset, Split
from unrolled.data.examples import format_columns
from unrolled.data.frames import Source, read_source
from unrolled.data.grids import Timeline
from unrolled.data.joined_times import with_joined_times
from unrolled.data.precision import converted, narrowest
from unrolled.data.ragged import Ragged, objects
from unrolled.data.schema import TableSchema
from unrolled.data.series import format_time_notes, read_series
from unrolled.data.table import Table, format_list
from unrolled.data.values import is_absent
from unrolled.errors import DataError

import numpy as np
from numpy.typing import NDArray

CLASSES = ("ordinary", "anomaly")
UNKNOWN = -1
NAMES = ("is_anomaly", "anomaly", "is_outlier", "outlier")
"""The names of columns that tell which steps are anomalies, whatever else there is."""
_WORDS = (
    ("0", "0.0", "false", "no", "normal", "ordinary", "inlier"),
    ("1", "1.0", "true", "yes", "anomaly", "anomalous", "abnormal", "outlier"),
)
_TEST_SHARE = 1 / 6


@dataclass(frozen=True)
class _Part:
    """Series with what is known of each step: 0, or 1 for an anomaly, or ``UNKNOWN``."""

    values: Sequence[NDArray[Any]]
    labels: Sequence[NDArray[np.int64]]
    timelines: Sequence[Timeline]

    def between(self, cuts: Sequence[int] | None, ends: Sequence[int | None]) -> "_Part":
        """Return the steps of each series from ``cuts`` on, up to ``ends``."""
        begins = cuts or [0] * len(self.values)
        slices = [slice(begin, end) for begin, end in zip(begins, ends, strict=True)]
        return _Part(
            [values[one] for values, one in zip(self.values, slices, strict=True)],
            [labels[one] for labels, one in zip(self.labels, slices, strict=True)],
            [
                replace(timeline, moments=None if timeline.moments is None else timeline.moments[one])
                for timeline, one in zip(self.timelines, slices, strict=True)
            ],
        )

    @property
    def split(self) -> Split:
        """The series, and the labels of their steps."""
        return Split(objects(list(self.values)), Ragged.of(self.labels))


def load_anomalies(
    path: Source,
    test: Path | None,
    *,
    test_steps: int,
    columns: Mapping[str, Any],
    read_options: Mapping[str, Any],
) -> Dataset:
    """Load series from a table with a row for each step, to find anomalies in them.

    Rows are sorted by the column of times, if there is one, and steps that are missing become gaps.

    Args:
        path: The table, a file or a data frame.
        test: A table to test on; without it the end of each series is kept for the test.
        test_steps: The number of steps of that end; 0 for a sixth of each series.
        columns: The columns that the user names: ``input``, the columns that are watched (without it all columns of
            numbers that are not named otherwise); ``target``, which tells known anomalies and may be in the test table
            alone; ``series``, ``time`` and ``ignore``; and ``every``, ``hours`` and ``irregular: delta``.
        read_options: Those of ``read_table``.

    Returns:
        The data set: its classes are ``CLASSES``, its targets the class of each step, ``UNKNOWN`` where no column tells
        it, and its timelines those of the test part.

    Raises:
        DataError: A file is missing or damaged, a column is missing, a cell is not a number or no word for an anomaly,
            a series has two rows of the same time, or no steps are left for the training.
    """
    table, columns = with_joined_times(read_source(path, **read_options), columns, finds=True)
    schema = _schema_of(table, test, columns, read_options)
    train, note = _read(table, schema)
    notes = [note]
    if test is None:
        lengths = [len(values) for values in train.values]
        cuts = [length - (test_steps or max(1, round(length * _TEST_SHARE))) for length in lengths]
        if min(cuts) < 1:
            raise DataError(
                f"{table.path}: expected more than the {test_steps} steps of the test set (test_steps), got "
                f"{min(lengths)}. Lower test_steps."
            )
        train, held_out = train.between(None, cuts), train.between(cuts, [None] * len(cuts))
    else:
        other = schema.read(test)
        held_out, _ = _read(other, schema)
        notes.append(_format_labels(table, other, schema))
    values = [*train.values, *held_out.values]
    dtype = narrowest(values)
    parts = [replace(part, values=converted(list(part.values), dtype)).split for part in (train, held_out)]
    data = Dataset(
        table.path.name, parts[0], parts[1], CLASSES, schema=schema.to_json(), timelines=tuple(held_out.timelines)
    )
    for note in (*notes, format_columns(schema, table)):
        data = data.with_note(note)
    return data


def _schema_of(
    table: Table, test: Path | None, columns: Mapping[str, Any], read_options: Mapping[str, Any]
) -> TableSchema:
    """Return the columns of the training table; that of the labels may be in the test table alone."""
    target = columns.get("target")
    if target and test is not None and target not in table.columns:
        read_source(test, **read_options).column(target)
        schema = replace(anomaly_schema(table, **{**columns, "target": None}), targets=(target,))
    else:
        schema = anomaly_schema(table, **columns)
    return replace(schema, read_options=dict(read_options)).with_formats(table)


def _format_labels(table: Table, test: Table, schema: TableSchema) -> str:
    """Return a note on labels that are in the training table or in the test table alone; empty without such."""
    target, file, other = schema.target, table.path.name, test.path.name
    if target and target not in table.columns:
        return f"{target} is in {other} alone: all steps of {file} are learned as ordinary ones"
    if target and target not in test.columns:
        return f"{target} is in {file} alone: of {other} nobody knows which steps are anomalies"
    named = (*schema.columns, *schema.targets, *schema.ignored, *test.joined, schema.series, schema.time)
    news = [name for name in test.columns if name not in table.columns and name not in named]
    told = next((name for name in news if _has_both(test, name)), None)
    if target or told is None:
        return ""
    return (
        f"{told} is in {other} alone, and is not read. If it tells which steps are anomalies, name it: data: {{target: "
        f"{told}}}"
    )


def labels_in_test(table: Table, test: Table, name: str | None) -> str | None:
    """Return the column that tells anomalies in the test table alone; None without one.

    Args:
        table: The training table.
        test: The test table.
        name: The column that the user names; without it one that is called after anomalies.
    """
    found = [
        one for one in test.columns if one not in table.columns and (one == name if name else one.lower() in NAMES)
    ]
    return next((one for one in found if are_told(test, one)), None)


def _has_both(table: Table, name: str) -> bool:
    """Return True for a column that tells anomalies from ordinary steps, and has some of each."""
    return are_told(table, name) and set(np.unique(_classes_of(table, name))) >= {0, 1}


def anomaly_schema(
    table: Table,
    *,
    input: str | Sequence[str] | None = None,  # noqa: A002 - the name of the setting
    target: str | None = None,
    series: str | None = None,
    time: str | None = None,
    ignore: str | Sequence[str] = (),
    every: str | None = None,
    irregular: str | None = None,
    hours: Sequence[str] | None = None,
) -> TableSchema:
    """Choose the columns of series in which anomalies are to be found.

    Raises:
        DataError: A column is missing or named twice, or the table has no column of numbers.
    """
    lower = {name.lower(): name for name in table.columns}
    target = target or next((lower[name] for name in (*NAMES, "label") if name in lower), None)
    chosen, ignored = named_columns(input), named_columns(ignore)
    named = [name for name in (*chosen, target, series, time, *ignored) if name]
    for name in named:
        table.column(name)
        if named.count(name) > 1:
            raise DataError(f'{table.path}: the settings name the column "{name}" twice. Name it once.')
    series = series or find_series_column(table, named)
    if irregular == "resample":
        raise DataError(
            f"{table.path}: data.irregular: resample averages rows, but each gets a score of its own. Set irregular: "
            "delta, or average them first."
        )
    taken = (series, target, *table.joined, *ignored)
    found = {name: one for name, one in find_columns(table).items() if name not in taken}
    columns = chosen or tuple(name for name, one in found.items() if one.kind == "numbers" and name != time)
    if not columns:
        raise DataError(f"{table.path}: no column of numbers to watch. Columns: {format_list(table.columns, 20)}.")
    others = {name: one for name, one in found.items() if name not in columns}
    return TableSchema(
        columns,
        (target,) if target else (),
        series,
        time or find_time_column(table, others, series),
        target_kind="anomaly",
        per="step",
        every=every,
        irregular=irregular,
        hours=named_columns(hours),
        ignored=ignored,
    )


def _read(table: Table, schema: TableSchema) -> tuple[_Part, str]:
    """Return the series of a table with the class of each step, and a note on irregular times."""
    series = read_series(table, schema, keeps_rows=True)
    classes = _classes_of(table, schema.target)
    labels = [np.where(one.step_rows < 0, UNKNOWN, classes[one.step_rows]) for one in series]
    note = format_time_notes(series, schema, table)
    return _Part([one.values for one in series], labels, [one.timeline for one in series]), note


def are_told(table: Table, name: str) -> bool:
    """Return True if a column holds nothing but words that tell anomalies from ordinary steps."""
    cells = table.texts(name)
    known = cells.filter(~is_absent(cells)).str.strip_chars().str.to_lowercase().unique()
    return bool(known.is_in([word for words in _WORDS for word in words]).all())


def _classes_of(table: Table, target: str) -> NDArray[np.int64]:
    """Return [N] the class of each row; ``UNKNOWN`` for an empty cell, and for all without a column that tells it.

    Raises:
        DataError: A cell holds neither of the usual words.
    """
    if target not in table.columns:
        return np.full(table.size, UNKNOWN)
    cells = table.texts(target)
    cells = cells.set(is_absent(cells), None).str.strip_chars().str.to_lowercase()
    classes = np.full(table.size, UNKNOWN)
    for index, words in enumerate(_WORDS):
        classes[cells.is_in(words).fill_null(value=False).to_numpy()] = index
    for row in np.flatnonzero((classes == UNKNOWN) & cells.is_not_null().to_numpy())[:1].tolist():
        raise DataError(
            f"{table.location(row, target)}: expected 1 for an anomaly and 0 for none, or words such as true and "
            f'normal, got "{cells[row]}". Write them so, or name another column: target'
        )
    return classes
