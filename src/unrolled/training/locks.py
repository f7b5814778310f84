"""One process at a time trains in a run's folder; a lock dies with the process that holds it."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unrolled.errors import RunError
from unrolled.storage import cannot_write

FILE = ".lock"
_TRIES, _PAUSE_SECONDS = 10, 0.05


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold a run's folder for the length of a block.

    Raises:
        RunError: Another process holds it.
        WriteError: The folder cannot be written.
    """
    try:
        descriptor = os.open(run / FILE, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise cannot_write(run / FILE, error) from None
    try:
        if not _take(descriptor):
            holder = os.read(descriptor, 4096).decode("utf-8", "replace").strip() or "another process"
            raise RunError(f"{run}: expected a run that nobody trains, got one in training by {holder}. Wait.")
        os.ftruncate(descriptor, 0)
        os.write(descriptor, (json.dumps({"pid": os.getpid(), "host": socket.gethostname()}) + "\n").encode())
        yield
    finally:
        os.close(descriptor)


def is_locked(run: Path) -> bool:
    """Whether a living process trains in a run's folder; one that may not be looked into is believed."""
    try:
        descriptor = os.open(run / FILE, os.O_RDWR)
    except PermissionError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    """Take a lock within a moment: whoever only asks holds it for less."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_SECONDS)
        else:
            return True
    return False
