"""Rules about what the network of an experiment reads: columns that name rows, times, and texts as tokens."""

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unrolled.config.sections import DataConfig
from unrolled.data.calendars import CALENDAR
from unrolled.data.choosing import MOST_CHANNELS
from unrolled.data.columns import find_columns, named_columns
from unrolled.data.grids import Timeline
from unrolled.data.pieces import is_large, read_pieces
from unrolled.data.samples import with_path
from unrolled.data.table import Table, format_list
from unrolled.data.texts import Texts
from unrolled.data.tokens import PADDING, UNKNOWN, Tokenizer
from unrolled.diagnostics.diagnostic import Measurement, RuleSet
from unrolled.diagnostics.target import MAX_EXAMPLES, DiagnosticTarget
from unrolled.tasks.base import Task
from unrolled.tasks.examples import ExampleTask
from unrolled.tasks.preprocessing import TextPreprocessor
from unrolled.tasks.words import WordsPreprocessor

import numpy as np
import polars as pl
from numpy.typing import NDArray

INPUT_RULES: RuleSet[[DiagnosticTarget, Task]] = RuleSet("Columns, times and texts")

_COUNTED = 20
"""The number of rows from which on whole numbers without a gap, each once, count them by intent."""
_SETTINGS = ("input", "target", "known", "past")
"""The settings of the section ``data`` that name columns to be read."""
_YEAR = "year"
_PLAIN = re.compile(r"(?!(?i:null|true|false)$)[A-Za-z_]\w*")


@INPUT_RULES.rule(
    code="identifier-inputs",
    severity="warning",
    summary="Columns that number or identify the rows are inputs: the network can learn the training rows by heart.",
    unit="columns",
    threshold=0,
    why="One such column is enough: new rows have numbers that the network never saw.",
    fix="Leave these columns out.",
)
def identifier_inputs(target: DiagnosticTarget, task: Task) -> Iterator[Measurement]:
    """Count the columns read as numbers that are identifiers, row numbers, or count the rows under another name."""
    table, names = _numbers_read(task)
    if table is not None:
        kinds = find_columns(table)
        found = [
            name
            for name in names
            if kinds[name].kind in ("identifier", "row number")
            or (kinds[name].kind == "numbers" and _numbers_rows(task, table, name))
        ]
        yield Measurement(len(found), f"{target.locations.data()}, {format_list(found)}", _leave_out(task, found))


def counts_rows(values: NDArray[np.float64]) -> bool:
    """Return True if a column numbers its rows from any number on without a gap, in whatever order they stand."""
    ordered = np.sort(values)
    return len(values) >= _COUNTED and bool((np.diff(ordered) == 1).all() and (ordered % 1 == 0).all())


def _numbers_rows(task: Task, table: Table, name: str) -> bool:
    """Return True if a column numbers the rows of the table, or those of each series whose steps come after it ends."""
    values, series = table.numbers(name), task.schema.series if task.schema else None
    if counts_rows(values) or series is None or not task.data.timelines:
        return counts_rows(values)
    keys = table.texts(series).fill_null("").rank("dense").to_numpy()
    ends = np.cumsum(np.bincount(keys)[1:])
    return all(counts_rows(one) for one in np.split(values[np.argsort(keys, kind="stable")], ends[:-1]))


@INPUT_RULES.rule(
    code="date-inputs",
    severity="info",
    summary="Columns that say when are read as plain numbers: later dates are new, and December is far from January.",
    unit="columns",
    threshold=0,
    why="One such column is enough. The year of a forecast is left alone, since its trend goes on.",
    fix="Leave these columns out, or make channels of them in which the end of a cycle is near to its beginning.",
)
def date_inputs(target: DiagnosticTarget, task: Task) -> Iterator[Measurement]:
    """Count the columns read as numbers that are times, steps, or parts of a date."""
    table, names = _numbers_read(task)
    if table is not None:
        kinds = find_columns(table)
        found = [name for name in names if kinds[name].kind in ("time", "step", "calendar")]
        found = [name for name in found if not (task.data.timelines and name.lower() == _YEAR)]
        fix = _read_dates(task, table, found)
        yield Measurement(len(found), f"{target.locations.data()}, {format_list(found)}", fix)


def _numbers_read(task: Task) -> tuple[Table | None, Sequence[str]]:
    """Return the table and its columns that are read as numbers; None if there is no table or none is so read."""
    schema = task.schema
    if schema is None or schema.kind not in ("steps", "features") or schema.is_wide or not schema.number_columns:
        return None, ()
    path = _path(task)
    if not is_large(path):
        return schema.read(path), schema.number_columns
    beginning = next(read_pieces(path, **schema.read_options))
    return replace(beginning, decimals=schema.decimals, fill=schema.fill), schema.number_columns


def _path(task: Task) -> Path:
    """Return the file of an experiment on a table."""
    data = _section(task)
    return Path(with_path(data.file or data.train or ""))


def _section(task: Task) -> DataConfig:
    """Return the section ``data`` of an experiment on a table."""
    data = task.config.data
    assert isinstance(data, DataConfig)
    return data


def _leave_out(task: Task, names: Sequence[str]) -> str:
    """Return the fix that leaves columns out."""
    settings = _settings_without(_section(task), names)
    what = "it" if len(names) == 1 else "them"
    return f"Leave {what} out{': ' + ' '.join(settings) if settings else ', and name another column to read.'}"


def _settings_without(data: DataConfig, names: Sequence[str]) -> list[str]:
    """Return the ``--set`` that name the same columns without some; none if no other column is left to read."""
    settings, unnamed = [], list(names)
    for setting in _SETTINGS:
        named = named_columns(getattr(data, setting))
        rest = [name for name in named if name not in names]
        unnamed = [name for name in unnamed if name not in named]
        if len(rest) == len(named):
            continue
        if not rest and setting in ("input", "target"):
            return []
        settings.append(_assign(f"data.{setting}", rest) if rest else f"--set data.{setting}=null")
    return settings + ([_assign("data.ignore", [*named_columns(data.ignore), *unnamed])] if unnamed else [])


def _assign(setting: str, names: Sequence[str]) -> str:
    """Return the ``--set`` of a list of names, quoted for the shell and for YAML."""
    listed = ", ".join(name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False) for name in names)
    return f"--set {shlex.quote(f'{setting}=[{listed}]')}"


def _read_dates(task: Task, table: Table, names: Sequence[str]) -> str:
    """Return the fix for dates: channels of the calendar for a forecast, categories for examples; others are left out.

    Args:
        task: The task.
        table: Its table.
        names: The columns.
    """
    data, timelines = _section(task), task.data.timelines
    parts = [name for name in names if find_columns(table)[name].kind == "calendar" and name.lower() != _YEAR]
    has_times = bool(timelines) and timelines[0].moments is not None
    cycles = [name for name in parts if has_times and name.lower() in CALENDAR]
    few = [name for name in parts if not timelines and table.frame[name].n_unique() <= MOST_CHANNELS]
    many = [name for name in parts if not timelines and name not in few]
    others = [name for name in names if name not in (*cycles, *few, *many)]
    actions, settings = [], _settings_without(data, [*others, *cycles]) if others or cycles else []
    if others:
        actions.append(f"leave {format_list(others)} out")
    if cycles:
        actions.append(f"make channels of the times in place of {format_list(cycles)}")
        made = dict.fromkeys([*(data.calendar or ()), *(name.lower() for name in cycles)])
        settings.append(_assign("data.calendar", list(made)))
    if many:
        actions.append(f"write the sine and the cosine of {format_list(many)} in place of the number")
    if few:
        actions.append(f"give each value of {format_list(few)} a channel of its own")
        settings.append(_assign("data.categories", [*named_columns(data.categories), *few]))
    sentence = ", and ".join(actions)
    return sentence[:1].upper() + sentence[1:] + (f": {' '.join(settings)}" if settings else ".")


@INPUT_RULES.rule(
    code="unsorted-times",
    severity="info",
    summary="The rows of a series are not in the order of time; they are sorted, but a date may be wrong.",
    unit="% of the rows",
    threshold=0,
    why="A file in order has no such row; neither does one whose newest row is the first, which is turned around.",
    fix="Check the times where their order breaks, and their format: data.time_format.",
)
def unsorted_times(target: DiagnosticTarget, task: Task) -> Iterator[Measurement]:
    """Measure the share of the rows of series that are earlier than the row before them."""
    schema = task.schema
    if schema is None or schema.time is None or not (task.data.timelines or schema.series):
        return
    table = schema.read(_path(task))
    names = None if schema.series is None else table.texts(schema.series)
    rows = rows_out_of_order(table.moments(schema.time), names)
    fix = ""
    if len(rows):
        line, cell = table.lines[int(rows[0])], table.column(schema.time)[int(rows[0])]
        fix = (
            f"Check line {line}, whose {schema.time} is {cell}, and the others that are earlier than the row before "
            "them. If day and month are exchanged, name the format: data.time_format"
        )
    yield Measurement(100 * len(rows) / max(1, table.size), f"{target.locations.data()}, {schema.time}", fix)


def rows_out_of_order(moments: NDArray[np.int64], series: pl.Series | None = None) -> NDArray[np.int64]:
    """Return the indices of the rows that are earlier than the row before them in the same series.

    Args:
        moments: [N] the time of each row.
        series: [N] the series of each row; None if all are one.

    Returns:
        Ascending; empty if all series are in the order of time or all in the reverse order.
    """
    names = pl.repeat("", len(moments), eager=True) if series is None else series
    frame = pl.DataFrame({"moment": moments, "series": names})
    steps = frame.select(pl.col("moment").diff().over("series"))["moment"]
    is_earlier = (steps < 0).fill_null(value=False).to_numpy()
    if is_earlier.sum() == len(steps) - steps.null_count():
        return np.empty(0, np.int64)
    return np.flatnonzero(is_earlier)


@INPUT_RULES.rule(
    code="missing-steps",
    severity="info",
    summary="Steps of the series have no value, and nothing is learned or measured there.",
    unit="% of the steps",
    threshold=20,
    why="With a random gap in every fifth step, four last seasons of 7 steps in five have one.",
    fix="Fill them in, or average over longer steps with data.every and data.irregular=resample.",
)
def missing_steps(target: DiagnosticTarget, task: Task) -> Iterator[Measurement]:
    """Measure the share of steps on the grid of all series that lack a value to forecast."""
    if not task.data.timelines:
        return
    series = _series_of(task)
    gaps = [np.isnan(values[:, : len(task.output_names)]).any(axis=1) for values, _ in series]
    worst = int(np.argmax([gap.mean() for gap in gaps]))
    timeline, first = series[worst][1], int(gaps[worst].argmax())
    labels = timeline.labels() if timeline else None
    named = labels[first] if labels is not None and first < len(labels) else f"step {first + 1}"
    of = f", most of {timeline.name}" if timeline and len(task.data.timelines) > 1 else ""
    fix = f"Fill them in, from {named} on"
    if not task.data.is_per_step:
        fix += ", or average over longer steps with data.every and data.irregular=resample"
    yield Measurement(100 * float(np.concatenate(gaps).mean()), f"{target.locations.data()}{of}", f"{fix}.")


def _series_of(task: Task) -> list[tuple[NDArray[Any], Timeline | None]]:
    """Return the values of each series with their times; where steps have classes, those of the training without."""
    train, test, timelines = task.data.train.inputs, task.data.test.inputs, task.data.timelines
    if task.data.is_per_step:
        return [*((values, None) for values in train), *zip(test, timelines, strict=True)]
    return [(np.concatenate(parts), timeline) for *parts, timeline in zip(train, test, timelines, strict=True)]


_LONGEST_READ = 8
"""The multiple of ``max_length`` up to which the tokens of a text are counted."""
_SHARE_READ_WHOLE = 0.95


@INPUT_RULES.rule(
    code="cut-texts",
    severity="warning",
    summary="Texts are longer than text.max_length, and the network never reads how they end.",
    unit="% of the training texts",
    threshold=10,
    why="Fewer are the longest of a skewed distribution, whose beginning tells enough.",
    fix="Raise text.max_length.",
)
def cut_texts(target: DiagnosticTarget, task: Task) -> Iterator[Measurement]:
    """Measure the share of the texts, each an example, that have more tokens than are read."""
    if not isinstance(task, ExampleTask) or not isinstance(task.preprocessor, TextPreprocessor):
        return
    texts, most = task.data.train.inputs[:MAX_EXAMPLES], task.preprocessor.max_length
    lengths = count_tokens(texts, task.preprocessor.tokenizer, most)
    enough = int(np.quantile(lengths, _SHARE_READ_WHOLE, method="higher"))
    share = f"{100 * _SHARE_READ_WHOLE:g} % of them are no longer"
    if enough >= _LONGEST_READ * most:
        enough, share = _LONGEST_READ * most, "many are still longer"
    fix = f"Read more of each text: --set text.max_length={enough} ({share})"
    yield Measurement(100 * float((lengths > most).mean()), target.locations.data("train"), fix)


def count_tokens(texts: Texts, tokenizer: Tokenizer, most: int) -> NDArray[np.int64]:
    """Return the number of tokens of each text that may have more than ``most``, up to 8 times as many; 0 of others."""
    counts = np.zeros(len(texts), np.int64)
    # A text has no more tokens than bytes.
    may_be = np.flatnonzero(texts.bytes_of_each > most)
    if len(may_be):
        found = tokenizer.encode_all(texts[may_be], _LONGEST_READ * most)
        counts[may_be] = np.concatenate([lengths for _, lengths in found])
    return counts


@INPUT_RULES.rule(
    code="unknown-tokens",
    severity="warning",
    summary="Many tokens are outside the vocabulary, and to the network all of them are the same.",
    unit="% of the tokens",
    threshold=30,
    why="Of the words in the test sentences of film reviews, 7 % are unknown to the recipes that read them.",
    fix="Use more training texts or a larger vocabulary, or divide rare words with text.tokenizer=bpe.",
)
def unknown_tokens(target: DiagnosticTarget, task: Task) -> Iterator[Measurement]:
    """Measure the share of the tokens of each split that the vocabulary does not have."""
    if not isinstance(task.preprocessor, TextPreprocessor | WordsPreprocessor):
        return
    of_train = unknown_share(target.train.inputs)
    yield Measurement(of_train, target.locations.data("train"), _know_more(task, "train", is_limited=True))
    for name, split in target.held_out.items():
        share = unknown_share(split.inputs)
        fix = _know_more(task, name, is_limited=2 * of_train > share)
        yield Measurement(share, target.locations.data(name), fix)


def unknown_share(tokens: NDArray[np.integer]) -> float:
    """Return the share of token numbers, padding aside, that stand for an unknown token, in per cent."""
    return 100 * float((tokens == UNKNOWN).sum()) / max(1, int((tokens != PADDING).sum()))


def _know_more(task: Task, split: str, *, is_limited: bool) -> str:
    """Return the fix for unknown tokens: another limit, if the vocabulary lacks training tokens too, or parts of words.

    Args:
        task: The task.
        split: The name of the split that has them.
        is_limited: True if the training tokens lack about as often.
    """
    text, preprocessor = task.config.text, task.preprocessor
    if is_limited and text.min_count > 1:
        return "Keep rarer tokens: --set text.min_count=1"
    if is_limited:
        return f"Keep more tokens: --set text.vocabulary_size={4 * text.vocabulary_size}"
    if isinstance(preprocessor, TextPreprocessor) and preprocessor.tokenizer.kind == "words":
        return "Divide new words into known parts: --set text.tokenizer=bpe"
    return f"Check that the {split} texts are in the language and the encoding of the training texts."
