"""Tables: CSV, TSV, Orange's ``.tab``, JSON, JSON Lines, Parquet, Arrow and Excel, read by Polars."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, TypedDict, Unpack

from unrolled.data.decoding import read_utf8
from unrolled.data.times import Times, find_times
from unrolled.data.values import LARGEST, NumberFormat, are_numbers, format_of_numbers, is_blank, parse_numbers, shown
from unrolled.errors import DataError, did_you_mean
from unrolled.storage import cannot_read

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PanicException, PolarsError

DELIMITERS = {".tsv": "\t", ".tab": "\t"}
JSON_LINES, _EXCEL, _ARROW = (".jsonl", ".ndjson"), (".xlsx", ".ods", ".xls", ".xlsb"), (".arrow", ".feather", ".ipc")
DELIMITED = (".csv", ".tsv")
SUFFIXES = (".csv", ".tsv", ".tab", ".json", *JSON_LINES, ".parquet", *_EXCEL, *_ARROW)
_CANDIDATES = (",", "\t", ";", "|")
# The delimiter and the header are detected from the first rows.
_DETECTION_ROWS, _DETECTION_CHARACTERS = 50, 1 << 22
_QUOTE = '"'
_CLASS_NAMES = ("label", "class", "target")
_IS_EMPTY_ROW = pl.all_horizontal(pl.all().is_null() | (pl.all() == ""))
_EXCEL_DELIMITER = re.compile(rb'"?sep=(.)"?\r?\n')


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length.

    Attributes:
        path: The file.
        frame: The cells: text from text files, with null for an empty cell; typed values from the other formats.
        detected: The detected encoding, delimiter and header, for people.
        target: The column that the file itself marks as the class, if it does.
        decimal: The decimal separator that the user sets.
        decimals: The decimal separators of columns that are known from another table.
        time_format: The format of times, as of ``strptime``, that the user sets.
        fill: By column, what stands in for its empty cells.
        find_lines: Function that returns the line number of each row in the file.
    """

    path: Path
    frame: pl.DataFrame
    detected: dict[str, str] = field(default_factory=dict)
    target: str | None = None
    decimal: str | None = None
    decimals: Mapping[str, str] = field(default_factory=dict)
    time_format: str | None = None
    fill: Mapping[str, str | float] = field(default_factory=dict)
    find_lines: Callable[[], Sequence[int]] | None = None

    @property
    def size(self) -> int:
        """The number of rows."""
        return self.frame.height

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self.frame.columns

    @cached_property
    def lines(self) -> Sequence[int]:
        """The line number of each row in the file; in a file without lines, the number of the row, from 1."""
        return self.find_lines() if self.find_lines else range(1, self.size + 1)

    @cached_property
    def number_format(self) -> NumberFormat:
        """The decimal and the thousands separator of the numbers in the file."""
        if self.decimal:
            return NumberFormat(self.decimal)
        found = format_of_numbers(self.frame)
        undecided = {name: number for name, number in found.undecided.items() if name not in self.decimals}
        return NumberFormat(found.decimal, {**found.by_column, **self.decimals}, undecided)

    def column(self, name: str) -> pl.Series:
        """Return the cells of a column.

        Raises:
            DataError: No column has that name.
        """
        if name not in self.frame.columns:
            remedy = did_you_mean(name, self.columns) or f" Columns: {format_list(self.columns, 20)}."
            raise DataError(f'{self.path}: unknown column "{name}".{remedy}')
        return self.frame[name]

    def take(self, rows: NDArray[np.int64]) -> "Table":
        """Return some of the rows, which know their lines in the file."""
        return replace(self, frame=self.frame[rows], find_lines=lambda: [self.lines[row] for row in rows.tolist()])

    def format_detected(self) -> str:
        """Return the size and the detected format, in one line."""
        return f"{self.path.name}: {self.size:,} rows, " + ", ".join(
            f'{key} "{value}"' if key == "delimiter" else f"{key} {value}" for key, value in self.detected.items()
        )

    def location(self, row: int, column: str | None = None) -> str:
        """Return the location of a row or cell, for messages: ``reviews.csv:12: text``."""
        return f"{self.path}:{self.lines[row]}" + (f": {column}" if column else "")

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column [N] as numbers, with NaN for missing values.

        Raises:
            DataError: A cell is not a number, too large for float32, or can be read in two ways.
        """
        cells = self.column(name)
        if number := self.number_format.undecided.get(name):
            point, whole = number.replace(",", "."), number.replace(",", "")
            raise DataError(
                f"{self.path}: {name}: cannot tell if {number} means {point} or {whole}. "
                f"Set decimal: ',' for {point}, or decimal: '.' for {whole}"
            )
        values, is_wrong = parse_numbers(cells, self.number_format.of(name))
        for row in np.flatnonzero(is_wrong)[:1].tolist():
            raise DataError(
                f'{self.location(row, name)}: expected a number, got "{shown(cells[row])}". '
                "Write a number, or leave the cell empty."
            )
        for row in np.flatnonzero(np.abs(values) > LARGEST)[:1].tolist():
            raise DataError(
                f"{self.location(row, name)}: expected a number below {LARGEST:.1e}, got {values[row]:g}. "
                "Scale the column."
            )
        return self._with_fill(name, values)

    def _with_fill(self, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        if name not in self.fill:
            return values
        try:
            return np.where(np.isnan(values), float(self.fill[name]), values)
        except ValueError:
            raise DataError(
                f'{self.path}: data.fill: {name}: expected a number for a column of numbers, got "{self.fill[name]}".'
            ) from None

    def texts(self, name: str) -> pl.Series:
        """Return a column as texts, with null for an empty cell.

        Raises:
            DataError: No column has that name.
        """
        texts = self.column(name).cast(pl.String)
        return texts.set(is_blank(texts), str(self.fill[name])) if name in self.fill else texts

    def times(self, name: str) -> Times | None:
        """Return a column as times; None if it holds none.

        Raises:
            DataError: No column has that name.
        """
        if name not in self._found_times:
            self._found_times[name] = find_times(name, self.column(name), self.time_format)
        return self._found_times[name]

    @cached_property
    def _found_times(self) -> dict[str, Times | None]:
        return {}

    def moments(self, name: str) -> NDArray[np.int64]:
        """Return what orders the rows, [N]: times in microseconds since 1970, or whole numbers.

        Raises:
            DataError: A cell is missing or no time, or all of them can be read in two ways.
        """
        times = self.times(name)
        if times is None:
            numbers = self.numbers(name)
            is_wrong = np.isnan(numbers)
            # A step in seconds can be a fraction: microseconds keep its order.
            moments = np.rint(np.nan_to_num(numbers) * 1e6).astype(np.int64)
        else:
            if times.other:
                first = shown(self.column(name).drop_nulls()[0])
                raise DataError(
                    f"{self.path}: {name}: cannot tell if {first} is {times.form} or {times.other}. "
                    f"Name it: time_format: '{times.form}'"
                )
            is_wrong = times.values.is_null().to_numpy()
            moments = times.values.to_physical().fill_null(0).to_numpy()
        for row in np.flatnonzero(is_wrong)[:1].tolist():
            cell = self.column(name)[row]
            got = "an empty cell" if cell is None else f'"{shown(cell)}"'
            raise DataError(f"{self.location(row, name)}: expected a time, got {got}. Write it, or drop the row.")
        return moments


def format_list(names: Sequence[str], most: int = 12) -> str:
    """Format names with commas; of many, the first.

    Example:
        >>> format_list(["a", "b", "c"], 2)
        'a, b and 1 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


class ReadOptions(TypedDict, total=False):
    """The options with which a table is read; those that are left out are detected.

    Attributes:
        delimiter: The character between the cells of a CSV file.
        encoding: The name of the encoding in Python.
        header: If True, the first row names the columns; if False, their names are ``1``, ``2``, and so on.
        decimal: The decimal separator of numbers.
        time_format: The format of times, as of ``strptime``.
    """

    delimiter: str | None
    encoding: str | None
    header: bool | None
    decimal: str | None
    time_format: str | None


def read_table(path: Path, **options: Unpack[ReadOptions]) -> Table:
    """Read a table.

    Args:
        path: The file; the suffix of its name tells its format.
        options: See ``ReadOptions``.

    Raises:
        DataError: The file is missing, empty or damaged, or its rows have different numbers of cells.
    """
    table = _read(path, options.get("delimiter"), options.get("encoding"), options.get("header"))
    return replace(table, decimal=options.get("decimal"), time_format=options.get("time_format"))


def _read(path: Path, delimiter: str | None, encoding: str | None, header: bool | None) -> Table:
    suffix = path.suffix.lower()
    if suffix in (".parquet", *_ARROW, *_EXCEL):
        return _read_binary(path, suffix)
    content, encoding = read_utf8(path, encoding)
    if suffix in (".json", *JSON_LINES):
        return read_json(path, content, encoding, is_lines=suffix != ".json")
    content, delimiter, skipped = find_layout(path, content, delimiter)
    table = DelimitedText(path, content, delimiter, skipped).table(
        encoding, header=True if suffix == ".tab" else header
    )
    return _read_orange_header(table) if suffix == ".tab" else table


def find_layout(path: Path, content: bytes, delimiter: str | None) -> tuple[bytes, str, int]:
    """Return the rows of a file of delimited text, the delimiter, and the number of lines before the rows."""
    named = _EXCEL_DELIMITER.match(content)
    delimiter = delimiter or (named[1].decode() if named else None) or DELIMITERS.get(path.suffix.lower())
    skipped = 1 if named else _count_preface(content)
    content = content.split(b"\n", skipped)[-1] if skipped else content
    delimiter = delimiter or _detect_delimiter(content[:_DETECTION_CHARACTERS].decode("utf-8", "ignore"))
    return content, delimiter, skipped


def read_preview(path: Path) -> Table:
    """Read a table for display: all of its rows, or the first 4,096 of a Parquet file."""
    if path.suffix.lower() != ".parquet":
        return read_table(path)
    frame = with_simple_types(path, _collect(path, scan_parquet(path).head(ROWS_AT_ONCE)))
    return Table(path, frame, {"format": "Parquet, first rows" if frame.height == ROWS_AT_ONCE else "Parquet"})


class DelimitedText:
    """Cells between delimiters.

    Args:
        path: The file, for messages.
        content: Its text in UTF-8.
        delimiter: The character between the cells.
        skipped: The number of lines before ``content``.
        names: The name of each column, if the first row is data.
    """

    def __init__(self, path: Path, content: bytes, delimiter: str, skipped: int, names: Sequence[str] = ()):
        self.path, self.delimiter, self.skipped, self.names = path, delimiter, skipped, list(names)
        is_old_mac = b"\r" in content and b"\n" not in content
        self.content = _with_whole_header(content.replace(b"\r", b"\n") if is_old_mac else content, delimiter)

    def table(self, encoding: str, *, header: bool | None) -> Table:
        """Return the table, without its empty rows and with the names of its columns."""
        frame, quote = self._frame()
        if frame.width > 1 and frame[:, -1].null_count():
            self._check_widths(quote)
        is_empty = frame.select(_IS_EMPTY_ROW).to_series()
        kept = frame.filter(~is_empty) if is_empty.any() else frame
        # Without this object, which holds the content of the file.
        again = (self.path, encoding, self.delimiter, self.skipped, quote)

        def lines() -> list[int]:
            return _lines(*again)

        if self.names and len(self.names) != kept.width:
            raise _wrong_width(self.path, 1 + self.skipped, len(self.names), kept.width)
        if header is None:
            header = _has_header(kept.head(_DETECTION_ROWS + 1).fill_null(""))
        first = [(cell or "").strip() for cell in kept.row(0)] if kept.height else []
        names = [name or f"column {index + 1}" for index, name in enumerate(first)]
        if not header:
            names = self.names or [str(index + 1) for index in range(kept.width)]
        self.names = names
        for name in names:
            if names.count(name) > 1:
                line = lines()[0]
                raise DataError(
                    f'{self.path}:{line}: expected column names that differ, got "{shown(name)}" twice. Rename one.'
                )
        rows = kept.slice(1) if header else kept
        rows.columns = names
        if not rows.height:
            raise DataError(f"{self.path}: expected rows below the header, got none. Add examples.")
        detected = {"encoding": encoding, "delimiter": repr(self.delimiter)[1:-1]}
        detected |= {"header": "true" if header else "false"}
        return Table(
            self.path,
            rows.select(
                name for index, name in enumerate(names) if first[index] or not header or _is_filled(rows[name])
            ),
            detected,
            find_lines=lambda: lines()[1 if header else 0 :],
        )

    def _frame(self) -> tuple[pl.DataFrame, str | None]:
        """Return all rows as text, and the mark that holds cells together, or None where it stands for itself."""
        if _QUOTE.encode() not in self.content:
            return self._parse(None), None
        # Between tabs few programs quote cells, and a quotation mark stands for itself if the lines are complete rows.
        if self.delimiter == "\t" and self._are_lines_complete():
            is_pair = self._whole_lines.str.count_matches(_QUOTE, literal=True) % 2 == 0
            if not is_pair.all():
                return self._parse(None), None
            try:
                return self._parse(_QUOTE), _QUOTE
            except DataError:
                return self._parse(None), None
        return self._parse(_QUOTE), _QUOTE

    def _parse(self, quote: str | None) -> pl.DataFrame:
        # Within a cell a quotation mark stands for itself, and Polars takes it for the begin of a quotation.
        edge = re.escape(self.delimiter.encode())
        if not quote or not re.search(rb'"(?<=[^"\r\n%b]")[^"\r\n%b]' % (edge, edge), self.content):
            try:
                return pl.read_csv(
                    self.content, separator=self.delimiter, quote_char=quote, has_header=False, infer_schema=False
                )
            except (PolarsError, PanicException):
                pass
        rows = [cells for _, cells in _rows(self.path, self.content.decode(), self.delimiter, quote, self.skipped)]
        columns = {f"column_{index}": cells for index, cells in enumerate(zip(*rows, strict=True))}
        return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).with_columns(pl.all().replace("", None))

    def _check_widths(self, quote: str | None) -> None:
        """Refuse rows with fewer cells than the first: Polars fills them up."""
        if quote is not None or not self._are_lines_complete():
            for _ in _rows(self.path, self.content.decode(), self.delimiter, quote, self.skipped):
                pass

    def _are_lines_complete(self) -> bool:
        """Return True if every line has as many delimiters as the others."""
        return self._whole_lines.str.count_matches(self.delimiter, literal=True).n_unique() == 1

    @cached_property
    def _whole_lines(self) -> pl.Series:
        """Return the lines that are not empty."""
        lines = pl.Series(self.content.decode().split("\n")).str.strip_chars_end("\r")
        return lines.filter(lines != "")


def _lines(path: Path, encoding: str, delimiter: str, skipped: int, quote: str | None) -> list[int]:
    """Return the line number of each row that is not empty, by reading the file once more."""
    content = read_utf8(path, encoding)[0].split(b"\n", skipped)[-1]
    text = _with_whole_header(content, delimiter).decode()
    return [line for line, cells in _rows(path, text, delimiter, quote, skipped) if any(cells)]


def _with_whole_header(content: bytes, delimiter: str) -> bytes:
    """Return a table with an empty name for the column that numbers the rows, which R leaves out of the header."""
    lines = content[:_DETECTION_CHARACTERS].split(b"\n", _DETECTION_ROWS)[:-1]
    start = b"\n".join(lines).decode("utf-8", "ignore")
    csv.field_size_limit(max(len(start), 131_072))
    try:
        first, *others = (len(row) for row in csv.reader(io.StringIO(start, newline=""), delimiter=delimiter) if row)
    except (csv.Error, ValueError):
        return content
    return delimiter.encode() + content if others and all(width == first + 1 for width in others) else content


def _is_filled(cells: pl.Series) -> bool:
    return cells.null_count() < len(cells)


def _wrong_width(path: Path, line: int, expected: int, found: int) -> DataError:
    return DataError(
        f"{path}:{line}: expected as many cells as in the first row ({expected}), got {found}. "
        "Fix the row, or quote cells that contain the delimiter."
    )


def _rows(path: Path, text: str, delimiter: str, quote: str | None, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the cells of each row, without empty lines, to name the line of a fault."""
    csv.field_size_limit(max(len(text), 131_072))
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, quoting=quoting)
    width, line = None, 1 + skipped
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
                raise _wrong_width(path, line, width, len(cells))
            yield line, cells
        line = reader.line_num + 1 + skipped


def _count_preface(content: bytes) -> int:
    """Return the number of lines before the table that are empty or begin with #."""
    count = 0
    while content.startswith((b"#", b"\n", b"\r\n")):
        content, count = content.partition(b"\n")[2], count + 1
    return count if content else 0


def _detect_delimiter(text: str) -> str:
    """Return the delimiter that divides each of the first rows into the same, largest number of cells."""
    start = "\n".join(re.split(r"\r\n|\n|\r", text)[:_DETECTION_ROWS])

    def count_cells(candidate: str, quoting: Literal[0, 3] = csv.QUOTE_MINIMAL) -> int:
        reader = csv.reader(io.StringIO(start, newline=""), delimiter=candidate, quoting=quoting)
        try:
            widths = [len(row) for row in reader if row]
        except csv.Error:
            return 0
        return widths[0] if len(set(widths)) == 1 else 0

    csv.field_size_limit(max(len(text), 131_072))
    best = max(_CANDIDATES, key=count_cells)
    if count_cells(best) > 1:
        return best
    best = max(_CANDIDATES, key=lambda candidate: count_cells(candidate, csv.QUOTE_NONE))
    if count_cells(best, csv.QUOTE_NONE) > 1:
        return best
    return max(_CANDIDATES, key=start.splitlines()[0].count)


def _has_header(rows: pl.DataFrame) -> bool:
    """Return True if the first row names the columns: it has words above numbers, or short words that differ.

    The name of the column that numbers the rows may be empty, as pandas and R write it.
    """
    first, numbers = rows.row(0), [are_numbers(cells) for cells in rows]
    # Names such as 0, 1, 2 stand beside the name of the class.
    if any(
        name.strip().lower() in _CLASS_NAMES and (cells == name).sum() == 1
        for name, cells in zip(first, rows, strict=True)
    ):
        return True
    if any(column[0] for column in numbers) or not any(cell.strip() for cell in first):
        return False
    if any(not cell.strip() for cell in first[1:-1]) or (not first[0].strip() and len(first) == 1):
        return False
    if rows.height == 1 or any(column[1:].all() for column, cell in zip(numbers, first, strict=True) if cell):
        return True
    names = [cell for cell in first if cell.strip()]
    return len(set(names)) == len(names) and all(re.fullmatch(r"\s*\w[^\n\r]{0,39}", cell) for cell in names)


def _read_orange_header(table: Table) -> Table:
    """Return a ``.tab`` table without its header of three rows, and with the column that it marks as the class.

    The first three rows are the names, types and roles of the columns; or the first row alone has names after roles:
    ``cD#name``.

    Raises:
        DataError: The table has neither.
    """
    if any("#" in name for name in table.columns):
        roles = {name.partition("#")[2]: name.partition("#")[0] for name in table.columns if "#" in name}
        frame = table.frame.rename({name: name.partition("#")[2] for name in table.columns if "#" in name})
        return replace(table, frame=frame, target=next((name for name, role in roles.items() if "c" in role), None))
    if table.size < 3:
        raise DataError(
            f"{table.path}: expected three rows of header (names, types, roles) and data, got fewer. Add them."
        )
    target = next((name for name in table.columns if "class" in (table.frame[name][1] or "")), None)
    return replace(table, frame=table.frame.slice(2), target=target, find_lines=lambda: table.lines[2:])


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
        frame = pl.read_ndjson(content, infer_schema_length=None) if is_lines else pl.read_json(content)
    except (PolarsError, PanicException, ValueError) as error:
        _explain_json(path, content, is_lines=is_lines, first=line)
        raise DataError(f"{path}: malformed JSON: {_first_line(error)}. Check the file.") from None
    if not frame.width or not frame.height:
        raise DataError(f"{path}: expected JSON objects, got none. Check the file.")

    def lines() -> list[int]:
        return [number for number, row in enumerate(content.split(b"\n"), line) if row.strip()]

    return Table(path, with_simple_types(path, frame), {"encoding": encoding}, find_lines=lines if is_lines else None)


def with_simple_types(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with categories as text, decimals as floats, and a column for each field of nested objects.

    A field is named by its path: ``body.text``.

    Raises:
        DataError: A column has the name of a field.
    """
    while nested := [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Struct)]:
        for name in nested:
            fields = frame[name].struct.unnest()
            frame = frame.drop(name)
            taken = next((inner for inner in fields.columns if f"{name}.{inner}" in frame.columns), None)
            if taken is not None:
                raise DataError(f'{path}: expected column names that differ, got "{name}.{taken}" twice. Rename one.')
            frame = frame.with_columns(fields[inner].alias(f"{name}.{inner}") for inner in fields.columns)
    return frame.with_columns(
        pl.col(pl.Categorical).cast(pl.String), pl.col(pl.Enum).cast(pl.String), pl.col(pl.Decimal).cast(pl.Float64)
    )


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


ROWS_AT_ONCE = 4096


def _read_binary(path: Path, suffix: str) -> Table:
    if suffix == ".parquet":
        return Table(path, with_simple_types(path, _collect(path, scan_parquet(path))), {"format": "Parquet"})
    name = "Arrow" if suffix in _ARROW else "Excel"
    try:
        frame = pl.read_ipc(path) if suffix in _ARROW else pl.read_excel(path, infer_schema_length=None)
    except ModuleNotFoundError:
        raise DataError(
            f"{path}: reading Excel needs fastexcel. Install it with: pip install 'unrolled[excel]'"
        ) from None
    except OSError as error:
        raise cannot_read(path, error) from None
    except (Exception, PanicException) as error:  # the Excel reader raises classes of its own
        raise DataError(
            f"{path}: expected {name}, got a damaged file ({_first_line(error)}). Write it again."
        ) from None
    if not frame.height:
        raise DataError(f"{path}: expected rows below the header, got none. Add examples.")
    return Table(path, with_simple_types(path, frame), {"format": name})


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
    """Yield the rows of a Parquet file, a few thousand at a time.

    Raises:
        DataError: The file is missing or damaged.
    """
    with damage_named(path):
        for batch in scan_parquet(path).collect_batches(chunk_size=ROWS_AT_ONCE, maintain_order=True):
            yield with_simple_types(path, batch)


def size_in_memory(path: Path) -> int:
    """Estimate the size in memory of all rows of a Parquet file, in bytes, by that of its first rows.

    Raises:
        DataError: The file is missing or damaged.
    """
    rows = scan_parquet(path)
    count: int = _collect(path, rows.select(pl.len())).item()
    first = _collect(path, rows.head(ROWS_AT_ONCE))
    return round(first.estimated_size() / max(first.height, 1) * count)
