"""Several trainings at once, each in a process of its own, with the processor shared out among them."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

# Each says to one library how many threads it may use.
_THREADS = ("UNROLLED_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


def shared_environment(jobs: int) -> dict[str, str]:
    """The environment of one process of several, which may use its share of the threads.

    Args:
        jobs: How many processes there are.
    """
    if jobs == 1:
        return dict(os.environ)
    threads = max(1, len(os.sched_getaffinity(0)) // jobs)
    return {**os.environ, **dict.fromkeys(_THREADS, str(threads))}


def unrolled_command(*arguments: str) -> list[str]:
    """The command that runs ``unrolled`` with this Python."""
    return [sys.executable, "-m", "unrolled", *arguments]


def run_commands(
    commands: Iterable[Sequence[str]], jobs: int
) -> Iterator[tuple[Sequence[str], subprocess.CompletedProcess[str]]]:
    """Run commands, ``jobs`` at a time, and give each with what it said as it ends.

    Args:
        commands: Each a program and its arguments.
        jobs: How many run at once.
    """
    environment = shared_environment(jobs)

    def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(jobs) as pool:
        ending = {pool.submit(run, command): command for command in commands}
        for future in as_completed(ending):
            yield ending[future], future.result()
