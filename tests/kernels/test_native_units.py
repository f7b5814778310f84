"""Small batches, whose units the threads share: no bit depends on the number of threads or on their timing."""

from collections.abc import Iterator
from threading import Thread
from typing import Any

from tests.kernels.cases import (
    CELLS,
    MASKS,
    RESETS,
    Sizes,
    assert_same_bits,
    check,
    every_cell,
    every_isa,  # noqa: F401 - a fixture
    every_option,
    make_inputs,
    run,
    with_outputs,
)
from unrolled.kernels import native
from unrolled.kernels.spec import Inputs, RecurrenceSpec

import pytest

# Enough work in each step for three threads, no multiple of a vector; and more steps than a block has.
UNITS = {"lstm": 170, "gru": 170, "gru_reset_before": 170, "simple_rnn": 330}
TIME, FEATURES = 71, 5
BOOLEANS = (False, True)

every_batch = pytest.mark.parametrize("batch", [1, 2])
several_threads = pytest.mark.parametrize("threads", [2, 3])


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = native.threads()
    yield
    native.set_threads(before)


def make(cell: str, batch: int, **options: Any) -> Inputs:
    return make_inputs(CELLS[cell], Sizes(batch, TIME, FEATURES, UNITS[cell]), **options)


def everything(recurrence: RecurrenceSpec, inputs: Inputs, threads: int) -> tuple[Any, ...]:
    """The outputs of inference, the outputs of training, and the gradients."""
    native.set_threads(threads)
    inference, _ = native.forward(recurrence, inputs, training=False)
    results, gradients = run(recurrence, inputs)
    return (*inference, *results, *gradients)


def check_bits(recurrence: RecurrenceSpec, inputs: Inputs) -> None:
    alone = everything(recurrence, inputs, 1)
    for threads in (2, 3, 2):
        assert_same_bits(everything(recurrence, inputs, threads), alone)


@every_cell
@every_batch
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.usefixtures("every_isa")
def test_no_bit_depends_on_the_number_of_threads_under_any_mask(cell: str, batch: int, mask: str) -> None:
    check_bits(with_outputs(cell), make(cell, batch, mask=mask))


@every_cell
@every_batch
@pytest.mark.parametrize("resets", RESETS)
@pytest.mark.usefixtures("every_isa")
def test_no_bit_depends_on_the_number_of_threads_where_sequences_begin_within_a_row(
    cell: str, batch: int, resets: str
) -> None:
    check_bits(with_outputs(cell), make(cell, batch, mask="holes", resets=resets))


@every_cell
@pytest.mark.parametrize("masks", ["one", "one for each gate"])
@pytest.mark.usefixtures("every_isa")
def test_no_bit_depends_on_the_number_of_threads_under_dropout(cell: str, masks: str) -> None:
    count = CELLS[cell].gates if masks == "one for each gate" else 1
    check_bits(with_outputs(cell), make(cell, 2, mask="holes", input_masks=count, recurrent_masks=count))


@every_cell
def test_no_bit_depends_on_the_number_of_threads_with_any_options(cell: str) -> None:
    for recurrence in every_option(cell):
        check_bits(recurrence, make(cell, 1, mask="holes"))


@every_cell
def test_no_bit_depends_on_the_number_of_threads_without_optional_inputs(cell: str) -> None:
    check_bits(CELLS[cell], make(cell, 1, without=("bias", "initial_h", "initial_c")))


@every_cell
@every_batch
@several_threads
@pytest.mark.usefixtures("every_isa")
def test_threads_that_share_units_equal_the_reference(cell: str, batch: int, threads: int) -> None:
    native.set_threads(threads)
    check(with_outputs(cell), make(cell, batch, mask="holes", recurrent_masks=1))
    check(with_outputs(cell, go_backwards=True, activation="relu"), make(cell, batch))


@every_cell
@several_threads
def test_many_calls_one_after_another_give_the_same(cell: str, threads: int) -> None:
    recurrence, inputs = with_outputs(cell), make(cell, 1)
    native.set_threads(1)
    alone, _ = native.forward(recurrence, inputs, training=False)
    native.set_threads(threads)
    for _ in range(400):
        results, _ = native.forward(recurrence, inputs, training=False)
        assert_same_bits(results, alone)


@several_threads
def test_different_sequences_in_different_threads_of_python_do_not_interfere(threads: int) -> None:
    inputs = {cell: make(cell, 1) for cell in CELLS}
    native.set_threads(1)
    alone = {cell: native.forward(with_outputs(cell), inputs[cell], training=False)[0] for cell in CELLS}
    native.set_threads(threads)
    wrong: list[str] = []

    def repeat(cells: tuple[str, ...]) -> None:
        for cell in cells * 50:
            try:
                assert_same_bits(native.forward(with_outputs(cell), inputs[cell], training=False)[0], alone[cell])
            except AssertionError as difference:
                wrong.append(f"{cell}: {difference}")

    callers = [Thread(target=repeat, args=(order,)) for order in (tuple(CELLS), tuple(reversed(CELLS)))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []
