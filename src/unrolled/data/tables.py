"""Files of tables: CSV, TSV, Orange's ``.tab``, JSON, JSON Lines, Parquet, Arrow and Excel, read by Polars."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

from unrolled.data.decoding import read_utf8
from unrolled.data.delimited import DELIMITED, DelimitedText, find_layout, read_orange_header
from unrolled.data.table import Table
from unrolled.errors import DataError, did_you_mean
from unrolled.storage import cannot_read

import polars as pl
from polars.exceptions import PanicException, PolarsError

_TYPES = {
    *(pl.String, pl.Boolean, pl.Null, pl.Binary, pl.List, pl.Array, pl.Date, pl.Datetime, pl.Duration, pl.Time),
    *(pl.Categorical, pl.Enum, pl.Decimal, *pl.datatypes.group.NUMERIC_DTYPES),
}
"""The types of columns that are read."""
JSON_LINES, _EXCEL, _ARROW = (".jsonl", ".ndjson"), (".xlsx", ".ods", ".xls", ".xlsb"), (".arrow", ".feather", ".ipc")
SUFFIXES = (*DELIMITED, ".tab", ".json", *JSON_LINES, ".parquet", *_EXCEL, *_ARROW)


class ReadOptions(TypedDict, total=False):
    """The options with which a table is read; those that are left out are detected.

    Attributes:
        delimiter: The character between the cells of a CSV file.
        encoding: The name of the encoding in Python.
        header: If True, the first row names the columns; if False, their names are ``1``, ``2``, and so on.
        decimal: The decimal separator of numbers.
        time_format: The format of times, as of ``strptime``.
        sheet: The sheet of an Excel workbook; by default the first.
    """

    delimiter: str | None
    encoding: str | None
    header: bool | None
    decimal: str | None
    time_format: str | None
    sheet: str | None


def read_table(path: Path, **options: Unpack[ReadOptions]) -> Table:
    """Read a table.

    Args:
        path: The file; the suffix of its name tells its format.
        options: See ``ReadOptions``.

    Raises:
        DataError: The file is missing, empty or damaged, or its rows have different numbers of cells.
    """
    table = _read(path, options)
    return replace(table, decimal=options.get("decimal"), time_format=options.get("time_format"))


def _read(path: Path, options: ReadOptions) -> Table:
    suffix, delimiter, header = path.suffix.lower(), options.get("delimiter"), options.get("header")
    encoding, sheet = options.get("encoding"), options.get("sheet")
    if suffix in (".parquet", *_ARROW, *_EXCEL):
        return _read_binary(path, suffix, sheet)
    content, encoding = read_utf8(path, encoding)
    if suffix in (".json", *JSON_LINES):
        return read_json(path, content, encoding, is_lines=suffix != ".json")
    content, delimiter, skipped = find_layout(path, content, delimiter)
    table = DelimitedText(path, content, delimiter, skipped).table(
        encoding, header=True if suffix == ".tab" else header
    )
    return read_orange_header(table) if suffix == ".tab" else table


def read_preview(path: Path, **options: Unpack[ReadOptions]) -> Table:
    """Read a table for display: all of its rows, or the first 4,096 of a Parquet file."""
    if path.suffix.lower() != ".parquet":
        return read_table(path, **options)
    frame = with_simple_types(path, _collect(path, scan_parquet(path).head(_ROWS_SHOWN)))
    return Table(path, frame, {"format": "Parquet, first rows" if frame.height == _ROWS_SHOWN else "Parquet"})


def read_json(path: Path, content: bytes, encoding: str, *, is_lines: bool, line: int = 1) -> Table:
    """Read an array of JSON objects, or one object on each line.

    Args:
        path: The file, for messages.
        content: Its text in UTF-8.
        encoding: Its encoding.
        is_lines: True for an object on each line.
        line: The number of the first line of ``content``.

    Raises:
        DataError: The content is malformed, or holds no objects.
    """
    try:
        frame = (
            pl.read_ndjson(content, infer_schema_length=None)
            if is_lines
            else pl.read_json(content, infer_schema_length=None)
        )
    except (PolarsError, PanicException, ValueError) as error:
        _explain_json(path, content, is_lines=is_lines, first=line)
        raise DataError(f"{path}: malformed JSON: {_first_line(error)}. Check the file.") from None
    if not frame.width or not frame.height:
        raise DataError(f"{path}: expected JSON objects, got none. Check the file.")

    def lines() -> list[int]:
        return [number for number, row in enumerate(content.split(b"\n"), line) if row.strip()]

    return Table(path, with_simple_types(path, frame), {"encoding": encoding}, find_lines=lines if is_lines else None)


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
    return frame.with_columns(
        pl.col(pl.Categorical).cast(pl.String),
        pl.col(pl.Enum).cast(pl.String),
        pl.col(pl.Decimal).cast(pl.Float64),
        pl.col(pl.Duration).dt.total_microseconds() / 1e6,
        pl.col(pl.Time).cast(pl.String),
    )


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


def _explain_json(path: Path, content: bytes, *, is_lines: bool, first: int) -> None:
    """Raise the error that names the first line that is no JSON object."""
    rows = enumerate(content.split(b"\n"), first) if is_lines else iter([(1, content)])
    for line, row in rows:
        if not row.strip():
            continue
        try:
            record = json.loads(row)
        except (ValueError, RecursionError) as error:
            at = line if is_lines else getattr(error, "lineno", 1)
            raise DataError(f"{path}:{at}: not valid JSON: {_first_line(error)}. Fix the line.") from None
        records = [record] if is_lines else record
        if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
            got = type(record).__name__
            expected = "an object on each line" if is_lines else "an array of objects"
            raise DataError(f"{path}:{line}: expected {expected}, got {got}. Fix the line.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


_ROWS_SHOWN, _ROWS_MEASURED = 4096, 1024
BYTES_AT_ONCE = 1 << 23


def _read_binary(path: Path, suffix: str, sheet: str | None) -> Table:
    if suffix == ".parquet":
        return Table(path, with_simple_types(path, _collect(path, scan_parquet(path))), {"format": "Parquet"})
    name = "Arrow" if suffix in _ARROW else "Excel"
    try:
        frame, sheets = (pl.read_ipc(path), []) if suffix in _ARROW else _read_sheet(path, sheet)
    except ModuleNotFoundError:
        raise DataError(
            f"{path}: reading Excel needs fastexcel. Install it with: pip install 'unrolled[excel]'"
        ) from None
    except DataError:
        raise
    except OSError as error:
        raise cannot_read(path, error) from None
    except (Exception, PanicException) as error:  # the Excel reader raises classes of its own
        raise DataError(
            f"{path}: expected {name}, got a damaged file ({_first_line(error)}). Write it again."
        ) from None
    if not frame.height:
        raise DataError(f"{path}: expected rows below the header, got none. Add examples.")
    detected = {"format": name}
    if len(sheets) > 1:
        detected["sheet"] = f'"{sheet or sheets[0]}" of {", ".join(sheets)}'
    others = tuple(one for one in sheets if one != (sheet or sheets[0]))
    return Table(path, with_simple_types(path, frame), detected, other_sheets=others)


def _read_sheet(path: Path, sheet: str | None) -> tuple[pl.DataFrame, list[str]]:
    """Return a sheet of a workbook, by default the first, and the names of all."""
    import fastexcel

    sheets = fastexcel.read_excel(path).sheet_names
    if sheet is not None and sheet not in sheets:
        remedy = did_you_mean(sheet, sheets) or f" Choose among: {', '.join(sheets)}."
        raise DataError(f'{path}: data.sheet: no sheet "{sheet}".{remedy}')
    frame = pl.read_excel(path, sheet_name=sheet or sheets[0], infer_schema_length=None)
    # A header that is empty, as that of pandas' index, has a name of the reader's.
    unnamed = {
        name: f"column {index + 1}" for index, name in enumerate(frame.columns) if name.startswith("__UNNAMED__")
    }
    return frame.rename(unnamed), sheets


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Raise a DataError for what Polars says of a damaged Parquet file."""
    try:
        yield
    except (PolarsError, PanicException, OSError) as error:
        raise DataError(
            f"{path}: expected a Parquet file, got a damaged one ({_first_line(error)}). Write it again."
        ) from None


def scan_parquet(path: Path) -> pl.LazyFrame:
    """Return the rows of a Parquet file, which are read when they are collected.

    Raises:
        DataError: The file is missing or damaged.
    """
    if not path.is_file():
        raise cannot_read(path, IsADirectoryError() if path.is_dir() else FileNotFoundError())
    with damage_named(path):
        rows = pl.scan_parquet(path, glob=False, low_memory=True)
        rows.collect_schema()
    return rows


def _collect(path: Path, rows: pl.LazyFrame) -> pl.DataFrame:
    with damage_named(path):
        return rows.collect()


def iterate_batches(path: Path) -> Iterator[pl.DataFrame]:
    """Yield the rows of a Parquet file, some 8 MB at a time.

    Raises:
        DataError: The file is missing or damaged.
    """
    rows, (count, bytes_of_each) = scan_parquet(path), _measure(path)
    at_once = max(1, round(BYTES_AT_ONCE / max(bytes_of_each, 1)))
    # Slices, because batches of one query are made of groups of rows, of which a file may have a single one.
    for begin in range(0, count, at_once):
        yield with_simple_types(path, _collect(path, rows.slice(begin, at_once)))


def size_in_memory(path: Path) -> int:
    """Estimate the size in memory of all rows of a Parquet file, in bytes.

    Raises:
        DataError: The file is missing or damaged.
    """
    count, bytes_of_each = _measure(path)
    return round(count * bytes_of_each)


def _measure(path: Path) -> tuple[int, float]:
    """Return the number of rows of a Parquet file, and the size in memory of each, estimated by the first ones."""
    rows = scan_parquet(path)
    count: int = _collect(path, rows.select(pl.len())).item()
    first = _collect(path, rows.head(_ROWS_MEASURED))
    return count, first.estimated_size() / max(first.height, 1)
