"""Optuna's journal, which processes append to at any time and which survives the death of any of them."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from unrolled.errors import WriteError
from unrolled.storage import write_json

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


SECONDS_BETWEEN_RENEWALS = 5.0
SECONDS_UNTIL_GIVEN_UP = 60.0
# A process that dies while it holds a lock leaves it behind; nobody holds one for so long.
_SECONDS_UNTIL_BROKEN_LEASES = 20


@dataclass(frozen=True)
class ProcessId:
    """A process, told apart from every other one, also from a later one of the same number.

    Attributes:
        host: The machine since it was started, and the part of it that numbers its own processes.
        pid: The process' number.
        started: When it began, in the kernel's ticks.
    """

    host: str
    pid: int
    started: int

    @classmethod
    def this_process(cls) -> "ProcessId":
        """The one that asks."""
        return cls(_this_host(), os.getpid(), _started(os.getpid()) or 0)

    def is_gone(self) -> bool:
        """Whether a process of this machine has ended; a dead one that nobody has asked about yet has."""
        return self.host == _this_host() and _started(self.pid) != self.started


class Heartbeats:
    """The leases in a folder, each on a trial's number or another piece of work.

    Args:
        folder: Where they are kept.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._seen: dict[int | str, tuple[str, float]] = {}

    def take(self, work: int | str) -> None:
        """Become the holder.

        Raises:
            WriteError: The folder cannot be written.
        """
        write_json(self._path(work), {**asdict(ProcessId.this_process()), "renewed": time.time()})

    def release(self, work: int | str) -> None:
        """Give the lease back."""
        self._path(work).unlink(missing_ok=True)

    @contextmanager
    def renewing(self, work: int | str, each_time: Callable[[], None]) -> Iterator[None]:
        """Renew the lease for the length of a block, then give it back.

        Args:
            work: What a lease was taken on.
            each_time: Called with each renewal, in another thread.
        """
        done = threading.Event()

        def renew() -> None:
            while not done.wait(SECONDS_BETWEEN_RENEWALS):
                each_time()
                with suppress(WriteError):  # the next time may go well; 60 s are many times
                    self.take(work)

        thread = threading.Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self.release(work)

    def is_given_up(self, work: int | str) -> bool:
        """Whether nobody holds the lease any more; of another machine's that takes a minute of watching to know."""
        try:
            text = self._path(work).read_text(encoding="utf-8")
        except FileNotFoundError:
            return True
        if _holder_of(text).is_gone():
            return True
        last, since = self._seen.get(work, ("", 0.0))
        if text != last:
            self._seen[work] = (text, time.monotonic())
            return False
        return time.monotonic() - since > SECONDS_UNTIL_GIVEN_UP

    def _path(self, work: int | str) -> Path:
        return self.folder / f"{work}.json"


@contextmanager
def shared_lock(path: Path) -> Iterator[None]:
    """Hold ``path``, with ``.lock`` behind it, alone among all processes and machines that share the folder."""
    lock = JournalFileOpenLock(str(path), grace_period=_SECONDS_UNTIL_BROKEN_LEASES)
    lock.acquire()
    try:
        yield
    finally:
        with suppress(RuntimeError):  # it took so long that somebody broke the lock
            lock.release()


def _holder_of(text: str) -> ProcessId:
    values = json.loads(text)
    return ProcessId(values["host"], values["pid"], values["started"])


@cache
def _this_host() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{socket.gethostname()} {boot} {Path('/proc/self/ns/pid').stat().st_ino}"


def _started(pid: int) -> int | None:
    """When a process of this machine began, or None if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])
