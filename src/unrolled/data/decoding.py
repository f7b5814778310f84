"""Decode the bytes of text files, and detect their encoding."""

import codecs
import re
from pathlib import Path
from typing import BinaryIO

from unrolled.errors import DataError
from unrolled.storage import cannot_read

_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_BEYOND_ASCII = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")


def read_text(path: Path, encoding: str | None = None) -> tuple[str, str]:
    """Read a text file.

    Args:
        path: The file.
        encoding: The name of its encoding in Python. Without it, the encoding of the file's byte order mark; else
            UTF-8; else Windows-1252, if no byte sequence in the file looks like UTF-8.

    Returns:
        The text and its encoding.

    Raises:
        DataError: The file is missing or empty, or its bytes are not of one encoding; the message names the line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise cannot_read(path, error) from None
    if not content.strip():
        raise DataError(f"{path}: expected text, got an empty file. Check the file.")
    chosen = encoding or _detect(path, content)
    try:
        text = content.decode(chosen)
    except LookupError:
        raise DataError(f'{path}: unknown encoding "{chosen}". Name one that Python knows: utf-8') from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}:{line}: expected {chosen}, got the byte 0x{content[error.start]:02x}. "
            f"{'Check that it is a text file' if encoding is None else 'Name another encoding'}."
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{path}:{line}: expected text, got a zero byte. Check that it is a text file.")
    return text, chosen


def read_lines(stream: BinaryIO) -> list[str]:
    """Read the lines of UTF-8 on the standard input, without empty lines.

    Raises:
        DataError: A line is in another encoding.
    """
    lines = []
    for number, line in enumerate(stream, 1):
        try:
            lines.append(line.decode("utf-8").rstrip("\r\n"))
        except UnicodeDecodeError as error:
            raise DataError(
                f"standard input:{number}: expected utf-8, got the byte 0x{line[error.start]:02x}. "
                "Convert it: iconv -t utf-8"
            ) from None
    return [line for line in lines if line.strip()]


def starting_encoding(start: bytes) -> str | None:
    """Return the encoding of the byte order mark at the start of a file, or None without one."""
    return next((encoding for mark, encoding in _BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)


def _detect(path: Path, content: bytes) -> str:
    if marked := starting_encoding(content):
        return marked
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        if _BEYOND_ASCII.search(content[: error.start]) or _BEYOND_ASCII.search(content[error.end :]):
            line = content[: error.start].count(b"\n") + 1
            raise DataError(
                f"{path}:{line}: expected UTF-8 as in the rest of the file, got the byte 0x{content[error.start]:02x}. "
                "Save the file in one encoding, or name it: encoding: cp1252"
            ) from None
        return "cp1252"
    return "utf-8"
