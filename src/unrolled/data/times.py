"""Dates and times in tables: every usual form read."""

import re
from dataclasses import dataclass
from itertools import product

from unrolled.data.values import is_missing

import polars as pl

_DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y"),
    *("%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%y"),
)
_CLOCKS = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %H:%M:%S%.f",
    "T%H:%M",
    "T%H:%M:%S",
    "T%H:%M:%S%.f",
    " %I:%M %p",
    " %I:%M:%S %p",
)
_ZONES = ("%Y-%m-%d %H:%M%#z", "%Y-%m-%d %H:%M:%S%#z", "%Y-%m-%d %H:%M:%S%.f%#z")
_ZONED = tuple(form.replace(" ", "T") for form in _ZONES)
FORMATS = (*(date + clock for date, clock in product(_DATES, _CLOCKS)), *_ZONES, *_ZONED)
_MONTH, _QUARTER = re.compile(r"\d{4}[-/.](?:0?[1-9]|1[0-2])"), re.compile(r"(\d{4})[- ]?Q([1-4])")
_NAMES = re.compile(r"(?i)(?:^|[ _-])(date|datetime|time|timestamp|day|ds|ts|epoch|when)(?:$|[ _\[(-])|Date$|Time$")
# By the number of digits: seconds, milliseconds, microseconds, nanoseconds from 1970, between 1973 and 2286.
_EPOCHS = ((1e8, 1e10, "s"), (1e11, 1e13, "ms"), (1e14, 1e16, "us"), (1e17, 1e19, "ns"))
_DETECTION_ROWS = 200
# The longest form is "September 30, 2024 12:00:00.000000000 PM".
_MAY_BE_TIME = r"^[^\n]{0,30}\d[^\n]{0,30}$"
_FIRST_YEAR = 1000


@dataclass(frozen=True)
class Times:
    """The times of the rows of a table.

    Attributes:
        values: [N] Datetime in microseconds; null where a cell holds none.
        form: The format, as of ``strptime``, or a word for it.
        other: Another format that reads all of the cells as other times, if there is one.
    """

    values: pl.Series
    form: str
    other: str | None = None


def find_times(name: str, cells: pl.Series, form: str | None = None) -> Times | None:
    """Read a column as times; None if it holds none.

    Args:
        name: The name of the column: numbers are times from 1970 only if it says so.
        cells: [N] text, numbers, dates or times.
        form: The format, as of ``strptime``, where it is known.
    """
    if isinstance(cells.dtype, pl.Date | pl.Datetime):
        return Times(_in_utc(cells), "typed")
    if cells.dtype.is_numeric():
        return _from_epoch(cells.cast(pl.Float64)) if looks_like_time(name) else None
    if cells.dtype != pl.String:
        return None
    sample = _filled(cells.head(_DETECTION_ROWS)).drop_nulls()
    sample = sample if len(sample) else _filled(cells).drop_nulls().head(_DETECTION_ROWS)
    if not len(sample) or not sample.str.contains(_MAY_BE_TIME).all():
        return None
    if form is not None and (read := _filled(cells).str.to_datetime(form, strict=False)).null_count() < len(cells):
        return Times(_in_utc(read), form)
    is_numeric = sample.cast(pl.Float64, strict=False).null_count() == 0
    if is_numeric and looks_like_time(name):
        if sample.str.contains(r"^(?:19|20)\d{6}$").all():
            return Times(_filled(cells).str.to_datetime("%Y%m%d", strict=False), "%Y%m%d")
        return _from_epoch(_filled(cells).cast(pl.Float64, strict=False))
    if sample.str.contains(rf"^(?:{_MONTH.pattern})$").all():
        first = _filled(cells).str.replace_all(r"[/.]", "-") + "-01"
        return Times(first.str.to_datetime("%Y-%m-%d", strict=False), "%Y-%m")
    if sample.str.contains(rf"^(?:{_QUARTER.pattern})$").all():
        text = _filled(cells)
        year, quarter = (text.str.extract(_QUARTER.pattern, group).cast(pl.Int32) for group in (1, 2))
        frame = pl.DataFrame({"year": year, "month": 3 * quarter - 2})
        return Times(frame.select(pl.datetime("year", "month", 1)).to_series(), "quarter")
    return None if is_numeric else _by_format(cells, sample)


def _filled(cells: pl.Series) -> pl.Series:
    """Return cells without spaces around them, and null for missing values."""
    return cells.set(is_missing(cells), None).str.strip_chars()


def looks_like_time(name: str) -> bool:
    """Return True if the name of a column says that it holds times."""
    return _NAMES.search(name) is not None


def _by_format(cells: pl.Series, sample: pl.Series) -> Times | None:
    one = sample.head(1)
    forms = [form for form in FORMATS if _reads_all(one, form)]
    forms = [form for form in forms if _reads_all(sample, form)]
    # %Y takes two digits for a year of antiquity.
    forms = [form for form in forms if (_years(sample, form) >= _FIRST_YEAR).all()]
    if not forms:
        return None
    text = _filled(cells)
    read = {form: _in_utc(text.str.to_datetime(form, strict=False)) for form in forms}
    fewest = min(values.null_count() for values in read.values())
    best = [form for form, values in read.items() if values.null_count() == fewest]
    # Month and day may be either way round; a table in the order of time tells.
    ordered = [form for form in best if _is_ordered(read[form])]
    if len(ordered) == 1:
        best = ordered
    different = [form for form in best[1:] if not read[form].equals(read[best[0]])]
    return Times(read[best[0]], best[0], different[0] if different else None)


def _reads_all(sample: pl.Series, form: str) -> bool:
    try:
        return sample.str.to_datetime(form, strict=False).null_count() == 0
    except pl.exceptions.PolarsError:
        return False


def _years(sample: pl.Series, form: str) -> pl.Series:
    return sample.str.to_datetime(form, strict=False).dt.year()


def _is_ordered(values: pl.Series) -> bool:
    times = values.drop_nulls()
    return times.is_sorted() or times.is_sorted(descending=True)


def _in_utc(values: pl.Series) -> pl.Series:
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone:
        values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return values.cast(pl.Datetime("us"))


def _from_epoch(numbers: pl.Series) -> Times | None:
    known = numbers.drop_nulls()
    for low, high, unit in _EPOCHS:
        if len(known) and known.is_between(low, high).all():
            scale = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}[unit]
            return Times((numbers * scale).cast(pl.Int64).cast(pl.Datetime("us")), f"{unit} from 1970")
    return None


def format_range(values: pl.Series) -> str:
    """Format the first and the last of some times: ``2024-01-01 to 2024-12-31``."""
    times = values.drop_nulls()
    has_clock = (times.dt.time() != times.dt.time().head(1)[0]).any() if len(times) else False
    form = "%Y-%m-%d %H:%M" if has_clock else "%Y-%m-%d"
    first, last = (moment.strftime(form) for moment in (times.min(), times.max()))  # type: ignore[union-attr]
    return f"{first} to {last}"
