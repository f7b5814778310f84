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
FORMATS = tuple(date + clock for date, clock in product(_DATES, _CLOCKS))
# Behind a time that is given with its zone, or the name of the day before a date.
_ZONE, _UTC, _WEEKDAY = (
    r"(:\d\d(?:\.\d+)?)\s?(Z|[-+]\d\d(?::?\d\d)?)$",
    r"\s?(?:UTC|GMT)$",
    r"^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s+",
)
_OFFSET = r":\d\d(?:\.\d+)? ?([-+]\d\d:?\d\d)$"
_LOG, _LOG_FORMAT = r"^\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d ?[-+]\d{4}$", "%d/%b/%Y:%H:%M:%S%z"
_MONTH = re.compile(r"\d{4}[-/.](?:0?[1-9]|1[0-2])")
_QUARTER = r"(?:(\d{4})[- ]?Q([1-4])|Q([1-4])[- ]?(\d{4}))"
_WEEK = r"\d{4}-?W[0-5]\d"
_CLOCK = r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?"
# A month and a year, with a day put before them.
_MONTHS = ("%d %b %Y", "%d %B %Y", "%d %b-%Y", "%d %b-%y", "%d %m/%Y", "%d %b/%Y")
# Times in nothing but digits, the day before the hour at the latest, by their number.
_COMPACT = {8: ("%Y%m%d", "%d%m%Y", "%m%d%Y"), 10: ("%Y%m%d%H",), 12: ("%Y%m%d%H%M",), 14: ("%Y%m%d%H%M%S",)}
# Days and months in digits, and the fewest different ones that show what they are.
_DATE_DIGITS, _OF_MONTH = r"^(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])?$", 6
_OF_DATES, _MANY_DATES = {8: 3, 6: 5}, 10
TIME_OF_DAY = "time of day"
"""The form of times without a date."""
_WORDS = (
    r"date|datetime|time|timestamp|ds|ts|epoch|unix|datum|zeit|uhrzeit|zeitpunkt|zeitstempel|fecha|dato"
    r"|\u0434\u0430\u0442\u0430|\u0432\u0440\u0435\u043c\u044f|\u65e5\u671f|\u65f6\u95f4|\u65e5\u4ed8|\u65e5\u6642"
)
_NAMES = re.compile(rf"(?i)(?:^|[ _-])(?:{_WORDS}|day|when)(?:$|[ _\[(-])|(?-i:Date|Time)$")
_NAME = re.compile(rf"(?i)(?:{_WORDS})")
_MONTH_WORDS = r"months?|monat|mois|mes|mese"
_WEEK_WORDS = r"weeks?|woche|kw|kalenderwoche|semaine|semana|settimana|quarter|quartal|trimestre"
_YEAR_WORDS = r"years?|jahr|ann[\u00e9e]e|a[\u00f1n]o|anno|period|periode"
_PERIOD = re.compile(rf"(?i)(?:(?:{_MONTH_WORDS}|{_WEEK_WORDS}|{_YEAR_WORDS})(?:[ _-]|$|(?=[mj]onat|month)))+")
_OF_MONTHS, _OF_WEEKS = (re.compile(rf"(?i)(?:^|[ _-]|year|jahr)(?:{some})$") for some in (_MONTH_WORDS, _WEEK_WORDS))
# A month before its year: 01.2015, 1/2015, 1. 2015.
_MONTH_FIRST = r"^(0?[1-9]|1[0-2])(?:\. ?|[-/ ])(\d{4})$"
# A year with something else: 2015/16, M\u00e4r 2015, 01-15. Q1 and 12.5 have no year.
_WITH_YEAR = r"\p{L}.*\d{4}|\d{4}.*\p{L}|\d\D+\d"
# By the number of digits: seconds, milliseconds, microseconds, nanoseconds from 1970, between 1973 and 2286.
_EPOCHS = ((1e8, 1e10, "s"), (1e11, 1e13, "ms"), (1e14, 1e16, "us"), (1e17, 1e19, "ns"))
_DETECTION_ROWS = 200
# The longest form is "September 30, 2024 12:00:00.000000000 PM".
_MAY_BE_TIME = r"^[^\n]{0,34}\d[^\n]{0,34}$"
_FIRST_YEAR, _PLAUSIBLE, _USUAL_YEARS = 1000, (1500, 2200), (1900, 2100)
# Two digits of a year are those of 1950 to 2049.
_FIRST_OF_TWO_DIGITS = 1950


@dataclass(frozen=True)
class Times:
    """The times of the rows of a table.

    Attributes:
        values: [N] Datetime in microseconds; null where a cell holds none.
        form: The format, as of ``strptime``, or a word for it.
        other: Another format that reads all of the cells as other times, if there is one.
        in_utc: True if they are in UTC, and the cells show another clock.
    """

    values: pl.Series
    form: str
    other: str | None = None
    in_utc: bool = False


def find_times(name: str, cells: pl.Series, form: str | None = None) -> Times | None:
    """Read a column as times; None if it holds none.

    Half of the cells or more are to be times: the others are null, as typing errors are.

    Args:
        name: The name of the column: numbers are times, but for days and months in digits, only if it says so, and so
            are two-digit years.
        cells: [N] text, numbers, dates or times.
        form: The format, as of ``strptime``, where it is known.
    """
    if isinstance(cells.dtype, pl.Date):
        return Times(cells.cast(pl.Datetime("us")), "typed")
    if isinstance(cells.dtype, pl.Datetime):
        shown_times = cells.dt.replace_time_zone(None).cast(pl.Datetime("us"))
        values = _local(_in_utc(cells), shown_times)
        return Times(values, "typed", in_utc=not values.equals(shown_times))
    is_named = is_named_as_time(name)
    if cells.dtype.is_numeric():
        digits = cells.cast(pl.String)
        found = (_by_month(name, digits, digits.drop_nulls()) or _of_numbers(name, cells)) if is_named else None
        return found or (None if is_named else find_dates_in_digits(cells))
    if cells.dtype != pl.String:
        return None
    sample = _filled(cells.head(_DETECTION_ROWS)).drop_nulls()
    sample = sample if len(sample) else _filled(cells).drop_nulls().head(_DETECTION_ROWS)
    if not len(sample) or 2 * sample.str.contains(_MAY_BE_TIME).sum() < len(sample):
        return None
    are_numbers = sample.cast(pl.Float64, strict=False).null_count() == 0
    if are_numbers and not is_named and form is None:
        return find_dates_in_digits(cells)
    text = _filled(cells)
    if form is not None and (read := _read_named(text, form)).null_count() < len(cells):
        return Times(_in_utc(read), form, in_utc=_has_offset(text))
    return _of_text(name, text, sample, are_numbers=are_numbers)


def _of_text(name: str, text: pl.Series, sample: pl.Series, *, are_numbers: bool) -> Times | None:
    is_named = is_named_as_time(name)
    if _OF_WEEKS.search(name) and sample.str.contains(rf"^{_MONTH.pattern}$|{_MONTH_FIRST}").any():
        return None  # 05/2015 may be the fifth week
    if is_named and (months := _by_month(name, text, sample)):
        return months
    if are_numbers:
        found = _of_numbers(name, text.cast(pl.Float64, strict=False), text) if is_named else None
        return found or (_by_period(text, sample, is_named=True) if is_named else None)
    return _by_period(text, sample, is_named=is_named) or _by_format(text, sample, is_named=is_named)


def is_named_time(name: str) -> bool:
    """Return True if the name of a column is a word for its time and nothing else, as that of time_spent is not."""
    return _NAME.fullmatch(name.strip()) is not None


def times_of_day(cells: pl.Series) -> Times | None:
    """Read a column as times of the day, whatever its name; None if it holds none."""
    found = find_times("time", cells) if cells.dtype == pl.String else None
    return found if found is not None and found.form == TIME_OF_DAY else None


def find_dates_in_digits(cells: pl.Series, *, is_known: bool = False) -> Times | None:
    """Read whole numbers as days, 20230102, or months, 202301, of 1900 to 2099; None if one of them is none.

    Other numbers are hardly all dates. They have to be different ones or in order, or ten and more.

    Args:
        cells: [N] text or numbers.
        is_known: True if the column is known to hold times, so that few of them will do.
    """
    if cells.dtype.is_float():
        whole = cells.cast(pl.Int64, strict=False)
        cells = whole if (whole.cast(cells.dtype) == cells).all() else cells
    text = _filled(cells.cast(pl.String))
    known = text.drop_nulls()
    size = len(known[0]) if len(known) else 0
    if size not in _OF_DATES or not known.head(1).str.contains(_DATE_DIGITS).all():
        return None
    if not (known.str.contains(_DATE_DIGITS) & (known.str.len_chars() == size)).all():
        return None
    values = (text + ("01" if size == _OF_MONTH else "")).str.to_datetime("%Y%m%d", strict=False, time_unit="us")
    if values.null_count() > text.null_count():
        return None
    different = known.n_unique()
    is_order = different >= _OF_DATES[size] and (different == len(known) or known.is_sorted())
    if not (is_known or is_order or different >= _MANY_DATES):
        return None
    return Times(values, "%Y%m" if size == _OF_MONTH else "%Y%m%d")


def is_named_as_time(name: str) -> bool:
    """Return True if the name of a column says that it holds times, or that it is a month, week, quarter or year."""
    return looks_like_time(name) or is_named_period(name)


def is_named_period(name: str) -> bool:
    """Return True if the name of a column is that of a month, week, quarter or year and nothing else."""
    return _PERIOD.fullmatch(name.strip()) is not None


def is_named_week(name: str) -> bool:
    """Return True if the name of a column is that of a week and nothing else."""
    return _OF_WEEKS.search(name) is not None and is_named_period(name)


def have_years(cells: pl.Series) -> bool:
    """Return True if most cells hold a year with a month or another part of a time, in whatever form."""
    filled = _filled(cells.cast(pl.String)).drop_nulls()
    return 2 * int(filled.str.contains(_WITH_YEAR).sum()) > len(filled)


def _read_named(text: pl.Series, form: str) -> pl.Series:
    """Read times in the format that the user names; without a day it is the first of the month."""
    if "%m" in form or "%b" in form or "%B" in form:
        has_day = any(day in form for day in ("%d", "%e"))
        text, form = (text, form) if has_day else ("1 " + text, f"%d {form}")
    return text.str.to_datetime(form, strict=False)


def _by_month(name: str, text: pl.Series, sample: pl.Series) -> Times | None:
    """Read months before years, or both in six digits; in a column of seconds 1.2015 is a fraction."""
    is_month = _OF_MONTHS.search(name) is not None
    if sample.str.contains(_MONTH_FIRST).all() and (is_month or sample.str.starts_with("0").any()):
        first, form = text.str.replace(_MONTH_FIRST, "${2}-${1}-01"), "month and year"
    elif is_month and sample.str.contains(r"^(?:1[5-9]|2[01])\d{2}(?:0[1-9]|1[0-2])$").all():
        first, form = text + "01", "%Y%m"
    else:
        return None
    values = first.str.to_datetime("%Y%m%d" if form == "%Y%m" else "%Y-%m-%d", strict=False, time_unit="us")
    return Times(values, form) if values.drop_nulls().dt.year().is_between(*_USUAL_YEARS).all() else None


def _of_numbers(name: str, numbers: pl.Series, text: pl.Series | None = None) -> Times | None:
    """Read numbers as times: the digits of a date, a year, or the time since 1970."""
    known = numbers.drop_nulls()
    if not len(known) or not (known.cast(pl.Float64) == known.cast(pl.Float64).floor()).all():
        return _from_epoch(numbers.cast(pl.Float64)) if len(known) else None
    digits = numbers.cast(pl.Int64).cast(pl.String) if text is None else text
    lengths = digits.drop_nulls().str.len_chars().unique().to_list()
    if lengths in ([7], [7, 8], [8, 7]):
        digits, lengths = digits.str.zfill(8), [8]
    read = {}
    for form in _COMPACT.get(lengths[0], ()) if len(lengths) == 1 else ():
        padded = digits + "00" if form.endswith("%H") else digits
        values = padded.str.to_datetime(form + "%M" if form.endswith("%H") else form, strict=False, time_unit="us")
        if values.null_count() == digits.null_count() and values.dt.year().is_between(*_PLAUSIBLE).all():
            read[form] = values
    if read:
        first, *others = read
        return Times(read[first], first, next((one for one in others if not read[one].equals(read[first])), None))
    if lengths == [4] and is_named_time(name) and known.is_between(*_PLAUSIBLE).all():
        return Times((digits + "-01-01").str.to_datetime("%Y-%m-%d", strict=False), "%Y")
    return _from_epoch(numbers.cast(pl.Float64))


def _by_period(text: pl.Series, sample: pl.Series, *, is_named: bool) -> Times | None:
    """Read years with months, quarters or weeks, and times of the day."""

    def are(pattern: str) -> bool:
        return bool(sample.str.contains(f"^(?:{pattern})$").all())

    if are(_MONTH.pattern):
        first = text.str.replace_all(r"[/.]", "-") + "-01"
        found = first.str.to_datetime("%Y-%m-%d", strict=False)
        return Times(found, "%Y-%m") if found.drop_nulls().dt.year().is_between(*_PLAUSIBLE).all() else None
    if are(_QUARTER):
        groups = [text.str.extract(f"^{_QUARTER}$", group).cast(pl.Int32) for group in (1, 2, 3, 4)]
        frame = pl.DataFrame({"year": groups[0].fill_null(groups[3]), "quarter": groups[1].fill_null(groups[2])})
        return Times(frame.select(pl.datetime("year", 3 * pl.col("quarter") - 2, 1)).to_series(), "quarter")
    if are(_WEEK):
        return Times((text.str.replace("-?W", "-W") + "-1").str.to_datetime("%G-W%V-%u", strict=False), "week")
    # 2:10 may be a score.
    if are(_CLOCK) and (is_named or sample.str.count_matches(":").min() == 2):
        parts = [text.str.split(":").list.get(part, null_on_oob=True).cast(pl.Float64) for part in range(3)]
        seconds = 3600 * parts[0] + 60 * parts[1] + parts[2].fill_null(0)
        return Times((seconds * 1e6).cast(pl.Int64).cast(pl.Datetime("us")), TIME_OF_DAY)
    for form in _MONTHS:
        if _count(first := "1 " + sample, form) == len(first) and (_read(first, form).dt.year() >= _FIRST_YEAR).all():
            return Times(_read("1 " + text, form), form.removeprefix("%d "))
    return None


def _filled(cells: pl.Series) -> pl.Series:
    """Return cells without spaces around them, and null for missing values."""
    return cells.set(is_missing(cells), None).str.strip_chars()


def looks_like_time(name: str) -> bool:
    """Return True if the name of a column says that it holds times."""
    return _NAMES.search(name) is not None


def _by_format(text: pl.Series, sample: pl.Series, *, is_named: bool) -> Times | None:
    has_zones = 2 * sample.str.contains(_ZONE).sum() > len(sample)
    if sample.str.contains(_LOG).all():
        values = _in_utc(text.str.to_datetime(_LOG_FORMAT, strict=False))
        return Times(values, _LOG_FORMAT, in_utc=_has_offset(text))
    offsets = text.str.extract(_ZONE, 2) if has_zones else None
    for extra, kept in ((_WEEKDAY, ""), (_UTC, ""), *([(_ZONE, "${1}")] if has_zones else [])):
        sample, text = sample.str.replace(extra, kept), text.str.replace(extra, kept)
    counts = {form: _count(sample, form) for form in FORMATS if _count(sample.head(3), form)}
    most = max(counts.values(), default=0)
    if 2 * most < len(sample) or not most:
        return None
    forms = [form for form, count in counts.items() if count == most]
    # %Y takes two digits for a year of antiquity.
    forms = [form for form in forms if (_read(sample, form).drop_nulls().dt.year() >= _FIRST_YEAR).all()]
    # 10.1.20 may be the number of a version.
    forms = [form for form in forms if is_named or "%b" in form or "%y" not in form]
    if not forms:
        return None
    # Midnight may be written without a clock.
    read = {form: _read(text, form).fill_null(_read(text, re.split("[ T]%[HI]", form)[0])) for form in forms}
    fewest = min(values.null_count() for values in read.values())
    best = [form for form, values in read.items() if values.null_count() == fewest]
    # Month and day may be either way round; a table in the order of time tells.
    ordered = [form for form in best if _is_ordered(read[form])]
    if len(ordered) == 1:
        best = ordered
    different = [form for form in best[1:] if not read[form].equals(read[best[0]])]
    values = read[best[0]] if offsets is None else _with_offsets(read[best[0]], offsets)
    return Times(values, best[0], different[0] if different else None, in_utc=not values.equals(read[best[0]]))


def _count(sample: pl.Series, form: str) -> int:
    try:
        return len(sample) - sample.str.to_datetime(form, strict=False).null_count()
    except pl.exceptions.PolarsError:
        return 0


def _read(text: pl.Series, form: str) -> pl.Series:
    values = text.str.to_datetime(form, strict=False, time_unit="us")
    if "%y" not in form:
        return values
    # The library takes them for those of 1969 to 2068.
    is_late = values.dt.year() >= _FIRST_OF_TWO_DIGITS + 100
    return values.dt.offset_by("-100y").zip_with(is_late.fill_null(False), values)


def _with_offsets(values: pl.Series, offsets: pl.Series) -> pl.Series:
    """Return local times in UTC where their order is another one: at the end of daylight saving time."""
    digits = offsets.str.replace("Z", "+0000").str.replace(":", "").str.pad_end(5, "0")
    minutes = 60 * digits.str.slice(1, 2).cast(pl.Int64) + digits.str.slice(3, 2).cast(pl.Int64)
    minutes = (-minutes).zip_with(digits.str.starts_with("-"), minutes).fill_null(0)
    return _local(values - (minutes * 60_000_000).cast(pl.Duration("us")), values)


def _has_offset(text: pl.Series) -> bool:
    """Return True if times are written with an offset from UTC other than 0."""
    offsets = text.str.extract(_OFFSET, 1).drop_nulls()
    return bool(offsets.str.contains("[1-9]").any())


def _local(utc: pl.Series, shown: pl.Series) -> pl.Series:
    """Return times as their clocks showed them, or in UTC if two of them then are in another order or the same."""
    order = utc.arg_sort(nulls_last=True)
    steps = (values.gather(order).drop_nulls().to_physical().diff().drop_nulls().sign() for values in (utc, shown))
    return shown if next(steps).equals(next(steps)) else utc


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
