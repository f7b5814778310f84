"""The native kernels equal the reference, on every instruction set that this processor has."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.kernels.cases import (
    CELLS,
    DIFFERENTIABLE,
    FORWARD,
    GRADIENTS,
    MASKS,
    RESETS,
    Array,
    Sizes,
    assert_close,
    assert_same_bits,
    check,
    every_cell,
    every_isa,  # noqa: F401 - a fixture
    every_option,
    make_cotangents,
    make_inputs,
    run,
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
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("every_isa")

SMALL = Sizes(batch=5, time=7, features=3, units=11)
# Each is an edge case: a single element, a remainder, more than one block of rows (64), of units (256) or of features
# (256).
SIZES = [
    Sizes(1, 1, 1, 1),
    Sizes(3, 1, 5, 8),
    Sizes(1, 9, 4, 13),
    Sizes(1, 70, 2, 16),
    Sizes(2, 5, 3, 32),
    Sizes(5, 6, 3, 1),
    Sizes(4, 6, 1, 17),
    Sizes(7, 3, 28, 130),
    Sizes(2, 3, 5, 257),
    Sizes(3, 4, 300, 16),
    Sizes(70, 3, 6, 20),
    Sizes(65, 2, 260, 31),
]
# The backward pass takes these in several chunks of steps. In the second, dropout makes every step a chunk.
LONG = [Sizes(10, 200, 1000, 8), Sizes(130, 5, 2100, 2), Sizes(1, 1100, 1000, 5)]
EVERYTHING: dict[str, Any] = {"mask": "holes", "input_masks": 1, "recurrent_masks": 1}
BOOLEANS = (False, True)

every_size = pytest.mark.parametrize("sizes", SIZES, ids=str)


@every_cell
@every_size
def test_every_size_with_nothing_optional(cell: str, sizes: Sizes) -> None:
    recurrence = CELLS[cell]
    check(recurrence, make_inputs(recurrence, sizes, without=("bias", "initial_h", "initial_c")))


@every_cell
@every_size
def test_every_size_with_everything_optional(cell: str, sizes: Sizes) -> None:
    recurrence = with_outputs(cell)
    masks = recurrence.gates
    check(recurrence, make_inputs(recurrence, sizes, mask="holes", input_masks=masks, recurrent_masks=masks))


@every_cell
@pytest.mark.parametrize("sizes", LONG, ids=str)
@pytest.mark.parametrize("mask", ["none", "holes"])
def test_gradients_of_what_takes_several_chunks(cell: str, sizes: Sizes, mask: str) -> None:
    recurrence = with_outputs(cell)
    dropout = recurrence.gates if mask == "holes" else 0
    check(recurrence, make_inputs(recurrence, sizes, mask=mask, input_masks=dropout, recurrent_masks=dropout))


@every_cell
@pytest.mark.parametrize("mask", MASKS)
def test_every_option_under_every_mask(cell: str, mask: str) -> None:
    for recurrence in every_option(cell):
        check(recurrence, make_inputs(recurrence, SMALL, mask=mask))


@every_cell
@pytest.mark.parametrize("resets", RESETS)
@pytest.mark.parametrize("mask", ["none", "holes", "leading", "every row"])
def test_every_option_where_sequences_begin_within_a_row(cell: str, mask: str, resets: str) -> None:
    for recurrence in every_option(cell):
        check(recurrence, make_inputs(recurrence, SMALL, mask=mask, resets=resets))


@every_cell
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_in_both_roles(cell: str, activation: str) -> None:
    names = list(ACTIVATIONS)
    for step in (0, 3):  # beside itself, and beside another
        other = names[(names.index(activation) + step) % len(names)]
        recurrence = with_outputs(cell, activation=activation, recurrent_activation=other)
        check(recurrence, make_inputs(recurrence, SMALL, mask="holes"))


@every_cell
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_usual_activations_beside_sigmoid(cell: str, activation: str) -> None:
    recurrence = with_outputs(cell, activation=activation)
    check(recurrence, make_inputs(recurrence, Sizes(9, 6, 10, 40)))


@every_cell
@pytest.mark.parametrize("masks", ["one", "one for each gate", "one for the inputs", "one for the state"])
def test_dropout(cell: str, masks: str) -> None:
    recurrence = with_outputs(cell)
    counts = {
        "one": (1, 1),
        "one for each gate": (recurrence.gates, recurrence.gates),
        "one for the inputs": (1, 0),
        "one for the state": (0, 1),
    }
    input_masks, recurrent_masks = counts[masks]
    for mask in ("none", "holes"):
        check(
            recurrence,
            make_inputs(recurrence, SMALL, mask=mask, input_masks=input_masks, recurrent_masks=recurrent_masks),
        )


@every_cell
def test_every_combination_of_absent_inputs(cell: str) -> None:
    recurrence = with_outputs(cell)
    optional = ("bias", "initial_h", "initial_c")
    for present in itertools.product(BOOLEANS, repeat=len(optional)):
        without = [name for name, here in zip(optional, present, strict=True) if not here]
        check(recurrence, make_inputs(recurrence, SMALL, mask="holes", without=without))


@every_cell
@pytest.mark.parametrize("return_sequences", BOOLEANS)
def test_absent_cotangents_are_zero(cell: str, return_sequences: bool) -> None:
    recurrence = replace(CELLS[cell], return_sequences=return_sequences)
    inputs = make_inputs(recurrence, SMALL, **EVERYTHING)
    every = make_cotangents(specified(recurrence, inputs)[0])
    for present in itertools.product(BOOLEANS, repeat=3):
        cotangents = Outputs(*(d if here else None for d, here in zip(every, present, strict=True)))
        check(recurrence, inputs, cotangents)


@every_cell
def test_every_combination_of_wanted_gradients(cell: str) -> None:
    recurrence = with_outputs(cell)
    inputs = make_inputs(recurrence, SMALL, **EVERYTHING)
    results, expected = specified(recurrence, inputs)
    _, tape = native.forward(recurrence, inputs, training=True)
    for present in itertools.product(BOOLEANS, repeat=len(DIFFERENTIABLE)):
        wanted = {name for name, here in zip(DIFFERENTIABLE, present, strict=True) if here}
        gradients = native.backward(recurrence, inputs, tape, make_cotangents(results), wanted)
        unwanted = dict.fromkeys(set(Inputs._fields) - wanted)
        assert_close(gradients, expected._replace(**unwanted), GRADIENTS)


@every_cell
def test_inputs_are_not_modified(cell: str) -> None:
    recurrence = with_outputs(cell)
    inputs = make_inputs(recurrence, SMALL, **EVERYTHING)
    results, tape = native.forward(recurrence, inputs, training=True)
    arrays = [array for array in (*inputs, *results, tape) if array is not None]
    before = [array.tobytes() for array in arrays]
    native.backward(recurrence, inputs, tape, results)
    native.forward(recurrence, inputs, training=False)
    assert before == [array.tobytes() for array in arrays]


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "columns first": np.asfortranarray,
    "every other": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "reversed": lambda array: array[::-1].copy()[::-1],
    "read only": lambda array: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape),
    "not aligned to a vector": lambda array: np.append(array[:1].flat[:1], array)[1:].reshape(array.shape),
}


@every_cell
@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_may_have_any_memory_layout(cell: str, layout: str) -> None:
    recurrence = with_outputs(cell)
    inputs = make_inputs(recurrence, SMALL, **EVERYTHING)
    moved = Inputs(*(None if array is None else LAYOUTS[layout](array) for array in inputs))
    expected = run(recurrence, inputs)
    cotangents = make_cotangents(expected[0])
    scattered = Outputs(*(None if array is None else LAYOUTS[layout](array) for array in cotangents))
    for ours, theirs in zip(run(recurrence, moved, scattered), expected, strict=True):
        assert_same_bits(ours, theirs)


def test_a_sequence_broadcast_without_a_copy_is_read() -> None:
    recurrence = with_outputs("lstm")
    one = make_inputs(recurrence, SMALL).sequences[:1]
    inputs = make_inputs(recurrence, SMALL)._replace(sequences=np.broadcast_to(one, (5, 7, 3)))
    check(recurrence, inputs)


MARGIN = 129  # floats; odd, so that what lies between margins is not aligned


def between_margins(array: Array | None, shape: tuple[int, ...] = ()) -> tuple[Array | None, Array]:
    """A copy (where there is only a shape: NaN) with NaN right before and after it, and all of that memory."""
    if array is not None and array.dtype == bool:
        return array, array
    shape = shape if array is None else array.shape
    size = int(np.prod(shape))
    memory = np.full(size + 2 * MARGIN, np.nan, np.float32)
    inner = memory[MARGIN : MARGIN + size].reshape(shape)
    if array is not None:
        inner[...] = array
    return inner, memory


def room_for(arrays: Any) -> tuple[Any, list[Array]]:
    """Arrays of the same shapes to be written, full of NaN, and the memory around each."""
    rooms = [(None, None) if array is None else between_margins(None, np.shape(array)) for array in arrays]
    return type(arrays)(*(room for room, _ in rooms)), [memory for _, memory in rooms if memory is not None]


def assert_margins_untouched(memories: list[Array]) -> None:
    for memory in memories:
        assert np.isnan(memory[:MARGIN]).all()
        assert np.isnan(memory[-MARGIN:]).all()


@every_cell
@every_size
@pytest.mark.parametrize("mask", ["none", "holes"])
def test_nothing_outside_an_array_is_accessed_and_results_are_written_in_full(
    cell: str, sizes: Sizes, mask: str
) -> None:
    recurrence = with_outputs(cell)
    inputs = make_inputs(recurrence, sizes, mask=mask, input_masks=recurrence.gates, recurrent_masks=1)
    expected, expected_gradients = run(recurrence, inputs)
    apart = Inputs(*(None if array is None else between_margins(array)[0] for array in inputs))
    results, memories = room_for(expected)
    tape, tape_memory = between_margins(None, (native.tape_size(recurrence, *sizes),))
    native.forward_into(recurrence, apart, results, tape)
    assert_same_bits(results, expected)

    gradients, gradient_memories = room_for(expected_gradients)
    cotangents = Outputs(*(None if d is None else between_margins(d)[0] for d in make_cotangents(expected)))
    native.backward_into(recurrence, apart, tape, cotangents, gradients)
    assert_same_bits(gradients, expected_gradients)
    assert_margins_untouched([*memories, tape_memory, *gradient_memories])


def with_a_row_for_each_sequence(results: Outputs, gradients: Inputs) -> list[Array]:
    arrays = (*results, gradients.sequences, gradients.initial_h, gradients.initial_c)
    return [array for array in arrays if array is not None]


@every_cell
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_nan_spreads_to_later_steps_of_its_own_sequence_only(cell: str, activation: str, poison: float) -> None:
    recurrence = with_outputs(cell, activation=activation, recurrent_activation=activation)
    inputs = make_inputs(recurrence, SMALL)
    sequences = inputs.sequences.copy()
    sequences[2, 3, 1] = poison
    others = np.arange(SMALL.batch) != 2
    clean, clean_gradients = run(recurrence, inputs)
    results, gradients = run(recurrence, inputs._replace(sequences=sequences))
    np.testing.assert_array_equal(results.outputs[2, :3], clean.outputs[2, :3])
    if np.isnan(poison):
        assert np.isnan(results.outputs[2, 3:]).all()
        assert np.isnan(results.h[2]).all()
    for ours, theirs in zip(
        with_a_row_for_each_sequence(results, gradients),
        with_a_row_for_each_sequence(clean, clean_gradients),
        strict=True,
    ):
        np.testing.assert_array_equal(ours[others], theirs[others])


@every_cell
@pytest.mark.parametrize("go_backwards", BOOLEANS)
@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize("mask", ["holes", "leading", "trailing", "every row"])
def test_inputs_of_masked_steps_are_never_read(cell: str, go_backwards: bool, poison: float, mask: str) -> None:
    recurrence = with_outputs(cell, go_backwards=go_backwards)
    inputs = make_inputs(recurrence, SMALL, mask=mask, input_masks=1)
    padded = inputs._replace(sequences=np.where(inputs.mask[:, :, None], inputs.sequences, np.float32(poison)))
    for ours, theirs in zip(run(recurrence, padded), run(recurrence, inputs), strict=True):
        assert_same_bits(ours, theirs)
    assert np.isfinite(run(recurrence, padded)[0].outputs).all()


@every_cell
def test_a_row_without_a_step_keeps_its_state_and_passes_its_gradient_on(cell: str) -> None:
    recurrence = with_outputs(cell)
    inputs = make_inputs(recurrence, SMALL, mask="one row")
    empty = ~inputs.mask.any(axis=1)
    results, gradients = run(recurrence, inputs)
    np.testing.assert_array_equal(results.h[empty], inputs.initial_h[empty])
    np.testing.assert_array_equal(results.outputs[empty], 0)
    np.testing.assert_array_equal(gradients.initial_h[empty], make_cotangents(results).h[empty])
    np.testing.assert_array_equal(gradients.sequences[empty], 0)


# Each operation may replace what lies below the normal floats, 1.2e-38, by zero.
FLUSHED = 1e-36


@every_cell
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("scale", [1e-36, 1e-38, 1e-40, 1e-44])
def test_denormal_inputs_count_as_themselves_or_as_zero(cell: str, activation: str, scale: float) -> None:
    recurrence = with_outputs(cell, activation=activation)
    inputs = make_inputs(recurrence, SMALL, without=("bias",))
    small = {name: (getattr(inputs, name) * scale).astype(np.float32) for name in ("sequences", "initial_h")}
    inputs = inputs._replace(initial_c=None, **small)
    expected, gradients = specified(recurrence, inputs)
    ours, our_gradients = run(recurrence, inputs)
    np.testing.assert_allclose(ours.outputs, expected.outputs, rtol=FORWARD, atol=FLUSHED)
    if activation != "relu":  # whose slope at what is flushed to zero is another
        assert_close(our_gradients, gradients, GRADIENTS)


def test_a_state_that_decays_through_the_denormals_ends_at_zero() -> None:
    half = np.float32(0.5) * np.eye(3, dtype=np.float32)
    inputs = Inputs(
        np.zeros((2, 300, 1), np.float32), np.zeros((1, 3), np.float32), half, initial_h=np.ones((2, 3), np.float32)
    )
    results, _ = native.forward(with_outputs("simple_rnn", activation="linear"), inputs, training=True)
    np.testing.assert_array_equal(results.outputs[0, :126, 0], 0.5 ** np.arange(1, 127))
    np.testing.assert_array_equal(results.outputs[:, 126:], 0)


def denormal_product() -> Array:
    """Zero if denormals are flushed in this thread."""
    return np.full(64, 1e-30, np.float32) * np.full(64, 1e-10, np.float32)


@pytest.fixture(params=[1, 3])
def every_thread_count(request: pytest.FixtureRequest) -> Iterator[None]:
    before = native.threads()
    native.set_threads(request.param)
    yield
    native.set_threads(before)


@every_cell
@pytest.mark.usefixtures("every_thread_count")
def test_the_calling_thread_keeps_its_denormals(cell: str) -> None:
    recurrence = CELLS[cell]
    inputs = make_inputs(recurrence, Sizes(70, 20, 50, 60))
    run(recurrence, inputs)
    assert (denormal_product() > 0).all()
    with pytest.raises(InvalidInput):
        native.forward(recurrence, inputs._replace(kernel=inputs.bias), training=False)
    assert (denormal_product() > 0).all()
    stream = Stream(recurrence, inputs.kernel, inputs.recurrent_kernel, inputs.bias)
    stream.step(inputs.sequences[:1, 0])
    assert (denormal_product() > 0).all()


# Gates that open beyond 1 let a state, and every error in it, grow without a bound.
recurrences = st.builds(
    RecurrenceSpec,
    st.sampled_from(["lstm", "gru", "simple_rnn"]),
    activation=st.sampled_from([*ACTIVATIONS]),
    recurrent_activation=st.sampled_from(["sigmoid", "hard_sigmoid"]),
    reset_after=st.booleans(),
    go_backwards=st.booleans(),
    return_sequences=st.booleans(),
    zero_output_for_mask=st.booleans(),
)
any_sizes = st.builds(Sizes, st.integers(1, 40), st.integers(1, 12), st.integers(1, 50), st.integers(1, 70))


@settings(derandomize=True, database=None, max_examples=80)
@given(
    recurrence=recurrences,
    sizes=any_sizes,
    mask=st.sampled_from(MASKS),
    resets=st.sampled_from(RESETS),
    dropout=st.tuples(*[st.sampled_from(["none", "one", "each"])] * 2),
    without=st.sets(st.sampled_from(["bias", "initial_h", "initial_c"])),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_recurrence_of_any_size(
    recurrence: RecurrenceSpec,
    sizes: Sizes,
    mask: str,
    resets: str,
    dropout: tuple[str, str],
    without: set[str],
    seed: int,
) -> None:
    counts = {"none": 0, "one": 1, "each": recurrence.gates}
    input_masks, recurrent_masks = (counts[count] for count in dropout)
    check(
        recurrence,
        make_inputs(
            recurrence,
            sizes,
            mask=mask,
            resets=resets,
            input_masks=input_masks,
            recurrent_masks=recurrent_masks,
            without=without,
            seed=seed,
        ),
    )


@every_cell
def test_a_sum_over_many_rows_of_one_sign_keeps_its_digits(cell: str) -> None:
    recurrence = replace(with_outputs(cell), activation="linear")
    some = make_inputs(recurrence, Sizes(200, 300, 1, 1), without=("initial_h", "initial_c"))
    inputs = some._replace(
        sequences=np.ones_like(some.sequences),
        **{name: np.zeros_like(getattr(some, name)) for name in ("kernel", "recurrent_kernel", "bias")},
    )
    cotangents = Outputs(np.full((200, 300, 1), 0.1, np.float32), None)
    _, tape = native.forward(recurrence, inputs, training=True)
    gradients = native.backward(recurrence, inputs, tape, cotangents, ["kernel", "bias"])
    _, expected = specified(recurrence, inputs, cotangents)
    for name in ("kernel", "bias"):
        np.testing.assert_allclose(getattr(gradients, name), getattr(expected, name), rtol=GRADIENTS)


@every_cell
@pytest.mark.parametrize("units", [1, 5, 15, 16, 17])
def test_an_infinite_input_spoils_no_gradient_that_is_finite_in_the_specification(cell: str, units: int) -> None:
    recurrence = with_outputs(cell)
    inputs = make_inputs(recurrence, Sizes(2, 3, 2, units))
    inputs.sequences[0, 1, 0] = np.inf
    results, tape = native.forward(recurrence, inputs, training=True)
    cotangents = make_cotangents(results)
    gradients = native.backward(recurrence, inputs, tape, cotangents)
    with np.errstate(all="ignore"):
        _, expected = specified(recurrence, inputs, cotangents)
    for ours, theirs in zip(gradients[:6], expected[:6], strict=True):
        if theirs is not None:
            assert np.isfinite(ours)[np.isfinite(theirs)].all()
