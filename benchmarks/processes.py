"""The worker processes: started, spoken to one at a time, and watched so that only one of them computes."""

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
"""Settings that choose NumPy's BLAS kernels for another processor than the one at hand."""


class WorkerFailed(RuntimeError):
    """A command could not be carried out, in the worker's words."""


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
        """The number of the process."""
        return self._process.pid

    def prepare(self, arm: Arm) -> Prepared:
        """Build an arm's program and run it for the first time."""
        prepared: Prepared = self._ask("prepare", arm)
        return prepared

    def run(self, name: str, count: int) -> float:
        """Seconds of one run of an arm's program, on average over ``count`` in a row."""
        return float(self._ask("run", name, count))

    def multiply(self, count: int) -> float:
        """GFLOP/s of the framework's own matrix product."""
        return float(self._ask("multiply", count))

    def forget(self) -> None:
        """Drop every program."""
        self._ask("forget")

    def close(self) -> None:
        """Let the process end; it does when the pipe is closed."""
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
            succeeded, answer = self._connection.recv()
        except (EOFError, OSError):
            raise WorkerFailed(f"the process ended: {self._last_line()}") from None
        if not succeeded:
            raise WorkerFailed(answer)
        return answer

    def _last_line(self) -> str:
        self._log.seek(0)
        lines = self._log.read().split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


class Workers:
    """The processes of a run, by the name of their framework; started when first used."""

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
        """Those that run."""
        return list(self._processes.values())

    def forget(self) -> None:
        """Drop every program; a process that has died meanwhile is started again when it is used next."""
        for process in self.started():
            try:
                process.forget()
            except WorkerFailed:
                process.close()
                del self._processes[process.framework]

    def resolve(self, patience: float = 1.0) -> None:
        """Wait until no worker computes: threads of OpenMP and BLAS look for more work for a while, at full speed."""
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
    """A worker's environment: Keras' backend is chosen, and nothing slows NumPy down."""
    kept = {name: value for name, value in os.environ.items() if name not in SLOW_DOWN}
    backend = "jax" if framework == "processor" else framework
    return {**kept, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}


def computing_seconds(pids: Iterable[int]) -> float:
    """Processor time of all threads of these processes, to the microsecond where Linux tells it."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except (OSError, ValueError, IndexError):  # a thread that has ended meanwhile
                continue
    return total / 1e9


class OthersWork:
    """How much of the machine others take while something is measured: what is not quiet is not worth much."""

    def __init__(self, workers: Workers):
        self._workers = workers
        self._began = self._now()

    def share(self) -> float | None:
        """Of the time of all cores since this was made; None where the system does not tell."""
        wall, busy, ours = (now - then for now, then in zip(self._now(), self._began, strict=True))
        cores = os.cpu_count() or 1
        return max(0.0, busy - ours) / (wall * cores) if busy else None

    def _now(self) -> tuple[float, float, float]:
        pids = [os.getpid(), *(process.pid for process in self._workers.started())]
        return time.monotonic(), busy_seconds(), computing_seconds(pids)


def busy_seconds() -> float:
    """Processor time that the machine has spent working, or that its host has taken away; 0 if nobody tells."""
    try:
        numbers = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    except OSError:
        return 0.0
    user, nice, system, _, _, interrupts, soft_interrupts, stolen, *_ = numbers
    return (user + nice + system + interrupts + soft_interrupts + stolen) / os.sysconf("SC_CLK_TCK")
