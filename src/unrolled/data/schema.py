"""The role of each column of a table: what is read of it, and how another table is read the same way."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from unrolled.data.choosing import BESIDE_TEXT, MOST_CHANNELS, category_values, choose_inputs, is_a_feature
from unrolled.data.columns import (
    PARTS,
    Column,
    check_are_examples,
    check_named_once,
    find_columns,
    find_series_and_time,
    find_usual_column,
    named_columns,
)
from unrolled.data.decoding import can_be
from unrolled.data.frames import Source, read_source
from unrolled.data.joined_times import join_times, joined_name
from unrolled.data.lists import separator_of_labels
from unrolled.data.table import Table, format_list
from unrolled.data.targets import CLASS, KINDS, LABEL_SETS, NUMBERS, TargetKind
from unrolled.data.values import SEPARATORS, decimals_of, is_blank
from unrolled.errors import DataError
from unrolled.storage import in_form

import numpy as np
import polars as pl

# Formats of dates in which day and month are numbers, and not behind the year.
_EXCHANGEABLE = re.compile("%[dm][-/]%[dm]")


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table that a network is trained on, kept with its run to read other tables the same way.

    Attributes:
        columns: The column of the text, or the columns of the sequences or of the numbers.
        targets: The columns of what an example has: a class, numbers, or several labels; empty if there is none.
        series: The column that assigns each row to a series, or None if each row is an example.
        time: The column by which the rows of a series are ordered, or None.
        joined: The columns that say when together, where ``time`` joins several (see ``join_times``).
        kind: The type of the inputs: ``text``, ``steps`` (a step for each column, or with ``series`` for each row),
            ``features`` (one step with a channel for each column), ``sequence`` (one in each cell), ``tokens`` (a word
            in each row of a series, or words in each cell), or ``inputs`` (several by name).
        missing: ``refuse`` rows without a text, a class or a series, or ``drop`` them.
        fill: By column, what stands in for its empty cells.
        categories: By column, the values that become channels, 1 in the rows with that value and 0 in the others.
        encoding: The encoding that was found in the training table, if it is not UTF-8: few words of another table may
            not tell theirs.
        read_options: The ``delimiter``, ``encoding``, ``header``, ``decimal`` and ``time_format`` that the user sets;
            the others are detected, except those below.
        decimals: The decimal separator of each column in which the training table decided it: another table may hold
            nothing but 1.234, which has two readings. One whose cells show another separator is read by that.
        day_first: The format of times of the training table, where day and month can be exchanged.
        past: Columns that a forecast reads up to its last known value alone; ``columns`` are those to forecast.
        known: Columns that a forecast reads for the steps to forecast too.
        calendar: The channels that are made from the times (see ``calendar_channels``).
        every: The step between the rows of a series, such as ``1h``, where the user sets it.
        irregular: ``resample`` rows to that step, or keep them and add the time since the row before: ``delta``.
        hours: The times of the first and of the last step of each day, where the user sets them.
        is_wide: True if each of ``columns`` is a series of its own.
        separator: What stands between the words, and between the labels, in a cell; empty if nothing does.
        ignored: The columns that the user names as not to be read.
        target_kind: What the targets are: a ``class``, ``numbers`` or ``labels`` (see ``TargetKind``); or an
            ``anomaly``, which a step is or is not.
        per: What has a target: each ``sequence``, or each ``step`` of one.
        inputs: Of several inputs, the type of each by name: ``text``, ``category`` or ``sequence`` in the column of
            that name, or ``features``, those of ``columns`` and ``categories`` together.
    """

    columns: tuple[str, ...]
    targets: tuple[str, ...] = ()
    series: str | None = None
    time: str | None = None
    kind: str = "steps"
    missing: str = "refuse"
    fill: Mapping[str, str | float] = field(default_factory=dict)
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    read_options: Mapping[str, Any] = field(default_factory=dict)
    encoding: str | None = None
    decimals: Mapping[str, str] = field(default_factory=dict)
    day_first: str | None = None
    past: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    every: str | None = None
    irregular: str | None = None
    hours: tuple[str, ...] = ()
    is_wide: bool = False
    target_kind: str = "class"
    per: str = "sequence"
    separator: str = " "
    ignored: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    joined: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """The only target, or the first; empty if there is none."""
        return self.targets[0] if self.targets else ""

    @property
    def has_row_per_step(self) -> bool:
        """True if each row is a step with a target: of one of several series, or of the only one."""
        return self.per == "step" and (self.series is not None or self.target_kind == "anomaly")

    @property
    def value_columns(self) -> tuple[str, ...]:
        """The columns that are read as channels: those of the inputs or to forecast, and the covariates."""
        return (*self.columns, *self.past, *self.known)

    def channels(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the channels that columns are read as: one each, or one for each value of a category."""
        values = {name: [f"{name}={value}" for value in some] for name, some in self.categories.items()}
        return tuple(channel for name in columns for channel in values.get(name, [name]))

    @property
    def cell_columns(self) -> tuple[str, ...]:
        """The columns each of whose cells is an input of its own, and must not be empty."""
        if self.kind == "inputs":
            return tuple(name for name, kind in self.inputs.items() if kind in ("text", "sequence"))
        return self.columns if self.kind in ("text", "sequence", "tokens") else ()

    def of_input(self, name: str) -> "TableSchema":
        """Return the schema of one of several inputs."""
        kind = self.inputs[name]
        if kind == "features":
            return replace(self, kind=kind, inputs={})
        return replace(self, kind=kind, columns=(name,), categories={}, inputs={})

    @property
    def number_columns(self) -> tuple[str, ...]:
        """The ``value_columns`` that hold numbers, not categories."""
        return tuple(name for name in self.value_columns if name not in self.categories)

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
        target: str | Sequence[str] | None = None,
        series: str | None = None,
        time: str | None = None,
        ignore: str | Sequence[str] = (),
        columns: str | None = None,
        categories: str | Sequence[str] | None = None,
        missing: str = "refuse",
        fill: Mapping[str, str | float] | None = None,
        every: str | None = None,
        irregular: str | None = None,
        hours: Sequence[str] = (),
        read_options: Mapping[str, Any] | None = None,
        inputs: Sequence[str] = (),
        target_kind: TargetKind = CLASS,
        has_target: bool = True,
    ) -> "TableSchema":
        """Choose the columns: those that the user names; the others from the file, their names and their cells.

        Raises:
            DataError: A column is missing, or the column of the target or of the input is ambiguous.
        """
        targets = find_targets(table, target, target_kind, target_kind.usual if has_target else ())
        named = named_columns(input)
        for name in (time, *(fill or ())):
            if name:
                table.column(name)
        read = tuple(dict.fromkeys((*named, *named_columns(categories))))
        check_named_once(table, (*targets, series, *named_columns(ignore)), read)
        series, time, others = find_series_and_time(table, targets, series, time, named_columns(ignore), named)
        chosen = choose_inputs(
            table,
            named,
            None if categories is None else named_columns(categories),
            others,
            series,
            columns,
            targets[0] if targets and target_kind is CLASS else None,
            inputs,
        )
        if series is None and columns is None and not input and chosen.kind in ("features", "steps"):
            check_are_examples(table, find_columns(table), targets)
        schema = cls(
            chosen.columns,
            targets,
            series,
            time,
            chosen.kind,
            missing,
            dict(fill or {}),
            {name: category_values(table, name) for name in chosen.categories},
            dict(read_options or {}),
            inputs=chosen.inputs,
            target_kind=target_kind.name,
            ignored=named_columns(ignore),
        )
        if target_kind is LABEL_SETS and len(targets) == 1:
            schema = replace(schema, separator=separator_of_labels(table, targets[0]) or "")
        return replace(schema, every=every, irregular=irregular, hours=tuple(hours)).with_formats(table)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "TableSchema":
        """Restore a schema from the JSON of ``to_json``."""
        found: TableSchema = in_form(cls, values)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the schema as JSON, for ``from_json``."""
        return {**asdict(self), "columns": list(self.columns)}

    def with_formats(self, table: Table) -> "TableSchema":
        """Return the schema with the formats of numbers and times that the training table has."""
        found = table.number_format
        is_set = "decimal" in self.read_options
        read = () if is_set or self.kind == "tokens" else self.number_columns
        read += self.targets if self.target_kind == NUMBERS.name else ()
        names = [name for name in read if found.decimal == "," or _has_fractions(table, name)]
        times = table.times(self.time) if self.time and "time_format" not in self.read_options else None
        day_first = times.form if times and _EXCHANGEABLE.match(times.form) else None
        decimals, encoding = {name: found.of(name) for name in names}, table.detected.get("encoding", "utf-8")
        kept = None if encoding.startswith("utf-8") else encoding
        joined = table.joined if self.time == joined_name(table.joined) else ()
        return replace(self, decimals=decimals, day_first=day_first, encoding=kept, joined=joined)

    def read(self, source: Source) -> Table:
        """Read another table, a file or a data frame, with the same options.

        Raises:
            DataError: The file is missing, empty or damaged, or its rows have different numbers of cells.
        """
        options = ({"time_format": self.day_first} if self.day_first else {}) | dict(self.read_options)
        if self.encoding and "encoding" not in options and isinstance(source, Path) and can_be(source, self.encoding):
            options["encoding"] = self.encoding
        table = read_source(source, **options)
        decimals = decimals_of(table.frame, self.decimals)
        note = self._format_decimals(table, decimals)
        table = replace(table, decimals=decimals, fill=self.fill, clocks=named_columns(self.time), note=note)
        return join_times(table, self.joined) if self.joined else table

    def _format_decimals(self, table: Table, decimals: Mapping[str, str]) -> str:
        """Return a note on the columns whose decimal separator is not that of the training table; empty without one."""
        changed = [name for name, decimal in decimals.items() if decimal != self.decimals[name]]
        if not changed:
            return ""
        here, there = (SEPARATORS[some[changed[0]]] for some in (decimals, self.decimals))
        names = format_list(changed)
        return f"{table.path.name}: numbers are read with a decimal {here}, in training with a decimal {there}: {names}"

    def usable(self, table: Table) -> tuple[Table, list[int]]:
        """Return the rows that have all that an example needs, and the lines of the others.

        Of a table whose rows are not to be dropped all are returned.
        """
        if self.missing != "drop":
            return table, []
        order = [name for name in (self.series, self.time) if name and name in table.columns]
        finders = dict.fromkeys((*order, *self.cell_columns), is_blank)
        lacks = KINDS[self.target_kind].lacks if self.per == "sequence" else is_blank
        # A row that is a step is read without a number, too.
        needed = () if self.has_row_per_step and self.target_kind == NUMBERS.name else self.targets
        finders |= {name: lacks for name in needed if name in table.columns}
        is_empty = np.zeros(table.size, np.bool_)
        for name, find in finders.items():
            if name not in self.fill:
                is_empty |= find(table.column(name)).to_numpy()
        return table.take(np.flatnonzero(~is_empty)), [table.lines[row] for row in np.flatnonzero(is_empty).tolist()]

    def parts(self, table: Table) -> dict[str, Table]:
        """Return the rows of ``train``, ``validation`` and ``test`` as a column ``split`` names them, or all."""
        names = [one.name for one in find_columns(table).values() if one.kind == "split"]
        if len(names) != 1 or names[0] in (*self.columns, *self.ignored):
            return {"train": table}
        words = table.texts(names[0]).str.strip_chars().str.to_lowercase()
        named = words.replace_strict(PARTS, default=None, return_dtype=pl.String)
        for row in np.flatnonzero(named.is_null().to_numpy())[:1].tolist():
            raise DataError(
                f"{table.location(row, names[0])}: expected train, validation or test, got "
                f'"{words[row] or ""}". Write one of them, or leave the column out: data: {{ignore: {names[0]}}}'
            )
        if self.series is not None:
            self._check_whole(table, named)
        parts = {part: np.flatnonzero((named == part).to_numpy()) for part in ("train", "validation", "test")}
        if not len(parts["train"]):
            return {"train": table}
        return {part: table.take(rows) for part, rows in parts.items() if len(rows)}

    def _check_whole(self, table: Table, parts: pl.Series) -> None:
        """Refuse a series whose rows are in two parts."""
        assert self.series is not None
        frame = pl.DataFrame({"series": table.texts(self.series), "part": parts})
        first = frame.select(pl.col("part").first().over("series"))["part"]
        for row in np.flatnonzero((first != parts).to_numpy())[:1].tolist():
            raise DataError(
                f"{table.location(row)}: expected all rows of {frame['series'][row]} in one part, got {first[row]} "
                f"and {parts[row]}. Divide them by series, or by data: {{split: {{time: ...}}}}"
            )

    def roles(self, table: Table) -> list[Column]:
        """Return every column of the table with its role and the reason for it."""
        named = (name for name, kind in self.inputs.items() if kind != "features")
        roles = dict.fromkeys((*self.value_columns, *self.categories, *named), "input") | dict.fromkeys(
            self.targets, "target"
        )
        roles |= {name: role for name, role in ((self.series, "series"), (self.time, "time")) if name}
        roles = dict.fromkeys(self.joined, "time") | roles
        found = [replace(one, role=roles.get(one.name, "ignored")) for one in find_columns(table).values()]
        return [self._with_reason(table, one) for one in found]

    def _with_reason(self, table: Table, column: Column) -> Column:
        """Return an ignored column beside a text, or an ignored category among features, with the reason."""
        if self.is_text and column.role == "ignored" and column.kind in BESIDE_TEXT and self.series is None:
            return replace(column, fact=f"{column.fact}, beside the text: read with inputs")
        if self.kind not in ("features", "inputs") or column.role != "ignored" or column.kind != "category":
            return column
        if table.frame[column.name].n_unique() > MOST_CHANNELS:
            reason = "too many for channels: read with inputs"
        elif is_a_feature(table, column, self.target if self.target_kind == CLASS.name else None):
            reason = "not named among the inputs"
        else:
            reason = "it gives the class away"
        return replace(column, fact=f"{column.fact}, {reason}")


def find_targets(
    table: Table, named: str | Sequence[str] | None, kind: TargetKind, usual: Sequence[str]
) -> tuple[str, ...]:
    """Return the columns of the target: those that the user names, that which the file marks, or one by its name.

    Args:
        table: The table.
        named: The columns that the user names, if any.
        kind: What the target is.
        usual: The usual names of its column; empty if there need not be one.

    Raises:
        DataError: It is ambiguous, or there are several columns where one is read.
    """
    targets = named_columns(named or table.target)
    if len(targets) > 1 and not kind.takes_several:
        raise DataError(
            f"{table.path}: expected one column of classes, got the targets {format_list(targets)}. Name one; or "
            "several columns of numbers for task: regress, of labels for task: classes"
        )
    return targets if targets or not usual else (find_usual_column(table, usual, "target"),)


def _has_fractions(table: Table, name: str) -> bool:
    """Return True if the cells of a column have a separator, by which another table is to be read."""
    cells = table.frame[name]
    return cells.dtype == pl.String and bool(cells.str.contains(r"\d[.,]\d").any())
