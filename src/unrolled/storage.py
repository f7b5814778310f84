"""Files that are whole or not there, and nothing that exists lost to a half-written one."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from unrolled.errors import DataError, WriteError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which takes ``path``'s place when the block ends and is removed when it fails.

    Raises:
        WriteError: The disk is full, or the folder cannot be written.
    """
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        if isinstance(error, WriteError):
            raise
        raise cannot_write(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """A new name survives a loss of power only once its folder is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def new_file(path: Path) -> Iterator[TextIO]:
    """A text file to write to that was not there before.

    Raises:
        WriteError: It is there already, or cannot be written.
    """
    if path.exists():
        raise WriteError(f"{path}: expected a new file to write to, got something that is there already. Name another.")
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as stream:
        yield stream


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises:
        WriteError: As in ``replacing``.
    """
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file for people and machines, whole or not at all.

    Raises:
        WriteError: As in ``replacing``.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def cannot_write(path: Path, error: OSError) -> WriteError:
    """The error to raise where ``path`` could not be written."""
    remedy = "Free some space" if error.errno in _NO_ROOM else "Check the folder and its permissions"
    return WriteError(f"{path}: expected to write it, got: {_reason(error)}. {remedy}, or write to another place.")


def cannot_read(path: Path, error: OSError, what: str = "a file") -> DataError:
    """The error to raise where ``path`` could not be read."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return DataError(f"{path}: expected {what}, got nothing there. Check the path.")
    if isinstance(error, IsADirectoryError):
        return DataError(f"{path}: expected {what}, got a folder. Name a file in it.")
    return DataError(f"{path}: expected {what} that can be read, got: {_reason(error)}. Check the path.")


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
