"""The reference: gradients equal finite differences, outputs equal Keras' own layers."""

import itertools
from dataclasses import replace
from typing import Any, TypedDict

import unrolled  # noqa: F401 - chooses the backend
from unrolled.kernels.reference import ACTIVATIONS, backward, forward
from unrolled.kernels.spec import GATES, Inputs, Outputs, RecurrenceSpec

import keras
import numpy as np
import pytest

B, T, F, H = 4, 5, 2, 3


class Tolerance(TypedDict):
    rtol: float
    atol: float


# Central differences with a step of 1e-6 are good to about 1e-10 of the loss; Keras computes in float32.
DIFFERENCES: Tolerance = {"rtol": 1e-6, "atol": 1e-8}
KERAS: Tolerance = {"rtol": 1e-5, "atol": 1e-5}
ROUNDING: Tolerance = {"rtol": 1e-12, "atol": 1e-14}

LSTM, GRU, SIMPLE_RNN = RecurrenceSpec("lstm"), RecurrenceSpec("gru"), RecurrenceSpec("simple_rnn")
CELLS = {"lstm": LSTM, "gru": GRU, "gru_reset_before": replace(GRU, reset_after=False), "simple_rnn": SIMPLE_RNN}
# Of any pattern: holes, a late start, an early end, and an example that is masked throughout.
MASK = np.array([[1, 0, 1, 1, 0], [0, 0, 1, 0, 1], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], bool)
DIFFERENTIABLE = ("sequences", "kernel", "recurrent_kernel", "bias", "initial_h", "initial_c")

every_cell = pytest.mark.parametrize("cell", CELLS)


def make_inputs(recurrence: RecurrenceSpec, *, masks: int | None = None, without: tuple[str, ...] = ()) -> Inputs:
    """Every input that the recurrence can have except those in `without`; dropout only with `masks` masks."""
    random = np.random.default_rng(1)
    columns = recurrence.gates * H
    two_rows = recurrence.cell == "gru" and recurrence.reset_after
    arrays = {
        "sequences": random.normal(size=(B, T, F)),
        "kernel": random.normal(scale=0.4, size=(F, columns)),
        "recurrent_kernel": random.normal(scale=0.4, size=(H, columns)),
        "bias": random.normal(scale=0.4, size=(2, columns) if two_rows else columns),
        "initial_h": random.normal(size=(B, H)),
        "initial_c": random.normal(size=(B, H)) if recurrence.cell == "lstm" else None,
        "mask": MASK,
    }
    if masks is not None:
        arrays["input_dropout"] = (random.random((masks, B, F)) < 0.6) / 0.6
        arrays["recurrent_dropout"] = (random.random((masks, B, H)) < 0.6) / 0.6
    return Inputs(**(arrays | dict.fromkeys(without)))


def run(recurrence: RecurrenceSpec, inputs: Inputs) -> Outputs:
    return forward(recurrence, inputs)[0]


def check_gradients(recurrence: RecurrenceSpec, inputs: Inputs) -> Inputs:
    """Compare each entry of each gradient with a central difference of the same loss."""
    results, tape = forward(recurrence, inputs)
    random = np.random.default_rng(2)
    cotangents = Outputs(*(None if result is None else random.normal(size=result.shape) for result in results))
    gradients = backward(recurrence, inputs, tape, cotangents)

    def rise_of_loss(low: Inputs, high: Inputs) -> float:
        rises = zip(run(recurrence, low), run(recurrence, high), cotangents, strict=True)
        return sum(float(((after - before) * d).sum()) for before, after, d in rises if d is not None)

    for name, gradient in gradients._asdict().items():
        array = getattr(inputs, name)
        assert (gradient is None) == (name not in DIFFERENTIABLE or array is None), name
        if gradient is None:
            continue
        assert gradient.shape == array.shape
        expected = np.empty_like(array)
        for index in np.ndindex(array.shape):
            step = np.zeros_like(array)
            step[index] = 1e-6
            low, high = (inputs._replace(**{name: moved}) for moved in (array - step, array + step))
            expected[index] = rise_of_loss(low, high) / 2e-6
        np.testing.assert_allclose(gradient, expected, **DIFFERENCES, err_msg=name)
    return gradients


@every_cell
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"return_sequences": True},
        {"go_backwards": True},
        {"go_backwards": True, "return_sequences": True},
        {"zero_output_for_mask": True},
        {"zero_output_for_mask": True, "return_sequences": True, "go_backwards": True},
    ],
    ids=str,
)
def test_gradients_of_every_option(cell: str, changes: dict[str, Any]) -> None:
    recurrence = replace(CELLS[cell], **changes)
    check_gradients(recurrence, make_inputs(recurrence))


@every_cell
@pytest.mark.parametrize("masks", ["one", "one for each gate"])
def test_gradients_under_dropout(cell: str, masks: str) -> None:
    recurrence = replace(CELLS[cell], return_sequences=True)
    check_gradients(recurrence, make_inputs(recurrence, masks=1 if masks == "one" else recurrence.gates))


@every_cell
@pytest.mark.parametrize("without", [("mask",), ("bias",), ("initial_h",), ("initial_h", "initial_c", "bias", "mask")])
def test_gradients_without_optional_inputs(cell: str, without: tuple[str, ...]) -> None:
    check_gradients(CELLS[cell], make_inputs(CELLS[cell], without=without))


@every_cell
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_of_every_activation(cell: str, activation: str) -> None:
    names = list(ACTIVATIONS)
    other = names[(names.index(activation) + 3) % len(names)]  # each meets another in both places
    recurrence = replace(CELLS[cell], activation=activation, recurrent_activation=other)
    check_gradients(recurrence, make_inputs(recurrence))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_equal_keras_and_their_slopes_the_differences(name: str) -> None:
    activation = ACTIVATIONS[name]
    v = np.linspace(-8.03, 8.03, 200)
    value, slope = activation(v)
    expected = keras.ops.convert_to_numpy(keras.activations.get(name)(v.astype(np.float32)))
    np.testing.assert_allclose(value, expected, **KERAS)
    np.testing.assert_allclose(slope, (activation(v + 1e-6)[0] - activation(v - 1e-6)[0]) / 2e-6, **DIFFERENCES)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_stay_finite_far_out_and_pass_nan_on(name: str) -> None:
    with np.errstate(invalid="raise", over="raise", divide="raise"):
        value, slope = ACTIVATIONS[name](np.array([-1e4, 1e4]))
    assert np.isfinite(value).all() and np.isfinite(slope).all()
    assert np.isnan(ACTIVATIONS[name](np.array([np.nan]))[0]).all()


def test_slopes_at_kinks_are_those_of_the_flat_side() -> None:
    np.testing.assert_array_equal(ACTIVATIONS["relu"](np.zeros(1))[1], 0)
    np.testing.assert_array_equal(ACTIVATIONS["hard_sigmoid"](np.array([-3.0, 3.0]))[1], 0)


def gate_bias(recurrence: RecurrenceSpec, **values: float) -> np.ndarray[Any, Any]:
    """A bias with one value per gate, named by its letter; 0 by default."""
    return np.repeat([values.get(gate, 0.0) for gate in GATES[recurrence.cell]], H)


def only_bias(recurrence: RecurrenceSpec, bias: np.ndarray[Any, Any]) -> Outputs:
    """The outputs that depend on bias and initial state alone: an initial h of 2, an initial c of 5."""
    columns = recurrence.gates * H
    weights = {"kernel": np.zeros((F, columns)), "recurrent_kernel": np.zeros((H, columns))}
    c = np.full((B, H), 5.0) if recurrence.cell == "lstm" else None
    inputs = Inputs(np.zeros((B, 1, F)), **weights, bias=bias, initial_h=np.full((B, H), 2.0), initial_c=c)
    return run(replace(recurrence, activation="linear"), inputs)


OPEN, CLOSED = 1000.0, -1000.0


@pytest.mark.parametrize(
    ("gates", "h", "c"),
    [
        ({"i": OPEN, "f": CLOSED, "c": 7, "o": OPEN}, 7, 7),
        ({"i": CLOSED, "f": OPEN, "c": 7, "o": OPEN}, 5, 5),
        ({"i": OPEN, "f": OPEN, "c": 7, "o": CLOSED}, 0, 12),
    ],
)
def test_the_gates_of_an_lstm_are_in_keras_order(gates: dict[str, float], h: float, c: float) -> None:
    assert GATES["lstm"] == ("i", "f", "c", "o")
    results = only_bias(LSTM, gate_bias(LSTM, **gates))
    np.testing.assert_array_equal(results.h, h)
    np.testing.assert_array_equal(results.c, c)


@pytest.mark.parametrize(
    ("gates", "h"),
    [({"z": OPEN, "h": 7}, 2), ({"z": CLOSED, "h": 7, "r": OPEN}, 10), ({"z": CLOSED, "h": 7, "r": CLOSED}, 7)],
)
def test_the_gates_of_a_gru_are_in_keras_order(gates: dict[str, float], h: float) -> None:
    assert GATES["gru"] == ("z", "r", "h")
    recurrent = gate_bias(GRU, h=3)  # which the reset gate lets through or not
    np.testing.assert_array_equal(only_bias(GRU, np.stack([gate_bias(GRU, **gates), recurrent])).h, h)


@every_cell
def test_a_fully_masked_row_keeps_its_state(cell: str) -> None:
    recurrence = replace(CELLS[cell], return_sequences=True)
    inputs = make_inputs(recurrence)
    results, tape = forward(recurrence, inputs)
    masked = ~MASK.any(axis=1)
    np.testing.assert_array_equal(results.h[masked], inputs.initial_h[masked])
    np.testing.assert_array_equal(results.outputs[masked], 0)
    gradients = backward(recurrence, inputs, tape, Outputs(results.outputs, h=np.full((B, H), 3.0)))
    np.testing.assert_array_equal(gradients.initial_h[masked], 3)
    np.testing.assert_array_equal(gradients.sequences[~MASK], 0)


@every_cell
def test_inputs_of_masked_steps_are_never_read(cell: str) -> None:
    recurrence = replace(CELLS[cell], return_sequences=True)
    inputs = make_inputs(recurrence)
    padded = inputs._replace(sequences=np.where(MASK[:, :, None], inputs.sequences, np.nan))
    expected, expected_tape = forward(recurrence, inputs)
    results, tape = forward(recurrence, padded)
    np.testing.assert_array_equal(results.outputs, expected.outputs)
    gradients = backward(recurrence, padded, tape, results)
    for ours, theirs in zip(gradients, backward(recurrence, inputs, expected_tape, expected), strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_array_equal(ours, theirs)


@every_cell
def test_two_halves_in_turn_equal_the_whole(cell: str) -> None:
    recurrence = replace(CELLS[cell], return_sequences=True)
    inputs = make_inputs(recurrence, without=("mask",))
    whole = run(recurrence, inputs)
    first = run(recurrence, inputs._replace(sequences=inputs.sequences[:, :2]))
    second = run(recurrence, inputs._replace(sequences=inputs.sequences[:, 2:], initial_h=first.h, initial_c=first.c))
    np.testing.assert_allclose(np.concatenate([first.outputs, second.outputs], 1), whole.outputs, **ROUNDING)
    np.testing.assert_allclose(second.h, whole.h, **ROUNDING)


@every_cell
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("zero_output_for_mask", [False, True])
def test_resets_equal_sequences_of_their_own(cell: str, go_backwards: bool, zero_output_for_mask: bool) -> None:
    recurrence = replace(
        CELLS[cell], return_sequences=True, go_backwards=go_backwards, zero_output_for_mask=zero_output_for_mask
    )
    resets = np.array([[0, 0, 1, 0, 0], [1, 0, 0, 1, 1], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]], bool)
    inputs = make_inputs(recurrence)._replace(resets=resets)
    (outputs, h, *c), tape = forward(recurrence, inputs)
    cotangents = Outputs(*(None if array is None else np.cos(array) for array in (outputs, h, *c)))
    gradients = backward(recurrence, inputs, tape, cotangents)

    weights = {name: np.zeros_like(getattr(inputs, name)) for name in ("kernel", "recurrent_kernel", "bias")}
    for row, marks in enumerate(resets):
        begins = [0, *(np.flatnonzero(marks[1:]) + 1), T]
        spans = [slice(begin, end) for begin, end in itertools.pairwise(begins)]
        for span in spans:
            # The initial state is that of what is read first, unless that begins anew.
            has_initial = span.stop == T if go_backwards else span.start == 0 and not marks[0]
            is_last = span.start == 0 if go_backwards else span.stop == T
            read = slice(T - span.stop, T - span.start) if go_backwards else span
            own = inputs._replace(
                sequences=inputs.sequences[row : row + 1, span], mask=inputs.mask[row : row + 1, span], resets=None
            )
            states = {"initial_h": inputs.initial_h, "initial_c": inputs.initial_c}
            own = own._replace(**{n: None if s is None else s[row : row + 1] * has_initial for n, s in states.items()})
            (its_outputs, *its_states), its_tape = forward(recurrence, own)
            np.testing.assert_allclose(outputs[row : row + 1, read], its_outputs, **ROUNDING)
            of_states = [None if d is None else d[row : row + 1] * is_last for d in cotangents[1:]]
            if is_last:
                for state, its_state in zip((h, *c), its_states, strict=True):
                    assert state is its_state or np.allclose(state[row], its_state[0], **ROUNDING)
            its = backward(recurrence, own, its_tape, Outputs(cotangents.outputs[row : row + 1, read], *of_states))
            np.testing.assert_allclose(gradients.sequences[row : row + 1, span], its.sequences, **ROUNDING)
            for name, total in weights.items():
                total += getattr(its, name)
            if has_initial:
                np.testing.assert_allclose(gradients.initial_h[row], its.initial_h[0], **ROUNDING)
    for name, total in weights.items():
        np.testing.assert_allclose(getattr(gradients, name), total, **ROUNDING)
    without = [] if go_backwards else [1]
    np.testing.assert_array_equal(gradients.initial_h[without], 0)
    check_gradients(recurrence, inputs)


@every_cell
def test_one_dropout_mask_serves_every_gate(cell: str) -> None:
    recurrence = CELLS[cell]
    one = make_inputs(recurrence, masks=1)
    each = one._replace(
        input_dropout=np.repeat(one.input_dropout, recurrence.gates, axis=0),
        recurrent_dropout=np.repeat(one.recurrent_dropout, recurrence.gates, axis=0),
    )
    np.testing.assert_allclose(run(recurrence, one).h, run(recurrence, each).h, **ROUNDING)


@every_cell
def test_absent_cotangents_are_zero(cell: str) -> None:
    recurrence = CELLS[cell]
    inputs = make_inputs(recurrence)
    results, tape = forward(recurrence, inputs)
    zeros = Outputs(*(None if result is None else np.zeros_like(result) for result in results))
    absent = backward(recurrence, inputs, tape, Outputs(None, h=results.h))
    present = backward(recurrence, inputs, tape, zeros._replace(h=results.h))
    for name in DIFFERENTIABLE:
        np.testing.assert_array_equal(getattr(absent, name), getattr(present, name))


@every_cell
def test_float32_is_computed_in_float64(cell: str) -> None:
    inputs = make_inputs(CELLS[cell])
    narrow = Inputs(*(None if array is None else array.astype(np.float32) for array in inputs))
    assert run(CELLS[cell], narrow).outputs.dtype == np.float64


def keras_layer(recurrence: RecurrenceSpec, inputs: Inputs, **arguments: Any) -> keras.Layer:
    """Keras' own layer for the recurrence, with the weights of the inputs."""
    if recurrence.cell != "simple_rnn":
        arguments["recurrent_activation"] = recurrence.recurrent_activation
    if recurrence.cell == "gru":
        arguments["reset_after"] = recurrence.reset_after
    layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "simple_rnn": keras.layers.SimpleRNN}[recurrence.cell](
        H,
        activation=recurrence.activation,
        go_backwards=recurrence.go_backwards,
        return_sequences=recurrence.return_sequences,
        zero_output_for_mask=recurrence.zero_output_for_mask,
        use_bias=inputs.bias is not None,
        return_state=True,
        **arguments,
    )
    layer.build((B, T, F))
    layer.set_weights([w for w in (inputs.kernel, inputs.recurrent_kernel, inputs.bias) if w is not None])
    return layer


def check_keras(recurrence: RecurrenceSpec, inputs: Inputs, layer: keras.Layer, *, training: bool = False) -> None:
    """Assert that the layer returns the same outputs and states for the inputs."""
    initial = [state.astype(np.float32) for state in (inputs.initial_h, inputs.initial_c) if state is not None]
    outputs, *states = layer(
        inputs.sequences.astype(np.float32), initial_state=initial or None, mask=inputs.mask, training=training
    )
    results = run(recurrence, inputs)
    shown = results.outputs if recurrence.return_sequences else results.outputs[:, 0]
    for ours, theirs in zip((shown, results.h, results.c), (outputs, *states), strict=False):
        np.testing.assert_allclose(ours, keras.ops.convert_to_numpy(theirs), **KERAS)


@every_cell
@pytest.mark.parametrize(
    ("changes", "without"),
    [
        ({"return_sequences": True}, ("initial_h", "initial_c")),
        ({"go_backwards": True, "return_sequences": True}, ("initial_h", "initial_c")),
        ({"return_sequences": True, "zero_output_for_mask": True}, ()),
        ({"go_backwards": True, "zero_output_for_mask": True}, ()),
        ({"activation": "relu", "recurrent_activation": "hard_sigmoid"}, ("mask", "bias")),
    ],
    ids=str,
)
def test_results_equal_keras(cell: str, changes: dict[str, Any], without: tuple[str, ...]) -> None:
    recurrence = replace(CELLS[cell], **changes)
    inputs = make_inputs(recurrence, without=without)
    check_keras(recurrence, inputs, keras_layer(recurrence, inputs))


@every_cell
def test_before_the_first_unmasked_step_the_output_is_zero_as_in_keras_unrolled(cell: str) -> None:
    recurrence = replace(CELLS[cell], return_sequences=True)
    inputs = make_inputs(recurrence)
    check_keras(recurrence, inputs, keras_layer(recurrence, inputs, unroll=True))


@every_cell
@pytest.mark.parametrize("masks", ["one", "one for each gate"])
def test_dropout_equals_keras(cell: str, masks: str) -> None:
    recurrence = replace(CELLS[cell], return_sequences=True)
    count = 1 if masks == "one" else recurrence.gates
    inputs = make_inputs(recurrence, masks=count, without=("mask",))
    rates = {"dropout": 0.4, "recurrent_dropout": 0.4}
    if count == 1 and recurrence.gates > 1:  # these share a mask between gates for the inputs only
        inputs = inputs._replace(recurrent_dropout=None)
        rates = {"dropout": 0.4}
    layer = keras_layer(recurrence, inputs, **rates)
    for attribute, factors in (
        ("_dropout_mask", inputs.input_dropout),
        ("_recurrent_dropout_mask", inputs.recurrent_dropout),
    ):
        if factors is not None:  # the cell draws its factors once and keeps them: give it ours
            drawn = [keras.ops.convert_to_tensor(factor, "float32") for factor in factors]
            setattr(layer.cell, attribute, drawn if recurrence.gates > 1 and count > 1 else drawn[0])
    check_keras(recurrence, inputs, layer, training=True)
