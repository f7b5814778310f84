"""Files of rows and columns: CSV and its relatives, JSON lines, Parquet."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unrolled.data.decoding import read_text
from unrolled.errors import DataError, UnrolledError, did_you_mean

DELIMITERS = {".tsv": "\t"}
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".tab")
_CANDIDATES = (",", "\t", ";", "|")
_LOOKED_AT = 50
_START = 1 << 22
_LARGEST = 3.4e38
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
_MISSING = ("", "na", "nan", "null", "none", "?")


@dataclass(frozen=True)
class Table:
    """Columns of equal length, and where each row stands in its file.

    Attributes:
        path: The file.
        columns: The cells of each column, by its name; text or, from JSON and Parquet, what they hold.
        lines: The number of each row's first line.
        found: What was detected, for people: encoding, delimiter, header.
    """

    path: Path
    columns: dict[str, list[Any]]
    lines: list[int]
    found: dict[str, str]

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self.lines)

    def column(self, name: str) -> list[Any]:
        """The cells of a column.

        Raises:
            DataError: There is none of that name.
        """
        if name not in self.columns:
            remedy = did_you_mean(name, self.columns) or f" Choose among: {', '.join(list(self.columns)[:20])}."
            raise DataError(f'{self.path}: unknown column "{name}".{remedy}')
        return self.columns[name]

    def format_detected(self) -> str:
        """What was detected, in one line."""
        return f"{self.path.name}: {self.size:,} rows, " + ", ".join(
            f'{key} "{value}"' if key == "delimiter" else f"{key} {value}" for key, value in self.found.items()
        )

    def where(self, row: int, column: str | None = None) -> str:
        """How a message names a cell: file, line and column."""
        return f"{self.path}:{self.lines[row]}" + (f": {column}" if column else "")

    def numbers(self, name: str) -> list[float]:
        """A column as numbers; an empty cell is NaN.

        Raises:
            DataError: A cell is no number.
        """
        return [number(cell, lambda row=row: self.where(row, name)) for row, cell in enumerate(self.column(name))]


def format_list(names: Sequence[str], most: int = 12) -> str:
    """Names with commas, the first of many.

    Example:
        >>> format_list(["a", "b", "c"], 2)
        'a, b and 1 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def is_table(path: Path) -> bool:
    """Whether the name is that of a file of rows and columns."""
    return path.suffix.lower() in SUFFIXES


def is_missing(cell: Any) -> bool:
    """Whether a cell is empty, or says that there is nothing."""
    return cell is None or str(cell).strip().lower() in _MISSING


def is_number(cell: Any) -> bool:
    """Whether a cell is a number."""
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return True
    return _NUMBER.fullmatch(str(cell)) is not None


def number(cell: Any, where: Callable[..., str]) -> float:
    """A cell's value; NaN where it is empty or says that it is missing.

    Raises:
        DataError: It is no number, or none that float32 can hold.
    """
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return _within(float(cell), where)
    if is_missing(cell):
        return float("nan")
    text = str(cell).strip()
    if not _NUMBER.fullmatch(text):
        raise DataError(f'{where()}: expected a number, got "{text[:40]}". Change it, or leave the cell empty.')
    return _within(float(text), where)


def _within(value: float, where: Callable[..., str]) -> float:
    if abs(value) > _LARGEST:
        raise DataError(f"{where()}: expected a number below {_LARGEST:.1e}, got {value:g}. Scale the column.")
    return value


def read_table(
    path: Path, *, delimiter: str | None = None, encoding: str | None = None, header: bool | None = None
) -> Table:
    """Read a file of rows; what is not said is detected.

    Args:
        path: A CSV, TSV, JSONL or Parquet file.
        delimiter: What stands between the cells of a CSV file.
        encoding: As Python names it.
        header: Whether the first row names the columns; otherwise they are called ``1``, ``2``, and so on.

    Raises:
        DataError: The file is missing, empty or damaged, or a row has another number of cells than the first.
    """
    kind = path.suffix.lower()
    if kind == ".parquet":
        return _of_parquet(path, read_columns(path), "Parquet")
    text, encoding = read_text(path, encoding)
    if kind in (".jsonl", ".ndjson"):
        return _read_json_lines(path, text, encoding)
    delimiter = delimiter or DELIMITERS.get(kind) or _delimiter(text)
    rows = list(_rows(path, text, delimiter))
    if header is None:
        header = _has_header([cells for _, cells in rows[: _LOOKED_AT + 1]])
    first = rows[0][1]
    names = [name.strip() for name in first] if header else [str(place + 1) for place in range(len(first))]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f'{path}:{rows[0][0]}: expected column names that differ, got "{twice}" twice. Rename one.')
    rows = rows[1:] if header else rows
    if not rows:
        raise DataError(f"{path}: expected rows below the header, got none. Add examples.")
    columns = {name: [cells[place] for _, cells in rows] for place, name in enumerate(names)}
    found = {"encoding": encoding, "delimiter": repr(delimiter)[1:-1], "header": "true" if header else "false"}
    return Table(path, columns, [line for line, _ in rows], found)


def read_start(path: Path) -> Table:
    """A file to look at: all of its rows, or the first thousands of a Parquet file."""
    if path.suffix.lower() != ".parquet":
        return read_table(path)
    columns = first_rows(path)
    return _of_parquet(path, columns, "Parquet, first rows" if len(_first(columns)) == ROWS_AT_ONCE else "Parquet")


def _of_parquet(path: Path, columns: dict[str, list[Any]], format_: str) -> Table:
    return Table(path, columns, list(range(1, len(_first(columns)) + 1)), {"format": format_})


def _first(columns: dict[str, list[Any]]) -> list[Any]:
    return next(iter(columns.values()), [])


def _rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of its first line; empty lines are passed over."""
    csv.field_size_limit(max(len(text), 131_072))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    width, line = None, 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise DataError(
                f"{path}:{line}: expected cells as CSV quotes them, got: {error}. Close the quotation mark."
            ) from None
        if cells is None:
            return
        if cells:
            width = len(cells) if width is None else width
            if len(cells) != width:
                raise DataError(
                    f"{path}:{line}: expected as many cells as in the first row ({width}), got {len(cells)}. "
                    "Mend the row, or quote cells that contain the delimiter."
                )
            yield line, cells
        line = reader.line_num + 1


def _delimiter(text: str) -> str:
    """The one that divides the first rows into the same number of cells, the most of them."""
    start = "\n".join(text[:_START].splitlines()[:_LOOKED_AT])

    def cells(candidate: str) -> int:
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(start, newline=""), delimiter=candidate) if row]
        except csv.Error:
            return 0
        return widths[0] if len(set(widths)) == 1 else 0

    csv.field_size_limit(max(len(text), 131_072))
    best = max(_CANDIDATES, key=cells)
    return best if cells(best) > 1 else max(_CANDIDATES, key=start.splitlines()[0].count)


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row differs in kind from those below: no numbers where they have some, or words as names."""
    first, below = rows[0], rows[1:]
    if any(_NUMBER.fullmatch(cell) or not cell.strip() for cell in first):
        return False
    if not below or any(all(_NUMBER.fullmatch(row[place]) for row in below) for place in range(len(first))):
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
            raise DataError(f"{path}:{line}: expected JSON, got: {error}. Mend the line.") from None
        if not isinstance(record, dict) or (records and record.keys() != records[0].keys()):
            keys = ", ".join(records[0]) if records else "names and values"
            got = ", ".join(record) if isinstance(record, dict) else type(record).__name__
            raise DataError(f"{path}:{line}: expected an object with {keys}, got {got}. Mend the line.")
        lines.append(line)
        records.append(record)
    columns = {name: [record[name] for record in records] for name in records[0]}
    return Table(path, columns, lines, {"encoding": encoding})


ROWS_AT_ONCE = 4096


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """PyArrow's view of a file, whose rows are read when they are asked for.

    Raises:
        DataError: The file is missing or damaged, or PyArrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise DataError(
            f"{path}: expected PyArrow to read Parquet with, got none. Install it: pip install 'unrolled[parquet]'"
        ) from None
    try:
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            yield file
    except UnrolledError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: expected a file, got nothing there. Check the path.") from None
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:120]
        raise DataError(f"{path}: expected a Parquet file, got a damaged one ({reason}). Write it again.") from None


def read_columns(path: Path) -> dict[str, list[Any]]:
    """All cells of each column.

    Raises:
        DataError: As in ``opened``.
    """
    with opened(path) as file:
        columns: dict[str, list[Any]] = file.read().to_pydict()
    return columns


def first_rows(path: Path) -> dict[str, list[Any]]:
    """The cells of each column in the first rows, at most 4,096 of them.

    Raises:
        DataError: As in ``opened``.
    """
    with opened(path) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE):
            columns: dict[str, list[Any]] = batch.to_pydict()
            return columns
        return {name: [] for name in file.schema_arrow.names}


def cells(path: Path, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Each row's cells of some columns, read as they are asked for.

    Raises:
        DataError: As in ``opened``.
    """
    with opened(path) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(columns)):
            yield from zip(*(batch.column(name).to_pylist() for name in columns), strict=True)


def size_in_memory(path: Path) -> int:
    """How many bytes the cells of a file are, uncompressed.

    Raises:
        DataError: As in ``opened``.
    """
    with opened(path) as file:
        return sum(file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
