"""Stop requests from Ctrl-C and SIGTERM, and a pool of worker processes."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import IO, Self

from unrolled.errors import Interrupted
from unrolled.system import allowed_cores, split_cores, start_process, usable_cores


class StopRequest:
    """A signal that asked the training to stop; the training stops after the batch that is under way.

    Attributes:
        signal_number: ``signal.SIGINT`` or ``signal.SIGTERM``; None until one of them arrives.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def receive(self, signal_number: int, frame: FrameType | None) -> None:
        """Keep the first signal; further ones must not cut the saving short."""
        self.signal_number = self.signal_number or signal_number

    def raise_if_requested(self, message: str) -> None:
        """Raise if a signal has arrived.

        Raises:
            Interrupted: With the message.
        """
        if self.signal_number is not None:
            raise Interrupted(message, signal_number=self.signal_number)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn SIGINT and SIGTERM into a StopRequest for the length of a block; only the main thread can.

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


# Each tells one library how many threads it may use.
_THREADS = ("UNROLLED_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
_SECONDS_BETWEEN_POLLS = 0.1
# A process that handles a signal exits with this plus the signal's number.
_SIGNALLED = 128

Finished = subprocess.CompletedProcess[str]


def worker_environment(jobs: int) -> dict[str, str]:
    """Return the environment of one process of several, which may use its share of the threads.

    Args:
        jobs: Number of processes.
    """
    if jobs == 1:
        return dict(os.environ)
    return {**os.environ, **dict.fromkeys(_THREADS, str(max(1, usable_cores() // jobs)))}


def unrolled_command(*arguments: str) -> list[str]:
    """Return the command that runs ``unrolled`` with this Python."""
    return [sys.executable, "-m", "unrolled", *arguments]


def ending_signal(returncode: int) -> signal.Signals | None:
    """Return the signal that ended a process, by killing it or by being handled; None if it exited by itself.

    Example:
        >>> ending_signal(-9).name, ending_signal(130).name, ending_signal(1)
        ('SIGKILL', 'SIGINT', None)
    """
    number = -returncode if returncode < 0 else returncode - _SIGNALLED
    return signal.Signals(number) if number in set(signal.Signals) else None


def never(finished: Finished) -> bool:
    """Retry nothing."""
    return False


@dataclass
class _Worker:
    command: Sequence[str]
    cores: list[int]
    process: "subprocess.Popen[bytes]"
    output: IO[str]
    errors: IO[str]

    def finished(self) -> Finished:
        """Return the exit code and everything that was printed."""
        texts = []
        for file in (self.output, self.errors):
            file.seek(0)
            texts.append(file.read())
            file.close()
        return Finished(self.command, self.process.returncode, *texts)


class WorkerPool:
    """Processes that run commands, several at a time, each on cores of its own. To be used in a ``with`` block.

    Retried is a command whose process was ended by a signal that this pool did not send (the kernel's out-of-memory
    killer, ``kill``), where ``retry`` allows it; the command then waits at the end of the queue. A process that exits
    by itself is never retried, whatever its exit code. By default nothing is.

    Leaving the block stops the processes that run and waits for them.

    Args:
        jobs: Number of processes at a time.
        retry: Called with a process that a signal ended; returns True if its command is to be run again.
        seconds_to_stop: Time that a stopped process has before it is killed; None for as long as it takes.
    """

    def __init__(
        self, jobs: int, *, retry: Callable[[Finished], bool] = never, seconds_to_stop: float | None = None
    ) -> None:
        self.retry, self.seconds_to_stop = retry, seconds_to_stop
        self._environment = worker_environment(jobs)
        self._free_cores = split_cores(allowed_cores(), jobs)
        self._queue: deque[Sequence[str]] = deque()
        self._workers: list[_Worker] = []
        self._is_stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop(signal.SIGTERM)  # a process that a shell runs in the background ignores SIGINT
        for worker in self._workers:
            try:
                worker.process.wait(self.seconds_to_stop)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            worker.finished()

    @property
    def is_busy(self) -> bool:
        """True while a process runs or a command waits for one."""
        return bool(self._workers or self._queue)

    def submit(self, commands: Iterable[Sequence[str]]) -> None:
        """Queue commands; those for which there are free cores start at once.

        Args:
            commands: Each a program and its arguments.
        """
        self._queue.extend(commands)
        self._start_queued()

    def poll(self) -> list[Finished]:
        """Return the processes that have finished since the last call, without those that are retried."""
        finished: list[Finished] = []
        for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
            self._workers.remove(worker)
            self._free_cores.append(worker.cores)
            result = worker.finished()
            if not self._is_stopped and ending_signal(result.returncode) and self.retry(result):
                self._queue.append(worker.command)
            else:
                finished.append(result)
        self._start_queued()
        return finished

    def stop(self, signal_number: int) -> None:
        """Pass a signal on to the processes that run, once, and start no more."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self._queue.clear()
        for worker in self._workers:
            worker.process.send_signal(signal_number)

    def _start_queued(self) -> None:
        while self._queue and self._free_cores:
            command, cores = self._queue.popleft(), self._free_cores.pop(0)
            # Files rather than pipes, which would have to be emptied all the time.
            output, errors = _temporary_file(), _temporary_file()
            process = start_process(command, cores, self._environment, stdout=output, stderr=errors)
            self._workers.append(_Worker(command, cores, process, output, errors))


def _temporary_file() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")


def run_commands(
    commands: Iterable[Sequence[str]], jobs: int, request: StopRequest | None = None
) -> Iterator[tuple[Sequence[str], Finished]]:
    """Run commands, ``jobs`` at a time on cores of their own, and yield each with its output when it has finished.

    None is retried. A stop request passes the signal on to the processes that run, waits for them, yields them too, and
    starts no more. An exception in the loop that takes the results, Ctrl-C among them, stops the processes as well.

    Args:
        commands: Each a program and its arguments.
        jobs: Number of commands at a time.
        request: The stop request; None where signals raise.
    """
    with WorkerPool(jobs) as pool:
        pool.submit(commands)
        while pool.is_busy:
            time.sleep(_SECONDS_BETWEEN_POLLS)
            if request and request.signal_number is not None:
                pool.stop(request.signal_number)
            for finished in pool.poll():
                yield finished.args, finished
