"""The kind of each column of a table, found from its cells and its name, with the reason for people."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from unrolled.data.cell_sequences import hold_sequences
from unrolled.data.grids import find_step
from unrolled.data.table import Table, format_list
from unrolled.data.times import (
    TIME_OF_DAY,
    Times,
    find_times,
    format_range,
    have_years,
    is_named_as_time,
    is_named_period,
    is_named_time,
    is_named_week,
    looks_like_time,
)
from unrolled.data.values import are_numbers, is_absent, is_blank, is_missing, shown
from unrolled.errors import DataError

import numpy as np
import polars as pl

# Usual names of the columns of classes, the most common first.
TARGETS = ("label", "class", "target", "category", "sentiment", "y")
_SERIES = ("unique_id", "series_id", "item_id")
# Names of columns that number or identify the rows, as pandas, R and databases write them.
_ROW_NAMES = re.compile(
    r"(?i)^(?:column \d+|unnamed: ?\d+|index|row|rownames|row_?(?:id|number|no)|id|no\.?|nr\.?|num\.?|#|n\u00b0"
    r"|(?:lfd|laufende)\.?[ _-]?(?:nr\.?|nummer)|nummer|n[u\u00fa]mero|\u2116|\u5e8f\u53f7|\u7f16\u53f7|\u756a\u53f7)$"
)
_IDENTIFIER = re.compile(r"(?i)(?:^|[ _-])(?:id|uuid|guid|key)$|^id[ _-]|(?-i:[a-z](?:ID|Id)$|^[A-Z]{4,}ID$)")
# The names that programs give to the index of a table, which may be in any order where rows were chosen or shuffled.
_INDEX_NAMES = re.compile(r"(?i)^(?:column \d+|_*unnamed: ?_*\d+|__unnamed__\d+|__index_level_\d+__|rownames)$")
_CALENDAR = {
    "year": (1000, 2999),
    "quarter": (1, 4),
    "month": (1, 12),
    "week": (0, 53),
    "weekday": (0, 7),
    "dayofweek": (0, 7),
    "day": (0, 366),
    "hour": (0, 24),
    "minute": (0, 59),
    "second": (0, 60),
}
_STEP = re.compile(
    r"(?i)^(?:t|time(?:[ _]?[(\[]?(?:s|ms|sec|seconds)[)\]]?)?|step|time_?step|frame|tick|position|pos|order"
    r"|seq(?:uence)?(?:_?(?:no|index))?)$"
)
INPUTS = ("text", "sentence", "review", "message", "comment", "content", "input", "document")
"""Usual names of the columns of texts, the most common first."""
# Codes, account and phone numbers: letters and digits with few other signs, and a digit among them.
_CODE = r"^\+?[\p{L}\d][\p{L}\d\-_./ ()#:]{0,39}$"
# Codes are of few shapes, such as a letter and digits; formulas and molecules are not.
_MOST_SHAPES = 4
_MOSTLY = 0.95
_SPLIT = re.compile(r"(?i)^(?:split|subset|partition|fold_name|part)$")
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "development", "val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""The words in a column ``split``, by the part that they name."""
_DETECTION_ROWS = 10_000
_FEWEST_ROWS = 5
_MOST_CATEGORIES = 50
_FOUND: WeakKeyDictionary[Table, dict[str, "Column"]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Column:
    """A column of a table: its kind and its role.

    Attributes:
        name: Its name.
        kind: ``numbers``, ``time``, ``step``, ``calendar``, ``text``, ``category``, ``sequence``, ``row number``,
            ``identifier``, ``split`` or ``empty``.
        fact: What was found in its cells, for people.
        holds_words: True for lists of words, not of numbers.
        role: ``input``, ``target``, ``series``, ``time`` or ``ignored``; empty before it is decided.
    """

    name: str
    kind: str
    fact: str
    role: str = ""
    holds_words: bool = False


def find_columns(table: Table) -> dict[str, Column]:
    """Return what each column of a table is, by its name."""
    if table not in _FOUND:
        _FOUND[table] = {name: _find_column(table, name) for name in table.columns}
    return _FOUND[table]


def _find_column(table: Table, name: str) -> Column:
    cells = table.frame[name].head(_DETECTION_ROWS)
    missing = is_missing(cells)
    filled = cells.filter(~missing)
    if not len(filled):
        return Column(name, "empty", "empty")
    if isinstance(cells.dtype, pl.List | pl.Array):
        holds_words = cells.dtype.inner == pl.String and not _are_numeric(filled)
        fact = f"a list of {'words' if holds_words else 'numbers'} in each cell"
        return Column(name, "sequence", fact, holds_words=holds_words)
    are_months = is_named_period(name) and table.times(name) is not None
    if filled.dtype == pl.String and not are_months and hold_sequences(filled):
        return Column(name, "sequence", "a sequence in each cell")
    times = table.times(name)
    if times is not None and len(times.values.drop_nulls()):
        return Column(name, "time", _describe_times(times))
    # A typing error does not make a column text.
    if cells.dtype == pl.Boolean or int(are_numbers(filled).sum()) * 2 >= len(filled):
        return _find_numbers(table, name)
    words = filled.cast(pl.String).str.strip_chars()
    different, has_spaces = filled.n_unique(), words.str.contains(r"\s").any()
    if _IDENTIFIER.search(name) and different == len(filled) and not has_spaces:
        return Column(name, "identifier", "it identifies the rows")
    if _SPLIT.match(name) and 2 * int(words.str.to_lowercase().is_in(list(PARTS)).sum()) > len(cells):
        return Column(name, "split", "it names training, validation and test rows")
    if (
        different <= _MOST_CATEGORIES
        and different * 2 <= len(filled)
        and not words.str.contains(r"\S\s+\S+\s+\S").any()
    ):
        return Column(name, "category", f"category, {_describe_cells(cells, table.size, is_absent)}")
    if name.lower() not in INPUTS and _are_codes(words):
        what = (
            "it identifies the rows"
            if different == len(filled)
            else f"codes, {_describe_cells(cells, table.size, is_absent)}"
        )
        return Column(name, "identifier", what)
    return Column(name, "text", f"text, {_describe_cells(cells, table.size, is_blank)}")


def _are_codes(words: pl.Series) -> bool:
    """Return True if nearly all cells are codes, or UUIDs."""
    if words.str.contains(r"^[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$").all():
        return True
    may_be = words.str.contains(_CODE) & words.str.contains(r"\d") & ~words.str.contains(r"\p{L}\s|\s\p{L}")
    shapes = words.str.replace_all(r"\p{L}+", "A").str.replace_all(r"\d+", "9").value_counts(sort=True)
    usual = int(shapes["count"].head(_MOST_SHAPES).sum())
    return bool(may_be.sum() >= _MOSTLY * len(words)) and usual >= _MOSTLY * len(words)


def _describe_cells(cells: pl.Series, size: int, find: Callable[[pl.Series], pl.Series]) -> str:
    """Return how many different values the first cells of a column have, and how many are empty as ``find`` says."""
    is_empty = find(cells)
    empty = int(is_empty.sum())
    fact = f"{cells.filter(~is_empty).n_unique():,} different" + (f", {empty:,} empty" if empty else "")
    return fact + (f" in the first {len(cells):,} rows" if size > len(cells) else "")


def _are_numeric(lists: pl.Series) -> bool:
    return bool(are_numbers(lists.explode(empty_as_null=True).drop_nulls()).all())


def _find_numbers(table: Table, name: str) -> Column:
    cells = table.frame[name]
    lower = re.sub(r"[ _-]", "", name.lower())
    head = cells.head(_DETECTION_ROWS)
    whole = head.cast(pl.String).str.strip_chars().cast(pl.Int64, strict=False)
    if not whole.null_count() and len(whole) > 1 and cells.dtype != pl.Boolean:
        numbers_rows = _ROW_NAMES.match(name) and (whole.diff().drop_nulls() == 1).all()
        if numbers_rows or (_INDEX_NAMES.match(name) and whole.n_unique() == len(whole)):
            return Column(name, "row number", "it numbers the rows")
        if _IDENTIFIER.search(name) and whole.n_unique() == len(whole):
            return Column(name, "identifier", "it identifies the rows")
    missing = int(is_missing(head).sum())
    is_whole = whole.null_count() == missing and len(whole) > 1 and cells.dtype != pl.Boolean
    if is_whole and lower in _CALENDAR and whole.drop_nulls().is_between(*_CALENDAR[lower]).all():
        return Column(name, "calendar", "it says when")
    if _STEP.match(name) or is_named_time(name):
        return Column(name, "step", "it orders the rows")
    return Column(name, "numbers", "numbers" + (f", {missing:,} missing" if missing else ""))


def _describe_times(times: Times) -> str:
    values = times.values.drop_nulls()
    stamps = np.unique(values.to_physical().to_numpy())
    fact = f"time, {format_range(values)}"
    step = find_step(stamps) if 2 < len(stamps) == len(values) else None
    if step is not None and (indices := step.indices(stamps)) is not None:
        absent = int(indices[-1]) + 1 - len(indices)
        fact += f", {step}" + (f", {absent:,} steps missing" if absent else "")
    return fact


def find_usual_column(table: Table, names: Sequence[str], setting: str) -> str:
    """Find the column with a usual name.

    Args:
        table: The table.
        names: The usual names, the most common first.
        setting: The setting that names the column otherwise, for the message.

    Raises:
        DataError: No column has one of the names.
    """
    lower = {name.lower(): name for name in table.columns}
    for name in names:
        if name in lower:
            return lower[name]
    raise DataError(
        f"{table.path}: cannot tell which column is the {setting}. Columns: {format_list(table.columns, 20)}. "
        f"Name it: data: {{file: {table.path.name}, {setting}: {table.columns[-1]}}}"
        + (f".{table.format_sheets()}" if table.other_sheets else "")
    )


def has_target(table: Table) -> bool:
    """Return True if the file marks a column as the class, or a column has a usual name of classes."""
    return table.target is not None or any(name.lower() in TARGETS for name in table.columns)


def named_columns(named: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns that a setting names, which may be one."""
    return () if named is None else (named,) if isinstance(named, str) else tuple(named)


def check_named_once(table: Table, first: Sequence[str | None], others: Sequence[str]) -> None:
    """Refuse settings that name columns which are missing, or that give a column two roles.

    Args:
        table: The table.
        first: The columns with roles of their own, such as the target; None for a role without one.
        others: The columns that are read.

    Raises:
        DataError: A column is missing, among ``first`` twice, or in both.
    """
    named = [name for name in (*first, *others) if name]
    for name in named:
        table.column(name)
    for name in filter(None, first):
        if named.count(name) > 1:
            raise DataError(f'{table.path}: the settings name the column "{name}" twice. Name it once.')


def find_series_column(table: Table, others: Sequence[str | None]) -> str | None:
    """Return the column with a usual name of series whose values repeat, if there is one."""
    lower = {name.lower(): name for name in table.columns if name not in others}
    names = [lower[name] for name in _SERIES if name in lower]
    return next((name for name in names if table.frame[name].n_unique() < table.size), None)


def may_be_series(table: Table, time: str, others: Sequence[str]) -> list[str]:
    """Return the columns each of whose values has every time once at most, and several of them.

    A column of numbers is one only if most of its values have most of the times, as the numbers of shops do; a column
    of texts or codes only if most of them stand in several rows, as names do.

    Args:
        table: The table.
        time: The column of times.
        others: Columns that have another role.
    """
    kinds, size, times = ("category", "text", "identifier", "numbers"), table.size, table.frame[time].n_unique()
    columns = [one for one in find_columns(table).values() if one.kind in kinds and one.name not in (time, *others)]
    found = []
    for one in columns:
        count = table.frame[one.name].n_unique()
        most = {"numbers": 2 * size / times, "text": size / _FEWEST_ROWS, "identifier": size / 2}.get(one.kind, size)
        if count <= most and table.frame.select(time, one.name).n_unique() == size > count:
            found.append(one.name)
    return found


def check_are_examples(table: Table, columns: Mapping[str, Column], targets: Sequence[str]) -> None:
    """Refuse rows that may be the steps of several series: at the same times, or one step after another.

    Raises:
        DataError: A column of times repeats for each value of another column, or goes on within each of its values.
    """
    for time in [name for name, one in columns.items() if one.kind == "time"]:
        for name in may_be_series(table, time, targets):
            repeat = table.frame[time].n_unique() < table.size
            if repeat or _go_on(table, time, name):
                raise DataError(
                    f"{table.path}: cannot tell whether a row is an example or a step of a series: the times in {time} "
                    f"{'repeat' if repeat else 'go on'} for each {name}. Write data: {{series: {name}}}, or {{columns: "
                    "features} for examples"
                )


def _go_on(table: Table, time: str, name: str) -> bool:
    """Return True if the values of a column stand one after another in time, each for several regular steps."""
    times = table.times(time)
    if times is None or table.frame[name].n_unique() * _FEWEST_ROWS > table.size:
        return False
    frame = pl.DataFrame({"time": times.values, "name": table.frame[name]}).drop_nulls().sort("name", "time")
    ranges = frame.group_by("name").agg(pl.col("time").min().alias("first"), pl.col("time").max().alias("last"))
    ranges = ranges.sort("first")
    are_apart = (ranges["first"].slice(1) > ranges["last"].head(ranges.height - 1)).all()
    steps = frame.select(pl.col("time").diff().over("name"))["time"].drop_nulls()
    return bool(are_apart) and len(steps) > 0 and 2 * int((steps == steps.mode()[0]).sum()) > len(steps)


def find_series_and_time(
    table: Table,
    targets: Sequence[str],
    series: str | None,
    time: str | None,
    ignore: Sequence[str],
    inputs: Sequence[str],
) -> tuple[str | None, str | None, dict[str, Column]]:
    """Find the column of series, and that which orders its rows, where the user names none.

    Args:
        table: The table.
        targets: The columns of what an example has.
        series: The column of series, if the user names it.
        time: The column of times, if the user names it.
        ignore: The columns that are not read.
        inputs: The columns that the user names as inputs.

    Returns:
        The two columns, None where there is none; and the columns without another role.

    Raises:
        DataError: There are several columns of times, and none is called after time.
    """
    taken = (*targets, series, *ignore, *table.joined, *([time] if table.joined else []))
    others = {name: one for name, one in find_columns(table).items() if name not in taken}
    series = series or find_series_column(table, (*targets, *ignore, *inputs))
    others.pop(series or "", None)
    if series is not None and time is None:
        time = find_time_column(table, {name: one for name, one in others.items() if name not in inputs}, series)
    return series, time, others


def list_times(table: Table, columns: Mapping[str, Column]) -> list[str]:
    """Return the columns of times, without those in digits under the name of something else if there are others."""
    times = [name for name, one in columns.items() if one.kind == "time"]
    plain = [name for name in times if is_named_as_time(name) or not are_numbers(table.frame[name].head(1)).all()]
    return plain or times


def find_time_column(table: Table, columns: Mapping[str, Column], series: str | None = None) -> str | None:
    """Return the column of times, if there is one.

    Raises:
        DataError: There are several, and none is called after time.
    """
    times = list_times(table, columns) or [name for name, one in columns.items() if one.kind == "step"]
    if len(times) < 2:
        return times[0] if times else _find_calendar(table, columns, series)
    _check_clock(table, times)
    named = [name for name in times if looks_like_time(name)]
    if len(named) != 1:
        raise DataError(
            f"{table.path}: cannot tell which column orders the rows: {format_list(times)}. "
            f"Name it: data: {{file: {table.path.name}, time: {times[0]}}}"
        )
    return named[0]


def _check_clock(table: Table, times: Sequence[str]) -> None:
    """Refuse dates in one column and the times of the day in another."""
    found = {name: table.times(name) for name in times}
    clocks = [name for name, one in found.items() if one is not None and one.form == TIME_OF_DAY]
    dates = [name for name in times if name not in clocks and table.frame[name].n_unique() < table.size]
    if clocks and dates:
        raise DataError(
            f"{table.path}: {dates[0]} and {clocks[0]} say when together. Name both: data: {{time: [{dates[0]}, "
            f"{clocks[0]}]}}"
        )


def _says_when(table: Table, column: Column) -> bool:
    """Return True if a column that holds no times is named after time; months and years may be numbers or words."""
    if is_named_time(column.name):
        return column.kind not in ("calendar", "empty")
    is_word = column.kind in ("text", "category", "identifier")
    return is_word and is_named_period(column.name) and have_years(table.frame[column.name])


def _no_times(table: Table, name: str) -> DataError:
    """Return the error that shows a cell which is no time; some of the months may have the same name in English."""
    cells = table.frame[name].drop_nulls().cast(pl.String)
    wrong = (cell for cell in cells.head(_DETECTION_ROWS) if find_times(name, pl.Series([cell])) is None)
    cell = shown(next(wrong, cells[0]))
    short = re.fullmatch(r"\d{1,2}(\D)\d\d", cell)
    form = f"%m{short[1]}%y" if short and is_named_period(name) else "%d.%m.%Y"
    named = f"their format: data: {{time_format: '{form}'}}"
    remedy = f"Write months as numbers, 2015-03, or name {named}" if re.search(r"[^\W\d_]", cell) else f"Name {named}"
    remedy = "Write weeks as 2015-W05" if is_named_week(name) else remedy
    return DataError(
        f'{table.path}: {name}: expected times, as its name says, got "{cell}". {remedy}, or leave the column out: '
        f"data: {{ignore: {name}}}"
    )


def _find_calendar(table: Table, columns: Mapping[str, Column], series: str | None) -> str | None:
    """Return a column of years that orders the rows, if there is one and no other part of a date.

    Raises:
        DataError: A column says when by its name, but its cells cannot be read as times; or the rows are not in the
            order of the parts of their dates.
    """
    for name, one in columns.items():
        if _says_when(table, one):
            raise _no_times(table, name)
    parts = [
        name for part in _CALENDAR for name, one in columns.items() if one.kind == "calendar" and name.lower() == part
    ]
    if not parts or parts[0].lower() != "year":
        return None
    if len(parts) == 1:
        return parts[0]
    key = pl.concat_list(pl.col(name).cast(pl.Int64, strict=False) for name in parts)
    frame = table.frame.select(key=key, series=pl.lit("") if series is None else pl.col(series))
    if all(group["key"].equals(group["key"].sort()) for group in frame.partition_by("series")):
        return None
    raise DataError(
        f"{table.path}: the rows are not in the order of {format_list(parts)}, which say when together. Sort them, or "
        "name those that do: data: {time: [...]}"
    )
