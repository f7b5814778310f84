"""Tables that may be larger than memory, in pieces of rows: CSV and its kin, JSON Lines, and Parquet."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Unpack

from unrolled.data.binary_tables import iterate_batches, size_in_memory
from unrolled.data.decoding import cannot_decode, check_text, decoder_of, detect_encoding
from unrolled.data.delimited import DELIMITED, DelimitedText, find_layout
from unrolled.data.json_tables import JSON_LINES, read_json
from unrolled.data.ragged import LARGEST_IN_MEMORY
from unrolled.data.table import Table
from unrolled.data.tables import ReadOptions, read_table
from unrolled.errors import DataError
from unrolled.storage import cannot_read

import polars as pl

_BYTES_AT_ONCE = 1 << 26
_MANY_BYTES = 1 << 22
# Enough of a file to tell its encoding.
_SAMPLE = 1 << 22


def is_large(path: Path) -> bool:
    """Return True if a table of a format that can be read in pieces is to be read so.

    Raises:
        DataError: A Parquet file is missing or damaged.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return size_in_memory(path) > LARGEST_IN_MEMORY
    return suffix in (*DELIMITED, *JSON_LINES) and path.is_file() and path.stat().st_size > LARGEST_IN_MEMORY


def read_pieces(path: Path, at_once: int | None = None, **options: Unpack[ReadOptions]) -> Iterator[Table]:
    """Yield a table in pieces of rows, each with all columns.

    Args:
        path: The file.
        at_once: The size of a piece of a text file, in bytes; by default 64 MB.
        options: See ``ReadOptions``.

    Raises:
        DataError: As of ``read_table``; a later piece is read when it is its turn.
    """
    suffix, encoding = path.suffix.lower(), options.get("encoding")
    if suffix == ".parquet":
        pieces = _parquet(path)
    elif suffix in JSON_LINES:
        pieces = _json_lines(path, encoding)
    else:
        size = at_once or _BYTES_AT_ONCE
        pieces = _delimited(path, options.get("delimiter"), encoding, options.get("header"), size)
    for piece in pieces:
        yield replace(piece, decimal=options.get("decimal"), time_format=options.get("time_format"))


def read_whole(path: Path, **options: Unpack[ReadOptions]) -> Table:
    """Read a table; the text of a CSV file is read in pieces, so that it never is in memory beside its cells.

    Args:
        path: The file.
        options: See ``ReadOptions``.

    Raises:
        DataError: As of ``read_table``.
    """
    if path.suffix.lower() not in DELIMITED or not path.is_file() or path.stat().st_size < _MANY_BYTES:
        return read_table(path, **options)
    pieces = read_pieces(path, _MANY_BYTES, **options)
    first = next(pieces)
    return replace(first, frame=pl.concat([first.frame, *(piece.frame for piece in pieces)]))


def _parquet(path: Path) -> Iterator[Table]:
    begin = 0
    for frame in iterate_batches(path):
        lines = range(begin + 1, begin + frame.height + 1)
        yield Table(path, frame, {"format": "Parquet"}, find_lines=lambda lines=lines: lines)  # type: ignore[misc]
        begin += frame.height


def _json_lines(path: Path, encoding: str | None) -> Iterator[Table]:
    columns: list[str] = []
    for line, content, chosen in _contents(path, encoding, _BYTES_AT_ONCE):
        if not content.strip():
            continue
        piece = read_json(path, content, chosen, is_lines=True, line=line)
        columns = columns or piece.columns
        absent = [pl.lit(None, pl.String).alias(name) for name in columns if name not in piece.columns]
        yield replace(piece, frame=piece.frame.with_columns(absent))


def _delimited(
    path: Path, delimiter: str | None, encoding: str | None, header: bool | None, at_once: int
) -> Iterator[Table]:
    first: Table | None = None
    names: list[str] = []
    for line, content, chosen in _contents(path, encoding, at_once, is_quoted=True):
        if not content.strip():
            continue
        skipped = line - 1
        if first is None:
            content, delimiter, skipped = find_layout(path, content, delimiter)
        assert delimiter is not None
        text = DelimitedText(path, content, delimiter, skipped, names)
        piece = text.table(chosen, header=header if first is None else False)
        first, names = first or piece, text.names
        yield replace(piece, frame=piece.frame.select(first.columns))


def _contents(
    path: Path, encoding: str | None, at_once: int, *, is_quoted: bool = False
) -> Iterator[tuple[int, bytes, str]]:
    """Yield the number of the first line, the content in UTF-8 and the encoding of each piece of a text file.

    Args:
        path: The file.
        encoding: Its encoding, if it is known.
        at_once: The size of a piece, in bytes.
        is_quoted: True if a line within quotation marks is part of a row.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise cannot_read(path, error) from None
    with file:
        chosen = encoding or _encoding_of_start(path, file)
        decoder = decoder_of(path, chosen)
        line, rest = 1, b""
        while True:
            block = file.read(at_once)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                at = line + rest.count(b"\n") + error.object[: error.start].count(b"\n")
                raise DataError(
                    f"{path}:{at}: expected {chosen}, got the byte 0x{error.object[error.start]:02x}. "
                    "Save the file in one encoding, or name it: encoding: cp1252"
                ) from None
            except ValueError as error:
                raise cannot_decode(path, block, chosen, error, is_named=True) from None
            check_text(path, text, line + rest.count(b"\n"))
            rest += text.encode()
            end = len(rest) if not block else _end_of_rows(rest, is_quoted=is_quoted)
            if end:
                yield line, rest[:end], "utf-8" if chosen == "ascii" else chosen
                line += rest.count(b"\n", 0, end)
                rest = rest[end:]
            if not block:
                return


def _encoding_of_start(path: Path, file: BinaryIO) -> str:
    start = file.read(_SAMPLE)
    file.seek(0)
    end = start.rfind(b"\n") + 1
    return detect_encoding(path, start[:end] if len(start) == _SAMPLE and end else start)


def _end_of_rows(content: bytes, *, is_quoted: bool) -> int:
    """Return the end of the last line that ends a row: it has an even number of quotation marks before it."""
    end = content.rfind(b"\n") + 1
    marks = content.count(b'"', 0, end) if is_quoted else 0
    before = end
    while marks % 2 and before:
        previous = content.rfind(b"\n", 0, before - 1) + 1
        marks -= content.count(b'"', previous, before)
        before = previous
    # A file in which quotation marks stand for themselves may have an odd number of them.
    return before or end
