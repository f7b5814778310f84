"""Whether the process that fills a run folder still lives, as far as its lock tells."""

import json
from pathlib import Path

from unrolled.experiments.run import Run

LOCK = "lock.json"
DIED = "died"


def current_status(run: Run) -> str:
    """The run's status, or ``died`` where it says ``running`` and its process is known to be gone.

    Raises:
        RunError: Its ``status.json`` is missing or damaged.
    """
    status = str(run.status.get("status", "unknown"))
    return DIED if status == "running" and is_alive(run.path) is False else status


def is_alive(folder: Path) -> bool | None:
    """Whether the process that the folder's lock names is there; None where nobody can tell.

    The lock holds the process' number and its start in clock ticks since boot (field 22 of ``/proc/PID/stat``),
    because numbers are given out again.
    """
    try:
        lock = json.loads((folder / LOCK).read_text(encoding="utf-8"))
        pid, started = int(lock["pid"]), int(lock["started"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return started == _started(pid)


def _started(pid: int) -> int | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command's name, in parentheses, may hold blanks; the fields after it begin with the third.
    return int(text.rpartition(")")[2].split()[22 - 3])
