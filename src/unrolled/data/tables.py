"""Tables: CSV, TSV, Orange's ``.tab``, JSON lines and Parquet."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unrolled.data.decoding import read_text
from unrolled.errors import DataError, UnrolledError, did_you_mean
from unrolled.storage import cannot_read

DELIMITERS = {".tsv": "\t"}
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".tab")
_CANDIDATES = (",", "\t", ";", "|")
# The delimiter and the header are detected from the first rows.
_DETECTION_ROWS, _DETECTION_CHARACTERS = 50, 1 << 22
_LARGEST = 3.4e38
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
_MISSING = ("", "na", "nan", "null", "none", "?")


@dataclass(frozen=True)
class Table:
    """Columns of equal length.

    Attributes:
        path: The file.
        columns: The cells of each column, by its name: text, or the values of JSON and Parquet.
        lines: The line number of each row in the file.
        detected: The detected encoding, delimiter and header, for people.
        target: The column that the file itself marks as the class, if it does.
    """

    path: Path
    columns: dict[str, list[Any]]
    lines: list[int]
    detected: dict[str, str]
    target: str | None = None

    @property
    def size(self) -> int:
        """The number of rows."""
        return len(self.lines)

    def column(self, name: str) -> list[Any]:
        """Return the cells of a column.

        Raises:
            DataError: No column has that name.
        """
        if name not in self.columns:
            remedy = did_you_mean(name, self.columns) or f" Columns: {format_list(list(self.columns), 20)}."
            raise DataError(f'{self.path}: unknown column "{name}".{remedy}')
        return self.columns[name]

    def format_detected(self) -> str:
        """Return the size and the detected format, in one line."""
        return f"{self.path.name}: {self.size:,} rows, " + ", ".join(
            f'{key} "{value}"' if key == "delimiter" else f"{key} {value}" for key, value in self.detected.items()
        )

    def location(self, row: int, column: str | None = None) -> str:
        """Return the location of a row or cell, for messages: ``reviews.csv:12: text``."""
        return f"{self.path}:{self.lines[row]}" + (f": {column}" if column else "")

    def numbers(self, name: str) -> list[float]:
        """Return a column as numbers, with NaN for empty cells.

        Raises:
            DataError: A cell is not a number.
        """
        return [
            parse_number(cell, lambda row=row: self.location(row, name)) for row, cell in enumerate(self.column(name))
        ]


def format_list(names: Sequence[str], most: int = 12) -> str:
    """Format names with commas; of many, the first.

    Example:
        >>> format_list(["a", "b", "c"], 2)
        'a, b and 1 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def is_missing(cell: Any) -> bool:
    """Return True if a cell is empty or holds a word for a missing value, such as NA."""
    return cell is None or str(cell).strip().lower() in _MISSING


def is_number(cell: Any) -> bool:
    """Return True if a cell holds a number."""
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return True
    return _NUMBER.fullmatch(str(cell)) is not None


def parse_number(cell: Any, location: Callable[..., str]) -> float:
    """Return the number in a cell; NaN for a missing value.

    Args:
        cell: Text, a number or None.
        location: Returns the location of the cell, for messages.

    Raises:
        DataError: The cell is not a number, or too large for float32.
    """
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return _check_range(float(cell), location)
    if is_missing(cell):
        return float("nan")
    text = str(cell).strip()
    if not _NUMBER.fullmatch(text):
        raise DataError(f'{location()}: expected a number, got "{text[:40]}". Write a number, or leave the cell empty.')
    return _check_range(float(text), location)


def _check_range(value: float, location: Callable[..., str]) -> float:
    if abs(value) > _LARGEST:
        raise DataError(f"{location()}: expected a number below {_LARGEST:.1e}, got {value:g}. Scale the column.")
    return value


def read_table(
    path: Path, *, delimiter: str | None = None, encoding: str | None = None, header: bool | None = None
) -> Table:
    """Read a table; the options that are None are detected.

    Args:
        path: A CSV, TSV, ``.tab``, JSONL or Parquet file.
        delimiter: The character between the cells of a CSV file.
        encoding: The name of the encoding in Python.
        header: If True, the first row names the columns; if False, their names are ``1``, ``2``, and so on.

    Raises:
        DataError: The file is missing, empty or damaged, or its rows have different numbers of cells.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _parquet_table(path, read_parquet(path), "Parquet")
    text, encoding = read_text(path, encoding)
    if suffix in (".jsonl", ".ndjson"):
        return _read_json_lines(path, text, encoding)
    if suffix == ".tab":
        return _read_orange_header(_read_delimited(path, text, encoding, "\t", header=True))
    delimiter = delimiter or DELIMITERS.get(suffix) or _detect_delimiter(text)
    return _read_delimited(path, text, encoding, delimiter, header=header)


def _read_delimited(path: Path, text: str, encoding: str, delimiter: str, *, header: bool | None) -> Table:
    rows = list(_rows(path, text, delimiter))
    if header is None:
        header = _has_header([cells for _, cells in rows[: _DETECTION_ROWS + 1]])
    first = rows[0][1]
    names = [name.strip() for name in first] if header else [str(index + 1) for index in range(len(first))]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f'{path}:{rows[0][0]}: expected column names that differ, got "{twice}" twice. Rename one.')
    rows = rows[1:] if header else rows
    if not rows:
        raise DataError(f"{path}: expected rows below the header, got none. Add examples.")
    columns = {name: [cells[index] for _, cells in rows] for index, name in enumerate(names)}
    detected = {"encoding": encoding, "delimiter": repr(delimiter)[1:-1], "header": "true" if header else "false"}
    return Table(path, columns, [line for line, _ in rows], detected)


def _read_orange_header(table: Table) -> Table:
    """Return a ``.tab`` table without its header of three rows, and with the column that it marks as the class.

    The first three rows are the names, types and roles of the columns; or the first row alone has names after roles:
    ``cD#name``.

    Raises:
        DataError: The table has neither.
    """
    if any("#" in name for name in table.columns):
        roles = {name.partition("#")[2]: name.partition("#")[0] for name in table.columns if "#" in name}
        columns = {name.partition("#")[2] if "#" in name else name: cells for name, cells in table.columns.items()}
        return replace(table, columns=columns, target=next((name for name, role in roles.items() if "c" in role), None))
    if table.size < 3:
        raise DataError(
            f"{table.path}: expected three rows of header (names, types, roles) and data, got fewer. Add them."
        )
    roles = {name: str(cells[1]) for name, cells in table.columns.items()}
    columns = {name: cells[2:] for name, cells in table.columns.items()}
    target = next((name for name, role in roles.items() if "class" in role), None)
    return replace(table, columns=columns, lines=table.lines[2:], target=target)


def read_preview(path: Path) -> Table:
    """Read a table for display: all of its rows, or the first 4,096 of a Parquet file."""
    if path.suffix.lower() != ".parquet":
        return read_table(path)
    columns = read_first_rows(path)
    is_cut = len(next(iter(columns.values()), [])) == ROWS_AT_ONCE
    return _parquet_table(path, columns, "Parquet, first rows" if is_cut else "Parquet")


def _parquet_table(path: Path, columns: dict[str, list[Any]], format_: str) -> Table:
    rows = len(next(iter(columns.values()), []))
    return Table(path, columns, list(range(1, rows + 1)), {"format": format_})


def _rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the cells of each row, without empty lines."""
    csv.field_size_limit(max(len(text), 131_072))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    width, line = None, 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise DataError(f"{path}:{line}: malformed CSV: {error}. Close the quotation mark.") from None
        if cells is None:
            return
        if cells:
            width = len(cells) if width is None else width
            if len(cells) != width:
                raise DataError(
                    f"{path}:{line}: expected as many cells as in the first row ({width}), got {len(cells)}. "
                    "Fix the row, or quote cells that contain the delimiter."
                )
            yield line, cells
        line = reader.line_num + 1


def _detect_delimiter(text: str) -> str:
    """Return the delimiter that divides each of the first rows into the same, largest number of cells."""
    start = "\n".join(text[:_DETECTION_CHARACTERS].splitlines()[:_DETECTION_ROWS])

    def count_cells(candidate: str) -> int:
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(start, newline=""), delimiter=candidate) if row]
        except csv.Error:
            return 0
        return widths[0] if len(set(widths)) == 1 else 0

    csv.field_size_limit(max(len(text), 131_072))
    best = max(_CANDIDATES, key=count_cells)
    return best if count_cells(best) > 1 else max(_CANDIDATES, key=start.splitlines()[0].count)


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Return True if the first row names the columns: it has words above numbers, or short words that differ."""
    first, below = rows[0], rows[1:]
    if any(_NUMBER.fullmatch(cell) or not cell.strip() for cell in first):
        return False
    if not below or any(all(_NUMBER.fullmatch(row[index]) for row in below) for index in range(len(first))):
        return True
    return len(set(first)) == len(first) and all(re.fullmatch(r"\s*\w[\w .-]{0,39}", cell) for cell in first)


def _read_json_lines(path: Path, text: str, encoding: str) -> Table:
    lines: list[int] = []
    records: list[dict[str, Any]] = []
    for line, row in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if not row.strip():
            continue
        try:
            record = json.loads(row)
        except ValueError as error:
            raise DataError(f"{path}:{line}: not valid JSON: {error}. Fix the line.") from None
        if not isinstance(record, dict) or (records and record.keys() != records[0].keys()):
            keys = ", ".join(records[0]) if records else "names and values"
            got = ", ".join(record) if isinstance(record, dict) else type(record).__name__
            raise DataError(f"{path}:{line}: expected an object with {keys}, got {got}. Fix the line.")
        lines.append(line)
        records.append(record)
    columns = {name: [record[name] for record in records] for name in records[0]}
    return Table(path, columns, lines, {"encoding": encoding})


ROWS_AT_ONCE = 4096


@contextmanager
def open_parquet(path: Path) -> Iterator[Any]:
    """Open a Parquet file with PyArrow, which reads rows on access.

    Raises:
        DataError: The file is missing or damaged, or PyArrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise DataError(
            f"{path}: reading Parquet needs PyArrow. Install it with: pip install 'unrolled[parquet]'"
        ) from None
    try:
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            yield file
    except UnrolledError:
        raise
    except FileNotFoundError as error:
        raise cannot_read(path, error) from None
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:120]
        raise DataError(f"{path}: expected a Parquet file, got a damaged one ({reason}). Write it again.") from None


def read_parquet(path: Path) -> dict[str, list[Any]]:
    """Read all cells of a Parquet file, by column.

    Raises:
        DataError: The file is missing or damaged, or PyArrow is not installed.
    """
    with open_parquet(path) as file:
        columns: dict[str, list[Any]] = file.read().to_pydict()
    return columns


def read_first_rows(path: Path) -> dict[str, list[Any]]:
    """Read the first rows of a Parquet file, at most 4,096, by column.

    Raises:
        DataError: The file is missing or damaged, or PyArrow is not installed.
    """
    with open_parquet(path) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE):
            columns: dict[str, list[Any]] = batch.to_pydict()
            return columns
        return {name: [] for name in file.schema_arrow.names}


def iterate_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the cells of some columns of a Parquet file, row by row.

    Raises:
        DataError: The file is missing or damaged, or PyArrow is not installed.
    """
    with open_parquet(path) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(columns)):
            yield from zip(*(batch.column(name).to_pylist() for name in columns), strict=True)


def size_in_memory(path: Path) -> int:
    """Return the uncompressed size of a Parquet file, in bytes.

    Raises:
        DataError: The file is missing or damaged, or PyArrow is not installed.
    """
    with open_parquet(path) as file:
        return sum(file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
