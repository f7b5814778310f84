"""Cells as people and programs write them: missing values, and numbers with their separators, signs and units."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

MISSING = ("", "\\n", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-", "--", ".", "nil")
"""What stands for a missing value, in lower case."""

_LONGEST_WRITTEN = 8
_WRITTEN_BY_PROGRAMS = ("\\N", "NA", "N/A", "#N/A", "<NA>", "NaN", "nan", "NULL", "?")

SEPARATORS = {".": "point", ",": "comma"}
"""The decimal separators and their names."""

LARGEST = 3.4e38
"""The largest number that float32 holds, about."""

_SIGN, _EXPONENT = r"[-+\u2212]?", r"(?:[eE][-+]?\d+)?"
_PLAIN = rf"{_SIGN}(?:\d+\.?\d*|\.\d+){_EXPONENT}"
_COMMA = rf"{_SIGN}(?:\d+,\d*|,\d+){_EXPONENT}"
# Groups of three digits, divided by commas, dots, or spaces and apostrophes; the last can stand with both decimals. A
# number in groups begins with no zero and has no exponent: 0.437 is below 1, and 1.234e-05 is no 1234e-05.
_BY_COMMAS = rf"{_SIGN}[1-9]\d{{0,2}}(?:,\d{{3}})+(?:\.\d+)?"
_BY_DOTS = rf"{_SIGN}[1-9]\d{{0,2}}(?:\.\d{{3}})+(?:,\d+)?"
_SPACES = r"[ \u00a0\u2009\u202f'\u2019]"
_BY_SPACES = rf"{_SIGN}\d{{1,3}}(?:{_SPACES}\d{{3}})+(?:[.,]\d+)?{_EXPONENT}"
# Units that numbers are written with: a currency in front, a currency or per cent behind.
_FRONT, _BEHIND = r"^(?:\p{Sc}\s*)?", r"(?:\s*(?:\p{Sc}|%))?$"
_ANY = rf"{_FRONT}(?:{_PLAIN}|{_COMMA}|{_BY_COMMAS}|{_BY_DOTS}|{_BY_SPACES}){_BEHIND}"
# One group after one separator can be thousands or decimals.
_OPEN_COMMA = rf"{_FRONT}{_SIGN}[1-9]\d{{0,2}},\d{{3}}{_BEHIND}"
_OPEN_DOT = rf"{_FRONT}{_SIGN}[1-9]\d{{0,2}}\.\d{{3}}{_BEHIND}"
_DETECTION_ROWS = 10_000
_LONGEST_SHOWN = 40


@dataclass(frozen=True)
class NumberFormat:
    """The separators of the numbers in a table.

    Attributes:
        decimal: The decimal separator of the file: ``.`` or ``,``.
        by_column: The decimal separator of each column that decides it by itself.
        undecided: A number that can be read in two ways, by column.
    """

    decimal: str = "."
    by_column: Mapping[str, str] = field(default_factory=dict)
    undecided: Mapping[str, str] = field(default_factory=dict)

    def of(self, column: str) -> str:
        """Return the decimal separator of a column."""
        return self.by_column.get(column, self.decimal)


def shown(cell: object) -> str:
    """Return a cell on one line for messages, and not more than its beginning.

    Example:
        >>> shown("  two   words "), shown(pl.Series([1, 2]))
        ('two words', '[1, 2]')
    """
    value = cell.to_list() if isinstance(cell, pl.Series) else cell
    return " ".join(str(value).split())[:_LONGEST_SHOWN]


def is_missing(cells: pl.Series) -> pl.Series:
    """Return for each cell whether it is empty or holds a word for a missing value, such as NA."""
    if cells.dtype != pl.String:
        return cells.is_null() | cells.is_nan() if cells.dtype.is_float() else cells.is_null()
    return cells.is_null() | cells.str.strip_chars().str.to_lowercase().is_in(MISSING)


def is_absent(cells: pl.Series) -> pl.Series:
    """Return for each cell of classes whether it is blank, or holds what programs write for a missing value.

    Words that people write, such as none, are classes.
    """
    if cells.dtype != pl.String:
        return cells.is_null()
    absent = is_blank(cells)
    # Long texts are not copied for it.
    short = (cells.str.len_bytes() <= _LONGEST_WRITTEN).fill_null(False)
    written = cells.filter(short).str.strip_chars().is_in(_WRITTEN_BY_PROGRAMS)
    return absent.scatter(short.arg_true().filter(written), True) if written.any() else absent


def is_blank(cells: pl.Series) -> pl.Series:
    """Return for each cell whether it is empty or holds nothing but spaces."""
    return cells.is_null() | cells.str.contains(r"^\s*$") if cells.dtype == pl.String else cells.is_null()


def are_numbers(cells: pl.Series) -> pl.Series:
    """Return for each cell whether it is a number, in one of the forms that tables hold.

    Example:
        >>> are_numbers(pl.Series(["12", "1.234,5", "12,5 %", "2024-01-01", "n/a"])).to_list()
        [True, True, True, False, False]
    """
    if cells.dtype.is_numeric():
        return cells.is_not_null()
    if cells.dtype != pl.String:
        return pl.repeat(False, len(cells), eager=True)
    return cells.str.strip_chars().str.contains(_ANY).fill_null(False)


def format_of_numbers(frame: pl.DataFrame, *, may_group_by_dots: bool = False) -> NumberFormat:
    """Decide how the numbers of a table are written.

    A column decides for itself where one of its numbers has one reading only: ``3,14``, ``1.234,5``, ``1,234.5``. The
    others follow the file.

    Args:
        frame: The cells.
        may_group_by_dots: True if decimal commas are usual in the file, so that 1.284 may be 1284.
    """
    by_column, undecided = {}, {}
    for name, dtype in frame.schema.items():
        if dtype != pl.String:
            continue
        cells = frame[name].drop_nulls().head(_DETECTION_ROWS).str.strip_chars()
        numbers = cells.filter(cells.str.contains(_ANY))
        if len(numbers) * 2 < len(cells) - int(is_missing(cells).sum()) or not len(numbers):
            continue
        if decimal := _decimal_of(numbers):
            by_column[name] = decimal
        elif (is_open := _are_open(numbers, may_group_by_dots=may_group_by_dots)).any():
            undecided[name] = numbers.filter(is_open)[0]
    commas = [name for name, decimal in by_column.items() if decimal == ","]
    decimal = "," if len(commas) * 2 > len(by_column) else "."
    return NumberFormat(decimal, by_column, {} if by_column else undecided)


def decimals_of(frame: pl.DataFrame, known: Mapping[str, str]) -> dict[str, str]:
    """Return the decimal separators of columns that are known from another table, or which the cells show instead.

    The cells of a column show another one where only that reads all of them: 0.375 where commas are known. Columns
    that can be read with both, such as 193.375, follow those that show another one if none shows the one known.

    Args:
        frame: The cells.
        known: The decimal separators by column.
    """
    shown_by, both = {}, []
    for name in known:
        if frame.schema.get(name) != pl.String:
            continue
        cells = frame[name].drop_nulls().str.strip_chars()
        numbers = cells.filter(cells.str.contains(_ANY))
        if len(numbers) * 2 < len(cells) - int(is_missing(cells).sum()):
            continue
        numbers = numbers.filter(numbers.str.contains("[.,]"))
        fitting = [decimal for decimal in ".," if len(numbers) and not parse_numbers(numbers, decimal)[1].any()]
        if len(fitting) == 1:
            shown_by[name] = fitting[0]
        elif fitting:
            both.append(name)
    if all(decimal != known[name] for name, decimal in shown_by.items()):
        shown_by |= {name: "," if known[name] == "." else "." for name in both if shown_by}
    return {**known, **shown_by}


def _are_open(numbers: pl.Series, *, may_group_by_dots: bool) -> pl.Series:
    """Return for each number whether it has two readings where no other decides: 1,234, or 1.234 beside 567.

    A program that rounds to three decimals writes them all, so dots before three digits in all numbers are decimal,
    unless decimal commas are usual in the file.
    """
    with_dot = numbers.str.contains(_OPEN_DOT)
    is_short = ~numbers.str.contains(".", literal=True) & ~numbers.str.contains(r"\d{4}")
    may_be_groups = may_group_by_dots or is_short.any() or _has_commas(numbers)
    has_both = with_dot.any() and bool((with_dot | is_short).all()) and may_be_groups
    return numbers.str.contains(_OPEN_COMMA) | (with_dot if has_both else pl.repeat(False, len(numbers), eager=True))


def _has_commas(numbers: pl.Series) -> bool:
    return bool(numbers.str.contains(",", literal=True).any())


def _decimal_of(numbers: pl.Series) -> str | None:
    """Return the decimal separator of numbers; None where all can be read in both ways, or have none."""
    with_comma = numbers.filter(numbers.str.contains(",", literal=True))
    with_dot = numbers.filter(numbers.str.contains(".", literal=True))
    if len(with_comma) and not with_comma.str.contains(_OPEN_COMMA).all():
        # 1,234,567 and 1,234.5 are grouped by commas; everything else has a decimal comma.
        grouped = with_comma.str.contains(rf"{_FRONT}{_BY_COMMAS}{_BEHIND}")
        return "." if grouped.all() else ","
    if len(with_comma):
        return "." if len(with_dot) and not with_dot.str.contains(_OPEN_DOT).all() else None
    if len(with_dot) and not with_dot.str.contains(_OPEN_DOT).all():
        grouped = with_dot.str.contains(rf"{_FRONT}{_BY_DOTS}{_BEHIND}")
        return "," if grouped.all() else "."
    return None


def parse_numbers(cells: pl.Series, decimal: str = ".") -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return cells as numbers.

    Args:
        cells: [N] text, or numbers.
        decimal: The decimal separator; the other one of dot and comma divides thousands, as spaces do.

    Returns:
        [N] numbers, NaN for missing values and for cells that are no numbers; and [N] True for the latter.
    """
    if cells.dtype.is_numeric() or cells.dtype == pl.Boolean:
        values = cells.cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)
        return values, np.zeros(len(values), np.bool_)
    if cells.dtype != pl.String:
        return np.full(len(cells), np.nan), (~is_missing(cells)).to_numpy()
    # Nearly all numbers are plain; the others are taken apart.
    numbers = cells.cast(pl.Float64, strict=False)
    if decimal != "," and numbers.null_count() == cells.null_count() and numbers.is_finite().all():
        return numbers.fill_null(float("nan")).to_numpy().astype(np.float64), np.zeros(len(cells), np.bool_)
    numbers = cells.str.strip_chars().cast(pl.Float64, strict=False)
    if decimal == "," or not numbers.is_finite().fill_null(False).all():
        text = cells.str.strip_chars().str.replace("\u2212", "-", literal=True)
        text = text.str.replace(r"^\p{Sc}\s*", "").str.replace(r"\s*(?:\p{Sc}|%)$", "")
        group, point = (r"\.", ",") if decimal == "," else (",", r"\.")
        grouped = rf"[1-9]\d{{0,2}}(?:(?:{group}|{_SPACES})\d{{3}})+(?:{point}\d*)?"
        plain = rf"(?:\d{{1,3}}(?:{_SPACES}\d{{3}})+|\d+)?(?:{point}\d*)?{_EXPONENT}"
        form = rf"^{_SIGN}(?:{grouped}|{plain})$"
        bare = text.str.replace_all(rf"{group}|{_SPACES}", "")
        bare = bare.str.replace(",", ".", literal=True) if decimal == "," else bare
        numbers = bare.cast(pl.Float64, strict=False).set(~text.str.contains(form).fill_null(False), None)
    is_wrong = numbers.is_null() & ~is_missing(cells)
    return numbers.fill_null(float("nan")).to_numpy().astype(np.float64), is_wrong.to_numpy()
