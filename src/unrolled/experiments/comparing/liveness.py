"""Whether a run that says that it is running still is."""

from unrolled.experiments.run import Run
from unrolled.experiments.training.locks import is_locked

DIED = "died"


def current_status(run: Run) -> str:
    """The run's status, or ``died`` where it says ``running`` and no living process holds its folder.

    Raises:
        RunError: Its ``status.json`` is missing or damaged.
    """
    status = str(run.status.get("status", "unknown"))
    return DIED if status == "running" and not is_locked(run.path) else status
