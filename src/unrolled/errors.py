"""Every error that unrolled raises on purpose.

::

    UnrolledError
    ├── InvalidSetting    (ValueError)          an experiment, a recipe or --set says something impossible
    ├── InvalidInput      (ValueError)          an array, a picture or an argument has the wrong form
    ├── DataError         (OSError)             a data file is missing, damaged or cannot be downloaded
    ├── RunError          (OSError)             a run folder is missing or incomplete
    ├── WriteError        (OSError)             a file cannot be written
    └── TrainingStopped   (RuntimeError)        training ended before its last epoch; what was learned is kept
        ├── Diverged                            the loss became NaN or infinite
        ├── Pruned                              a trial of a search had no prospects
        └── Interrupted                         Ctrl-C or SIGTERM

A message has the form ``{where}: expected {what}, got {actual}. {Imperative remedy.}``. The command line prints
it on one line and exits with the class's ``exit_code``: 2 for bad input, 1 for a failure while running, and
128 plus the signal for an interruption.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class UnrolledError(Exception):
    """Ancestor of every error raised on purpose, so that one ``except`` catches them all."""

    exit_code = 2


class InvalidSetting(UnrolledError, ValueError):
    """An experiment says something that cannot be."""


class InvalidInput(UnrolledError, ValueError):
    """An array, a picture or an argument has the wrong form."""


class DataError(UnrolledError, OSError):
    """A data file is missing, damaged or cannot be downloaded."""


class RunError(UnrolledError, OSError):
    """A run folder is missing or incomplete."""


class WriteError(UnrolledError, OSError):
    """A file cannot be written: the disk is full, or the folder is not the user's."""

    exit_code = 1


class TrainingStopped(UnrolledError, RuntimeError):
    """Training ended before its last epoch; what was learned is in the folder ``run``, if any."""

    exit_code = 1
    status = "failed"

    def __init__(self, message: str, *, run: Path | None = None):
        super().__init__(message)
        self.run = run


class Diverged(TrainingStopped):
    """The loss became NaN or infinite."""

    status = "diverged"


class Pruned(TrainingStopped):
    """A trial of a search fell behind the others."""

    status = "pruned"


class Interrupted(TrainingStopped):
    """A signal (Ctrl-C, SIGTERM) ended the training after the batch that was under way."""

    status = "interrupted"

    def __init__(self, message: str, *, signal_number: int, run: Path | None = None):
        super().__init__(message, run=run)
        self.exit_code = 128 + signal_number


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the closest known word, or nothing.

    Args:
        word: What was written.
        known: What could have been meant.

    Returns:
        ``' Did you mean "units"?'``, with its leading space, or ``""`` where nothing is close.

    Example:
        >>> did_you_mean("unit", ["units", "activation"])
        ' Did you mean "units"?'
        >>> did_you_mean("zebra", ["units", "activation"])
        ''
    """
    spelling = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), spelling, n=1, cutoff=0.6)
    return f' Did you mean "{spelling[close[0]]}"?' if close else ""
