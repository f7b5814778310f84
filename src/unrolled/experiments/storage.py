"""Writing files so that each is whole or not there, and nothing that exists is lost to a half-written one."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unrolled.errors import RunError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which takes ``path``'s place when the block ends and is removed when it fails.

    Raises:
        RunError: The disk is full, or the folder cannot be written.
    """
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises:
        RunError: As in ``replacing``.
    """
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file for people and machines, whole or not at all.

    Raises:
        RunError: As in ``replacing``.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def cannot_write(path: Path, error: OSError) -> RunError:
    """The error to raise where ``path`` could not be written."""
    remedy = "Free some space" if error.errno in _NO_ROOM else "Check the folder's permissions"
    reason = os.strerror(error.errno) if error.errno else str(error)
    return RunError(f"{path}: expected to write it, got: {reason}. {remedy}, or choose another folder: --runs DIR")
