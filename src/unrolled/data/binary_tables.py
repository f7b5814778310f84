"""Tables in files that are no text: Parquet, Arrow and the workbooks of Excel and LibreOffice."""

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unrolled.data.column_types import with_simple_types
from unrolled.data.limits import check_unpacked
from unrolled.data.parquet_pages import claimed_size
from unrolled.data.table import Table
from unrolled.errors import DataError, did_you_mean, first_line
from unrolled.storage import cannot_read

import polars as pl
from polars.exceptions import PanicException, PolarsError

_REMEDY = "Write CSV, which is read in pieces."
# The first bytes of what zstd and lz4 compress.
_COMPRESSED = re.compile(rb"\x28\xb5\x2f\xfd|\x04\x22\x4d\x18")
_LARGE = 1 << 28
# Of a cell, in bytes.
_SMALLEST = 1
_WIDTHS: dict[type[pl.DataType], int] = {
    **dict.fromkeys((pl.Int64, pl.UInt64, pl.Float64, pl.Datetime, pl.Duration, pl.Time, pl.List), 8),
    **dict.fromkeys((pl.Int32, pl.UInt32, pl.Float32, pl.Date, pl.Categorical, pl.Enum), 4),
    **dict.fromkeys((pl.String, pl.Binary, pl.Decimal, pl.Int128), 16),
}
# Excel's reader keeps all cells between the first and the last.
_BYTES_OF_CELL = 24
_CELL, _LONGEST_NAME = re.compile(rb"""\br=["']([A-Z]{1,3})(\d{1,7})["']"""), 32
ARROW, EXCEL = (".arrow", ".feather", ".ipc"), (".xlsx", ".ods", ".xls", ".xlsb")
_ROWS_SHOWN, _ROWS_MEASURED = 4096, 1024
_BYTES_AT_ONCE = 1 << 23


def read_binary(path: Path, suffix: str, sheet: str | None = None) -> Table:
    """Read a table of Parquet, Arrow or Excel.

    Args:
        path: The file.
        suffix: The suffix of its name, in lower case.
        sheet: The sheet of a workbook; by default the first.

    Raises:
        DataError: The file is missing, damaged or without rows, or it takes more memory than its size explains.
    """
    if suffix == ".parquet":
        check_unpacked(path, size_in_memory(path), path.stat().st_size, _REMEDY)
        return Table(path, _checked(path, _collect(path, scan_parquet(path))), {"format": "Parquet"})
    name = "Arrow" if suffix in ARROW else "Excel"
    try:
        frame, sheets = (_read_arrow(path), []) if suffix in ARROW else _read_sheet(path, sheet)
    except ModuleNotFoundError:
        raise DataError(
            f"{path}: reading Excel needs fastexcel. Install it with: pip install 'unrolled[excel]'"
        ) from None
    except DataError:
        raise
    except OSError as error:
        raise cannot_read(path, error) from None
    except (Exception, PanicException) as error:  # the Excel reader raises classes of its own
        raise DataError(f"{path}: expected {name}, got a damaged file ({first_line(error)}). Write it again.") from None
    if not frame.height:
        raise DataError(f"{path}: expected rows below the header, got none. Add examples.")
    detected = {"format": name}
    if len(sheets) > 1:
        detected["sheet"] = f'"{sheet or sheets[0]}" of {", ".join(sheets)}'
    others = tuple(one for one in sheets if one != (sheet or sheets[0]))
    return Table(path, _checked(path, frame), detected, other_sheets=others)


def read_first_rows(path: Path) -> Table:
    """Read the first 4,096 rows of a Parquet file, for display.

    Raises:
        DataError: The file is missing or damaged, or takes more memory than its size explains.
    """
    _measure(path)
    frame = _checked(path, _collect(path, scan_parquet(path).head(_ROWS_SHOWN)))
    return Table(path, frame, {"format": "Parquet, first rows" if frame.height == _ROWS_SHOWN else "Parquet"})


def _checked(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with simple types whose texts, of which equal ones share their memory, are not too large."""
    frame = with_simple_types(path, frame)
    check_unpacked(path, round(frame.estimated_size()), path.stat().st_size, _REMEDY)
    return frame


def _read_arrow(path: Path) -> pl.DataFrame:
    stored = path.stat().st_size
    if stored < _LARGE:
        check_unpacked(path, _unpacked_size(path.read_bytes()), stored, "Write it without compression.")
    return pl.read_ipc(path)


def _unpacked_size(content: bytes) -> int:
    """Return the size of the compressed parts of an Arrow file: it stands before each, as 64 bits."""
    begins = [found.start() - 8 for found in _COMPRESSED.finditer(content) if found.start() % 8 == 0]
    sizes = [int.from_bytes(content[begin : begin + 8], "little", signed=True) for begin in begins if begin >= 0]
    return sum(size for size in sizes if size > 0)


def _read_sheet(path: Path, sheet: str | None) -> tuple[pl.DataFrame, list[str]]:
    """Return a sheet of a workbook, by default the first, and the names of all."""
    import fastexcel

    _check_workbook(path)
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


def _check_workbook(path: Path) -> None:
    """Refuse a workbook that is too large when it is unpacked, or has a cell too far from the others.

    Raises:
        DataError: It is.
    """
    if not zipfile.is_zipfile(path):
        return
    stored = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        check_unpacked(path, sum(member.file_size for member in members), stored, "Save it as CSV.")
        for member in members:
            if "worksheets/sheet" not in member.filename:
                continue
            columns, rows, rest = set[bytes](), 0, b""
            with archive.open(member) as file:
                while block := file.read(_BYTES_AT_ONCE):
                    cells = _CELL.findall(rest + block)
                    columns.update(column for column, _ in cells)
                    rows, rest = max([rows, *(int(row) for _, row in cells[-1:])]), block[-_LONGEST_NAME:]
            width = max((_column_number(column) for column in columns), default=0)
            check_unpacked(
                f"{path}: {width:,} columns and {rows:,} rows",
                width * rows * _BYTES_OF_CELL,
                stored,
                "Delete the cells far from the table.",
            )


def _column_number(letters: bytes) -> int:
    """Return the number of a column.

    Example:
        >>> _column_number(b"A"), _column_number(b"AB")
        (1, 28)
    """
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Raise a DataError for what Polars says of a damaged Parquet file."""
    try:
        yield
    except (PolarsError, PanicException, OSError) as error:
        raise DataError(
            f"{path}: expected a Parquet file, got a damaged one ({first_line(error)}). Write it again."
        ) from None


def scan_parquet(path: Path) -> pl.LazyFrame:
    """Return the rows of a Parquet file, which are read when they are collected.

    Raises:
        DataError: The file is missing or damaged.
    """
    if not path.is_file():
        raise cannot_read(path, IsADirectoryError() if path.is_dir() else FileNotFoundError())
    stored = path.stat().st_size
    if stored < _LARGE:
        check_unpacked(path, claimed_size(path), stored, _REMEDY, is_kept_on_disk=True)
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
        DataError: The file is missing or damaged, or has more in it than its size explains.
    """
    rows, (count, bytes_of_each) = scan_parquet(path), _measure(path)
    at_once = max(1, round(_BYTES_AT_ONCE / max(bytes_of_each, 1)))
    total, stored = 0, path.stat().st_size
    # Slices, because batches of one query are made of groups of rows, of which a file may have a single one.
    for begin in range(0, count, at_once):
        frame = with_simple_types(path, _collect(path, rows.slice(begin, at_once)))
        total += round(frame.estimated_size())
        check_unpacked(path, total, stored, _REMEDY, is_kept_on_disk=True)
        yield frame


def size_in_memory(path: Path) -> int:
    """Estimate the size in memory of all rows of a Parquet file, in bytes.

    Raises:
        DataError: The file is missing or damaged, or has more in it than its size explains.
    """
    count, bytes_of_each = _measure(path)
    return round(count * bytes_of_each)


def _measure(path: Path) -> tuple[int, float]:
    """Return the number of rows of a Parquet file, and the size in memory of each, estimated by the first ones."""
    rows, stored = scan_parquet(path), path.stat().st_size
    with damage_named(path):
        width = sum(_WIDTHS.get(dtype.base_type(), _SMALLEST) for dtype in rows.collect_schema().dtypes())
    count: int = _collect(path, rows.select(pl.len())).item()
    # Before anything is read: equal numbers take hardly any room in the file.
    check_unpacked(path, count * width, stored, _REMEDY, is_kept_on_disk=True)
    first = with_simple_types(path, _collect(path, rows.head(_ROWS_MEASURED)))
    bytes_of_each = first.estimated_size() / max(first.height, 1)
    check_unpacked(path, round(count * bytes_of_each), stored, _REMEDY, is_kept_on_disk=True)
    return count, bytes_of_each
