"""Optuna's journal, which processes append to at any time and which survives the death of any of them."""

import os
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

# A process that dies while it writes leaves the lock behind; a write takes milliseconds.
_SECONDS_UNTIL_BROKEN = 10
_LONGEST_LINE = 1 << 20


def open_journal(path: Path) -> JournalStorage:
    """The journal in a file, which is made where there is none."""
    # Optuna warns of a lock that a killed process left, which is broken without anybody's help.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return JournalStorage(JournalFileBackend(str(path), _MendingLock(path)))


class _MendingLock(JournalFileOpenLock):
    """Cuts off what a killed process left half written, before anybody writes behind it."""

    def __init__(self, path: Path):
        super().__init__(str(path), grace_period=_SECONDS_UNTIL_BROKEN)
        self.path = path

    def acquire(self) -> bool:
        held = super().acquire()
        cut_torn_line(self.path)
        return held


def cut_torn_line(path: Path) -> None:
    """Shorten a file of lines to its last whole one."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _LONGEST_LINE)
        file.seek(start)
        tail = file.read()
        if tail and not tail.endswith(b"\n"):
            file.truncate(start + tail.rfind(b"\n") + 1)
