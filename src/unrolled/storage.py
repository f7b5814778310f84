"""Files that are complete or absent, the guard of files that exist, names of files, and locks on folders."""

import errno
import json
import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from unrolled.errors import DataError, RunError, UnrolledError, WriteError
from unrolled.system import flush_folder, start_time

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, which replaces ``path`` when the block ends and is removed when it fails.

    Raises:
        WriteError: The disk is full, or the folder cannot be written.
    """
    part = _part_of(path, os.getpid())
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        if isinstance(error, WriteError):
            raise
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):  # of a file system that cannot be written there is nothing to remove
            part.unlink(missing_ok=True)


def _part_of(path: Path, pid: int | str) -> Path:
    return path.with_name(f".{path.stem}.{pid}.part{path.suffix}")


def remove_parts(folder: Path, name: str = "*.*") -> None:
    """Remove what processes that were killed while they wrote files of this name have left of them in a folder."""
    for part in folder.glob(_part_of(Path(name), "*").name):
        written_by = re.search(r"\.(\d+)\.part", part.name)
        if written_by and start_time(int(written_by[1])) is None:
            part.unlink(missing_ok=True)


@contextmanager
def new_file(path: Path) -> Iterator[TextIO]:
    """Open a text file that does not exist yet.

    Raises:
        WriteError: It exists already, or cannot be written.
    """
    check_new(path)
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as stream:
        yield stream


def check_new(path: Path | None) -> None:
    """Refuse a file to write that exists already; before the work whose result it is to hold.

    Raises:
        WriteError: It does.
    """
    if path is not None and path.exists():
        raise WriteError(f"{path}: already exists. Choose another name.")


def write_text(path: Path, text: str) -> None:
    """Write a text file, completely or not at all.

    Raises:
        WriteError: The disk is full, or the folder cannot be written.
    """
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, indented for human readers, completely or not at all.

    Raises:
        WriteError: The disk is full, or the folder cannot be written.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def looks_like_a_file(name: str | Path) -> bool:
    """Return True for a Path, a name with a suffix or a folder in it, and a name of a file that exists."""
    return isinstance(name, Path) or Path(name).suffix != "" or os.sep in name or os.path.exists(name)  # noqa: PTH110


def cannot_write(path: Path, error: OSError) -> WriteError:
    """Return the error to raise where ``path`` could not be written."""
    remedy = "Free some space" if error.errno in _NO_ROOM else "Check the folder and its permissions"
    return WriteError(f"{path}: cannot be written: {_reason(error)}. {remedy}, or write elsewhere.")


def cannot_read(path: Path, error: OSError, what: str = "a file") -> DataError:
    """Return the error to raise where ``path``, which should be ``what``, could not be read."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return DataError(f"{path}: no such file. Check the path.")
    if isinstance(error, IsADirectoryError):
        return DataError(f"{path}: expected {what}, got a folder. Name a file in it.")
    return DataError(f"{path}: cannot be read: {_reason(error)}. Check the path.")


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


# That of the checkpoints of a search's runs.
_DEPTH = 4
_TEXTS, _MOST_BYTES = (".json", ".jsonl", ".yaml", ".html", ".log"), 1 << 28


def check_plain(folder: Path) -> None:
    """Refuse a folder with anything but files and folders in it, four levels deep, or with a text of 256 MB.

    Folders of runs are handed on. A link would lead what is read, written and deleted out of the folder, and reading a
    pipe or a device never ends.

    Raises:
        RunError: It has a symbolic link, a pipe, a device, or too large a text.
    """
    for entry in _entries_of(folder, _DEPTH):
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # it was there a moment ago
            continue
        if not stat.S_ISDIR(found.st_mode):
            _check_file(entry.path, found, is_text=entry.name.endswith(_TEXTS))


def _check_file(path: str | Path, found: os.stat_result, *, is_text: bool) -> None:
    if not stat.S_ISREG(found.st_mode):
        what = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "no file"
        raise RunError(f"{path}: {what}, and none is followed in a folder of runs. Put a copy there.")
    if is_text and found.st_size > _MOST_BYTES:
        raise RunError(f"{path}: expected less than 256 MB, got {found.st_size / 1e6:,.0f} MB. Remove it.")


def open_plain(path: Path, *, is_text: bool = False) -> BinaryIO:
    """Open a file in a folder of runs to be read, following no link and waiting for no pipe.

    Raises:
        FileNotFoundError: There is none.
        RunError: It is no file, a text of 256 MB, or cannot be read.
    """
    flags = sum(getattr(os, name, 0) for name in ("O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC"))
    try:
        stream = os.fdopen(os.open(path, flags), "rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        if path.is_symlink() or not path.is_dir():
            _check_file(path, path.lstat(), is_text=False)
        raise RunError(f"{path}: cannot be read: {_reason(error)}. Check the folder and its permissions.") from None
    try:
        _check_file(path, os.fstat(stream.fileno()), is_text=is_text)
    except RunError:
        stream.close()
        raise
    return stream


def read_text(path: Path) -> str:
    """Read a text in a folder of runs.

    Raises:
        FileNotFoundError: There is none.
        UnicodeDecodeError: It is not UTF-8.
        RunError: It is no file, has 256 MB, or cannot be read.
    """
    with open_plain(path, is_text=True) as stream:
        return stream.read().decode("utf-8")


_DAMAGE = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    EOFError,
    AssertionError,
)


@contextmanager
def expecting_form(path: Path, remedy: str = "Train again.") -> Iterator[None]:
    """Name the file, in a folder of runs, whose content does not have the form that the block expects.

    Raises:
        RunError: The block failed as code does that meets another form; or the file is missing.
    """
    try:
        yield
    except UnrolledError:
        raise
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; the run did not get that far. {remedy}") from None
    except _DAMAGE as error:
        raise RunError(f"{path}: the file is damaged ({_damage(error)}). {remedy}") from None


def in_form(form: Any, values: Any) -> Any:
    """Return values from JSON, converted to a type.

    Raises:
        pydantic.ValidationError: They have another form; a ValueError.
    """
    return _adapter(form).validate_python(values)


@cache
def _adapter(form: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(form)


def _damage(error: BaseException) -> str:
    """Return what is wrong with a content in a few words."""
    if hasattr(error, "errors"):  # of pydantic
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".lstrip(": ")
    if isinstance(error, json.JSONDecodeError):
        return "not JSON"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    words = f"no {error}" if isinstance(error, KeyError) else str(error)
    return " ".join((words or type(error).__name__).split())[:200]


def _entries_of(folder: str | Path, depth: int) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of a folder and of the folders in it; of those that vanish meanwhile, none."""
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in found:
        yield entry
        if depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _entries_of(entry.path, depth - 1)


LOCK_FILE = ".lock"
# Its content: the process that holds the lock. The lock itself cannot hold it, since Windows lets no other process
# read a locked file.
_OWNER_FILE = ".lock-owner.json"
# A process that only asks whether a folder is locked holds the lock for much less.
_SECONDS_TO_LOCK, _SECONDS_BETWEEN_TRIES = 0.5, 0.05


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's or a group's folder, in which one process at a time trains, for the length of a block.

    The lock dies with the process that holds it.

    Raises:
        RunError: Another process holds it.
        WriteError: The folder cannot be written.
    """
    from filelock import FileLock, Timeout  # which costs 20 ms that most commands do not need

    owner, lock = folder / _OWNER_FILE, FileLock(folder / LOCK_FILE, mode=0o644)
    try:
        lock.acquire(timeout=_SECONDS_TO_LOCK, poll_interval=_SECONDS_BETWEEN_TRIES)
    except Timeout:
        raise RunError(
            f"{folder}: another process{_format_owner(owner)} is training it. Wait, or stop that process."
        ) from None
    except OSError as error:
        raise cannot_write(folder / LOCK_FILE, error) from None
    try:
        for place in (folder, *(entry for entry in folder.iterdir() if entry.is_dir())):
            remove_parts(place)
        write_json(owner, {"pid": os.getpid(), "host": socket.gethostname()})
        yield
    finally:
        with suppress(OSError):
            owner.unlink()
        lock.release()


def is_locked(folder: Path) -> bool:
    """Return True if a living process holds the lock of a folder, or if this cannot be found out."""
    from filelock import FileLock, Timeout

    path = folder / LOCK_FILE
    if not path.exists():
        return False
    try:
        with FileLock(path, mode=0o644, timeout=0):
            return False
    except (Timeout, PermissionError):
        return True
    except OSError:
        return False


def _format_owner(path: Path) -> str:
    """Return " (pid 12, host a)"; nothing in the moment in which that is not written yet."""
    try:
        owner = json.loads(read_text(path))
        return f" (pid {owner['pid']}, host {owner['host']})"
    except (OSError, ValueError, LookupError, TypeError):
        return ""
