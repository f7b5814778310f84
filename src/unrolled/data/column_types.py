"""The types of the columns of tables: which are read, and as what."""

from pathlib import Path

from unrolled.errors import DataError

import polars as pl

_TYPES = {
    *(pl.String, pl.Boolean, pl.Null, pl.Binary, pl.List, pl.Array, pl.Date, pl.Datetime, pl.Duration, pl.Time),
    *(pl.Categorical, pl.Enum, pl.Decimal, *pl.datatypes.group.NUMERIC_DTYPES),
}
"""The types of columns that are read."""
# What the integers of times count in a day; dates count days, and clocks nanoseconds.
_UNITS = {"ms": 86_400e3, "us": 86_400e6, "ns": 86_400e9}
# In days since 1970: the years 1 to 9999, which Python knows.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896


def with_simple_types(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with categories as text, decimals and durations (in s) as floats, and a column for each field.

    A field is named by its path, ``body.text``, also within lists of objects, where it becomes a list.

    Raises:
        DataError: A column has the name of a field.
    """
    while nested := [name for name, dtype in frame.schema.items() if _has_fields(dtype)]:
        for name in nested:
            fields = _fields_of(frame[name])
            frame = frame.drop(name)
            taken = next((inner for inner in fields.columns if f"{name}.{inner}" in frame.columns), None)
            if taken is not None:
                raise DataError(f'{path}: expected column names that differ, got "{name}.{taken}" twice. Rename one.')
            frame = frame.with_columns(fields[inner].alias(f"{name}.{inner}") for inner in fields.columns)
    for name, dtype in frame.schema.items():
        if dtype.base_type() not in _TYPES:
            raise DataError(
                f"{path}: {name}: cannot read a column of the type {dtype}. Leave it out of the file, or write it as "
                "numbers or text."
            )
        _check_times(path, frame[name])
    return frame.with_columns(
        pl.col(pl.Categorical).cast(pl.String),
        pl.col(pl.Enum).cast(pl.String),
        pl.col(pl.Decimal).cast(pl.Float64),
        pl.col(pl.Duration).dt.total_microseconds() / 1e6,
        pl.col(pl.Time).cast(pl.String),
    )


def _check_times(path: Path, cells: pl.Series) -> None:
    """Refuse dates before the year 1 and after 9999, durations as long as that, and clocks beyond a day."""
    if not cells.dtype.is_temporal():
        return
    is_clock = isinstance(cells.dtype, pl.Time)
    unit = 1 if isinstance(cells.dtype, pl.Date) else _UNITS[getattr(cells.dtype, "time_unit", "ns")]
    days = cells.to_physical().drop_nulls().cast(pl.Float64) / unit
    low, high = (0, 1) if is_clock else (_FIRST_DAY, _LAST_DAY + 1)
    if not days.is_between(low, high, closed="left").all():
        raise DataError(f"{path}: {cells.name}: expected times from the year 1 to 9999, got one beyond. Correct it.")


def _has_fields(dtype: pl.DataType) -> bool:
    """Return True for objects, and for lists of objects."""
    inner = dtype.inner if isinstance(dtype, pl.List) else dtype
    return isinstance(inner, pl.Struct) and bool(inner.fields)


def _fields_of(cells: pl.Series) -> pl.DataFrame:
    """Return the fields of objects as columns; of lists of objects, as columns of lists."""
    if isinstance(cells.dtype, pl.Struct):
        return cells.struct.unnest()
    assert isinstance(cells.dtype, pl.List)
    inner = cells.dtype.inner
    assert isinstance(inner, pl.Struct)
    return pl.DataFrame({one.name: cells.list.eval(pl.element().struct.field(one.name)) for one in inner.fields})
