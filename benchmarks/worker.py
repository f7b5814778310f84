"""A process that holds the programs of one framework and runs them on command, over a pipe.

Between two commands it waits in ``read``. ``processes`` starts it with three arguments: the file descriptor of its end
of the pipe, the name of its framework, and the cores that it may use.
"""

import gc
import os
import sys
import time
import traceback
from importlib import import_module
from importlib.metadata import version
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.cases import Arm
from benchmarks.frameworks.program import Prepared, Program
from benchmarks.tasks import LayerTask, NetworkTask

_PACKAGES = {
    "jax": ("keras", "jax", "jaxlib"),
    "tensorflow": ("keras", "tensorflow"),
    "torch": ("keras", "torch"),
    "processor": ("numpy",),
}
SGEMM_SIDE = 1536


class Programs:
    """The commands of a worker, one method each."""

    def __init__(self, framework: str, threads: int):
        self.threads = threads
        # Frameworks size their thread pools when they are imported; torch needs a call.
        if framework == "torch":
            import_module("torch").set_num_threads(threads)
        self.framework = import_module(f"benchmarks.frameworks.{framework}")
        self.native = import_module("unrolled.kernels.native")
        self.packages = _PACKAGES[framework]
        self.programs: dict[str, tuple[Arm, Program]] = {}
        self.sgemm = self.framework.make_sgemm(SGEMM_SIDE)

    def describe(self) -> dict[str, Any]:
        """Return the versions of the packages, and the instruction set and threads of the native kernels."""
        return {
            "versions": {package: version(package) for package in self.packages},
            "isa": self.native.isa(),
            "threads": self.native.threads(),
        }

    def prepare(self, arm: Arm) -> Prepared:
        """Build a program, run it once and keep it."""
        self._set_threads(arm)
        began = time.perf_counter()
        program: Program = self.framework.prepare(arm)
        results = program.results()
        built = time.perf_counter() - began
        first = _seconds(program, 1)
        usual = _usual_seconds(program)
        self.programs[arm.name] = arm, program
        gc.collect()
        warm_up = first if isinstance(arm.task, NetworkTask) else built
        return Prepared(results, warm_up, usual)

    def run(self, name: str, count: int) -> float:
        """Return the seconds of one run, averaged over ``count`` runs in a row."""
        arm, program = self.programs[name]
        self._set_threads(arm)
        return _seconds(program, count) / count

    def multiply(self, count: int) -> float:
        """Return the GFLOP/s of the framework's own matrix product, the best of ``count``."""
        seconds = []
        for _ in range(count):
            began = time.perf_counter()
            self.sgemm()
            seconds.append(time.perf_counter() - began)
        return float(2 * SGEMM_SIDE**3 / min(seconds) / 1e9)

    def forget(self) -> None:
        """Drop every program."""
        self.programs.clear()
        self.framework.forget()
        gc.collect()

    def _set_threads(self, arm: Arm) -> None:
        threads = arm.task.threads if isinstance(arm.task, LayerTask) else None
        self.native.set_threads(threads or self.threads)


def _usual_seconds(program: Program, patience: float = 0.2) -> float:
    """Return the seconds of one run: the best of those that fit into ``patience``, since one may be disturbed."""
    best = total = _seconds(program, 1)
    while total < patience:
        seconds = _seconds(program, 1)
        best, total = min(best, seconds), total + seconds
    return best


def _seconds(program: Program, count: int) -> float:
    began = time.perf_counter()
    program.run(count)
    return time.perf_counter() - began


def serve(connection: "Connection[Any, Any]", programs: Programs) -> None:
    """Run commands until the other end is closed; send back (True, result) or (False, message of the error)."""
    while True:
        try:
            command, *arguments = connection.recv()
        except EOFError:
            return
        try:
            response = True, getattr(programs, command)(*arguments)
        except Exception as failure:  # sent to the other end, which handles it
            traceback.print_exc()
            response = False, f"{type(failure).__name__}: {str(failure).strip().partition(chr(10))[0]}"
        connection.send(response)


def main() -> None:
    """Bind to the allotted cores before a framework counts them, then run commands."""
    descriptor, framework, cores = sys.argv[1:]
    allotted = [int(core) for core in cores.split(",")]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, allotted)
    serve(Connection(int(descriptor)), Programs(framework, len(allotted)))


if __name__ == "__main__":
    main()
