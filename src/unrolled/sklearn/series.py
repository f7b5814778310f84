"""Series of arrays, lists and data frames as one table, and forecasts in the form in which the series were given."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from unrolled.data.frames import is_frame, table_of
from unrolled.data.grids import Moments
from unrolled.data.table import format_list
from unrolled.errors import InvalidInput

import numpy as np
import polars as pl
from numpy.typing import NDArray

SERIES, TIME = "series", "time"
"""The columns of the table that name the series and the times."""
_VALUE = "value"


@dataclass(frozen=True)
class One:
    """One series, or what is known beside it.

    Attributes:
        columns: Its columns of values.
        last: Its last steps as they were given, whose form forecasts take.
        moments: [T] the times of its steps, if it has such.
        numbers: [T] the whole numbers that index its steps, if they do.
    """

    columns: pl.DataFrame
    last: Any
    moments: Moments | None = None
    numbers: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Several:
    """Series by name, as they were given: one, a list or a mapping.

    Attributes:
        items: The series by name; the only one has the name "".
        keys: The keys of a mapping; None for one series and for a list.
        is_one: True for one series that is in no list.
    """

    items: Mapping[str, One]
    keys: tuple[Hashable, ...] | None = None
    is_one: bool = False

    @classmethod
    def of(cls, given: Any, role: str) -> "Several":
        """Read one series, or a list or mapping of several.

        Args:
            given: An array [T] or [T, F], a list of numbers, a column, a data frame; or a list or mapping of such.
            role: ``y`` or ``X``, for messages and the names of columns without one.

        Raises:
            InvalidInput: It is none of these.
        """
        if isinstance(given, Mapping):
            named = {str(key): one_of(item, f"{role}[{key!r}]", role) for key, item in given.items()}
            if len({name.strip() for name in named} - {""}) < len(given):
                raise InvalidInput(f"{role}: expected series of different names, got {format_list(list(named))}.")
            several = cls(named, tuple(given))
        elif isinstance(given, list | tuple) and len(given) and not _is_number(given[0]):
            several = cls({str(index): one_of(item, f"{role}[{index}]", role) for index, item in enumerate(given)})
        else:
            return cls({"": one_of(given, role, role)}, is_one=True)
        several._check_alike(role)
        return several

    def _check_alike(self, role: str) -> None:
        if not self.items:
            raise InvalidInput(f"{role}: expected series, got none. Give one or more.")
        for name, one in self.items.items():
            if (got := one.columns.columns) != self.names:
                raise InvalidInput(
                    f"{role}[{name}]: expected the columns {format_list(self.names)} as in the first series, got "
                    f"{format_list(got)}. Give all series the same columns."
                )
            if (one.moments is not None) != self.has_times:
                raise InvalidInput(f"{role}[{name}]: expected dates for all series or none. Give all of them dates.")

    @property
    def form(self) -> "Several":
        """These series without their values."""
        kept = {
            name: replace(
                one,
                columns=one.columns.clear(),
                moments=None if one.moments is None else one.moments[:0],
                numbers=None if one.numbers is None else one.numbers[-2:],
            )
            for name, one in self.items.items()
        }
        return replace(self, items=kept)

    def contain(self, found: Sequence[Any]) -> Any:
        """Return what belongs to each series in the form of the whole: one, a list or a mapping."""
        return (
            found[0] if self.is_one else list(found) if self.keys is None else dict(zip(self.keys, found, strict=True))
        )

    @property
    def names(self) -> list[str]:
        """The names of the columns of values, which are the same for all series."""
        return next(iter(self.items.values())).columns.columns

    @property
    def has_times(self) -> bool:
        """True if the steps have dates."""
        return next(iter(self.items.values())).moments is not None

    def table(self) -> pl.DataFrame:
        """Return the series as one table with a row for each step.

        It has a column ``time`` if there are dates, and ``series`` if there are several series.
        """
        frames = []
        for name, one in self.items.items():
            times = [] if one.moments is None else [pl.Series(TIME, one.moments).cast(pl.Datetime("us"))]
            names = [] if len(self.items) == 1 else [pl.lit(name).alias(SERIES)]
            frames.append(one.columns.with_columns(*names, *times))
        return pl.concat(frames, how="vertical_relaxed")


def one_of(given: Any, where: str, role: str) -> One:
    """Read one series.

    Args:
        given: An array [T] or [T, F], a list of numbers, a column or a data frame.
        where: Its location, for messages.
        role: ``y`` or ``X``, the beginning of the names of columns without one.

    Raises:
        InvalidInput: It is none of these, or its index has no dates and no whole numbers.
    """
    if _is_pandas(given):
        one = _of_pandas(given, where, role)
    elif isinstance(given, pl.Series):
        one = One(given.alias(_flat_name(role)).to_frame(), given[-1:])
    elif is_frame(given):
        one = _of_frame(given if isinstance(given, pl.DataFrame) else table_of(given).frame, where)
    else:
        one = _of_array(given, where, role)
    if not one.columns.height or not one.columns.width:
        shape = list(one.columns.shape)
        raise InvalidInput(f"{where}: expected a series of one step or more, got {shape}. Add steps.")
    for name in (SERIES, TIME):
        if name in one.columns.columns:
            raise InvalidInput(f'{where}: expected no column "{name}" of values, got one. Rename it.')
    return one


def _flat_name(role: str) -> str:
    return _VALUE if role == "y" else role


def _of_array(given: Any, where: str, role: str) -> One:
    try:
        array = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
        array = array if array.dtype.kind in "biufc" else array.astype(np.float64)
    except (TypeError, ValueError):
        raise InvalidInput(
            f"{where}: expected a series of numbers, an array [T] or [T, F], got {type(given).__name__}. Convert it."
        ) from None
    if array.dtype.kind == "c":
        raise InvalidInput(f"{where}: expected real numbers, got complex ones. Pass their parts as channels.")
    if array.ndim not in (1, 2):
        raise InvalidInput(
            f"{where}: expected one series [T] or [T, F], got {list(array.shape)}. Give several series as a list."
        )
    names = [_flat_name(role)] if array.ndim == 1 else [f"{role}{index + 1}" for index in range(array.shape[1])]
    values = array.astype(np.float64).reshape(len(array), -1)
    return One(pl.DataFrame({name: values[:, index] for index, name in enumerate(names)}), array[-1:])


def _of_frame(frame: pl.DataFrame, where: str) -> One:
    """Read a frame of Polars, whose column of dates, if it has one, gives the times."""
    times = _times_of(frame)
    if len(times) > 1:
        raise InvalidInput(f"{where}: expected one column of dates, got {format_list(times)}. Drop the others.")
    columns = frame.drop(times)
    if not times:
        return One(columns, frame[-1:])
    dates = frame[times[0]]
    _check_no_zone(getattr(dates.dtype, "time_zone", None), where, f"{times[0]}.dt.replace_time_zone(None)")
    if dates.null_count():
        raise InvalidInput(f"{where}: {times[0]}: expected a date in each row, got an empty one. Drop the row.")
    return One(columns, frame[-1:], dates.cast(pl.Datetime("us")).to_physical().to_numpy())


def _times_of(frame: pl.DataFrame) -> list[str]:
    return [name for name, kind in frame.schema.items() if kind in (pl.Date, pl.Datetime)]


def _is_pandas(given: Any) -> bool:
    return hasattr(given, "iloc") and hasattr(given, "index")


def _of_pandas(given: Any, where: str, role: str) -> One:
    """Read a series or a frame of pandas, whose index gives the times if it holds dates or periods."""
    index = given.index
    if index.nlevels > 1:
        raise InvalidInput(
            f"{where}: expected an index with one level, got {index.nlevels}. Give several series as a mapping: "
            "{name: one.droplevel(0) for name, one in y.groupby(level=0)}"
        )
    parts = [(_flat_name(role), given)]
    if given.ndim == 2:
        parts = [(str(name), given.iloc[:, place]) for place, name in enumerate(given.columns)]
    if len(dict(parts)) < len(parts):
        raise InvalidInput(f"{where}: expected columns of different names, got two of one. Rename one.")
    for name, column in parts:
        if getattr(column.dtype, "kind", "O") == "M":
            raise InvalidInput(
                f'{where}: expected numbers in {name}, got dates. Make it the index: y.set_index("{name}")'
            )
    moments, numbers = _read_index(index, where)
    last = given.sort_index().iloc[-2:]
    return One(pl.DataFrame([_column(name, column) for name, column in parts]), last, moments, numbers)


def _column(name: str, column: Any) -> pl.Series:
    if getattr(column.dtype, "kind", "O") in "biuf":
        return pl.Series(name, column.to_numpy(dtype=float, na_value=np.nan))
    cells = [None if value is None or value != value else value for value in column.tolist()]
    return pl.Series(name, cells)


def _read_index(index: Any, where: str) -> tuple[Moments | None, NDArray[np.int64] | None]:
    """Return the times of an index, or its whole numbers."""
    if hasattr(index, "to_timestamp"):
        index = index.to_timestamp()
    if index.dtype.kind == "M":
        _check_no_zone(getattr(index, "tz", None), where, "y.tz_localize(None)")
        if index.hasnans:
            raise InvalidInput(f"{where}: expected a date in each row, got an empty one. Drop the row.")
        return np.asarray(index, "datetime64[us]").astype(np.int64), None
    if index.dtype.kind not in "iu":
        raise InvalidInput(
            f"{where}: expected an index of dates, periods or whole numbers, got {index.dtype}. Convert it: "
            "pandas.to_datetime(y.index); or pass y.to_numpy()"
        )
    numbers = index.to_numpy().astype(np.int64)
    distances = np.unique(np.diff(numbers))
    if len(distances) > 1 or (distances <= 0).any():
        raise InvalidInput(
            f"{where}: expected an index of whole numbers at one distance. Sort and fill it: y.reindex()"
        )
    return None, numbers


def _check_no_zone(zone: Any, where: str, remedy: str) -> None:
    if zone is not None:
        raise InvalidInput(f"{where}: expected dates without a time zone, got {zone}. Leave it out: {remedy}")


def _is_number(item: Any) -> bool:
    return np.ndim(item) == 0 and not isinstance(item, Mapping)


def like(last: Any, values: NDArray[Any], steps: NDArray[np.int64], moments: Moments | None) -> Any:
    """Return later values in the form of a series.

    Args:
        last: The last steps of the series, as they were given.
        values: [N, F] the later values.
        steps: [N] their distances from the last step, from 1 on.
        moments: [N] their times, if the series has such.
    """
    if _is_pandas(last):
        pandas, index = import_module("pandas"), _later_index(last.index, steps, moments)
        if last.ndim == 1:
            return pandas.Series(values[:, 0], index=index, name=last.name)
        return pandas.DataFrame(values, index=index, columns=last.columns)
    if isinstance(last, pl.Series):
        return pl.Series(last.name, values[:, 0])
    if isinstance(last, pl.DataFrame):
        times = _times_of(last)
        frame = pl.DataFrame(values, schema=last.drop(times).columns)
        dates = [pl.Series(name, moments).cast(pl.Datetime("us")).cast(last.schema[name]) for name in times]
        return frame.with_columns(dates).select(last.columns)
    return values[:, 0] if last.ndim == 1 else values


def _later_index(index: Any, steps: NDArray[np.int64], moments: Moments | None) -> Any:
    """Return the index of pandas for later steps."""
    pandas, name = import_module("pandas"), index.name
    if hasattr(index, "to_timestamp"):
        return pandas.PeriodIndex([index[-1] + int(step) for step in steps], name=name)
    if moments is not None:
        return pandas.DatetimeIndex(moments.astype("datetime64[us]"), name=name).astype(index.dtype)
    size = int(index[-1] - index[0]) or 1
    return pandas.Index(int(index[-1]) + size * steps, name=name)
