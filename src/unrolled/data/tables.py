"""Files of tables: CSV, TSV, Orange's ``.tab``, JSON, JSON Lines, Parquet, Arrow and Excel, read by Polars."""

from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

from unrolled.data.binary_tables import ARROW, EXCEL, read_binary, read_first_rows
from unrolled.data.decoding import read_utf8
from unrolled.data.delimited import DELIMITED, DelimitedText, find_layout, read_orange_header
from unrolled.data.json_tables import JSON_LINES, read_json
from unrolled.data.table import Table

SUFFIXES = (*DELIMITED, ".tab", ".json", *JSON_LINES, ".parquet", *EXCEL, *ARROW)


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
    if suffix in (".parquet", *ARROW, *EXCEL):
        return read_binary(path, suffix, sheet)
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
    return read_first_rows(path) if path.suffix.lower() == ".parquet" else read_table(path, **options)
