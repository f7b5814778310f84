"""The interface of the native kernels: errors, copies and environment variables; not their numbers."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

from tests.conftest import environment
from unrolled.errors import InvalidInput, InvalidSetting
from unrolled.kernels import _extension, native
from unrolled.kernels.spec import GATES, Inputs, Outputs, RecurrenceSpec
from unrolled.kernels.stream import Stream

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

B, T, F, H = 3, 4, 2, 5

CELLS = {
    "lstm": RecurrenceSpec("lstm"),
    "gru": RecurrenceSpec("gru"),
    "gru_reset_before": RecurrenceSpec("gru", reset_after=False),
    "simple_rnn": RecurrenceSpec("simple_rnn"),
}
DIFFERENTIABLE = Inputs._fields[:6]

every_cell = pytest.mark.parametrize("cell", CELLS)


def make_inputs(recurrence: RecurrenceSpec, *, batch: int = B) -> Inputs:
    """Every input that the recurrence can have."""
    random = np.random.default_rng(0)
    columns = recurrence.gates * H
    shapes: dict[str, tuple[int, ...]] = {
        "sequences": (batch, T, F),
        "kernel": (F, columns),
        "recurrent_kernel": (H, columns),
        "bias": (2, columns) if recurrence.cell == "gru" and recurrence.reset_after else (columns,),
        "initial_h": (batch, H),
        "input_dropout": (recurrence.gates, batch, F),
        "recurrent_dropout": (1, batch, H),
    }
    if recurrence.cell == "lstm":
        shapes["initial_c"] = (batch, H)
    arrays: dict[str, Any] = {
        name: random.normal(scale=0.5, size=shape).astype(np.float32) for name, shape in shapes.items()
    }
    return Inputs(**arrays, mask=random.random((batch, T)) < 0.8, resets=random.random((batch, T)) < 0.2)


def make_results(recurrence: RecurrenceSpec, *, batch: int = B, value: float = 0.0) -> Outputs:
    """Arrays shaped like the outputs of `recurrence` without `return_sequences`."""
    state = (batch, H)
    c = np.full(state, value, np.float32) if recurrence.cell == "lstm" else None
    return Outputs(np.full((batch, 1, H), value, np.float32), np.full(state, value, np.float32), c)


def make_tape(recurrence: RecurrenceSpec, *, batch: int = B) -> Any:
    return np.zeros(native.tape_size(recurrence, batch, T, F, H), np.float32)


def assert_same(actual: Any, expected: Any) -> None:
    """Assert that tuples of arrays are equal bit for bit, and absent in the same positions."""
    assert [array is None for array in actual] == [array is None for array in expected]
    for one, other in zip(actual, expected, strict=True):
        if one is not None:
            np.testing.assert_array_equal(one, other)


def present(arrays: Any) -> list[str]:
    return [name for name, array in arrays._asdict().items() if array is not None]


def python(program: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, with changes to its environment."""
    command = [sys.executable, *(["-S"] if sys.flags.no_site else []), "-c", program]
    return subprocess.run(command, capture_output=True, text=True, env=environment(**changes), timeout=120)


# Every shape is checked before anything is read or written.

WRONG_INPUTS = [(cell, name) for cell, recurrence in CELLS.items() for name in present(make_inputs(recurrence))]


@pytest.mark.parametrize(("cell", "name"), WRONG_INPUTS)
@pytest.mark.parametrize("way", ["longer", "shorter", "flat"])
def test_an_input_of_another_shape_is_rejected(cell: str, name: str, way: str) -> None:
    recurrence, inputs = CELLS[cell], make_inputs(CELLS[cell])
    array = getattr(inputs, name)
    wrong = {
        "longer": np.concatenate([array, array], -1),
        "shorter": array[..., :-1],
        "flat": array.reshape(-1)[:, None],
    }
    wrong_inputs = inputs._replace(**{name: np.ascontiguousarray(wrong[way])})
    with pytest.raises(InvalidInput, match=r"^native kernel: expected .*, got \[.*\]\. [A-Z]"):
        native.forward_into(recurrence, wrong_inputs, make_results(recurrence), None)
    with pytest.raises(InvalidInput, match=r"^native kernel: expected .*, got \[.*\]\. [A-Z]"):
        native.backward_into(recurrence, wrong_inputs, make_tape(recurrence), Outputs(None, None), Inputs(*[None] * 9))


@every_cell
@pytest.mark.parametrize("name", Outputs._fields)
def test_a_result_or_cotangent_of_another_shape_is_rejected(cell: str, name: str) -> None:
    recurrence, inputs, results = CELLS[cell], make_inputs(CELLS[cell]), make_results(CELLS[cell])
    wrong = results._replace(**{name: np.zeros((B + 1, H), np.float32)})
    with pytest.raises(InvalidInput, match=name):
        native.forward_into(recurrence, inputs, wrong, None)
    with pytest.raises(InvalidInput, match=f"{name} cotangent"):
        native.backward_into(recurrence, inputs, make_tape(recurrence), wrong, Inputs(*[None] * 9))


@every_cell
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_a_gradient_of_another_shape_is_rejected(cell: str, name: str) -> None:
    recurrence = CELLS[cell]
    gradients = Inputs(*[None] * 9)._replace(**{name: np.zeros((7, 7), np.float32)})
    with pytest.raises(InvalidInput, match=f"{name} gradient"):
        native.backward_into(recurrence, make_inputs(recurrence), make_tape(recurrence), Outputs(None, None), gradients)


@every_cell
def test_a_tape_of_another_size_is_rejected(cell: str) -> None:
    recurrence, inputs, results = CELLS[cell], make_inputs(CELLS[cell]), make_results(CELLS[cell])
    short = make_tape(recurrence)[1:]
    with pytest.raises(InvalidInput, match=f"expected tape .{len(short) + 1}., got .{len(short)}."):
        native.forward_into(recurrence, inputs, results, short)
    with pytest.raises(InvalidInput, match="expected tape"):
        native.backward_into(recurrence, inputs, short, results, Inputs(*[None] * 9))


def test_an_error_names_the_shapes() -> None:
    inputs = make_inputs(CELLS["lstm"])
    with pytest.raises(InvalidInput) as error:
        native.forward(CELLS["lstm"], inputs._replace(recurrent_kernel=inputs.recurrent_kernel[:, :15]), training=False)
    assert str(error.value) == (
        "native kernel: expected recurrent_kernel [5, 20], got [5, 15]. Shape arrays as unrolled.kernels.spec says."
    )
    with pytest.raises(InvalidInput) as error:
        native.forward(CELLS["lstm"], inputs._replace(sequences=inputs.sequences[0]), training=False)
    assert str(error.value) == ("native kernel: expected sequences [B, T, F], got [4, 2]. Add the missing axes.")
    with pytest.raises(InvalidInput) as error:
        native.forward(CELLS["lstm"], inputs._replace(kernel=inputs.kernel.astype(float)), training=False)
    assert str(error.value) == ("native kernel: expected kernel of float32, got float64. Convert it with astype.")


@every_cell
@pytest.mark.parametrize("name", ["sequences", "kernel", "recurrent_kernel"])
def test_a_required_array_is_missed_by_its_name(cell: str, name: str) -> None:
    recurrence = CELLS[cell]
    with pytest.raises(InvalidInput, match=rf"expected {name} \[.*, got none"):
        native.forward_into(
            recurrence, make_inputs(recurrence)._replace(**{name: None}), make_results(recurrence), None
        )


def test_weights_and_results_that_are_missing_are_missed_by_their_names() -> None:
    recurrence, inputs, results = CELLS["lstm"], make_inputs(CELLS["lstm"]), make_results(CELLS["lstm"])
    with pytest.raises(InvalidInput, match=r"expected kernel .*, got none"):
        native.forward(recurrence, inputs._replace(kernel=None), training=False)
    with pytest.raises(InvalidInput, match=r"expected h .*, got none"):
        native.forward_into(recurrence, inputs, results._replace(h=None), None)
    with pytest.raises(InvalidInput, match=r"expected tape .*, got none"):
        native.backward_into(recurrence, inputs, None, results, Inputs(*[None] * 9))
    with pytest.raises(InvalidInput, match=r"expected kernel .*, got none"):
        native.open_stream(recurrence, None, inputs.recurrent_kernel, None, results.h, results.c)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["bias", "initial_h", "initial_c", "mask", "recurrent_dropout"])
@pytest.mark.parametrize("shape", [(0, 9), (9, 0), (0, 0, 0)])
def test_an_array_without_elements_is_not_an_absent_one(name: str, shape: tuple[int, ...]) -> None:
    inputs = make_inputs(CELLS["lstm"])
    empty = np.zeros(shape, bool if name == "mask" else np.float32)
    with pytest.raises(InvalidInput, match=name):
        native.forward(CELLS["lstm"], inputs._replace(**{name: empty}), training=False)


def test_an_array_between_two_numbers_of_memory_is_copied_or_refused() -> None:
    recurrence, inputs, results = CELLS["lstm"], make_inputs(CELLS["lstm"]), make_results(CELLS["lstm"])
    memory = np.zeros(inputs.sequences.nbytes + 1, np.uint8)
    shifted = memory[1:].view(np.float32).reshape(inputs.sequences.shape)
    shifted[...] = inputs.sequences
    assert_same(
        native.forward(recurrence, inputs._replace(sequences=shifted), training=False)[0],
        native.forward(recurrence, inputs, training=False)[0],
    )
    with pytest.raises(InvalidInput, match="expected sequences at a multiple of 4 bytes"):
        native.forward_into(recurrence, inputs._replace(sequences=shifted), results, None)


@pytest.mark.parametrize("sizes", [(1 << 40,) * 4, (1 << 62, 1, 1, 1), (1, 1, 1, 1 << 62), (1 << 31, 1 << 31, 1, 5)])
def test_sizes_that_fit_into_no_memory_are_rejected(sizes: tuple[int, int, int, int]) -> None:
    with pytest.raises(InvalidInput, match="fits into memory"):
        native.tape_size(CELLS["lstm"], *sizes)


@pytest.mark.parametrize("shape", [(B, 0, F), (B, T, 0)])
def test_no_steps_and_no_features_are_rejected(shape: tuple[int, int, int]) -> None:
    inputs = make_inputs(CELLS["gru"])._replace(sequences=np.zeros(shape, np.float32))
    with pytest.raises(InvalidInput, match="expected"):
        native.forward(CELLS["gru"], inputs, training=False)
    with pytest.raises(InvalidInput, match="expected sizes of at least 1"):
        native.tape_size(CELLS["gru"], *shape, H)


@every_cell
def test_an_empty_batch_gives_empty_results_and_zero_gradients_of_weights(cell: str) -> None:
    recurrence, inputs = CELLS[cell], make_inputs(CELLS[cell], batch=0)
    results, tape = native.forward(recurrence, inputs, training=True)
    assert_same(results, make_results(recurrence, batch=0))
    assert tape is not None
    assert tape.size == 0
    gradients = native.backward(recurrence, inputs, tape, results)
    for name in ("kernel", "recurrent_kernel", "bias"):
        np.testing.assert_array_equal(getattr(gradients, name), np.zeros_like(getattr(inputs, name)))


# Copies and outputs.


def test_arrays_of_another_dtype_order_or_device_are_never_copied() -> None:
    recurrence, inputs, results = CELLS["gru"], make_inputs(CELLS["gru"]), make_results(CELLS["gru"])
    h = results.h
    read_only = h.copy()
    read_only.flags.writeable = False
    for wrong in (h.astype(np.float64), np.asfortranarray(h), np.zeros((B, 2 * H), np.float32)[:, ::2], read_only):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            native.forward_into(recurrence, inputs, results._replace(h=wrong), None)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        native.forward_into(recurrence, inputs._replace(mask=inputs.mask.astype(np.uint8)), results, None)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        native.forward_into(recurrence, inputs._replace(bias=torch.zeros(2, 3 * H, device="meta")), results, None)


@every_cell
def test_arrays_may_have_any_order(cell: str) -> None:
    recurrence, inputs = CELLS[cell], make_inputs(CELLS[cell])
    other_order = Inputs(*(None if array is None else np.asfortranarray(array) for array in inputs))
    results, tape = native.forward(recurrence, inputs, training=True)
    again, tape_again = native.forward(recurrence, other_order, training=True)
    assert_same(results, again)
    cotangents = make_results(recurrence, value=1)
    backwards = Outputs(*(None if array is None else np.asfortranarray(array) for array in cotangents))
    assert_same(
        native.backward(recurrence, inputs, tape, cotangents),
        native.backward(recurrence, other_order, tape_again, backwards),
    )


@every_cell
def test_inputs_are_not_modified_and_may_be_read_only(cell: str) -> None:
    recurrence, inputs, before = CELLS[cell], make_inputs(CELLS[cell]), make_inputs(CELLS[cell])
    for array in inputs:
        if array is not None:
            array.flags.writeable = False
    _, tape = native.forward(recurrence, inputs, training=True)
    native.backward(recurrence, inputs, tape, make_results(recurrence, value=1))
    assert_same(inputs, before)


@every_cell
def test_results_do_not_depend_on_the_tape(cell: str) -> None:
    recurrence, inputs = CELLS[cell], make_inputs(CELLS[cell])
    kept, _ = native.forward(recurrence, inputs, training=True)
    results, tape = native.forward(recurrence, inputs, training=False)
    assert tape is None
    assert_same(results, kept)


@every_cell
def test_torch_tensors_are_used_without_a_copy(cell: str) -> None:
    recurrence, inputs, results = CELLS[cell], make_inputs(CELLS[cell]), make_results(CELLS[cell])
    as_tensors = Inputs(*(None if array is None else torch.from_numpy(array) for array in inputs))
    outputs = Outputs(*(None if array is None else torch.from_numpy(array) for array in results))
    native.forward_into(recurrence, as_tensors, outputs, None)
    expected, _ = native.forward(recurrence, inputs, training=False)
    assert_same(results, expected)


@every_cell
def test_only_wanted_gradients_are_computed(cell: str) -> None:
    recurrence, inputs = CELLS[cell], make_inputs(CELLS[cell])
    _, tape = native.forward(recurrence, inputs, training=True)
    cotangents = make_results(recurrence, value=1)
    everything = native.backward(recurrence, inputs, tape, cotangents)
    assert present(everything) == [name for name in DIFFERENTIABLE if getattr(inputs, name) is not None]
    for name in present(everything):
        alone = native.backward(recurrence, inputs, tape, cotangents, [name])
        assert present(alone) == [name]
        np.testing.assert_array_equal(getattr(alone, name), getattr(everything, name))
    with pytest.raises(InvalidInput, match=r'no gradient with respect to "kernal"\. Did you mean "kernel"\?$'):
        native.backward(recurrence, inputs, tape, cotangents, ["kernal"])


# Supported recurrences.


def test_enumerations_match_the_recurrence() -> None:
    assert _extension.cells == tuple(GATES)
    for number, name in enumerate(_extension.activations):
        attributes = native.attributes(RecurrenceSpec("gru", activation=name, recurrent_activation=name))
        assert attributes["activation"] == attributes["recurrent_activation"] == np.int32(number)
    assert [int(native.attributes(RecurrenceSpec(cell))["cell"]) for cell in ("lstm", "gru", "simple_rnn")] == [0, 1, 2]


def test_an_unsupported_recurrence_has_one_reason() -> None:
    gru = RecurrenceSpec("gru")
    assert native.unsupported_reason(gru, dtype="float32") is None
    assert native.unsupported_reason(RecurrenceSpec("simple_rnn", recurrent_activation="selu"), dtype="float32") is None
    assert [
        native.unsupported_reason(replace(gru, activation="selu"), dtype="float32"),
        native.unsupported_reason(replace(gru, recurrent_activation="mish"), dtype="float32"),
        native.unsupported_reason(gru, dtype="float16"),
        native.unsupported_reason(gru, dtype="float32", device="cuda"),
        native.unsupported_reason(replace(gru, cell="mamba"), dtype="float32"),  # type: ignore[arg-type]
    ] == [
        'activation "selu" has no native kernel',
        'activation "mish" has no native kernel',
        "dtype float16 has no native kernel, only float32 has",
        "device cuda has no native kernel, only cpu has",
        'cell "mamba" has no native kernel',
    ]


def test_calling_an_unsupported_recurrence_is_an_error() -> None:
    recurrence = RecurrenceSpec("lstm", activation="selu")
    with pytest.raises(InvalidSetting, match='cannot compute this recurrence: activation "selu" has no native kernel'):
        native.forward(recurrence, make_inputs(recurrence), training=False)


def test_without_the_extension_there_is_a_reason_and_no_kernel() -> None:
    program = """
import sys
sys.modules["unrolled.kernels._extension"] = None
from unrolled.kernels import native
from unrolled.kernels.spec import RecurrenceSpec
print(native.available())
print(native.load_failure())
print(native.unsupported_reason(RecurrenceSpec("gru"), dtype="float32"))
native.threads()
"""
    finished = python(program)
    available, failure, reason = finished.stdout.splitlines()
    assert available == "False"
    assert reason == f"the extension could not be loaded: {failure}"
    assert finished.stderr.splitlines()[-1] == (
        f"unrolled.errors.InvalidSetting: native kernel: the compiled extension cannot be loaded ({failure}). "
        "Install unrolled where GCC or Clang can compile it."
    )


# Threads and instruction sets.


@pytest.mark.parametrize("count", [0, -1, 1025, True, 1.5, "two"])
def test_an_impossible_number_of_threads_is_rejected(count: Any) -> None:
    with pytest.raises(InvalidSetting, match=r"^set_threads: expected a whole number from 1 to 1024, got .*\. Choose "):
        native.set_threads(count)


def test_the_number_of_threads_can_be_set() -> None:
    before = native.threads()
    try:
        native.set_threads(3)
        assert native.threads() == 3
    finally:
        native.set_threads(before)


def test_the_environment_sets_threads_and_instruction_set() -> None:
    slowest = native.isas()[-1]
    program = "from unrolled.kernels import native; print(native.threads(), native.isa())"
    finished = python(program, UNROLLED_THREADS="5", UNROLLED_ISA=slowest)
    assert finished.stdout.split() == ["5", slowest]


def test_the_default_number_of_threads_is_that_of_usable_cores() -> None:
    program = """
import os
from unrolled.kernels import native
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
print(native.threads())
"""
    finished = python(program, UNROLLED_THREADS="")
    assert finished.stdout.strip() == "1"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("UNROLLED_THREADS", "many", "UNROLLED_THREADS: expected a whole number from 1 to 1024, got 'many'. Choose"),
        ("UNROLLED_ISA", "mmx", "UNROLLED_ISA: expected one of "),
    ],
)
def test_an_impossible_setting_is_an_error_at_the_first_use_and_not_before(
    variable: str, value: str, message: str
) -> None:
    program = "from unrolled.kernels import native; print('imported'); native.isa()"
    finished = python(program, **{variable: value})
    assert finished.stdout == "imported\n"
    assert f"unrolled.errors.InvalidSetting: {message}" in finished.stderr


def test_an_unknown_instruction_set_is_rejected_and_a_known_one_used() -> None:
    before = native.isa()
    assert before in native.isas()
    with pytest.raises(InvalidSetting, match=r'^set_isa: expected one of .*, got "mmx"\. Choose one'):
        native.set_isa("mmx")
    try:
        for name in native.isas():
            native.set_isa(name)
            assert native.isa() == name
    finally:
        native.set_isa(before)


# Streams.


@every_cell
def test_a_stream_equals_a_forward_call(cell: str) -> None:
    recurrence = replace(CELLS[cell], return_sequences=True)
    inputs = make_inputs(recurrence)
    inputs = Inputs(inputs.sequences, inputs.kernel, inputs.recurrent_kernel, inputs.bias)
    results, _ = native.forward(recurrence, inputs, training=False)
    stream = Stream(recurrence, inputs.kernel, inputs.recurrent_kernel, inputs.bias, batch=B)
    for _ in range(2):
        for step in range(T):
            h = stream.step(inputs.sequences[:, step])
            np.testing.assert_allclose(h, results.outputs[:, step], rtol=1e-5, atol=1e-6)
        stream.reset()
    stream.reset(h=results.h, c=results.c)
    assert_same((stream.h, stream.c), results[1:])


def test_a_stream_keeps_its_state_and_returns_copies() -> None:
    stream = Stream(CELLS["lstm"], np.ones((F, 4 * H)), np.ones((H, 4 * H)))
    h, c = stream.h, stream.c
    first = stream.step(np.ones((1, F)))
    assert stream.h is h
    assert stream.c is c
    assert np.array_equal(first, h)
    kept = first.copy()
    assert not np.array_equal(stream.step(np.ones((1, F))), kept)
    assert np.array_equal(first, kept)
    stream.reset()
    assert not h.any()


def test_a_stream_outlives_its_weights_and_a_change_of_instruction_set() -> None:
    inputs, before = make_inputs(CELLS["gru"], batch=1), native.isa()
    weights = [array.copy() for array in (inputs.kernel, inputs.recurrent_kernel, inputs.bias)]
    stream = Stream(CELLS["gru"], *weights)
    expected = stream.step(inputs.sequences[:, 0]).copy()
    stream.reset()
    for array in weights:
        array[...] = np.nan
    del weights
    try:
        native.set_isa(native.isas()[-1])
        np.testing.assert_array_equal(stream.step(inputs.sequences[:, 0]), expected)
    finally:
        native.set_isa(before)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kernel": np.ones((F, 4 * H + 1))},
        {"kernel": np.ones(4 * H)},
        {"recurrent_kernel": np.ones((H, 3 * H))},
        {"bias": np.ones(3 * H)},
        {"batch": 0},
    ],
)
def test_a_stream_rejects_other_shapes(wrong: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"kernel": np.ones((F, 4 * H)), "recurrent_kernel": np.ones((H, 4 * H))}
    with pytest.raises(InvalidInput, match=r"^native kernel: expected .*, got \[.*\]\. Shape arrays"):
        Stream(CELLS["lstm"], **arguments | wrong)
    stream = Stream(CELLS["lstm"], **arguments)
    for x in (np.ones(F), np.ones((2, F)), np.ones((1, F + 1)), np.ones((1, 1, F))):
        with pytest.raises(InvalidInput, match=r"^native kernel: expected inputs \[1, 2\], got \["):
            stream.step(x)
    with pytest.raises(InvalidInput, match=r"^Stream: expected h \[1, 5\], got \[5\]\. "):
        stream.reset(h=np.ones(5))
    with pytest.raises(InvalidInput, match=r"^Stream: only an LSTM has a cell state c\. "):
        Stream(CELLS["simple_rnn"], np.ones((F, H)), np.ones((H, H))).reset(c=np.ones((1, H)))
    with pytest.raises(InvalidSetting, match="Stream: go_backwards=True needs the whole sequence"):
        Stream(replace(CELLS["lstm"], go_backwards=True), **arguments)


# The targets of XLA.


def call_xla(target: str, recurrence: RecurrenceSpec, shapes: list[tuple[int, ...]], *arrays: Any) -> Any:
    """Call a target directly, with an array without elements in place of each None."""
    for name, capsule in native.xla_targets().items():
        jax.ffi.register_ffi_target(name, capsule, platform="cpu")
    operands = [np.zeros(0, np.float32) if array is None else array for array in arrays]
    results = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]  # type: ignore[no-untyped-call]
    call = jax.jit(lambda operands: jax.ffi.ffi_call(target, results)(*operands, **native.attributes(recurrence)))
    return jax.block_until_ready(call([jnp.asarray(operand) for operand in operands]))  # type: ignore[no-untyped-call]


def shapes_of(arrays: Any) -> list[tuple[int, ...]]:
    return [(0,) if array is None else array.shape for array in arrays]


@every_cell
@pytest.mark.parametrize("batch", [B, 0])
def test_xla_and_numpy_get_the_same(cell: str, batch: int) -> None:
    recurrence, inputs = CELLS[cell], make_inputs(CELLS[cell], batch=batch)
    results, tape = native.forward(recurrence, inputs, training=True)
    assert tape is not None
    cotangents = make_results(recurrence, batch=batch, value=1)
    gradients = native.backward(recurrence, inputs, tape, cotangents)

    *of_xla, tape_of_xla = call_xla("unrolled_forward", recurrence, shapes_of([*results, tape]), *inputs)
    shapes = shapes_of(gradients[:6])
    gradients_of_xla = call_xla("unrolled_backward", recurrence, shapes, *inputs, tape_of_xla, *cotangents)
    for expected, actual in zip([*results, *gradients[:6]], [*of_xla, *gradients_of_xla], strict=True):
        np.testing.assert_array_equal(actual, np.zeros(0) if expected is None else expected)


@every_cell
def test_wrong_shapes_are_an_error_of_xla(cell: str) -> None:
    recurrence, inputs, results = CELLS[cell], make_inputs(CELLS[cell]), make_results(CELLS[cell])
    shapes = shapes_of([*results, None])
    for name in (
        "kernel",
        "recurrent_kernel",
        "bias",
        "initial_h",
        "mask",
        "resets",
        "input_dropout",
        "recurrent_dropout",
    ):
        wrong = inputs._replace(**{name: getattr(inputs, name)[..., :-1]})
        with pytest.raises(Exception, match=r"INVALID_ARGUMENT: native kernel: expected .*, got \[.*\]\. [A-Z]"):
            call_xla("unrolled_forward", recurrence, shapes, *wrong)
    with pytest.raises(Exception, match="INVALID_ARGUMENT: native kernel: expected tape"):
        call_xla("unrolled_forward", recurrence, [*shapes[:3], (7,)], *inputs)
    with pytest.raises(Exception, match="INVALID_ARGUMENT: native kernel: expected tape"):
        call_xla("unrolled_backward", recurrence, shapes_of(inputs[:6]), *inputs, None, *results)
