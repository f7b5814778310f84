"""Ctrl-C and SIGTERM as a request to stop, which the training answers after the batch that is under way."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import count, pairwise
from types import FrameType

from unrolled.errors import Interrupted


class StopRequest:
    """The signal that asked for a stop, or None while nobody has.

    Attributes:
        signal_number: ``signal.SIGINT`` or ``signal.SIGTERM``.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def receive(self, signal_number: int, frame: FrameType | None) -> None:
        """Remember the first signal; more of them must not cut the saving short."""
        self.signal_number = self.signal_number or signal_number

    def answer(self, message: str) -> None:
        """Stop if somebody has asked for it.

        Raises:
            Interrupted: With the message.
        """
        if self.signal_number is not None:
            raise Interrupted(message, signal_number=self.signal_number)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn the two signals into a StopRequest for the length of a block; only the main thread can.

    Begin before JAX is imported: its garbage-collection hook swallows the KeyboardInterrupt of the default handler.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request.receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# Each says to one library how many threads it may use.
_THREADS = ("UNROLLED_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
_SECONDS_BETWEEN_LOOKS = 0.1

Finished = subprocess.CompletedProcess[str]


def worker_environment(jobs: int) -> dict[str, str]:
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
    commands: Iterable[Sequence[str]], jobs: int, request: StopRequest | None = None
) -> Iterator[tuple[Sequence[str], Finished]]:
    """Run commands, ``jobs`` at a time on cores of their own, and give each with what it said as it ends.

    A stop passes the signal on to those that run, waits for them and gives them too; no more are begun. So does an
    exception in whoever takes the results, Ctrl-C among them.

    Args:
        commands: Each a program and its arguments.
        jobs: How many run at once.
        request: Where a signal shows; None where signals raise.
    """
    crew = _Crew(jobs)
    with ThreadPoolExecutor(jobs, initializer=crew.take_cores) as pool:
        running: dict[Future[Finished | None], Sequence[str]] = {pool.submit(crew.run, c): c for c in commands}
        try:
            while running:
                done, _ = wait(running, timeout=_SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED)
                if request and request.signal_number is not None:
                    crew.stop(request.signal_number)
                for future in done:
                    command, finished = running.pop(future), future.result()
                    if finished is not None:
                        yield command, finished
        finally:
            crew.stop(signal.SIGTERM)  # what a shell runs in the background ignores SIGINT


def split_cores(cores: Iterable[int], jobs: int) -> list[list[int]]:
    """Cores of its own for each of several processes; where there are fewer cores, some share one.

    Example:
        >>> split_cores(range(8), 3), split_cores(range(2), 3)
        ([[0, 1, 2], [3, 4], [5, 6, 7]], [[0], [1], [0]])
    """
    each = sorted(cores)
    if jobs > len(each):
        return [[each[job % len(each)]] for job in range(jobs)]
    ends = [round(job * len(each) / jobs) for job in range(jobs + 1)]
    return [each[begin:end] for begin, end in pairwise(ends)]


class _Crew:
    """The processes that run, each begun by a thread that keeps to its share of the cores."""

    def __init__(self, jobs: int):
        self.environment = worker_environment(jobs)
        self.split_cores = split_cores(os.sched_getaffinity(0), jobs)
        self.numbers = count()
        self.lock = threading.Lock()
        self.processes: set[subprocess.Popen[str]] = set()
        self.stopped = False

    def take_cores(self) -> None:
        # Of this thread alone, and of the processes that it begins: JAX, BLAS and OpenMP count the cores they may use.
        os.sched_setaffinity(0, self.split_cores[next(self.numbers)])

    def run(self, command: Sequence[str]) -> Finished | None:
        """Run a command to its end; None where a stop came before its beginning."""
        pipe = subprocess.PIPE
        with self.lock:
            if self.stopped:
                return None
            process = subprocess.Popen(command, env=self.environment, stdout=pipe, stderr=pipe, text=True)
            self.processes.add(process)
        output, errors = process.communicate()
        with self.lock:
            self.processes.discard(process)
        return Finished(command, process.returncode, output, errors)

    def stop(self, signal_number: int) -> None:
        """Begin nothing more, and pass the signal on, once."""
        with self.lock:
            if self.stopped:
                return
            self.stopped = True
            for process in self.processes:
                process.send_signal(signal_number)
