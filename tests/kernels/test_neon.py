"""The kernels for ARM, compiled on this machine and run in an emulator, against the specification."""

import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from tests.kernels.cases import (
    CELLS,
    FORWARD,
    GRADIENTS,
    MASKS,
    ROOT,
    Array,
    Sizes,
    activation_inputs,
    assert_activation,
    assert_close,
    assert_same_bits,
    every_cell,
    every_option,
    make_cotangents,
    make_inputs,
    specified,
    with_outputs,
)
from unrolled.kernels import _extension
from unrolled.kernels.reference import ACTIVATIONS
from unrolled.kernels.spec import Inputs, Outputs, RecurrenceSpec

import numpy as np
import pytest

# The runner is compiled once, by the process that has these tests.
pytestmark = pytest.mark.xdist_group("neon")

COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"
PACKAGES = {COMPILER: "g++-aarch64-linux-gnu", EMULATOR: "qemu-user"}
OPTIONS = ["-std=c++17", "-O3", "-DNDEBUG", "-Wall", "-Wextra", "-Werror", "-DUNROLLED_TARGET=neon"]

SIZES = [
    Sizes(1, 1, 1, 1),
    Sizes(2, 5, 3, 4),
    Sizes(1, 9, 4, 13),
    Sizes(5, 6, 1, 17),
    Sizes(7, 3, 28, 130),
    Sizes(2, 3, 300, 37),
    Sizes(2, 2, 5, 257),
    Sizes(70, 3, 6, 20),
]
SMALL = Sizes(batch=5, time=7, features=3, units=11)
# The backward pass takes these in several chunks of steps.
LONG = Sizes(10, 110, 1000, 3)


class Case(NamedTuple):
    recurrence: RecurrenceSpec
    inputs: Inputs
    threads: int = 1
    cotangents: Outputs | None = None


class Answers(NamedTuple):
    """What the runner writes for one case."""

    inference: Outputs
    results: Outputs
    gradients: Inputs
    streamed_h: Array
    streamed_c: Array | None
    denormal: Array


def built_with(name: str) -> list[str]:
    """A list of sources, or of options, that CMakeLists.txt names."""
    listing = (ROOT / "CMakeLists.txt").read_text()
    found = re.search(rf"(?:set\({name}|{name} INTERFACE)\s+([^)]+)\)", listing)
    assert found, name
    return found[1].split()


def run_tool(*command: str | Path) -> str:
    """What a program prints; what is preloaded into this process is not for other machines."""
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    finished = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def require_tools() -> None:
    missing = [tool for tool in PACKAGES if shutil.which(tool) is None]
    if missing:
        remedy = f"Install Debian's {' and '.join(PACKAGES[tool] for tool in missing)}."
        report = pytest.fail if os.environ.get("CI") else pytest.skip
        report(f"kernels for ARM: expected {' and '.join(missing)}, got none. {remedy}")


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """neon_runner.cc and the kernels, in one program for ARM."""
    require_tools()
    folder = tmp_path_factory.mktemp("neon")
    kernels = [ROOT / source for source in built_with("KERNEL_SOURCES") + built_with("SOURCES")]
    sources = [*kernels, Path(__file__).parent / "neon_runner.cc"]
    objects = [folder / f"{source.stem}.o" for source in sources]

    def compile_one(source: Path, to: Path) -> None:
        options = [*OPTIONS, *built_with("unrolled_options"), f"-I{ROOT / 'csrc'}"]
        run_tool(COMPILER, *options, "-c", source, "-o", to)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, sources, objects))
    run_tool(COMPILER, "-static", "-pthread", *objects, "-o", folder / "runner")
    return folder / "runner"


def write_numbers(*numbers: int) -> bytes:
    return np.array(numbers, np.int64).tobytes()


def write_arrays(*arrays: Array | None) -> Iterator[bytes]:
    for array in arrays:
        yield write_numbers(0 if array is None else array.size)
        if array is not None:
            yield array.astype(np.float32).tobytes()


def write_case(case: Case, cotangents: Outputs) -> bytes:
    recurrence, inputs = case.recurrence, case.inputs
    enumerations = (
        _extension.cells.index(recurrence.cell),
        _extension.activations.index(recurrence.activation),
        _extension.activations.index(recurrence.recurrent_activation),
    )
    booleans = (
        recurrence.reset_after,
        recurrence.go_backwards,
        recurrence.return_sequences,
        recurrence.zero_output_for_mask,
    )
    sizes = (*inputs.sequences.shape, len(inputs.recurrent_kernel))
    numbers = write_numbers(case.threads, *enumerations, *booleans, *sizes)
    return numbers + b"".join(write_arrays(*inputs, *cotangents))


def read_arrays(answers: bytes) -> Iterator[Array]:
    position = 0
    while position < len(answers):
        length = int(np.frombuffer(answers, np.int64, 1, position)[0])
        yield np.frombuffer(answers, np.float32, length, position + 8)
        position += 8 + 4 * length


def shaped(arrays: Iterator[Array], like: tuple[Any, ...]) -> list[Any]:
    """As many arrays as there are in a tuple, in their shapes; None where it has None."""
    flat = [next(arrays) for _ in like]
    return [None if array is None else values.reshape(array.shape) for values, array in zip(flat, like, strict=True)]


def read_answers(arrays: Iterator[Array], results: Outputs, gradients: Inputs) -> Answers:
    inference, trained = (Outputs(*shaped(arrays, results)) for _ in range(2))
    written = Inputs(*shaped(arrays, gradients[:6]))
    h, c = shaped(arrays, results[1:])
    return Answers(inference, trained, written, h, c, denormal=next(arrays))


def run_cases(runner: Path, folder: Path, *cases: Case) -> list[tuple[Answers, Outputs, Inputs]]:
    """For each case what the kernels answer, the results that are specified, and the gradients."""
    expected = [specified(case.recurrence, case.inputs, case.cotangents) for case in cases]
    written = (
        write_case(case, case.cotangents or make_cotangents(results))
        for case, (results, _) in zip(cases, expected, strict=True)
    )
    (folder / "cases").write_bytes(b"".join(written))
    assert run_tool(EMULATOR, runner, folder / "cases", folder / "results") == "neon\n"
    arrays = read_arrays((folder / "results").read_bytes())
    return [(read_answers(arrays, results, gradients), results, gradients) for results, gradients in expected]


def is_for_a_stream(case: Case) -> bool:
    inputs = case.inputs
    beyond = (inputs.mask, inputs.resets, inputs.input_dropout, inputs.recurrent_dropout)
    return not case.recurrence.go_backwards and all(array is None for array in beyond)


def check_cases(runner: Path, folder: Path, *cases: Case) -> None:
    """Both passes, and a stream where it can, give what is specified, and leave denormals to the caller."""
    for case, (answers, results, gradients) in zip(cases, run_cases(runner, folder, *cases), strict=True):
        assert_close(answers.inference, results, FORWARD)
        assert_close(answers.results, results, FORWARD)
        assert_close(answers.gradients, gradients, GRADIENTS)
        assert answers.denormal > 0
        if is_for_a_stream(case):
            streamed = Outputs(None, answers.streamed_h, answers.streamed_c)
            assert_close(streamed, results._replace(outputs=None), FORWARD)


@every_cell
def test_every_size(cell: str, runner: Path, tmp_path: Path) -> None:
    recurrence = with_outputs(cell)
    masks = recurrence.gates
    check_cases(
        runner,
        tmp_path,
        *(Case(recurrence, make_inputs(recurrence, sizes)) for sizes in SIZES),
        *(
            Case(recurrence, make_inputs(recurrence, sizes, mask="holes", input_masks=masks, recurrent_masks=masks))
            for sizes in SIZES
        ),
    )


@every_cell
@pytest.mark.parametrize("mask", ["none", "holes"])
def test_gradients_of_what_takes_several_chunks(cell: str, mask: str, runner: Path, tmp_path: Path) -> None:
    recurrence = with_outputs(cell)
    check_cases(runner, tmp_path, Case(recurrence, make_inputs(recurrence, LONG, mask=mask)))


@every_cell
def test_every_way_to_read_under_every_mask(cell: str, runner: Path, tmp_path: Path) -> None:
    cases = (
        Case(recurrence, make_inputs(recurrence, SMALL, mask=mask, resets=resets, input_masks=1, recurrent_masks=1))
        for recurrence, mask, resets in itertools.product(every_option(cell), MASKS, ("none", "some"))
    )
    check_cases(runner, tmp_path, *cases)


@every_cell
def test_every_activation_in_both_roles(cell: str, runner: Path, tmp_path: Path) -> None:
    names = list(ACTIVATIONS)
    recurrences = (
        with_outputs(cell, activation=name, recurrent_activation=other)
        for step in (0, 3)
        for name, other in zip(names, names[step:] + names[:step], strict=True)
    )
    usual = (with_outputs(cell, activation=name) for name in ("tanh", "relu"))
    cases = (Case(each, make_inputs(each, SMALL, mask="holes")) for each in (*recurrences, *usual))
    check_cases(runner, tmp_path, *cases)


@every_cell
def test_whatever_may_be_absent(cell: str, runner: Path, tmp_path: Path) -> None:
    recurrence = with_outputs(cell)
    inputs = make_inputs(recurrence, SMALL, without=("bias", "initial_h", "initial_c"))
    outputs, h, c = make_cotangents(specified(recurrence, inputs)[0])
    cotangents = [Outputs(outputs, None), Outputs(None, h), Outputs(None, None, c), Outputs(None, None)]
    check_cases(runner, tmp_path, *(Case(recurrence, inputs, cotangents=given) for given in cotangents))


@every_cell
def test_no_bit_depends_on_the_number_of_threads(cell: str, runner: Path, tmp_path: Path) -> None:
    recurrence = with_outputs(cell)
    # Enough for three threads of any cell.
    inputs = make_inputs(recurrence, Sizes(20, 15, 10, 70 if recurrence.gates > 1 else 150), mask="holes")
    cases = [Case(recurrence, inputs, threads) for threads in (1, 2, 3, 1)]
    (alone, _, _), *others = run_cases(runner, tmp_path, *cases)
    for answers, _, _ in others:
        for ours, theirs in zip(answers[:3], alone[:3], strict=True):
            assert_same_bits(ours, theirs)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_and_slopes_are_those_of_float64(activation: str, runner: Path, tmp_path: Path) -> None:
    inputs, units = activation_inputs(10_000), 16
    recurrence = RecurrenceSpec("simple_rnn", activation=activation)
    rows = Inputs(inputs.reshape(-1, 1, units), np.eye(units, dtype=np.float32), np.zeros((units, units), np.float32))
    cotangents = Outputs(None, np.ones((len(rows.sequences), units), np.float32))
    ((answers, _, _),) = run_cases(runner, tmp_path, Case(recurrence, rows, cotangents=cotangents))
    assert_activation(activation, inputs, answers.results.h.ravel(), answers.gradients.sequences.ravel())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nan_stays_in_its_own_sequence(activation: str, runner: Path, tmp_path: Path) -> None:
    cases = []
    for cell in CELLS:
        recurrence = with_outputs(cell, activation=activation, recurrent_activation=activation)
        inputs = make_inputs(recurrence, SMALL)
        sequences = inputs.sequences.copy()
        sequences[2, 3, 1] = np.nan
        cases += [Case(recurrence, inputs), Case(recurrence, inputs._replace(sequences=sequences))]
    answers = [answer.results.outputs for answer, _, _ in run_cases(runner, tmp_path, *cases)]
    others = np.arange(SMALL.batch) != 2
    for clean, outputs in zip(answers[::2], answers[1::2], strict=True):
        assert np.isnan(outputs[2, 3:]).all()
        np.testing.assert_array_equal(outputs[2, :3], clean[2, :3])
        np.testing.assert_array_equal(outputs[others], clean[others])
