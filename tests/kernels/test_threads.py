"""Threads: their number changes no bit, any thread of Python may call, and a process may fork and run for long."""

import subprocess
import sys
from collections.abc import Iterator
from threading import Thread
from typing import Any

from tests.conftest import environment
from tests.kernels.cases import CELLS, ROOT, Sizes, assert_same_bits, check, every_cell, make_inputs, run, with_outputs
from unrolled.kernels import native
from unrolled.kernels.spec import Inputs, Outputs

import pytest

# Enough for five threads of any cell, and for two chunks of the backward pass.
LARGE = Sizes(batch=37, time=180, features=16, units=72)


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = native.threads()
    yield
    native.set_threads(before)


def everything(results: Outputs, gradients: Inputs) -> tuple[Any, ...]:
    return (*results, *gradients)


@every_cell
@pytest.mark.parametrize("isa", native.isas())
@pytest.mark.parametrize("mask", ["none", "holes", "leading"])
def test_no_bit_depends_on_the_number_of_threads(cell: str, isa: str, mask: str) -> None:
    recurrence = with_outputs(cell)
    masks = recurrence.gates if mask == "holes" else 0
    inputs = make_inputs(recurrence, LARGE, mask=mask, input_masks=masks, recurrent_masks=masks)
    before = native.isa()
    native.set_isa(isa)
    try:
        native.set_threads(1)
        alone = everything(*run(recurrence, inputs))
        for count in (2, 3, 5, 5, 2, 1):
            native.set_threads(count)
            assert_same_bits(everything(*run(recurrence, inputs)), alone)
    finally:
        native.set_isa(before)


@every_cell
def test_several_threads_equal_the_reference(cell: str) -> None:
    native.set_threads(5)
    recurrence = with_outputs(cell)
    check(recurrence, make_inputs(recurrence, LARGE, mask="holes"))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_different_kernels_in_different_threads_of_python_do_not_interfere(count: int) -> None:
    native.set_threads(count)
    sizes = {"lstm": LARGE, "gru": Sizes(20, 30, 40, 64), "gru_reset_before": Sizes(3, 5, 4, 7), "simple_rnn": LARGE}
    inputs = {cell: make_inputs(with_outputs(cell), size) for cell, size in sizes.items()}
    alone = {cell: everything(*run(with_outputs(cell), inputs[cell])) for cell in CELLS}
    wrong: list[str] = []

    def repeat(cell: str) -> None:
        for _ in range(10):
            try:
                assert_same_bits(everything(*run(with_outputs(cell), inputs[cell])), alone[cell])
            except AssertionError as difference:
                wrong.append(f"{cell}: {difference}")

    callers = [Thread(target=repeat, args=(cell,)) for cell in CELLS for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []


def python(program: str, *prefix: str, **changes: str) -> str:
    """Run a program in a process of its own; return its output."""
    command = [*prefix, sys.executable, *(["-S"] if sys.flags.no_site else []), "-c", program]
    finished = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment(**changes), timeout=60, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


PROGRAM = """
import os
import time
from pathlib import Path

from tests.kernels.cases import Sizes, assert_same_bits, make_inputs, run, with_outputs
from unrolled.kernels import native

lstm = with_outputs("lstm")
small, large = make_inputs(lstm, Sizes(2, 3, 4, 5)), make_inputs(lstm, Sizes(64, 20, 32, 64))
native.set_threads(3)
"""


def test_the_number_of_threads_is_respected() -> None:
    program = """
def count():
    return len(os.listdir("/proc/self/task"))

before = count()
run(lstm, small)
print(count() - before)
run(lstm, large)
print(count() - before)
native.set_threads(4)
run(lstm, large)
print(count() - before)
native.set_threads(2)
run(lstm, large)
print(count() - before)
"""
    assert python(PROGRAM + program).split() == ["0", "2", "3", "3"]


def test_worker_threads_keep_their_affinity() -> None:
    program = """
cores = os.sched_getaffinity(0)
before = set(os.listdir("/proc/self/task"))
for count in (2, 3, 2):
    native.set_threads(count)
    run(lstm, large)
    for core in cores:
        os.sched_setaffinity(0, [core])
        for _ in range(5):
            run(lstm, large)
    os.sched_setaffinity(0, cores)
workers = [int(thread) for thread in set(os.listdir("/proc/self/task")) - before]
time.sleep(0.1)
print([os.sched_getaffinity(worker) == cores for worker in workers])
for worker in workers:
    os.sched_setaffinity(worker, [min(cores)])
for core in cores:
    os.sched_setaffinity(0, [core])
    run(lstm, large)
time.sleep(0.1)
print([os.sched_getaffinity(worker) == {min(cores)} for worker in workers])
"""
    assert python(PROGRAM + program) == "[True, True]\n[True, True]\n"


# An alarm ends a child that hangs, which its status shows.
FORK = """
import signal
import warnings

warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads

def everything():
    results, gradients = run(lstm, large)
    return (*results, *gradients)

def fork(work):
    child = os.fork()
    if not child:
        signal.alarm(20)
        work()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


def test_a_process_may_fork_after_a_kernel_has_run() -> None:
    program = """
alone = everything()

def again():
    for _ in range(3):
        assert_same_bits(everything(), alone)

def grandchild():
    again()
    fork(again)
    again()

fork(again)
again()
fork(grandchild)
again()
print("done")
"""
    assert python(PROGRAM + FORK + program) == "done\n"


def test_a_process_may_fork_while_a_kernel_runs() -> None:
    program = """
from threading import Thread

alone, ended = everything(), []

def keep_running():
    while not ended:
        run(lstm, large)

runners = [Thread(target=keep_running) for _ in range(2)]
for runner in runners:
    runner.start()
for _ in range(20):
    fork(lambda: assert_same_bits(everything(), alone))
ended.append(True)
for runner in runners:
    runner.join()
print("done")
"""
    assert python(PROGRAM + FORK + program) == "done\n"


def test_a_process_may_fork_while_kernels_reserve_memory() -> None:
    """Of which the smallest do little else; a child that inherits their lock waits for it until its alarm."""
    program = """
from threading import Thread

tiny, ended = make_inputs(lstm, Sizes(1, 1, 1, 1)), []

def keep_running():
    while not ended:
        run(lstm, tiny)

runners = [Thread(target=keep_running) for _ in range(4)]
for runner in runners:
    runner.start()
try:
    for _ in range(300):
        fork(lambda: run(lstm, tiny))
finally:
    ended.append(True)
print("done")
"""
    assert python(PROGRAM + FORK + program) == "done\n"


@pytest.mark.parametrize("threads", ["own", "torch"])
def test_every_thread_counts_denormal_results_as_zero(threads: str) -> None:
    """Torch's too, which are older than the first call of a kernel and do not inherit from its caller."""
    begin = """
import numpy as np
from unrolled.kernels.spec import Inputs, RecurrenceSpec

linear = RecurrenceSpec("simple_rnn", activation="linear", return_sequences=True)
weights = np.eye(64, dtype=np.float32)
inputs = Inputs(np.full((192, 200, 64), 1e-20, np.float32), 1e-20 * weights, 0 * weights)
compute = lambda: native.forward(linear, inputs, training=False)[0]
"""
    share = {
        "own": "",
        "torch": """
import torch
torch.set_num_threads(3)
torch.rand(1 << 22).exp()
assert native.share_threads(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so")
""",
    }
    end = """
for _ in range(10):
    assert not np.asarray(compute().outputs).any()
print("done")
"""
    assert python(PROGRAM + begin + share[threads] + end) == "done\n"


def test_out_of_memory_in_one_of_the_threads_is_an_error() -> None:
    """The memory of a thread's rows is larger than all that its caller reserves."""
    program = """
import resource
import numpy as np
from unrolled.kernels.spec import Inputs, Outputs, RecurrenceSpec

run(lstm, large)
spec = RecurrenceSpec("simple_rnn")
random = np.random.default_rng(0)
inputs = Inputs(*(random.normal(size=size).astype(np.float32) for size in ((4096, 1, 4096), (4096, 1), (1, 1))))
outputs = Outputs(np.empty((4096, 1, 1), np.float32), np.empty((4096, 1), np.float32))
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (8 << 20), resource.RLIM_INFINITY))
try:
    native.forward_into(spec, inputs, outputs, None)
except MemoryError:
    print("MemoryError")
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
native.forward_into(spec, inputs, outputs, None)
assert np.allclose(outputs.h, np.tanh(inputs.sequences[:, 0] @ inputs.kernel), atol=1e-2)
"""
    assert python(PROGRAM + program) == "MemoryError\n"


def test_multiprocessing_by_fork() -> None:
    program = """
import multiprocessing

alone = everything()

def work(number):
    assert_same_bits(everything(), alone)
    return number

with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(work, range(6)))
"""
    assert python(PROGRAM + FORK + program) == "[0, 1, 2, 3, 4, 5]\n"


def test_a_kernel_whose_threads_cannot_be_started_computes_alone() -> None:
    # The stack of a new thread is as large as the limit, more than there is memory.
    program = """
def everything():
    results, gradients = run(lstm, large)
    return (*results, *gradients)

before = len(os.listdir("/proc/self/task"))
refused = [everything() for _ in range(2)]
print(len(os.listdir("/proc/self/task")) - before)
native.set_threads(1)
for computed in refused:
    assert_same_bits(computed, everything())
print("done")
"""
    assert python(PROGRAM + program, "prlimit", f"--stack={2**42}:", OPENBLAS_NUM_THREADS="1") == "0\ndone\n"


def test_memory_does_not_grow_with_calls() -> None:
    program = """
from unrolled.errors import InvalidInput
from unrolled.kernels import native
from unrolled.kernels.stream import Stream

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

inputs = make_inputs(lstm, Sizes(8, 4, 64, 32), mask="holes", input_masks=4, recurrent_masks=1)

def call():
    run(lstm, inputs)
    stream = Stream(lstm, inputs.kernel, inputs.recurrent_kernel, inputs.bias)
    stream.step(inputs.sequences[:1, 0])
    try:
        native.forward(lstm, inputs._replace(kernel=inputs.bias), training=True)
    except InvalidInput:
        pass

for _ in range(500):
    call()
before = resident()
for _ in range(10_000):
    call()
print(resident() - before)
"""
    # A page for every tenth call would be 4 MB. The address sanitizer keeps freed memory up to its quarantine size.
    options = ":".join(filter(None, [environment().get("ASAN_OPTIONS"), "quarantine_size_mb=1"]))
    assert float(python(PROGRAM + program, ASAN_OPTIONS=options)) < 3


def test_torchs_threads_give_the_same_bits_also_after_a_fork() -> None:
    program = """
from pathlib import Path
from threading import Thread
import torch

def count():
    return len(os.listdir("/proc/self/task"))

alone = everything()
assert not native.share_threads(Path("/nowhere/libtorch_cpu.so"))
assert not native.share_threads(Path(native._extension.__file__))
before = count()
assert native.share_threads(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so")

def again():
    for _ in range(3):
        assert_same_bits(everything(), alone)

again()
assert count() - before == torch.get_num_threads() - 1, "those of OpenMP, which are as many as torch has"
fork(again)
runners = [Thread(target=again) for _ in range(2)]
for runner in runners:
    runner.start()
for runner in runners:
    runner.join()
again()
print("done")
"""
    assert python(PROGRAM + FORK + program) == "done\n"


def test_xlas_threads_give_the_same_bits() -> None:
    program = """
import jax
from unrolled.backends import jax as backend

inputs = type(large)(*(None if array is None else jax.numpy.asarray(array) for array in large))

@jax.jit
def on_xla(sequences, kernel):
    results = backend.run_recurrence(lstm, inputs._replace(sequences=sequences, kernel=kernel))
    return (results.outputs ** 2).sum(), results.outputs

def everything():
    (_, outputs), gradients = jax.value_and_grad(on_xla, argnums=(0, 1), has_aux=True)(inputs.sequences, inputs.kernel)
    return outputs, *gradients

native.set_threads(1)
alone = everything()
for count in (2, 3, 2):
    native.set_threads(count)
    for _ in range(10):
        assert_same_bits(everything(), alone)
print("done")
"""
    assert python(PROGRAM + program) == "done\n"
