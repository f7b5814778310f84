"""The sizes that a Parquet file says its pages have, which Polars allocates before it reads them."""

import struct
from pathlib import Path
from typing import Any

from unrolled.errors import DataError

_MAGIC = b"PAR1"
# Thrift's compact protocol.
_BOOLEANS, _INTEGERS, _BINARY, _LISTS, _STRUCT = (1, 2), (4, 5, 6), 8, (9, 10), 12
# The bytes of booleans, which are part of their kind, of bytes and of floats.
_FIXED = {1: 0, 2: 0, 3: 1, 7: 8}
_LONG_LIST = 15
# Fields of the format by their numbers.
_ROW_GROUPS, _COLUMNS, _META_DATA, _NUM_ROWS = 4, 1, 3, 3
_NUM_VALUES, _COMPRESSED_SIZE, _DATA_OFFSET, _DICTIONARY_OFFSET = 5, 7, 9, 11
_PAGE_UNCOMPRESSED, _PAGE_COMPRESSED, _PAGE_HEADERS, _PAGE_VALUES = 2, 3, (5, 7, 8), 1
_BYTES_OF_VALUE = 8
_DEEPEST = 32


def claimed_size(path: Path) -> int:
    """Return the bytes that the pages of a Parquet file unpack to, of each column 8 for each value or more.

    The footer and the header of each page are read, and nothing else.

    Raises:
        DataError: They are damaged.

    Reference:
        https://parquet.apache.org/docs/file-format/
    """
    content = path.read_bytes()
    try:
        if content[-len(_MAGIC) :] != _MAGIC:
            raise ValueError("its end is missing")
        begin = len(content) - 8 - struct.unpack("<I", content[-8:-4])[0]
        if begin < 0:
            raise ValueError("its footer is longer than the file")
        footer, _ = _read_struct(content, begin)
        size = 0
        for group in footer.get(_ROW_GROUPS, []):
            if not group[_NUM_ROWS] >= 0:
                raise ValueError("a negative number of rows")
            for column in group[_COLUMNS]:
                size += _size_of_column(content, column[_META_DATA])
        return size
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError, struct.error) as error:
        raise DataError(f"{path}: expected a Parquet file, got a damaged one ({error}). Write it again.") from None


def _size_of_column(content: bytes, column: dict[int, Any]) -> int:
    at = min(offset for offset in (column[_DATA_OFFSET], column.get(_DICTIONARY_OFFSET)) if offset)
    end = at + column[_COMPRESSED_SIZE]
    if not 0 < at <= end <= len(content):
        raise ValueError("a column that lies outside of the file")
    values, size = column[_NUM_VALUES], 0
    found = 0
    while at < end:
        page, at = _read_struct(content, at)
        counts = [page[field][_PAGE_VALUES] for field in _PAGE_HEADERS if field in page]
        sizes = (page[_PAGE_UNCOMPRESSED], page[_PAGE_COMPRESSED], *counts)
        if min(sizes) < 0:
            raise ValueError("a page of negative size")
        at, size, found = at + page[_PAGE_COMPRESSED], size + page[_PAGE_UNCOMPRESSED], found + sum(counts)
    if values < 0:
        raise ValueError("a negative number of values")
    return max(size, _BYTES_OF_VALUE * max(found, int(values)))


def _read_integer(content: bytes, at: int) -> tuple[int, int]:
    """Return a number without a sign, seven bits in each byte, and the position after it."""
    value = shift = 0
    while True:
        byte = content[at]
        value, at = value | (byte & 0x7F) << shift, at + 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _read_struct(content: bytes, at: int, depth: int = 0) -> tuple[dict[int, Any], int]:
    """Return the values of a structure by the numbers of its fields, and the position after it."""
    if depth > _DEEPEST:
        raise ValueError("its footer lies too deep")
    fields: dict[int, Any] = {}
    number = 0
    while kind := content[at]:
        at += 1
        if kind >> 4:
            number += kind >> 4
        else:
            value, at = _read_integer(content, at)
            number = value >> 1 ^ -(value & 1)
        fields[number], at = _read_value(content, at, kind & 0xF, depth)
    return fields, at + 1


def _read_value(content: bytes, at: int, kind: int, depth: int, *, in_list: bool = False) -> tuple[Any, int]:
    if kind in _FIXED:
        return None, at + _FIXED[kind] + (in_list and kind in _BOOLEANS)
    if kind in _INTEGERS:
        value, at = _read_integer(content, at)
        return value >> 1 ^ -(value & 1), at
    if kind == _BINARY:
        size, at = _read_integer(content, at)
        return None, at + size
    if kind == _STRUCT:
        return _read_struct(content, at, depth + 1)
    if kind in _LISTS:
        return _read_list(content, at, depth)
    raise ValueError(f"a field of the kind {kind}")


def _read_list(content: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    size, of_each, at = content[at] >> 4, content[at] & 0xF, at + 1
    if size == _LONG_LIST:
        size, at = _read_integer(content, at)
    if size > len(content):
        raise ValueError("a list longer than the file")
    values = []
    for _ in range(size):
        value, at = _read_value(content, at, of_each, depth, in_list=True)
        values.append(value)
    return values, at
