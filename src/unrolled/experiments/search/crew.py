"""The processes that train trials for a search, and what becomes of them."""

import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from unrolled.errors import TrainingStopped
from unrolled.experiments.training.jobs import shared_environment, shares, unrolled_command

_SECONDS_TO_STOP = 60
# A process that answers a signal ends with this and the signal's number.
_SIGNALLED = 128


class Crew:
    """Processes that each train one trial after another, on cores of their own.

    Args:
        folder: Of the search.
        wanted: How many trials shall end, over all who work on it.
        jobs: How many processes.
    """

    def __init__(self, folder: Path, wanted: int, jobs: int):
        command = unrolled_command("search", str(folder), "--trials", str(wanted), "--worker")
        # What they say goes to a file: a pipe that nobody reads would stop them.
        self.said: list[IO[str]] = [tempfile.TemporaryFile("w+") for _ in range(jobs)]  # noqa: SIM115 - closed by stop
        self.processes = [
            subprocess.Popen(
                command, env=shared_environment(jobs), stdin=subprocess.DEVNULL, stdout=said, stderr=said, text=True
            )
            for said in self.said
        ]
        for process, cores in zip(self.processes, shares(os.sched_getaffinity(0), jobs), strict=True):
            with suppress(ProcessLookupError):  # it has ended already
                os.sched_setaffinity(process.pid, cores)

    def works(self) -> bool:
        """Whether any of them still does."""
        return any(process.poll() is None for process in self.processes)

    def failure(self) -> TrainingStopped | None:
        """The error of the first that ended with one of its own; to be stopped or killed is none."""
        for process, said in zip(self.processes, self.said, strict=True):
            if 0 < (process.poll() or 0) < _SIGNALLED:
                said.seek(0)
                lines = said.read().strip().splitlines()
                return TrainingStopped(lines[-1] if lines else f"search: a process ended with {process.returncode}.")
        return None

    def killed_by(self) -> str:
        """The signals that ended some of them, spelled out; or nothing."""
        codes = {process.poll() or 0 for process in self.processes}
        numbers = sorted(-code if code < 0 else code - _SIGNALLED for code in codes if not 0 <= code <= _SIGNALLED)
        return ", ".join(signal.Signals(number).name for number in numbers)

    def stop(self) -> None:
        """Ask all of them to stop after the batch under way, and wait until they have."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(_SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for said in self.said:
            said.close()
