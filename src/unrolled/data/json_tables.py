"""Tables in JSON: an array of objects, or one object on each line."""

import json
import re
from pathlib import Path

from unrolled.data.column_types import with_simple_types
from unrolled.data.limits import check_unpacked, most_bytes
from unrolled.data.table import Table
from unrolled.errors import DataError, first_line

import numpy as np
import polars as pl
from polars.exceptions import PanicException, PolarsError

JSON_LINES = (".jsonl", ".ndjson")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# The first group is half of a pair.
_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_STRINGS, _FIELDS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL), re.compile(rb'"((?:[^"\\]|\\.)*)"\s*:', re.DOTALL)
_DEEPEST, _BYTES_OF_CELL = 64, 8


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
    _check_escapes(path, content, line)
    _check_shape(path, content, is_lines=is_lines, first=line)
    try:
        frame = (
            pl.read_ndjson(content, infer_schema_length=None)
            if is_lines
            else pl.read_json(content, infer_schema_length=None)
        )
    except (PolarsError, PanicException, ValueError) as error:
        _explain_json(path, content, is_lines=is_lines, first=line)
        raise DataError(f"{path}: malformed JSON: {first_line(error)}. Check the file.") from None
    if not frame.width or not frame.height:
        raise DataError(f"{path}: expected JSON objects, got none. Check the file.")

    def lines() -> list[int]:
        return [number for number, row in enumerate(content.split(b"\n"), line) if row.strip()]

    return Table(path, with_simple_types(path, frame), {"encoding": encoding}, find_lines=lines if is_lines else None)


def _check_escapes(path: Path, content: bytes, first: int) -> None:
    """Refuse half of a pair of escapes that only together are a character, of which Polars makes another one.

    Programs write it where they cut a text within an emoji.
    """
    if _SURROGATE.search(content) is None:
        return
    found = next((escape for escape in _ESCAPES.finditer(content) if escape[1]), None)
    if found is not None:
        line = first + content.count(b"\n", 0, found.start())
        raise DataError(
            f"{path}:{line}: expected a pair of escapes for one character, got {found[0].decode()} alone, as where a "
            "text is cut within an emoji. Remove it, or write \\ufffd for it."
        )


def _check_shape(path: Path, content: bytes, *, is_lines: bool, first: int) -> None:
    """Refuse objects that lie deep in each other, and few rows of many different fields, which take much memory."""
    if _depth(content) > _DEEPEST and _depth(_STRINGS.sub(b'""', content)) > _DEEPEST:
        _explain_json(path, content, is_lines=is_lines, first=first)
        raise DataError(f"{path}: expected lists and objects at most {_DEEPEST} deep, got more. Take them apart.")
    rows, names = content.count(b"{"), content.count(b":")
    if rows * names * _BYTES_OF_CELL > most_bytes(len(content)):
        names = len(set(_FIELDS.findall(content)))
        rows = content.count(b"\n") + 1 if is_lines else rows
        check_unpacked(
            path, rows * names * _BYTES_OF_CELL, len(content), f"Write fewer than {names:,} fields, or one list."
        )


def _depth(content: bytes) -> int:
    """Return how deep the brackets of a text lie in each other, those in strings included."""
    signs = np.frombuffer(content, np.uint8)
    lower = signs | 0x20  # [ is { then, and ] is }
    brackets = lower[(lower == ord("{")) | (lower == ord("}"))]
    return int(np.cumsum(np.where(brackets == ord("{"), 1, -1), dtype=np.int32).max(initial=0))


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
            raise DataError(f"{path}:{at}: not valid JSON: {first_line(error)}. Fix the line.") from None
        records = [record] if is_lines else record
        if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
            got = type(record).__name__
            expected = "an object on each line" if is_lines else "an array of objects"
            raise DataError(f"{path}:{line}: expected {expected}, got {got}. Fix the line.")
