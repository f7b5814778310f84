"""The worker processes: started, commanded one at a time, and idle while another one computes."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from multiprocessing import Pipe
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.cases import Arm
from benchmarks.frameworks.program import Prepared

ROOT = Path(__file__).parents[1]
SLOW_DOWN = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Environment variables that choose NumPy's BLAS kernels for another processor than this one."""


class WorkerFailed(RuntimeError):
    """A command of a worker failed."""


class WorkerProcess:
    """One framework's process, kept alive."""

    def __init__(self, framework: str, cores: Iterable[int]):
        self.framework = framework
        self._log = tempfile.TemporaryFile(mode="w+", errors="replace")  # noqa: SIM115 - closed with the process
        self._connection, other_end = Pipe()
        arguments = [str(other_end.fileno()), framework, ",".join(map(str, cores))]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", *arguments],
            cwd=ROOT,
            env=environment(framework),
            pass_fds=[other_end.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        other_end.close()
        try:
            self.description: dict[str, Any] = self._ask("describe")
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def prepare(self, arm: Arm) -> Prepared:
        """Build an arm's program and run it once."""
        prepared: Prepared = self._ask("prepare", arm)
        return prepared

    def run(self, name: str, count: int) -> float:
        """Return the seconds of one run of an arm's program, averaged over ``count`` runs in a row."""
        return float(self._ask("run", name, count))

    def multiply(self, count: int) -> float:
        """Return the GFLOP/s of the framework's own matrix product."""
        return float(self._ask("multiply", count))

    def forget(self) -> None:
        """Drop every program."""
        self._ask("forget")

    def close(self) -> None:
        """Close the pipe, which ends the process."""
        self._connection.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _ask(self, *command: Any) -> Any:
        try:
            self._connection.send(command)
            succeeded, result = self._connection.recv()
        except (EOFError, OSError):
            raise WorkerFailed(f"the process ended: {self._last_line()}") from None
        if not succeeded:
            raise WorkerFailed(result)
        return result

    def _last_line(self) -> str:
        self._log.seek(0)
        lines = self._log.read().split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "no output")


class Workers:
    """The processes of a run by the names of their frameworks, started at their first use."""

    def __init__(self, cores: list[int]):
        self.cores = cores
        self._processes: dict[str, WorkerProcess] = {}

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._processes.values():
            process.close()

    def __getitem__(self, framework: str) -> WorkerProcess:
        if framework not in self._processes:
            self._processes[framework] = WorkerProcess(framework, self.cores)
        return self._processes[framework]

    def started(self) -> list[WorkerProcess]:
        """Return the processes that have been started."""
        return list(self._processes.values())

    def forget(self) -> None:
        """Drop every program; a process that has died is started again at its next use."""
        for process in self.started():
            try:
                process.forget()
            except WorkerFailed:
                process.close()
                del self._processes[process.framework]

    def wait_until_idle(self, patience: float = 1.0) -> None:
        """Wait until no worker computes: idle threads of OpenMP and BLAS spin for a while."""
        pids = [process.pid for process in self._processes.values()]
        end = time.monotonic() + patience
        before = computing_seconds(pids)
        while time.monotonic() < end:
            time.sleep(0.005)
            now = computing_seconds(pids)
            if now - before < 0.0005:
                return
            before = now


def environment(framework: str) -> dict[str, str]:
    """Return the environment of a worker: its Keras backend, without variables that slow NumPy down."""
    kept = {name: value for name, value in os.environ.items() if name not in SLOW_DOWN}
    backend = "jax" if framework == "processor" else framework
    return {**kept, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}


def computing_seconds(pids: Iterable[int]) -> float:
    """Return the processor time of all threads of these processes in seconds, precise to the microsecond."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except (OSError, ValueError, IndexError):  # the thread has ended
                continue
    return total / 1e9


class OthersWork:
    """The share of the machine that other processes take during a measurement, which makes it less reliable."""

    def __init__(self, workers: Workers):
        self._workers = workers
        self._began = self._now()

    def share(self) -> float | None:
        """Return their share of all cores' time since this object was created; None if the system does not count it."""
        wall, busy, ours = (now - then for now, then in zip(self._now(), self._began, strict=True))
        cores = os.cpu_count() or 1
        return max(0.0, busy - ours) / (wall * cores) if busy else None

    def _now(self) -> tuple[float, float, float]:
        pids = [os.getpid(), *(process.pid for process in self._workers.started())]
        return time.monotonic(), busy_seconds(), computing_seconds(pids)


def busy_seconds() -> float:
    """Return the seconds of all cores that were busy or taken by the host; 0 where the system does not count them."""
    try:
        numbers = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    except OSError:
        return 0.0
    user, nice, system, _, _, interrupts, soft_interrupts, stolen, *_ = numbers
    return (user + nice + system + interrupts + soft_interrupts + stolen) / os.sysconf("SC_CLK_TCK")
