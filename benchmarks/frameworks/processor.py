"""Programs without a framework: a stream of unrolled, and reading its weights once, the limit of its speed."""

import ctypes
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.arrays import step_arrays
from benchmarks.cases import Arm
from benchmarks.frameworks.program import Outputs, Program
from benchmarks.tasks import StepTask
from unrolled.kernels.spec import RecurrenceSpec
from unrolled.kernels.stream import Stream

import numpy as np

# Sixteen sums side by side, so that the loop waits for memory, not for an addition.
_READER = """
typedef float lanes __attribute__((vector_size(32)));
float read_all(const float* numbers, long count, long times) {
  lanes sums[16] = {};
  for (long time = 0; time < times; ++time) {
    for (long at = 0; at + 128 <= count; at += 128) {
      const lanes* next = (const lanes*)(numbers + at);
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) sums[i] += next[i];
    }
    __asm__ volatile("" ::: "memory");
  }
  float sum = 0;
  for (int i = 0; i < 16; ++i) for (int lane = 0; lane < 8; ++lane) sum += sums[i][lane];
  return sum;
}
"""


def prepare(arm: Arm) -> Program:
    """Build the arm's program."""
    assert isinstance(arm.task, StepTask)
    return _Reading(arm.task) if arm.program == "reading" else _Stream(arm.task)


def make_sgemm(side: int) -> Any:
    """Return a function that multiplies two square matrices once, with NumPy."""
    matrix, product = np.ones((side, side), np.float32), np.empty((side, side), np.float32)
    return lambda: np.matmul(matrix, matrix, out=product)


def forget() -> None:
    """Do nothing: nothing outlives its program."""


class _Stream:
    def __init__(self, task: StepTask):
        self.steps, weights = step_arrays(task)
        self.stream = Stream(RecurrenceSpec("lstm"), *weights, batch=task.shape.batch)

    def results(self) -> Outputs:
        self.stream.reset()
        return {"outputs": np.stack([self.stream.step(step).copy() for step in self.steps])}

    def run(self, count: int) -> None:
        step, x = self.stream.step, self.steps[0]
        for _ in range(count):
            step(x)


class _Reading:
    """Sum as many numbers as there are weights, repeatedly: they come from the nearest cache that holds them."""

    def __init__(self, task: StepTask):
        # Aligned to cache lines; np.empty aligns to 16 bytes.
        memory = np.ones(task.weights + 16, np.float32)
        skip = -memory.ctypes.data % 64 // 4
        self.numbers = memory[skip : skip + task.weights]

    def results(self) -> Outputs:
        return {}

    def run(self, count: int) -> None:
        pointer = self.numbers.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        _reader()(pointer, len(self.numbers), count)


@cache
def _reader() -> Any:
    """Compile and load the loop; building unrolled needs a C compiler anyway."""
    with tempfile.TemporaryDirectory(prefix="unrolled-") as folder:
        source, library = Path(folder) / "reader.c", Path(folder) / "reader.so"
        source.write_text(_READER)
        march = [] if sys.platform == "darwin" else ["-march=native"]
        subprocess.run(["cc", "-O3", *march, "-shared", "-fPIC", source, "-o", library], check=True)
        function = ctypes.CDLL(str(library)).read_all
    function.argtypes = [ctypes.POINTER(ctypes.c_float), ctypes.c_long, ctypes.c_long]
    function.restype = ctypes.c_float
    return function
