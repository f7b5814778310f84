"""Ctrl-C in a command: one line and an exit code, wherever it arrives."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

_CODE = 128 + signal.SIGINT


class Interrupts:
    """Handler of Ctrl-C that raises once, so that files are closed and processes stopped; a second one ends at once.

    Attributes:
        arrived: Whether it has been pressed.
    """

    def __init__(self) -> None:
        self.arrived = False
        self._is_listening = True

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt, unless the command has ended already."""
        if self.arrived or _is_importing(frame):
            _end_at_once()
        if self._is_listening:
            self.arrived = True
            raise KeyboardInterrupt

    def end(self) -> None:
        """Raise no more."""
        self._is_listening = False


def _is_importing(frame: FrameType | None) -> bool:
    """Return True within an import: an extension module whose initialization is interrupted may crash."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _end_at_once() -> NoReturn:
    with suppress(OSError):
        os.write(2, b"interrupted\n")
    os._exit(_CODE)


@contextmanager
def ctrl_c_interrupts() -> Iterator[Interrupts]:
    """Let Ctrl-C interrupt a block; after it, a command that has ended dies without a word."""
    interrupts, before = Interrupts(), signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or before not in (signal.SIG_DFL, signal.default_int_handler):
        yield interrupts
        return
    hook = sys.unraisablehook

    def end(unraisable: Any) -> None:
        """End where Python would print a traceback and go on: in a destructor, or in a hook of a library."""
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            _end_at_once()
        hook(unraisable)

    sys.unraisablehook = end
    signal.signal(signal.SIGINT, interrupts.receive)
    try:
        yield interrupts
    finally:
        interrupts.end()
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = hook
