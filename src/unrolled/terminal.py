"""Printing: no escape code of a stranger, no forged line, and one error where it cannot be written.

Names come from files that somebody else made: of classes, columns, series, files and runs. Whatever is printed passes
through `visible` before any color is added to it.
"""

import codecs
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from unrolled.errors import InvalidInput, UnrolledError, WriteError

# What a terminal obeys (C0, DEL, C1), what breaks a line, and what reorders the text after it.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# What is drawn with, for a terminal that has no such characters.
_DRAWN = dict(zip("█▓▒░▀▄━─│╸╺…←·", "##+:^_--|--~<.", strict=True))


def visible(text: str, keep: str = "") -> str:
    r"""Replace control characters by their names.

    Args:
        text: A text that a terminal is to show as it is.
        keep: Control characters to leave: ``"\n"`` for a text of several lines.

    Example:
        >>> visible("\x1b[31mred\nforged")
        '\\x1b[31mred\\nforged'
    """
    return _CONTROLS.sub(lambda found: found[0] if found[0] in keep else _name(found[0]), text)


def _name(character: str) -> str:
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def visible_json(text: str) -> str:
    """Write the control characters in JSON, where JSON allows them, as it writes the others."""
    return _CONTROLS.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)


def say(text: object = "", *, end: str = "\n", keep: str = "") -> None:
    """Print a line to the standard output.

    Args:
        text: The line.
        end: What follows it.
        keep: Control characters to leave, as of `visible`.

    Raises:
        WriteError: It cannot be written.
        BrokenPipeError: Its reader has gone.
    """
    with writing_output():
        sys.stdout.write(visible(str(text), keep) + end)


def warn(text: object, *, keep: str = "") -> None:
    """Print a line to the standard error; where it cannot be written there is nobody to tell."""
    try:
        sys.stderr.write(visible(str(text), keep) + "\n")
        sys.stderr.flush()
    except OSError:
        _drop(sys.stderr)


def say_folder(path: object) -> None:
    """Print the folder of a training, which has not failed where this cannot be written."""
    try:
        say(path)
    except BrokenPipeError:
        pass
    except WriteError as error:
        warn(f"{error} The folder is {path}")


@contextmanager
def writing_output() -> Iterator[None]:
    """Report that the standard output cannot be written in the block; what is written to it afterwards is dropped.

    Raises:
        WriteError: It cannot be written.
        BrokenPipeError: Its reader has gone.
    """
    try:
        yield
        sys.stdout.flush()
    except UnrolledError:
        raise
    except BrokenPipeError:
        _drop(sys.stdout)
        raise
    except OSError as error:
        _drop(sys.stdout)
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise WriteError(f"standard output: cannot be written: {reason}. Write to another place.") from error


@contextmanager
def data_output() -> Iterator[TextIO]:
    """Yield the standard output for data: exact in a file or a pipe, on a terminal without control characters.

    Raises:
        InvalidInput: Its encoding lacks a character.
        WriteError: It cannot be written.
    """
    stream = sys.stdout
    errors = stream.errors
    with writing_output():
        if not stream.isatty() and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="strict")
        try:
            yield cast("TextIO", _Visible(stream)) if stream.isatty() else stream
        except UnicodeEncodeError as error:
            character = error.object[error.start]
            raise InvalidInput(
                f"standard output: its encoding {error.encoding} lacks {character!a}. Set PYTHONIOENCODING=utf-8"
            ) from error
        finally:
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors=errors)


def _drop(stream: TextIO) -> None:
    """Send what a stream holds and what it gets from now on to nowhere."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()


class _Visible:
    """A stream that shows control characters instead of obeying them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(visible(text.replace("\r\n", "\n"), "\n\t"))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def prepare_streams() -> None:
    """Make the standard streams of a command safe to use.

    A closed one is opened, so that its number is not given to the next file: then nothing is read, and what is written
    to the output fails. A character that the encoding of a stream lacks is replaced. Whatever else prints to the
    standard error, such as a library's warning, cannot command the terminal either.
    """
    codecs.register_error("unrolled", _replaced)
    for number, (name, mode, flags) in enumerate(
        (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY))
    ):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, flags)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="unrolled")
    if not isinstance(sys.stderr, _Visible):
        sys.stderr = cast("TextIO", _Visible(sys.stderr))


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeEncodeError):
        character = error.object[error.start]
        if character in _DRAWN:
            return _DRAWN[character], error.start + 1
        return codecs.backslashreplace_errors(
            UnicodeEncodeError(error.encoding, error.object, error.start, error.start + 1, error.reason)
        )
    raise error
