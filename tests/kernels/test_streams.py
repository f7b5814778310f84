"""A stream equals the kernels over whole sequences, step by step."""

from dataclasses import replace
from typing import Any

from tests.kernels.cases import (
    CELLS,
    FORWARD,
    Array,
    Sizes,
    assert_close,
    every_cell,
    every_isa,  # noqa: F401 - a fixture
    make_inputs,
    specified,
    with_outputs,
)
from unrolled.errors import InvalidInput
from unrolled.kernels import native
from unrolled.kernels.reference import ACTIVATIONS
from unrolled.kernels.spec import Inputs, Outputs, RecurrenceSpec
from unrolled.kernels.stream import Stream

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("every_isa")

SIZES = [
    Sizes(1, 1, 1, 1),
    Sizes(1, 12, 3, 13),
    Sizes(2, 6, 17, 32),
    Sizes(3, 12, 3, 13),
    Sizes(3, 5, 300, 17),
    Sizes(1, 4, 9, 257),
    Sizes(70, 4, 2, 20),
]
SMALL = Sizes(3, 6, 4, 11)
STATELESS = ("initial_h", "initial_c")


def open_stream(recurrence: RecurrenceSpec, inputs: Inputs) -> Stream:
    weights = (inputs.kernel, inputs.recurrent_kernel, inputs.bias)
    return Stream(recurrence, *weights, batch=len(inputs.sequences))


def read(stream: Stream, sequences: Array) -> Outputs:
    """Run every step in turn; return the outputs as of a recurrence with `return_sequences`."""
    outputs = [stream.step(x).copy() for x in np.moveaxis(sequences, 1, 0)]
    return Outputs(np.stack(outputs, 1), stream.h, stream.c)


@every_cell
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("without", [STATELESS, (*STATELESS, "bias")], ids=["bias", "no bias"])
def test_a_stream_equals_the_whole_sequence(cell: str, sizes: Sizes, without: tuple[str, ...]) -> None:
    recurrence = with_outputs(cell)
    inputs = make_inputs(recurrence, sizes, without=without)
    streamed = read(open_stream(recurrence, inputs), inputs.sequences)
    assert_close(streamed, specified(recurrence, inputs)[0], FORWARD)
    assert_close(streamed, native.forward(recurrence, inputs, training=False)[0], FORWARD)


@every_cell
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(cell: str, activation: str) -> None:
    recurrence = with_outputs(cell, activation=activation, recurrent_activation="hard_sigmoid")
    inputs = make_inputs(recurrence, SMALL, without=STATELESS)
    assert_close(read(open_stream(recurrence, inputs), inputs.sequences), specified(recurrence, inputs)[0], FORWARD)


@every_cell
def test_a_stream_starts_again_from_zero_or_from_a_state(cell: str) -> None:
    recurrence = with_outputs(cell)
    inputs = make_inputs(recurrence, SMALL, without=STATELESS)
    stream = open_stream(recurrence, inputs)
    for h, c in ((None, None), (0.5, None), (None, 0.25), (0.5, 0.25)):
        state = {
            "initial_h": None if h is None else np.full((3, 11), h, np.float32),
            "initial_c": None if c is None or cell != "lstm" else np.full((3, 11), c, np.float32),
        }
        stream.reset(state["initial_h"], state["initial_c"])
        expected, _ = specified(recurrence, inputs._replace(**state))
        assert_close(read(stream, inputs.sequences), expected, FORWARD)


@every_cell
def test_streams_side_by_side_have_a_state_each(cell: str) -> None:
    recurrence = with_outputs(cell)
    inputs = make_inputs(recurrence, SMALL, without=STATELESS)
    expected, _ = specified(recurrence, inputs)
    streams = [open_stream(recurrence, inputs) for _ in range(3)]
    for time in range(SMALL.time):
        for stream in streams:
            x = inputs.sequences[:, time]
            np.testing.assert_allclose(stream.step(x), expected.outputs[:, time], rtol=0, atol=FORWARD)


def test_a_step_that_is_long_enough_to_let_other_threads_run() -> None:
    recurrence = with_outputs("lstm")
    inputs = make_inputs(recurrence, Sizes(70, 2, 50, 400), without=STATELESS)  # 50 million multiplications
    assert_close(read(open_stream(recurrence, inputs), inputs.sequences), specified(recurrence, inputs)[0], FORWARD)


@every_cell
def test_options_of_outputs_and_masks_have_no_effect(cell: str) -> None:
    inputs = make_inputs(CELLS[cell], SMALL, without=STATELESS)
    expected = read(open_stream(CELLS[cell], inputs), inputs.sequences).outputs
    other = replace(CELLS[cell], return_sequences=True, zero_output_for_mask=True)
    np.testing.assert_array_equal(read(open_stream(other, inputs), inputs.sequences).outputs, expected)


@every_cell
def test_nan_stays_in_its_own_sequence_until_reset(cell: str) -> None:
    inputs = make_inputs(CELLS[cell], SMALL, without=STATELESS)
    stream = open_stream(CELLS[cell], inputs)
    expected = read(stream, inputs.sequences).outputs
    sequences = inputs.sequences.copy()
    sequences[1, 2] = np.nan
    stream.reset()
    outputs = read(stream, sequences).outputs
    assert np.isnan(outputs[1, 2:]).all()
    np.testing.assert_array_equal(outputs[[0, 2]], expected[[0, 2]])
    stream.reset()
    np.testing.assert_array_equal(read(stream, inputs.sequences).outputs, expected)


@pytest.mark.parametrize("x", [np.ones((3, 4)), np.asfortranarray(np.ones((3, 4), np.float32)), [[1, 1, 1, 1]] * 3])
def test_inputs_may_be_of_any_type_and_order(x: Any) -> None:
    inputs = make_inputs(CELLS["gru"], SMALL, without=STATELESS)
    converted, plain = open_stream(CELLS["gru"], inputs), open_stream(CELLS["gru"], inputs)
    np.testing.assert_array_equal(converted.step(x), plain.step(np.ones((3, 4), np.float32)))


@every_cell
def test_wrong_shapes_are_rejected_on_one_line_and_the_state_is_kept(cell: str) -> None:
    inputs = make_inputs(CELLS[cell], SMALL, without=STATELESS)
    stream = open_stream(CELLS[cell], inputs)
    state = stream.step(inputs.sequences[:, 0]).copy()
    for wrong in (np.ones(4), np.ones((3, 5)), np.ones((1, 4)), np.ones((3, 1, 4))):
        with pytest.raises(InvalidInput, match=r"expected inputs \[3, 4\], got \[") as error:
            stream.step(wrong)
        assert "\n" not in str(error.value)
    for wrong in (np.ones(11), np.ones((1, 11)), np.ones((3, 12))):
        with pytest.raises(InvalidInput, match=r"expected h \[3, 11\], got \[") as error:
            stream.reset(wrong)
        assert "\n" not in str(error.value)
    np.testing.assert_array_equal(stream.h, state)
