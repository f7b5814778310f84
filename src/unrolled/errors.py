"""Every error that unrolled raises on purpose.

::

    UnrolledError
    ├── InvalidSetting    (ValueError)          an experiment, a recipe or --set has an impossible value
    ├── InvalidInput      (ValueError)          an array, an image or an argument has the wrong form
    ├── DataError         (OSError)             a data file is missing, damaged or cannot be downloaded
    ├── RunError          (OSError)             a run folder is missing or incomplete
    ├── WriteError        (OSError)             a file cannot be written
    └── TrainingStopped   (RuntimeError)        training ended before its last epoch; its checkpoints are kept
        ├── Diverged                            the loss became NaN or infinite
        ├── Pruned                              a search stopped a trial that fell behind
        └── Interrupted                         Ctrl-C or SIGTERM

A message is one line of the form ``{where}: {problem}. {Imperative remedy.}``; the problem reads ``expected …, got …``
where both are values. The command line prints it and exits with the class's ``exit_code``: 2 for bad input, 1 for a
failure while running, and 128 plus the number of the signal for an interruption.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class UnrolledError(Exception):
    """Base class of every error that unrolled raises on purpose."""

    exit_code = 2


class InvalidSetting(UnrolledError, ValueError):
    """An experiment, a recipe or an argument has an impossible value."""


class InvalidInput(UnrolledError, ValueError):
    """An array, an image or an argument has the wrong form."""


class DataError(UnrolledError, OSError):
    """A data file is missing, damaged or cannot be downloaded."""


class RunError(UnrolledError, OSError):
    """A run folder is missing or incomplete."""


class WriteError(UnrolledError, OSError):
    """A file cannot be written: the disk is full, or the folder is not writable."""

    exit_code = 1


class TrainingStopped(UnrolledError, RuntimeError):
    """Training ended before its last epoch.

    Args:
        message: The message.
        run: The run folder with the checkpoints; None if there is none.
    """

    exit_code = 1
    status = "failed"

    def __init__(self, message: str, *, run: Path | None = None):
        super().__init__(message)
        self.run = run


class Diverged(TrainingStopped):
    """The loss became NaN or infinite."""

    status = "diverged"


class Pruned(TrainingStopped):
    """A search stopped a trial that fell behind the others."""

    status = "pruned"


class Interrupted(TrainingStopped):
    """A signal (Ctrl-C, SIGTERM) ended the training after the current batch."""

    status = "interrupted"

    def __init__(self, message: str, *, signal_number: int, run: Path | None = None):
        super().__init__(message, run=run)
        self.exit_code = 128 + signal_number


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question that names the known word closest to a misspelt one.

    Args:
        word: The unknown word.
        known: The words that exist.

    Returns:
        ``' Did you mean "units"?'`` with its leading space, or ``""`` if no known word is close.

    Example:
        >>> did_you_mean("unit", ["units", "activation"])
        ' Did you mean "units"?'
        >>> did_you_mean("zebra", ["units", "activation"])
        ''
    """
    spelling = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), spelling, n=1, cutoff=0.6)
    return f' Did you mean "{spelling[close[0]]}"?' if close else ""


def first_line(error: BaseException, longest: int = 120) -> str:
    """Return the first line of what another library's error says, or its name."""
    return (str(error).splitlines() or [type(error).__name__])[0][:longest]
