"""The role of each column of a table, found from its cells and its name, with the reason for people."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

from unrolled.data.frames import Source, read_source
from unrolled.data.grids import find_step
from unrolled.data.table import Table, format_list
from unrolled.data.times import Times, format_range, looks_like_time
from unrolled.data.values import are_numbers, is_blank, is_missing, shown
from unrolled.errors import DataError

import numpy as np
import polars as pl

# Usual names of the columns of texts and of classes, the most common first.
_INPUTS = ("text", "sentence", "review", "message", "comment", "content", "input", "document")
TARGETS = ("label", "class", "target", "category", "sentiment", "y")
_SERIES = ("unique_id", "series_id", "item_id")
# Names of columns that number or identify the rows, as pandas, R and databases write them.
_ROW_NAMES = re.compile(r"(?i)^(?:column \d+|unnamed: ?\d+|index|row|rownames|row_?(?:id|number|no)|id|no\.?|nr\.?|#)$")
_IDENTIFIER = re.compile(r"(?i)(?:^|[ _-])(?:id|uuid|guid|key)$|^id[ _-]|ID$")
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
_SPLIT = re.compile(r"(?i)^(?:split|subset|partition|fold_name|part)$")
_PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "development", "val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
# Formats of dates in which day and month are numbers, and not behind the year.
_EXCHANGEABLE = re.compile("%[dm][-/]%[dm]")
_DETECTION_ROWS = 10_000
_MOST_CATEGORIES = 50
_FEWEST_STEPS = 2
_MOST_CHANNELS = 16
_WEEKDAYS = re.compile(r"(?i)(?:^|[\W_])(?:mon|tue|wed|thu|fri|sat|sun)(?:[a-z]*day)?(?:$|[\W_])")
_MONTHS = re.compile(
    r"(?i)(?:^|[\W_])(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)(?:$|[\W_\d])"
)
_FOUND: WeakKeyDictionary[Table, dict[str, "Column"]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Column:
    """A column of a table: its kind and its role.

    Attributes:
        name: Its name.
        kind: ``numbers``, ``time``, ``step``, ``calendar``, ``text``, ``category``, ``sequence``, ``row number``,
            ``identifier``, ``split`` or ``empty``.
        fact: What was found in its cells, for people.
        role: ``input``, ``target``, ``series``, ``time`` or ``ignored``; empty before it is decided.
    """

    name: str
    kind: str
    fact: str
    role: str = ""


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
    if isinstance(cells.dtype, pl.List | pl.Array) or _hold_numbers(filled):
        return Column(name, "sequence", "a sequence in each cell")
    times = table.times(name)
    if times is not None and len(times.values.drop_nulls()):
        return Column(name, "time", _describe_times(times))
    # A typing error does not make a column text.
    if cells.dtype == pl.Boolean or int(are_numbers(filled).sum()) * 2 >= len(filled):
        return _find_numbers(table, name)
    different = filled.n_unique()
    if _IDENTIFIER.search(name) and different == len(filled) and not filled.cast(pl.String).str.contains(r"\s").any():
        return Column(name, "identifier", "identifies the rows")
    words = filled.cast(pl.String).str.strip_chars()
    if _SPLIT.match(name) and words.str.to_lowercase().is_in(list(_PARTS)).all():
        return Column(name, "split", "it names training, validation and test rows")
    if (
        different <= _MOST_CATEGORIES
        and different * 2 <= len(filled)
        and not words.str.contains(r"\S\s+\S+\s+\S").any()
    ):
        return Column(name, "category", f"category, {different:,} different")
    return Column(name, "text", f"text, {different:,} different")


def _hold_numbers(filled: pl.Series) -> bool:
    """Return True if each cell holds several numbers, between spaces or commas."""
    if filled.dtype != pl.String:
        return False
    number = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
    several = filled.str.strip_chars().str.contains(
        rf"^\[?\s*{number}(?:\s*,\s*{number}|\s+{number}|\s*;\s*{number})*\s*\]?$"
    )
    return bool(several.all()) and not are_numbers(filled).any()


def _find_numbers(table: Table, name: str) -> Column:
    cells = table.frame[name]
    lower = re.sub(r"[ _-]", "", name.lower())
    head = cells.head(_DETECTION_ROWS)
    whole = head.cast(pl.String).str.strip_chars().cast(pl.Int64, strict=False)
    if not whole.null_count() and len(whole) > 1 and cells.dtype != pl.Boolean:
        if _ROW_NAMES.match(name) and (whole.diff().drop_nulls() == 1).all():
            return Column(name, "row number", "it numbers the rows")
        if _IDENTIFIER.search(name) and whole.n_unique() == len(whole):
            return Column(name, "identifier", "it identifies the rows")
        if lower in _CALENDAR and whole.is_between(*_CALENDAR[lower]).all():
            return Column(name, "calendar", "it says when")
    missing = int(is_missing(head).sum())
    if not missing and _STEP.match(name):
        return Column(name, "step", "it orders the rows")
    return Column(name, "numbers", "numbers" + (f", {missing:,} missing" if missing else ""))


def _describe_times(times: Times) -> str:
    values = times.values.drop_nulls()
    stamps = np.unique(values.to_physical().to_numpy())
    fact = f"time, {format_range(values)}"
    step = find_step(stamps) if len(stamps) > 2 else None
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
    )


def has_target(table: Table) -> bool:
    """Return True if the file marks a column as the class, or a column has a usual name of classes."""
    return table.target is not None or any(name.lower() in TARGETS for name in table.columns)


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table that a network is trained on, kept with its run to read other tables the same way.

    Attributes:
        columns: The column of the text or of the sequences, or the columns of the numbers.
        target: The column of the class; empty if there is none.
        series: The column that assigns each row to a series, or None if each row is an example.
        time: The column by which the rows of a series are ordered, or None.
        kind: The type of the inputs: ``text``, ``steps`` (a step for each column, or with ``series`` for each row),
            ``features`` (one step with a channel for each column), or ``sequence`` (one in each cell).
        missing: ``refuse`` rows without a text, a class or a series, or ``drop`` them.
        fill: By column, what stands in for its empty cells.
        categories: By column, the values that become channels, 1 in the rows with that value and 0 in the others.
        read_options: The ``delimiter``, ``encoding``, ``header``, ``decimal`` and ``time_format`` that the user sets;
            the others are detected, except those below.
        decimals: The decimal separator of each column in which the training table decided it: another table may hold
            nothing but 1.234, which has two readings.
        day_first: The format of times of the training table, where day and month can be exchanged.
        past: Columns that a forecast reads up to its last known value alone; ``columns`` are those to forecast.
        known: Columns that a forecast reads for the steps to forecast too.
        calendar: The channels that are made from the times (see ``calendar_channels``).
        every: The step between the rows of a series, such as ``1h``, where the user sets it.
        irregular: ``resample`` rows to that step, or keep them and add the time since the row before: ``delta``.
        is_wide: True if each of ``columns`` is a series of its own.
    """

    columns: tuple[str, ...]
    target: str
    series: str | None = None
    time: str | None = None
    kind: str = "steps"
    missing: str = "refuse"
    fill: Mapping[str, str | float] = field(default_factory=dict)
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    read_options: Mapping[str, Any] = field(default_factory=dict)
    decimals: Mapping[str, str] = field(default_factory=dict)
    day_first: str | None = None
    past: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    every: str | None = None
    irregular: str | None = None
    is_wide: bool = False

    @property
    def value_columns(self) -> tuple[str, ...]:
        """The columns of numbers that are read: those of the inputs or to forecast, and the covariates."""
        return (*self.columns, *self.past, *self.known)

    @property
    def is_text(self) -> bool:
        """True if the inputs are texts."""
        return self.kind == "text"

    @classmethod
    def decide(
        cls,
        table: Table,
        *,
        input: str | Sequence[str] | None = None,  # noqa: A002 - the name of the setting
        target: str | None = None,
        series: str | None = None,
        time: str | None = None,
        ignore: str | Sequence[str] = (),
        columns: str | None = None,
        categories: str | Sequence[str] | None = None,
        missing: str = "refuse",
        fill: Mapping[str, str | float] | None = None,
        every: str | None = None,
        irregular: str | None = None,
        read_options: Mapping[str, Any] | None = None,
        has_target: bool = True,
    ) -> "TableSchema":
        """Choose the columns: those that the user names; the others from the file, their names and their cells.

        Raises:
            DataError: A column is missing, or the column of the target or of the input is ambiguous.
        """
        if has_target:
            target = target or table.target or find_usual_column(table, TARGETS, "target")
        ignore = named_columns(ignore)
        for name in (target, series, time, *ignore, *named_columns(input), *named_columns(categories), *(fill or ())):
            if name:
                table.column(name)
        found = find_columns(table)
        others = {name: one for name, one in found.items() if name not in (target, series, *ignore)}
        series = series or find_series_column(table, (target, *ignore, *named_columns(input)))
        others.pop(series or "", None)
        if series is not None and time is None:
            time = find_time_column(table, others)
        inputs, kind, wanted = _choose_inputs(
            table,
            named_columns(input),
            None if categories is None else named_columns(categories),
            others,
            series,
            columns,
            target,
        )
        schema = cls(
            inputs,
            target or "",
            series,
            time,
            kind,
            missing,
            dict(fill or {}),
            {name: _values(table, name) for name in wanted},
            dict(read_options or {}),
        )
        return replace(schema, every=every, irregular=irregular).with_formats(table)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "TableSchema":
        """Restore a schema from the JSON of ``to_json``."""
        names = ("columns", "past", "known", "calendar")
        return cls(**{**values, **{name: tuple(values[name]) for name in names if name in values}})

    def to_json(self) -> dict[str, Any]:
        """Return the schema as JSON, for ``from_json``."""
        return {**asdict(self), "columns": list(self.columns)}

    def with_formats(self, table: Table) -> "TableSchema":
        """Return the schema with the formats of numbers and times that the training table has."""
        found = table.number_format
        is_set = "decimal" in self.read_options
        read = () if is_set else self.value_columns
        names = [name for name in read if name in found.by_column or found.decimal == ","]
        times = table.times(self.time) if self.time and "time_format" not in self.read_options else None
        day_first = times.form if times and _EXCHANGEABLE.match(times.form) else None
        return replace(self, decimals={name: found.of(name) for name in names}, day_first=day_first)

    def read(self, source: Source) -> Table:
        """Read another table, a file or a data frame, with the same options.

        Raises:
            DataError: The file is missing, empty or damaged, or its rows have different numbers of cells.
        """
        options = ({"time_format": self.day_first} if self.day_first else {}) | dict(self.read_options)
        table = read_source(source, **options)
        return replace(table, decimals=self.decimals, fill=self.fill)

    def usable(self, table: Table) -> tuple[Table, list[int]]:
        """Return the rows that have all that an example needs, and the lines of the others.

        Of a table whose rows are not to be dropped all are returned.
        """
        if self.missing != "drop":
            return table, []
        needed = [name for name in (self.target, self.series, self.time) if name and name in table.columns]
        needed += self.columns if self.kind in ("text", "sequence") else ()
        needed = [name for name in needed if name not in self.fill]
        is_empty = np.zeros(table.size, np.bool_)
        for name in needed:
            is_empty |= is_blank(table.column(name)).to_numpy()
        return table.take(np.flatnonzero(~is_empty)), [table.lines[row] for row in np.flatnonzero(is_empty).tolist()]

    def parts(self, table: Table) -> dict[str, Table]:
        """Return the rows of ``train``, ``validation`` and ``test`` as a column ``split`` names them, or all."""
        names = [one.name for one in find_columns(table).values() if one.kind == "split"]
        if len(names) != 1 or names[0] in self.columns or self.series is not None:
            return {"train": table}
        named = table.frame[names[0]].str.strip_chars().str.to_lowercase().replace_strict(_PARTS)
        parts = {part: np.flatnonzero((named == part).to_numpy()) for part in ("train", "validation", "test")}
        if not len(parts["train"]):
            return {"train": table}
        return {part: table.take(rows) for part, rows in parts.items() if len(rows)}

    def roles(self, table: Table) -> list[Column]:
        """Return every column of the table with its role and the reason for it."""
        roles = dict.fromkeys((*self.value_columns, *self.categories), "input") | {self.target: "target"}
        roles |= {name: role for name, role in ((self.series, "series"), (self.time, "time")) if name}
        found = [replace(one, role=roles.get(one.name, "ignored")) for one in find_columns(table).values()]
        return [self._with_reason(table, one) for one in found]

    def _with_reason(self, table: Table, column: Column) -> Column:
        """Return an ignored category among features with the reason."""
        if self.kind != "features" or column.role != "ignored" or column.kind != "category":
            return column
        is_few = table.frame[column.name].n_unique() <= _MOST_CHANNELS
        return replace(column, fact=f"{column.fact}, {'it gives the class away' if is_few else 'too many to read'}")


def named_columns(named: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns that a setting names, which may be one."""
    return () if named is None else (named,) if isinstance(named, str) else tuple(named)


def find_series_column(table: Table, others: Sequence[str | None]) -> str | None:
    """Return the column with a usual name of series whose values repeat, if there is one."""
    lower = {name.lower(): name for name in table.columns if name not in others}
    names = [lower[name] for name in _SERIES if name in lower]
    return next((name for name in names if table.frame[name].n_unique() < table.size), None)


def find_time_column(table: Table, columns: Mapping[str, Column]) -> str | None:
    """Return the column of times, if there is one.

    Raises:
        DataError: There are several, and none is called after time.
    """
    times = [name for name, one in columns.items() if one.kind == "time"]
    if len(times) < 2:
        steps = [name for name, one in columns.items() if one.kind == "step"]
        return times[0] if times else steps[0] if len(steps) == 1 else None
    named = [name for name in times if looks_like_time(name)]
    if len(named) != 1:
        raise DataError(
            f"{table.path}: cannot tell which column orders the rows: {format_list(times)}. "
            f"Name it: data: {{file: {table.path.name}, time: {times[0]}}}"
        )
    return named[0]


def _values(table: Table, name: str) -> list[str]:
    """Return the values of a column of categories.

    Raises:
        DataError: There are too many for a channel each.
    """
    cells = table.texts(name).str.strip_chars()
    values: list[str] = cells.filter(~is_missing(cells)).unique().sort().to_list()
    if len(values) > _MOST_CHANNELS:
        raise DataError(
            f"{table.path}: {name}: expected at most {_MOST_CHANNELS} different categories, a channel each, got "
            f"{len(values):,}. Leave it out, or join the rare ones."
        )
    return values


def _is_a_feature(table: Table, column: Column, target: str | None) -> bool:
    """Return True for a category of few values that does not give the class away."""
    if column.kind != "category":
        return False
    cells = table.frame[column.name]
    if cells.n_unique() > _MOST_CHANNELS:
        return False
    if not target or target not in table.columns:
        return True
    pairs = pl.DataFrame({"value": cells, "class": table.frame[target]}).drop_nulls().unique()
    return bool(pairs["value"].is_duplicated().any())


def _choose_inputs(
    table: Table,
    named: tuple[str, ...],
    categories: tuple[str, ...] | None,
    others: dict[str, Column],
    series: str | None,
    kind: str | None,
    target: str | None,
) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """Return the columns of the inputs, their type, and the columns of categories.

    Args:
        table: The table.
        named: The inputs that the user names, which may be categories.
        categories: The categories that the user names; None where they are to be found.
        others: The columns that have no other role.
        series: The column of series, if there is one.
        kind: ``steps`` or ``features``, if the user says which.
        target: The column of the class, if there is one.
    """
    wanted = categories or tuple(
        name for name in named if (len(named) > 1 or series) and others[name].kind in ("category", "text")
    )
    others = {name: one for name, one in others.items() if name not in wanted}
    inputs, found = _inputs(table, tuple(name for name in named if name not in wanted), others, series, wanted)
    if found == "steps" and series is None:
        found = kind or ("steps" if _are_steps(inputs) and not wanted else "features")
    if found == "features" and not named and categories is None:
        wanted = tuple(name for name in others if _is_a_feature(table, others[name], target))
    return inputs, found, wanted


def _inputs(
    table: Table, named: tuple[str, ...], columns: Mapping[str, Column], series: str | None, categories: Sequence[str]
) -> tuple[tuple[str, ...], str]:
    """Return the columns of the inputs, and the type of the inputs."""
    if named:
        is_cell = len(named) == 1 and series is None and named[0] in columns
        kind = columns[named[0]].kind if is_cell else "numbers"
        return named, {"category": "text", "text": "text", "sequence": "sequence"}.get(kind, "steps")
    by_kind: dict[str, list[str]] = {}
    for name, one in columns.items():
        by_kind.setdefault(one.kind, []).append(name)
    texts, sequences, numbers = (by_kind.get(kind, []) for kind in ("text", "sequence", "numbers"))
    if series is not None:
        texts, sequences = _steps_of_numbers(table, [*texts, *by_kind.get("category", [])], numbers), []
    if texts:
        return (texts[0] if len(texts) == 1 else find_usual_column(table, _INPUTS, "input"),), "text"
    if sequences:
        return (sequences[0] if len(sequences) == 1 else find_usual_column(table, _INPUTS, "input"),), "sequence"
    if numbers:
        return tuple(numbers), "steps"
    if categories:
        return (), "steps"
    if len(others := by_kind.get("category", [])) == 1:
        return (others[0],), "text"
    if others:
        return (), "steps"
    raise _no_input(table, columns)


def _are_steps(names: Sequence[str]) -> bool:
    """Return True if columns are the steps of one series: numbered, or named after the days or the months."""
    if len(names) < _FEWEST_STEPS:
        return False
    if any(all(words.search(name) for name in names) for words in (_WEEKDAYS, _MONTHS)):
        return True
    found = [re.fullmatch(r"(.*?)([-+]?\d+(?:[.,]\d+)?)(\D*)", name) for name in names]
    if not all(found):
        return False
    stems = {(one[1], one[3]) for one in found if one}
    numbers = [float(one[2].replace(",", ".")) for one in found if one]
    return len(stems) == 1 and (numbers == sorted(numbers) or numbers == sorted(numbers, reverse=True))


def _steps_of_numbers(table: Table, texts: Sequence[str], numbers: Sequence[str]) -> list[str]:
    """Refuse columns of text where the steps of a series are numbers."""
    if texts:
        raise DataError(
            f'{table.path}: {texts[0]}: expected numbers in the columns of a series, got text such as "'
            f'{_first(table, texts[0])}". Name the columns of numbers: input: [{", ".join(numbers[:3])}]'
        )
    return []


def _no_input(table: Table, columns: Mapping[str, Column]) -> DataError:
    found = "; ".join(f"{one.name}: {one.fact}" for one in list(columns.values())[:6]) or "the target alone"
    return DataError(
        f"{table.path}: cannot tell which column is the input: {found}. "
        f"Name it: data: {{file: {table.path.name}, input: {table.columns[0]}}}"
    )


def _first(table: Table, name: str) -> str:
    return shown(table.frame[name].drop_nulls()[0])
