"""Cells between delimiters: CSV, TSV and Orange's ``.tab``, with their quotes, headers and comments."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from unrolled.data.decoding import read_utf8
from unrolled.data.table import Table
from unrolled.data.times import find_times
from unrolled.data.values import are_numbers, is_missing, shown
from unrolled.errors import DataError

import numpy as np
import polars as pl
from polars.exceptions import PanicException, PolarsError

DELIMITED = (".csv", ".tsv")
"""The suffixes of such files; that of ``.tab`` is left out, as its header has three rows."""
_DELIMITERS = {".tsv": "\t", ".tab": "\t"}
_CANDIDATES = (",", "\t", ";", "|")
# The delimiter and the header are detected from the first rows.
_DETECTION_ROWS, _DETECTION_CHARACTERS = 50, 1 << 22
_QUOTE = '"'
_MOST_COLUMNS = 100_000
_CLASS_NAMES = ("label", "class", "target")
_IS_EMPTY_ROW = pl.all_horizontal(pl.all().is_null() | (pl.all() == ""))
_PREFACE = re.compile(rb"(?:#[^\n]*+(?:\n|\Z)|\r?\n)*+")
_EXCEL_DELIMITER = re.compile(rb'"?sep=(.)"?\r?\n')


def find_layout(path: Path, content: bytes, delimiter: str | None) -> tuple[bytes, str, int]:
    """Return the rows of a file of delimited text, the delimiter, and the number of lines before the rows."""
    named = _EXCEL_DELIMITER.match(content)
    delimiter = delimiter or (named[1].decode() if named else None) or _DELIMITERS.get(path.suffix.lower())
    skipped = 1 if named else _count_preface(content)
    *preface, rest = content.split(b"\n", skipped)
    delimiter = delimiter or _detect_delimiter(rest[:_DETECTION_CHARACTERS].decode("utf-8", "ignore"))
    if preface and _names_columns(preface[-1], rest.partition(b"\n")[0], delimiter):
        return preface[-1] + b"\n" + rest, delimiter, skipped - 1
    return rest, delimiter, skipped


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

        end = self.content.find(b"\n")
        columns = self.content.count(delimiter.encode(), 0, end if end >= 0 else len(self.content)) + 1
        if columns > _MOST_COLUMNS:
            raise DataError(
                f"{path}:{1 + skipped}: expected at most {_MOST_COLUMNS:,} columns, got {columns:,} with the delimiter "
                f"{delimiter!r}. Write the numbers of an example into one cell, with spaces between them."
            )

    def table(self, encoding: str, *, header: bool | None) -> Table:
        """Return the table, without its empty rows and with the names of its columns."""
        frame, quote = self._frame()
        if frame.width > 1 and frame[:, -1].null_count():
            self._check_widths(quote)
        is_empty = frame.select(_IS_EMPTY_ROW).to_series()
        kept = frame.filter(~is_empty) if is_empty.any() else frame
        if not kept.height:
            raise DataError(f"{self.path}: expected rows, got none with anything in it. Check the file.")
        # Without this object, which holds the content of the file.
        again = (self.path, encoding, self.delimiter, self.skipped, quote)

        def lines() -> list[int]:
            return _lines(*again)

        if self.names and len(self.names) != kept.width:
            raise _wrong_width(self.path, 1 + self.skipped, len(self.names), kept.width)
        if header is None:
            header = self._decide_header(kept.head(_DETECTION_ROWS + 1).fill_null(""))
        first = [(cell or "").strip() for cell in kept.row(0)] if kept.height else []
        names = [name or f"column {index + 1}" for index, name in enumerate(first)]
        names[:1] = [name.removeprefix("# ") for name in names[:1]]
        if not header:
            names = self.names or [str(index + 1) for index in range(kept.width)]
        self.names = names
        for name, count in Counter(names).items():
            if count > 1:
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

    def _decide_header(self, rows: pl.DataFrame) -> bool:
        """Return True if the first row names the columns (see ``_has_header``).

        Raises:
            DataError: Names such as 2019, 2020, 2021 may be the first numbers, too.
        """
        first = [cell.strip() for cell in rows.row(0)]
        if _count_up(first) and not all(_count_up([cell.strip() for cell in row]) for row in rows.rows()):
            raise DataError(
                f"{self.path}: cannot tell whether the first row names the columns: {', '.join(first[:4])}"
                f"{', …' if len(first) > 4 else ''}. Set data: {{header: true}}, or header: false"
            )
        return _has_header(rows)

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
    """Return a table with an empty name for a column that the header leaves out.

    It is the first where it numbers the rows or quotes their names, as R writes it, and the last where it is empty.
    """
    lines = content[:_DETECTION_CHARACTERS].split(b"\n", _DETECTION_ROWS)[:-1]
    start = b"\n".join(lines).decode("utf-8", "ignore")
    csv.field_size_limit(max(len(start), 131_072))
    try:
        first, *others = (row for row in csv.reader(io.StringIO(start, newline=""), delimiter=delimiter) if row)
    except (csv.Error, ValueError):
        return content
    if not others or any(len(row) != len(first) + 1 for row in others):
        return content
    if not any(row[-1].strip() for row in others):
        header, newline, rows = content.partition(b"\n")
        is_windows = header.endswith(b"\r")
        return header.removesuffix(b"\r") + delimiter.encode() + (b"\r" if is_windows else b"") + newline + rows
    if any('"' in cell for row in others for cell in row):
        return content
    names = [row[0].strip() for row in others]
    is_numbered = all(name.isdecimal() for name in names) and (np.diff([int(name) for name in names]) == 1).all()
    quoted = [line.startswith(b'"') for line in lines if line.strip()]
    return delimiter.encode() + content if is_numbered or all(quoted) else content


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
    preface = _PREFACE.match(content)
    return preface[0].count(b"\n") if preface and preface.end() < len(content) else 0


def _names_columns(line: bytes, row: bytes, delimiter: str) -> bool:
    """Return True if a line that begins with # names the columns, of which the row below holds numbers."""
    names, cells = (one.decode("utf-8", "replace").strip().split(delimiter) for one in (line, row))
    has_numbers = [bool(are_numbers(pl.Series(some, dtype=pl.String)).any()) for some in (names, cells)]
    return line.startswith(b"#") and len(names) == len(cells) > 1 and has_numbers == [False, True]


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
    with_commas = [one for one in _CANDIDATES if one != "," and count_cells(one) > 1 and _have_commas(start, one)]
    if best == "," and with_commas:
        return with_commas[0]
    if count_cells(best) > 1:
        return best
    best = max(_CANDIDATES, key=lambda candidate: count_cells(candidate, csv.QUOTE_NONE))
    if count_cells(best, csv.QUOTE_NONE) > 1:
        return best
    return max(_CANDIDATES, key=start.splitlines()[0].count)


def _have_commas(start: str, delimiter: str) -> bool:
    """Return True if most cells below the first row are numbers, some of them with a decimal comma."""
    rows = [row for row in csv.reader(io.StringIO(start, newline=""), delimiter=delimiter) if row]
    cells = [cell.strip() for row in rows[1:] for cell in row]
    with_comma = sum(re.fullmatch(r"[-+]?\d+,\d+", cell) is not None for cell in cells)
    return with_comma > 0 and 2 * int(are_numbers(pl.Series(cells, dtype=pl.String)).sum()) > len(cells)


def _count_up(cells: Sequence[str]) -> bool:
    """Return True if cells are three whole numbers or more that count up by one."""
    are_whole = len(cells) > 2 and all(cell.isdecimal() for cell in cells)
    return are_whole and bool((np.diff([int(cell[:18]) for cell in cells]) == 1).all())


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
    if not any(cell.strip() for cell in first):
        return False
    if any(column[0] for column in numbers):
        return any(_is_above(cells) for cells in rows)
    if any(not cell.strip() for cell in first[1:-1]) or (not first[0].strip() and len(first) == 1):
        return False
    if rows.height == 1 or any(column[1:].all() for column, cell in zip(numbers, first, strict=True) if cell):
        return True
    names = [cell for cell in first if cell.strip()]
    return len(set(names)) == len(names) and all(re.fullmatch(r"\s*\w[^\n\r]{0,39}", cell) for cell in names)


def _is_above(cells: pl.Series) -> bool:
    """Return True if the first cell of a column is a name, and the others are times: it stands above numbers, too."""
    name, rest = cells[0].strip(), cells[1:]
    if not re.match(r"[^\W\d]", name) or not len(rest) or is_missing(cells[:1])[0]:
        return False
    times = find_times(name, rest)
    return bool(times is not None and not times.values.null_count())


def read_orange_header(table: Table) -> Table:
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
