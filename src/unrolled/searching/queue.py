"""Queue of a search's trials: Optuna's journal, the heartbeats of the processes that train them, and a lock."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unrolled.errors import WriteError
from unrolled.storage import cannot_write, expecting_form, in_form, read_text, remove_parts, write_json
from unrolled.system import ProcessId

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

# A process that dies while it writes leaves the lock behind; a write takes milliseconds.
_SECONDS_UNTIL_JOURNAL_LOCK_IS_STALE = 10
_LONGEST_LINE = 1 << 20


def open_journal(path: Path) -> JournalStorage:
    """Open the journal in a file, which is made if it does not exist.

    Processes append to it at any time, and it survives the death of any of them.
    """
    # Optuna warns of a lock that a killed process left, which is removed without anybody's help.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return JournalStorage(_Journal(path))


class _Journal(JournalFileBackend):
    """Journal whose failure to be written is one line."""

    def __init__(self, path: Path):
        super().__init__(str(path), _RepairingLock(path))
        self.path = path

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        try:
            super().append_logs(logs)
        except OSError as error:
            raise cannot_write(self.path, error) from None


class _RepairingLock(JournalFileOpenLock):
    """Lock that cuts off the line that a killed process left half written, before another one is appended."""

    def __init__(self, path: Path):
        super().__init__(str(path), grace_period=_SECONDS_UNTIL_JOURNAL_LOCK_IS_STALE)
        self.path = path

    def acquire(self) -> bool:
        held = super().acquire()
        cut_torn_line(self.path)
        return held

    def release(self) -> None:
        with suppress(RuntimeError):  # of a full disk, or where another process has removed it
            super().release()


def cut_torn_line(path: Path) -> None:
    """Shorten a file of lines to its last complete one."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _LONGEST_LINE)
        file.seek(start)
        tail = file.read()
        if tail and not tail.endswith(b"\n"):
            file.truncate(start + tail.rfind(b"\n") + 1)


SECONDS_BETWEEN_HEARTBEATS = 5.0
SECONDS_UNTIL_LOST = 60.0
# A process that dies while it holds the lock leaves it behind; none holds it for so long.
_SECONDS_UNTIL_QUEUE_LOCK_IS_STALE = 20


class Heartbeats:
    """Files in a folder by which processes show that they are alive and which task each works on.

    A task is the number of a trial, or another name.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._seen: dict[int | str, tuple[str, float]] = {}

    def start(self, task: int | str) -> None:
        """Write the first heartbeat of this process for a task, or the next one.

        Raises:
            WriteError: The folder cannot be written.
        """
        write_json(self._path(task), {**asdict(ProcessId.current()), "time": time.time()})

    def stop(self, task: int | str) -> None:
        """Remove the heartbeat of a task, and what a process that was killed has left of one."""
        self._path(task).unlink(missing_ok=True)
        remove_parts(self.folder, self._path(task).name)

    @contextmanager
    def beating(self, task: int | str, each_time: Callable[[], None]) -> Iterator[None]:
        """Renew the heartbeat of a task for the length of a block, then remove it.

        Args:
            task: The task, whose heartbeat has been started.
            each_time: Called with each heartbeat, in another thread.
        """
        done = threading.Event()

        def beat() -> None:
            while not done.wait(SECONDS_BETWEEN_HEARTBEATS):
                each_time()
                with suppress(WriteError):  # the next one may be written; 60 s are many heartbeats
                    self.start(task)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self.stop(task)

    def is_lost(self, task: int | str) -> bool:
        """Return True if no living process works on a task.

        A process of this machine is asked for; of another machine's process the heartbeat must have stood still for a
        minute of watching.
        """
        try:
            text = read_text(self._path(task))
        except FileNotFoundError:
            return True
        with expecting_form(self._path(task), "Remove it."):
            if _process_of(text).has_exited():
                return True
        last, since = self._seen.get(task, ("", 0.0))
        if text != last:
            self._seen[task] = (text, time.monotonic())
            return False
        return time.monotonic() - since > SECONDS_UNTIL_LOST

    def _path(self, task: int | str) -> Path:
        return self.folder / f"{task}.json"


@contextmanager
def shared_lock(path: Path) -> Iterator[None]:
    """Hold ``path``, with ``.lock`` behind it, alone among all processes and machines that share the folder.

    The lock is Optuna's, by a file that only one process can make, since machines that share a folder may not see each
    other's locks of the operating system.

    Raises:
        WriteError: The folder cannot be written.
    """
    lock = JournalFileOpenLock(str(path), grace_period=_SECONDS_UNTIL_QUEUE_LOCK_IS_STALE)
    try:
        lock.acquire()
    except OSError as error:
        raise cannot_write(path, error) from None
    try:
        yield
    finally:
        with suppress(RuntimeError):  # it was held so long that another process has removed it
            lock.release()


def _process_of(text: str) -> ProcessId:
    values = json.loads(text)
    found: ProcessId = in_form(ProcessId, {name: values[name] for name in ("host", "pid", "started")})
    return found
