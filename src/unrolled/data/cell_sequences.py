"""The sequence of numbers in each cell of a column: lists of the file, or numbers between separators."""

from collections.abc import Sequence
from typing import Any

from unrolled.data.ragged import Ragged
from unrolled.data.table import Table
from unrolled.data.values import are_numbers, parse_numbers, shown
from unrolled.errors import DataError

import numpy as np
import polars as pl
from numpy.typing import NDArray

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_ITEM = f"(?:{_NUMBER}|nan|NaN|NA|null|None)"
_BETWEEN = r"(?:\s*[,;])+\s*|\s+|\s*\]\s*[,;]?\s*\[\s*"
_BRACKETS = " \t\r\n[];"


def hold_sequences(cells: pl.Series) -> bool:
    """Return True if each of some texts has several numbers, between spaces, commas or semicolons."""
    several = _consist_of(cells, _ITEM) & cells.str.contains(r"\d")
    is_complete = _consist_of(cells, _NUMBER)
    # 101 102 103 is one number in groups of three digits, too; numbers so long would have short first groups.
    groups = cells.str.strip_chars().str.contains(r"^\d{3}(?:[ ,]\d{3}){2,}$")
    # A phone number has a plus or a zero in front, which numbers have not.
    is_padded = cells.str.contains(r"(?:^|[ ,;])(?:\+\d|0\d)")
    if not several.all() or 2 * int(is_complete.sum()) < len(cells) or is_padded.all():
        return False
    return bool((~are_numbers(cells) | groups).all())


def _consist_of(cells: pl.Series, item: str) -> pl.Series:
    return cells.str.contains(rf"^[\s\[]*{item}(?:(?:{_BETWEEN}){item})*[\s\];]*$")


def read_sequences(table: Table, name: str) -> Ragged:
    """Return the sequence of numbers in each cell of a column, [B] of [T, 1]; of lists of lists, [T, F].

    In a text, numbers are channels where two separators tell them from the steps: ``1.5,2 3,4``, ``1 2; 3 4`` and
    ``[[1, 2], [3, 4]]`` are two steps of two channels.

    Raises:
        DataError: A cell is empty, or holds something else than numbers, or steps have unequal numbers of channels.
    """
    cells = table.column(name)
    if cells.dtype.is_nested() and cells.dtype.inner.is_nested():  # type: ignore[attr-defined]
        return _read_lists_of_lists(table, name)
    channels = 1
    if cells.dtype == pl.String:
        decimal = "," if _has_decimal_commas(table, name) else "."
        steps = _split_steps(table, name, decimal)
        split, channels = steps.str.replace_all(";", " ").str.split(" "), _count_channels(table, name, steps)
    elif cells.dtype.inner == pl.String:  # type: ignore[attr-defined]
        split, decimal = cells.cast(pl.List(pl.String)), table.number_format.of(name)
    else:
        split, decimal = cells.cast(pl.List(pl.Float64), strict=False), "."
    numbers, is_wrong = parse_numbers(split.explode(empty_as_null=True), decimal)
    counts = split.list.len().fill_null(0).to_numpy().astype(np.int64)
    if not counts.all():
        row = int(np.flatnonzero(counts == 0)[0])
        raise DataError(f"{table.location(row, name)}: expected numbers, got an empty cell. Add them or drop the row.")
    if is_wrong.any():
        row = int(np.searchsorted(np.cumsum(counts), np.flatnonzero(is_wrong)[0], side="right"))
        raise DataError(
            f"{table.location(row, name)}: expected numbers, got {shown(cells[row])}. Write numbers, or words as one "
            "text."
        )
    lengths = counts // channels
    return Ragged(numbers.reshape(-1, channels), np.cumsum(lengths) - lengths, lengths)


def read_joined_sequences(table: Table, names: Sequence[str]) -> Ragged:
    """Return the numbers in the cells of some columns, each of which is a channel or several, [B] of [T, F].

    Raises:
        DataError: A cell is empty or not a number, or the sequences of a row are of unequal length.
    """
    first, *others = (read_sequences(table, name) for name in names)
    for name, one in zip(names[1:], others, strict=True):
        check_lengths(table, name, names[0], first.lengths, one.lengths)
    return Ragged(np.concatenate([one.joined for one in (first, *others)], axis=1), first.begins, first.lengths)


def check_lengths(table: Table, name: str, other: str, steps: Any, counts: Any) -> None:
    """Refuse a row whose cell in a column has another number of items than its cell in another one has steps."""
    for row in np.flatnonzero(steps != counts)[:1].tolist():
        raise DataError(
            f"{table.location(row, name)}: expected {steps[row]} values, one for each step in {other}, got "
            f"{counts[row]}. Correct the row."
        )


def of_equal_length(table: Table, names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of sequences that have as many steps as the first one in every row, that one included."""
    lengths = {name: _step_counts(table, name) for name in names}
    return tuple(name for name in names if np.array_equal(lengths[name], lengths[names[0]]))


def _step_counts(table: Table, name: str) -> NDArray[np.int64]:
    cells = table.column(name)
    if cells.dtype.is_nested():
        return _list_lengths(cells)
    try:
        return read_sequences(table, name).lengths
    except DataError:
        return np.full(table.size, -1)  # which is refused where it is read


def _split_steps(table: Table, name: str, decimal: str) -> pl.Series:
    """Return cells with a semicolon between steps, and a space between the channels of a step.

    Raises:
        DataError: A cell has three separators.
    """
    cells = table.column(name)
    text = cells.str.replace_all(r"\]\s*[,;]?\s*\[", ";").str.strip_chars(_BRACKETS)
    text = text.str.replace_all(r"\s+", " ").str.replace_all(" ?; ?", ";")
    if decimal == ".":
        joined = text.str.replace_all(" ?, ?", ",")
        has_both = (joined.str.contains(",") & joined.str.contains(" ")).fill_null(False)
        for row in np.flatnonzero((has_both & text.str.contains(";")).fill_null(False).to_numpy())[:1].tolist():
            raise DataError(
                f"{table.location(row, name)}: expected two separators, one between steps and one between channels, "
                f"got three in {shown(cells[row])}. Write two: 1.5,2 3,4"
            )
        is_spaced = text.str.contains(r", | ,") & ~text.str.contains("[^ ],[^ ]")  # 48.1 11.5, 48.2 11.6
        steps = joined.str.replace_all(",", ";").zip_with(
            is_spaced.fill_null(False), joined.str.replace_all(" ", ";").str.replace_all(",", " ")
        )
        text = steps.zip_with(has_both, joined.str.replace_all(",", " "))
    has_steps = text.str.contains(";") & text.str.contains(" ") | cells.str.contains(r"^\s*\[\s*\[")
    return text if has_steps.any() else text.str.replace_all(" ", ";")


def _count_channels(table: Table, name: str, steps: pl.Series) -> int:
    """Return how many numbers each step has.

    Raises:
        DataError: Steps have unequal numbers of them.
    """
    each = steps.str.split(";")
    widths = each.explode(empty_as_null=True).str.count_matches(" ").fill_null(0).to_numpy() + 1
    usual = int(np.bincount(widths).argmax())
    for wrong in np.flatnonzero(widths != usual)[:1].tolist():
        row = int(np.searchsorted(np.cumsum(np.maximum(_list_lengths(each), 1)), wrong, side="right"))
        raise DataError(
            f"{table.location(row, name)}: expected {usual} {'number' if usual == 1 else 'numbers'} in each step, got "
            f"{widths[wrong]} in "
            f"{shown(table.frame[name][row])}. Write the same character between all numbers; or, of several channels, "
            "one between the numbers of a step and another between steps: 1,2 3,4"
        )
    return usual


def _read_lists_of_lists(table: Table, name: str) -> Ragged:
    """Return the sequence in each cell of a column, a list of a list of numbers for each step, [B] of [T, F]."""
    cells = table.column(name)
    steps, lengths = cells.explode(empty_as_null=True), np.maximum(_list_lengths(cells), 1)
    widths = _list_lengths(steps)
    is_wrong = (widths != widths.max()) | (widths == 0)
    if is_wrong.any() or not steps.dtype.inner.is_numeric():  # type: ignore[attr-defined]
        row = int(np.repeat(np.arange(table.size), lengths)[is_wrong.argmax()])
        raise DataError(
            f"{table.location(row, name)}: expected a list of {widths.max() or 'the'} numbers for each step, got "
            f"{shown(cells[row])}. Give each step all channels, null for one that is missing."
        )
    numbers, _ = parse_numbers(steps.explode(empty_as_null=True))
    return Ragged(numbers.reshape(-1, widths.max()), np.cumsum(lengths) - lengths, lengths)


def _list_lengths(cells: pl.Series) -> NDArray[np.int64]:
    lengths = cells.list.len() if isinstance(cells.dtype, pl.List) else cells.arr.len()
    return lengths.fill_null(0).to_numpy().astype(np.int64)


def _has_decimal_commas(table: Table, name: str) -> bool:
    """Return True if the numbers in the cells of a column have decimal commas, and spaces or semicolons between them.

    Raises:
        DataError: They may have, and the file does not tell.
    """
    decimal = table.decimal or table.decimals.get(name)
    first = table.frame[name].drop_nulls().str.strip_chars(" \t[]")
    number = r"[-+]?\d+(?:,\d+)?"
    may_have = (
        first.str.contains(rf"^{number}(?:(?:\s*;\s*|\s+){number})+$").all() and first.str.contains(r"\d,\d").any()
    )
    if decimal is not None or not may_have:
        return bool(may_have) and decimal == ","
    if table.number_format.decimal == ",":
        return True
    raise DataError(
        f"{table.path}: {name}: cannot tell if the commas in {shown(first[0])} are decimal or stand between numbers. "
        "Set data: {decimal: ','} or {decimal: '.'}"
    )
